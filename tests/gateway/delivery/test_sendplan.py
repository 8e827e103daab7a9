"""What is sent when, in simulated time: no broker, no disk, a server that may be deaf."""

from itertools import pairwise
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.delivery.journal_types import JournalBatch, LaneCount
from gateway.delivery.sendplan import Read, Sending, SendPlan, Stream
from messages.types import Lane


class World:
    """A journal of numbers, a broker with a delay and a server that loses some: all driven by one clock."""

    def __init__(self, settings: Sending, kept: dict[Lane, int], random: Random) -> None:
        self.settings = settings
        self.first = dict.fromkeys(Lane, 1)
        self.next = {lane: kept.get(lane, 0) + 1 for lane in Lane}
        self.random = random
        self.now = 0.0
        self.flying: list[tuple[float, Stream, JournalBatch]] = []
        self.sent: list[tuple[float, Lane, int]] = []
        self.got: dict[Lane, set[int]] = {lane: set() for lane in Lane}
        self.through = dict.fromkeys(Lane, 0)
        self.deaf = False
        self.loss = 0.0
        self.had = dict.fromkeys(Lane, 0)
        """What the server stored of an earlier connection; it says so some time in this one."""
        self.plan = SendPlan(settings, self.counts(), {}, self.now)

    def counts(self) -> dict[Lane, LaneCount]:
        return {lane: LaneCount(self.first[lane], self.next[lane], 0) for lane in Lane}

    def batches(self, read: Read) -> list[JournalBatch]:
        """Answer as the journal does: batches of two bytes, the first one whatever the bound."""
        lane, start = read.stream.lane, max(read.after + 1, self.first[read.stream.lane])
        many = min(read.limit, max(1, read.max_bytes // 2))
        seqs = range(start, min(start + many, self.next[lane]))
        return [JournalBatch(lane, seq, b"[]", 0, 0, 0, 0) for seq in seqs]

    def step(self, seconds: float = 0.01, rtt: float = 0.05) -> None:
        """Let some time pass: what was published is acknowledged and stored after one round trip."""
        while (read := self.plan.next_read(self.counts(), self.now)) is not None:
            batches = self.batches(read)
            if self.random.random() < 0.3:
                self.tell()  # it has its answer, and takes it only now
            for batch in self.plan.took(read, batches):
                self.flying.append((self.now + rtt, read.stream, batch))
                self.sent.append((self.now, batch.lane, batch.seq))
            assert self.plan.in_flight == len(self.flying) <= self.settings.window
        due = self.plan.next_due(self.counts(), self.now)
        assert due is None or due > 0
        self.now += seconds
        for each in [flown for flown in self.flying if flown[0] <= self.now]:
            self.flying.remove(each)
            _, stream, batch = each
            self.plan.puback(stream, batch, self.now)
            if not self.deaf and self.random.random() >= self.loss:
                self.store(batch)

    def store(self, batch: JournalBatch) -> None:
        self.got[batch.lane].add(batch.seq)
        self._say(batch.lane)

    def _say(self, lane: Lane) -> None:
        while self.through[lane] + 1 in self.got[lane] or self.through[lane] + 1 < self.first[lane]:
            self.through[lane] += 1
        self.plan.stored(lane, self.through[lane], self.now)

    def tell(self) -> None:
        """Say how far the server is with what it has of an earlier connection."""
        for lane, had in self.had.items():
            if had:
                self.got[lane].update(range(1, had + 1))
                self._say(lane)
                self.had[lane] = 0

    def until_stored(self, lane: Lane, seconds: float) -> None:
        ends = self.now + seconds
        while self.through[lane] < self.next[lane] - 1:
            assert self.now < ends, f"{lane}: {self.through[lane]} of {self.next[lane] - 1}"
            self.step()


def world(kept: dict[Lane, int] | None = None, **settings: float) -> World:
    return World(Sending(**settings), kept or {}, Random(1))  # type: ignore[arg-type]


@given(
    kept=st.dictionaries(st.sampled_from(list(Lane)), st.integers(0, 60)),
    live=st.integers(0, 20),
    window=st.integers(1, 12),
    loss=st.floats(0, 0.7),
    had=st.floats(0, 1),
    seed=st.integers(0, 1000),
)
def test_everything_is_stored_whatever_is_lost_on_the_way(
    kept: dict[Lane, int], live: int, window: int, loss: float, had: float, seed: int
) -> None:
    settings = Sending(window=window, resend_s=1, resend_max_s=4, backlog_per_s=50)
    w = World(settings, kept, Random(seed))
    w.loss = loss
    w.had |= {lane: int(count * had) for lane, count in kept.items()}
    for _ in range(live):
        w.next[Lane.TELEMETRY] += 1
        w.step()
    for _ in range(120_000):
        if all(w.through[lane] == w.next[lane] - 1 for lane in Lane):
            break
        w.step(0.05)
    assert {lane: w.through[lane] for lane in Lane} == {lane: w.next[lane] - 1 for lane in Lane}


def test_the_right_of_way_is_alarm_billing_live_backlog() -> None:
    w = world({Lane.TELEMETRY: 100, Lane.BILLING: 3, Lane.ALARM: 3}, window=32)
    w.next[Lane.TELEMETRY] += 3
    w.step()
    first = [(lane, seq) for _, lane, seq in w.sent][:9]
    assert first == [(lane, n) for lane in (Lane.ALARM, Lane.BILLING) for n in (1, 2, 3)] + [
        (Lane.TELEMETRY, n) for n in (101, 102, 103)
    ]


def test_alarms_find_reserved_slots_in_a_full_window() -> None:
    w = world({Lane.BILLING: 100}, window=8)
    w.step(0.001)
    assert len(w.flying) == 6
    w.next[Lane.ALARM] += 5
    w.step(0.001)
    assert [batch.lane for _, _, batch in w.flying].count(Lane.ALARM) == 2


def test_the_backlog_is_sent_at_its_rate_and_live_is_not_held_back() -> None:
    w = world({Lane.TELEMETRY: 1000}, backlog_per_s=50)
    for _ in range(1000):
        w.step(0.01)
        w.next[Lane.TELEMETRY] += w.random.random() < 0.1
    live = [(at, seq) for at, _, seq in w.sent if seq > 1000]
    backlog = [seq for _, _, seq in w.sent if seq <= 1000]
    assert 480 <= len(backlog) <= 520
    assert len(live) == w.next[Lane.TELEMETRY] - 1001 - (w.next[Lane.TELEMETRY] - 1 > (live[-1][1]))
    w.plan.hurry = True
    w.until_stored(Lane.TELEMETRY, 3)


def test_live_is_not_sent_again_while_the_backlog_below_it_is_under_way() -> None:
    w = world({Lane.TELEMETRY: 2000}, backlog_per_s=50, resend_s=10)
    w.next[Lane.TELEMETRY] += 50
    w.until_stored(Lane.TELEMETRY, 60)
    assert len(w.sent) == len({seq for _, _, seq in w.sent}) == 2050


def test_a_silent_server_is_asked_with_one_batch_per_lane_at_growing_distances() -> None:
    w = world({Lane.ALARM: 50, Lane.BILLING: 50}, resend_s=10, resend_max_s=60)
    w.deaf = True
    for _ in range(3000):
        w.step(0.1)
    again = [(at, lane, seq) for at, lane, seq in w.sent[100:]]
    assert {seq for _, _, seq in again} == {1}
    times = [at for at, lane, _ in again if lane is Lane.ALARM]
    gaps = [later - earlier for earlier, later in pairwise(times)]
    assert times[0] == pytest.approx(10.1, abs=0.3)
    assert gaps[:4] == pytest.approx([20, 40, 60, 60], abs=0.5)
    w.deaf = False
    w.until_stored(Lane.ALARM, 200)


def test_a_deaf_server_is_not_flooded_the_stream_rests() -> None:
    w = world({Lane.BILLING: 5000}, unanswered=100)
    w.deaf = True
    for _ in range(500):
        w.step()
    assert len(w.sent) == 100
    w.next[Lane.ALARM] += 1
    w.step()
    assert w.sent[-1][1] is Lane.ALARM


def test_bytes_bound_the_window_too_and_one_large_batch_still_goes() -> None:
    w = world({Lane.BILLING: 10}, window_bytes=3)
    w.step(0.001)
    assert len(w.flying) == 2  # two batches of two bytes: the second was allowed in below the bound


def test_what_was_dropped_meanwhile_is_skipped_and_not_waited_for() -> None:
    w = world({Lane.TELEMETRY: 100}, resend_s=1)
    w.deaf = True
    for _ in range(20):
        w.step()
    w.deaf = False
    w.first[Lane.TELEMETRY] = 60
    w.until_stored(Lane.TELEMETRY, 30)


@pytest.mark.parametrize("lane", Lane)
def test_what_is_stored_while_it_is_read_hides_nothing_that_comes_after_it(lane: Lane) -> None:
    """The server tells of an earlier connection in the very moment in which the journal is asked."""
    w = world({lane: 100})
    read = w.plan.next_read(w.counts(), w.now)
    assert read is not None
    batches = w.batches(read)
    w.had[lane] = batches[-1].seq + 5
    w.tell()
    assert w.plan.took(read, batches) == []
    w.until_stored(lane, 10)
    assert {seq for _, _, seq in w.sent} == set(range(batches[-1].seq + 6, 101))


def test_what_is_known_as_stored_is_not_sent_in_the_next_connection() -> None:
    w = world({Lane.ALARM: 10})
    w.plan = SendPlan(w.settings, w.counts(), {Lane.ALARM: 8}, w.now)
    w.step()
    assert [seq for _, _, seq in w.sent] == [9, 10]


def test_nothing_to_do_means_no_timer() -> None:
    w = world()
    assert w.plan.next_read(w.counts(), 0) is None
    assert w.plan.next_due(w.counts(), 0) is None
