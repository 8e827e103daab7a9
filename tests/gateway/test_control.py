"""The control socket of a running gateway: for its owner, bounded, and no way to stop the polling."""

import asyncio
import contextlib
import os
import socket
import stat
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

import msgspec
import pytest

from gateway.app import build
from gateway.control import MOST_REQUEST, SOCKET, Answer, Control, ControlDown, Request, asking, gateway_there
from gateway.tools.jobs import Jobs
from simulators.world import World
from tests.support.sims import simulated
from tests.support.tools import SIM, site_for
from tests.support.waiting import until


@pytest.fixture(autouse=True)
def _no_server_to_wait_for(monkeypatch):
    monkeypatch.setattr("gateway.app.FLUSH_S", 0.05)


@asynccontextmanager
async def running(world: World, folder: Path):
    """A gateway at work without a broker."""
    stop = asyncio.Event()
    async with build(site_for(world, folder)) as gateway:
        task = asyncio.create_task(gateway.run(stop))
        try:
            await until(lambda: (folder / "state" / SOCKET).exists() and gateway.tools.jobs._group)
            yield gateway
        finally:
            stop.set()
            await task


async def said(folder: Path, **request) -> list[Answer]:
    async with asyncio.timeout(30), asking(folder / "state", Request(**request)) as asked:
        return [answer async for answer in asked.answers()]


async def test_status_reload_and_tools_beside_the_polling(tmp_path):
    async with simulated(SIM, tmp_path) as world, running(world, tmp_path) as gateway:
        (status,) = await said(tmp_path, op="status")
        assert status.kind == "done"
        assert status.body["config"] == gateway.site.hash
        assert [line["line"] for line in status.body["lines"]] == ["net", "bus"]
        (reloaded,) = await said(tmp_path, op="reload")
        assert "2 lines untouched" in reloaded.body["what"]
        text = (tmp_path / "gateway.yaml").read_text()
        (tmp_path / "gateway.yaml").write_text(text.replace("gateway: gw", "gateway: other"))
        (refused,) = await said(tmp_path, op="reload")
        assert (refused.kind, "nothing is changed" in refused.body["why"]) == ("failed", True)
        before = gateway.pollers[0].wire.stats.requests
        *words, last = await said(tmp_path, op="tool", tool="read", line="net", args={"device": "m-1"})
        assert last.kind == "done"
        assert last.body["result"]["bad"] == 0
        rows = [row for word in words if word.kind == "row" for row in word.body["rows"]]
        assert {row["quality"] for row in rows} == {"good"}
        assert gateway.pollers[0].wire.stats.requests > before
        (tmp_path / "gateway.yaml").write_text(text)
    assert not (tmp_path / "state" / SOCKET).exists()


async def test_the_socket_is_for_its_owner_and_a_stale_one_is_no_error(tmp_path):
    (tmp_path / "state").mkdir()
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / "state" / SOCKET))
    assert not gateway_there(tmp_path / "state")
    with pytest.raises(ControlDown, match="no gateway runs"):
        await said(tmp_path, op="status")
    async with simulated(SIM, tmp_path) as world, running(world, tmp_path):
        there = (tmp_path / "state" / SOCKET).stat()
        assert stat.S_IMODE(there.st_mode) == 0o600
        assert there.st_uid == os.getuid()
        assert gateway_there(tmp_path / "state")
        assert (await said(tmp_path, op="status"))[0].kind == "done"


async def test_a_folder_with_a_very_long_name(tmp_path):
    deep = tmp_path / ("x" * 120) / ("y" * 120)
    deep.mkdir(parents=True)
    async with simulated(SIM, tmp_path) as world, running(world, deep):
        assert (await said(deep, op="status"))[0].kind == "done"


NOISE = [
    b"",
    b"\0\0",
    b"\xff\xff\xff\xff" + b"x" * 100,
    (MOST_REQUEST + 1).to_bytes(4, "big"),
    b"\0\0\0\x02{}",
    b"\0\0\0\x05hello",
    b'\0\0\0\x10{"op":["status"]}',
    b"\0\0\0\x0f" + b'{"op":"status",',
    b"\0\x00\x20\x00" + b"[" * 0x2000,
]


async def test_an_answer_that_is_too_long_is_an_error_in_words_and_ends_nothing(tmp_path):
    async def much():
        return {"silent": ["a-device-of-a-riser"] * 5000}

    async def little():
        return {"pid": 1}

    (tmp_path / "state").mkdir()
    control = Control(tmp_path / "state", cast("Jobs", None), {"status": much, "reload": little})
    async with asyncio.TaskGroup() as group:
        serving = group.create_task(control.run())
        await until(lambda: gateway_there(tmp_path / "state"))
        (answer,) = await said(tmp_path, op="status")
        assert (answer.kind, "more to say than fits" in answer.body["why"]) == ("failed", True)
        (answer,) = await said(tmp_path, op="reload")
        assert answer.body == {"pid": 1}
        serving.cancel()


async def test_noise_hurts_nobody(tmp_path):
    async with simulated(SIM, tmp_path) as world, running(world, tmp_path):
        for noise in NOISE:
            reader, writer = await asyncio.open_unix_connection(str(tmp_path / "state" / SOCKET))
            writer.write(noise)
            writer.write_eof()
            async with asyncio.timeout(8):
                await reader.read()
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
            assert (await said(tmp_path, op="status"))[0].kind == "done", noise


