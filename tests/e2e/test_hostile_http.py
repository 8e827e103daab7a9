"""Hostile requests to a running installation: each is answered with what is wrong, and nobody else notices."""

import asyncio
import csv
import io
import json
import secrets
import socket
from contextlib import AsyncExitStack, suppress
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import psutil
import pytest
import yaml

from messages.broker import Publication, Session
from messages.codec import encode
from messages.topics import Address
from messages.types import (
    Batch,
    Birth,
    DeviceEvent,
    DeviceInfo,
    Edge,
    EventInfo,
    GatewayState,
    Item,
    Lane,
    MeterInfo,
    PointInfo,
    ProfileInfo,
    Sample,
    Severity,
)
from simulators.processes import until
from simulators.world import RunInfo
from tests.support import hostile
from tests.support.installation import Installation, QuickEstate, installation

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(600)]

MINE = Address("block", "gw-x")
SCRIPT = "<script>alert(1)</script>"
FORMULA = '=HYPERLINK("http://evil.example","open me")'
COMMAND = "@SUM(1+1)*cmd|' /C calc'!A0"
SESSION = b"POST /api/v1/session HTTP/1.1\r\nHost: x\r\nx-csrf: 1\r\n"

# As bytes on the socket: no client library would send most of these.
RAW: list[tuple[bytes, set[int]]] = [
    (b"GET /../../../../etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n", {400, 404}),
    (b"GET /assets/%2e%2e/%2e%2e/%2e%2e/etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n", {400, 404}),
    (b"GET /assets/..%2f..%2fapp.py HTTP/1.1\r\nHost: x\r\n\r\n", {400, 404}),
    (b"GET /assets/%00 HTTP/1.1\r\nHost: x\r\n\r\n", {400, 404}),
    (b"GET //etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n", {400, 404}),
    (b"GET /api/v1/alarms%2f..%2fusers HTTP/1.1\r\nHost: x\r\n\r\n", {401, 404}),
    (b"GET /api/v1/devices/block/%2e%2e%2fx HTTP/1.1\r\nHost: x\r\n\r\n", {401, 404}),
    (b"GET http://169.254.169.254/latest HTTP/1.1\r\nHost: x\r\n\r\n", {400, 404}),
    (b"CONNECT 127.0.0.1:22 HTTP/1.1\r\nHost: x\r\n\r\n", {400, 404, 405}),
    (b"TRACE /api/v1/alarms HTTP/1.1\r\nHost: x\r\n\r\n", {400, 401, 404, 405}),
    (b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 200_000 + b"\r\n\r\n", {400, 431}),
    (b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", {400, 404, 414}),
    (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500), {400}),
    (b"EHLO mail\r\n\r\n", {400}),
    (SESSION + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n{}   ", {400, 413}),
    (SESSION + b"Content-Length: -1\r\n\r\n", {400, 413}),
    (SESSION + b"Transfer-Encoding: chunked\r\n\r\nZZ\r\n{}\r\n0\r\n\r\n", {400}),
    (SESSION + b"Content-Length: 4\r\nTransfer-Encoding: gzip\r\n\r\n{}  ", {400, 501}),
]

BODIES: list[bytes] = [
    b"",
    b"\x00\xff",
    b"[" * 50_000,
    b'"just text"',
    b'{"username": {"$ne": null}, "password": []}',
    b'{"username": 1e400, "password": NaN}',
    b'{"username": "a\\u0000b\\r\\nSet-Cookie: x=1", "password": ""}',
    json.dumps({"username": "x" * 100_000, "password": "y"}).encode(),
    json.dumps({"username": "me", "password": "y" * 201, "role": "admin"}).encode(),
]

COOKIES = [
    "gatehouse=",
    "gatehouse=" + "A" * 8000,
    "gatehouse=\xff\xfe",
    "gatehouse=' OR 1=1 --",
    "; ;=;;gatehouse",
    "gatehouse=a; gatehouse=b",
    "; ".join(f"c{n}=x" for n in range(500)),
]


class Patient(QuickEstate):
    """The devices are simulated in the process that floods the server: they may have to wait for their turn."""

    def write_gateway_files(self, info: RunInfo) -> None:
        super().write_gateway_files(info)
        for path in self.gateway_files.values():
            content = yaml.safe_load(path.read_text(encoding="utf-8"))
            for line in content["lines"]:
                line["timeout"] = line["shortest_timeout"] = "8s"
            path.write_text(yaml.safe_dump(content, allow_unicode=True, sort_keys=False), encoding="utf-8")


async def raw(base: str, request: bytes) -> tuple[int, bytes]:
    """Send bytes and return the status and all of the answer; 0 where the server just closed."""
    url = urlsplit(base)
    reader, writer = await asyncio.open_connection(url.hostname, url.port)
    answer = b""
    try:
        with suppress(ConnectionError):
            writer.write(request)
            await writer.drain()
            async with asyncio.timeout(20):
                head = await reader.readuntil(b"\r\n\r\n")
            answer = head
    except asyncio.IncompleteReadError as short:
        answer = short.partial
    finally:
        writer.transport.abort()
    return int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/1.1 ") else 0, answer


def cookies_of(site: Installation) -> str:
    return "; ".join(f"{name}={value}" for name, value in site.api._http.cookies.items())


async def test_hostile_requests_and_names_are_taken_for_what_they_are_and_nobody_else_notices(
    tmp_path: Path,
) -> None:
    async with installation(tmp_path, kind=Patient) as site:
        await hostile_requests(site)
        await site.served(300)
        await hostile_names(site)
        await site.served(300)
        outcome = await site.finish()
        doubled = [each for each in outcome.doubled if not each.startswith("m-x.")]
        assert (doubled, outcome.wrong, outcome.missing) == ([], [], [])
        assert (outcome.quarantined, outcome.gaps) == (0, 0)


async def hostile_requests(site: Installation) -> None:
    """Bytes, bodies, cookies, other sites and guesses: each is answered with what is wrong."""
    async with AsyncExitStack() as stack:
        base = site.estate.info.http
        before = hostile.memory_mb(site.estate.server.pid)
        signed_in = {"cookie": cookies_of(site)}
        url = urlsplit(base)
        half = [await asyncio.open_connection(url.hostname, url.port) for _ in range(300)]
        for n, (_, writer) in enumerate(half):
            stack.callback(writer.close)
            writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n"[: n % 27])
        for request, wanted in RAW:
            status, answer = await raw(base, request)
            assert status in wanted, (request[:100], answer[:300])
            assert b"root:" not in answer
        web = await stack.enter_async_context(httpx.AsyncClient(base_url=base, timeout=90, trust_env=False))
        csrf = {"x-csrf": "1", "content-type": "application/json"}
        for body in BODIES:
            answer = await web.post("/api/v1/session", content=body, headers=csrf)
            error = answer.json()["error"]
            assert answer.status_code in {400, 422}, (body[:80], answer.text)
            assert error["message"]
            assert "set-cookie" not in answer.headers
        for size in (300_000, 5_000_000):
            answer = await web.post("/api/v1/session", content=b" " * size, headers=csrf)
            assert answer.status_code == 413
        with suppress(httpx.TransportError):  # of far too much the server reads no more: it closes
            answer = await web.post("/api/v1/session", content=b" " * 50_000_000, headers=csrf)
            assert answer.status_code == 413
        for garbage in COOKIES:
            headers = {"cookie": garbage.encode("latin-1")}
            answer = await web.get("/api/v1/alarms", headers=headers)
            assert answer.status_code in {400, 401, 431}, (garbage[:60], answer.text)
        # Without the header, from another site, or as a form: a signed-in browser does nothing for strangers.
        order = {"site": "block", "device": "door-1", "action": "release", "args": {}, "reason": "a visitor"}
        order["op_id"] = "press-one-1"
        for headers in (
            {},
            {"x-csrf": "1", "origin": "https://evil.example"},
            {"x-csrf": "1", "sec-fetch-site": "cross-site"},
        ):
            answer = await web.post("/api/v1/commands", json=order, headers=headers | signed_in)
            assert (answer.status_code, answer.json()["error"]["code"]) == (403, "csrf")
        answer = await web.post("/api/v1/commands", data=order, headers={"x-csrf": "1"} | signed_in)
        assert answer.status_code in {415, 422}
        wrong = {"username": "demo", "password": "guess"}
        tries = [await web.post("/api/v1/session", json=wrong, headers=csrf) for _ in range(12)]
        assert {answer.status_code for answer in tries} == {401, 429}
        assert "retry-after" in tries[-1].headers
        assert (await site.api.get("session"))["user"] == "demo"  # who is in stays in
        async with asyncio.timeout(30):
            for reader, _ in half:  # requests that never end are given up
                with suppress(ConnectionError):
                    assert await reader.read() == b""
        assert hostile.memory_mb(site.estate.server.pid) < before + 120
        log = (site.estate.logs / "server.log").read_text()
        assert "Traceback" not in log
        assert "guess" not in log


# -- a gateway that says hostile words -----------------------------------------------------------------------


def hostile_birth() -> Birth:
    """A birth that any server takes, with names that mean harm to whoever shows or exports them."""
    meter = ProfileInfo(
        vendor=SCRIPT,
        model="\x1b[2J\r\nHTTP/1.1 200 OK",
        device_class="meter",
        protocol="modbus",
        points={
            "energy": PointInfo(
                label=FORMULA, label_zh=SCRIPT, unit="kWh", kind="register", billing=True, period_s=60
            )
        },
        events={"e": EventInfo(label=SCRIPT, label_zh=FORMULA, severity=Severity.LOW, alarm_class="power")},
    )
    info = MeterInfo(metering_point=COMMAND, reader="\t=1+1", serial="-1", multiplier=Decimal(30))
    device = DeviceInfo(
        id="m-x", profile="p", line="l", name=SCRIPT, building=FORMULA, floor='"><img src=x>', meter=info
    )
    return Birth(
        site=MINE.site,
        gateway=MINE.gateway,
        at=datetime.now(UTC),
        boot="b1",
        epoch="e1",
        config="sha256:" + "0" * 64,
        profiles={"p": meter},
        devices=(device,),
    )


async def publish(session: Session, lane: Lane, seq: int, *items: Item) -> None:
    payload = encode(Batch(gateway=MINE.gateway, epoch="e1", lane=lane, seq=seq, items=items))
    await session.publish(Publication(MINE.up(lane), payload))


async def hostile_names(site: Installation) -> None:
    """They stay text, in JSON and in the export."""
    address = await hostile.account(site, MINE.gateway)
    start = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=2)
    async with hostile.on_the_broker(address, "somebody") as session:
        await session.subscribe([MINE.stored_filter])
        state = GatewayState(online=True, boot="b1", at=datetime.now(UTC), epoch="e1")
        await session.publish(Publication(MINE.birth, encode(hostile_birth()), retain=True))
        await session.publish(Publication(MINE.state, encode(state), retain=True))
        reads = [
            Sample(device="m-x", at=start + timedelta(hours=n), values={"energy": Decimal(-5 + n)})
            for n in range(2)
        ]
        await publish(session, Lane.BILLING, 1, *reads)
        raised = DeviceEvent(
            device="m-x", code="e", edge=Edge.RAISED, seen_at=start, detail=f"{SCRIPT}\x1b[2J"
        )
        await publish(session, Lane.ALARM, 1, raised)
        await hostile.stored(session, Lane.ALARM, 1)

        async def arrived() -> dict[str, Any] | None:
            devices = (await site.api.get("devices"))["devices"]
            alarms = (await site.api.get("alarms", open=1))["alarms"]
            mine = [one for one in devices + alarms if one.get("device", one["id"]) == "m-x"]
            return mine[0] if len(mine) == 2 else None

        device = await until("the hostile device", arrived, timeout=90, alive=[site.estate.server])
    assert (device["name"], device["building"], device["vendor"]) == (SCRIPT, FORMULA, SCRIPT)
    http = site.api._http
    for path in ("devices", "devices/block/m-x", "alarms", "gateways"):
        answer = await http.get(f"/api/v1/{path}")
        # Text of strangers is never a document of ours: JSON by name, and not to be guessed otherwise.
        assert answer.headers["content-type"] == "application/json"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "script-src 'self'" in answer.headers["content-security-policy"]
        assert "\x1b" not in answer.text
    query = {"meter": COMMAND, "from": iso(start), "to": iso(start + timedelta(hours=1)), "format": "csv"}
    export = await http.get("/api/v1/meters/reads", params=query)
    assert "attachment" in export.headers["content-disposition"]
    (row,) = csv.DictReader(io.StringIO(export.text.removeprefix("\ufeff")))
    for name in ("building", "meter", "label", "reader"):
        assert row[name].startswith("'"), (name, row[name])
    assert (row["start_value"], row["consumption"], row["label_zh"]) == ("-5", "30", SCRIPT)


