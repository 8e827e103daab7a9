"""A late answer is never taken for the answer to the next request; asserted on values, on real wires.

Each register answers with its own address and with how often the device was asked until then, so that an answer
to an earlier request shows, even to one of the same register.
"""

import asyncio

import pytest

from drivers.errors import DeviceSilent, DriverError, FrameDamaged, LineDown
from tests.support.wire import (
    Hangup,
    PtyPeer,
    Send,
    TcpPeer,
    asked_address,
    in_turn,
    line_to,
    registers,
    rtu,
    rtu_read,
    rtu_reply,
)


class Slow:
    """A slave that answers the n-th request after the n-th delay, each answer telling its address and n."""

    def __init__(self, *delays: float) -> None:
        self._delays = delays
        self.asked = 0

    def __call__(self, request):
        delay = self._delays[self.asked % len(self._delays)]
        self.asked += 1
        return [Send(rtu_reply(request, asked_address(request), self.asked), after=delay)]


@pytest.fixture(params=["rtu over tcp", "rtu on a pty"])
def wire(request, tmp_path):
    def make(script):
        return TcpPeer(script) if request.param == "rtu over tcp" else PtyPeer(script, tmp_path)

    return make


PATIENCE = 10  # for an answer that comes at once, on a machine that has other things to do


async def answered(line, slave, wanted, *, timeout):
    """Ask until so many were answered; how many it takes is the machine's business."""
    answers = []
    while sum(answer is not None for answer in answers) < wanted:
        answers.append(await ask(line, slave, len(answers), timeout=timeout))
        assert len(answers) < 20 * wanted
    return answers


async def ask(line, slave, address, *, timeout, unit=1, count=2):
    """Ask for a register; None if there was no answer, else assert that it answers this very request."""
    try:
        reply = await line.exchange(rtu_read(address, count, unit=unit), timeout=timeout)
    except DriverError:
        return None
    assert registers(reply.payload) == (address, slave.asked)
    return address


@pytest.mark.parametrize("lateness", [1.2, 1.9])
async def test_a_slave_that_answers_after_the_time_out_yields_no_wrong_value(wire, lateness):
    timeout = 0.03
    slave = Slow(timeout * lateness)
    async with wire(slave) as peer, line_to(peer.settings()) as line:
        # Once heard late, the slave is given the time that it needs.
        answers = await answered(line, slave, 20, timeout=timeout)
    # Not the first for certain: a process that stood still for a few milliseconds finds the answer there in time.
    assert None in answers
    assert line.stats.late_replies >= 1


async def test_a_time_out_that_was_measured_too_short_yields_no_wrong_value(wire):
    limit = 0.2
    slave = Slow(0.001, 0.15)
    async with wire(slave) as peer, line_to(peer.settings()) as line:
        for n in range(8):
            try:
                reply = await line.exchange(rtu_read(n, 2), timeout=0.02, limit=limit)
            except DriverError:
                assert line.owing
            else:
                assert registers(reply.payload) == (n, slave.asked)
    assert line.stats.late_replies >= 1


async def test_an_answer_that_has_begun_may_end(wire):
    def halting(request):
        answer = rtu_reply(request, asked_address(request), 1)
        return [Send(answer[:4]), Send(answer[4:6], after=0.15), Send(answer[6:], after=0.3)]

    async with wire(halting) as peer, line_to(peer.settings()) as line:
        reply = await line.exchange(rtu_read(7, 2), timeout=0.2, limit=5.0)
        assert registers(reply.payload) == (7, 1)
        with pytest.raises(FrameDamaged):
            await line.exchange(rtu_read(8, 2), timeout=0.1, limit=0.1)


async def test_answers_now_in_time_and_now_late_yield_no_wrong_value(wire):
    timeout = 0.04
    slave = Slow(0.0, 0.07, 0.01, 0.06, 0.05, 0.0, 0.0)
    async with wire(slave) as peer, line_to(peer.settings()) as line:
        await answered(line, slave, 16, timeout=timeout)


async def test_an_answer_later_than_twice_the_time_out_is_caught_by_the_least_guard(wire):
    timeout = 0.03
    slave = Slow(0.2, 0.0)
    async with wire(slave) as peer, line_to(peer.settings()) as line:
        assert await ask(line, slave, 1, timeout=timeout) is None
        assert await ask(line, slave, 2, timeout=PATIENCE) == 2
        assert line.stats.late_replies == 1


async def test_a_set_guard_is_kept(wire):
    slave = Slow(0.3, 0.0)
    async with wire(slave) as peer, line_to(peer.settings(late_guard=0.4)) as line:
        assert await ask(line, slave, 1, timeout=0.02) is None
        assert await ask(line, slave, 2, timeout=PATIENCE) == 2


async def test_a_dead_unit_does_not_hold_up_its_neighbours(wire):
    def only_two(request):
        return [Send(rtu_reply(request, 5))] if request[0] == 2 else ()

    async with wire(only_two) as peer, line_to(peer.settings(late_guard=600)) as line:
        with pytest.raises(DeviceSilent):
            await line.exchange(rtu_read(1, unit=1), timeout=0.05)
        assert line.clear_at(rtu_read(1, unit=1)) > asyncio.get_running_loop().time() + 500
        assert line.clear_at(rtu_read(1, unit=2)) == 0
        async with asyncio.timeout(60):  # a tenth of what unit 1 must wait
            await line.exchange(rtu_read(1, unit=2), timeout=PATIENCE)


