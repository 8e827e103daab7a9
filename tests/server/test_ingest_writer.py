"""The writer on a real database: once and only once, whatever arrives, in whatever order, how often."""

import tempfile
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from messages.codec import encode
from messages.topics import Address
from messages.types import (
    ClockState,
    CommandResult,
    DeviceEvent,
    Edge,
    Gap,
    GatewayState,
    Lane,
    LaneState,
    Outcome,
    Quality,
    Sample,
)
from server import delivery
from server.db.engine import read
from server.db.tables_delivery import gaps, latest, samples, series
from server.ingest.judge import Incoming
from tests.support.ingest import (
    GW,
    NOW,
    T0,
    Sinks,
    birth,
    born,
    database,
    expected,
    nth,
    one,
    reading,
    rows,
    stored_numbers,
    through,
    up,
    writer,
)
from tests.support.long import amount


@pytest.fixture
def engine(tmp_path: Path):
    made = database(tmp_path)
    yield made
    made.dispose()


def test_a_batch_is_stored_and_answered(engine):
    answer = one(writer(engine).store([up(1, nth(1))], NOW))
    assert (answer.epoch, answer.lane, answer.through, answer.rejected) == ("e1", Lane.TELEMETRY, 1, ())
    assert rows(engine) == expected([1])


def test_storing_twice_is_storing_once_and_answers_again(engine):
    first, second = writer(engine), writer(engine)
    for store in (first, first, second):  # the second has no memory of the first: a restarted process
        assert one(store.store([up(1, nth(1))], NOW)).through == 1
    assert rows(engine) == expected([1])
    assert (first.totals.batches, first.totals.repeated_batches, second.totals.repeated_batches) == (1, 1, 1)


@settings(max_examples=amount(30, 500))
@given(
    groups=st.lists(st.lists(st.integers(1, 9), min_size=1, max_size=6), max_size=12),
    restarts=st.sets(st.integers(0, 11)),
)
def test_any_order_loss_and_repetition_ends_with_every_item_once(groups, restarts):
    with tempfile.TemporaryDirectory() as folder:
        engine = database(Path(folder))
        store, seen = writer(engine), set()
        for turn, group in enumerate(groups):
            if turn in restarts:
                store = writer(engine)
            answer = one(store.store([up(seq, nth(seq)) for seq in group], NOW))
            seen |= set(group)
            contiguous = next(n for n in range(11) if n + 1 not in seen)
            assert answer.through == contiguous == through(engine)
            assert stored_numbers(engine) == sorted(seen)
            with read(engine) as conn:
                lane = delivery.receipt(conn, GW.gateway).lanes[0]
            assert lane.missing_count == max(seen) - len(seen)
            assert lane.highest_seen == max(seen)
        # What was lost on the way is sent again; then nothing is missing, and nothing is there twice.
        assert one(store.store([up(seq, nth(seq)) for seq in range(1, 10)], NOW)).through == 9
        assert rows(engine) == expected(range(1, 10))
        engine.dispose()


def test_two_journals_and_two_lanes_do_not_mix(engine):
    store = writer(engine)
    answers = store.store([up(1, nth(1)), up(1, nth(2), epoch="e2"), up(2, nth(3), lane=Lane.BILLING)], NOW)
    assert {(a.stored.epoch, a.stored.lane, a.stored.through) for a in answers} == {
        ("e1", Lane.TELEMETRY, 1),
        ("e2", Lane.TELEMETRY, 1),
        ("e1", Lane.BILLING, 0),
    }


def test_events_and_results_reach_their_sinks_in_order(engine):
    sinks = Sinks()
    early = DeviceEvent(device="f-1", code="smoke", edge=Edge.RAISED, seen_at=T0)
    future = DeviceEvent(device="f-1", code="smoke", edge=Edge.CLEARED, seen_at=NOW + timedelta(minutes=3))
    result = CommandResult(id="c1", device="d-1", outcome=Outcome.VERIFIED, at=T0, read_back={"lock": False})
    writer(engine, sinks).store([up(7, early, future, result, lane=Lane.ALARM)], NOW)
    assert [(i.event.edge, i.seq, i.index, i.sane_time) for i in sinks.events] == [
        (Edge.RAISED, 7, 0, True),
        (Edge.CLEARED, 7, 1, False),
    ]
    assert [r.read_back for r in sinks.results] == [{"lock": False}]