def iso(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")


# -- readers that do not read --------------------------------------------------------------------------------

SLOW = 30
FLOOD = 60
EVENTS = 100


def asleep(site: Installation) -> socket.socket:
    """Ask for the stream, and never read a byte of it."""
    url = urlsplit(site.estate.info.http)
    sleeper = socket.socket()
    sleeper.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sleeper.connect((url.hostname, url.port))
    words = "GET /api/v1/stream?topics=alarms,devices HTTP/1.1\r\nHost: x\r\n"
    sleeper.sendall(f"{words}Cookie: {cookies_of(site)}\r\n\r\n".encode())
    return sleeper


def still_held(site: Installation, ports: set[int]) -> int:
    """How many connections to those ports the server has."""
    found = psutil.Process(site.estate.server.pid).net_connections(kind="tcp")
    return sum(
        one.raddr.port in ports for one in found if one.raddr and one.status == psutil.CONN_ESTABLISHED
    )


async def flood(site: Installation, session: Session) -> None:
    """Raise and clear the same alarms again and again: every one is told to every reader."""
    await session.publish(Publication(MINE.birth, encode(hostile_birth()), retain=True))
    for seq in range(1, FLOOD + 1):
        edge = Edge.RAISED if seq % 2 else Edge.CLEARED
        now = datetime.now(UTC)
        events = [
            DeviceEvent(device="m-x", code=f"e{n}", edge=edge, seen_at=now, detail=secrets.token_hex(200))
            for n in range(EVENTS)
        ]
        await publish(session, Lane.ALARM, seq, *events)
    await hostile.stored(session, Lane.ALARM, FLOOD, timeout=180)


@pytest.mark.long(39)
async def test_readers_that_never_read_cost_little_and_are_given_up(tmp_path: Path) -> None:
    async with installation(tmp_path) as site, AsyncExitStack() as stack:
        address = await hostile.account(site, MINE.gateway)
        sleepers = [asleep(site) for _ in range(SLOW)]
        for sleeper in sleepers:
            stack.callback(sleeper.close)
        ports = {sleeper.getsockname()[1] for sleeper in sleepers}
        before = hostile.memory_mb(site.estate.server.pid)
        fire = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            watching = group.create_task(watch(site, fire), name="an honest reader")
            async with hostile.on_the_broker(address, "somebody") as session:
                await session.subscribe([MINE.stored_filter])
                await flood(site, session)
            grown = hostile.memory_mb(site.estate.server.pid) - before
            site.world.devices["fire-1"].hold({"zone_3_fire": True})
            async with asyncio.timeout(60):
                await fire.wait()
            watching.cancel()
        assert grown < 100, f"{grown:.0f} MB for {SLOW} readers that do not read"

        async def gone() -> bool | None:
            return True if still_held(site, ports) == 0 else None

        await until("end of the readers that do not read", gone, timeout=90)
        outcome = await site.finish()
        assert (outcome.doubled, outcome.wrong, outcome.missing) == ([], [], [])


async def watch(site: Installation, fire: asyncio.Event) -> None:
    """Read the stream as a page does, until the fire is in it."""
    async with site.api._http.stream("GET", "/api/v1/stream", params={"topics": "alarms"}) as answer:
        async for line in answer.aiter_lines():
            if line.startswith("data: [") and '"zone_3_fire"' in line:
                fire.set()
                return
