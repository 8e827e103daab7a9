"""A protocol whose devices speak unasked, as small as can be: `address number words` lines, answered `ok number`."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from importlib.metadata import EntryPoint
from random import Random

import msgspec

from drivers import registry
from drivers.api import Happening, Heard, Reading
from drivers.errors import FrameDamaged, Misconfigured
from drivers.lines import TcpSettings
from drivers.profile import DEFAULT_PERIODS, Example, Point, Profile, Signal
from gateway.listening.limits import Limits
from gateway.listening.listeners import Listeners
from gateway.metrics import Metrics
from gateway.polling.around import Surroundings, nap
from gateway.polling.fleet import Difference, Fleet
from gateway.polling.lessons import Lessons
from gateway.polling.orphans import Orphans
from gateway.reconfig.changeover import change_over
from gateway.site.lines import Device, LineConfig, ListeningLine
from gateway.site.listening import Ear, Socket, Source
from gateway.site.site_file import DeviceFile, LineFile
from messages.types import ClockState, Edge, Severity
from tests.support.gateway import START, Remembered, ToyDriver

EDGES = {"on": Edge.RAISED, "off": Edge.CLEARED, "now": Edge.PULSE}
LONGEST = 200


class ToySession:
    """One peer's lines."""

    def __init__(self, devices) -> None:
        self.devices, self.held = devices, b""

    def feed(self, data, now):
        self.held += data
        *lines, self.held = self.held.split(b"\n")
        if len(self.held) > LONGEST:
            raise FrameDamaged("a line without end")
        return [heard(line.decode()) for line in lines]

    def tick(self, now):
        return [b"time\n"]


def heard(line: str) -> Heard:
    source, number, what, *rest = line.split()
    answers = {"reply": f"ok {number}\n".encode(), "refuse": f"no {number}\n".encode()}
    if what == "link":
        return Heard("", **answers)
    named = {"number": number if number != "-" else "", "raw": line.encode()}
    if what in ("temp", "both"):
        said = (Happening("card", detail=line, number=number),) if what == "both" else ()
        return Heard(source, {"temp": Reading(Decimal(rest[0]))}, said, **named, **answers)
    if what == "mute":  # who hears no answer
        return Heard(source, happenings=(Happening("fire", EDGES[rest[0]], detail=line),), **named)
    part = rest[1] if len(rest) > 1 else ""
    happening = Happening(what, EDGES[rest[0]], part=part, detail=line, state=number == "-")
    return Heard(source, happenings=(happening,), **named, **answers)


class ToyListens:
    """The driver."""

    protocol = "toy-listens"

    def check(self, profile) -> None: ...

    def source(self, profile, options):
        if "address" not in options:
            raise Misconfigured("needs an address")
        return options["address"]

    def session(self, devices, options):
        return ToySession(devices)

    def explain(self, frame):
        return frame.decode()

    def check_vector(self, row, maps): ...


class ToyPolls:
    """The driver of the same devices where they are polled."""

    protocol = "toy-polls"

    def check(self, profile) -> None: ...

    def device(self, profile, unit, options):
        return ToyDriver("toy", profile, 8)


PROFILE = Profile(
    profile="toy-panel",
    vendor="Toy",
    model="Panel",
    device_class="fire",
    protocol="toy-listens",
    points={"temp": Point(label="t", at={})},
    signals={
        code: Signal(on={"code": code}, label=code, severity=Severity.CRITICAL, alarm_class="fire")
        for code in ("fire", "card")
    },
    examples=(Example(reply="00", happens=("fire",)),),
    source=("made up",),
)


def install(monkeypatch) -> None:
    """Have the toy found beside the drivers that are installed."""
    drivers = {"toy-listens": "ToyListens", "toy-polls": "ToyPolls"}
    toys = registry.Registry(
        EntryPoint(name, f"tests.support.toylisten:{driver}", registry.GROUP)
        for name, driver in drivers.items()
    )
    monkeypatch.setattr(registry, "installed", lambda: toys)


def line(
    *names: str, place: Socket | None = None, within: float | None = None, line_id: str = "fire", **limits
) -> ListeningLine:
    """A listening line with devices that name themselves as they are called."""
    place = place or Socket("127.0.0.1", 0)
    devices = tuple(
        Device(
            name,
            DeviceFile(id=name, profile="toy-panel"),
            PROFILE,
            1.0,
            {"routine": 10.0},
            {"address": name},
            None,
        )
        for name in names
    )
    ear = Ear("toy-listens", place, Limits(**limits), {name: Source(name, within) for name in names})
    return ListeningLine(line_id, LineFile(id=line_id), ear, "127.0.0.1:0", devices)


def polled_line(*names: str, line_id: str = "net") -> LineConfig:
    """A line on which devices of that kind are polled, and nobody answers."""
    profile = msgspec.structs.replace(PROFILE, protocol="toy-polls")
    devices = tuple(
        Device(name, DeviceFile(id=name, profile="toy-panel"), profile, 1.0, DEFAULT_PERIODS, {}, None)
        for name in names
    )
    settings = TcpSettings("127.0.0.1", 1)
    return LineConfig(line_id, LineFile(id=line_id), settings, "127.0.0.1:1", devices)


@dataclass
class Heart:
    """Listeners at work, and what they were told to keep."""

    listeners: Listeners
    fleet: Fleet
    recorder: Remembered
    metrics: Metrics
    orphans: Orphans
    changes: list[None] = field(default_factory=list)

    async def change(
        self,
        listening: Sequence[ListeningLine],
        polled: Sequence[LineConfig] = (),
        took: Callable[[], None] = lambda: None,
    ) -> Difference:
        """Change over to these lines."""
        return await change_over(self.fleet, self.listeners, polled, listening, "", took)

    @property
    def port(self) -> int:
        return self.listeners.lines[0].port

    def count(self, result: str, line_id: str = "fire") -> float:
        got = self.metrics.registry.get_sample_value(
            "gatehouse_messages_total", {"line": line_id, "result": result}
        )
        return got or 0.0


class Kept(Remembered):
    """Settles samples at once, as a journal that takes everything."""

    keeps: bool | None = True

    def sample(self, lane, sample, *, read, settled=None) -> None:
        super().sample(lane, sample, read=read, settled=settled)
        if settled is not None and self.keeps is not None:
            settled(self.keeps)


@asynccontextmanager
async def listening(
    *lines: ListeningLine,
    state: dict[str, bytes] | None = None,
    recorder: Remembered | None = None,
    clock: Callable[[], datetime] = lambda: START,
    monotonic: Callable[[], float] | None = None,
) -> AsyncIterator[Heart]:
    """Let lines listen while the context lasts."""
    monotonic = monotonic or asyncio.get_running_loop().time
    recorder, metrics = recorder or Kept(), Metrics()
    recorder.state.update(state or {})
    around = Surroundings(clock, lambda: ClockState.SYNCED, monotonic, Random(1), nap)
    orphans = Orphans(recorder, lambda: START, lambda: ClockState.SYNCED)
    listeners = Listeners(recorder, metrics, around, recorder.state.get, orphans)
    lessons = Lessons(lambda: START)
    fleet = Fleet(recorder, metrics, around, Random(1), recorder.state.get, orphans, lessons)
    heart = Heart(listeners, fleet, recorder, metrics, orphans)
    listeners.changed = lambda: heart.changes.append(None)
    listeners.set_up(lines)
    async with asyncio.TaskGroup() as group:
        listeners.start(group)
        fleet.start(group)
        for each in listeners.lines:
            await each.ready.wait()
        try:
            yield heart
        finally:
            await listeners.stop()
            await fleet.stop()