def test_the_same_instant_with_another_value_is_kept_and_counted(engine):
    store = writer(engine)
    store.store([up(1, reading(energy="5.0"))], NOW)
    store.store(
        [up(2, reading(energy="5.1")), up(3, reading(energy="5.0")), up(4, reading(energy="5.2"))], NOW
    )
    assert [(dup, value) for *_, dup, value in rows(engine)] == [
        (0, Decimal("5.0")),
        (1, Decimal("5.1")),
        (2, Decimal("5.2")),
    ]
    assert (store.totals.conflicting_values, store.totals.repeated_values) == (2, 1)


@pytest.mark.parametrize("values", [99, 100, 101, 257])
def test_groups_of_any_size_are_stored_whole_beside_what_is_there_already(engine, values):
    """Rows go in by the hundred, and a repeated or other value may stand anywhere among them."""
    store = writer(engine)
    points = [f"p{n:03}" for n in range(values)]
    store.store([up(1, reading(**{points[5]: "1", points[-1]: "1"}))], NOW)
    again = reading(**dict.fromkeys(points, "1") | {points[5]: "2"})
    store.store([up(2, again), up(3, reading(at=T0 + timedelta(seconds=1), p000="9"))], NOW)

    found = {(device, point, ms): [] for device, point, ms, _, _ in rows(engine)}
    for device, point, ms, dup, value in rows(engine):
        found[device, point, ms].append((dup, value))
    assert len(found) == values + 1
    assert sorted(map(str, found.values())) == sorted(
        [str([(0, Decimal(1))])] * (values - 1)
        + [str([(0, Decimal(1)), (1, Decimal(2))]), str([(0, Decimal(9))])]
    )
    assert store.totals.repeated_values == 1
    assert store.totals.conflicting_values == 1


def test_unknown_stays_unknown_and_future_is_uncertain(engine):
    ahead = NOW + timedelta(seconds=121)
    store = writer(engine)
    items = (
        Sample(device="m-1", at=T0, values={"a": None, "b": None, "c": True}, bad={"a": Quality.CRC}),
        Sample(device="m-1", at=ahead, values={"a": Decimal(3)}, clock=ClockState.UNSET),
        Sample(device="m-1", at=T0, values={}, bad={"d": Quality.TIMEOUT}),
    )
    store.store([up(1, *items)], NOW)
    query = select(series.c.point, samples.c["value"], samples.c.quality, samples.c.clock).join(
        series, series.c.id == samples.c.series_id
    )
    with read(engine) as conn:
        found = {tuple(row) for row in conn.execute(query)}
    assert found == {
        ("a", None, Quality.CRC, ClockState.SYNCED),
        ("b", None, Quality.SUSPECT, ClockState.SYNCED),
        ("c", True, Quality.GOOD, ClockState.SYNCED),
        ("a", Decimal(3), Quality.CLOCK, ClockState.UNSET),
        ("d", None, Quality.TIMEOUT, ClockState.SYNCED),
    }
    assert store.totals.ahead_values == 1


def test_raw_registers_are_kept_with_their_value(engine):
    sample = Sample(device="m-1", at=T0, values={"energy": Decimal("1234.56")}, raw={"energy": "0001e240"})
    writer(engine).store([up(1, sample, lane=Lane.BILLING)], NOW)
    with read(engine) as conn:
        assert conn.execute(select(samples.c.raw, samples.c.idx)).one() == (bytes.fromhex("0001e240"), 0)


