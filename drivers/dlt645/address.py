"""What `at`, `on` and `options` of a DL/T 645 profile may say, as types."""

import re
from datetime import timedelta, timezone
from typing import Annotated, Final, Literal

import msgspec

from drivers.dlt645.catalog import MAX_TARIFFS
from drivers.profile import Strict

Di = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^([0-9A-F]{4}|[0-9A-F]{8})$",
        description="a data identifier in quotes as the standard prints it, DI3 first: '00010000', or '9010' of 1997",
    ),
]
CountDi = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^03[0-9A-F]{4}00$",
        description="the identifier of an event count in quotes, for example '03300D00'",
    ),
]
Address = Annotated[
    str, msgspec.Meta(pattern=r"^[0-9]{1,12}$", description="the meter's address in quotes, 1 to 12 digits")
]
Layout = Annotated[str, msgspec.Meta(pattern=r"^(YY|MM|DD|WW|hh|mm|ss){1,7}$")]
Order = Literal[
    "trip",
    "allow_close",
    "close",
    "alarm",
    "cancel_alarm",
    "keep_power",
    "cancel_keep_power",
    "broadcast_time",
]
# N1 of control code 1CH (DL/T 645-2007 with the addendum of 2009).
CONTROL_CODES: Final[dict[str, int]] = {
    "trip": 0x1A,
    "allow_close": 0x1B,
    "close": 0x1C,
    "alarm": 0x2A,
    "cancel_alarm": 0x2B,
    "keep_power": 0x3A,
    "cancel_keep_power": 0x3B,
}


class PointAt(Strict, frozen=True, kw_only=True):
    """Where a point lies: a data identifier and a field of it, or something derived from several.

    Length, sign and decimals of what the standard defines are those of its table and need not be written; `type`,
    `bytes`, `signed`, `offset` and `layout` are for makers' own identifiers.
    """

    di: Di | None = None
    derived: Literal["clock", "clock_right", "settled"] | None = None
    """`clock`: the meter's date and time. `clock_right`: it differs from ours by no more than `within` seconds.
    `settled`: the last settlement instant, by the meter's settlement day and clock."""
    field: Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9_]{0,40}$")] = ""
    part: Annotated[int, msgspec.Meta(ge=0, le=MAX_TARIFFS)] = 0
    """Of a data block: 0 for the first item, mostly the total, n for tariff n."""
    bit: Annotated[int, msgspec.Meta(ge=0, le=63)] | None = None
    type: Literal["bcd", "digits", "bits", "time"] | None = None
    bytes: Annotated[int, msgspec.Meta(ge=1, le=16)] | None = None
    signed: bool = False
    offset: Annotated[int, msgspec.Meta(ge=0, le=200)] = 0
    layout: Layout = ""
    within: Annotated[int, msgspec.Meta(ge=1, le=86400)] = 300


class ActionAt(Strict, frozen=True, kw_only=True):
    """A command: relay control (1CH), or the time to all meters of the line (08H)."""

    do: Order
    valid_s: Annotated[int, msgspec.Meta(ge=10, le=3600)] = 300
    """After so long the meter itself refuses it, by its own clock."""


class SignalOn(Strict, frozen=True, kw_only=True):
    """An event log: when its count has risen, the records are read and each is told once."""

    count: CountDi


class Options(Strict, frozen=True, kw_only=True):
    """Protocol options of a profile, a line or a device; the later wins."""

    address: Address | None = None
    edition: Literal[1997, 2007] = 2007
    wake_up: Annotated[int, msgspec.Meta(ge=0, le=16)] = 4
    """How many FE are sent before a request."""
    wildcard_reply: bool = False
    """The meter answers under AA… instead of its own address: only where it is alone on the line."""
    blocks: tuple[Di, ...] = ()
    """Data blocks (with FF, or F in 1997) that the model answers: one read in the place of several."""
    max_frames: Annotated[int, msgspec.Meta(ge=1, le=32)] = 16
    """How many frames one answer may come in."""
    zone: Annotated[str, msgspec.Meta(pattern=r"^[+-][0-9]{2}:[0-9]{2}$")] = "+08:00"
    """The zone of the meter's clock."""
    settlement_days: Annotated[int, msgspec.Meta(ge=1, le=3)] = 1
    """How many settlement days of a month are in use."""
    life_safety: bool = False
    """The load behind the relay guards lives: no command switches it."""
    password_file: str = ""
    password_env: str = ""
    """Where the relay's password is: 6 digits, or 8 with the level before it; never in this file."""
    operator: Annotated[str, msgspec.Meta(pattern=r"^[0-9A-F]{8}$")] = "00000000"
    framing: str = ""
    """The line's; a frame of DL/T 645 is the same on each."""

    @property
    def timezone(self) -> timezone:
        """The zone as a fixed distance from UTC."""
        hours, minutes = int(self.zone[1:3]), int(self.zone[4:])
        distance = timedelta(hours=hours, minutes=minutes)
        return timezone(-distance if self.zone[0] == "-" else distance)


def zone_fault(zone: str) -> str:
    """Say why a zone cannot be; empty where it can."""
    found = re.fullmatch(r"[+-](\d{2}):(\d{2})", zone)
    right = found is not None and int(found[1]) <= 14 and int(found[2]) < 60
    return "" if right else f"{zone} is no zone: write +08:00"


def block_part(block: str, di: str) -> int | None:
    """Return which item of a data block an identifier is; None where it is none of it."""
    if len(block) != len(di) or block == di:
        return None
    if len(di) == 4:
        return _part(block, di, 3, 1, first=1 if block[:3] in {"B61", "B62"} else 0)
    for at in (4, 6):
        if block[at : at + 2] == "FF":
            return _part(
                block, di, at, 2, first=1 if block[:4] in {"0201", "0202", "0207", "0208", "0209"} else 0
            )
    return None


def _part(block: str, di: str, at: int, width: int, *, first: int) -> int | None:
    if (
        block[at : at + width] != "F" * width
        or block[:at] != di[:at]
        or block[at + width :] != di[at + width :]
    ):
        return None
    number = int(di[at : at + width], 16)
    return number - first if first <= number <= MAX_TARIFFS else None
