"""A process that appends to a journal until it is killed, and says on stdout what `append` has returned for.

`python -m tests.support.journal_child PATH ALARM BILLING TELEMETRY`: the first number of each lane. Lines:
`kept LANE NUMBER` after the append returned, `forget LANE THROUGH` before a deletion is asked for.
"""

import asyncio
import os
import sys
from pathlib import Path

from gateway.delivery.journal import Grouping, Journal
from messages.types import Lane
from tests.support.journal import event, sample


def say(*words: object) -> None:
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


async def append_for_ever(journal: Journal, lane: Lane, number: int) -> None:
    while True:
        item = event(number) if lane is Lane.ALARM else sample(number, points=20, width=20)
        await journal.append(lane, [item], state={lane.value: str(number).encode()})
        say("kept", lane.value, number)
        number += 1
        if number % 50 == 0:
            count = journal.lane_counts()[lane]
            through = count.first + count.waiting // 2
            say("forget", lane.value, through)
            journal.forget(lane, through)


async def main(path: Path, starts: list[int]) -> None:
    journal = await Journal.open(path, grouping=Grouping(group_s=0.002))
    async with asyncio.TaskGroup() as group:
        for lane, start in zip(Lane, starts, strict=True):
            group.create_task(append_for_ever(journal, lane, start))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), [int(word) for word in sys.argv[2:]]))
