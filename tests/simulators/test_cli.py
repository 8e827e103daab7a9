"""`gatehouse-sim` as people call it: real processes, real signals."""

import asyncio
import json
import re
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from pymodbus.client import AsyncModbusTcpClient

from simulators.api_client import Api
from simulators.processes import Child, Family, ProcessFailed, program, run_once, until
from simulators.truth import Truth
from tests.support.long import LONG

PROFILES = Path(__file__).parent / "profiles"
# How far the demo is when Ctrl-C is pressed, and how often it is: while accounts are made, between the server and the
# gateways, and when everything runs; in a long run at every stage.
STAGES = [("secrets", 1), ("truth/run.json", 2), ("state/gw-b", 4)]
STAGES += [("server/run.json", 1), ("gw-b.yaml", 1)] if LONG else []
SITE = """\
site: bench
lines:
  - {id: net, tcp: "127.0.0.1:0", devices: [{id: one, profile: bench-all-types, unit: 1}]}
  - {id: pair, pty: run/pair, devices: [{id: two, profile: bench-all-types, unit: 2}]}
"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    path = tmp_path / "bench.yaml"
    path.write_text(SITE)
    return path


@contextmanager
def nothing_left(folder: Path) -> Iterator[None]:
    """No process that was told of `folder` lives after the block."""
    yield
    mark = str(folder)
    left = [
        process.info["cmdline"]
        for process in psutil.process_iter(["cmdline"])
        if any(mark in part for part in process.info["cmdline"] or [])
    ]
    assert left == []


async def told(folder: Path, child: Child) -> dict[str, object]:
    async def look() -> dict[str, object] | None:
        try:
            return json.loads((folder / "run.json").read_text())  # type: ignore[no-any-return]
        except FileNotFoundError:
            return None

    return await until("run.json", look, timeout=30, alive=[child])


@pytest.mark.e2e
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_site_ends_cleanly_when_asked(tmp_path: Path, site: Path, number: int) -> None:
    truth = tmp_path / "truth"
    argv = [*program("gatehouse-sim"), site, "--truth", truth, "--profiles", PROFILES]
    with nothing_left(tmp_path):
        async with Family() as family:
            child = await family.start(Child("sim", argv, tmp_path / "log"))
            info = await told(truth, child)
            assert (truth / "run" / "pair").is_symlink()
            assert info["pid"] == child.pid
            child.signal(number)
            assert await child.wait(20) == 0
    assert not (truth / "run" / "pair").is_symlink()
    assert "Traceback" not in (tmp_path / "log").read_text()
    assert ("one", "u16") in set(Truth.load(truth).points())


@pytest.mark.e2e
async def test_a_site_ends_by_itself_and_a_bad_one_does_not_start(tmp_path: Path, site: Path) -> None:
    options = ["--truth", tmp_path / "t", "--profiles", PROFILES, "--seconds", "0.2"]
    said = await run_once("sim", [*program("gatehouse-sim"), "run", site, *options])
    assert "bench is on the wire" in said
    site.write_text(SITE.replace("unit: 1", "unit: 1000"))
    with pytest.raises(ProcessFailed, match=r"bench\.yaml:3"):
        await run_once("check", [*program("gatehouse-sim"), "check", site, "--profiles", PROFILES])


@pytest.mark.e2e
async def test_the_truth_survives_a_crash_of_the_simulator(tmp_path: Path, site: Path) -> None:
    truth = tmp_path / "truth"
    argv = [*program("gatehouse-sim"), site, "--truth", truth, "--profiles", PROFILES]
    async with Family() as family:
        child = await family.start(Child("sim", argv, tmp_path / "log"))
        await told(truth, child)
        await child.kill_hard()
    assert ("two", "bcd32") in set(Truth.load(truth).points())


@pytest.mark.e2e
@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(("after", "times"), STAGES)
async def test_ctrl_c_while_the_demo_starts_leaves_nothing_behind(
    tmp_path: Path, after: str, times: int
) -> None:
    folder = tmp_path / "demo"
    with nothing_left(folder):
        async with Family() as family:
            argv = [*program("gatehouse-sim"), "demo", "--dir", folder]
            child = await family.start(Child("demo", argv, tmp_path / "log"))

            async def look() -> bool | None:
                return (folder / after).exists() or None

            await until(after, look, timeout=90, alive=[child])
            for _ in range(times):  # the impatient press it again and again
                child.signal(signal.SIGINT)
                await asyncio.sleep(0.05)
            while times > 1 and child.running:  # to the very last moment
                child.signal(signal.SIGINT)
                await asyncio.sleep(0.005)
            # The last ones arrive when everything is taken down and the program is on its way out.
            assert await child.wait(60) == 130
    assert "Traceback" not in (tmp_path / "log").read_text()
    assert not (folder / "summary.json").exists()


@pytest.mark.e2e
@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.long(45)
async def test_ctrl_c_while_the_demo_plays_reckons_up(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    with nothing_left(folder):
        async with Family() as family:
            argv = [*program("gatehouse-sim"), "demo", "--dir", folder]
            child = await family.start(Child("demo", argv, tmp_path / "log"))

            async def told(what: str) -> None:
                async def look() -> bool | None:
                    return what in (tmp_path / "log").read_text() or None

                await until(what, look, timeout=150, alive=[child])

            await told("password")
            await release_a_door(tmp_path / "log")
            await read_as_a_stranger(folder / "truth")
            await told("raised")
            child.signal(signal.SIGINT)
            assert await child.wait(140) == 0, child.tail()
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["ok"] is True
    assert summary["devices"] == 30
    assert summary["samples_missing"] == summary["samples_doubled"] == 0
    assert summary["alarms_raised"] >= 1
    purposes = {row.purpose for row in Truth.load(folder / "truth").replies}
    assert purposes == {"poll", "read-back", "stranger"}
    assert summary["period_reads"] == 46
    assert summary["compared"]["pictures_attached"]["counted"] == 2
    assert all(row["counted"] == row["on_the_wire"] for row in summary["compared"].values())


@pytest.mark.e2e
async def test_a_folder_that_is_somebodys_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("dear")
    with pytest.raises(ProcessFailed, match="no demo made it"):
        await run_once("demo", [*program("gatehouse-sim"), "demo", "--dir", tmp_path])
    assert (tmp_path / "letter.txt").read_text() == "dear"


async def test_a_process_that_dies_is_told_with_the_end_of_its_log(tmp_path: Path) -> None:
    async with Family() as family:
        argv = [sys.executable, "-c", "print('the reason'); raise SystemExit(3)"]
        child = await family.start(Child("short", argv, tmp_path / "log"))
        with pytest.raises(ProcessFailed, match=r"(?s)short ended \(3\).*the reason"):
            await until("anything", nothing, timeout=10, alive=[child])


async def test_a_family_takes_down_what_does_not_want_to_end(tmp_path: Path) -> None:
    code = "import signal, time; signal.signal(15, signal.SIG_IGN); print('up', flush=True); time.sleep(600)"
    async with Family() as family:
        child = await family.start(Child("stubborn", [sys.executable, "-c", code], tmp_path / "log"))

        async def up() -> bool | None:
            return "up" in (tmp_path / "log").read_text() or None

        await until("start", up, timeout=10, alive=[child])
        with pytest.raises(ProcessFailed, match="still runs"):
            await child.stop(timeout=0.2)
        assert not child.running
        second = await family.start(
            Child("sleeper", [sys.executable, "-c", "import time; time.sleep(600)"], tmp_path / "l2")
        )
    assert not second.running


async def release_a_door(log: Path) -> None:
    """As a guard would, with what the terminal shows: its read-back is no sample."""
    text = log.read_text()
    found = {key: re.search(rf"{key}\s+(\S+)", text) for key in ("user", "password")}
    url = re.search(r"http://\S+", text)
    assert url is not None
    async with Api(url.group()) as api:
        await api.sign_in(*(match.group(1) for match in found.values() if match is not None))
        order = {"site": "garden-mews", "device": "door-1", "action": "release", "args": {}, "reason": "test"}
        command = (await api.post("commands", {**order, "op_id": "release-1"}))["command"]

        async def done() -> str | None:
            state = (await api.get(f"commands/{command['id']}"))["command"]["state"]
            return None if state in {"pending", "sent"} else str(state)

        assert await until("end of the command", done, timeout=30) == "done-verified"


async def read_as_a_stranger(truth: Path) -> None:
    """Somebody else's master on the same wire: no gateway knows of what it read."""
    line = json.loads((truth / "run.json").read_text())["lines"]["plant-b"]
    host, _, port = line["endpoint"].rpartition(":")
    async with AsyncModbusTcpClient(host, port=int(port), timeout=5) as client:
        assert not (await client.read_discrete_inputs(0, count=8, device_id=1)).isError()


async def nothing() -> None:
    await asyncio.sleep(0)
