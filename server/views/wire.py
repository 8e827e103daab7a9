"""How plain things look in JSON: instants to the millisecond in UTC, numbers of registers as text."""

from datetime import UTC, datetime
from typing import Any

import msgspec

from messages.types import Value
from server.db.types import value_text

_encoder = msgspec.json.Encoder()


def iso(at: datetime | None) -> str | None:
    """Return an instant as `2026-03-01T12:00:00.000Z`, None for None."""
    if at is None:
        return None
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"


def plain(value: Value) -> str | bool | None:
    """Return a measured value as it crosses the API: a decimal string, true, false or null."""
    return value if value is None or isinstance(value, bool) else value_text(value)


def to_json(thing: Any) -> bytes:
    """Encode a view; floats never come out of a register, so none is expected there."""
    return _encoder.encode(thing)
