"""What the data of commands and replies holds, by name, for people, vectors and examples (SIA OSDP 2.2, clauses 6, 7).

Data that does not fit its code yields nothing here: whoever acts on a reply checks it himself (`replies`).
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from drivers.errors import FrameDamaged
from drivers.osdp.codes import CAPABILITIES, Command, Reply, nak_meaning
from drivers.osdp.frames import Frame
from drivers.osdp.multipart import part

Fields = Mapping[str, Any]


class _Unfit(ValueError):
    """This data is not of this form."""


def fields(frame: Frame) -> Fields:
    """Return the fields of a frame's data, under the name of what it is; empty where there is nothing to say."""
    if frame.encrypted:
        return {}
    forms = _REPLIES if frame.reply else _COMMANDS
    found = forms.get(frame.code)
    if found is None:
        return {}
    key, form = found
    try:
        return {key: form(frame.data)}
    except _Unfit:
        return {}


def _need(right: bool) -> None:
    if not right:
        raise _Unfit


def _u16(data: bytes, place: int = 0) -> int:
    return int.from_bytes(data[place : place + 2], "little")


def _u32(data: bytes, place: int = 0) -> int:
    return int.from_bytes(data[place : place + 4], "little")


def _rows(data: bytes, size: int) -> list[bytes]:
    _need(len(data) > 0 and len(data) % size == 0)
    return [data[place : place + size] for place in range(0, len(data), size)]


def _text(data: bytes) -> str:
    return data.decode("latin-1")


def _out(data: bytes) -> Any:
    return [{"output": row[0], "control": row[1], "timer_100ms": _u16(row, 2)} for row in _rows(data, 4)]


def _led(data: bytes) -> Any:
    return [
        {
            "reader": row[0],
            "led": row[1],
            "temporary": {
                "control": row[2],
                "on_100ms": row[3],
                "off_100ms": row[4],
                "on_color": row[5],
                "off_color": row[6],
                "timer_100ms": _u16(row, 7),
            },
            "permanent": {
                "control": row[9],
                "on_100ms": row[10],
                "off_100ms": row[11],
                "on_color": row[12],
                "off_color": row[13],
            },
        }
        for row in _rows(data, 14)
    ]


def _buzzer(data: bytes) -> Any:
    _need(len(data) == 5)
    return dict(zip(("reader", "tone", "on_100ms", "off_100ms", "count"), data, strict=True))


def _text_out(data: bytes) -> Any:
    _need(len(data) >= 6 and len(data) == 6 + data[5])
    names = ("reader", "command", "time_s", "row", "column", "length")
    return {**dict(zip(names, data, strict=False)), "text": _text(data[6:])}


def _comset(data: bytes) -> Any:
    _need(len(data) == 5)
    return {"address": data[0], "baud": _u32(data, 1)}


def _keyset(data: bytes) -> Any:
    _need(len(data) >= 2 and len(data) == 2 + data[1])
    return {"type": data[0], "length": data[1]}  # the key itself is for nobody's eyes


def _file_transfer(data: bytes) -> Any:
    _need(len(data) >= 11)
    parts = {"type": data[0], "total": _u32(data, 1), "offset": _u32(data, 5), "length": _u16(data, 9)}
    _need(len(data) == 11 + parts["length"])
    return {**parts, "data": data[11:].hex().upper()}


def _maker(data: bytes) -> Any:
    _need(len(data) >= 3)
    return {"vendor": data[:3].hex().upper(), "data": data[3:].hex().upper()}


def _challenge(data: bytes) -> Any:
    _need(len(data) == 8)
    return {"cp_random": data.hex().upper()}


def _cryptogram(data: bytes) -> Any:
    _need(len(data) == 16)
    return {"cp_cryptogram": data.hex().upper()}


def _part(data: bytes) -> Any:
    try:
        made = part(data)
    except FrameDamaged:
        raise _Unfit from None
    return {
        "total": made.total,
        "offset": made.offset,
        "length": len(made.data),
        "data": made.data.hex().upper(),
    }


