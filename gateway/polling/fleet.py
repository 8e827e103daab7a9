"""The living lines: each with its wire, its poller and one task; changed line by line while the others poll on.

A line that a new configuration leaves as it is keeps everything: its poller, its open wire, its place in the
schedule. One that changes ends with the exchange in flight and begins anew; what its devices stand in (raised
alarms, times that conditions have held) goes with them, to another line as well.
"""

import asyncio
import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Protocol

from drivers import registry
from drivers.lines import Line, open_line
from gateway.commands import Target
from gateway.metrics import Metrics
from gateway.polling.around import Recorder, Surroundings
from gateway.polling.lessons import Lessons
from gateway.polling.line_rules import rules_of
from gateway.polling.orphans import Orphans, raised_in
from gateway.polling.polled import Polled, polled
from gateway.polling.poller import Poller
from gateway.polling.signals import signals_key, standing_in
from gateway.polling.standing import Stands, begin_with, stands
from gateway.polling.teller import edge_key
from gateway.site.config import LineConfig, Site

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Difference:
    """What becomes of each line under a new configuration, by id."""

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    untouched: tuple[str, ...] = ()

    def __add__(self, other: "Difference") -> "Difference":
        return Difference(
            self.added + other.added,
            self.removed + other.removed,
            self.changed + other.changed,
            self.untouched + other.untouched,
        )

    def __str__(self) -> str:
        parts = (
            f"{name}: {', '.join(lines)}"
            for name, lines in (("added", self.added), ("removed", self.removed), ("changed", self.changed))
            if lines
        )
        rest = f"{len(self.untouched)} line{'s' * (len(self.untouched) != 1)} untouched"
        return "; ".join((*parts, rest))


class Named(Protocol):
    """A configured line."""

    @property
    def id(self) -> str:
        """Its name."""


def difference(old: Sequence[Named], new: Sequence[Named]) -> Difference:
    """Compare two configurations line by line; a line is its id, and equal only in every part."""
    before, after = {line.id: line for line in old}, {line.id: line for line in new}
    both = [line for line in after if line in before]
    return Difference(
        added=tuple(line for line in after if line not in before),
        removed=tuple(line for line in before if line not in after),
        changed=tuple(line for line in both if before[line] != after[line]),
        untouched=tuple(line for line in both if before[line] == after[line]),
    )


def fixed_parts(old: Site, new: Site) -> tuple[str, ...]:
    """Name what differs and cannot change while a gateway runs: that needs a restart."""
    parts = {
        "site": (old.file.site, new.file.site),
        "gateway": (old.file.gateway, new.file.gateway),
        "broker": (old.broker, new.broker),
        "state_dir": (old.state_dir, new.state_dir),
        "metrics": (old.metrics, new.metrics),
        "journal": (old.file.journal, new.file.journal),
        "timezone": (old.file.timezone, new.file.timezone),
    }
    return tuple(name for name, (before, after) in parts.items() if before != after)


@dataclass(slots=True, eq=False)
class _Living:
    config: LineConfig
    wire: Line
    poller: Poller
    task: "asyncio.Task[None] | None" = None

    async def run(self) -> None:
        async with self.wire:
            await self.poller.run()


class Targets(Mapping[str, Target]):
    """The devices that can be given orders, as they are at the moment of asking."""

    def __init__(self, pollers: Callable[[], Sequence[Poller]]) -> None:
        self._pollers = pollers

    def _each(self) -> Iterator[Target]:
        return (Target(device, poller) for poller in self._pollers() for device in poller.devices)

    def __getitem__(self, device: str) -> Target:
        for target in self._each():
            if target.device.id == device:
                return target
        raise KeyError(device)

    def __iter__(self) -> Iterator[str]:
        return (target.device.id for target in self._each())

    def __len__(self) -> int:
        return sum(1 for _ in self._each())


