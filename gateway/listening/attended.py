"""A device that speaks unasked: what it says goes into the journal before it is answered."""

import asyncio
from dataclasses import dataclass, field
from datetime import datetime

from drivers.api import Heard, Reading
from gateway.polling.told import Told


@dataclass(slots=True, eq=False, kw_only=True)
class Attended(Told):
    """One device as its listening line knows it."""

    source: str
    """How it names itself."""
    within: float | None
    """It is silent when it has not been heard for so many seconds; None where silence means nothing."""
    heard_at: float
    """When it was last heard, monotonic seconds; its line's beginning before that."""
    heard: bool = False
    silent: bool = False
    messages: int = 0
    peer: str = field(default="", repr=False)
    """From where it was last heard."""
    words: str = field(default="", repr=False)
    """What it said last, in its protocol's words."""
    said_at: datetime | None = None
    turn: asyncio.Lock = field(default_factory=asyncio.Lock, repr=False)
    """Held while a message of it goes into the journal: what the next one means depends on what stands by then."""
    readings: dict[str, tuple[Reading, datetime]] = field(default_factory=dict, repr=False)
    """What it told last of each point, and when."""

    def note(self, heard: Heard, result: str, at: datetime) -> None:
        """Remember what it said, for whoever looks on; what it says again is no news."""
        if result != "repeated":
            if heard.spoke:
                self.words, self.said_at = heard.label, at
            self.readings |= {name: (reading, at) for name, reading in heard.readings.items()}

    def look(self, now: float) -> bool:
        """Return whether its silence has just begun."""
        overdue = self.within is not None and now - self.heard_at >= self.within
        begun, self.silent = overdue and not self.silent, overdue
        return begun

    def speaks(self, now: float, peer: str) -> bool:
        """Note that it was heard; return whether that ended a silence, or was the first time."""
        new = self.silent or not self.heard
        self.heard_at, self.heard, self.silent, self.peer = now, True, False, peer
        self.messages += 1
        return new
