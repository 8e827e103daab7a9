"""The rows that a trace of a listening line shows, without a line."""

from datetime import datetime
from types import SimpleNamespace
from typing import Any

from drivers.api import Heard
from gateway.listening.taps import Crossed, Taken
from gateway.tools.ear import _Rows
from messages.tool_args import TraceArgs
from tests.support.gateway import START

PEER = "10.0.0.7:4711"


class Screen:
    """Where rows go."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []
        self.result: dict[str, Any] = {}
        self.row = self.rows.append

    def monotonic(self) -> float:
        return 0.0

    def clock(self) -> datetime:
        return START


def traced(
    protocol: str,
    *parts: bytes,
    raw: bytes = b"",
    apart: float = 0.0,
    explain: bool = True,
    at_once: bool = False,
) -> list[dict[str, Any]]:
    """The rows of what came in these parts, `at_once` each before the next comes, and of the message `raw` in them."""
    screen: Any = Screen()
    line: Any = SimpleNamespace(config=SimpleNamespace(ear=SimpleNamespace(protocol=protocol)))
    rows = _Rows(screen, line, TraceArgs(for_s=1, explain=explain))
    for place, part in enumerate(parts):
        rows.take(Crossed(PEER, "rx", part, place * apart))
        if at_once:
            rows.tell(None)
    if raw:
        rows.take(Taken(PEER, "p1", Heard("p1", raw=raw, label="said"), "ok", 0.0, START))
    rows.tell(None)
    return list(screen.rows)
