from datetime import UTC, datetime, timedelta

import pytest

from drivers.errors import FrameDamaged, Misconfigured
from drivers.gb26875.driver import Gb26875Driver
from drivers.gb26875.frames import Frame, FrameReader, encode, parse, time_label
from drivers.listen_check import words
from drivers.profile import Point, Profile, Signal
from messages.types import Edge, Quality, Severity
from tests.support.fire import NOW, shipped

SOURCE, CENTRE = "0140609623B2", "000000000001"
PROFILE = shipped("gb26875-transmission-device")
GOLDEN = bytes.fromhex(PROFILE.examples[0].reply)
AT = bytes.fromhex("04000902071A")


def session(profile=PROFILE, source=SOURCE, **options):
    return Gb26875Driver().session({source: (profile, options)}, {"time_sync_h": 0})


def frame(unit, command=2, serial=7, source=SOURCE):
    return encode(Frame(serial, (1, 2), AT, source, CENTRE, command, bytes.fromhex(unit)))


def component(state, address=65537, kind=42, text="三层走廊", at=AT):
    raw = text.encode("gb18030")[:31].ljust(31, b"\0")
    return (
        b"\x01\x01" + bytes((kind,)) + address.to_bytes(4, "little") + state.to_bytes(2, "little") + raw + at
    ).hex()


def signal(**on):
    return Signal(on=on, label="x", severity=Severity.LOW, alarm_class="fire")


def made(signals=None, points=None):
    return Profile(
        profile="test-host",
        vendor="Test",
        model="Host",
        device_class="fire",
        protocol="gb26875",
        points=points or {},
        signals=signals or {},
        examples=(),
        source=("test",),
    )


def test_the_captured_frame_is_a_fire_with_the_panels_own_time():
    (heard,) = session(source="0000322C312C").feed(GOLDEN, NOW)
    fire = heard.happenings[0]
    assert (fire.code, fire.edge, fire.part) == ("fire", Edge.RAISED, "1/1/42/65537")
    assert fire.at == datetime(2012, 5, 31, 19, 17, 37, tzinfo=UTC)
    assert "1号接口板1回路1号" in fire.detail
    assert "点型光电感烟火灾探测器" in fire.detail
    assert fire.evidence == GOLDEN == heard.raw
    assert heard.number == "20"


def test_a_state_word_replaces_the_one_before_it():
    peer = session()
    (first,) = peer.feed(frame("0201" + component(0x0002)), NOW)
    (second,) = peer.feed(frame("0201" + component(0x0005), serial=8), NOW)
    assert words(first.happenings)[:2] == ["fire raised", "fault cleared"]
    assert words(second.happenings)[:2] == ["fire cleared", "fault raised"]
    assert {happening.part for happening in (*first.happenings, *second.happenings)} == {"1/1/42/65537"}


def test_two_components_in_one_message_are_two_parts():
    unit = "0202" + component(2, 1) + component(2, 2, text="四层走廊")
    (heard,) = session().feed(frame(unit), NOW)
    fires = [happening for happening in heard.happenings if happening.edge is Edge.RAISED]
    assert [fire.part for fire in fires] == ["1/1/42/1", "1/1/42/2"]
    assert ["三层" in fire.detail for fire in fires] == [True, False]


def test_a_message_that_comes_again_says_the_same_again():
    """The gateway knows it by number and bytes; if it could not keep the first, this one counts."""
    peer = session()
    raw = frame("0201" + component(2))
    (one,), (two,) = peer.feed(raw, NOW), peer.feed(raw, NOW + timedelta(seconds=10))
    assert (one.number, one.raw, one.happenings) == (two.number, two.raw, two.happenings)


def test_without_a_time_the_same_again_may_be_another():
    """A device that starts anew counts from one: its next fire must not be taken for its last."""
    raw = encode(Frame(1, (1, 2), bytes(6), SOURCE, CENTRE, 2, bytes.fromhex("0201" + component(2))))
    assert session().feed(raw, NOW)[0].number == ""


def test_the_acknowledgement_has_the_serial_the_other_way_round_and_our_time():
    (heard,) = session().feed(frame("1901" + "0304"), NOW)
    ack = parse(heard.reply)
    assert (ack.serial, ack.version, ack.command, ack.adu) == (7, (1, 2), 3, b"")
    assert (ack.source, ack.dest) == (CENTRE, SOURCE)
    assert ack.time == time_label(datetime(2026, 9, 21, 18, 27, 41))
    assert parse(heard.refuse).command == 6


def test_a_wrong_sum_is_denied_and_says_nothing():
    raw = bytearray(frame("0201" + component(2)))
    raw[-3] ^= 1
    (heard,) = session().feed(bytes(raw), NOW)
    assert (heard.source, heard.happenings) == ("", ())
    assert parse(heard.reply).command == 6
    assert "checksum" in heard.label
    assert heard.wrong


