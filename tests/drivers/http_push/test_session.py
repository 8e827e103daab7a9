"""Requests as devices send them, and as they should not: what is told, and what is answered."""

import base64
import hashlib
import hmac
import json
from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.errors import FrameDamaged
from drivers.http_push.driver import HttpPushDriver
from drivers.http_push.session import LINGER_S, MAX_HEAD
from messages.types import Edge
from simulators.http_push import Pusher, request
from tests.support.fire import shipped

NOW = datetime(2026, 1, 1, tzinfo=UTC)
KEY = "not-a-secret-1"
DOOR, BARRIER = "gatehouse-demo-door-push", "gatehouse-demo-barrier-push"


@pytest.fixture
def keyed(tmp_path):
    """Options with a key in a file."""
    (tmp_path / "key").write_text(KEY + "\n")
    return {"key_file": str(tmp_path / "key")}


def session(*, profile=DOOR, names=("DP-1",), **options):
    made = shipped(profile)
    return HttpPushDriver().session({name: (made, {}) for name in names}, {"auth": "none", **options})


def one(raw, peer, now=NOW):
    """Feed a request; return the answer's status, its body, and the messages."""
    heard = list(peer.feed(raw, now))
    return status(heard[-1].reply), heard


def status(raw):
    return int(raw.split(b" ", 2)[1]) if raw else 0


def body(**more):
    record = {"seq": 1, "event": "granted", "door": 1, "time": "2026-01-01T08:00:00+08:00", "card": "77"}
    return json.dumps({"panel": "dp-1", "boot": 1, "events": [record | more]}).encode()


def test_a_record_is_told_with_its_door_time_and_number_and_no_card():
    code, (heard,) = one(request("/events", body()), session())
    (told,) = heard.happenings
    assert (code, heard.source) == (200, "DP-1")
    assert (told.code, told.edge, told.part, told.at) == ("granted", Edge.PULSE, "1", NOW)
    assert told.number == f"1/1@{int(NOW.timestamp() * 1000)}"
    assert "card 2 characters" in told.detail
    assert b'"card":"-"' in told.evidence
    assert status(heard.refuse) == 503
    assert b"Retry-After: 30" in heard.refuse


def test_a_card_is_told_as_a_keyed_hash_where_there_is_a_key_for_it(tmp_path):
    (tmp_path / "card").write_text("hash key")
    _, (heard,) = one(request("/events", body()), session(credential_key_file=str(tmp_path / "card")))
    right = hmac.new(b"hash key", b"77", hashlib.sha256).hexdigest()[:16]
    assert f"card credential {right}" in heard.happenings[0].detail
    _, (heard,) = one(request("/events", body()), session(credential="clear"))
    assert "card 77" in heard.happenings[0].detail


def test_what_ends_an_alarm_ends_it_at_its_door_by_the_number_of_its_record():
    _, (heard,) = one(request("/events", body(event="closed", door=3)), session())
    assert [(it.code, it.edge, it.part) for it in heard.happenings] == [
        ("closed", Edge.PULSE, "3"),
        ("forced", Edge.CLEARED, "3"),
        ("held", Edge.CLEARED, "3"),
    ]
    assert {it.number for it in heard.happenings} == {heard.number}
    assert heard.number


@pytest.mark.parametrize("shape", ["door", "barrier"])
@pytest.mark.parametrize("chunked", [False, True])
def test_the_simulators_records_come_out_whole_in_any_portions(shape, chunked):
    device = Pusher("P-1", lambda: NOW, shape)
    for number in range(5):
        device.happen("closed" if number % 2 else "forced", door=number, lane=number)
    raw = request("/events", device.message(), chunked=chunked)
    peer = session(profile=DOOR if shape == "door" else BARRIER, names=("P-1",))
    heard = [message for place in range(len(raw)) for message in peer.feed(raw[place : place + 1], NOW)]
    assert [status(message.reply) for message in heard] == [200]
    assert {it.at for it in heard[0].happenings} == {NOW}
    assert sum(it.code == "forced" and it.edge is Edge.RAISED for it in heard[0].happenings) == 3


