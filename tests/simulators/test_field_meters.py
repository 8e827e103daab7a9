"""The meters that `gatehouse-sim cjt188` and `iec62056` serve: they count, settle, and say what the profiles read."""

import asyncio
import socket
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from random import Random

import pytest
from typer.testing import CliRunner

from drivers import registry
from drivers.listen_check import NOW
from drivers.profiles_store import load_library
from simulators import cjt188_cli, iec62056_cli
from simulators.cjt188 import SimBus
from simulators.cli import app
from simulators.iec62056 import OpticalMeter
from tests.support.clock import Clock
from tests.support.conversation import carry

LIBRARY = load_library()
PROFILES = {
    "cold": ("cjt188-water-meter-valve", "volume", {}),
    "hot": ("cjt188-water-meter", "volume", {"type": "11"}),
    "heat": ("cjt188-heat-meter", "heat_energy", {}),
    "gas": ("cjt188-gas-meter", "volume", {}),
}


@pytest.mark.parametrize("kind", PROFILES)
def test_the_shipped_profile_of_its_kind_reads_it(kind):
    clock = Clock()
    one = cjt188_cli.born(cjt188_cli.KINDS[kind], "20170701", clock, Random(1))
    bus = SimBus([one.meter])
    name, point, options = PROFILES[kind]
    device = registry.get("cjt188").device(LIBRARY[name], None, {"address": "20170701", **options})
    plan = device.plan([point])[0]
    found = []
    for _ in range(2):
        payload = carry(device.exchange(plan), lambda each: bus.feed(each.request))
        found.append(device.decode(plan, payload)[point].value)
        clock.now += timedelta(hours=30)
        one.tick()
    first, second = found
    assert isinstance(first, Decimal)
    assert isinstance(second, Decimal)
    assert second > first
    assert one.meter.settled[0] <= one.meter.total  # the month has ended meanwhile


def test_a_readout_and_a_telegram_say_what_was_counted():
    clock = Clock()
    living = iec62056_cli.Living("12345", clock, Random(1))
    meter = OpticalMeter(living.readout)
    device = registry.get("iec62056-21").device(LIBRARY["landis-gyr-e350-zmf100"], None, {"serial": "12345"})
    (plan,) = device.plan(["active_energy_import"])
    totals = []
    for _ in range(2):
        payload = carry(device.exchange(plan), lambda each: meter.feed(each.request))
        totals.append(device.decode(plan, payload)["active_energy_import"].value)
        clock.now += timedelta(hours=1)
    assert totals[1] > totals[0]
    session = registry.get("dsmr-p1").session({"p1": (LIBRARY["iskraemeco-mt382-p1"], {})}, {})
    (heard,) = session.feed(living.telegram(), NOW)
    assert heard.readings["active_energy_import_t1"].value > totals[1]


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["cjt188", "--meter", "cold:1"], "say where"),
        (["cjt188", "--meter", "cold:1", "--tcp", "10.0.0.1:1"], "--tcp"),
        (["cjt188", "--meter", "tea:1", "--tcp", "127.0.0.1:0"], "kinds are cold"),
        (["cjt188", "--meter", "cold:123456789012345", "--tcp", "127.0.0.1:0"], "14 digits"),
        (["iec62056"], "say where"),
        (["iec62056", "--tcp", "127.0.0.1:0", "--p1"], "needs --pty"),
        (["iec62056", "--tcp", "8.8.8.8:1"], "--tcp"),
        (["iec62056", "--tcp", "127.0.0.1:0", "--number", "x"], "16 digits"),
        (["iec62056", "--tcp", "127.0.0.1:0", "--speed", "Z"], "0 to 6"),
    ],
)
def test_what_cannot_be_served_is_said(words, text):
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 2
    assert text in result.output.replace("\n", " ")


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (
            ["cjt188", "--meter", "cold:1", "--meter", "heat:2", "--tcp", "127.0.0.1:0"],
            "2 meters at 127.0.0.1:",
        ),
        (["iec62056", "--tcp", "127.0.0.1:0"], "127.0.0.1:"),
    ],
)
def test_the_commands_serve_for_so_long(words, text):
    result = CliRunner().invoke(app, [*words, "--seconds", "0.1"])
    assert result.exit_code == 0, result.output
    assert text in result.output


def test_a_port_that_is_taken_is_said():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        at = f"127.0.0.1:{taken.getsockname()[1]}"
        result = CliRunner().invoke(app, ["dlt645", "--meter", "1", "--tcp", at])
    assert result.exit_code == 1
    assert "in use" in result.output


async def test_telegrams_are_pushed_on_a_port(tmp_path: Path):
    loop, come = asyncio.get_running_loop(), asyncio.Event()
    living = iec62056_cli.Living("12345", Clock(), Random(1))
    got = bytearray()
    async with asyncio.TaskGroup() as tasks:
        told = asyncio.Event()
        pushing = tasks.create_task(iec62056_cli.push(living, tmp_path / "p1", lambda _text: told.set()))
        await told.wait()
        with (tmp_path / "p1").open("rb", buffering=0) as port:
            loop.add_reader(port, lambda: (got.extend(port.read(4096)), come.set()))
            await come.wait()
            loop.remove_reader(port)
        pushing.cancel()
    assert got.startswith(b"/ISk5")
