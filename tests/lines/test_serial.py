"""A line on a real pseudo-terminal: silences, echo, vanishing ports, settings that cannot be had."""

import asyncio
import errno
import logging
import os
import pty
import termios
import threading
import time

import pytest
import serial

from drivers.errors import DeviceSilent, FrameDamaged, LineDown
from drivers.lines import SerialSettings, serial_wire
from tests.support.waiting import until
from tests.support.wire import (
    Babble,
    PtyPeer,
    Send,
    asked_address,
    line_to,
    registers,
    rtu,
    rtu_read,
    rtu_reply,
)


def honest(request):
    return [Send(rtu_reply(request, asked_address(request)))]


async def test_a_reply_over_a_serial_port(tmp_path):
    async with PtyPeer(honest, tmp_path) as peer, line_to(peer.settings()) as line:
        for address in range(20):
            assert registers((await line.exchange(rtu_read(address), timeout=1)).payload) == (address,)
        assert line.stats.replies == 20
        assert line.stats.late_bytes == 0


@pytest.mark.parametrize("baud", [1200, 9600, 19200, 115200])
async def test_the_silence_between_frames_is_never_broken(tmp_path, baud):
    """Seen from the far end: between the last byte of a reply and the next request lie 3.5 characters."""
    sent: list[float] = []
    gaps: list[float] = []

    def watch(request):
        if sent:
            gaps.append(time.monotonic() - sent[-1])
        sent.append(time.monotonic())
        return honest(request)

    async with PtyPeer(watch, tmp_path) as peer:
        settings = peer.settings(baud=baud)
        async with line_to(settings) as line:
            for address in range(15):
                await line.exchange(rtu_read(address), timeout=1)
    assert len(gaps) == 14
    assert min(gaps) >= settings.silence


def test_character_time_and_silence_follow_the_settings():
    assert SerialSettings("x", baud=9600).byte_time == pytest.approx(10 / 9600)
    assert SerialSettings("x", baud=9600, parity="E").byte_time == pytest.approx(11 / 9600)
    assert SerialSettings("x", baud=2400, parity="E", data_bits=7).byte_time == pytest.approx(10 / 2400)
    assert SerialSettings("x", baud=9600).silence == pytest.approx(35 / 9600)
    assert SerialSettings("x", baud=38400).silence == SerialSettings("x", baud=115200).silence == 0.00175


async def test_wire_time_is_added_to_the_time_out(tmp_path):
    """At 150 baud the frames alone take 1 s; a device that answers as they allow is not silent after 0.7 s."""

    def as_slow_as_the_wire(request):
        return [Send(rtu_reply(request, 5), after=15 * 10 / 150)]

    async with PtyPeer(as_slow_as_the_wire, tmp_path) as peer, line_to(peer.settings(baud=150)) as line:
        assert registers((await line.exchange(rtu_read(5), timeout=0.7)).payload) == (5,)


async def test_an_echo_is_dropped_and_learned(tmp_path):
    write = rtu_read(3, 0xFF00, function=5)  # answered by a copy of itself
    async with (
        PtyPeer(honest, tmp_path, echo=True) as peer,
        line_to(peer.settings()) as line,
    ):
        assert registers((await line.exchange(rtu_read(9), timeout=1)).payload) == (9,)
        peer.script = lambda _request: ()
        write_exchange = type(write)(write.request, write.reader, len(write.request))
        with pytest.raises(DeviceSilent, match="only the echo"):
            await line.exchange(write_exchange, timeout=0.5)


async def test_an_answer_equal_to_its_request_is_not_an_echo(tmp_path):
    def copies(request):
        return honest(request) if request[1] == 3 else [Send(request)]

    async with PtyPeer(copies, tmp_path) as peer, line_to(peer.settings()) as line:
        for _ in range(2):  # before the line has learned that there is no echo, and after
            write = rtu_read(3, 0xFF00, function=5)
            reply = await line.exchange(type(write)(write.request, write.reader, 8), timeout=1)
            assert reply.payload == write.request[1:-2]
            await line.exchange(rtu_read(1), timeout=1)


