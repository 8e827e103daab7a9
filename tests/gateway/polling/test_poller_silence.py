"""Who is silent, and which line is down: said once, at little cost to neighbours, and over at the first answer."""

import logging
from decimal import Decimal

import pytest

from drivers.errors import (
    DeviceRefused,
    DeviceSilent,
    LineDown,
)
from gateway.polling.presence import FAIR_S
from messages.types import Edge, Quality
from tests.support.gateway import FIRE, GOOD, START, Answer, Bench, device_of, gaps, profile_of


async def test_a_dead_device_costs_its_neighbours_little():
    devices = [device_of(f"m{n}", profile_of({"power": "alarm"})) for n in range(5)]
    bench = Bench(*devices)
    bench.wire.script = lambda request: DeviceSilent("nothing") if request.startswith("m0") else GOOD
    await bench.run(600)
    assert max(gaps(bench.wire.times("m1"))) <= 2 + 0.5 + 0.1
    dead = bench.wire.times("m0")
    assert len(dead) < 42, "two tries, then probes at growing intervals"
    assert 15 < max(gaps(dead)) < 30, "when it is back, that is seen within 30 s"
    assert bench.poller.silent == ("m0",)
    assert bench.counted.up == {"m0": False, "m1": True, "m2": True, "m3": True, "m4": True}


async def test_the_wire_is_told_when_nobody_answers_any_more_and_not_before():
    """Only then may it be opened anew, however seldom the living are asked."""
    bench = Bench(
        device_of("m0", profile_of({"power": "alarm"})), device_of("m1", profile_of({"power": "slow"}))
    )
    dead = {"m0"}
    bench.wire.script = lambda request: DeviceSilent("nothing") if request[:2] in dead else GOOD
    await bench.run(250)
    assert bench.poller.silent == ("m0",)
    assert bench.wire.lonely == []
    dead.add("m1")
    await bench.run(700)
    assert bench.poller.silent == ("m0", "m1")
    assert len(bench.wire.lonely) > 10
    assert min(bench.wire.lonely) > 300
    dead.clear()
    await bench.run(1400)
    assert max(bench.wire.lonely) < 800


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


async def test_at_its_start_a_line_calls_nobody_silent_before_a_fair_chance():
    bench = Bench(
        device_of("m", profile_of({"power": "alarm"})), device_of("n", profile_of({"power": "alarm"}))
    )
    bench.wire.script = lambda request: DeviceSilent("x") if request.startswith("m") else GOOD
    m, n = bench.poller.devices
    presence = bench.poller.presence
    assert (presence.hears(m), presence.hears(n)) == (None, None)
    await bench.run(FAIR_S - 1)
    assert bench.poller.silent == ("m",), "it is probed and no longer polled"
    assert (presence.hears(m), presence.hears(n)) == (None, True)
    await bench.run(FAIR_S + 1)
    assert (presence.hears(m), presence.hears(n)) == (False, True)


async def test_a_slow_device_has_its_own_time_out_twice_at_the_start():
    slow = device_of("m", profile_of({"power": "alarm"}), timeout=8.0)
    bench = Bench(slow)
    bench.wire.script = lambda _request: LineDown("refused")
    await bench.run(15)
    assert bench.poller.presence.hears(slow) is None
    await bench.run(17)
    assert bench.poller.presence.hears(slow) is False


async def test_after_a_line_was_down_nobody_is_there_before_an_answer():
    devices = [device_of(name, profile_of({"power": "alarm"})) for name in ("m", "n")]
    bench = Bench(*devices)
    bench.wire.script = lambda request: GOOD
    await bench.run(10)
    bench.wire.script = lambda request: LineDown("gone")
    await bench.run(20)
    hears = bench.poller.presence.hears
    assert [hears(device) for device in devices] == [False, False]
    seen = []

    def only_n(request: str) -> Answer:
        seen.append(hears(devices[0]))
        return GOOD if request.startswith("n") else DeviceSilent("x")

    bench.wire.script = only_n
    await bench.run(50)
    assert True not in seen
    assert None in seen, "its line is back, and it has still to be asked"
    assert [hears(device) for device in devices] == [False, True]
