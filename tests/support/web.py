"""What tests of the HTTP side share: a small house with every class of device, and people who are signed in."""

import asyncio
import contextlib
import copy
import json
import secrets
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Any
from unittest.mock import patch

import httpx
import uvicorn
from fastapi import FastAPI
from sqlalchemy import Engine
from starlette.datastructures import State

from messages.broker import BrokerLost
from messages.codec import encode
from messages.configs import ConfigOffer
from messages.tools import ToolRequest
from messages.topics import Address
from messages.types import (
    ActionInfo,
    Birth,
    Command,
    DeviceEvent,
    DeviceInfo,
    Edge,
    EventInfo,
    GatewayState,
    Item,
    Lane,
    LineInfo,
    MeterInfo,
    PointInfo,
    ProfileInfo,
    Severity,
)
from server.alarms import AlarmEngine
from server.api import background, create_app, pages
from server.auth import accounts
from server.auth.guard import Gate
from server.auth.passwords import Passwords
from server.auth.roles import Role
from server.commands import CommandResults
from server.configs import OfferPost
from server.db.engine import write
from server.ingest.writer import Incoming, Writer
from server.services import CheckConfig, Services, WebSettings, no_checks
from server.stream import Hub
from tests.support.ingest import T0, Monotonic, born, database, up
from tests.support.waiting import alongside

SITE, GATEWAY = "garden", "gw-a"
ADDRESS = Address(SITE, GATEWAY)
PASSWORD = "a long pass phrase"
CSRF = {"x-csrf": "1"}


def house_birth(**changes: Any) -> Birth:
    """A gateway with a meter, a fire panel, a door and a lift."""
    profiles = {
        "meter": ProfileInfo(
            vendor="Acme",
            model="M1",
            device_class="meter",
            protocol="modbus",
            points={
                "energy": PointInfo(
                    label="Energy",
                    label_zh="电能",
                    unit="kWh",
                    kind="register",
                    billing=True,
                    period_s=60,
                    modulus=Decimal(100_000),
                ),
                "volts": PointInfo(label="Voltage", unit="V", period_s=10),
            },
            events={"overload": EventInfo(label="Overload", severity=Severity.MEDIUM, alarm_class="power")},
        ),
        "fire": ProfileInfo(
            vendor="Acme",
            model="F1",
            device_class="fire",
            protocol="modbus",
            points={"state": PointInfo(label="State", kind="state", period_s=1)},
            events={
                "zone3": EventInfo(label="Smoke, zone 3", severity=Severity.CRITICAL, alarm_class="fire")
            },
            actions={"silence": ActionInfo(label="Silence")},
        ),
        "door": ProfileInfo(
            vendor="Acme",
            model="D1",
            device_class="access",
            protocol="modbus",
            points={"open": PointInfo(label="Open", kind="state", period_s=2)},
            events={
                "forced": EventInfo(label="Forced", severity=Severity.HIGH, alarm_class="access"),
                "tamper": EventInfo(
                    label="Tamper", severity=Severity.HIGH, alarm_class="access", latched=True
                ),
            },
            actions={
                "release": ActionInfo(label="Release", label_zh="开门", expires_s=15),
                "reboot": ActionInfo(label="Restart", expires_s=60),
            },
        ),
        "lift": ProfileInfo(vendor="Acme", model="L1", device_class="lift", protocol="modbus"),
    }
    devices = (
        DeviceInfo(
            id="m-1",
            profile="meter",
            line="riser",
            unit=1,
            name="Flat 101",
            building="A",
            floor="1",
            meter=MeterInfo(metering_point="MP-A-101", multiplier=Decimal(30), reader="张三", serial="SN1"),
        ),
        DeviceInfo(id="fire-1", profile="fire", line="riser", name="Fire panel", building="A", floor="3"),
        DeviceInfo(id="door-1", profile="door", line="riser", name="Gate", building="A", floor="G"),
        DeviceInfo(id="lift-1", profile="lift", line="riser", name="Lift", building="A"),
    )
    facts: dict[str, Any] = {
        "site": SITE,
        "gateway": GATEWAY,
        "at": T0,
        "boot": "b1",
        "epoch": "e1",
        "config": "sha256:" + "0" * 64,
        "profiles": profiles,
        "devices": devices,
        "lines": (LineInfo(id="riser", endpoint="127.0.0.1:502", label="Riser"),),
    }
    return Birth(**facts | changes)


