"""From what is known of a camera to the readings of its profile's points."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from drivers.api import Reading
from drivers.onvif.settings import OF_PICTURE
from messages.types import Quality

Fact = bool | Decimal | None
BAD: Final = ("lost", "black", "frozen", "blurred", "obstructed", "moved", "colour_cast")
"""What can be wrong with a picture."""


def readings(
    points: Mapping[str, str],
    facts: Mapping[str, Fact],
    pictures: Mapping[str, str] | None = None,
    *,
    unknown: Quality = Quality.DEVICE,
) -> dict[str, Reading]:
    """Return a reading for each point whose fact is among these; `pictures` are references to what they rest on."""
    found = {}
    for point, fact in points.items():
        if fact not in facts:
            continue
        value = facts[fact]
        raw = (pictures or {}).get(fact, "").encode()
        found[point] = Reading(None, unknown) if value is None else Reading(value, raw=raw)
    return found


def no_picture(lost: Fact) -> dict[str, Fact]:
    """Return the facts where there is no picture to look at."""
    return {**dict.fromkeys(OF_PICTURE), "lost": lost}
