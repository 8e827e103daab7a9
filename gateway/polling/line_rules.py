"""What holds for one configured line: how its time is reckoned, how long one read may last, when books are read."""

import zlib

from drivers.api import Timing
from drivers.lines import SerialMode, SerialSettings
from drivers.strict_yaml import parse_duration
from gateway.polling.around import Rules
from gateway.polling.timeouts import FLOOR_S, FLOOR_SERVER_S, FLOOR_TCP_S
from gateway.site.config import LineConfig

# Until a device was measured, a hole is bridged as if it thought as little as a quick one.
ASSUMED_TURNAROUND_S = 0.005
# A hundred lines that each wake the process at a moment of their own cost twice the processor of lines that come in
# groups; groups of a sixteenth of the period are small enough that a bus beside them waits a few milliseconds at most.
STRIDE = 1 / 16
# A fire poll waits for one read that has begun, for its own answer, and for a dead device: each has its part.
LONGEST_PART = 4


def longest_of(line: LineConfig) -> float | None:
    """Return how long one read may last so that fire is seen within its budget; None where nothing waits for it."""
    points = (point for device in line.devices for point in device.profile.points.values())
    return line.fire_budget / LONGEST_PART if any(point.poll == "fire" for point in points) else None


def timing_of(line: LineConfig, turnaround: float, mode: SerialMode | None = None) -> Timing:
    """Return what a character, a silence and an answer cost on this line, `mode` where a device has its own.

    Behind a serial server the bus has the line's baud rate too, though we speak TCP to it.
    """
    settings = line.settings
    if mode is not None:
        return Timing(mode.byte_time, mode.silence, turnaround)
    if isinstance(settings, SerialSettings):
        return Timing(settings.byte_time, settings.silence, turnaround)
    if line.file.framing in {"rtu", "ascii"}:
        behind = SerialSettings("behind the serial server", line.file.baud, line.file.parity)
        return Timing(behind.byte_time, behind.silence, turnaround)
    return Timing(0.0, 0.0, turnaround)


def rules_of(line: LineConfig) -> Rules:
    """Return the rules for the poller of this line."""
    serial = isinstance(line.settings, SerialSettings)
    return Rules(
        timing=timing_of(line, ASSUMED_TURNAROUND_S),
        longest=longest_of(line),
        floor=_floor(line, serial=serial),
        adds_wire_time=serial,
        snapshots=line.snapshots,
        phase=zlib.crc32(line.id.encode()) / 2**33,
        stride=STRIDE if timing_of(line, 0.0).byte_time == 0 else 0.0,
    )


def _floor(line: LineConfig, *, serial: bool) -> float:
    if line.file.shortest_timeout is not None:
        return parse_duration(line.file.shortest_timeout)
    if serial:
        return FLOOR_S
    return FLOOR_SERVER_S if line.file.framing in {"rtu", "ascii"} and len(line.devices) > 1 else FLOOR_TCP_S
