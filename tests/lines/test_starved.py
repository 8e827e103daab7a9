"""A process that stood still: what waits in the kernel is found before anything is concluded from silence."""

import asyncio
from collections.abc import Callable

import pytest

from drivers.errors import DeviceSilent, FrameDamaged
from drivers.lines import Line
from tests.support.virtual import START, ScriptedWire, VirtualLoop, in_no_time, line_over
from tests.support.wire import registers, rtu_read, rtu_reply

SILENCE = 0.00365
"""3.5 characters at 9600 baud."""


class Kernel(ScriptedWire):
    """Bytes are here before the loop reads them: it does so between two steps of a task, and hands on in the next."""

    def _hand_over(self, chunk: bytes) -> None:
        loop = asyncio.get_running_loop()
        loop.call_soon(loop.call_soon, super()._hand_over, chunk)


def stall(after: float, seconds: float) -> None:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    loop.call_later(after, loop.stand_still, seconds)


def test_an_answer_that_came_while_the_process_stood_still_is_no_silence():
    async def run() -> None:
        wire = Kernel(lambda request, _now: [(0.03, rtu_reply(request, 1, 2))])
        async with line_over(wire) as line:
            stall(0.01, 15.0)
            began = asyncio.get_running_loop().time()
            reply = await line.exchange(rtu_read(1, 2), timeout=0.05)
            assert registers(reply.payload) == (1, 2)
            assert line.stats.timeouts == 0
            # Stamped within the time that the device had, not in the middle of our sleep.
            assert began <= (reply.at - START).total_seconds() <= began + 0.07

    in_no_time(run())


def answer_in_bursts(first: float, every: float) -> Callable[[bytes, float], list[tuple[float, bytes]]]:
    """The first request is answered late and three characters at a time, as an adapter hands them on."""
    asked = 0

    def answers(request: bytes, _now: float) -> list[tuple[float, bytes]]:
        nonlocal asked
        asked += 1
        reply = rtu_reply(request, asked, 2)
        if asked > 1:
            return [(0.01, reply)]
        return [(first + every * at, reply[3 * at : 3 * at + 3]) for at in range(3)]

    return answers


@pytest.mark.parametrize("every", [0.003, 0.0045, 0.016, 0.025])
def test_a_late_answer_that_comes_in_bursts_is_not_talked_into(every: float):
    """Pauses between bursts can be longer than a silence, and another unit need not wait for any guard."""
    first = 0.0505

    async def run() -> None:
        async with line_over(ScriptedWire(answer_in_bursts(first, every)), silence=SILENCE) as line:
            sent: list[float] = []
            line.tap(lambda frame: sent.append(frame.at) if frame.direction == "tx" else None)
            with pytest.raises(DeviceSilent):
                await line.exchange(rtu_read(1, 2), timeout=0.05)
            await ask_at(line, sent[0] + first + 0.001)
            assert sent[1] >= sent[0] + first + 2 * every + SILENCE
            assert line.stats.late_replies == 1

    in_no_time(run())


async def ask_at(line: Line, at: float) -> None:
    """Ask another unit when the first burst is here."""
    await asyncio.sleep(at - asyncio.get_running_loop().time())
    await line.exchange(rtu_read(5, 2, unit=2), timeout=0.5)


class Babbling(ScriptedWire):
    """From then on there are new bytes each time that one looks."""

    def _hand_over(self, chunk: bytes) -> None:
        super()._hand_over(chunk)
        if self._sink is not None:
            asyncio.get_running_loop().call_soon(self._hand_over, chunk)


def test_a_line_that_babbles_is_not_looked_at_for_ever():
    async def run() -> None:
        async with line_over(Babbling(lambda _request, _now: [(0.045, b"\x55")])) as line:
            with pytest.raises(FrameDamaged, match="no answer to this request"):
                await line.exchange(rtu_read(1, 2), timeout=0.05)

    in_no_time(run())
