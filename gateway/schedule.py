"""Which transaction of a line is due next: pure, with time handed in as seconds of a monotonic clock.

Transactions do not interrupt each other. Among those that are due, the class decides (fire first), then the
earliest deadline. A poll that is still waiting is not queued twice: periods that passed meanwhile are counted as
overruns and left out, so that a line that was slow or gone is never flooded afterwards.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Generic, TypeVar

RANKS: dict[str, int] = {"fire": 0, "alarm": 1, "billing": 2, "routine": 3, "slow": 4}
PROBE_RANK = 5

# After this many turns in a row above a waiting lower class, the longest waiting one gets a turn: a fifth of the
# turns is reserved for it. Fire is exempt: nothing goes before a fire transaction that is due.
TURNS_ABOVE = 4

# A probe of a silent device costs a whole time-out, so all probes together get at most a tenth of the line's time.
PROBE_SHARE = 0.1

Payload = TypeVar("Payload")


@dataclass(slots=True, eq=False)
class Job(Generic[Payload]):
    """Something to do every `period` seconds; `due` is when next."""

    what: Payload
    rank: int
    period: float
    due: float
    started: bool = False
    overruns: int = 0
    probe: bool = False

    @property
    def deadline(self) -> float:
        """The end of the period in which it is due."""
        return self.due + self.period


@dataclass(slots=True)
class Schedule(Generic[Payload]):
    """The jobs of one line. Give it time, get the next job; tell it when the job began and ended."""

    jobs: list[Job[Payload]] = field(default_factory=list)
    overruns: int = 0
    _turns: int = 0
    _probes_after: float = float("-inf")

    def add(
        self, what: Payload, *, rank: int, period: float, due: float, probe: bool = False
    ) -> Job[Payload]:
        """Take in a job that is first due at `due`; its grid begins when it first runs."""
        if period <= 0:
            raise ValueError(f"a period of {period} s is no period")
        job = Job(what, rank, period, due, probe=probe)
        self.jobs.append(job)
        return job

    def remove(self, job: Job[Payload]) -> None:
        """Forget a job; one that is not there is no error."""
        if job in self.jobs:
            self.jobs.remove(job)

    def next(self, now: float) -> Job[Payload] | None:
        """Return the due job whose turn it is, or None while nothing is due."""
        due = [job for job in self._ready(now) if job.due <= now]
        if not due:
            return None
        best = min(due, key=lambda job: (job.rank, job.deadline))
        lowest = max(job.rank for job in due)
        if best.rank == RANKS["fire"]:
            return best
        if lowest == best.rank:
            self._turns = 0
            return best
        self._turns += 1
        if self._turns > TURNS_ABOVE:
            self._turns = 0
            return min((job for job in due if job.rank > best.rank), key=lambda job: job.due)
        return best

    def wait(self, now: float) -> float | None:
        """Return the seconds until something is due (0 if it already is), None if there is nothing to do at all."""
        times = [max(job.due, self._probes_after) if job.probe else job.due for job in self.jobs]
        return max(0.0, min(times) - now) if times else None

    def done(self, job: Job[Payload], *, began: float, ended: float) -> None:
        """Put a job that ran from `began` to `ended` on its next place in the grid that lies after `ended`."""
        if not job.started:
            # Its own first moment is its phase: jobs that start together spread out by what each one costs.
            job.started, job.due = True, began
        passed = max(0, int((ended - job.due) // job.period))
        job.overruns += passed
        self.overruns += passed
        job.due += (passed + 1) * job.period
        if job.probe:
            self._probes_after = ended + (ended - began) * (1 / PROBE_SHARE - 1)

    def at(self, job: Job[Payload], due: float) -> None:
        """Move a job: it is next due at `due`, and its grid begins anew there."""
        job.started, job.due = False, due

    def _ready(self, now: float) -> Iterator[Job[Payload]]:
        return (job for job in self.jobs if not job.probe or now >= self._probes_after)
