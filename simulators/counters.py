"""What a running site counts: requests, scans, and how well a master keeps the manners of the wire."""

import time
from collections.abc import Callable, Iterable

import msgspec

COUNTERS = "counters.json"


class DeviceCounts(msgspec.Struct, kw_only=True):
    """What one device was asked; times are seconds on the site's clock, None before the first."""

    requests: int = 0
    answered: int = 0
    unanswered: int = 0
    exceptions: int = 0
    registers: int = 0
    scans: int = 0
    """How often the first point of the profile was read: once a scan, however the rest is put into requests."""
    first_scan: float | None = None
    last_scan: float | None = None
    last_request: float | None = None


class LineCounts(msgspec.Struct, kw_only=True):
    """What happened on one line."""

    requests: int = 0
    """Sound requests, also to units that are not there."""
    unknown_units: int = 0
    damaged_requests: int = 0
    """Bytes that never became a request, or a request that a babbling device talked into."""
    broken_silences: int = 0
    """Requests that began less than 3.5 characters after the last byte."""
    dropped: int = 0
    """Requests that were not heard for that, on a `strict` line."""
    collisions: int = 0
    """Requests that began while an answer was on the wire; nobody hears them."""
    impatient: int = 0
    """Requests that began while an answer was owed: a late one may now come at any moment."""
    babbled: int = 0
    shortest_silence_ms: float | None = None
    busy_s: float = 0.0
    """How long the wire was taken by requests, turnarounds and answers."""
    connections: int = 0


class Counted(msgspec.Struct, kw_only=True):
    """Everything counted at one moment: `counters.json`, and what the control endpoint tells."""

    at: float
    """Seconds on the site's clock, which is the machine's monotonic one."""
    cpu_s: float
    """Processor time of the whole process."""
    lines: dict[str, LineCounts]
    devices: dict[str, DeviceCounts]


class Counters:
    """The counts of a whole site."""

    def __init__(
        self, lines: Iterable[str], devices: Iterable[str], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.clock = clock
        self.lines = {name: LineCounts() for name in lines}
        self.devices = {name: DeviceCounts() for name in devices}

    def told(self) -> Counted:
        """Return what is counted by now."""
        return Counted(at=self.clock(), cpu_s=time.process_time(), lines=self.lines, devices=self.devices)

    def reset(self) -> None:
        """Count anew from nothing, in place: whoever holds a count goes on with it."""
        for held, fresh in ((self.lines, LineCounts()), (self.devices, DeviceCounts())):
            for counts in held.values():
                for name in fresh.__struct_fields__:
                    if name != "connections":  # those that are open stay counted
                        setattr(counts, name, getattr(fresh, name))