def test_requests_one_behind_the_other_are_answered_in_their_order():
    peer = session()
    raw = request("/events", body(seq=1)) + request("/events", b"{") + request("/events", body(seq=2))
    assert [status(message.reply) for message in peer.feed(raw, NOW)] == [200, 422, 200]


def test_who_wants_to_be_told_to_go_on_is_told():
    peer = session()
    whole = request("/events", body(), headers={"Expect": "100-continue"})
    head, _, rest = whole.partition(b"\r\n\r\n")
    (first,) = peer.feed(head + b"\r\n\r\n", NOW)
    assert status(first.reply) == 100
    assert [status(message.reply) for message in peer.feed(rest, NOW)] == [200]


def test_one_message_of_several_devices_gets_one_answer():
    records = [
        {"gate": gate, "seq": 1, "event": "vehicle", "direction": "in", "known": True, "plate": "A1"}
        for gate in ("G-1", "G-9", "G-2")
    ]
    heard = session(profile=BARRIER, names=("G-1", "G-2")).feed(
        request("/x", json.dumps(records).encode()), NOW
    )
    assert [(it.source, it.joined, status(it.reply), status(it.refuse)) for it in heard] == [
        ("G-9", False, 0, 0),
        ("G-1", True, 0, 503),
        ("G-2", False, 200, 503),
    ]


