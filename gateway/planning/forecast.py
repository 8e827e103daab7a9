"""What a line will have to do and how late its points can be, from the configuration alone: `plan`.

The same planner that polls makes the transactions, so what is shown here is what will go onto the wire.
"""

import contextlib
import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from drivers import registry
from drivers.api import CommandPlan, DeviceDriver, Timing, Transaction
from drivers.errors import Misconfigured
from drivers.lines import guard_s, key_of
from gateway.planning.worst_case import NO_BOUND, Bound, LineLoad, Task, bound
from gateway.polling.line_rules import ASSUMED_TURNAROUND_S, timing_of
from gateway.polling.schedule import ALARM, FIRE, RANKS
from gateway.site.config import Device, LineConfig

# How long a device may think before it answers, where nobody has measured it: most meters take 5 to 50 ms.
LONG_TURNAROUND_S = 0.05

Turnaround = Callable[[Device], float]


@dataclass(frozen=True, slots=True)
class Foreseen:
    """One transaction of a device: when, how long, and how late at worst with 0, 1 and all other devices dead."""

    task: Task
    bounds: tuple[Bound, Bound, Bound]
    lost: Bound
    """All well, but one answer of its own is lost on the wire; reckoned for fire and alarm points only."""
    tool: Bound
    """All well, while an engineer's tool asks on the line; reckoned for fire and alarm points only."""


@dataclass(frozen=True, slots=True)
class Missed:
    """A fire transaction that can be later than its budget; None: there is no bound."""

    task: Task
    latency: float | None
    timeout: float
    """What its device may take to answer at most."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """One line: its load and each of its transactions."""

    line: str
    endpoint: str
    load: LineLoad
    foreseen: tuple[Foreseen, ...]
    budget: float
    missed: tuple[Missed, ...]
    unheard: tuple[Missed, ...] = ()
    """Fire transactions that miss the budget where, all well, one answer of their own is lost on the wire."""
    disturbed: tuple[Missed, ...] = ()
    """Fire transactions that miss the budget where, all well, an engineer's tool asks on the line."""

    @property
    def utilisation(self) -> float:
        """The share of the line's time that its polls take; above 1 not all can be kept."""
        return self.load.utilisation


class Plans:
    """Plans that were made before: many devices of a line are of one model, and advice tries many changes."""

    def __init__(self) -> None:
        self._drivers: dict[tuple[str, str], DeviceDriver] = {}
        self._plans: dict[tuple[str, str, str, Timing, float | None], Sequence[Transaction]] = {}

    def driver(self, device: Device) -> DeviceDriver:
        """Return a driver of this model; what it plans does not depend on the unit."""
        key = self._key(device)
        if key not in self._drivers:
            make = registry.get(device.profile.protocol).device
            self._drivers[key] = make(device.profile, device.file.unit, device.options)
        return self._drivers[key]

    def plan(self, device: Device, poll: str, timing: Timing, longest: float | None) -> Sequence[Transaction]:
        """Return the transactions of one class of a device."""
        key = (*self._key(device), poll, timing, longest)
        if key not in self._plans:
            points = [name for name, point in device.profile.points.items() if point.poll == poll]
            planned = self.driver(device).plan(points, timing=timing, longest=longest) if points else ()
            self._plans[key] = planned
        return self._plans[key]

    @staticmethod
    def _key(device: Device) -> tuple[str, str]:
        return device.profile.profile, repr(sorted(device.options.items()))


def line_load(line: LineConfig, turnaround: Turnaround, longest: float | None, plans: Plans) -> LineLoad:
    """Return all that a line does: the polls of its devices and its longest command."""
    tasks: list[Task] = []
    command = 0.0
    for device in line.devices:
        timing = timing_of(line, turnaround(device), device.mode)
        tasks += _tasks(line, device, timing, longest, plans)
        for action in device.profile.actions:
            with contextlib.suppress(Misconfigured):  # it will be refused: it never takes the line
                steps = plans.driver(device).command(action, {})
                command = max(command, _command(steps, timing, device.timeout))
    return LineLoad(tuple(tasks), command=command)


