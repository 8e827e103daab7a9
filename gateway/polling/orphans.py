"""Alarms of devices that were taken out of the configuration: nobody polls them any more, so nothing could end them."""

import asyncio
import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from gateway.polling.edges import load
from gateway.polling.signals import PARTED, signals_key
from gateway.polling.teller import edge_key
from messages.codec import utc_ms
from messages.types import ClockState, DeviceEvent, Edge

log = logging.getLogger(__name__)

RETRY_S = 1.0
DETAIL = "the device was taken out of the configuration"


class Events(Protocol):
    """What is needed of the recorder."""

    async def events(self, events: Sequence[DeviceEvent], state: Mapping[str, bytes]) -> bool:
        """As `Recorder.events`."""


def raised_in(state: bytes | None) -> set[str]:
    """Return the events that a journaled state names."""
    return load({}, state).raised


@dataclass(slots=True, eq=False)
class Orphans:
    """Ends them in the journal, each together with its state, however long the disk takes nothing."""

    recorder: Events
    clock: Callable[[], datetime]
    clock_state: Callable[[], ClockState]
    settled: set[str] = field(default_factory=set)
    """Devices that went away in this life and of which nothing stands, whatever the journal's file still says."""
    _waiting: dict[str, tuple[str, ...]] = field(default_factory=dict)
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    _more: asyncio.Event = field(default_factory=asyncio.Event)

    def add(self, device: str, raised: Collection[str]) -> None:
        """Take over what stands at a device that is gone."""
        if raised:
            self.settled.discard(device)
            self._waiting[device] = tuple(sorted({*raised, *self._waiting.get(device, ())}))
            self._more.set()
        elif device not in self._waiting:
            self.settled.add(device)

    async def wanted_again(self, devices: Collection[str]) -> None:
        """Leave alone what belongs to these devices: they are polled again, and end it themselves."""
        async with self._turn:  # what is on its way to the journal is not to be begun with
            for device in devices:
                self._waiting.pop(device, None)

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            await self._more.wait()
            self._more.clear()
            for device in list(self._waiting):
                async with self._turn:
                    done = await self._settle(device)
                if not done:
                    await asyncio.sleep(RETRY_S)
                    self._more.set()

    async def _settle(self, device: str) -> bool:
        codes = self._waiting.get(device)
        if codes is None:
            return True
        log.info("%s is no longer configured: its alarms end", device)
        at, clock = utc_ms(self.clock()), self.clock_state()
        ends = [
            DeviceEvent(
                device=device,
                code=code.partition(PARTED)[0],
                edge=Edge.CLEARED,
                seen_at=at,
                detail=DETAIL,
                clock=clock,
                part=code.partition(PARTED)[2],
            )
            for code in codes
        ]
        done = await self.recorder.events(ends, {edge_key(device): b"[]", signals_key(device): b"{}"})
        if done and self._waiting.get(device) == codes:
            del self._waiting[device]
            self.settled.add(device)
        return done
