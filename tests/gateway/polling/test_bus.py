"""A whole bus in simulated time: who waits for whom when slaves die, mumble, are busy, come late and come back."""

import asyncio
import itertools
from collections import deque
from collections.abc import Iterable
from random import Random

import pytest

from drivers.api import Exchange
from drivers.errors import DeviceSilent, LineDown
from gateway.planning.worst_case import Task, bound
from gateway.polling.around import Rules
from gateway.polling.backoff import LONGEST_S
from gateway.polling.polled import Polled
from gateway.polling.schedule import FIRE, PROBE_SHARE, ROUTINE, TOOLS
from tests.support.gateway import FIRE as PANEL
from tests.support.gateway import SimTime, profile_of
from tests.support.simbus import BusBench, LonelyTime, Slave, bus_device, longest_gap
from tests.support.waiting import alongside

METER = profile_of(
    {**{f"p{n}": "routine" for n in range(12)}, "energy": "billing", "rare": "slow"}, billing=["energy"]
)
TWO_BLOCKS = profile_of({f"p{n}": "routine" for n in range(16)})
NAMES = [f"{n:02d}" for n in range(30)]


def riser(count: int = 29) -> list[Polled]:
    """A fire panel and meters beside it."""
    slow = {"routine": 60.0, "billing": 60.0, "slow": 300.0}
    return [bus_device("fi", PANEL), *(bus_device(name, METER, periods=slow) for name in NAMES[:count])]


def as_fast_as_it_goes(count: int = 30) -> BusBench:
    return BusBench(*(bus_device(name, TWO_BLOCKS, periods={"routine": 0.001}) for name in NAMES[:count]))


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.long(12)
async def test_a_day_of_thirty_slaves_takes_seconds_and_fire_is_never_late():
    bench = BusBench(*riser(), time=LonelyTime())
    bench.bus.keep = lambda device: device in ("fi", "28")
    bench.recorder.samples = deque(maxlen=100)  # type: ignore[assignment] - they are not what is measured
    random = Random(5)
    for hour in range(24):
        for name in NAMES[:29]:
            bench.slaves[name].dead = random.random() < 0.1 and name != "28"
            bench.slaves[name].noisy = 0.2 if random.random() < 0.1 else 0.0
            bench.slaves[name].busy = 0.2 if random.random() < 0.1 else 0.0
        await bench.run(3600.0 * (hour + 1))
    panel = panel_task(bench)
    limit = bound(panel, bench.load(), dead=29).latency
    assert limit is not None
    assert longest_gap(bench.bus.ends("fi")) <= limit
    assert longest_gap(bench.bus.ends("28")) <= 60 + 5
    assert bench.poller.schedule.account.missed[FIRE] == 0


def panel_task(bench: BusBench) -> Task:
    return next(task for task in bench.load().tasks if task.rank == FIRE)


@pytest.mark.parametrize("dead", [0, 1, 5, 29])
async def test_fire_keeps_its_bound_however_many_are_dead(dead: int):
    bench = BusBench(*riser())
    await bench.run(100)
    for name in NAMES[:dead]:
        bench.slaves[name].dead = True
    await bench.run(400)
    for name in NAMES[:dead]:
        bench.slaves[name].dead = False
    await bench.run(600)
    limit = bound(panel_task(bench), bench.load(), dead=dead).latency
    assert limit is not None
    seen = longest_gap(bench.bus.ends("fi"))
    assert seen <= limit
    assert limit - 1 <= 4 * (seen - 1) or dead, "the bound is not wildly loose while all live"
    assert bench.poller.schedule.account.longest_fire_wait <= limit - 1


def scan_rates(bench: BusBench, names: Iterable[str], start: float, end: float) -> list[float]:
    """Good answers per second of each of them in that time."""
    return [sum(start <= at < end for at in bench.bus.ends(name)) / (end - start) for name in names]


