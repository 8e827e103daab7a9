"""Our own senders of fire alarms, each against the driver that must understand it: two encoders that share no line."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.fire_printer.driver import PrinterDriver
from drivers.gb26875 import adu
from drivers.gb26875.driver import Gb26875Driver
from drivers.gb26875.frames import parse
from drivers.listen_check import words
from drivers.sia_dc09.driver import Dc09Driver
from simulators import gb26875, printer, sia_dc09
from simulators.gb26875 import Component, TransmissionDevice
from simulators.gb26875_client import detectors
from tests.support.fire import shipped

AT = datetime(2026, 9, 21, 18, 27, 41, tzinfo=timezone(timedelta(hours=8)))
ADDRESS = "0140609623B2"
HOST = shipped("gb26875-transmission-device")


def centre(**options):
    return Gb26875Driver().session({ADDRESS: (HOST, options)}, {"time_sync_h": 0})


@given(
    st.integers(0, 0xFFFF),
    st.integers(0, 0xFFFFFFFF),
    st.integers(0, 255),
    st.text(
        st.characters(codec="gb18030", exclude_characters="\0", exclude_categories=("C", "Z")), max_size=7
    ),
)
def test_what_a_host_says_of_a_component_is_what_the_driver_reads(state, number, kind, text):
    unit = gb26875.component_states([(Component(number, kind, text), state)], AT)
    (item,) = adu.parse(unit).objects
    assert (item.state, item.component_addr, item.component_type, item.text) == (state, number, kind, text)


def test_a_message_holds_twenty_two_components_and_no_more():
    some = detectors(23)
    full = gb26875.component_states([(each, gb26875.FIRE) for each in some[:22]], AT)
    assert len(full) <= 1024 < len(gb26875.component_states([(each, gb26875.FIRE) for each in some], AT))
    assert len(adu.parse(full).objects) == gb26875.MOST_OBJECTS


@pytest.mark.parametrize(
    ("unit", "told"),
    [
        (gb26875.system_state(gb26875.FIRE, AT), "system_fire raised"),
        (gb26875.device_state(0x40, AT), "device_panel_line raised"),
        (gb26875.operation(2, AT), "silenced"),
    ],
)
def test_what_else_it_says(unit, told):
    (heard,) = centre().feed(TransmissionDevice(ADDRESS).report(unit, AT), AT)
    assert [each for each in words(heard.happenings) if not each.endswith("cleared")] == [told]


def test_an_analog_value():
    unit = gb26875.analog(Component(5, 31), 3, -105, AT)
    (item,) = adu.parse(unit).objects
    assert str(adu.analog_value(item)) == "-10.5"


def test_it_sends_again_until_it_is_acknowledged_and_then_gives_up():
    device = TransmissionDevice(ADDRESS)
    raw = device.report(gb26875.system_state(1, AT), AT)
    later = [list(device.again(AT + timedelta(seconds=10 * step))) for step in range(1, 6)]
    assert later == [[raw], [raw], [raw], [], []]
    assert device.given_up == [1]
    second = device.report(gb26875.system_state(1, AT), AT)
    (heard,) = centre().feed(second, AT)
    assert device.feed(heard.reply[:9], AT) == []
    assert device.feed(heard.reply[9:], AT) == []
    assert device.acknowledged == [2]
    assert device.waiting == {}


def test_the_centre_sets_its_clock_asks_its_state_and_calls_the_roll():
    peer = centre(time_sync_h=24, roll_call_h=1, ask_state=True)
    device = TransmissionDevice(ADDRESS)
    wrong = AT - timedelta(days=3000)
    device.clock_offset = wrong - AT
    now = AT.astimezone(UTC)
    peer.feed(device.report(gb26875.system_state(1, wrong), AT), now)
    for step in (timedelta(0), timedelta(hours=1, seconds=1)):
        for asked in peer.tick(now + step):
            for answer in device.feed(asked, AT + step):
                heard = peer.feed(answer, now + step)
                told = [word for each in heard for word in words(each.happenings)]
    assert device.heard == [81, 90, 91]
    assert device.clock_offset == timedelta(0)
    assert told == ["roll_call_answered"]
    assert list(peer.feed(b"", now + timedelta(hours=2))) == []


def test_what_is_denied_is_noted_and_what_is_no_frame_is_not_taken():
    device = TransmissionDevice(ADDRESS)
    raw = device.report(gb26875.system_state(1, AT), AT)
    (heard,) = centre().feed(raw[:-3] + bytes((raw[-3] ^ 1,)) + raw[-2:], AT)
    device.feed(heard.reply, AT)
    assert (device.denied, device.acknowledged, list(device.waiting)) == ([1], [], [1])
    with pytest.raises(ValueError, match="no frame"):
        device.feed(raw[:-1] + b"x", AT)
    assert parse(raw).version == (1, 1)


PANEL = shipped("sia-dc09-panel")


@pytest.mark.parametrize("key", [None, bytes(16), bytes(24), bytes(range(32))])
@pytest.mark.parametrize(
    "form", [{}, {"receiver": "A1", "line": "7"}, {"hash_in_data": False}, {"binary_crc": True}]
)
def test_a_panel_is_understood_and_understands(key, form, tmp_path):
    options = {}
    if key is not None:
        (tmp_path / "key").write_text(key.hex())
        options = {"key_file": str(tmp_path / "key")}
    receiver = Dc09Driver().session({"0123": (PANEL, options)}, {})
    panel = sia_dc09.Panel("0123", key, **form)
    said = {
        "fire raised": panel.sia("FA", "12", "1", AT, "[Vhttp://x/1]"),
        "burglary cleared": panel.contact_id(3, "130", "01", "015", AT),
        "": panel.null(AT),
    }
    for told, raw in said.items():
        (heard,) = receiver.feed(raw, AT.astimezone(UTC))
        assert words(heard.happenings) == ([told] if told else [])
        assert all(happening.at == AT for happening in heard.happenings)
        answer = sia_dc09.answer_in(heard.reply)
        assert answer is not None
        assert answer.token == "ACK"
        assert sia_dc09.answer_in(heard.reply[:-1]) is None


def test_an_answer_that_is_not_sound_is_refused():
    with pytest.raises(ValueError, match="wrong CRC or length"):
        sia_dc09.answer_in(b'\n00000015"ACK"0001L0#1[]\r')


@pytest.mark.parametrize(
    ("story", "profile", "told"),
    [
        (
            "firesense",
            "firesense-afp2800-printer",
            ["fault raised", "fire raised", "acknowledged", "fire cleared", "fault cleared"],
        ),
        ("gst", "gst-gst9000-printer", ["fire raised", "fire raised", "panel_reset"]),
        ("edwards", "edwards-io1000-printer", ["fault raised", "fire raised", "fire cleared"]),
    ],
)
def test_what_panels_print_is_read(story, profile, told):
    peer = PrinterDriver().session({"printer": (shipped(profile), {})}, {})
    heard = peer.feed(b"".join(printer.STORIES[story](AT)), AT.astimezone(UTC))
    assert [words(each.happenings)[0] for each in heard if each.happenings] == told
