"""Which transaction of a line is due next: pure, with time handed in as seconds of a monotonic clock.

Transactions do not interrupt each other. Among those that are due, the class decides (fire first), then the
earliest deadline. A poll that is still waiting is not queued twice: periods that passed meanwhile are counted as
overruns and left out, so that a line that was slow or gone is never flooded afterwards.
"""

import heapq
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
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
    turn: int = 0
    """Counts its moves: an entry of a heap that was made for an earlier one is void."""

    @property
    def probe(self) -> bool:
        """True where it only asks whether a silent device is back."""
        return self.rank == PROBE_RANK


_Heap = list[tuple[float, int, int, Job[Payload]]]


class Schedule(Generic[Payload]):
    """The jobs of one line. Give it time, get the next job; tell it when the job began and ended."""

    def __init__(self) -> None:
        self.overruns = 0
        self._jobs: dict[Job[Payload], None] = {}
        self._later: _Heap[Payload] = []
        self._ready: tuple[_Heap[Payload], ...] = tuple([] for _ in range(PROBE_RANK + 1))
        self._order = itertools.count()
        self._turns = 0
        self._probes_after = float("-inf")

    def __iter__(self) -> Iterator[Job[Payload]]:
        return iter(tuple(self._jobs))

    def __contains__(self, job: Job[Payload]) -> bool:
        return job in self._jobs

    def add(self, what: Payload, *, rank: int, period: float, due: float) -> Job[Payload]:
        """Take in a job that is first due at `due`; its grid begins when it first runs."""
        if period <= 0:
            raise ValueError(f"a period of {period} s is no period")
        job = Job(what, rank, period, due)
        self._jobs[job] = None
        self._put(job)
        return job

    def remove(self, job: Job[Payload]) -> None:
        """Forget a job; one that is not there is no error."""
        self._jobs.pop(job, None)
        job.turn += 1

    def next(self, now: float) -> Job[Payload] | None:
        """Return the due job whose turn it is, or None while nothing is due."""
        heads = self._heads(now)
        if not heads:
            return None
        best = heads[0]
        if best.rank == RANKS["fire"]:
            return best
        if len(heads) == 1:
            self._turns = 0
            return best
        self._turns += 1
        if self._turns > TURNS_ABOVE:
            self._turns = 0
            return min(heads[1:], key=lambda job: job.due)
        return best

    def wait(self, now: float) -> float | None:
        """Return the seconds until something is due (0 if it already is), None if there is nothing to do at all."""
        if self._heads(now):
            return 0.0
        times = [self._later[0][0]] if self._later else []
        if _head(self._ready[PROBE_RANK]) is not None:
            times.append(self._probes_after)
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
        self._put(job)

    def at(self, job: Job[Payload], due: float) -> None:
        """Move a job: it is next due at `due`, and its grid begins anew there."""
        job.started, job.due = False, due
        self._put(job)

    def _put(self, job: Job[Payload]) -> None:
        job.turn += 1
        if job in self._jobs:
            heapq.heappush(self._later, (job.due, next(self._order), job.turn, job))

    def _heads(self, now: float) -> list[Job[Payload]]:
        """Return the most urgent due job of each class that has one, the highest class first."""
        while _head(self._later) is not None and self._later[0][0] <= now:
            _, order, turn, job = heapq.heappop(self._later)
            heapq.heappush(self._ready[job.rank], (job.due + job.period, order, turn, job))
        heads = [_head(heap) for heap in self._ready]
        if now < self._probes_after:
            heads[PROBE_RANK] = None
        return [job for job in heads if job is not None]


def _head(heap: _Heap[Payload]) -> Job[Payload] | None:
    """Return the first entry that is still valid, and drop those before it."""
    while heap and heap[0][2] != heap[0][3].turn:
        heapq.heappop(heap)
    return heap[0][3] if heap else None
