"""Devices that watch over something and cannot be heard: their silence and its end are journaled, each with its time.

A heartbeat says who is silent now, and nobody hears heartbeats while server or broker are away: a fire panel that
fell silent and came back meanwhile would never be told of. So these edges go the way of every alarm, with journaled
state: a kill in between loses and doubles none.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Protocol

import msgspec

from gateway.polling.orphans import raised_in
from gateway.polling.told import Told
from messages.codec import utc_ms
from messages.types import DEVICE_SILENT, ClockState, DeviceEvent, Edge

STATE_KEY: Final = "silences"
HOLD_S: Final = 3.0  # a connection that is set up anew takes less, and is no silence
LOOK_S: Final = 1.0
# A device that comes and goes for as long as the server is away must not fill the lane of the alarms: so many ends
# are told at once, then one every so often. Its silence is told as going on until then.
ENDS_AT_ONCE: Final = 10
END_EVERY_S: Final = 600.0
MOST_WAITING: Final = 1000
SILENT, BACK, GONE = (
    "its gateway gets no answer",
    "it answers again",
    "the device was taken out of the configuration",
)


class Events(Protocol):
    """What is needed of the recorder."""

    async def events(self, events: Sequence[DeviceEvent], state: Mapping[str, bytes]) -> bool:
        """As `Recorder.events`."""


@dataclass(slots=True)
class _Watch:
    hears: bool
    since: datetime
    mono: float
    unsure: float | None = None
    """Since when nobody knows whether what was known last still holds."""
    ends: float = ENDS_AT_ONCE
    filled: float = 0.0

    def may_end(self, now: float) -> bool:
        """Take one of the ends that may be told; False where there is none."""
        self.ends = min(ENDS_AT_ONCE, self.ends + max(now - self.filled, 0.0) / END_EVERY_S)
        self.filled = now
        if self.ends < 1:
            return False
        self.ends -= 1
        return True


@dataclass(slots=True, eq=False)
class Silences:
    """Looks at who is heard, whenever that changes (`look`) and now and then; `run` journals what came of it."""

    recorder: Events
    hears: Callable[[], Iterable[tuple[str, bool | None]]]
    """Each device that is watched, and whether it answers; None while nobody knows."""
    state: bytes | None
    """As the journal had it at the start."""
    clock: Callable[[], datetime]
    clock_state: Callable[[], ClockState]
    monotonic: Callable[[], float]
    nap: Callable[[asyncio.Event, float], Awaitable[None]]
    _told: set[str] = field(init=False)
    """Whose silence stands as told, what still waits for the journal included."""
    _watches: dict[str, _Watch] = field(default_factory=dict)
    _waiting: list[DeviceEvent] = field(default_factory=list)
    _woken: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self._told = raised_in(self.state)

    def look(self) -> None:
        """Take note of who is heard now; never waits."""
        now, watched = self.monotonic(), set()
        for device, hears in self.hears():
            watched.add(device)
            if hears is not None:
                self._note(device, hears, now)
            elif (watch := self._watches.get(device)) is not None and watch.unsure is None:
                watch.unsure = now
        for device in self._told - watched:
            self._tell(device, Edge.CLEARED, self.clock(), GONE)
        for device in self._watches.keys() - watched:
            del self._watches[device]

    async def run(self) -> None:
        """Look and journal until cancelled."""
        while True:
            self._woken.clear()
            self.look()
            if not self._waiting or not await self._write():
                await self.nap(self._woken, LOOK_S)

    def _note(self, device: str, hears: bool, now: float) -> None:
        watch = self._watches.get(device)
        if watch is None:
            watch = self._watches[device] = _Watch(hears, self.clock(), now, filled=now)
        elif watch.hears is not hears:
            if hears:
                self._silent_for(device, watch, now)
            watch.hears, watch.since, watch.mono = hears, self.clock(), now
        watch.unsure = None
        if not hears:
            self._silent_for(device, watch, now)
        elif device in self._told and len(self._waiting) < MOST_WAITING and watch.may_end(now):
            self._tell(device, Edge.CLEARED, watch.since, BACK)

    def _silent_for(self, device: str, watch: _Watch, now: float) -> None:
        known_until = now if watch.unsure is None else watch.unsure
        if device not in self._told and known_until - watch.mono >= HOLD_S:
            self._tell(device, Edge.RAISED, watch.since, SILENT)

    def _tell(self, device: str, edge: Edge, at: datetime, detail: str) -> None:
        if len(self._waiting) >= MOST_WAITING:
            return  # it is seen again once there is room
        self._waiting.append(
            DeviceEvent(
                device=device,
                code=DEVICE_SILENT,
                edge=edge,
                seen_at=utc_ms(at),
                detail=detail,
                clock=self.clock_state(),
            )
        )
        (self._told.add if edge is Edge.RAISED else self._told.discard)(device)
        self._woken.set()

    async def _write(self) -> bool:
        taken, state = tuple(self._waiting), state_of(self._told)
        if not await self.recorder.events(taken, {STATE_KEY: state}):
            return False
        del self._waiting[: len(taken)]
        return True


def state_of(told: Iterable[str]) -> bytes:
    """Return what to journal beside the events that lead to it."""
    return msgspec.json.encode(sorted(told))


def guarding(heard: Iterable[tuple[Told, bool | None]]) -> Iterable[tuple[str, bool | None]]:
    """Name the devices whose silence is an alarm of its own, and whether each is heard."""
    return ((device.id, hears) for device, hears in heard if device.guards)
