"""`gatehouse-sim push` from the command line."""

import ssl

import pytest
from typer.testing import CliRunner

from drivers.http_push.driver import HttpPushDriver
from simulators.cli import app
from simulators.http_push import Pusher
from tests.support.centre import centre
from tests.support.certificates import made
from tests.support.fire import NOW, shipped

KEY = "not-a-secret-1"


def sim(*words):
    return CliRunner().invoke(app, ["push", *(str(word) for word in words)], env={"PUSH_KEY": KEY})


def gateway(name, profile, monkeypatch, tls=None):
    monkeypatch.setenv("PUSH_KEY", KEY)
    devices = {name: (shipped(profile), {"key_env": "PUSH_KEY"})}
    return centre(lambda: HttpPushDriver().session(devices, {}), tls)


@pytest.fixture
def certificates(tmp_path):
    """What a gateway shows under TLS, and the files of who vouches for it and of somebody else."""
    for name, pair in (("site", made("site")), ("else", made("else"))):
        pair.write(tmp_path, name)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "site.crt", tmp_path / "site.key")
    return context, tmp_path / "site.crt", tmp_path / "else.crt"


CAMERA = ("--name", "02:00:00:00:00:41", "--shape", "camera", "--key-env", "PUSH_KEY")


def test_a_camera_tells_plates_in_xml_under_tls(monkeypatch, certificates):
    tls, ours, _ = certificates
    with gateway(CAMERA[1], "hikvision-anpr-push", monkeypatch, tls) as where:
        done = sim("--to", where, *CAMERA, "--ca-file", ours, "in@1:AB123", "listed@1:CD456", "covered")
        careless = sim("--to", where, *CAMERA, "--tls", "out@2")
    assert done.output == "3 of 3 taken; answers 200, 200, 200\n"
    assert careless.exit_code == 0


def test_a_camera_sends_nothing_to_whom_it_does_not_trust(monkeypatch, certificates):
    tls, _, other = certificates
    with gateway(CAMERA[1], "hikvision-anpr-push", monkeypatch, tls) as where:
        done = sim("--to", where, *CAMERA, "--ca-file", other, "--seconds", 0, "in@1:AB123")
    assert (done.exit_code, done.output) == (1, "0 of 1 taken; answers 0\n")


def test_a_terminal_tells_doors_in_xml(monkeypatch):
    words = ("--name", "02:00:00:00:00:05", "--shape", "terminal", "--key-env", "PUSH_KEY")
    with gateway(words[1], "hikvision-access-push", monkeypatch) as where:
        done = sim("--to", where, *words, "granted@1:12345678", "forced@2", "closed@2", "duress@1")
    assert done.output == "4 of 4 taken; answers 200, 200, 200, 200\n"


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
        (["--to", "127.0.0.1:1", "--shape", "camera", "rex@1"], 2),
        (["--to", "127.0.0.1:1", "--ca-file", "/nowhere/ca.crt", "rex@1"], 2),
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
