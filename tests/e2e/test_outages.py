"""Broker gone for 30 s, server gone for 30 s, the network cut, all late, never lost, never twice."""

import asyncio
from datetime import datetime
from pathlib import Path

import pytest

from simulators.processes import until
from simulators.vocabulary import Fault, Step
from tests.support.broker import Broker
from tests.support.installation import Installation, installation

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(600)]

OUTAGE_S = 30.0


async def whole(site: Installation) -> None:
    outcome = await site.finish()
    assert (outcome.doubled, outcome.wrong, outcome.missing) == ([], [], [])
    assert all(given == held for lanes in outcome.batches.values() for given, held in lanes.values())
    assert (outcome.quarantined, outcome.gaps) == (0, 0)


async def silence(site: Installation, device: str) -> bool | None:
    """Tell whether the desk has one alarm of the silence of a device, from when it began until it ended."""
    found = (await site.api.get("alarms", open=1))["alarms"]
    told = [alarm for alarm in found if (alarm["device"], alarm["code"]) == (device, "device_silent")]
    if not told or told[0]["cleared_at"] is None:
        return None  # not yet, or only its beginning: the desk stores the two one after the other
    (alarm,) = told
    assert (alarm["state"], alarm["count"]) == ("cleared", 1)
    began, ended = (datetime.fromisoformat(alarm[name]) for name in ("occurred_at", "cleared_at"))
    assert 3 <= (ended - began).total_seconds() <= OUTAGE_S, "by the gateway's own times"
    assert ended < datetime.fromisoformat(alarm["raised_at"]), "the desk learned of it afterwards"
    return True


@pytest.mark.long(50)
async def test_the_broker_is_gone_for_30_s(tmp_path: Path) -> None:
    with Broker(tmp_path / "broker") as broker:
        async with installation(tmp_path / "site", broker=broker.url) as site:
            await site.served(500)
            broker.kill()
            await asyncio.sleep(OUTAGE_S)  # the outage itself
            broker.start()
            await site.served(500)
            await whole(site)


@pytest.mark.long(58)
async def test_the_server_is_gone_for_30_s_and_then_a_network_is_cut(tmp_path: Path) -> None:
    async with installation(tmp_path) as site:
        await site.served(500)
        await site.estate.server.kill_hard()
        assert not site.world.play([Step(at="0s", device="fire-1", fault=Fault(kind="silent"))])
        await asyncio.sleep(OUTAGE_S / 3)  # the outage itself
        assert not site.world.play([Step(at="0s", device="fire-1", mend=True)])
        site.world.devices["fire-1"].hold({"zone_3_fire": True})
        await asyncio.sleep(OUTAGE_S * 2 / 3)
        await site.estate.restart_server()

        async def fire() -> bool | None:
            found = (await site.api.get("alarms", open=1))["alarms"]
            burning = [(a["device"], a["code"]) for a in found if a["condition"] == "active"]
            return True if ("fire-1", "zone_3_fire") in burning else None

        # It began while nobody was there to learn of it.
        await until("the fire at the desk", fire, timeout=90)
        await until("a silence that came and went meanwhile", lambda: silence(site, "fire-1"), timeout=30)
        await site.served(500)
        site.world.relays["gw-b"].cut()

        async def offline() -> bool | None:
            gateways = (await site.api.get("gateways"))["gateways"]
            return True if any(g["id"] == "gw-b" and not g["online"] for g in gateways) else None

        await until("gw-b known as offline", offline, timeout=90)
        alarms = (await site.api.get("alarms", open=1))["alarms"]
        assert any(a["gateway"] == "gw-b" and a["class"] == "comms" for a in alarms)
        site.world.relays["gw-b"].mend()
        await site.estate.gateways_up(site.api)
        await site.served(500)
        await whole(site)
