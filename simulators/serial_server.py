"""An RS-485 bus on a pseudo-terminal: devices with the byte times of their baud rate.

Who opens it at another rate is not understood and understands nothing, as on a real one. Its parity cannot be
wrong: a pseudo-terminal has none. Guests may hang on the same pair: devices of other protocols, each at a rate of its
own, who hear all that is said as their rate makes of it.
"""

import asyncio
import contextlib
import os
import tty
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Protocol

from simulators.bus import Bus
from simulators.field_wire import Talker
from simulators.modbus_frames import framing
from simulators.speeds import heard, speed_of
from simulators.wire import Pace, Wire

READ_SIZE = 1024
SILENCE_S = 0.04  # after so long without a character devices forget what they have not understood


class Neighbours(Talker, Protocol):
    """Devices of another protocol."""

    def silence(self) -> None:
        """Forget what has begun and is not whole: the pair was quiet."""


class Guest:
    """Devices of another protocol on a bus, at their own rate; `turnaround` is how long they think."""

    def __init__(self, talker: Neighbours, baud: int, *, turnaround: float = 0.02, bits: int = 11) -> None:
        self.baud = baud
        self.answers = 0
        """How many of them were said."""
        self._talker = talker
        self._char = bits / baud
        self._turnaround = turnaround
        self._heard_at = 0.0

    def hear(self, data: bytes, now: float) -> Iterator[tuple[float, bytes]]:
        """Let them hear; yield when each answer is out, in seconds from now, and the answer."""
        if now - self._heard_at > SILENCE_S:
            self._talker.silence()
        self._heard_at = now
        wait = len(data) * self._char + self._turnaround
        for answer in self._talker.feed(data):
            self.answers += 1
            wait += len(answer) * self._char
            yield wait, answer


class SerialServer:
    """Owns the master side; `path` becomes a link to the slave side, which a gateway opens as its port."""

    stranger = False

    def __init__(
        self, bus: Bus, path: Path, frames: str, baud: int, pace: Pace, clock_ms: Callable[[], int]
    ) -> None:
        self._bus = bus
        self._baud = baud
        self._path = path
        self._wire = Wire(bus, framing(frames), pace, clock_ms)
        self.guests: list[Guest] = []
        self._master = self._slave = -1

    async def start(self) -> str:
        """Open the pseudo-terminal, link it, and return the link's path."""
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        # Only a link of ours is replaced: a real file of that name is somebody's.
        if self._path.is_symlink():
            self._path.unlink()
        self._path.symlink_to(os.ttyname(self._slave))
        asyncio.get_running_loop().add_reader(self._master, self._readable)
        return str(self._path)

    async def stop(self) -> None:
        """Take the port away."""
        if self._master < 0:
            return
        asyncio.get_running_loop().remove_reader(self._master)
        self._wire.close()
        with contextlib.suppress(FileNotFoundError):
            self._path.unlink()
        os.close(self._master)
        os.close(self._slave)
        self._master = self._slave = -1

    def tick(self) -> None:
        """Let devices babble that do."""
        for data, when in self._bus.babble(self._wire.frames):
            self._wire.later(when, partial(self._wire.babble, data, [self]))

    def write(self, data: bytes) -> bool:
        """Hand bytes to the master; return False where nobody reads and the port is full."""
        return self._say(data, self._baud)

    def _say(self, data: bytes, baud: int) -> bool:
        data = heard(data, baud, self._masters_baud)
        try:
            return os.write(self._master, data) == len(data)
        except BlockingIOError:
            return False

    def _guest_says(self, answer: bytes, baud: int) -> None:
        self._say(answer, baud)
        self._wire.spoken()

    def _readable(self) -> None:
        try:
            data = os.read(self._master, READ_SIZE)
        except BlockingIOError:
            return
        spoken, now = self._masters_baud, asyncio.get_running_loop().time()
        for guest in self.guests:
            for wait, answer in guest.hear(heard(data, spoken, guest.baud), now):
                self._wire.later(wait, partial(self._guest_says, answer, guest.baud))
        if arrived := heard(data, spoken, self._baud):
            self._wire.take(arrived, self)

    @property
    def _masters_baud(self) -> int:
        return speed_of(self._slave) or self._baud  # of an unusual rate nothing is known
