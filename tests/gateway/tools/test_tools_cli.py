"""The tools as an engineer has them: on the command line, alone or beside a running gateway, stopped by Ctrl-C."""

import asyncio
import fcntl
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from drivers.modbus.rtu import frame
from gateway.app import build
from gateway.reconfig.config_store import ConfigStore, Record, Version
from gateway.site.overlay import fingerprint
from simulators.world import World
from tests.support.sims import simulated
from tests.support.threads import beside
from tests.support.tools import SIM, SITE, call, site_for
from tests.support.waiting import until


@contextmanager
def simulated_site(folder: Path, *, gateway: bool = False) -> Iterator[str]:
    """A simulated site on a thread of its own, with a gateway at work there if wanted; yields the site file."""

    async def live(ready: Callable[[], None], done: asyncio.Event) -> None:
        async with simulated(SIM, folder) as world:
            site_for(world, folder)
            if gateway:
                await at_work(world, ready, done)
            else:
                ready()
                await done.wait()

    async def at_work(world: World, ready: Callable[[], None], done: asyncio.Event) -> None:
        stop = asyncio.Event()
        async with build(site_for(world, folder)) as made, asyncio.TaskGroup() as group:
            group.create_task(made.run(stop), name="gateway")
            await until(lambda: (folder / "state" / "control.sock").exists() and made.tools.jobs._group)
            ready()
            await done.wait()
            stop.set()

    with beside(live):
        yield str(folder / "gateway.yaml")


@pytest.fixture(autouse=True)
def _no_server_to_wait_for(monkeypatch):
    monkeypatch.setattr("gateway.app.FLUSH_S", 0.05)


@pytest.fixture
def alone(tmp_path_factory) -> Iterator[str]:
    with simulated_site(tmp_path_factory.mktemp("alone")) as site:
        yield site


@pytest.fixture
def inside(tmp_path) -> Iterator[str]:
    with simulated_site(tmp_path, gateway=True) as site:
        yield site


@pytest.fixture(params=[False, True], ids=["alone", "inside"])
def site(request, tmp_path) -> Iterator[str]:
    """A site whose gateway is stopped, and one whose gateway runs: the tools are the same."""
    with simulated_site(tmp_path, gateway=request.param) as made:
        yield made


def test_a_scan(site):
    result = call("scan", site, "net", "--units", "1-3", "--timeout-ms", "1500")
    assert result.exit_code == 0, result.stderr
    assert "unit 1:" in result.stdout
    assert "is m-1 in the site file" in result.stdout
    assert "eastron-sdm630: plausible" in result.stdout
    assert "2 answer, 3 asked" in result.stdout
    told = json.loads(call("scan", site, "net", "--units", "2", "--timeout-ms", "1500", "--json").stdout)
    assert (told["ended"], told["result"]["found"], told["rows"][0]["unit"]) == ("done", 1, 2)


def test_a_scan_that_finds_nobody_says_what_to_look_at(site):
    result = call("scan", site, "net", "--units", "70", "--timeout-ms", "30")
    assert result.exit_code == 1
    assert "termination" in result.stderr


CANNOT = [
    (("scan", "{site}"), 2, "say which line: net, bus"),
    (("scan", "{site}", "attic"), 2, "there are net, bus"),
    (("scan", "{site}", "net", "--units", "9-1"), 2, "no range"),
    (("scan", "{site}", "net", "--baud", "9600"), 1, "serial server"),
    (("scan", "{site}", "bus", "--parity", "X"), 2, "parities"),
    (("scan", "{site}", "net", "--protocol", "dlt645"), 1, "there is modbus"),
    (("scan", "{site}", "bus", "--protocol", "klingon"), 1, "nobody here speaks klingon; there is cjt188"),
    (("scan", "{site}", "bus", "--protocol", "gb26875"), 1, "has nothing for this tool"),
    (("read", "{site}", "m-1", "--display", "much"), 2, "display"),
    (("read", "{site}", "m-1", "--profile", "eastron-sdm630"), 2, "unit id"),
    (("read", "{site}", "1234567", "--profile", "eastron-sdm630", "--line", "bus"), 1, "address"),
    (("read", "{site}", "9", "--profile", "nothing", "--line", "bus"), 1, "no profile is called"),
    (("ask", "{site}", "1", "0600010001", "--line", "net"), 2, "may change the device"),
    (("ask", "{site}", "99", "0400000001", "--line", "net", "--timeout-ms", "50"), 1, "no answer in time"),
    (("watch", "{site}", "net", "--device", "m-9"), 1, "it has m-1, m-2"),
    (("ask", "{site}", "1", "11", "--line", "net", "--protocol", "dlt645"), 1, "there is modbus"),
    (("ask", "{site}", "1", "14", "--line", "net", "--protocol", "dlt645"), 2, "may change the device"),
    (("trace", "{site}", "net", "--units", "x"), 2, "units"),
]


