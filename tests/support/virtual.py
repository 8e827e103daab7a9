"""Time that passes only when nobody has anything to do: hours of a real line in milliseconds."""

import asyncio
import random
import selectors
from collections.abc import Callable, Coroutine, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from drivers.lines.line import Line
from drivers.lines.records import Pace
from drivers.lines.settings import SerialMode
from drivers.lines.wire import Sink

T = TypeVar("T")
START = datetime(2026, 1, 1, tzinfo=UTC)
# What looking at the clock takes, so that who waits by looking at it comes to an end.
_LOOK = 2e-5


class _Selector(selectors.SelectSelector):
    """Instead of waiting, lets the time pass."""

    skip: Callable[[float], None]

    def select(self, timeout: float | None = None) -> list[Any]:
        found = super().select(0)
        if not found and timeout:
            self.skip(timeout)
        return found


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose timers are due as soon as nothing else is left to do."""

    def __init__(self) -> None:
        selector = _Selector()
        super().__init__(selector)
        self._at = 0.0
        selector.skip = self._skip

    def _skip(self, seconds: float) -> None:
        self._at += seconds

    def stand_still(self, seconds: float) -> None:
        """Let time pass without anything being done, as on a machine that is busy with others."""
        self._at += seconds

    def time(self) -> float:
        self._at += _LOOK
        return self._at


def in_no_time(work: Coroutine[Any, Any, T]) -> T:
    """Run to the end in virtual time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(work)


class ScriptedWire:
    """A wire whose far end answers a request with chunks of bytes, each after so many seconds."""

    name = "scripted"

    def __init__(self, answers: Callable[[bytes, float], Sequence[tuple[float, bytes]]]) -> None:
        self._answers = answers
        self._sink: Sink | None = None
        self.opened = 0

    async def open(self, sink: Sink) -> None:
        self._sink = sink
        self.opened += 1

    def write(self, data: bytes) -> None:
        loop = asyncio.get_running_loop()
        for after, chunk in self._answers(data, loop.time()):
            loop.call_later(after, self._hand_over, chunk)

    def _hand_over(self, chunk: bytes) -> None:
        if self._sink is not None:
            self._sink.received(chunk)

    def clear_unsent(self) -> bool:
        return True

    def rest(self, seconds: float) -> None:
        pass

    def tune(self, mode: SerialMode | None) -> None:
        pass

    def close(self) -> None:
        self._sink = None

    async def closed(self) -> None:
        pass


def line_over(wire: ScriptedWire, **pace: Any) -> Line:
    """A real line over it, in virtual time; made inside the loop that runs it."""
    loop = asyncio.get_running_loop()
    made = Pace(**{"silence": 0.002, **pace})

    def clock() -> datetime:
        return START + timedelta(seconds=loop.time())

    return Line(wire, made, clock=clock, monotonic=loop.time, rng=random.Random(1))
