"""The last resort: a fault of our own costs what it happened in, and neither its neighbours nor the gateway.

Whatever is known to go wrong has an error of its own, and is dealt with where it is caught. What comes here is a bug:
it is logged with all that is needed to mend it, and never passed over in silence.
"""

import logging
import traceback
from types import TracebackType
from typing import Self

from messages.text import printable

log = logging.getLogger(__name__)

MOST_PLACES = 1000
_counts: dict[str, int] = {}


class contained:  # noqa: N801 - a context manager, named as the others are
    """Log what is raised inside as a fault of ours at this place, and go on; `fault` says whether there was one.

    `said` is logged beside the place, and of as many kinds as there are peers. A class of its own, and the place in
    parts: it is entered hundreds of times a second.
    """

    __slots__ = ("_said", "_where", "fault")

    def __init__(self, *where: str, said: str = "") -> None:
        self._where, self._said = where, said
        self.fault = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, err: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if not isinstance(err, Exception):
            return False  # to be cancelled is no fault
        self.fault = True
        _tell(" ".join(self._where), self._said, err)
        return True


def _tell(where: str, said: str, err: Exception) -> None:
    """Log it the first time, the tenth, the hundredth: a reading may fail ten times a second."""
    if where not in _counts and len(_counts) >= MOST_PLACES:
        _counts.clear()
    count = _counts[where] = _counts.get(where, 0) + 1
    if str(count).rstrip("0") == "1":
        # What the error says may hold the bytes of a peer; where it was raised does not.
        trace = "".join(traceback.format_tb(err.__traceback__))
        text = "a fault of our own in %s, %d times until now: please report it: %s: %s\n%s"
        place = printable(f"{where} ({said})" if said else where)
        log.error(text, place, count, type(err).__name__, printable(str(err), 400), trace)
