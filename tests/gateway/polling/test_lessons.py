import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.api import DeviceDriver, Timing, Transaction
from drivers.errors import DeviceRefused
from drivers.modbus.driver import ModbusDriver
from drivers.modbus.pdu import refusal
from drivers.profile import Profile
from gateway.polling.lessons import DeviceLessons, Kept, Lessons, map_digest
from gateway.polling.lessons_store import MAX_BYTES, NAME, keep_lessons, load_lessons, save_lessons
from tests.support.modbus import profile

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
TCP = Timing(turnaround=0.002)


def registers(*ranges: tuple[int, int]) -> dict[str, dict[str, object]]:
    return {
        f"r{at}": {"table": "holding", "address": at, "type": "uint16"}
        for first, last in ranges
        for at in range(first, last + 1)
    }


SIX = registers((0, 11), (14, 21), (50, 55), (100, 105), (200, 203), (300, 303))


@dataclass
class Slave:
    """A device with a strict map: it has these registers, and answers so many at once."""

    has: set[int]
    limit: int = 125
    too_long: int = 3
    asked: int = 0
    refusals: int = 0

    def ask(self, transaction: Transaction) -> None:
        self.asked += 1
        block = transaction.block
        if block.count > self.limit:
            self.refusals += 1
            raise refusal(3, self.too_long)
        if not set(range(block.address, block.end)) <= self.has:
            self.refusals += 1
            raise refusal(3, 2)


