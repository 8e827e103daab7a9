"""When a lost wire may be tried again; pure, time and chance are handed in."""

import random

_FIRST = 0.5
_MOST = 8.0


class Backoff:
    """Grows with every failure; a wire that has carried a reply may be reopened at once."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._failures = 0
        self._proven = False
        self._retry_at = float("-inf")

    def wait(self, now: float) -> float:
        """Return the seconds until the next try; 0 when it is due."""
        return max(0.0, self._retry_at - now)

    def proven(self) -> None:
        """Note that the wire has carried a reply."""
        self._failures, self._proven = 0, True

    def failed(self, now: float) -> None:
        """Note that the wire could not be opened."""
        self._proven = False
        # Half of it by chance: a hundred lines lost to one power cut do not come back in step.
        span = min(_MOST, _FIRST * 2 ** min(self._failures, 10))
        self._retry_at = now + span * (0.5 + 0.5 * self._rng.random())
        self._failures += 1

    def lost(self, now: float) -> None:
        """Note that an open wire was lost: after use it is reopened at once, unused it counts as a failure."""
        if self._proven:
            self._proven, self._retry_at = False, now
        else:
            self.failed(now)
