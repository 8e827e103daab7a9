"""Which stored readings a period is judged by: those within it, those of one instant, and those next to its ends."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal as Dec

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import event

from messages.types import ClockState, Lane, Quality, Sample
from server.auth.roles import Role
from server.db.engine import read, write
from server.metering.boundary import Boundary, Method, Reading
from server.metering.period import ReadState, used
from server.metering.readings import between
from tests.support.ingest import database

START = datetime(2026, 2, 28, 16, tzinfo=UTC)  # the first of March in Shanghai
END = datetime(2026, 3, 31, 16, tzinfo=UTC)
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
GRIDS = (1, 2, 3, 4, 6, 12, 24)


@pytest.fixture
def later(house):
    house.now = datetime(2026, 4, 3, tzinfo=UTC)
    return house


def sample(at: datetime, value: str | Dec | None, **facts) -> Sample:
    return Sample(device="m-1", at=at, values={"energy": None if value is None else Dec(value)}, **facts)


def store(house, *items: Sample) -> None:
    for first in range(0, len(items), 100):
        house.batch(*items[first : first + 100], lane=Lane.BILLING)


async def one(house, **query):
    async with house.machine(Role.VIEWER) as client:
        answer = await client.get("/api/v1/meters/reads", params={"month": "2026-03"} | query)
    assert answer.status_code == 200, answer.text
    (row,) = answer.json()["rows"]
    return row


def steady(every: int = 1, wrong: dict[datetime, str] | None = None, begin: str = "1200.00") -> list[Sample]:
    """A day more on each side of March, a tenth an hour; `wrong` values stand instead of the right ones."""
    found, at, value = [], START - 24 * HOUR, Dec(begin)
    while at <= END + 24 * HOUR:
        found.append(sample(at, (wrong or {}).get(at, value)))
        at, value = at + every * HOUR, value + Dec("0.1") * every
    return found


# -- within the period ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    made = database(tmp_path_factory.mktemp("within"))
    yield made
    made.dispose()


def rows_of(series: int, readings: list[tuple[datetime, Dec]]) -> list[tuple]:
    found = []
    for at, value in readings:
        ms = int(at.timestamp() * 1000)
        found.append((ms // 3_600_000, series, ms % 3_600_000, 0, str(value), 0, 0, 1, 0))
    return found


def fill(engine, rows: list[tuple]) -> None:
    with write(engine) as conn:
        raw = conn.connection.driver_connection
        raw.execute("DELETE FROM samples")
        raw.executemany("INSERT INTO samples VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, NULL)", rows)


def edge(at: datetime, value: Dec) -> Boundary:
    reading = Reading(at=at, value=value)
    return Boundary(at=at, value=value, method=Method.EXACT, basis=(reading,), settled=True)


@given(
    every=st.sampled_from(GRIDS),
    phase=st.integers(1, 60),
    begun=st.sampled_from([0, 30, 45]),
    days=st.sampled_from([1, 28, 31, 92, 366]),
    data=st.data(),
)
def test_a_meter_exchanged_within_a_period_is_held_however_seldom_it_is_read(
    engine, every, phase, begun, days, data
):
    """The new one begins above the first value and ends below the old one's: the ends alone look well."""
    since = START + begun * MINUTE  # not every zone begins its months on the hour
    until = since + timedelta(days=days)
    first = since + phase * MINUTE
    grid = [first + n * every * HOUR for n in range(24 * days) if first + n * every * HOUR < until]
    old = data.draw(
        st.integers(1, max(1, len(grid) - 1))
    )  # with the end, two readings of the new one at least
    level = [(at, Dec(5000 if n < old else 200) + n) for n, at in enumerate(grid)]
    fill(engine, rows_of(1, [(since, Dec(100)), *level, (until, Dec(4000))]))
    with read(engine) as conn:
        way = between(conn, 1, since, until)
    assert all(since < reading.at < until for reading in way)
    found = used(
        edge(since, Dec(100)),
        edge(until, Dec(4000)),
        multiplier=Dec(1),
        modulus=Dec(100_000),
        now=until,
        way=way,
    )
    assert found.state is ReadState.HELD
    assert found.why.startswith("EXCHANGE_SUSPECTED: in between")


