"""How a tool reaches a line: one of its own, or between the polls of a running gateway."""

import random
from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple, Protocol, Self

import msgspec

from drivers.api import Exchange
from drivers.errors import Misconfigured
from drivers.lines import Frame, Reply, SerialMode, SerialSettings, TcpSettings, open_line

Tap = Callable[[Frame], None]


class Tuning(NamedTuple):
    """Other serial settings than the line's; None leaves one as it is."""

    baud: int | None = None
    parity: str | None = None
    stop_bits: int | None = None
    data_bits: int | None = None

    @property
    def any(self) -> bool:
        """True where something differs."""
        return self != Tuning()


AS_IT_IS = Tuning()


def tuning_of(mode: SerialMode | None, other: Tuning = AS_IT_IS) -> Tuning:
    """Return the settings of a device that has a mode of its own on its line; what `other` names goes over it."""
    if mode is None:
        return other
    own = Tuning(mode.baud, mode.parity, mode.stop_bits, mode.data_bits)
    return own._replace(**{name: value for name, value in other._asdict().items() if value is not None})


class Access(Protocol):
    """A line, as tools use it."""

    async def ask(
        self, exchange: Exchange, *, timeout: float, quiet: float | None = None, tuning: Tuning = AS_IT_IS
    ) -> Reply:
        """Carry one exchange; raise `DriverError` as `Line.exchange` does."""

    def tap(self, show: Tap) -> Callable[[], None]:
        """Show every chunk of bytes on the wire; return what ends it."""


class OwnLine:
    """A line that belongs to the tool alone."""

    def __init__(
        self,
        settings: TcpSettings | SerialSettings,
        *,
        clock: Callable[[], datetime],
        monotonic: Callable[[], float],
        rng: random.Random,
    ) -> None:
        self._settings = settings
        self._line = open_line(settings, clock=clock, rng=rng, monotonic=monotonic)

    async def ask(
        self, exchange: Exchange, *, timeout: float, quiet: float | None = None, tuning: Tuning = AS_IT_IS
    ) -> Reply:
        """Carry one exchange at these settings."""
        mode = mode_of(self._settings, tuning)
        return await self._line.exchange(exchange, timeout=timeout, quiet=quiet, mode=mode)

    def tap(self, show: Tap) -> Callable[[], None]:
        """Show every chunk of bytes, whatever the settings."""
        return self._line.tap(show)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._line.aclose()


def mode_of(settings: TcpSettings | SerialSettings, tuning: Tuning) -> SerialMode | None:
    """Return the serial settings to ask at, None for the line's own; raise `Misconfigured`."""
    if not tuning.any:
        return None
    if isinstance(settings, TcpSettings):
        raise Misconfigured(
            "a TCP line has no baud or parity: set them at the serial server, and leave them out here"
        )
    changes = {name: value for name, value in tuning._asdict().items() if value is not None}
    return msgspec.structs.replace(settings.mode, **changes)
