"""What a trace of a listening line shows of pushes over HTTP: no key, however TCP parts them."""

import pytest

from gateway.tools import ear
from tests.support.traced import traced

KEY = b"Zq9vW2kLp8Xy"
BODY = b'{"panel": "DP-1", "events": [{"event": "rex", "seq": 1}]}'
HEAD = b"POST /events HTTP/1.1\r\nHost: gw\r\nX-Door: %s\r\nContent-Length: %d\r\n\r\n"
PUSH = HEAD % (KEY, len(BODY)) + BODY
BROKEN = HEAD.replace(b"X-Door:", b"X-Door") % (KEY, len(BODY)) + BODY


def rows_of(*parts, taken=True):
    """The rows of a message that came in these parts; each is shown before the next comes."""
    return traced("http-push", *parts, raw=BODY if taken else b"", at_once=True)


@pytest.mark.parametrize("raw", [PUSH, BROKEN])
def test_a_key_that_came_in_two_parts_is_shown_in_none(raw):
    pieces = [KEY[at : at + 4] for at in range(len(KEY) - 3)]
    for at in range(1, len(raw)):
        for row in rows_of(raw[:at], raw[at:]):
            shown = bytes.fromhex(row["bytes"]) + row["text"].encode()
            assert not [piece for piece in pieces if piece in shown], (at, row)


def test_what_is_no_key_is_shown():
    *_, last = rows_of(PUSH[:30], PUSH[30:])
    assert "rex" in last["text"]
    (alone,) = rows_of(PUSH, taken=False)
    assert BODY in bytes.fromhex(alone["bytes"])
    assert "X-Door: (not shown)".lower() in alone["text"].lower()


@pytest.mark.parametrize(
    "body",
    [
        b'{"device_name": "IVS", "user_name": "admin", "pass_wd":"%s", "serialno": "DP-1"}' % KEY,
        b"device_name=IVS&user_name=admin&pass_wd=%s&serialno=DP-1" % KEY,
    ],
)
def test_a_password_in_a_heartbeat_is_not_shown_however_it_is_parted(body):
    raw = HEAD % (b"x", len(body)) + body
    pieces = [KEY[at : at + 4] for at in range(len(KEY) - 3)]
    for at in range(raw.index(b"\r\n\r\n"), len(raw)):
        for row in rows_of(raw[:at], raw[at:], taken=False):
            shown = bytes.fromhex(row["bytes"]) + row["text"].encode()
            assert not [piece for piece in pieces if piece in shown], (at, row)
    assert KEY not in ear.masked(body)
    assert b"IVS" in ear.masked(body)
