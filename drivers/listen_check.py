"""The captured examples of a profile, through the session of a protocol whose devices speak unasked."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from drivers.api import Happening, Heard, PeerSession, Reading
from drivers.binding import from_hex
from drivers.errors import DriverError
from drivers.profile import Example, Profile
from messages.types import Edge

Open = Callable[[Mapping[str, tuple[Profile, Mapping[str, Any]]]], PeerSession]

NOW = datetime(2026, 1, 1, tzinfo=UTC)
"""When examples are heard; what they must decode to does not depend on it."""


def example_faults(profile: Profile, session: Open) -> Iterator[str]:
    """Yield one line `examples[n]…: what is wrong` for each example that does not come out as it says."""
    for index, example in enumerate(profile.examples):
        place = f"examples[{index}]"
        try:
            heard = hear(sent(example.reply), profile, session)
        except DriverError as err:
            yield f"{place}: {err}"
            continue
        if not heard:
            yield f"{place}: the bytes hold no whole message"
        else:
            yield from (f"{place}.{fault}" for fault in _compare(example, heard))


def sent(reply: str) -> bytes:
    """Return the bytes of an example: JSON and XML are written as they are, the rest as hex; raise `FrameDamaged`."""
    return reply.encode() if reply.lstrip()[:1] in {"{", "[", "<"} else from_hex(reply)


def hear(raw: bytes, profile: Profile, session: Open) -> list[Heard]:
    """Return what a session makes of some bytes when whoever speaks in them is a device of this profile."""
    sources = {heard.source for heard in _all(session({}), raw) if heard.source}
    return _all(session({source: (profile, {}) for source in sources}), raw)


def words(happenings: Sequence[Happening]) -> list[str]:
    """Return happenings as examples write them: `code`, `code raised` or `code cleared`."""
    return [it.code if it.edge is Edge.PULSE else f"{it.code} {it.edge.value}" for it in happenings]


def _all(session: PeerSession, raw: bytes) -> list[Heard]:
    return [*session.feed(raw, NOW), *session.feed(b"", NOW.replace(hour=1))]


def compare(
    example: Example, happenings: Sequence[Happening], readings: Mapping[str, Reading]
) -> Iterator[str]:
    """Yield a fault for each thing that an example does not say."""
    found = words(happenings)
    if example.happens and list(example.happens) != found:
        yield f"happens: is {', '.join(found) or 'nothing'}, expected {', '.join(example.happens)}"
    for name, wanted in example.expect.items():
        reading = readings.get(name)
        if reading is None:
            yield f"expect.{name}: no message holds it"
        elif not _same(reading.value, wanted):
            yield f"expect.{name}: decodes to {reading.value}, expected {wanted}"


def _compare(example: Example, heard: Sequence[Heard]) -> Iterator[str]:
    readings: dict[str, Reading] = {}
    for message in heard:
        readings |= message.readings
    yield from compare(
        example, [happening for message in heard for happening in message.happenings], readings
    )


def _same(value: Any, wanted: Any) -> bool:
    if isinstance(value, Decimal) and not isinstance(wanted, bool) and wanted is not None:
        return value == Decimal(str(wanted))
    return bool(value is wanted)
