import itertools
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.errors import FrameDamaged, Misconfigured
from drivers.fire_printer.driver import PrinterDriver
from drivers.fire_printer.records import MAX_RECORD, RecordReader
from drivers.fire_printer.settings import Options
from drivers.listen_check import words
from drivers.profile import Point, Profile, Signal
from messages.types import Edge, Severity
from tests.support.fire import NOW, shipped
from tests.support.vectors import rows

FIRESENSE = shipped("firesense-afp2800-printer")
GST = shipped("gst-gst9000-printer")
EDWARDS = shipped("edwards-io1000-printer")
LINE = b":%s Z001 1.1.Z1 AZF 1 ON MODULE 1 12/08 01:23;\r\n"
FIRE = bytes.fromhex(GST.examples[0].reply)
RESET = bytes.fromhex(GST.examples[2].reply)


def session(profile=FIRESENSE, **options):
    return PrinterDriver().session({"printer": (profile, options)}, {})


def told(profile, raw):
    return [happening for heard in session(profile).feed(raw, NOW) for happening in heard.happenings]


@pytest.mark.parametrize(
    ("event", "code", "edge"),
    [
        (b"ALARM", "fire", Edge.RAISED),
        (b"ALARM SELF CLEARED", "fire", Edge.CLEARED),
        (b"ISOL ALARM", "disabled", Edge.RAISED),
        (b"DEISOL ALARM", "disabled", Edge.CLEARED),
        (b"RESET FAULT", "fault", Edge.CLEARED),
        (b"LOOP SHORT", "fault", Edge.RAISED),
        (b"ACKD FAULT", "acknowledged", Edge.PULSE),
        (b"GREETINGS", "unparsed", Edge.PULSE),
        (b"MCP ALARM", "fire", Edge.RAISED),
        (b"HEAT ALARM", "fire", Edge.RAISED),
        (b"FLAME ALARM", "fire", Edge.RAISED),
        (b"FLOW ALARM", "fire", Edge.RAISED),
        (b"ALARM (F01)", "fire", Edge.RAISED),
        (b"MCP ALARM(F1)", "fire", Edge.RAISED),
        (b"RESET MCP ALARM", "fire", Edge.CLEARED),
        (b"RESET ALARM (F01)", "fire", Edge.CLEARED),
        (b"HEAT ALARM SELF CLEARED", "fire", Edge.CLEARED),
        (b"PREALARM (F01)", "prealarm", Edge.RAISED),
        (b"PRE ALARM (F01)", "prealarm", Edge.RAISED),
        (b"RESET PREALARM (F01)", "prealarm", Edge.CLEARED),
        (b"ACKD MCP ALARM", "acknowledged", Edge.PULSE),
        (b"ACKD ALARM (F01)", "acknowledged", Edge.PULSE),
        (b"ISOL MCP ALARM", "disabled", Edge.RAISED),
        (b"DEISOL ALARM (F01)", "disabled", Edge.CLEARED),
        (b"MCP ALARM FAULT", "fault", Edge.RAISED),
        (b"ALARM RESET FAIL", "fault", Edge.RAISED),
        (b"MCP PREALARM", "unparsed", Edge.PULSE),
        (b"DISABLED MCP ALARM", "unparsed", Edge.PULSE),
        (b"ALARM (TEST)", "unparsed", Edge.PULSE),
        (b"TEST ALARM (F01)", "unparsed", Edge.PULSE),
        (b"ALARM SILENCED", "unparsed", Edge.PULSE),
    ],
)
def test_events_of_a_panel(event, code, edge):
    (happening,) = told(FIRESENSE, LINE % event)
    assert (happening.code, happening.edge) == (code, edge)
    assert event.decode() in happening.detail


def test_zone_and_point_are_the_part_and_the_label_leads():
    (fire,) = told(FIRESENSE, LINE % b"ALARM")
    assert fire.part == "001/1.1.Z1"
    assert fire.detail.startswith("AZF 1 ON MODULE 1")
    assert fire.evidence == (LINE % b"ALARM")[:-1]


@pytest.mark.parametrize(
    ("now", "printed", "year"),
    [
        (datetime(2026, 9, 21, tzinfo=UTC), b"20/09", 2026),
        (datetime(2027, 1, 1, 5, tzinfo=UTC), b"31/12", 2026),
        (datetime(2026, 12, 31, 5, tzinfo=UTC), b"02/01", 2027),
        (datetime(2028, 2, 1, tzinfo=UTC), b"29/02", 2028),
    ],
)
def test_a_date_without_a_year_is_the_nearest(now, printed, year):
    raw = (LINE % b"ALARM").replace(b"12/08", printed)
    ((heard,),) = (session().feed(raw, now),)
    assert heard.happenings[0].at is not None
    assert heard.happenings[0].at.year == year


def test_the_panels_time_is_of_its_zone():
    ((heard,),) = (session(timezone="Europe/London").feed(LINE % b"ALARM", NOW),)
    assert heard.happenings[0].at == datetime(2026, 8, 12, 0, 23, tzinfo=UTC)


