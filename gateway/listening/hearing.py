"""What becomes of one message: the journal first, the answer after it.

A sender that gets no answer sends again. So nothing is answered that could still be lost, and what comes again is
known by its number and not told twice.
"""

import asyncio
import hashlib
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from drivers.api import Heard, Reading
from gateway.listening.attended import Attended
from gateway.listening.taps import Taken, Taps
from gateway.polling.around import Recorder, Surroundings
from gateway.polling.teller import Teller
from messages.text import printable
from messages.types import Quality

log = logging.getLogger(__name__)

SAMPLES_WITHIN_S = 3.0  # telemetry that the disk does not take may not hold up the alarm behind it
MOST_LATELY = 64
MOST_STRANGERS = 100
_REFUSED = frozenset({"unknown_source", "not_kept"})


class Meters(Protocol):
    """What is counted on a listening line."""

    def device_up(self, device: str, up: bool) -> None:
        """Note that a device is heard or silent."""

    def message(self, line: str, result: str) -> None:
        """Count a message and what became of it."""


@dataclass(slots=True, eq=False)
class Hearing:
    """Takes the messages of one line's devices, whoever carries them."""

    line: str
    devices: Mapping[str, Attended]
    """By how they name themselves."""
    recorder: Recorder
    around: Surroundings
    meters: Meters
    changed: Callable[[], None] = lambda: None
    taps: Taps = field(default_factory=Taps)
    _teller: Teller = field(init=False)
    _lately: dict[str, dict[bytes, None]] = field(default_factory=dict)
    _strangers: dict[str, None] = field(default_factory=dict)
    _wrong: dict[str, None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._teller = Teller(self.recorder, self.around)

    async def begin(self) -> None:
        """End the alarms that these devices' profiles no longer know."""
        for device in self.devices.values():
            await self._teller.tidy(device)

    async def take(self, heard: Heard, peer: str) -> bytes:
        """Journal a message; return what the peer is told now, which may be nothing."""
        device = self.devices.get(heard.source)
        result = await self._take(device, heard, peer)
        self.meters.message(self.line, result)
        if device is not None:
            device.note(heard, result, self.around.clock())
        if heard.spoke or heard.happenings:
            name = device.id if device is not None else ""
            taken = Taken(peer, name, heard, result, self.around.monotonic(), self.around.clock())
            self.taps.taken(taken)
        return heard.refuse if result in _REFUSED else heard.reply

    async def _take(self, device: Attended | None, heard: Heard, peer: str) -> str:
        if not heard.source:
            if heard.wrong:
                self._say_wrong(heard.label, peer)
            return "refused" if heard.wrong else "link"
        if device is None:
            self._stranger(heard.source, peer)
            return "unknown_source"
        if heard.spoke:
            self._there(device, peer)
        async with device.turn:  # it may speak on several connections at once
            return await self._keep(device, heard)

    async def _keep(self, device: Attended, heard: Heard) -> str:
        mark = self._mark(heard)
        lately = self._lately.setdefault(device.id, {})
        if mark in lately:
            return "repeated"
        if not await self._journal(device, heard):
            return "not_kept"
        if mark:
            lately[mark] = None
            while len(lately) > MOST_LATELY:
                del lately[next(iter(lately))]
        return "ok"

    def look(self) -> None:
        """See who has fallen silent; called now and then."""
        now = self.around.monotonic()
        fell = [device for device in self.devices.values() if device.look(now)]
        for device in fell:
            log.warning("%s: not heard for %.0f s", device.id, device.within or 0.0)
            self.meters.device_up(device.id, False)
            self._unknown(device)
        if fell:
            self.changed()

    def _there(self, device: Attended, peer: str) -> None:
        if device.speaks(self.around.monotonic(), peer):
            log.info("%s is heard, from %s", device.id, printable(peer, 60))
            self.meters.device_up(device.id, True)
            self.changed()

    def _mark(self, heard: Heard) -> bytes:
        return hashlib.sha256(heard.number.encode() + b"\0" + heard.raw).digest() if heard.number else b""

    async def _journal(self, device: Attended, heard: Heard) -> bool:
        at, clock = self.around.clock(), self.around.clock_state()
        told = device.signals.hear(heard.happenings)
        if not await self._teller.journal(device, heard.readings, told, at, clock):
            return False
        if not heard.readings:
            return True
        loop = asyncio.get_running_loop()
        kept: list[asyncio.Future[bool]] = []
        for lane, sample in device.samples(at, heard.readings, clock, self.around.config):
            done: asyncio.Future[bool] = loop.create_future()
            self.recorder.sample(lane, sample, read=True, settled=lambda ok, done=done: _settle(done, ok))  # type: ignore[misc]
            kept.append(done)
        waiting = (await asyncio.wait(kept, timeout=SAMPLES_WITHIN_S))[1]
        return not waiting and all(done.result() for done in kept)

    def _unknown(self, device: Attended) -> None:
        readings = {name: Reading(None, Quality.TIMEOUT) for name in device.config.profile.points}
        if readings:
            now, clock = self.around.clock(), self.around.clock_state()
            for lane, sample in device.samples(now, readings, clock, self.around.config):
                self.recorder.sample(lane, sample, read=False)

    def _say_wrong(self, why: str, peer: str) -> None:
        where = f"{peer.rpartition(':')[0]} {why}"
        if where not in self._wrong and len(self._wrong) < MOST_STRANGERS:
            self._wrong[where] = None
            log.warning(
                "line %s: what %s sent is refused: %s", self.line, printable(peer, 60), printable(why)
            )

    def _stranger(self, source: str, peer: str) -> None:
        if source not in self._strangers and len(self._strangers) < MOST_STRANGERS:
            self._strangers[source] = None
            log.warning(
                "line %s: %s speaks from %s and no device here has that address: add it to the site file",
                self.line,
                printable(source, 80),
                printable(peer, 60),
            )


def _settle(done: "asyncio.Future[bool]", ok: bool) -> None:
    if not done.done():
        done.set_result(ok)
