"""From the bytes of a printer port to records of text: escape codes out, lines cut, lines of one event together."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from drivers.fire_printer.settings import Options

ESC, CR, LF, FF = 0x1B, 0x0D, 0x0A, 0x0C
MAX_RECORD: Final = 1000
"""Bytes. What is longer is told in pieces: nothing that a panel prints is dropped."""
MAX_REPORT: Final = 64_000
"""Bytes. What is longer is no report, and told."""
HEAD: Final = 6
"""Lines of a record that it may take until a rule reads it."""


@dataclass(frozen=True, slots=True)
class Record:
    """What the panel printed of one event: its lines, blanks at their ends taken off, and the bytes behind it."""

    lines: tuple[str, ...]
    raw: bytes
    report: bool = False
    """A part of a report that came to its end: no event, whatever it says."""
    torn: bool = False
    """A part of a report that did not: nobody knows what it is."""

    @property
    def text(self) -> str:
        """The lines as one text."""
        return "\n".join(self.lines)


@dataclass(slots=True)
class _Line:
    text: str
    raw: bytearray


class RecordReader:
    """Cuts a stream of printer bytes into records; keeps less than one longest record, or one longest report.

    `live` says whether a text is an event that a signal names. Where the profile knows reports, such a record begins
    wherever it stands, in the midst of a report too, and ends that: no fence that is lost may cost a fire.
    """

    def __init__(self, options: Options, live: Callable[[str], bool] = lambda _: False) -> None:
        self._options, self._live = options, live
        self._raw = bytearray()  # of the line at hand
        self._line = bytearray()
        self._lines: list[_Line] = []
        self._size = 0  # bytes of these lines
        self._first = 0  # of these lines, the first behind the last fence and the last record's end
        self._begun = False  # these lines are known to be live
        self._skip = 0
        self._escape = False
        self._after_cr = False
        self._fences = 0

    def feed(self, data: bytes) -> list[Record]:
        """Take bytes in any portions; return the records that are whole."""
        found: list[Record] = []
        for byte in data:
            if byte == LF and self._after_cr:  # the second half of a line's end
                self._after_cr = False
                self._trail(b"\n")
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
            self._bound(found)
        return found

    def flush(self) -> list[Record]:
        """Return what waits for its end as records of its own, if it holds any text; a report ends here too."""
        found: list[Record] = []
        self._take_line(found)
        return found + self._cut()

    @property
    def waiting(self) -> bool:
        """True while a record or a report has begun and not ended."""
        return bool(self._raw or self._lines)

    @property
    def in_report(self) -> bool:
        """True from the first fence of a report to its end."""
        return self._fences > 0

    def _end_of_line(self, found: list[Record]) -> None:
        empty = not self._line
        self._take_line(found)
        if self._options.record == "line" or empty:
            self._first = len(self._lines)
            if not self._fences or self._ended(self._lines):
                found += self._cut()

    def _bound(self, found: list[Record]) -> None:
        if len(self._raw) >= MAX_RECORD:  # a line without end
            self._take_line(found)
        if self._size + len(self._raw) >= (MAX_REPORT if self._fences else MAX_RECORD):
            found += self._cut()

    def _take_line(self, found: list[Record]) -> None:
        text, raw = self._line.decode(self._options.charset, "replace").strip(), bytes(self._raw)
        self._line.clear()
        self._raw.clear()
        if not text:
            self._trail(raw)
            return
        report = self._options.report
        fence = report is not None and text.startswith(report.fence) and not self._live(text)
        if fence and not self._fences:
            found += self._cut()  # what stood before a report is no part of it
        self._lines.append(_Line(text, bytearray(raw)))
        self._size += len(raw)
        if fence:
            self._fences += 1
            self._first = len(self._lines)
        elif report is not None:
            self._begin(found)

    def _trail(self, raw: bytes) -> None:
        """Keep bytes without text behind the last line, as far as there is one and they have room."""
        if self._lines and len(self._lines[-1].raw) + len(raw) <= MAX_RECORD:
            self._lines[-1].raw += raw
            self._size += len(raw)

    def _begin(self, found: list[Record]) -> None:
        """Cut off what stands before a live record, where the last line makes one; cut off a line that spoils one."""
        last = len(self._lines) - 1
        for index in range(max(self._first, last + 1 - HEAD), last + 1):
            if (index or not self._begun) and self._live(self._text(index)):
                self._part(index, found)
                self._begun = True
                return
        if self._begun and not self._live(self._text(0)):
            self._part(last, found)

    def _text(self, index: int) -> str:
        return "\n".join(line.text for line in self._lines[index:])

    def _part(self, index: int, found: list[Record]) -> None:
        """Cut the lines before one of them, and keep the others."""
        if index:
            kept, self._lines = self._lines[index:], self._lines[:index]
            found += self._cut()
            self._lines, self._size = kept, sum(len(line.raw) for line in kept)

    def _ended(self, lines: Sequence[_Line]) -> bool:
        """Say whether lines up to here are a whole report; all fences so far are among them."""
        report = self._options.report
        return report is not None and self._fences >= report.fences and report.end in lines[-1].text

    def _cut(self) -> list[Record]:
        """Return the lines as records, each within its bound; a report is over with it."""
        lines = self._lines
        report = self._fences > 0 and self._ended(lines)
        torn = self._fences > 0 and not report
        self._lines, self._size, self._first, self._fences, self._begun = [], 0, 0, 0, False
        found, texts, raw = [], list[str](), bytearray()
        for line in lines:
            if len(raw) + len(line.raw) > MAX_RECORD:
                found.append(Record(tuple(texts), bytes(raw), report, torn))
                texts, raw = [], bytearray()
            texts.append(line.text)
            raw += line.raw
        return [*found, Record(tuple(texts), bytes(raw), report, torn)] if lines else []
