import asyncio
import itertools
import logging
from datetime import timedelta
from decimal import Decimal

import pytest

from drivers.errors import (
    DeviceRefused,
    DeviceSilent,
    FrameDamaged,
    LineDown,
    Misconfigured,
    ValueImplausible,
)
from messages.types import Edge, Lane, Outcome, Quality
from tests.support.gateway import GOOD, START, Answer, Bench, device_of, profile_of

METER = profile_of({"energy": "billing", "power": "routine"}, billing=["energy"])
DOOR = profile_of({"open": "alarm"}, device_class="access", events=["open"])
FIRE = profile_of({"zone": "fire"}, device_class="fire", events=["zone"])


def gaps(times: list[float]) -> list[float]:
    return [later - sooner for sooner, later in itertools.pairwise(times)]


async def test_classes_have_their_own_pace_and_their_own_lane():
    bench = Bench(device_of("m", METER))
    await bench.run(120)
    assert len(bench.wire.times("m:energy")) == 2
    assert len(bench.wire.times("m:power")) == 12
    lanes = {(lane, tuple(sample.values)) for lane, sample in bench.recorder.samples}
    assert lanes == {(Lane.BILLING, ("energy",)), (Lane.TELEMETRY, ("power",))}
    billed = [sample for lane, sample in bench.recorder.samples if lane is Lane.BILLING]
    assert all(sample.raw == {"energy": "01"} for sample in billed)
    assert bench.recorder.read == 14


async def test_a_sample_is_stamped_with_the_middle_of_its_exchange():
    bench = Bench(device_of("m", profile_of({"power": "routine"})))
    bench.wire.cost = 0.2
    await bench.run(5)
    assert bench.recorder.samples[0][1].at == START + timedelta(milliseconds=100)


async def test_every_transaction_has_its_own_sample():
    bench = Bench(device_of("m", profile_of({f"p{n}": "routine" for n in range(6)}), block=2))
    await bench.run(5)
    assert [tuple(sample.values) for _, sample in bench.recorder.samples] == [
        ("p0", "p1"),
        ("p2", "p3"),
        ("p4", "p5"),
    ]
    assert len({sample.at for _, sample in bench.recorder.samples}) == 3


async def test_a_dead_device_costs_its_neighbours_little():
    devices = [device_of(f"m{n}", profile_of({"power": "alarm"})) for n in range(5)]
    bench = Bench(*devices)
    bench.wire.script = lambda request: DeviceSilent("nothing") if request.startswith("m0") else GOOD
    await bench.run(600)
    assert max(gaps(bench.wire.times("m1"))) <= 2 + 0.5 + 0.1
    dead = bench.wire.times("m0")
    assert len(dead) < 25, "two tries, then probes at growing intervals"
    assert 45 < max(gaps(dead)) < 75
    assert bench.poller.silent == ("m0",)
    assert bench.counted.up == {"m0": False, "m1": True, "m2": True, "m3": True, "m4": True}


async def test_silence_is_said_at_once_and_then_now_and_then(caplog: pytest.LogCaptureFixture):
    bench = Bench(device_of("m", profile_of({"power": "alarm", "volts": "alarm"})))
    answers: Answer = GOOD
    bench.wire.script = lambda _request: answers
    with caplog.at_level(logging.INFO):
        await bench.run(10)
        answers = DeviceSilent("nothing")
        await bench.run(110)
    bad = bench.recorder.bad("m")
    assert all(sample.values == {"power": None, "volts": None} for sample in bad)
    assert all(set(sample.bad.values()) == {Quality.TIMEOUT} for sample in bad)
    times = [(sample.at - START).total_seconds() for sample in bad]
    assert times[0] < 12.6
    assert all(30 <= gap <= 33 for gap in gaps(times))
    assert len(times) == 4
    lines = [record.message for record in caplog.records]
    assert sum("is silent" in line for line in lines) == 1
    assert bench.changes == 1


async def test_a_device_that_returns_is_read_in_full_at_once():
    profile = profile_of({"power": "alarm", "slow": "slow", "energy": "billing"}, billing=["energy"])
    bench = Bench(device_of("m", profile))
    back = 100.0
    bench.wire.script = lambda _request: DeviceSilent("x") if 10 < bench.time.now < back else GOOD
    await bench.run(200)
    probes = [at for at in bench.wire.times("m:") if at >= back]
    returned = probes[0]
    after = [request for at, request in bench.wire.log if returned <= at < returned + 0.2]
    assert sorted(after) == ["m:energy-energy", "m:power-power", "m:slow-slow"], (
        "each once, the probe among them"
    )
    assert bench.poller.silent == ()
    assert bench.changes == 2
    assert bench.recorder.of("m", "slow") == [Decimal(1), None, Decimal(1)], (
        "said once in its period of 300 s"
    )


