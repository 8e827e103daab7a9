"""How much silence a wire has earned: one that handed us a frame which nobody asked for may do so again; pure."""

# So many exchanges after a stray frame, a doubled reply mostly, begin after this much silence, so that a copy
# shows itself before it can pass for an answer.
_SILENCE = 0.03
_EXCHANGES = 100
# Fewer bytes are a transceiver's click, which need not cost any time.
_LEAST_FRAME = 4


class Unease:
    """Remembers stray bytes and says what silence they call for."""

    def __init__(self) -> None:
        self._left = 0
        self._stray = 0
        self._before = 0

    def silence(self, least: float) -> float:
        """Return the seconds of silence to keep before the next request, `least` at least."""
        return max(least, _SILENCE) if self._left else least

    def asked(self) -> None:
        """Note that a request is being sent: stray bytes are counted from here."""
        self._stray = 0

    def stray(self, count: int, *, owed: bool = False) -> None:
        """Note bytes that belong to no request, as far as is known now; `owed` says that an answer may come late."""
        if not self._stray:
            self._before = self._left
        self._stray += count
        if self._stray >= _LEAST_FRAME:
            self._left = _EXCHANGES
        elif owed:
            # Perhaps its beginning: adapters hand bytes on in bursts, with pauses that pass for silence.
            self._left = max(1, self._left)

    def owed(self) -> None:
        """Note that a late answer has become whole: the bytes before were its own, and need one long silence."""
        if self._stray:
            self._left, self._stray = max(1, self._before), 0

    def overslept(self) -> None:
        """Note that we did not watch when we meant to: the next silence is a long one."""
        self._left = max(1, self._left)

    def answered(self) -> None:
        """Note an exchange in good order."""
        self._left = max(0, self._left - 1)
