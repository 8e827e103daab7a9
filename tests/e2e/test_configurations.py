"""Configurations changed while everything runs: by the file on the box, and from afar with the way back."""

import signal
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import psutil
import pytest

from gateway.reconfig.config_store import ConfigStore
from gateway.reconfig.probation import Trial
from messages.broker import Publication, connect
from messages.codec import utc_ms
from messages.configs import ConfigOffer, encode_config
from messages.topics import Address
from simulators.processes import until
from simulators.truth import Truth
from tests.support.broker import Broker
from tests.support.installation import Installation, installation
from tests.support.sims import clock_ms

MINUTE_S = 12.0  # of a trial: long enough for a machine that has other things to do

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(600)]


def edit(site: Installation, gateway: str, old: str, new: str) -> None:
    path = site.estate.gateway_files[gateway]
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def endpoint(site: Installation, line: str) -> str:
    assert site.world.info is not None
    return site.world.info.lines[line].endpoint


def connection(site: Installation, gateway: str, line: str) -> set[int]:
    """The local ports from which a gateway is connected with a line's endpoint."""
    port = int(endpoint(site, line).rpartition(":")[2])
    found = psutil.Process(site.estate.gateways[gateway].pid).net_connections(kind="tcp")
    return {
        one.laddr.port
        for one in found
        if one.raddr and one.raddr.port == port and one.status == "ESTABLISHED"
    }


def longest_gap(site: Installation, device: str, since: int) -> int:
    """For how many ms the device was not asked at most, since then."""
    times = [row.t0 for row in Truth.load(site.folder / "truth").replies if row.device == device]
    return max(later - earlier for earlier, later in pairwise(at for at in times if at >= since))


async def config(site: Installation, gateway: str, wanted: Callable[[Any], bool], timeout: float = 60) -> Any:
    """Wait until what the server shows of a gateway's configuration is as wanted."""

    async def look() -> Any:
        seen = await site.api.get(f"gateways/{gateway}/config")
        return seen if wanted(seen) else None

    what = f"the configuration of {gateway}"
    # Both texts and their difference: each look costs the server more than what is waited for.
    return await until(what, look, timeout=timeout, alive=[site.estate.server], every=0.3)


async def told(site: Installation, gateway: str) -> Any:
    async def look() -> Any:
        try:
            return await site.api.get(f"gateways/{gateway}/config")
        except RuntimeError:
            return None  # it has not said anything yet

    return await until(f"the words of {gateway}", look, timeout=60)


async def trial(site: Installation, gateway: str, wanted: Callable[[Trial], bool]) -> Trial:
    """Wait until what a gateway has written down of a trial is as wanted."""
    store = ConfigStore(site.folder / "state" / gateway / "config.json")

    async def look() -> Trial | None:
        found = store.load().trial
        return found if found is not None and wanted(found) else None

    return await until(f"a trial on the disk of {gateway}", look, timeout=60)


def offer(seen: Any, yaml: str, op_id: str, minutes: int) -> dict[str, Any]:
    base = seen["config"]["active"]
    return {"base": base, "yaml": yaml, "reason": "a test", "op_id": op_id, "health_minutes": minutes}


async def test_a_reload_at_the_box_touches_no_other_line_and_loses_nothing(tmp_path: Path) -> None:
    async with installation(tmp_path) as site:
        await site.served(300)
        before = (await told(site, "gw-a"))["config"]["active"]
        ports, pid = connection(site, "gw-a", "safety"), site.estate.gateways["gw-a"].pid
        since = clock_ms()
        edit(site, "gw-a", "Flat 1", "Flat 1a")
        site.estate.gateways["gw-a"].signal(signal.SIGHUP)
        seen = await config(site, "gw-a", lambda seen: seen["config"]["active"] != before)
        assert "Flat 1a" in seen["yaml"]
        await site.served(300)
        # A file that is wrong changes nothing.
        path, log = site.estate.gateway_files["gw-a"], site.estate.logs / "gw-a.log"
        whole = path.read_text(encoding="utf-8")
        path.write_text(whole + "nonsense: 1\n", encoding="utf-8")
        site.estate.gateways["gw-a"].signal(signal.SIGHUP)

        async def refused() -> bool | None:
            return "the site file has 1 problem: nothing is changed" in log.read_text("utf-8") or None

        await until("the refusal", refused, timeout=30)
        await site.served(300)
        path.write_text(whole, encoding="utf-8")
        assert (await told(site, "gw-a"))["config"]["active"] == seen["config"]["active"]
        assert connection(site, "gw-a", "safety") == ports, "one connection through it all"
        assert len(ports) == 1
        assert site.estate.gateways["gw-a"].pid == pid
        devices = (await site.api.get("devices"))["devices"]
        assert next(one["name"] for one in devices if one["id"] == "m-1") == "Flat 1a"
        # Both are asked every 300 ms; what this machine holds up, it holds up on the other box as well.
        fire, door = (longest_gap(site, device, since) for device in ("fire-1", "door-1"))
        assert fire < door + 600, f"{fire} ms beside a line that changed, {door} ms where nothing did"
        assert "changed: riser; 1 line untouched" in log.read_text("utf-8")
        outcome = await site.finish()
        assert (outcome.doubled, outcome.wrong, outcome.missing) == ([], [], [])