_SHARED: list[FastAPI] = []


def _shared(services: Services) -> FastAPI:
    """The application without its pages, made once: FastAPI needs a sixth of a second for its seventy routes."""
    if not _SHARED:
        with patch.object(pages, "mount"):
            _SHARED.append(create_app(services))
    return _SHARED[0]


@dataclass
class House:
    """A whole server but for its broker: real database, real writer, real HTTP side."""

    engine: Engine
    folder: Path
    now: datetime = T0
    sent: list[tuple[Address, Command]] = field(default_factory=list)
    asked: list[tuple[Address, ToolRequest]] = field(default_factory=list)
    offered: list[tuple[Address, ConfigOffer | None]] = field(default_factory=list)
    broker_gone: bool = False
    broker_refuses: bool = False
    checks: CheckConfig = no_checks
    seqs: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.hub = Hub(self.engine, lambda: self.now, coalesce_s=0.01, heartbeat_s=0.2, values_s=0.01)
        self.post = OfferPost(self.engine, self._offer)
        self.services = Services(
            engine=self.engine,
            clock=lambda: self.now,
            hub=self.hub,
            publish_command=self._publish,
            publish_tool=self._ask,
            convey_config=self.post.convey,
            settings=WebSettings(static_dir=self.folder / "static", argon2_time_cost=1, argon2_memory_kib=64),
            broker_up=lambda: not self.broker_gone,
            broker_refuses=lambda: self.broker_refuses,
            check_config=lambda address, offer: self.checks(address, offer),  # noqa: PLW0108 - tests replace it
        )
        self.writer = Writer(
            self.engine,
            alarms=AlarmEngine(),
            results=CommandResults(),
            commits=self.hub,
            monotonic=Monotonic(),
        )

    @cached_property
    def app(self) -> FastAPI:
        """The application; made when first asked for, on routes that all houses share."""
        shared = _shared(self.services)
        app, router = copy.copy(shared), copy.copy(shared.router)
        router.routes, router.middleware_stack = [*shared.routes], router.app
        app.router, app.middleware_stack, app.state = router, None, State()
        app.state.services, app.state.gate = self.services, Gate(self.services)
        pages.mount(app, self.services.settings.static_dir)
        return app

    async def _publish(self, address: Address, command: Command) -> None:
        if self.broker_gone:
            raise BrokerLost("nobody there")
        self.sent.append((address, command))

    async def _ask(self, address: Address, request: ToolRequest) -> None:
        if self.broker_gone:
            raise BrokerLost("nobody there")
        self.asked.append((address, request))

    async def _offer(self, address: Address, offer: ConfigOffer | None) -> None:
        if self.broker_gone:
            raise BrokerLost("nobody there")
        self.offered.append((address, offer))

    def pass_time(self, **span: float) -> None:
        """Move the server's clock."""
        self.now += timedelta(**span)

    def store(self, *messages: Incoming) -> None:
        """Bring messages into the database as ingest does."""
        self.writer.store(messages, self.now)

    def settle(self) -> None:
        """Let the newest values be written, as ingest does about once a second."""
        self.writer.tick(self.now)

    def be_born(self, birth: Birth | None = None, *, online: bool = True) -> None:
        """Introduce the house's gateway."""
        self.store(born(birth or house_birth()))
        if online:
            state = GatewayState(online=True, boot="b1", at=self.now, epoch="e1")
            self.store(Incoming(ADDRESS.state, encode(state)))

    def batch(self, *items: Item, lane: Lane = Lane.TELEMETRY, epoch: str = "e1") -> None:
        """Store the next batch of a lane."""
        seq = self.seqs[lane] = self.seqs.get(lane, 0) + 1
        self.store(up(seq, *items, lane=lane, epoch=epoch, address=ADDRESS))

    def event(self, device: str, code: str, edge: Edge = Edge.RAISED, **facts: Any) -> None:
        """Store one event of a device, seen now unless said otherwise."""
        facts.setdefault("seen_at", self.now)
        self.batch(DeviceEvent(device=device, code=code, edge=edge, **facts), lane=Lane.ALARM)

    def user(self, name: str, role: Role, password: str = PASSWORD, **facts: Any) -> None:
        """Add a person."""
        with write(self.engine) as conn:
            accounts.add_user(
                conn,
                Passwords(time_cost=1, memory_kib=64),
                name=name,
                role=role,
                password=password,
                now=self.now,
                **facts,
            )

    def token(self, role: Role, name: str = "") -> str:
        """Add a machine and return its token."""
        with write(self.engine) as conn:
            return accounts.add_token(
                conn,
                name=name or f"{role} machine {secrets.token_hex(4)}",
                role=role,
                by="test",
                now=self.now,
            )[1]

    def client(self, **options: Any) -> httpx.AsyncClient:
        """A client without a sign-in."""
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=True, client=("192.0.2.7", 40000))
        return httpx.AsyncClient(transport=transport, base_url="http://gate.test", **options)

    def machine(self, role: Role) -> httpx.AsyncClient:
        """A client that holds a token."""
        return self.client(headers={"authorization": f"Bearer {self.token(role)}"})

    @asynccontextmanager
    async def person(self, role: Role, name: str = "") -> AsyncIterator[httpx.AsyncClient]:
        """A browser in which somebody of this role has signed in."""
        name = name or f"some.{role}"
        self.user(name, role)
        async with self.client(headers=CSRF) as client:
            answer = await client.post("/api/v1/session", json={"username": name, "password": PASSWORD})
            assert answer.status_code == 200, answer.text
            yield client

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[str]:
        """A real HTTP server on a free port, with what must run beside it; yields its address."""
        config = uvicorn.Config(
            self.app, log_config=None, lifespan="off", timeout_graceful_shutdown=2, ws="none"
        )
        server = uvicorn.Server(config)
        listener = socket.create_server(("127.0.0.1", 0))
        try:
            async with alongside(background(self.services)):
                serve = asyncio.create_task(server.serve(sockets=[listener]), name="http")
                try:
                    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
                finally:
                    self.hub.close()
                    server.should_exit = True
                    await serve
        finally:
            listener.close()


