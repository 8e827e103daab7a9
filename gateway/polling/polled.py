"""A device as its line polls it: what is asked for, what came of it, and what of that goes where."""

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from random import Random

from drivers.api import DeviceDriver, Exchange, Reading, Transaction
from drivers.errors import DriverError
from drivers.lines import Reply, SerialMode
from gateway.polling.around import Rules
from gateway.polling.backoff import LONGEST_FIRE_S, LONGEST_S, Health
from gateway.polling.edges import Change, Edges
from gateway.polling.lessons import DeviceLessons, Lessons
from gateway.polling.report import Reporter
from gateway.polling.schedule import ALARM, RANKS
from gateway.polling.timeouts import RoundTrip
from gateway.site.config import Device
from messages.codec import utc_ms
from messages.text import printable
from messages.types import ClockState, DeviceEvent, Edge, Lane, Quality, Sample, Value

HEARTBEAT_S = 30.0  # what stays bad is said again this often, or once a period if that is longer
LONGEST_EVIDENCE = 2048
_NO_RAW: Mapping[str, str] = {}


@dataclass(slots=True, eq=False)
class Work:
    """One transaction of a device and how it has fared."""

    device: "Polled"
    transaction: Transaction
    poll: str
    period: float
    bad: Quality | None = None
    said: float = 0.0
    """When it was last said that it is bad, monotonic seconds."""
    excluded: Quality | None = None
    """Set where the device or our configuration rules this out: not asked again until the device returns."""
    busy: int = 0
    heard: bool = False
    """True once it was answered: from then on a silence is the device's, and not due to what was asked."""
    damaged: bool = False
    """True after a damaged reply: it is asked for once more."""
    snapshot_until: float | None = None
    """The end of the window in which it must be read for the books, monotonic seconds."""

    @property
    def wire_bytes(self) -> int:
        """How many bytes it takes on the wire if all is well."""
        return self.transaction.request_bytes + self.transaction.reply_bytes

    def must_say(self, quality: Quality, now: float) -> bool:
        """Take a failure; return True if it must be told: it is new, or was last told long ago."""
        if self.bad is not None and now - self.said < max(self.period, HEARTBEAT_S):
            return False
        self.bad, self.said = quality, now
        return True

    def say_at(self, now: float) -> float:
        """Return when a failure that lasts must be told again."""
        return max(now + 0.001, self.said + max(self.period, HEARTBEAT_S))


@dataclass(slots=True, eq=False)
class Asked:
    """A question of an engineer's tool that waits for its turn on the line."""

    exchange: Exchange
    timeout: float
    quiet: float | None
    mode: SerialMode | None
    reply: "asyncio.Future[Reply]"

    def settle(self, reply: Reply) -> None:
        """Tell who waits; one that no longer waits is no error."""
        if not self.reply.done():
            self.reply.set_result(reply)

    def fail(self, why: DriverError) -> None:
        """Tell who waits that there is no reply."""
        if not self.reply.done():
            self.reply.set_exception(why)


