"""How long a point can go unread on a line, at worst: reckoned from the plan alone, before anybody drives out.

The wire does one transaction at a time and none is interrupted, so the question is what can stand in front of a
poll that has just become due. The bound is a sum of things that can each be seen in the scheduler's rules
(`schedule`): one transaction that has already begun; every other poll of the same class once, and again
where a further deadline of its own comes earlier (EDF); all polls of higher classes that fall due meanwhile; one
command; and the share of time that lower classes are owed. It is an upper bound of the non-preemptive response
time, after George, Rivierre and Spuri (INRIA RR-2966, 1996), with their busy period replaced by the rule that a poll
which still waits is never queued twice.

A device that answers takes up to its reckoned time, a dead one its whole time-out: twice before it counts as
silent, and then as probes. Not in the bound: a line that is never silent (a babbling device), damaged frames that
are asked for again, devices that die over and over, and answers that come later than the time-out.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from drivers.lines import SOON_S
from gateway.polling.backoff import SILENT_AFTER
from gateway.polling.schedule import FIRE, LONGEST_DEBT_S, PROBE_SHARE, RESERVED, ROUTINE

LONGEST_S = 3600.0
_STEPS, _CLOSE = 10_000, 1e-6


@dataclass(frozen=True, slots=True)
class Task:
    """One transaction that comes again every `period` seconds.

    `seconds` is what it takes of the line when the device answers, `silent` when it does not.
    """

    device: str
    label: str
    rank: int
    period: float
    seconds: float
    silent: float
    points: tuple[str, ...] = ()
    poll: str = ""
    """The poll class by its name."""
    guard: float = 0.0
    """For how long it can have to wait for the late answer to another read of its device, once an answer is lost."""


@dataclass(frozen=True, slots=True)
class LineLoad:
    """All that a line has to do: its polls, its longest command, and what lower classes are owed."""

    tasks: tuple[Task, ...]
    command: float = 0.0
    """The longest command with its read-back; it goes before any poll."""
    other: float = 0.0
    """The longest transaction of an engineer's tool."""

    @property
    def utilisation(self) -> float:
        """The share of the line's time that all polls take when every device answers."""
        return sum(task.seconds / task.period for task in self.tasks)


@dataclass(frozen=True, slots=True)
class Bound:
    """The longest that may pass, in seconds, `None` where no bound below an hour exists.

    `response` is from falling due to the answer, `latency` from a change in the device to the answer that tells it:
    the change may come just after a read, and a poll that overran its period skips the one that it missed.
    """

    response: float | None
    latency: float | None


NO_BOUND = Bound(None, None)


def bound(task: Task, load: LineLoad, dead: int = 0, *, lost: int = 0) -> Bound:
    """Return the bound of one task while it answers itself and the worst `dead` other devices fall silent at once.

    `lost` of its own answers in a row go missing on the wire, of a fire or alarm point: it is asked again at once.
    """
    others = [other for other in load.tasks if other is not task]
    victims = _worst_victims(task, others, dead)
    above = _by_period(other for other in others if other.rank < task.rank)
    same = _by_period(other for other in others if other.rank == task.rank)
    below = [other.seconds for other in others if other.rank > task.rank]
    # Whoever is silent is probed: a probe has begun at the worst moment too.
    probes = [other.silent for other in others if other.device in victims]
    blocking = max([*below, *probes, load.other], default=0.0)
    # Later, a poll may wait for a guard that is nearly past.
    once_more = lost * max(task.silent, SOON_S)
    fixed = blocking + task.seconds + once_more + load.command + sum(victims.values())
    share = 0.0
    if task.rank != FIRE and (below or load.other):
        # What lower classes are owed of this time, and the most that they may have saved up before.
        share, fixed = RESERVED, fixed + blocking + LONGEST_DEBT_S
    if task.rank >= ROUTINE and victims:
        share, fixed = share + PROBE_SHARE, fixed + max(probes)
    response = _fixed_point(task, fixed, above, same, share)
    if response is None:
        return NO_BOUND
    # In time, the next poll is due one period after the last was. One that overran is due again on its grid, at
    # most a period after it ended, and it saw the device no earlier than its own length before that.
    overran = task.seconds if response > task.period else 0.0
    if not lost:
        return Bound(response, task.period + response + overran)
    # The poll after it is a usual one again, so that only one of the two can be the worst; but for the guard.
    usual = bound(task, load, dead).latency or 0.0
    return Bound(response, max(usual, task.period + response) + task.guard)


def bounds(load: LineLoad, dead: int = 0) -> dict[Task, Bound]:
    """Return the bound of each task of a line."""
    return {task: bound(task, load, dead) for task in load.tasks}


def _worst_victims(task: Task, others: Sequence[Task], dead: int) -> dict[str, float]:
    """Choose the devices whose silence costs this task the most; return what each costs before it counts as silent.

    A device is silent after so many unanswered polls, in its own class; from then on it is only probed.
    """
    cost: dict[str, float] = {}
    longest = ("", 0.0)
    for other in others:
        if other.device == task.device:
            continue
        ahead = SILENT_AFTER * other.silent if other.rank <= task.rank else 0.0
        cost[other.device] = max(cost.get(other.device, 0.0), ahead)
        longest = max(longest, (other.device, other.silent), key=lambda found: found[1])
    chosen = dict(sorted(cost.items(), key=lambda found: (-found[1], found[0]))[:dead])
    if dead and longest[0]:
        # The longest time-out blocks from below, whoever else is dead: counted besides, which is never too short.
        chosen.setdefault(longest[0], 0.0)
    return chosen


def _by_period(tasks: Iterable[Task]) -> tuple[tuple[float, float], ...]:
    """Add up what tasks of one period cost: a line has hundreds of tasks and a handful of periods."""
    sums: dict[float, float] = {}
    for task in tasks:
        sums[task.period] = sums.get(task.period, 0.0) + task.seconds
    return tuple(sums.items())


def _fixed_point(
    task: Task,
    fixed: float,
    above: Sequence[tuple[float, float]],
    same: Sequence[tuple[float, float]],
    share: float,
) -> float | None:
    """Find the least response that contains all that can come before the end of this one."""
    if share + sum(cost / period for period, cost in above) >= 1:
        return None  # what lies above never leaves it time
    response = fixed
    for _ in range(_STEPS):
        demand = fixed + response * share
        for period, cost in above:
            demand += (1 + math.floor(response / period)) * cost
        for period, cost in same:
            window = max(0.0, min(response, task.period - period))
            demand += (1 + math.floor(window / period)) * cost
        if demand > LONGEST_S:
            return None
        if demand <= response + _CLOSE:
            return response
        response = demand
    return None
