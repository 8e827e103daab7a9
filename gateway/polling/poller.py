"""One line's loop: it alone decides what goes onto the wire next, and the error's class says what then.

Commands, polls, probes and the tools' questions all take their turn from the schedule. Nothing waits on the
wire but an exchange: what was read is handed to the recorder, which journals it; only alarm edges are journaled
here and now.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from drivers.api import CommandPlan, Exchange, Transaction
from drivers.errors import (
    DeviceRefused,
    DeviceSilent,
    DriverError,
    FrameDamaged,
    LineDown,
    Misconfigured,
    ValueImplausible,
)
from drivers.lines import SOON_S, Reply, SerialMode
from gateway import faults
from gateway.polling.around import RESULTS, Meters, Recorder, Rules, Surroundings, Wire
from gateway.polling.asking import Asking
from gateway.polling.booking import Booking
from gateway.polling.ordering import Ordering
from gateway.polling.orders import CommandRun, Order, faulted
from gateway.polling.polled import Asked, Polled, Work
from gateway.polling.presence import Presence, Task
from gateway.polling.schedule import ALARM, AT_ONCE_S, BILLING, FIRE, TOOLS, Job, Schedule
from gateway.polling.teller import Teller, edge_key
from messages.types import Quality

__all__ = ["Poller", "edge_key"]

log = logging.getLogger(__name__)

# A refusal of this quality is spoken by a bridge for a device that it cannot reach: the device itself is silent.
ABSENT = frozenset({Quality.COMM, Quality.TIMEOUT})
BUSY_RETRY_S = 0.5
BUSY_IS_BAD_AFTER = 3
COMMAND_WITHIN_S = 1.0
TOOL_WITHIN_S = 1.0
LONGEST_NAP_S = 3600.0
FAULT_S = 5.0


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
    rules: Rules = field(default_factory=Rules)
    schedule: Schedule[Task] = field(default_factory=Schedule[Task])
    presence: Presence = field(init=False)
    teller: Teller = field(init=False)
    _books: Booking = field(init=False)
    _orders: Ordering = field(init=False)
    _tools: Asking = field(init=False)
    _wake: asyncio.Event = field(default_factory=asyncio.Event)
    _stopping: bool = False
    _overruns: int = 0

    def __post_init__(self) -> None:
        for device in self.devices:
            device.trip.floor = min(self.rules.floor, device.trip.limit)
        self.schedule.phase, self.schedule.stride = self.rules.phase, self.rules.stride
        self.teller = Teller(self.recorder, self.around)
        self.presence = Presence(
            self.line,
            self.devices,
            self.schedule,
            self.teller,
            self.meters,
            self.around,
            self.rules,
            self._has_changed,
        )
        self._books = Booking(self.schedule, self.presence, self.around, self.rules.snapshots)
        self._orders = Ordering(self.schedule, self.presence, self.around, self._carry)
        self._tools = Asking(self.line, self.devices, self.schedule, self.presence, self.rules, self._carry)

    @property
    def up(self) -> bool:
        """Whether the line itself is there, as far as is known."""
        return self.presence.up

    @property
    def silent(self) -> tuple[str, ...]:
        """Devices that do not answer; all of them while the line is down."""
        return self.presence.silent

    def stop(self) -> None:
        """Ask `run` to return after the exchange in flight."""
        self._stopping = True
        self._wake.set()

    async def command(self, device: str, plan: CommandPlan, until: datetime) -> CommandRun:
        """Carry out a command in the class of fire: in one piece, or with looks afterwards where it may take time."""
        found = next(known for known in self.devices if known.id == device)
        order = Order(found, plan, until, asyncio.get_running_loop().create_future())
        if self._stopping:
            return CommandRun.not_run("its line ends or is set up anew: give it again")
        self._queue(order, FIRE, COMMAND_WITHIN_S)
        return await order.done

    async def ask(
        self,
        exchange: Exchange,
        *,
        timeout: float,
        quiet: float | None = None,
        mode: SerialMode | None = None,
    ) -> Reply:
        """Carry one exchange of a tool between the polls; raise what `Line.exchange` raises.

        Where the line has fire points it waits no longer for an answer than a read may last. `LineDown` if this
        line's polling ends before.
        """
        if self._stopping:
            raise LineDown(f"{self.line}: polling of this line has ended")
        asked = Asked(exchange, timeout, quiet, mode, asyncio.get_running_loop().create_future())
        self._queue(asked, TOOLS, TOOL_WITHIN_S)
        return await asked.reply

    async def run(self) -> None:
        """Work until `stop`; a fault of our own costs a rest, in which nothing is known of the line."""
        try:
            while not self._stopping:
                with faults.contained("line", self.line) as found:
                    await self._work()
                if found.fault:
                    self.presence.line_down(
                        LineDown(f"{self.line}: a fault of our own: the log has the rest")
                    )
                    await self._rest(FAULT_S)
        finally:
            self._let_go()

    async def _work(self) -> None:
        for device in self.devices:
            await self.teller.tidy(device)
        while not self._stopping:
            await self._step()

    async def _rest(self, seconds: float) -> None:
        until = self.around.monotonic() + seconds
        while not self._stopping and (left := until - self.around.monotonic()) > 0:
            self._wake.clear()
            await self.around.nap(self._wake, left)

    def _has_changed(self) -> None:
        self.changed()

    def _queue(self, task: Order | Asked, rank: int, within: float) -> None:
        self.schedule.once(task, rank=rank, due=self.around.monotonic(), within=within)
        self._wake.set()

    def _let_go(self) -> None:
        for device in self.devices:
            if device.trip.smooth is not None:
                device.lessons.measured(device.trip.smooth)
        self._orders.let_go()
        self._tools.let_go()

    async def _step(self) -> None:
        self._wake.clear()
        presence, now = self.presence, self.around.monotonic()
        self._books.look(now)
        job = self.schedule.next(now)
        if not presence.up and now >= presence.reopen_at and not isinstance(job and job.what, Order):
            await self._try_line()
            return
        if job is None:
            await self._nap(now)
            return
        what = job.what
        if isinstance(what, Work):
            await self._turn(job, what, now)
        elif isinstance(what, Order):
            with faults.contained(what.device.id, "a command") as found:
                await self._orders.turn(what)
            if found.fault:
                what.settle(faulted())
            self.schedule.done(job, began=now, ended=self.around.monotonic())
        else:
            await self._asked(job, what, now)

    async def _asked(self, job: Job[Task], asked: Asked, now: float) -> None:
        if asked.reply.done():  # whoever asked no longer waits
            self.schedule.remove(job)
            return
        if self._must_wait(job, asked.exchange, now):
            return
        with faults.contained("line", self.line, "a tool") as found:
            await self._tools.turn(asked)
        if found.fault:
            asked.fail(DriverError("a fault of our own: the log has the rest"))
        self.schedule.done(job, began=now, ended=self.around.monotonic())

    async def _nap(self, now: float) -> None:
        waits = [LONGEST_NAP_S, self.schedule.wait(now), self._books.wait(now)]
        if not self.presence.up:
            waits.append(self.presence.reopen_at - now)
        await self.around.nap(self._wake, max(0.0, min(wait for wait in waits if wait is not None)))

    # -- a poll -------------------------------------------------------------------------------------------

    async def _turn(self, job: Job[Task], work: Work, now: float) -> None:
        """Do what is due, and put it on its next place."""
        bad = self.presence.known_bad(job, work)
        schedule = self.schedule
        if bad is not None:
            self.teller.say(work, bad)
            work.snapshot_until = None
            schedule.at(job, work.say_at(now))
            return
        if self.presence.parks(job, work):
            return
        if work.device.lessons.stale and not job.probe:
            self.presence.replan(work.device, now)
            return
        with faults.contained(work.device.id, work.transaction.label) as found:
            await self._ask_for(job, work, now)
        if found.fault:  # of a driver: it costs this read, and not the line
            self.meters.transaction(self.line, "fault", 0.0)
            self.teller.say(work, Quality.COMM)
            ended = self.around.monotonic()
            schedule.done(job, began=now, ended=ended)
            if job.rank == BILLING:
                self._books.aim(job, work, ended, read=False)

    async def _ask_for(self, job: Job[Task], work: Work, now: float) -> None:
        """Ask, unless others go first, and put it on its next place."""
        schedule = self.schedule
        try:
            exchange = work.device.driver.exchange(work.transaction)
        except Misconfigured as err:
            self.presence.exclude(work, err)
            schedule.done(job, began=now, ended=now)
            return
        if self._must_wait(job, exchange, now):
            return
        again = await self._poll(job, work, exchange)
        ended = self.around.monotonic()
        if again is not None:
            schedule.retry(job, at=again, began=now, ended=ended)
            return
        schedule.done(job, began=now, ended=ended)
        if schedule.overruns > self._overruns:
            self.meters.overran(self.line, schedule.overruns - self._overruns)
            self._overruns = schedule.overruns
        if job.rank == BILLING:
            self._books.aim(job, work, ended, read=work.bad is None)

    def _must_wait(self, job: Job[Task], exchange: Exchange, now: float) -> bool:
        """Let others go first while the wire would wait for another's late answer; fire only once in its turn."""
        if exchange.matched or not self.wire.owing or (job.held and job.rank == FIRE):
            return False
        urgent = _urgent(job)
        clear = self.wire.clear_at(exchange, repeat=urgent)
        if clear <= now + (SOON_S if urgent else AT_ONCE_S):
            return False  # what is urgent does not give its turn away for so little
        self.schedule.hold(job, clear)
        return True

    async def _poll(self, job: Job[Task], work: Work, exchange: Exchange) -> float | None:
        """Ask; return when to ask for the same again if that is not its next place in the grid."""
        device, presence = work.device, self.presence
        try:
            reply = await self._exchange(device, work.transaction, exchange, repeat=_urgent(job))
        except LineDown as err:
            presence.line_down(err)
        except FrameDamaged as err:
            if not work.damaged:
                work.damaged = True  # asked for once more, at once
                return self.around.monotonic()
            work.damaged = False
            return presence.missed(job, work, err)
        except DeviceSilent as err:
            device.trip.missed()
            return None if presence.mute(job, work, err) else presence.missed(job, work, err)
        except DeviceRefused as err:
            if err.quality in ABSENT:
                return presence.missed(job, work, err)
            presence.answered(device)
            return self._refused(job, work, err)
        except ValueImplausible as err:
            presence.answered(device)
            self.teller.say(work, err.quality)
        except Misconfigured as err:
            presence.exclude(work, err)
        else:
            if presence.answered(device):
                presence.spare(work)
            if work.excluded is not None:
                presence.lift(work)
            device.lessons.answered(work.transaction)
            await self.teller.take(work, reply)
        return None

    async def _exchange(
        self, device: Polled, transaction: Transaction, exchange: Exchange, *, repeat: bool
    ) -> Reply:
        """Carry one exchange with the time-out that was measured, and measure."""
        timing, trip = self.rules.timing, device.trip
        mode = device.config.mode
        byte_time = timing.byte_time if mode is None else mode.byte_time
        on_wire = (transaction.request_bytes + transaction.reply_bytes) * byte_time
        timeout = trip.timeout
        if not self.rules.adds_wire_time:
            timeout = min(timeout + on_wire, trip.limit)
        reply = await self._carry(exchange, timeout, trip.limit, mode, repeat=repeat)
        trip.answered(reply.ended - reply.began - on_wire, repeated=reply.repeated)
        return reply

    async def _carry(
        self,
        exchange: Exchange,
        timeout: float,
        limit: float,
        mode: SerialMode | None,
        quiet: float | None = None,
        *,
        repeat: bool = False,
    ) -> Reply:
        began = self.around.monotonic()
        result = "ok"
        try:
            return await self.wire.exchange(
                exchange,
                timeout=timeout,
                quiet=quiet,
                limit=limit,
                mode=mode,
                repeat=repeat,
                living=not self.schedule.unhurried,
            )
        except DriverError as err:
            result = RESULTS.get(type(err), "error")
            raise
        finally:
            self.meters.transaction(self.line, result, self.around.monotonic() - began)

    def _refused(self, job: Job[Task], work: Work, err: DeviceRefused) -> float | None:
        now = self.around.monotonic()
        if err.busy:
            work.busy += 1
            if work.busy >= BUSY_IS_BAD_AFTER:
                self.teller.say(work, err.quality)
            return now + max(BUSY_RETRY_S, min(work.period, BUSY_RETRY_S * work.busy))
        if not err.address:
            if not self.presence.mute(job, work, err):
                self.teller.say(work, err.quality)
            return None
        if job not in self.schedule:
            return None  # a probe: the polls that its answer has just set going will find out for themselves
        parts = work.device.lessons.refused(work.transaction, err)
        if not parts:
            self.presence.exclude(work, err)
            return None
        self.presence.split(job, work, parts, now)
        return None

    # -- the line, commands, tools -------------------------------------------------------------------------

    async def _try_line(self) -> None:
        """Ask one device, in turn, for its cheapest transaction: whoever answers, the line is there."""
        job = self.presence.candidate()
        if job is None or not isinstance(job.what, Work):
            return
        try:
            exchange = job.what.device.driver.exchange(job.what.transaction)
        except Misconfigured as err:
            self.presence.exclude(job.what, err)
        else:
            await self._poll(job, job.what, exchange)
        if not self.presence.up and self.presence.reopen_at <= self.around.monotonic():
            self.presence.put_off()  # nobody knows yet: what was asked cannot be asked here


def _urgent(job: Job[Task]) -> bool:
    """Say whether this read may be put again while its own answer is owed. Commands never come here."""
    return job.rank <= ALARM
