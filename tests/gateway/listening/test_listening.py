"""Devices that speak unasked, over real sockets and a pseudo-terminal: journal first, then the answer."""

import asyncio
import contextlib
import logging
import socket

import pytest

import gateway.listening.hearing
import gateway.listening.listener
import gateway.listening.peers
from drivers.errors import Misconfigured
from drivers.lines import SerialSettings
from gateway.listening import limits
from gateway.listening.datagrams import Datagrams
from gateway.listening.peers import Peer
from gateway.polling.signals import signals_key, standing_in
from gateway.site.listening import Socket
from messages.types import Edge, Quality
from tests.support.panel import Slow, panel
from tests.support.toylisten import ToyListens, ToySession, install, line, listening
from tests.support.waiting import until
from tests.support.wire import PtyPeer


@pytest.fixture(autouse=True)
def toy(monkeypatch):
    install(monkeypatch)
    monkeypatch.setattr(gateway.listening.peers, "TICK_S", 0.05)
    monkeypatch.setattr(gateway.listening.listener, "LOOK_S", 0.02)
    monkeypatch.setattr(gateway.listening.listener, "REOPEN_S", 0.05)


def silent(heart) -> list[str]:
    return [device.id for device, hears in heart.listeners.hears() if hears is False]


async def test_what_is_said_is_journaled_and_then_answered():
    async with listening(line("p1")) as heart, panel(heart.port) as one:
        assert await one.say("p1 1 fire on zone/3") == "ok 1"
        assert await one.say("p1 2 temp 21.5") == "ok 2"
        assert await one.say("p1 3 fire off zone/3") == "ok 3"
        assert await one.say("- 4 link") == "ok 4"
    edges = [(event.code, event.edge, event.part) for event in heart.recorder.edges]
    assert edges == [("fire", Edge.RAISED, "zone/3"), ("fire", Edge.CLEARED, "zone/3")]
    assert [str(value) for value in heart.recorder.of("p1", "temp")] == ["21.5"]


async def test_nothing_is_answered_that_the_journal_did_not_take():
    async with listening(line("p1")) as heart, panel(heart.port) as one:
        heart.recorder.takes = False
        assert await one.say("p1 1 fire on") == "no 1"
        heart.recorder.takes = True
        assert await one.say("p1 1 fire on") == "ok 1"
    assert [event.edge for event in heart.recorder.edges] == [Edge.RAISED]


async def test_telemetry_that_waits_for_the_disk_does_not_hold_up_an_alarm(monkeypatch):
    monkeypatch.setattr(gateway.listening.hearing, "SAMPLES_WITHIN_S", 0.05)
    async with listening(line("p1")) as heart, panel(heart.port) as one:
        heart.recorder.keeps = None
        assert await one.say("p1 1 temp 20") == "no 1"
        assert await one.say("p1 2 fire on") == "ok 2"


async def test_what_is_said_again_is_answered_again_and_told_once():
    async with listening(line("p1")) as heart:
        for _ in range(2):
            async with panel(heart.port) as one:
                assert await one.say("p1 7 card now") == "ok 7"
                assert await one.say("p1 7 card now") == "ok 7"
        assert len(heart.recorder.edges) == 1
        assert heart.count("repeated") == 3


@pytest.mark.parametrize("other", ["p1 7 fire on", "p1 8 card now"])
async def test_what_comes_on_two_connections_at_once_goes_into_the_journal_one_by_one(other):
    journal = Slow()
    async with (
        listening(line("p1"), recorder=journal) as heart,
        panel(heart.port) as one,
        panel(heart.port) as two,
    ):
        came = asyncio.Queue()
        heart.listeners.lines[0].hearing.taps.tap(came.put_nowait)
        one.writer.write(b"p1 7 fire on\n")
        await journal.begun.wait()
        await came.get()
        two.writer.write(other.encode() + b"\n")
        await came.get()  # it has crossed the wire, and nothing more can become of it now
        journal.go.set()
        assert await one.answer() == "ok 7"
        assert await two.answer() == f"ok {other.split()[1]}"
    assert [event.code for event in journal.edges] == ["fire"] + ["card"] * ("card" in other)
    assert standing_in(journal.state[signals_key("p1")]) == {"fire"}


