"""A gateway process is killed while it appends: what `append` returned for is on the disk, once, and in order."""

import asyncio
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest

from gateway.delivery.journal import Journal
from messages.types import Lane
from tests.support.journal import Box, everything, numbers
from tests.support.long import amount

ROOT = Path(__file__).parents[3]


class Killer:
    """Starts the child again and again on one file, and holds what must be true after each of its deaths."""

    def __init__(self, folder: Path, random: Random) -> None:
        self.box = Box(folder)
        self.random = random
        self.following = dict.fromkeys(Lane, 0)
        self.through = dict.fromkeys(Lane, 0)
        self.next = dict.fromkeys(Lane, 1)
        self.epoch = ""
        self.kept = 0

    def run_and_kill(self, lines: int) -> None:
        command = [sys.executable, "-m", "tests.support.journal_child", str(self.box.path)]
        command += [str(self.following[lane]) for lane in Lane]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as child:
            assert child.stdout is not None
            for _ in range(lines):
                self._hear(child.stdout.readline())
            child.kill()
            for line in child.stdout:
                self._hear(line)

    def _hear(self, line: bytes) -> None:
        assert line.endswith(b"\n"), f"the child died by itself: {line!r}"
        word, lane, number = line.decode().split()
        if word == "forget":
            self.through[Lane(lane)] = int(number)
        else:
            self.following[Lane(lane)] = int(number) + 1
            self.kept += 1

    async def judge(self) -> None:
        async with await self.box.open() as journal:
            assert self.epoch in {"", journal.epoch}
            self.epoch = journal.epoch
            for lane in Lane:
                await self._judge_lane(journal, lane)
        assert self.box.troubles == []

    async def _judge_lane(self, journal: Journal, lane: Lane) -> None:
        batches, count = await everything(journal, lane), journal.lane_counts()[lane]
        assert [batch.seq for batch in batches] == list(range(count.first, count.next))
        assert count.first <= self.through[lane] + 1, "more was forgotten than was asked for"
        assert count.next >= self.next[lane], "a number was given back"
        kept = numbers(batches)
        if kept:
            assert kept == list(range(kept[0], kept[-1] + 1)), "lost or doubled in the middle"
            assert kept[-1] >= self.following[lane] - 1, "lost at the end"
            assert kept[0] == 0 or count.first > 1
            self.following[lane] = kept[-1] + 1
        # State and items are one transaction: the state names the last item, returned for or not.
        state = journal.load_state(lane.value)
        assert int(state or b"-1") == self.following[lane] - 1
        self.next[lane] = count.next


def torture(folder: Path, seed: int, rounds: int) -> None:
    killer = Killer(folder, Random(seed))
    for _ in range(rounds):
        killer.run_and_kill(killer.random.randrange(1, 400))
        asyncio.run(killer.judge())
    assert killer.kept > rounds


def test_kill_nine_loses_nothing_and_doubles_nothing(tmp_path: Path) -> None:
    torture(tmp_path, seed=1, rounds=3)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [2, 3])
def test_kill_nine_many_times(tmp_path: Path, seed: int) -> None:
    torture(tmp_path, seed, rounds=amount(8, 50))
