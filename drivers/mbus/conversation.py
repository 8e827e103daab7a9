"""The exchanges of one read-out: SND_NKE or a selection, then REQ_UD2 until the device has no more."""

from collections.abc import Callable
from typing import Final

from drivers.api import Exchange
from drivers.errors import DeviceRefused, FrameDamaged
from drivers.mbus import frames, telegram
from drivers.mbus.address import ANYBODY, MAX_TELEGRAMS, Target
from drivers.mbus.frames import ANYONE, FCB, NETWORK, REQ_UD2, SND_NKE, SND_UD

_BY_NAME: Final = frozenset({0x72, 0x76, 0x73, 0x77})
_SELECT: Final = 0x52


class Memory:
    """What a slave was asked last: the frame count bit by which it tells a new request from a repeated one."""

    def __init__(self) -> None:
        self.next_bit: bool | None = None
        """The bit of the next request; None where the slave's is not known."""
        self.last = b""
        """The telegram that it sent last in a read-out that ended well."""
        self.nameless = False
        """Whether what it sends after a selection does not say whose it is."""


def read_out(target: Target, memory: Memory, *, reset: str, telegrams: int) -> Exchange:
    """Begin a read-out; its payload is all frames with data, one after the other."""
    bit = memory.next_bit
    # Until this read-out has ended well, nothing is known of the slave's bit.
    memory.next_bit = None
    talk = _Talk(target, memory, telegrams)
    if target.secondary:
        return talk.select()
    if reset == "always" or (reset == "auto" and bit is None):
        return reset_link(target, then=lambda _: talk.request(first=True))
    return talk.request(first=True if bit is None else bit)


def select(target: Target, then: Callable[[bytes], Exchange | bytes], *, proven: bool = True) -> Exchange:
    """Select the slaves of a secondary address, and by that deselect all others: who is meant answers E5.

    `proven` where the next step shows who it was: then a late E5 of another slave may come between.
    """
    request = frames.long(SND_UD, NETWORK, _SELECT, target.secondary)
    return Exchange(
        request=request,
        reader=frames.AckReader(request),
        reply_bytes=1,
        key=target.key + b" E5" if proven else ANYBODY,
        then=then,
    )


def reset_link(target: Target, then: Callable[[bytes], Exchange | bytes] | None = None) -> Exchange:
    """Reset the link of a slave: it answers E5, and takes the next request for a new one."""
    address = NETWORK if target.primary is None else target.primary
    request = frames.short(SND_NKE, address)
    proven = then is not None and target.primary != ANYONE
    return Exchange(
        request=request,
        reader=frames.AckReader(request if then else b""),
        reply_bytes=1,
        key=target.key + b" E5" if proven else ANYBODY,
        then=then,
    )


class _Talk:
    """Collects the telegrams of one read-out."""

    def __init__(self, target: Target, memory: Memory, most: int) -> None:
        self._target, self._memory = target, memory
        self._most = min(most, MAX_TELEGRAMS)
        self._found: list[bytes] = []
        self._bit = True
        self._doubted = False

    def select(self) -> Exchange:
        """Return the selection that the read-out begins with."""
        proven = not self._memory.nameless
        return select(self._target, lambda _: self.request(first=True), proven=proven)

    def request(self, *, first: bool) -> Exchange:
        """Return the next request; `first` is the frame count bit."""
        self._bit = first
        address = NETWORK if self._target.primary is None else self._target.primary
        return Exchange(
            request=frames.short(REQ_UD2 | (FCB if first else 0), address),
            reader=frames.ResponseReader(self._target.answers),
            reply_bytes=frames.LONGEST,
            key=self._target.key,
            then=self._next,
        )

    def _next(self, raw: bytes) -> Exchange | bytes:
        frame = frames.parse(raw)
        if self._target.secondary and not self._found:
            known, self._memory.nameless = self._memory.nameless, frame.ci not in _BY_NAME
            if self._memory.nameless and not known:
                return self.select()  # once more, with no E5 in doubt: then it is the one that was selected
        found = telegram.parse(frame)
        if found.kind == "error":
            refuse(found.code)
        if not self._found and not self._doubted and raw == self._memory.last:
            # It may take the request for a repeated one, and this is an old answer: the other bit brings a new one.
            # Where that is the same again, nothing has changed.
            self._doubted = True
            return self.request(first=not self._bit)
        # A device that begins anew after its last telegram without saying that it was the last.
        again = raw in self._found
        if again and raw == self._found[-1]:
            raise FrameDamaged("the device sent the same telegram again, though it was asked for the next")
        if not again:
            self._found.append(raw)
        more = found.more and not again and len(self._found) < self._most
        if more:
            return self.request(first=not self._bit)
        if len(self._found) == 1 and not found.more:
            # After several telegrams a device may go on where it stopped: it is reset before the next read-out.
            self._memory.next_bit = not self._bit
        self._memory.last = self._found[-1]
        return b"".join(self._found)


def refuse(code: int) -> None:
    """Raise the error that a device reports of itself."""
    words = telegram.ERRORS[code] if code < len(telegram.ERRORS) else "an error of its own"
    raise DeviceRefused(f"the device reports: {words} ({code})", code=code, busy=code == telegram.BUSY)
