"""Exchanges of several frames: nothing parts them, they have one time, and a change of speed ends with them."""

import asyncio
import termios
from datetime import UTC, datetime, timedelta

import pytest

from drivers.api import Exchange
from drivers.errors import DeviceSilent, FrameDamaged, Misconfigured
from drivers.lines.conversation import MOST_STEPS, converse
from drivers.lines.records import Reply
from tests.support.wire import PtyPeer, Send, TcpPeer, line_to

SPEEDS = {termios.B4800: 4800, termios.B19200: 19200}


class UntilNewline:
    """A reply ends with a newline."""

    def __init__(self) -> None:
        self.held = b""

    def feed(self, data: bytes) -> bytes | None:
        self.held += data
        return self.held if self.held.endswith(b"\n") else None


def ask(text: str, **more) -> Exchange:
    return Exchange(text.encode() + b"\n", UntilNewline(), key=b"toy", **more)


def counting(last: int, so_far: bytes = b"", number: int = 0) -> Exchange:
    def then(reply: bytes) -> Exchange | bytes:
        whole = so_far + reply
        return whole if number == last else counting(last, whole, number + 1)

    return ask(f"part {number}", then=then)


async def test_the_whole_is_made_of_its_parts_and_nobody_comes_between(tmp_path):
    heard: list[bytes] = []

    def answer(request: bytes) -> list[Send]:
        heard.append(request)
        return [Send(b"<" + request)]

    async with (
        PtyPeer(answer, tmp_path) as peer,
        line_to(peer.settings()) as line,
        asyncio.TaskGroup() as tasks,
    ):
        long = tasks.create_task(line.exchange(counting(3), timeout=1))
        tasks.create_task(line.exchange(ask("other"), timeout=1))
        whole = await long
    assert whole.payload == b"<part 0\n<part 1\n<part 2\n<part 3\n"
    assert heard == [b"part 0\n", b"part 1\n", b"part 2\n", b"part 3\n", b"other\n"]


async def test_a_step_that_is_not_answered_ends_the_whole(tmp_path):
    def answer(request: bytes) -> list[Send]:
        return [] if request == b"part 1\n" else [Send(request)]

    async with PtyPeer(answer, tmp_path) as peer, line_to(peer.settings(late_guard=0.05)) as line:
        with pytest.raises(DeviceSilent):
            await line.exchange(counting(3), timeout=0.05)
        assert (await line.exchange(ask("next"), timeout=1)).payload == b"next\n"


async def test_the_speed_changes_once_the_request_has_left_and_goes_back_afterwards(tmp_path):
    class Meter(PtyPeer):
        seen: list[tuple[bytes, int]] = []

        def speed(self) -> int:
            return SPEEDS[termios.tcgetattr(self._master)[5]]

        def _send(self, data: bytes) -> None:
            self.seen.append((data, self.speed()))
            super()._send(data)

        def once_changed(self, data: bytes) -> None:
            """Answer as soon as the other end has changed over: nothing tells when that is."""
            if self.speed() == 4800:
                self._later(0.001, lambda: self.once_changed(data))
            else:
                self._send(data)

    def script(request: bytes) -> list[Send]:
        peer.seen.append((request, peer.speed()))
        if request == b"ack\n":
            peer.once_changed(request.upper())
            return []
        return [Send(request.upper())]

    data = ask("ack", baud=19200, then=lambda reply: ask("more", then=lambda last: reply + last))
    peer = Meter(script, tmp_path)
    async with peer, line_to(peer.settings(baud=4800)) as line:
        whole = await line.exchange(ask("hello", then=lambda _: data), timeout=10)
        await line.exchange(ask("plain"), timeout=10)
    assert whole.payload == b"ACK\nMORE\n"
    assert peer.seen == [
        (b"hello\n", 4800),
        (b"HELLO\n", 4800),
        (b"ack\n", 4800),
        (b"ACK\n", 19200),
        (b"more\n", 19200),
        (b"MORE\n", 19200),
        (b"plain\n", 4800),
        (b"PLAIN\n", 4800),
    ]


async def test_a_reply_at_another_speed_is_waited_for_at_that_speed(tmp_path):
    long = ask(
        "ack", baud=115200, reply_bytes=2000
    )  # 0.2 s at that speed, more than a minute at the line's own
    async with PtyPeer(lambda _: [], tmp_path) as peer, line_to(peer.settings(baud=300)) as line:
        async with asyncio.timeout(10):
            with pytest.raises(DeviceSilent):
                await line.exchange(long, timeout=0.02)


async def test_a_step_waits_for_the_silence_that_its_device_needs(tmp_path):
    times: list[float] = []

    def answer(request: bytes) -> list[Send]:
        times.append(asyncio.get_running_loop().time())
        return [Send(request)]

    async with PtyPeer(answer, tmp_path) as peer, line_to(peer.settings()) as line:
        await line.exchange(ask("a", then=lambda _: ask("b", pause=0.08, then=bytes)), timeout=1)
    assert times[1] - times[0] >= 0.08


async def test_a_serial_server_cannot_change_its_speed_and_the_line_lives_on():
    async with TcpPeer(lambda request: [Send(request)]) as peer, line_to(peer.settings()) as line:
        with pytest.raises(Misconfigured, match="set it in the serial server"):
            await line.exchange(ask("ack", baud=9600), timeout=1)
        assert (await line.exchange(ask("next"), timeout=1)).payload == b"next\n"


async def test_it_has_one_time_and_an_end():
    began = datetime(2026, 1, 1, tzinfo=UTC)
    steps = 0

    async def step(_: Exchange) -> Reply:
        nonlocal steps
        steps += 1
        return Reply(b"x", float(steps), steps + 0.5, began + timedelta(seconds=steps))

    whole = await converse(counting(2), step)
    assert (whole.payload, whole.began, whole.ended, whole.at) == (
        b"xxx",
        1.0,
        3.5,
        began + timedelta(seconds=2),
    )
    with pytest.raises(FrameDamaged, match="more follow"):
        await converse(counting(MOST_STEPS + 1), step)