REFUSED = [
    ({"op": "stop"}, "it can status, reload, tool"),
    ({"op": "tool", "tool": "format", "line": "net"}, "none of"),
    ({"op": "tool", "tool": "scan", "line": "attic"}, "this gateway has net, bus"),
    ({"op": "tool", "tool": "scan"}, "this gateway has net, bus"),
    (
        {"op": "tool", "tool": "ask", "line": "net", "args": {"unit": 1, "pdu": "0600010001"}},
        "may change",
    ),
    ({"op": "tool", "tool": "read", "line": "net", "args": {"device": "m-3"}}, "it has m-1, m-2"),
    ({"op": "tool", "tool": "scan", "line": "net", "args": {"bauds": [9600]}}, "serial server"),
]


async def test_what_cannot_be_is_refused_in_words(tmp_path):
    async with simulated(SIM, tmp_path) as world, running(world, tmp_path):
        for request, why in REFUSED:
            last = (await said(tmp_path, **request))[-1]
            assert last.kind == "failed", request
            assert why in last.body["why"]


async def test_one_tool_at_a_time_on_a_line_and_a_peer_that_leaves_stops_its_own(tmp_path):
    async with simulated(SIM, tmp_path) as world, running(world, tmp_path) as gateway:
        slow = Request(op="tool", tool="watch", line="net", args={"for_s": 600, "every_ms": 200})
        async with asking(tmp_path / "state", slow) as asked:
            answers = asked.answers()
            async with asyncio.timeout(10):
                while (await anext(answers)).kind != "row":
                    pass
            (status,) = await said(tmp_path, op="status")
            (job,) = gateway.tools.jobs.at_work
            assert status.body["tools"] == [
                {"id": job.id, "tool": "watch", "line": "net", "doing": job.voice.doing}
            ]
            (busy,) = await said(tmp_path, op="tool", tool="scan", line="net")
            assert "a watch is at work on line net" in busy.body["why"]
            await answers.aclose()
        await until(lambda: not gateway.tools.jobs.at_work)
        assert (await said(tmp_path, op="tool", tool="profiles"))[-1].kind == "done"


async def test_a_job_ends_with_its_time_and_with_the_gateway(tmp_path):
    async with simulated(SIM, tmp_path) as world:
        async with running(world, tmp_path) as gateway:
            long = {"op": "tool", "tool": "watch", "line": "net", "args": {"for_s": 600}}
            last = (await said(tmp_path, **long, seconds=1))[-1]
            assert (last.kind, "its time is over" in last.body["why"]) == ("failed", True)
            waiting = asyncio.create_task(said(tmp_path, **long))
            await until(lambda: gateway.tools.jobs.at_work)
        last = (await waiting)[-1]
        assert (last.kind, last.body["why"]) == ("stopped", "the gateway stops")


async def test_other_serial_settings_are_tried_between_the_polls(tmp_path):
    async with simulated(SIM, tmp_path) as world, running(world, tmp_path) as gateway:
        args = {
            "units": "3-4",
            "bauds": [4800, 19200],
            "parities": ["N", "E"],
            "timeout_ms": 400,
            "identify": False,
        }
        *words, last = await said(tmp_path, op="tool", tool="scan", line="bus", args=args)
        assert (last.kind, last.body["result"]["settings"]) == ("done", 4), last.body
        # A pseudo-terminal has no parity: that is said, and the rest is tried.
        assert [why[:10] for why in last.body["result"]["refused"]] == ["4800 8E1: ", "19200 8E1:"]
        rows = [row for word in words if word.kind == "row" for row in word.body["rows"]]
        assert [(row["unit"], row["baud"], row["parity"]) for row in rows] == [(3, 19200, "N")]
        bus = gateway.pollers[1]
        before = bus.wire.stats.replies
        await until(lambda: bus.wire.stats.replies >= before + 3)
        assert bus.silent == ()


async def test_one_who_asks_and_does_not_listen_stops_the_job_and_frees_the_line(tmp_path, monkeypatch):
    monkeypatch.setattr("gateway.control.TAKEN_WITHIN_S", 0.5)
    monkeypatch.setattr("gateway.control.MOST_WAITING", 4)
    monkeypatch.setattr("gateway.tools.voice.BUNDLE_S", 0.001)
    async with simulated(SIM, tmp_path) as world, running(world, tmp_path) as gateway:
        place = str(tmp_path / "state" / SOCKET)
        deaf = socket.socket(socket.AF_UNIX)
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2304)
        deaf.connect(place)
        asked = Request(op="tool", tool="watch", line="net", args={"for_s": 600, "every_ms": 200})
        payload = msgspec.json.encode(asked)
        deaf.sendall(len(payload).to_bytes(4, "big") + payload)
        try:
            await until(lambda: gateway.tools.jobs.at_work)
            await until(lambda: not gateway.tools.jobs.at_work, within=60)
        finally:
            deaf.close()
        assert (await said(tmp_path, op="tool", tool="profiles"))[-1].kind == "done"
