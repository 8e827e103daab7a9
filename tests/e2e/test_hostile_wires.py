"""Devices that babble, cut, lie and hang up beside good ones: no value is made of it, and nobody waits for them."""

from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, ClassVar

import pytest
import yaml

from simulators.processes import until
from simulators.reconcile import NOT_READ, stored_rows
from simulators.site import Fault
from simulators.world import RunInfo
from tests.support import hostile
from tests.support.installation import Installation, QuickEstate, installation

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(600)]

DEEDS = (
    hostile.babble,
    hostile.truncate,
    hostile.hang_up,
    hostile.promise,
    hostile.somebody_elses,
    hostile.too_short,
)


class BadNeighbours(QuickEstate):
    """Gateway gw-a also polls what a test put on these ports."""

    ports: ClassVar[dict[str, int]] = {}

    def write_gateway_files(self, info: RunInfo) -> None:
        super().write_gateway_files(info)
        path = self.gateway_files["gw-a"]
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        content["lines"] += [
            {"id": name, "tcp": f"127.0.0.1:{port}", "timeout": "300ms", "devices": [meter(name)]}
            for name, port in self.ports.items()
        ]
        path.write_text(yaml.safe_dump(content, allow_unicode=True, sort_keys=False), encoding="utf-8")


def meter(name: str) -> dict[str, Any]:
    poll = {"billing": "500ms", "routine": "500ms", "slow": "500ms"}
    return {"id": name, "profile": "eastron-sdm630", "unit": 1, "poll": poll}


@pytest.mark.long(22)
async def test_bad_neighbours_on_the_wire(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        BadNeighbours.ports = {
            deed.__name__.replace("_", "-"): await stack.enter_async_context(hostile.misbehaving(deed))
            for deed in DEEDS
        }
        site = await stack.enter_async_context(installation(tmp_path, kind=BadNeighbours))
        await site.served(300)
        pid = site.estate.gateways["gw-a"].pid
        before = hostile.memory_mb(pid)
        # On the good devices' own wires as well: half replies on TCP, noise and half replies on the bus.
        for device, kind in (("m-2", "truncate"), ("m-3", "crc_noise"), ("door-1", "truncate")):
            site.world.devices[device].faults.add(Fault(kind=kind), site.world.now)
        await site.served(2000, timeout=90)
        for device in ("m-2", "m-3", "door-1"):
            site.world.devices[device].faults.clear()
        await until("all bad ones known as bad", lambda: known_as_bad(site), timeout=90)
        for name, port in BadNeighbours.ports.items():
            # A line that is lost is told by its endpoint, a device by its name.
            await hostile.log_says(tmp_path / "logs" / "gw-a.log", name, f"127.0.0.1:{port}")
        assert hostile.memory_mb(pid) < before + 60
        await site.served(500)
        outcome = await site.finish()
        assert (outcome.doubled, outcome.wrong, outcome.missing) == ([], [], [])
        assert all(given == held for lanes in outcome.batches.values() for given, held in lanes.values())
        assert (outcome.quarantined, outcome.gaps) == (0, 0)
        rows = [
            row for row in stored_rows(site.estate.database, "block") if row.device in BadNeighbours.ports
        ]
        assert {row.device for row in rows} == set(BadNeighbours.ports)
        assert all(row.value is None and row.quality in NOT_READ for row in rows)
        log = (tmp_path / "logs" / "gw-a.log").read_text()
        assert "Traceback" not in log
        assert len(log.splitlines()) < 200


async def known_as_bad(site: Installation) -> bool | None:
    devices = (await site.api.get("devices"))["devices"]
    conn = {one["id"]: one["conn"] for one in devices}
    return True if all(conn.get(name) in {"offline", "unreachable"} for name in BadNeighbours.ports) else None
