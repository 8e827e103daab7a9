"""An RS-485 bus on a pseudo-terminal: RTU devices with the byte times of their baud rate."""

import asyncio
import contextlib
import logging
import os
import tty
from collections.abc import Callable
from pathlib import Path

from simulators.bus import Bus
from simulators.modbus_frames import Request, RtuFraming

log = logging.getLogger(__name__)

BITS_PER_CHAR = 10  # start, eight data, stop: 8N1
GAP_CHARS = 3.5
FIXED_GAP_S = 0.00175  # above 19200 baud, serial line specification clause 2.5.1.1
SHORTEST_SILENCE_S = 0.02  # a pseudo-terminal hands over bursts, not characters
BURST_S = 0.004  # characters sent together, so that pacing costs little
READ_SIZE = 1024


class SerialServer:
    """Owns the master side; `path` becomes a link to the slave side, which a gateway opens as its port."""

    def __init__(
        self, bus: Bus, path: Path, baud: int, turnaround: float, clock_ms: Callable[[], int]
    ) -> None:
        self._bus = bus
        self._path = path
        self._turnaround = turnaround
        self._clock_ms = clock_ms
        self._char_s = BITS_PER_CHAR / baud
        self._gap_s = FIXED_GAP_S if baud > 19200 else GAP_CHARS * self._char_s
        self._frames = RtuFraming()
        self._wire = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        self._silence: asyncio.TimerHandle | None = None
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
        if self._silence is not None:
            self._silence.cancel()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        with contextlib.suppress(FileNotFoundError):
            self._path.unlink()
        os.close(self._master)
        os.close(self._slave)
        self._master = self._slave = -1

    def _readable(self) -> None:
        try:
            data = os.read(self._master, READ_SIZE)
        except BlockingIOError:
            return
        self._take(self._frames.feed(data))
        if self._silence is not None:
            self._silence.cancel()
        wait = max(2 * self._gap_s, SHORTEST_SILENCE_S)
        self._silence = asyncio.get_running_loop().call_later(wait, self._silent)

    def _silent(self) -> None:
        self._take(self._frames.silence())

    def _take(self, requests: list[Request]) -> None:
        for request in requests:
            task = asyncio.get_running_loop().create_task(
                self._answer(request, self._clock_ms()), name=f"{self._bus.line} unit {request.unit}"
            )
            self._tasks.add(task)
            task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (err := task.exception()) is not None:
            # A fault of the simulator itself: say it loudly, the loop's handler ends the run.
            asyncio.get_running_loop().call_exception_handler(
                {"message": "serial reply failed", "exception": err}
            )

    async def _answer(self, request: Request, t0: int) -> None:
        # The request came as one burst; on a real pair it would have taken this long, and then the gap.
        await asyncio.sleep(request.size * self._char_s + self._gap_s + self._turnaround)
        outgoing = self._bus.receive(request, self._frames, t0)
        if outgoing.delay > 0:
            await asyncio.sleep(outgoing.delay)
        delivered = outgoing.data is None or await self._send(outgoing.data)
        self._bus.sent(outgoing, delivered=delivered)

    async def _send(self, data: bytes) -> bool:
        """Send with byte times; return False where nobody reads and the port is full."""
        loop = asyncio.get_running_loop()
        burst = max(1, int(BURST_S / self._char_s))
        async with self._wire:
            start = loop.time()
            for place in range(0, len(data), burst):
                part = data[place : place + burst]
                # A character is there when its last bit is.
                await asyncio.sleep(max(0.0, start + (place + len(part)) * self._char_s - loop.time()))
                try:
                    if os.write(self._master, part) != len(part):
                        return False
                except BlockingIOError:
                    return False
        return True
