"""Any captured frame taken apart for a person or a test: every public function code, both directions.

The gateway's hot path does not pass here: it accepts the one reply that it waits for (`rtu`, `mbap`).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from drivers import binding
from drivers.errors import FrameDamaged
from drivers.modbus.modbus_ascii import is_ascii, unwrap
from drivers.modbus.pdu import EXCEPTION, EXCEPTION_NAMES, MAX_PDU
from drivers.modbus.rtu import crc16, crc_ok
from messages.text import printable

MAX_HEX: Final = 4096
NAMES: Final = {
    1: "Read Coils",
    2: "Read Discrete Inputs",
    3: "Read Holding Registers",
    4: "Read Input Registers",
    5: "Write Single Coil",
    6: "Write Single Register",
    7: "Read Exception Status",
    8: "Diagnostics",
    11: "Get Comm Event Counter",
    12: "Get Comm Event Log",
    15: "Write Multiple Coils",
    16: "Write Multiple Registers",
    17: "Report Server ID",
    20: "Read File Record",
    21: "Write File Record",
    22: "Mask Write Register",
    23: "Read/Write Multiple Registers",
    24: "Read FIFO Queue",
    43: "Encapsulated Interface Transport",
}


@dataclass(frozen=True, slots=True)
class Parsed:
    """One way to read a frame: the direction and its fields by the standard's names."""

    unit: int
    function: int
    role: str  # request | response | request-or-echo | exception
    fields: Mapping[str, Any] = field(default_factory=dict)


class _Wrong(ValueError):
    """These bytes cannot be this function in this direction."""


def from_hex(text: str) -> bytes:
    """Read hex digits, or Modbus ASCII as a terminal shows it; raise `FrameDamaged`."""
    if text.lstrip().startswith(":"):
        return text.strip().encode("ascii", "replace") + b"\r\n"
    return binding.from_hex(text, MAX_HEX)


def request_of(raw: bytes) -> tuple[int, bytes]:
    """Return unit and PDU of a request that this driver could have sent; raise `FrameDamaged`."""
    if is_ascii(raw):
        return unwrap(raw)
    if crc_ok(raw):
        return raw[0], raw[1:-2]
    if is_mbap(raw):
        return raw[6], raw[7:]
    raise FrameDamaged(f"the request {raw.hex()} is neither RTU with a right CRC nor ASCII nor Modbus TCP")


def is_mbap(raw: bytes) -> bool:
    """Say whether the bytes are one whole Modbus TCP frame of a public function.

    Ask for a right CRC first: the RTU read of two registers from address 0 looks like an MBAP header too.
    """
    size = len(raw)
    header = 8 <= size <= MAX_PDU + 7 and raw[2:4] == b"\0\0" and int.from_bytes(raw[4:6], "big") == size - 6
    return header and raw[7] & ~EXCEPTION in NAMES


def parse(raw: bytes) -> list[Parsed]:
    """Read an RTU, ASCII or Modbus TCP frame in every direction that its length allows; raise `FrameDamaged`."""
    if len(raw) < 4:
        raise FrameDamaged(f"{len(raw)} bytes are too few for a frame")
    if is_ascii(raw):
        return parse_pdu(*unwrap(raw))
    if crc_ok(raw):
        return parse_pdu(raw[0], raw[1:-2])
    if is_mbap(raw):
        return parse_pdu(raw[6], raw[7:])
    raise FrameDamaged(
        f"neither RTU (the CRC is {raw[-2:].hex().upper()}, right would be"
        f" {crc16(raw[:-2]).to_bytes(2, 'little').hex().upper()}) nor Modbus TCP (no header of the right length)"
    )


def parse_pdu(unit: int, pdu: bytes) -> list[Parsed]:
    """Read a PDU in every direction that its length allows; a function unknown here yields its bytes."""
    if not pdu:
        raise FrameDamaged("a frame without a function code")
    function, body = pdu[0], pdu[1:]
    if function & EXCEPTION:
        if len(body) != 1:
            raise FrameDamaged(f"an exception has 1 byte, this has {len(body)}")
        return [Parsed(unit, function & ~EXCEPTION, "exception", {"exception": body[0]})]
    if function not in _FORMS:
        return [Parsed(unit, function, "unknown", {"data": body.hex()})]
    found = []
    for role, form in _FORMS[function].items():
        try:
            found.append(Parsed(unit, function, role, form(body)))
        except _Wrong:
            continue
    if not found:
        raise FrameDamaged(f"{len(body)} bytes fit neither a request nor a response of function {function}")
    return found