def test_what_cannot_be_is_said_with_what_to_do(site):
    for words, code, says in CANNOT:
        result = call(*(word.format(site=site) for word in words))
        assert (result.exit_code, says in result.stderr) == (code, True), (words, result.stderr)
        assert "Traceback" not in result.stderr


def test_a_cable_is_not_tested_without_a_gateway_and_that_is_said_first(alone):
    result = call("certify", alone, "net", "--engineer", "x", "--cable", "pull")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "start it (`gatehouse-gateway run`), and certify beside it" in result.stderr


def test_reading(site):
    rows = {row["point"]: row for row in json.loads(call("read", site, "m-1", "--json").stdout)}
    assert rows["voltage_l1"]["quality"] == "good"
    volts = rows["voltage_l1"]["value"].partition(".")[0]
    shown = call("read", site, "m-1", "voltage_l1", "--orders", "--display", volts)
    assert shown.exit_code == 0
    assert "big float32  ← profile" in shown.stdout
    assert "on the display" in shown.stdout
    other = call("read", site, "9", "temperature", "--profile", "gatehouse-demo-air", "--line", "bus")
    assert (other.exit_code, "°C" in other.stdout) == (0, True), other.stderr


def test_asking(site):
    result = call("ask", site, "1", "04 00 00 00 02", "--line", "net")
    assert result.exit_code == 0, result.stderr
    assert re.search(r"answered 04 04 ", result.stdout)


def test_watching(site):
    result = call(
        "watch", site, "net", "--point", "voltage_l1", "--for-s", "4", "--every-ms", "400", "--json"
    )
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert {row["device"] for row in rows} >= {"m-1"}
    assert rows[-1]["reads"] >= 2
    assert "voltage_l1" in call("watch", site, "net", "--point", "voltage_l1", "--for-s", "1").stdout


def test_a_trace_is_recorded_pasted_and_replayed(site, tmp_path):
    file = tmp_path / "m.capture"
    result = call("trace", site, "net", "--for-s", "3", "--record", str(file))
    assert result.exit_code == 0, result.stderr
    assert "Read Input Registers" in result.stdout
    text = file.read_text()
    assert text.startswith("# Gatehouse capture 1")
    replayed = call("replay", str(file), "--show")
    assert replayed.exit_code == 0, replayed.stdout
    assert "voltage_l1" in replayed.stdout
    total = sum(line.startswith("- {") for line in text.splitlines())
    assert call("decode", "--check", str(file)).stdout.splitlines()[-1] == f"agree {total} of {total}"
    mine = [
        line
        for line in text.partition("# profile: eastron-sdm630\n")[2].splitlines()
        if line.startswith("- {")
    ]
    shipped = Path("drivers/profiles/eastron-sdm630.yaml").read_text()
    head = shipped[: shipped.index("\nexamples:")]
    pasted = tmp_path / "eastron-sdm630.yaml"
    pasted.write_text(head + "\nexamples:\n" + "\n".join(f"  {line}" for line in mine[:3]) + "\n")
    checked = call("profiles", "check", str(pasted))
    assert checked.exit_code == 0, checked.stderr
    assert f"{min(3, len(mine))} example" in checked.stdout
    assert call("trace", site, "net", "--record", str(file)).exit_code == 2


