"""The silence of what watches over something reaches the journal once, with the times at which it began and ended."""

import asyncio
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.silences import (
    BACK,
    END_EVERY_S,
    ENDS_AT_ONCE,
    GONE,
    HOLD_S,
    MOST_WAITING,
    SILENT,
    STATE_KEY,
    Silences,
    state_of,
)
from messages.types import DEVICE_SILENT, ClockState, Edge
from tests.support.gateway import START, Remembered, SimTime
from tests.support.long import amount
from tests.support.waiting import alongside


class Watchman:
    """Silences with time and devices in our hands."""

    def __init__(self, state: bytes | None = None, **hears: bool | None) -> None:
        self.time, self.journal = SimTime(), Remembered()
        self.hears = dict(hears)
        self.made = Silences(
            self.journal,
            lambda: tuple(self.hears.items()),
            state,
            self.time.clock,
            lambda: ClockState.SYNCED,
            self.time.monotonic,
            self.time.nap,
        )

    async def run(self, seconds: float) -> None:
        """Let it work until this time has passed."""
        over = asyncio.Event()
        self.time.end, self.time.on_end = self.time.now + seconds, over.set
        async with alongside(self.made.run()):
            await over.wait()
            for _ in range(5):
                await asyncio.sleep(0)  # what it noted at the end is journaled
        self.time.end = float("inf")

    def turn(self, device: str, hears: bool | None) -> None:
        """Let a device fall silent or come back, as a poller says it."""
        self.hears[device] = hears
        self.made.look()

    @property
    def said(self) -> list[tuple[str, Edge, float, str]]:
        return [
            (event.device, event.edge, (event.seen_at - START).total_seconds(), event.detail)
            for event in self.journal.edges
            if event.code == DEVICE_SILENT
        ]


async def test_a_panel_that_was_silent_for_20_s_is_told_with_both_times() -> None:
    world = Watchman(panel=True)
    await world.run(10)
    world.turn("panel", False)
    await world.run(20)
    world.turn("panel", True)
    await world.run(10)
    assert world.said == [("panel", Edge.RAISED, 10.0, SILENT), ("panel", Edge.CLEARED, 30.0, BACK)]
    assert world.journal.state == {STATE_KEY: b"[]"}


async def test_a_connection_that_is_set_up_anew_is_no_silence() -> None:
    world = Watchman(panel=True)
    await world.run(10)
    world.turn("panel", False)
    await world.run(HOLD_S - 0.5)
    world.turn("panel", None)
    await world.run(60)
    world.turn("panel", True)
    await world.run(60)
    assert world.said == []


async def test_nobody_knows_is_neither_silence_nor_its_end() -> None:
    world = Watchman(panel=None)
    await world.run(60)
    assert world.said == []
    world.turn("panel", False)
    await world.run(5)
    world.turn("panel", None)
    await world.run(60)
    assert [edge for _, edge, _, _ in world.said] == [Edge.RAISED]


async def test_a_silence_that_lasted_is_told_though_nobody_looked_meanwhile() -> None:
    world = Watchman(panel=True)
    world.made.look()
    world.time.now = 5.0
    world.turn("panel", False)
    world.time.now = 5.0 + HOLD_S
    world.turn("panel", True)
    await world.run(1)
    assert [(edge, at) for _, edge, at, _ in world.said] == [
        (Edge.RAISED, 5.0),
        (Edge.CLEARED, 5.0 + HOLD_S),
    ]


async def test_after_a_kill_it_is_not_told_twice_and_its_end_is_told() -> None:
    world = Watchman(state_of(["panel"]), panel=None)
    await world.run(30)
    world.turn("panel", False)
    await world.run(30)
    assert world.said == []
    world.turn("panel", True)
    await world.run(1)
    assert world.said == [("panel", Edge.CLEARED, 60.0, BACK)]


async def test_a_first_answer_that_nobody_announced_is_seen() -> None:
    world = Watchman(state_of(["panel"]), panel=None)
    await world.run(3)
    world.hears["panel"] = True
    await world.run(2)
    assert [edge for _, edge, _, _ in world.said] == [Edge.CLEARED]


