"""A line over real TCP sockets, against a peer that does what the test says."""

import asyncio
import contextlib
import logging
import socket
from datetime import UTC, datetime

import pytest

from drivers.api import Exchange
from drivers.errors import DeviceRefused, DeviceSilent, FrameDamaged, LineDown
from drivers.lines import Frame, TcpSettings
from tests.support.wire import (
    Babble,
    Hangup,
    Send,
    TcpPeer,
    asked_address,
    in_turn,
    line_to,
    mbap_read,
    mbap_reply,
    registers,
    rtu,
    rtu_read,
    rtu_reply,
)


def answering(request):
    return [Send(mbap_reply(request, 7, 8))]


async def test_an_exchange_yields_the_payload_and_the_middle_of_its_time():
    async with TcpPeer(answering) as peer, line_to(peer.settings()) as line:
        before = datetime.now(UTC)
        reply = await line.exchange(mbap_read(0, 2), timeout=1)
        assert registers(reply.payload) == (7, 8)
        assert before <= reply.at <= datetime.now(UTC)
        assert 0 <= reply.ended - reply.began < 1
        assert line.up
        assert line.stats.replies == line.stats.requests == 1
        assert line.stats.bytes_out == 12
        assert line.stats.bytes_in == 13


@pytest.mark.parametrize("size", [1, 2, 3, 7, 12])
async def test_a_reply_in_any_portions_is_whole(size):
    def split(request):
        whole = mbap_reply(request, 7, 8)
        parts = [whole[at : at + size] for at in range(0, len(whole), size)]
        return [Send(part, after=0.002 * index) for index, part in enumerate(parts)]

    async with TcpPeer(split) as peer, line_to(peer.settings()) as line:
        assert registers((await line.exchange(mbap_read(0, 2), timeout=1)).payload) == (7, 8)


async def test_no_byte_in_time_is_a_silent_device_and_keeps_the_connection():
    async with TcpPeer(in_turn([], [Send(b"")])) as peer, line_to(peer.settings()) as line:
        with pytest.raises(DeviceSilent):
            await line.exchange(mbap_read(0), timeout=0.02)
        assert line.up
        peer.script = answering
        await line.exchange(mbap_read(0, 2), timeout=1)
        assert peer.connections == 1
        assert line.stats.timeouts == 1


async def test_a_late_transaction_is_not_taken_for_the_next():
    def late_once(request):
        late = request[:2] == b"\0\x01"
        return [Send(mbap_reply(request, asked_address(request[6:])), after=0.05 if late else 0.1)]

    async with TcpPeer(late_once) as peer, line_to(peer.settings()) as line:
        with pytest.raises(DeviceSilent):
            await line.exchange(mbap_read(100, transaction=1), timeout=0.02)
        reply = await line.exchange(mbap_read(200, transaction=2), timeout=1)
        assert registers(reply.payload) == (200,)


async def test_a_refusal_passes_through():
    def refuse(request):
        return [Send(request[:4] + b"\0\x03" + request[6:7] + b"\x83\x02")]

    async with TcpPeer(refuse) as peer, line_to(peer.settings()) as line:
        with pytest.raises(DeviceRefused) as caught:
            await line.exchange(mbap_read(0), timeout=1)
        assert caught.value.address
        assert line.up
        assert line.stats.replies == 1


async def test_what_a_server_says_of_a_silent_device_is_an_answer():
    """Exception 0B: the connection is sound and stays, whatever the reader makes of it."""

    def target_silent(request):
        return [Send(request[:4] + b"\0\x03" + request[6:7] + b"\x83\x0b")]

    async with TcpPeer(target_silent) as peer, line_to(peer.settings()) as line:
        for transaction in range(3):
            with pytest.raises((DeviceSilent, DeviceRefused)):
                await line.exchange(mbap_read(0, transaction=transaction), timeout=1)
        assert peer.connections == 1
        assert line.stats.timeouts == 0


async def test_a_stream_that_is_no_mbap_is_connected_anew():
    script = in_turn([Send(b"HTTP/1.1 400 Bad Request\r\n\r\n")])
    async with TcpPeer(script) as peer, line_to(peer.settings()) as line:
        peer.script = answering
        await line.exchange(mbap_read(0, 2), timeout=1)
        peer.script = script
        with pytest.raises(FrameDamaged):
            await line.exchange(mbap_read(0, 2), timeout=1)
        peer.script = answering
        assert registers((await line.exchange(mbap_read(0, 2), timeout=1)).payload) == (7, 8)
        assert peer.connections == 2
        assert line.stats.damaged == 1