def test_a_capture_that_disagrees_is_told_by_line_and_point(tmp_path):
    good = '- {"request": "010400000002 71CB", "reply": "010404436640007E20", "expect": {"voltage_l1": "230.25"}}'
    head = "# Gatehouse capture 1: x\n# profile: eastron-sdm630\n"
    good = json.dumps(
        {
            "request": frame(1, bytes.fromhex("0400000002")).hex(),
            "reply": frame(1, bytes.fromhex("040443664000")).hex(),
            "expect": {"voltage_l1": "230.25"},
        }
    )
    file = tmp_path / "x.capture"
    file.write_text(f"{head}- {good}\n- {good.replace('230.25', '231')}\n")
    result = call("replay", str(file))
    assert result.exit_code == 1
    assert f"{file}:4: expect.voltage_l1: is 231 here" in result.stdout
    assert result.stdout.splitlines()[-1] == "agree 1 of 2"
    for text, says in (
        ("", "no capture"),
        ("# Gatehouse capture 1\n- {}\n", "which device"),
        (head + "{}\n", ":3: begins with"),
        (head + "- {broken\n", "no JSON"),
        (head + '- {"reply": 1}\n', ":3: "),
        (head + "- " + good[:-1] + ', "mood": 1}\n', "mood"),
        (head.replace("sdm630", "sdm631") + f"- {good}\n", "no profile is called"),
        (head + "- {" + "[" * 5000 + "\n", "no JSON"),
    ):
        file.write_text(text)
        bad = call("replay", str(file))
        assert bad.exit_code == 1
        assert says in bad.stdout + bad.stderr
        assert "Traceback" not in bad.stderr


def test_status_and_reload(inside, alone):
    assert json.loads(call("status", inside, "--json").stdout)["pid"] == os.getpid()
    assert "first kept" in call("status", inside).stdout
    result = call("reload", inside)
    assert (result.exit_code, "2 lines untouched" in result.stdout) == (0, True), result.stdout
    other = Path(inside).with_name("other.yaml")
    other.write_text(Path(inside).read_text())
    wrong = call("reload", str(other))
    assert (wrong.exit_code, "put the change into that file" in wrong.stderr) == (1, True), wrong.stdout
    for word in ("status", "reload"):
        nobody = call(word, alone)
        assert (nobody.exit_code, "no gateway runs" in nobody.stderr) == (1, True)


def test_a_certificate(site, tmp_path):
    words = ["certify", site, "net", "--engineer", "王工", "--reads", "5", "--out", str(tmp_path / "net")]
    result = call(*words)
    assert result.exit_code == 0, result.stdout + result.stderr
    assert "m-1: passed" in result.stdout
    assert "errors in 5 reads" in result.stdout
    assert "王工" in (tmp_path / "net.html").read_text()
    checked = call("certify", site, "--verify", str(tmp_path / "net.json"))
    assert (checked.exit_code, "unchanged" in checked.stdout) == (0, True)
    assert "of gateway gw: right" in checked.stdout
    assert json.loads(call(*words[:-2], "--json").stdout)["pass"]
    nobody = call("certify", site, "net")
    assert (nobody.exit_code, "--engineer" in nobody.stderr) == (2, True)


def test_a_gateway_that_cannot_be_asked_is_not_disturbed(tmp_path):
    with simulated_site(tmp_path) as site:
        (tmp_path / "state").mkdir()
        with (tmp_path / "state" / "journal.sqlite.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            result = call("scan", site, "net")
        assert result.exit_code == 1
        assert "stop it for as long as you work" in result.stderr


@pytest.mark.slow
def test_ctrl_c_stops_a_scan_and_keeps_what_was_found(site):
    words = ["scan", site, "net", "--units", "1-255", "--timeout-ms", "2000"]
    with subprocess.Popen(
        [sys.executable, "-m", "gateway.cli.main", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as scanning:
        assert scanning.stdout is not None
        assert "unit 1:" in scanning.stdout.readline()
        scanning.send_signal(signal.SIGINT)
        _rest, told = scanning.communicate(timeout=20)
    assert scanning.returncode == 130, told
    assert "stopped by you" in told
    assert "Traceback" not in told


def test_tools_work_on_what_the_gateway_runs(tmp_path):
    """A line that the server added is not in the site file; once the file was edited, the file holds."""
    site = tmp_path / "gateway.yaml"
    site.write_text(SITE.format(broker=1, net="127.0.0.1:1", bus="/dev/null"))
    (tmp_path / "state").mkdir()
    offered = "lines: [{id: attic, tcp: '127.0.0.1:1', timeout: 100ms}]"
    version = Version(id="v1", at=datetime.now(UTC), by="wang", yaml=offered, over=fingerprint(site))
    ConfigStore(tmp_path / "state" / "config.json").save(Record(good=version))
    result = call("scan", str(site), "attic", "--units", "1")
    assert "a configuration from the server is active" in result.stderr
    assert "the line is down" in result.stderr
    assert "there are attic" in call("scan", str(site), "net").stderr
    site.write_text(site.read_text() + "# edited on the box\n")
    edited = call("scan", str(site), "attic", "--units", "1")
    assert (edited.exit_code, "there are net, bus" in edited.stderr) == (2, True)
