"""The migrations make exactly the schema that the code speaks of."""

import threading
from datetime import timedelta
from decimal import Decimal

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import insert, inspect, select, text
from sqlalchemy.exc import IntegrityError, StatementError

from server.commands import ANSWER_GRACE, expire
from server.db.engine import read, sqlite_engine, write
from server.db.migrate import SchemaError, config, upgrade
from server.db.outbox import broker_session, database_epoch, newest_seq, record_change
from server.db.schema import load_all
from server.db.tables_commands import commands
from server.db.tables_core import outbox
from server.db.tables_delivery import batches, samples
from server.db.tables_devices import gateways, profile_actions, profile_points
from server.db.types import to_ms
from tests.support.ingest import T0


@pytest.fixture
def engine(tmp_path):
    made = sqlite_engine(tmp_path / "x.db")
    yield made
    made.dispose()


def test_from_empty_to_exactly_the_metadata(engine):
    upgrade(engine)
    with read(engine) as conn:
        context = MigrationContext.configure(conn, opts={"compare_type": True, "render_as_batch": True})
        assert compare_metadata(context, load_all()) == []
        made = dict(conn.execute(text("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL")).all())
    # What a comparison does not see: compare the statements with those that the metadata itself would make.
    other = sqlite_engine(engine.url.database + ".other")
    with write(other) as conn:
        load_all().create_all(conn)
        wanted = dict(conn.execute(text("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL")).all())
    other.dispose()
    made.pop("alembic_version")
    assert made.keys() == wanted.keys()
    for name, sql in wanted.items():
        assert _words(made[name]) == _words(sql), name


def _words(sql: str) -> list[str]:
    return sorted(sql.replace("(", " ").replace(")", " ").replace(",", " ").replace('"', "").split())


def test_twice_changes_nothing_and_keeps_the_epoch(engine):
    upgrade(engine)
    with read(engine) as conn:
        first = database_epoch(conn)
    upgrade(engine)
    with read(engine) as conn:
        assert database_epoch(conn) == first
        assert len(first) == 16


def test_a_database_of_the_first_schema_is_carried_over(engine):
    with write(engine) as conn:
        command.upgrade(config(conn), "0001")
        conn.execute(text("INSERT INTO meta (name, value) VALUES ('epoch', 'kept')"))
        before = dict(conn.execute(text("SELECT name, sql FROM sqlite_master")).all())
    assert "rated_per_h" not in before["devices"]
    upgrade(engine)
    with read(engine) as conn:
        assert database_epoch(conn) == broker_session(conn) == "kept", "messages wait under that name"
        context = MigrationContext.configure(conn, opts={"compare_type": True, "render_as_batch": True})
        assert compare_metadata(context, load_all()) == []


PROFILE = """(id, name, digest, vendor, model, device_class, protocol, resource)
VALUES (1, 'p', 'd', 'v', 'm', 'io', 'x', '')"""
ACTION = "(profile_id, action, position, label, label_zh, expires_ms) VALUES (1, 'open', 0, 'Open', '', 5000)"
COMMAND = """(id, site, gateway, device, action, args, reason, requested_by, state, created_at, until, detail)
VALUES ('c1', 's', 'g', 'd', 'open', '{}', '', 'wang', 'sent', :now, :until, '')"""


def test_commands_that_were_under_way_before_any_took_time_end_as_before(engine):
    until = T0 + timedelta(seconds=5)
    with write(engine) as conn:
        command.upgrade(config(conn), "0008")
        conn.execute(text(f"INSERT INTO profiles {PROFILE}"))
        conn.execute(text(f"INSERT INTO profile_actions {ACTION}"))
        conn.execute(text(f"INSERT INTO commands {COMMAND}"), {"now": to_ms(T0), "until": to_ms(until)})
    upgrade(engine)
    with write(engine) as conn:
        assert conn.execute(select(profile_actions.c.action, profile_actions.c.within_ms)).all() == [
            ("open", 0)
        ]
        assert conn.execute(select(commands.c.until, commands.c.answer_by)).all() == [(until, None)]
        assert expire(conn, until + ANSWER_GRACE - timedelta(milliseconds=1)) == 0
        assert expire(conn, until + ANSWER_GRACE) == 1


