import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.polling.schedule import (
    ALARM,
    BILLING,
    FIRE,
    LONGEST_DEBT_S,
    PROBE_RANK,
    PROBE_SHARE,
    RANKS,
    RESERVED,
    RETRY_RANK,
    ROUTINE,
    TOOLS,
    Job,
    Schedule,
)


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


def test_lines_that_start_together_do_not_stay_in_step():
    schedule = Schedule[str]()
    schedule.phase = 0.25
    add(schedule, "a", "routine", 10)
    assert [at for at, _ in run(schedule, seconds=30, cost={"a": 0.3})] == [0, 7.5, 17.5, 27.5]


@given(
    st.lists(st.tuples(st.floats(0, 100), st.floats(0, 0.5)), min_size=2, max_size=20),
    st.sampled_from([0.1, 1.0, 10.0, 60.0]),
)
def test_lines_with_a_stride_fall_into_few_steps_and_keep_their_period(
    lines: list[tuple[float, float]], period: float
):
    steps = set()
    for start, phase in lines:
        schedule = Schedule[str]()
        schedule.phase, schedule.stride = phase, 1 / 16
        job = schedule.add("a", rank=RANKS["routine"], period=period, due=start)
        schedule.done(job, began=start, ended=start)
        first = job.due
        # Never late by it: the second comes within a period of the first, and after it period by period.
        assert start - 1e-6 <= first <= start + period + 1e-6
        schedule.done(job, began=first, ended=first + period / 100)
        assert job.due == pytest.approx(first + period)
        steps.add(round(first / period * 16) % 16)
        assert first / period * 16 == pytest.approx(round(first / period * 16), abs=1e-6)
    assert len(steps) <= 16


@given(st.lists(st.floats(0, 0.3), min_size=1, max_size=30), st.sampled_from([0.1, 1.0, 60.0]))
def test_what_a_line_asks_one_after_the_other_wakes_it_together_within_two_steps(
    costs: list[float], period: float
):
    schedule = Schedule[str]()
    schedule.stride = 1 / 16
    now, began = 1000.0, []
    jobs = [schedule.add(f"m{n}", rank=RANKS["routine"], period=period, due=now) for n in range(len(costs))]
    for job, cost in zip(jobs, costs, strict=True):
        began.append(now)
        schedule.done(job, began=now, ended=now)
        now += cost * period
    step = period / 16
    for one, (job, at) in enumerate(zip(jobs, began, strict=True)):
        # None comes later than a period after its first, and none more than two steps sooner.
        assert at + period - 2 * step - 1e-6 <= job.due <= at + period + 1e-6
        if at < began[0] + step:  # beside the first: the same wake-up
            assert job.due == jobs[0].due, one


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


def test_probes_of_dead_devices_take_their_share_of_the_line_at_most():
    schedule = Schedule[str]()
    add(schedule, "alive", "alarm", 0.2)
    for index in range(30):
        schedule.add(f"dead{index}", rank=PROBE_RANK, period=1, due=0)
    cost = {"alive": 0.02, **{f"dead{index}": 0.5 for index in range(30)}}
    log = run(schedule, seconds=300, cost=cost)
    dead = sum(0.5 for _, what in log if what != "alive")
    assert 10 < dead <= PROBE_SHARE * 300 + 0.5
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
        assert len(times) <= 60 / period + 1.001
        if poll == "fire" or fire_load < 0.5:
            assert times, f"{poll} every {period} s never got its turn"


@given(
    st.lists(st.tuples(st.floats(0.01, 0.3), st.floats(0.02, 0.5)), min_size=1, max_size=8),
    st.lists(
        st.tuples(st.sampled_from([BILLING, ROUTINE, TOOLS]), st.floats(0.01, 0.3)), min_size=2, max_size=5
    ),
)
def test_lower_classes_have_a_fifth_of_the_time_while_they_wait(
    alarms: list[tuple[float, float]], lower: list[tuple[int, float]]
):
    schedule = Schedule[str]()
    cost = {}
    for index, (each, period) in enumerate(alarms):
        schedule.add(f"a{index}", rank=ALARM, period=period, due=0)
        cost[f"a{index}"] = each
    for index, (rank, each) in enumerate(lower):
        schedule.add(f"l{index}", rank=rank, period=0.001, due=0)
        cost[f"l{index}"] = each
    log = run(schedule, seconds=60, cost=cost)
    given_ = sum(cost[what] for _, what in log if what.startswith("l"))
    assert given_ >= RESERVED * 60 - LONGEST_DEBT_S - 2 * max(cost.values())