@pytest.mark.long(28)
async def test_from_afar_good_ones_stay_bad_ones_go_back_also_through_a_kill(tmp_path: Path) -> None:
    async with installation(tmp_path, minute_s=MINUTE_S) as site:
        await site.served(300)
        first = await told(site, "gw-b")
        assert first["config"]["state"] == "local"
        renamed = first["yaml"].replace("Main door", "Gate")
        assert renamed != first["yaml"]
        asked = offer(first, renamed, "op-00001", 5)
        good = (await site.api.post("gateways/gw-b/config/offers", asked))["offer"]
        second = await config(site, "gw-b", lambda seen: seen["offers"][0]["state"] == "confirmed")
        assert second["config"]["active"] == second["offers"][0]["active"] != first["config"]["active"]
        # A host where nobody answers: tried, killed in the middle, tried on, and taken back.
        wrong = renamed.replace(endpoint(site, "doors"), "127.0.0.1:9")
        assert wrong != renamed
        asked = offer(second, wrong, "op-00002", 1)
        bad = (await site.api.post("gateways/gw-b/config/offers", asked))["offer"]
        await config(site, "gw-b", lambda seen: seen["offers"][0]["state"] == "applied")
        spent = (await trial(site, "gw-b", lambda trial: trial.spent_s > 0)).spent_s
        await site.kill_gateway("gw-b")
        again = await trial(site, "gw-b", lambda trial: trial.attempts == 1)
        assert MINUTE_S > again.spent_s >= spent, "it goes on with the rest of its time"
        back = await config(
            site, "gw-b", lambda seen: seen["offers"][0]["state"] == "rolled_back", timeout=120
        )
        assert back["offers"][0]["id"] == bad["id"]
        assert "door-1 no longer answers" in back["offers"][0]["why"]
        assert back["config"]["active"] == second["config"]["active"]
        assert (back["offers"][1]["id"], back["offers"][1]["state"]) == (good["id"], "confirmed")

        async def alarmed() -> bool | None:
            alarms = (await site.api.get("alarms", open=1))["alarms"]
            return any(one["code"] == "config_rolled_back" for one in alarms) or None

        await until("the alarm about it", alarmed, timeout=30)
        since = clock_ms()

        async def polled() -> bool | None:
            return site.truth.read.get(("door-1", "forced_open"), 0) > since + 1000 or None

        await until("the door polled again, and again", polled, timeout=30)
        outcome = await site.finish()
        assert (outcome.doubled, outcome.wrong) == ([], [])
        assert outcome.unexplained(site.gateway_kills) == []


@pytest.mark.long(22)
async def test_what_cuts_a_gateway_off_its_server_goes_back(tmp_path: Path) -> None:
    with Broker(tmp_path / "broker") as broker:
        async with installation(tmp_path / "site", broker=broker.url, minute_s=MINUTE_S) as site:
            await site.served(200)
            first = await told(site, "gw-a")
            renamed = first["yaml"].replace("Flat 1", "Flat 1a")
            # The broker takes everything, and no server says `Stored`: as with a rule that drops what is sent.
            await site.estate.server.kill_hard()
            made = ConfigOffer(
                id="cut-off",
                at=utc_ms(datetime.now(UTC)),
                by="a test",
                base=first["config"]["active"],
                site_yaml=renamed,
                health_minutes=1,
            )
            await _publish(
                broker, Publication(Address("block", "gw-a").config, encode_config(made), retain=True)
            )
            log = site.estate.logs / "gw-a.log"

            async def rolled_back() -> bool | None:
                return "configuration cut-off is rolled back" in log.read_text(encoding="utf-8") or None

            await until("a configuration that is taken back", rolled_back, timeout=120)
            await site.estate.restart_server()
            seen = await config(
                site, "gw-a", lambda seen: seen["config"]["state"] == "rolled_back", timeout=90
            )
            assert seen["config"]["offer"] == "cut-off"
            assert "the server was not reached" in seen["config"]["why"]
            assert seen["config"]["active"] == first["config"]["active"]
            outcome = await site.finish()
            assert (outcome.doubled, outcome.wrong, outcome.missing) == ([], [], [])


async def _publish(broker: Broker, publication: Publication) -> None:
    async with connect(broker.address(), client_id="somebody") as session:
        await session.publish(publication)
