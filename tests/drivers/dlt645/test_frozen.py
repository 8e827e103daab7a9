"""Frozen registers and the instants that they are of."""

from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from drivers.errors import FrameDamaged
from messages.types import Quality
from simulators.dlt645 import SimBus
from tests.support.dlt645 import (
    CLOCK,
    ENERGY,
    FROZEN,
    NOW,
    SETTLED,
    ZONE,
    carry,
    device,
    meter,
    profile,
    read,
    seconds,
    values,
)


def test_the_daily_freeze_comes_with_its_time_in_one_piece():
    one = meter()
    one.freeze(datetime(2026, 11, 22, tzinfo=ZONE))
    one.energies[1][0] += 5
    made = device(profile(FROZEN, atomic=[list(FROZEN)]))
    assert values(made, SimBus([one]), *FROZEN) == [
        seconds(datetime(2026, 11, 22, tzinfo=ZONE)),
        Decimal("1234.56"),
        Decimal("300.00"),
    ]
    assert [*one.asked] == [*CLOCK, "05060001", "05060101", "05060001"]
    (whole,) = made.plan(["frozen"])
    assert (whole.steps, set(whole.points)) == (6, set(FROZEN))
    assert made.split(whole) == []


def test_a_freeze_in_the_middle_of_its_reading_is_no_boundary():
    one = meter()
    one.freeze(NOW - timedelta(days=1))
    made = device(profile(FROZEN, atomic=[list(FROZEN)]))
    (whole,) = made.plan(["frozen"])
    bus, following = SimBus([one]), made.exchange(whole)
    for _ in range(4):  # date, time, date, time of the freeze
        following = following.then(following.reader.feed(bus.feed(following.request)[0]))
    one.freeze(NOW)
    with pytest.raises(FrameDamaged, match="05060001 changed"):
        carry(following, bus)


def test_a_frozen_register_is_a_reading_of_its_own_instant():
    one = meter()
    midnight = datetime(2026, 11, 22, tzinfo=ZONE)
    one.freeze(midnight)
    one.settle()
    points = FROZEN | SETTLED | ENERGY
    made = device(profile(points, atomic=[list(FROZEN), list(SETTLED)]))
    found, _ = read(made, SimBus([one]), list(points))
    assert (found["frozen"].at, found["frozen"].quality) == (midnight, Quality.GOOD)
    assert found["closing"].at == datetime(2026, 11, 1, tzinfo=ZONE)
    assert {found[name].at for name in ("frozen_at", "settled_at", *ENERGY)} == {None}
    one.offset = timedelta(minutes=6)
    found, _ = read(made, SimBus([one]), list(points))
    assert [found[name].quality for name in ("frozen", "closing", "total")] == [
        Quality.CLOCK,
        Quality.CLOCK,
        Quality.GOOD,
    ]
    alone, _ = read(device(profile({"frozen": FROZEN["frozen"]})), SimBus([one]), ["frozen"])
    assert alone["frozen"].at is None


@pytest.mark.parametrize(
    ("day", "clock", "instant"),
    [
        ((1, 0), NOW, datetime(2026, 11, 1, tzinfo=ZONE)),
        ((25, 9), NOW, datetime(2026, 10, 25, 9, tzinfo=ZONE)),
        ((22, 16), NOW, datetime(2026, 11, 22, 16, tzinfo=ZONE)),
        ((22, 17), NOW, datetime(2026, 10, 22, 17, tzinfo=ZONE)),
        ((28, 0), datetime(2026, 1, 5, tzinfo=ZONE), datetime(2025, 12, 28, tzinfo=ZONE)),
    ],
)
def test_the_settlement_instant_follows_from_the_meters_own_clock(day, clock, instant):
    one = meter(settlement_day=day, now=lambda: clock)
    one.settle()
    one.energies[1][0] += 5
    made = device(profile(SETTLED, atomic=[list(SETTLED)]))
    assert values(made, SimBus([one]), *SETTLED) == [seconds(instant), Decimal("1234.56")]


def test_a_settlement_in_the_middle_of_its_reading_is_no_boundary():
    at = [datetime(2026, 11, 30, 23, 59, 58, tzinfo=ZONE)]
    one = meter(now=lambda: at[0])
    one.settle()
    made = device(profile(SETTLED, atomic=[list(SETTLED)]))
    (whole,) = made.plan(["closing"])
    bus, exchange = SimBus([one]), made.exchange(whole)
    for _ in range(5):  # settlement day, date, time, date, energy
        exchange = exchange.then(exchange.reader.feed(bus.feed(exchange.request)[0]))
    at[0] += timedelta(seconds=5)
    with pytest.raises(FrameDamaged, match="settlement instant"):
        carry(exchange, bus)


@pytest.mark.parametrize(("after", "told"), [(59, False), (60, True)])
def test_a_meter_that_has_only_just_settled_is_asked_later(after, told):
    now = datetime(2026, 12, 1, tzinfo=ZONE) + timedelta(seconds=after)
    one = meter(now=lambda: now)
    one.settle()
    made = device(profile(SETTLED, atomic=[list(SETTLED)]))
    if told:
        assert values(made, SimBus([one]), "settled_at") == [seconds(datetime(2026, 12, 1, tzinfo=ZONE))]
    else:
        with pytest.raises(FrameDamaged, match="only just"):
            values(made, SimBus([one]), "settled_at")


@pytest.mark.parametrize("what", ["freeze", "settlement"])
@pytest.mark.parametrize("step", range(9))
def test_whenever_the_meter_moves_on_a_register_has_its_own_instant(what, step):
    at = [datetime(2026, 11, 30, 23, 59, 59, tzinfo=ZONE)]
    one = meter(now=lambda: at[0])
    one.freeze(datetime(2026, 11, 30, tzinfo=ZONE))
    one.settle()
    old, new = one.energies[1][0], one.energies[1][0] + 7
    points = FROZEN if what == "freeze" else SETTLED
    instant, register = list(points)[:2]
    made = device(profile(points, atomic=[list(points)]))
    (whole,) = made.plan([register])
    bus, following, steps = SimBus([one]), made.exchange(whole), 0
    try:
        while not isinstance(following, bytes):
            if steps == step:
                at[0] += timedelta(seconds=1)
                one.energies[1][0] = new
                one.freeze()
                one.settle()
            following = following.then(following.reader.feed(bus.feed(following.request)[0]))
            steps += 1
    except FrameDamaged:
        return
    found = made.decode(whole, following)
    before = datetime(2026, 11, 30, tzinfo=ZONE) if what == "freeze" else datetime(2026, 11, 1, tzinfo=ZONE)
    pairs = {(seconds(before), old), (seconds(datetime(2026, 12, 1, tzinfo=ZONE)), new)}
    assert (found[instant].value, found[register].value) in pairs


def test_a_settlement_day_that_is_not_set_is_no_instant():
    one = meter(settlement_day=(99, 99))
    one.settle()
    found, _ = read(device(profile(SETTLED, atomic=[list(SETTLED)])), SimBus([one]), list(SETTLED))
    assert (found["settled_at"].value, found["settled_at"].quality) == (None, Quality.RANGE)
    assert found["closing"].value == Decimal("1234.56")