@given(jobs, st.integers(0, 2**32))
def test_fire_waits_for_one_transaction_and_its_own_class_only(
    entries: list[tuple[str, float, float]], phase: int
):
    schedule = Schedule[str]()
    cost = {"panel": 0.02}
    schedule.add("panel", rank=FIRE, period=1.0, due=(phase % 1000) / 1000)
    for index, (poll, period, each) in enumerate(entries):
        if poll != "fire":
            add(schedule, f"{index}", poll, period)
            cost[f"{index}"] = each
    log = run(schedule, seconds=60, cost=cost)
    seen = [at for at, what in log if what == "panel"]
    longest = max([each for what, each in cost.items() if what != "panel"], default=0.0)
    assert len(seen) >= 59
    assert max(later - sooner for sooner, later in itertools.pairwise(seen)) <= 1 + longest + 1e-6
    assert schedule.account.longest_fire_wait <= longest + 1e-6


def test_tools_get_their_share_and_no_more_than_is_left():
    schedule = Schedule[str]()
    for index in range(5):
        add(schedule, f"m{index}", "routine", 0.1)
    schedule.add("scan", rank=TOOLS, period=0.001, due=0)
    cost = {**{f"m{index}": 0.05 for index in range(5)}, "scan": 0.1}
    log = run(schedule, seconds=100, cost=cost)
    scans = sum(0.1 for _, what in log if what == "scan")
    assert 0.18 * 100 <= scans <= 0.22 * 100


def test_a_snapshot_rises_when_its_window_is_about_to_close():
    schedule = Schedule[str]()
    for index in range(4):
        add(schedule, f"door{index}", "alarm", 0.1)
    job = add(schedule, "meter", "billing", 60)
    schedule.aim(job, due=5.0, deadline=5.5, rises=5.2)
    cost = {**{f"door{index}": 0.05 for index in range(4)}, "meter": 3.0}
    log = run(schedule, seconds=8, cost=cost)
    read = [at for at, what in log if what == "meter"]
    assert len(read) == 1
    assert 5.2 - 1e-6 <= read[0] <= 5.2 + 0.05 + 1e-6
    assert job.due == 65.0, "its grid goes on from the moment that it was aimed at"


def test_what_must_wait_for_a_late_answer_lets_others_go_first():
    schedule = Schedule[str]()
    fire = schedule.add("fire", rank=FIRE, period=1, due=0)
    meter = schedule.add("meter", rank=ROUTINE, period=1, due=0)
    assert schedule.next(0.0) is fire
    schedule.hold(fire, 0.4)
    assert fire.held
    assert schedule.next(0.0) is meter
    schedule.done(meter, began=0.0, ended=0.5)
    assert schedule.next(0.5) is fire
    schedule.done(fire, began=0.5, ended=0.6)
    assert not fire.held
    assert fire.due == 1.5
    assert schedule.account.longest_fire_wait == 0.5, "what it was put back for is part of its wait"


def test_what_is_asked_again_keeps_its_place_in_the_grid():
    schedule = Schedule[str]()
    job = schedule.add("a", rank=ROUTINE, period=10, due=0)
    schedule.done(job, began=0, ended=0.1)
    schedule.retry(job, at=12, began=10, ended=10.1)
    assert schedule.next(11) is None
    assert schedule.next(12) is job
    schedule.done(job, began=12, ended=12.1)
    assert job.due == 20


def test_what_is_done_once_is_gone_and_is_late_if_it_is_late():
    schedule = Schedule[str]()
    order = schedule.once("order", rank=FIRE, due=1.0, within=1.0)
    panel = schedule.add("panel", rank=FIRE, period=0.5, due=1.0)
    assert schedule.next(1.0) is panel, "the earlier deadline, inside one class"
    schedule.done(panel, began=1.0, ended=2.1)
    assert schedule.next(2.1) is order
    schedule.done(order, began=2.1, ended=2.2)
    assert order not in schedule
    assert schedule.account.missed[FIRE] == 2
    assert schedule.account.seconds[FIRE] == pytest.approx(1.2)


def test_a_second_try_is_asked_at_once_where_nobody_waits():
    schedule = Schedule[str]()
    first = schedule.add("lost one", rank=RETRY_RANK, period=100, due=0)
    schedule.done(first, began=0, ended=1)
    second = schedule.add("lost one too", rank=RETRY_RANK, period=100, due=1)
    assert schedule.next(1) is second
    alive = schedule.add("alive", rank=ROUTINE, period=1, due=1)
    assert schedule.next(1) is alive
    assert schedule.wait(1) == 0


def test_the_long_dead_keep_no_second_try_waiting():
    schedule = Schedule[str]()
    add(schedule, "alive", "routine", 0.001)
    for index in range(20):
        schedule.add(f"dead{index}", rank=PROBE_RANK, period=5, due=0)
    lost = schedule.add("lost one", rank=RETRY_RANK, period=1000, due=10)
    cost = {"alive": 0.05, "lost one": 0.1, **{f"dead{index}": 0.5 for index in range(20)}}
    log = run(schedule, seconds=12, cost=cost)
    assert next(at for at, what in log if what == "lost one") <= 10.5
    assert lost.started
