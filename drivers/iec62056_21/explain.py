"""A captured message in the standard's words."""

from collections.abc import Iterator
from typing import Final

from drivers.iec62056_21 import telegram
from drivers.iec62056_21.frames import BAUDS_C
from drivers.iec62056_21.telegram import Message
from messages.text import printable

_COMMANDS: Final = {"P": "password", "W": "write", "R": "read", "E": "execute", "B": "exit"}
_MOST_SHOWN: Final = 200


def explain(raw: bytes) -> str:
    """Describe one captured message; raise `FrameDamaged`."""
    message = telegram.parse(raw)
    return "\n".join([f"IEC 62056-21, {message.kind}{_check(message)}", *_lines(message)])


def _check(message: Message) -> str:
    if message.bcc_ok is not None:
        return f", BCC {'right' if message.bcc_ok else 'WRONG'}"
    if message.crc_ok is not None:
        return f", CRC {message.crc_field} {'right' if message.crc_ok else 'WRONG'}"
    return ""


def _lines(message: Message) -> Iterator[str]:
    head = message.identification
    if head is not None:
        speed = f", offers {head.baud} baud" if head.baud else ""
        text = printable(head.modes + head.text, 80)
        yield f"  identification: {head.manufacturer}, mode {head.mode}{speed}, {text!r}"
    if message.kind == "request":
        yield f"  address: {message.address or 'any'}"
    if message.acknowledged:
        protocol, speed_char, mode = tuple(message.acknowledged)
        baud = BAUDS_C.get(speed_char, "unknown")
        what = {"0": "data readout", "1": "programming mode"}.get(mode, "a maker's own mode")
        yield f"  protocol {printable(protocol)}, {baud} baud, {what}"
    if message.command:
        yield f"  command: {message.command} {_COMMANDS[message.command[0]]}"
    for one in message.sets[:_MOST_SHOWN]:
        values = " · ".join(printable(group, 80) or "empty" for group in one.groups)
        yield f"  {printable(one.address, 40) or '(more)'}: {values}"
    if len(message.sets) > _MOST_SHOWN:
        yield f"  … and {len(message.sets) - _MOST_SHOWN} more"
