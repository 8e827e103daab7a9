"""What a meter was in a period: a change of the archive within it holds it, one after it leaves it as it was."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal as Dec

import msgspec
import pytest

from messages.types import Birth, Lane, Sample
from server.auth.roles import Role
from tests.support.web import house_birth

START = datetime(2026, 2, 28, 16, tzinfo=UTC)  # the first of March in Shanghai
MIDDLE = datetime(2026, 3, 15, tzinfo=UTC)
END = datetime(2026, 3, 31, 16, tzinfo=UTC)
NEXT_END = datetime(2026, 4, 30, 16, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture
def house(house):
    """A meter known since February, and read at the ends of two months."""
    house.now = datetime(2026, 2, 1, tzinfo=UTC)
    house.be_born(house_birth(boot="b0"))
    house.now = datetime(2026, 5, 2, tzinfo=UTC)
    for at, value in ((START, "1200.00"), (END, "1263.50"), (NEXT_END, "1300.00")):
        house.batch(Sample(device="m-1", at=at, values={"energy": Dec(value)}), lane=Lane.BILLING)
    return house


def with_meter(**facts) -> Birth:
    birth = house_birth(boot="b0")
    first, *others = birth.devices
    changed = msgspec.structs.replace(first, meter=msgspec.structs.replace(first.meter, **facts))
    return msgspec.structs.replace(birth, devices=(changed, *others))


def with_profile(name: str = "meter", point: str = "energy", **facts) -> Birth:
    """The meter with a profile that differs: `facts` of the profile or of its register."""
    birth = house_birth(boot="b0")
    old = birth.profiles["meter"]
    of_point = {key: facts.pop(key) for key in ("unit", "kind", "modulus", "label") if key in facts}
    known = {point: msgspec.structs.replace(old.points["energy"], **of_point), "volts": old.points["volts"]}
    new = msgspec.structs.replace(old, points=facts.pop("points", known), **facts)
    first, *others = birth.devices
    changed = msgspec.structs.replace(first, profile=name)
    profiles = dict(birth.profiles) | {name: new}
    return msgspec.structs.replace(birth, profiles=profiles, devices=(changed, *others))


def change(house, at: datetime, birth: Birth) -> None:
    house.now = at
    house.be_born(birth)
    house.now = datetime(2026, 5, 2, tzinfo=UTC)


async def rows(house, **query):
    async with house.machine(Role.VIEWER) as client:
        answer = await client.get("/api/v1/meters/reads", params={"month": "2026-03"} | query)
    assert answer.status_code == 200, answer.text
    return answer.json()["rows"]


async def one(house, **query):
    (row,) = await rows(house, **query)
    return row


CHANGES = [
    (lambda: with_meter(multiplier=Dec(60)), "multiplier from 30 to 60"),
    (lambda: with_meter(serial="SN2"), "serial from SN1 to SN2"),
    (lambda: with_meter(serial=""), "serial from SN1 to none"),
    (lambda: with_profile("meter2"), "name from meter to meter2"),
    (lambda: with_profile(model="M2"), "model from M1 to M2"),
    (lambda: with_profile(unit="MWh"), "unit from kWh to MWh"),
    (lambda: with_profile(modulus=None), "modulus from 100000 to none"),
]


@pytest.mark.parametrize(("birth", "words"), CHANGES)
async def test_a_change_within_the_period_is_held(house, birth, words):
    change(house, MIDDLE, birth())
    row = await one(house)
    assert (row["consumption"], row["state"]) == (None, "held")
    assert row["why"] == f"MASTER_DATA_CHANGED: {words} at 2026-03-15T00:00:00.000Z"
    assert (await one(house, month="2026-04"))["state"] == "ready"


@pytest.mark.parametrize("at", [END, END + DAY, NEXT_END + DAY])
@pytest.mark.parametrize(("birth", "words"), CHANGES)
async def test_a_change_after_the_period_leaves_it_as_it_was(house, birth, words, at):
    before = await one(house)
    change(house, at, birth())
    assert await one(house) == before
    assert (before["consumption"], before["multiplier"], before["state"]) == ("1905.00", "30", "ready")


@pytest.mark.parametrize("at", [START - DAY, START])
async def test_a_change_before_the_period_or_as_it_begins_is_in_force(house, at):
    change(house, at, with_meter(multiplier=Dec(60)))
    row = await one(house)
    assert (row["consumption"], row["multiplier"], row["state"]) == ("3810.00", "60", "ready")


async def test_each_period_has_what_was_true_at_its_time(house):
    change(house, END, with_meter(multiplier=Dec(60)))
    change(house, NEXT_END, with_meter(multiplier=Dec(7)))
    assert [(await one(house, month=month))["multiplier"] for month in ("2026-03", "2026-04")] == ["30", "60"]
    both = {"from": START.isoformat(), "to": NEXT_END.isoformat()}
    async with house.machine(Role.VIEWER) as client:
        (row,) = (await client.get("/api/v1/meters/reads", params=both)).json()["rows"]
    assert row["state"] == "held"
    assert row["why"] == "MASTER_DATA_CHANGED: multiplier from 30 to 60 at 2026-03-31T16:00:00.000Z"


async def test_what_was_changed_and_changed_back_is_held_too(house):
    change(house, MIDDLE, with_meter(multiplier=Dec(60)))
    change(house, MIDDLE + DAY, house_birth(boot="b0"))
    row = await one(house)
    assert (row["multiplier"], row["state"]) == ("30", "held")


async def test_two_changes_are_both_said(house):
    change(house, MIDDLE, with_meter(multiplier=Dec(60), serial="SN2"))
    assert (await one(house))["why"] == (
        "MASTER_DATA_CHANGED: multiplier from 30 to 60 at 2026-03-15T00:00:00.000Z; "
        "MASTER_DATA_CHANGED: serial from SN1 to SN2 at 2026-03-15T00:00:00.000Z"
    )


@pytest.mark.parametrize(
    "birth",
    [
        lambda: with_profile(label="Active energy"),
        lambda: with_profile(events={}),
        lambda: with_meter(reader="李四"),
        lambda: with_meter(multiplier=Dec("30.0")),
        lambda: with_meter(rated_per_h={"energy": Dec(100)}),
    ],
)
async def test_what_means_nothing_to_a_bill_holds_none(house, birth):
    """Also a new edition of the gateway's profiles: it must not stop the bills of a whole site."""
    change(house, MIDDLE, birth())
    assert (await one(house))["state"] == "ready"


