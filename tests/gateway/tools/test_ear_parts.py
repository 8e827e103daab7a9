"""What a trace of a listening line shows of messages that come in many parts, and of noise before one."""

import pytest

from gateway.tools import ear
from gateway.tools.ear import GAP_S
from simulators import isapi
from simulators.http_push import request
from tests.support.gateway import START
from tests.support.toylisten import install
from tests.support.traced import traced

ALERT = isapi.camera_alert("02:00:00:00:00:41", {"event": "in", "seq": 1, "time": START.isoformat()})
PUSH = request("/events", isapi.in_form(ALERT), headers={"Content-Type": isapi.FORM})


def rows_of(protocol, *parts, raw=b"", apart=0.0, explain=True):
    """What the rows say of the parts, and of the message that they held."""
    rows = traced(protocol, *parts, raw=raw, apart=apart, explain=explain)
    return [(row["crc"], row["text"]) for row in rows]


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
