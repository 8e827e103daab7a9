"""A slow line on a pseudo-terminal: left alone while an answer comes, and watched again when it must be."""

import asyncio
import time

import pytest

from drivers.errors import DeviceRefused, DeviceSilent, FrameDamaged
from tests.support.wire import PtyPeer, Send, asked_address, line_to, registers, rtu, rtu_read, rtu_reply


def honest(request):
    return [Send(rtu_reply(request, asked_address(request)))]


def as_on_a_wire(frame, byte_time):
    return [Send(frame[place : place + 1], after=(place + 1) * byte_time) for place in range(len(frame))]


async def test_a_reply_that_comes_byte_by_byte_does_not_wake_us_for_each(tmp_path):
    """A slow line is left alone until the rest of an answer can have come; of a refusal, too, no byte is waited for."""
    values = tuple(range(30))
    whole = rtu_reply(rtu_read(4, 30).request, *values)

    def script(request):
        frame = rtu(bytes([1, 0x83, 2])) if asked_address(request) == 9 else whole
        return as_on_a_wire(frame, 10 / 4800)

    portions = []
    async with PtyPeer(script, tmp_path) as peer, line_to(peer.settings(baud=4800)) as line:
        line.tap(lambda frame: portions.append(frame.data) if frame.direction == "rx" else None)
        assert registers((await line.exchange(rtu_read(4, 30), timeout=1)).payload) == values
        assert b"".join(portions) == whole
        assert len(portions) <= len(whole) // 3
        with pytest.raises(DeviceRefused):
            await line.exchange(rtu_read(9, 30), timeout=1)
        assert line.stats.late_bytes == 0


async def test_a_reply_that_breaks_off_is_heard_to_its_last_byte(tmp_path):
    """The deadline passes while the line is left alone: what has come is read before it is judged."""
    part = rtu_reply(rtu_read(4, 60).request, *range(60))[:70]
    async with (
        PtyPeer(lambda _: as_on_a_wire(part, 10 / 4800), tmp_path) as peer,
        line_to(peer.settings(baud=4800)) as line,
    ):
        with pytest.raises(FrameDamaged, match="70 bytes"):
            await line.exchange(rtu_read(4, 60), timeout=0.05)


async def test_a_line_that_was_left_alone_is_watched_again_when_nobody_waits_any_more(tmp_path):
    asks = asyncio.Event()

    def begins(request):
        asks.set()
        return [Send(rtu_reply(request, *range(100))[:9])]

    async with PtyPeer(begins, tmp_path) as peer, line_to(peer.settings(baud=1200, late_guard=0.01)) as line:
        seen = asyncio.Event()
        line.tap(lambda frame: seen.set() if frame.direction == "rx" else None)
        asking = asyncio.create_task(line.exchange(rtu_read(4, 100), timeout=1), name="asking")
        await asks.wait()
        await seen.wait()
        await asyncio.sleep(0)  # it has looked at what came, and rests for 1.6 s
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        seen.clear()
        peer.say(b"\x55")
        async with asyncio.timeout(1):
            await seen.wait()
        peer.script = honest
        assert registers((await line.exchange(rtu_read(2), timeout=1)).payload) == (2,)


@pytest.mark.parametrize("owed", [False, True])
async def test_a_process_that_stood_still_is_wary_only_where_an_answer_is_owed(tmp_path, owed, monkeypatch):
    def now_and_then(request):
        return [] if request[0] == 2 else honest(request)

    wary = []
    async with PtyPeer(now_and_then, tmp_path) as peer, line_to(peer.settings(baud=1200)) as line:
        if owed:
            with pytest.raises(DeviceSilent):
                await line.exchange(rtu_read(1, unit=2), timeout=0.05)
        await line.exchange(rtu_read(1), timeout=1)
        monkeypatch.setattr(line._unease, "overslept", lambda: wary.append(True))
        # In the middle of the silence of 29 ms that comes now, and beyond its end.
        asyncio.get_running_loop().call_later(0.01, time.sleep, 0.05)
        reply = await line.exchange(rtu_read(1), timeout=1)
        assert registers(reply.payload) == (1,)
    assert bool(wary) == owed