async def test_a_source_that_nobody_knows_is_refused_and_said_once(caplog):
    async with listening(line("p1")) as heart, panel(heart.port) as one:
        assert await one.say("p9 1 fire on") == "no 1"
        assert await one.say("p9 2 fire on") == "no 2"
    assert caplog.text.count("p9 speaks from") == 1
    assert heart.recorder.edges == []


async def test_one_bad_peer_is_cut_off_and_its_neighbour_notices_nothing(caplog):
    caplog.set_level(logging.INFO)
    async with listening(line("p1", "p2")) as heart, panel(heart.port) as good, panel(heart.port) as bad:
        assert await good.say("p1 1 fire on") == "ok 1"
        bad.writer.write(b"x" * 10_000)
        assert await bad.gone()
        assert await good.say("p1 2 fire off") == "ok 2"
    assert "cannot be followed: a line without end" in caplog.text


async def test_a_key_that_cannot_be_read_now_turns_one_peer_away_and_ends_nothing(monkeypatch):
    def unreadable(driver, devices, options):
        raise Misconfigured("options.key_file: secrets/key cannot be read")

    place = Socket("127.0.0.1", 0, tcp=True, udp=True)
    async with listening(line("p1", place=place)) as heart, panel(heart.port) as before:
        assert await before.say("p1 1 fire on") == "ok 1"
        with monkeypatch.context() as while_it_is_written:
            while_it_is_written.setattr(ToyListens, "session", unreadable)
            async with panel(heart.port) as one:
                assert await one.gone()
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
                sender.sendto(b"p1 2 fire off\n", ("127.0.0.1", heart.port))
                await until(lambda: heart.count("left_out") == 1)
        assert heart.count("turned_away") == 1
        assert await before.say("p1 3 card now") == "ok 3"
        async with panel(heart.port) as after:
            assert await after.say("p1 4 fire off") == "ok 4"


@pytest.mark.faults
async def test_a_fault_of_our_own_costs_one_peer_and_not_the_gateway(monkeypatch):
    feed = ToySession.feed

    def breaks(session, data, now):
        if b"odd" in data:
            raise ZeroDivisionError("odd")
        return feed(session, data, now)

    monkeypatch.setattr(ToySession, "feed", breaks)
    place = Socket("127.0.0.1", 0, tcp=True, udp=True)
    async with (
        listening(line("p1", place=place)) as heart,
        panel(heart.port) as good,
        panel(heart.port) as bad,
    ):
        assert await good.say("p1 1 fire on") == "ok 1"
        bad.writer.write(b"odd\n")
        assert await bad.gone()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.connect(("127.0.0.1", heart.port))
            sender.settimeout(10)
            sender.send(b"odd\n")
            sender.send(b"p1 2 card now\n")
            assert await asyncio.to_thread(sender.recv, 100) == b"ok 2\n"
        assert await good.say("p1 3 fire off") == "ok 3"


async def test_a_peer_that_takes_no_answers_is_let_go(monkeypatch, caplog):
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(gateway.listening.peers, "WRITE_S", 0.1)
    lots = {"messages_per_s": 1e9, "burst_messages": 1e9, "bytes_per_s": 1e9, "burst_bytes": 1e9}
    async with listening(line("p1", **lots)) as heart:
        reader, writer = await asyncio.open_connection("127.0.0.1", heart.port, limit=1)
        reader._transport.pause_reading()  # type: ignore[attr-defined]
        fire = heart.listeners.lines[0]
        await until(lambda: fire.peers == 1)
        with contextlib.suppress(ConnectionError):
            async with asyncio.timeout(20):
                while fire.peers:
                    writer.write((b"- " + b"1" * 150 + b" link\n") * 200)
                    await writer.drain()
        await until(lambda: fire.peers == 0)
        assert "it takes no answers" in caplog.text
        writer.transport.abort()
        async with panel(heart.port) as one:
            assert await one.say("p1 1 fire on") == "ok 1"


