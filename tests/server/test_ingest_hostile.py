"""Ingest against poison, garbage, a full disk: the guilty pays alone, and nothing goes without a trace."""

import sqlite3
import tempfile
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import event

from messages.topics import Address
from messages.types import (
    DeviceEvent,
    Edge,
    Lane,
)
from server.db.engine import read
from server.ingest.judge import Incoming
from server.ingest.writer import StoreDown
from tests.support.ingest import (
    GW,
    NOW,
    T0,
    Sinks,
    database,
    expected,
    nth,
    one,
    quarantined,
    reading,
    rows,
    stored_numbers,
    up,
    writer,
)
from tests.support.long import amount


@pytest.fixture
def engine(tmp_path: Path):
    made = database(tmp_path)
    yield made
    made.dispose()


def test_one_bad_item_costs_that_item(engine):
    good, payload = nth(1), up(1, nth(1), nth(2), nth(3)).payload
    body = msgspec.json.decode(payload)
    body["items"][1]["values"]["energy"] = 2.5  # a binary float near a register
    store = writer(engine)
    answer = one(store.store([Incoming(GW.up(Lane.TELEMETRY), msgspec.json.encode(body))], NOW))
    assert answer.through == 1
    assert [(r.seq, r.index) for r in answer.rejected] == [(1, 1)]
    assert rows(engine) == expected([1, 3])
    (row,) = quarantined(engine)
    assert (row.lane, row.seq, row.idx) == ("telemetry", 1, 1)
    assert b"2.5" in row.payload
    assert good.values["energy"] == Decimal("1.50")
    # The answer may be lost: the same batch again is told the same.
    assert [
        (r.seq, r.index)
        for r in one(
            writer(engine).store([Incoming(GW.up(Lane.TELEMETRY), msgspec.json.encode(body))], NOW)
        ).rejected
    ] == [(1, 1)]
    assert len(quarantined(engine)) == 1


@pytest.mark.parametrize(
    "payload",
    [
        b'{"v":1,"gateway":"gw-a","epoch":"e1","lane":"telemetry","seq":1,"items":{}}',
        b'{"v":2,"gateway":"gw-a","epoch":"e1","lane":"telemetry","seq":1,"items":[]}',
        b'{"v":1,"gateway":"gw-a","epoch":"e1","lane":"telemetry","seq":1,"items":['
        + b",".join([b"{}"] * 2001)
        + b"]}",
    ],
    ids=["items no list", "newer version", "too many items"],
)
def test_a_poisoned_batch_with_a_readable_number_blocks_nothing(engine, payload):
    store = writer(engine)
    answer = one(store.store([Incoming(GW.up(Lane.TELEMETRY), payload), up(2, nth(2))], NOW))
    assert answer.through == 2
    assert [(r.seq, r.index) for r in answer.rejected] == [(1, None)]
    assert rows(engine) == expected([2])
    assert quarantined(engine)[0].payload == payload


@pytest.mark.parametrize(
    ("topic", "payload"),
    [
        (GW.up(Lane.TELEMETRY), b"\xff\x00 not json"),
        (GW.up(Lane.TELEMETRY), b"[" * 100_000),
        (
            GW.up(Lane.TELEMETRY),
            b'{"v":1,"gateway":"gw-a","epoch":"e1","lane":"telemetry","seq":-3,"items":[]}',
        ),
        (
            GW.up(Lane.TELEMETRY),
            b'{"v":1,"gateway":"gw-b","epoch":"e1","lane":"telemetry","seq":1,"items":[]}',
        ),
        (GW.up(Lane.ALARM), b'{"v":1,"gateway":"gw-a","epoch":"e1","lane":"telemetry","seq":1,"items":[]}'),
        ("gatehouse/1/garden/gw-a/up/cargo", b"{}"),
        ("gatehouse/1/garden/gw a/up/alarm", b"{}"),
        (GW.birth, b"{}"),
        (GW.state, b'{"online":"yes"}'),
    ],
)
def test_poison_without_a_number_is_kept_once_and_its_neighbours_are_stored(engine, topic, payload):
    store = writer(engine)
    for _ in range(3):
        assert one(store.store([Incoming(topic, payload), up(1, nth(1))], NOW)).through == 1
    assert rows(engine) == expected([1])
    (row,) = quarantined(engine)
    assert row.payload == payload
    assert row.reason


def test_a_flood_of_garbage_has_an_end(engine, monkeypatch):
    monkeypatch.setattr("server.ingest.quarantine.MAX_UNNUMBERED", 5)
    store = writer(engine)
    for number in range(9):
        store.store([Incoming(GW.up(Lane.ALARM), b"garbage %d" % number)], NOW)
    other = Address("garden", "gw-b")
    store.store([Incoming(other.up(Lane.ALARM), b"garbage")], NOW)
    assert [row.gateway for row in quarantined(engine)] == ["gw-a"] * 5 + ["gw-b"]


