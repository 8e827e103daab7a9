"""The journal's rules as a state machine: whatever is appended, forgotten, dropped and reopened in any order."""

import shutil
import tempfile
from pathlib import Path
from random import Random

from hypothesis import event as note
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from gateway.delivery.journal_store import JournalStore
from gateway.delivery.journal_types import Chunk, Limits, Packing, Write, instant, millis, random_id
from messages.codec import decode_batch
from messages.topics import checked
from messages.types import Gap, Item, Lane
from tests.support.journal import NO_END, PLENTY, START, event, items_of, number_of, sample


class Tiny(Limits, frozen=True):
    """Lanes of some batches, so that a few rules fill them."""

    def of(self, lane: Lane) -> int:
        return 200_000


LIMITS = Tiny(free_disk_mb=10)
PACKING = Packing(items=50, bytes=30_000)
lanes = st.sampled_from(list(Lane))


class JournalRules(RuleBasedStateMachine):
    """Beside each lane stands a plain dict of what must be in it."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.random = Random(1)
        self.free = PLENTY
        self.number = 0
        self.model: dict[Lane, dict[int, list[int]]] = {lane: {} for lane in Lane}
        self.next = dict.fromkeys(Lane, 1)
        self.forgotten = dict.fromkeys(Lane, 0)
        self.gaps: set[Gap] = set()
        self.state: dict[str, bytes] = {}
        self.claimed: set[str] = set()

    @initialize()
    def begin(self) -> None:
        self.store = self.opened()
        self.epoch = self.store.epoch

    def opened(self) -> JournalStore:
        store = JournalStore(
            self.folder / "journal.sqlite",
            limits=LIMITS,
            packing=PACKING,
            clock=lambda: START,
            new_epoch=lambda: random_id(self.random),
            free_disk=lambda _folder: self.free,
        )
        store.open()
        return store

    def make(self, lane: Lane, count: int, points: int) -> list[Item]:
        start, self.number = self.number, self.number + count
        if lane is Lane.ALARM:
            return [event(n) for n in range(start, self.number)]
        return [sample(n, points=points, width=40) for n in range(start, self.number)]

    @rule(lane=lanes, count=st.integers(1, 120), points=st.sampled_from([1, 5, 100]), state=st.booleans())
    def append(self, lane: Lane, count: int, points: int, state: bool) -> None:
        items = self.make(lane, count, points)
        change = {lane.value: str(self.number).encode()} if state else {}
        (full,) = self.store.commit([Write(lane, PACKING.chunks(items), change)], {})
        if full is None:
            self.state |= change
        self.catch_up({lane: [] if full else [number_of(item) for item in items]})

    @rule(counts=st.lists(st.tuples(lanes, st.integers(1, 20)), min_size=2, max_size=6))
    def append_together(self, counts: list[tuple[Lane, int]]) -> None:
        made = [(lane, self.make(lane, count, 3)) for lane, count in counts]
        answers = self.store.commit([Write(lane, PACKING.chunks(items)) for lane, items in made], {})
        written: dict[Lane, list[int]] = {}
        for (lane, items), full in zip(made, answers, strict=True):
            if full is None:
                written.setdefault(lane, []).extend(map(number_of, items))
        self.catch_up(written)

    def catch_up(self, written: dict[Lane, list[int]]) -> None:
        """Take the new batches into the model: they hold what was written, and gaps in the alarm lane."""
        for each in Lane:
            new = self.store.unsent(each, self.next[each] - 1, NO_END, NO_END)
            found: list[int] = []
            for batch in new:
                assert batch.seq == self.next[each]
                assert len(batch.items) <= PACKING.bytes
                items = items_of(batch)
                self.gaps |= {item for item in items if isinstance(item, Gap)}
                self.model[each][batch.seq] = [number_of(i) for i in items if not isinstance(i, Gap)]
                found += self.model[each][batch.seq]
                self.next[each] += 1
            assert found == written.get(each, [])
        if self.gaps:
            note("telemetry was dropped")
        for gap in self.gaps:
            for seq in range(gap.first, gap.last + 1):
                self.model[gap.lane].pop(seq, None)

    @rule(lane=lanes, share=st.floats(0, 1))
    def forget(self, lane: Lane, share: float) -> None:
        count = self.store.lanes[lane]
        through = count.first - 1 + int(share * count.waiting)
        while self.store.lanes[lane].first <= through:
            self.store.commit([], {lane: through}, self.epoch)
        self.forgotten[lane] = max(self.forgotten[lane], through)
        self.model[lane] = {seq: items for seq, items in self.model[lane].items() if seq > through}

    @rule(lane=lanes)
    def forget_of_another_epoch(self, lane: Lane) -> None:
        self.store.commit([], {lane: NO_END}, "another")

    @rule()
    def reopen(self) -> None:
        self.store.close()
        self.store = self.opened()
        assert self.store.epoch == self.epoch

    @rule(free=st.sampled_from([0, 5 * 2**20, PLENTY]))
    def disk(self, free: int) -> None:
        self.free = free

    @rule(name=st.sampled_from(["a", "b", "c"]))
    def claim(self, name: str) -> None:
        assert self.store.claim(name) == (name not in self.claimed)
        self.claimed.add(name)

    @rule()
    def give_back(self) -> None:
        self.store.give_back()

    @invariant()
    def the_file_holds_what_the_model_holds(self) -> None:
        if not hasattr(self, "store"):
            return
        for lane in Lane:
            batches, count = self.store.unsent(lane, 0, NO_END, NO_END), self.store.lanes[lane]
            held = {b.seq: [number_of(i) for i in items_of(b) if not isinstance(i, Gap)] for b in batches}
            assert held == self.model[lane]
            assert list(held) == list(range(count.first, count.next))
            assert count.next == self.next[lane]
            assert count.bytes == sum(len(b.items) + 80 for b in batches)
            slack = 2**20 if lane is Lane.ALARM else 0  # an admission may go over the bound
            assert count.bytes <= LIMITS.of(lane) + slack
        assert self.store.state == self.state

    @invariant()
    def what_is_gone_was_forgotten_or_admitted(self) -> None:
        if not hasattr(self, "store"):
            return
        for lane in Lane:
            admitted = {
                seq for gap in self.gaps if gap.lane is lane for seq in range(gap.first, gap.last + 1)
            }
            gone = set(range(1, self.next[lane])) - set(self.model[lane])
            assert gone <= admitted | set(range(1, self.forgotten[lane] + 1))
            assert not admitted & set(self.model[lane])
            if lane is not Lane.TELEMETRY:
                assert not admitted

    def teardown(self) -> None:
        self.store.close()
        shutil.rmtree(self.folder)


TestJournalRules = JournalRules.TestCase
TestJournalRules.settings = settings(max_examples=15, stateful_step_count=40)


@given(
    sizes=st.lists(st.tuples(st.integers(1, 60), st.integers(1, 400)), max_size=40),
    items=st.integers(1, 100),
    size=st.integers(100, 2000),
)
def test_packing_keeps_order_and_respects_both_bounds(
    sizes: list[tuple[int, int]], items: int, size: int
) -> None:
    packing = Packing(items, size)
    chunks = [Chunk(bytes([n % 251]) * length, count, count, n, n) for n, (count, length) in enumerate(sizes)]
    packed = packing.pack(chunks)
    assert b"".join(p.body for p in packed).replace(b",", b"") == b"".join(c.body for c in chunks).replace(
        b",", b""
    )
    assert sum(p.count for p in packed) == sum(c.count for c in chunks)
    for p in packed:
        alone = p.at_first == p.at_last
        assert alone or (p.count <= items and len(p.body) + 2 <= size + 2)


@given(numbers=st.lists(st.integers(0, 10**6), min_size=1, max_size=200), items=st.integers(1, 30))
def test_chunks_decode_to_the_items_in_order(numbers: list[int], items: int) -> None:
    given_items = [sample(n) for n in numbers]
    chunks = Packing(items, 5000).chunks(given_items)
    body = b",".join(chunk.body for chunk in chunks)
    payload = b'{"v":1,"gateway":"g","epoch":"e","lane":"telemetry","seq":1,"items":[' + body + b"]}"
    assert list(decode_batch(payload).items) == given_items
    assert all(chunk.count <= items for chunk in chunks)
    assert min(c.at_first for c in chunks) == min(millis(item.at) for item in given_items)


@given(ms=st.integers(0, 4_102_444_800_000))
def test_milliseconds_are_exact_both_ways(ms: int) -> None:
    assert millis(instant(ms)) == ms


@given(seed=st.integers())
def test_a_random_id_is_a_topic_level(seed: int) -> None:
    assert checked(random_id(Random(seed)))
