"""A line over real TCP sockets, against a peer that does what the test says."""

import asyncio
from datetime import UTC, datetime

import pytest

from drivers.api import Exchange
from drivers.errors import DeviceRefused, DeviceSilent, FrameDamaged
from drivers.lines import Frame
from tests.support.wire import (
    Babble,
    Send,
    TcpPeer,
    answering,
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


async def test_a_babbling_peer_ends_at_the_deadline():
    async with TcpPeer(lambda _: [Babble(b"\xff" * 500)]) as peer, line_to(peer.settings()) as line:
        async with asyncio.timeout(20):  # it babbles for ever: any end is the deadline's
            with pytest.raises(FrameDamaged):
                await line.exchange(rtu_read(0), timeout=0.1)
            with pytest.raises(FrameDamaged, match="never falls silent"):
                await line.exchange(rtu_read(0), timeout=0.1, quiet=0.2)
        assert line.stats.damaged == 2


async def test_a_flood_costs_bounded_work():
    """Megabytes in one exchange: only the first kilobytes are looked at."""

    class Counting:
        fed = 0

        def feed(self, data: bytes) -> bytes | None:
            self.fed += len(data)
            return None

    reader = Counting()
    flood = b"\x01\x03\x02" * 1_000_000
    async with TcpPeer(lambda _: [Send(flood)]) as peer, line_to(peer.settings()) as line:
        with pytest.raises(FrameDamaged):
            await line.exchange(Exchange(rtu_read(0).request, reader, 7), timeout=0.2)
        assert reader.fed < 10_000 < line.stats.bytes_in


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
