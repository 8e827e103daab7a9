"""Lines that listen as an engineer has them: on the command line, alone or beside a running gateway; real senders."""

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from gateway.app import build
from gateway.site.config import load_site
from gateway.tools import ear_certify
from simulators.gb26875 import FIRE, Component, TransmissionDevice, component_states
from simulators.gb26875_client import Host
from simulators.printer import PrinterPort, gst
from simulators.sia_dc09 import Panel, say_tcp
from tests.support.broker import free_port
from tests.support.threads import beside
from tests.support.tools import call
from tests.support.waiting import until

SITE = """\
site: bench
gateway: gw
broker: {{url: "mqtt://127.0.0.1:1"}}
state_dir: state
lines:
  - id: panel
    listen: {{at: "127.0.0.1:{panel}"}}
    devices: [{{id: fa-1, profile: sia-dc09-panel, address: "1234"}}]
  - id: host
    listen: {{at: "127.0.0.1:{host}"}}
    devices: [{{id: fa-2, profile: gb26875-transmission-device, address: "0140609623B2"}}]
  - id: printer
    serial: {printer}
    baud: 9600
    listen: {{}}
    devices: [{{id: fa-3, profile: gst-gst9000-printer}}]
"""


@pytest.fixture(autouse=True)
def _no_server_to_wait_for(monkeypatch):
    monkeypatch.setattr("gateway.app.FLUSH_S", 0.05)
    monkeypatch.setattr(ear_certify, "STORED_WITHIN_S", 0.1)


class Senders:
    """Devices of all three kinds, on a thread of their own, so that a command may run in front of them."""

    def __init__(self, site: Path, ports: dict[str, int], port: PrinterPort) -> None:
        self.site, self.ports, self.port = site, ports, port

    async def panel(self) -> None:
        panel = Panel("1234")
        for code in ("FA", "BA"):
            assert await say_tcp(
                "127.0.0.1", self.ports["panel"], panel.sia(code, "12", "1", datetime.now(UTC))
            )

    async def host(self) -> None:
        async with Host(
            TransmissionDevice("0140609623B2"), "127.0.0.1", self.ports["host"], lambda: datetime.now(UTC)
        ) as host:
            now = datetime.now(UTC)
            raw = host.device.report(component_states([(Component(1, text="走廊"), FIRE)], now), now)
            await host.send(raw)
            await host.until(lambda: bool(host.device.acknowledged or host.device.denied))

    async def printer(self) -> None:
        self.port.put(gst("火警", (1, 7), ["走廊"], datetime.now(UTC)))


Speak = Callable[[Senders], Awaitable[None]]


@contextmanager
def senders(folder: Path, speak: Speak, *, gateway: bool) -> Iterator[Path]:
    """A site whose device speaks once somebody listens; with a gateway at work there if wanted."""
    ports = {name: free_port() for name in ("panel", "host")}
    path = folder / "gateway.yaml"
    path.write_text(SITE.format(printer=folder / "printer", **ports), encoding="utf-8")

    async def live(ready: Callable[[], None], done: asyncio.Event) -> None:
        async with (
            PrinterPort(folder / "printer") as port,
            running(path, gateway),
            asyncio.TaskGroup() as group,
        ):
            speaking = group.create_task(saying(Senders(path, ports, port)))
            ready()
            await done.wait()
            speaking.cancel()

    async def saying(them: Senders) -> None:
        """Speak again and again: whoever listens only now shall hear it too."""
        while True:
            with contextlib.suppress(
                OSError, AssertionError, TimeoutError
            ):  # nobody listens yet, or no longer
                await speak(them)
            await asyncio.sleep(0.1)

    with beside(live):
        yield path


