"""What becomes of one message: the journal first, the answer after it.

A sender that gets no answer sends again. So nothing is answered that could still be lost, and what comes again is
known by its number and not told twice.
"""

import asyncio
import hashlib
import logging
import re
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from drivers.api import Heard, Reading
from gateway import faults
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
_NUMBER = re.compile(r"\b(?:[0-9A-F]{2,}|[0-9]+)\b")
_REFUSED = frozenset({"unknown_source", "not_kept"})


Lately = dict[str, dict[bytes, "list[asyncio.Future[bool]] | None"]]
"""By device, the marks of messages, and of each whether its readings are kept; None for one that is only owed."""


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
    lately: Lately = field(default_factory=dict)
    """Of each device the messages that were kept; they go with it from line to line."""
    _keeping: set["asyncio.Task[str]"] = field(default_factory=set)
    _strangers: dict[str, None] = field(default_factory=dict)
    _wrong: dict[str, None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._teller = Teller(self.recorder, self.around)

    async def end(self) -> None:
        """Wait for what is on its way into the journal, though the peers that said it are gone."""
        if self._keeping:
            await asyncio.wait(self._keeping)

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
        return await asyncio.shield(
            self._kept_together(self._keep(device, heard), f"a message of {device.id}")
        )

    async def _keep(self, device: Attended, heard: Heard) -> str:
        mark = self._mark(heard)
        async with device.turn:  # it may speak on several connections at once
            lately = self.lately.setdefault(device.id, {})
            known = lately.get(mark)
            told = known is not None or await self._tell(
                device, heard, owed=mark in lately, marked=bool(mark)
            )
            kept = known
            if told and (kept is None or any(done.done() and not done.result() for done in kept)):
                kept = self._samples(device, heard)
            if mark:
                lately[mark] = kept
                while len(lately) > MOST_LATELY:
                    del lately[next(iter(lately))]
            if kept is None:
                return "not_kept"
        # Samples may wait for the disk: an alarm behind them has its turn meanwhile.
        if not await _all(kept, SAMPLES_WITHIN_S):
            return "not_kept"
        return "ok" if known is None else "repeated"

    async def watch(self, every: float) -> None:
        """See now and then who has fallen silent, and journal what is still owed; until cancelled."""
        while True:
            await asyncio.sleep(every)
            with faults.contained("line", self.line, "its silences"):
                self.look()
                for device in self.devices.values():
                    if device.signals.owed and not device.turn.locked():
                        self._kept_together(self._remind(device), f"what is owed to {device.id}")

    async def _remind(self, device: Attended) -> str:
        async with device.turn:
            at, clock = self.around.clock(), self.around.clock_state()
            await self._teller.journal(device, {}, device.signals.hear(()), at, clock)
        return ""

    def _kept_together(self, work: Coroutine[None, None, str], name: str) -> "asyncio.Task[str]":
        """Let what goes into the journal and what is known of it afterwards stay together, whatever ends meanwhile."""
        keeping = asyncio.create_task(work, name=name)
        self._keeping.add(keeping)
        keeping.add_done_callback(self._keeping.discard)
        return keeping

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

    async def _tell(self, device: Attended, heard: Heard, *, owed: bool, marked: bool) -> bool:
        """Journal what happened, and the edges that follow from the readings; False where nobody keeps it.

        `owed` says that what happened is among the debts already. Who hears no answer does not say it again, and not
        all who hear a bad one do: what is known when it comes again is owed too.
        """
        at, clock = self.around.clock(), self.around.clock_state()
        debts = device.signals.owed
        told = device.signals.hear(() if owed else heard.happenings)
        if await self._teller.journal(device, heard.readings, told, at, clock):
            return True
        known = marked or not (heard.reply or heard.refuse)
        news = (happening for happening in told[len(debts) :] if known or happening.number)
        device.signals.owe((*debts, *news))
        return False

    def _samples(self, device: Attended, heard: Heard) -> "list[asyncio.Future[bool]]":
        """Hand readings to the recorder; each future says in time whether they are kept."""
        at, clock, loop = self.around.clock(), self.around.clock_state(), asyncio.get_running_loop()
        kept: list[asyncio.Future[bool]] = []
        for lane, sample in device.samples(at, heard.readings, clock, self.around.config):
            done: asyncio.Future[bool] = loop.create_future()
            self.recorder.sample(lane, sample, read=True, settled=lambda ok, done=done: _settle(done, ok))  # type: ignore[misc]
            kept.append(done)
        return kept

    def _unknown(self, device: Attended) -> None:
        readings = {name: Reading(None, Quality.TIMEOUT) for name in device.config.profile.points}
        if readings:
            now, clock = self.around.clock(), self.around.clock_state()
            for lane, sample in device.samples(now, readings, clock, self.around.config):
                self.recorder.sample(lane, sample, read=False)

    def _say_wrong(self, why: str, peer: str) -> None:
        # Numbers of a message (a checksum, a length) make no other reason of it.
        where = f"{peer.rpartition(':')[0]} {_NUMBER.sub('#', why)}"
        if where not in self._wrong and len(self._wrong) < MOST_STRANGERS:
            self._wrong[where] = None
            log.warning(
                "line %s: what %s sent is refused: %s", self.line, printable(peer, 60), printable(why)
            )

    def say_once(self, text: str) -> None:
        """Log a trouble of this line that its peers bring to light again and again."""
        if text not in self._wrong and len(self._wrong) < MOST_STRANGERS:
            self._wrong[text] = None
            log.warning("line %s: %s", self.line, printable(text))

    def _stranger(self, source: str, peer: str) -> None:
        if source not in self._strangers and len(self._strangers) < MOST_STRANGERS:
            self._strangers[source] = None
            log.warning(
                "line %s: %s speaks from %s and no device here has that address: add it to the site file",
                self.line,
                printable(source, 80),
                printable(peer, 60),
            )


async def _all(kept: "Sequence[asyncio.Future[bool]]", seconds: float) -> bool:
    """Say whether all of it is kept within so many seconds."""
    if kept:
        await asyncio.wait(kept, timeout=seconds)
    return all(done.done() and done.result() for done in kept)


def _settle(done: "asyncio.Future[bool]", ok: bool) -> None:
    if not done.done():
        done.set_result(ok)
