"""Column types: exact numbers as text, instants as milliseconds, enumerations as small numbers, JSON as text."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
from sqlalchemy import BigInteger, Integer, SmallInteger, Text
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator

from messages.types import ClockState, Quality, Value

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)

# Stored numbers: append only, never renumber.
QUALITIES: tuple[Quality, ...] = (
    Quality.GOOD,
    Quality.STALE,
    Quality.CLOCK,
    Quality.SUSPECT,
    Quality.COMM,
    Quality.TIMEOUT,
    Quality.CRC,
    Quality.REFUSED,
    Quality.CONFIG,
    Quality.RANGE,
    Quality.DEVICE,
)
CLOCKS: tuple[ClockState, ...] = (ClockState.SYNCED, ClockState.HOLDOVER, ClockState.UNSET)
QUALITY_CODE = {quality: code for code, quality in enumerate(QUALITIES)}
CLOCK_CODE = {clock: code for code, clock in enumerate(CLOCKS)}

# SQLite gives rowids to INTEGER only; everywhere else a key is 64 bits wide.
Key = BigInteger().with_variant(Integer, "sqlite")


def to_ms(at: datetime) -> int:
    """Return the milliseconds since 1970 of an aware instant, cut to the grid."""
    return (at - EPOCH) // _MS


def from_ms(ms: int) -> datetime:
    """Return the instant of `to_ms`."""
    return EPOCH + ms * _MS


def value_text(value: Value) -> str | None:
    """Return a value as it is stored: the plain decimal, `true`, `false`, or None for unknown."""
    if value is None:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, Decimal) or not value.is_finite():
        raise TypeError(f"{value!r} is no value: Decimal, bool or None can be stored")
    return format(value, "f")


def text_value(text: str | None) -> Value:
    """Return what `value_text` stored."""
    if text is None:
        return None
    if text in {"true", "false"}:
        return text == "true"
    return Decimal(text)


class Exact(TypeDecorator[Decimal]):
    """A Decimal kept as text; a binary float is refused."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:  # noqa: ARG002, D102
        if value is None:
            return None
        if not isinstance(value, Decimal) or not value.is_finite():
            raise TypeError(
                f"{value!r} is a {type(value).__name__}: only a finite Decimal can be stored here"
            )
        return format(value, "f")

    def process_result_value(self, value: Any, dialect: Dialect) -> Decimal | None:  # noqa: ARG002, D102
        return None if value is None else Decimal(value)


class Instant(TypeDecorator[datetime]):
    """An aware instant kept as UTC milliseconds; a naive one is refused."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> int | None:  # noqa: ARG002, D102
        if value is None:
            return None
        if not isinstance(value, datetime) or value.tzinfo is None:
            raise TypeError(f"{value!r}: only a time with a zone can be stored here")
        return to_ms(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:  # noqa: ARG002, D102
        return None if value is None else from_ms(value)


class QualityType(TypeDecorator[Quality]):
    """A `Quality` kept as a small number."""

    impl = SmallInteger
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> int | None:  # noqa: ARG002, D102
        return None if value is None else QUALITY_CODE[Quality(value)]

    def process_result_value(self, value: Any, dialect: Dialect) -> Quality | None:  # noqa: ARG002, D102
        return None if value is None else QUALITIES[value]


class ClockType(TypeDecorator[ClockState]):
    """A `ClockState` kept as a small number."""

    impl = SmallInteger
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> int | None:  # noqa: ARG002, D102
        return None if value is None else CLOCK_CODE[ClockState(value)]

    def process_result_value(self, value: Any, dialect: Dialect) -> ClockState | None:  # noqa: ARG002, D102
        return None if value is None else CLOCKS[value]


class ValueType(TypeDecorator[Any]):
    """A measured value: Decimal, bool or None, as text."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:  # noqa: ARG002, D102
        return value_text(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> Value:  # noqa: ARG002, D102
        return text_value(value)


class Json(TypeDecorator[Any]):
    """A small JSON document as text."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:  # noqa: ARG002, D102
        return None if value is None else msgspec.json.encode(value).decode()

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:  # noqa: ARG002, D102
        return None if value is None else msgspec.json.decode(value)
