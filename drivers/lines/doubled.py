"""Which answer may be a copy of an older one; pure.

Some wires hand a frame over twice. Where nothing in the protocol ties a reply to its request, a copy that comes
after the next request was sent looks like its answer. But a copy is byte for byte what was heard before: so an
answer equal to a recent one, to another request that it could be mistaken for, is not believed before the time-out
has passed without a second answer. Where two places do hold the same, that is found out once and then known.
"""

from drivers.api import Exchange
from drivers.lines.late import key_of

_MOST_KEYS = 1024
_RECENT = 16
_MOST_CLEARED = 4096
_MOST_STRAYS = 2048


class Doubled:
    """The recent answers of a line's devices."""

    def __init__(self) -> None:
        self._recent: dict[bytes, dict[bytes, bytes]] = {}
        self._cleared: set[tuple[bytes, bytes]] = set()
        self._strays = b""

    def suspect(self, exchange: Exchange, payload: bytes) -> bool:
        """Say whether this may be a copy of the answer to another request, or of bytes that nobody asked for."""
        recent = self._recent.get(key_of(exchange))
        other = recent is not None and recent.get(payload, exchange.request) != exchange.request
        if not other and not (self._strays and payload in self._strays):
            return False
        return (exchange.request, payload) not in self._cleared

    def stray(self, data: bytes) -> None:
        """Note bytes that were taken for no answer: what is among them may come once more."""
        self._strays = (self._strays + data)[-_MOST_STRAYS:]

    def believed(self, exchange: Exchange, payload: bytes) -> None:
        """Note an answer that was taken."""
        key = key_of(exchange)
        recent = self._recent.get(key)
        if recent is None:
            if len(self._recent) >= _MOST_KEYS:
                del self._recent[next(iter(self._recent))]
            recent = self._recent[key] = {}
        recent.pop(payload, None)
        if len(recent) >= _RECENT:
            del recent[next(iter(recent))]
        recent[payload] = exchange.request

    def cleared(self, exchange: Exchange, payload: bytes) -> None:
        """Note that no second answer came: both places hold the same."""
        if len(self._cleared) >= _MOST_CLEARED:
            self._cleared.clear()
        self._cleared.add((exchange.request, payload))

    def caught(self) -> None:
        """Note a true copy: this wire does it, so nothing counts as known any more."""
        self._cleared.clear()
