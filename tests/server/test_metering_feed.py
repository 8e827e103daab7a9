"""The feed of charge-ready reads, from batches through the real writer to JSON and CSV."""

import csv
import io
from datetime import UTC, datetime, timedelta
from decimal import Decimal as Dec
from fractions import Fraction

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import event

from messages.types import ClockState, Lane, MeterInfo, Quality, Sample
from server.auth.roles import Role
from server.db.engine import write
from server.metering.table import COLUMNS, lines, safe
from tests.support.ingest import born
from tests.support.web import house_birth

START = datetime(2026, 2, 28, 16, tzinfo=UTC)  # the first of March in Shanghai
END = datetime(2026, 3, 31, 16, tzinfo=UTC)
URL = "/api/v1/meters/reads"


def read(house, at: datetime, value: str | None, **facts) -> None:
    facts.setdefault("raw", {"energy": "0001d4c0"})
    energy = None if value is None else Dec(value)
    house.batch(Sample(device="m-1", at=at, values={"energy": energy}, **facts), lane=Lane.BILLING)


async def feed(house, role: Role = Role.VIEWER, **query):
    async with house.machine(role) as client:
        return await client.get(URL, params={"month": "2026-03"} | query)


async def one(house, **query):
    answer = await feed(house, **query)
    assert answer.status_code == 200, answer.text
    (row,) = answer.json()["rows"]
    return row


@pytest.fixture
def later(house):
    house.now = datetime(2026, 4, 2, tzinfo=UTC)
    return house


async def test_a_month_with_the_bytes_that_it_rests_on(later):
    read(later, START, "1200.00", raw={"energy": "0001d4c0"})
    read(later, END, "1263.50")
    row = await one(later)
    assert (row["site"], row["building"], row["meter"], row["reader"]) == ("garden", "A", "MP-A-101", "张三")
    assert (row["from_at"], row["to_at"], row["month"]) == (
        "2026-02-28T16:00:00.000Z",
        "2026-03-31T16:00:00.000Z",
        "2026-03",
    )
    assert row["start"]["value"] == "1200.00"
    assert row["start"]["basis"] == [
        {
            "at": "2026-02-28T16:00:00.000Z",
            "value": "1200.00",
            "gateway": "gw-a",
            "epoch": "e1",
            "seq": 1,
            "index": 0,
            "raw": "0001d4c0",
            "clock": "synced",
            "config": "",
        }
    ]
    assert (row["consumption"], row["multiplier"]) == ("1905.00", "30")
    assert (row["quality"], row["state"], row["why"]) == ("exact", "ready", "")


async def test_readings_that_are_not_good_are_passed_over(later):
    read(later, START, None, bad={"energy": Quality.TIMEOUT})
    read(later, START + timedelta(seconds=1), "99.00", clock=ClockState.UNSET)
    read(later, START - timedelta(minutes=3), "1200.00")
    read(later, END, "1201.00")
    row = await one(later)
    assert (row["start"]["method"], row["start"]["value"]) == ("nearest", "1200.00")
    assert row["state"] == "provisional", "no good reading after the start yet within reach"


async def test_nothing_is_guessed(later):
    read(later, START, "1200.00")
    row = await one(later)
    assert row["end"] == {
        "value": None,
        "at": "2026-03-31T16:00:00.000Z",
        "method": "missing",
        "why": "no usable reading near it",
        "basis": [],
    }
    assert (row["consumption"], row["quality"], row["state"]) == (None, "missing", "missing")


async def test_a_running_month_says_so_and_not_that_nobody_read_it(house):
    house.now = END - timedelta(days=3)
    read(house, START, "1200.00")
    read(house, START + timedelta(minutes=10), "1201.00")
    row = await one(house)
    assert (row["end"]["value"], row["end"]["method"]) == (None, "missing")
    assert row["end"]["why"] == row["why"] == "the period has not ended"
    assert (row["consumption"], row["quality"], row["state"]) == (None, "missing", "provisional")


async def test_a_running_month_without_its_beginning_is_missing_already(house):
    house.now = END - timedelta(days=3)
    row = await one(house)
    assert row["why"] == "start: no usable reading near it; end: the period has not ended"
    assert row["state"] == "missing"


async def test_a_month_to_come_has_not_begun(house):
    house.now = START - timedelta(days=3)
    row = await one(house)
    assert row["start"]["why"] == row["why"] == "the period has not begun"
    assert (row["end"]["why"], row["state"]) == ("the period has not ended", "provisional")


