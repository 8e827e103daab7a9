"""Is a device there? Pure: told of answers and silences with the time, it says when to ask again.

Health is kept per (line, unit), never per line: a dead device costs one cheap probe per growing interval and its
neighbours notice nothing.
"""

from dataclasses import dataclass
from random import Random

SILENT_AFTER = 2  # silences in a row
SILENT_AFTER_NOISE = (
    5  # cycles in a row with bytes that are no answer: a noisy device is there, if hard to hear
)
FIRST_S = 1.0
LONGEST_S = 20.0  # with its jitter and the share that probes have, a device that is back is asked within 30 s
LONGEST_FIRE_S = 10.0  # a fire panel that is back must be seen soon
FACTOR = 2.0
JITTER = 0.2


@dataclass(slots=True)
class Health:
    """One device on its line; `silent` says that it is only probed."""

    random: Random
    longest: float = LONGEST_S
    silent: bool = False
    failures: int = 0
    _interval: float = FIRST_S

    def answered(self) -> bool:
        """Take an answer of any kind; return True if the device was silent before: it has come back."""
        returned = self.silent
        self.silent, self.failures, self._interval = False, 0, FIRST_S
        return returned

    def missed(self, *, noise: bool = False) -> bool:
        """Take a silence, or noise in place of an answer; return True if the device is silent from now on."""
        self.failures += 1
        if self.silent or self.failures < (SILENT_AFTER_NOISE if noise else SILENT_AFTER):
            return False
        self.silent = True
        return True

    def next_probe(self, now: float) -> float:
        """Return when to probe next; each call doubles the interval, up to the longest."""
        interval = self._interval
        self._interval = min(self._interval * FACTOR, self.longest)
        return now + interval * self.random.uniform(1 - JITTER, 1 + JITTER)
