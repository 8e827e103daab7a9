"""Pushing panels on real sockets, before a journal that is there, that is not, and that comes back."""

import asyncio
import json
from datetime import timedelta

import pytest

import gateway.listening.peers
from drivers import registry
from gateway.delivery.journal import JournalDown
from gateway.delivery.recorder import JournalRecorder
from gateway.listening.limits import Limits
from gateway.polling.signals import signals_key, standing_in
from gateway.site.lines import Device, ListeningLine
from gateway.site.listening import Ear, Socket, Source
from gateway.site.site_file import DeviceFile, LineFile
from messages.types import DeviceEvent, Edge, Lane
from simulators.http_push import Pusher, read_answer, request
from tests.support.fire import shipped
from tests.support.gateway import START
from tests.support.journal import Box, everything, items_of
from tests.support.toylisten import Kept, listening

KEY = "not-a-secret-1"
DOOR, BARRIER = "gatehouse-demo-door-push", "gatehouse-demo-barrier-push"


@pytest.fixture(autouse=True)
def fast(monkeypatch):
    monkeypatch.setattr(gateway.listening.peers, "TICK_S", 0.05)
    monkeypatch.setenv("PUSH_KEY", KEY)


def line(*devices, **limits):
    """A listening line of (name, profile)."""
    made = []
    for name, profile in devices:
        options = {"address": name, "key_env": "PUSH_KEY"}
        made.append(
            Device(name, DeviceFile(id=name, profile=profile), shipped(profile), 1.0, {}, options, None)
        )
    sources = {
        each.id: Source(registry.get("http-push").source(each.profile, each.options), None) for each in made
    }
    ear = Ear("http-push", Socket("127.0.0.1", 0), Limits(**limits), sources)
    return ListeningLine("fire", LineFile(id="fire"), ear, "127.0.0.1:0", tuple(made))


def panel(name="DP-1", shape="door", **more):
    return Pusher(name, lambda: START, shape, KEY, **more)


def told(heart):
    return [(event.device, event.code) for event in heart.recorder.edges]


async def push(heart, raw):
    reader, writer = await asyncio.open_connection("127.0.0.1", heart.port)
    writer.write(raw)
    answer = await read_answer(reader)
    writer.close()
    return answer


async def test_what_happens_while_the_journal_takes_nothing_is_told_once_and_as_of_its_time():
    async with listening(line(("DP-1", DOOR))) as heart:
        door = panel(most=3)
        heart.recorder.takes = False
        for number in range(7):
            door.happen("granted", door=1, card=str(number))
        assert not await door.deliver("127.0.0.1", heart.port)
        assert door.answers == [503]
        assert told(heart) == []
        heart.recorder.takes = True
        assert await door.deliver("127.0.0.1", heart.port)
    assert door.answers == [503, 200, 200, 200]
    assert [event.number.partition("@")[0] for event in heart.recorder.edges] == [
        f"1/{n}" for n in range(1, 8)
    ]
    assert {event.at for event in heart.recorder.edges} == {START}


async def test_a_memory_replayed_after_a_lost_answer_is_told_once():
    async with listening(line(("DP-1", DOOR))) as heart:
        door = panel()
        for number in range(5):
            door.happen("rex", door=number)
        raw = request("/events", door.message(), KEY)
        assert (await push(heart, raw)).status == 200  # the panel never heard it
        door.happen("rex", door=9)
        assert await door.deliver("127.0.0.1", heart.port)
        assert len(told(heart)) == 6
        assert (await push(heart, raw)).status == 200
    assert len(told(heart)) == 6


async def test_a_door_forced_again_stays_forced_when_its_memory_is_told_anew():
    async with listening(line(("DP-1", DOOR))) as heart:
        door = panel()
        for event in ("forced", "closed", "forced"):
            door.happen(event, door=1)
        assert (await push(heart, request("/events", door.message(), KEY))).status == 200
        door.happen("rex", door=2)
        assert await door.deliver("127.0.0.1", heart.port)
        edges = [(event.code, event.edge) for event in heart.recorder.edges if event.code == "forced"]
        assert edges == [("forced", Edge.RAISED), ("forced", Edge.CLEARED), ("forced", Edge.RAISED)]
        assert standing_in(heart.recorder.state[signals_key("DP-1")]) == {"forced|1"}
    state = {signals_key("DP-1"): heart.recorder.state[signals_key("DP-1")]}
    async with listening(line(("DP-1", DOOR)), state=state) as heart:
        door.happen("rex", door=3)
        assert await door.deliver("127.0.0.1", heart.port)
        assert standing_in(heart.recorder.state[signals_key("DP-1")]) == {"forced|1"}


async def test_a_panel_that_counts_anew_after_a_restart_is_heard_again():
    async with listening(line(("DP-1", DOOR))) as heart:
        for boot in (1, 2):
            door = panel(boot=boot)
            door.happen("rex", door=1)
            assert await door.deliver("127.0.0.1", heart.port)
    assert len(told(heart)) == 2