async def test_a_port_that_vanishes_and_returns(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    async with PtyPeer(honest, tmp_path) as peer, line_to(peer.settings()) as line:
        await line.exchange(rtu_read(1), timeout=1)
        peer.hang_up()
        with pytest.raises(LineDown):
            await line.exchange(rtu_read(2), timeout=5)
        with pytest.raises(LineDown):
            await line.exchange(rtu_read(2), timeout=5)
        assert not line.up
        peer.appear()
        async with asyncio.timeout(5):
            while not line.up:
                try:
                    reply = await line.exchange(rtu_read(3), timeout=1)
                except LineDown:
                    await asyncio.sleep(0.02)
        assert registers(reply.payload) == (3,)
        assert line.stats.reopened == 1
        said = [record.getMessage() for record in caplog.records if "line" in record.name]
        assert len(said) == 2  # once when lost, once when back
        assert said[1].endswith("is back")


async def test_a_port_that_vanishes_in_the_middle_of_an_exchange(tmp_path):
    async with PtyPeer(lambda _: (), tmp_path) as peer, line_to(peer.settings()) as line:
        asking = asyncio.create_task(line.exchange(rtu_read(1), timeout=30), name="asking")
        await peer.asked.wait()
        peer.hang_up()
        with pytest.raises(LineDown):
            await asking


async def test_a_port_that_is_not_there_says_what_to_do(tmp_path):
    async with line_to(SerialSettings(str(tmp_path / "ttyUSB7"))) as line:
        with pytest.raises(LineDown, match=r"no such port.*by-id"):
            await line.exchange(rtu_read(1), timeout=1)
        with pytest.raises(LineDown, match="tried again in"):
            await line.exchange(rtu_read(1), timeout=1)


async def test_a_port_in_use_says_so(tmp_path):
    async with PtyPeer(honest, tmp_path) as peer, line_to(peer.settings()) as line:
        with serial.Serial(str(peer.path), exclusive=True):
            with pytest.raises(LineDown, match="in use by another program"):
                await line.exchange(rtu_read(1), timeout=1)


@pytest.mark.parametrize(
    ("setting", "named"), [({"parity": "E"}, "parity E"), ({"data_bits": 7}, "data_bits 7")]
)
async def test_a_setting_that_the_port_refuses_is_named(tmp_path, setting, named, monkeypatch):
    """Some kernels and C libraries refuse parity and seven bits on a pseudo-terminal, some take them without
    effect; the refusal is therefore made here, where the system makes it."""

    def refuse(*_):
        raise termios.error(errno.EINVAL, "Invalid argument")

    async with PtyPeer(honest, tmp_path) as peer, line_to(peer.settings(**setting)) as line:
        monkeypatch.setattr(termios, "tcsetattr", refuse)
        with pytest.raises(LineDown, match=f"refuses {named}:.*change these settings"):
            await line.exchange(rtu_read(1), timeout=1)


async def test_a_file_is_no_port(tmp_path):
    (tmp_path / "port").write_text("not a terminal")
    async with line_to(SerialSettings(str(tmp_path / "port"))) as line:
        with pytest.raises(LineDown, match="cannot open"):
            await line.exchange(rtu_read(1), timeout=1)


async def test_a_babbling_line_is_named_and_not_waited_for_without_end(tmp_path):
    async with (
        PtyPeer(lambda _: [Babble(b"\x55\xaa", 0.0005)], tmp_path) as peer,
        line_to(peer.settings()) as line,
    ):
        with pytest.raises(FrameDamaged, match="no answer to this request"):
            await line.exchange(rtu_read(1), timeout=0.1)
        with pytest.raises(FrameDamaged, match="never falls silent"):
            await line.exchange(rtu_read(1), timeout=0.1, quiet=0.2)


async def test_noise_before_a_frame_is_passed_over(tmp_path):
    def noisy(request):
        return [Send(b"\x00\xff\xfe"), Send(rtu_reply(request, 4), after=0.005)]

    async with PtyPeer(noisy, tmp_path) as peer, line_to(peer.settings()) as line:
        assert registers((await line.exchange(rtu_read(4), timeout=1)).payload) == (4,)


async def test_a_device_that_takes_nothing_is_silent_and_old_bytes_do_not_follow(tmp_path):
    """A full port keeps the rest of a request; it must not leave when the port drains, long given up."""
    master, slave = pty.openpty()
    os.set_blocking(master, False)
    try:
        settings = SerialSettings(os.ttyname(slave), baud=4_000_000)
        async with line_to(settings) as line:
            big = type(rtu_read(1))(bytes(200_000), rtu_read(1).reader, 7)
            asking = asyncio.create_task(line.exchange(big, timeout=0.01), name="asking")
            with pytest.raises(DeviceSilent):
                async with asyncio.timeout(60):
                    await asking
            assert _drained(master) < 200_000
            late = asyncio.create_task(line.exchange(rtu_read(1), timeout=0.2), name="late")
            with pytest.raises(DeviceSilent):
                await late
            assert _drained(master) == 8
    finally:
        os.close(master)
        os.close(slave)


def _drained(master: int) -> int:
    count = 0
    try:
        while True:
            count += len(os.read(master, 65536))
    except BlockingIOError:
        return count


async def test_a_broadcast_leaves_devices_their_turnaround(tmp_path):
    def only_named_units(request):
        return honest(request) if request[0] else ()

    async with PtyPeer(only_named_units, tmp_path) as peer, line_to(peer.settings()) as line:
        sent: list[float] = []
        line.tap(lambda frame: sent.append(frame.at) if frame.direction == "tx" else None)
        broadcast = type(rtu_read(1))(rtu(b"\0\x06\0\x01\0\x01"), None)
        await line.exchange(broadcast, timeout=1)
        await line.exchange(rtu_read(1), timeout=1)
        assert sent[1] - sent[0] >= 0.1
        assert len(peer.requests) == 2


class SlowDriver:
    """Some drivers block in open(); the loop goes on."""

    def __init__(self, monkeypatch) -> None:
        self.go = threading.Event()
        self.begun = 0
        self.opened: list[serial.Serial] = []
        self._really = serial_wire._open
        monkeypatch.setattr(serial_wire, "_open", self._slowly)

    def _slowly(self, settings):
        self.begun += 1
        self.go.wait(10)
        self.opened.append(self._really(settings))
        return self.opened[-1]


async def test_a_port_that_opens_too_slowly_hangs_in_one_thread_and_is_taken_when_it_comes(
    tmp_path, monkeypatch
):
    async with PtyPeer(honest, tmp_path) as peer, line_to(peer.settings(open_timeout=0.05)) as line:
        driver = SlowDriver(monkeypatch)
        for _ in range(3):
            with pytest.raises(LineDown, match=r"did not open in 0.05 s"):
                await until_tried(line)
        driver.go.set()
        assert registers((await until_free(line, 2)).payload) == (2,)
        assert driver.begun == 1


@pytest.mark.parametrize("why", [TimeoutError(110, "Connection timed out"), OSError(5, "Input/output error")])
async def test_a_port_that_fails_to_open_once_opens_the_next_time(tmp_path, monkeypatch, why):
    """A control transfer to a USB adapter may time out: a TimeoutError that is not ours."""
    really_open, failed = serial_wire._open, []

    def once(settings):
        if not failed:
            failed.append(settings)
            raise why
        return really_open(settings)

    monkeypatch.setattr(serial_wire, "_open", once)
    async with PtyPeer(honest, tmp_path) as peer, line_to(peer.settings()) as line:
        with pytest.raises(LineDown, match=why.strerror):
            await line.exchange(rtu_read(1), timeout=1)
        assert registers((await until_free(line, 2)).payload) == (2,)


async def test_a_port_that_opens_when_its_line_is_gone_is_given_back(tmp_path, monkeypatch):
    driver = SlowDriver(monkeypatch)
    async with PtyPeer(honest, tmp_path) as peer:
        async with line_to(peer.settings(open_timeout=0.05)) as line:
            with pytest.raises(LineDown, match=r"did not open in 0.05 s"):
                await line.exchange(rtu_read(1), timeout=1)
        driver.go.set()
        await until(lambda: driver.opened and not driver.opened[0].is_open)


async def until_tried(line):
    """Let the back-off pass: the next error is one of opening."""
    async with asyncio.timeout(5):
        while True:
            try:
                await line.exchange(rtu_read(1), timeout=1)
            except LineDown as err:
                if "tried again in" not in str(err):
                    raise
                await asyncio.sleep(0.02)


async def test_exchanges_cancelled_at_any_time_leave_the_port_free(tmp_path):
    async with PtyPeer(honest, tmp_path) as peer:
        for step in range(13):
            # The guard outlasts what a busy machine may do to the peer, which answers at once.
            async with line_to(peer.settings(late_guard=0.3)) as line:
                asking = asyncio.create_task(line.exchange(rtu_read(1), timeout=1), name="asking")
                await asyncio.wait([asking], timeout=step * 0.001)
                asking.cancel()
                await asyncio.gather(asking, return_exceptions=True)
                reply = await until_free(line, 2)
                assert registers(reply.payload) == (2,)


async def until_free(line, address):
    """The thread that was opening the port may still hold it for a moment."""
    async with asyncio.timeout(5):
        while True:
            try:
                return await line.exchange(rtu_read(address), timeout=1)
            except LineDown:
                await asyncio.sleep(0.02)