def test_a_retained_batch_is_no_reading(engine):
    store = writer(engine)
    message = up(1, nth(1))
    assert store.store([Incoming(message.topic, message.payload, retained=True)], NOW) == []
    assert rows(engine) == []
    assert "retain" in quarantined(engine)[0].reason
    assert one(store.store([message], NOW)).through == 1


def test_what_an_engine_chokes_on_costs_one_message_not_the_group(engine):
    sinks = Sinks(fail_on="cursed")
    store = writer(engine, sinks)
    cursed = DeviceEvent(device="f-1", code="cursed", edge=Edge.RAISED, seen_at=T0)
    fine = DeviceEvent(device="f-1", code="smoke", edge=Edge.RAISED, seen_at=T0)
    group = [up(1, nth(1)), up(1, cursed, lane=Lane.ALARM), up(2, fine, lane=Lane.ALARM), up(2, nth(2))]
    answers = store.store(group, NOW)
    assert max(a.stored.through for a in answers if a.stored.lane is Lane.ALARM) == 2
    assert rows(engine) == expected([1, 2])
    assert [(item.event.code, item.seq) for item in sinks.events][-1] == ("smoke", 2)
    assert quarantined(engine)[0].lane == "alarm"


def test_a_database_that_cannot_write_stores_nothing_and_recovers(engine, tmp_path):
    store = writer(engine)
    store.store([up(1, nth(1))], NOW)
    with read(engine) as conn:
        conn.exec_driver_sql("PRAGMA busy_timeout=10").close()
    other = sqlite3.connect(tmp_path / "gatehouse.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreDown):
        store.store([up(2, nth(2))], NOW)
    other.execute("ROLLBACK")
    other.close()
    assert one(store.store([up(2, nth(2)), up(3, nth(3))], NOW)).through == 3
    assert rows(engine) == expected([1, 2, 3])


def test_a_full_disk_stores_nothing_and_recovers(engine):
    store = writer(engine)
    store.store([up(1, nth(1))], NOW)
    with read(engine) as conn:
        pages = conn.exec_driver_sql("PRAGMA page_count").scalar_one()
    big = [
        up(seq, *(reading(f"m-{n}", at=nth(seq).at, energy="1") for n in range(400))) for seq in range(2, 30)
    ]

    def small(raw, _record):
        raw.execute(f"PRAGMA max_page_count={pages + 3}")

    event.listen(engine, "connect", small)
    engine.dispose()
    with pytest.raises(StoreDown, match="full"):
        store.store(big, NOW)
    event.remove(engine, "connect", small)
    engine.dispose()
    assert stored_numbers(engine) == [1]
    assert one(store.store(big, NOW)).through == 29
    assert len(rows(engine)) == 2 + 28 * 400


@settings(max_examples=amount(75, 2000))
@given(data=st.data())
def test_no_payload_whatever_stops_ingest_or_spoils_a_neighbour(data):
    whole = up(2, nth(2), DeviceEvent(device="d", code="c", edge=Edge.PULSE, seen_at=T0)).payload
    mutant = data.draw(
        st.one_of(
            st.binary(max_size=80),
            st.integers(0, len(whole)).map(lambda cut: whole[:cut]),
            st.tuples(st.integers(0, len(whole) - 1), st.binary(min_size=1, max_size=3)).map(
                lambda change: whole[: change[0]] + change[1] + whole[change[0] + 1 :]
            ),
            _edited(msgspec.json.decode(whole)),
        )
    )
    topic = data.draw(st.sampled_from([GW.up(Lane.TELEMETRY), GW.state, GW.birth, GW.up(Lane.ALARM)]))
    with tempfile.TemporaryDirectory() as folder:
        engine = database(Path(folder))
        answers = writer(engine).store([Incoming(topic, mutant), up(1, nth(1))], NOW)
        assert all(a.stored.through <= 2 for a in answers if a.stored.epoch == "e1")
        assert set(expected([1])) <= set(rows(engine))
        # Stored, or kept with its reason: nothing goes without a trace.
        stored = stored_numbers(engine)
        assert stored != [1] or quarantined(engine) or topic in {GW.state, GW.birth}
        engine.dispose()


def _edited(body):
    """The batch with one of its fields, or a field of an item, replaced by something else."""
    junk = st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**70), 2**70),
        st.floats(allow_nan=False, allow_infinity=False),
        st.text(max_size=5),
        st.lists(st.none(), max_size=2),
        st.just({}),
    )

    def put(choice):
        where, value = choice
        changed = msgspec.json.decode(msgspec.json.encode(body))
        target = changed
        for step in where[:-1]:
            target = target[step]
        target[where[-1]] = value
        return msgspec.json.encode(changed)

    places = [(key,) for key in body]
    places += [("items", 0, key) for key in body["items"][0]] + [
        ("items", 1, key) for key in body["items"][1]
    ]
    places += [("items", 0, "values", "energy"), ("items", 0, "values", "new")]
    return st.tuples(st.sampled_from(places), junk).map(put)
