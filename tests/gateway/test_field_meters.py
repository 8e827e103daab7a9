"""Water and electricity meters of their own protocols through the gateway: its configuration, tools and poller."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from random import Random

import pytest

from drivers import registry
from drivers.errors import Misconfigured
from drivers.lines import SerialSettings
from drivers.profiles_store import load_library
from gateway.listening.limits import Limits
from gateway.polling.edges import load
from gateway.polling.lessons import Lessons
from gateway.polling.polled import polled
from gateway.site.config import Site, load_site
from gateway.site.lines import Device, ListeningLine
from gateway.site.listening import Ear, Source
from gateway.site.site_file import DeviceFile, LineFile
from simulators.cjt188 import SimBus, SimMeter
from simulators.field_wire import FieldTcp
from simulators.iec62056 import OpticalMeter, OpticalPty, PushPty, telegram
from tests.support.polling import at_work, now
from tests.support.tools import Shop
from tests.support.toylisten import listening
from tests.support.waiting import until
from tests.support.wire import line_to

SITE = """\
site: bench
gateway: gw
broker: {{url: "mqtt://127.0.0.1:1"}}
state_dir: state
poll: {{billing: 50ms, slow: 50ms}}
lines:
  - id: water
    tcp: 127.0.0.1:{port}
    timeout: 1s
    devices:
      - {{id: w-1, profile: cjt188-water-meter-valve, options: {{address: "00201707010069"}}}}
  - id: head
    serial: {head}
    baud: 9600
    timeout: 1s
    devices:
      - {{id: e-1, profile: landis-gyr-e350-zmf100, options: {{reaction: "0.02"}}}}
"""
SHOWN = [("F.F", "00"), ("C.1.0", "1"), ("1.8.0", "061561.289*kWh")]


def at() -> datetime:
    return datetime(2026, 1, 31, 23, 59, 58)


@asynccontextmanager
async def bench(folder: Path) -> AsyncIterator[tuple[Site, SimMeter]]:
    water = SimMeter("00201707010069", at, total=Decimal("1234.56"), settled=[Decimal(1200), Decimal(1100)])
    head = OpticalMeter(lambda: SHOWN, initial=9600, speed_char="6")
    async with FieldTcp(SimBus([water])) as bus, OpticalPty(head, folder / "head") as port:
        path = folder / "gateway.yaml"
        path.write_text(SITE.format(port=bus.port, head=port.path), encoding="utf-8")
        yield load_site(path), water


@pytest.mark.parametrize("page", ["cjt188", "iec62056-21"])
def test_the_site_file_of_the_handbook_loads(page, tmp_path):
    text = (Path(__file__).parents[2] / "docs" / "protocols" / f"{page}.md").read_text(encoding="utf-8")
    lines = re.findall(r"```yaml\n(lines:.*?)```", text, re.DOTALL)[0]
    path = tmp_path / "site.yaml"
    path.write_text(SITE.partition("poll:")[0].format() + lines, encoding="utf-8")
    assert len(load_site(path).devices) == 2


async def test_the_tools_read_and_find_them(tmp_path):
    async with bench(tmp_path) as (site, _):
        shop = Shop(None, site)  # type: ignore[arg-type]
        read = (await shop.run("read", "water", device="w-1")).by("point")
        assert (read["volume"]["value"], read["volume"]["unit"], read["volume"]["raw"]) == (
            "1234.56",
            "m³",
            "5634 1200 2c",
        )
        assert read["volume_settled_2"]["value"] == "1100.00"
        other = (await shop.run("read", "water", profile="cjt188-water-meter", unit=7, timeout_ms=50)).by(
            "point"
        )
        assert other["volume"]["quality"] == "bad.timeout"
        found = await shop.run("scan", "water", units="16,32", identify=False)
        assert [row["unit"] for row in found.rows] == [16]
        asked = (await shop.run("ask", "water", unit=16, pdu="011F90", protocol="cjt188")).rows[0]
        assert "56 34 12 00 2c" in asked["reply"], asked
        with pytest.raises(Misconfigured, match="there is cjt188"):
            await shop.run("ask", "water", unit=16, pdu="11", protocol="dlt645")
        assert (await shop.run("read", "head", device="e-1")).by("point")["active_energy_import"][
            "value"
        ] == "61561.289"


async def test_the_poller_reads_them_again_and_again(tmp_path):
    wanted = {"water": ("volume", Decimal("1234.56")), "head": ("active_energy_import", Decimal("61561.289"))}
    async with bench(tmp_path) as (site, _):
        for config in site.lines:
            (device,) = config.devices
            point, value = wanted[config.id]
            driver = registry.get(device.profile.protocol).device(device.profile, None, device.options)
            made = polled(device, driver, load(device.profile.events, None), Random(1), Lessons(now))
            async with line_to(config.settings) as wire, at_work(wire, made) as (_, recorder):
                await until(lambda heard=recorder, name=device.id, what=point: len(heard.of(name, what)) >= 3)
            assert set(recorder.of(device.id, point)) == {value}


async def test_a_p1_port_is_listened_to(tmp_path):
    made = load_library()["iskraemeco-mt382-p1"]
    device = Device("e-2", DeviceFile(id="e-2", profile=made.profile), made, 1.0, {"billing": 60.0}, {}, None)
    port = PushPty(tmp_path / "p1")
    ear = Ear("dsmr-p1", SerialSettings(str(port.path), 115200), Limits(), {"e-2": Source("p1", None)})
    line = ListeningLine("p1", LineFile(id="p1"), ear, "p1", (device,))
    raw = telegram("ISk5\\2MT382-1000", [("1-0:1.8.1", "000004.426*kWh"), ("0-1:24.2.1", "1)(00000.107*m3")])
    async with port, listening(line) as heart:
        await until(lambda: heart.listeners.lines[0].up)
        for part in (raw[:50], raw[50:], raw.replace(b"4.426", b"5.426"), raw):
            port.push(part)
        await until(lambda: heart.count("ok", "p1") == 2)
        assert heart.recorder.of("e-2", "active_energy_import_t1") == [Decimal("4.426")]
        assert heart.recorder.of("e-2", "gas_volume") == [Decimal("0.107")]
