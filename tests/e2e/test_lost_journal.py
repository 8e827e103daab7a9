"""A box whose disk was exchanged: what stood when its journal was lost stands while it is read, and no longer."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from simulators.processes import until
from tests.support.installation import Installation, installation

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(600)]

BURNS, OVER = {"zone_3_fire": True}, {"zone_3_fire": False}


async def fires(site: Installation) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await site.api.get("alarms", open=1))["alarms"]
    return [alarm for alarm in found if alarm["device"] == "fire-1" and alarm["code"] == "zone_3_fire"]


async def becomes(site: Installation, condition: str) -> dict[str, Any]:
    async def look() -> dict[str, Any] | None:
        found = await fires(site)
        return found[0] if found and found[0]["condition"] == condition else None

    return await until(f"a fire that is {condition}", look, timeout=90)


async def epochs(site: Installation, gateway: str) -> set[str]:
    receipt = await site.api.get(f"gateways/{gateway}/delivery")
    return {lane["epoch"] for lane in receipt["lanes"]}


async def lose_the_journal(site: Installation, gateway: str, *, meanwhile: Mapping[str, bool]) -> None:
    """kill -9, an empty disk, and a start."""
    known = await epochs(site, gateway)
    await site.estate.gateways[gateway].kill_hard()
    files = list((site.estate.gateway_files[gateway].parent / "state" / gateway).glob("journal.sqlite*"))
    assert files
    for file in files:
        file.unlink()
    site.world.devices["fire-1"].hold(meanwhile)
    await site.estate.start_gateway(gateway)

    async def look() -> bool | None:
        return True if await epochs(site, gateway) - known else None

    await until("a new journal", look, timeout=90)


@pytest.mark.long(25)
async def test_an_alarm_outlives_its_journal_and_ends_with_its_cause(tmp_path: Path) -> None:
    async with installation(tmp_path) as site:
        site.world.devices["fire-1"].hold(BURNS)
        first = await becomes(site, "active")
        await lose_the_journal(site, first["gateway"], meanwhile=BURNS)

        async def again() -> bool | None:
            return True if (await fires(site))[0]["count"] > first["count"] else None

        # Raised once more out of the new journal: the same alarm, counted on, and never over in between.
        await until("the fire read again", again, timeout=90)
        journal = (await site.api.get(f"alarms/{first['id']}"))["journal"]
        assert {entry["action"] for entry in journal} == {"raised"}

        await lose_the_journal(site, first["gateway"], meanwhile=OVER)
        over = await becomes(site, "normal")
        assert (over["id"], over["state"]) == (first["id"], "cleared"), "nobody has seen it yet"
        journal = (await site.api.get(f"alarms/{first['id']}"))["journal"]
        assert [entry["action"] for entry in journal][-1] == "cleared"
        assert "journal" in journal[-1]["note"]
