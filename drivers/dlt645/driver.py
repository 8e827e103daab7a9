"""The DL/T 645 driver: profiles and identifiers to requests, answers to values."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from drivers.api import CommandPlan, DeviceDriver, Exchange, Happening, Known, Reading, Timing, Transaction
from drivers.binding import bind
from drivers.dlt645 import clock, logs, orders, plan, segments
from drivers.dlt645.address import ActionAt, Options, PointAt
from drivers.dlt645.check import check_profile
from drivers.dlt645.explain import explain
from drivers.dlt645.frozen import instant_of
from drivers.dlt645.plan import Talk
from drivers.dlt645.points import Bound, Derived, PointMap
from drivers.dlt645.talk import Meter, Reads, count_of, gathered
from drivers.dlt645.values import unix
from drivers.dlt645.vectors import check_vector
from drivers.dlt645.workshop import Dlt645Workshop
from drivers.errors import DeviceRefused, Misconfigured
from drivers.profile import Profile
from drivers.profile_check import keep_life_safety
from messages.text import printable
from messages.types import Quality, Value

_TIMING, _NOTHING = Timing(), Known()
_PASSWORD: Final = frozenset({"password_file", "password_env"})


def _now() -> datetime:
    return datetime.now(UTC)


class Dlt645Driver:
    """DL/T 645-2007 and -1997, on a serial line or through a serial server; the option `edition` says which.

    `now` is asked where a frame carries the time: a broadcast, the end of an order's validity.
    """

    protocol = "dlt645"

    def __init__(self, now: Callable[[], datetime] = _now) -> None:
        self._clock = now
        self.workshop = Dlt645Workshop()
        """For the engineer's tools."""

    def check(self, profile: Profile) -> None:
        """Check every address, option and captured example of a profile; raise `Misconfigured` naming the places."""
        check_profile(profile, self.device)

    def device(self, profile: Profile, unit: int | None, options: Mapping[str, Any]) -> "Dlt645Device":
        """Bind a profile to a meter; raise `Misconfigured`. `options` are the line's and device's, merged.

        Without the option `address`, the unit is the address.
        """
        own = dict(profile.options)
        if options.keys() & _PASSWORD:  # the site's says where it is, not where the profile would look
            own = {name: value for name, value in own.items() if name not in _PASSWORD}
        settings = bind({**own, **options}, Options, "options")
        keep_life_safety(profile, stays=settings.life_safety)
        if settings.address is None and unit is None:
            raise Misconfigured(
                "options.address: is missing: the 12 digits of the meter's nameplate, in quotes"
            )
        address = settings.address if settings.address is not None else str(unit)
        return Dlt645Device(address.zfill(12), PointMap(profile, settings), self._clock)

    def address_types(self) -> tuple[type, type, type]:
        """Return the types of a point's `at`, an action's `at`, and `options`: for the schema."""
        return PointAt, ActionAt, Options

    def explain(self, frame: bytes) -> str:
        """Describe one captured frame in the standard's words; raise `FrameDamaged`."""
        return explain(frame)

    def check_vector(self, row: Mapping[str, Any], maps: Sequence[Mapping[str, Any]]) -> str | None:  # noqa: ARG002
        """Return None where our decoder agrees with one line of a vector file, else the disagreement."""
        return check_vector(row)


