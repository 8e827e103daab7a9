"""What came of an exchange becomes samples and alarm edges; what is bad is said when it begins, then now and then."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from drivers.api import Happening, Reading
from drivers.lines import Reply
from gateway.polling.around import Recorder, Surroundings
from gateway.polling.polled import Polled, Work
from gateway.polling.report import Reporter
from gateway.polling.signals import signals_key
from gateway.polling.told import Told, plain
from messages.types import ClockState, Lane, Quality


@dataclass(slots=True, eq=False)
class Teller:
    """Tells the recorder of one line's readings; nothing waits here but the journal's word on an alarm edge."""

    recorder: Recorder
    around: Surroundings

    async def take(self, work: Work, reply: Reply) -> None:
        """Tell what a reply says."""
        device = work.device
        readings = device.driver.decode(work.transaction, reply.payload)
        work.bad, work.busy, work.damaged, work.heard = None, 0, False, True
        firmware = device.config.profile.firmware
        if firmware is not None and firmware in readings:
            device.lessons.says_firmware(plain(readings[firmware].value))
        clock = self.around.clock_state()
        if device.reporter is None:
            for lane, sample in device.samples(reply.at, readings, clock, self.around.config):
                self.recorder.sample(lane, sample, read=True)
        else:
            self._by_exception(device, device.reporter, readings, reply.at, clock)
        told: tuple[Happening, ...] = ()
        if device.signals.known:
            told = device.signals.hear(device.driver.happenings(work.transaction, reply.payload))
        news = device.edges.events or told or device.signals.noted
        if news and not await self.journal(device, readings, told, reply.at, clock):
            device.signals.owe(told)

    def say(self, work: Work, quality: Quality) -> None:
        """Tell that nobody knows these points and why, unless that was told lately."""
        if not work.must_say(quality, self.around.monotonic()):
            return
        device, at, clock = work.device, self.around.clock(), self.around.clock_state()
        unknown = dict.fromkeys(work.transaction.points, Reading(None, quality))
        settled = device.reporter.sent(unknown, self.around.monotonic()) if device.reporter else None
        for lane, sample in device.samples(at, unknown, clock, self.around.config):
            # Of points with a rule none is in the billing lane: the other sample settles them.
            mine = settled if lane is Lane.TELEMETRY else None
            self.recorder.sample(lane, sample, read=False, settled=mine)

    def _by_exception(
        self,
        device: Polled,
        reporter: Reporter,
        readings: Mapping[str, Reading],
        at: datetime,
        clock: ClockState,
    ) -> None:
        now = self.around.monotonic()
        told = reporter.wanted(readings, now)
        settled = reporter.sent(told, now)
        for lane, sample in device.samples(at, told, clock, self.around.config):
            mine = settled if lane is Lane.TELEMETRY else None
            self.recorder.sample(lane, sample, read=True, settled=mine)

    async def tidy(self, device: Told) -> None:
        """End the alarms of a device that its profile no longer knows."""
        changes, ends = device.edges.orphans(), device.signals.orphans()
        if not changes and not ends:
            return
        ends = (*device.signals.hear(()), *ends)  # what is still owed goes with it
        at, clock = self.around.clock(), self.around.clock_state()
        state = {edge_key(device.id): device.edges.after(changes)} if changes else {}
        if ends:
            state[signals_key(device.id)] = device.signals.after(ends)
        if await self.recorder.events(
            device.events(changes, at, clock) + device.said(ends, at, clock), state
        ):
            device.edges.commit(changes)
            device.signals.commit(ends)

    async def journal(
        self,
        device: Told,
        readings: Mapping[str, Reading],
        told: Sequence[Happening],
        at: datetime,
        clock: ClockState,
    ) -> bool:
        """Journal the alarm edges that follow from readings and what the device says itself, each with its state.

        False where nobody keeps them: edges come again by themselves, what was said does not.
        """
        changes = device.edges.see(readings, self.around.monotonic())
        heard = bool(told) or device.signals.noted
        if not changes and not heard:
            return True
        state = {}
        if changes:
            state[edge_key(device.id)] = device.edges.after(changes)
        if heard:
            state[signals_key(device.id)] = device.signals.after(told)
        said = device.said(told, at, clock)
        quiet = {event for event, news in zip(said, device.signals.concerns(told), strict=True) if not news}
        if not await self.recorder.events(device.events(changes, at, clock) + said, state, quiet):
            return False
        device.edges.commit(changes)
        if heard:
            device.signals.commit(told)
        return True


def edge_key(device: str) -> str:
    """Return the journal's key for the alarm state of a device."""
    return f"edges/{device}"
