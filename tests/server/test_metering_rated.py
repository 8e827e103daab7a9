"""A jump of a register is no consumption: from the rating in a site file to the read that is held."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal as Dec
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.delivery import births
from gateway.site.config import load_site
from messages.types import Birth, Lane, Sample
from server.auth.roles import Role
from server.metering.boundary import Boundary, Method, Reading, boundary, most_plausible, on_the_register
from server.metering.period import ReadState, used
from tests.support.ingest import T0

START = datetime(2026, 2, 28, 16, tzinfo=UTC)  # the first of March in Shanghai
END = datetime(2026, 3, 31, 16, tzinfo=UTC)
HOUR = timedelta(hours=1)

SITE = """\
site: garden
gateway: gw-a
broker: {url: "mqtt://127.0.0.1:1"}
lines:
  - id: riser
    tcp: 127.0.0.1:1
    devices:
      - {id: m-1, profile: acrel-adl400-secondary, unit: 1,
         meter: {metering_point: MP-1, ct: 150/5, rated_per_h: {active_energy_import: "100"}}}
      - {id: m-2, profile: acrel-adl400-secondary, unit: 2, meter: {metering_point: MP-2, ct: 150/5}}
"""


def site_birth(folder, text: str = SITE) -> Birth:
    path = folder / "site.yaml"
    path.write_text(text, encoding="utf-8")
    return births.birth(load_site(path), at=T0, boot="b1", epoch="e1")


@pytest.fixture
def later(house, tmp_path):
    house.now = datetime(2026, 2, 1, tzinfo=UTC)
    house.be_born(site_birth(tmp_path))
    house.now = datetime(2026, 4, 2, tzinfo=UTC)
    return house


def read(house, device: str, at: datetime, value: str) -> None:
    house.batch(Sample(device=device, at=at, values={"active_energy_import": Dec(value)}), lane=Lane.BILLING)


async def row_of(house, meter: str, **query):
    async with house.machine(Role.VIEWER) as client:
        answer = await client.get("/api/v1/meters/reads", params={"month": "2026-03", "meter": meter} | query)
    (row,) = [row for row in answer.json()["rows"] if row["register"] == "active_energy_import"]
    return row


@pytest.mark.parametrize(
    ("meter", "end", "state"),
    [
        # 100 kW through 30 : 1 for 744 hours with a fifth to spare: 2976 on the register.
        ("m-1", "3900.0", "ready"),
        ("m-1", "4200.0", "held"),
        ("m-2", "4200.0", "ready"),  # nobody said what it can count
    ],
)
async def test_from_the_site_file_to_a_read_that_is_held(later, meter, end, state):
    read(later, meter, START, "1000.0")
    read(later, meter, END, end)
    row = await row_of(later, meter.upper().replace("M-", "MP-"))
    assert row["state"] == state
    if state == "held":
        assert (row["consumption"], row["why"]) == (None, "SPIKE: the register went from 1000.0 to 4200.0")


async def test_a_jump_within_a_day_is_no_matter_of_the_month(later):
    """The month's own bound would take it."""
    for day in range(31):
        level = 1000 + day * 10 + (400 if day >= 15 else 0)
        read(later, "m-1", START + timedelta(days=day), f"{level}.0")
        read(later, "m-1", START + timedelta(days=day, hours=1), f"{level}.5")
    read(later, "m-1", END, "1710.0")
    row = await row_of(later, "MP-1")
    assert (row["state"], row["consumption"]) == ("held", None)
    assert row["why"].startswith("SPIKE: in between the register went from ")


async def test_one_wrong_reading_that_the_next_makes_good_is_passed_over(later):
    for day in range(31):
        read(later, "m-1", START + timedelta(days=day), "9999999.0" if day == 15 else f"{1000 + day}.0")
    read(later, "m-1", END, "1031.0")
    row = await row_of(later, "MP-1")
    assert (row["state"], row["consumption"]) == ("ready", "930.0")


async def test_nothing_is_drawn_across_a_jump(later):
    read(later, "m-1", START - 2 * HOUR, "1000.0")
    read(later, "m-1", START + 2 * HOUR, "1900.0")
    read(later, "m-1", END, "1950.0")
    row = await row_of(later, "MP-1")
    assert (row["start"]["value"], row["state"]) == (None, "missing")
    assert row["why"] == "start: SPIKE: the register went from 1000.0 to 1900.0 around it"


async def test_the_archive_shows_it_and_what_it_was(later, tmp_path):
    async with later.machine(Role.VIEWER) as client:
        meter = (await client.get("/api/v1/devices/garden/m-1")).json()["device"]["meter"]
        assert meter["rated_per_h"] == {"active_energy_import": "100"}
        later.be_born(site_birth(tmp_path, SITE.replace('"100"', '"63.5"')))
        states = (await client.get("/api/v1/devices/garden/m-1")).json()["states"]
        assert (await client.get("/api/v1/devices/garden/m-2")).json()["device"]["meter"]["rated_per_h"] == {}
    newest = next(state for state in states if state["field"] == "rated_per_h")
    assert (newest["old"], newest["new"]) == ("active_energy_import 100", "active_energy_import 63.5")


# -- pure -------------------------------------------------------------------------------------------------------

numbers = st.decimals("0.01", 1000, places=2)


@given(
    rated=numbers,
    multiplier=st.sampled_from([Dec(1), Dec(30), Dec(7)]),
    digits=st.integers(0, 3),
    steps=st.lists(st.tuples(st.integers(1, 40_000_000), st.fractions(0, 1)), min_size=1, max_size=12),
    begin=st.integers(0, 10**6),
)
def test_a_meter_within_its_rating_is_never_held(rated, multiplier, digits, steps, begin):
    """Whatever the rhythm of its readings, and though its display cuts digits off."""
    at, exact = T0, Fraction(begin)
    shown: list[Reading] = []

    def show() -> None:
        cut = Dec(int(exact * 10**digits)).scaleb(-digits)
        shown.append(Reading(at=at, value=cut))

    show()
    for milliseconds, load in steps:
        at += timedelta(milliseconds=milliseconds)
        exact += Fraction(rated) / Fraction(multiplier) * load * Fraction(milliseconds, 3_600_000)
        show()
    first, *way, last = shown
    found = used(
        Boundary(at=first.at, value=first.value, method=Method.EXACT, settled=True),
        Boundary(at=last.at, value=last.value, method=Method.EXACT, settled=True),
        multiplier=multiplier,
        modulus=None,
        now=at,
        way=way,
        rated=on_the_register(rated, multiplier),
    )
    assert found.state is ReadState.READY, found.why


@given(numbers, st.integers(1, 10**10))
def test_a_bound_is_never_below_the_exact_one(rated, milliseconds):
    exact = Fraction(rated) * Fraction(12, 10) * Fraction(milliseconds, 3_600_000)
    assert Fraction(most_plausible(rated, timedelta(milliseconds=milliseconds))) >= exact


def test_a_reading_near_the_boundary_was_taken_at_its_own_time():
    """Five minutes off on each side of a quarter of an hour: it counted for twenty-five minutes."""
    minute = timedelta(minutes=1)
    start = boundary([Reading(at=T0 - 5 * minute, value=Dec("100.00"))], T0)
    end = boundary([Reading(at=T0 + 20 * minute, value=Dec("105.40"))], T0 + 15 * minute)
    found = used(start, end, multiplier=Dec(1), modulus=None, now=T0 + HOUR, rated=Dec("13.2"))
    assert found.amount == Dec("5.40")
