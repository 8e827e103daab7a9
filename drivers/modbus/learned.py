"""What refusals have taught about a device model, in words that outlive the process; pure.

`holding 12-13`: no read may reach across all of these registers. `holding #60`: no read may ask for more.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

_SPAN: Final = re.compile(r"(holding|input|coil|discrete) (\d{1,5})-(\d{1,5})")
_LIMIT: Final = re.compile(r"(holding|input|coil|discrete) #(\d{1,4})")
# Limits that devices have: the next lower one is tried, so that few refusals find it.
_USUAL: Final = (
    1000,
    800,
    512,
    500,
    400,
    256,
    200,
    128,
    120,
    100,
    80,
    64,
    60,
    50,
    48,
    40,
    32,
    30,
    24,
    20,
    16,
)
_USUAL_SHORT: Final = (12, 10, 8, 6, 4, 2, 1)


@dataclass(frozen=True, slots=True)
class Cuts:
    """By table: the spans that no read may hold whole, and the most that one read may ask for."""

    spans: Mapping[str, Sequence[tuple[int, int]]]
    limits: Mapping[str, int]


NO_CUTS: Final = Cuts({}, {})


def cuts(words: Iterable[str]) -> Cuts:
    """Read the words; those that are none are passed over, for they come from a file."""
    spans: dict[str, list[tuple[int, int]]] = {}
    limits: dict[str, int] = {}
    for word in words:
        if found := _SPAN.fullmatch(word):
            spans.setdefault(found[1], []).append((int(found[2]), int(found[3])))
        elif (found := _LIMIT.fullmatch(word)) and int(found[2]):
            limits[found[1]] = min(int(found[2]), limits.get(found[1], 1 << 16))
    return Cuts(spans, limits)


def across(table: str, first: int, last: int) -> str:
    """Return the word for: no read may reach across all of this."""
    return f"{table} {first}-{last}"


def shorter_than(table: str, count: int) -> str:
    """Return the word for: so many cannot be asked for at once; the next lower usual limit is tried."""
    return f"{table} #{next((usual for usual in (*_USUAL, *_USUAL_SHORT) if usual < count), 1)}"
