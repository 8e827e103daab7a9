"""Encode and decode: JSON, strict where it guards money, lenient to fields of a newer peer.

A batch is decoded in two steps, so that one bad item costs one item: the envelope says which batch it is,
then each item stands or falls alone. Numbers must be plain decimal strings; a JSON number in `values`
is refused, because whoever wrote it had a binary float in hand.
"""

import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, TypeVar

import msgspec

from messages import topics, types
from messages.text import printable
from messages.types import (
    MAX_DEVICES,
    MAX_ITEMS,
    MAX_POINTS,
    VERSION,
    Batch,
    Birth,
    Command,
    CommandResult,
    GatewayState,
    Item,
    Rejected,
    Sample,
    Stored,
    Value,
)

MAX_BATCH_BYTES = 512 * 1024
MAX_BIRTH_BYTES = 1000 * 1024
MAX_SMALL_BYTES = 64 * 1024
FIRST_YEAR, LAST_YEAR = 1970, 2199  # outside of these an instant cannot be moved between zones and stored
MAX_DIGITS = 40

Number = Annotated[str, msgspec.Meta(pattern=r"^-?[0-9]{1,40}(\.[0-9]{1,40})?(?!\n)$")]
T = TypeVar("T")


class MessageError(ValueError):
    """A payload that this version refuses; the text names the place and is safe to show."""


class _WireSample(Sample, frozen=True, tag="sample", tag_field="type", kw_only=True):
    values: dict[str, Number | bool | None]  # type: ignore[assignment]
    raw: dict[str, types.Hex] = {}


class _WireResult(CommandResult, frozen=True, tag="result", tag_field="type", kw_only=True):
    read_back: dict[str, Number | bool | None] = {}  # type: ignore[assignment]


class _Envelope(msgspec.Struct, frozen=True):
    gateway: types.Id
    epoch: types.Id
    lane: types.Lane
    seq: types.Seq
    items: Annotated[list[msgspec.Raw], msgspec.Meta(max_length=MAX_ITEMS)]
    v: int


_WireItem = _WireSample | types.DeviceEvent | _WireResult | types.Gap
_encoder = msgspec.json.Encoder()
_PLAIN_TYPES = frozenset({Decimal, bool, type(None)})
_NOT_PLAIN = re.compile(rb':"-?(?:[0-9.]*E|Inf|s?NaN)')
_envelopes = msgspec.json.Decoder(_Envelope)
_items = msgspec.json.Decoder(_WireItem)
_stored = msgspec.json.Decoder(Stored)
_births = msgspec.json.Decoder(Birth)
_states = msgspec.json.Decoder(GatewayState)
_commands = msgspec.json.Decoder(Command)


class Envelope(msgspec.Struct, frozen=True):
    """A batch whose items have been judged one by one: `items` keeps each good one with its index."""

    gateway: str
    epoch: str
    lane: types.Lane
    seq: int
    items: tuple[tuple[int, Item], ...]
    rejected: tuple[Rejected, ...]
    raw_items: tuple[bytes, ...] = ()


