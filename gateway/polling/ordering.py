"""The commands of one line: each gets its turn, and its looks where what it has set going takes time."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from drivers.api import Exchange, Transaction
from drivers.errors import LineDown
from drivers.lines import Reply, SerialMode
from gateway.polling.around import Surroundings
from gateway.polling.orders import (
    CommandRun,
    Order,
    carry_out,
    cut_short,
    given_up,
    look,
    lost_on_its_way,
    next_look,
    undone,
)
from gateway.polling.presence import Presence, Task
from gateway.polling.schedule import ALARM, Schedule
from messages.text import printable

LOOK_WITHIN_S = 1.0

Carry = Callable[[Exchange, float, float, SerialMode | None], Awaitable[Reply]]


@dataclass(frozen=True, slots=True, eq=False)
class Ordering:
    """Carries out the commands of a line when the schedule says that it is their turn."""

    schedule: Schedule[Task]
    presence: Presence
    around: Surroundings
    carry: Carry

    async def turn(self, order: Order) -> None:
        """Write, or look at what was written before; then tell the end, or ask for another turn."""
        first, began = order.wrote is None, self.around.monotonic()
        run = await self._work(order)
        if first and order.wrote is not None:
            self._undo(order)
        if run is None:
            run = self._later(order, began)
        if run is not None:
            order.settle(run)

    def let_go(self) -> None:
        """End all that wait: the line ends."""
        for job in self.schedule:
            if isinstance(job.what, Order):
                job.what.settle(cut_short(job.what))
                self.schedule.remove(job)

    async def _work(self, order: Order) -> CommandRun | None:
        around = self.around

        async def send(transaction: Transaction) -> bytes:
            # A device that acts may think longer than one that is read: it gets all the time that was set.
            config = order.device.config
            exchange = order.device.driver.exchange(transaction)
            reply = await self.carry(exchange, config.timeout, config.timeout, config.mode)
            self.presence.answered(order.device)
            return reply.payload

        async def pause(seconds: float) -> None:
            await around.nap(asyncio.Event(), seconds)

        try:
            if order.wrote is None:
                return await carry_out(order, send, around.clock, pause, around.monotonic)
            return await look(order, send)
        except LineDown as err:
            self.presence.line_down(err)
            if order.wrote is None:
                if not err.sent:
                    return CommandRun.not_run(f"the line is down: {printable(str(err))}")
                order.wrote = around.monotonic()
                return lost_on_its_way(printable(str(err)))
            order.trouble = printable(str(err))  # it may be back before the time is over
            return None

    def _later(self, order: Order, began: float) -> CommandRun | None:
        assert order.wrote is not None
        now = self.around.monotonic()
        due = next_look(order.plan.after, order.plan.within, now - order.wrote, now - began)
        if due is None:
            return given_up(order)
        # An alarm's rank: a look at a valve is worth no delay of a fire poll.
        self.schedule.once(order, rank=ALARM, due=order.wrote + due, within=LOOK_WITHIN_S)
        return None

    def _undo(self, order: Order) -> None:
        for job in self.schedule:
            other = job.what
            if isinstance(other, Order) and other.wrote is not None and order.undoes(other):
                other.settle(undone(other))
                self.schedule.remove(job)
