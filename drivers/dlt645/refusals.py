"""What a meter says when it refuses: one byte, each bit a reason (DL/T 645-2007 annex C, DL/T 645-1997 clause 7)."""

from collections.abc import Sequence
from typing import Final

from drivers.errors import DeviceRefused

NO_SUCH_DATA: Final = 0x02
_WORDS_2007: Final = (
    "other error",
    "no such data",
    "wrong password or not authorised",
    "the rate cannot be changed",
    "too many time zones of the year",
    "too many day periods",
    "too many tariffs",
    "reserved bit 7",
)
_WORDS_1997: Final = (
    "illegal data",
    "no such data identifier",
    "wrong password",
    "reserved bit 3",
    "too many time zones of the year",
    "too many day periods",
    "too many tariffs",
    "reserved bit 7",
)
_FIRST_OF_2007: Final = 0x11


def bits(code: int) -> list[int]:
    """Return the bits that are set, lowest first."""
    return [bit for bit in range(8) if code >> bit & 1]


def words(function: int, code: int) -> Sequence[str]:
    """Return the reasons of a refusal in words."""
    table = _WORDS_2007 if function >= _FIRST_OF_2007 else _WORDS_1997
    return [table[bit] for bit in bits(code)] or ["no reason given"]


def refusal(function: int, code: int) -> DeviceRefused:
    """Return a refusal as an error: `address` where the meter has no such data."""
    text = f"refused ({code:02X}): {', '.join(words(function, code))}"
    return DeviceRefused(text, code=code, address=bool(code & NO_SUCH_DATA))