def test_who_is_not_known_is_named_and_says_nothing():
    (heard,) = session().feed(frame("0201" + component(2), source="FFFFFFFFFFFF"), NOW)
    assert (heard.source, heard.happenings) == ("FFFFFFFFFFFF", ())
    assert parse(heard.refuse).command == 6


@pytest.mark.parametrize(
    ("unit", "told"),
    [
        ("0101010104020400 09020715", ["system_fault raised", "backup_power_fault raised"]),
        ("15010804000902071A", ["device_main_power raised"]),
        ("1801200A04000902071A", ["roll_call_answered"]),
        ("18010505" + "04000902071A", ["device_manual_alarm", "device_reset"]),
        ("040101020205" + "04000902071A", ["silenced"]),
        ("1501010203", ["unreadable"]),
        ("F0010203", []),
        ("", []),
    ],
)
def test_states_and_operations(unit, told):
    (heard,) = session().feed(frame(unit), NOW)
    assert [each for each in words(heard.happenings) if not each.endswith("cleared")] == told


def test_a_reset_ends_what_it_ends_in_its_system_and_below():
    (heard,) = session().feed(frame("04010102 0105" + "04000902071A"), NOW)
    assert words(heard.happenings)[:2] == ["reset", "fire cleared"]
    assert {happening.part for happening in heard.happenings} == {"1/2"}
    (state,) = session().feed(frame("01010102" + "0020" + "04000902071A"), NOW)
    told = {(happening.code, happening.edge, happening.part) for happening in state.happenings}
    assert ("system_reset", Edge.PULSE, "1/2") in told
    assert ("started", Edge.CLEARED, "1/2") in told


def test_what_does_not_fit_is_acknowledged_and_told_with_its_bytes():
    raw = frame("0201" + component(2) + "00")
    (heard,) = session().feed(raw, NOW)
    assert words(heard.happenings) == ["unreadable"]
    assert heard.happenings[0].evidence == raw
    assert parse(heard.reply).command == 3


def test_a_panel_clock_that_is_none_leaves_no_time():
    (heard,) = session().feed(frame("0201" + component(2, at=bytes(6))), NOW)
    assert heard.happenings[0].at is None


def test_bcd_time_is_an_option():
    (heard,) = session(time="bcd").feed(frame("0201" + component(2, at=bytes.fromhex("595923311225"))), NOW)
    assert heard.happenings[0].at == datetime(2025, 12, 31, 15, 59, 59, tzinfo=UTC)


def test_a_maker_that_leaves_times_out_is_an_option():
    short = "15010B"
    assert words(session().feed(frame(short), NOW)[0].happenings) == ["unreadable"]
    (heard,) = session(no_time=[21]).feed(frame(short), NOW)
    told = [each for each in words(heard.happenings) if each.endswith("raised")]
    assert told == ["device_fire raised", "device_main_power raised"]
    assert heard.happenings[0].at is None
    (text,) = session(no_time=[7]).feed(frame("070101012801020304" + "00" * 31), NOW)
    assert text.happenings == ()


def test_only_components_of_a_type():
    profile = made(
        {"button": signal(component="fire", component_types=[23]), "fire": signal(component="fire")}
    )
    (button,) = session(profile).feed(frame("0201" + component(2, kind=23)), NOW)
    (other,) = session(profile).feed(frame("0201" + component(2, kind=42)), NOW)
    assert words(button.happenings) == ["button raised", "fire raised"]
    assert words(other.happenings) == ["fire raised"]


def test_analog_values_are_readings_of_the_points_that_name_them():
    at = {"analog": 3, "component": 5, "component_type": 31, "system": 1}
    unknown = {**at, "analog": 200}
    profile = made(points={"heat": Point(label="Heat", at=at), "strange": Point(label="?", at=unknown)})
    units = "".join(f"0101 1F 05000000 {kind} 9CFF 04000902071A" for kind in ("03", "C8", "08"))
    (heard,) = session(profile).feed(frame("0303" + units), NOW)
    assert heard.readings["heat"].value is not None
    assert str(heard.readings["heat"].value) == "-10.0"
    assert (heard.readings["strange"].value, heard.readings["strange"].quality) == (None, Quality.CONFIG)
    assert set(heard.readings) == {"heat", "strange"}


@pytest.mark.parametrize(("command", "answer"), [(1, 6), (4, 6), (7, 3), (3, None), (5, None), (6, None)])
def test_other_commands(command, answer):
    (heard,) = session().feed(frame("510100", command), NOW)
    assert (parse(heard.reply).command if heard.reply else None) == answer


def sent(raws):
    return [(each.command, each.adu[:1].hex()) for raw in raws for each in FrameReader().feed(raw)]


def test_nothing_is_said_to_who_has_not_spoken():
    assert list(session(time_sync_h=24, roll_call_h=1, ask_state=True).tick(NOW)) == []