@pytest.mark.parametrize("every", GRIDS)
async def test_a_month_read_at_any_rhythm(later, every):
    store(later, *steady(every))
    row = await one(later)
    assert (row["consumption"], row["state"], row["why"]) == ("2232.00", "ready", "")


@pytest.mark.parametrize("every", GRIDS)
async def test_a_meter_exchanged_on_the_tenth(later, every):
    """From 85 to 0, and to more than 85 at the end of the month."""
    items, day = [], START + timedelta(days=10)
    for number in range(33 * 24 // every + 1):
        at = START + timedelta(hours=every * number - 24)
        value = 60 + Dec(every * number) / 10 if at < day else Dec((at - day) // HOUR) / 5
        items.append(sample(at, value))
    store(later, *items)
    row = await one(later)
    assert (row["consumption"], row["state"]) == (None, "held")
    assert row["why"].startswith("EXCHANGE_SUSPECTED: in between")


@pytest.mark.parametrize("every", [10, 3600, 24 * 3600, 31 * 24 * 3600])
async def test_what_a_month_costs_does_not_hang_on_how_often_it_is_read(later, every):
    store(later, sample(START, "1200"), sample(END, "1300"))
    hour, span = int(START.timestamp()), int((END - START).total_seconds())
    rows = []
    for seconds in range(every, span, every):
        at, value = hour + seconds, str(1200 + seconds // 36_000)
        rows += [
            (at // 3600, series, at % 3600 * 1000, 0, value, 0, 0, 1, 0)
            for series in (1, *range(5, 8 if every < 3600 else 40))
        ]
    with write(later.engine) as conn:
        conn.connection.driver_connection.executemany(
            "INSERT INTO samples VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, NULL)", rows
        )
    work = 0

    def worked() -> None:
        nonlocal work
        work += 1

    event.listen(later.engine, "checkout", lambda raw, *_rest: raw.set_progress_handler(worked, 100))
    row = await one(later)
    assert row["state"] == "ready", row["why"]
    assert work < 2000, f"{100 * work} steps of the database for one register"


# -- of one instant ---------------------------------------------------------------------------------------------

BAD = [
    ("1200.00", {"bad": {"energy": Quality.CLOCK}}),
    ("7.00", {"bad": {"energy": Quality.SUSPECT}}),
    ("7.00", {"clock": ClockState.UNSET}),
    (None, {"bad": {"energy": Quality.TIMEOUT}}),
]


@pytest.mark.parametrize("bad_first", [True, False])
@pytest.mark.parametrize(("value", "facts"), BAD)
async def test_a_reading_that_is_no_basis_contradicts_none(later, value, facts, bad_first):
    both = [sample(START, "1200.00"), sample(START, value, **facts)]
    for item in reversed(both) if bad_first else both:
        store(later, item)
    store(later, sample(END, "1263.50"))
    row = await one(later)
    assert (row["start"]["value"], row["start"]["method"]) == ("1200.00", "exact")
    assert (row["consumption"], row["state"]) == ("1905.00", "ready")


@pytest.mark.parametrize(
    ("others", "state"),
    [
        (["1200.0"], "ready"),  # one number, written another way
        (["1200.00", "1200"], "ready"),
        (["1200.01"], "held"),
        (["1200.0", "1200.01"], "held"),
    ],
)
async def test_only_another_number_contradicts(later, others, state):
    for value in ("1200.00", *others):
        store(later, sample(START, value))
    store(later, sample(END, "1263.50"))
    row = await one(later)
    assert (row["start"]["value"], row["state"]) == ("1200.00", state)
    if state == "held":
        assert row["why"] == "start: the meter gave two different values for one instant"


async def test_within_a_period_too_the_usable_one_of_an_instant_counts(later):
    """Each instant was first read badly: the meter was exchanged, and the good readings say so."""
    store(later, sample(START, "60.0"))
    for day in range(1, 31):
        at, value = START + timedelta(days=day), 80 + day if day < 10 else day
        store(later, sample(at, None, bad={"energy": Quality.TIMEOUT}))
        store(later, sample(at, str(value)))
    store(later, sample(END, "100.0"))
    row = await one(later)
    assert (row["consumption"], row["state"]) == (None, "held")


# -- next to the ends -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("every", GRIDS)
@pytest.mark.parametrize(
    ("at", "value", "side", "word"),
    [
        (START, "0", "start", "EXCHANGE_SUSPECTED"),
        (START, "1199.99", "start", "DECREASE"),
        (END, "9999.9", "end", "EXCHANGE_SUSPECTED"),
        (END, "1290.00", "end", "DECREASE"),
    ],
)
async def test_one_wrong_reading_at_a_boundary_is_held(later, every, at, value, side, word):
    """The lines of the month look well: only the reading on the other side of the boundary speaks against it."""
    store(later, *steady(every, {at: value}))
    row = await one(later)
    assert (row["consumption"], row["state"]) == (None, "held")
    assert row["why"].startswith(f"{side}: {word}: the register went from ")
    assert row["why"].endswith(" around it")


async def test_a_meter_that_is_read_once_a_month(later):
    at = [START - timedelta(days=28), START, END, END + timedelta(days=1)]
    for moment, value in zip(at, ("1100.0", "0", "1250.0", "1251.0"), strict=True):
        store(later, sample(moment, value))
    row = await one(later)
    assert (row["consumption"], row["state"]) == (None, "held")
    assert row["why"] == "start: EXCHANGE_SUSPECTED: the register went from 1100.0 to 0 around it"


async def test_a_dip_close_to_the_wrap_looks_like_a_rollover(later):
    store(later, *steady(1, {START: "0"}, begin="99000.00"))
    row = await one(later)
    assert (row["consumption"], row["state"]) == (None, "held")
    assert row["why"] == "start: DECREASE: the register went from 99002.30 to 0 around it"


@pytest.mark.parametrize("moment", [START, START + HOUR, END - HOUR, END, END + HOUR])
async def test_a_register_that_rolls_over_at_a_boundary(later, moment):
    items = steady()
    turn = next(item for item in items if item.at == moment).values["energy"]
    store(
        later,
        *(sample(item.at, (item.values["energy"] - turn) % 100_000) for item in items),
    )
    row = await one(later)
    assert (row["consumption"], row["state"]) == ("2232.00", "ready"), row["why"]


@pytest.mark.parametrize("every", GRIDS)
async def test_a_meter_exchanged_just_outside_leaves_the_period_right(later, every):
    """Before the first reading and after the last one: all within is of one meter, and its neighbours are not."""
    items = []
    for item in steady(every, begin="500.00"):
        outside = 8000 if item.at < START else -490 if item.at > END else 0
        items.append(sample(item.at, item.values["energy"] + outside))
    store(later, *items)
    row = await one(later)
    assert (row["consumption"], row["state"], row["why"]) == ("2232.00", "ready", "")
    for since, until in ((START - 24 * HOUR, START), (END, END + 24 * HOUR)):
        span = {"from": since.isoformat(), "to": until.isoformat()}
        async with later.machine(Role.VIEWER) as client:
            (row,) = (await client.get("/api/v1/meters/reads", params=span)).json()["rows"]
        assert row["state"] == "held", "the exchange is seen where it fell"
        assert row["why"].startswith("EXCHANGE_SUSPECTED")


async def test_a_wrong_reading_outside_is_no_matter_of_the_period(later):
    for value in ("0", "9999.9"):
        store(later, *steady(1, {START - HOUR: value, END + HOUR: value}))
        row = await one(later)
        assert (row["consumption"], row["state"]) == ("2232.00", "ready"), row["why"]


async def test_a_first_period_has_no_neighbour(later):
    store(later, *(item for item in steady() if START <= item.at <= END))
    row = await one(later)
    assert (row["consumption"], row["state"]) == ("2232.00", "ready")


async def test_an_interpolated_boundary_rests_on_no_lone_reading(later):
    """No reading within five minutes of the boundary, and the one before it was wrong."""
    items = [sample(item.at + 30 * MINUTE, item.values["energy"]) for item in steady()]
    wrong = START - 30 * MINUTE
    store(later, *(sample(item.at, "0") if item.at == wrong else item for item in items))
    row = await one(later)
    assert (row["start"]["method"], row["state"]) == ("interpolated", "held")
    assert row["why"] == "start: EXCHANGE_SUSPECTED: the register went from 1202.20 to 0 around it"
