"""What a trace of a listening line shows of messages that come in many parts, and of noise before one."""

from types import SimpleNamespace

import pytest

from drivers.api import Heard
from gateway.listening.taps import Crossed, Taken
from gateway.tools import ear
from gateway.tools.ear import GAP_S, _Rows
from messages.tool_args import TraceArgs
from simulators import isapi
from simulators.http_push import request
from tests.support.gateway import START
from tests.support.toylisten import install

PEER = "10.0.0.7:4711"
ALERT = isapi.camera_alert("02:00:00:00:00:41", {"event": "in", "seq": 1, "time": START.isoformat()})
PUSH = request("/events", isapi.in_form(ALERT), headers={"Content-Type": isapi.FORM})


class Screen:
    """Where rows go."""

    def __init__(self) -> None:
        self.rows, self.result = [], {}
        self.row = self.rows.append

    def monotonic(self):
        return 0.0

    def clock(self):
        return START


def rows_of(protocol, *parts, raw=b"", apart=0.0, explain=True):
    """The rows of what came in these parts, and of the message that they held."""
    screen = Screen()
    line = SimpleNamespace(config=SimpleNamespace(ear=SimpleNamespace(protocol=protocol)))
    rows = _Rows(screen, line, TraceArgs(for_s=1, explain=explain))
    for place, part in enumerate(parts):
        rows.take(Crossed(PEER, "rx", part, place * apart))
    if raw:
        rows.take(Taken(PEER, "p1", Heard("p1", raw=raw, label="said"), "ok", 0.0, START))
    rows.tell(None)
    return [(row["crc"], row["text"]) for row in screen.rows]


@pytest.mark.parametrize("size", [100, 500, 10_000])
@pytest.mark.parametrize("explain", [True, False])
def test_a_message_beside_pictures_is_one_row(size, explain):
    parts = [PUSH[at : at + size] for at in range(0, len(PUSH), size)]
    ((check, text),) = rows_of("http-push", *parts, raw=isapi.in_form(ALERT), explain=explain)
    assert check == "ok"
    assert text.endswith("→ kept")
    assert ("/eventType = 'ANPR'" in text) == explain


def test_a_password_in_a_form_is_stars():
    raw = b'--b\r\nContent-Disposition: form-data; name="pass_wd"\r\n\r\nletmein-7\r\n--b--\r\n'
    assert ear.masked(raw) == raw.replace(b"letmein-7", b"*" * 9)


def test_parts_that_came_long_apart_are_rows_of_their_own():
    checks = [check for check, _ in rows_of("http-push", b"a", b"b", b"c", apart=2 * GAP_S)]
    assert checks == ["none"] * 3


def test_parts_without_end_are_shown_by_and_by(monkeypatch):
    monkeypatch.setattr(ear, "MOST_JOINED", 100)
    assert len(rows_of("http-push", *[b"x" * 40] * 6)) == 3


def test_noise_before_a_message_is_shown(monkeypatch):
    install(monkeypatch)
    monkeypatch.setattr("tests.support.toylisten.ToyListens.explain", sound)
    noise, heard = rows_of("toy-listens", b"#!", b"p1 1 fire on", raw=b"p1 1 fire on")
    assert (noise[0], heard[0]) == ("none", "ok")
    assert noise[1].startswith("no whole message")


def sound(_self, frame):
    if not frame.startswith(b"p1"):
        raise ear.DriverError("no line")
    return frame.decode()
