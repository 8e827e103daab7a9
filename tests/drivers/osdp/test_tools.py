"""The engineer's tools on a line of readers."""

import random
import time
from pathlib import Path

import pytest

from gateway.site.config import load_site
from simulators.field_wire import FieldPty, FieldTcp
from simulators.osdp_life import OsdpLine
from simulators.osdp_reader import Reader
from tests.support.osdp import KEY
from tests.support.tools import Shop

SITE = """\
site: bench
gateway: gw
broker: {{url: "mqtt://127.0.0.1:1"}}
state_dir: state
lines:
  - id: hall
    {wire}
    timeout: 1s
    options: {{key_file: hall.key}}
    devices:
      - {{id: door, profile: osdp-reader, address: "0"}}
"""


@pytest.mark.parametrize("kind", ["tcp", "pty"])
async def test_readers_are_found_and_read_and_their_cards_left_alone(tmp_path: Path, kind: str):
    dice = random.Random(1)
    reader = Reader(0, dice.randbytes, key=KEY, default_key=False, enforce=True)
    line = OsdpLine([reader], lambda: time.monotonic_ns() // 1_000_000)
    wires = FieldTcp(line) if kind == "tcp" else FieldPty(line, tmp_path / "tty")
    (tmp_path / "hall.key").write_text(KEY.hex())
    async with wires:
        wire = f"tcp: 127.0.0.1:{wires.port}" if isinstance(wires, FieldTcp) else f"serial: {wires.path}"
        (tmp_path / "site.yaml").write_text(SITE.format(wire=wire))
        shop = Shop(None, load_site(tmp_path / "site.yaml"))  # type: ignore[arg-type]
        reader.card(26, bytes(4))
        found = await shop.run("scan", "hall", units="0-1", timeout_ms=100)
        assert [(row["unit"], row["identity"]["serial"]) for row in found.rows] == [(0, "4711")]
        read = await shop.run("read", "hall", device="door")
        points = read.by("point")
        assert (points["secure"]["value"], points["tamper"]["value"]) == (True, False)
        assert reader.waiting == 1