def test_a_date_whose_order_nobody_knows_is_no_time():
    (fire,) = told(GST, FIRE)
    assert fire.at is None
    assert "08/12/02  17:24" in fire.detail


@pytest.mark.parametrize("printed", [b"31/02", b"00/00", b"99/99"])
def test_a_date_that_is_none_is_no_time(printed):
    (fire,) = told(FIRESENSE, (LINE % b"ALARM").replace(b"12/08", printed))
    assert (fire.code, fire.at) == ("fire", None)


@pytest.mark.parametrize(
    ("printed", "year"),
    [("2027", 2027), ("27", 2027), ("7", 2007), ("", 2026), *((text, None) for text in ("2O26", "²7", "--"))],
)
def test_a_year_that_is_none_is_no_time(printed, year):
    rule = r"(?P<event>\w++) (?P<day>\d\d)/(?P<month>\d\d)/(?P<year>\S*+) (?P<time>\S++)"
    panel = made([rule], unparsed=UNPARSED, fire={"is": ["ALARM"]})
    panel = msgspec.structs.replace(panel, options={**panel.options, "charset": "utf-8"})
    (fire,) = told(panel, f"ALARM 12/08/{printed} 01:23\n".encode())
    assert (fire.code, fire.at and fire.at.year) == ("fire", year)


def test_the_word_is_searched_not_counted_off():
    first, second = FIRE, bytes.fromhex(GST.examples[1].reply)
    found = told(GST, first + second)
    assert [(each.code, each.part) for each in found] == [("fire", "004/004"), ("fire", "006/007")]
    assert "裙楼一层上空" in found[0].detail


@pytest.mark.parametrize(
    ("printed", "wanted"),
    [
        ("首次火警", ["fire raised"]),
        ("火警", ["fire raised"]),
        ("火警消除", ["fire cleared"]),
        ("火警撤销", ["fire cleared"]),
        ("火警恢复", ["fire cleared"]),
        ("监管", ["supervisory raised"]),
        ("监管恢复", ["supervisory cleared"]),
    ],
)
def test_what_ends_in_words_of_the_standard_is_ended_and_not_raised(printed, wanted):
    assert words(told(GST, FIRE.replace("首次火警".encode("gb18030"), printed.encode("gb18030")))) == wanted


def test_a_reset_ends_all_that_it_ends_everywhere():
    found = told(GST, RESET)
    assert words(found)[:3] == ["panel_reset", "fire cleared", "fault cleared"]
    assert "disabled cleared" not in words(found)
    assert {each.part for each in found} == {""}


def test_a_report_raises_nothing_and_shows_that_the_panel_lives():
    report = bytes.fromhex(
        next(row["hex"] for row in rows("fire-printer") if row["expected"].get("event", "") is None)
    )
    (heard,) = session(EDWARDS).feed(report, NOW)
    assert (heard.source, heard.happenings, heard.label) == ("printer", (), "ignored")
    assert (heard.reply, heard.refuse) == (b"", b"")


def test_a_report_may_hold_anything_and_an_event_may_not_be_long():
    fence, alarm = b"-----------------\r\n", bytes.fromhex(EDWARDS.examples[0].reply)
    report = (
        fence
        + b"REPORT\r\n\r\n"
        + fence
        + b"1. "
        + alarm
        + b"P:01 NORMAL\r\n" * 90
        + fence
        + b"END\r\n"
        + fence
        + b"\r\n"
    )
    heard = session(EDWARDS).feed(report + alarm, NOW)
    assert [words(each.happenings) for each in heard] == [[], [], ["fire raised"]]
    long = (LINE % b"ALARM").replace(b"AZF", b"AZF " * 120)
    assert words(told(FIRESENSE, long)) == ["unparsed"]


def test_a_report_that_never_ends_swallows_nothing_after_a_pause():
    peer, alarm = session(EDWARDS), bytes.fromhex(EDWARDS.examples[0].reply)
    assert list(peer.feed(b"-----------------\r\nREPORT\r\n\r\n", NOW)) == []
    heard = peer.feed(alarm, NOW + timedelta(seconds=3))
    assert [words(each.happenings) for each in heard] == [["unparsed"], ["fire raised"]]


def test_what_waits_too_long_for_its_end_is_told():
    peer = session()
    assert list(peer.feed((LINE % b"ALARM").rstrip(), NOW)) == []
    assert list(peer.feed(b"", NOW + timedelta(seconds=1))) == []
    (heard,) = peer.feed(b"", NOW + timedelta(seconds=2))
    assert words(heard.happenings) == ["fire raised"]
    assert list(peer.feed(b"", NOW + timedelta(seconds=9))) == []
    assert list(peer.tick(NOW)) == []


