"""What a reader's replies say, as values of points and as things that happened."""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Final

from drivers.api import Happening, Reading
from drivers.osdp.address import PointAt, SignalOn
from drivers.osdp.codes import Command, Reply
from drivers.osdp.credentials import Telling
from drivers.osdp.multipart import IN_PARTS
from drivers.osdp.talk import Said
from messages.types import Quality

ANSWERS: Final[Mapping[int, Reply]] = {
    Command.LSTAT: Reply.LSTATR,
    Command.ISTAT: Reply.ISTATR,
    Command.OSTAT: Reply.OSTATR,
    Command.RSTAT: Reply.RSTATR,
    Command.ID: Reply.PDID,
    Command.CAP: Reply.PDCAP,
}
UNREADABLE: Final = Reading(None, Quality.CRC)
_ABSENT: Final = Reading(None, Quality.REFUSED)
REPORTS: Final = {
    "tamper": Reply.LSTATR,
    "power": Reply.LSTATR,
    "input": Reply.ISTATR,
    "output": Reply.OSTATR,
}
STATES: Final = frozenset(REPORTS.values())
_NO_READER: Final = IN_PARTS | {Reply.MFGREP}
_IDENTITY: Final = {
    "vendor": slice(0, 3),
    "model": slice(3, 4),
    "version": slice(4, 5),
    "serial": slice(5, 9),
}


def reading(at: PointAt, said: Said) -> Reading:
    """Return what a talk says of a point."""
    if at.session is not None:
        return Reading(_session(at, said))
    if said.refused:
        return _ABSENT
    wanted = ANSWERS[at.command]
    data = next((data for code, data in said.answers if code == wanted), None)
    return Reading(None, Quality.DEVICE) if data is None else held(at, data)


def held(at: PointAt, data: bytes) -> Reading:
    """Return what the data of the right reply says of a point."""
    if at.status is not None:
        return _status(at, data)
    if at.identity is not None:
        return _identity(at, data)
    return _capability(at, data)


def _session(at: PointAt, said: Said) -> bool:
    if at.session == "online":
        return True
    return said.secure if at.session == "secure" else said.default_key


def _status(at: PointAt, data: bytes) -> Reading:
    place = at.number
    if at.status in {"tamper", "power"}:
        place = 0 if at.status == "tamper" else 1
        if len(data) != 2:
            return Reading(None, Quality.RANGE, data)
    if place >= len(data):
        return Reading(None, Quality.REFUSED, data)  # the reader has fewer
    byte = data[place]
    if not at.truth:
        return Reading(Decimal(byte), raw=data)
    if byte > 1:  # a supervised loop that is cut or shorted: neither on nor off
        return Reading(None, Quality.DEVICE, data)
    return Reading(bool(byte) is not at.invert, raw=data)


def _identity(at: PointAt, data: bytes) -> Reading:
    if len(data) != 12:
        return Reading(None, Quality.RANGE, data)
    if at.identity == "firmware":
        major, minor, build = data[9:12]
        return Reading(Decimal(major * 1_000_000 + minor * 1000 + build), raw=data)
    assert at.identity is not None
    part = data[_IDENTITY[at.identity]]
    return Reading(Decimal(int.from_bytes(part, "big" if at.identity == "vendor" else "little")), raw=data)


def _capability(at: PointAt, data: bytes) -> Reading:
    if len(data) % 3:
        return Reading(None, Quality.RANGE, data)
    for place in range(0, len(data), 3):
        function, compliance, number = data[place : place + 3]
        if function == at.capability:
            return Reading(Decimal(compliance if at.part == "compliance" else number), raw=data)
    return Reading(None, Quality.REFUSED, data)


class Teller:
    """Tells what polls have brought as signals of the profile, each once, in the reader's order."""

    def __init__(self, signals: Mapping[str, SignalOn], telling: Telling) -> None:
        self._signals, self._telling = signals, telling
        self._states: dict[int, bytes] = {}

    def happenings(self, said: Said) -> Iterator[Happening]:
        """Take what a talk has brought, and return what of it is news."""
        self._states.update((code, data) for code, data in said.answers if code in STATES)
        for code, data in said.heard:
            if code in STATES:
                yield from self._changes(code, data)
                continue
            found = _told(code, data, self._telling)
            if found is None:
                continue
            text, evidence = found
            for name, on in self._signals.items():
                if _matches(on, code, data):
                    part = "" if code in _NO_READER else f"reader {data[0]}"
                    yield Happening(name, detail=text, evidence=bytes((code,)) + evidence, part=part)
                    break

    def _changes(self, code: int, data: bytes) -> Iterator[Happening]:
        """Tell what a report of states says that was not so before: it repeats what has not changed."""
        before, self._states[code] = self._states.get(code, b""), data
        for name, on in self._signals.items():
            if on.report is None or REPORTS[on.report] != code:
                continue
            place = {"tamper": 0, "power": 1}.get(on.report, on.number)
            if data[place : place + 1] == b"\1" != before[place : place + 1]:
                yield Happening(name, evidence=bytes((code,)) + data)


def _told(code: int, data: bytes, telling: Telling) -> tuple[str, bytes] | None:
    if code in {Reply.RAW, Reply.FMT}:
        return telling.card(code, data)
    if code == Reply.KEYPAD:
        return telling.keys(data)
    if code in IN_PARTS:
        return f"{len(data)} bytes of {Reply(code).name}", b""  # a certificate names its holder
    if code == Reply.MFGREP and len(data) >= 3:
        return f"{len(data) - 3} bytes of maker {data[:3].hex().upper()}", data
    return None


def _matches(on: SignalOn, code: int, data: bytes) -> bool:
    if on.maker is not None:
        return code == Reply.MFGREP and data[:3] == bytes.fromhex(on.maker)
    if on.report is not None:
        return False
    if on.smartcard is not None or code in IN_PARTS:
        return on.smartcard is not None and code in IN_PARTS
    if code == Reply.MFGREP or (on.reader is not None and data[0] != on.reader):
        return False
    if on.keypad is not None:
        return code == Reply.KEYPAD
    kinds = {"raw": {Reply.RAW}, "formatted": {Reply.FMT}}.get(on.card or "", {Reply.RAW, Reply.FMT})
    if on.bits is not None and (code != Reply.RAW or int.from_bytes(data[2:4], "little") != on.bits):
        return False
    return code in kinds
