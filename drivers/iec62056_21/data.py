"""Data sets of IEC 62056-21: `address(value*unit)(value*unit)…`, and addresses as OBIS codes."""

import re
from dataclasses import dataclass
from typing import Final

from drivers.errors import FrameDamaged
from messages.text import printable

MAX_SETS: Final = 4096
MAX_ADDRESS: Final = 64
MAX_VALUE: Final = 4096

_OBIS: Final = re.compile(
    r"^(?:([0-9A-Z]{1,3})-([0-9A-Z]{1,3}):)?([0-9A-Z]{1,3})\.([0-9A-Z]{1,3})"
    r"(?:\.([0-9A-Z]{1,3}))?(?:[*&]([0-9A-Z]{1,3}))?$"
)
_CURRENT: Final = "255"


@dataclass(frozen=True, slots=True)
class DataSet:
    """One data set; `groups` are the contents of its parentheses."""

    address: str
    groups: tuple[str, ...]

    def group(self, index: int) -> tuple[str, str | None] | None:
        """Return value and unit of one group, the unit None where none is given; None for a group not there."""
        if index >= len(self.groups):
            return None
        value, star, unit = self.groups[index].partition("*")
        return value, unit if star else None


def parse(text: str) -> list[DataSet]:
    """Read data sets up to `!` or the end; raise `FrameDamaged` for what are none."""
    found: list[DataSet] = []
    place = 0
    while True:
        while place < len(text) and text[place] in "\r\n \0":
            place += 1
        if place >= len(text) or text[place] == "!":
            return found
        if len(found) >= MAX_SETS:
            raise FrameDamaged(f"more than {MAX_SETS} data sets")
        made, place = _set(text, place)
        found.append(made)


def _set(text: str, place: int) -> tuple[DataSet, int]:
    begins = text.find("(", place, place + MAX_ADDRESS + 1)
    address = text[place:begins]
    if begins < 0 or any(char in address for char in ")!/\r\n"):
        raise FrameDamaged(f"{printable(text[place : place + 40], 40)!r} is no data set: address(value*unit)")
    groups = []
    place = begins
    while place < len(text) and text[place] == "(":
        ends = text.find(")", place, place + MAX_VALUE)
        if ends < 0:
            raise FrameDamaged(f"the value of {printable(address, 40)!r} has no end")
        value = text[place + 1 : ends]
        if any(char in value for char in "(/!\r\n"):
            raise FrameDamaged(f"the value of {printable(address, 40)!r} has a character that no value has")
        groups.append(value)
        place = ends + 1
    return DataSet(address, tuple(groups)), place


@dataclass(frozen=True, slots=True)
class Obis:
    """An address in its parts (IEC 62056-61); None where a reduced id leaves one out."""

    a: str | None
    b: str | None
    c: str
    d: str
    e: str | None
    f: str | None

    @property
    def stored(self) -> str | None:
        """The billing period of a stored value, without leading zeros; None for the current one."""
        if self.f is None or self.f == _CURRENT:
            return None
        return str(int(self.f)) if self.f.isdecimal() else self.f

    def means(self, other: "Obis") -> bool:
        """Say whether two ids name the same quantity, where one of them may leave out the medium and channel."""
        if (self.c, self.d, self.e, self.stored) != (other.c, other.d, other.e, other.stored):
            return False
        return all(
            one is None or two is None or one == two for one, two in ((self.a, other.a), (self.b, other.b))
        )


def obis(address: str) -> Obis | None:
    """Read an address as an OBIS code or reduced id; None for a maker's own word."""
    found = _OBIS.match(address)
    return Obis(*found.groups()) if found is not None else None


def with_period(code: Obis, period: str) -> Obis:
    """Return the id of a stored value of a quantity."""
    return Obis(code.a, code.b, code.c, code.d, code.e, period)
