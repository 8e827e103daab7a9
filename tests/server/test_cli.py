"""The command line on a data folder, with no server running."""

import json
import re
import socket

import pytest
from sqlalchemy import select
from typer.testing import CliRunner

from messages.types import Lane
from server import cli
from server.db.engine import read, sqlite_engine
from server.db.tables_auth import audit, tokens, users
from server.db.tables_core import broker_accounts
from server.ingest.judge import Incoming
from tests.support.ingest import GW, T0, nth, up, writer

runner = CliRunner(env={"COLUMNS": "200", "NO_COLOR": "1", "TERM": "dumb"})


@pytest.fixture
def data(tmp_path):
    return tmp_path / "data"


def call(data, *words, code=0, answer=None):
    done = runner.invoke(cli.main, [*words, "--data-dir", str(data)], input=answer)
    assert done.exit_code == code, done.output + repr(done.exception)
    return done.output


def one(data, table):
    engine = sqlite_engine(data / "gatehouse.db")
    with read(engine) as conn:
        found = conn.execute(select(table)).mappings().all()
    engine.dispose()
    return found


def test_users(data, tmp_path):
    word = tmp_path / "word"
    word.write_text("correct horse battery\n")
    assert "admin" in call(data, "user", "add", "ann", "--role", "admin", "--password-file", str(word))
    call(data, "user", "add", "bob", answer="another long one\nanother long one\n")
    assert "another long one" not in call(data, "user", "list")
    assert [(u["name"], u["role"]) for u in one(data, users)] == [("ann", "admin"), ("bob", "viewer")]
    assert all("horse" not in u["password_hash"] for u in one(data, users))
    assert "exists" in call(data, "user", "add", "ann", "--password-file", str(word), code=1)
    word.write_text("short")
    assert "error" in call(data, "user", "passwd", "ann", "--password-file", str(word), code=1)
    word.write_text("a good new password")
    call(data, "user", "passwd", "ann", "--password-file", str(word))
    assert [a["action"] for a in one(data, audit)] == ["user add", "user add", "user passwd"]


def test_a_password_is_no_argument(data):
    done = runner.invoke(cli.main, ["user", "add", "ann", "--password", "x", "--data-dir", str(data)])
    assert done.exit_code == 2


def test_tokens_are_shown_once_and_kept_as_a_hash(data):
    token = call(data, "token", "add", "billing system", "--role", "biller").strip()
    assert re.fullmatch(r"gh_[\w-]{40,}", token)
    (row,) = one(data, tokens)
    assert token not in map(str, row.values())


def test_gateway_accounts(data, tmp_path):
    out = tmp_path / "gw-a.secret"
    call(data, "gateway", "add", "garden", "gw-a", "--password-file", str(out))
    first = out.read_text()
    assert out.stat().st_mode & 0o777 == 0o600
    assert len(first) >= 32
    call(data, "gateway", "add", "garden", "gw-a", "--password-file", str(out))
    assert out.read_text() != first, "again gives a new password"
    (row,) = one(data, broker_accounts)
    assert row["password_hash"].startswith("$2a$")
    assert "belongs to site garden" in call(data, "gateway", "add", "villa", "gw-a", code=1)
    assert "topic level" in call(data, "gateway", "add", "a/b", "gw-a", code=1)
    assert "server's own" in call(data, "gateway", "add", "garden", "gatehouse-server", code=1)


def test_delivery_and_quarantine(data):
    call(data, "migrate")
    engine = sqlite_engine(data / "gatehouse.db")
    bad = Incoming(GW.up(Lane.TELEMETRY), b"\x1b[31mnot json")
    writer(engine).store([up(1, nth(1)), up(4, nth(4)), bad], T0)
    engine.dispose()
    assert "2–3" in call(data, "delivery", "garden", "gw-a")
    receipt = json.loads(call(data, "delivery", "garden", "gw-a", "--json"))
    assert receipt["lanes"][0]["missing"] == [[2, 3]]
    assert receipt["quarantined_payloads"] == 1
    assert "nothing was ever heard" in call(data, "delivery", "garden", "gw-z", code=1)
    listed = call(data, "quarantine")
    assert "garden/gw-a" in listed
    assert "\x1b[31m" not in listed
    done = runner.invoke(cli.main, ["quarantine", "--show", "1", "--data-dir", str(data)])
    assert done.stdout_bytes == bad.payload
    assert "no row 99" in call(data, "quarantine", "--show", "99", code=1)


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["--http", "nonsense"], "--http"),
        (["--mqtt", "127.0.0.1:99999"], "--mqtt"),
        (["--broker", "http://x"], "broker.url"),
        (["--log", "xml"], "log"),
        (["--settings", "/nonexistent.yaml"], "nonexistent"),
    ],
)
def test_run_says_what_is_wrong(data, words, why):
    assert why in call(data, "run", *words, code=2)


def test_a_port_in_use_is_said(data):

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert "cannot listen" in call(data, "run", "--http", f"127.0.0.1:{port}", code=1)
