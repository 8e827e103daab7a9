"""Reports of a panel: what they list is no event, and what is printed in their midst is not lost."""

import itertools
from datetime import timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.fire_printer.driver import REPORT_S, PrinterDriver
from drivers.fire_printer.records import MAX_RECORD, MAX_REPORT
from drivers.listen_check import words
from tests.support.fire import NOW, shipped

IO1000, EST3X = shipped("edwards-io1000-printer"), shipped("edwards-est3x-printer")
FENCE = b"-----------------\r\n"
HEADING = FENCE + b"STATUS REPORT\r\n10:30:00 11/03/2025\r\n"
ALARMS = {
    "edwards-io1000-printer": b"ALARM ACTIVE | 10:22:31 11/03/2025 P: 01 D:014\r\nLOBBY SMOKE\r\n\r\n",
    "edwards-est3x-printer": b"ALARM :: 10:22:31 11/03/2025 P:01 C:01 D:0014\r\nSMOKE LEVEL 3\r\n\r\n",
}
REPORTS = {
    "edwards-io1000-printer": HEADING
    + FENCE
    + b"ALARM HISTORY: 1\r\n1. ALARM ACTIVE | 10:22:31 11/03/2025 P:01\r\n\r\n"
    + FENCE
    + b"END\r\n"
    + FENCE
    + b"\r\n",
    "edwards-est3x-printer": HEADING
    + b"\r\n"
    + FENCE
    + b"PANEL 01 NORMAL\r\nALARM 10:22:31 11/03/2025\r\n\r\n** END OF REPORT **\r\n\r\n",
}
BOTH = pytest.mark.parametrize("profile", [IO1000, EST3X], ids=lambda it: it.profile)


def session(profile):
    return PrinterDriver().session({"printer": (profile, {})}, {})


def after(seconds):
    return NOW + timedelta(seconds=seconds)


def told(found):
    """What was heard, message by message; `ignored` for what was told to nobody."""
    return [" ".join(words(heard.happenings)) or heard.label for heard in found]


def test_fires_in_a_report_that_has_lost_fences_are_all_told_at_once():
    peer, alarm = session(IO1000), ALARMS["edwards-io1000-printer"]
    assert told(peer.feed(HEADING + FENCE + b"ALARM HISTORY: 1\r\n", NOW)) == []
    assert told(peer.feed(alarm, after(0.5))) == ["unparsed", "fire raised"]
    assert told(peer.feed(alarm, after(1.5))) == ["fire raised"]
    assert told(peer.feed(alarm, after(2.5))) == ["fire raised"]
    assert told(peer.feed(b"", after(4.5))) == []


def test_fires_behind_one_fence_alone_are_all_told():
    peer, alarm = session(EST3X), ALARMS["edwards-est3x-printer"]
    assert told(peer.feed(FENCE, NOW)) == []
    assert told(peer.feed(alarm, after(0.7))) == ["unparsed", "fire raised"]
    assert told(peer.feed(alarm, after(1.4))) == ["fire raised"]


@BOTH
def test_a_whole_report_is_ignored_though_it_lists_alarms_in_another_form(profile):
    found = session(profile).feed(REPORTS[profile.profile], NOW)
    assert told(found) == ["ignored"]


@BOTH
def test_a_fire_before_a_report_without_an_empty_line_is_told(profile):
    alarm = ALARMS[profile.profile].replace(b"\r\n\r\n", b"\r\n")
    assert told(session(profile).feed(alarm + REPORTS[profile.profile], NOW)) == ["fire raised", "ignored"]
    found = session(profile).feed(b"GREETINGS\r\n" + REPORTS[profile.profile], NOW)
    assert told(found) == ["unparsed", "ignored"]


@BOTH
def test_a_fire_whose_empty_line_is_lost_is_not_spoiled_by_what_follows(profile):
    alarm = ALARMS[profile.profile].replace(b"\r\n\r\n", b"\r\n")
    found = told(session(profile).feed(FENCE + alarm + b"P:01 NORMAL\r\n" * 90 + alarm + b"\r\n", NOW))
    assert found == ["unparsed", "fire raised", "unparsed", "fire raised"]


def test_a_fire_with_stars_in_its_place_is_no_end_of_a_report():
    alarm = ALARMS["edwards-est3x-printer"].replace(b"LEVEL", b"** LEVEL")
    assert told(session(EST3X).feed(alarm, NOW)) == ["fire raised"]
    found = session(EST3X).feed(alarm[:-2] + b"** END OF REPORT **\r\n\r\n" * 2, NOW)
    assert told(found) == ["fire raised", "ignored"]