async def test_a_serial_that_is_told_for_the_first_time_is_no_other_one(house):
    change(house, START - DAY, with_meter(serial=""))
    change(house, MIDDLE, with_meter(serial="SN1"))
    assert (await one(house))["state"] == "ready"


async def test_a_device_that_becomes_a_meter_has_the_multiplier_of_the_meter(house):
    birth = house_birth(boot="b0")
    first, *others = birth.devices
    change(house, START - DAY, msgspec.structs.replace(birth, devices=(_no_meter(first), *others)))
    change(house, MIDDLE, house_birth(boot="b0"))
    for month in ("2026-03", "2026-02"):
        assert (await one(house, month=month))["multiplier"] == "30"
    assert (await one(house))["state"] == "ready"


def _no_meter(device):
    return msgspec.structs.replace(device, meter=None)


async def test_a_register_that_went_with_its_profile_is_still_billed(house):
    change(house, END + DAY, with_profile("meter2", point="import"))
    row = await one(house)
    assert (row["register"], row["consumption"], row["state"]) == ("energy", "1905.00", "ready")


async def test_a_register_that_went_within_the_period_is_still_shown(house):
    change(house, MIDDLE, with_profile("meter2", point="import"))
    new, old = await rows(house)
    when = "at 2026-03-15T00:00:00.000Z"
    assert (old["register"], old["state"]) == ("energy", "held")
    assert old["why"] == f"MASTER_DATA_CHANGED: register from energy to none {when}"
    assert (new["register"], new["consumption"], new["state"]) == ("import", None, "missing")
    assert new["why"].endswith(f"; MASTER_DATA_CHANGED: register from none to import {when}")
    assert [row["register"] for row in await rows(house, month="2026-04")] == ["import"]


async def test_a_rating_goes_with_its_multiplier(house):
    """2 of the register an hour were enough for March; 60 times one an hour would not have been."""
    change(house, START - DAY, with_meter(rated_per_h={"energy": Dec(60)}))
    change(house, END + DAY, with_meter(multiplier=Dec(3000), rated_per_h={"energy": Dec(60)}))
    assert (await one(house))["state"] == "ready"
    change(house, END + 2 * DAY, with_meter(multiplier=Dec(3000), rated_per_h={"energy": Dec(1)}))
    assert (await one(house))["state"] == "ready", "the rating that was told with 30"


async def test_a_corrected_rating_counts_for_the_past(house):
    change(house, START - DAY, with_meter(rated_per_h={"energy": Dec(1)}))
    assert (await one(house))["state"] == "held"
    change(house, END + DAY, with_meter(rated_per_h={"energy": Dec(60)}))
    assert (await one(house))["state"] == "ready"