async def test_half_a_frame_cannot_shift_the_next():
    def half(request):
        return [Send(mbap_reply(request, 7, 8)[:-3])]

    async with TcpPeer(answering) as peer, line_to(peer.settings()) as line:
        await line.exchange(mbap_read(0, 2), timeout=1)
        peer.script = half
        with pytest.raises(FrameDamaged):
            await line.exchange(mbap_read(0, 2, transaction=2), timeout=0.03)
        peer.script = answering
        reply = await line.exchange(mbap_read(0, 2, transaction=3), timeout=1)
        assert registers(reply.payload) == (7, 8)


async def test_a_peer_that_closes_in_the_middle_is_a_line_down_and_is_reopened_at_once_after_use():
    async with TcpPeer(answering) as peer, line_to(peer.settings()) as line:
        await line.exchange(mbap_read(0, 2), timeout=1)
        peer.script = in_turn([Send(b"\0\x01\0\0"), Hangup(after=0.01)])
        with pytest.raises(LineDown, match="closed the connection"):
            await line.exchange(mbap_read(0), timeout=5)
        assert not line.up
        assert "closed the connection" in line.why_down
        peer.script = answering
        await line.exchange(mbap_read(0, 2), timeout=1)
        assert line.stats.reopened == line.stats.downs == 1


async def test_an_answer_before_the_hang_up_counts_and_is_no_loss(caplog):
    caplog.set_level(logging.INFO)

    def answer_and_close(request):
        return [Send(mbap_reply(request, 7)), Hangup()]

    async with TcpPeer(answer_and_close) as peer, line_to(peer.settings()) as line:
        for _ in range(3):
            assert registers((await line.exchange(mbap_read(0), timeout=1)).payload) == (7,)
            while line.up:
                await asyncio.sleep(0)
        assert peer.connections == 3
        assert line.stats.reopened == 2
        assert caplog.records == []


async def test_no_listener_is_tried_once_per_back_off_and_says_when_again(caplog):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    async with line_to(TcpSettings("127.0.0.1", port)) as line:
        with pytest.raises(LineDown, match="cannot connect"):
            await line.exchange(mbap_read(0), timeout=1)
        for _ in range(100):
            with pytest.raises(LineDown, match="tried again in"):
                await line.exchange(mbap_read(0), timeout=1)
        assert [record.levelname for record in caplog.records] == ["WARNING"]
        assert line.stats.requests == 0


async def test_a_listener_that_comes_back_is_found_after_the_back_off():
    async with TcpPeer(answering) as peer, line_to(peer.settings()) as line:
        await line.exchange(mbap_read(0, 2), timeout=1)
        await peer.stop()
        with pytest.raises(LineDown):
            await line.exchange(mbap_read(0, 2), timeout=1)
        with pytest.raises(LineDown):
            await line.exchange(mbap_read(0, 2), timeout=1)
        await peer.listen()
        async with asyncio.timeout(5):
            while not line.up:
                try:
                    await line.exchange(mbap_read(0, 2), timeout=1)
                except LineDown:
                    await asyncio.sleep(0.02)


async def test_a_peer_that_accepts_and_closes_is_not_hammered():
    async with TcpPeer(lambda _: [Hangup()]) as peer, line_to(peer.settings()) as line:
        for _ in range(50):
            with pytest.raises(LineDown):
                await line.exchange(mbap_read(0), timeout=1)
        assert peer.connections == 1


async def test_a_babbling_peer_ends_at_the_deadline():
    async with TcpPeer(lambda _: [Babble(b"\xff" * 500)]) as peer, line_to(peer.settings()) as line:
        started = asyncio.get_running_loop().time()
        with pytest.raises(FrameDamaged):
            await line.exchange(rtu_read(0), timeout=0.1)
        assert asyncio.get_running_loop().time() - started < 0.5
        with pytest.raises(FrameDamaged, match="never falls silent"):
            await line.exchange(rtu_read(0), timeout=0.1, quiet=0.2)
        assert line.stats.damaged == 2


