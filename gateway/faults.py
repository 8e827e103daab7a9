"""The last resort: a fault of our own costs what it happened in, and neither its neighbours nor the gateway.

Whatever is known to go wrong has an error of its own, and is dealt with where it is caught. What comes here is a bug:
it is logged with all that is needed to mend it, and never passed over in silence.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from messages.text import printable

log = logging.getLogger(__name__)

MOST_PLACES = 1000
_counts: dict[str, int] = {}


@dataclass(slots=True)
class Contained:
    """Whether a fault was contained."""

    fault: bool = False


@contextmanager
def contained(where: str) -> Iterator[Contained]:
    """Log what is raised inside as a fault of ours at this place, and go on after it."""
    found = Contained()
    try:
        yield found
    except Exception as err:  # noqa: BLE001 - the one place where everything is caught
        found.fault = True
        _tell(where, err)


def _tell(where: str, err: Exception) -> None:
    """Log it the first time, the tenth, the hundredth: a reading may fail ten times a second."""
    if where not in _counts and len(_counts) >= MOST_PLACES:
        _counts.clear()
    count = _counts[where] = _counts.get(where, 0) + 1
    if str(count).rstrip("0") == "1":
        text = "a fault of our own in %s, %d times until now: please report it"
        log.error(text, printable(where), count, exc_info=err)
