"""A line in simulated time: a wire that answers by script, devices that need no protocol, a recorder that remembers.

Hours of polling run in milliseconds. `Bench.run(seconds)` lets the poller work until that time has passed.
"""

import asyncio
import itertools
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any

from drivers.api import CommandPlan, DeviceDriver, Exchange, Known, Reading, Timing, Transaction
from drivers.errors import DeviceSilent, Misconfigured
from drivers.lines import Reply, SerialMode, Stats
from drivers.profile import DEFAULT_PERIODS, Action, Event, Point, Profile, When
from gateway.polling.around import Surroundings
from gateway.polling.edges import load
from gateway.polling.lessons import Lessons
from gateway.polling.polled import Polled, polled
from gateway.polling.poller import Poller
from gateway.site.config import Device
from gateway.site.site_file import DeviceFile
from messages.types import ClockState, DeviceEvent, Lane, Quality, Sample, Severity

START = datetime(2026, 3, 1, tzinfo=UTC)
GOOD = b"\x01"


class SimTime:
    """Seconds that pass only when somebody waits."""

    def __init__(self) -> None:
        self.now = 0.0
        self.end = float("inf")
        self.on_end: Callable[[], None] = lambda: None

    def monotonic(self) -> float:
        return self.now

    def clock(self) -> datetime:
        return START + timedelta(seconds=self.now)

    def pass_(self, seconds: float) -> None:
        self.now += seconds
        if self.now >= self.end:
            self.on_end()

    async def nap(self, event: asyncio.Event, seconds: float) -> None:
        await asyncio.sleep(0)
        if not event.is_set():
            self.pass_(min(seconds, max(self.end - self.now, 0.0)))


Answer = bytes | Exception
"""What a device does with one request: a payload, or the error that the line would raise."""


@dataclass
class FakeWire:
    """Answers by `script(request)`; an answer costs `cost`, a silence the whole time-out."""

    time: SimTime
    script: Callable[[str], Answer] = lambda _request: GOOD
    cost: float = 0.02
    stats: Stats = field(default_factory=Stats)
    log: list[tuple[float, str]] = field(default_factory=list)
    lonely: list[float] = field(default_factory=list)
    """When a request was sent of which was said that nobody on the line answers any more."""

    @property
    def owing(self) -> bool:
        return False

    def clear_at(self, exchange: Exchange, *, repeat: bool = False) -> float:
        return 0.0

    async def exchange(
        self,
        exchange: Exchange,
        *,
        timeout: float,
        quiet: float | None = None,
        limit: float | None = None,
        mode: SerialMode | None = None,
        repeat: bool = False,
        living: bool = False,
    ) -> Reply:
        request = exchange.request.decode()
        began = self.time.now
        self.log.append((began, request))
        if not living:
            self.lonely.append(began)
        await asyncio.sleep(0)
        answer = self.script(request)
        self.time.pass_(timeout if isinstance(answer, DeviceSilent) else self.cost)
        if isinstance(answer, Exception):
            raise answer
        middle = START + timedelta(seconds=(began + self.time.now) / 2)
        return Reply(answer, began, self.time.now, middle)

    def times(self, start: str) -> list[float]:
        """When requests that begin so were sent."""
        return [at for at, request in self.log if request.startswith(start)]


class ToyDriver(DeviceDriver):
    """Asks for its points in blocks of `block`; requests read `<device>:<first>-<last>`; a payload is every value."""

    def __init__(self, device: str, profile: Profile, block: int) -> None:
        self.device, self.profile, self.block = device, profile, block

    def plan(
        self,
        points: Sequence[str],
        *,
        timing: Timing | None = None,
        known: Known | None = None,
        longest: float | None = None,
    ) -> Sequence[Transaction]:
        lacking = known.bad if known is not None else frozenset()
        names = [name for name in points if name not in lacking]
        alone = [self._of([name]) for name in points if name in lacking]
        return [self._of(names[at : at + self.block]) for at in range(0, len(names), self.block)] + alone

    def _of(self, names: Sequence[str]) -> Transaction:
        return Transaction(tuple(names), block=tuple(names), label=f"{names[0]}-{names[-1]}")

    def exchange(self, transaction: Transaction) -> Exchange:
        return Exchange(f"{self.device}:{transaction.label}".encode(), reader=None)

    def decode(self, transaction: Transaction, reply: bytes) -> Mapping[str, Reading]:
        made = {}
        for name in transaction.points:
            state = self.profile.points[name].kind == "state"
            made[name] = Reading(bool(reply[0]) if state else Decimal(reply[0]), Quality.GOOD, reply)
        return made

    def split(self, transaction: Transaction) -> Sequence[Transaction]:
        names = transaction.points
        if len(names) < 2:
            return ()
        middle = len(names) // 2
        return [self._of(names[:middle]), self._of(names[middle:])]

    def command(self, action: str, args: Mapping[str, str]) -> CommandPlan:
        if args:
            raise Misconfigured("no arguments")
        name = next(iter(self.profile.points))
        write = Transaction((), block=None, label=f"write {action}")
        return CommandPlan(write, self._of([name]), {name: True})