def test_a_clock_that_is_set_back_holds_nothing_up():
    peer = session()
    assert list(peer.feed((LINE % b"ALARM").rstrip(), NOW)) == []
    (heard,) = peer.feed(b"", NOW - timedelta(hours=1))
    assert words(heard.happenings) == ["fire raised"]
    assert list(peer.feed(b"", NOW - timedelta(hours=2))) == []


def test_half_a_line_from_before_a_pause_is_no_part_of_the_next():
    peer = session()
    peer.feed(b":ALA", NOW)
    found = peer.feed(LINE % b"ALARM", NOW + timedelta(seconds=60))
    assert [words(heard.happenings) for heard in found] == [["unparsed"], ["fire raised"]]


@given(st.lists(st.integers(0, 400), max_size=8))
def test_records_come_out_the_same_however_they_are_cut(places):
    raw = FIRE + RESET + FIRE.replace(b"\n", b"\r\n")
    marks = sorted({0, len(raw), *(place % len(raw) for place in places)})
    peer = session(GST)
    found = [
        heard.happenings[0].code
        for first, last in itertools.pairwise(marks)
        for heard in peer.feed(raw[first:last], NOW)
    ]
    assert found == ["fire", "panel_reset", "fire"]


NO_ESCAPES = st.binary(max_size=400).map(
    lambda raw: raw.replace(b"\x1b", b"")
)  # what follows ESC is not seen


def seen(raw):
    return bytes(byte for byte in raw if 0x20 < byte < 0x7F)


@given(st.sampled_from([FIRESENSE, GST, EDWARDS]), st.lists(NO_ESCAPES, max_size=8))
def test_every_byte_that_can_be_seen_is_told(profile, portions):
    peer = session(profile)
    found = [heard for portion in portions for heard in peer.feed(portion, NOW)]
    found += peer.feed(b"", NOW + timedelta(seconds=9))
    assert seen(b"".join(heard.raw for heard in found)) == seen(b"".join(portions))
    assert all(len(heard.raw) <= MAX_RECORD for heard in found)
    assert all(heard.happenings or heard.label == "ignored" for heard in found)


def test_a_line_without_end_is_told_in_pieces_and_memory_is_bounded():
    reader = RecordReader(Options(rules=("x",)))
    found = reader.feed(b"A" * 2500)
    assert [len(record.text) for record in found] == [1000, 1000]
    assert len(reader._raw) == 500


def test_escape_codes_are_taken_out_with_what_follows_them():
    reader = RecordReader(Options(rules=("x",), escapes={"!": 1, "3": 2}))
    (record,) = reader.feed(b"\x1b!AF\x1b@I\x1b3BBR\x07E\n")
    assert record.text == "FIRE"


def test_a_line_has_one_panel():
    with pytest.raises(Misconfigured, match="has 2 devices"):
        PrinterDriver().session({"a": (GST, {}), "b": (GST, {})}, {})
    with pytest.raises(Misconfigured, match="no time zone"):
        session(timezone="Moon/Base")
    assert PrinterDriver().source(GST, {}) == "printer"
    assert PrinterDriver().source(GST, {"address": "lobby"}) == "lobby"


def made(rules=("(?P<event>.*)",), points=None, **signals):
    return Profile(
        profile="test-printer",
        vendor="Test",
        model="Printer",
        device_class="fire",
        protocol="fire-printer",
        points=points or {},
        signals={
            name: Signal(on=on, label="x", severity=Severity.LOW, alarm_class="fire")
            for name, on in signals.items()
        },
        options={"rules": list(rules)},
        examples=(),
        source=("test",),
    )


UNPARSED = {"unparsed": True}


@pytest.mark.parametrize(
    ("profile", "fault"),
    [
        (made(), "no line may be lost"),
        (made(a=UNPARSED, b=UNPARSED), "has 2"),
        (made(a=UNPARSED, b={}), "needs `is` or `has`"),
        (made(a=UNPARSED, b={"is": ["X"], "unparsed": True}), "has 2"),
        (made(a=UNPARSED, b={"is": ["X"], "once": True, "ends": ["Y"]}), "has no end"),
        (made(a=UNPARSED, b={"is": ["X"], "ends_all": ["fire"]}), "there is no signal 'fire'"),
        (made(a=UNPARSED, rules=["(a+)+"]), "repeats a group"),
        (made(a=UNPARSED, rules=[]), "rules"),
        (made(a=UNPARSED, points={"p": Point(label="p", at={})}), "has neither"),
    ],
)
def test_a_profile_that_cannot_be(profile, fault):
    with pytest.raises(Misconfigured, match=fault):
        PrinterDriver().check(profile)


def test_explain_finds_the_panel_that_reads_it_best():
    driver = PrinterDriver()
    assert driver.explain(FIRE).startswith("gst-gst9000-printer: fire raised at 004/004: ")
    assert "firesense-afp2800-printer: fire raised" in driver.explain(LINE % b"ALARM")
    with pytest.raises(FrameDamaged, match="no profile"):
        driver.explain(b"hello\n")
    with pytest.raises(FrameDamaged, match="nothing but blanks"):
        driver.explain(b" \n")
