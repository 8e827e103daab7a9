"""The last resort: a fault of our own costs what it happened in, and neither its neighbours nor the gateway.

Whatever is known to go wrong has an error of its own, and is dealt with where it is caught. What comes here is a bug:
it is logged with all that is needed to mend it, and never passed over in silence.
"""

import logging
from types import TracebackType
from typing import Self

from messages.text import printable

log = logging.getLogger(__name__)

MOST_PLACES = 1000
_counts: dict[str, int] = {}


class contained:  # noqa: N801 - a context manager, named as the others are
    """Log what is raised inside as a fault of ours at this place, and go on; `fault` says whether there was one.

    A class of its own, and the place in parts: it is entered hundreds of times a second.
    """

    __slots__ = ("_where", "fault")

    def __init__(self, *where: str) -> None:
        self._where = where
        self.fault = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, err: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if not isinstance(err, Exception):
            return False  # to be cancelled is no fault
        self.fault = True
        _tell(": ".join(self._where), err)
        return True


def _tell(where: str, err: Exception) -> None:
    """Log it the first time, the tenth, the hundredth: a reading may fail ten times a second."""
    if where not in _counts and len(_counts) >= MOST_PLACES:
        _counts.clear()
    count = _counts[where] = _counts.get(where, 0) + 1
    if str(count).rstrip("0") == "1":
        text = "a fault of our own in %s, %d times until now: please report it"
        log.error(text, printable(where), count, exc_info=err)
