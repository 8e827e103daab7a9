"""The search for slaves by their secondary addresses: a walk over the tree of eight digits; pure.

A mask with F for unknown digits selects every slave that fits. Nobody answers: the branch is empty. One answer that
can be read: found. Anything else is several at once, and the branch is looked at digit by digit. Collisions are
garbage, or an E5 over another E5, never silence.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Final

from drivers.api import Exchange
from drivers.errors import DeviceSilent, DriverError
from drivers.mbus import frames, telegram
from drivers.mbus.address import ANYBODY, Target, secondary, written
from drivers.mbus.conversation import select
from drivers.mbus.frames import FCB, NETWORK, REQ_UD2, ResponseReader
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

    def __init__(self, mask: str = ANY, *, thorough: bool = False) -> None:
        if len(mask) != len(ANY) or set(mask) - set(_DIGITS + "F"):
            raise ValueError("a mask has eight digits, F for any")
        self._todo = [mask]
        # Answers that begin at the very same time may lie over each other and still look sound, as one of theirs:
        # then only looking at every digit parts them, at eighty questions a slave.
        self._thorough = thorough
        self.found: dict[str, Header] = {}
        """Who was found, by secondary address."""
        self.unparted: list[str] = []
        """Full numbers under which several slaves answer: they differ in maker, generation or medium only."""
        self.asked = 0
        self._acknowledged = self._again = False

    @property
    def mask(self) -> str | None:
        """The mask to select next; None when all is looked at."""
        return self._todo[-1] if self._todo else None

    def exchange(self) -> Exchange | None:
        """Return the next question: a selection by `mask`, then REQ_UD2 to whoever acknowledged it."""
        mask = self.mask
        if mask is None:
            return None
        return select(Target(secondary=secondary(mask)), self._request)

    def _request(self, _ack: bytes) -> Exchange:
        self._acknowledged = True
        return Exchange(
            request=frames.short(REQ_UD2 | FCB, NETWORK),
            reader=ResponseReader(lambda frame: True),  # noqa: ARG005
            reply_bytes=frames.LONGEST,
            key=ANYBODY + b" search",
            then=lambda raw: raw,
        )

    def answered(self, payload: bytes) -> str:
        """Note the answer to the last question; return the address that it found, empty for none."""
        known = len(self.found)
        try:
            header = telegram.parse(frames.parse(payload)).header
        except DriverError:
            self.heard(Heard.SEVERAL)
            return ""
        self.heard(Found(header) if header.ident else Heard.SEVERAL)
        return Found(header).address if len(self.found) > known else ""

    def failed(self, error: DriverError) -> None:
        """Note that the last question brought no answer that can be read: silence means nobody, before any E5.

        Silence after one is asked again, once: slaves that answer at once are noise, so that the E5 may have been that
        of a slave that was selected before, and came late.
        """
        silent = isinstance(error, DeviceSilent)
        if silent and self._acknowledged and not self._again:
            self._again, self._acknowledged = True, False
            return
        nobody = silent and not self._acknowledged
        self.heard(Heard.NOBODY if nobody else Heard.SEVERAL)

    def heard(self, what: Heard | Found) -> None:
        """Note what the selection of `mask` came to."""
        mask = self._todo.pop()
        self.asked += 1
        self._acknowledged = self._again = False
        if what is Heard.NOBODY:
            return
        if isinstance(what, Found) and fits(mask, what.header.ident):
            self.found[what.address] = what.header
            if not self._thorough or "F" not in mask:
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
