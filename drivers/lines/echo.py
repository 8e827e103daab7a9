"""Our own request, heard back from a two-wire adapter; pure."""

from drivers.api import Exchange
from drivers.lines.settings import Echo


class EchoFilter:
    """Takes the request off the front of what is received, where the wire is known to echo.

    The answer to a Modbus write equals its request, so an echo is learned only from exchanges whose answer has
    another length; until one was seen, a first equal frame counts as the answer.
    """

    def __init__(self, mode: Echo) -> None:
        self.present: bool | None = {Echo.YES: True, Echo.NO: False, Echo.AUTO: None}[mode]
        self._learns = mode is Echo.AUTO
        self._request = b""
        self._held = b""
        self._telling = False
        self._seen = False

    def begin(self, exchange: Exchange) -> None:
        """Start anew for one exchange."""
        watch = self._learns or self.present
        self._request = exchange.request if watch else b""
        self._telling = self._learns and exchange.reply_bytes not in (0, len(exchange.request))
        self._held, self._seen = b"", False

    def strip(self, data: bytes) -> bytes:
        """Return `data` without the echo; bytes that may yet become one are held until that is known."""
        if not self._request:
            return data
        self._held += data
        if len(self._held) < len(self._request) and self._request.startswith(self._held):
            return b""
        held, request = self._held, self._request
        self._held, self._request = b"", b""
        if held.startswith(request) and (self.present or self._telling):
            self._seen = True
            if self._telling:
                self.present = True
            return held[len(request) :]
        return held

    @property
    def held(self) -> bytes:
        """Bytes kept back because they look like the beginning of an echo."""
        return self._held

    @property
    def seen(self) -> bool:
        """Whether an echo was taken off in this exchange."""
        return self._seen

    def answered(self) -> None:
        """Note that this exchange succeeded: if it could tell and showed no echo, there is none."""
        if self._telling and not self._seen:
            self.present = False