@pytest.mark.parametrize(
    ("raw", "code", "mend"),
    [
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", 405, "POST"),
        (request("/other", body()), 404, "path"),
        (request("/events", body(), headers={"Content-Type": "image/png"}), 415, "application/xml"),
        (request("/events", body(), headers={"Content-Encoding": "gzip"}), 415, "Content-Encoding"),
        (request("/events", b"{}" * 200_000), 413, "fewer records"),
        (request("/events", b"x" * 300_000, chunked=True), 413, "fewer records"),
        (request("/events", b'{"events":[]}'), 422, "which device"),
        (request("/events", b""), 422, "empty"),
        (request("/events", b'{"panel":"DP-1","events":7}'), 422, "list of objects"),
        (request("/events", b'{"panel":"DP-1","events":[' + b"{}," * 200 + b"{}]}"), 422, "200 at most"),
        (request("/events", b"[" * 40 + b"]" * 40), 422, "nested"),
        (request("/events", b'{"panel":"DP-2","events":[]}'), 404, "add it to the site file"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01", 400, "no HTTP"),
        (b"POST /events HTTP/1.1\r\nX: " + b"y" * (MAX_HEAD + 1), 431, "no HTTP"),
        (request("/events", body(), headers={"Content-Length": "99999999999"}), 413, "fewer records"),
    ],
)
def test_what_cannot_be_taken_is_answered_with_what_to_mend(raw, code, mend):
    got, heard = one(raw, session())
    assert got == code
    assert mend in json.loads(heard[-1].reply.partition(b"\r\n\r\n")[2])["error"]
    assert not any(message.happenings for message in heard)


def test_an_unknown_kind_is_told_as_other_and_never_refused():
    _, (heard,) = one(request("/events", body(event="lamp test")), session())
    assert [it.code for it in heard.happenings] == ["other"]
    assert heard.happenings[0].detail.startswith("lamp test")


def test_a_heartbeat_without_records_is_heard_with_its_values():
    raw = request("/events", b'{"panel":"DP-1","events":[],"status":{"mains":false,"battery":"bad"}}')
    code, (heard,) = one(raw, session())
    assert (code, heard.happenings) == (200, ())
    assert heard.readings["mains"].value is False
    assert heard.readings["battery"].value is None


def test_a_value_told_late_is_a_value_of_its_own_time():
    peer = session()
    raw = json.loads(body(time="2026-01-01T06:00:00+08:00")) | {"status": {"mains": True}}
    _, (heard,) = one(request("/events", json.dumps(raw).encode()), peer)
    assert heard.readings["mains"].at == NOW - timedelta(hours=2)
    assert "told 7200 s later" in heard.happenings[0].detail


def test_a_clock_far_ahead_is_said():
    _, (heard,) = one(request("/events", body(time="2026-01-01T09:00:00+08:00")), session())
    assert "clock is 3600 s ahead" in heard.happenings[0].detail


@pytest.mark.parametrize(
    ("value", "at"),
    [
        ("2026-01-01T08:00:00", NOW),
        ("2026-01-01T00:00:00Z", NOW),
        ("1026-01-01T00:00:00Z", None),
        ("yesterday", None),
        (True, None),
        (None, None),
        ({"x": 1}, None),
        ("9" * 70, None),
    ],
)
def test_a_time_is_read_or_left_out(value, at):
    _, (heard,) = one(request("/events", body(time=value)), session())
    assert heard.happenings[0].at == at


def test_a_form_with_a_picture_is_read():
    event = json.dumps(json.loads(shipped("hikvision-access-push").examples[0].reply)).encode()
    form = (
        b'--edge\r\nContent-Disposition: form-data; name="Picture"; filename="a.jpg"\r\n'
        b"Content-Type: image/jpeg\r\n\r\n\xff\xd8\xff\r\n\r\n--no\r\n"
        b'--edge\r\nContent-Disposition: form-data; name="event_log"\r\n'
        b"Content-Type: application/json\r\n\r\n" + event + b"\r\n--edge--\r\n"
    )
    raw = request("/", form, headers={"Content-Type": 'multipart/form-data; boundary="edge"'})
    _, (heard,) = one(raw, session(profile="hikvision-access-push", names=("02:00:00:00:00:05",)))
    assert [it.code for it in heard.happenings] == ["granted"]
    assert heard.happenings[0].at == NOW


@pytest.mark.parametrize(
    ("options", "headers"),
    [
        ({"auth": "bearer"}, {"Authorization": f"Bearer {KEY}"}),
        ({"auth": "bearer"}, {"authorization": f"token  {KEY}"}),
        (
            {"auth": "basic", "user": "panel"},
            {"Authorization": "Basic " + base64.b64encode(f"panel:{KEY}".encode()).decode()},
        ),
        ({"auth": "header", "header": "X-Token"}, {"X-Token": KEY}),
        (
            {"auth": "hmac", "header": "X-Sign"},
            {"X-Sign": "sha256=" + hmac.new(KEY.encode(), body(), hashlib.sha256).hexdigest()},
        ),
    ],
)
def test_a_key_opens_and_nothing_else_does(keyed, options, headers):
    def answered(headers):
        return one(request("/events", body(), headers=headers), session(**keyed, **options))[0]

    assert answered(headers) == 200
    ((name, value),) = headers.items()
    for wrong in (value[:-1], value + "x", "", "Basic é", "Bearer"):
        assert answered({name: wrong}) in {401, 403}
    assert answered({}) == 401


def test_the_key_of_one_device_does_not_speak_for_another(keyed, tmp_path):
    (tmp_path / "other").write_text("another-secret")
    made = shipped(DOOR)
    devices = {"DP-1": (made, keyed), "DP-2": (made, {"key_file": str(tmp_path / "other")})}
    peer = HttpPushDriver().session(devices, {})
    wrong, right = request("/events", body(), "another-secret"), request("/events", body(), KEY)
    answered = [one(raw, peer)[0] for raw in (wrong, wrong, right, wrong, wrong, wrong)]
    assert answered == [403, 403, 200, 403, 403, 429]


def test_a_refused_peer_may_read_its_answer_and_is_then_cut_off():
    peer = session()
    one(request("/other", body()), peer)
    assert peer.feed(b"more of it" * 1000, NOW + timedelta(seconds=LINGER_S / 2)) == ()
    with pytest.raises(FrameDamaged, match="404"):
        peer.feed(b"", NOW + timedelta(seconds=LINGER_S))


def test_a_request_byte_by_byte_has_an_end():
    peer = session(request_s=30)
    raw, now = request("/events", body()), NOW
    answers = []
    for place in range(len(raw)):
        now += timedelta(seconds=1)
        answers += [message.reply for message in peer.feed(raw[place : place + 1], now)]
        if answers:
            break
    assert [status(answer) for answer in answers] == [408]
    assert place == 31


def test_a_quiet_connection_is_left_alone_between_requests():
    peer, now = session(), NOW
    for _ in range(3):
        assert one(request("/events", body()), peer, now)[0] == 200
        for _ in range(40):
            now += timedelta(seconds=1)
            assert peer.feed(b"", now) == []


def test_a_connection_that_is_to_close_closes():
    peer = session()
    _, (heard,) = one(request("/events", body(), headers={"Connection": "close"}), peer)
    assert b"Connection: close" in heard.reply
    with pytest.raises(FrameDamaged):
        peer.feed(b"", NOW + timedelta(seconds=LINGER_S))


def test_records_with_a_time_and_no_number_are_known_by_what_they_hold():
    options = {"number": ()}
    numbers = []
    for seq in (1, 1, 2):
        _, (heard,) = one(request("/events", body(seq=seq)), session(**options))
        numbers.append(heard.happenings[0].number)
    assert numbers[0] == numbers[1] != numbers[2]
    assert all(0 < len(number) <= 40 for number in numbers)


@pytest.mark.parametrize(
    "target", ["//[", "http://[::1/events", "/%zz?&&&=", "*", "http:", "/?" + "a&" * 400]
)
def test_any_target_is_answered(target):
    assert one(request(target, body()), session(path="", source="query:id"))[0] == 422
    assert one(request(target, body()), session(path="/never"))[0] == 404


@pytest.mark.parametrize(
    ("source", "target", "headers"),
    [
        ("query:id", "/push?x=1&id=dp%2D1", {}),
        ("query:id", "http://gateway:8088/push?id=DP-1#top", {}),
        ("header:X-Device", "/", {"x-device": "DP-1"}),
    ],
)
def test_a_device_may_name_itself_outside_of_the_body(source, target, headers):
    _, (heard,) = one(request(target, body(), headers=headers), session(path="", source=source))
    assert heard.source == "DP-1"


def test_a_device_may_be_known_by_its_path():
    _, (heard,) = one(request("/gate/1?x", body()), session(path="", source="path", names=("/GATE/1",)))
    assert [it.code for it in heard.happenings] == ["granted"]


def test_a_number_without_a_time_is_known_by_what_its_record_holds():
    numbers = []
    for card in ("1", "1", "2"):
        _, (heard,) = one(request("/events", body(time=None, card=card)), session())
        numbers.append(heard.happenings[0].number)
    assert numbers[0] == numbers[1] != numbers[2]
    assert all(number.startswith("1/1#") for number in numbers)


def test_a_zone_is_taken_from_the_profile():
    _, (heard,) = one(
        request("/events", body(time="01.01.2026 09:00:00")),
        session(time_format="%d.%m.%Y %H:%M:%S", timezone="Asia/Tokyo"),
    )
    assert heard.happenings[0].at == NOW.astimezone(timezone(timedelta(hours=9)))


@given(data=st.data())
def test_any_bytes_in_any_portions_are_followed_or_cut_off(data):
    sound = [
        request("/events", body()),
        request("/events", body(), chunked=True),
        b"\r\n",
        b"{",
        b"0\r\n\r\n",
    ]
    pieces = data.draw(st.lists(st.one_of(st.binary(max_size=80), st.sampled_from(sound)), max_size=6))
    raw = b"".join(pieces)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(raw)), max_size=6)))
    peer = session()
    with suppress(FrameDamaged):
        for first, last in zip([0, *cuts], [*cuts, len(raw)], strict=True):
            for message in peer.feed(raw[first:last], NOW):
                assert status(message.reply or message.refuse) in range(100, 600)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["panel", "events", "event", "door", "seq", "time", "card", "status"]), inner
        )
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(["event", "door", "seq", "time", "card", "reader"]), JSON))
def test_any_record_is_told_once_and_bounded(record):
    raw = json.dumps({"panel": "DP-1", "boot": 1, "events": [record]}).encode()
    code, heard = one(request("/events", raw), session())
    assert code in {200, 422}  # nested too deeply
    for message in heard:
        assert code != 200 or message.happenings
        for told in message.happenings:
            assert len(told.number) <= 40
            assert len(told.part) <= 42


@given(JSON)
def test_any_json_is_answered(value):
    assert one(request("/events", json.dumps(value).encode()), session())[0] in {200, 404, 422}
