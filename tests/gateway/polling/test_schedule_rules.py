"""Any course of a line: whatever is put back, moved, held or removed, the schedule keeps its rules."""

import hypothesis.strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from gateway.polling.schedule import ALARM, FIRE, PROBE_RANK, RETRY_RANK, TOOLS, Job, Schedule

costs = st.floats(0.001, 0.5)
waits = st.floats(0.0, 3.0)


class Course(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.schedule = Schedule[int]()
        self.now = 0.0
        self.may: dict[Job[int], float] = {}
        """From when on each job may be chosen."""
        self.count = 0
        self.spent = 0.0

    def _put(self, job: Job[int], at: float) -> None:
        self.may[job] = at

    @rule(rank=st.integers(0, RETRY_RANK), period=st.floats(0.01, 5), later=waits)
    def add(self, rank: int, period: float, later: float) -> None:
        self.count += 1
        job = self.schedule.add(self.count, rank=rank, period=period, due=self.now + later)
        self._put(job, self.now + later)

    @rule(rank=st.sampled_from([FIRE, TOOLS]))
    def ask_once(self, rank: int) -> None:
        self.count += 1
        self._put(self.schedule.once(self.count, rank=rank, due=self.now, within=1.0), self.now)

    @rule(seconds=waits)
    def pass_time(self, seconds: float) -> None:
        self.now += seconds

    def _chosen(self) -> Job[int] | None:
        job = self.schedule.next(self.now)
        assert job is self.schedule.next(self.now), "to look twice changes nothing"
        if job is None:
            wait = self.schedule.wait(self.now)
            assert wait is None or wait > 0
            return None
        assert self.schedule.wait(self.now) == 0
        assert job in self.may
        assert self.may[job] <= self.now + 1e-5, "never before it is due"
        fire = [other for other, at in self.may.items() if other.rank == FIRE and at <= self.now]
        assert not fire or job.rank == FIRE, "nothing goes before fire"
        return job

    @rule(cost=costs)
    def do(self, cost: float) -> None:
        job = self._chosen()
        if job is None:
            return
        began, self.now = self.now, self.now + cost
        self.schedule.done(job, began=began, ended=self.now)
        self.spent += cost
        if job in self.schedule:
            assert job.due > self.now - 1e-9, "no catching up"
            assert job.due <= self.now + job.period + 1e-9
            self._put(job, job.due)
        else:
            del self.may[job]

    @rule(cost=costs, later=waits)
    def do_and_ask_again(self, cost: float, later: float) -> None:
        job = self._chosen()
        if job is None:
            return
        began, self.now = self.now, self.now + cost
        due = job.due
        self.schedule.retry(job, at=self.now + later, began=began, ended=self.now)
        self.spent += cost
        assert job.due == due
        self._put(job, self.now + later)

    @rule(later=st.floats(0.01, 3))
    def hold(self, later: float) -> None:
        job = self._chosen()
        if job is not None:
            self.schedule.hold(job, self.now + later)
            self._put(job, self.now + later)

    @precondition(lambda self: self.may)
    @rule(data=st.data(), later=waits)
    def move(self, data: st.DataObject, later: float) -> None:
        job = data.draw(st.sampled_from(sorted(self.may, key=lambda each: each.what)))
        self.schedule.at(job, self.now + later)
        self._put(job, self.now + later)

    @precondition(lambda self: self.may)
    @rule(data=st.data(), later=waits, window=costs)
    def aim(self, data: st.DataObject, later: float, window: float) -> None:
        job = data.draw(st.sampled_from(sorted(self.may, key=lambda each: each.what)))
        due = self.now + later
        self.schedule.aim(job, due=due, deadline=due + window, rises=due + window / 2)
        self._put(job, due)

    @precondition(lambda self: self.may)
    @rule(data=st.data())
    def remove(self, data: st.DataObject) -> None:
        job = data.draw(st.sampled_from(sorted(self.may, key=lambda each: each.what)))
        self.schedule.remove(job)
        del self.may[job]

    @invariant()
    def all_are_there_once(self) -> None:
        assert set(self.schedule) == set(self.may)

    @invariant()
    def all_time_is_booked(self) -> None:
        assert abs(sum(self.schedule.account.seconds) - self.spent) < 1e-6

    @invariant()
    def somebody_waits_or_there_is_a_time_to_wait_for(self) -> None:
        if any(job.rank < PROBE_RANK for job in self.may):
            assert self.schedule.wait(self.now) is not None


TestCourse = Course.TestCase


def test_a_window_never_lowers_what_is_fire_already() -> None:
    schedule = Schedule[int]()
    fire = schedule.once(1, rank=FIRE, due=0.0, within=1.0)
    schedule.add(2, rank=ALARM, period=1.0, due=0.5)
    schedule.aim(fire, due=1.0, deadline=1.5, rises=1.25)
    assert schedule.next(2.0) is fire
