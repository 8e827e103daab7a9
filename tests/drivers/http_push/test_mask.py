"""What is shown of a request holds no key, however it is cut, and whenever one begins to look."""

import itertools

import h11
import hypothesis.strategies as st
import pytest
from hypothesis import given

from drivers.errors import FrameDamaged
from drivers.http_push.driver import HttpPushDriver
from drivers.http_push.mask import Mask, unquoted

KEY = b"Zq9vW2kLp8Xy"
BODY = b'{"panel": "DP-1", "events": []}'


def asked(*lines: bytes, body: bytes = BODY, target: bytes = b"/events") -> bytes:
    head = (b"POST " + target + b" HTTP/1.1", b"Host: gw:8080", *lines, b"Content-Length: %d" % len(body))
    return b"\r\n".join(head) + b"\r\n\r\n" + body


WITH_KEY = [
    asked(b"Authorization: Bearer " + KEY),
    asked(b"X-Door:  \t" + KEY, b"User-Agent: panel/1"),
    asked(b"X-Door:\r\n " + KEY),
    asked(b"X-Door " + KEY),
    asked(target=b"/events?k=" + KEY),
    asked(target=b"http://u:" + KEY + b"@gw/events"),
    asked(b"Transfer-Encoding: chunked", b"X-Door: " + KEY),
    asked(b"X-Door: " + KEY).replace(b"\r\n", b"\n"),
    asked(b"Host: a") + asked(b"X-Door: " + KEY),
]


def leaks(shown: bytes) -> list[bytes]:
    return [KEY[at : at + 4] for at in range(len(KEY) - 3) if KEY[at : at + 4] in shown]


def through(mask: Mask, *parts: bytes) -> bytes:
    shown = [mask.feed(part) for part in parts]
    assert [len(each) for each in shown] == [len(part) for part in parts]
    return b"".join(shown)


@pytest.mark.parametrize("raw", WITH_KEY)
def test_no_part_of_a_key_is_shown_wherever_a_request_is_cut(raw):
    assert leaks(raw)
    for at in range(len(raw) + 1):
        assert leaks(through(Mask(), raw[:at], raw[at:])) == [], at
        assert leaks(through(Mask(), raw[at:])) == [], at


@given(st.sampled_from(WITH_KEY), st.lists(st.integers(0, 300)), st.integers(0, 300), st.booleans())
def test_no_part_of_a_key_is_shown_in_any_portions_and_from_any_moment_on(raw, cuts, start, again):
    mask, raw = Mask(), raw[start % len(raw) :] + raw
    places = sorted({0, len(raw), *(cut for cut in cuts if cut < len(raw))})
    shown = b""
    for begin, end in itertools.pairwise(places):
        shown += through(mask, raw[begin:end])
        if again:
            mask.message()
    assert leaks(shown) == []


def test_what_holds_no_key_is_shown_in_any_portions():
    raw = asked(b"User-Agent: panel/1", b"X-Door: " + KEY)
    whole = through(Mask(), raw)
    assert BODY in whole
    assert all(
        part in whole
        for part in (b"POST /events HTTP/1.1", b"\nHost: gw:8080\r", b"\nUser-Agent: panel/1", b"\nX-Door")
    )
    assert through(Mask(), raw, raw) == through(Mask(), raw + raw) == whole + whole
    mask = Mask()
    assert BODY in through(mask, raw[:40], raw[40:])


def test_whoever_comes_in_the_middle_sees_the_next_message():
    raw, mask = asked(b"X-Door: " + KEY), Mask()
    assert set(through(mask, raw[50:])) == set(b"*\r\n")
    mask.message()
    assert BODY in through(mask, raw)


@given(st.binary(max_size=300), st.lists(st.binary(max_size=50), max_size=8))
def test_any_bytes_come_out_as_long_as_they_were(head, parts):
    through(Mask(), head, *parts)


@pytest.mark.parametrize(
    "line", [b"X-Door " + KEY, b": " + KEY, b"X-Door: \x00" + KEY, b"X-Door\x01: " + KEY]
)
def test_what_is_wrong_with_a_request_is_said_without_its_words(line):
    http = h11.Connection(h11.SERVER)
    http.receive_data(asked(line))
    with pytest.raises(h11.RemoteProtocolError) as wrong:
        http.next_event()
    assert leaks(str(wrong.value).encode())
    assert leaks(unquoted(wrong.value).encode()) == []
    assert unquoted(wrong.value)
    with pytest.raises(FrameDamaged) as damaged:
        HttpPushDriver().explain(asked(line))
    assert leaks(str(damaged.value).encode()) == []
