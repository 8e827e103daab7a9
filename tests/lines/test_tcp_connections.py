"""Connections of a line over TCP: lost, refused, hung, given up, made anew, and none left behind."""

import asyncio
import contextlib
import logging
import socket

import pytest

from drivers.api import Exchange
from drivers.errors import DeviceSilent, FrameDamaged, LineDown
from drivers.lines import TcpSettings
from tests.support.wire import (
    Hangup,
    Send,
    TcpPeer,
    answering,
    in_turn,
    line_to,
    mbap_read,
    mbap_reply,
    registers,
)


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


async def test_a_peer_that_closes_in_the_middle_is_a_line_down_and_is_reopened_at_once_after_use():
    async with TcpPeer(answering) as peer, line_to(peer.settings()) as line:
        await line.exchange(mbap_read(0, 2), timeout=1)
        peer.script = in_turn([Send(b"\0\x01\0\0"), Hangup(after=0.01)])
        with pytest.raises(LineDown, match="closed the connection") as lost:
            await line.exchange(mbap_read(0), timeout=5)
        assert lost.value.sent
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
            with pytest.raises(LineDown, match="tried again in") as lost:
                await line.exchange(mbap_read(0), timeout=1)
            assert not lost.value.sent
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


async def test_a_name_that_does_not_resolve_is_a_line_down():
    async with line_to(TcpSettings("no-such-host.invalid", 502)) as line:
        with pytest.raises(LineDown, match="cannot connect"):
            await line.exchange(mbap_read(0), timeout=1)


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


async def test_while_a_device_of_the_line_is_known_to_answer_no_silence_of_another_reopens_it():
    """It may be asked so seldom that nothing is heard for long."""
    async with TcpPeer(lambda _request: []) as peer, line_to(peer.settings(reopen_after=0.01)) as line:
        for _ in range(10):
            with pytest.raises(DeviceSilent):
                await line.exchange(mbap_read(0), timeout=0.01, living=True)
        assert peer.connections == 1
        for _ in range(2):
            with pytest.raises(DeviceSilent):
                await line.exchange(mbap_read(0), timeout=0.01, living=False)
        assert line.stats.downs == 1


async def test_one_dead_unit_among_living_ones_does_not_reopen_the_line():
    def only_two(request):
        return [Send(mbap_reply(request, 7))] if request[6] == 2 else []

    async with TcpPeer(only_two) as peer, line_to(peer.settings(reopen_after=0.01)) as line:
        for _ in range(10):
            with pytest.raises(DeviceSilent):
                await line.exchange(mbap_read(0, unit=1), timeout=0.01)
            await line.exchange(mbap_read(0, unit=2), timeout=1)
        assert peer.connections == 1
