"""What a journal says of an event can be read again, whatever the device told."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from messages.text import printable
from messages.types import DeviceEvent, Edge
from server.alarms.notes import ON_ITS_WAY, Told, note_of, read_note
from server.ingest.sinks import EventItem

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
INSTANTS = st.integers(-(10**9), 10**9).map(lambda ms: NOW + timedelta(milliseconds=ms))
DETAILS = st.text(max_size=60) | st.just(", by its own clock 2026-03-01T12:00:00.000+00:00 x")


def item(seen: datetime, at: datetime | None, detail: str, *, sane: bool = True) -> EventItem:
    event = DeviceEvent(device="d", code="c", edge=Edge.PULSE, seen_at=seen, at=at, detail=detail)
    return EventItem(event, "e", 1, 0, 1, sane_time=sane)


@given(INSTANTS, st.none() | INSTANTS, DETAILS)
def test_a_whole_note_is_read_as_it_was_said(seen, at, detail):
    assert read_note(note_of(item(seen, at, detail), NOW, whole=True)) == Told(
        seen, at, printable(detail, 1000)
    )


@given(st.text(max_size=80))
def test_of_a_note_without_times_all_is_detail(text):
    assert read_note(text).detail in text


def test_only_what_was_on_its_way_says_when_it_was_seen_and_nothing_happened_tomorrow():
    assert note_of(item(NOW - ON_ITS_WAY, None, "x"), NOW) == "x"
    late = note_of(item(NOW - 2 * ON_ITS_WAY, None, "x"), NOW)
    assert late == "seen 2026-03-01T11:59:40+00:00 x"
    ahead = item(NOW + timedelta(days=1), None, "", sane=False)
    assert read_note(note_of(ahead, NOW, whole=True)) == Told(NOW, None, "")


def test_a_time_without_a_zone_is_none_of_ours():
    assert read_note("seen 2026-03-01T12:00:00 x") == Told(None, None, "seen 2026-03-01T12:00:00 x")