async def test_a_flood_is_held_back_and_nothing_of_it_is_lost():
    slow = {"messages_per_s": 200.0, "burst_messages": 10.0}
    now = asyncio.get_running_loop().time
    async with listening(line("p1", **slow)) as heart, panel(heart.port) as flood:
        began = now()
        for number in range(60):
            flood.writer.write(f"p1 {number} card now\n".encode())
        answers = [await flood.answer() for _ in range(60)]
        assert answers == [f"ok {number}" for number in range(60)]
        # What has crossed the wire in one piece is answered in one piece; whatever comes after it has to wait.
        assert await flood.say("p1 60 card now") == "ok 60"
        assert now() - began > 0.99 * (60 - 10) / 200
        assert len(heart.recorder.edges) == 61


async def test_connections_are_counted_by_host_and_line():
    async with listening(line("p1", per_host=2)) as heart, panel(heart.port) as one, panel(heart.port) as two:
        assert await one.say("p1 1 fire on") == "ok 1"
        assert await two.say("p1 2 fire off") == "ok 2"
        async with panel(heart.port) as three:
            assert await three.gone()
        assert heart.count("turned_away") == 1
        assert await one.say("p1 3 fire on") == "ok 3"


async def test_who_is_not_on_the_list_is_turned_away():
    from ipaddress import ip_network

    async with listening(line("p1", allow=(ip_network("10.0.0.0/8"),))) as heart, panel(heart.port) as one:
        assert await one.gone()
    assert heart.count("turned_away") == 1


async def test_a_connection_on_which_nothing_comes_is_closed():
    async with listening(line("p1", idle_s=0.1)) as heart, panel(heart.port) as one:
        assert await one.gone()


async def test_silence_is_told_and_ends_with_the_first_word():
    at = [0.0]
    async with listening(line("p1", within=60), monotonic=lambda: at[0]) as heart:
        at[0] += 59
        heart.listeners.lines[0].hearing.look()
        assert silent(heart) == []
        at[0] += 2
        await until(lambda: silent(heart) == ["p1"])
        assert heart.recorder.samples[-1][1].bad == {"temp": Quality.TIMEOUT}
        changes = len(heart.changes)
        async with panel(heart.port) as one:
            assert await one.say("p1 1 temp 3") == "ok 1"
        assert silent(heart) == []
        assert heart.metrics.registry.get_sample_value("gatehouse_device_up", {"device": "p1"}) == 1
        assert len(heart.changes) == changes + 1
        at[0] += 61
        await until(lambda: silent(heart) == ["p1"])


async def test_datagrams_are_answered_one_by_one_and_a_bad_one_costs_itself():
    loop = asyncio.get_running_loop()
    got: asyncio.Queue[bytes] = asyncio.Queue()

    class Sender(asyncio.DatagramProtocol):
        def datagram_received(self, data, addr):
            got.put_nowait(data)

    place = Socket("127.0.0.1", 0, tcp=True, udp=True)
    async with listening(line("p1", place=place)) as heart, panel(heart.port) as one:
        transport, _ = await loop.create_datagram_endpoint(Sender, remote_addr=("127.0.0.1", heart.port))
        try:
            for words in (b"p1 1 fire on\n", b"y" * 500, b"p1 2 card now\n"):
                transport.sendto(words)
            async with asyncio.timeout(10):
                assert [await got.get(), await got.get()] == [b"ok 1\n", b"ok 2\n"]
        finally:
            transport.close()
        assert await one.say("p1 3 fire off") == "ok 3"
    assert [event.code for event in heart.recorder.edges] == ["fire", "card", "fire"]


async def test_datagrams_beyond_the_rate_are_left_out_unanswered():
    place = Socket("127.0.0.1", 0, tcp=False, udp=True)
    limits = {"messages_per_s": 0.001, "burst_messages": 2.0}
    async with listening(line("p1", place=place, **limits)) as heart:
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(
            asyncio.DatagramProtocol, remote_addr=("127.0.0.1", heart.port)
        )
        for number in range(5):
            transport.sendto(f"p1 {number} card now\n".encode())
        await until(lambda: heart.count("left_out") == 3)
        transport.close()
        assert len(heart.recorder.edges) == 2


