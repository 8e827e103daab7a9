"""What is due to a fire host goes by the device: on ever new connections, or from another port with every datagram."""

from datetime import datetime, timedelta

from drivers.gb26875.driver import Gb26875Driver
from drivers.gb26875.frames import Frame, FrameReader, encode, parse, time_label
from drivers.listen_check import words
from tests.support.fire import NOW, shipped

SOURCE, CENTRE = "0140609623B2", "000000000001"
PROFILE = shipped("gb26875-transmission-device")
AT = bytes.fromhex("04000902071A")


def frame(unit, command=2, serial=7, source=SOURCE):
    return encode(Frame(serial, (1, 2), AT, source, CENTRE, command, bytes.fromhex(unit)))


def sent(raws):
    return [(each.command, each.adu[:1].hex()) for raw in raws for each in FrameReader().feed(raw)]


class Connections:
    """A driver whose device may come on ever new connections."""

    def __init__(self, **options):
        self.driver, self.own = Gb26875Driver(), options

    def new(self, now, source=SOURCE):
        peer = self.driver.session({source: (PROFILE, self.own)}, {"time_sync_h": 0})
        self.told = [heard for heard in peer.feed(frame("19010304", source=source), now) if not heard.raw]
        return peer


def test_who_connects_more_often_than_it_is_called_is_called_all_the_same():
    course, calls = Connections(roll_call_h=2), []
    for minutes in range(0, 6 * 60, 20):
        now = NOW + timedelta(minutes=minutes)
        peer = course.new(now)
        calls += [(minutes, *each) for each in sent(peer.tick(now))]
        peer.feed(frame("1801200A04000902071A"), now)
    assert calls == [(120, 1, "5b"), (240, 1, "5b")]


def test_an_answer_that_did_not_come_is_told_on_the_next_connection_as_no_word_of_the_device():
    course = Connections(roll_call_h=1, roll_call_min=5)
    course.new(NOW).tick(NOW)
    called = NOW + timedelta(hours=1)
    first = course.new(called)
    assert sent(first.tick(called)) == [(1, "5b")]
    late = called + timedelta(minutes=6)
    second = course.new(late)
    told = [*course.told, *first.feed(b"", late), *second.feed(b"", late)]
    assert [(words(heard.happenings), heard.spoke) for heard in told] == [(["roll_call_missed"], False)]
    assert list(second.tick(late)) == [], "nor is it called again"


def test_an_answer_on_another_connection_is_one():
    course = Connections(roll_call_h=1)
    course.new(NOW).tick(NOW)
    called = NOW + timedelta(hours=1)
    course.new(called).tick(called)
    second = course.new(called + timedelta(minutes=1))
    second.feed(frame("1801200A04000902071A"), called + timedelta(minutes=2))
    assert list(second.feed(b"", called + timedelta(hours=1))) == []


def test_the_clock_is_set_daily_however_often_a_device_connects():
    course, sets = Connections(time_sync_h=24), []
    for hours in range(0, 72, 3):
        now = NOW + timedelta(hours=hours)
        peer = course.new(now)
        for raw in peer.tick(now):
            sets.append(hours)
            peer.feed(frame("", 3, serial=parse(raw).serial), now)
    assert sets == [0, 24, 48]


def test_what_was_not_acknowledged_is_said_again_only_where_the_device_was_heard_last():
    course = Connections(time_sync_h=24)
    first = course.new(NOW)
    assert len(list(first.tick(NOW))) == 1
    later = NOW + timedelta(seconds=30)
    second = course.new(later)
    assert list(first.tick(later)) == []
    (again,) = second.tick(later)
    assert parse(again).adu == b"\x5a\x01" + time_label(datetime(2026, 9, 21, 18, 28, 11))


def test_our_clock_set_far_back_holds_nothing_up():
    course = Connections(time_sync_h=24)
    course.new(NOW).tick(NOW)
    little, much = NOW - timedelta(minutes=30), NOW - timedelta(days=900)
    assert list(course.new(little).tick(little)) == []
    assert sent(course.new(much).tick(much)) == [(1, "5a")]


def test_two_devices_of_one_address_on_two_lines_are_two():
    driver = Gb26875Driver()
    for options in ({"time_sync_h": 24}, {"time_sync_h": 24}):
        peer = driver.session({SOURCE: (PROFILE, options)}, {})
        peer.feed(frame("19010304"), NOW)
        assert sent(peer.tick(NOW)) == [(1, "5a")]


def test_who_comes_from_another_port_with_every_datagram_is_asked_for_its_state_every_five_minutes():
    course, asked = Connections(ask_state=True), []
    for seconds in range(0, 900, 4):
        now = NOW + timedelta(seconds=seconds)
        peer = course.new(now)
        for raw in peer.tick(now):
            asked.append((seconds, parse(raw).command))
            peer.feed(frame("", 3, serial=parse(raw).serial), now)
    assert asked == [(0, 4), (300, 4), (600, 4)]


def test_who_alternates_between_two_connections_is_asked_on_one_and_on_a_lasting_one_in_the_end():
    course = Connections(ask_state=True)
    one, two = course.new(NOW), course.new(NOW)
    asked = []
    for seconds in range(0, 200, 2):
        now = NOW + timedelta(seconds=seconds)
        peer = (one, two)[seconds % 4 // 2]
        peer.feed(frame("19010304"), now)
        for raw in peer.tick(now):
            asked.append(seconds)
            peer.feed(frame("", 3, serial=parse(raw).serial), now)
    assert asked == [0]
    three = course.new(NOW + timedelta(seconds=250))
    assert list(three.tick(NOW + timedelta(seconds=299))) == []
    assert sent(three.tick(NOW + timedelta(seconds=300))) == [(4, "51")]