async def test_five_dead_of_thirty_slow_the_living_by_a_tenth_at_most_and_soon_not_at_all():
    bench = as_fast_as_it_goes()
    await bench.run(60)
    living = NAMES[5:]
    before = sum(scan_rates(bench, living, 30, 60))
    scan = 50 / before
    for name in NAMES[:5]:
        bench.slaves[name].dead = True
    await bench.run(120)
    first = sum(scan_rates(bench, living, 60, 60 + scan))
    assert first >= before / 1.1
    assert sum(scan_rates(bench, living, 90, 120)) >= before
    assert sorted(bench.poller.silent) == NAMES[:5]
    probes = [entry for entry in bench.bus.log if entry[1] in NAMES[:5] and entry[0] >= 60 + scan]
    assert sum(ended - at for at, _, ended, _ in probes) <= 0.1 * (120 - 60 - scan)
    for name in NAMES[:5]:
        bench.slaves[name].dead = False
    await bench.run(160)
    for name in NAMES[:5]:
        again = [at for at in bench.bus.ends(name) if at > 120]
        assert again[0] <= 150, "asked again within 30 s"
        assert again[1] - again[0] < 1.5 * scan, "and everything at once"
    assert bench.poller.silent == ()


async def test_five_that_never_answered_cost_no_more():
    bench = as_fast_as_it_goes()
    for name in NAMES[:5]:
        bench.slaves[name].dead = True
    await bench.run(200)
    whole = as_fast_as_it_goes()
    await whole.run(60)
    living = NAMES[5:]
    assert sum(scan_rates(bench, living, 30, 200)) >= sum(scan_rates(whole, living, 30, 60))
    bench.slaves["00"].dead = False
    await bench.run(240)
    assert bench.bus.ends("00")[0] <= 230


async def test_the_last_device_of_a_bus_that_is_too_full_has_its_turn():
    bench = as_fast_as_it_goes()
    await bench.run(120)
    turns = [len(bench.bus.ends(name)) for name in NAMES]
    assert max(turns) - min(turns) <= 2


async def test_alarms_that_fill_the_bus_leave_a_fifth_to_the_rest():
    doors = profile_of({"open": "alarm"}, device_class="access", events=["open"])
    bench = BusBench(
        *(bus_device(f"d{n}", doors, periods={"alarm": 0.05}) for n in range(5)),
        *(bus_device(name, TWO_BLOCKS, periods={"routine": 0.001}) for name in NAMES[:5]),
    )
    await bench.run(120)
    seconds = bench.poller.schedule.account.seconds
    assert seconds[ROUTINE] >= 0.19 * 120
    assert all(bench.bus.ends(name) for name in NAMES[:5])


async def test_an_outage_is_followed_by_no_burst():
    bench = BusBench(*riser(10))
    await bench.run(300)
    for slave in bench.slaves.values():
        slave.dead = True
    await bench.run(3900)
    for slave in bench.slaves.values():
        slave.dead = False
    await bench.run(4200)
    for name in NAMES[:10]:
        back = [at for at in bench.bus.ends(name) if at > 3900]
        assert sum(at < back[0] + 50 for at in back) <= 5, "each block once: three classes, one in two blocks"


async def test_noise_damages_no_neighbour_and_no_value():
    bench = BusBench(*(bus_device(name, TWO_BLOCKS, periods={"routine": 5.0}) for name in NAMES[:10]))
    bench.slaves["03"].noisy = 0.3
    bench.slaves["04"].busy = 0.3
    bench.slaves["05"].thinks = 0.9  # later than its time-out
    await bench.run(900)
    for name in NAMES[:10]:
        turns = len(bench.bus.ends(name))
        assert turns >= (2 * 900 / 5) * (0.6 if name == "05" else 0.85), name
    assert "05" not in bench.poller.silent, "the line gives it the time that it needs"