def explain(raw: bytes) -> str:
    """Describe a frame in the standard's words; raise `FrameDamaged`."""
    readings = parse(raw)
    framing = f"Modbus TCP, transaction {int.from_bytes(raw[:2], 'big')}"
    if is_ascii(raw):
        framing = "ASCII, LRC right"
    elif crc_ok(raw):
        framing = "RTU, CRC right"
    head = readings[0]
    name = NAMES.get(head.function, "function of a manufacturer")
    lines = [f"{framing} · unit {head.unit} · function {head.function:02d} {name}"]
    for parsed in readings:
        said = ", ".join(f"{key} {_said(key, value)}" for key, value in parsed.fields.items())
        lines.append(f"  {parsed.role}: {said or 'no data'}")
    return "\n".join(lines)


def _said(key: str, value: Any) -> str:
    if key == "exception":
        return f"{value:02X} {EXCEPTION_NAMES.get(value, 'unknown')}"
    if key in {"registers", "write_registers"}:
        return " ".join(f"{word:04X}" for word in value) + f" ({', '.join(map(str, value))})"
    if key == "bits":
        return "".join("1" if on else "0" for on in value) + " (lowest address first)"
    if key.endswith("address"):
        return f"{value} (0x{value:04X})"
    return printable(str(value), 400)


def _u16(body: bytes, place: int) -> int:
    return int.from_bytes(body[place : place + 2], "big")


def _need(right: object) -> None:
    if not right:
        raise _Wrong


def _words(data: bytes) -> list[int]:
    return [_u16(data, place) for place in range(0, len(data), 2)]


def _bits(data: bytes, count: int) -> list[bool]:
    return [bool(data[place >> 3] >> (place & 7) & 1) for place in range(count)]


def _span(body: bytes) -> dict[str, Any]:
    _need(len(body) == 4)
    return {"address": _u16(body, 0), "count": _u16(body, 2)}


def _read_bits_reply(body: bytes) -> dict[str, Any]:
    _need(len(body) >= 2 and len(body) == 1 + body[0])
    return {"byte_count": body[0], "bits": _bits(body[1:], 8 * body[0])}


def _read_words_reply(body: bytes) -> dict[str, Any]:
    _need(len(body) >= 3 and len(body) == 1 + body[0] and body[0] % 2 == 0)
    return {"byte_count": body[0], "registers": _words(body[1:])}


def _single(body: bytes) -> dict[str, Any]:
    _need(len(body) == 4)
    return {"address": _u16(body, 0), "value": _u16(body, 2)}


def _single_coil(body: bytes) -> dict[str, Any]:
    _need(len(body) == 4 and _u16(body, 2) in {0, 0xFF00})
    return _single(body)