async def test_a_damaged_reply_is_asked_for_once_more_and_yields_no_value():
    bench = Bench(device_of("m", profile_of({"power": "routine"})))
    script = iter([FrameDamaged("crc"), GOOD, FrameDamaged("crc"), FrameDamaged("crc"), GOOD])
    bench.wire.script = lambda _request: next(script)
    await bench.run(25)
    assert [round(at) for at in bench.wire.times("m")] == [0, 0, 10, 10, 20]
    assert bench.recorder.of("m", "power") == [Decimal(1), None, Decimal(1)]
    assert bench.recorder.bad("m")[0].bad == {"power": Quality.CRC}
    assert bench.counted.results == ["damaged", "ok", "damaged", "damaged", "ok"]


async def test_an_illegal_address_costs_only_the_guilty_point():
    names = [f"p{n}" for n in range(8)]
    bench = Bench(device_of("m", profile_of(dict.fromkeys(names, "routine"))))

    def script(request: str) -> Answer:
        first, last = request.removeprefix("m:").split("-")
        guilty = names.index(first) <= 5 <= names.index(last)
        return DeviceRefused("illegal address", code=2, address=True) if guilty else GOOD

    bench.wire.script = script
    await bench.run(9)
    assert {name: bench.recorder.of("m", name) for name in names} == {
        name: [None] if name == "p5" else [Decimal(1)] for name in names
    }
    assert bench.recorder.bad("m")[0].bad == {"p5": Quality.REFUSED}
    before = len(bench.wire.log)
    await bench.run(60)
    assert not any("p5" in request for _, request in bench.wire.log[before:]), "learned, and not asked again"
    assert bench.recorder.of("m", "p0") == [Decimal(1)] * 6


async def test_what_was_refused_is_asked_again_after_a_return():
    bench = Bench(device_of("m", profile_of({"a": "routine", "b": "routine"})))
    answers: dict[str, Answer] = {"m:a-b": DeviceRefused("x", code=2, address=True), "m:a-a": GOOD}
    answers["m:b-b"] = answers["m:a-b"]
    bench.wire.script = lambda request: answers[request]
    await bench.run(15)
    answers["m:a-a"] = DeviceSilent("x")
    await bench.run(60)
    assert bench.poller.silent == ("m",)
    answers.update(dict.fromkeys(answers, GOOD))
    await bench.run(150)
    assert bench.recorder.of("m", "b")[-1] == Decimal(1)


async def test_busy_is_later_and_never_a_value():
    bench = Bench(device_of("m", profile_of({"power": "routine"})))
    script = iter([DeviceRefused("busy", code=6, busy=True)] * 2 + [GOOD] * 5)
    bench.wire.script = lambda _request: next(script)
    await bench.run(5)
    assert bench.recorder.of("m", "power") == [Decimal(1)]
    assert bench.wire.times("m")[2] < 2
    assert bench.poller.silent == ()


async def test_busy_for_long_is_said():
    bench = Bench(device_of("m", profile_of({"power": "routine"})))
    bench.wire.script = lambda _request: DeviceRefused("busy", code=6, busy=True)
    await bench.run(20)
    assert bench.recorder.of("m", "power") == [None]


async def test_a_bridge_that_speaks_for_an_absent_device_does_not_make_it_present():
    def absent() -> DeviceRefused:
        error = DeviceRefused("gateway target failed to respond", code=0x0B, busy=True)
        error.quality = Quality.TIMEOUT
        return error

    bench = Bench(device_of("m", profile_of({"power": "alarm"})))
    bench.wire.script = lambda _request: absent()
    await bench.run(120)
    assert bench.poller.silent == ("m",)
    assert len(bench.wire.log) < 12


@pytest.mark.parametrize(
    ("error", "quality"),
    [
        (DeviceRefused("device fault", code=4), Quality.REFUSED),
        (ValueImplausible("NaN"), Quality.RANGE),
    ],
)
async def test_a_sound_no_is_a_quality_and_the_device_is_there(error: Exception, quality: Quality):
    bench = Bench(device_of("m", profile_of({"power": "routine"})))
    bench.wire.script = lambda _request: error
    await bench.run(25)
    assert bench.recorder.bad("m")[0].bad == {"power": quality}
    assert bench.poller.silent == ()
    assert len(bench.wire.log) == 3


