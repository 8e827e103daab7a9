"""What a line is told and what it tells: its pace, its replies, its frames, its counters."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from drivers.lines.settings import Echo, SerialMode


@dataclass(frozen=True, slots=True)
class Pace:
    """The time that a wire needs: a character's, the silence between frames, how late an answer may be, and
    after how long without a byte it is opened anew."""

    byte_time: float = 0.0
    silence: float = 0.0
    late_guard: float | None = None
    echo: Echo = Echo.AUTO
    reopen_after: float = 10.0
    mode: SerialMode | None = None
    """How characters are sent where a device needs nothing else, if the wire knows."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What an exchange yields: the payload, when it began and ended (monotonic), and its middle in UTC."""

    payload: bytes
    began: float
    ended: float
    at: datetime
    repeated: bool = False
    """True where it may answer an earlier, equal request: `at` is then the middle from that one on."""


@dataclass(frozen=True, slots=True)
class Frame:
    """Raw bytes as they crossed the wire, for a trace; `at` is monotonic."""

    direction: Literal["tx", "rx"]
    data: bytes
    at: float


@dataclass(slots=True)
class Stats:
    """Counters of a line since it was made; they only grow."""

    bytes_out: int = 0
    bytes_in: int = 0
    requests: int = 0
    replies: int = 0
    """Answers in good order, refusals among them."""
    timeouts: int = 0
    damaged: int = 0
    late_bytes: int = 0
    """Bytes that came when none were asked for: late answers, doubled frames, noise."""
    late_replies: int = 0
    """Whole answers that came after their time-out and were thrown away."""
    doubled: int = 0
    """Copies of older answers that came before the true one, and were not taken for it."""
    reopened: int = 0
    downs: int = 0
