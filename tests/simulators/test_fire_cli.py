"""`gatehouse-sim gb26875`, `sia-dc09` and `printer` from the command line."""

import pytest
from typer.testing import CliRunner

from drivers.gb26875.driver import Gb26875Driver
from drivers.sia_dc09.driver import Dc09Driver
from simulators.cli import app
from tests.support.centre import centre
from tests.support.fire import shipped


def sim(*words):
    return CliRunner().invoke(app, [str(word) for word in words])


def test_a_fire_host_tells_its_story():
    profile = shipped("gb26875-transmission-device")
    session = {"0140609623B2": (profile, {})}
    with centre(lambda: Gb26875Driver().session(session, {})) as where:
        done = sim("gb26875", "--to", where, "--components", 30, "--fires", 2, "--damage", 0.5)
    assert done.exit_code == 0, done.output
    assert "11 acknowledged" in done.output
    assert "0 given up" in done.output


def test_a_panel_shows_what_it_is_answered():
    profile = shipped("sia-dc09-panel")
    with centre(lambda: Dc09Driver().session({"0123": (profile, {})}, {})) as where:
        done = sim("sia-dc09", "--to", where, "--account", "0123", "FA:12", "1130:015", "NULL")
    assert done.exit_code == 0, done.output
    assert done.output.split() == ["FA:12:", "ACK", "1130:015:", "ACK", "NULL:", "ACK"]


def test_a_printer_prints_and_is_gone(tmp_path):
    done = sim("printer", "--pty", tmp_path / "paper", "--panel", "edwards", "--pause", 0.05)
    assert done.exit_code == 0, done.output
    assert "edwards prints on" in done.output.replace("\n", " ")
    assert not (tmp_path / "paper").exists()


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["gb26875", "--to", "192.0.2.1:5200"], 2),
        (["gb26875", "--to", "127.0.0.1:1"], 1),
        (["sia-dc09", "--to", "192.0.2.1:5200", "NULL"], 2),
        (["sia-dc09", "--to", "127.0.0.1:1", "NULL"], 1),
        (["sia-dc09", "--to", "127.0.0.1:1", "--transport", "sctp", "NULL"], 2),
        (["printer", "--pty", "/nowhere/paper", "--panel", "nobody"], 2),
    ],
)
def test_wrong_words_and_closed_doors(words, code):
    assert sim(*words).exit_code == code