async def test_what_is_misconfigured_is_never_asked_again():
    bench = Bench(device_of("m", profile_of({"power": "routine"})))
    bench.wire.script = lambda _request: Misconfigured("no such function")
    await bench.run(100)
    assert len(bench.wire.log) == 1
    assert bench.recorder.bad("m")[0].bad == {"power": Quality.CONFIG}


async def test_a_line_that_is_down_is_said_once_for_each_device_and_comes_back():
    devices = [device_of(f"m{n}", profile_of({"power": "alarm"})) for n in range(3)]
    bench = Bench(*devices)
    bench.wire.script = lambda _request: LineDown("refused") if 10 < bench.time.now < 40 else GOOD
    await bench.run(39)
    assert bench.poller.silent == ("m0", "m1", "m2")
    for name in ("m0", "m1", "m2"):
        said = bench.recorder.bad(name)
        assert len(said) == 1
        assert said[0].bad == {"power": Quality.COMM}
    tries = [at for at, _ in bench.wire.log if 10 < at < 40]
    assert len(tries) < 20
    await bench.run(60)
    assert bench.poller.silent == ()
    first = min(at for at, _ in bench.wire.log if at >= 40)
    assert sorted(request[:2] for at, request in bench.wire.log if first <= at < first + 0.2) == [
        "m0",
        "m1",
        "m2",
    ]
    assert bench.changes == 2


async def test_a_line_that_is_down_is_tried_though_nothing_is_due():
    bench = Bench(device_of("m", profile_of({"power": "slow"})))
    bench.wire.script = lambda _request: LineDown("refused") if bench.time.now < 20 else GOOD
    await bench.run(60)
    assert bench.recorder.of("m", "power") == [None, Decimal(1)], (
        "what the try has read is not asked again at once"
    )


async def test_a_silent_device_does_not_make_a_line_down_and_the_reverse():
    bench = Bench(
        device_of("dead", profile_of({"power": "alarm"})), device_of("m", profile_of({"power": "alarm"}))
    )

    def script(request: str) -> Answer:
        if 20 < bench.time.now < 50:
            return LineDown("cable")
        return DeviceSilent("x") if request.startswith("dead") else GOOD

    bench.wire.script = script
    await bench.run(19)
    assert bench.poller.silent == ("dead",)
    await bench.run(49)
    assert bench.poller.silent == ("dead", "m")
    await bench.run(80)
    assert bench.poller.silent == ("dead",)
    assert bench.poller.up


async def test_edges_are_journaled_with_their_state_and_evidence():
    bench = Bench(device_of("door", DOOR))
    bench.wire.script = lambda _request: b"\x01" if 10 < bench.time.now < 20 else b"\x00"
    await bench.run(30)
    assert [(event.code, event.edge) for event in bench.recorder.edges] == [
        ("open", Edge.RAISED),
        ("open", Edge.CLEARED),
    ]
    raised = bench.recorder.edges[0]
    assert raised.evidence == "01"
    assert raised.detail == "open = true"
    assert (raised.seen_at - START).total_seconds() < 13
    assert bench.recorder.state == {"edges/door": b"[]"}


async def test_an_edge_that_the_journal_does_not_take_comes_again():
    bench = Bench(device_of("panel", FIRE))
    bench.recorder.takes = False
    await bench.run(5)
    assert bench.recorder.edges == []
    bench.recorder.takes = True
    await bench.run(8)
    assert [event.edge for event in bench.recorder.edges] == [Edge.RAISED]


async def test_a_restart_neither_doubles_nor_forgets_an_edge():
    bench = Bench(device_of("panel", FIRE, state=b'["zone"]'))
    await bench.run(5)
    assert bench.recorder.edges == []
    bench.wire.script = lambda _request: b"\x00"
    await bench.run(8)
    assert [event.edge for event in bench.recorder.edges] == [Edge.CLEARED]


async def test_an_event_that_left_the_profile_ends():
    bench = Bench(device_of("m", METER, state=b'["was_here"]'))
    await bench.run(1)
    assert [(event.code, event.edge) for event in bench.recorder.edges] == [("was_here", Edge.CLEARED)]


async def test_silence_clears_nothing():
    bench = Bench(device_of("panel", FIRE))
    bench.wire.script = lambda _request: GOOD if bench.time.now < 5 else DeviceSilent("x")
    await bench.run(60)
    assert [event.edge for event in bench.recorder.edges] == [Edge.RAISED]


