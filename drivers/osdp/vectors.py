"""Lines of a vector file against this codec, and one frame in words."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from drivers import binding
from drivers.errors import DriverError, FrameDamaged
from drivers.osdp.codes import WITH_MAC, Block, Command, Nak, Reply, name
from drivers.osdp.fields import fields
from drivers.osdp.frames import MAX_FRAME, Dissected, Frame, dissect
from drivers.osdp.secure import KEY_BYTES, RANDOM_BYTES, derive
from messages.text import printable

Row = Mapping[str, Any]

# A vector says the reason of a NAK in its own words: one of these, by code, is enough.
_WORDS: Final = {
    Nak.CHECK: {"check", "checksum", "crc"},
    Nak.LENGTH: {"length"},
    Nak.UNKNOWN_COMMAND: {"command", "unknown"},
    Nak.SEQUENCE: {"sequence"},
    Nak.NO_SECURITY: {"unsupported", "channel", "security"},
    Nak.SECURITY_CONDITIONS: {"conditions", "security", "encryption", "required"},
    Nak.BIO_TYPE: {"type"},
    Nak.BIO_FORMAT: {"format"},
    Nak.UNABLE: {"unable", "record", "process"},
}


def _bytes(text: Any) -> bytes:
    """Read the hex of a row; raise `FrameDamaged`."""
    if not isinstance(text, str):
        raise FrameDamaged("needs the hex of one frame, in quotes")
    return binding.from_hex(text, 4 * MAX_FRAME)


def check_vector(row: Row) -> str | None:
    """Return None where our codec agrees with the row, else the disagreement."""
    try:
        if "scbk_d" in row or "scbk" in row:
            return next(_derivation_faults(row), None)
        expected = row.get("expected")
        if not isinstance(expected, Mapping):
            return "expected: must be an object"
        found = dissect(_bytes(row.get("hex")))
        return next(_faults(expected, found), None)
    except DriverError as err:
        return printable(str(err), 400)


def _faults(expected: Row, found: Dissected) -> Iterator[str]:
    seen = described(found)
    for key, wanted in expected.items():
        if key == "reason" and not found.fault:
            continue  # `valid` has told
        if key not in seen:
            yield f"{printable(str(key), 40)}: expected, and this frame has none"
        elif key == "nak" and isinstance(wanted, Mapping):
            yield from _nak_faults(wanted, seen["nak"])
        elif not _same(wanted, seen[key]):
            yield printable(f"{key}: is {seen[key]!r}, expected {wanted!r}", 300)


def _nak_faults(wanted: Row, seen: Row) -> Iterator[str]:
    if wanted.get("code", seen["code"]) != seen["code"]:
        yield f"nak: is {seen['code']}, expected {printable(str(wanted['code']), 20)}"
    meaning = str(wanted.get("meaning", seen["meaning"])).lower()
    code = Nak(seen["code"]) if seen["code"] in set(Nak) else None
    if code is not None and not any(word in meaning for word in _WORDS[code]):
        yield f"nak: means {seen['meaning']}, expected {printable(meaning, 80)}"


def _same(wanted: Any, seen: Any) -> bool:
    if isinstance(wanted, Mapping) and isinstance(seen, Mapping):
        return all(key in seen and _same(value, seen[key]) for key, value in wanted.items())
    if isinstance(wanted, list) and isinstance(seen, list):
        return len(wanted) == len(seen) and all(map(_same, wanted, seen))
    if isinstance(wanted, bool) or isinstance(seen, bool):
        return wanted is seen
    if isinstance(wanted, str) and isinstance(seen, str):
        return wanted.upper() == seen.upper()
    return bool(wanted == seen)


def described(found: Dissected) -> dict[str, Any]:
    """Return all that can be said of a frame, by the names that vector files use."""
    seen: dict[str, Any] = {"valid": not found.fault, "mark_ff": found.mark}
    if found.fault:
        seen["reason"] = found.fault
    if found.address is not None:
        seen |= {
            "reply": found.reply,
            "address": found.address,
            "sequence": found.sequence,
            "check": "crc16" if found.crc else "checksum",
            "secure_block": found.secure,
        }
    frame = found.frame
    if frame is None:
        return seen
    if frame.block is not None:
        seen |= {"scb_type": f"{frame.block:02X}", "scb_data": frame.block_data.hex().upper()}
    if frame.block in WITH_MAC:
        seen |= {"mac": frame.mac.hex().upper(), "encrypted": frame.encrypted}
    seen |= {
        "code": f"{frame.code:02X}",
        "name": name(frame.code, reply=frame.reply),
        "data": frame.data.hex().upper(),
    }
    return seen | dict(fields(frame))


def _derivation_faults(row: Row) -> Iterator[str]:
    key, cp, pd = (_bytes(row.get(name)) for name in _inputs(row))
    if (len(key), len(cp), len(pd)) != (KEY_BYTES, RANDOM_BYTES, RANDOM_BYTES):
        yield "a key has 16 bytes and a random number 8"
        return
    keys = derive(key, cp, pd)
    asked = [
        name
        for name in ("s_enc", "s_mac1", "s_mac2", "cp_cryptogram", "pd_cryptogram", "rmac_i")
        if name in row
    ]
    if not asked:
        yield "names nothing that is derived"
    for name_ in asked:
        made = getattr(keys, name_)
        if made != _bytes(row[name_]):
            yield f"{name_}: is {made.hex().upper()}, expected {printable(str(row[name_]), 40)}"


def _inputs(row: Row) -> tuple[str, str, str]:
    return "scbk" if "scbk" in row else "scbk_d", "cp_random", "pd_random"


def explain(raw: bytes) -> str:
    """Describe one frame in the standard's words; raise `FrameDamaged`."""
    found = dissect(raw)
    if found.frame is None:
        raise FrameDamaged("wrong CRC or checksum" if found.fault == "check" else found.fault)
    frame = found.frame
    check = "CRC" if frame.crc else "checksum"
    what = "reply" if frame.reply else "command"
    said = f"{frame.code:02X} {name(frame.code, reply=frame.reply)}"
    lines = [f"OSDP {what}, {check} right · address {frame.address} · sequence {frame.sequence} · {said}"]
    if frame.block is not None:
        lines.append(f"  security block {_block(frame)}")
    if frame.encrypted:
        lines.append(f"  {len(frame.data)} bytes encrypted: only who holds the session keys can read them")
        return "\n".join(lines)
    if frame.code == Command.KEYSET and not frame.reply:
        lines.append("  a key in clear: whoever heard this line has it")
        return "\n".join(lines)
    told = fields(frame)
    for key, value in told.items():
        lines.append(f"  {key}: {_said(frame, value)}")
    if not told and frame.data:
        lines.append(f"  data {frame.data.hex(' ').upper()}")
    return "\n".join(lines)


def _block(frame: Frame) -> str:
    assert frame.block is not None
    said = Block(frame.block).name
    if frame.block in {Block.SCS_11, Block.SCS_12, Block.SCS_13} and frame.block_data:
        said += ", the default key" if frame.block_data[0] == 0 else ", a key of its own"
    if frame.block == Block.SCS_14 and frame.block_data:
        said += ", accepted" if frame.block_data[0] else ", refused"
    if frame.mac:
        said += f", MAC {frame.mac.hex().upper()}"
    return said


def _said(frame: Frame, value: Any) -> str:
    if frame.reply and frame.code == Reply.KEYPAD:
        return f"{value['count']} keys at reader {value['reader']}"  # what was typed may be a PIN
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {printable(str(part), 300)}" for key, part in value.items())
    return printable(str(value), 400)
