"""Raw frames as they cross the wire: whose, whether they are whole, and what they say."""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Protocol

from drivers import registry
from drivers.errors import DriverError
from drivers.lines import Frame
from drivers.workshop import Seen, Workshop
from gateway.tools.record import Recorder
from gateway.tools.work import Work, instant
from messages.text import printable
from messages.tool_args import TraceArgs, units_of
from messages.tools import MAX_WORD

GAP_S = 0.05  # bytes that come later than this after the last ones are another frame
MOST_BYTES = 600  # of one frame
LOOK_S = 0.2
MOST_HEX = 300
MOST_CAPTURE_BYTES = 40 * 1024  # a result is one message, and its last one


@dataclass(frozen=True, slots=True)
class Whole:
    """One frame, or what can be told apart as one."""

    direction: str
    data: bytes
    at: float
    seen: Seen


class Bench(Protocol):
    """Judges captured bytes."""

    def seen(self, frame: bytes) -> Seen:
        """As of a `Workshop`."""


class Benches:
    """All protocols of a line: bytes are judged by the one that they are whole in, the last one first."""

    def __init__(self, benches: Mapping[str, Workshop]) -> None:
        self._benches = dict(benches)
        self.protocol = next(iter(benches))
        """In which the bytes that were judged last were whole."""

    def seen(self, frame: bytes) -> Seen:
        """Judge bytes."""
        first = self._benches[self.protocol].seen(frame)
        if not _sound(first):
            for protocol, bench in self._benches.items():
                if _sound(found := bench.seen(frame)):
                    self.protocol = protocol
                    return found
        return first


def _sound(seen: Seen) -> bool:
    return seen.whole and seen.check != "bad"


class Assembler:
    """Puts the chunks of a wire together to frames; pure, time comes with the chunks."""

    def __init__(self, bench: Bench, take: Callable[[Whole], None]) -> None:
        self._bench, self._take = bench, take
        self._data, self._began, self._last = bytearray(), 0.0, 0.0

    def chunk(self, frame: Frame) -> None:
        """Take a chunk; frames that are whole by it are handed on."""
        if frame.direction == "tx":
            self.flush()
            self._hand(Whole("tx", frame.data, frame.at, self._bench.seen(frame.data)))
            return
        if self._data and frame.at - self._last > GAP_S:
            self.flush()
        if not self._data:
            self._began = frame.at
        self._data += frame.data
        self._last = frame.at
        seen = self._bench.seen(bytes(self._data))
        if (seen.whole and seen.check != "bad") or len(self._data) >= MOST_BYTES:
            self.flush(seen)

    def rest(self, now: float) -> None:
        """Hand on what lies there, if nothing has followed for a while."""
        if self._data and now - self._last > GAP_S:
            self.flush()

    def flush(self, seen: Seen | None = None) -> None:
        """Hand on what lies there."""
        if self._data:
            data = bytes(self._data)
            self._data.clear()
            self._hand(Whole("rx", data, self._began, seen or self._bench.seen(data)))

    def _hand(self, whole: Whole) -> None:
        self._take(whole)


async def trace(work: Work, args: TraceArgs) -> None:
    """Say a row for each frame until the time is over."""
    units = frozenset(units_of(args.units)) if args.units else None
    began, offset = work.monotonic(), work.clock()
    frames = bad = dropped = 0
    waiting: deque[Whole] = deque(maxlen=args.newest)

    def take(whole: Whole) -> None:
        nonlocal dropped
        dropped += len(waiting) == waiting.maxlen
        waiting.append(whole)

    benches = Benches({protocol: work.bench(protocol) for protocol in work.protocols})
    assembler = Assembler(benches, take)
    untap = work.wire.tap(assembler.chunk)
    last_unit: int | None = None
    recorder = Recorder(work.line, args.blur)
    try:
        while (passed := work.monotonic() - began) < args.for_s:
            work.say(int(passed), args.for_s, args.for_s - passed, f"{frames} frames, {bad} of them bad")
            await asyncio.sleep(min(LOOK_S, args.for_s - passed))
            assembler.rest(work.monotonic())
            while waiting:
                whole = waiting.popleft()
                # What is damaged has no unit: it is shown with the question that it came after.
                last_unit = whole.seen.unit if whole.seen.unit is not None else last_unit
                if units is not None and last_unit not in units:
                    continue
                frames, bad = frames + 1, bad + (whole.seen.check == "bad")
                benches.seen(whole.data)
                row = row_of(whole, benches.protocol if args.explain else "")
                row["at"] = instant(offset + timedelta(seconds=whole.at - began))
                row["ms"] = max(0, round((whole.at - began) * 1000))
                work.row(row)
                if args.record:
                    recorder.frame(row)
            work.result.update(frames=frames, bad=bad, dropped=dropped)
    finally:
        untap()
        if args.record:
            lines = captured(recorder)
            work.result.update(capture=lines, captured=sum(line.startswith("- ") for line in lines))


def captured(recorder: Recorder) -> list[str]:
    """Return the lines of a capture, as many as fit into a result."""
    lines = [line for line in recorder.text.splitlines() if len(line) <= MAX_WORD]
    left = MOST_CAPTURE_BYTES
    for count, line in enumerate(lines):
        left -= len(line.encode()) + 8
        if left < 0:
            return lines[:count]
    return lines


def row_of(whole: Whole, protocol: str) -> dict[str, Any]:
    """Return what is shown of a frame, with what it says if a protocol is named."""
    text = ""
    if protocol:
        try:
            text = registry.get(protocol).explain(whole.data)
        except DriverError as err:
            text = str(err)
    return {
        "at": "",
        "ms": 0,
        "dir": whole.direction,
        "unit": whole.seen.unit,
        "bytes": whole.data[:MOST_HEX].hex(" "),
        "crc": whole.seen.check,
        "text": " · ".join(printable(line, 400) for line in text.splitlines()),
    }
