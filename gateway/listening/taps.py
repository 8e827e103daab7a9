"""What crosses a listening line, for whoever looks on: bytes of peers, and messages with what became of them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from drivers.api import Heard


@dataclass(frozen=True, slots=True)
class Crossed:
    """Bytes of or to a peer, as they came; `at` is monotonic."""

    peer: str
    direction: str
    data: bytes
    at: float


@dataclass(frozen=True, slots=True)
class Taken:
    """A message and what became of it, as `gatehouse_messages_total` counts; `device` is empty for nobody here."""

    peer: str
    device: str
    heard: Heard
    result: str
    at: float
    clock: datetime


Show = Callable[[Crossed | Taken], None]


@dataclass(slots=True, eq=False)
class Taps:
    """Those who look on; they see everything in its order and hold up nothing."""

    _shows: list[Show] = field(default_factory=list)

    def tap(self, show: Show) -> Callable[[], None]:
        """Show everything from now on; return what ends it."""
        self._shows.append(show)
        return lambda: self._shows.remove(show)

    def crossed(self, peer: str, direction: str, data: bytes, at: float) -> None:
        """Show bytes; of none there is nothing to show."""
        if self._shows and data:
            self.taken(Crossed(peer, direction, data, at))

    def taken(self, what: Crossed | Taken) -> None:
        """Show a message."""
        for show in list(self._shows):
            show(what)
