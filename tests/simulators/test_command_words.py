"""What the commands that play devices refuse, all in the same words: before anything is opened, and without a trace."""

import socket

import pytest
from typer.testing import CliRunner, Result

from simulators.cli import app
from simulators.endpoints import endpoint, not_here, shown

NOWHERE = "127.0.0.1:1"
ANY = "127.0.0.1:0"
SECRETS = {
    "sia-dc09": ("--to", NOWHERE, "NULL", "--key-env"),
    "push": ("--to", NOWHERE, "rex@1", "--seconds", "0", "--key-env"),
    "camera": ("--listen", ANY, "--rtsp", "0", "--password-env"),
    "osdp": ("--reader", "1", "--tcp", ANY, "--seconds", "0.1", "--key-env"),
    "dlt645": ("--meter", "1", "--tcp", ANY, "--seconds", "0.1", "--password-env"),
}
ILL_FORMED = {"sia-dc09": "00112233", "push": "two words", "camera": "", "osdp": "x" * 32, "dlt645": "1234"}
METERS = {
    "dlt645": ("--meter", "1"),
    "cjt188": ("--meter", "cold:1"),
    "mbus": ("--meter", "heat:1@1"),
    "iec62056": ("--number", "1"),
}
KINDS = {**METERS, "osdp": ("--reader", "1")}


def sim(*words: str, **environment: str) -> Result:
    return CliRunner().invoke(app, words, env=environment)


def refused(done: Result, says: str) -> None:
    assert (done.exit_code, type(done.exception)) == (2, SystemExit), done.exception
    assert says in " ".join(done.stderr.split())


@pytest.mark.parametrize("command", SECRETS)
def test_a_secret_that_is_not_there_or_ill_formed_is_refused(command: str) -> None:
    refused(sim(command, *SECRETS[command], "SIM_TYPO"), "SIM_TYPO: the environment must hold")
    done = sim(command, *SECRETS[command], "SIM_SECRET", SIM_SECRET=ILL_FORMED[command])
    refused(done, "SIM_SECRET: the environment must hold")
    assert not ILL_FORMED[command] or ILL_FORMED[command] not in done.output


@pytest.mark.parametrize("zone", ["Mars/Olympus", "../etc/passwd", "", "Asia"])
@pytest.mark.parametrize("command", METERS)
def test_a_zone_that_is_none_is_refused(command: str, zone: str) -> None:
    refused(sim(command, *METERS[command], "--tcp", ANY, "--zone", zone), "is no time zone")


@pytest.mark.parametrize("address", ["", "0140", "0140609623BX", "0140609623B2B2"])
def test_an_address_of_a_fire_host_that_is_none_is_refused(address: str) -> None:
    refused(sim("gb26875", "--to", NOWHERE, "--address", address), "12 hex digits")


@pytest.mark.parametrize("where", ["127.0.0.1", "127.0.0.1:x", "127.0.0.1:65536", ":1", "192.0.2.1:1"])
def test_an_endpoint_that_is_none_is_refused(where: str) -> None:
    assert not_here(where)
    for command, words in KINDS.items():
        refused(sim(command, *words, "--tcp", where), "--tcp")
    refused(sim("camera", "--listen", where), "--listen")
    refused(sim("gb26875", "--to", where), "--to")


@pytest.mark.parametrize("command", KINDS)
def test_an_address_in_brackets_is_served(command: str) -> None:
    with socket.socket(socket.AF_INET6) as probe:
        try:
            probe.bind(("::1", 0))
        except OSError:
            pytest.skip("this machine has no ::1")
    done = sim(command, *KINDS[command], "--tcp", "[::1]:0", "--seconds", "0.1")
    assert done.exit_code == 0, done.output
    assert "at [::1]:" in done.output or "[::1]:" in done.output


@pytest.mark.parametrize("command", KINDS)
def test_a_place_that_cannot_be_had_is_said(command: str) -> None:
    done = sim(command, *KINDS[command], "--pty", "/nowhere/port", "--seconds", "0.1")
    assert (done.exit_code, type(done.exception)) == (1, SystemExit)
    assert "/nowhere/port" in " ".join(done.stderr.split())


@pytest.mark.parametrize(
    ("text", "read"), [("[::1]:0", ("::1", 0)), ("127.0.0.1:80", ("127.0.0.1", 80)), ("::1:5", ("::1", 5))]
)
def test_an_endpoint_is_read_and_written(text: str, read: tuple[str, int]) -> None:
    assert endpoint(text) == endpoint(shown(*read)) == read
    assert not not_here(text)
