"""The same read put again while its answer is owed: no value is another's, none is said to be newer than it is.

On the real line, in virtual time. Each reply tells the address asked for and the number of the request it answers.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.api import Exchange
from drivers.errors import DeviceRefused, DriverError
from drivers.lines import Line
from tests.support.long import amount
from tests.support.virtual import START, ScriptedWire, in_no_time, line_over
from tests.support.wire import asked_address, registers, rtu, rtu_read, rtu_reply

LIMIT = 1.0
GUARD = 2 * LIMIT
QUICK = 0.005
TIMEOUT = 0.05
"""What was measured; what a device may take at most is `LIMIT`."""


@dataclass
class Slave:
    """Answers each request as its next entry says: after so many seconds each time, and not at all where empty."""

    fates: Sequence[Sequence[float]]
    moves: bool = True
    """Whether the registers change with each request."""
    asked: list[float] = field(default_factory=list)
    refuses: frozenset[int] = frozenset()
    come: list[float] = field(default_factory=list)
    """When its answers arrive, in the order of the requests."""

    def __call__(self, request: bytes, now: float) -> list[tuple[float, bytes]]:
        number = len(self.asked)
        self.asked.append(now)
        fate = self.fates[number] if number < len(self.fates) else (QUICK,)
        address = asked_address(request)
        if address in self.refuses:
            reply = rtu(bytes([request[0], request[1] | 0x80, 2]))
        else:
            count = int.from_bytes(request[4:6], "big")
            reply = rtu_reply(request, address, number if self.moves else 0, *[0] * (count - 2))
        self.come += [now + after for after in fate]
        return [(after, reply) for after in fate]


async def ask(line: Line, exchange: Exchange, *, repeat: bool = True) -> tuple[int, ...] | None:
    try:
        reply = await line.exchange(exchange, timeout=TIMEOUT, limit=LIMIT, repeat=repeat)
    except DriverError:
        return None
    return registers(reply.payload)


def test_a_lost_answer_of_its_own_keeps_nobody_waiting():
    async def run() -> None:
        slave = Slave([(), (QUICK,)])
        async with line_over(ScriptedWire(slave)) as line:
            assert await ask(line, rtu_read(1, 2)) is None
            assert line.clear_at(rtu_read(1, 2), repeat=True) == 0
            assert line.clear_at(rtu_read(1, 2)) > slave.asked[0] + GUARD
            assert await ask(line, rtu_read(1, 2)) == (1, 1)
            assert slave.asked[1] - slave.asked[0] < TIMEOUT + 0.02

    in_no_time(run())


def test_while_the_first_is_owed_the_second_waits_for_all_that_was_set():
    """Two silences make a device silent: one that stumbles for longer than was measured must not be."""

    async def run() -> None:
        slave = Slave([(0.9,), (1.8,)])
        async with line_over(ScriptedWire(slave)) as line:
            assert await ask(line, rtu_read(1, 2)) is None
            assert await ask(line, rtu_read(1, 2)) == (1, 0)

    in_no_time(run())


def test_the_answer_to_the_first_is_taken_with_its_time_and_the_second_is_dropped():
    async def run() -> None:
        slave = Slave([(0.3,), (0.6,)])
        async with line_over(ScriptedWire(slave)) as line:
            assert await ask(line, rtu_read(1, 2)) is None
            reply = await line.exchange(rtu_read(1, 2), timeout=TIMEOUT, limit=LIMIT, repeat=True)
            assert reply.repeated
            middle = START + timedelta(seconds=(slave.asked[0] + reply.ended) / 2)
            assert abs(reply.at - middle) < timedelta(milliseconds=5)
            other = rtu_read(2, 2)
            assert line.clear_at(other) == pytest.approx(slave.asked[1] + GUARD, abs=0.01)
            assert await ask(line, other, repeat=False) == (2, 2)
            assert line.stats.late_replies == 1
            # Heard late and told apart from the first by its bytes, so nobody waited for the end of the guard.
            assert slave.asked[2] - slave.asked[1] < GUARD / 2

    in_no_time(run())


def test_once_it_was_answered_the_next_polls_have_their_own_time_again():
    """Though it is not known which answer is still owed, for a poll comes before the guard is past."""

    async def run() -> None:
        slave = Slave([()])
        async with line_over(ScriptedWire(slave)) as line:
            assert await ask(line, rtu_read(1, 2)) is None
            for number in range(1, 6):
                reply = await line.exchange(rtu_read(1, 2), timeout=TIMEOUT, limit=LIMIT, repeat=True)
                assert reply.repeated is (number == 1)
                asked = slave.asked[number if number > 1 else 0]
                middle = START + timedelta(seconds=(asked + reply.ended) / 2)
                assert abs(reply.at - middle) < timedelta(milliseconds=5)
                assert line.owing
                await rest(LIMIT)

    in_no_time(run())


def test_what_may_be_a_copy_pays_for_nothing():
    async def run() -> None:
        slave = Slave([(0.3, 0.4), (1.5,)], moves=False)
        async with line_over(ScriptedWire(slave)) as line:
            assert await ask(line, rtu_read(1, 2)) is None
            assert await ask(line, rtu_read(1, 2)) == (1, 0)
            assert await ask(line, rtu_read(2, 2), repeat=False) == (2, 0)
            assert slave.asked[2] - slave.asked[1] > 1.5

    in_no_time(run())


def test_another_read_of_its_key_is_not_kept_waiting_for_ever():
    async def run() -> None:
        slave = Slave([()])
        async with line_over(ScriptedWire(slave)) as line:
            urgent, other = rtu_read(1, 2), rtu_read(2, 2)
            assert await ask(line, urgent) is None
            assert await ask(line, urgent) is not None
            assert line.clear_at(urgent, repeat=True) == 0, "nobody else waits"
            until = line.clear_at(other)
            assert line.clear_at(urgent, repeat=True) == until, "the other has a claim"
            assert await ask(line, other, repeat=False) == (2, 2)
            assert slave.asked[2] == pytest.approx(until, abs=0.01)
            assert not line.clear_at(urgent, repeat=True)

    in_no_time(run())


def test_a_refusal_is_an_answer_to_either():
    async def run() -> None:
        slave = Slave([(), (QUICK,), (QUICK,)], refuses=frozenset({1}))
        async with line_over(ScriptedWire(slave)) as line:
            assert await ask(line, rtu_read(1, 2)) is None
            with pytest.raises(DeviceRefused):
                await line.exchange(rtu_read(1, 2), timeout=TIMEOUT, limit=LIMIT, repeat=True)
            assert line.clear_at(rtu_read(1, 2)) == pytest.approx(slave.asked[1] + GUARD, abs=0.01)

    in_no_time(run())


def test_an_exchange_that_asks_for_no_repeat_waits_as_ever():
    async def run() -> None:
        slave = Slave([()])
        async with line_over(ScriptedWire(slave)) as line:
            assert await ask(line, rtu_read(1, 2), repeat=False) is None
            assert await ask(line, rtu_read(1, 2), repeat=False) == (1, 1)
            assert slave.asked[1] - slave.asked[0] > GUARD

    in_no_time(run())


# Within the guard, whatever the order; nothing where an answer is lost.
LATENESS = st.floats(0.001, GUARD - 0.01, allow_nan=False)
ANSWER = st.one_of(st.just((QUICK,)), st.just(()), st.tuples(LATENESS))
IN_TIME = st.one_of(
    st.just((QUICK,)), st.just(()), st.tuples(st.floats(0.001, LIMIT - 0.01, allow_nan=False))
)
STEP = st.tuples(st.sampled_from([1, 1, 1, 2, 3]), st.booleans(), st.sampled_from([0.0, 0.1, 1.0, 3.0]))


@settings(max_examples=amount(60, 2000))
@given(
    st.lists(STEP, min_size=2, max_size=25),
    st.one_of(st.lists(ANSWER, max_size=25), st.lists(IN_TIME, max_size=25)),
)
def test_however_late_and_in_whatever_order_no_value_is_anothers_or_said_to_be_newer_than_it_is(
    steps: list[tuple[int, bool, float]], fates: list[tuple[float, ...]]
):
    async def run() -> None:
        slave = Slave(fates)
        async with line_over(ScriptedWire(slave)) as line:
            for address, repeat, pause in steps:
                await rest(pause)
                try:
                    reply = await line.exchange(
                        rtu_read(address, 2), timeout=TIMEOUT, limit=LIMIT, repeat=repeat
                    )
                except DriverError:
                    continue
                told, number = registers(reply.payload)
                assert told == address
                # As a slave does that has one request at a time, and at most what was set for it.
                if slave.come == sorted(slave.come) and all(
                    after < LIMIT for (after,) in filter(None, fates)
                ):
                    formed = START + timedelta(seconds=(slave.asked[number] + reply.ended) / 2)
                    assert reply.at <= formed + timedelta(milliseconds=1)

    in_no_time(run())


@settings(max_examples=amount(60, 2000))
@given(
    st.lists(STEP, min_size=2, max_size=25),
    st.lists(st.lists(LATENESS, max_size=3), max_size=25),
    st.booleans(),
)
def test_however_late_and_often_the_repeated_is_answered_nobody_else_takes_it_for_his(
    steps: list[tuple[int, bool, float]], fates: list[list[float]], moves: bool
):
    """The urgent read is answered late, never or several times, copies and all; the others in good time."""

    async def run() -> None:
        rest_of = iter(fates)
        slave = Slave([], moves)

        def answers(request: bytes, now: float) -> list[tuple[float, bytes]]:
            told = slave(request, now)
            if asked_address(request) != 1:
                return told
            return [(after, told[0][1]) for after in sorted(next(rest_of, [QUICK]))]

        async with line_over(ScriptedWire(answers)) as line:
            for address, repeat, pause in steps:
                await rest(pause)
                values = await ask(line, rtu_read(address, 2), repeat=repeat)
                assert values is None or values[0] == address

    in_no_time(run())


async def rest(seconds: float) -> None:
    """Let virtual time pass."""
    await asyncio.sleep(seconds)
