import json
import logging
import socket
import threading
import urllib.request
from pathlib import Path

import pytest

from gateway import logs
from gateway.metrics import Metrics, counter, gauge, serve
from messages.types import Lane, Outcome


def scrape(port: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
        return str(answer.read(), "utf-8")


def test_what_is_counted_is_told(tmp_path: Path):
    metrics = Metrics()
    metrics.samples_read(7)
    metrics.samples_lost(Lane.BILLING, 2)
    metrics.transaction("a", "ok", 0.02)
    metrics.transaction("a", "silent", 1.0)
    metrics.device_up("m", True)
    metrics.overran("a", 3)
    metrics.command(Outcome.VERIFIED)
    metrics.watch(
        lambda: [gauge("x_depth", "d", "lane", [("alarm", 1)]), counter("x_sent", "s", "", [("", 5)])]
    )
    with serve(metrics, ("127.0.0.1", 0), tmp_path / "state" / "metrics.port") as port:
        assert port is not None
        assert (tmp_path / "state" / "metrics.port").read_text().strip() == str(port)
        text = scrape(port)
    for line in (
        "gatehouse_samples_read_total 7.0",
        'gatehouse_samples_lost_total{lane="billing"} 2.0',
        'gatehouse_transactions_total{line="a",result="ok"} 1.0',
        'gatehouse_transactions_total{line="a",result="silent"} 1.0',
        'gatehouse_round_trip_seconds_count{line="a"} 1.0',
        'gatehouse_device_up{device="m"} 1.0',
        'gatehouse_overruns_total{line="a"} 3.0',
        'gatehouse_commands_total{outcome="done-verified"} 1.0',
        'x_depth{lane="alarm"} 1.0',
        "x_sent_total 5.0",
    ):
        assert line in text.splitlines()


def test_nothing_is_left_when_it_ends(tmp_path: Path):
    before = threading.active_count()
    with serve(Metrics(), ("127.0.0.1", 0), tmp_path / "metrics.port") as port:
        assert port is not None
    assert threading.active_count() == before
    assert not (tmp_path / "metrics.port").exists()
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", port), timeout=1)


def test_no_metrics_is_no_server(tmp_path: Path):
    with serve(Metrics(), None, tmp_path / "metrics.port") as port:
        assert port is None
    assert not (tmp_path / "metrics.port").exists()


@pytest.fixture
def root() -> logging.Logger:
    logger = logging.getLogger()
    before, level = logger.handlers[:], logger.level
    yield logger  # type: ignore[misc]
    logger.handlers[:] = before
    logger.setLevel(level)
    logging.getLogger("mqtt").setLevel(logging.NOTSET)


def test_json_logs_are_one_object_a_line(root: logging.Logger, capsys: pytest.CaptureFixture[str]):
    logs.set_up(logs.Format.JSON, logs.Level.INFO)
    logging.getLogger("gateway.test").warning("设备 %s\nsays no", "m-1")
    logging.getLogger("gateway.test").debug("not this")
    (line,) = capsys.readouterr().err.splitlines()
    told = json.loads(line)
    assert told["message"] == "设备 m-1\nsays no"
    assert (told["level"], told["logger"]) == ("WARNING", "gateway.test")
    assert told["at"]


def test_text_logs_are_for_people(root: logging.Logger, capsys: pytest.CaptureFixture[str]):
    logs.set_up(logs.Format.TEXT, logs.Level.DEBUG)
    logging.getLogger("gateway.test").debug("hello")
    assert "DEBUG   gateway.test: hello" in capsys.readouterr().err