async def test_a_late_answer_during_anothers_exchange_is_passed_over_and_remembered(wire):
    """Unit 1 answers while unit 2 is being asked; unit 1 may then be asked again without a wait."""

    def script(request):
        if request[0] == 1:
            return [Send(rtu_reply(request, asked_address(request)), after=0.05)]
        return [Send(rtu_reply(request, asked_address(request)), after=0.06)]

    async with wire(script) as peer, line_to(peer.settings()) as line:
        with pytest.raises(DeviceSilent):
            await line.exchange(rtu_read(11, unit=1), timeout=0.02)
        reply = await line.exchange(rtu_read(22, unit=2), timeout=1)
        assert registers(reply.payload) == (22,)
        assert line.stats.late_replies == 1
        assert line.clear_at(rtu_read(12, unit=1)) == 0


async def test_a_late_refusal_is_not_taken_for_the_next_requests(wire):
    """A refusal has no length: one for 4 registers would pass for one for 2."""

    def script(request):
        if asked_address(request) == 0:
            return [Send(rtu(bytes([request[0], request[1] | 0x80, 2])), after=0.05)]
        return [Send(rtu_reply(request, 1, 2))]

    async with wire(script) as peer, line_to(peer.settings()) as line:
        with pytest.raises(DeviceSilent):
            await line.exchange(rtu_read(0, 4), timeout=0.02)
        reply = await line.exchange(rtu_read(10, 2), timeout=1)
        assert registers(reply.payload) == (1, 2)


async def test_a_doubled_reply_is_not_taken_for_the_next(wire):
    def doubled(request):
        # In one write: of two, the kernel may hand on the second at any later time.
        return [Send(2 * rtu_reply(request, asked_address(request)))]

    async with wire(doubled) as peer, line_to(peer.settings()) as line:
        for address in range(30):
            reply = await line.exchange(rtu_read(address), timeout=1)
            assert registers(reply.payload) == (address,)


async def test_a_wire_that_was_heard_doubling_is_given_time_to_do_so(wire):
    """The copies come long after the silence of 3.5 characters."""

    def doubled(request):
        reply = rtu_reply(request, asked_address(request))
        return [Send(reply), Send(reply, after=0.004)]

    async with wire(doubled) as peer, line_to(peer.settings()) as line:
        heard = asyncio.Event()
        untap = line.tap(lambda _frame: heard.set() if line.stats.late_bytes else None)
        await line.exchange(rtu_read(1), timeout=1)
        await heard.wait()
        untap()
        for address in range(30):
            reply = await line.exchange(rtu_read(address), timeout=1)
            assert registers(reply.payload) == (address,)
        # The first place is asked twice: its copy is awaited the second time, for it may be the older answer.
        assert line.stats.late_bytes >= 7 * 29


async def test_a_late_answer_that_trickles_in_is_drained_whole(wire):
    """Each byte of it keeps the next request waiting."""

    def trickling(request):
        if asked_address(request) != 1:
            return [Send(rtu_reply(request, 2))]
        reply = rtu_reply(request, 666)
        return [Send(reply[at : at + 1], after=0.05 + 0.004 * at) for at in range(len(reply))]

    async with wire(trickling) as peer, line_to(peer.settings()) as line:
        with pytest.raises(DeviceSilent):
            await line.exchange(rtu_read(1), timeout=0.03)
        assert registers((await line.exchange(rtu_read(2), timeout=1)).payload) == (2,)


async def test_a_damaged_frame_does_not_leave_its_tail_to_the_next(wire):
    def torn(request):
        if asked_address(request) == 1:
            whole = rtu_reply(request, 666)
            return [Send(whole[:3]), Send(whole[3:], after=0.3)]
        return [Send(rtu_reply(request, 2))]

    async with wire(torn) as peer, line_to(peer.settings()) as line:
        with pytest.raises(FrameDamaged, match="01 03 02"):
            await line.exchange(rtu_read(1), timeout=0.2)
        assert registers((await line.exchange(rtu_read(2), timeout=1)).payload) == (2,)


async def test_an_answer_that_comes_over_the_next_connection_is_not_taken():
    """A serial server hands the bus to whoever is connected: an old request's answer with it."""

    def script(request):
        if asked_address(request) == 1:
            return [Hangup(after=0.02)]
        return [Send(rtu_reply(request, 2))]

    async with TcpPeer(script) as peer, line_to(peer.settings()) as line:
        assert registers((await line.exchange(rtu_read(0), timeout=1)).payload) == (2,)
        with pytest.raises(LineDown):
            await line.exchange(rtu_read(1), timeout=2)  # so long its answer may still come
        asking = asyncio.create_task(line.exchange(rtu_read(2), timeout=PATIENCE), name="asking")
        while peer.connections < 2:
            await asyncio.sleep(0)
        peer.say(rtu_reply(rtu_read(1).request, 666))
        assert registers((await asking).payload) == (2,)


async def test_a_late_answer_in_pieces_costs_no_long_silences(wire):
    """A machine that stalls in the middle of a frame must not slow its line for a hundred requests."""
    late = rtu_reply(rtu_read(1, 20).request, *range(20))
    pieces = [Send(late[at : at + 5], after=0.1 + at / 1000) for at in range(0, len(late), 5)]
    script = in_turn(pieces, [Send(rtu_reply(rtu_read(2, 2).request, 2, 7))])
    async with wire(script) as peer, line_to(peer.settings(late_guard=5)) as line:
        with pytest.raises(DeviceSilent):
            await line.exchange(rtu_read(1, 20), timeout=0.03)
        reply = await line.exchange(rtu_read(2, 2), timeout=PATIENCE)
        assert registers(reply.payload) == (2, 7)
        assert line.stats.late_replies == 1
        assert line._unease.silence(0) == 0
