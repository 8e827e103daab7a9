"""What is wrong with a device, and when; times are seconds since the start."""

import math
from dataclasses import dataclass

from simulators.site import Fault, FaultKind, seconds

# These change a register once and are over; the others last.
ONE_SHOT: frozenset[FaultKind] = frozenset({"register_rollover", "meter_exchange"})


@dataclass(frozen=True, slots=True)
class _Window:
    fault: Fault
    start: float
    end: float


class Faults:
    """The faults of one device; asked with the time, so that nothing needs to be switched off."""

    def __init__(self, specs: tuple[Fault, ...] = ()) -> None:
        self._windows: list[_Window] = []
        self._due: list[_Window] = []
        for spec in specs:
            self.add(spec, 0.0)

    def __bool__(self) -> bool:
        return bool(self._windows)

    def add(self, fault: Fault, at: float, lasting: float | None = None) -> None:
        """Add a fault whose own times count from `at`; `lasting` overrides its end."""
        start = at + seconds(fault.from_)
        end = at + seconds(fault.until) if fault.until is not None else math.inf
        if lasting is not None:
            end = start + lasting
        window = _Window(fault, start, end)
        (self._due if fault.kind in ONE_SHOT else self._windows).append(window)

    def active(self, kind: FaultKind, now: float) -> Fault | None:
        """Return the fault of this kind that is in force, the latest said one first."""
        for window in reversed(self._windows):
            if window.fault.kind == kind and window.start <= now < window.end:
                return window.fault
        return None

    def due(self, now: float) -> list[Fault]:
        """Take the one-shot faults whose time has come."""
        taken = [window.fault for window in self._due if window.start <= now]
        self._due = [window for window in self._due if window.start > now]
        return taken

    def clear(self) -> None:
        """Mend everything that is wrong now or later."""
        self._windows.clear()
        self._due.clear()
