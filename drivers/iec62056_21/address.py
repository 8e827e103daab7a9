"""What `at` and `options` of an IEC 62056-21 profile may say, as types."""

from typing import Annotated, Final, Literal

import msgspec

from drivers.binding import bind
from drivers.errors import Misconfigured
from drivers.iec62056_21.data import MAX_ADDRESS, Obis, obis
from drivers.iec62056_21.frames import ADDRESS_PATTERN
from drivers.profile import Strict

NUMBER_IDS: Final = ("0.0.0", "0.0.1", "0.0", "C.1.0", "C.1", "96.1.0", "96.1.1")
"""Where meters say their own number."""
RESETS: Final = "0.1.0"
"""How many billing periods have ended."""

REACTION: Final = r"^(0\.(0[2-9][0-9]?|[1-9][0-9]{0,2})|1(\.([0-4][0-9]{0,2}|50{0,2}))?)$"
"""0.02 to 1.5, as decimal digits."""

ObisText = Annotated[
    str,
    msgspec.Meta(
        min_length=1,
        max_length=MAX_ADDRESS,
        description="an address of the readout in quotes, for example 1.8.0, 1-0:1.8.0*255 or 1.8.0*01",
    ),
]


class PointAt(Strict, frozen=True, kw_only=True):
    """Which value of a readout a point is: the data set `obis`, and in it the parentheses `group`, from 0.

    `ago` names the value stored at the end of a past billing period, 1 for the last, by meters that number their
    periods with the reset counter 0.1.0. `bare` says that the meter leaves the unit out.
    """

    obis: ObisText
    group: Annotated[int, msgspec.Meta(ge=0, le=31)] = 0
    type: Literal["number", "hex"] = "number"
    bit: Annotated[int, msgspec.Meta(ge=0, le=255)] | None = None
    bare: bool = False
    ago: Annotated[int, msgspec.Meta(ge=1, le=99)] | None = None

    @property
    def code(self) -> Obis | None:
        """The address as an OBIS code; None for a maker's own word."""
        return obis(self.obis)


class ActionAt(Strict, frozen=True, kw_only=True):
    """Nothing: meters are only read."""


class Options(Strict, frozen=True, kw_only=True):
    """Protocol options of a profile, a line or a device; the later wins."""

    address: Annotated[
        str,
        msgspec.Meta(
            pattern=ADDRESS_PATTERN, description="the device address in quotes, up to 32 digits and letters"
        ),
    ] = ""
    """Who is asked; empty asks whoever is there, which is right under an optical head."""
    serial: Annotated[str, msgspec.Meta(max_length=32)] = ""
    """The meter's number: where the readout names another one, nothing of it is believed."""
    mode: Literal["A", "B", "C"] = "C"
    """What the meter is known to be; it is told by its identification, and this sets how long is waited."""
    change_baud: bool = True
    """Change the line's speed to the one agreed: false on lines of a fixed speed, as all TCP ones are."""
    acknowledge: Literal["", "0", "1", "2", "3", "4", "5", "6"] = ""
    """Agree to this speed instead of the one that the meter offers (mode C)."""
    offers: Literal["", "0", "1", "2", "3", "4", "5", "6"] = ""
    """The speed that the meter is known to offer: from it is reckoned what a readout costs, nothing else."""
    software_parity: bool = False
    """Make 7E1 in software, on a port set to 8N1: for adapters and pseudo-terminals that cannot do 7E1."""
    bcc: Literal["required", "none"] = "required"
    """`none` for meters that send no block check character."""
    reaction: Annotated[str, msgspec.Meta(pattern=REACTION)] = "0.25"
    """Seconds before the acknowledgement: 0.2 to 1.5 by the standard, 0.02 in its fast variant."""
    wakeup: Annotated[int, msgspec.Meta(ge=0, le=200)] = 0
    """How many NUL characters are sent first: battery meters wake up by 2.3 seconds of them, 65 at 300 baud."""
    readout_bytes: Annotated[int, msgspec.Meta(ge=32, le=65536)] = 2000
    """How long the readout is at the most: what it costs the line is reckoned from it."""


def bind_point(data: object, place: str) -> PointAt:
    """Check the address of one point, its parts against each other too; raise `Misconfigured`."""
    at = bind(data, PointAt, place)
    if at.bit is not None and at.type != "hex":
        raise Misconfigured(f"{place}.bit: bits are taken from a number of type hex")
    if at.ago is not None and (at.code is None or at.code.f is not None):
        raise Misconfigured(f"{place}.ago: needs an OBIS code without a billing period, for example 1.8.0")
    return at
