"""How a tool reaches a line: one of its own, or between the polls of a running gateway."""

import asyncio
import random
from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple, Protocol, Self

import msgspec

from drivers.api import Exchange
from drivers.errors import Misconfigured
from drivers.lines import Frame, Line, Reply, SerialSettings, TcpSettings, open_line

Tap = Callable[[Frame], None]


class Tuning(NamedTuple):
    """Other serial settings than the line's; None leaves one as it is."""

    baud: int | None = None
    parity: str | None = None
    stop_bits: int | None = None

    @property
    def any(self) -> bool:
        """True where something differs."""
        return self != Tuning()


AS_IT_IS = Tuning()


class Access(Protocol):
    """A line, as tools use it."""

    async def ask(
        self, exchange: Exchange, *, timeout: float, quiet: float | None = None, tuning: Tuning = AS_IT_IS
    ) -> Reply:
        """Carry one exchange; raise `DriverError` as `Line.exchange` does."""

    def tap(self, show: Tap) -> Callable[[], None]:
        """Show every chunk of bytes on the wire; return what ends it."""


class OwnLine:
    """A line that belongs to the tool alone, opened anew for other settings."""

    def __init__(
        self,
        settings: TcpSettings | SerialSettings,
        *,
        clock: Callable[[], datetime],
        monotonic: Callable[[], float],
        rng: random.Random,
    ) -> None:
        self._settings = settings
        self._clock, self._monotonic, self._rng = clock, monotonic, rng
        self._tuning = AS_IT_IS
        self._line: Line | None = None
        self._taps: list[Tap] = []
        self._turn = asyncio.Lock()

    async def ask(
        self, exchange: Exchange, *, timeout: float, quiet: float | None = None, tuning: Tuning = AS_IT_IS
    ) -> Reply:
        """Carry one exchange at these settings."""
        async with self._turn:
            line = await self._tuned(tuning)
            return await line.exchange(exchange, timeout=timeout, quiet=quiet)

    def tap(self, show: Tap) -> Callable[[], None]:
        """Show every chunk of bytes, whatever the settings."""
        self._taps.append(show)

        def untap() -> None:
            self._taps.remove(show)

        return untap

    async def aclose(self) -> None:
        """Close the wire."""
        line, self._line = self._line, None
        if line is not None:
            await line.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def _tuned(self, tuning: Tuning) -> Line:
        if self._line is not None and tuning == self._tuning:
            return self._line
        settings = tuned(self._settings, tuning)
        await self.aclose()
        self._line = open_line(settings, clock=self._clock, rng=self._rng, monotonic=self._monotonic)
        self._line.tap(self._show)
        self._tuning = tuning
        return self._line

    def _show(self, frame: Frame) -> None:
        for show in tuple(self._taps):
            show(frame)


def tuned(settings: TcpSettings | SerialSettings, tuning: Tuning) -> TcpSettings | SerialSettings:
    """Return settings with some of them changed; raise `Misconfigured`."""
    if not tuning.any:
        return settings
    if isinstance(settings, TcpSettings):
        raise Misconfigured(
            "a TCP line has no baud or parity: set them at the serial server, and leave them out here"
        )
    changes = {name: value for name, value in tuning._asdict().items() if value is not None}
    return msgspec.structs.replace(settings, **changes)
