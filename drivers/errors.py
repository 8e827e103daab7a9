"""What can go wrong on a wire; the class says what the poller does next.

DriverError
├── LineDown           the wire itself is gone: reopen it, everything on it waits
├── DeviceSilent       no answer in time: back off this device, neighbours go on
├── FrameDamaged       bytes came and are not a frame: once more, now; then as silent for this cycle
├── DeviceRefused      a sound answer that says no: `.busy` try later, otherwise split or mark the point
├── ValueImplausible   a sound answer whose content cannot be: quality bad.range, go on
└── Misconfigured      a profile or a configuration that cannot work: never retried, tell the engineer
"""

from messages.types import Quality


class DriverError(Exception):
    """Root of all that a driver or a line raises on purpose; `quality` is what its points become."""

    quality = Quality.COMM


class LineDown(DriverError):
    """The port or the connection is gone; all devices on it wait until it is reopened."""

    sent = False
    """True where bytes of what was asked may have left: an order may have been carried out."""


class DeviceSilent(DriverError):
    """No answer in time from this device."""

    quality = Quality.TIMEOUT


class FrameDamaged(DriverError):
    """Bytes arrived that are no answer to what was asked: noise, truncation, a wrong checksum."""

    quality = Quality.CRC


class DeviceRefused(DriverError):
    """A sound answer that says no. `code` is the protocol's own; `busy` asks for a later try."""

    quality = Quality.REFUSED

    def __init__(self, text: str, *, code: int = 0, busy: bool = False, address: bool = False) -> None:
        super().__init__(text)
        self.code = code
        self.busy = busy
        self.address = address
        """True where the device says that it does not have what was asked for: split the block."""


class ValueImplausible(DriverError):
    """A sound frame whose content cannot be a value: NaN, BCD digits above nine, a bad length."""

    quality = Quality.RANGE


class Misconfigured(DriverError):
    """A profile, address or option that cannot work; the text names the place and the mend."""

    quality = Quality.CONFIG