def test_two_processes_at_once(tmp_path):
    engines = [sqlite_engine(tmp_path / "x.db") for _ in range(4)]
    errors: list[Exception] = []

    def work(engine):
        try:
            upgrade(engine)
        except Exception as err:  # noqa: BLE001 - told below
            errors.append(err)

    threads = [threading.Thread(target=work, args=(engine,)) for engine in engines]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    with read(engines[0]) as conn:
        assert "samples" in inspect(conn).get_table_names()
    for engine in engines:
        engine.dispose()


def test_a_newer_database_is_refused(engine):
    upgrade(engine)
    with write(engine) as conn:
        conn.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(SchemaError, match="newer version"):
        upgrade(engine)


def test_a_crash_in_the_middle_leaves_nothing(engine):
    with pytest.raises(RuntimeError), write(engine) as conn:
        load_all().create_all(conn)
        raise RuntimeError("power cut")
    with read(engine) as conn:
        assert inspect(conn).get_table_names() == []


def test_durability_settings(engine):
    upgrade(engine)
    with read(engine) as conn:
        assert conn.execute(text("PRAGMA synchronous")).scalar() == 2, "FULL: Stored is a promise"
        assert conn.execute(text("PRAGMA journal_mode")).scalar() == "wal"
        assert conn.execute(text("PRAGMA foreign_keys")).scalar() == 1


def test_columns_refuse_floats_and_naive_times(engine):
    upgrade(engine)
    row = {
        "profile_id": 1,
        "point": "p",
        "position": 0,
        "label": "",
        "label_zh": "",
        "unit": "",
        "kind": "gauge",
    }
    with pytest.raises(StatementError, match="only a finite Decimal"), write(engine) as conn:
        conn.execute(insert(profile_points).values(row | {"billing": True, "period_ms": 0, "modulus": 1.5}))
    with pytest.raises(StatementError, match="with a zone"), write(engine) as conn:
        naive = T0.replace(tzinfo=None)
        conn.execute(insert(gateways).values(site="s", gateway="g", q=1, created_at=naive, online=False))
    with pytest.raises(StatementError, match="can be stored"), write(engine) as conn:
        conn.execute(
            insert(samples).values(
                bucket=0,
                series_id=1,
                offset_ms=0,
                dup=0,
                value=0.1,
                quality="good",
                clock="synced",
                batch_id=1,
                idx=0,
            )
        )
    with pytest.raises(IntegrityError), write(engine) as conn:
        conn.execute(insert(batches).values(lane_id=99, seq=1, at=T0, items=0, quarantined=0))


def test_an_outbox_number_is_never_used_twice(engine):
    upgrade(engine)
    with write(engine) as conn:
        first = record_change(conn, "devices", "s/d", site="s", at=T0, body={"exact": str(Decimal("1.50"))})
        last = record_change(conn, "devices", "s/d", site="s", at=T0)
        assert newest_seq(conn) == last == first + 1
        assert conn.execute(select(outbox.c.body)).scalars().all() == [{"exact": "1.50"}, None]
    with write(engine) as conn:
        conn.execute(outbox.delete())
    with write(engine) as conn:
        assert record_change(conn, "devices", "s/d", site="s", at=T0) == last + 1


def test_a_reader_has_one_snapshot_while_a_writer_commits(engine):
    upgrade(engine)
    with read(engine) as conn:
        assert newest_seq(conn) == 0
        with write(engine) as other:
            record_change(other, "devices", "s/d", site="s", at=T0)
        assert newest_seq(conn) == 0
    with read(engine) as conn:
        assert newest_seq(conn) == 1
