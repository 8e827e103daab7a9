"""M-Bus slaves on one pair of wires: primary and secondary addresses, several telegrams, collisions; sans-I/O."""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random

from simulators.mbus_frames import ACK, Identity, Request, Requests, Value, response, telegrams

NETWORK, ANYONE, BROADCAST = 253, 254, 255
_FCB, _RESET = 0x20, 0x40
_SELECT = 0x52
KEPT = 1000


@dataclass
class Slave:
    """One meter: asked, it tells its values; the frame count bit decides between the next telegram and the last."""

    who: Identity
    values: Callable[[], Sequence[Value]]
    primary: int = 0
    status: int = 0
    room: int = 234
    """How many bytes of records go into one telegram."""
    silent: bool = False
    error: int | None = None
    """Answers with this application error instead of values."""
    forgets: bool = True
    """Whether a selection makes it forget the frame count bit; where not, it may take a request for a repeated one."""
    steady: bool = False
    """Whether its access number never moves."""
    access: int = 0
    selected: bool = False
    _last_bit: bool | None = None
    _said: bytes = b""
    _todo: list[bytes] = field(default_factory=list)

    def hears(self, request: Request) -> bytes:
        """Return what this slave says to a request, nothing where it is not meant, or where all are: then it obeys."""
        if self.silent:
            return b""
        if request.address == BROADCAST:
            if request.control == _RESET:
                self._reset()
            return b""
        if request.ci == _SELECT and request.address == NETWORK:
            self.selected = selects(request.body, self.who)
            if self.selected and self.forgets:
                self._reset()
            return ACK if self.selected else b""
        if not (request.address in {self.primary, ANYONE} or (request.address == NETWORK and self.selected)):
            return b""
        if request.control == _RESET:
            if request.address == NETWORK:
                self.selected = False
            self._reset()
            return ACK
        if request.control & ~_FCB == 0x5B:
            return self._tells(bool(request.control & _FCB))
        return b""

    def _reset(self) -> None:
        self._last_bit, self._todo = None, []

    def _tells(self, bit: bool) -> bytes:
        if self._last_bit is bit:
            return self._said  # a repeated request: the answer was lost
        self._last_bit = bit
        self.access = self.access if self.steady else self.access + 1 & 0xFF
        if self.error is not None:
            body = bytes((0x08, self.primary, 0x70, self.error))
            self._said = bytes((0x68, 4, 4, 0x68)) + body + bytes((sum(body) & 0xFF, 0x16))
            return self._said
        if not self._todo:
            self._todo = telegrams(self.values(), self.room)
        self._said = response(self.primary, self.who, self.access, self.status, self._todo.pop(0))
        return self._said


def selects(mask: bytes, who: Identity) -> bool:
    """Tell whether a selection means a slave: F stands for any digit of the number, FF for any other byte."""
    if len(mask) != 8:
        return False
    digits = zip(mask[:4].hex(), who.wire[:4].hex(), strict=True)
    rest = zip(mask[4:], who.wire[4:], strict=True)
    return all(one in {"f", other} for one, other in digits) and all(
        one in {0xFF, other} for one, other in rest
    )


@dataclass
class MbusBus:
    """All slaves of one pair of wires: who is meant answers, and those who answer at once spoil each other's bytes."""

    slaves: Sequence[Slave]
    rng: Random
    aligned: bool = False
    """Whether slaves begin to answer at the very same time: then two of them may look like a sound third."""
    collisions: int = 0
    heard: deque[Request] = field(default_factory=lambda: deque(maxlen=KEPT))
    """The last requests."""
    _requests: Requests = field(default_factory=Requests)

    def silence(self) -> None:
        """Forget what has begun and is not whole."""
        self._requests = Requests()

    def feed(self, data: bytes) -> list[bytes]:
        """Take what the master sends in any portions; return what comes back, answer by answer."""
        said = [self._answer(request) for request in self._requests.feed(data)]
        return [answer for answer in said if answer]

    def _answer(self, request: Request) -> bytes:
        self.heard.append(request)
        said = [answer for answer in [slave.hears(request) for slave in self.slaves] if answer]
        if not said:
            return b""
        if len(said) == 1:
            return said[0]
        self.collisions += 1
        return self._collided(said)

    def _collided(self, said: Sequence[bytes]) -> bytes:
        """Lay answers over each other: a 0 of one slave wins over the 1 of another, and the beginnings drift apart."""
        if all(answer == ACK for answer in said):
            return ACK
        mixed = bytearray(max(map(len, said)) + len(said))
        mixed[:] = b"\xff" * len(mixed)
        drifts = [0] * len(said) if self.aligned else self.rng.sample(range(len(said)), len(said))
        for answer, shift in zip(said, drifts, strict=True):
            for place, byte in enumerate(answer):
                mixed[place + shift] &= byte
        return bytes(mixed)