async def test_a_flood_costs_bounded_work():
    """Megabytes in one exchange: only the first kilobytes are looked at."""
    flood = b"\x01\x03\x02" * 1_000_000
    async with TcpPeer(lambda _: [Send(flood)]) as peer, line_to(peer.settings()) as line:
        started = asyncio.get_running_loop().time()
        with pytest.raises(FrameDamaged):
            await line.exchange(rtu_read(0), timeout=0.2)
        assert asyncio.get_running_loop().time() - started < 2


async def test_bytes_that_nobody_asked_for_are_discarded_and_counted():
    def honest(request):
        return [Send(rtu_reply(request, asked_address(request)))]

    async with TcpPeer(honest) as peer, line_to(peer.settings()) as line:
        await line.exchange(rtu_read(1), timeout=1)
        peer.say(rtu_reply(rtu_read(0).request, 666))
        reply = await line.exchange(rtu_read(2), timeout=1)
        assert registers(reply.payload) == (2,)
        assert line.stats.late_bytes == 7


async def test_exchanges_take_turns_in_the_order_asked():
    def slow(request):
        return [Send(mbap_reply(request, asked_address(request[6:])), after=0.005)]

    async with TcpPeer(slow) as peer, line_to(peer.settings()) as line:
        async with asyncio.TaskGroup() as group:
            asked = [
                group.create_task(line.exchange(mbap_read(n, transaction=n), timeout=1), name=f"ask {n}")
                for n in range(20)
            ]
        assert [registers(task.result().payload) for task in asked] == [(n,) for n in range(20)]
        assert [asked_address(request[6:]) for request in peer.requests] == list(range(20))


async def test_a_cancelled_exchange_leaves_the_line_usable_and_its_answer_unused():
    def honest(request):
        return [Send(rtu_reply(request, asked_address(request)), after=0.05)]

    async with TcpPeer(honest) as peer, line_to(peer.settings()) as line:
        asking = asyncio.create_task(line.exchange(rtu_read(1), timeout=1), name="to be cancelled")
        await peer.asked.wait()
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        reply = await line.exchange(rtu_read(2), timeout=1)
        assert registers(reply.payload) == (2,)
        assert line.stats.late_replies == 1


async def test_closing_ends_an_exchange_under_way_and_leaves_nothing():
    async with TcpPeer(lambda _: ()) as peer:
        line = line_to(peer.settings())
        asking = asyncio.create_task(line.exchange(mbap_read(0), timeout=60), name="asking")
        await peer.asked.wait()
        await line.aclose()
        with pytest.raises(LineDown, match="closed"):
            await asking
        with pytest.raises(LineDown, match="closed"):
            await line.exchange(mbap_read(0), timeout=1)
        await line.aclose()


async def test_a_peer_that_reads_no_more_is_given_up():
    async with TcpPeer(answering) as peer, line_to(peer.settings()) as line:
        await line.exchange(mbap_read(0, 2), timeout=1)
        peer.deaf()
        big = Exchange(bytes(30_000_000), mbap_read(0).reader, 11, matched=True)
        with pytest.raises(DeviceSilent):
            await line.exchange(big, timeout=0.05)
        assert not line.up
        assert "takes no more bytes" in line.why_down


async def test_a_request_without_reply_returns_when_devices_have_had_their_time():
    async with TcpPeer(lambda _: ()) as peer, line_to(peer.settings()) as line:
        broadcast = Exchange(rtu(b"\0\x06\0\x01\0\x01"), None)
        reply = await line.exchange(broadcast, timeout=1)
        assert reply.payload == b""
        async with asyncio.timeout(1):
            await peer.asked.wait()
        assert peer.requests == [broadcast.request]


async def test_a_tap_sees_every_byte_both_ways_until_it_is_taken_off():
    async with TcpPeer(answering) as peer, line_to(peer.settings()) as line:
        seen: list[Frame] = []
        untap = line.tap(seen.append)
        exchange = mbap_read(0, 2)
        await line.exchange(exchange, timeout=1)
        untap()
        await line.exchange(mbap_read(0, 2), timeout=1)
        assert [(frame.direction, frame.data) for frame in seen] == [
            ("tx", exchange.request),
            ("rx", mbap_reply(exchange.request, 7, 8)),
        ]
        assert seen[0].at <= seen[1].at


