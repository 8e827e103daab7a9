"""The journal when the disk is full, read-only or damaged: it never says kept where it is not, and it recovers."""

import asyncio
import errno
import resource
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateway.delivery.journal import Grouping, Journal, JournalDown, JournalFull, Limits
from messages.types import Gap, Lane
from tests.support.journal import Box, event, everything, items_of, numbers, sample, settled

SMALL = Limits(alarm_mb=1, billing_mb=1, telemetry_mb=1, free_disk_mb=1)
SLOW_RETRY = Grouping(group_s=0.01, retry_s=3600)


@pytest.fixture
def box(tmp_path: Path) -> Box:
    return Box(tmp_path)


@contextmanager
def no_file_may_grow_beyond(size: int) -> Iterator[None]:
    """What a full disk is to a process: every write beyond fails. The soft limit can be lifted again."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def full_at(journal: Journal, pages: int) -> None:
    """Let SQLite itself say that the database or disk is full, as it does for ENOSPC."""
    store = journal._store
    journal._thread.submit(lambda: store._db.execute(f"PRAGMA max_page_count={pages}").fetchall()).result()


async def test_a_full_disk_is_never_a_success_and_what_comes_after_is_kept(box: Box) -> None:
    async with await box.open(grouping=SLOW_RETRY) as journal:
        await journal.append(Lane.TELEMETRY, [sample(1)])
        with no_file_may_grow_beyond(box.path.with_name("journal.sqlite-wal").stat().st_size):
            with pytest.raises(JournalDown) as refused:
                await journal.append(Lane.TELEMETRY, [sample(2)])
            assert not refused.value.kept
            assert journal.down
        await journal.append(Lane.TELEMETRY, [sample(3)])
        assert not journal.down
        assert numbers(await everything(journal, Lane.TELEMETRY)) == [1, 3]
        assert [batch.seq for batch in await everything(journal, Lane.TELEMETRY)] == [1, 2]
    assert box.codes == ["journal_down", "journal_back"]
    async with await box.open() as journal:
        assert numbers(await everything(journal, Lane.TELEMETRY)) == [1, 3]


async def test_alarms_are_held_in_memory_and_written_first_when_the_disk_is_back(box: Box) -> None:
    async with await box.open(grouping=SLOW_RETRY) as journal:
        with no_file_may_grow_beyond(0):
            for number in (1, 2):
                with pytest.raises(JournalDown) as held:
                    await journal.append(Lane.ALARM, [event(number)], state={"edge": b"%d" % number})
                assert held.value.kept
            assert (journal.ring_items, journal.counts.ring_kept) == (2, 2)
            assert journal.load_state("edge") is None
        await journal.append(Lane.TELEMETRY, [sample(9)])  # whatever is written next takes them along
        assert numbers(await everything(journal, Lane.ALARM)) == [1, 2]
        assert (journal.ring_items, journal.load_state("edge")) == (0, b"2")
        await journal.append(Lane.ALARM, [event(3)])
        assert numbers(await everything(journal, Lane.ALARM)) == [1, 2, 3]
    assert box.codes == ["journal_down", "journal_back"]


async def test_held_alarms_are_tried_again_without_being_asked(box: Box) -> None:
    async with await box.open() as journal:
        with no_file_may_grow_beyond(0), pytest.raises(JournalDown):
            await journal.append(Lane.ALARM, [event(1)])
        await settled(journal, lambda: journal.ring_items == 0)
        assert numbers(await everything(journal, Lane.ALARM)) == [1]


async def test_memory_is_bounded_and_what_does_not_fit_is_not_kept(box: Box) -> None:
    async with await box.open(grouping=SLOW_RETRY) as journal:
        kept = []
        with no_file_may_grow_beyond(0):
            for number in range(0, 1100, 100):
                with pytest.raises(JournalDown) as refused:
                    await journal.append(Lane.ALARM, [event(n) for n in range(number, number + 100)])
                kept.append(refused.value.kept)
        assert kept == [True] * 10 + [False]
        await journal.append(Lane.ALARM, [event(5000)])
        assert numbers(await everything(journal, Lane.ALARM)) == [*range(1000), 5000]


async def test_alarms_alone_are_tried_when_they_failed_beside_telemetry(box: Box) -> None:
    grouping = Grouping(group_s=3600, retry_s=3600)
    async with await box.open(grouping=grouping) as journal:
        await journal.append(Lane.ALARM, [event(0)])
        pages = journal._thread.submit(
            lambda: journal._store._db.execute("PRAGMA page_count").fetchone()[0]
        ).result()
        full_at(journal, pages + 3)
        big = [sample(n, points=10, width=40) for n in range(80)]
        state = {"edge": b"1"}  # ties the telemetry to the alarm's transaction
        telemetry = asyncio.create_task(journal.append(Lane.TELEMETRY, big, state=state))
        await asyncio.sleep(0)
        alarm = asyncio.create_task(journal.append(Lane.ALARM, [event(1)], state=state))
        with pytest.raises(JournalDown, match="disk is full"):
            await telemetry
        with pytest.raises(JournalDown) as held:
            await alarm
        assert held.value.kept
        await settled(journal, lambda: journal.ring_items == 0)
        assert numbers(await everything(journal, Lane.ALARM)) == [0, 1]


async def test_a_read_only_database_is_said_and_survived(box: Box) -> None:
    async with await box.open(grouping=SLOW_RETRY) as journal:
        store = journal._store
        journal._thread.submit(lambda: store._db.execute("PRAGMA query_only=1").fetchall()).result()
        with pytest.raises(JournalDown, match="readonly"):
            await journal.append(Lane.BILLING, [sample(1)])
        await journal.append(Lane.BILLING, [sample(2)])  # the connection was opened anew
        assert numbers(await everything(journal, Lane.BILLING)) == [2]
    assert box.codes == ["journal_down", "journal_back"]


async def test_a_folder_that_cannot_be_written_is_a_clear_refusal(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file where the folder should be")
    with pytest.raises(JournalDown, match="state"):
        await Journal.open(tmp_path / "state" / "journal.sqlite")


async def ruin_and_open(folder: Path, where: float, junk: bytes) -> None:
    """Write junk into a closed journal, then use it."""
    for old in folder.glob("journal.sqlite*"):
        old.unlink()
    box = Box(folder)
    async with await box.open() as journal:
        epoch = journal.epoch
        await journal.append(Lane.BILLING, [sample(n, points=20, width=30) for n in range(100)])
    raw = bytearray(box.path.read_bytes())
    at = int(where * (len(raw) - 1))
    raw[at : at + len(junk)] = junk
    box.path.write_bytes(raw)
    async with await box.open() as journal:
        await journal.append(Lane.ALARM, [event(1)])
        assert numbers(await everything(journal, Lane.ALARM)) == [1]
        if journal.epoch != epoch:
            assert box.codes == ["journal_corrupt"]
            (aside,) = folder.glob("journal.sqlite.corrupt-*Z")
            assert aside.read_bytes() == bytes(raw)


@given(where=st.floats(0, 1), junk=st.binary(min_size=1, max_size=600))
@example(where=0.03125, junk=b"\x80")  # in the text of the schema
@settings(max_examples=25)
def test_whatever_stands_in_the_file_the_gateway_starts(where: float, junk: bytes) -> None:
    with TemporaryDirectory() as folder:
        asyncio.run(ruin_and_open(Path(folder), where, junk))


@pytest.mark.parametrize("content", [b"not a database" * 100, b"\0" * 8192])
async def test_a_file_that_is_no_journal_is_set_aside_with_its_content(box: Box, content: bytes) -> None:
    box.path.write_bytes(content)
    async with await box.open() as journal:
        await journal.append(Lane.ALARM, [event(1)])
    assert box.codes == ["journal_corrupt"]
    (aside,) = box.path.parent.glob("journal.sqlite.corrupt-*Z")
    assert aside.read_bytes() == content


async def test_another_database_is_set_aside_whole(box: Box) -> None:
    with closing(sqlite3.connect(box.path)) as db:
        db.execute("CREATE TABLE theirs (x)")
    async with await box.open():
        pass
    assert box.codes == ["journal_corrupt"]
    (aside,) = box.path.parent.glob("journal.sqlite.corrupt-*Z")
    with closing(sqlite3.connect(aside)) as db:
        assert db.execute("SELECT name FROM sqlite_master").fetchall() == [("theirs",)]


async def test_damage_met_while_running_begins_a_new_epoch_and_keeps_the_alarm(box: Box) -> None:
    async with await box.open(grouping=SLOW_RETRY) as journal:
        await journal.append(Lane.BILLING, [sample(n, points=20, width=30) for n in range(200)])
        epoch, store = journal.epoch, journal._store

        def ruin() -> None:
            assert store._db is not None
            store._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            store._db.execute("PRAGMA cache_size=0").fetchall()
            store._db.execute("PRAGMA shrink_memory").fetchall()
            raw = bytearray(box.path.read_bytes())
            raw[4096:] = b"\xa5" * (len(raw) - 4096)
            box.path.write_bytes(raw)

        journal._thread.submit(ruin).result()
        journal.forget(Lane.BILLING, 1)
        with pytest.raises(JournalDown) as held:
            await journal.append(Lane.ALARM, [event(1)])
        assert held.value.kept
        await journal.append(Lane.ALARM, [event(2)])
        assert journal.epoch != epoch
        assert numbers(await everything(journal, Lane.ALARM)) == [1, 2]
    assert box.codes == ["journal_down", "journal_corrupt", "journal_back"]


async def fill(journal: Journal, lane: Lane, megabytes: float, start: int = 0) -> int:
    """Append until so much has been written; return the next number."""
    number, size = start, 0
    while size < megabytes * 2**20:
        items = [sample(n, points=90, width=40) for n in range(number, number + 12)]
        await journal.append(lane, items)
        number, size = number + 12, size + sum(map(len, map(str, items[0].values.values()))) * 12
    return number


async def test_full_telemetry_drops_its_oldest_and_says_exactly_what(box: Box) -> None:
    async with await box.open(limits=SMALL) as journal:
        written = await fill(journal, Lane.TELEMETRY, 3)
        counts = journal.lane_counts()
        assert counts[Lane.TELEMETRY].bytes <= 2**20
        gaps = [item for b in await everything(journal, Lane.ALARM) for item in items_of(b)]
        assert all(isinstance(gap, Gap) for gap in gaps)
        assert len(gaps) < 60
        kept = await everything(journal, Lane.TELEMETRY)
        expected = 1
        for gap in gaps:
            assert isinstance(gap, Gap)
            assert (gap.lane, gap.first) == (Lane.TELEMETRY, expected)
            assert gap.batches == gap.last - gap.first + 1
            expected = gap.last + 1
        assert [batch.seq for batch in kept] == list(range(expected, counts[Lane.TELEMETRY].next))
        dropped = sum(gap.samples for gap in gaps if isinstance(gap, Gap))
        assert dropped + sum(batch.samples for batch in kept) == written * 90
        first = min(number for number in numbers(kept))
        last_gap = gaps[-1]
        assert isinstance(last_gap, Gap)
        assert last_gap.until == sample(first - 1).at
    assert "journal_full" not in box.codes


async def test_billing_and_alarms_are_refused_loudly_and_never_dropped(box: Box) -> None:
    async with await box.open(limits=SMALL) as journal:
        with pytest.raises(JournalFull, match=r"billing.*billing_mb"):
            await fill(journal, Lane.BILLING, 3)
        kept = numbers(await everything(journal, Lane.BILLING))
        assert kept == list(range(len(kept)))
        await fill(journal, Lane.TELEMETRY, 2)
        assert numbers(await everything(journal, Lane.BILLING)) == kept
        await journal.append(Lane.ALARM, [event(1)])
        journal.forget(Lane.BILLING, journal.lanes()[Lane.BILLING].next - 1)
        await settled(journal, lambda: journal.lane_counts()[Lane.BILLING].waiting == 0)
        await journal.append(Lane.BILLING, [sample(99)])
    assert box.codes == ["journal_full"]


async def test_one_full_lane_does_not_refuse_its_neighbours_in_the_same_commit(box: Box) -> None:
    async with await box.open(limits=SMALL) as journal:
        with pytest.raises(JournalFull):
            await fill(journal, Lane.BILLING, 3)
        big = [sample(n, points=90, width=40) for n in range(15)]
        results = await asyncio.gather(
            journal.append(Lane.BILLING, big, state={"b": b"1"}),
            journal.append(Lane.TELEMETRY, [sample(7)], state={"t": b"1"}),
            return_exceptions=True,
        )
        assert isinstance(results[0], JournalFull)
        assert results[1] is None
        assert (journal.load_state("b"), journal.load_state("t")) == (None, b"1")


async def test_below_the_free_disk_floor_the_file_does_not_grow(box: Box) -> None:
    async with await box.open(limits=Limits(telemetry_mb=50, free_disk_mb=200)) as journal:
        written = await fill(journal, Lane.TELEMETRY, 2)
        box.free = 100 * 2**20
        size = box.path.stat().st_size
        await fill(journal, Lane.TELEMETRY, 4, start=written)
        assert box.path.stat().st_size <= max(size, 4 * 2**20)
        gaps = [item for b in await everything(journal, Lane.ALARM) for item in items_of(b)]
        assert {gap.reason for gap in gaps if isinstance(gap, Gap)} == {"the disk was nearly full"}
        await journal.append(Lane.ALARM, [event(1)])
        await journal.append(Lane.BILLING, [sample(1)])
        box.free = 2**40
        await fill(journal, Lane.TELEMETRY, 3, start=written)
        assert journal.lane_counts()[Lane.TELEMETRY].bytes > 3 * 2**20


async def test_with_no_room_at_all_telemetry_is_refused_and_alarms_are_not(box: Box) -> None:
    box.free = 0
    async with await box.open() as journal:
        with pytest.raises(JournalFull, match="nearly full"):
            await fill(journal, Lane.TELEMETRY, 1)
        await journal.append(Lane.ALARM, [event(1)])


async def test_a_disk_that_does_not_say_how_full_it_is_counts_as_full(
    box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_box: Box) -> int:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(Box, "free", property(broken, lambda _box, _free: None), raising=False)
    async with await box.open() as journal:
        with pytest.raises(JournalFull, match="nearly full"):
            await fill(journal, Lane.TELEMETRY, 1)
        await journal.append(Lane.ALARM, [event(1)])


def test_the_operating_system_can_be_told_to_refuse(tmp_path: Path) -> None:
    with (
        (tmp_path / "x").open("wb", buffering=0) as file,
        no_file_may_grow_beyond(10),
        pytest.raises(OSError, match="large") as refused,
    ):
        file.write(b"0" * 10)
        file.write(b"0")
    assert refused.value.errno == errno.EFBIG
