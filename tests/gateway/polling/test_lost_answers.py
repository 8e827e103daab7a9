"""What one lost answer of a fire panel costs: it is put again at once, and `plan` says how late it can be at worst."""

import asyncio
import contextlib
import itertools
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.api import Exchange
from drivers.errors import DriverError
from drivers.lines import guard_s
from gateway.planning.worst_case import Bound, LineLoad, Task, bound
from gateway.polling.around import Rules
from gateway.polling.lessons import Lessons
from gateway.polling.schedule import FIRE
from tests.support.gateway import profile_of
from tests.support.long import amount
from tests.support.polling import at_work, device, now
from tests.support.simbus import BusBench, bus_device, longest_gap
from tests.support.waiting import alongside, until
from tests.support.wire import Act, PtyPeer, Send, asked_address, line_to, rtu_reply

PANEL = profile_of({"fire": "fire"}, device_class="fire", events=["fire"])
TWO_READS = profile_of({f"f{n}": "fire" for n in range(4)}, device_class="fire", events=["f0"])
METER = profile_of({f"r{n}": "routine" for n in range(8)})
METERS = ["m0", "m1", "m2"]


def panel_on_a_bus(timeout: float = 1.0, thinks: float = 0.005) -> BusBench:
    meters = [bus_device(name, METER, periods={"routine": 2.0}) for name in METERS]
    bench = BusBench(bus_device("fi", PANEL, timeout=timeout, periods={"fire": 1.0}), *meters)
    bench.slaves["fi"].thinks = thinks
    return bench


def fire_task(bench: BusBench, thinks: float) -> tuple[Task, Bound]:
    load = bench.load(max(thinks, 0.005))
    task = next(each for each in load.tasks if each.rank == FIRE)
    return task, bound(task, load, lost=1)


async def test_fire_is_blind_for_one_time_out_after_a_lost_answer_and_not_for_the_guard():
    bench = panel_on_a_bus()
    await bench.run(10)
    bench.slaves["fi"].loses = 1
    await bench.run(20)
    assert bench.slaves["fi"].loses == 0
    assert longest_gap(bench.bus.ends("fi")) < 1.3
    assert bench.counted.up["fi"]
    assert bench.poller.silent == ()


@pytest.mark.parametrize("thinks", [0.005, 0.2, 0.45])
async def test_the_bound_holds_and_is_not_wildly_loose(thinks: float):
    """At any moment, whether the device is quick or takes nearly all the time that it has."""
    bench = panel_on_a_bus(0.5, thinks)
    _, found = fire_task(bench, thinks)
    random, at = Random(7), 10.0
    for _ in range(40):
        await bench.run(at)
        bench.slaves["fi"].loses = 1
        at += random.uniform(3, 5)
    await bench.run(at)
    ends = bench.bus.ends("fi")
    begins = [began for began, name, _, how in bench.bus.log if name == "fi" and how == "ok"]
    assert len([entry for entry in bench.bus.log if entry[1] == "fi" and entry[3] == "silent"]) == 40
    # A change just after the device has formed one answer is told by the next one.
    latest = max(end - began for began, end in zip(begins, ends[1:], strict=False))
    assert found.latency is not None
    assert latest <= found.latency
    assert latest >= found.latency / 2


async def test_a_panel_that_stumbles_for_longer_than_was_measured_is_not_called_silent():
    bench = panel_on_a_bus()
    await bench.run(20)
    bench.slaves["fi"].thinks = 0.6
    await bench.run(21)
    bench.slaves["fi"].thinks = 0.005
    await bench.run(40)
    assert [entry for entry in bench.bus.log if entry[1] == "fi" and entry[3] == "silent"]
    assert longest_gap(bench.bus.ends("fi")) < 2.0
    assert bench.counted.results.count("silent") == 1


@pytest.mark.parametrize("timeout", [0.5, 1.0])
async def test_several_reads_of_the_panel_keep_the_bound_with_their_guard(timeout: float):
    """After a lost answer nobody knows which answer is the last, until nothing can come any more."""
    panel = bus_device("fi", TWO_READS, block=2, timeout=timeout, periods={"fire": 1.0})
    bench = BusBench(panel, bus_device("m0", METER, periods={"routine": 2.0}))
    load = bench.load()
    guarded = [replace(each, guard=guard_s(timeout)) if each.rank == FIRE else each for each in load.tasks]
    found = bound(guarded[0], LineLoad(tuple(guarded)), lost=1).latency
    random, at = Random(5), 10.0
    for _ in range(40):
        await bench.run(at)
        bench.slaves["fi"].loses = 1
        at += random.uniform(8, 12)
    await bench.run(at)
    assert len([entry for entry in bench.bus.log if entry[1] == "fi" and entry[3] == "silent"]) == 40
    reads: dict[str, list[float]] = {}
    for sample in (
        sample for _, sample in bench.recorder.samples if sample.device == "fi" and not sample.bad
    ):
        for point in sample.values:
            reads.setdefault(point, []).append(sample.at.timestamp())
    assert set(reads) == {"f0", "f1", "f2", "f3"}
    longest = max(longest_gap(times) for times in reads.values())
    assert found is not None
    assert found / 2 <= longest <= found