def test_the_clock_is_set_when_a_device_is_heard_and_daily_and_sent_again_until_it_answers():
    peer = session(time_sync_h=24)
    peer.feed(frame("19010304"), NOW)
    (raw,) = peer.tick(NOW)
    clock = parse(raw)
    assert (clock.command, clock.source, clock.dest) == (1, CENTRE, SOURCE)
    assert clock.adu == b"\x5a\x01" + time_label(datetime(2026, 9, 21, 18, 27, 41))
    assert list(peer.tick(NOW + timedelta(seconds=9))) == []
    (again,) = peer.tick(NOW + timedelta(seconds=10))
    assert parse(again).serial == clock.serial
    assert parse(again).adu == b"\x5a\x01" + time_label(datetime(2026, 9, 21, 18, 27, 51)), (
        "the time is not the old one"
    )
    peer.feed(frame("", 3, serial=clock.serial), NOW)
    assert list(peer.tick(NOW + timedelta(seconds=40))) == []
    assert sent(peer.tick(NOW + timedelta(hours=24))) == [(1, "5a")]


def test_who_never_answers_is_asked_four_times():
    peer = session(ask_state=True)
    peer.feed(frame("19010304"), NOW)
    tries = [sent(peer.tick(NOW + timedelta(seconds=10 * step))) for step in range(8)]
    assert tries == [[(4, "51")]] * 4 + [[]] * 4


def test_a_roll_call_that_is_answered():
    peer = session(roll_call_h=1, roll_call_min=5)
    peer.feed(frame("19010304"), NOW)
    assert list(peer.tick(NOW)) == []
    called = NOW + timedelta(hours=1)
    (raw,) = peer.tick(called)
    assert parse(raw).adu == b"\x5b\x01\x05"
    peer.feed(frame("1801200A04000902071A"), called + timedelta(minutes=4))
    assert list(peer.feed(b"", called + timedelta(minutes=6))) == []


def test_a_roll_call_that_nobody_answers_is_told_once():
    peer = session(roll_call_h=1, roll_call_min=5)
    peer.feed(frame("19010304"), NOW)
    peer.tick(NOW)
    called = NOW + timedelta(hours=1)
    peer.tick(called)
    late = called + timedelta(minutes=5, seconds=1)
    (heard,) = peer.feed(b"", late)
    assert (heard.source, words(heard.happenings)) == (SOURCE, ["roll_call_missed"])
    assert list(peer.feed(b"", late)) == []


def test_a_clock_that_is_set_far_back_holds_up_no_question():
    peer = session(ask_state=True)
    peer.feed(frame("19010304"), NOW)
    assert sent(peer.tick(NOW)) == [(4, "51")]
    assert sent(peer.tick(NOW - timedelta(days=900))) == [(4, "51")]


@pytest.mark.parametrize(
    ("signals", "fault"),
    [
        ({"x": signal()}, "needs exactly one of"),
        ({"x": signal(component="fire", system="fire")}, "it has component, system"),
        ({"x": signal(component="reset")}, "is none of normal, fire"),
        ({"x": signal(system="fire", component_types=[1])}, "goes with component"),
        ({"x": signal(system="fire", ends_all=["y"])}, "there is no signal 'y'"),
        ({"x": signal(colour="red")}, "colour"),
        ({"x": signal(message="lost")}, "message"),
    ],
)
def test_a_signal_that_cannot_be(signals, fault):
    with pytest.raises(Misconfigured, match=fault):
        Gb26875Driver().check(made(signals))


def test_points_and_options_that_cannot_be():
    at = {"analog": 3, "component": 5, "component_type": 31, "system": 1}
    twice = {"one": Point(label="1", at=at), "two": Point(label="2", at=at)}
    with pytest.raises(Misconfigured, match="is where one is already"):
        Gb26875Driver().check(made(points=twice))
    with pytest.raises(Misconfigured, match="no time zone"):
        session(timezone="Moon/Base")
    with pytest.raises(Misconfigured, match=r"options\.address: is missing"):
        Gb26875Driver().source(PROFILE, {})
    with pytest.raises(Misconfigured, match="twelve hex digits"):
        Gb26875Driver().source(PROFILE, {"address": "12"})
    assert Gb26875Driver().source(PROFILE, {"address": "0140609623b2"}) == SOURCE


def test_explain_names_everything():
    text = Gb26875Driver().explain(GOLDEN)
    for part in (
        "serial 20",
        "source 0000322C312C",
        "火灾报警系统",
        "65537",
        "0002 fire",
        "2012-06-01 03:17:37",
    ):
        assert part in text
    analog = Gb26875Driver().explain(frame("030101022801020304032003040009020715"))
    assert "temperature 80.0 degC" in analog
    assert "do not fit" in Gb26875Driver().explain(frame("150101"))
    assert "main_power_fault" in Gb26875Driver().explain(bytes.fromhex("150108040009020715"))
    with pytest.raises(FrameDamaged, match="no frame"):
        Gb26875Driver().explain(bytes.fromhex("1501"))
    assert "answer within 5 min" in Gb26875Driver().explain(frame("5B0105", 1))
