"""Real protocols under TLS: from the simulators' encoders to what the journal is told."""

import asyncio
from datetime import UTC, datetime

import pytest

import gateway.listening.peers
from drivers import registry
from drivers.listen_check import hear, sent
from gateway.listening.limits import Limits
from gateway.site.lines import Device, ListeningLine
from gateway.site.listening import Ear, Socket, Source, TlsFiles
from gateway.site.site_file import DeviceFile, LineFile
from simulators.http_push import Pusher, happen
from simulators.sia_dc09 import Panel, answer_in, written
from tests.support.certificates import made, trusting
from tests.support.fire import shipped
from tests.support.gateway import START
from tests.support.toylisten import listening

KEY = "not-a-secret-1"
AUTHORITY = made("site")
CAMERA, TERMINAL = "02:00:00:00:00:41", "02:00:00:00:00:05"


@pytest.fixture(autouse=True)
def fast(monkeypatch):
    monkeypatch.setattr(gateway.listening.peers, "TICK_S", 0.05)
    monkeypatch.setenv("PUSH_KEY", KEY)


@pytest.fixture
def place(tmp_path):
    cert, key = made("gw", AUTHORITY, begins=datetime(2020, 1, 1, tzinfo=UTC), days=40 * 365).write(
        tmp_path, "gw"
    )
    return Socket("127.0.0.1", 0, tls=TlsFiles(cert, key))


def line(place, *devices):
    """A listening line of (name, profile, options)."""
    made = [
        Device(
            f"d{number}",
            DeviceFile(id=f"d{number}", profile=profile),
            shipped(profile),
            1.0,
            {},
            options,
            None,
        )
        for number, (profile, options) in enumerate(devices)
    ]
    protocol = made[0].profile.protocol
    sources = {
        each.id: Source(registry.get(protocol).source(each.profile, each.options), None) for each in made
    }
    ear = Ear(protocol, place, Limits(), sources)
    return ListeningLine("fire", LineFile(id="fire"), ear, "127.0.0.1:0", tuple(made))


async def test_cameras_and_terminals_push_xml_under_tls(place):
    keyed = {"key_env": "PUSH_KEY"}
    both = line(
        place,
        ("hikvision-anpr-push", {"address": CAMERA, **keyed}),
        ("hikvision-access-push", {"address": TERMINAL, **keyed, "credential": "clear"}),
    )
    async with listening(both) as heart:
        for name, shape, events in (
            (CAMERA, "camera", ("in@1:AB123", "unknown@2", "covered", "uncovered")),
            (TERMINAL, "terminal", ("granted@1:12345678", "held@2", "closed@2")),
        ):
            device = Pusher(name, lambda: START, shape, KEY, tls=trusting(AUTHORITY))
            for event in events:
                happen(device, event)
            assert await device.deliver("127.0.0.1", heart.port)
            assert device.answers == [200] * len(events)
    told = [(event.device, event.code, event.edge.value, event.part) for event in heart.recorder.edges]
    assert told == [
        ("d0", "vehicle_in", "pulse", "1/1"),
        ("d0", "unknown_vehicle", "pulse", "1/2"),
        ("d0", "tamper", "raised", "1"),
        ("d0", "tamper", "cleared", "1"),
        ("d1", "granted", "pulse", "1"),
        ("d1", "held", "raised", "2"),
        ("d1", "door", "pulse", "2"),
        ("d1", "forced", "cleared", "2"),
        ("d1", "held", "cleared", "2"),
    ]
    details = [event.detail for event in heart.recorder.edges]
    assert "plate AB123, confidence 97" in details[0]
    assert "card 12345678, reader 1" in details[4]
    assert {event.at for event in heart.recorder.edges} == {START}


async def test_what_a_camera_could_not_be_rid_of_comes_later_and_once(place):
    one = line(place, ("hikvision-anpr-push", {"address": CAMERA, "key_env": "PUSH_KEY"}))
    device = Pusher(CAMERA, lambda: START, "camera", KEY, tls=trusting(AUTHORITY))
    for lane in (1, 2):
        happen(device, f"in@{lane}:AB{lane}")
    async with listening(one) as heart:
        heart.recorder.takes = False
        assert not await device.deliver("127.0.0.1", heart.port)
        heart.recorder.takes = True
        twice = device.waiting[0]
        assert await device.deliver("127.0.0.1", heart.port)
        device.waiting.append(twice)
        assert await device.deliver("127.0.0.1", heart.port)
    assert device.answers == [503, 200, 200, 200]
    assert [event.part for event in heart.recorder.edges] == ["1/1", "1/2"]


async def exchanged(port, raw, whole):
    """Send bytes under TLS; return the answer once it is whole."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trusting(AUTHORITY))
    writer.write(raw)
    data = b""
    while not whole(data):
        more = await reader.read(1024)
        assert more, "the connection has ended"
        data += more
    writer.close()
    return data


async def test_an_alarm_panel_reports_under_tls(place):
    async with listening(line(place, ("sia-dc09-panel", {"address": "1234", "plain": True}))) as heart:
        raw = written(Panel("1234", None), "FA:12", START)
        answer = answer_in(await exchanged(heart.port, raw, answer_in))
    assert answer.token == "ACK"
    assert [event.code for event in heart.recorder.edges] == ["fire"]


async def test_a_fire_host_reports_under_tls(place):
    name = "gb26875-transmission-device"
    driver, raw = registry.get("gb26875"), sent(shipped(name).examples[0].reply)
    address = next(it.source for it in hear(raw, shipped(name), lambda devices: driver.session(devices, {})))
    async with listening(line(place, (name, {"address": address}))) as heart:
        answer = await exchanged(heart.port, raw, lambda data: data.endswith(b"##"))
    assert answer.startswith(b"@@")
    assert heart.recorder.edges
