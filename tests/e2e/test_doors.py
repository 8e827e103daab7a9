"""A door is released from the desk, once, in time or not at all; fire equipment takes no order from anybody."""

import signal
from contextlib import AsyncExitStack
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from simulators.api_client import Api, ApiRefused
from simulators.processes import program, run_once, until
from simulators.truth import Truth
from tests.support.installation import Installation, installation
from tests.support.sims import clock_ms

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(600)]

WRITE_SINGLE_COIL = 5
OVER = 60.0  # an order lives for 15 s, and its answer may take 10 s


async def person(site: Installation, stack: AsyncExitStack, role: str) -> Api:
    """Make a user with this role and sign in."""
    word = site.folder / f"{role}.word"
    word.write_text("a long pass phrase")
    words = [*program("gatehouse-server"), "user", "add", role, "--role", role, "--password-file", word]
    await run_once("user add", [*words, "--data-dir", site.estate.data])
    api = await stack.enter_async_context(Api(site.estate.info.http))
    await api.sign_in(role, word.read_text())
    return api


def order(op_id: str, **other: Any) -> dict[str, Any]:
    usual = {"site": "block", "device": "door-1", "action": "release", "args": {}, "reason": "a visitor"}
    return {**usual, "op_id": op_id, **other}


async def ended(api: Api, command: dict[str, Any]) -> dict[str, Any]:
    """The command once nobody waits for it any more."""

    async def look() -> dict[str, Any] | None:
        now: dict[str, Any] = (await api.get(f"commands/{command['id']}"))["command"]
        return None if now["state"] in {"pending", "sent"} else now

    return await until("end of the command", look, timeout=OVER)


def releases(folder: Path) -> int:
    """How often a release was on the door's wire, whoever sent it."""
    replies = Truth.load(folder / "truth").replies
    return sum(row.device == "door-1" and row.function == WRITE_SINGLE_COIL for row in replies)


async def test_a_guard_releases_a_door_once_and_nobody_commands_a_fire_panel(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        site = await stack.enter_async_context(installation(tmp_path))
        guard = await person(site, stack, "guard")
        viewer = await person(site, stack, "viewer")
        await site.served(300)
        first = (await guard.post("commands", order("press-one-1")))["command"]
        again = (await guard.post("commands", order("press-one-1")))["command"]
        assert again["id"] == first["id"]
        done = await ended(guard, first)
        assert (done["state"], done["read_back"], done["requested_by"]) == (
            "done-verified",
            {"unlocked": True},
            "guard",
        )
        assert releases(tmp_path) == 1
        with pytest.raises(ApiRefused, match="403"):
            await viewer.post("commands", order("press-two-2"))
        for role in (guard, site.api):
            with pytest.raises(ApiRefused, match=r"409 fire equipment is observed only"):
                await role.post("commands", order("press-two-2", device="fire-1", action="reset"))
        with pytest.raises(ApiRefused, match=r"40[34]"):
            await guard.post("commands", order("press-six-6", action="unlock_for_ever"))
        with pytest.raises(ApiRefused, match="404"):
            await guard.post("commands", order("press-six-6", device="door-9"))
        # The lock stays shut: the order went out, and what was read back says so.
        site.world.devices["door-1"].hold({"unlocked": False})
        lost = await ended(guard, (await guard.post("commands", order("press-ten-10")))["command"])
        assert lost["detail"]
        assert (lost["state"], lost["read_back"]) == ("failed", {"unlocked": False})
        assert releases(tmp_path) == 2
        outcome = await site.finish()
        assert (outcome.doubled, outcome.wrong, outcome.missing) == ([], [], [])


@pytest.mark.long(52)
async def test_an_order_that_comes_too_late_opens_nothing(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        site = await stack.enter_async_context(installation(tmp_path))
        guard = await person(site, stack, "guard")
        await site.served(300)
        # The gateway hangs: the order waits in its socket until its time is over.
        site.estate.gateways["gw-b"].signal(signal.SIGSTOP)
        site.gateway_kills.append(clock_ms())
        late = (await guard.post("commands", order("press-one-1")))["command"]
        assert late["state"] == "sent"

        async def over() -> bool | None:
            return True if clock_ms() > ms(late["until"]) + 500 else None

        await until("end of its time", over, timeout=OVER)
        site.estate.gateways["gw-b"].signal(signal.SIGCONT)
        expired = await ended(guard, late)
        assert (expired["state"], releases(tmp_path)) == ("expired", 0)
        assert "expired" in expired["detail"]
        # The network is cut: the desk is told at once that nothing can be ordered there.
        site.world.relays["gw-b"].cut()
        await until("gw-b offline", lambda: offline(site), timeout=OVER)
        with pytest.raises(ApiRefused, match="409 its gateway is offline"):
            await guard.post("commands", order("press-two-2"))
        site.world.relays["gw-b"].mend()
        await site.estate.gateways_up(site.api)
        # The gateway dies with the order unread: nobody can say, and the desk says so; it opens nothing afterwards.
        site.estate.gateways["gw-b"].signal(signal.SIGSTOP)
        unread = (await guard.post("commands", order("press-six-6")))["command"]
        await site.kill_gateway("gw-b")
        unknown = await ended(guard, unread)
        assert (unknown["state"], releases(tmp_path)) in {("expired-unknown", 0), ("expired", 0)}
        await site.estate.gateways_up(site.api)
        fresh = await ended(guard, (await guard.post("commands", order("press-ten-10")))["command"])
        assert (fresh["state"], releases(tmp_path)) == ("done-verified", 1)
        outcome = await site.finish()
        assert (outcome.doubled, outcome.wrong) == ([], [])
        assert outcome.unexplained(site.gateway_kills) == []


async def offline(site: Installation) -> bool | None:
    gateways = (await site.api.get("gateways"))["gateways"]
    return True if any(one["id"] == "gw-b" and not one["online"] for one in gateways) else None


def ms(instant: str) -> float:
    return datetime.fromisoformat(instant).timestamp() * 1000
