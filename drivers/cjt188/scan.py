"""Who is on a line: the address of a meter that is alone on it, asked for with the wildcard; pure.

CJ/T 188 has no search by parts of an address. Where several meters are on a line they all answer at once, and
what arrives is no frame: `FrameDamaged` then means more than one, and the addresses are taken from the nameplates.
"""

from dataclasses import dataclass

from drivers.api import Exchange
from drivers.cjt188 import frames
from drivers.cjt188.frames import Asked, ReplyFinder
from drivers.cjt188.layout import ADDRESS
from drivers.cjt188.values import kind_of

_WAKEUP = 4
_REPLY_BYTES = 20


@dataclass(frozen=True, slots=True)
class Found:
    """A meter that answered."""

    address: str
    meter_type: int
    di_order: str
    """Which byte of a data identification it sends first, `low` or `high`: the option of that name."""

    @property
    def kind(self) -> str:
        """What it measures, for a person."""
        return kind_of(self.meter_type)


def ask_address(*, meter_type: int = frames.ANY, di_order: str = "low", wakeup: int = _WAKEUP) -> Exchange:
    """Return the question that any meter of a type, of all if none is said, answers with its address."""
    on_wire = frames.swapped(ADDRESS) if di_order == "low" else ADDRESS
    data = bytes.fromhex(on_wire) + b"\x01"
    request = frames.encode(meter_type, frames.ANY_ADDRESS, frames.READ_ADDRESS, data, wakeup=wakeup)
    # SER is not compared: a meter that does not repeat it should be found too.
    asked = Asked(frames.READ_ADDRESS, meter_type, frames.ANY_ADDRESS, ADDRESS)
    return Exchange(request, ReplyFinder(asked), _REPLY_BYTES, key=b"cjt188 address")


def who(reply: bytes) -> Found:
    """Return who answered `ask_address`."""
    frame = frames.parse(reply)
    return Found(frame.address, frame.meter_type, "high" if frame.di_on_wire == ADDRESS else "low")
