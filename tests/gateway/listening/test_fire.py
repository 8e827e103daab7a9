"""Fire hosts, alarm panels and printers on real wires: from the simulators' encoders to the gateway's journal."""

import asyncio
from datetime import datetime, timedelta, timezone

import pytest

import gateway.listening.datagrams
import gateway.listening.peers
from drivers import registry
from drivers.gb26875.frames import parse
from drivers.lines import SerialSettings
from gateway.listening.limits import Limits
from gateway.site.lines import Device, ListeningLine
from gateway.site.listening import Ear, Socket, Source
from gateway.site.site_file import DeviceFile, LineFile
from messages.types import Edge
from simulators.gb26875 import FAULT, FIRE, NORMAL, Component, TransmissionDevice, component_states, operation
from simulators.gb26875_client import Course, Host, live
from simulators.printer import PrinterPort, gst
from simulators.sia_dc09 import Panel, say_tcp, say_udp
from tests.support.fire import shipped
from tests.support.toylisten import listening
from tests.support.waiting import until

AT = datetime(2026, 9, 21, 18, 27, 41, tzinfo=timezone(timedelta(hours=8)))
ADDRESS = "0140609623B2"
SOME = Component(1, text="一层走廊"), Component(2, text="二层走廊")


@pytest.fixture(autouse=True)
def fast(monkeypatch):
    monkeypatch.setattr(gateway.listening.peers, "TICK_S", 0.05)


def line(profile, options=None, *, place=None, **limits):
    made = shipped(profile)
    options = options or {}
    device = Device("p1", DeviceFile(id="p1", profile=profile), made, 1.0, {"routine": 10.0}, options, None)
    source = registry.get(made.protocol).source(made, options)
    place = place or Socket("127.0.0.1", 0, udp=True)
    ear = Ear(made.protocol, place, Limits(**limits), {"p1": Source(source, None)})
    return ListeningLine("fire", LineFile(id="fire"), ear, "127.0.0.1:0", (device,))


def host_line(**limits):
    return line("gb26875-transmission-device", {"address": ADDRESS}, **limits)


def host(heart, device=None):
    return Host(device or TransmissionDevice(ADDRESS), "127.0.0.1", heart.port, lambda: AT)


def edges(heart, code):
    return [(event.edge, event.part) for event in heart.recorder.edges if event.code == code]


async def test_a_fire_at_one_detector_does_not_end_with_that_of_another():
    async with listening(host_line()) as heart, host(heart) as fire:
        for some, state in ((SOME[:1], FIRE), (SOME, FIRE), (SOME[:1], NORMAL)):
            await fire.report(component_states([(each, state) for each in some], AT))
    first, second = "1/1/42/1", "1/1/42/2"
    assert edges(heart, "fire") == [
        (Edge.RAISED, first),
        (Edge.RAISED, second),
        (Edge.CLEARED, first),
    ]
    event = next(event for event in heart.recorder.edges if event.code == "fire")
    assert "一层走廊" in event.detail
    assert event.at == AT


async def test_a_reset_ends_every_fire_and_no_fault():
    async with listening(host_line()) as heart, host(heart) as fire:
        await fire.report(component_states([(SOME[0], FIRE), (SOME[1], FIRE | FAULT)], AT))
        await fire.report(operation(1, AT))
    fires = edges(heart, "fire")
    assert sorted(fires[:2]) == sorted((Edge.RAISED, f"1/1/42/{number}") for number in (1, 2))
    assert {edge for edge, _ in fires[2:]} == {Edge.CLEARED}
    assert (Edge.CLEARED, "1/1/42/2") not in edges(heart, "fault")


async def test_a_message_that_comes_again_is_kept_once():
    async with listening(host_line()) as heart, host(heart) as fire:
        raw = fire.device.report(component_states([(SOME[0], FIRE)], AT), AT)
        for _ in range(3):
            await fire.send(raw)
        await until(lambda: heart.count("repeated") == 2)
    assert edges(heart, "fire") == [(Edge.RAISED, "1/1/42/1")]


async def test_a_thousand_components_in_damaged_messages_all_arrive():
    course = Course(components=1000, fires=3, damage=0.3)
    async with listening(host_line(messages_per_s=10_000.0, bytes_per_s=1e9)) as heart, host(heart) as fire:
        await live(fire, course, lambda: AT)
        once = len(heart.recorder.edges)
        await live(fire, course, lambda: AT)
    assert len(heart.recorder.edges) - once < 20  # what is as it was is no news
    assert not fire.device.waiting
    assert fire.device.denied
    raised = {part for edge, part in edges(heart, "fire") if edge is Edge.RAISED}
    assert len(raised) == 3
    assert {part for edge, part in edges(heart, "fire") if edge is Edge.CLEARED} >= raised


