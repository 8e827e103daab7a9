"""What a line's poller is given: its wire, where readings go, what is counted, and time."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from random import Random
from typing import Protocol

from drivers.api import Exchange, Timing
from drivers.errors import (
    DeviceRefused,
    DeviceSilent,
    DriverError,
    FrameDamaged,
    LineDown,
    Misconfigured,
    ValueImplausible,
)
from drivers.lines import Reply, SerialMode, Stats
from gateway.polling.snapshots import Snapshots
from gateway.polling.timeouts import FLOOR_S
from messages.types import ClockState, DeviceEvent, Lane, Sample


class Wire(Protocol):
    """A line, as the poller uses it."""

    stats: Stats

    @property
    def owing(self) -> bool:
        """Whether a late answer may still come."""

    def clear_at(self, exchange: Exchange, *, repeat: bool = False) -> float:
        """Return the monotonic time from which this exchange need not wait for another's late answer."""

    async def exchange(
        self,
        exchange: Exchange,
        *,
        timeout: float,
        quiet: float | None = None,
        limit: float | None = None,
        mode: SerialMode | None = None,
        repeat: bool = False,
        living: bool = False,
    ) -> Reply:
        """Carry one exchange; raise `LineDown`, `DeviceSilent`, `FrameDamaged`, `DeviceRefused` or `Misconfigured`."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What holds for one line: what its time is reckoned with, and what may be asked of it."""

    timing: Timing = field(default_factory=Timing)
    longest: float | None = None
    """No read lasts longer than this, as far as its points can be parted: fire waits for one at most."""
    floor: float = FLOOR_S
    """The shortest time-out that is measured."""
    adds_wire_time: bool = True
    """Whether the wire itself adds the time of the bytes to a time-out."""
    snapshots: Snapshots | None = None
    phase: float = 0.0
    """By which part of their periods its polls come earlier the second time, so that lines do not poll in step."""
    stride: float = 0.0
    """Into steps of which part of their periods its polls fall, so that lines poll some at a time; 0 for no steps."""


class Recorder(Protocol):
    """Where samples and events go on their way into the journal."""

    def sample(
        self, lane: Lane, sample: Sample, *, read: bool, settled: Callable[[bool], None] | None = None
    ) -> None:
        """Take a sample; never waits. `read` says that it came off the wire, and is not our word that nothing did.

        `settled` is called once: True when the journal has it, False when it was dropped.
        """

    async def events(
        self, events: Sequence[DeviceEvent], state: Mapping[str, bytes], quiet: Collection[DeviceEvent] = ()
    ) -> bool:
        """Journal alarm edges together with the state they lead to; False if they are not kept: propose them again.

        Those in `quiet` are kept as the others, and not worth a line of the log.
        """


class Meters(Protocol):
    """What is counted on a line."""

    def transaction(self, line: str, result: str, seconds: float) -> None:
        """Count an exchange and how long it took."""

    def device_up(self, device: str, up: bool) -> None:
        """Note that a device answers or is silent."""

    def overran(self, line: str, periods: int) -> None:
        """Count polls that were left out because their time had passed."""


@dataclass(slots=True)
class Surroundings:
    """What is handed in from outside: time, chance, and a nap that ends at the event or after some seconds."""

    clock: Callable[[], datetime]
    clock_state: Callable[[], ClockState]
    monotonic: Callable[[], float]
    random: Random
    nap: Callable[[asyncio.Event, float], Awaitable[None]]
    config: str = ""
    """The hash of the configuration that runs; billing samples carry it."""


async def nap(event: asyncio.Event, seconds: float) -> None:
    """Wait for the event, but no longer than that: then it is set as well."""
    timer = asyncio.get_running_loop().call_later(seconds, event.set)
    try:
        await event.wait()
    finally:
        timer.cancel()


# Under which name an exchange is counted that ended so.
RESULTS: Mapping[type[DriverError], str] = {
    LineDown: "line_down",
    DeviceSilent: "silent",
    FrameDamaged: "damaged",
    DeviceRefused: "refused",
    ValueImplausible: "implausible",
    Misconfigured: "misconfigured",
}