@dataclass
class Remembered:
    """The recorder's end: what was handed over, and whether the journal takes edges."""

    samples: list[tuple[Lane, Sample]] = field(default_factory=list)
    edges: list[DeviceEvent] = field(default_factory=list)
    state: dict[str, bytes] = field(default_factory=dict)
    takes: bool = True
    read: int = 0
    settling: list[Callable[[bool], None]] = field(default_factory=list)

    def sample(
        self, lane: Lane, sample: Sample, *, read: bool, settled: Callable[[bool], None] | None = None
    ) -> None:
        if settled is not None:
            self.settling.append(settled)
        self.samples.append((lane, sample))
        self.read += len(sample.values) if read else 0

    async def events(
        self, events: Sequence[DeviceEvent], state: Mapping[str, bytes], quiet: Collection[DeviceEvent] = ()
    ) -> bool:
        if self.takes:
            self.edges += events
            self.state.update(state)
        return self.takes

    def of(self, device: str, point: str) -> list[Any]:
        """The values of a point in the order in which they were said."""
        return [s.values[point] for _, s in self.samples if s.device == device and point in s.values]

    def bad(self, device: str) -> list[Sample]:
        """The samples of a device in which something is not good."""
        return [sample for _, sample in self.samples if sample.device == device and sample.bad]


@dataclass
class Counted:
    """The metrics' end."""

    results: list[str] = field(default_factory=list)
    up: dict[str, bool] = field(default_factory=dict)
    overruns: int = 0

    def transaction(self, line: str, result: str, seconds: float) -> None:
        self.results.append(result)

    def device_up(self, device: str, up: bool) -> None:
        self.up[device] = up

    def overran(self, line: str, periods: int) -> None:
        self.overruns += periods


def profile_of(
    polls: Mapping[str, str],
    *,
    device_class: str = "meter",
    billing: Iterable[str] = (),
    events: Iterable[str] = (),
) -> Profile:
    """A profile of points by poll class; `events` raise on points that are states."""
    billed, alarmed = set(billing), dict.fromkeys(events)  # in their order
    return Profile(
        profile="toy-device",
        vendor="Toy",
        model="Toy",
        device_class=device_class,  # type: ignore[arg-type]
        protocol="toy",
        points={
            name: Point(
                label=name,
                at={},
                poll=poll,  # type: ignore[arg-type]
                kind="state" if name in alarmed else "gauge",
                billing=name in billed,
            )
            for name, poll in polls.items()
        },
        events={
            name: Event(
                when=When(point=name, is_=True), label=name, severity=Severity.CRITICAL, alarm_class="fire"
            )
            for name in alarmed
        },
        actions={"release": Action(label="Release", at={})} if device_class == "access" else {},
        examples=(),
        source=("made for a test",),
    )


def device_of(
    name: str,
    profile: Profile,
    *,
    block: int = 8,
    timeout: float = 0.5,
    state: bytes | None = None,
    periods: Mapping[str, float] | None = None,
    seed: int = 1,
) -> Polled:
    """A device of that profile, ready for a poller."""
    config = Device(
        name,
        DeviceFile(id=name, profile=profile.profile),
        profile,
        timeout,
        {**DEFAULT_PERIODS, **(periods or {})},
        {},
        None,
    )
    return polled(
        config,
        ToyDriver(name, profile, block),
        load(profile.events, state),
        Random(seed),
        Lessons(lambda: START),
    )


class Bench:
    """A poller with everything around it made of the above."""

    def __init__(self, *devices: Polled) -> None:
        self.time = SimTime()
        self.wire = FakeWire(self.time)
        self.recorder = Remembered()
        self.counted = Counted()
        self.changes = 0
        around = Surroundings(
            self.time.clock, lambda: ClockState.SYNCED, self.time.monotonic, Random(1), self.time.nap
        )
        self.poller = Poller("l", self.wire, devices, self.recorder, self.counted, around, self._changed)

    def _changed(self) -> None:
        self.changes += 1

    async def run(self, until: float) -> None:
        """Let simulated time reach `until`; may be called again with a later time."""
        self.time.end, self.time.on_end = until, self.poller.stop
        self.poller._stopping = False
        await self.poller.run()


def gaps(times: list[float]) -> list[float]:
    """How long each waited for the next."""
    return [later - sooner for sooner, later in itertools.pairwise(times)]


METER = profile_of({"energy": "billing", "power": "routine"}, billing=["energy"])
DOOR = profile_of({"open": "alarm"}, device_class="access", events=["open"])
FIRE = profile_of({"zone": "fire"}, device_class="fire", events=["zone"])
