"""From the bytes of a printer port to records of text: escape codes out, lines cut, lines of one event together."""

from dataclasses import dataclass
from typing import Final

from drivers.fire_printer.settings import Options

ESC, CR, LF, FF = 0x1B, 0x0D, 0x0A, 0x0C
MAX_RECORD: Final = 1000
"""Bytes. What is longer is told in pieces: nothing that a panel prints is dropped."""


@dataclass(frozen=True, slots=True)
class Record:
    """What the panel printed of one event: its lines, blanks at their ends taken off, and the bytes behind it."""

    lines: tuple[str, ...]
    raw: bytes
    report: bool = False
    """A part of a report: no event, whatever it says."""

    @property
    def text(self) -> str:
        """The lines as one text."""
        return "\n".join(self.lines)


class RecordReader:
    """Cuts a stream of printer bytes into records; keeps less than one longest record."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._raw = bytearray()
        self._line = bytearray()
        self._lines: list[str] = []
        self._skip = 0
        self._escape = False
        self._after_cr = False
        self._fences = 0
        self._closed = False

    def feed(self, data: bytes) -> list[Record]:
        """Take bytes in any portions; return the records that are whole."""
        found: list[Record] = []
        for byte in data:
            if byte == LF and self._after_cr:  # the second half of a line's end
                self._after_cr = False
                self._raw += b"\n" if self._raw else b""
                continue
            self._after_cr = byte == CR
            self._raw.append(byte)
            if self._skip:
                self._skip -= 1
            elif self._escape:
                self._escape = False
                self._skip = self._options.escapes.get(chr(byte), 0)
            elif byte == ESC:
                self._escape = True
            elif byte in {CR, LF, FF}:
                self._end_of_line(found)
            elif byte >= 0x20 or byte == 0x09:
                self._line.append(byte)
            if len(self._raw) >= MAX_RECORD:
                found += self._cut()
        return found

    def flush(self) -> list[Record]:
        """Return what waits for its end as a record of its own, if it holds any text; a report ends here too."""
        found = self._cut()
        self._fences, self._closed = 0, False
        return found

    @property
    def waiting(self) -> bool:
        """True while a record or a report has begun and not ended."""
        return bool(self._raw) or self._fences > 0

    def _cut(self) -> list[Record]:
        self._take_line()
        lines, raw = tuple(self._lines), bytes(self._raw)
        self._lines.clear()
        self._raw.clear()
        return [Record(lines, raw, self._fences > 0)] if lines else []

    def _end_of_line(self, found: list[Record]) -> None:
        empty = not self._line
        self._take_line()
        report = self._options.report
        inside = report is not None and self._fences > 0 and not self._closed
        if (self._options.record == "line" or empty) and not inside:
            found += self.flush()

    def _take_line(self) -> None:
        text = self._line.decode(self._options.charset, "replace").strip()
        self._line.clear()
        if text:
            self._lines.append(text)
            self._count_fence(text)

    def _count_fence(self, text: str) -> None:
        report = self._options.report
        if report is None:
            return
        if text.startswith(report.fence):
            self._fences += 1
        self._closed = self._fences >= report.fences and report.end in text
