"""A whole installation on this machine: server, simulated site and gateways, all state under one folder.

The demo plays a story on it; the end-to-end tests break it. Every process that it starts it also takes down.
"""

import contextlib
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
import psutil

from drivers.profile import Profile
from simulators.api_client import Api
from simulators.field_world import Entry
from simulators.gateway_files import gateway_file, gateways_of
from simulators.processes import Child, Family, ProcessFailed, ServerInfo, program, run_once, server_up, until
from simulators.site import Site
from simulators.world import RunInfo

USER = "demo"
GATEWAYS_UP_S = 90.0


@dataclass
class Estate:
    """Server and gateways around a site that somebody else simulates."""

    folder: Path
    site: Site
    profiles: Mapping[str, Profile]
    http: str = "127.0.0.1:0"
    mqtt: str = "127.0.0.1:0"
    user: str = USER
    password: str = field(default_factory=lambda: secrets.token_urlsafe(12), repr=False)
    extra_profiles: tuple[Path, ...] = ()
    family: Family = field(default_factory=Family)
    gateways: dict[str, Child] = field(default_factory=dict)
    gateway_files: dict[str, Path] = field(default_factory=dict)
    server_info: ServerInfo | None = None

    def __post_init__(self) -> None:
        self.server = Child("gatehouse-server", self._server_argv(), self.logs / "server.log")

    @property
    def data(self) -> Path:
        """The server's data folder."""
        return self.folder / "server"

    @property
    def database(self) -> Path:
        """The server's SQLite file."""
        return self.data / "gatehouse.db"

    @property
    def logs(self) -> Path:
        """Where every process writes its log."""
        return self.folder / "logs"

    @property
    def info(self) -> ServerInfo:
        """Where the server is; raise `ProcessFailed` before it is up."""
        if self.server_info is None:
            raise ProcessFailed("the server is not up")
        return self.server_info

    @property
    def broker(self) -> str:
        """The broker's host:port."""
        return self.info.mqtt.partition("://")[2]

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, err: BaseException | None, tb: TracebackType | None
    ) -> None:
        await self.family.close()

    async def make_accounts(self) -> None:
        """Make the person who signs in, and an account on the broker for each gateway."""
        self.data.mkdir(parents=True, exist_ok=True)
        secret = self.folder / "secrets"
        secret.mkdir(mode=0o700, exist_ok=True)
        note = secret / "sign-in"
        note.touch(mode=0o600)
        note.write_text(self.password)
        server = program("gatehouse-server")
        data: tuple[str | Path, ...] = ("--data-dir", self.data)
        try:
            user = [*server, "user", "add", self.user, "--role", "admin", "--password-file", note, *data]
            await run_once("user add", user)
        finally:
            note.unlink()  # it is told to people and kept nowhere
        for gateway in gateways_of(self.site):
            account = [*server, "gateway", "add", self.site.site, gateway, *data]
            await run_once("gateway add", [*account, "--password-file", secret / gateway])

    async def start_server(self) -> ServerInfo:
        """Start the server and wait until it answers."""
        await self.family.start(self.server)
        self.server_info = await server_up(self.server, self.data)
        async with Api(self.server_info.http) as api:

            async def look() -> bool | None:
                return await api.healthy() or None

            await until("answer of the server", look, timeout=90.0, alive=[self.server])
        return self.server_info

    async def restart_server(self) -> ServerInfo:
        """Start the server again, on the ports that it had."""
        self.http = self.info.http.partition("://")[2]
        self.mqtt = self.broker
        self.server = Child("gatehouse-server", self._server_argv(), self.logs / "server.log")
        return await self.start_server()

    def write_gateway_files(self, info: RunInfo, entries: Mapping[str, Entry] | None = None) -> None:
        """Write a site file for each gateway, with the wires where the simulators put them."""
        for gateway in gateways_of(self.site):
            self.gateway_files[gateway] = gateway_file(
                self.site,
                gateway,
                info,
                broker=self.broker,
                folder=self.folder,
                password_file=self.folder.resolve() / "secrets" / gateway,
                profiles=self.extra_profiles,
                entries=entries,
            )

    async def start_gateways(self) -> None:
        """Start every gateway; `gateways_up` waits for them."""
        for gateway in self.gateway_files:
            await self.start_gateway(gateway)

    async def start_gateway(self, gateway: str) -> Child:
        """Start one gateway, for the first time or again."""
        argv = [*self._gateway_argv(), "run", self.gateway_files[gateway], "--log-format", "text"]
        child = Child(gateway, argv, self.logs / f"{gateway}.log")
        self.gateways[gateway] = await self.family.start(child)
        return child

    async def gateways_up(self, api: Api) -> None:
        """Wait until the server knows every gateway as online."""
        wanted = set(self.gateway_files)

        async def look() -> bool | None:
            answer = await api.get("gateways")
            online = {gateway["id"] for gateway in answer["gateways"] if gateway["online"]}
            return True if wanted <= online else None

        await until(
            "gateways online", look, timeout=GATEWAYS_UP_S, alive=[self.server, *self.gateways.values()]
        )

    def owns(self, port: int) -> bool:
        """True where a gateway of ours has a TCP connection from this local port."""
        for child in self.gateways.values():
            if child.running:
                with contextlib.suppress(psutil.Error):
                    found = psutil.Process(child.pid).net_connections(kind="tcp")
                    if any(one.laddr and one.laddr.port == port for one in found):
                        return True
        return False

    async def stop_gateways(self) -> None:
        """Stop every gateway as its operator would; raise `ProcessFailed` for one that does not end well."""
        for child in self.gateways.values():
            child.signal(15)
        for child in self.gateways.values():
            code = await child.stop()
            if code != 0:
                raise ProcessFailed(f"{child.name} ended with {code}\n{child.tail()}")

    async def metric(self, gateway: str, name: str) -> int:
        """Return the sum of one of a gateway's metrics."""
        port = int((self.folder / "state" / gateway / "metrics.port").read_text())
        async with httpx.AsyncClient(timeout=5.0, trust_env=False) as http:
            text = (await http.get(f"http://127.0.0.1:{port}/metrics")).text
        lines = (line for line in text.splitlines() if line.startswith((f"{name} ", f"{name}{{")))
        return round(sum(float(line.rpartition(" ")[2]) for line in lines))

    async def numbered(self, gateway: str) -> dict[str, int]:
        """Return how many batches a gateway's journal has numbered, by lane; the gateway may run or not."""
        argv = [*program("gatehouse-gateway"), "journal", self.gateway_files[gateway], "--json"]
        lanes: dict[str, dict[str, Any]] = json.loads(await run_once("journal", argv))["lanes"]
        return {lane: int(counts["next"]) - 1 for lane, counts in lanes.items()}

    def _gateway_argv(self) -> list[str | Path]:
        return program("gatehouse-gateway")

    def _server_argv(self) -> list[str | Path]:
        where: list[str | Path] = ["--http", self.http, "--mqtt", self.mqtt, "--log", "text"]
        return [*program("gatehouse-server"), "run", "--data-dir", self.data, *where]
