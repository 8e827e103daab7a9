"""What `at` and `options` of an M-Bus profile may say, as types; and whom a site's address means."""

import re
from dataclasses import dataclass
from datetime import timedelta, timezone
from typing import Annotated, Final, Literal

import msgspec

from drivers.binding import bind
from drivers.errors import Misconfigured
from drivers.mbus.frames import ANYONE, MAX_PRIMARY, Frame
from drivers.mbus.meaning import QUANTITIES, UNITS
from drivers.mbus.telegram import Header, letters, maker_code
from drivers.mbus.units import shift
from drivers.profile import Action, Point, Profile, Strict
from messages.text import printable

Number = Annotated[int, msgspec.Meta(ge=0, le=0x7FFFFFFF)]
Status = Literal[
    "application_busy",
    "application_error",
    "abnormal_condition",
    "power_low",
    "permanent_error",
    "temporary_error",
]
MAX_TELEGRAMS: Final = 16
ANYBODY: Final = b"mbus"
"""The key of what is acknowledged by the one character E5 and proven by nothing else. An E5 names nobody, and a late
one may be anybody's: all other keys begin with this, so that it waits for each of them."""
# Quantities that are a moment: told in seconds since 1970.
_MOMENTS: Final = frozenset({"date", "date_time", "tariff_start", "battery_change"})


class PointAt(Strict, frozen=True, kw_only=True):
    """Which record of a read-out a point is.

    By what it is: `quantity` with `function`, `storage`, `tariff` and `subunit`. By where it stands: `record`, 0 for
    the first. Or a bit of the `status` byte. `bit` picks one bit of flags as true or false.
    """

    quantity: str | None = None
    function: Literal["inst", "max", "min", "error"] = "inst"
    storage: Number = 0
    tariff: Number = 0
    subunit: Number = 0
    modifiers: Annotated[str, msgspec.Meta(pattern=r"^([0-9A-F]{2}){0,10}$")] = ""
    """Extensions of the VIF that change what is measured, in hex without their top bit: 3C is flow backwards."""
    nth: Annotated[int, msgspec.Meta(ge=0, le=255)] | None = None
    """Which of several records that are equal in all of this, 0 for the first."""
    record: Annotated[int, msgspec.Meta(ge=0, le=2047)] | None = None
    unit: str = ""
    """The unit that is meant where the record has none, or a text for one."""
    status: Status | Annotated[int, msgspec.Meta(ge=5, le=7)] | None = None
    bit: Annotated[int, msgspec.Meta(ge=0, le=63)] | None = None

    @property
    def is_bool(self) -> bool:
        """Whether it is true or false."""
        return self.status is not None or self.bit is not None


class Options(Strict, frozen=True, kw_only=True):
    """Protocol options of a profile, a line or a device; the later wins."""

    framing: Literal["rtu", "mbap"] = "rtu"
    """Written by the line; M-Bus has one framing, on a wire and through a TCP level converter."""
    address: str = ""
    """The primary address 0 to 250, or the secondary one: eight digits, then maker, generation and medium, for
    example 12345678, or 12345678-KAM-08-04; F stands for any digit. Without it, the device's `unit` is meant."""
    telegrams: Annotated[int, msgspec.Meta(ge=1, le=MAX_TELEGRAMS)] = MAX_TELEGRAMS
    """How many telegrams are read at most, though the device says that it has more."""
    reset: Literal["auto", "always", "never"] = "always"
    """Whether SND_NKE goes before a read-out by primary address. `auto`: at first, after a failure, and after several
    telegrams; only for meters that nobody else asks, or what another master was told may be told again as new."""
    zone: Annotated[str, msgspec.Meta(pattern=r"^[+-](0[0-9]|1[0-4]):[0-5][0-9]$")] = "+08:00"
    """The zone of the meter's clock, without summer time: dates and times are told in seconds since 1970, UTC."""
    ignore_signature: bool = False
    """Read a telegram whose signature is not 0 but names no known encryption: some old meters send anything there."""

    @property
    def timezone(self) -> timezone:
        """The zone as a fixed distance from UTC."""
        distance = timedelta(hours=int(self.zone[1:3]), minutes=int(self.zone[4:]))
        return timezone(-distance if self.zone[0] == "-" else distance)


@dataclass(frozen=True, slots=True)
class Target:
    """A slave by its primary address, or by its secondary one: the eight bytes of a selection, F for any digit."""

    primary: int | None = None
    secondary: bytes = b""

    @property
    def key(self) -> bytes:
        """What two requests for data share if an answer to one can be taken for the other's."""
        return ANYBODY + (b" 2 " + self.secondary if self.secondary else b" 1 " + bytes((self.primary or 0,)))

    def answers(self, frame: Frame) -> bool:
        """Say whether a frame is this slave's."""
        if not self.secondary:
            return self.primary in {ANYONE, frame.address}
        digits = self.secondary[:4][::-1].hex()
        if frame.ci in {0x72, 0x76}:
            found = frame.data[:8]
            if frame.ci == 0x76:
                found = found[3::-1] + found[5:3:-1] + found[6:]
            others = zip(self.secondary[4:], found[4:], strict=False)
            if len(found) < 8 or any(wanted not in {0xFF, byte} for wanted, byte in others):
                return False
        elif frame.ci in {0x73, 0x77}:
            found = frame.data[:4] if frame.ci == 0x73 else frame.data[3::-1]
        else:
            return True  # an error, an alarm: nothing in it says whose it is, and one slave only is selected
        ident = found[:4][::-1].hex()
        return all(wanted in {"f", digit} for wanted, digit in zip(digits, ident, strict=False))