async def test_a_connection_that_times_out_by_itself_has_ended():
    """ETIMEDOUT, of a peer that vanished, is a TimeoutError too, and a stream raises it again at each read."""

    class Vanished:
        async def read(self, n: int = -1) -> bytes:
            raise TimeoutError(110, "Connection timed out")

    async with listening(line("p1")) as heart:
        hearing, rate = heart.listeners.lines[0].hearing, limits.Bucket(1e9, 1e9)
        peer = Peer("far", ToySession({}), hearing, None, rate, rate, lambda: False)
        with pytest.raises(OSError, match="timed out"):
            await peer.attend(Vanished(), Mute())


class Mute:
    """Where nothing is heard."""

    def write(self, data: bytes) -> None: ...

    async def drain(self) -> None: ...


async def test_a_line_of_datagrams_ends_with_the_one_in_hand(monkeypatch):
    opened = []

    class Opened(Datagrams):
        def connection_made(self, transport):
            super().connection_made(transport)
            opened.append(self)

    monkeypatch.setattr(gateway.listening.listener, "Datagrams", Opened)
    journal = Slow()
    place = Socket("127.0.0.1", 0, tcp=False, udp=True)
    async with listening(line("p1", place=place), recorder=journal) as heart:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            for number in range(3):
                sender.sendto(f"p1 {number} card now\n".encode(), ("127.0.0.1", heart.port))
            await journal.begun.wait()
            await until(lambda: opened[0]._waiting.qsize() == 2)
            ending = asyncio.create_task(heart.change([]))
            await until(heart.listeners.lines[0]._stop.is_set)
            journal.go.set()
            await ending
    assert [event.detail for event in journal.edges] == ["p1 0 card now"]


async def test_a_port_that_only_listens_survives_its_adapter(tmp_path):
    peer = PtyPeer(lambda _: [], tmp_path)
    async with peer:
        settings = SerialSettings(str(peer.path), baud=9600)
        async with listening(line("p1", place=settings)) as heart:
            peer.say(b"p1 - fire on\n")
            await until(lambda: len(heart.recorder.edges) == 1)
            peer.hang_up()
            await until(lambda: not heart.listeners.lines[0].up)
            assert silent(heart) == ["p1"]
            peer.appear()
            await until(lambda: heart.listeners.lines[0].up)
            peer.say(b"p1 - fire off\n")
            await until(lambda: len(heart.recorder.edges) == 2)
            assert silent(heart) == []


async def test_a_port_in_use_is_said_once_and_tried_again(caplog):
    taken = await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", 0)
    port = taken.sockets[0].getsockname()[1]
    async with asyncio.timeout(20):
        heart_task = asyncio.create_task(_one_word(port))
        await until(lambda: "does not listen" in caplog.text)
        taken.close()
        await taken.wait_closed()
        assert await heart_task == "ok 1"
    assert caplog.text.count("does not listen") == 1


async def _one_word(port: int) -> str:
    async with listening(line("p1", place=Socket("127.0.0.1", port))) as heart, panel(heart.port) as one:
        return await one.say("p1 1 fire on")


async def test_lines_change_one_by_one_and_what_stands_goes_with_its_device():
    fire, door = line("p1"), line("d1", line_id="door")
    async with listening(fire, door) as heart, panel(heart.listeners.lines[1].port) as kept:
        async with panel(heart.port) as one:
            assert await one.say("p1 1 fire on z") == "ok 1"
        what = await heart.change([line("p1", "p2"), door])
        assert (what.changed, what.untouched) == (("fire",), ("door",))
        await heart.listeners.lines[0].ready.wait()
        assert await kept.say("d1 1 card now") == "ok 1"
        async with panel(heart.port) as one:
            assert await one.say("p1 - fire on z") == "ok -"
        await heart.change([door])
        assert heart.orphans._waiting == {"p1": ("fire|z",)}
    assert [event.code for event in heart.recorder.edges] == ["fire", "card"]


async def test_what_stood_before_a_restart_is_known_after_it():
    async with listening(line("p1")) as heart, panel(heart.port) as one:
        await one.say("p1 - fire on z")
    state = heart.recorder.state
    async with listening(line("p1"), state=state) as heart, panel(heart.port) as one:
        await one.say("p1 - fire on z")
        await one.say("p1 - fire off z")
    assert [event.edge for event in heart.recorder.edges] == [Edge.CLEARED]