@pytest.mark.parametrize("zone", ["Asia", "字" * 200, "../../etc/passwd", "a\0b", ""])
async def test_a_zone_that_is_none_costs_nobody_the_feed(house, zone):
    house.now = datetime(2026, 4, 2, tzinfo=UTC)
    house.store(born(house_birth(timezone=zone, boot="b9")))
    assert (await one(house))["from_at"] == "2026-02-28T16:00:00.000Z", "the server's own zone"


async def test_a_month_of_readings_is_not_read_for_its_two_ends(later):
    for at in (START, END):
        read(later, at, "1200.00")
    hour, hours = int(START.timestamp()) // 3600, (END - START) // timedelta(hours=1)
    every_10_s = (
        (hour + h, 1, 1000 * s, 0, str(1200 + h), 0, 0, 1, 0)
        for h in range(-7, hours + 7)
        for s in range(5, 3600, 10)
    )
    with write(later.engine) as conn:
        raw = conn.connection.driver_connection
        raw.executemany("INSERT INTO samples VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, NULL)", every_10_s)
    work = 0

    def worked() -> None:
        nonlocal work
        work += 1

    event.listen(later.engine, "checkout", lambda raw, *_rest: raw.set_progress_handler(worked, 100))
    row = await one(later)
    assert row["state"] == "held", "up in between, and down again"
    assert work < 200, f"{100 * work} steps of the database for one register"


async def test_between_two_readings_on_both_sides_of_an_hour(later):
    read(later, START - timedelta(minutes=30), "1200.00")
    read(later, START + timedelta(minutes=90), "1204.00")
    read(later, END, "1300.00")
    row = await one(later)
    assert (row["start"]["value"], row["start"]["method"]) == ("1201.00", "interpolated")
    assert [one["value"] for one in row["start"]["basis"]] == ["1200.00", "1204.00"]
    assert (row["quality"], row["state"]) == ("interpolated", "ready")


async def test_two_values_for_one_instant_are_held(later):
    read(later, START, "1200.00")
    read(later, START, "1300.00")
    read(later, END, "1400.00")
    row = await one(later)
    assert (row["start"]["value"], row["consumption"], row["state"]) == ("1200.00", None, "held")


async def test_a_rollover_is_counted_and_said(later):
    read(later, START, "99987.50")
    read(later, END, "12.30")
    row = await one(later)
    assert (row["consumption"], row["state"]) == ("744.00", "ready")
    assert "rolled over at 100000" in row["why"]


@pytest.mark.parametrize(
    ("between", "state", "word"),
    [
        (["1210.00", "1250.00"], "ready", ""),
        (["1210.00", "0.00", "1250.00"], "ready", ""),  # a dip that the next reading makes good
        (["1210.00", "3.20", "11.70", "1250.00"], "held", "EXCHANGE_SUSPECTED"),
        (["9000.00"], "held", "EXCHANGE_SUSPECTED"),
        (["99990.00", "100.00"], "held", "counted"),
    ],
)
async def test_a_register_that_turned_back_in_between_is_held(later, between, state, word):
    """Its last value lies above its first: the ends alone would look well."""
    read(later, START, "1200.00")
    for number, value in enumerate(between):
        for hour in range(12):
            read(later, START + timedelta(days=2 + number, hours=hour, minutes=1), value)
    read(later, END, "1300.00")
    row = await one(later)
    assert (row["state"], row["consumption"]) == (state, "3000.00" if state == "ready" else None)
    assert word in row["why"]


async def test_an_interim_period(later):
    read(later, START, "1200.00")
    read(later, START + timedelta(hours=1), "1200.50")
    async with later.machine(Role.VIEWER) as client:
        span = {"from": START.isoformat(), "to": (START + timedelta(hours=1)).isoformat()}
        (row,) = (await client.get(URL, params=span)).json()["rows"]
        assert (row["consumption"], row["month"]) == ("15.00", None)
        for wrong in (
            {"from": span["from"]},
            span | {"month": "2026-03"},
            {"from": span["to"], "to": span["from"]},
        ):
            assert (await client.get(URL, params=wrong)).status_code == 422


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ({"building": "A"}, 1),
        ({"building": "B"}, 0),
        ({"meter": "MP-A-101"}, 1),
        ({"meter": "MP"}, 0),
        ({"reader": "张三"}, 1),
        ({"site": "elsewhere"}, 0),
    ],
)
async def test_filters(later, query, count):
    assert len((await feed(later, **query)).json()["rows"]) == count


