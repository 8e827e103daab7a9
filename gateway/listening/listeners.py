"""The living listening lines, changed one by one as the polled ones are."""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gateway.cameras.place import Cameras
from gateway.listening.attended import Attended
from gateway.listening.hearing import Hearing, Lately
from gateway.listening.listener import Listener
from gateway.metrics import Metrics
from gateway.polling.around import Recorder, Surroundings
from gateway.polling.fleet import Difference, difference
from gateway.polling.orphans import Orphans
from gateway.polling.standing import Stands, begin_with, stands
from gateway.site.config import ListeningLine

if TYPE_CHECKING:
    from gateway.cameras.camera_line import CameraLine


@dataclass(slots=True, eq=False)
class Listeners:
    """All listening lines. `set_up` once, `start` in the gateway's group, then changed over as often as wanted."""

    recorder: Recorder
    metrics: Metrics
    around: Surroundings
    load_state: Callable[[str], bytes | None]
    orphans: Orphans
    changed: Callable[[], None] = lambda: None
    """Called when a device is heard, falls silent, or a line begins or ends to listen."""
    _lines: "dict[str, Listener | CameraLine]" = field(default_factory=dict)
    _tasks: dict[str, "asyncio.Task[None]"] = field(default_factory=dict)
    _group: asyncio.TaskGroup | None = None
    _lately: Lately = field(default_factory=dict)

    @property
    def lines(self) -> "tuple[Listener | CameraLine, ...]":
        """One for each line, in the order of the configuration."""
        return tuple(self._lines.values())

    @property
    def devices(self) -> Iterator[Attended]:
        """All devices, line by line."""
        return (device for line in self._lines.values() for device in line.devices)

    def hears(self) -> Iterator[tuple[Attended, bool | None]]:
        """Tell of each device whether it is heard; None while nobody knows."""
        for line in self._lines.values():
            for device in line.devices:
                yield device, line.hears(device)

    def set_up(self, lines: Iterable[ListeningLine]) -> None:
        """Make the first lines; nothing is opened."""
        self._lines = {line.id: self._make(line, {}) for line in lines}

    def start(self, group: asyncio.TaskGroup) -> None:
        """Let every line listen, each as a task of this group."""
        self._group = group
        for line in self._lines:
            self._begin(line)

    async def stop(self) -> None:
        """End every line with the messages in hand."""
        await self._end(list(self._lines))
        self._group = None

    # -- changing over, step by step as `Fleet` -----------------------------------------------------------

    def compare(self, lines: Sequence[ListeningLine]) -> Difference:
        """Say what would become of each line."""
        return difference([line.config for line in self.lines], lines)

    async def end(self, what: Difference) -> dict[str, Stands]:
        """End the lines that leave or change, with the messages in hand; return what stands at their devices."""
        leaving = [*what.removed, *what.changed]
        await self._end(leaving)
        return {device.id: stands(device) for line in leaving for device in self._lines[line].devices}

    def make(
        self, lines: Sequence[ListeningLine], what: Difference, before: Mapping[str, Stands]
    ) -> "dict[str, Listener | CameraLine]":
        """Return the lines that are new or change; nothing is opened, and nobody sees them yet."""
        return {
            line.id: self._make(line, before) for line in lines if line.id in {*what.added, *what.changed}
        }

    def take(self, lines: Sequence[ListeningLine], fresh: "Mapping[str, Listener | CameraLine]") -> None:
        """Have these lines from now on; peers of those that stay as they are notice nothing. Never waits."""
        self._lines = {line.id: fresh.get(line.id) or self._lines[line.id] for line in lines}
        for gone in self._lately.keys() - {device.id for device in self.devices}:
            del self._lately[gone]

    def begin(self, fresh: Iterable[str]) -> None:
        """Let those that `take` took listen."""
        if self._group is not None:
            for line in fresh:
                self._begin(line)

    def _begin(self, line: str) -> None:
        assert self._group is not None
        self._tasks[line] = self._group.create_task(self._lines[line].run(), name=f"listening line {line}")

    async def _end(self, lines: Iterable[str]) -> None:
        tasks = set()
        for line in lines:
            self._lines[line].stop()
            if (task := self._tasks.pop(line, None)) is not None:
                tasks.add(task)
        if tasks:
            await asyncio.wait(tasks)  # a failure among them ends the group, not this

    def _make(self, line: ListeningLine, before: Mapping[str, Stands]) -> "Listener | CameraLine":
        now = self.around.monotonic()
        devices = []
        for device in line.devices:
            stood = begin_with(device, before.get(device.id), self.orphans, self.load_state)
            source = line.ear.sources[device.id]
            devices.append(
                Attended(
                    config=device,
                    edges=stood.edges,
                    signals=stood.signals,
                    source=source.name,
                    within=source.within,
                    heard_at=now,
                )
            )
        hearing = Hearing(
            line.id,
            {device.source: device for device in devices},
            self.recorder,
            self.around,
            self.metrics,
            self._changed,
            lately=self._lately,
        )
        return living(line, hearing, devices, self._changed)

    def _changed(self) -> None:
        self.changed()


def living(
    line: ListeningLine,
    hearing: Hearing,
    devices: Sequence[Attended],
    changed: Callable[[], None] = lambda: None,
) -> "Listener | CameraLine":
    """Return what brings a line to life: a listener, or what attends its cameras."""
    if isinstance(line.ear.place, Cameras):
        # What looks at pictures is loaded only where there are cameras.
        from gateway.cameras.camera_line import CameraLine  # noqa: PLC0415

        return CameraLine(line, hearing, devices, changed)
    return Listener(line, hearing, devices, changed)
