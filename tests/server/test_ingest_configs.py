"""Each stored billing sample can say by which configuration it was read."""

from datetime import timedelta
from decimal import Decimal

from sqlalchemy import select

from messages.types import Lane, Sample
from server.auth.roles import Role
from server.db.engine import read
from server.db.tables_configs import batch_configs, configs
from server.db.tables_delivery import series
from server.metering.readings import around

ONE, TWO = "sha256:" + "1" * 64, "sha256:" + "2" * 64


def sample(house, minute: int, config: str, value: str = "5.00") -> Sample:
    at = house.now - timedelta(minutes=60 - minute)
    return Sample(
        device="m-1", at=at, values={"energy": Decimal(value)}, raw={"energy": "01f4"}, config=config
    )


def told(house, minute: int) -> str:
    with read(house.engine) as conn:
        series_id = conn.execute(
            select(series.c.id).where(series.c.device == "m-1", series.c.point == "energy")
        ).scalar_one()
        at = house.now - timedelta(minutes=60 - minute)
        return next(reading.config for reading in around(conn, series_id, at) if reading.at == at)


def test_within_one_batch_it_may_change(house):
    items = [sample(house, minute, config) for minute, config in enumerate(["", ONE, ONE, TWO, "", ONE])]
    house.batch(*items, lane=Lane.BILLING)
    assert [told(house, minute) for minute in range(6)] == ["", ONE, ONE, TWO, "", ONE]
    with read(house.engine) as conn:
        assert len(conn.execute(select(batch_configs)).all()) == 4, "a row where it changes"


def test_the_next_batch_says_it_again_and_an_older_gateway_says_nothing(house):
    house.batch(sample(house, 1, ONE), lane=Lane.BILLING)
    house.batch(sample(house, 2, ONE), lane=Lane.BILLING)
    house.batch(sample(house, 3, ""), lane=Lane.BILLING)
    assert [told(house, minute) for minute in (1, 2, 3)] == [ONE, ONE, ""]
    with read(house.engine) as conn:
        assert [row.hash for row in conn.execute(select(configs))] == [ONE]


async def test_a_period_read_shows_it(house):
    house.batch(sample(house, 1, ONE), lane=Lane.BILLING)
    at = house.now - timedelta(minutes=59)
    async with house.machine(Role.BILLER) as biller:
        until = at + timedelta(minutes=1)
        query = {"from": at.isoformat(), "to": until.isoformat()}
        rows = (await biller.get("/api/v1/meters/reads", params=query)).json()
        assert rows["rows"], rows
        found = [
            one["config"]
            for row in rows["rows"]
            if row["device"] == "m-1" and row["register"] == "energy"
            for one in row["start"]["basis"]
        ]
    assert found == [ONE], rows
