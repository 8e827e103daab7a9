"""What a trace of a listening line shows of pushes over HTTP: no key, however TCP parts them."""

from types import SimpleNamespace

import pytest

from drivers.api import Heard
from gateway.listening.taps import Crossed, Taken
from gateway.tools import ear
from gateway.tools.ear import _Rows
from messages.tool_args import TraceArgs
from tests.support.gateway import START

KEY = b"Zq9vW2kLp8Xy"
BODY = b'{"panel": "DP-1", "events": [{"event": "rex", "seq": 1}]}'
HEAD = b"POST /events HTTP/1.1\r\nHost: gw\r\nX-Door: %s\r\nContent-Length: %d\r\n\r\n"
PUSH = HEAD % (KEY, len(BODY)) + BODY
BROKEN = HEAD.replace(b"X-Door:", b"X-Door") % (KEY, len(BODY)) + BODY


class Screen:
    """Where rows go."""

    def __init__(self) -> None:
        self.rows, self.result = [], {}
        self.row = self.rows.append

    def monotonic(self):
        return 0.0

    def clock(self):
        return START


def rows_of(*parts, taken=True):
    """The rows of a message that came in these parts; each is shown before the next comes."""
    screen = Screen()
    rows = _Rows(
        screen,
        SimpleNamespace(config=SimpleNamespace(ear=SimpleNamespace(protocol="http-push"))),
        TraceArgs(for_s=1),
    )
    for part in parts:
        rows.take(Crossed("10.0.0.7:4711", "rx", part, 0.0))
        rows.tell(None)
    if taken:
        heard = Heard("DP-1", raw=BODY, label="POST 1 records")
        rows.take(Taken("10.0.0.7:4711", "p1", heard, "ok", 0.0, START))
        rows.tell(None)
    return screen.rows


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