@dataclass(slots=True, eq=False)
class Polled:
    """One device on its line."""

    config: Device
    driver: DeviceDriver
    edges: Edges
    health: Health
    lessons: DeviceLessons
    answered: bool = False
    """True once it has answered in this life: to say `answers` and `answers again` apart."""
    billing: frozenset[str] = frozenset()
    reporter: Reporter | None = None
    """None where every reading is told."""
    not_good: set[str] = field(init=False)
    """The points of which this life has no good reading, or a bad one since."""
    trip: RoundTrip = field(default_factory=lambda: RoundTrip(1.0))
    hasty: bool = False
    """True where it has fire or alarm points: after a silence it is asked again at once, in their class."""

    def __post_init__(self) -> None:
        self.not_good = set(self.config.profile.points)

    @property
    def id(self) -> str:
        """The device's id."""
        return self.config.id

    def works(self, rules: Rules) -> list[Work]:
        """Plan afresh: transactions per poll class, so that a slow point never rides at a fast pace."""
        works, known = [], self.lessons.known()
        thinks = self.trip.smooth if self.trip.smooth is not None else self.lessons.thinks()
        timing = rules.timing if thinks is None else replace(rules.timing, turnaround=thinks)
        if (mode := self.config.mode) is not None:
            timing = replace(timing, byte_time=mode.byte_time, silence=mode.silence)
        for poll in RANKS:
            points = [name for name, point in self.config.profile.points.items() if point.poll == poll]
            if points:
                planned = self.driver.plan(points, timing=timing, known=known, longest=rules.longest)
                period = self.config.periods[poll]
                works += [Work(self, each, poll, period) for each in planned]
        return works

    def samples(
        self, at: datetime, readings: Mapping[str, Reading], clock: ClockState, config: str = ""
    ) -> Iterator[tuple[Lane, Sample]]:
        """Split readings of one exchange by lane; billing points carry their raw bytes and the configuration's hash."""
        billing = self.billing
        if billing.isdisjoint(readings):
            if readings:
                yield Lane.TELEMETRY, self._sample(at, readings, clock)
            return
        money = {name: reading for name, reading in readings.items() if name in billing}
        raw = {name: reading.raw.hex() for name, reading in money.items() if reading.raw}
        yield Lane.BILLING, self._sample(at, money, clock, raw, config)
        if len(money) < len(readings):
            rest = {name: reading for name, reading in readings.items() if name not in billing}
            yield Lane.TELEMETRY, self._sample(at, rest, clock)

    def _sample(
        self,
        at: datetime,
        readings: Mapping[str, Reading],
        clock: ClockState,
        raw: Mapping[str, str] = _NO_RAW,
        config: str = "",
    ) -> Sample:
        bad = {
            name: reading.quality for name, reading in readings.items() if reading.quality is not Quality.GOOD
        }
        if self.not_good or bad:
            self.not_good.difference_update(readings)
            self.not_good.update(bad)
        return Sample(
            device=self.config.id,
            at=utc_ms(at),
            values={name: reading.value for name, reading in readings.items()},
            bad=bad,
            clock=clock,
            raw=raw,
            config=config,
        )

    def events(self, changes: Iterable[Change], at: datetime, clock: ClockState) -> tuple[DeviceEvent, ...]:
        """Turn edges into what goes to the server, with the bytes that they rest on."""
        return tuple(
            DeviceEvent(
                device=self.config.id,
                code=change.code,
                edge=change.edge,
                seen_at=utc_ms(at),
                detail=self._detail(change),
                evidence=change.raw[:LONGEST_EVIDENCE].hex(),
                clock=clock,
            )
            for change in changes
        )

    def _detail(self, change: Change) -> str:
        point = self.config.profile.points.get(change.point)
        if point is None:
            return "no longer in the profile" if change.edge is Edge.CLEARED else ""
        return printable(f"{change.point} = {plain(change.value)} {point.unit}".rstrip())


def plain(value: Value) -> str:
    """Write a value as people read it: no exponent, `unknown` for None."""
    if value is None:
        return "unknown"
    if isinstance(value, bool):
        return "true" if value else "false"
    return format(value, "f")


def polled(config: Device, driver: DeviceDriver, edges: Edges, random: Random, lessons: Lessons) -> Polled:
    """Bind a configured device to its driver, its journaled alarm state and what its model has taught."""
    points = config.profile.points
    fire = any(point.poll == "fire" for point in points.values())
    return Polled(
        config,
        driver,
        edges,
        Health(random, LONGEST_FIRE_S if fire else LONGEST_S),
        lessons.book(config.id, driver, config.profile, config.options),
        billing=frozenset(name for name, point in points.items() if point.billing),
        reporter=_reporter(config),
        trip=RoundTrip(config.timeout),
        hasty=any(RANKS[point.poll] <= ALARM for point in points.values()),
    )


def _reporter(config: Device) -> Reporter | None:
    points = config.profile.points
    paces = {name: config.periods[points[name].poll] for name in config.reports}
    return Reporter(config.reports, paces) if paces else None


def cheapest(works: Iterable[Work]) -> Work | None:
    """Return the transaction that costs the least: what a silent device is probed with."""
    return min(
        works,
        key=lambda work: (work.wire_bytes, len(work.transaction.points), work.transaction.label),
        default=None,
    )