async def test_one_message_of_two_barriers_is_stored_whole_or_refused():
    async with listening(line(("G-1", BARRIER), ("G-2", BARRIER))) as heart:
        records = [
            {"gate": gate, "seq": 1, "at": 1767225600000, "event": "forced", "lane": 1}
            for gate in ("G-1", "G-2")
        ]
        raw = request("/x", json.dumps(records).encode(), KEY)
        heart.recorder.takes = False
        assert (await push(heart, raw)).status == 503
        heart.recorder.takes = True
        assert (await push(heart, raw)).status == 200
        assert (await push(heart, raw)).status == 200
    assert told(heart) == [("G-1", "forced"), ("G-2", "forced")]


async def test_a_key_that_is_wrong_tells_nothing_and_is_said_once(caplog):
    async with listening(line(("DP-1", DOOR))) as heart:
        door = panel()
        door.key = "wrong-secret"
        door.happen("granted", door=1)
        for _ in range(2):
            assert not await door.deliver("127.0.0.1", heart.port)
        assert heart.count("refused") == 2
    assert door.answers == [401, 401]
    assert told(heart) == []
    assert caplog.text.count("is refused: 401 the key is missing or wrong") == 1
    assert "wrong-secret" not in caplog.text


async def test_peers_that_drip_hold_nobody_up():
    async with listening(line(("DP-1", DOOR), ("G-1", BARRIER), per_host=64)) as heart:
        slow = [await asyncio.open_connection("127.0.0.1", heart.port) for _ in range(20)]
        for _, writer in slow:
            writer.write(b"POST /events HTTP/1.1\r\nContent-Length: 100")
        door, gate = panel(chunked=True), panel("G-1", "barrier")
        for number in range(120):
            door.happen("granted", door=number % 4)
            gate.happen("vehicle", direction="in", known=True, plate=f"A{number}", lane=1)
        done = await asyncio.gather(*(each.deliver("127.0.0.1", heart.port) for each in (door, gate)))
        assert done == [True, True]
        for _, writer in slow:
            writer.close()
    assert len(told(heart)) == 240


async def test_a_peer_that_drips_is_answered_and_cut_off_when_its_time_is_over():
    times = [START]
    async with listening(line(("DP-1", DOOR)), clock=lambda: times[-1]) as heart:
        door = panel()
        door.happen("rex", door=1)
        reader, writer = await asyncio.open_connection("127.0.0.1", heart.port)
        writer.write(request("/events", door.message(), KEY) + b"POST /ev")
        assert (await read_answer(reader)).status == 200
        times.append(START + timedelta(seconds=31))
        assert (await read_answer(reader)).status == 408
        times.append(START + timedelta(seconds=36))
        assert await reader.read() == b""
        writer.close()


class Disk(Kept):
    """A recorder before a journal of its own, whose disk can be taken away."""

    def __init__(self, journal) -> None:
        super().__init__()
        self.journal = JournalRecorder(self)
        self.book = journal

    async def append(self, lane, items, *, state=None):
        if not self.takes:
            raise JournalDown("the disk is gone")
        await self.book.append(lane, items, state=state)

    async def events(self, events, state, quiet=()):
        return await self.journal.events(events, state, quiet)


async def test_a_real_journal_that_fails_and_comes_back_holds_each_record_once(tmp_path):
    journal = await Box(tmp_path).open()
    disk = Disk(journal)
    async with listening(line(("DP-1", DOOR)), recorder=disk) as heart:
        door = panel()
        door.happen("granted", door=2)
        door.happen("forced", door=2)
        disk.takes = False
        assert not await door.deliver("127.0.0.1", heart.port)
        disk.takes = True
        assert await door.deliver("127.0.0.1", heart.port)
    items = [item for batch in await everything(journal, Lane.ALARM) for item in items_of(batch)]
    kept = journal.load_state(signals_key("DP-1"))
    await journal.close()
    assert [item.code for item in items if isinstance(item, DeviceEvent)] == ["granted", "forced"]
    assert standing_in(kept) == {"forced|2"}
    assert door.answers == [503, 200]


async def test_the_longest_message_reaches_the_journal_whole(tmp_path):
    journal = await Box(tmp_path).open()
    async with listening(line(("DP-1", DOOR), burst_bytes=1e9), recorder=Disk(journal)) as heart:
        door = panel(most=200)
        for number in range(200):
            door.happen("granted", door=number, **{f"f{field}": "x" * 100 for field in range(10)})
        assert await door.deliver("127.0.0.1", heart.port)
    items = [item for batch in await everything(journal, Lane.ALARM) for item in items_of(batch)]
    await journal.close()
    assert [item.part for item in items if isinstance(item, DeviceEvent)] == [str(n) for n in range(200)]
    assert door.answers == [200]
