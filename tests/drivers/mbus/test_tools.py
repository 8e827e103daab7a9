"""The engineer's tools on a line of M-Bus meters: found by both kinds of addresses, and read."""

from pathlib import Path
from random import Random

import pytest

from gateway.site.config import load_site
from simulators.field_wire import FieldPty, FieldTcp
from simulators.mbus import MbusBus, Slave
from simulators.mbus_frames import Identity, Value
from tests.support.tools import Shop

SITE = """\
site: bench
gateway: gw
broker: {{url: "mqtt://127.0.0.1:1"}}
state_dir: state
lines:
  - id: heat
    {wire}
    timeout: 5s
    late_guard: 400ms
    devices:
      - {{id: h-1, profile: mbus-kamstrup-multical-601, unit: 1}}
      - {{id: w-1, profile: mbus-itron-bm-plus-m, address: "99999999"}}
"""
HEAT = Slave(Identity("00000000", "KAM", 8, 4), lambda: [Value(b"\x06", 4711)], 1)
WATER = Slave(Identity("99999999", "ACW", 14, 22), lambda: [Value(b"\x13", 815)], 2)


@pytest.mark.parametrize("kind", ["tcp", "pty"])
async def test_meters_are_read(tmp_path: Path, kind: str):
    bus = MbusBus([HEAT, WATER], Random(1))
    wires = FieldTcp(bus) if kind == "tcp" else FieldPty(bus, tmp_path / "tty")
    async with wires:
        wire = f"tcp: 127.0.0.1:{wires.port}" if isinstance(wires, FieldTcp) else f"serial: {wires.path}"
        (tmp_path / "site.yaml").write_text(SITE.format(wire=wire))
        shop = Shop(None, load_site(tmp_path / "site.yaml"))  # type: ignore[arg-type]
        for device, point, value in (("h-1", "heat_energy", "4711"), ("w-1", "volume", "0.815")):
            read = await shop.run("read", "heat", device=device)
            assert read.by("point")[point]["value"] == value


@pytest.mark.slow
async def test_meters_are_found_by_both_kinds_of_addresses(tmp_path: Path):
    bus = MbusBus([HEAT, WATER], Random(1))
    async with FieldTcp(bus) as wires:
        (tmp_path / "site.yaml").write_text(SITE.format(wire=f"tcp: 127.0.0.1:{wires.port}"))
        shop = Shop(None, load_site(tmp_path / "site.yaml"))  # type: ignore[arg-type]
        found = await shop.run("scan", "heat", units="1,253", timeout_ms=300, identify=False)
    assert [(row["unit"], row["configured"]) for row in found.rows] == [(1, "h-1"), (253, None), (253, "w-1")]
    addresses = [row["identity"].get("secondary_address") for row in found.rows]
    assert addresses == [None, "00000000-KAM-08-04", "99999999-ACW-0E-16"]
    assert found.result["found"] == 3
