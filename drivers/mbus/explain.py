"""Captured frames in the standard's words, for an engineer."""

from collections.abc import Iterator
from typing import Final

from drivers.errors import FrameDamaged
from drivers.mbus import frames, names, telegram
from drivers.mbus.address import written
from drivers.mbus.frames import ACK, FCB, NETWORK, Frame
from drivers.mbus.products import product
from drivers.mbus.records import MORE
from drivers.mbus.telegram import Item, Telegram
from messages.text import printable

MAX_BYTES: Final = 16 * frames.LONGEST
_CONTROLS: Final = {0x40: "SND_NKE", 0x53: "SND_UD", 0x5A: "REQ_UD1", 0x5B: "REQ_UD2", 0x08: "RSP_UD"}
_PLACES: Final = {NETWORK: "the selected slave", frames.ANYONE: "any slave", frames.BROADCAST: "all slaves"}
_STATUS: Final = ((4, "power low"), (8, "permanent error"), (16, "temporary error"))
_APPLICATION: Final = ("", "application busy", "application error", "abnormal condition")


def explain(raw: bytes) -> str:
    """Describe one frame, or several with data that follow each other; raise `FrameDamaged`."""
    if not raw or len(raw) > MAX_BYTES:
        raise FrameDamaged(f"give 1 to {MAX_BYTES} bytes")
    if raw == bytes((ACK,)):
        return "M-Bus · E5 acknowledged"
    return "\n".join(line for part in frames.split(raw) for line in _frame(frames.parse(part)))


def _frame(frame: Frame) -> Iterator[str]:
    control = frame.control & ~FCB if frame.control & 0x40 else frame.control & 0x0F
    name = _CONTROLS.get(control, f"control {frame.control:02X}")
    bit = f", FCB {frame.control >> 5 & 1}" if frame.control & 0x50 == 0x50 else ""
    place = _PLACES.get(frame.address, "")
    yield f"M-Bus, checksum right · {name}{bit} · address {frame.address}{f' ({place})' if place else ''}"
    if frame.ci is None:
        return
    if not frame.answers:
        yield f"  CI {frame.ci:02X}, {len(frame.data)} bytes: {frame.data.hex(' ').upper()}"
        return
    yield from _telegram(frame.ci, telegram.parse(frame))


def _telegram(ci: int, found: Telegram) -> Iterator[str]:
    if found.kind == "error":
        words = telegram.ERRORS[found.code] if found.code < len(telegram.ERRORS) else "an error of its own"
        yield f"  CI {ci:02X} application error {found.code}: {words}"
        return
    if found.kind == "alarm":
        yield f"  CI {ci:02X} alarm, bits {found.code:08b}"
        return
    head = found.header
    medium = None
    if head.medium is not None:
        fixed = found.kind == "fixed"
        medium = names.FIXED_MEDIA[head.medium] if fixed else names.medium(head.medium)
    said = [f"CI {ci:02X} {found.kind} data", *filter(None, (written(head), product(head), medium))]
    if head.access is not None:
        said.append(f"access {head.access}")
    if head.status is not None:
        said.append(f"status {head.status:02X}{_status(head.status, fixed=found.kind == 'fixed')}")
    if head.signature:
        said.append(f"signature {head.signature:04X}")
    yield "  " + " · ".join(said)
    if found.encryption:
        yield f"  the records are encrypted ({telegram.ENCRYPTED[found.encryption]}): not decoded"
    for index, item in enumerate(found.items):
        yield f"  {index}: {_item(item)}"


def _status(status: int, *, fixed: bool) -> str:
    words = [] if fixed else [_APPLICATION[status & 3]]
    words += [word for bit, word in _STATUS if status & bit]
    words += [f"manufacturer's bit {bit}" for bit in (5, 6, 7) if status >> bit & 1]
    found = ", ".join(filter(None, words))
    return f" ({found})" if found else ""


def _item(item: Item) -> str:
    record, meaning, datum = item.record, item.meaning, item.datum
    if record.special:
        more = ", more telegrams follow" if record.dif == MORE else ""
        return f"manufacturer's data{more}: {record.data.hex(' ').upper() or 'none'}"
    place = [
        f"{name} {number}"
        for name, number in (
            ("storage", record.storage),
            ("tariff", record.tariff),
            ("subunit", record.subunit),
        )
        if number
    ]
    value: object = datum.number if datum.number is not None else datum.text
    if datum.stamp is not None:
        value = datum.stamp
    shown = "none" if value is None else printable(f"{value:f}" if value is datum.number else str(value), 200)
    notes = [*place]
    if meaning.modifiers:
        notes.append(f"modifiers {meaning.modifiers.hex().upper()}")
    if datum.fault:
        notes.append(datum.fault)
    function = {"inst": "", "max": "maximum ", "min": "minimum ", "error": "at error "}[record.function]
    vif = f"VIF {record.vif.hex(' ').upper()}"
    unit = printable(meaning.unit, 60)
    said = ", ".join([f"DIF {record.dif:02X}", vif, *notes])
    return f"{function}{meaning.quantity} = {f'{shown} {unit}'.strip()} [{said}]"
