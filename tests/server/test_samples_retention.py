"""What is deleted after its time, and what never is."""

from datetime import timedelta

from sqlalchemy import select

from server.db.engine import read, write
from server.db.tables_delivery import samples, series
from server.ingest.retention import drop_old_samples
from tests.support.ingest import T0, birth, born, database, nth, reading, rows, up, writer


def test_only_old_samples_of_known_points_that_are_not_billed_go(tmp_path):
    engine = database(tmp_path)
    store = writer(engine)
    old = T0 - timedelta(days=40)
    store.store(
        [
            born(birth("m-1")),
            up(1, nth(1)),
            up(2, reading(at=old, energy="1", volts="230")),
            up(3, reading("ghost", at=old, volts="230")),
        ],
        T0,
    )
    before = T0 - timedelta(days=30)
    with write(engine) as conn:
        assert drop_old_samples(conn, before) == 1
        assert drop_old_samples(conn, before) == 0
    left = {(device, point) for device, point, ms, *_ in rows(engine) if ms < before.timestamp() * 1000}
    assert left == {("m-1", "energy"), ("ghost", "volts")}
    with read(engine) as conn:
        assert (
            len(conn.execute(select(samples.c.dup).join(series, series.c.id == samples.c.series_id)).all())
            == 4
        )
    engine.dispose()


def test_the_writer_does_it_by_itself_and_not_without_being_told(tmp_path):
    engine = database(tmp_path)
    writer(engine).store([born(birth("m-1")), up(1, reading(at=T0 - timedelta(days=40), volts="230"))], T0)
    writer(engine).tick(T0)
    assert len(rows(engine)) == 1
    writer(engine, samples_days=30).tick(T0)
    assert rows(engine) == []
    engine.dispose()