@dataclass
class Bench:
    """Polls one slave as a poller does."""

    slave: Slave
    made: Profile
    lessons: Lessons
    name: str = "m-1"
    options: dict[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.driver: DeviceDriver = ModbusDriver().device(self.made, 1, self.options)
        self.book: DeviceLessons = self.lessons.book(self.name, self.driver, self.made, self.options)

    def plan(self) -> list[Transaction]:
        return list(self.driver.plan(self.made.points, timing=TCP, known=self.book.known()))

    def cycle(self, planned: Sequence[Transaction] | None = None) -> tuple[set[str], set[str]]:
        """Ask for all once; return what was answered and what was refused for good."""
        todo, good, bad = list(self.plan() if planned is None else planned), set(), set()
        while todo:
            transaction = todo.pop(0)
            try:
                self.slave.ask(transaction)
            except DeviceRefused as err:
                parts = self.book.refused(transaction, err)
                bad |= set() if parts else set(transaction.points)
                todo[:0] = parts
            else:
                self.book.answered(transaction)
                good |= set(transaction.points)
        return good, bad


def bench(slave: Slave, points=None, *, lessons: Lessons | None = None, **options: object) -> Bench:
    return Bench(slave, profile(points or SIX), lessons or Lessons(lambda: NOON), options=options)


def used(points) -> set[int]:
    return {at["address"] for at in points.values()}


def labels(transactions) -> list[str]:
    return [transaction.label for transaction in transactions]


def test_a_device_that_answers_all_teaches_nothing():
    it = bench(Slave(set(range(400))))
    assert it.cycle() == (set(SIX), set())
    assert it.slave.asked == 2
    assert not it.book.stale


def test_one_hole_that_is_refused_costs_one_refusal_and_is_then_known():
    it = bench(Slave(set(range(400)) - {13}), registers((0, 11), (14, 21)))
    assert it.cycle() == (set(it.made.points), set())
    assert it.slave.refusals == 1
    assert it.book.stale
    assert labels(it.plan()) == ["03 @0+12", "03 @14+8"]
    assert it.book.known().cuts == {"holding 12-13"}


def test_the_guilty_point_is_found_and_its_neighbours_are_good_in_the_same_cycle():
    it = bench(Slave(set(range(400)) - {102}))
    assert it.cycle() == (set(SIX) - {"r102"}, {"r102"})
    assert it.book.known().bad == {"r102"}
    assert labels(it.plan()) == ["03 @0+102", "03 @103+101", "03 @300+4", "03 @102+1"]
    before = it.slave.refusals
    it.cycle()
    assert it.slave.refusals == before + 1  # the point itself, alone


def test_a_device_that_refuses_every_hole_ends_with_reads_without_holes():
    it = bench(Slave(used(SIX)))
    cycles = 0
    while True:
        assert it.cycle() == (set(SIX), set())
        cycles += 1
        if not it.book.stale:
            break
    assert labels(it.plan()) == ["03 @0+12", "03 @14+8", "03 @50+6", "03 @100+6", "03 @200+4", "03 @300+4"]
    assert cycles <= 5
    assert it.slave.refusals <= 8


@pytest.mark.parametrize("code", [2, 3])
def test_a_read_that_is_too_long_is_made_shorter(code):
    points = registers((0, 99))
    it = bench(Slave(set(range(400)), limit=32, too_long=code), points)
    for _ in range(12):
        assert it.cycle() == (set(points), set())
        if not it.book.stale:
            break
    assert all(transaction.block.count <= 32 for transaction in it.plan())
    assert len(it.plan()) <= 5


places = st.fixed_dictionaries(
    {
        "table": st.just("holding"),
        "address": st.integers(0, 40) | st.integers(0, 200),
        "type": st.sampled_from(["uint16", "uint32", "float64"]),
    }
)


@settings(max_examples=200)
@given(
    st.lists(places, min_size=1, max_size=12),
    st.sets(st.integers(0, 204), max_size=8),
    st.integers(4, 125),
    st.sampled_from([2, 3]),
)
def test_whatever_a_device_lacks_its_plan_settles_on_reads_that_it_answers(spans, lacks, limit, code):
    points = {f"p{number}": at for number, at in enumerate(spans)}
    it = bench(Slave(set(range(210)) - lacks, limit, code), points)
    made = it.driver.addresses  # type: ignore[attr-defined]
    bad = {n for n, at in made.items() if lacks & set(range(at.address, at.address + at.words))}
    for _ in range(60):
        good, refused = it.cycle()
        assert good == set(points) - bad
        assert refused == bad
        if not it.book.stale:
            break
    else:
        raise AssertionError("it never settles")
    before = it.slave.refusals
    it.cycle()
    assert it.slave.refusals - before == len({(made[n].address, made[n].words) for n in bad})


def test_what_one_device_taught_spares_its_like_the_refusals():
    lessons = Lessons(lambda: NOON)
    one = bench(Slave(set(range(400)) - {13}), lessons=lessons)
    other = Bench(Slave(set(range(400)) - {13}), profile(SIX), lessons, "m-2")
    other.plan()
    while True:
        one.cycle()
        if not one.book.stale:
            break
    assert other.book.stale
    other.cycle()
    assert other.slave.refusals == 0
    different = bench(Slave(set(range(400))), lessons=lessons, max_registers=50)
    different.cycle()
    assert different.slave.asked == 5


def test_devices_that_find_out_the_same_at_the_same_time_lose_nothing_then_or_a_day_later(caplog):
    now = [NOON]
    points, lessons = registers((0, 11), (14, 21)), Lessons(lambda: now[0])
    has = set(range(400)) - {13}
    one, other = (Bench(Slave(set(has)), profile(points), lessons, name) for name in ("m-1", "m-2"))
    with caplog.at_level(logging.WARNING):
        for _ in range(3):  # three days
            plans = one.plan(), other.plan()
            assert one.cycle(plans[0]) == (set(points), set())
            assert other.cycle(plans[1]) == (set(points), set())
            assert other.cycle() == (set(points), set())
            assert not other.book.stale
            now[0] += timedelta(days=1)
    assert caplog.text == ""


def test_what_could_not_be_read_together_is_tried_anew_after_a_day_as_well():
    now = [NOON]
    it = bench(
        Slave(set(range(400)), limit=3, too_long=4), registers((0, 3)), lessons=Lessons(lambda: now[0])
    )
    it.book._hopeless.add(("03 @0+4", tuple(f"r{at}" for at in range(4))))
    it.book._learned.cuts.add("holding 3 long")
    it.lessons.changed(it.book._learned)
    it.plan()
    now[0] += timedelta(days=1)
    it.plan()
    assert not it.book._hopeless


def test_a_point_that_another_device_of_the_model_has_is_no_lesson_of_the_model():
    lessons = Lessons(lambda: NOON)
    one = Bench(Slave(set(range(400)) - {102}), profile(SIX), lessons, "m-1")
    other = Bench(Slave(set(range(400))), profile(SIX), lessons, "m-2")
    one.cycle()
    assert other.cycle() == (set(SIX), set())
    for _ in range(4):
        assert other.cycle() == (set(SIX), set())
        assert one.cycle()[1] == {"r102"}
    assert not other.book.stale
    assert not one.book.stale
    assert labels(other.plan()) == ["03 @0+106", "03 @200+104"]


def test_a_device_that_refuses_everything_teaches_nothing_of_its_model():
    lessons = Lessons(lambda: NOON)
    wrong = Bench(Slave(set()), profile(SIX), lessons, "m-1")
    assert wrong.cycle() == (set(), set(SIX))
    right = Bench(Slave(set(range(400))), profile(SIX), lessons, "m-2")
    assert right.book.known().bad == frozenset()
    assert right.cycle() == (set(SIX), set())


def test_a_point_that_is_answered_again_is_read_along_again():
    it = bench(Slave(set(range(400)) - {102}))
    it.cycle()
    it.slave.has.add(102)
    assert it.cycle() == (set(SIX), set())
    assert it.book.stale
    assert it.book.known().bad == frozenset()
    assert labels(it.plan()) == ["03 @0+106", "03 @200+104"]


def test_after_a_day_everything_is_tried_anew():
    now = [NOON]
    it = bench(Slave(set(range(400)) - {13}), registers((0, 11), (14, 21)), lessons=Lessons(lambda: now[0]))
    it.cycle()
    it.cycle()
    assert it.slave.refusals == 1
    now[0] += timedelta(hours=23)
    assert not it.book.stale
    now[0] += timedelta(hours=1)
    assert it.book.stale
    it.cycle()
    assert it.slave.refusals == 2
    assert it.book.known().cuts == {"holding 12-13"}


def test_another_firmware_is_another_model():
    it = bench(Slave(set(range(400)) - {13}), registers((0, 11), (14, 21)))
    it.cycle()
    it.plan()
    it.book.says_firmware("2.7\n")
    assert it.book.stale
    assert it.book.known().cuts == frozenset()
    it.book.says_firmware("")
    assert it.book.known().cuts == {"holding 12-13"}


def test_after_a_restart_the_first_plan_is_by_the_firmware_that_was_named(tmp_path):
    points = registers((0, 11), (14, 21))
    made = profile(points, firmware="r0")
    one = Bench(Slave(set(range(400)) - {13}), made, Lessons(lambda: NOON))
    one.book.says_firmware("2.7")
    one.cycle()
    save_lessons(tmp_path, one.lessons.kept())
    again = Bench(Slave(set(range(400)) - {13}), made, load_lessons(tmp_path, lambda: NOON))
    again.cycle()
    assert again.slave.refusals == 0


def test_a_group_that_is_only_answered_in_parts_is_refused_not_parted():
    points = registers((0, 1), (4, 5))
    made = profile(points, atomic=(("r0", "r1", "r4", "r5"),))
    it = Bench(Slave(used(points)), made, Lessons(lambda: NOON))
    for _ in range(4):
        it.cycle()
    assert not it.book.stale
    assert it.cycle() == (set(), set(points))
    assert labels(it.plan()) == ["03 @0+6"]


def test_a_group_with_a_bad_point_goes_on_without_it():
    points = registers((0, 3))
    made = profile(points, atomic=(("r0", "r1", "r2", "r3"),))
    it = Bench(Slave({0, 1, 2}), made, Lessons(lambda: NOON))
    for _ in range(3):
        it.cycle()
    assert it.cycle() == ({"r0", "r1", "r2"}, {"r3"})
    assert labels(it.plan()) == ["03 @0+3", "03 @3+1"]


def test_the_digest_is_of_what_is_asked_for():
    one = profile(SIX)
    assert map_digest(one, {}) == map_digest(profile(SIX), {})
    assert map_digest(one, {}) != map_digest(one, {"max_registers": 60})
    assert map_digest(one, {}) != map_digest(profile(registers((0, 11))), {})


def test_lessons_outlive_the_process(tmp_path):
    it = bench(Slave(set(range(400)) - {13, 102}))
    while True:
        it.cycle()
        if not it.book.stale:
            break
    it.lessons.measured("m-1", 0.0123)
    plan = labels(it.plan())
    save_lessons(tmp_path, it.lessons.kept())
    assert not it.lessons.dirty
    again = load_lessons(tmp_path, lambda: NOON)
    next_life = Bench(Slave(set(range(400)) - {13, 102}), profile(SIX), again)
    assert labels(next_life.plan()) == plan
    next_life.cycle()
    assert next_life.slave.refusals == 1
    assert again.thinks("m-1") == 0.0123
    assert again.thinks("m-2") is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        '{"v": 2}',
        '{"v": 1, "models": {"m": {"cuts": 3}}}',
        '{"v": 1, "models": {"m": {"since": "2026-11-22T12:00:00"}}}',
        '{"v": 1, "more": 1}',
        "[" * 10_000,
        " " * (MAX_BYTES + 1),
    ],
)
def test_a_file_that_cannot_be_used_costs_refusals_and_no_more(tmp_path, text, caplog):
    (tmp_path / NAME).write_text(text)
    assert load_lessons(tmp_path, lambda: NOON).kept() == Kept()
    assert NAME in caplog.text


async def test_what_is_new_is_stored_at_the_end(tmp_path):
    lessons = Lessons(lambda: NOON)
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(keep_lessons(lessons, tmp_path, stop), name="lessons")
        lessons.measured("m-1", 0.25)
        stop.set()
    assert load_lessons(tmp_path, lambda: NOON).thinks("m-1") == 0.25


async def test_a_store_that_cannot_be_written_is_said_and_stops_nothing(tmp_path, caplog):
    lessons = Lessons(lambda: NOON)
    lessons.measured("m-1", 0.25)
    stop = asyncio.Event()
    stop.set()
    await keep_lessons(lessons, tmp_path / "gone", stop)
    assert "cannot be stored" in caplog.text
    assert lessons.dirty
