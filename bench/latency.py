"""From a changed register to the committed row and to the stream that pages read: the whole chain, real processes."""

import asyncio
import json
import os
import random
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

from bench.processes import child, script

POLL_MS = 100
PROFILE = """\
profile: bench-bell
vendor: Bench
model: Bell
class: io
protocol: modbus
source: [constructed for measurements]
points:
  ringing: {label: Ringing, kind: state, poll: alarm, at: {table: holding, address: 0, bit: 0}}
events:
  bell: {label: Bell, severity: high, class: technical, when: {point: ringing, is: true}}
examples:
  - {request: "010300000001840A", reply: "01030200017984", expect: {ringing: true}}
"""


class Bell(asyncio.Protocol):
    """A device of one register; remembers when it was changed and when the change first left it."""

    def __init__(self) -> None:
        self.value, self.served = 0, 0
        self.left = 0.0
        self.met = asyncio.Event()

    def __call__(self) -> "Bell":
        return self

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self.met.set()

    def data_received(self, data: bytes) -> None:
        if len(data) == 12:  # one read of one register; the gateway asks nothing else
            head, value = data[:4], self.value
            self._transport.write(  # type: ignore[attr-defined]
                head + b"\0\5" + data[6:8] + b"\2" + value.to_bytes(2, "big")
            )
            if value != self.served:
                self.served, self.left = value, time.monotonic()


def server_commands(folder: Path) -> str:
    """Make the gateway's account and a token to read the stream with; return the token."""
    data = ("--data-dir", str(folder / "server"))
    server = script("gatehouse-server")
    for words in (
        ("gateway", "add", "bench", "gw", "--password-file", str(folder / "gw")),
        ("token", "add", "bench", "--role", "viewer"),
    ):
        done = subprocess.run([server, *words, *data], check=True, capture_output=True, text=True)
    return done.stdout.split()[-1]


async def until_up(folder: Path, server: "subprocess.Popen[str]") -> dict[str, str]:
    """Wait for the server's `run.json`."""
    told = folder / "server" / "run.json"
    async with asyncio.timeout(60):
        while not told.exists():
            assert server.poll() is None, "the server did not start"
            await asyncio.sleep(0.05)
    run: dict[str, str] = json.loads(told.read_text())
    return run


def write_site(folder: Path, mqtt: str, port: int) -> Path:
    """One line, one device, polled every POLL_MS."""
    (folder / "profiles").mkdir()
    (folder / "profiles" / "bench-bell.yaml").write_text(PROFILE)
    site = folder / "site.yaml"
    site.write_text(
        f"site: bench\ngateway: gw\nbroker: {{url: '{mqtt}', username: gw, password_file: gw}}\n"
        f"state_dir: state\nprofiles: [profiles]\npoll: {{alarm: {POLL_MS}ms}}\n"
        f"lines:\n  - {{id: l, tcp: '127.0.0.1:{port}', devices: [{{id: bell, profile: bench-bell, unit: 1}}]}}\n"
    )
    return site


class Stream:
    """The server-sent events that a page reads, line by line."""

    def __init__(self, reader: asyncio.StreamReader) -> None:
        self._reader = reader
        self._event = b""

    async def next(self) -> list[dict[str, str]]:
        """Return the alarms of the next frame of alarms; none for `live`: from now on all is told at once."""
        while line := await self._reader.readline():
            if line.startswith(b"event: "):
                self._event = line[7:].strip()
            elif line.startswith(b"data: ") and self._event in {b"live", b"alarms"}:
                told = json.loads(line[6:])
                return told if self._event == b"alarms" else []
        raise AssertionError("the stream ended")

    async def until(self, condition: str) -> float:
        """Return when the bell's alarm is first told in this condition."""
        while True:
            for alarm in await self.next():
                if alarm["code"] == "bell" and alarm["condition"] == condition:
                    return time.monotonic()


@asynccontextmanager
async def stream(base: str, token: str) -> AsyncIterator[Stream]:
    """Read the stream over a plain connection: each frame is one chunk, and its lines are what we look at."""
    host, port = base.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port), limit=2**22)
    try:
        ask = f"GET /api/v1/stream?topics=alarms HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n\r\n"
        writer.write(ask.encode())
        status = await reader.readline()
        assert b" 200 " in status, status
        yield Stream(reader)
    finally:
        writer.close()
        await writer.wait_closed()


async def until_row(database: Path, state: str) -> float:
    """Return when another connection first sees the bell's alarm in this condition."""

    def look() -> float:
        base = sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)
        query = "SELECT cleared_at IS NULL FROM alarms WHERE code = 'bell' ORDER BY id DESC LIMIT 1"
        try:
            ends = time.monotonic() + 30
            while time.monotonic() < ends:
                row = base.execute(query).fetchone()
                if row is not None and bool(row[0]) is (state == "active"):
                    return time.monotonic()
                time.sleep(0.001)
        finally:
            base.close()
        raise AssertionError("no row")

    return await asyncio.to_thread(look)


async def trials(folder: Path, count: int) -> AsyncIterator[dict[str, float]]:
    """Ring and silence the bell so often; one row of milliseconds for each change."""
    bell, dice = Bell(), random.Random(7)
    token = await asyncio.to_thread(server_commands, folder)
    loop = asyncio.get_running_loop()
    device = await loop.create_server(bell, "127.0.0.1", 0)
    data = folder / "server"
    command = ("run", "--data-dir", str(data), "--http", "127.0.0.1:0", "--mqtt", "127.0.0.1:0")
    with child(script("gatehouse-server"), *command) as server:
        run = await until_up(folder, server)
        site = write_site(folder, run["mqtt"], device.sockets[0].getsockname()[1])
        with child(script("gatehouse-gateway"), "run", str(site)):
            async with asyncio.timeout(120), stream(run["http"], token) as page:
                await page.next()  # live
                await bell.met.wait()
                for number in range(count):
                    value = 1 - number % 2
                    state = "active" if value else "normal"
                    await asyncio.sleep(dice.uniform(0.05, 0.05 + POLL_MS / 1000))  # any phase of the poll
                    row = asyncio.create_task(until_row(data / "gatehouse.db", state))
                    await asyncio.sleep(0.02)
                    began, bell.value = time.monotonic(), value
                    seen = await page.until(state)
                    stored = await row
                    yield {
                        "change_to_page": (seen - began) * 1e3,
                        "read_to_row": (stored - bell.left) * 1e3,
                        "read_to_page": (seen - bell.left) * 1e3,
                    }
    device.close()
    await device.wait_closed()


async def _all(count: int) -> list[dict[str, float]]:
    with tempfile.TemporaryDirectory() as place:
        os.chmod(place, 0o700)
        return [row async for row in trials(Path(place), count)]


def measure(count: int) -> Iterator[dict[str, float]]:
    """One row a change of the register."""
    yield from asyncio.run(_all(count))
