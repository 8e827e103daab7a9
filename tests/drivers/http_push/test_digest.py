"""Digest authentication against httpx, another implementation of its other end."""

from datetime import UTC, datetime, timedelta

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.http_push.digest import VALID_S, Nonces, answers
from drivers.http_push.driver import HttpPushDriver
from simulators.http_push import request
from tests.support.fire import shipped

NOW = datetime(2026, 1, 1, tzinfo=UTC)
BODY = b'{"panel":"DP-1","events":[{"event":"rex","door":1}]}'
KEY = "not-a-secret-1"


class Camera:
    """A device that answers challenges; each request on a connection of its own."""

    def __init__(self, monkeypatch) -> None:
        monkeypatch.setenv("PUSH_KEY", KEY)
        self.driver, self.now = HttpPushDriver(), NOW
        options = {"auth": "digest", "user": "cam", "key_env": "PUSH_KEY"}
        self.devices = {"DP-1": (shipped("gatehouse-demo-door-push"), options)}

    def send(self, headers, target="/events", body=BODY):
        peer = self.driver.session(self.devices, {})
        reply = peer.feed(request(target, body, headers=headers), self.now)[-1].reply
        head = reply.partition(b"\r\n\r\n")[0].decode().split("\r\n")
        pairs = [tuple(line.split(": ", 1)) for line in head[1:]]
        return httpx.Response(int(head[0].split()[1]), headers=pairs)

    def flow(self, user="cam", key=KEY, algorithm="SHA-256", later=0, target="/events"):
        asked = httpx.Request("POST", "http://gateway/events")
        flow = httpx.DigestAuth(user, key).sync_auth_flow(asked)
        next(flow)
        refused = self.send({})
        assert refused.status_code == 401
        challenge = [it for it in refused.headers.get_list("www-authenticate") if algorithm in it]
        refused = httpx.Response(401, headers=[("WWW-Authenticate", it) for it in challenge], request=asked)
        shown = flow.send(refused).headers["Authorization"]
        self.now += timedelta(seconds=later)
        return self.send({"Authorization": shown}, target).status_code


@pytest.mark.parametrize("algorithm", ["MD5", "SHA-256"])
def test_another_implementation_is_let_in(algorithm, monkeypatch):
    assert Camera(monkeypatch).flow(algorithm=algorithm) == 200


@pytest.mark.parametrize(
    "wrong",
    [
        {"key": "not-a-secret-2"},
        {"user": "dam"},
        {"later": VALID_S + 1},
        {"later": -5},
        {"target": "/events?x"},
    ],
)
def test_what_is_not_right_is_not(wrong, monkeypatch):
    assert Camera(monkeypatch).flow(**wrong) == 401


def test_it_is_asked_for_on_a_line_with_devices_that_need_no_key_too(monkeypatch):
    camera = Camera(monkeypatch)
    camera.devices["DP-2"] = (shipped("gatehouse-demo-door-push"), {"auth": "none"})
    assert camera.flow() == 200
    assert camera.flow(key="not-a-secret-2") == 401
    assert camera.send({}, body=b"").status_code == 401


def test_a_nonce_of_another_gateway_is_none():
    assert Nonces().good((made := Nonces()).give(NOW), NOW) is False
    assert made.good(made.give(NOW), NOW)


@given(st.text(max_size=60), st.text(max_size=60))
def test_any_header_is_no_answer(shown, nonce):
    assert not answers(shown, "cam", KEY, "/", Nonces(b"x"), NOW)
    assert not answers(
        f'Digest realm="gatehouse", uri="/", nonce="{nonce}"', "cam", KEY, "/", Nonces(b"x"), NOW
    )
