"""The search for slaves by their secondary addresses: a walk over the tree of eight digits; pure.

A mask with F for unknown digits selects every slave that fits. Nobody answers: the branch is empty. One answer that
can be read: found. Anything else is several at once, and the branch is looked at digit by digit. Collisions are
garbage, or an E5 over another E5, never silence.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Final

from drivers.mbus.address import written
from drivers.mbus.telegram import Header

ANY: Final = "FFFFFFFF"
_DIGITS: Final = "0123456789"


class Heard(Enum):
    """What a selection by a mask, and the request after it, came to."""

    NOBODY = "nobody"
    SEVERAL = "several"


@dataclass(frozen=True, slots=True)
class Found:
    """One slave, by the header of what it sent."""

    header: Header

    @property
    def address(self) -> str:
        """Its secondary address, as a site file has it."""
        return written(self.header)


class Search:
    """Says what to select next, and is told what was heard."""

    def __init__(self, mask: str = ANY) -> None:
        if len(mask) != len(ANY) or set(mask) - set(_DIGITS + "F"):
            raise ValueError("a mask has eight digits, F for any")
        self._todo = [mask]
        self.found: dict[str, Header] = {}
        """Who was found, by secondary address."""
        self.unparted: list[str] = []
        """Full numbers under which several slaves answer: they differ in maker, generation or medium only."""
        self.asked = 0

    @property
    def mask(self) -> str | None:
        """The mask to select next; None when all is looked at."""
        return self._todo[-1] if self._todo else None

    def heard(self, what: Heard | Found) -> None:
        """Note what the selection of `mask` came to."""
        mask = self._todo.pop()
        self.asked += 1
        if what is Heard.NOBODY:
            return
        if isinstance(what, Found) and fits(mask, what.header.ident):
            self.found[what.address] = what.header
            return
        place = mask.find("F")
        if place < 0:
            self.unparted.append(mask)
            return
        self._todo += [mask[:place] + digit + mask[place + 1 :] for digit in reversed(_DIGITS)]


def fits(mask: str, ident: str) -> bool:
    """Say whether a slave's eight digits fit a mask."""
    return len(mask) == len(ident) and all(
        one in {"F", other} for one, other in zip(mask, ident, strict=True)
    )
