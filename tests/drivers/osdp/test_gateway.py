"""A reader on a real wire, a whole gateway, a real broker: what the server gets of cards, tampering and doors."""

import asyncio
import random
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway.app import build
from gateway.site.config import load_site
from messages.broker import Publication
from messages.codec import decode_batch, encode
from messages.topics import Address
from messages.types import Command, CommandResult, DeviceEvent, Edge, Outcome
from simulators.field_wire import FieldPty, FieldTcp
from simulators.osdp_life import OsdpLine
from simulators.osdp_reader import Reader
from tests.support.broker import Broker
from tests.support.osdp import KEY
from tests.support.toyserver import ToyServer

HERE = Address("mews", "gw")
SITE = """\
site: mews
gateway: gw
broker: {{url: "{broker}"}}
state_dir: state
poll: {{alarm: 40ms, routine: 80ms, slow: 200ms}}
lines:
  - id: hall
    {wire}
    timeout: 150ms
    late_guard: 200ms
    options: {{key_file: secrets/hall, credential: clear}}
    devices:
      - {{id: door, profile: osdp-reader, address: "5"}}
      - {{id: gate, profile: osdp-reader, address: "6"}}
"""


def now_ms() -> int:
    return time.monotonic_ns() // 1_000_000


class Hall:
    """Two readers on one pair of wires, and what of them has reached the server."""

    def __init__(self) -> None:
        dice = random.Random(1)
        self.door, self.gate = (
            Reader(address, dice.randbytes, key=KEY, default_key=False, enforce=True) for address in (5, 6)
        )
        self.line = OsdpLine([self.door, self.gate], now_ms)
        self.toy: ToyServer

    @property
    def items(self) -> list:
        batches = sorted(self.toy.payloads.items())
        return [item for _, payload in batches for item in decode_batch(payload).items]

    def events(self, device: str) -> list[tuple[str, str]]:
        found = [item for item in self.items if isinstance(item, DeviceEvent) and item.device == device]
        return [
            (event.code, event.detail if event.edge is Edge.PULSE else event.edge.value) for event in found
        ]

    async def told(self, *wanted: tuple[str, str, str]) -> None:
        await self.toy.until(lambda: all((code, text) in self.events(name) for name, code, text in wanted))

    async def order(self, name: str, action: str) -> CommandResult:
        assert self.toy.session is not None
        until = datetime.now(UTC) + timedelta(seconds=15)
        order = Command(id=name, device="door", action=action, by="a test", until=until)
        await self.toy.session.publish(Publication(HERE.command(name), encode(order)))
        results: list[CommandResult] = []

        def done() -> bool:
            results[:] = [item for item in self.items if isinstance(item, CommandResult) and item.id == name]
            return bool(results)

        await self.toy.until(done)
        return results[0]


@pytest.fixture(params=["tcp", "pty"])
async def hall(request, tmp_path: Path) -> AsyncIterator[Hall]:
    broker = Broker(tmp_path / "broker").start()
    made = Hall()
    wires = FieldTcp(made.line) if request.param == "tcp" else FieldPty(made.line, tmp_path / "tty")
    try:
        async with wires:
            wire = f"tcp: 127.0.0.1:{wires.port}" if isinstance(wires, FieldTcp) else f"serial: {wires.path}"
            (tmp_path / "secrets").mkdir()
            (tmp_path / "secrets" / "hall").write_text(KEY.hex() + "\n")
            path = tmp_path / "gw.yaml"
            path.write_text(SITE.format(broker=broker.url, wire=wire), encoding="utf-8")
            made.toy = ToyServer(broker.address())
            stop = asyncio.Event()
            serving = asyncio.create_task(made.toy.run(), name="toy server")
            await made.toy.until(lambda: made.toy.session is not None)
            async with build(load_site(path)) as gateway:
                running = asyncio.create_task(gateway.run(stop), name="gateway")
                try:
                    yield made
                finally:
                    stop.set()
                    await running
                    serving.cancel()
                    await asyncio.wait([serving])
    finally:
        broker.stop()


def card(number: int) -> bytes:
    return number.to_bytes(4, "big")


@pytest.mark.slow
async def test_cards_reach_the_server_once_and_a_door_opens_by_order(hall: Hall):
    await hall.toy.until(lambda: bool(hall.toy.births))
    hall.door.card(32, card(1))
    await hall.told(("door", "card", "32 bits, data 00000001"))
    for number in range(2, 8):
        hall.line.lose = 1  # each second answer is lost on the wire
        (hall.door if number % 2 else hall.gate).card(32, card(number))
        name = "door" if number % 2 else "gate"
        await hall.told((name, "card", f"32 bits, data {number:08X}"))
    hall.door.set_tamper(True)
    await hall.told(("door", "tamper", "raised"))
    result = await hall.order("c-1", "release")
    assert (result.outcome, result.detail) == (Outcome.VERIFIED, "")
    assert hall.door.outputs[0].until_ms is not None
    hall.door.set_tamper(False)
    await hall.told(("door", "tamper", "cleared"))

    hall.line.dead.add(5)  # the door's reader is torn off the wall
    await hall.toy.until(lambda: any("door" in state.silent for state in hall.toy.states))
    hall.gate.card(32, card(9))
    await hall.told(("gate", "card", "32 bits, data 00000009"))
    hall.door.reboot()
    hall.line.dead.clear()
    hall.door.card(32, card(10))
    await hall.told(("door", "card", "32 bits, data 0000000A"))

    cards = [text for name in ("door", "gate") for code, text in hall.events(name) if code == "card"]
    assert sorted(cards) == sorted(f"32 bits, data {number:08X}" for number in (1, 2, 3, 4, 5, 6, 7, 9, 10))
    assert KEY.hex() not in "".join(str(item) for item in hall.items)