async def test_what_is_taken_out_of_the_configuration_is_silent_no_longer() -> None:
    world = Watchman(state_of(["gone"]), panel=True)
    await world.run(2)
    assert world.said == [("gone", Edge.CLEARED, 0.0, GONE)]
    assert world.journal.state == {STATE_KEY: b"[]"}


@pytest.mark.parametrize("state", [b"", b"{", b"[1]", b'{"a": 1}'])
async def test_a_state_that_cannot_be_read_is_none(state: bytes) -> None:
    world = Watchman(state, panel=False)
    await world.run(10)
    assert [edge for _, edge, _, _ in world.said] == [Edge.RAISED]


async def test_a_disk_that_takes_nothing_loses_neither_edge_nor_time() -> None:
    world = Watchman(panel=True)
    await world.run(10)
    world.journal.takes = False
    world.turn("panel", False)
    await world.run(20)
    world.turn("panel", True)
    await world.run(100)
    assert world.said == []
    world.journal.takes = True
    await world.run(2)
    assert [(edge, at) for _, edge, at, _ in world.said] == [(Edge.RAISED, 10.0), (Edge.CLEARED, 30.0)]


async def test_one_that_comes_and_goes_all_day_does_not_fill_the_lane_of_the_alarms() -> None:
    world = Watchman(panel=True)
    for _ in range(1000):
        world.turn("panel", False)
        await world.run(2 * HOLD_S)
        world.turn("panel", True)
        await world.run(2 * HOLD_S)
    edges = [edge for _, edge, _, _ in world.said]
    assert edges[::2] == [Edge.RAISED] * len(edges[::2])
    assert edges[1::2] == [Edge.CLEARED] * len(edges[1::2])
    assert len(edges) <= 2 * (ENDS_AT_ONCE + world.time.now / END_EVERY_S + 1)
    await world.run(END_EVERY_S)
    assert world.said[-1][1] is Edge.CLEARED, "in the end it is told that it is back"


async def test_more_than_fit_are_told_later_and_with_their_times() -> None:
    world = Watchman()
    world.hears = {f"d{n}": True for n in range(MOST_WAITING + 10)}
    world.made.look()
    world.hears = dict.fromkeys(world.hears, False)
    world.made.look()
    await world.run(20)
    assert {(device, at) for device, _, at, _ in world.said} == {(device, 0.0) for device in world.hears}
    assert len(world.said) == len(world.hears)


@settings(max_examples=amount(40, 2000), deadline=None)
@given(
    st.lists(
        st.tuples(st.floats(0.1, 30), st.sampled_from([True, False, None]), st.booleans(), st.booleans()),
        max_size=30,
    )
)
def test_edges_alternate_their_times_go_forward_and_the_journal_knows_the_last(
    story: list[tuple[float, bool | None, bool, bool]],
) -> None:
    async def play() -> Watchman:
        world = Watchman(panel=None)
        for seconds, hears, takes, killed in story:
            world.journal.takes = takes
            world.turn("panel", hears)
            await world.run(seconds)
            if killed:  # another life with this journal
                fresh = Watchman(world.journal.state.get(STATE_KEY), panel=None)
                fresh.time.now, fresh.journal = world.time.now, world.journal
                fresh.made.recorder = world.journal
                world = fresh
        return world

    world = asyncio.run(play())
    edges = [edge for _, edge, _, _ in world.said]
    assert edges == [Edge.RAISED, Edge.CLEARED] * (len(edges) // 2) + [Edge.RAISED] * (len(edges) % 2)
    times = [at for _, _, at, _ in world.said]
    assert times == sorted(times)
    if edges:
        standing = ["panel"] if edges[-1] is Edge.RAISED else []
        assert world.journal.state[STATE_KEY] == state_of(standing)
    assert all(event.seen_at >= START - timedelta(0) for event in world.journal.edges)