async def test_a_routine_read_of_the_same_device_is_not_starved_by_its_fire_points():
    both = profile_of({"fire": "fire", "r0": "routine"}, device_class="fire", events=["fire"])
    bench = BusBench(bus_device("fi", both, timeout=1.0, periods={"fire": 1.0, "routine": 2.0}))
    await bench.run(10)
    bench.slaves["fi"].loses = 1
    await bench.run(40)
    times = [s.at.timestamp() for _, s in bench.recorder.samples if "r0" in s.values]
    assert longest_gap(times) < 2.0 + 2.0 + 1.0
    assert longest_gap(times[-8:]) < 2.2


async def test_stamps_never_go_back_or_stand_still():
    bench = panel_on_a_bus()
    random = Random(3)
    for second in range(5, 60, 3):
        await bench.run(second)
        bench.slaves["fi"].loses = random.randrange(2)
        bench.slaves["fi"].thinks = random.choice([0.005, 0.4])
    stamps = [s.at for _, s in bench.recorder.samples if s.device == "fi" and not s.bad]
    assert all(sooner < later for sooner, later in itertools.pairwise(stamps))


async def test_a_tool_makes_fire_wait_for_one_question_of_at_most_the_longest_read():
    timing = BusBench(bus_device("fi", PANEL)).timing
    bench = BusBench(bus_device("fi", PANEL), rules=Rules(timing=timing, longest=0.3))
    bench.slaves["99"] = type(bench.slaves["fi"])(dead=True)

    async def scan() -> None:
        while True:
            with contextlib.suppress(DriverError):
                await bench.poller.ask(Exchange(b"99:scan", None, 100), timeout=2.0)

    async with alongside(scan()):
        await asyncio.sleep(0)
        await bench.run(60)
    asked = [ended - began for began, name, ended, _ in bench.bus.log if name == "99"]
    assert asked
    assert max(asked) <= 0.3 + 0.01
    assert bench.poller.schedule.account.longest_fire_wait <= 0.31


@pytest.mark.parametrize("lost", ["lost", "damaged"])
async def test_on_a_real_line_the_next_request_is_the_same_and_waits_for_no_guard(tmp_path: Path, lost: str):
    """The guard is ten minutes: whoever waited for it would not be heard of again."""

    def script(request: bytes) -> list[Act]:
        address = asked_address(request)
        reply = rtu_reply(request, *range(address, address + int.from_bytes(request[4:6], "big")))
        if len(peer.requests) % 4:
            return [Send(reply)]
        return [Send(b"\xff" + reply[1:])] if lost == "damaged" else []

    lessons = Lessons(now)
    peer = PtyPeer(script, tmp_path)
    async with peer, line_to(peer.settings(baud=19200, late_guard=600)) as line:
        async with at_work(line, device("fi", 1, lessons, poll="fire")) as (poller, told):
            await until(lambda: len(peer.requests) > 12)
            assert poller.silent == ()
    assert len(set(peer.requests)) == 1
    values = [sample.values for _, sample in told.samples if not sample.bad]
    assert len(values) >= 8
    assert all(value == {"low": 10, "high": 13} for value in values)


@settings(max_examples=amount(10, 500))
@given(st.integers(0, 2**16), st.sampled_from([0.005, 0.1, 0.4]))
def test_whatever_is_lost_the_others_keep_their_pace(seed: int, thinks: float):
    async def run() -> None:
        bench = panel_on_a_bus(0.5, thinks)
        random, at = Random(seed), 5.0
        for _ in range(6):
            await bench.run(at)
            bench.slaves["fi"].loses = random.randrange(3)
            at += random.uniform(1, 4)
        await bench.run(at + 30)
        assert bench.poller.silent == ()
        for name in METERS:
            assert longest_gap(bench.bus.ends(name)) < 2.0 + 3 * 0.6

    asyncio.run(run())
