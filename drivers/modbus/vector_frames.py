"""One captured frame of a vector file against our reading of it.

Vector files name the same fields in several ways: what a row may say is matched here to the fields of
`frames.Parsed`. A field that cannot be matched is a disagreement: agreeing unseen would be worth nothing.
"""

from collections.abc import Mapping
from typing import Any, Final

from drivers.errors import FrameDamaged
from drivers.modbus import frames, pdu
from drivers.modbus.frames import Parsed
from drivers.modbus.modbus_ascii import unwrap
from drivers.modbus.rtu import RtuReader, crc_ok

Row = Mapping[str, Any]

_ABOUT_THE_ROW: Final = {"crc_ok", "lrc_ok", "role", "note", "ok", "must"}
_FIELDS: Final = {
    "start": ("address",),
    "start_address": ("address",),
    "starting_address": ("address",),
    "register": ("address",),
    "quantity": ("count",),
    "number": ("count",),
    "bytes": ("byte_count", "data"),
    "values": ("registers", "write_registers", "bits", "value"),
    "registers": ("registers", "write_registers", "value"),
    "words": ("registers", "write_registers", "value"),
    "coils": ("bits",),
    "inputs": ("bits",),
    "discrete_inputs": ("bits",),
    "statuses": ("bits",),
    "exception_code": ("exception",),
    "exception_name": ("exception",),
    "error": ("exception",),
    "error_code": ("exception",),
    "code": ("exception", "read_code"),
    "subfunction": ("sub_function",),
    "subcode": ("sub_function",),
    "sub": ("sub_function",),
    "and": ("and_mask",),
    "or": ("or_mask",),
    "read_quantity": ("read_count",),
    "write_quantity": ("write_count",),
    "mei": ("mei_type",),
    "device_id_code": ("read_code",),
    "read_device_id": ("read_code",),
    "read_device_id_code": ("read_code",),
    "conformity_level": ("conformity",),
    "more": ("more_follows",),
    "next_object": ("next_object_id",),
    "number_of_objects": ("object_count",),
    "output_value": ("value",),
    "server_id": ("data",),
    "transaction": ("transaction_id",),
    "protocol": ("protocol_id",),
}
# Object ids of function 43/14 by the names of the standard (clause 6.21).
_OBJECTS: Final = {
    "vendorname": 0,
    "productcode": 1,
    "majorminorrevision": 2,
    "vendorurl": 3,
    "productname": 4,
    "modelname": 5,
    "userapplicationname": 6,
}


def check_frame(row: Row, raw: bytes) -> str | None:
    """Return None where our reading of the frame is the row's, else the disagreement."""
    expected: Row = row["expected"]
    if row["protocol"] == "modbus-ascii":
        return _ascii_fault(expected, raw)
    rtu = row["protocol"] == "modbus-rtu" or "crc_ok" in expected
    if rtu:
        sound = crc_ok(raw)
        if expected.get("crc_ok", True) is not sound:
            return f"the CRC is {'right' if sound else 'wrong'}"
        if not sound or set(expected) <= {"crc_ok"}:
            return None
        unit, body = raw[0], raw[1:-2]
        readings = frames.parse_pdu(unit, body)
    else:
        unit, body, readings = _tcp(raw)
    faults = [fault for parsed in readings for fault in _faults(parsed, expected, body)[:1]]
    if len(faults) == len(readings):
        return faults[0]
    return _reader_fault(unit, body, raw) if rtu and expected.get("role") == "response" else None


def _ascii_fault(expected: Row, raw: bytes) -> str | None:
    try:
        unit, body = unwrap(raw)
    except FrameDamaged as err:
        return str(err) if expected.get("lrc_ok", True) else None
    if not expected.get("lrc_ok", True):
        return "the LRC is right"
    faults = [_faults(parsed, expected, body)[:1] for parsed in frames.parse_pdu(unit, body)]
    return None if [] in faults else faults[0][0]


def _tcp(raw: bytes) -> tuple[int, bytes, list[Parsed]]:
    if not frames.is_mbap(raw):
        raise FrameDamaged("no Modbus TCP frame: protocol, length or function are wrong")
    header = {
        "transaction_id": int.from_bytes(raw[:2], "big"),
        "protocol_id": int.from_bytes(raw[2:4], "big"),
        "length": int.from_bytes(raw[4:6], "big"),
    }
    readings = frames.parse_pdu(raw[6], raw[7:])
    return (
        raw[6],
        raw[7:],
        [Parsed(one.unit, one.function, one.role, {**header, **one.fields}) for one in readings],
    )