@dataclass(slots=True, eq=False)
class Fleet:
    """All lines of a gateway. `set_up` once, `start` in the gateway's group, then changed over as often as wanted."""

    recorder: Recorder
    metrics: Metrics
    around: Surroundings
    random: Random
    load_state: Callable[[str], bytes | None]
    orphans: Orphans
    lessons: Lessons
    changed: Callable[[], None] = lambda: None
    """Called when a device or a line falls silent or comes back."""
    _lines: dict[str, _Living] = field(default_factory=dict)
    _group: asyncio.TaskGroup | None = None

    @property
    def pollers(self) -> tuple[Poller, ...]:
        """One for each line, in the order of the configuration."""
        return tuple(living.poller for living in self._lines.values())

    @property
    def devices(self) -> Iterator[Polled]:
        """All devices, line by line."""
        return (device for poller in self.pollers for device in poller.devices)

    def hears(self) -> Iterator[tuple[Polled, bool | None]]:
        """Tell of each device whether it answers; None while nobody knows."""
        for poller in self.pollers:
            for device in poller.devices:
                yield device, poller.presence.hears(device)

    @property
    def configs(self) -> tuple[LineConfig, ...]:
        """What the lines were made from."""
        return tuple(living.config for living in self._lines.values())

    def set_up(self, lines: Iterable[LineConfig], config: str) -> None:
        """Make the first lines of the configuration with this hash; nothing is opened."""
        self.around.config = config
        self._lines = {line.id: self._make(line, {}) for line in lines}

    def start(self, group: asyncio.TaskGroup) -> None:
        """Let every line poll, each as a task of this group."""
        self._group = group
        for living in self._lines.values():
            self._begin(living)

    async def stop(self) -> None:
        """End every line with the exchange in flight."""
        await self._end(self._lines.values())
        self._group = None

    # -- changing over; the steps in their order: see gateway/reconfig/changeover.py ------------------------

    def compare(self, lines: Sequence[LineConfig]) -> Difference:
        """Say what would become of each line."""
        return difference(self.configs, lines)

    async def end(self, what: Difference) -> dict[str, Stands]:
        """End the lines that leave or change, with the exchange in flight; return what stands at their devices."""
        leaving = [self._lines[line] for line in (*what.removed, *what.changed)]
        await self._end(leaving)
        return {device.id: stands(device) for living in leaving for device in living.poller.devices}

    async def make(
        self, lines: Sequence[LineConfig], what: Difference, before: Mapping[str, Stands]
    ) -> dict[str, _Living]:
        """Return the lines that are new or change; nothing is opened, and nobody sees them yet."""
        # Planning reads takes milliseconds a device: in a thread, so that those who poll on miss nothing.
        new = [line for line in lines if line.id in {*what.added, *what.changed}]
        return {line.id: await asyncio.to_thread(self._make, line, before) for line in new}

    def take(self, lines: Sequence[LineConfig], fresh: Mapping[str, _Living], config: str) -> None:
        """Have these lines, of the configuration with this hash, from now on; never waits."""
        self.around.config = config
        self._lines = {line.id: fresh.get(line.id) or self._lines[line.id] for line in lines}

    def begin(self, fresh: Mapping[str, _Living]) -> None:
        """Let those that `take` took poll."""
        if self._group is not None:
            for living in fresh.values():
                self._begin(living)

    def let_go(self, device: str, stood: Stands) -> None:
        """End what stands at a device that is no longer configured."""
        self.metrics.forget(device)
        self.orphans.add(device, stood.names)

    def settle_strangers(self, states: Iterable[str], elsewhere: Collection[str] = ()) -> None:
        """End the alarms of devices that were taken out while no gateway ran; `states` are the journal's keys."""
        known = {device.id for device in self.devices}.union(elsewhere)
        for key in states:
            for prefix, standing in ((edge_key(""), raised_in), (signals_key(""), standing_in)):
                device = key.removeprefix(prefix)
                if device != key and device not in known:
                    self.orphans.add(device, standing(self.load_state(key)))

    def _begin(self, living: _Living) -> None:
        assert self._group is not None
        living.task = self._group.create_task(living.run(), name=f"line {living.config.id}")

    async def _end(self, lines: Iterable[_Living]) -> None:
        tasks = set()
        for living in lines:
            living.poller.stop()
            if living.task is not None:
                tasks.add(living.task)
        if tasks:
            await asyncio.wait(tasks)  # a failure among them ends the group, not this

    def _make(self, line: LineConfig, before: Mapping[str, Stands]) -> _Living:
        wire = open_line(
            line.settings, clock=self.around.clock, rng=self.random, monotonic=self.around.monotonic
        )
        devices = self._devices(line, before)
        poller = Poller(
            line.id,
            wire,
            devices,
            self.recorder,
            self.metrics,
            self.around,
            changed=self._changed,
            rules=rules_of(line),
        )
        return _Living(line, wire, poller)

    def _changed(self) -> None:
        self.changed()

    def _devices(self, line: LineConfig, before: Mapping[str, Stands]) -> list[Polled]:
        made = []
        for device in line.devices:
            driver = registry.get(device.profile.protocol).device(
                device.profile, device.file.unit, device.options
            )
            stood = begin_with(device, before.get(device.id), self.orphans, self.load_state)
            made.append(polled(device, driver, stood.edges, self.random, self.lessons, stood.signals))
        return made
