import itertools
from datetime import timedelta
from decimal import Decimal

import pytest

from drivers.errors import (
    DeviceRefused,
    DeviceSilent,
    FrameDamaged,
    Misconfigured,
    ValueImplausible,
)
from messages.types import Lane, Quality
from tests.support.gateway import GOOD, METER, START, Answer, Bench, device_of, profile_of


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
    asked = [request for _, request in bench.wire.log[before:] if "p5" in request]
    assert asked == ["m:p5-p5"], "learned, and tried once more by itself"
    assert bench.recorder.of("m", "p0") == [Decimal(1)] * 6


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
