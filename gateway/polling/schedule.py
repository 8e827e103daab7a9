"""Which transaction of a line goes onto the wire next: pure, with time handed in as seconds of a monotonic clock.

Transactions do not interrupt each other. Among those that wait, the class decides (fire and commands first), then
the earliest deadline. While lower classes wait, a fifth of the time is kept for them; fire is exempt, nothing goes
before it. A poll that is still waiting is not queued twice: periods that passed meanwhile are counted as overruns
and left out, so that a line that was slow or gone is never flooded afterwards.
"""

import heapq
import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Generic, TypeVar

FIRE, ALARM, BILLING, ROUTINE, TOOLS, PROBE_RANK, RETRY_RANK = range(7)
"""Classes P0 to P4, commands with fire; the probes of silent devices and the second tries at those that have just
missed an answer have a budget each."""

CLASSES = ("fire", "alarm", "billing", "routine", "tools", "probe", "retry")
RANKS: dict[str, int] = {
    "fire": FIRE,
    "alarm": ALARM,
    "billing": BILLING,
    "routine": ROUTINE,
    "slow": ROUTINE,
}

# A probe goes before what is routine, for its time is limited otherwise.
_ORDER = (FIRE, ALARM, BILLING, RETRY_RANK, PROBE_RANK, ROUTINE, TOOLS)

# While something of a lower class waits, it gets this share of the time, whatever waits above it; save fire.
RESERVED = 0.2
# The share is reckoned over so many seconds at most: nobody saves up more.
LONGEST_DEBT_S = 1.0

# A probe of a silent device may cost a whole time-out, so all of them together get this share of the line's time, and
# so do all second tries.
# With what the first missed answers cost, a line with five of its thirty devices dead stays within a tenth.
PROBE_SHARE = 0.06

# So many probes of a device go before those of the long dead; after them the longest unasked is next.
LATELY = 5

_INFINITE = float("inf")
# A sleep may end a rounding error early: that is not worth another one.
AT_ONCE_S = 1e-6

Payload = TypeVar("Payload")


@dataclass(slots=True, eq=False)
class Job(Generic[Payload]):
    """Something to do every `period` seconds, or once where that is infinite; `due` is when next."""

    what: Payload
    rank: int
    period: float
    due: float
    deadline: float = _INFINITE
    rises: float = _INFINITE
    """From when on it counts as an alarm: a billing snapshot whose window is about to close."""
    ready: float = 0.0
    """Since when it waits for its turn, once it is due."""
    cost: float = 0.0
    """What it took of the line's time when it was last done; 0 while that is unknown."""
    held: bool = False
    """True while it has been put back once because the wire still waits for another's late answer."""
    tries: int = 0
    """How often a probe was made: those of the lately lost go first."""
    started: bool = False
    overruns: int = 0
    turn: int = 0
    """Counts its moves: an entry of a heap that was made for an earlier one is void."""

    @property
    def probe(self) -> bool:
        """True where it only asks whether a device is there."""
        return self.rank >= PROBE_RANK


_Heap = list[tuple[float, int, int, Job[Payload]]]


@dataclass(slots=True)
class Account:
    """What a line's time went to, by class; it only grows."""

    seconds: list[float] = field(default_factory=lambda: [0.0] * len(CLASSES))
    missed: list[int] = field(default_factory=lambda: [0] * len(CLASSES))
    """Deadlines that passed before the job was done."""
    longest_fire_wait: float = 0.0
    """The longest that a fire poll or a command has waited for its turn."""


