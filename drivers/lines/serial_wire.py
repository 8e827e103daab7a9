"""A serial port as a wire: configured by pyserial, driven by the event loop, opened away from it."""

import asyncio
import contextlib
import errno
import logging
import os
import termios
import threading
from typing import Any

import serial

from drivers.errors import LineDown, Misconfigured
from drivers.lines.settings import SerialMode, SerialSettings
from drivers.lines.wire import Sink
from messages.text import printable

log = logging.getLogger(__name__)

_CHUNK = 4096


class SerialWire:
    """One port, locked for us alone; each `open` looks its path up anew."""

    def __init__(self, settings: SerialSettings) -> None:
        self._settings = settings
        self.name = printable(settings.port)
        self._port: serial.Serial | None = None
        self._sink: Sink | None = None
        self._unsent = b""
        self._resting: asyncio.TimerHandle | None = None
        self._opening: asyncio.Future[serial.Serial] | None = None
        """What an attempt to open is waiting for, or was."""

    async def open(self, sink: Sink) -> None:
        """Open, lock and configure the port within `open_timeout`; raise `LineDown` saying why not."""
        # A driver that hangs in open() hangs in one thread, however often we try: its port is taken when it comes.
        opening = self._opening = self._opening or _opening(self._settings)
        try:
            async with asyncio.timeout(self._settings.open_timeout):
                port = await asyncio.shield(opening)
        except TimeoutError as err:
            # An adapter's own: a control transfer to it has timed out.
            limit = "" if opening.done() else f"the port did not open in {self._settings.open_timeout:g} s"
            why = limit or _mend(err, self._settings.mode)
            raise LineDown(f"{self.name}: {why}: re-plug the adapter") from err
        except (OSError, termios.error, ValueError, OverflowError) as err:
            raise LineDown(f"{self.name}: {_mend(err, self._settings.mode)}") from err
        finally:
            if opening.done() and opening.exception() is not None:
                self._opening = None
        self._opening = None
        self._port, self._sink, self._unsent = port, sink, b""
        asyncio.get_running_loop().add_reader(port.fileno(), self._readable)

    def write(self, data: bytes) -> None:
        """Send without waiting; what the port does not take at once follows as it drains."""
        if self._port is None:
            raise LineDown(f"{self.name}: not open")
        self._unsent = data
        try:
            self._push(self._port)
        except OSError as err:
            why = LineDown(f"{self.name}: cannot write: {printable(err.strerror or str(err))}")
            self._fail(why)
            raise why from err

    def clear_unsent(self) -> bool:
        """Throw away what has not left the port."""
        if self._port is not None and self._unsent:
            self._unsent = b""
            asyncio.get_running_loop().remove_writer(self._port.fileno())
            try:
                termios.tcflush(self._port.fileno(), termios.TCOFLUSH)
            except termios.error as err:
                self._fail(LineDown(f"{self.name}: cannot flush: {printable(str(err))}"))
        return True

    def rest(self, seconds: float) -> None:
        """Leave what comes in the kernel for so long: byte by byte it would wake us for each."""
        if self._port is None:
            return
        loop = asyncio.get_running_loop()
        if self._resting is not None:
            self._resting.cancel()
            self._resting = None
        if seconds > 0:
            loop.remove_reader(self._port.fileno())
            self._resting = loop.call_later(seconds, self.rest, 0.0)
        else:
            loop.add_reader(self._port.fileno(), self._readable)
            # At once: a deadline that passes in this very turn of the loop must find what has come. Where nothing has,
            # a read would look like a hang-up, and a port that has gone is found out by the reader.
            with contextlib.suppress(OSError):
                if self._port.in_waiting:
                    self._readable()

    def tune(self, mode: SerialMode | None) -> None:
        """Change to another mode, None for its own; raise `Misconfigured` where the port refuses."""
        if self._port is None:
            raise LineDown(f"{self.name}: not open")
        wanted = mode or self._settings.mode
        before = self._port.get_settings()
        try:
            self._port.apply_settings(before | _port_settings(wanted))
        except (OSError, termios.error, ValueError, OverflowError) as err:
            self._restore(self._port, before)
            raise Misconfigured(f"{self.name}: {_mend(err, wanted)}") from err

    def _restore(self, port: serial.Serial, settings: dict[str, Any]) -> None:
        try:
            port.apply_settings(settings)
        except (OSError, termios.error, ValueError, OverflowError) as err:
            why = LineDown(f"{self.name}: the port is gone: {printable(str(err))}")
            self._fail(why)
            raise why from err

    def close(self) -> None:
        """Give the port back at once."""
        if self._opening is not None:
            self._opening.add_done_callback(_give_back)
            self._opening = None
        port, self._port, self._sink, self._unsent = self._port, None, None, b""
        if port is None:
            return
        loop = asyncio.get_running_loop()
        if self._resting is not None:
            self._resting.cancel()
            self._resting = None
        loop.remove_reader(port.fileno())
        loop.remove_writer(port.fileno())
        _close(port)

    async def closed(self) -> None:
        """Nothing is left to wait for: `close` gave everything back."""

    def _push(self, port: serial.Serial) -> None:
        loop = asyncio.get_running_loop()
        with contextlib.suppress(BlockingIOError, InterruptedError):
            self._unsent = self._unsent[os.write(port.fileno(), self._unsent) :]
        if self._unsent:
            loop.add_writer(port.fileno(), self._writable)
        else:
            loop.remove_writer(port.fileno())

    def _writable(self) -> None:
        if self._port is not None:
            try:
                self._push(self._port)
            except OSError as err:
                self._fail(LineDown(f"{self.name}: cannot write: {printable(err.strerror or str(err))}"))

    def _readable(self) -> None:
        if self._port is None:
            return
        try:
            data = os.read(self._port.fileno(), _CHUNK)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as err:
            self._fail(LineDown(f"{self.name}: the port is gone: {printable(err.strerror or str(err))}"))
            return
        if not data:
            self._fail(LineDown(f"{self.name}: the port hung up: is the adapter still plugged in?"))
        elif self._sink is not None:
            self._sink.received(data)

    def _fail(self, why: LineDown) -> None:
        sink = self._sink
        self.close()
        if sink is not None:
            sink.lost(why)