async def test_a_name_that_does_not_resolve_is_a_line_down():
    async with line_to(TcpSettings("no-such-host.invalid", 502)) as line:
        with pytest.raises(LineDown, match="cannot connect"):
            await line.exchange(mbap_read(0), timeout=1)


async def test_quiet_is_kept_before_a_request_where_a_device_asks_for_it():
    async with TcpPeer(answering) as peer, line_to(peer.settings()) as line:
        first = await line.exchange(mbap_read(0, 2), timeout=1)
        second = await line.exchange(mbap_read(0, 2), timeout=1, quiet=0.05)
        assert second.began - first.ended >= 0.049


async def test_a_bug_in_a_reader_reaches_the_caller():
    class Broken:
        def feed(self, data: bytes) -> bytes | None:
            raise ZeroDivisionError

    async with TcpPeer(answering) as peer, line_to(peer.settings()) as line:
        await line.exchange(mbap_read(0, 2), timeout=1)
        with pytest.raises(ZeroDivisionError):
            await line.exchange(Exchange(mbap_read(0).request, Broken(), 11, matched=True), timeout=1)
        await line.exchange(mbap_read(0, 2), timeout=1)


async def test_a_host_that_never_answers_is_given_up_in_time():
    """A listener whose backlog is full lets a connection hang, as a host that is switched off does."""
    with socket.socket() as full, contextlib.ExitStack() as stack:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for _ in range(3):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(full.getsockname())
        settings = TcpSettings("127.0.0.1", full.getsockname()[1], connect_timeout=0.2)
        async with line_to(settings) as line:
            with pytest.raises(LineDown, match=r"no connection in 0.2 s: is the device powered"):
                await line.exchange(mbap_read(0), timeout=1)
            asking = asyncio.create_task(line.exchange(mbap_read(0), timeout=1), name="asking")
            with pytest.raises(LineDown):
                await asking


async def test_exchanges_cancelled_at_any_step_leave_no_socket():
    """Given up after n steps of the event loop, for every n that the way to an answer has."""
    async with TcpPeer(answering) as peer:
        for steps in range(25):
            async with line_to(peer.settings()) as line:
                asking = asyncio.create_task(line.exchange(mbap_read(0, 2), timeout=1), name="asking")
                for _ in range(steps):
                    await asyncio.sleep(0)
                asking.cancel()
                await asyncio.gather(asking, return_exceptions=True)
                reply = await line.exchange(mbap_read(0, 2, transaction=2), timeout=1)
                assert registers(reply.payload) == (7, 8)


async def test_a_connection_on_which_nothing_is_heard_is_made_anew():
    """The far end accepts and hangs; a second connection to it is answered."""

    def script(request):
        return answering(request) if peer.connections > 1 else []

    async with TcpPeer(script) as peer, line_to(peer.settings(reopen_after=0.1)) as line:
        silences = 0
        async with asyncio.timeout(5):
            while line.stats.replies == 0:
                try:
                    await line.exchange(mbap_read(0, 2), timeout=0.02)
                except DeviceSilent:
                    silences += 1
        assert silences >= 3
        assert peer.connections > 1


async def test_one_dead_unit_among_living_ones_does_not_reopen_the_line():
    def only_two(request):
        return [Send(mbap_reply(request, 7))] if request[6] == 2 else []

    async with TcpPeer(only_two) as peer, line_to(peer.settings(reopen_after=0.01)) as line:
        for _ in range(10):
            with pytest.raises(DeviceSilent):
                await line.exchange(mbap_read(0, unit=1), timeout=0.01)
            await line.exchange(mbap_read(0, unit=2), timeout=1)
        assert peer.connections == 1


async def test_damage_on_a_new_connection_says_what_it_is_and_not_that_the_line_is_lost(caplog):
    def unit_255(request):
        reply = bytearray(mbap_reply(request, 7))
        reply[6] = 255
        return [Send(bytes(reply))]

    async with TcpPeer(unit_255) as peer, line_to(peer.settings()) as line:
        for _ in range(3):
            with pytest.raises(FrameDamaged, match="unit 255 answered for unit 1"):
                await line.exchange(mbap_read(0), timeout=1)
    assert caplog.records == []
