"""The demo's P1 port: each telegram that is told to the truth was heard, and holds what the truth says."""

import asyncio
import os
import re
import termios
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from random import Random
from zoneinfo import ZoneInfo

import pytest

from drivers import registry
from simulators.field_p1 import P1Meter, carried_by
from simulators.field_truth import FieldTruth
from simulators.reconcile import StoredRow, match
from simulators.truth import Truth, TruthWriter
from simulators.vocabulary import FieldDevice, FieldLine
from tests.support.fire import shipped

NOW = datetime(2026, 11, 22, 10, 15, tzinfo=ZoneInfo("Asia/Shanghai"))
NOW_MS = int(NOW.timestamp() * 1000)
OWN_ID = b"E0012345".hex().upper()
PROFILE = shipped("iskraemeco-mt382-p1")


def meter(folder: Path, writer: TruthWriter) -> P1Meter:
    device = FieldDevice(id="roof", profile=PROFILE.profile, address=OWN_ID)
    line = FieldLine(id="p1", protocol="dsmr-p1", devices=(device,), gateway="gw", pty="p1", baud=115200)
    truth = FieldTruth("p1", writer, lambda: NOW_MS)
    return P1Meter(line, folder / "p1", PROFILE, truth, lambda: NOW, Random(3))


async def heard(port: int, enough: Callable[[bytes], bool]) -> bytes:
    """Read what comes until there is enough of it."""
    got, come, loop = bytearray(), asyncio.Event(), asyncio.get_running_loop()

    def readable() -> None:
        got.extend(os.read(port, 4096))
        come.set()

    loop.add_reader(port, readable)
    async with asyncio.timeout(10):
        while not enough(bytes(got)):
            await come.wait()
            come.clear()
    loop.remove_reader(port)
    return bytes(got)


def whole(data: bytes) -> int:
    """Return how many telegrams have come to their end."""
    return len(re.findall(rb"![0-9A-F]{4}\r\n", data))


async def test_nothing_is_said_before_somebody_listens_and_then_the_truth(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("simulators.field_p1.EVERY_S", 0.01)
    monkeypatch.setattr("simulators.field_p1.LOOK_S", 0.001)
    with TruthWriter(tmp_path, lambda: NOW_MS) as writer:
        one = meter(tmp_path, writer)
        async with one.port, asyncio.TaskGroup() as group:
            life = group.create_task(one.live())
            port = os.open(one.port.path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
            assert (writer.served, one.port.speed()) == (0, 38400)
            modes = termios.tcgetattr(port)
            modes[4] = modes[5] = termios.B115200
            termios.tcsetattr(port, termios.TCSANOW, modes)
            got = await heard(port, lambda data: data.count(b"!") > 1)
            one.muted = True
            said = writer.replies
            one.push()
            got += await heard(port, lambda more: whole(got + more) == said)
            life.cancel()
        os.close(port)
    session = registry.get("dsmr-p1").session({OWN_ID: (PROFILE, {"every": "0s"})}, {})  # type: ignore[attr-defined]
    messages = session.feed(got, NOW)
    assert {message.source for message in messages} == {OWN_ID}
    rows = [
        StoredRow("roof", name, NOW_MS, number, one.value, one.quality, one.raw.hex() or None)
        for number, message in enumerate(messages)
        for name, one in message.readings.items()
    ]
    truth = Truth.load(tmp_path)
    assert len(truth.replies) == said
    result = match(truth, rows)
    assert (result.missing, result.doubled, result.wrong) == (0, 0, 0), result.examples
    assert result.rows == said * len(PROFILE.points)


def test_a_telegram_of_which_a_part_found_no_room_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with TruthWriter(tmp_path, lambda: NOW_MS) as writer:
        one = meter(tmp_path, writer)
        monkeypatch.setattr(one.port, "write", lambda data: len(data) - 1)
        one.push()
        monkeypatch.setattr(one.port, "write", len)
        one.push()
    assert len(Truth.load(tmp_path).replies) == 1


def test_what_a_telegram_has_not_is_none() -> None:
    shown = {"1-0:1.8.1": "000123.400*kWh", "0-1:24.2.1": "261122101500W)(00000.107*m3"}
    assert carried_by({"obis": "1-0:1.8.1"}, shown)[0] == Decimal("123.400")
    assert carried_by({"obis": "0-1:24.2.1", "group": 1}, shown) == (
        Decimal("0.107"),
        b"00000.107*m3".hex(),
    )
    assert carried_by({"obis": "1-0:2.8.1"}, shown) == (None, "")
    assert carried_by({"obis": "1-0:1.8.1", "group": 1}, shown) == (None, "")
