"""One request's wait for its reply: what was heard so far, and what that amounts to at the deadline; pure."""

from drivers.api import Exchange, ReplyReader
from drivers.errors import DeviceSilent, DriverError, FrameDamaged
from drivers.lines.echo import EchoFilter

# A peer may send this much beyond the expected reply before we stop looking at it.
_MOST_BYTES = 8192
_SHOWN_BYTES = 16
_TAIL_BYTES = 1024


class Attempt:
    """Feeds the reader of one exchange, and remembers enough to name what went wrong."""

    def __init__(self, exchange: Exchange, echo: EchoFilter | None) -> None:
        self.exchange = exchange
        self.live_reader: ReplyReader | None = exchange.reader
        """The reader while it may still recognise the answer; None once it has spoken."""
        self.answered = False
        """Whether a sound answer came, a refusal among them."""
        self.payload = b""
        """The latest answer; empty for a refusal."""
        self.heard = 0
        """Bytes that came, the echo not among them."""
        self.tail = b""
        """The last of them."""
        self._head = b""
        self._echo = echo
        self._most = _MOST_BYTES + 2 * exchange.reply_bytes
        if echo is not None:
            echo.begin(exchange)

    def take(self, data: bytes) -> bytes | None:
        """Return the payload when the reply is whole; raise what the reader raises."""
        if self._echo is not None:
            data = self._echo.strip(data)
        self.heard += len(data)
        if len(self._head) < _SHOWN_BYTES:
            self._head += data[: _SHOWN_BYTES - len(self._head)]
        if not data or self.live_reader is None or self.heard > self._most:
            return None
        self.tail = (self.tail + data)[-_TAIL_BYTES:]
        return self._fed(data)

    def _fed(self, data: bytes) -> bytes | None:
        if self.live_reader is None:
            return None
        try:
            payload = self.live_reader.feed(data)
        except DriverError as err:
            self.live_reader = None
            self.answered = self.answered or not isinstance(err, FrameDamaged)
            raise
        if payload is not None:
            self.live_reader = None
            self.answered, self.payload = True, payload
        return payload

    def again(self) -> bytes | None:
        """Look for a second answer, the first may be a copy of an older one; return it if it has come already."""
        self.live_reader = self.exchange.reader
        return self._fed(b"")

    def doubt(self) -> None:
        """Believe none of the answers: the true one is still owed."""
        self.answered, self.live_reader = False, self.exchange.reader

    @property
    def surplus(self) -> int:
        """How many more bytes came than the reply has; 0 where its length is not known.

        Its reader's `taken`, if it counts that, is believed: not every protocol knows before how long a reply is.
        """
        expected = int(getattr(self.exchange.reader, "taken", self.exchange.reply_bytes))
        return max(0, self.heard - expected) if expected else 0

    @property
    def torn(self) -> bool:
        """Whether the reader may hold part of a frame. Its `pending`, if it counts that, is believed."""
        if self.live_reader is None:
            return True
        return bool(getattr(self.live_reader, "pending", self.heard))

    @property
    def needs(self) -> int:
        """How many more bytes must come, at the least, before the answer can be whole; 0 where nobody knows."""
        return int(getattr(self.live_reader, "needs", 0))

    def overdue(self, name: str) -> DeviceSilent | FrameDamaged:
        """Return the error of a deadline that has passed."""
        held = self._echo.held if self._echo is not None else b""
        heard, head = self.heard + len(held), self._head or held[:_SHOWN_BYTES]
        if heard and (not self.exchange.matched or self.torn):
            more = " …" if heard > len(head) else ""
            shown = "not shown, there may be a password" if self.exchange.secret else f"{head.hex(' ')}{more}"
            return FrameDamaged(f"{name}: {heard} bytes that are no answer to this request: {shown}")
        if self._echo is not None and self._echo.seen:
            return DeviceSilent(f"{name}: only the echo of the request came back, the device is silent")
        return DeviceSilent(f"{name}: no answer in time")