def test_a_declared_gap_is_not_missing_and_lets_the_lane_go_on(engine):
    store = writer(engine)
    assert one(store.store([up(1, nth(1)), up(6, nth(6))], NOW)).through == 1
    gap = Gap(
        lane=Lane.TELEMETRY, first=2, last=5, batches=4, samples=8, since=T0, until=T0, reason="journal full"
    )
    answers = store.store([up(1, gap, lane=Lane.ALARM)], NOW)
    assert {a.stored.lane: a.stored.through for a in answers} == {Lane.ALARM: 1, Lane.TELEMETRY: 6}
    with read(engine) as conn:
        lane = next(x for x in delivery.receipt(conn, GW.gateway).lanes if x.lane == "telemetry")
    assert (lane.stored_through, lane.missing, [(g.first, g.last, g.samples) for g in lane.gaps]) == (
        6,
        [],
        [(2, 5, 8)],
    )
    # It comes all the same, from a broker's queue: stored, not dropped.
    assert one(store.store([up(3, nth(3))], NOW)).through == 6
    assert rows(engine) == expected([1, 3, 6])


def test_a_heartbeat_closes_the_hole_of_a_lost_database(engine):
    store = writer(engine)
    assert one(store.store([up(500, nth(500))], NOW)).through == 0
    state = GatewayState(
        online=True, boot="b1", epoch="e1", lanes={"telemetry": LaneState(first=499, next=501)}
    )
    (answer,) = store.store([Incoming(GW.state, encode(state))], NOW)
    assert answer.stored.through == 498
    assert one(store.store([up(499, nth(499))], NOW)).through == 500
    with read(engine) as conn:
        (row,) = conn.execute(select(gaps)).all()
    assert (row.first, row.last, row.reason, row.samples) == (1, 498, "before this database", None)
    # The gateway's own word is better than ours.
    gap = Gap(
        lane=Lane.TELEMETRY, first=1, last=498, batches=498, samples=9, since=T0, until=T0, reason="full"
    )
    store.store([up(1, gap, lane=Lane.ALARM)], NOW)
    with read(engine) as conn:
        assert [(g.first, g.last, g.reason) for g in conn.execute(select(gaps))] == [(1, 498, "full")]


def test_a_sample_before_its_birth_is_stored_and_known_afterwards(engine):
    store = writer(engine)
    store.store([up(1, nth(1), reading("ghost", x="1"))], NOW)
    store.store([born(birth("m-1"))], NOW)
    with read(engine) as conn:
        known = dict(conn.execute(select(series.c.device + "/" + series.c.point, series.c.known)).all())
    assert known == {"m-1/energy": True, "m-1/volts": True, "ghost/x": False}


def test_latest_is_the_newest_by_its_own_time_and_survives_a_crash(engine):
    sinks = Sinks(watching=frozenset({(GW.site, "m-1")}))
    store = writer(engine, sinks)
    store.store([up(2, nth(2))], NOW)
    store.tick(NOW)
    store.store([up(3, nth(3))], NOW)
    store.store([up(1, nth(1))], NOW)  # late: must not become the latest
    assert {(v.point, v.value) for v in sinks.values} == {
        ("energy", Decimal("2.50")),
        ("volts", Decimal(202)),
        ("energy", Decimal("3.50")),
        ("volts", Decimal(203)),
    }
    again = writer(engine)  # killed before the next tick
    again.tick(NOW)
    query = select(series.c.point, latest.c.value).join(series, series.c.id == latest.c.series_id)
    with read(engine) as conn:
        assert dict(conn.execute(query).all()) == {"energy": Decimal("3.50"), "volts": Decimal(203)}


def test_a_clock_in_the_future_does_not_freeze_the_latest_value(engine):
    store = writer(engine)
    store.store([up(1, reading(at=NOW + timedelta(days=400), energy="9"))], NOW)
    later = NOW + timedelta(seconds=5)
    store.store([up(2, reading(at=later, energy="10"))], later)
    store.tick(later)
    with read(engine) as conn:
        assert conn.execute(select(latest.c.value)).scalar_one() == Decimal(10)


def test_standing_tells_where_living_lanes_are(engine):
    store = writer(engine)
    store.store([born(birth("m-1")), up(1, nth(1)), up(1, nth(2), epoch="old")], NOW)
    told = [(a.address, a.stored.epoch, a.stored.through) for a in writer(engine).standing()]
    assert told == [(Address(*GW), "e1", 1)]
