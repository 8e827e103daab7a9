"""How long to wait for a device, from how long it has taken; pure.

What is learned is the time to think, without the time that the bytes take on the wire. Waiting less than was set
is never a risk to a value: the line guards against late answers by what was set (`limit`).
"""

from dataclasses import dataclass

FLOOR_S = 0.05
# Behind a TCP connection a lost segment comes again after 200 ms at the earliest. A bus behind a serial server has
# many who wait meanwhile, and its network is short.
FLOOR_TCP_S, FLOOR_SERVER_S = 0.3, 0.1
# What is waited for a device that has never answered, once it counts as silent; a full wait comes now and then, twice
# as often for it: nobody knows that it is not a slow one.
NEVER_S = 0.1
FULL_EVERY, FULL_EVERY_NEVER = 4, 2

TIMES = 4.0
PEAK_TIMES = 2.0
_NEW = 0.125
_FADE = 0.99


@dataclass(slots=True)
class RoundTrip:
    """The time-out of one device: `limit` is what was set for it, and never exceeded."""

    limit: float
    floor: float = FLOOR_S
    smooth: float | None = None
    """Its usual time to think, seconds; None before its first answer."""
    _peak: float = 0.0
    _missed: int = 0
    _timeout: float = 0.0

    def __post_init__(self) -> None:
        self._timeout = self.limit

    @property
    def timeout(self) -> float:
        """Return how long to wait next time: twice as long after a silence, and all of the limit every few times."""
        if not self._missed:
            return self._timeout
        every = FULL_EVERY if self.smooth is not None else FULL_EVERY_NEVER
        if self._missed % every == every - 1:
            return self.limit
        if self.smooth is None:
            return min(self.limit, max(NEVER_S, self.floor))
        return min(self.limit, 2 * self._timeout)

    def answered(self, seconds: float, *, repeated: bool = False) -> None:
        """Take an answer that came after so long.

        `repeated` says that an earlier request may be what it answers: after a silence nothing is learned from it.
        """
        missed, self._missed = self._missed, 0
        if repeated and missed:
            return
        seconds = max(0.0, seconds)
        if self.smooth is None:
            self.smooth = self._peak = seconds
        else:
            self.smooth += _NEW * (seconds - self.smooth)
            self._peak = max(seconds, self._peak * _FADE)
        wanted = max(TIMES * self.smooth, PEAK_TIMES * self._peak, self.floor)
        self._timeout = min(wanted, self.limit)

    def missed(self) -> None:
        """Take a silence."""
        self._missed += 1