async def test_who_hears_badly_among_the_dead_is_not_taken_for_one_of_them():
    bench = BusBench(*(bus_device(name, TWO_BLOCKS, periods={"routine": 5.0}) for name in NAMES))
    for name in NAMES[:20]:
        bench.slaves[name].dead = True
    for name in NAMES[20:]:
        bench.slaves[name].deaf = 0.05
    await bench.run(900)
    for name in NAMES[20:]:
        assert len(bench.bus.ends(name)) >= 0.85 * 2 * 900 / 5, name
        assert longest_gap(bench.bus.ends(name)) < 35


async def test_one_lost_frame_is_asked_for_again_and_costs_the_device_nothing_else():
    bench = BusBench(*(bus_device(name, TWO_BLOCKS, periods={"routine": 10.0}) for name in NAMES[:5]))
    await bench.run(35)
    bench.slaves["02"].dead = True
    while not [entry for entry in bench.bus.log if entry[1] == "02" and entry[3] == "silent"]:
        await bench.run(bench.time.now + 0.01)
    bench.slaves["02"].dead = False
    lost = bench.time.now
    await bench.run(60)
    assert [at for at in bench.bus.ends("02") if at > lost][1] < lost + 1.5, (
        "both blocks, the guard waited for"
    )
    assert bench.counted.up == dict.fromkeys(NAMES[:5], True)


async def test_a_device_with_alarms_is_asked_again_in_its_own_class():
    doors = profile_of({"open": "alarm"}, device_class="access", events=["open"])
    bench = BusBench(
        bus_device("do", doors, periods={"alarm": 5.0}),
        *(bus_device(name, TWO_BLOCKS, periods={"routine": 0.001}) for name in NAMES[:10]),
    )
    await bench.run(12)
    bench.slaves["do"].dead = True
    await bench.run(18)
    silent = [entry for entry in bench.bus.log if entry[1] == "do" and entry[3] == "silent"]
    assert silent[1][0] - silent[0][0] < 1.3, "as soon as no late answer can be taken for the next"
    assert bench.poller.silent == ("do",)


async def test_tools_share_the_bus_fairly_and_leave_fire_in_time():
    bench = BusBench(*riser(10))
    asked = 0

    async def scan() -> None:
        nonlocal asked
        while True:
            try:
                await bench.poller.ask(Exchange(b"99:scan", None, 9), timeout=0.3)
            except DeviceSilent:
                asked += 1

    bench.slaves["99"] = Slave(dead=True)
    async with alongside(scan()):
        await asyncio.sleep(0)
        await bench.run(60)
    assert asked > 30, "an idle bus is the tool's"
    assert bench.poller.schedule.account.longest_fire_wait <= 0.35
    assert longest_gap(bench.bus.ends("fi")) <= 1.4
    seconds = bench.poller.schedule.account.seconds[TOOLS]
    assert seconds > 10


async def test_a_tool_in_a_hurry_lets_no_late_answer_pass_for_another():
    bench = BusBench(bus_device("00", TWO_BLOCKS, timeout=0.8, periods={"routine": 100.0}))
    await bench.run(5)
    bench.slaves["00"].thinks = 0.7
    asked = asyncio.create_task(bench.poller.ask(Exchange(b"00:x", None, 9), timeout=0.05))
    await asyncio.sleep(0)
    await bench.run(5.5)
    with pytest.raises(DeviceSilent):
        await asked
    assert bench.bus.clear_at(Exchange(b"00:y", None, 9)) > 5 + 2 * 0.8, (
        "as long as the device may take, and more"
    )


async def test_what_a_tool_asked_is_told_when_polling_ends():
    bench = BusBench(*riser(1))
    asked = asyncio.create_task(bench.poller.ask(Exchange(b"00:x", None, 9), timeout=0.3))
    await asyncio.sleep(0)
    bench.poller.stop()
    await bench.poller.run()
    with pytest.raises(LineDown):
        await asked
    with pytest.raises(LineDown):
        await bench.poller.ask(Exchange(b"00:x", None, 9), timeout=0.3)


