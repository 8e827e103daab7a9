"""One line's loop: it alone decides what goes onto the wire next, and the error's class says what then.

Orders (commands) come before polls, polls in the order of `gateway.schedule`. Nothing waits on the wire but an
exchange: what was read is handed to the recorder, which journals it; only alarm edges are journaled here and now.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from drivers.api import CommandPlan, Reading, Transaction
from drivers.errors import (
    DeviceRefused,
    DeviceSilent,
    DriverError,
    FrameDamaged,
    LineDown,
    Misconfigured,
    ValueImplausible,
)
from drivers.lines import Reply
from gateway.around import Meters, Recorder, Surroundings, Wire
from gateway.backoff import Health
from gateway.orders import CommandRun, Order, carry_out
from gateway.polled import Polled, Work, cheapest
from gateway.schedule import PROBE_RANK, RANKS, Job, Schedule
from messages.text import printable
from messages.types import ClockState, Quality

log = logging.getLogger(__name__)

# A refusal of this quality is spoken by a bridge for a device that it cannot reach: the device itself is silent.
ABSENT = frozenset({Quality.COMM, Quality.TIMEOUT})
BUSY_RETRY_S = 0.5
BUSY_IS_BAD_AFTER = 3
LONGEST_REOPEN_S = 5.0
LONGEST_NAP_S = 3600.0


@dataclass(slots=True, eq=False)
class Poller:
    """Polls the devices of one line until `stop`; `run` ends with the exchange in flight."""

    line: str
    wire: Wire
    devices: Sequence[Polled]
    recorder: Recorder
    meters: Meters
    around: Surroundings
    changed: Callable[[], None] = lambda: None
    """Called when a device or the line falls silent or comes back: a heartbeat is worth sending."""
    up: bool = True
    schedule: Schedule[Work] = field(default_factory=Schedule[Work])
    _orders: deque[Order] = field(default_factory=deque)
    _wake: asyncio.Event = field(default_factory=asyncio.Event)
    _stopping: bool = False
    _overruns: int = 0
    _reopen: Health = field(init=False)
    _reopen_at: float = 0.0
    _turn: int = 0

    def __post_init__(self) -> None:
        self._reopen = Health(self.around.random, LONGEST_REOPEN_S)
        now = self.around.monotonic()
        for device in self.devices:
            self._plan(device, now)

    @property
    def silent(self) -> tuple[str, ...]:
        """Devices that do not answer; all of them while the line is down."""
        return tuple(device.id for device in self.devices if device.health.silent or not self.up)

    def stop(self) -> None:
        """Ask `run` to return after the exchange in flight."""
        self._stopping = True
        self._wake.set()

    async def command(self, device: str, plan: CommandPlan, until: datetime) -> CommandRun:
        """Carry out a command as one undivided piece, before any poll that has not begun."""
        found = next(known for known in self.devices if known.id == device)
        order = Order(found, plan, until, asyncio.get_running_loop().create_future())
        if self._stopping:
            return CommandRun.not_run("the gateway is stopping")
        self._orders.append(order)
        self._wake.set()
        return await order.done

    async def run(self) -> None:
        """Work until `stop`."""
        try:
            for device in self.devices:
                await self._tidy(device)
            while not self._stopping:
                await self._step()
        finally:
            for order in self._orders:
                order.settle(CommandRun.not_run("the gateway stopped before it was sent"))
            self._orders.clear()

    async def _step(self) -> None:
        self._wake.clear()
        if self._orders:
            await self._order(self._orders.popleft())
            return
        now = self.around.monotonic()
        if not self.up and now >= self._reopen_at:
            await self._try_line()
            return
        job = self.schedule.next(now)
        if job is None:
            waits = [LONGEST_NAP_S, self.schedule.wait(now), None if self.up else self._reopen_at - now]
            await self.around.nap(self._wake, min(wait for wait in waits if wait is not None))
            return
        later = await self._do(job)
        if later is not None:
            self.schedule.at(job, later)
            return
        self.schedule.done(job, began=now, ended=self.around.monotonic())
        if self.schedule.overruns > self._overruns:
            self.meters.overran(self.line, self.schedule.overruns - self._overruns)
            self._overruns = self.schedule.overruns

    # -- what is due --------------------------------------------------------------------------------------

    def _plan(
        self, device: Polled, now: float, bad: Mapping[str, tuple[Quality, float]] | None = None
    ) -> None:
        for job in self.schedule:
            if job.what.device is device:
                self.schedule.remove(job)
        for work in device.works():
            for point in work.transaction.points:
                if bad and point in bad:
                    work.bad, work.said = bad[point]
            self.schedule.add(work, rank=RANKS[work.poll], period=work.period, due=now)

    def _jobs(self, device: Polled) -> list[Job[Work]]:
        return [job for job in self.schedule if job.what.device is device and not job.probe]

    async def _do(self, job: Job[Work]) -> float | None:
        """Do what is due; return another time for it than its grid says, or None."""
        known_bad = self._known_bad(job)
        if known_bad is None:
            return await self._poll(job)
        self._say(job.what, known_bad)
        return None

    def _known_bad(self, job: Job[Work]) -> Quality | None:
        """Say why this need not be asked now, or None."""
        if not self.up:
            return Quality.COMM
        if job.probe:
            return None
        silent = (job.what.bad or Quality.TIMEOUT) if job.what.device.health.silent else None
        return job.what.excluded or silent

    async def _poll(self, job: Job[Work]) -> float | None:
        work, device = job.what, job.what.device
        try:
            reply = await self._ask(device, work.transaction)
        except LineDown as err:
            self._line_down(err)
        except (DeviceSilent, FrameDamaged) as err:
            self._missed(job, err)
        except DeviceRefused as err:
            if err.quality in ABSENT:
                self._missed(job, err)
                return None
            self._answered(device)
            return self._refused(job, err)
        except ValueImplausible as err:
            self._answered(device)
            self._say(work, err.quality)
        except Misconfigured as err:
            self._exclude(work, err)
        else:
            if self._answered(device):
                self._spare(work)
            await self._take(work, reply)
        return None

    async def _ask(self, device: Polled, transaction: Transaction) -> Reply:
        """One exchange; a damaged reply is asked for once more, at once."""
        try:
            return await self._exchange(device, transaction)
        except FrameDamaged:
            if self._stopping:
                raise
        return await self._exchange(device, transaction)

    async def _exchange(self, device: Polled, transaction: Transaction) -> Reply:
        began = self.around.monotonic()
        result = "ok"
        try:
            exchange = device.driver.exchange(transaction)
            return await self.wire.exchange(exchange, timeout=device.config.timeout)
        except DriverError as err:
            result = _RESULTS.get(type(err), "error")
            raise
        finally:
            self.meters.transaction(self.line, result, self.around.monotonic() - began)

    # -- what came of it ----------------------------------------------------------------------------------

    async def _take(self, work: Work, reply: Reply) -> None:
        device = work.device
        readings = device.driver.decode(work.transaction, reply.payload)
        work.bad, work.busy = None, 0
        clock = self.around.clock_state()
        for lane, sample in device.samples(reply.at, readings, clock):
            self.recorder.sample(lane, sample, read=True)
        await self._edges(device, readings, reply.at, clock)

    async def _edges(
        self, device: Polled, readings: Mapping[str, Reading], at: datetime, clock: ClockState
    ) -> None:
        changes = device.edges.see(readings, self.around.monotonic())
        if not changes:
            return
        state = {edge_key(device.id): device.edges.after(changes)}
        if await self.recorder.events(device.events(changes, at, clock), state):
            device.edges.commit(changes)

    async def _tidy(self, device: Polled) -> None:
        changes = device.edges.orphans()
        if changes:
            events = device.events(changes, self.around.clock(), self.around.clock_state())
            if await self.recorder.events(events, {edge_key(device.id): device.edges.after(changes)}):
                device.edges.commit(changes)

    def _say(self, work: Work, quality: Quality) -> None:
        if not work.must_say(quality, self.around.monotonic()):
            return
        at, clock = self.around.clock(), self.around.clock_state()
        for lane, sample in work.device.unknown(work.transaction.points, at, quality, clock):
            self.recorder.sample(lane, sample, read=False)

    def _missed(self, job: Job[Work], err: DriverError) -> None:
        device, now = job.what.device, self.around.monotonic()
        self._line_up()
        if device.health.missed(noise=isinstance(err, FrameDamaged)):
            log.warning(
                "%s on %s is silent (%s): asked again at growing intervals", device.id, self.line, err
            )
            self.meters.device_up(device.id, False)
            self._silence(device, err.quality, now)
            self.changed()
        elif job.probe:
            job.period = max(device.health.next_probe(now) - now, 0.01)
        else:
            self._say(job.what, err.quality)

    def _silence(self, device: Polled, quality: Quality, now: float) -> None:
        jobs = self._jobs(device)
        for job in jobs:
            self._say(job.what, job.what.excluded or quality)
        probe = cheapest(job.what for job in jobs if job.what.excluded is None) or jobs[0].what
        due = device.health.next_probe(now)
        self.schedule.add(probe, rank=PROBE_RANK, period=max(due - now, 0.01), due=due)

    def _spare(self, work: Work) -> None:
        """Do not ask at once for what has just been read: it would be told twice with the same millisecond."""
        now = self.around.monotonic()
        for job in self._jobs(work.device):
            if job.what is not work and job.what.transaction.points == work.transaction.points:
                job.what.bad = None
                self.schedule.at(job, now + job.period)

    def _answered(self, device: Polled) -> bool:
        """Note that a device has answered; return True if it was planned anew."""
        planned = not self.up and not device.health.silent
        self._line_up()
        returned = device.health.answered()
        if not device.answered:
            device.answered = True
            self.meters.device_up(device.id, True)
            log.info("%s on %s answers", device.id, self.line)
        elif returned:
            log.info("%s on %s answers again", device.id, self.line)
            self.meters.device_up(device.id, True)
        if returned:
            self._return(device)
            self.changed()
        return planned or returned

    def _return(self, device: Polled) -> None:
        """Ask for everything at once, and anew for what was refused: it may be another device by now."""
        bad = {
            point: (job.what.bad, job.what.said)
            for job in self._jobs(device)
            if job.what.bad is not None
            for point in job.what.transaction.points
        }
        self._plan(device, self.around.monotonic(), bad)

    def _refused(self, job: Job[Work], err: DeviceRefused) -> float | None:
        work, now = job.what, self.around.monotonic()
        if err.busy:
            work.busy += 1
            if work.busy >= BUSY_IS_BAD_AFTER:
                self._say(work, err.quality)
            return now + max(BUSY_RETRY_S, min(work.period, BUSY_RETRY_S * work.busy))
        if not err.address:
            self._say(work, err.quality)
            return None
        if job not in self.schedule:
            return None  # a probe: the polls that its answer has just set going will find out for themselves
        parts = work.device.driver.split(work.transaction)
        if not parts:
            self._exclude(work, err)
            return None
        log.info("%s refuses %s: asking in %d parts", work.device.id, work.transaction.label, len(parts))
        self.schedule.remove(job)
        for part in parts:
            share = Work(work.device, part, work.poll, work.period, bad=work.bad, said=work.said)
            self.schedule.add(share, rank=job.rank, period=job.period, due=now)
        return None

    def _exclude(self, work: Work, err: DriverError) -> None:
        points = ", ".join(work.transaction.points[:5])
        log.warning(
            "%s: %s is left out until the device returns: %s", work.device.id, points, printable(str(err))
        )
        work.excluded = err.quality
        self._say(work, err.quality)

    # -- the line -----------------------------------------------------------------------------------------

    def _line_down(self, err: LineDown) -> None:
        now = self.around.monotonic()
        self._reopen_at = self._reopen.next_probe(now)
        if not self.up:
            return
        self.up = False
        log.debug("line %s is down: %s", self.line, err)  # the line itself says it, once
        for job in self.schedule:
            if not job.probe:
                self._say(job.what, Quality.COMM)
        self.changed()

    def _line_up(self) -> None:
        if self.up:
            return
        self.up = True
        self._reopen.answered()
        log.debug("line %s is up again", self.line)
        for device in self.devices:
            if not device.health.silent:
                self._return(device)
        self.changed()

    async def _try_line(self) -> None:
        """Ask one device, in turn, for its cheapest transaction: whoever answers, the line is there."""
        candidates = [device for device in self.devices if not device.health.silent] or list(self.devices)
        device = candidates[self._turn % len(candidates)]
        self._turn += 1
        work = cheapest(job.what for job in self._jobs(device))
        if work is None:
            self._reopen_at = self._reopen.next_probe(self.around.monotonic())
            return
        probe = Job(work, PROBE_RANK, work.period, self.around.monotonic())
        await self._poll(probe)

    # -- orders -------------------------------------------------------------------------------------------

    async def _order(self, order: Order) -> None:
        async def send(transaction: Transaction) -> bytes:
            reply = await self._exchange(order.device, transaction)
            self._answered(order.device)
            return reply.payload

        async def pause(seconds: float) -> None:
            await self.around.nap(asyncio.Event(), seconds)

        try:
            order.settle(await carry_out(order, send, self.around.clock, pause))
        except LineDown as err:
            self._line_down(err)
            order.settle(CommandRun.not_run(f"the line is down: {printable(str(err))}"))


_RESULTS: dict[type[DriverError], str] = {
    LineDown: "line_down",
    DeviceSilent: "silent",
    FrameDamaged: "damaged",
    DeviceRefused: "refused",
    ValueImplausible: "implausible",
    Misconfigured: "misconfigured",
}


def edge_key(device: str) -> str:
    """Return the journal's key for the alarm state of a device."""
    return f"edges/{device}"
