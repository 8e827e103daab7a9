"""When billing registers are read for the books: on the grid of the local clock, within a window; pure.

A building's day begins at local midnight, so that is where the grid is anchored: 00:00, 00:15 and so on, across
changes of summer time as well. What is read is stamped with when it was read, not with the moment that was meant.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

# The last part of a window in which a snapshot goes with the alarms.
RISES_AT = 0.5
# A poll that would fall due just before a snapshot is left to it.
NEAR = 0.1
LOOK_S = 5.0
# A clock that moved by more than this was set.
STEP_S = 0.5


@dataclass(frozen=True, slots=True)
class Snapshots:
    """Read at each multiple of `every` after local midnight, at most `window` later."""

    zone: ZoneInfo
    every: timedelta = timedelta(minutes=15)
    window: timedelta = timedelta(minutes=1)

    def after(self, now: datetime) -> datetime:
        """Return the first moment of the grid after `now`, in UTC."""
        day = now.astimezone(self.zone).date()
        midnight = self._utc(datetime.combine(day, time()))
        # Steps are of real time from the local midnight on; the next midnight begins a new grid.
        steps = (now - midnight) // self.every + 1
        tomorrow = self._utc(datetime.combine(day + timedelta(days=1), time()))
        moment = min(midnight + steps * self.every, tomorrow)
        return moment if moment > now else tomorrow

    def _utc(self, local: datetime) -> datetime:
        return local.replace(tzinfo=self.zone).astimezone(UTC)


class Books:
    """The moments of `Snapshots` on a monotonic clock; looks at the wall clock every few seconds, for it may be set."""

    def __init__(self, snapshots: Snapshots | None) -> None:
        self._snapshots = snapshots
        self._look_at = float("-inf") if snapshots else float("inf")
        self._offset: float | None = None
        self._next = float("-inf")

    def due(self, now: float) -> bool:
        """Say whether it is time to `look`."""
        return now >= self._look_at

    def wait(self, now: float) -> float | None:
        """Return the seconds until it is time to `look`; None where there are no snapshots."""
        return self._look_at - now if self._snapshots else None

    def look(self, now: float, utc: datetime, *, trusted: bool) -> bool:
        """Compare the clocks; True if the moments are others than before. A clock that was never set has none."""
        self._look_at = now + LOOK_S
        offset = utc.timestamp() - now if trusted else None
        if offset is None or self._offset is None:
            moved = offset is not self._offset
        else:
            moved = abs(offset - self._offset) > STEP_S
            if not moved:
                return False  # drift is taken up when the next moment is reckoned
        self._offset, self._next = offset, float("-inf")
        return moved

    def window(self, due: float, period: float, now: float) -> tuple[float, float, float] | None:
        """Return moment, end and rise of the snapshot that comes before the poll at `due`, or takes its place."""
        if self._snapshots is None or self._offset is None:
            return None
        if self._next <= now:
            utc = datetime.fromtimestamp(now + self._offset, UTC)
            self._next = self._snapshots.after(utc).timestamp() - self._offset
        if due < self._next - NEAR * period:
            return None
        seconds = self._snapshots.window.total_seconds()
        return self._next, self._next + seconds, self._next + RISES_AT * seconds
