"""Commands against a real journal: each is carried out at most once and answered at most once, crashes included."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from msgspec import structs

from drivers.api import CommandPlan
from drivers.profile import Action, ReadBack
from gateway.commands import FARTHEST, MAX_WAITING, OPEN_KEY, Commands, Target
from gateway.delivery.journal import Journal, JournalDown
from gateway.polling.orders import CommandRun
from messages.codec import batch_payload, decode_batch
from messages.types import ClockState, Command, CommandResult, Lane, Outcome
from tests.support.gateway import START, device_of, profile_of

DOOR = profile_of({"open": "alarm"}, device_class="access", events=["open"])
PANEL = profile_of({"zone": "fire"}, device_class="fire", events=["zone"])


class Line:
    """A line that remembers its orders; `hold` makes them wait, as for a busy wire."""

    def __init__(self) -> None:
        self.orders: list[str] = []
        self.plans: list[CommandPlan] = []
        self.began = asyncio.Event()
        self.hold: asyncio.Event | None = None

    async def command(self, device: str, plan: CommandPlan, until: datetime) -> CommandRun:
        self.orders.append(device)
        self.plans.append(plan)
        self.began.set()
        if self.hold is not None:
            await self.hold.wait()
        return CommandRun(Outcome.VERIFIED, "", {"open": True})


@pytest.fixture
async def journal(tmp_path: Path) -> AsyncIterator[Journal]:
    async with await Journal.open(tmp_path / "journal.sqlite") as opened:
        yield opened


def commands(journal: Journal, line: Line, clock: ClockState = ClockState.SYNCED) -> Commands:
    devices = [device_of("door", DOOR), device_of("panel", PANEL)]
    return Commands(
        {device.id: Target(device, line) for device in devices}, journal, lambda: START, lambda: clock
    )


def order(name: str = "c1", device: str = "door", action: str = "release", seconds: float = 15) -> Command:
    return Command(
        id=name, device=device, action=action, by="guard", until=START + timedelta(seconds=seconds), args={}
    )


async def results(journal: Journal) -> list[CommandResult]:
    batches = await journal.unsent(Lane.ALARM, 0, 1000)
    payloads = [batch_payload("gw", "e", Lane.ALARM, batch.seq, batch.items) for batch in batches]
    return [item for one in payloads for item in decode_batch(one).items if isinstance(item, CommandResult)]


async def work(target: Commands, *orders: Command) -> None:
    """Give the orders and let everything be carried out."""
    running = asyncio.create_task(target.run())
    for each in orders:
        await target.take(each)
    await target.stop()
    await running


async def test_a_command_is_carried_out_and_answered(journal: Journal):
    line = Line()
    await work(commands(journal, line), order())
    assert line.orders == ["door"]
    (result,) = await results(journal)
    assert (result.id, result.outcome, result.read_back) == ("c1", Outcome.VERIFIED, {"open": True})
    assert journal.load_state(OPEN_KEY) == b"[]"


async def test_a_line_is_told_how_long_the_profile_says_that_it_may_take(journal: Journal):
    slow = Action(label="Open", at={}, read_back=ReadBack(point="open", is_=True, after="5s", within="45s"))
    valve = structs.replace(DOOR, actions={"release": slow})
    line = Line()
    target = commands(journal, line)
    target.targets = {"door": Target(device_of("door", valve), line)}
    await work(target, order())
    (plan,) = line.plans
    assert (plan.after, plan.within) == (5.0, 45.0)


async def test_the_same_command_twice_runs_once_and_is_answered_once(journal: Journal):
    line = Line()
    await work(commands(journal, line), order(), order())
    await work(commands(journal, line), order())
    assert line.orders == ["door"]
    assert len(await results(journal)) == 1


async def test_twice_at_the_same_moment(journal: Journal):
    line, target = Line(), None
    target = commands(journal, line)
    running = asyncio.create_task(target.run())
    await asyncio.gather(target.take(order()), target.take(order()))
    await target.stop()
    await running
    assert line.orders == ["door"]
    assert len(await results(journal)) == 1


@pytest.mark.parametrize(
    ("bad", "outcome", "word"),
    [
        (order(device="panel"), Outcome.REFUSED, "observed only"),
        (order(device="nobody"), Outcome.REFUSED, "no device"),
        (order(action="burn"), Outcome.REFUSED, "it has: release"),
        (order(seconds=-0.001), Outcome.EXPIRED, "expired at"),
        (order(seconds=FARTHEST.total_seconds() + 1), Outcome.REFUSED, "too far ahead"),
        (
            Command(id="c1", device="door", action="release", by="g", until=START, args={"x": "1"}),
            Outcome.REFUSED,
            "no arg",
        ),
    ],
)
async def test_what_does_not_run_is_answered_with_its_reason(
    journal: Journal, bad: Command, outcome: Outcome, word: str
):
    line = Line()
    await work(commands(journal, line), bad)
    assert line.orders == []
    (result,) = await results(journal)
    assert result.outcome is outcome
    assert word in result.detail


async def test_without_a_clock_nothing_runs(journal: Journal):
    line = Line()
    await work(commands(journal, line, ClockState.UNSET), order())
    assert line.orders == []
    assert (await results(journal))[0].outcome is Outcome.REFUSED


async def test_a_crash_in_the_middle_is_unverified_and_never_a_second_release(journal: Journal):
    line = Line()
    line.hold = asyncio.Event()
    first = commands(journal, line)
    running = asyncio.create_task(first.run())
    await first.take(order())
    await line.began.wait()
    running.cancel()
    await asyncio.wait([running])
    line.hold = None
    await work(commands(journal, line), order())
    assert line.orders == ["door"]
    (result,) = await results(journal)
    assert result.outcome is Outcome.UNVERIFIED
    assert "may have been carried out" in result.detail


async def test_too_many_at_once_are_refused_and_none_is_forgotten(journal: Journal):
    line = Line()
    line.hold = asyncio.Event()
    target = commands(journal, line)
    for number in range(MAX_WAITING + 3):
        await target.take(order(f"c{number}"))
    line.hold.set()
    running = asyncio.create_task(target.run())
    await target.stop()
    await running
    ends = await results(journal)
    assert len(ends) == MAX_WAITING + 3
    assert sum(result.outcome is Outcome.REFUSED for result in ends) == 3
    assert len(line.orders) == MAX_WAITING


async def test_after_the_stop_commands_are_refused(journal: Journal):
    line, target = Line(), None
    target = commands(journal, line)
    await work(target)
    await target.take(order())
    assert line.orders == []
    assert (await results(journal))[0].outcome is Outcome.REFUSED


class Dead:
    """A journal on a disk that takes nothing, or no longer after some writes."""

    def __init__(self, after: int = 0) -> None:
        self.left = after

    def _write(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise JournalDown("the disk takes nothing")

    async def append(self, lane: Lane, items: Sequence[object], *, state: object = None) -> None:
        self._write()

    def load_state(self, key: str) -> bytes | None:
        return None

    async def claim_command(self, command_id: str) -> bool:
        self._write()
        return True

    async def was_run(self, command_id: str) -> bool:
        return False


@pytest.mark.parametrize("writes", [0, 1])
async def test_what_cannot_be_written_down_does_not_run(writes: int):
    line = Line()
    target = Commands(
        {"door": Target(device_of("door", DOOR), line)},
        Dead(writes),
        lambda: START,
        lambda: ClockState.SYNCED,
    )
    await work(target, order())
    assert line.orders == []


async def test_a_list_of_open_commands_that_cannot_be_read_is_taken_as_empty(journal: Journal):
    await journal.append(Lane.ALARM, (), state={OPEN_KEY: b"{nonsense"})
    line = Line()
    await work(commands(journal, line), order())
    assert line.orders == ["door"]


story = st.lists(st.tuples(st.sampled_from(["give", "crash", "go on"]), st.integers(0, 4)), max_size=25)


@given(story)
@example([("give", 0), ("give", 1), ("give", 0), ("crash", 0)])
@settings(max_examples=30, deadline=None)
def test_no_order_runs_twice_or_is_answered_twice(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int]]
):
    folder = tmp_path_factory.mktemp("story")
    line_orders: list[str] = []

    async def life(steps: list[tuple[str, int]], *, last: bool) -> list[CommandResult]:
        """One life of the process; it ends in order, or in the middle of whatever it was doing."""
        async with await Journal.open(folder / "journal.sqlite") as journal:
            line = Line()
            target = commands(journal, line)
            running = asyncio.create_task(target.run())
            for what, number in steps:
                if what == "give":
                    await target.take(order(f"c{number}"))
                else:
                    await asyncio.sleep(0)
            if last:
                await target.stop()
            else:
                running.cancel()
            await asyncio.wait([running])
            if last:
                running.result()
            line_orders.extend(line.orders)
            return await results(journal)

    async def play() -> list[CommandResult]:
        lives: list[list[tuple[str, int]]] = [[]]
        for step in steps:
            if step[0] == "crash":
                lives.append([])
            else:
                lives[-1].append(step)
        for each in lives[:-1]:
            await life(each, last=False)
        return await life(lives[-1], last=True)

    ends = asyncio.run(play())
    names = [result.id for result in ends]
    assert sorted(set(names)) == sorted(names), "answered once"
    given_ = {f"c{number}" for what, number in steps if what == "give"}
    assert set(names) == given_, "and always answered"
    assert len(line_orders) <= len(given_)
