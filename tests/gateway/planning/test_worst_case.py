"""The bound holds on a bus that does its worst, and it is not wildly loose."""

from collections.abc import Sequence
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.planning.worst_case import LineLoad, Task, bound, bounds
from gateway.polling.backoff import SILENT_AFTER
from gateway.polling.schedule import FIRE, PROBE_RANK, Job, Schedule


def task(name: str, rank: int, period: float, seconds: float, silent: float = 0.5) -> Task:
    return Task(f"dev-{name}", name, rank, period, seconds, max(silent, seconds))


def run(
    tasks: Sequence[Task],
    dead: frozenset[str],
    random: Random,
    *,
    until: float,
    full: bool,
    together: bool = False,
) -> dict[str, float]:
    """Run the real schedule over a wire of handed-in time; return the longest response of each living task."""
    schedule: Schedule[Task] = Schedule()
    released: dict[str, float] = {}
    for each in tasks:
        phase = 0.0 if together else random.uniform(0, each.period)
        schedule.add(each, rank=each.rank, period=each.period, due=phase)
    now, worst = 0.0, {each.label: 0.0 for each in tasks}
    missed: dict[str, int] = {}
    while now < until:
        job: Job[Task] | None = schedule.next(now)
        if job is None:
            now += schedule.wait(now) or 1e-6
            continue
        each = job.what
        released[each.label] = job.due
        usual = each.seconds if full else random.uniform(each.seconds / 2, each.seconds)
        taken = each.silent if each.device in dead else usual
        worst[each.label] = max(worst[each.label], now + taken - job.due)
        schedule.done(job, began=now, ended=now + taken)
        now += taken
        if each.device in dead:
            missed[each.device] = missed.get(each.device, 0) + 1
            if missed[each.device] == SILENT_AFTER:
                schedule.remove(job)
                schedule.add(each, rank=PROBE_RANK, period=random.uniform(0.5, 5), due=now)
    return {label: longest for label, longest in worst.items() if f"dev-{label}" not in dead}


@st.composite
def loads(draw: st.DrawFn) -> tuple[Task, ...]:
    count = draw(st.integers(1, 7))
    made = []
    for number in range(count):
        made.append(
            task(
                f"t{number}",
                draw(st.sampled_from([0, 0, 1, 2, 3])),
                draw(st.sampled_from([0.5, 1.0, 2.0, 5.0, 10.0])),
                draw(st.sampled_from([0.01, 0.03, 0.08, 0.2])),
                draw(st.sampled_from([0.2, 0.5, 1.0])),
            )
        )
    return tuple(made)


@given(loads(), st.integers(0, 2), st.integers(0, 2**32), st.booleans())
def test_no_living_point_is_ever_later_than_its_bound(
    tasks: tuple[Task, ...], dead: int, seed: int, full: bool
) -> None:
    random = Random(seed)
    victims = frozenset(random.sample([each.device for each in tasks], min(dead, len(tasks))))
    seen = run(tasks, victims, random, until=60.0, full=full)
    load = LineLoad(tasks)
    for each in tasks:
        found = bound(each, load, dead=dead)
        if each.device not in victims and found.response is not None:
            assert seen[each.label] <= found.response + 1e-6, (each.label, victims)


@given(loads())
def test_more_dead_devices_never_make_it_better(tasks: tuple[Task, ...]) -> None:
    load = LineLoad(tasks)
    for each in tasks:
        found = [bound(each, load, dead=dead).response for dead in range(4)]
        known = [value if value is not None else float("inf") for value in found]
        assert known == sorted(known)


def the_riser() -> tuple[Task, ...]:
    """One fire panel and 29 meters on 9600 baud, two blocks each."""
    meters = [
        Task(f"m{number}", f"m{number}/{block}", 3, 10.0, 0.06, 0.52)
        for number in range(29)
        for block in range(2)
    ]
    return (Task("panel", "panel", FIRE, 1.0, 0.04, 0.52), *meters)


@pytest.mark.parametrize(("dead", "longest"), [(0, 0.101), (1, 0.561), (29, 0.561)])
def test_a_fire_panel_waits_for_one_transaction_only(dead: int, longest: float) -> None:
    tasks = the_riser()
    response = bound(tasks[0], LineLoad(tasks), dead).response
    assert response is not None
    assert response <= longest


def test_the_bound_is_not_wildly_loose() -> None:
    tasks = the_riser()
    seen: dict[str, float] = {}
    for seed in range(20):
        found_now = run(tasks, frozenset(), Random(seed), until=120.0, full=True, together=seed == 0)
        for label, value in found_now.items():
            seen[f"dev-{label}"] = max(seen.get(f"dev-{label}", 0.0), value)
    found = bounds(LineLoad(tasks))
    panel = found[tasks[0]].response
    assert panel is not None
    assert seen["dev-panel"] >= panel / 2
    slowest = max(found[each].response or 0.0 for each in tasks[1:])
    assert max(value for name, value in seen.items() if name != "dev-panel") >= slowest / 4


def test_an_overloaded_line_has_no_bound_for_those_that_starve() -> None:
    tasks = (task("a", 1, 1.0, 0.9), task("b", 1, 1.0, 0.9), task("c", 3, 1.0, 0.1))
    assert bound(tasks[2], LineLoad(tasks)).response is None