@asynccontextmanager
async def running(path: Path, wanted: bool) -> AsyncIterator[None]:
    if not wanted:
        yield
        return
    stop = asyncio.Event()
    async with build(load_site(path)) as made:
        async with asyncio.TaskGroup() as group:
            group.create_task(made.run(stop), name="gateway")
            await until(lambda: (path.parent / "state" / "control.sock").exists() and made.tools.jobs._group)
            try:
                yield
            finally:
                stop.set()


PATIENCE = 20  # looks of a second each: a machine with much to do lets a sender come late


def looked_on(
    tool: str, site: Path, line: str, wanted: Callable[[dict[str, Any]], bool]
) -> list[dict[str, Any]]:
    """What a tool says of a line; it looks on again until something wanted is among it."""
    rows: list[dict[str, Any]] = []
    for _ in range(PATIENCE):
        result = call(tool, str(site), line, "--for-s", "1", "--json")
        assert result.exit_code == 0, result.stderr
        rows = [json.loads(text) for text in result.stdout.splitlines()]
        if any(map(wanted, rows)):
            return rows
    raise AssertionError(f"{tool} has not seen it: {rows}")


WHO = {"panel": (Senders.panel, "fa-1"), "host": (Senders.host, "fa-2"), "printer": (Senders.printer, "fa-3")}


def tells_fire(row: dict[str, Any]) -> bool:
    return row["dir"] == "rx" and "fire raised" in row["text"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("line", "gateway"), [("panel", False), ("printer", False), ("host", True), ("panel", True)]
)
def test_an_engineer_hears_them(tmp_path, line, gateway):
    speak, device = WHO[line]
    with senders(tmp_path, speak, gateway=gateway) as site:
        said = [row for row in looked_on("trace", site, line, tells_fire) if tells_fire(row)]
        assert {row["device"] for row in said} == {device}
        became = {row["text"].rpartition("→ ")[2] for row in said}
        assert became <= ({"kept", "said before: answered again, and told once"} if gateway else
                          {"NOT KEPT, so not acknowledged: its sender says it again"})  # fmt: skip
        last = looked_on("watch", site, line, lambda row: row["heard"] is True)[-1]
        assert (last["device"], last["heard"]) == (device, True)
        assert bool(last["standing"]) is gateway, "what nobody keeps does not stand"
        proven = call("certify", str(site), line, "--engineer", "x", "--signal", "fire", "--wait-s", "20",
                      "--out", str(tmp_path / "c"))  # fmt: skip
        assert gateway or "Press the test button now" in proven.stderr
        assert "passed signal fire" in proven.stdout, (proven.stdout, proven.stderr)
        # There is no server here: inside it is in the journal, alone nobody kept it.
        assert proven.exit_code == (0 if gateway else 1)
        assert ("in the journal" if gateway else "no gateway runs here") in proven.stdout
        assert (
            "信号" in (tmp_path / "c.html").read_text() or "signal fire" in (tmp_path / "c.html").read_text()
        )


CANNOT = [
    (("scan", "{site}", "panel"), 1, "use watch, trace, certify"),
    (("trace", "{site}", "panel", "--record", "x.capture"), 2, "listens"),
    (
        ("certify", "{site}", "panel", "--engineer", "x", "--signal", "smoke"),
        1,
        "nobody certified here says smoke",
    ),
    (("certify", "{site}", "panel", "--engineer", "x", "--skip", "fire"), 2, "why it is skipped"),
    (("watch", "{site}", "attic"), 2, "there are panel, host, printer"),
]


def test_what_cannot_be_is_said_with_what_to_do(tmp_path):
    async def nobody(_them: Senders) -> None:
        return

    with senders(tmp_path, nobody, gateway=False) as site:
        for words, code, says in CANNOT:
            result = call(*(word.format(site=site) for word in words))
            assert (result.exit_code, says in result.stderr) == (code, True), (words, result.stderr)
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", load_site(site).listening[0].ear.place.port))
            taken.listen()
            result = call("trace", str(site), "panel")
    assert (result.exit_code, "does not listen" in result.stderr) == (1, True), result.stderr
