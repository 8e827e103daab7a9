"""Copies of older answers, at any later time: none is ever taken for the answer to another request."""

import random
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.api import Exchange
from drivers.errors import DriverError, FrameDamaged
from drivers.lines.doubled import Doubled
from tests.support.long import amount
from tests.support.wire import (
    PtyPeer,
    Send,
    TcpPeer,
    asked_address,
    in_turn,
    line_to,
    registers,
    rtu_read,
    rtu_reply,
)


@pytest.fixture(params=["rtu over tcp", "rtu on a pty"])
def make(request, tmp_path):
    return lambda script: TcpPeer(script) if request.param == "rtu over tcp" else PtyPeer(script, tmp_path)


def honest(address: int, *copies: float):
    """The answer to a read of that address, and copies of it after so many seconds."""
    reply = rtu_reply(rtu_read(address, 2).request, address, 7)
    return [Send(reply), *(Send(reply, after=after) for after in copies)]


async def test_a_copy_that_comes_after_the_next_request_is_not_its_answer(make):
    script = in_turn(
        honest(1),
        [*honest(1)[:1], *(Send(act.data, after=0.03) for act in honest(2))],  # a copy first, then the answer
        honest(3),
    )
    async with make(script) as peer, line_to(peer.settings()) as line:
        for address in (1, 2, 3):
            reply = await line.exchange(rtu_read(address, 2), timeout=0.2)
            assert registers(reply.payload) == (address, 7)
        assert line.stats.doubled == 1


async def test_two_places_that_hold_the_same_cost_one_wait_and_no_more(make):
    def zeros(request):
        return [Send(rtu_reply(request, 0, 0))]

    async with make(zeros) as peer, line_to(peer.settings()) as line:
        took = []
        for address in (1, 2, 1, 2, 1, 2, 1, 2):
            began = time.monotonic()
            reply = await line.exchange(rtu_read(address, 2), timeout=0.6)
            took.append(time.monotonic() - began)
            assert registers(reply.payload) == (0, 0)
            assert reply.ended - reply.began < 0.5, "the wait is not the device's time"
    assert sum(one > 0.55 for one in took) == 2
    assert max(took[4:]) < 0.55
    assert line.stats.doubled == 0


async def test_the_same_place_again_costs_no_wait(make):
    async with (
        make(lambda request: [Send(rtu_reply(request, 0, 0))]) as peer,
        line_to(peer.settings()) as line,
    ):
        began = time.monotonic()
        for _ in range(10):
            await line.exchange(rtu_read(1, 2), timeout=3)
        assert time.monotonic() - began < 3


async def test_of_two_copies_none_is_believed(make):
    one, two = honest(1)[0].data, honest(2)[0].data
    script = in_turn(honest(1), honest(2), [Send(one), Send(two, after=0.03)], honest(3))
    async with make(script) as peer, line_to(peer.settings(late_guard=0.2)) as line:
        for address in (1, 2):
            await line.exchange(rtu_read(address, 2), timeout=0.2)
        with pytest.raises(FrameDamaged, match="two answers"):
            await line.exchange(rtu_read(3, 2), timeout=0.2)
        assert registers((await line.exchange(rtu_read(3, 2), timeout=0.2)).payload) == (3, 7)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
async def test_copies_at_any_time_yield_no_wrong_value(make, seed):
    """One unit, reads of one length, a device that thinks for 2 to 12 ms, every fifth reply again within 80 ms."""
    rng = random.Random(seed)

    def script(request):
        think = rng.uniform(0.002, 0.012)
        reply = rtu_reply(request, asked_address(request), asked_address(request) ^ 0x5555)
        again = [Send(reply, after=think + rng.uniform(0, 0.08))] if rng.random() < 0.2 else []
        return [Send(reply, after=think), *again]

    # A true answer that this machine holds up for longer than the time-out would prove a copy right: so it is long.
    right, exchanges = 0, amount(80, 1000)
    async with make(script) as peer, line_to(peer.settings()) as line:
        for number in range(exchanges):
            address = rng.randrange(65536)
            try:
                reply = await line.exchange(rtu_read(address, 2), timeout=0.4)
            except DriverError:
                continue
            assert registers(reply.payload) == (address, address ^ 0x5555), number
            right += 1
    assert right > 0.85 * exchanges


requests = st.builds(lambda unit, place: bytes((unit, 3, place)), st.integers(1, 2), st.integers(0, 3))
events = st.lists(st.tuples(requests, st.sampled_from([b"a", b"b", b"c"]), st.booleans()), max_size=60)


@given(events)
def test_an_answer_is_suspect_only_if_another_request_had_it_and_it_was_not_cleared(happened):
    books, last, cleared = Doubled(), dict[tuple[bytes, bytes], bytes](), set[tuple[bytes, bytes]]()
    for request, payload, clears in happened:
        exchange = Exchange(request, None)
        other = last.get((request[:2], payload), request)
        assert books.suspect(exchange, payload) == (other != request and (request, payload) not in cleared)
        if clears:
            books.cleared(exchange, payload)
            cleared.add((request, payload))
        books.believed(exchange, payload)
        last[request[:2], payload] = request


def test_the_books_are_bounded():
    books = Doubled()
    for number in range(5000):
        exchange = Exchange(number.to_bytes(4, "little"), None)
        books.believed(exchange, b"%d" % number)
        books.cleared(exchange, b"%d" % number)
    assert len(books._recent) <= 1024
    assert len(books._cleared) <= 4096
    for number in range(50):
        books.believed(Exchange(b"\1\3" + bytes([number]), None), bytes([number]))
    assert len(books._recent[b"\1\3"]) == 16
