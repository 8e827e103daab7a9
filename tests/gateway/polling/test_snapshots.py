import itertools
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.polling.around import Rules
from gateway.polling.snapshots import STEP_S, Books, Snapshots
from messages.types import Lane
from tests.support.gateway import METER, START, profile_of
from tests.support.simbus import BusBench, bus_device

SHANGHAI, KATHMANDU, BERLIN = (
    ZoneInfo(name) for name in ("Asia/Shanghai", "Asia/Kathmandu", "Europe/Berlin")
)


def test_the_grid_begins_at_local_midnight():
    noon = datetime(2026, 3, 1, 4, 7, 3, tzinfo=UTC)
    assert Snapshots(SHANGHAI).after(noon) == datetime(2026, 3, 1, 4, 15, tzinfo=UTC)
    daily = Snapshots(KATHMANDU, timedelta(days=1))
    assert daily.after(noon) == datetime(2026, 3, 1, 18, 15, tzinfo=UTC), "5 h 45 min before midnight there"


def test_a_day_that_is_shorter_or_longer_keeps_its_midnights():
    hourly = Snapshots(BERLIN, timedelta(hours=6))
    found, at = [], datetime(2026, 10, 24, 21, 59, tzinfo=UTC)
    for _ in range(6):
        at = hourly.after(at)
        found.append(at.astimezone(BERLIN).strftime("%d %H:%M"))
    assert found[0] == "25 00:00"
    assert "26 00:00" in found
    assert "27 00:00" not in found


@given(
    st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1)),
    st.sampled_from([SHANGHAI, KATHMANDU, BERLIN]),
    st.sampled_from([1, 15, 30, 60, 360, 1440]),
)
def test_the_next_moment_is_after_now_and_no_farther_than_a_step(at: datetime, zone: ZoneInfo, minutes: int):
    now, every = at.replace(tzinfo=UTC), timedelta(minutes=minutes)
    found = Snapshots(zone, every).after(now)
    assert now < found <= now + every + timedelta(hours=1)
    if minutes == 15:
        assert found.astimezone(zone).minute % 15 == 0
        assert found.second == found.microsecond == 0


def test_a_clock_that_is_not_set_has_no_books():
    books = Books(Snapshots(SHANGHAI))
    assert not books.look(0.0, START, trusted=False)
    assert books.window(1e9, 60, 0.0) is None
    assert books.look(5.0, START, trusted=True)
    assert books.window(1e9, 60, 5.0) is not None


def test_a_clock_that_was_set_moves_the_moments_and_drift_does_not():
    books = Books(Snapshots(SHANGHAI))
    books.look(0.0, START, trusted=True)
    assert not books.look(5.0, START + timedelta(seconds=5 + STEP_S / 2), trusted=True)
    assert books.look(10.0, START + timedelta(seconds=70), trusted=True)
    window = books.window(1e9, 60, 10.0)
    assert window is not None
    assert window[0] == pytest.approx(10 + 900 - 70)


def bench(**slaves: float) -> BusBench:
    others = profile_of({f"p{n}": "alarm" for n in range(8)})
    devices = [bus_device("mm", METER, periods={"billing": 240.0, "routine": 30.0})]
    devices += [
        bus_device(f"a{n}", others, periods={"alarm": 0.3}) for n in range(int(slaves.get("alarms", 0)))
    ]
    made = BusBench(*devices)
    rules = Rules(timing=made.timing, snapshots=Snapshots(SHANGHAI))
    return BusBench(*devices, rules=rules)


def billed(made: BusBench) -> list[float]:
    lanes = [sample for lane, sample in made.recorder.samples if lane is Lane.BILLING]
    return [(sample.at - START).total_seconds() for sample in lanes if not sample.bad]


async def test_billing_is_read_on_the_quarter_hour_and_by_its_period_between():
    made = bench()
    await made.run(3700)
    read = billed(made)
    for moment in (900, 1800, 2700, 3600):
        assert [at for at in read if moment <= at < moment + 1], moment
    gaps = [later - sooner for sooner, later in itertools.pairwise(read)]
    assert max(gaps) <= 240 * 1.1 + 1
    assert min(gaps) > 24 - 1, "what fell due just before was left to it"


async def test_a_snapshot_is_read_in_its_window_though_alarms_fill_the_bus():
    made = bench(alarms=10)
    await made.run(1000)
    read = [at for at in billed(made) if at >= 900]
    assert read
    assert read[0] <= 960


async def test_a_snapshot_that_failed_is_tried_again_while_its_window_lasts():
    made = bench()
    await made.run(899)
    made.slaves["mm"].busy = 1.0
    await made.run(920)
    assert not [at for at in billed(made) if at >= 900]
    made.slaves["mm"].busy = 0.0
    await made.run(960)
    assert [at for at in billed(made) if 900 < at < 930], "stamped with when it was read"


async def test_a_clock_that_is_set_while_polling_moves_the_snapshots():
    made = bench()
    await made.run(450)
    real = made.poller.around.clock
    made.poller.around.clock = lambda: real() + timedelta(seconds=400)
    await made.run(560)
    assert [at for at in billed(made) if 500 <= at < 501], "900 s by the clock that was set"


async def test_a_new_plan_keeps_the_window_in_hand():
    made = bench()
    await made.run(899)
    made.slaves["mm"].busy = 1.0
    await made.run(905)
    device = made.poller.devices[0]

    def in_hand():
        works = made.poller.presence.works(device)
        return [
            (job.ready, job.due, job.deadline, job.rises, work.snapshot_until)
            for job, work in works
            if work.poll == "billing"
        ]

    before = in_hand()
    made.poller.presence.replan(device, made.time.now)
    assert in_hand() == before
    assert [rest for _, *rest in before] == [[900.0, 960.0, 930.0, 960.0]]
    made.slaves["mm"].busy = 0.0
    await made.run(960)
    assert [at for at in billed(made) if 905 < at < 930]
