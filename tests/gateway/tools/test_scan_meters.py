"""Scans of lines whose meters have addresses of their own: asked in their protocol, read by what they name."""

import asyncio
import json
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import pytest

from simulators import cjt188, dlt645
from simulators.dlt645_life import household
from simulators.field_wire import Talker
from simulators.mbus import MbusBus
from simulators.mbus_life import aged
from tests.support.threads import beside
from tests.support.tools import call

WATER = "00201707010069"
SILENT = """\
site: s
gateway: g
broker: {{url: "mqtt://127.0.0.1:1"}}
lines:
  - {{id: riser, tcp: "127.0.0.1:{port}", devices: [{{id: e-1, profile: {profile}, address: "{address}"}}]}}
"""


@contextmanager
def riser(folder: Path, talker: Callable[[], Talker]) -> Iterator[str]:
    """Meters behind a serial server; yields a site file that knows their line and none of them."""

    async def live(ready: Callable[[], None], done: asyncio.Event) -> None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            bus = talker()
            while data := await reader.read(256):
                writer.writelines(bus.feed(data))
            writer.close()

        async with await asyncio.start_server(serve, sock=sock):
            ready()
            await done.wait()

    site = folder / "gateway.yaml"
    with socket.create_server(("127.0.0.1", 0)) as sock, beside(live):
        text = SILENT.format(port=sock.getsockname()[1], profile="x", address="1")
        site.write_text(text.partition(", devices")[0] + "}\n")
        yield str(site)


def scanned(site: str, protocol: str, units: str) -> dict[str, Any]:
    """Scan in a protocol; return the only row."""
    words = ("--protocol", protocol, "--units", units, "--timeout-ms", "200", "--json")
    (row,) = json.loads(call("scan", site, *words).stdout)["rows"]
    return row


def test_a_line_without_devices_is_scanned_in_the_protocol_that_is_asked_for(tmp_path):
    meter = household("202311000042", 2007, lambda: datetime.now(UTC), Random(1)).meter
    with riser(tmp_path, lambda: dlt645.SimBus([meter])) as site:
        row = scanned(site, "dlt645", "40-45")
        profile = row["profiles"][0]["profile"]
        read = call("read", site, "202311000042", "--profile", profile, "active_energy_import")
    assert read.exit_code == 0, read.stderr
    assert format(meter.energies[1][0], "f") in read.stdout
    assert (row["unit"], row["answer"], row["address"]) == (43, "answers", "202311000042")
    assert row["identity"] == {"address": "202311000042"}
    assert profile.startswith("dlt645-")


def test_a_water_meter_is_known_for_one_though_it_does_not_answer_as_a_heat_meter(tmp_path):
    meter = cjt188.SimMeter(WATER, lambda: datetime(2026, 1, 1, 12), total=Decimal("77.12"))
    with riser(tmp_path, lambda: cjt188.SimBus([meter])) as site:
        row = scanned(site, "cjt188", "16")
    assert row["address"] == WATER
    assert "cjt188-water-meter" in [one["profile"] for one in row["profiles"]]
    assert not any("heat" in one["profile"] for one in row["profiles"])


def test_a_meter_of_mbus_is_read_by_the_secondary_address_that_the_scan_names(tmp_path):
    meter = aged("heat", "12345678", lambda: datetime(2026, 1, 1, 12), Random(1), 0)
    with riser(tmp_path, lambda: MbusBus([meter.slave()], Random(1))) as site:
        row = scanned(site, "mbus", "253")
        read = call("read", site, row["address"], "--profile", "mbus-kamstrup-multical-601", "heat_energy")
    assert row["address"].startswith("12345678-")
    assert row["profiles"][0]["profile"].startswith("mbus-")
    assert read.exit_code == 0, read.stderr


def test_a_scan_of_a_mixed_line_says_how_the_others_are_found(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        site = tmp_path / "gateway.yaml"
        text = SILENT.format(
            port=deaf.getsockname()[1], profile="dlt645-dtzy-three-phase", address="202311000001"
        )
        other = "{id: m-1, profile: eastron-sdm630, unit: 1}, {id: e-1"
        site.write_text(text.replace("devices:", "framing: rtu, devices:").replace("{id: e-1", other))
        result = call("scan", str(site), "--units", "1", "--timeout-ms", "30")
        words = ("--protocol", "dlt645", "--units", "1", "--timeout-ms", "30")
        asked = call("scan", str(site), *words)
    assert (result.exit_code, asked.exit_code) == (1, 1)
    assert "whoever speaks dlt645 is found with --protocol dlt645 --units 1-100" in result.stderr
    assert "whoever speaks modbus is found with --protocol modbus" in asked.stderr
    assert "whoever speaks dlt645 is found with --units 1-100" in asked.stderr


@pytest.mark.parametrize(
    ("profile", "address", "says"),
    [
        ("dlt645-dtzy-three-phase", "202311000001", "dlt645 is found with --units 1-100"),
        ("cjt188-water-meter", "12345678901234", "cjt188 is found with --units 16,17,32,48,170"),
        ("mbus-kamstrup-multical-601", "12345678", "mbus is found with --units 253"),
    ],
)
def test_a_scan_that_finds_no_meter_says_which_units_meters_answer_to(tmp_path, profile, address, says):
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        site = tmp_path / "gateway.yaml"
        site.write_text(SILENT.format(port=deaf.getsockname()[1], profile=profile, address=address))
        result = call("scan", str(site), "--units", "1", "--timeout-ms", "30")
    assert result.exit_code == 1, result.stderr
    assert says in result.stderr