async def test_the_same_unit_on_two_lines_is_two_devices():
    clock = SimTime()
    one, other = (
        BusBench(bus_device("00", TWO_BLOCKS), bus_device("01", TWO_BLOCKS), time=clock) for _ in "ab"
    )
    one.slaves["00"].dead = True
    await one.run(100)
    await other.run(200)
    assert one.poller.silent == ("00",)
    assert other.poller.silent == ()
    assert other.bus.ends("00")


async def test_time_outs_are_measured_and_a_device_that_became_slow_is_found_again():
    bench = BusBench(*(bus_device(name, TWO_BLOCKS, periods={"routine": 5.0}) for name in NAMES[:3]))
    await bench.run(60)
    trip = bench.poller.devices[0].trip
    assert trip.timeout == pytest.approx(0.05)
    bench.slaves["00"].thinks = 0.4
    await bench.run(120)
    assert bench.poller.silent == ()
    assert bench.bus.ends("00")[-1] > 110


async def test_probes_keep_to_their_share_when_all_others_live():
    bench = as_fast_as_it_goes(10)
    await bench.run(20)
    for name in NAMES[:4]:
        bench.slaves[name].dead = True
    await bench.run(320)
    spent = bench.poller.schedule.account.seconds[-1]
    assert spent <= PROBE_SHARE * 300 + 0.5


async def test_long_reads_are_parted_where_fire_would_wait():
    bench = BusBench(bus_device("fi", PANEL))
    rules = Rules(timing=bench.timing, longest=0.05)
    bench = BusBench(bus_device("fi", PANEL), bus_device("00", TWO_BLOCKS, block=16), rules=rules)
    await bench.run(30)
    lengths = [ended - at for at, _, ended, _ in bench.bus.log]
    assert max(lengths) <= 0.05 + 1e-6


async def test_a_bus_behaves_the_same_each_time():
    logs = []
    for _ in range(2):
        bench = as_fast_as_it_goes(5)
        bench.slaves["01"].noisy = 0.2
        await bench.run(30)
        logs.append(list(itertools.chain(bench.bus.log)))
    assert logs[0] == logs[1]


async def test_a_new_plan_does_not_hurry_a_device_that_is_busy():
    made = BusBench(bus_device("00", profile_of({f"r{n}": "routine" for n in range(4)})))
    made.slaves["00"].busy = 1.0
    await made.run(60.5)
    device = made.poller.devices[0]
    (job, work), *_ = made.poller.presence.works(device)
    times, ready = work.busy, job.ready
    assert times > 3
    assert ready > made.time.now + 1
    made.poller.presence.replan(device, made.time.now)
    ((again, anew),) = made.poller.presence.works(device)
    assert (anew.busy, again.ready) == (times, ready)
    asked = len(made.bus.log)
    await made.run(ready - 0.1)
    assert len(made.bus.log) == asked
    await made.run(ready + 1)
    assert len(made.bus.log) == asked + 1


async def test_a_slow_device_that_was_never_heard_is_found_as_soon_as_a_quick_one(
    monkeypatch: pytest.MonkeyPatch,
):
    """It takes nearly all the time that it has, and what it says too late is drowned by others."""
    dead = NAMES[:5]
    bench = BusBench(*(bus_device(name, TWO_BLOCKS, timeout=1.0, periods={"routine": 5.0}) for name in NAMES))
    monkeypatch.setattr(bench.bus._late, "hear", lambda _data, _at: False)
    for name in dead:
        bench.slaves[name].dead = True
    await bench.run(300)
    bench.slaves["00"].dead, bench.slaves["00"].thinks = False, 0.9
    await bench.run(460)
    round_s = (
        len(dead) * (1.0 + 0.2 + 0.1) / PROBE_SHARE
    )  # everyone once with little time and once with all of it
    assert bench.bus.ends("00")[0] <= 300 + round_s + LONGEST_S