class Dlt645Device(DeviceDriver):
    """One meter: its points' addresses checked, and how far its event logs have been told."""

    def __init__(self, address: str, points: PointMap, now: Callable[[], datetime]) -> None:
        self.points = points
        self._map, self._profile, self._options = points, points.profile, points.options
        self._told: dict[str, int] = {}
        self._last: dict[str, str] = {}
        """The number of the event that was told last of each log."""
        self._meter = Meter(address, self._options, self._told, frozenset(points.signals.values()), now)

    @property
    def address(self) -> str:
        """The meter's address, 12 digits."""
        return self._meter.address

    def plan(
        self,
        points: Iterable[str],
        *,
        timing: Timing = _TIMING,
        known: Known = _NOTHING,
        longest: float | None = None,
    ) -> Sequence[Transaction]:
        """Put points into the fewest reads; every point in exactly one, none split."""
        wanted = list(points)
        for name in wanted:
            if name not in self._map.points:
                raise Misconfigured(f"{self._profile.profile} has no point {printable(name, 60)!r}")
        return plan.plan(wanted, self._map, timing, known, longest)

    def exchange(self, transaction: Transaction) -> Exchange:
        """Build the request for one attempt; what follows from its answer is in `then`."""
        if isinstance(transaction.block, orders.Write):
            return orders.exchange(transaction.block.at, self._meter)
        return self._meter.begin(transaction.block)

    def decode(self, transaction: Transaction, reply: bytes) -> Mapping[str, Reading]:
        """Decode a payload; a point that cannot be a value gets None and a quality, never an exception."""
        if isinstance(transaction.block, orders.Write):
            return {}
        reads = gathered(reply)
        found = {name: self._reading(name, reads, reply) for name in transaction.points}
        edition, options = self._options.edition, self._options
        frozen = {
            name: at
            for name, bound in self._map.points.items()
            if name in found
            and isinstance(bound, Bound)
            and (at := instant_of(bound.di, reads, options)) is not None
        }
        if not frozen:
            return found
        right = clock.is_right(reads, edition, options.timezone, segments.stamped(reply))
        return found | {name: _frozen(found[name], at, right=right) for name, at in frozen.items()}

    def _reading(self, name: str, reads: Reads, reply: bytes) -> Reading:
        bound = self._map.points[name]
        if isinstance(bound, Derived):
            return self._derived(bound, reads, reply)
        for di, data in reads.items():
            part = self._map.inside(di, name)
            if part is not None:
                block = di != bound.di or (bound.item is not None and bound.item.repeat)
                return bound.decode(data[0], part, self._options.timezone, block=block)
        return Reading(None, Quality.CRC)

    def _derived(self, derived: Derived, reads: Reads, reply: bytes) -> Reading:
        edition, zone = self._options.edition, self._options.timezone
        if clock.DATE[edition] not in reads or clock.TIME[edition] not in reads:
            return Reading(None, Quality.CRC)
        if derived.what == "settled":
            at = clock.settled_at(reads, edition, zone, self._options.settlement_days)
        else:
            at = clock.clock_of(reads, edition, zone)
        if at is None:
            return Reading(None, Quality.RANGE)
        if derived.what != "clock_right":
            return Reading(unix(at))
        ours = segments.stamped(reply)
        if ours is None:
            return Reading(None, Quality.CRC)
        return Reading(abs(at - ours) <= timedelta(seconds=derived.within))

    def split(self, transaction: Transaction) -> Sequence[Transaction]:
        """Return the points of a data block one by one; empty for what cannot be parted."""
        return plan.split(transaction, self._map)

    def cut(self, transaction: Transaction, error: DeviceRefused, longest_answered: int) -> str:  # noqa: ARG002
        """Say which data block plans must avoid after it was refused and its parts were answered."""
        block = transaction.block
        return block.dis[0] if isinstance(block, Talk) and block.block else ""

    def happenings(self, transaction: Transaction, reply: bytes) -> Sequence[Happening]:
        """Return the records of event logs whose count has risen, oldest first; never the same one twice."""
        if isinstance(transaction.block, orders.Write):
            return ()
        reads, found = gathered(reply), list[Happening]()
        told = dict(self._told)
        for code, di in self._map.signals.items():
            count = count_of(reads, di)
            if count is None:
                continue
            new = self._meter.new(di, reads)
            records = logs.happenings(code, di, reads, count, new, self._options.timezone)
            found += logs.numbered(records, self._last.get(di, ""))
            if records:
                self._last[di] = found[-1].number
            told[di] = count - (new[-1] - 1 if new else 0)
        self._told.update(told)
        return found

    def command(self, action: str, args: Mapping[str, str]) -> CommandPlan:
        """Plan a command of the profile; raise `Misconfigured` for one that it does not offer or that is refused."""
        at = self._map.actions.get(action)
        if at is None:
            offered = ", ".join(self._map.actions) or "none"
            raise Misconfigured(
                f"{self._profile.profile} offers no command {printable(action, 60)!r}; it offers {offered}"
            )
        if args:
            raise Misconfigured(f"the command {action} takes no arguments")
        orders.check_order(at, self._options)
        write = Transaction(points=(), block=orders.Write(at), label=f"order {at.do}")
        back = self._profile.actions[action].read_back
        if back is None:
            return CommandPlan(write, None)
        value: Value = back.is_ if back.is_ is not None else Decimal(back.equals or 0)
        read = plan.transaction((back.point,), self._map)
        return CommandPlan(write, read, {back.point: value})


def _frozen(reading: Reading, at: datetime, *, right: bool) -> Reading:
    """Return a frozen register under its own instant; doubtful where the meter's clock is wrong now."""
    if reading.value is None:
        return reading
    quality = Quality.CLOCK if reading.quality is Quality.GOOD and not right else reading.quality
    return Reading(reading.value, quality, reading.raw, at)