_SECONDARY: Final = re.compile(
    r"(?P<ident>[0-9A-F]{8})(?:-(?P<maker>[A-Z]{3}|FFFF)-(?P<version>[0-9A-F]{2})-(?P<medium>[0-9A-F]{2}))?"
)


def target(unit: int | None, address: str) -> Target:
    """Return whom a device's unit or address means; raise `Misconfigured`."""
    if not address:
        if unit is None or not (0 <= unit <= MAX_PRIMARY or unit == ANYONE):
            raise Misconfigured(
                f"unit: is {unit}: give a primary address, 0 to {MAX_PRIMARY}, or a secondary one as options.address"
            )
        return Target(primary=unit)
    if address.isdecimal() and len(address) <= 3:
        if int(address) <= MAX_PRIMARY or int(address) == ANYONE:
            return Target(primary=int(address))
        raise Misconfigured(f"options.address: a primary address is 0 to {MAX_PRIMARY}, not {address}")
    found = _SECONDARY.fullmatch(address.upper())
    if found is None:
        raise Misconfigured(
            f"options.address: {printable(address, 40)!r} is neither 0 to {MAX_PRIMARY}, nor eight digits, nor as"
            " 12345678-KAM-08-04"
        )
    return Target(secondary=secondary(found["ident"], found["maker"], found["version"], found["medium"]))


def secondary(
    ident: str, maker: str | None = None, version: str | None = None, medium: str | None = None
) -> bytes:
    """Return the eight bytes of a selection; what is not given is any."""
    code = 0xFFFF if maker in {None, "FFFF"} else maker_code(maker)
    tail = bytes((int(version or "FF", 16), int(medium or "FF", 16)))
    return bytes.fromhex(ident)[::-1] + code.to_bytes(2, "little") + tail


def written(header: Header) -> str:
    """Return the secondary address of a slave in the form that `target` reads."""
    if header.maker is None or header.version is None or header.medium is None:
        return header.ident
    return f"{header.ident}-{letters(header.maker)}-{header.version:02X}-{header.medium:02X}"


def bind_point(point: Point, place: str) -> PointAt:
    """Check the address of one point, its parts against each other and its unit too; raise `Misconfigured`."""
    at = bind(point.at, PointAt, f"{place}.at")
    fault = _fault(at) or _unit_fault(at, point)
    if fault:
        raise Misconfigured(f"{place}{fault}")
    return at


def bind_action(action: Action, place: str) -> None:
    """Refuse every command: nothing is written to a meter."""
    raise Misconfigured(f"{place}: {printable(action.label, 60)!r}: M-Bus devices are read, never commanded")


def bind_profile(profile: Profile) -> dict[str, PointAt]:
    """Check all addresses of a profile; raise `Misconfigured` with one line for each problem."""
    found: dict[str, PointAt] = {}
    faults: list[str] = []
    for name, point in profile.points.items():
        try:
            found[name] = bind_point(point, f"points.{name}")
        except Misconfigured as err:
            faults.append(str(err))
    if faults:
        raise Misconfigured("\n".join(faults))
    return found


def _fault(at: PointAt) -> str:
    ways = [name for name in ("quantity", "record", "status") if getattr(at, name) is not None]
    if len(ways) != 1:
        return f".at: needs exactly one of quantity, record, status; it has {', '.join(ways) or 'none'}"
    plain = PointAt(quantity=at.quantity, record=at.record, status=at.status)
    if at.status is not None and at != plain:
        return ".at.status: a bit of the status byte needs nothing else"
    if at.record is not None and at != PointAt(record=at.record, unit=at.unit, bit=at.bit):
        return ".at.record: a record by its place needs nothing else but `unit` and `bit`"
    if at.quantity is not None and at.quantity not in QUANTITIES | {"text"}:
        return f".at.quantity: {printable(at.quantity, 40)!r} is not known; known are {', '.join(sorted(QUANTITIES))}"
    if at.quantity == "text" and not at.unit:
        return ".at.unit: is missing: the text that the device sends for a unit"
    return ""


def _unit_fault(at: PointAt, point: Point) -> str:
    if at.is_bool:
        return ".unit: true or false has no unit" if point.unit else ""
    if at.unit and at.quantity != "text" and shift(at.unit, point.unit) is None:
        said = point.unit or "none"
        return f".at.unit: is {printable(at.unit, 20)}, and the point's is {printable(said, 20)}"
    if at.quantity in _MOMENTS and point.unit != "s":
        return f".unit: is {printable(point.unit, 20) or 'none'}, and a moment is told in s, since 1970"
    possible = UNITS.get(at.quantity or "", frozenset()) - {""}
    if at.quantity is None or at.quantity == "text" or not possible:
        return ""
    if not any(shift(given, point.unit) is not None for given in possible):
        said = point.unit or "none"
        return f".unit: is {printable(said, 20)}, and {at.quantity} comes in {', '.join(sorted(possible))}"
    return ""
