"""A configured device and what of it is told: samples by lane, and events with what they rest on."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from drivers.api import Happening, Reading
from drivers.profile import Profile
from gateway.polling.edges import Change, Edges
from gateway.polling.signals import Signals
from gateway.site.config import Device
from messages.codec import utc_ms
from messages.text import printable
from messages.types import ClockState, DeviceEvent, Edge, Lane, Quality, Sample, Value

LONGEST_EVIDENCE = 2048
LONGEST_DETAIL = 1000
LONGEST_PART = 80
LONGEST_NUMBER = 40
PICTURE = b"picture:"
_NO_RAW: Mapping[str, str] = {}
_NOW = frozenset({None})


@dataclass(slots=True, eq=False, kw_only=True)
class Told:
    """One device, whoever speaks first."""

    config: Device
    edges: Edges
    signals: Signals = field(default_factory=lambda: Signals({}))
    billing: frozenset[str] = field(init=False)
    not_good: set[str] = field(init=False)
    """The points of which this life has no good reading, or a bad one since."""

    def __post_init__(self) -> None:
        points = self.config.profile.points
        self.not_good = set(points)
        self.billing = frozenset(name for name, point in points.items() if point.billing)

    @property
    def id(self) -> str:
        """The device's id."""
        return self.config.id

    @property
    def guards(self) -> bool:
        """Whether its silence is an alarm of its own."""
        return watches_over(self.config.profile)

    def samples(
        self, at: datetime, readings: Mapping[str, Reading], clock: ClockState, config: str = ""
    ) -> Iterator[tuple[Lane, Sample]]:
        """Split readings of one exchange by lane; billing points carry their raw bytes and the configuration's hash.

        What the device froze at an instant of its own is a sample of that instant.
        """
        frozen = {reading.at for reading in readings.values()} - _NOW
        for instant in frozen:
            own = {name: reading for name, reading in readings.items() if reading.at == instant}
            yield from self._by_lane(instant or at, own, clock, config)
        rest = readings if not frozen else {name: one for name, one in readings.items() if one.at is None}
        yield from self._by_lane(at, rest, clock, config)

    def _by_lane(
        self, at: datetime, readings: Mapping[str, Reading], clock: ClockState, config: str
    ) -> Iterator[tuple[Lane, Sample]]:
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
                evidence=evidence(change.raw),
                clock=clock,
            )
            for change in changes
        )

    def said(
        self, happenings: Iterable[Happening], at: datetime, clock: ClockState
    ) -> tuple[DeviceEvent, ...]:
        """Turn what the device says of itself into what goes to the server; `at` is when it was heard."""
        return tuple(
            DeviceEvent(
                device=self.config.id,
                code=happening.code,
                edge=happening.edge,
                seen_at=utc_ms(at),
                at=None if happening.at is None else utc_ms(happening.at),
                detail=printable(happening.detail, LONGEST_DETAIL),
                evidence=evidence(happening.evidence),
                clock=clock,
                part=printable(happening.part, LONGEST_PART),
                number=printable(happening.number, LONGEST_NUMBER),
                state=happening.state,
            )
            for happening in happenings
        )

    def _detail(self, change: Change) -> str:
        point = self.config.profile.points.get(change.point)
        if point is None:
            return "no longer in the profile" if change.edge is Edge.CLEARED else ""
        return printable(f"{change.point} = {plain(change.value)} {point.unit}".rstrip())


def evidence(raw: bytes) -> str:
    """Write what an event rests on: a picture by its reference, all else in hex."""
    if raw.startswith(PICTURE):
        return printable(raw.decode("ascii", "replace"))
    return raw[:LONGEST_EVIDENCE].hex()


def watches_over(profile: Profile) -> bool:
    """Say whether a device of this model guards people or property: then its silence must reach the desk."""
    by_class = any(point.poll in ("fire", "alarm") for point in profile.points.values())
    return by_class or bool(profile.signals) or profile.device_class in ("fire", "intrusion", "access")


def plain(value: Value) -> str:
    """Write a value as people read it: no exponent, `unknown` for None."""
    if value is None:
        return "unknown"
    if isinstance(value, bool):
        return "true" if value else "false"
    return format(value, "f")
