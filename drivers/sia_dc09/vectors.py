"""Lines of a vector file against this driver: sound frames, and those that a strict receiver leaves unanswered."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from drivers.binding import from_hex
from drivers.errors import DriverError, FrameDamaged
from drivers.sia_dc09 import crypto, events, frames
from messages.text import printable

Row = Mapping[str, Any]

_COMMENTS: Final = frozenset({"note", "comment", "iv", "aes_key_ascii", "aes_key_hex", "decrypted"})


def check_vector(row: Row) -> str | None:
    """Return None where our decoder agrees with the row, else the disagreement."""
    wanted = row.get("expected")
    if not isinstance(wanted, Mapping):
        return "expected: must be an object"
    try:
        return next(_faults(_framed(row), wanted), None)
    except (DriverError, ValueError, TypeError, AttributeError) as err:
        return printable(f"{type(err).__name__}: {err}", 200)


def _framed(row: Row) -> frames.Framed:
    text = row.get("frame_hex", row.get("hex"))
    if isinstance(text, str):
        return frames.parse(from_hex(text))
    if isinstance(row.get("text"), str):
        return frames.parse(frames.LF + row["text"].encode("utf-8"))
    raise FrameDamaged("neither frame_hex nor text")


def _faults(framed: frames.Framed, wanted: Row) -> Iterator[str]:
    found: dict[str, Any] = {
        "crc_field": framed.crc_field.hex().upper(),
        "crc_ok": framed.crc_ok,
        "crc_computed": f"{frames.crc16(framed.body):04X}",
        "length_field": framed.length_field,
        "body_bytes": len(framed.body),
        "length_ok": framed.length_ok,
        "accept_strict": framed.sound,
    }
    try:
        found |= _message(framed.body, wanted)
    except FrameDamaged as err:
        found["accept_strict"] = False
        yield from _compare(found, {key: wanted[key] for key in wanted if key in found})
        if wanted.get("accept_strict", True):
            yield str(err)
        return
    if "decrypted" in wanted and "decrypted" not in found:
        yield "decrypted: there is no key in the row"
    yield from _compare(found, {key: wanted[key] for key in wanted if key not in _COMMENTS})


def _message(body: bytes, wanted: Row) -> dict[str, Any]:
    message = frames.parse_body(body)
    data, extended, stamp = message.data, message.extended, message.stamp
    found: dict[str, Any] = {
        "token": message.token,
        "encrypted": message.encrypted,
        "sequence": message.sequence,
        "receiver": message.receiver,
        "line": message.line,
        "account": message.account,
        "data": message.data,
    }
    key = _key(wanted)
    if message.encrypted:
        if key is None:
            return found
        data, extended, stamp = frames.parse_data(crypto.decrypt(message.data, key))
        found["decrypted"] = True
    at = frames.stamp_time(stamp)
    found["timestamp_utc"] = at.replace(tzinfo=None).isoformat() if at else None
    found["extended"] = list(extended)
    found["decrypted_data"] = data
    if message.token == "ADM-CID":  # noqa: S105 - the name of a message, not a password
        found["cid"] = _cid(data)
    elif message.token == "SIA-DCS" and data:  # noqa: S105
        found["sia"] = _sia(data)
    return found


def _key(wanted: Row) -> bytes | None:
    if isinstance(wanted.get("aes_key_hex"), str):
        return from_hex(wanted["aes_key_hex"])
    text = wanted.get("aes_key_ascii")
    return text.encode("ascii") if isinstance(text, str) else None


def _cid(data: str) -> dict[str, Any] | None:
    event = events.cid_event(data)
    if event is None:
        return None
    return {
        "account": events.split_account(data)[0] or None,
        "qualifier": event.qualifier,
        "event": event.event,
        "partition": event.partition,
        "zone": event.zone,
    }


def _sia(data: str) -> dict[str, Any] | None:
    found, _ = events.sia_events(data)
    if not found:
        return None
    first = found[0]
    return {
        "account": events.split_account(data)[0] or None,
        "time": first.time,
        "id": first.id,
        "area": first.area,
        "code": first.code,
        "number": first.number,
        "text": first.text or None,
    }


def _compare(found: Row, wanted: Row) -> Iterator[str]:
    for key, want in wanted.items():
        have = found.get(key)
        if isinstance(want, Mapping) and isinstance(have, Mapping):
            yield from (f"{key}.{fault}" for fault in _compare(have, want))
        elif key not in found and want is not None:
            yield f"{printable(str(key), 40)}: is nothing that we decode here"
        elif have != want:
            yield f"{key}: we find {printable(repr(have), 120)}, expected {printable(repr(want), 120)}"