async def test_fire_is_seen_in_time_beside_dead_slaves():
    dead = [device_of(f"dead{n}", profile_of({"p": "routine"})) for n in range(10)]
    bench = Bench(device_of("panel", FIRE), *dead)
    bench.wire.script = lambda request: DeviceSilent("x") if request.startswith("dead") else b"\x00"
    await bench.run(300)
    assert max(gaps(bench.wire.times("panel"))) <= 1 + 0.5 + 0.05


async def test_a_command_goes_before_polls_and_is_one_piece():
    busy = [device_of(f"m{n}", profile_of({"power": "alarm"})) for n in range(20)]
    bench = Bench(device_of("door", DOOR), *busy)
    bench.wire.cost = 0.2
    plan = bench.poller.devices[0].driver.command("release", {})
    order = asyncio.ensure_future(bench.poller.command("door", plan, START + timedelta(seconds=30)))
    await asyncio.sleep(0)
    await bench.run(10)
    run = await order
    assert run.outcome is Outcome.VERIFIED
    assert run.read_back == {"open": True}
    requests = [request for _, request in bench.wire.log]
    assert requests[:2] == ["door:write release", "door:open-open"]


@pytest.mark.parametrize(
    ("write", "back", "outcome", "writes"),
    [
        (GOOD, GOOD, Outcome.VERIFIED, 1),
        (GOOD, b"\x00", Outcome.FAILED, 1),
        (GOOD, DeviceSilent("x"), Outcome.UNVERIFIED, 1),
        (DeviceRefused("illegal address", code=2, address=True), GOOD, Outcome.REFUSED, 1),
        (DeviceSilent("x"), GOOD, Outcome.VERIFIED, 1),
        (FrameDamaged("x"), GOOD, Outcome.VERIFIED, 1),
        (FrameDamaged("x"), DeviceSilent("x"), Outcome.FAILED, 1),
        (LineDown("x"), GOOD, Outcome.FAILED, 1),
        (GOOD, LineDown("x"), Outcome.UNVERIFIED, 1),
    ],
)
async def test_how_commands_end(write: Answer, back: Answer, outcome: Outcome, writes: int):
    bench = Bench(device_of("door", DOOR))
    bench.wire.script = lambda request: write if "write" in request else back
    plan = bench.poller.devices[0].driver.command("release", {})
    order = asyncio.ensure_future(bench.poller.command("door", plan, START + timedelta(seconds=30)))
    await asyncio.sleep(0)
    await bench.run(1)
    assert (await order).outcome is outcome
    assert len(bench.wire.times("door:write")) == writes, "a write is never sent twice"


async def test_a_command_that_waited_too_long_expires_unsent():
    bench = Bench(device_of("door", DOOR))
    plan = bench.poller.devices[0].driver.command("release", {})
    order = asyncio.ensure_future(bench.poller.command("door", plan, START - timedelta(seconds=1)))
    await asyncio.sleep(0)
    await bench.run(1)
    assert (await order).outcome is Outcome.EXPIRED
    assert bench.wire.times("door:write") == []


async def test_commands_that_wait_at_the_stop_are_answered():
    bench = Bench(device_of("door", DOOR))
    plan = bench.poller.devices[0].driver.command("release", {})
    order = asyncio.ensure_future(bench.poller.command("door", plan, START + timedelta(seconds=30)))
    await asyncio.sleep(0)
    bench.poller.stop()
    await bench.poller.run()
    assert (await order).outcome is Outcome.FAILED
    assert (await bench.poller.command("door", plan, START)).outcome is Outcome.FAILED
    assert bench.wire.log == []


async def test_a_line_without_devices_only_waits():
    bench = Bench()
    await bench.run(10_000)
    assert bench.wire.log == []


async def test_a_day_on_a_noisy_line_with_the_dead_leaves_nobody_behind():
    devices = [
        device_of(f"m{n}", profile_of({"power": "routine", "energy": "billing"}, billing=["energy"]))
        for n in range(20)
    ]
    bench = Bench(*devices)
    count = itertools.count()

    def script(request: str) -> Answer:
        if request.startswith(("m3:", "m7:")):
            return DeviceSilent("x")
        return FrameDamaged("crc") if next(count) % 4 == 0 else GOOD

    bench.wire.script = script
    await bench.run(3600)
    for n in range(20):
        if n not in {3, 7}:
            assert len([v for v in bench.recorder.of(f"m{n}", "energy") if v is not None]) > 55
    assert None in bench.recorder.of("m3", "power")
    assert set(bench.recorder.of("m3", "power")) == {None}