@pytest.mark.parametrize("month", ["2026-13", "2026-3", "x", "1826-01", "2026-03-01"])
async def test_a_month_that_is_none(later, month):
    assert (await feed(later, month=month)).status_code == 422


async def test_control_totals(house):
    """Three meters, two of them ready."""
    birth = house_birth()
    meter = birth.devices[0]
    more = [
        msgspec.structs.replace(
            meter, id=f"m-{n}", meter=MeterInfo(metering_point=f"MP-{n}", multiplier=Dec(n))
        )
        for n in (2, 3)
    ]
    house.be_born(house_birth(devices=(*birth.devices, *more), boot="b2"))
    house.now = datetime(2026, 4, 2, tzinfo=UTC)
    for device in ("m-1", "m-2"):
        for at, value in ((START, "10.00"), (END, "12.50")):
            house.batch(Sample(device=device, at=at, values={"energy": Dec(value)}), lane=Lane.BILLING)
    found = (await feed(house)).json()
    assert found["totals"] == {
        "count": 3,
        "consumption": {"kWh": "80.00"},
        "states": {"missing": 1, "provisional": 0, "held": 0, "ready": 2},
    }
    assert [row["meter"] for row in found["rows"]] == ["MP-2", "MP-3", "MP-A-101"]


async def test_the_longest_numbers_of_the_contract_stop_no_feed_and_lose_no_digit(house):
    """One meter with an absurd register must not take the others' rows with it."""
    birth = house_birth()
    long = Dec("9" * 39 + "." + "9" * 39 + "7")
    absurd = MeterInfo(metering_point="MP-X", multiplier=long)
    more = msgspec.structs.replace(birth.devices[0], id="m-2", meter=absurd)
    house.be_born(house_birth(devices=(*birth.devices, more), boot="b2"))
    house.now = datetime(2026, 4, 2, tzinfo=UTC)
    for device, end in (("m-1", Dec("1.01")), ("m-2", long)):
        for at, value in ((START, Dec(0)), (END, end)):
            house.batch(Sample(device=device, at=at, values={"energy": value}), lane=Lane.BILLING)
    found = (await feed(house)).json()
    by_meter = {row["meter"]: row for row in found["rows"]}
    product = Fraction(long) * Fraction(long)
    assert Fraction(by_meter["MP-X"]["consumption"]) == product
    assert by_meter["MP-A-101"]["consumption"] == "30.30"
    assert Fraction(found["totals"]["consumption"]["kWh"]) == product + Fraction("30.3")


async def test_csv_holds_the_same_numbers(later):
    read(later, START, "1200.00")
    read(later, END, "1263.50")
    answer = await feed(later, Role.BILLER, format="csv")
    assert answer.headers["content-type"].startswith("text/csv")
    assert 'filename="reads-2026-03.csv"' in answer.headers["content-disposition"]
    (row,) = csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig")))
    assert tuple(row) == COLUMNS
    assert (row["start_value"], row["end_value"], row["consumption"]) == ("1200.00", "1263.50", "1905.00")
    assert row["start_basis"] == "2026-02-28T16:00:00.000Z=1200.00@gw-a/e1/1.0"


async def test_who_may_export(later):
    for role, status in ((Role.VIEWER, 403), (Role.GUARD, 403), (Role.BILLER, 200), (Role.ADMIN, 200)):
        assert (await feed(later, role, format="csv")).status_code == status


@given(st.text(max_size=60))
def test_no_text_is_a_formula(text):
    row = dict.fromkeys(COLUMNS, text) | {"start": {"value": "-1", "method": text, "basis": []}}
    row |= {"end": row["start"], "multiplier": "1", "consumption": "-2.5"}
    (found,) = csv.DictReader(io.StringIO(b"".join(lines([row])).decode("utf-8-sig"), newline=""))
    for name, cell in found.items():
        if name in {"start_value", "end_value", "multiplier", "consumption"}:
            Dec(cell)
        else:
            assert not cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n"))
    assert safe("=1+1") == "'=1+1"
    assert safe("＝1+1") == "'＝1+1"