def open_house(folder: Path, *, born_now: bool = True) -> House:
    """A house on a fresh database."""
    house = House(database(folder), folder)
    if born_now:
        house.be_born()
    return house


class Frames:
    """A reader of server-sent events on a plain socket, as strict as a parser of a page would be."""

    def __init__(self, reader: asyncio.StreamReader) -> None:
        self._reader = reader
        self._text = b""
        self.status = 0
        self.headers: dict[str, str] = {}

    @classmethod
    @asynccontextmanager
    async def open(cls, base: str, path: str, headers: dict[str, str]) -> "AsyncIterator[Frames]":
        """Ask for a stream and yield its frames; the connection is cut at the end."""
        url = httpx.URL(base)
        reader, writer = await asyncio.open_connection(url.host, url.port)
        try:
            lines = [f"GET {path} HTTP/1.1", f"host: {url.host}", *(f"{k}: {v}" for k, v in headers.items())]
            writer.write("\r\n".join([*lines, "", ""]).encode())
            frames = cls(reader)
            await frames._head()
            yield frames
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _head(self) -> None:
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        self.status = int(head[0].split()[1])
        self.headers = {k.lower(): v for k, v in (line.split(": ", 1) for line in head[1:] if line)}

    async def _more(self) -> None:
        try:
            size = int((await self._reader.readuntil(b"\r\n")).strip(), 16)
            chunk = await self._reader.readexactly(size + 2)
        except asyncio.IncompleteReadError:
            raise EOFError("the connection was cut") from None
        if not size:
            raise EOFError("the stream has ended")
        self._text += chunk[:-2]

    async def next(self) -> dict[str, Any]:
        """Return the next frame: `id`, `event` and `data` (decoded), whatever of them is there."""
        while True:
            while b"\n\n" not in self._text:
                await self._more()
            part, _, self._text = self._text.partition(b"\n\n")
            found: dict[str, Any] = {}
            for line in part.decode().split("\n"):
                name, _, value = line.partition(": ")
                found[name] = json.loads(value) if name == "data" else value
            if "event" in found:
                return found

    async def until(self, event: str, *, skip: Sequence[str] = ("hb",)) -> list[dict[str, Any]]:
        """Return the frames up to and with the first `event`, less those to be skipped."""
        found: list[dict[str, Any]] = []
        async with asyncio.timeout(10):
            while True:
                frame = await self.next()
                if frame["event"] == event:
                    return [*found, frame]
                if frame["event"] not in skip:
                    found.append(frame)
