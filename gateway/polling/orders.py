"""A command on the wire: the write, what is read back, and what became of it.

Where the profile names no wait, write and read-back are one undivided piece. Where what was ordered takes its time (a
valve), the device is looked at now and then, and the line is everybody's in between.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from drivers.api import CommandPlan, Transaction
from drivers.errors import DeviceRefused, DeviceSilent, DriverError, FrameDamaged, LineDown
from drivers.profile import ReadBack
from drivers.strict_yaml import parse_duration
from gateway.polling.polled import Polled
from gateway.polling.told import plain
from messages.text import printable
from messages.types import Outcome, Quality, Value

READ_BACK_TRIES = 3
READ_BACK_PAUSE_S = (
    0.1  # a relay needs tens of milliseconds; neighbours wait meanwhile, so no longer than this
)
# Of a wait without an end of its own: so much longer, for a reply that is lost.
MARGIN_S = 1.0
# So many looks at what moves, and no closer to each other, nor farther apart, than these.
LOOKS = 15
SOONEST_S, LATEST_S = 0.5, 5.0
# All looks together take no more of the line than this: one at a device that is silent costs a whole time-out.
LOOK_SHARE = 0.1

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
    """A command that waits for its turn on the line, or for what it has set going."""

    device: Polled
    plan: CommandPlan
    until: datetime
    done: "asyncio.Future[CommandRun]"
    wrote: float | None = None
    """When the write was over, monotonic seconds; None before it."""
    doubt: str = ""
    """Why nobody can say that the device took it; empty where it said so."""
    seen: Mapping[str, Value] = field(default_factory=dict)
    """What was last read back."""
    trouble: str = ""
    """Why the last read-back failed; empty where it did not."""

    def settle(self, run: CommandRun) -> None:
        """Tell who waits; one that no longer waits is no error."""
        if not self.done.done():
            self.done.set_result(run)

    def undoes(self, other: "Order") -> bool:
        """Say whether what `other` waits for may no longer come to pass because of this one."""
        if self is other or self.device is not other.device:
            return False
        return not self.plan.expect.keys().isdisjoint(other.plan.expect)


def patience(back: ReadBack | None) -> tuple[float, float]:
    """Return after how many seconds a command is first read back, and for how long at most; zeros mean at once."""
    if back is None:
        return 0.0, 0.0
    after, within = parse_duration(back.after), parse_duration(back.within)
    return after, within or (after + MARGIN_S if after else 0.0)


def patient(plan: CommandPlan, back: ReadBack | None) -> CommandPlan:
    """Return the plan with the profile's wait for it."""
    after, within = patience(back)
    return replace(plan, after=after, within=within) if within else plan


def next_look(after: float, within: float, passed: float, cost: float = 0.0) -> float | None:
    """Return when to look next, in seconds since the write of which `passed` are over; None where time is up.

    `cost` is what the look before has taken. The last look is never before `within`: what shows in its time is seen.
    """
    if passed < after:
        return after
    if passed >= within:
        return None
    pace = max(min(max(within / LOOKS, SOONEST_S), LATEST_S), cost / LOOK_SHARE)
    return min(passed + pace, within)


async def carry_out(
    order: Order, send: Send, clock: Callable[[], datetime], pause: Pause, monotonic: Callable[[], float]
) -> CommandRun | None:
    """Write, then read back; None where it is to be looked at later. `LineDown` passes through.

    A write is never sent twice: its reply may be what was lost.
    """
    if clock() > order.until:
        return CommandRun(Outcome.EXPIRED, "it expired while the line was busy")
    plan = order.plan
    try:
        await send(plan.write)
    except DeviceRefused as err:
        if err.quality is not Quality.TIMEOUT:
            return CommandRun(Outcome.REFUSED, f"the device refuses: {printable(str(err))}")
        order.doubt = f"a bridge had no answer from the device ({printable(str(err))})"
    except (DeviceSilent, FrameDamaged) as err:
        order.doubt = f"no sound answer to the order ({printable(str(err))})"
    except LineDown:
        raise
    except DriverError as err:
        return CommandRun.not_run(printable(str(err)))
    order.wrote = monotonic()
    if plan.read_back is None or not plan.expect:
        if order.doubt:
            return CommandRun.not_run(f"{order.doubt}; it may have been carried out")
        return CommandRun(Outcome.UNVERIFIED, "the device took it and offers nothing to read back")
    if plan.within:
        return None if plan.after else await look(order, send)
    return await _at_once(order, send, pause)


async def _at_once(order: Order, send: Send, pause: Pause) -> CommandRun:
    for attempt in range(READ_BACK_TRIES):
        if attempt:
            await pause(READ_BACK_PAUSE_S)
        try:
            run = await look(order, send)
        except LineDown as err:
            order.trouble = printable(str(err))
            break
        if run is not None:
            return run
    return given_up(order)


async def look(order: Order, send: Send) -> CommandRun | None:
    """Read back once; None while it does not show what was ordered. `LineDown` passes through."""
    assert order.plan.read_back is not None
    expect = order.plan.expect
    try:
        payload = await send(order.plan.read_back)
    except LineDown:
        raise
    except DriverError as err:
        order.trouble = printable(str(err))
        return None
    readings = order.device.driver.decode(order.plan.read_back, payload)
    order.trouble = ""
    order.seen = {point: readings[point].value for point in expect if point in readings}
    if order.seen != dict(expect):
        return None
    doubt = order.doubt and f"{order.doubt}, but it shows what was ordered"
    return CommandRun(Outcome.VERIFIED, doubt, order.seen)


def given_up(order: Order) -> CommandRun:
    """Return how a command ends that never showed what was ordered."""
    doubt, seen, trouble, within = order.doubt, order.seen, order.trouble, order.plan.within
    waited = f"not confirmed within {within:g} s: " if within else ""
    if seen:
        shown = ", ".join(f"{point} = {plain(value)}" for point, value in seen.items())
        return CommandRun(
            Outcome.FAILED, printable(f"{waited}{doubt}{'; ' if doubt else ''}afterwards {shown}"), seen
        )
    if doubt:
        return CommandRun.not_run(f"{waited}{doubt} and none to the read-back; it may have been carried out")
    return CommandRun(Outcome.UNVERIFIED, f"{waited}the device took it, but the read-back failed: {trouble}")


def cut_short(order: Order) -> CommandRun:
    """Return how a command ends whose line ends before it does."""
    if order.wrote is None:
        return CommandRun.not_run("its line ended or was set up anew before it was sent")
    return CommandRun(
        Outcome.UNVERIFIED,
        "its line ended or was set up anew before it was read back; it may have been carried out",
        order.seen,
    )


def lost_on_its_way(why: str) -> CommandRun:
    """Return how a command ends whose line was lost once it had been sent."""
    return CommandRun(
        Outcome.UNVERIFIED, f"the line was lost after it was sent ({why}); it may have been carried out"
    )


def faulted() -> CommandRun:
    """Return how a command ends in the middle of which our own code broke."""
    return CommandRun(
        Outcome.UNVERIFIED,
        "a fault of our own while it was given (the log has the rest); it may have been carried out",
    )


def undone(order: Order) -> CommandRun:
    """Return how a command ends when another was given before it had shown."""
    return CommandRun(
        Outcome.UNVERIFIED, "another command was given to the device before this one showed", order.seen
    )
