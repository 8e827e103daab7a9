import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.schedule import PROBE_RANK, RANKS, TURNS_ABOVE, Job, Schedule


def run(schedule: Schedule[str], *, seconds: float, cost: dict[str, float]) -> list[tuple[float, str]]:
    """A simulated line: each job costs what `cost` says; returns who began when."""
    now, log = 0.0, []
    while now < seconds:
        job = schedule.next(now)
        if job is None:
            wait = schedule.wait(now)
            assert wait is not None
            assert wait > 0, "nothing is due, and yet nothing is to be waited for"
            now += wait
            continue
        log.append((now, job.what))
        began, now = now, now + cost[job.what]
        schedule.done(job, began=began, ended=now)
    return log


def add(schedule: Schedule[str], name: str, poll: str, period: float, due: float = 0.0) -> Job[str]:
    return schedule.add(name, rank=RANKS[poll], period=period, due=due)


def test_the_class_decides_then_the_deadline():
    schedule = Schedule[str]()
    add(schedule, "slow", "slow", 300)
    add(schedule, "late", "alarm", 5)
    add(schedule, "soon", "alarm", 2)
    add(schedule, "fire", "fire", 1)
    order = [
        what
        for _, what in run(
            schedule, seconds=0.035, cost=dict.fromkeys(("slow", "late", "soon", "fire"), 0.01)
        )
    ]
    assert order == ["fire", "soon", "late", "slow"]


def test_nothing_to_do_has_no_wait():
    assert Schedule[str]().wait(5.0) is None
    assert Schedule[str]().next(5.0) is None


def test_periods_are_kept_to_the_grid():
    schedule = Schedule[str]()
    add(schedule, "a", "routine", 10)
    assert [at for at, _ in run(schedule, seconds=45, cost={"a": 0.3})] == [0, 10, 20, 30, 40]


def test_a_line_that_was_gone_is_not_flooded():
    schedule = Schedule[str]()
    job = add(schedule, "a", "routine", 1)
    schedule.done(job, began=0, ended=60.5)  # one exchange hung for a minute
    assert job.due == 61
    assert schedule.overruns == 60
    log = run(schedule, seconds=3, cost={"a": 0.01})
    assert log == []
    assert schedule.next(61.0) is job


def test_fire_goes_before_everything_and_is_never_held_back():
    schedule = Schedule[str]()
    add(schedule, "fire", "fire", 0.1)
    for index in range(20):
        add(schedule, f"m{index}", "billing", 0.5)
    cost = {"fire": 0.01, **{f"m{index}": 0.05 for index in range(20)}}
    fires = [at for at, what in run(schedule, seconds=20, cost=cost) if what == "fire"]
    gaps = [later - sooner for sooner, later in itertools.pairwise(fires)]
    assert max(gaps) <= 0.1 + 0.05 + 1e-9  # its period and the one exchange that was in flight


def test_lower_classes_get_their_fifth_when_alarms_fill_the_line():
    schedule = Schedule[str]()
    for index in range(10):
        add(schedule, f"door{index}", "alarm", 0.1)
    add(schedule, "meter", "billing", 1)
    add(schedule, "slow", "slow", 5)
    cost = {**{f"door{index}": 0.05 for index in range(10)}, "meter": 0.05, "slow": 0.05}
    log = run(schedule, seconds=60, cost=cost)
    meters = [at for at, what in log if what == "meter"]
    slows = [at for at, what in log if what == "slow"]
    assert len(meters) > 50
    assert len(slows) > 8
    assert max(b - a for a, b in itertools.pairwise(meters)) < 2


def test_probes_of_dead_devices_take_a_tenth_of_the_line_at_most():
    schedule = Schedule[str]()
    add(schedule, "alive", "alarm", 0.2)
    for index in range(30):
        schedule.add(f"dead{index}", rank=PROBE_RANK, period=1, due=0)
    cost = {"alive": 0.02, **{f"dead{index}": 0.5 for index in range(30)}}
    log = run(schedule, seconds=200, cost=cost)
    dead = sum(0.5 for _, what in log if what != "alive")
    assert 10 < dead <= 0.1 * 200 + 0.5
    assert {what for _, what in log} == set(cost), "every dead device has its probe"


def test_a_moved_job_begins_its_grid_there():
    schedule = Schedule[str]()
    job = add(schedule, "a", "routine", 10)
    schedule.done(job, began=0, ended=0.1)
    schedule.at(job, 3.0)
    assert schedule.next(2.9) is None
    assert schedule.next(3.5) is job
    schedule.done(job, began=3.5, ended=3.6)
    assert job.due == 13.5


def test_a_removed_job_is_gone_and_may_be_removed_twice():
    schedule = Schedule[str]()
    job = add(schedule, "a", "routine", 10)
    schedule.remove(job)
    schedule.remove(job)
    assert schedule.next(100) is None


def test_a_period_of_nothing_is_refused():
    with pytest.raises(ValueError, match="no period"):
        add(Schedule[str](), "a", "fire", 0)


jobs = st.lists(
    st.tuples(st.sampled_from(sorted(RANKS)), st.floats(0.05, 20), st.floats(0.001, 0.4)),
    min_size=1,
    max_size=12,
)


@given(jobs)
def test_nobody_starves_and_nobody_is_asked_too_often(entries: list[tuple[str, float, float]]):
    schedule = Schedule[str]()
    cost = {}
    for index, (poll, period, each) in enumerate(entries):
        add(schedule, f"{index}", poll, period)
        cost[f"{index}"] = each
    log = run(schedule, seconds=60, cost=cost)
    fire_load = sum(each / period for poll, period, each in entries if poll == "fire")
    for index, (poll, period, _) in enumerate(entries):
        times = [at for at, what in log if what == f"{index}"]
        assert len(times) <= 60 / period + 1
        if poll == "fire" or fire_load < 0.5:
            assert times, f"{poll} every {period} s never got its turn"


def test_the_share_is_one_turn_in_five():
    assert 1 / (TURNS_ABOVE + 1) == 0.2