def _faults(parsed: Parsed, expected: Row, body: bytes) -> list[str]:
    role = str(expected.get("role") or parsed.role)
    faults = []
    if not _role_fits(parsed.role, role):
        faults.append(f"is a {parsed.role}, expected a {role}")
    for key, wanted in expected.items():
        if key in _ABOUT_THE_ROW:
            continue
        found = _found(parsed, key, wanted, body)
        if not any(_equal(value, wanted) for value in found):
            said = found[0] if found else "nothing"
            faults.append(f"{key} of the {parsed.role} is {said}, expected {wanted}")
    return faults


def _role_fits(ours: str, theirs: str) -> bool:
    if ours in {"unknown", theirs}:
        return True
    if ours == "exception":
        return "request" not in theirs
    return ours == "request-or-echo" and theirs in {"request", "response", "echo", "reply"}


def _found(parsed: Parsed, key: str, wanted: Any, body: bytes) -> list[Any]:
    if key in {"unit", "slave", "device", "unit_id"}:
        return [parsed.unit]
    if key in {"function", "function_code", "fc"}:
        codes = [parsed.function]
        return [*codes, parsed.function | pdu.EXCEPTION] if parsed.role == "exception" else codes
    if key == "exception" and isinstance(wanted, bool):
        return [parsed.role == "exception"]
    names = _FIELDS.get(key, (key,))
    found = [parsed.fields[name] for name in names if name in parsed.fields]
    if parsed.role == "exception" and found and isinstance(wanted, str):
        found = [pdu.EXCEPTION_NAMES.get(found[0], "")]
    if key in {"data", "payload", "pdu"}:
        # With the byte count and without it: files differ on what the data of a frame are.
        found += [body.hex(), body[1:].hex(), body[2:].hex()]
    return found


def _equal(value: Any, wanted: Any) -> bool:
    if isinstance(value, dict):
        return _objects(value) == _objects(wanted)
    if isinstance(value, list):
        return isinstance(wanted, list) and _equal_lists(value, wanted)
    if isinstance(wanted, list):
        return [value] == wanted or (isinstance(value, str) and value in {_hex(wanted, 2), _hex(wanted, 4)})
    if isinstance(value, str):
        return _equal_text(value, wanted)
    if value == 0xFF00 and wanted in {True, "on", "ON"}:
        return True
    if isinstance(wanted, str):
        return bool(value == {"on": 0xFF00, "off": 0}.get(wanted.lower()))
    return bool(value == wanted)


def _equal_lists(value: list[Any], wanted: list[Any]) -> bool:
    if value and isinstance(value[0], bool):
        # A reply does not say how many bits were asked for: up to seven of the last byte are padding.
        fits = len(wanted) <= len(value) < len(wanted) + 8
        return fits and value[: len(wanted)] == [bool(bit) for bit in wanted]
    return value == wanted


def _equal_text(value: str, wanted: Any) -> bool:
    if isinstance(wanted, int) and not isinstance(wanted, bool):
        return value != "" and int(value, 16) == wanted
    return isinstance(wanted, str) and value.lower() in {wanted.lower(), wanted.lower().replace(" ", "")}


def _hex(numbers: list[Any], digits: int) -> str:
    return "".join(f"{number:0{digits}x}" for number in numbers if isinstance(number, int))


def _objects(found: Any) -> dict[int, str]:
    if isinstance(found, Mapping):
        return {_object_id(str(key)): str(value) for key, value in found.items()}
    if isinstance(found, list) and all(isinstance(item, Mapping) for item in found):
        return {int(item.get("id", -1)): str(item.get("value", "")) for item in found}
    return dict(enumerate(found)) if isinstance(found, list) else {}


def _object_id(key: str) -> int:
    name = key.lower().replace("_", "").replace(" ", "")
    return _OBJECTS[name] if name in _OBJECTS else int(key, 0)


def _reader_fault(unit: int, body: bytes, raw: bytes) -> str | None:
    """Let the reader of the hot path find the same reply, where the row is a reply to a read."""
    function = body[0]
    if function not in pdu.READS:
        return None
    count = 8 * body[1] if function in pdu.BIT_READS else body[1] // 2
    found = RtuReader(unit, pdu.read_request(function, 0, count)).feed(raw)
    return None if found == body else "the reader does not find this reply"
