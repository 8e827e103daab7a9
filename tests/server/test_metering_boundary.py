"""Boundary values and consumption: the worked numbers of the domain, and what must hold for every register."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal as Dec
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from messages.types import ClockState, Quality
from server.metering.boundary import (
    Boundary,
    Delta,
    Method,
    Reading,
    boundary,
    decimals,
    delta,
    most_plausible,
    steps,
    times,
)
from server.metering.period import ReadState, month_of, month_span, used

T = datetime(2025, 7, 1, tzinfo=UTC)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


def reading(offset: timedelta, value: str | None, **facts) -> Reading:
    return Reading(at=T + offset, value=None if value is None else Dec(value), **facts)


def test_the_worked_interpolation():
    """1200.00 on 29 June 08:00, 1263.00 on 2 July 20:00; the boundary is 40 h of 84 h along."""
    readings = [reading(-40 * HOUR, "1200.00"), reading(44 * HOUR, "1263.00")]
    found = boundary(readings, T, window=timedelta(days=4))
    assert (found.value, found.method) == (Dec("1230.00"), Method.INTERPOLATED)
    assert found.basis == tuple(readings)


def test_readings_too_far_apart_are_no_basis():
    found = boundary([reading(-40 * HOUR, "1200.00"), reading(44 * HOUR, "1263.00")], T)
    assert (found.value, found.method) == (None, Method.MISSING)
    assert "3 days, 12:00:00 apart" in found.why


@pytest.mark.parametrize(
    ("offsets", "method", "value"),
    [
        ([-60, 0, 60], Method.EXACT, "2"),
        ([-61, 60], Method.NEAREST, "2"),
        ([-60, 60], Method.NEAREST, "1"),  # as near on both sides: the earlier one
        ([-300], Method.NEAREST, "1"),
        ([-301, 400], Method.INTERPOLATED, "1"),
        ([-301], Method.MISSING, None),
        ([], Method.MISSING, None),
    ],
)
def test_the_order_of_preference(offsets, method, value):
    readings = [reading(timedelta(seconds=s), str(n + 1)) for n, s in enumerate(offsets)]
    found = boundary(readings, T)
    assert (found.method, found.value) == (method, None if value is None else Dec(value))
    assert bool(found.why) is (value is None)


@pytest.mark.parametrize(
    "bad",
    [
        {"value": None, "quality": Quality.TIMEOUT},
        {"value": "5", "quality": Quality.STALE},
        {"value": "5", "quality": Quality.CLOCK},
        {"value": "5", "quality": Quality.SUSPECT},
        {"value": "5", "clock": ClockState.UNSET},
    ],
)
def test_what_is_not_good_is_never_a_basis(bad):
    found = boundary([reading(timedelta(), **bad), reading(-4 * MINUTE, "4")], T)
    assert (found.value, found.method) == (Dec(4), Method.NEAREST)


def test_a_line_over_a_rollover():
    readings = [reading(-HOUR, "99999.0"), reading(HOUR, "1.0")]
    assert boundary(readings, T, modulus=Dec(100_000)).value == Dec("0.0")
    assert boundary(readings, T).method is Method.MISSING


def test_a_line_is_cut_down_to_what_the_register_shows():
    readings = [reading(-HOUR, "1.00"), reading(2 * HOUR, "1.01")]
    assert boundary(readings, T).value == Dec("1.00")


values = st.decimals(min_value=0, max_value=10**9, places=2)


@given(values, values, st.integers(1, 10_000), st.integers(1, 10_000))
def test_an_interpolated_value_lies_between_and_on_the_grid(one, other, before, after):
    start, end = sorted((one, other))
    readings = [
        reading(timedelta(seconds=-300 - before), str(start)),
        reading(timedelta(seconds=300 + after), str(end)),
    ]
    found = boundary(readings, T, window=timedelta(days=1))
    assert found.value is not None
    assert start <= found.value <= end
    assert decimals(found.value) <= 2


@given(st.lists(st.tuples(st.integers(0, 50), values), min_size=2, max_size=20), st.integers(0, 50))
def test_consumption_telescopes(points, middle):
    """Two periods that meet share one boundary: nothing is lost or counted twice."""
    climbing, total = [], Dec(0)
    for minute, step in sorted(points):
        total += step
        climbing.append(reading(minute * 10 * MINUTE, str(total)))
    at = [T, T + middle * 10 * MINUTE, T + 500 * MINUTE]
    edges = [boundary(climbing, moment, window=timedelta(days=30)) for moment in at]
    if any(edge.value is None for edge in edges):
        return
    first, second, whole = (
        delta(edges[a].value, edges[b].value, modulus=None)[1] for a, b in ((0, 1), (1, 2), (0, 2))
    )
    if None not in {first, second}:
        assert first + second == whole


@pytest.mark.parametrize(
    ("start", "end", "modulus", "most", "result"),
    [
        ("99987.50", "00012.30", "100000", "380.16", (Delta.ROLLOVER, Dec("24.80"))),
        ("42949670.00", "1.50", "42949672.96", "100", (Delta.ROLLOVER, Dec("4.46"))),
        ("838857.6", "3.2", "838860.8", "50", (Delta.ROLLOVER, Dec("6.4"))),
        ("999984.0625", "20", "1000000", "50", (Delta.ROLLOVER, Dec("35.9375"))),
        ("146129.015", "145693.015", "1000000", "380.16", (Delta.DECREASE, None)),
        ("8712.4", "11.7", "100000", "11404.8", (Delta.EXCHANGE_SUSPECTED, None)),
        ("0", "7.9", "100000", "3.96", (Delta.SPIKE, None)),
    ],
    ids=["R1", "R2", "R3", "R4", "R5", "R6", "SPIKE"],
)
def test_the_worked_deltas(start, end, modulus, most, result):
    assert delta(Dec(start), Dec(end), modulus=Dec(modulus), most=Dec(most)) == result


@pytest.mark.parametrize("row", ["R1", "R2", "R3", "R4", "R6"])
def test_without_a_rating_a_wrap_is_believed_up_to_a_tenth_of_the_register(row):
    start, end, modulus, expected = {
        "R1": ("99987.50", "12.30", "100000", Delta.ROLLOVER),
        "R2": ("42949670.00", "1.50", "42949672.96", Delta.ROLLOVER),
        "R3": ("838857.6", "3.2", "838860.8", Delta.ROLLOVER),
        "R4": ("999984.0625", "20", "1000000", Delta.ROLLOVER),
        "R6": ("8712.4", "11.7", "100000", Delta.EXCHANGE_SUSPECTED),
    }[row]
    assert delta(Dec(start), Dec(end), modulus=Dec(modulus))[0] is expected


def test_after_a_dip_counting_goes_on_from_the_last_good_value():
    r5 = [reading(n * HOUR, value) for n, value in enumerate(["146129.015", "145693.015", "146274"])]
    found = steps(r5, modulus=Dec(1_000_000), most=Dec("380.16"))
    assert found == [(Delta.DECREASE, None), (Delta.OK, Dec("144.985"))]
    r7 = [
        reading(timedelta(), "3.737"),
        reading(HOUR, None, quality=Quality.TIMEOUT),
        reading(2 * HOUR, "0.000"),
        reading(3 * HOUR, "3.746"),
    ]
    assert steps(r7, modulus=Dec(100_000))[-1] == (Delta.OK, Dec("0.009"))


def test_the_rating_bounds_what_is_plausible():
    assert most_plausible(Dec("13.2"), timedelta(hours=24)) == Dec("380.16")


def test_a_multiplier_is_exact():
    assert times(Dec("0.0375"), Dec(4000)) == Dec("150.0000")
    assert times(Dec("8.5"), Dec(30)) == Dec("255.0")


# -- a period ---------------------------------------------------------------------------------------------------


def edge(value: str | None, offset: timedelta, **facts) -> Boundary:
    facts.setdefault("settled", True)
    method = Method.MISSING if value is None else Method.EXACT
    return Boundary(at=T + offset, value=None if value is None else Dec(value), method=method, **facts)


def period(start: Boundary, end: Boundary, now: datetime = T + 100 * HOUR, modulus: str | None = "100000"):
    return used(start, end, multiplier=Dec(30), modulus=None if modulus is None else Dec(modulus), now=now)


def test_a_period_that_is_ready():
    found = period(edge("3.2", -HOUR), edge("11.7", HOUR))
    assert (found.amount, found.state, found.quality) == (Dec("255.0"), ReadState.READY, "exact")


def test_a_missing_boundary_has_no_number():
    found = period(edge(None, -HOUR, why="nobody read it"), edge("11.7", HOUR))
    assert (found.amount, found.state, found.quality) == (None, ReadState.MISSING, "missing")
    assert found.why == "start: nobody read it"


def test_a_period_that_still_runs_is_provisional():
    found = period(edge("3.2", -HOUR), edge(None, HOUR), now=T)
    assert (found.amount, found.state) == (None, ReadState.PROVISIONAL)


def test_a_boundary_that_may_still_get_a_nearer_reading_is_provisional():
    found = period(edge("3.2", -HOUR), edge("11.7", HOUR, settled=False))
    assert (found.amount, found.state) == (Dec("255.0"), ReadState.PROVISIONAL)


@pytest.mark.parametrize(("end", "word"), [("2.0", "DECREASE"), ("0.7", "EXCHANGE_SUSPECTED")])
def test_a_register_that_went_back_is_held_for_a_person(end, word):
    found = period(edge("3.2", -HOUR), edge(end, HOUR))
    assert (found.amount, found.state) == (None, ReadState.HELD)
    assert word in found.why


def test_two_values_for_one_instant_are_held():
    torn = Reading(at=T, value=Dec("11.7"), conflict=True)
    found = period(edge("3.2", -HOUR), edge("11.7", HOUR, basis=(torn,)))
    assert (found.amount, found.state) == (None, ReadState.HELD)


@pytest.mark.parametrize(
    ("month", "zone", "since", "until"),
    [
        ("2026-03", "Asia/Shanghai", "2026-02-28T16:00", "2026-03-31T16:00"),
        ("2025-12", "Asia/Shanghai", "2025-11-30T16:00", "2025-12-31T16:00"),
        ("2025-03", "Europe/Berlin", "2025-02-28T23:00", "2025-03-31T22:00"),
        ("2025-10", "Europe/Berlin", "2025-09-30T22:00", "2025-10-31T23:00"),
    ],
)
def test_a_month_is_that_of_the_site(month, zone, since, until):
    found = month_span(month, ZoneInfo(zone))
    assert found == tuple(datetime.fromisoformat(f"{at}+00:00") for at in (since, until))
    assert month_of(found[0], ZoneInfo(zone)) == month
    assert month_of(found[1] - timedelta(seconds=1), ZoneInfo(zone)) == month


@given(st.dates(min_value=datetime(2001, 1, 1).date(), max_value=datetime(2098, 12, 31).date()))
def test_months_tile_time(day):
    zone = ZoneInfo("Europe/Berlin")
    month = day.strftime("%Y-%m")
    until = month_span(month, zone)[1]
    assert month_span(month_of(until, zone), zone)[0] == until