def _opening(settings: SerialSettings) -> "asyncio.Future[serial.Serial]":
    """Open in a thread that nobody waits for at exit: a driver may block in open() for as long as it likes."""
    loop = asyncio.get_running_loop()
    result: asyncio.Future[serial.Serial] = loop.create_future()

    def deliver(port: serial.Serial | None, error: Exception | None) -> None:
        if port is not None:
            result.set_result(port)
        elif error is not None:
            result.set_exception(error)

    def work() -> None:
        port, error = None, None
        try:
            port = _open(settings)
        except Exception as err:  # noqa: BLE001 - handed to whoever waits: nobody else would learn of it
            error = err
        try:
            loop.call_soon_threadsafe(deliver, port, error)
        except RuntimeError:  # the loop has closed while the port was opening
            if port is not None:
                _close(port)

    threading.Thread(target=work, name=f"open {settings.port}", daemon=True).start()
    return result


def _give_back(opened: "asyncio.Future[serial.Serial]") -> None:
    """Close a port that opened when nobody wanted it any more."""
    if not opened.cancelled() and opened.exception() is None:
        _close(opened.result())


def _open(settings: SerialSettings) -> serial.Serial:
    return serial.Serial(
        settings.port,
        baudrate=settings.baud,
        bytesize=settings.data_bits,
        parity=settings.parity,
        stopbits=settings.stop_bits,
        timeout=0,
        write_timeout=0,
        exclusive=True,
    )


def _port_settings(mode: SerialMode) -> dict[str, Any]:
    return {
        "baudrate": mode.baud,
        "bytesize": mode.data_bits,
        "parity": mode.parity,
        "stopbits": mode.stop_bits,
    }


def _close(port: serial.Serial) -> None:
    # Closing waits for unsent bytes, up to 30 s with some drivers; a port that vanished refuses the flush.
    try:
        termios.tcflush(port.fileno(), termios.TCIOFLUSH)
    except (termios.error, OSError) as err:
        log.debug("flush before close: %s", err)
    try:
        port.close()
    except OSError as err:
        log.debug("close: %s", err)


def _mend(err: Exception, mode: SerialMode) -> str:
    code = err.args[0] if err.args and isinstance(err.args[0], int) else None
    if code == errno.ENOENT:
        return "no such port: is the adapter plugged in? List /dev/serial/by-id and give that path"
    if code in (errno.EACCES, errno.EPERM):
        return "no permission: add the user of this program to the group that owns the port, mostly dialout"
    if code in (errno.EAGAIN, errno.EBUSY):
        return "in use by another program: stop it, or give each program its own port"
    if code == errno.EINVAL:
        odd = [f"parity {mode.parity}"] if mode.parity != "N" else []
        odd += [f"data_bits {mode.data_bits}"] if mode.data_bits != 8 else []
        odd += [f"baud {mode.baud}"] if not odd else []
        return (
            f"the port refuses {' and '.join(odd)}: a pseudo-terminal takes only parity N with data_bits 8, "
            "a real adapter takes what its data sheet says; change these settings of the line or the device"
        )
    return f"cannot open: {printable(str(err))}"
