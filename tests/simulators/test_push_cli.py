"""`gatehouse-sim push` from the command line."""

import pytest
from typer.testing import CliRunner

from drivers.http_push.driver import HttpPushDriver
from simulators.cli import app
from simulators.http_push import Pusher
from tests.support.centre import centre
from tests.support.fire import NOW, shipped

KEY = "not-a-secret-1"


def sim(*words):
    return CliRunner().invoke(app, ["push", *(str(word) for word in words)], env={"PUSH_KEY": KEY})


def gateway(name, profile, monkeypatch):
    monkeypatch.setenv("PUSH_KEY", KEY)
    devices = {name: (shipped(profile), {"key_env": "PUSH_KEY"})}
    return centre(lambda: HttpPushDriver().session(devices, {}))


def test_a_door_panel_is_rid_of_what_it_has(monkeypatch):
    with gateway("DP-1", "gatehouse-demo-door-push", monkeypatch) as where:
        done = sim("--to", where, "--key-env", "PUSH_KEY", "granted@1:0012345678", "forced@2", "closed@2")
    assert done.exit_code == 0, done.output
    assert done.output == "3 of 3 taken; answers 200\n"


def test_a_barrier_tells_vehicles(monkeypatch):
    with gateway("G-1", "gatehouse-demo-barrier-push", monkeypatch) as where:
        words = ("--name", "G-1", "--shape", "barrier", "--key-env", "PUSH_KEY")
        done = sim("--to", where, *words, "in@1:AB123", "unknown@1", "forced@2")
    assert done.exit_code == 0, done.output


def test_a_wrong_key_is_said(monkeypatch):
    with gateway("DP-1", "gatehouse-demo-door-push", monkeypatch) as where:
        done = sim("--to", where, "--seconds", 0, "granted@1")
    assert done.exit_code == 1
    assert done.output == "0 of 1 taken; answers 401\n"


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["--to", "192.0.2.1:80", "rex@1"], 2),
        (["--to", "127.0.0.1:1", "--shape", "lift", "rex@1"], 2),
        (["--to", "127.0.0.1:1", "--seconds", "0", "rex@1"], 1),
    ],
)
def test_wrong_words_and_closed_doors(words, code):
    assert sim(*words).exit_code == code


def test_a_full_memory_forgets_the_oldest():
    panel = Pusher("DP-1", lambda: NOW, memory=3)
    for number in range(5):
        panel.happen("rex", door=number)
    assert [record["seq"] for record in panel.waiting] == [3, 4, 5]