def utc_ms(at: datetime) -> datetime:
    """Return `at` in UTC on the millisecond grid (the contract's resolution, cut, never rounded up)."""
    if at.tzinfo is None:
        raise ValueError("a time without a zone cannot cross the contract")
    at = at.astimezone(UTC)
    return at.replace(microsecond=at.microsecond // 1000 * 1000)


def unusable(at: datetime) -> str:
    """Say why an instant cannot be kept (no zone, a year that no clock has), empty where it can."""
    if at.tzinfo is None:
        return "a time without a zone"
    if not FIRST_YEAR <= at.year <= LAST_YEAR:
        return f"the year {at.year}; clocks say {FIRST_YEAR} to {LAST_YEAR}"
    return ""


def _check_instant(at: datetime, where: str) -> None:
    if why := unusable(at):
        raise MessageError(f"{where}: {why}")


def _check_factor(value: Decimal, where: str) -> None:
    # Written out, 1E+999999999 is a gigabyte of zeros.
    exponent = value.as_tuple().exponent
    small = isinstance(exponent, int) and exponent >= -MAX_DIGITS and value.adjusted() < MAX_DIGITS
    if not small or value <= 0:
        raise MessageError(f"{where}: a number above 0 of at most {MAX_DIGITS} digits is wanted")


def _plain(value: Value) -> str | bool | None:
    if isinstance(value, Decimal):
        if not value.is_finite():
            raise MessageError(f"{value} is not a number that can be stored; send None with a quality")
        return format(value, "f")
    if value is None or isinstance(value, bool):
        return value
    raise MessageError(f"a {type(value).__name__} cannot be a value; Decimal, bool or None can")


def _wire(item: Item) -> Item:
    if isinstance(item, Sample):
        values: Any = {point: _plain(value) for point, value in item.values.items()}
        return msgspec.structs.replace(item, values=values)
    if isinstance(item, CommandResult) and item.read_back:
        read_back: Any = {point: _plain(value) for point, value in item.read_back.items()}
        return msgspec.structs.replace(item, read_back=read_back)
    return item


def encode_items(items: tuple[Item, ...]) -> bytes:
    """Encode the items alone, as a JSON array: what a journal keeps before it knows the number."""
    # This runs for each value that a gateway reads. A Decimal is written plainly but for one with an exponent or that
    # is no number: those are looked for in what was written. Text that looks alike costs time and nothing else.
    if all(
        type(item) is Sample and _PLAIN_TYPES.issuperset(map(type, item.values.values())) for item in items
    ):
        written = _encoder.encode(items)
        if _NOT_PLAIN.search(written) is None:
            return written
    return _encoder.encode([_wire(item) for item in items])


def batch_payload(gateway: str, epoch: str, lane: types.Lane, seq: int, items: bytes) -> bytes:
    """Wrap already encoded `items` into a batch, without parsing them again."""
    head = {"v": VERSION, "gateway": gateway, "epoch": epoch, "lane": lane.value, "seq": seq}
    return _encoder.encode({**head, "items": msgspec.Raw(items)})


def encode(message: Batch | Stored | Birth | GatewayState | Command) -> bytes:
    """Encode any message of the contract; raise `MessageError` for what the other side would refuse."""
    if isinstance(message, Batch):
        items = encode_items(message.items)
        return batch_payload(message.gateway, message.epoch, message.lane, message.seq, items)
    return _encoder.encode(message)


def decode_envelope(payload: bytes) -> Envelope:
    """Decode a batch item by item; raise `MessageError` when not even its number can be read.

    Items that are refused (unknown type, a float, a bad time) are in `rejected` with their index and reason,
    and in `raw_items` as they came, for quarantine.
    """
    envelope = _decode(_envelopes, payload, MAX_BATCH_BYTES)
    good: list[tuple[int, Item]] = []
    rejected: list[Rejected] = []
    raws: list[bytes] = []
    for index, raw in enumerate(envelope.items):
        try:
            good.append((index, _exact(_items.decode(raw))))
        except (msgspec.MsgspecError, ValueError) as err:
            rejected.append(Rejected(seq=envelope.seq, index=index, reason=printable(str(err))))
            raws.append(bytes(raw))
    return Envelope(
        envelope.gateway,
        envelope.epoch,
        envelope.lane,
        envelope.seq,
        tuple(good),
        tuple(rejected),
        tuple(raws),
    )


def decode_batch(payload: bytes) -> Batch:
    """Decode a batch of which every item is good; raise `MessageError` otherwise."""
    envelope = decode_envelope(payload)
    if envelope.rejected:
        first = envelope.rejected[0]
        raise MessageError(f"item {first.index}: {first.reason}")
    items = tuple(item for _, item in envelope.items)
    return Batch(
        gateway=envelope.gateway, epoch=envelope.epoch, lane=envelope.lane, seq=envelope.seq, items=items
    )


def decode_stored(payload: bytes) -> Stored:
    """Decode a delivery answer; raise `MessageError`."""
    return _decode(_stored, payload, MAX_BATCH_BYTES)


def decode_birth(payload: bytes) -> Birth:
    """Decode a birth; raise `MessageError`."""
    birth = _decode(_births, payload, MAX_BIRTH_BYTES)
    if len(birth.devices) > MAX_DEVICES:
        raise MessageError(f"a birth may name {MAX_DEVICES} devices, this one names {len(birth.devices)}")
    _check_instant(birth.at, "at")
    for name, profile in birth.profiles.items():
        _check_profile(profile, f"profile {printable(name, 60)}")
    for device in birth.devices:
        if device.profile not in birth.profiles:
            raise MessageError(f"device {device.id}: its profile is not in the birth")
        if device.meter is not None:
            _check_meter(device.meter, f"device {device.id}")
    return birth


def _check_meter(meter: types.MeterInfo, where: str) -> None:
    _check_factor(meter.multiplier, f"{where}: multiplier")
    if len(meter.rated_per_h) > MAX_POINTS:
        raise MessageError(f"{where}: rated_per_h: more than {MAX_POINTS} points")
    for name, rated in meter.rated_per_h.items():
        if not topics.is_id(name):
            raise MessageError(f"{where}: rated_per_h: {printable(name, 60)!r} cannot be the name of a point")
        _check_factor(rated, f"{where}: rated_per_h: {name}")


def _check_profile(profile: types.ProfileInfo, where: str) -> None:
    if len(profile.points) > MAX_POINTS:
        raise MessageError(f"{where}: more than {MAX_POINTS} points")
    for name in (*profile.points, *profile.events, *profile.actions):
        if not topics.is_id(name):
            raise MessageError(
                f"{where}: {printable(name, 60)!r} cannot be the name of a point, event or action"
            )
    for name, point in profile.points.items():
        if point.modulus is not None:
            _check_factor(point.modulus, f"{where}: {name}: modulus")


def decode_state(payload: bytes) -> GatewayState:
    """Decode a heartbeat or last will; raise `MessageError`."""
    return _decode(_states, payload, MAX_SMALL_BYTES)


def decode_command(payload: bytes) -> Command:
    """Decode a command; raise `MessageError`."""
    command = _decode(_commands, payload, MAX_SMALL_BYTES)
    if command.until.tzinfo is None:
        raise MessageError("until: a time without a zone")
    return command


def _exact(item: Any) -> Item:
    """Turn decimal strings into `Decimal` and refuse what types alone cannot: naive times, endless maps."""
    if isinstance(item, _WireSample):
        if len(item.values) > MAX_POINTS:
            raise MessageError(f"more than {MAX_POINTS} values")
        _check_instant(item.at, "at")
        values = {
            point: Decimal(value) if isinstance(value, str) else value for point, value in item.values.items()
        }
        return Sample(
            device=item.device,
            at=item.at,
            values=values,
            bad=item.bad,
            clock=item.clock,
            raw=item.raw,
            config=item.config,
        )
    if isinstance(item, _WireResult):
        _check_instant(item.at, "at")
        back = {p: Decimal(v) if isinstance(v, str) else v for p, v in item.read_back.items()}
        return CommandResult(
            id=item.id,
            device=item.device,
            outcome=item.outcome,
            at=item.at,
            detail=item.detail,
            read_back=back,
        )
    if isinstance(item, types.DeviceEvent):
        _check_instant(item.seen_at, "seen_at")
    if isinstance(item, types.Gap) and item.last < item.first:
        raise MessageError("a gap that ends before it begins")
    return item  # type: ignore[no-any-return]


def _decode(decoder: "msgspec.json.Decoder[T]", payload: bytes, limit: int) -> T:
    if len(payload) > limit:
        raise MessageError(f"{len(payload)} bytes, and the limit is {limit}")
    try:
        message = decoder.decode(payload)
    except (msgspec.MsgspecError, ValueError, RecursionError) as err:
        raise MessageError(printable(str(err))) from None
    version = getattr(message, "v", VERSION)
    if version != VERSION:
        raise MessageError(f"v: this side speaks version {VERSION}, the message is version {version}")
    return message
