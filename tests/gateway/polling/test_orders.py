"""What moves slowly is looked at until it shows, and the line is everybody's in between."""

import asyncio
import itertools
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from drivers.errors import DeviceRefused, DeviceSilent, LineDown
from drivers.profile import ReadBack
from drivers.profiles_store import LONGEST_WAIT_S
from gateway.polling.orders import CommandRun, next_look, patience, patient
from messages.types import Outcome
from tests.support.gateway import DOOR, GOOD, Answer, Bench, device_of, gaps, profile_of

SHUT = b"\x00"
waits = st.floats(0, LONGEST_WAIT_S)


@given(
    after=waits,
    within=st.floats(0.001, LONGEST_WAIT_S),
    costs=st.lists(st.floats(0.02, 8), min_size=1, max_size=4),
)
@example(after=0, within=30, costs=[0.02])
@example(after=5, within=5, costs=[0.02])
def test_looks_begin_after_the_wait_go_on_and_end_no_sooner_than_its_time_is_over(
    after: float, within: float, costs: list[float]
):
    passed, before, times = 0.0, 0.0, list[float]()
    for cost in itertools.islice(itertools.cycle(costs), 300):
        due = next_look(after, within, passed, before)
        if due is None:
            break
        assert due in (after, within) or due - passed >= before * 9, "the line is everybody else's"
        before = cost
        times.append(due)
        passed = due + cost
    assert next_look(after, within, passed) is None, "it ends"
    assert passed >= within
    if after:
        assert times[0] == after
    assert len(times) <= 32
    assert all(later > sooner for sooner, later in itertools.pairwise(times))
    assert all(later <= max(within, after) for later in times)


@pytest.mark.parametrize(
    ("back", "seconds"),
    [
        (None, (0, 0)),
        (ReadBack(point="open"), (0, 0)),
        (ReadBack(point="open", within="45s"), (0, 45)),
        (ReadBack(point="open", after="5s", within="1m"), (5, 60)),
        (ReadBack(point="open", after="500ms"), (0.5, 1.5)),
    ],
)
def test_the_profile_says_how_long(back: ReadBack | None, seconds: tuple[float, float]):
    assert patience(back) == seconds
    plan = patient(device_of("door", DOOR).driver.command("release", {}), back)
    assert (plan.after, plan.within) == seconds


class Valve:
    """A device that opens some seconds after it was told to, on a line with busy neighbours."""

    def __init__(self, opens: float = 30.0, *, after: float = 5.0, within: float = 45.0) -> None:
        busy = [device_of(f"m{n}", profile_of({"power": "alarm"})) for n in range(5)]
        self.bench = Bench(device_of("door", DOOR), *busy)
        self.after, self.within, self.opens = after, within, opens
        self.told: float | None = None
        self.bench.wire.script = self.answer

    def answer(self, request: str) -> Answer:
        now = self.bench.time.now
        if "write" in request:
            self.told = now
        if not request.startswith("door:"):
            return GOOD
        return GOOD if self.told is not None and now >= self.told + self.opens else SHUT

    def order(self, seconds: float = 15, **changes: float) -> "asyncio.Future[CommandRun]":
        waits = {"after": self.after, "within": self.within} | changes
        plan = replace(self.bench.poller.devices[0].driver.command("release", {}), **waits)
        until = self.bench.time.clock() + timedelta(seconds=seconds)
        return asyncio.ensure_future(self.bench.poller.command("door", plan, until))

    async def run(self, until: float, **changes: float) -> CommandRun:
        order = self.order(**changes)
        await asyncio.sleep(0)
        await self.bench.run(until)
        return await order

    def fails(self, when: Callable[[float], bool], what: Exception) -> None:
        """Let reads of the valve fail while `when` says so of the time."""

        def script(request: str) -> Answer:
            if request.startswith("door:open") and when(self.bench.time.now):
                return what
            return self.answer(request)

        self.bench.wire.script = script


async def test_what_takes_half_a_minute_is_done_when_it_shows_and_holds_up_nobody():
    valve = Valve(opens=30.0)
    run = await valve.run(60)
    assert (run.outcome, run.detail, run.read_back) == (Outcome.VERIFIED, "", {"open": True})
    assert len(valve.bench.wire.times("door:write")) == 1
    # Its own polls are alarm polls of 2 s; nobody's turn is later for the looks than by some exchanges.
    for name in ("door:open", "m0:", "m4:"):
        assert max(gaps(valve.bench.wire.times(name))) < 2.2, name
    assert valve.bench.counted.overruns == 0


