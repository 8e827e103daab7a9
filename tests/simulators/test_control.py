"""The endpoint through which tests and the bench change a running site: what it takes, and what it refuses."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from simulators.truth import RUN, TruthWriter
from simulators.world import World, running
from tests.support.sims import clock_ms, library, site_of

SITE = """\
site: s
lines:
  - {id: net, tcp: '127.0.0.1:0', devices: [{id: a, profile: bench-all-types, unit: 1}]}
links:
  - {id: gw, to: '127.0.0.1:1'}
"""


@pytest_asyncio.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    profiles = library()
    site = site_of(SITE, tmp_path, profiles)
    with TruthWriter(tmp_path, clock_ms) as truth:
        made = World(site, profiles, tmp_path, truth, clock_ms=clock_ms, control="127.0.0.1:0")
        async with running(made) as world:
            yield world


async def ask(world: World, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
    assert world.info is not None
    async with httpx.AsyncClient(base_url=f"http://{world.info.control}", trust_env=False) as client:
        return await client.request(method, path, json=body, headers=headers)


async def test_steps_happen_now_and_counts_are_told(world: World, tmp_path: Path) -> None:
    assert json.loads((tmp_path / RUN).read_bytes())["control"] == world.info.control
    steps = [
        {"device": "a", "fault": {"kind": "slow", "delay": "5ms"}, "for": "10s", "note": "by hand"},
        {"device": "a", "set": {"u16": 1.5}},
        {"link": "gw", "cut": "20ms"},
    ]
    answer = await ask(world, "POST", "/steps", steps)
    assert (answer.status_code, answer.json()) == (200, {"done": True})
    assert world.devices["a"].faults.active("slow", world.now) is not None
    assert str(world.devices["a"].values["u16"]) == "1.5"
    assert (await ask(world, "POST", "/steps", [{"device": "a", "mend": True}])).status_code == 200
    assert not world.devices["a"].faults

    world.counters.lines["net"].requests = 7
    told = (await ask(world, "GET", "/counters")).json()
    assert told["lines"]["net"]["requests"] == 7
    assert told["devices"]["a"]["scans"] == 0
    assert (await ask(world, "POST", "/counters/reset")).status_code == 200
    assert world.counters.lines["net"].requests == 0


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ([{"device": "z", "mend": True}], "no device `z`"),
        ([{"device": "a", "fault": {"kind": "late"}}], "needs `delay`"),
        ([{"device": "a", "fault": {"kind": "crc_noise"}}], "no checksum"),
        ([{"device": "a", "mend": True}, {"link": "x", "cut": "1s"}], "no link `x`"),
        ([{"device": "a", "mended": True}], "mended"),
        ({"device": "a"}, "a list"),
        (["a"], "unsupported operand"),
        ([[]] * 2000, "a list"),
    ],
)
async def test_steps_that_do_not_fit_are_refused_as_a_whole(world: World, body: Any, said: str) -> None:
    world.play([])
    answer = await ask(world, "POST", "/steps", body)
    assert answer.status_code == 400
    assert said in answer.json()["error"]
    assert not world.devices["a"].faults


async def test_what_a_page_in_a_browser_could_send_is_refused(world: World) -> None:
    assert (await ask(world, "GET", "/counters", Host="evil.example:80")).status_code == 403
    assert (await ask(world, "POST", "/counters/reset", Origin="http://127.0.0.1:1")).status_code == 403
    async with httpx.AsyncClient(base_url=f"http://{world.info.control}", trust_env=False) as client:
        answer = await client.post("/steps", content=b"[]", headers={"Content-Type": "text/plain"})
    assert answer.status_code == 400
    assert (await ask(world, "GET", "/")).status_code == 404


@pytest.mark.parametrize(
    "noise",
    [b"\r\n\r\n", b"\xff\xfe\r\n\r\n", b"A" * 20000, b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n"],
)
async def test_hostile_bytes_end_with_an_answer_or_a_closed_connection(world: World, noise: bytes) -> None:
    host, _, port = world.info.control.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(noise)
    async with asyncio.timeout(5):
        with contextlib.suppress(ConnectionResetError):
            assert (await reader.read()).split(b" ")[1][:1] == b"4"
    writer.close()
    assert (await ask(world, "GET", "/counters")).status_code == 200
