"""A command on the wire: the write and its read-back as one undivided piece, and what became of it."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from drivers.api import CommandPlan, Transaction
from drivers.errors import DeviceRefused, DeviceSilent, DriverError, FrameDamaged, LineDown
from gateway.polling.polled import Polled
from gateway.polling.told import plain
from messages.text import printable
from messages.types import Outcome, Quality, Value

READ_BACK_TRIES = 3
READ_BACK_PAUSE_S = (
    0.1  # a relay needs tens of milliseconds; neighbours wait meanwhile, so no longer than this
)

Send = Callable[[Transaction], Awaitable[bytes]]
Pause = Callable[[float], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class CommandRun:
    """How a command ended on the wire."""

    outcome: Outcome
    detail: str = ""
    read_back: Mapping[str, Value] = field(default_factory=dict)

    @classmethod
    def not_run(cls, why: str) -> "CommandRun":
        """Return the end of a command that did not get through."""
        return cls(Outcome.FAILED, why)


@dataclass(slots=True, eq=False)
class Order:
    """A command that waits for its turn on the line."""

    device: Polled
    plan: CommandPlan
    until: datetime
    done: "asyncio.Future[CommandRun]"

    def settle(self, run: CommandRun) -> None:
        """Tell who waits; one that no longer waits is no error."""
        if not self.done.done():
            self.done.set_result(run)


async def carry_out(order: Order, send: Send, clock: Callable[[], datetime], pause: Pause) -> CommandRun:
    """Write, then read back; `LineDown` passes through. A write is never sent twice: its reply may be what was lost."""
    if clock() > order.until:
        return CommandRun(Outcome.EXPIRED, "it expired while the line was busy")
    doubt = ""
    try:
        await send(order.plan.write)
    except DeviceRefused as err:
        if err.quality is not Quality.TIMEOUT:
            return CommandRun(Outcome.REFUSED, f"the device refuses: {printable(str(err))}")
        doubt = f"a bridge had no answer from the device ({printable(str(err))})"
    except (DeviceSilent, FrameDamaged) as err:
        doubt = f"no sound answer to the order ({printable(str(err))})"
    except LineDown:
        raise
    except DriverError as err:
        return CommandRun.not_run(printable(str(err)))
    if order.plan.read_back is None or not order.plan.expect:
        if doubt:
            return CommandRun.not_run(f"{doubt}; it may have been carried out")
        return CommandRun(Outcome.UNVERIFIED, "the device took it and offers nothing to read back")
    return await _verify(order, send, pause, doubt)


async def _verify(order: Order, send: Send, pause: Pause, doubt: str) -> CommandRun:
    assert order.plan.read_back is not None
    expect, seen, trouble = order.plan.expect, dict[str, Value](), ""
    for attempt in range(READ_BACK_TRIES):
        if attempt:
            await pause(READ_BACK_PAUSE_S)
        try:
            payload = await send(order.plan.read_back)
        except LineDown as err:
            trouble = printable(str(err))
            break
        except DriverError as err:
            trouble = printable(str(err))
            continue
        readings = order.device.driver.decode(order.plan.read_back, payload)
        seen = {point: readings[point].value for point in expect if point in readings}
        if seen == dict(expect):
            return CommandRun(Outcome.VERIFIED, doubt and f"{doubt}, but it shows what was ordered", seen)
    if seen:
        shown = ", ".join(f"{point} = {plain(value)}" for point, value in seen.items())
        return CommandRun(
            Outcome.FAILED, printable(f"{doubt}{'; ' if doubt else ''}afterwards {shown}"), seen
        )
    if doubt:
        return CommandRun.not_run(f"{doubt} and none to the read-back; it may have been carried out")
    return CommandRun(Outcome.UNVERIFIED, f"the device took it, but the read-back failed: {trouble}")
