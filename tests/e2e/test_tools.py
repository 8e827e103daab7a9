"""Tools through the server, with real processes: found, read, traced and stopped, while the polls go on."""

from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from gateway.control import Request, asking
from simulators.api_client import Api, ApiRefused
from simulators.processes import program, run_once, until
from tests.support.installation import Installation, installation

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(240)]

OPEN = {"pending", "sent", "running", "stopping"}


async def engineer(site: Installation, stack: AsyncExitStack) -> Api:
    """Make an engineer and sign in."""
    word = site.folder / "engineer.word"
    word.write_text("a long pass phrase")
    words = [
        *program("gatehouse-server"),
        "user",
        "add",
        "eng",
        "--role",
        "engineer",
        "--password-file",
        word,
    ]
    await run_once("user add", [*words, "--data-dir", site.estate.data])
    api = await stack.enter_async_context(Api(site.estate.info.http))
    await api.sign_in("eng", word.read_text())
    return api


async def begin(api: Api, gateway: str, tool: str, line: str, op: str, **args: Any) -> str:
    body = {"tool": tool, "line": line, "args": args, "op_id": f"e2e-tool-{op}", "for_s": 120}
    return str((await api.post(f"gateways/{gateway}/tools", body))["job"]["id"])


async def ended(api: Api, gateway: str, job: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The job once it has ended, and every row of it."""

    async def look() -> dict[str, Any] | None:
        found: dict[str, Any] = (await api.get(f"gateways/{gateway}/tools/{job}"))["job"]
        return None if found["state"] in OPEN else found

    last = await until(f"end of {job}", look, timeout=90)
    rows: list[dict[str, Any]] = []
    after: int | None = 0
    while after is not None:
        page = await api.get(f"gateways/{gateway}/tools/{job}", after=after, limit=50)
        rows += page["rows"]
        after = page["next"]
    return last, rows


@pytest.mark.long(20)
async def test_scan_read_trace_and_stop_through_the_server(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        site = await stack.enter_async_context(installation(tmp_path))
        api = await engineer(site, stack)
        await site.served(300)
        lines = {line["id"] for line in (await api.get("gateways/gw-a/lines"))["lines"]}
        assert {"riser", "safety"} <= lines
        scan = await begin(api, "gw-a", "scan", "riser", "scan", units="1-4", timeout_ms=1000)
        with pytest.raises(ApiRefused, match="409 eng has a scan on this line"):
            await begin(api, "gw-a", "trace", "riser", "busy")
        read = await begin(api, "gw-b", "read", "bus", "read", device="m-3")
        trace = await begin(api, "gw-a", "trace", "safety", "trace", for_s=3)
        job, rows = await ended(api, "gw-a", scan)
        assert job["state"] == "done", job
        found = {row["unit"]: row for row in rows}
        assert found.keys() == {1, 2}
        assert found[1]["configured"] == "m-1"
        assert [found[unit]["profiles"][0]["profile"] for unit in (1, 2)] == [
            "eastron-sdm630",
            "abb-b21-b23-b24",
        ]
        job, rows = await ended(api, "gw-b", read)
        assert (job["state"], {row["quality"] for row in rows}) == ("done", {"good"}), (job, rows)
        assert all(row["raw"] and row["orders"] for row in rows)
        job, rows = await ended(api, "gw-a", trace)
        assert job["state"] == "done"
        assert {row["dir"] for row in rows} == {"tx", "rx"}
        assert [row["n"] for row in rows] == list(range(1, len(rows) + 1))
        long = await begin(
            api, "gw-a", "scan", "riser", "long", units="10-200", timeout_ms=500, identify=False
        )
        stopped = await api._http.delete(f"/api/v1/gateways/gw-a/tools/{long}")
        assert stopped.status_code == 200
        job, _rows = await ended(api, "gw-a", long)
        assert (job["state"], job["why"]) == ("stopped", "stopped by eng")
        # A tool reads what polls read too: its exchanges are no samples, and none of theirs is missing.
        outcome = await site.finish()
        assert (outcome.doubled, outcome.wrong) == ([], [])


@pytest.mark.long(25)
async def test_a_gateway_that_dies_with_a_job_ends_it_when_it_is_back(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        site = await stack.enter_async_context(installation(tmp_path))
        api = await engineer(site, stack)
        await site.served(100)
        job = await begin(api, "gw-b", "watch", "bus", "watch", for_s=100)

        async def begun() -> bool | None:
            return (await api.get(f"gateways/gw-b/tools/{job}"))["job"]["state"] == "running" or None

        await until("first rows", begun, timeout=30)
        # The server's own restart costs no job.
        await site.kill_server()
        await site.kill_gateway("gw-b")
        await site.estate.gateways_up(site.api)
        last, _ = await ended(api, "gw-b", job)
        assert last["state"] == "failed"
        assert "knows no such job" in last["why"]


@pytest.mark.long(25)
async def test_a_pulled_cable_is_proven_to_lose_nothing(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        site = await stack.enter_async_context(installation(tmp_path))
        api = await engineer(site, stack)
        await site.served(300)
        args = {"engineer": "eng", "devices": ["m-1"], "reads": 10, "cable": "pull", "cut_s": 6}
        job = await begin(api, "gw-a", "certify", "riser", "certify", **args)

        async def asked() -> bool | None:
            progress = (await api.get(f"gateways/gw-a/tools/{job}"))["job"]["progress"] or {}
            return "Pull" in progress.get("text", "") or None

        await until("to be asked to pull", asked, timeout=60)
        relay = site.world.relays["gw-a"]
        relay.cut()
        before = site.truth.served
        await site.served(500)
        assert site.truth.served > before

        async def enough() -> bool | None:
            async with asking(site.estate.folder / "state" / "gw-a", Request(op="status")) as asked:
                (status,) = [answer async for answer in asked.answers()]
            return any("Plug it in" in one["doing"] for one in status.body["tools"]) or None

        # The engineer stands at the cabinet and asks the box itself: no word comes over a cut cable.
        await until("to be asked to plug it in again", enough, timeout=60)
        relay.mend()
        last, rows = await ended(api, "gw-a", job)
        assert last["state"] == "done", last
        assert last["result"]["pass"], (last["result"], rows)
        assert "lost 0" in last["result"]["cable"]["found"]
        lanes = (await api.get("gateways/gw-a/delivery"))["lanes"]
        assert all(lane["missing"] == [] and lane["gaps"] == [] for lane in lanes)
        page = await api._http.get(f"/api/v1/gateways/gw-a/tools/{job}/certificate")
        assert page.status_code == 200
        assert "lost 0" in page.text