def forecast(
    line: LineConfig,
    *,
    budget: float,
    turnaround: Turnaround = lambda _device: LONG_TURNAROUND_S,
    longest: float | None = None,
    plans: Plans | None = None,
) -> Forecast:
    """Reckon a line; `budget` is the longest in seconds that a change of a fire point may go unseen."""
    load = line_load(line, turnaround, longest, plans or Plans())
    everybody, timeouts = len(line.devices), {device.id: device.timeout for device in line.devices}
    # Without fire points a tool may wait as long as it likes; what is told then is what it costs if it is modest.
    with_tool = replace(load, other=longest or max(timeouts.values(), default=0.0))
    foreseen: list[Foreseen] = []
    for task in load.tasks:
        found = bound(task, load, 0), bound(task, load, 1), bound(task, load, everybody)
        urgent = task.rank <= ALARM
        lost = bound(task, load, lost=1) if urgent else NO_BOUND
        foreseen.append(Foreseen(task, found, lost, bound(task, with_tool) if urgent else NO_BOUND))

    def late(which: Callable[[Foreseen], Bound]) -> tuple[Missed, ...]:
        return tuple(
            Missed(each.task, latency, timeouts[each.task.device])
            for each in foreseen
            if each.task.rank == FIRE and ((latency := which(each).latency) is None or latency > budget)
        )

    return Forecast(
        line.id,
        line.endpoint,
        load,
        tuple(foreseen),
        budget,
        missed=late(lambda each: each.bounds[1]),
        unheard=late(lambda each: each.lost),
        disturbed=late(lambda each: each.tool),
    )


def _guards(
    line: LineConfig, device: Device, driver: DeviceDriver, planned: Iterable[Transaction]
) -> Mapping[str, float]:
    """Return how long each request (by its label) can have to wait for the late answer to another of its device.

    A read that goes unanswered is put again at once, where it is urgent and of one frame; others that its late answer
    could be taken for, and those of several frames, wait for the guard.
    """
    exchanges = {each.label: driver.exchange(each) for each in planned}
    requests: dict[bytes, set[bytes]] = {}
    for exchange in exchanges.values():
        requests.setdefault(key_of(exchange), set()).add(exchange.request)
    guard = guard_s(device.timeout, line.settings.late_guard)
    return {
        label: guard
        for label, exchange in exchanges.items()
        if not exchange.matched and (exchange.then is not None or len(requests[key_of(exchange)]) > 1)
    }


def _tasks(
    line: LineConfig, device: Device, timing: Timing, longest: float | None, plans: Plans
) -> Iterable[Task]:
    # As the poller plans: what is shown is what goes onto the wire.
    planning = timing_of(line, ASSUMED_TURNAROUND_S)
    made = {poll: plans.plan(device, poll, planning, longest) for poll in RANKS}
    guards = _guards(line, device, plans.driver(device), itertools.chain.from_iterable(made.values()))
    for poll, rank in RANKS.items():
        for planned in made[poll]:
            yield Task(
                device.id,
                planned.label,
                rank,
                device.periods[poll],
                timing.seconds(planned.request_bytes, planned.reply_bytes, planned.steps),
                _silent(planned, timing, device.timeout),
                planned.points,
                poll,
                guards.get(planned.label, 0.0),
            )


def _silent(planned: Transaction, timing: Timing, timeout: float) -> float:
    """Return what an unanswered request takes: the line waits as long as the whole reply would need, and more."""
    return (planned.request_bytes + planned.reply_bytes) * timing.byte_time + 2 * timing.silence + timeout


def _command(plan: CommandPlan, timing: Timing, timeout: float) -> float:
    # A device that acts may take its time to answer: its time-out is what can be promised.
    steps: Sequence[Transaction] = [plan.write] if plan.read_back is None else [plan.write, plan.read_back]
    return sum(_silent(step, timing, timeout) for step in steps)
