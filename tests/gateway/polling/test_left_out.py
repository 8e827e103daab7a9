"""What a device refuses is left out, and not for ever: it may only have started, or be at work on its map."""

from decimal import Decimal

import pytest

from drivers.errors import DeviceRefused, DeviceSilent, LineDown, Misconfigured
from gateway.polling.polled import AGAIN_S, GUARD_AGAIN_S
from gateway.polling.schedule import Schedule
from messages.types import Quality
from tests.support.gateway import GOOD, Answer, Bench, device_of, gaps, profile_of

ILLEGAL = DeviceRefused("illegal data address", code=2, address=True)


@pytest.mark.parametrize(
    ("poll", "first", "longest"), [("fire", *GUARD_AGAIN_S), ("alarm", *GUARD_AGAIN_S), ("routine", *AGAIN_S)]
)
async def test_what_is_refused_is_asked_for_again_at_growing_intervals(poll, first, longest):
    bench = Bench(device_of("m", profile_of({"zone": poll})))
    bench.wire.script = lambda _request: ILLEGAL
    await bench.run(6 * longest)
    waits = gaps(bench.wire.times("m"))
    assert waits[0] == pytest.approx(first, abs=1)
    assert max(waits) == pytest.approx(longest, abs=1)
    assert len(waits) < 20
    assert {sample.bad["zone"] for sample in bench.recorder.bad("m")} == {Quality.REFUSED}


async def test_a_panel_that_refuses_all_while_it_starts_is_polled_as_before_once_it_answers():
    bench = Bench(device_of("m", profile_of({"zone": "fire", "door": "alarm", "power": "routine"})))
    answer: Answer = GOOD
    bench.wire.script = lambda _request: answer
    await bench.run(10)
    answer = ILLEGAL
    await bench.run(40)
    answer = GOOD
    await bench.run(200)
    first = min(at for at in bench.wire.times("m") if at >= 40)
    assert first <= 40 + GUARD_AGAIN_S[1]
    after = [at for at in bench.wire.times("m") if at >= first]
    assert max(gaps(after)) <= 2.5, "one answer brings back all that was left out"
    assert bench.poller.silent == ()
    assert [bench.recorder.of("m", name)[-1] for name in ("zone", "door", "power")] == [Decimal(1)] * 3


async def test_one_that_falls_silent_with_all_left_out_is_found_out():
    bench = Bench(device_of("m", profile_of({"zone": "fire"})))
    answer: Answer = GOOD
    bench.wire.script = lambda _request: answer
    await bench.run(10)
    answer = ILLEGAL
    await bench.run(30)
    answer = DeviceSilent("nothing")
    await bench.run(30 + 2 * GUARD_AGAIN_S[1])
    assert bench.poller.silent == ("m",)


async def test_a_line_that_is_back_is_found_though_one_device_cannot_be_asked_on_it():
    """The port takes no such mode: that says nothing of the line, and must not be tried without end."""
    bench = Bench(
        device_of("m0", profile_of({"power": "alarm"})), device_of("m1", profile_of({"power": "alarm"}))
    )
    there = {"m1": True}
    wire = {"up": True}

    def script(request: str) -> Answer:
        if not wire["up"]:
            return LineDown("unplugged")
        if request.startswith("m0"):
            return Misconfigured("the port refuses parity E")
        return GOOD if there["m1"] else DeviceSilent("nothing")

    bench.wire.script = script
    await bench.run(30)
    there["m1"] = False
    await bench.run(60)
    wire["up"] = False
    await bench.run(70)
    wire["up"], there["m1"] = True, True
    asked = len(bench.wire.log)
    await bench.run(130)
    assert bench.poller.up
    assert bench.poller.silent == ()
    assert len([at for at in bench.wire.times("m1") if at > 90]) > 15
    assert len(bench.wire.log) - asked < 200


def test_what_waits_for_ever_takes_no_room_in_the_schedule():
    schedule = Schedule[str]()
    job = schedule.add("m", rank=4, period=1.0, due=0.0)
    for _ in range(100):
        schedule.hold(job, float("inf"))
        schedule.hold(job, 5.0)
    assert schedule.wait(0.0) == 5.0
    assert sum(entry[0] == float("inf") for entry in schedule._later) == 0
