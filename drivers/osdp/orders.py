"""Commands of a profile as what goes to the reader."""

from collections.abc import Mapping
from typing import Final

from drivers.errors import Misconfigured
from drivers.osdp.address import MAX_ADDRESS, ActionAt, Buzzer, Display, Led, Output, colour
from drivers.osdp.codes import Command
from drivers.osdp.talk import Ask
from messages.text import printable

BAUDS: Final = (9600, 19200, 38400, 57600, 115200, 230400)
_SCBK: Final = 1  # the type of key that KEYSET carries


def order(at: ActionAt, args: Mapping[str, str], key: bytes | None) -> Ask:
    """Return the command of an action; raise `Misconfigured` for arguments that it does not take."""
    if at.comset:
        return _comset(args)
    if args:
        raise Misconfigured("this command takes no arguments")
    if at.keyset:
        data = b"" if key is None else bytes((_SCBK, len(key))) + key
        return Ask(Command.KEYSET, data, effect=True, sealed=True)
    if at.output is not None:
        return Ask(Command.OUT, _output(at.output), effect=True)
    if at.led is not None:
        return Ask(Command.LED, _led(at.led), effect=True)
    if at.buzzer is not None:
        return Ask(Command.BUZ, _buzzer(at.buzzer), effect=True)
    assert at.display is not None
    return Ask(Command.TEXT, _display(at.display), effect=True)


def _tenths(seconds: float) -> bytes:
    return max(1, min(round(seconds * 10), 0xFFFF)).to_bytes(2, "little")


def _output(at: Output) -> bytes:
    if at.seconds is None:
        return bytes((at.number, 2 if at.on else 1, 0, 0))
    return bytes((at.number, 5 if at.on else 6)) + _tenths(at.seconds)


def _led(at: Led) -> bytes:
    shown = bytes((at.on_100ms, at.off_100ms, colour(at.color), colour(at.off_color)))
    head = bytes((at.reader, at.led))
    if at.seconds is None:  # a temporary state would hide it, so that is ended
        return head + bytes((1, 0, 0, 0, 0, 0, 0)) + b"\x01" + shown
    return head + b"\x02" + shown + _tenths(at.seconds) + bytes(5)


def _buzzer(at: Buzzer) -> bytes:
    return bytes((at.reader, 1 if at.silent else 2, at.on_100ms, at.off_100ms, at.count))


def _display(at: Display) -> bytes:
    kind = (1 if at.seconds is None else 3) + (1 if at.wrap else 0)
    text = at.text.encode("ascii")
    return bytes((at.reader, kind, at.seconds or 0, at.row, at.column, len(text))) + text


def _comset(args: Mapping[str, str]) -> Ask:
    if set(args) != {"address", "baud"}:
        raise Misconfigured("this command takes `address` and `baud`")
    address, baud = (_number(args[name], name) for name in ("address", "baud"))
    if address > MAX_ADDRESS:
        raise Misconfigured(f"address: 0 to {MAX_ADDRESS}")
    if baud not in BAUDS:
        raise Misconfigured(f"baud: one of {', '.join(map(str, BAUDS))}")
    data = bytes((address,)) + baud.to_bytes(4, "little")
    return Ask(Command.COMSET, data, effect=True, expect=data)


def _number(text: str, name: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 6):
        raise Misconfigured(f"{name}: {printable(text, 20)!r} is no number")
    return int(text)