def _write_bits(body: bytes) -> dict[str, Any]:
    _need(len(body) >= 6 and len(body) == 5 + body[4])
    count = _u16(body, 2)
    _need((count + 7) // 8 == body[4])
    return {**_span(body[:4]), "byte_count": body[4], "bits": _bits(body[5:], count)}


def _write_words(body: bytes) -> dict[str, Any]:
    _need(len(body) >= 7 and len(body) == 5 + body[4] and body[4] == 2 * _u16(body, 2))
    return {**_span(body[:4]), "byte_count": body[4], "registers": _words(body[5:])}


def _nothing(body: bytes) -> dict[str, Any]:
    _need(not body)
    return {}


def _status(body: bytes) -> dict[str, Any]:
    _need(len(body) == 1)
    return {"status": body[0]}


def _diagnostics(body: bytes) -> dict[str, Any]:
    _need(len(body) >= 2 and len(body) % 2 == 0)
    words = _words(body[2:])
    extra = {"value": words[0]} if len(words) == 1 else {}
    return {"sub_function": _u16(body, 0), "data": body[2:].hex(), **extra}


def _event_counter(body: bytes) -> dict[str, Any]:
    _need(len(body) == 4)
    return {"status": _u16(body, 0), "event_count": _u16(body, 2)}


def _counted(body: bytes) -> dict[str, Any]:
    _need(len(body) >= 1 and len(body) == 1 + body[0])
    return {"byte_count": body[0], "data": body[1:].hex()}


def _event_log(body: bytes) -> dict[str, Any]:
    found = _counted(body)
    _need(len(body) >= 7)
    return {
        **found,
        "status": _u16(body, 1),
        "event_count": _u16(body, 3),
        "message_count": _u16(body, 5),
        "events": list(body[7:]),
    }


def _mask_write(body: bytes) -> dict[str, Any]:
    _need(len(body) == 6)
    return {"address": _u16(body, 0), "and_mask": _u16(body, 2), "or_mask": _u16(body, 4)}


def _read_write(body: bytes) -> dict[str, Any]:
    _need(len(body) >= 11 and len(body) == 9 + body[8] and body[8] == 2 * _u16(body, 6))
    return {
        "read_address": _u16(body, 0),
        "read_count": _u16(body, 2),
        "write_address": _u16(body, 4),
        "write_count": _u16(body, 6),
        "byte_count": body[8],
        "write_registers": _words(body[9:]),
    }


def _fifo_request(body: bytes) -> dict[str, Any]:
    _need(len(body) == 2)
    return {"address": _u16(body, 0)}


def _fifo_reply(body: bytes) -> dict[str, Any]:
    _need(len(body) >= 4 and _u16(body, 0) == len(body) - 2 and 2 * _u16(body, 2) == len(body) - 4)
    return {"byte_count": _u16(body, 0), "count": _u16(body, 2), "registers": _words(body[4:])}


def _device_id_request(body: bytes) -> dict[str, Any]:
    _need(len(body) == 3 and body[0] == 0x0E)
    return {"mei_type": body[0], "read_code": body[1], "object_id": body[2]}


def _device_id_reply(body: bytes) -> dict[str, Any]:
    _need(len(body) >= 6 and body[0] == 0x0E)
    objects: dict[str, str] = {}
    rest = body[6:]
    for _ in range(body[5]):
        _need(len(rest) >= 2 and len(rest) >= 2 + rest[1])
        objects[str(rest[0])] = rest[2 : 2 + rest[1]].decode("latin-1")
        rest = rest[2 + rest[1] :]
    _need(not rest)
    return {
        "mei_type": body[0],
        "read_code": body[1],
        "conformity": body[2],
        "more_follows": body[3],
        "next_object_id": body[4],
        "object_count": body[5],
        "objects": objects,
    }


def _encapsulated(body: bytes) -> dict[str, Any]:
    _need(len(body) >= 1 and body[0] != 0x0E)
    return {"mei_type": body[0], "data": body[1:].hex()}


_Form = Callable[[bytes], dict[str, Any]]
_ECHOED: Final = "request-or-echo"
_FORMS: Final[dict[int, dict[str, _Form]]] = {
    1: {"request": _span, "response": _read_bits_reply},
    2: {"request": _span, "response": _read_bits_reply},
    3: {"request": _span, "response": _read_words_reply},
    4: {"request": _span, "response": _read_words_reply},
    5: {_ECHOED: _single_coil},
    6: {_ECHOED: _single},
    7: {"request": _nothing, "response": _status},
    8: {_ECHOED: _diagnostics},
    11: {"request": _nothing, "response": _event_counter},
    12: {"request": _nothing, "response": _event_log},
    15: {"request": _write_bits, "response": _span},
    16: {"request": _write_words, "response": _span},
    17: {"request": _nothing, "response": _counted},
    20: {"request": _counted, "response": _counted},
    21: {_ECHOED: _counted},
    22: {_ECHOED: _mask_write},
    23: {"request": _read_write, "response": _read_words_reply},
    24: {"request": _fifo_request, "response": _fifo_reply},
    43: {"request": _device_id_request, "response": _device_id_reply, "unknown": _encapsulated},
}