@BOTH
def test_an_end_of_an_alarm_in_a_report_is_told(profile):
    restored = ALARMS[profile.profile].replace(b"ALARM ACTIVE", b"ALARM").replace(b"ALARM", b"ALARM RESTORED")
    assert told(session(profile).feed(FENCE + restored, NOW)) == ["unparsed", "fire cleared"]


@BOTH
def test_a_report_that_ends_by_silence_is_told(profile):
    peer = session(profile)
    assert told(peer.feed(HEADING + b"\r\nWEIRD FIRE\r\n\r\n", NOW)) == []
    (heard,) = peer.feed(b"", after(2))
    assert told([heard]) == ["unparsed"]
    assert "WEIRD FIRE" in heard.happenings[0].detail


@BOTH
def test_a_report_whose_last_empty_line_is_lost_is_one_all_the_same(profile):
    peer = session(profile)
    assert told(peer.feed(REPORTS[profile.profile][:-2], NOW)) == []
    assert told(peer.feed(b"", after(2))) == ["ignored"]


def test_a_report_that_is_too_long_is_told_and_memory_is_bounded():
    peer = session(IO1000)
    found = told(peer.feed(FENCE + b"P:01 NORMAL\r\n" * (MAX_REPORT // 13), NOW))
    assert len(found) >= MAX_REPORT // MAX_RECORD
    assert set(found) == {"unparsed"}


def test_a_report_that_nothing_interrupts_ends_in_time():
    peer = session(IO1000)
    feeds = [b"", FENCE, *[b"WEIRD FIRE\r\n"] * REPORT_S]
    found = [each for second, data in enumerate(feeds) for each in peer.feed(data, after(second))]
    assert set(told(found)) == {"unparsed"}


def test_a_record_of_several_lines_is_found_in_a_report_too():
    gst = shipped("gst-gst9000-printer")
    options = {**gst.options, "report": {"fence": "=====", "fences": 2}}
    peer = session(msgspec.structs.replace(gst, options=options))
    raw = b"=====\nREPORT\n\n" + bytes.fromhex(gst.examples[0].reply)
    (torn, fire) = peer.feed(raw, NOW)
    assert told([torn, fire]) == ["unparsed", "fire raised"]
    assert fire.happenings[0].part == "004/004"
    assert fire.raw.endswith(bytes.fromhex(gst.examples[0].reply)[1:])


def test_where_a_record_is_a_line_a_fire_in_a_report_is_found_too():
    options = {**IO1000.options, "record": "line"}
    peer = session(msgspec.structs.replace(IO1000, options=options))
    alarm = ALARMS["edwards-io1000-printer"].split(b"\r\n")[0] + b"\r\n"
    report = REPORTS["edwards-io1000-printer"].replace(b"\r\n\r\n", b"\r\n")
    assert told(peer.feed(report, NOW)) == ["ignored"]
    assert told(peer.feed(HEADING + alarm + alarm, NOW)) == ["unparsed", "fire raised", "fire raised"]


@given(
    st.sampled_from([IO1000, EST3X]),
    st.sets(st.integers(0, 12)),
    st.lists(st.integers(0, 14), min_size=1, max_size=4),
    st.lists(st.integers(0, 2000), max_size=6),
    st.sampled_from([0.0, 0.3, 1.9]),
    st.sampled_from([1, 3, 12]),
)
def test_no_fire_is_lost_and_none_is_made_at_any_moment_of_any_report(
    profile, lost, moments, places, pause, longer
):
    """Reports of any length with any lines lost, alarms printed between any two lines, in any portions."""
    lines = REPORTS[profile.profile].splitlines(keepends=True) * 2
    lines = [line * longer if line.startswith(b"P") else line for line in lines]
    printed = [line for number, line in enumerate(lines) if number not in lost]
    for moment in moments:
        printed.insert(moment, ALARMS[profile.profile])
    raw = b"".join(printed)
    marks = sorted({0, len(raw), *(place % len(raw) for place in places)})
    peer = session(profile)
    found = [
        heard
        for turn, (first, last) in enumerate(itertools.pairwise(marks))
        for heard in peer.feed(raw[first:last], after(turn * pause))
    ]
    found += peer.feed(b"", after(999))
    assert told(found).count("fire raised") == len(moments)
    assert b"".join(heard.raw for heard in found).split() == raw.split()
    assert all(len(heard.raw) <= MAX_RECORD for heard in found)
