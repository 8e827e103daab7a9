"""Lines: the wires that carry exchanges, one at a time; TCP endpoints and serial ports.

`open_line` makes a `Line` from its settings. A line connects on first use, reconnects with back-off, keeps
the silences of a serial bus, and never hands a late answer of one request to the next.
"""

import random
import time
from collections.abc import Callable
from datetime import datetime

from drivers.lines.late import SOON_S, guard_s, key_of
from drivers.lines.line import Line
from drivers.lines.records import Frame, Pace, Reply, Stats
from drivers.lines.serial_wire import SerialWire
from drivers.lines.settings import Echo, SerialMode, SerialSettings, TcpSettings
from drivers.lines.tcp_wire import TcpWire
from drivers.lines.wire import Wire

__all__ = [
    "SOON_S",
    "Echo",
    "Frame",
    "Line",
    "Pace",
    "Reply",
    "SerialMode",
    "SerialSettings",
    "Stats",
    "TcpSettings",
    "guard_s",
    "key_of",
    "open_line",
]

# RTU over TCP has no silence of its own, but a doubled or trailing frame must have time to show itself.
_TCP_SILENCE = 0.002


def open_line(
    settings: TcpSettings | SerialSettings,
    *,
    clock: Callable[[], datetime],
    rng: random.Random,
    monotonic: Callable[[], float] = time.monotonic,
) -> Line:
    """Make the line that the settings describe; nothing is opened before its first exchange.

    `clock` gives aware UTC and stamps replies; `monotonic` must run, for waits are measured with it.
    """
    wire: Wire
    if isinstance(settings, TcpSettings):
        wire = TcpWire(settings)
        pace = Pace(
            silence=_TCP_SILENCE,
            late_guard=settings.late_guard,
            echo=settings.echo,
            reopen_after=settings.reopen_after,
        )
    else:
        wire = SerialWire(settings)
        pace = Pace(
            byte_time=settings.byte_time,
            silence=settings.silence,
            late_guard=settings.late_guard,
            echo=settings.echo,
            reopen_after=settings.reopen_after,
            mode=settings.mode,
        )
    return Line(wire, pace, clock=clock, monotonic=monotonic, rng=rng)