@pytest.mark.parametrize(
    ("after", "first"),
    [(0.0, 0.02), (5.0, 5.02)],
)
async def test_the_first_look_is_at_once_or_after_the_wait(after: float, first: float):
    meter = profile_of({"open": "slow"}, device_class="access")
    valve = Valve(after=after)
    valve.bench = Bench(device_of("door", meter))
    valve.bench.wire.script = valve.answer
    await valve.run(100)
    wire = valve.bench.wire
    assert wire.log[0] == (0.0, "door:write release")
    looks = [at for at in wire.times("door:open") if at >= first - 1e-6]
    assert looks[0] == pytest.approx(first)


async def test_what_never_shows_is_not_confirmed_in_its_time():
    valve = Valve(opens=1000)
    run = await valve.run(60)
    assert run == CommandRun(
        Outcome.FAILED, "not confirmed within 45 s: afterwards open = false", {"open": False}
    )
    assert len(valve.bench.wire.times("door:write")) == 1


async def test_what_shows_in_the_last_moment_is_seen():
    assert (await Valve(opens=44.9).run(60)).outcome is Outcome.VERIFIED


async def test_nobody_who_can_be_read_back_is_not_known():
    valve = Valve()
    valve.fails(lambda _now: True, DeviceRefused("device busy", code=6))
    run = await valve.run(60)
    assert run.outcome is Outcome.UNVERIFIED
    assert run.detail.startswith("not confirmed within 45 s: the device took it, but the read-back failed: ")


async def test_a_device_that_falls_silent_takes_little_of_the_line():
    valve = Valve()
    valve.fails(lambda _now: True, DeviceSilent("nothing came"))
    valve.bench.poller.devices[0].config.periods["alarm"] = 1000.0
    assert (await valve.run(60)).outcome is Outcome.UNVERIFIED
    asked = [at for at in valve.bench.wire.times("door:open") if 5 <= at <= 46]
    assert len(asked) * 0.5 < 45 * 0.15


async def test_an_order_without_an_answer_is_looked_at_all_the_same():
    valve = Valve(opens=20)

    def script(request: str) -> Answer:
        answer = valve.answer(request)
        return DeviceSilent("nothing came") if "write" in request else answer

    valve.bench.wire.script = script
    run = await valve.run(60)
    assert run.outcome is Outcome.VERIFIED
    assert run.detail == "no sound answer to the order (nothing came), but it shows what was ordered"


async def test_a_line_that_is_gone_for_a_while_ends_nothing():
    valve = Valve(opens=20)
    valve.fails(lambda now: 6 < now < 12, LineDown("gone"))
    assert (await valve.run(60)).outcome is Outcome.VERIFIED


async def test_a_refusal_is_told_at_once_and_nobody_looks():
    valve = Valve()
    valve.bench.wire.script = lambda request: (
        DeviceRefused("illegal address", code=2, address=True) if "write" in request else SHUT
    )
    order = valve.order()
    await asyncio.sleep(0)
    await valve.bench.run(0.1)
    assert order.done()
    assert order.result().outcome is Outcome.REFUSED


async def test_one_that_began_in_time_is_looked_at_beyond_its_expiry_and_one_that_did_not_never_begins():
    assert (await Valve().run(60, seconds=1)).outcome is Outcome.VERIFIED
    late = Valve()
    assert (await late.run(60, seconds=-1)).outcome is Outcome.EXPIRED
    assert late.bench.wire.times("door:write") == []


async def twice(valve: Valve, write: Answer) -> tuple[CommandRun, CommandRun]:
    """Order, and again after ten seconds, where the write is answered so."""
    orders: list[asyncio.Future[CommandRun]] = [valve.order()]

    def script(request: str) -> Answer:
        if valve.bench.time.now > 10 and len(orders) == 1:
            orders.append(valve.order())
        answer = valve.answer(request)
        return write if "write" in request and len(orders) == 2 else answer

    valve.bench.wire.script = script
    await asyncio.sleep(0)
    await valve.bench.run(70)
    return await orders[0], await orders[1]


async def test_another_order_to_the_same_ends_the_wait_for_the_first():
    first, second = await twice(Valve(), GOOD)
    assert first.outcome is Outcome.UNVERIFIED
    assert first.detail == "another command was given to the device before this one showed"
    assert second.outcome is Outcome.VERIFIED


async def test_an_order_that_is_refused_ends_no_wait():
    valve = Valve()
    first, second = await twice(valve, DeviceRefused("not now", code=4))
    assert second.outcome is Outcome.REFUSED
    assert first.outcome is Outcome.VERIFIED


async def test_a_line_that_ends_meanwhile_says_that_it_may_have_been_carried_out():
    valve = Valve()
    order = valve.order()
    await asyncio.sleep(0)
    await valve.bench.run(10)
    valve.bench.poller.stop()
    await valve.bench.poller.run()
    run = await order
    assert run.outcome is Outcome.UNVERIFIED
    assert "may have been carried out" in run.detail
