"""The questions of tools between the polls of one line: each gets its turn, and no more of it than fire can spare."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from drivers.api import Exchange
from drivers.errors import DriverError, LineDown
from drivers.lines import Reply, SerialMode
from gateway.polling.around import Rules
from gateway.polling.polled import Asked, Polled
from gateway.polling.presence import Presence, Task
from gateway.polling.schedule import Schedule

Carry = Callable[[Exchange, float, float, SerialMode | None, float | None], Awaitable[Reply]]


@dataclass(frozen=True, slots=True, eq=False)
class Asking:
    """Carries what tools ask, once the schedule says that it is their turn."""

    line: str
    devices: Sequence[Polled]
    schedule: Schedule[Task]
    presence: Presence
    rules: Rules
    carry: Carry

    async def turn(self, asked: Asked) -> None:
        """Ask, and tell who waits."""
        timeout = self._patience(asked)
        # A tool that is in a hurry must not make a slow device's late answer pass for the answer to a poll.
        limit = max((device.trip.limit for device in self.devices), default=timeout)
        try:
            reply = await self.carry(asked.exchange, timeout, limit, asked.mode, asked.quiet)
        except LineDown as err:
            self.presence.line_down(err)
            asked.fail(err)
        except DriverError as err:
            asked.fail(err)
        else:
            self.presence.line_up()
            asked.settle(reply)

    def let_go(self) -> None:
        """Fail all that wait: the line ends."""
        for job in self.schedule:
            if isinstance(job.what, Asked):
                job.what.fail(LineDown(f"{self.line}: polling of this line has ended"))
                self.schedule.remove(job)

    def _patience(self, asked: Asked) -> float:
        """Return how long a question may wait for its answer: where fire waits for it, no longer than a read."""
        rules, exchange = self.rules, asked.exchange
        if rules.longest is None:
            return asked.timeout
        characters = asked.mode or rules.timing
        on_wire = (
            len(exchange.request) + exchange.reply_bytes
        ) * characters.byte_time + 2 * characters.silence
        room = rules.longest - on_wire if rules.adds_wire_time else rules.longest
        return min(asked.timeout, max(room, rules.floor))