async def test_who_is_not_known_is_denied_and_the_others_are_served():
    async with listening(host_line()) as heart:
        async with host(heart, TransmissionDevice("FFFFFFFFFFFF")) as stranger, host(heart) as fire:
            await stranger.send(stranger.device.report(component_states([(SOME[0], FIRE)], AT), AT))
            await stranger.until(lambda: bool(stranger.device.denied))
            await stranger.send(b"@@" * 500)
            await fire.report(component_states([(SOME[0], FIRE)], AT))
    assert len(edges(heart, "fire")) == 1


async def test_the_device_is_given_the_time():
    device = TransmissionDevice(ADDRESS)
    async with listening(host_line()) as heart, host(heart, device) as fire:
        await fire.report(component_states([(SOME[0], NORMAL)], AT))
        await fire.until(lambda: 90 in device.heard)


async def test_over_datagrams_the_clock_is_set_and_a_roll_call_that_nobody_answers_is_told(monkeypatch):
    monkeypatch.setattr(gateway.listening.datagrams, "TICK_S", 0.02)
    hand = [AT]
    place = Socket("127.0.0.1", 0, tcp=False, udp=True)
    options = {"address": ADDRESS, "roll_call_h": 1, "roll_call_min": 5}
    made = line("gb26875-transmission-device", options, place=place)
    device, came = TransmissionDevice(ADDRESS), asyncio.Queue()
    async with listening(made, clock=lambda: hand[0]) as heart:
        (panel,) = heart.listeners.lines[0].devices
        transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: Mailbox(came), remote_addr=("127.0.0.1", heart.port)
        )
        async with asyncio.timeout(15):
            transport.sendto(device.report(component_states([(SOME[0], NORMAL)], AT), AT))
            asked = []
            while b"\x5a" not in asked:
                asked.append(parse(await came.get()).adu[:1])
            hand[0] += timedelta(hours=1)
            while b"\x5b" not in asked:
                asked.append(parse(await came.get()).adu[:1])
        messages = panel.messages
        hand[0] += timedelta(minutes=6)
        await until(lambda: edges(heart, "roll_call_missed"))
        assert panel.messages == messages, "that is no word of the device"
        transport.close()


class Mailbox(asyncio.DatagramProtocol):
    """Keeps what comes."""

    def __init__(self, came) -> None:
        self.came = came

    def datagram_received(self, data, addr) -> None:
        self.came.put_nowait(data)


@pytest.mark.parametrize("say", [say_tcp, say_udp])
@pytest.mark.parametrize("key", [None, bytes(range(32))])
async def test_a_panel_is_answered_when_the_journal_has_its_event(say, key, tmp_path):
    options = {"address": "0123"}
    if key:
        (tmp_path / "key").write_text(key.hex())
        options["key_file"] = str(tmp_path / "key")
    panel = Panel("0123", key)
    async with listening(line("sia-dc09-panel", options)) as heart:
        for raw in (panel.sia("FA", "12", "1", AT), panel.null(AT), panel.sia("FR", "12", "1", AT)):
            answer = await say("127.0.0.1", heart.port, raw)
            assert answer is not None
            assert answer.token == "ACK"
    assert edges(heart, "fire") == [(Edge.RAISED, "1/12"), (Edge.CLEARED, "1/12")]


async def test_a_panel_of_another_account_gets_no_answer():
    async with listening(line("sia-dc09-panel", {"address": "0123"})) as heart:
        assert await say_udp("127.0.0.1", heart.port, Panel("123").sia("FA", "1"), 0.2) is None
        assert heart.count("unknown_source") == 1


async def test_a_printer_is_listened_to_and_never_written_to(tmp_path):
    port = tmp_path / "printer"
    with_port = line("gst-gst9000-printer", place=SerialSettings(str(port), 9600))
    async with PrinterPort(port) as paper, listening(with_port) as heart:
        record = gst("首次火警", (4, 4), ["一层", "感烟探测器"], AT)
        paper.put(record[:20])
        paper.put(record[20:])
        await until(lambda: bool(edges(heart, "fire")))
        paper.put(gst("系统复位", None, [], AT))
        await until(lambda: len(edges(heart, "fire")) > 1)
        assert paper.heard == b""
    assert edges(heart, "fire") == [(Edge.RAISED, "004/004"), (Edge.CLEARED, "004/004"), (Edge.CLEARED, "")]
