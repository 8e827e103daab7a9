from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.errors import FrameDamaged
from drivers.onvif.driver import OnvifDriver
from drivers.onvif.events import MAX_TOPIC, bare, instant, notifications
from drivers.onvif.markup import MAX_BYTES, parse
from tests.support.vectors import rows

ROWS = rows("onvif-events")
ENVELOPE = (
    '<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" xmlns:e="http://www.onvif.org/ver10/events/wsdl">'
    "<s:Body><e:PullMessagesResponse><e:CurrentTime>2026-09-21T10:00:00Z</e:CurrentTime>{}</e:PullMessagesResponse>"
    "</s:Body></s:Envelope>"
)


def verdict(row):
    return OnvifDriver().check_vector(row, ())


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["id"])
def test_the_file_agrees(row):
    assert verdict(row) is None


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["id"])
def test_a_changed_expectation_does_not(row):
    for key in row["expected"]:
        other = {**row, "expected": {**row["expected"], key: {"a": "b"}}}
        assert verdict(other), key
    assert verdict({**row, "expected": []})


def test_an_answer_of_many_notifications_is_read_in_its_order():
    xml = ENVELOPE.format("".join(row["xml"] for row in ROWS))
    assert verdict({"xml": xml, "expected": [row["expected"] for row in ROWS]}) is None
    assert verdict({"xml": ENVELOPE.format(""), "expected": []}) is None


def test_other_prefixes_and_other_messages_of_the_same_kind_agree():
    xml = (
        '<b:NotificationMessage xmlns:b="http://docs.oasis-open.org/wsn/b-2" xmlns:x="http://www.onvif.org/ver10/schema">'
        "<b:Topic> tns1:RecordingConfig/JobState </b:Topic><b:ProducerReference/>"
        '<b:Message><x:Message UtcTime="2026-01-10T20:04:32.25+08:00" PropertyOperation="Deleted">'
        '<x:Source><x:SimpleItem Name="RecordingJobToken" Value="j&amp;1"/></x:Source>'
        '<x:Key><x:SimpleItem Name="k" Value="v"/></x:Key>'
        '<x:Data><x:ElementItem Name="Information"><x:Whatever/></x:ElementItem>'
        '<x:SimpleItem Name="State" Value=""/></x:Data>'
        "</x:Message></b:Message></b:NotificationMessage>"
    )
    wanted = {
        "topic": "tns1:RecordingConfig/JobState",
        "operation": "Deleted",
        "utc": "2026-01-10T12:04:32.250Z",
        "source": {"RecordingJobToken": "j&1"},
        "key": {"k": "v"},
        "data": {"State": ""},
    }
    assert verdict({"xml": xml, "expected": wanted}) is None
    assert verdict({"hex": xml.encode().hex(), "expected": wanted}) is None


@pytest.mark.parametrize(
    ("written", "at"),
    [
        ("2026-01-10T20:04:32Z", datetime(2026, 1, 10, 20, 4, 32, tzinfo=UTC)),
        ("2026-01-10T20:04:32", datetime(2026, 1, 10, 20, 4, 32, tzinfo=UTC)),
        ("2026-01-10T20:04:32.5-01:30", datetime(2026, 1, 10, 21, 34, 32, 500000, tzinfo=UTC)),
        ("None", None),
        ("2026-13-10T20:04:32Z", None),
        ("0001-01-01T00:00:00+05:00", None),
        ("", None),
    ],
)
def test_times(written, at):
    assert instant(written) == at


@pytest.mark.parametrize(
    ("topic", "path"),
    [
        ("tns1:RuleEngine/tnsajax:MotionDetector/Detection", "RuleEngine/MotionDetector/Detection"),
        ("a:b:c/d:", "c/"),
        ("tns1:Device|x:Media/y:Z", "Device|Media/Z"),
        (":", ""),
        ("", ""),
    ],
)
def test_a_topic_without_prefixes(topic, path):
    assert bare(topic) == path


@pytest.mark.parametrize("size", [MAX_TOPIC + 1, MAX_BYTES - 600])
def test_an_endless_topic_is_refused_before_anything_is_made_of_it(size):
    note = "<e:NotificationMessage><e:Topic>{}</e:Topic><e:Message/></e:NotificationMessage>"
    with pytest.raises(FrameDamaged, match=f"topic of {size} characters"):
        notifications(ENVELOPE.format(note.format("a" * size)).encode())
    (longest,) = notifications(ENVELOPE.format(note.format("a" * MAX_TOPIC)).encode())
    assert longest.path == "a" * MAX_TOPIC


def test_prefixes_are_dropped_in_one_pass():
    """A pass for each character would take minutes."""
    assert bare("a" * MAX_BYTES) == "a" * MAX_BYTES
    assert bare("a:" * (MAX_BYTES // 2)) == ""


LAUGHS = (
    b'<?xml version="1.0"?><!DOCTYPE l [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">'
    b'<!ENTITY c "&b;&b;&b;&b;&b;&b;">]><l>&c;</l>'
)


@pytest.mark.parametrize(
    "hostile",
    [
        LAUGHS,
        b'<!DOCTYPE x SYSTEM "file:///etc/passwd"><x/>',
        b'<!DOCTYPE x [<!ENTITY e SYSTEM "http://127.0.0.1:1/">]><x>&e;</x>',
        b"<a>" * 5000,
        b"<a>" + b"<b/>" * 30_000 + b"</a>",
        b"<a " + b" ".join(b'x%d="1"' % n for n in range(30_000)) + b"/>",
        b" " * (MAX_BYTES + 1),
        b"",
        b"<a></b>",
        b"\xff\xfe\x00",
        b'<?xml version="1.0" encoding="no-such"?><a/>',
        b'<?xml version="1.0" encoding="utf-7"?><a/>',
    ],
    ids=lambda hostile: repr(hostile[:30]),
)
def test_hostile_documents_are_refused(hostile):
    with pytest.raises(FrameDamaged):
        parse(hostile)


WHOLE = ROWS[1]["xml"].encode()


@given(st.integers(0, len(WHOLE) - 1), st.integers(1, 255))
def test_a_flipped_byte_is_another_document_or_damage(place, flip):
    raw = bytearray(WHOLE)
    raw[place] ^= flip
    try:
        notifications(bytes(raw))
    except FrameDamaged as err:
        assert str(err)  # noqa: PT017


@given(st.binary(max_size=200) | st.text(alphabet='<>/&;"=a: !', max_size=60).map(str.encode))
def test_anything_is_read_or_damage(raw):
    try:
        notifications(raw)
    except FrameDamaged as err:
        assert str(err)  # noqa: PT017


def test_explain_names_what_it_holds():
    text = OnvifDriver().explain(WHOLE)
    assert "topic tns1:RuleEngine/tnsajax:MotionDetector/Detection" in text
    assert "data Detected = 'true'" in text
    with pytest.raises(FrameDamaged, match="without a notification"):
        OnvifDriver().explain(b"<a/>")
