"""What an engineer says about a wire; checked when it is built, so that no wire starts with nonsense."""

from enum import StrEnum
from typing import Literal

import msgspec

from drivers.errors import Misconfigured


class Echo(StrEnum):
    """Whether the wire hands our own requests back to us, as two-wire adapters without muting do."""

    AUTO = "auto"
    YES = "yes"
    NO = "no"


class TcpSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One TCP endpoint: a device, or a serial server with a bus behind it."""

    host: str
    port: int
    connect_timeout: float = 3.0
    late_guard: float | None = None
    """How long after a request its answer may still come; None: twice the time-out, and at least 0.5 s more."""
    echo: Echo = Echo.AUTO
    reopen_after: float = 10.0
    """Connect anew when no device answers any more and no byte has come for so long: the far end may hang."""

    def __post_init__(self) -> None:
        if not self.host or not self.host.isprintable() or " " in self.host:
            raise Misconfigured(
                f"host: {self.host!r} is no host name or address: write it as name or 10.0.0.7"
            )
        if not 1 <= self.port <= 65535:
            raise Misconfigured(f"port: {self.port} is no TCP port: give 1 to 65535, Modbus devices use 502")
        _check_positive("connect_timeout", self.connect_timeout)
        _check_positive("late_guard", self.late_guard)
        _check_positive("reopen_after", self.reopen_after)


class SerialMode(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How characters are sent on a serial line; a device may need another mode than its neighbours."""

    baud: int = 9600
    parity: Literal["N", "E", "O"] = "N"
    data_bits: Literal[7, 8] = 8
    stop_bits: Literal[1, 2] = 1

    def __post_init__(self) -> None:
        if not 50 <= self.baud <= 4_000_000:
            raise Misconfigured(f"baud: {self.baud} cannot be: give the device's rate, mostly 9600 or 19200")
        if self.parity not in ("N", "E", "O"):
            raise Misconfigured(f"parity: {self.parity!r} is unknown: write N, E or O")
        if self.data_bits not in (7, 8) or self.stop_bits not in (1, 2):
            raise Misconfigured("data_bits must be 7 or 8 and stop_bits 1 or 2")

    def __str__(self) -> str:
        return f"{self.baud} {self.data_bits}{self.parity}{self.stop_bits}"

    @property
    def byte_time(self) -> float:
        """Seconds that one character takes on the wire, start and stop bits with it."""
        bits = 1 + self.data_bits + (self.parity != "N") + self.stop_bits
        return bits / self.baud

    @property
    def silence(self) -> float:
        """Seconds of silence that part two frames: 3.5 characters, fixed at 1.75 ms above 19200 baud."""
        return 0.00175 if self.baud > 19200 else 3.5 * self.byte_time


class SerialSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One serial port; prefer a path under /dev/serial/by-id, which survives re-plugging."""

    port: str
    baud: int = 9600
    parity: Literal["N", "E", "O"] = "N"
    data_bits: Literal[7, 8] = 8
    stop_bits: Literal[1, 2] = 1
    echo: Echo = Echo.AUTO
    late_guard: float | None = None
    """How long after a request its answer may still come; None: twice the time-out, and at least 0.5 s more."""
    open_timeout: float = 3.0
    reopen_after: float = 60.0
    """Open the port anew when no device answers any more and no byte has come for so long: adapters do hang."""

    def __post_init__(self) -> None:
        if not self.port or "\0" in self.port:
            raise Misconfigured("port: empty: give the path of the port, such as /dev/serial/by-id/usb-...")
        _ = self.mode  # checks it
        _check_positive("open_timeout", self.open_timeout)
        _check_positive("late_guard", self.late_guard)
        _check_positive("reopen_after", self.reopen_after)

    @property
    def mode(self) -> SerialMode:
        """How characters are sent where a device needs nothing else."""
        return SerialMode(self.baud, self.parity, self.data_bits, self.stop_bits)

    @property
    def byte_time(self) -> float:
        """Seconds that one character takes on the wire, start and stop bits with it."""
        return self.mode.byte_time

    @property
    def silence(self) -> float:
        """Seconds of silence that part two frames."""
        return self.mode.silence


def _check_positive(name: str, value: float | None) -> None:
    if value is not None and not 0 < value <= 600:
        raise Misconfigured(f"{name}: {value} s cannot be: give more than 0 and at most 600 seconds")
