"""An RS-485 bus on a pseudo-terminal: devices with the byte times of their baud rate.

Who opens it at another rate is not understood and understands nothing, as on a real one. Its parity cannot be
wrong: a pseudo-terminal has none.
"""

import asyncio
import contextlib
import os
import tty
from collections.abc import Callable
from functools import partial
from pathlib import Path

from simulators.bus import Bus
from simulators.modbus_frames import framing
from simulators.speeds import heard, speed_of
from simulators.wire import Pace, Wire

READ_SIZE = 1024


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
        data = heard(data, self._baud, self._masters_baud)
        try:
            return os.write(self._master, data) == len(data)
        except BlockingIOError:
            return False

    def _readable(self) -> None:
        try:
            data = os.read(self._master, READ_SIZE)
        except BlockingIOError:
            return
        if arrived := heard(data, self._masters_baud, self._baud):
            self._wire.take(arrived, self)

    @property
    def _masters_baud(self) -> int:
        return speed_of(self._slave) or self._baud  # of an unusual rate nothing is known