def _nak(data: bytes) -> Any:
    _need(len(data) >= 1)
    more = {"data": data[1:].hex().upper()} if len(data) > 1 else {}
    return {"code": data[0], "meaning": nak_meaning(data[0]), **more}


def _pdid(data: bytes) -> Any:
    _need(len(data) == 12)
    return {
        "vendor": data[:3].hex().upper(),
        "model": data[3],
        "version": data[4],
        "serial": _u32(data, 5),
        "firmware": ".".join(str(byte) for byte in data[9:12]),
    }


def _pdcap(data: bytes) -> Any:
    return [
        {
            "function": row[0],
            "name": CAPABILITIES.get(row[0], "unknown"),
            "compliance": row[1],
            "number": row[2],
        }
        for row in _rows(data, 3)
    ]


def _local(data: bytes) -> Any:
    _need(len(data) == 2)
    return {"tamper": data[0], "power": data[1]}


def _states(data: bytes) -> Any:
    _need(len(data) > 0)
    return list(data)


def _raw(data: bytes) -> Any:
    _need(len(data) >= 4 and len(data) == 4 + (_u16(data, 2) + 7) // 8)
    return {"reader": data[0], "format": data[1], "bits": _u16(data, 2), "data": data[4:].hex().upper()}


def _formatted(data: bytes) -> Any:
    _need(len(data) >= 3 and len(data) == 3 + data[2])
    return {"reader": data[0], "direction": data[1], "length": data[2], "data": _text(data[3:])}


def _keys(data: bytes) -> Any:
    _need(len(data) >= 2 and len(data) == 2 + data[1])
    return {"reader": data[0], "count": data[1], "digits": _text(data[2:])}


def _ccrypt(data: bytes) -> Any:
    _need(len(data) == 32)
    return {
        "cuid": data[:8].hex().upper(),
        "pd_random": data[8:16].hex().upper(),
        "pd_cryptogram": data[16:].hex().upper(),
    }


def _rmac(data: bytes) -> Any:
    _need(len(data) == 16)
    return {"rmac_i": data.hex().upper()}


def _transfer_status(data: bytes) -> Any:
    _need(len(data) == 7)
    return {
        "action": data[0],
        "delay_ms": _u16(data, 1),
        "status": int.from_bytes(data[3:5], "little", signed=True),
        "message_max": _u16(data, 5),
    }


_Form = tuple[str, Callable[[bytes], Any]]
_COMMANDS: Final[dict[int, _Form]] = {
    Command.OUT: ("out", _out),
    Command.LED: ("led", _led),
    Command.BUZ: ("buzzer", _buzzer),
    Command.TEXT: ("text", _text_out),
    Command.COMSET: ("comset", _comset),
    Command.KEYSET: ("keyset", _keyset),
    Command.CHLNG: ("challenge", _challenge),
    Command.SCRYPT: ("cryptogram", _cryptogram),
    Command.FILETRANSFER: ("file_transfer", _file_transfer),
    Command.MFG: ("mfg", _maker),
    Command.GENAUTH: ("multipart", _part),
    Command.CRAUTH: ("multipart", _part),
}
_REPLIES: Final[dict[int, _Form]] = {
    Reply.NAK: ("nak", _nak),
    Reply.PDID: ("pdid", _pdid),
    Reply.PDCAP: ("pdcap", _pdcap),
    Reply.LSTATR: ("lstat", _local),
    Reply.ISTATR: ("inputs", _states),
    Reply.OSTATR: ("outputs", _states),
    Reply.RSTATR: ("readers", _states),
    Reply.RAW: ("card", _raw),
    Reply.FMT: ("card", _formatted),
    Reply.KEYPAD: ("keypad", _keys),
    Reply.COM: ("com", _comset),
    Reply.CCRYPT: ("ccrypt", _ccrypt),
    Reply.RMAC_I: ("rmac", _rmac),
    Reply.FTSTAT: ("file_status", _transfer_status),
    Reply.MFGREP: ("mfg", _maker),
    Reply.PIVDATAR: ("multipart", _part),
    Reply.GENAUTHR: ("multipart", _part),
    Reply.CRAUTHR: ("multipart", _part),
}