class Schedule(Generic[Payload]):
    """The jobs of one line. Give it time, get the next job; tell it when the job began and ended."""

    def __init__(self) -> None:
        self.phase = 0.0
        """By which part of its period each job comes earlier the second time: lines do not stay in step."""
        self.stride = 0.0
        """Into steps of this part of its period each grid falls: lines whose steps are one wake the process once."""
        self.overruns = 0
        self.account = Account()
        self.unhurried = False
        """Set where nobody living waits for the wire: probes need not be sparing then."""
        self._jobs: dict[Job[Payload], None] = {}
        self._later: _Heap[Payload] = []
        self._ready: tuple[_Heap[Payload], ...] = tuple([] for _ in CLASSES)
        self._rising: _Heap[Payload] = []
        self._steps: dict[float, int] = {}
        """The step that jobs of a period were last given, counted from zero of the clock."""
        self._order = itertools.count()
        self._owed = 0.0
        """Seconds that the lower classes have to their credit."""
        self._below = False
        """Whether the last job was chosen on credit."""
        self._waited = -_INFINITE
        """When something of a lower class was last seen to wait."""
        self._last = LONGEST_DEBT_S
        """What the last job cost: what one may cost that was never done."""
        self._after = [-_INFINITE] * len(CLASSES)
        """When a budget allows the next one, by class."""

    def __iter__(self) -> Iterator[Job[Payload]]:
        return iter(tuple(self._jobs))

    def __contains__(self, job: Job[Payload]) -> bool:
        return job in self._jobs

    def add(self, what: Payload, *, rank: int, period: float, due: float) -> Job[Payload]:
        """Take in a job that is first due at `due`; its grid begins when it first runs."""
        if period <= 0:
            raise ValueError(f"a period of {period} s is no period")
        return self._enter(Job(what, rank, period, due, due + period))

    def once(self, what: Payload, *, rank: int, due: float, within: float) -> Job[Payload]:
        """Take in a job that is done once, `within` so many seconds after it is due if that can be."""
        return self._enter(Job(what, rank, _INFINITE, due, due + within))

    def remove(self, job: Job[Payload]) -> None:
        """Forget a job; one that is not there is no error."""
        self._jobs.pop(job, None)
        job.turn += 1

    def next(self, now: float) -> Job[Payload] | None:
        """Return the due job whose turn it is, or None while nothing is due."""
        self._arrive(now)
        best = lower = None
        for rank in _ORDER:
            heap = self._ready[rank]
            job = _head(heap) if heap else None
            if job is None or (rank >= PROBE_RANK and not self._may_probe(rank, now, idle=best is None)):
                continue
            if rank == FIRE:
                self._below = False
                return job
            if best is None:
                best = job
            elif lower is None or job.due < lower.due:
                lower = job
        if lower is None:
            if now - self._waited > LONGEST_DEBT_S:
                self._owed = 0.0
            self._below = False
            return best
        self._waited = now
        self._below = self._owed >= min(lower.cost or self._last, LONGEST_DEBT_S)
        return lower if self._below else best

    def wait(self, now: float) -> float | None:
        """Return the seconds until something is due (0 if it already is), None if there is nothing to do at all."""
        self._arrive(now)
        times = [self._later[0][0]] if self._later else []
        for rank in _ORDER:
            if _head(self._ready[rank]) is None:
                continue
            if rank < PROBE_RANK or self._may_probe(rank, now, idle=True):
                return 0.0
            times.append(self._after[rank])
        return max(0.0, min(times) - now) if times else None

    def done(self, job: Job[Payload], *, began: float, ended: float) -> None:
        """Book a job that ran from `began` to `ended`, and put it on the next place of its grid after `ended`."""
        if ended > began:
            self.spent(job, began=began, ended=ended)
            if ended > job.deadline:
                self.account.missed[job.rank] += 1
        period = job.period
        if period == _INFINITE:
            self.remove(job)
            return
        if not job.started:
            # Its own first moment is its phase: jobs that start together spread out by what each one costs.
            job.started, job.due = True, began - self.phase * period
            if self.stride and not job.probe:
                job.due = self._step_of(job.due, period)
        passed = int((ended - job.due) // period) if ended > job.due else 0
        if passed:
            job.overruns += passed
            self.overruns += passed
        job.due += (passed + 1) * period
        job.deadline, job.rises = job.due + period, _INFINITE
        self._put(job, job.due)

    def _step_of(self, due: float, period: float) -> float:
        """Return the step of the grid that `due` falls into, or the one before if others of this line go there.

        The blocks of one device then wake the process once; of a slow line at most two steps become one.
        """
        step = self.stride * period
        at = math.floor(due / step)
        before = (at - self._steps.setdefault(period, at)) % round(1 / self.stride)
        if before > 1:
            self._steps[period] = at
            before = 0
        return (at - before) * step

    def retry(self, job: Job[Payload], *, at: float, began: float, ended: float) -> None:
        """Book a job that ran and must run again at `at`, though its place in the grid stays what it was."""
        self.spent(job, began=began, ended=ended)
        self._put(job, at)

    def hold(self, job: Job[Payload], until: float) -> None:
        """Put back a job that was chosen and cannot go before `until`: others have their turn meanwhile."""
        since, job.held = job.ready, True
        self._put(job, until)
        job.ready = since

    def later(self, job: Job[Payload], at: float) -> None:
        """Let a job wait until `at`, though its place in the grid stays what it was."""
        self._put(job, at)

    def at(self, job: Job[Payload], due: float) -> None:
        """Move a job: it is next due at `due`, and its grid begins anew there."""
        job.started, job.due, job.rises = False, due, _INFINITE
        job.deadline = due + job.period
        self._put(job, due)

    def aim(self, job: Job[Payload], *, due: float, deadline: float, rises: float) -> None:
        """Move a job to a moment of its own with a window: late in it, from `rises` on, it counts as an alarm."""
        job.started, job.due, job.deadline, job.rises = True, due, deadline, rises
        self._put(job, due)

    def spent(self, job: Job[Payload], *, began: float, ended: float) -> None:
        """Book time of the line that went to a job."""
        cost = job.cost = self._last = ended - began
        job.held = False
        account = self.account
        account.seconds[job.rank] += cost
        if self._below:
            self._owed = max(self._owed - cost, -LONGEST_DEBT_S)
            self._below = False
        elif job.rank != FIRE:
            self._credit(job.rank, cost, ended)
        if job.rank == FIRE:
            account.longest_fire_wait = max(account.longest_fire_wait, began - job.ready)
        elif job.rank >= PROBE_RANK:
            job.tries += 1
            self._after[job.rank] = ended + cost * (1 / PROBE_SHARE - 1)

    def _credit(self, rank: int, cost: float, now: float) -> None:
        """Give the classes below `rank` their share of what was spent while one of them waited."""
        self._arrive(now)
        for heap in self._ready[rank + 1 : PROBE_RANK]:
            lower = _head(heap)
            if lower is not None:
                waited = min(cost, now - lower.ready)
                self._owed = min(self._owed + waited * (RESERVED / (1 - RESERVED)), LONGEST_DEBT_S)
                return

    def _may_probe(self, rank: int, now: float, *, idle: bool) -> bool:
        if self.unhurried or now >= self._after[rank]:
            return True
        # Where nobody waits a second try costs nobody anything.
        return rank == RETRY_RANK and idle and not (_head(self._ready[ROUTINE]) or _head(self._ready[TOOLS]))

    def _enter(self, job: Job[Payload]) -> Job[Payload]:
        self._jobs[job] = None
        self._put(job, job.due)
        return job

    def _put(self, job: Job[Payload], at: float) -> None:
        job.turn += 1
        job.ready = at
        if (
            job in self._jobs and at < _INFINITE
        ):  # what waits for ever has no place: a heap would never let it go
            heapq.heappush(self._later, (at, next(self._order), job.turn, job))

    def _arrive(self, now: float) -> None:
        """Move what has become due to those that wait, and what has become urgent to the alarms."""
        later, rising = self._later, self._rising
        now += AT_ONCE_S
        while later and later[0][0] <= now:
            _, order, turn, job = heapq.heappop(later)
            if turn != job.turn:
                continue
            key = job.deadline if job.rank < PROBE_RANK else min(job.tries, LATELY)
            heapq.heappush(self._ready[job.rank], (key, order, turn, job))
            if job.rank > ALARM and job.rises < _INFINITE:
                heapq.heappush(rising, (job.rises, order, turn, job))
        while rising and rising[0][0] <= now:
            rises, order, turn, job = heapq.heappop(rising)
            if turn == job.turn:
                job.turn += 1
                heapq.heappush(self._ready[ALARM], (min(rises, job.deadline), order, job.turn, job))


def _head(heap: _Heap[Payload]) -> Job[Payload] | None:
    """Return the first entry that is still valid, and drop those before it."""
    while heap and heap[0][2] != heap[0][3].turn:
        heapq.heappop(heap)
    return heap[0][3] if heap else None
