"""A whole installation of real processes for end-to-end tests: broken by the test, then reconciled to the row."""

import os
import signal
import sqlite3
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil

from gateway.delivery.journal import inspect
from simulators.api_client import Api
from simulators.estate import Estate
from simulators.gateway_files import gateways_of
from simulators.processes import ProcessFailed, until
from simulators.reconcile import NOT_READ, StoredRow, _pairs, _same, served_by_point, stored_rows
from simulators.site import Site, load_site
from simulators.truth import Truth, TruthWriter
from simulators.world import World, running
from tests.support.broker import free_port
from tests.support.sims import clock_ms, library

SITES = Path(__file__).parents[1] / "e2e" / "sites"
# What a gateway had read and not yet journaled when it was killed is lost with it, and so is what a device still
# answered to a gateway that was gone. It is all that a point had since its last row, so the time may be generous:
# a starved machine and a slow disk stretch the 250 ms of a group commit.
UNJOURNALED_MS = 10_000
IN_FLIGHT_MS = 5_000


_made: dict[tuple[str, ...], tuple[str, dict[str, tuple[int, bytes]]]] = {}
"""What making accounts has left, by the gateways it was for: the person's password, and each file with its mode."""


@dataclass
class QuickEstate(Estate):
    """An estate that makes its accounts once for all tests of a process, and looks at journals by itself."""

    foreign: str = ""
    """The URL of a broker that the test runs, instead of the server's own."""
    minute_s: float | None = None
    """How long a minute lasts for the gateways while a configuration is on trial."""

    @property
    def broker(self) -> str:
        return self.foreign.partition("://")[2] or super().broker

    async def make_accounts(self) -> None:
        """Make them by the real commands the first time, and lay down what these left every other time."""
        key = (self.site.site, *gateways_of(self.site))
        if key not in _made:
            await super().make_accounts()
            files = [path for root in (self.data, self.folder / "secrets") for path in root.rglob("*")]
            _made[key] = (
                self.password,
                {
                    str(path.relative_to(self.folder)): (path.stat().st_mode & 0o777, path.read_bytes())
                    for path in files
                    if path.is_file()
                },
            )
            return
        self.password, left = _made[key]
        for name, (mode, content) in left.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            path.touch(mode=mode)
            path.write_bytes(content)

    async def numbered(self, gateway: str) -> dict[str, int]:
        """As the command `journal` says it, without the command."""
        _, lanes = inspect(self.folder / "state" / gateway / "journal.sqlite")
        return {lane.value: told.next - 1 for lane, told in lanes.items()}

    def _gateway_argv(self) -> list[str | Path]:
        if self.minute_s is None:
            return super()._gateway_argv()
        launcher = Path(__file__).with_name("hasty_gateway.py")
        return [sys.executable, "-P", launcher, str(self.minute_s)]

    def _server_argv(self) -> list[str | Path]:
        return [*super()._server_argv(), *(["--broker", self.foreign] if self.foreign else [])]


@dataclass
class Outcome:
    """What the database holds, held against the wire and the journals."""

    doubled: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    missing: list[tuple[int, str]] = field(default_factory=list)
    held: dict[str, list[int]] = field(default_factory=dict)
    """When each point's values were served that did become rows."""
    rows: int = 0
    served: int = 0
    batches: dict[str, dict[str, tuple[int, int]]] = field(default_factory=dict)
    """Per gateway and lane: how many numbers the journal gave, how many batches the database holds."""
    quarantined: int = 0
    gaps: int = 0

    def unexplained(self, kills: list[int]) -> list[str]:
        """Missing values that no kill of a gateway explains, with how far the kills were from them."""
        return [
            f"{name} served at {at}, kills at {[kill - at for kill in kills]} ms from it"
            for at, name in self.missing
            if not any(self._explains(kill, at, name) for kill in kills)
        ]

    def _explains(self, kill: int, at: int, name: str) -> bool:
        """A kill takes the last that was read before it and the first after it: no row of the point lies between."""
        first, last = min(kill, at), max(kill, at)
        near = kill - UNJOURNALED_MS <= at <= kill + IN_FLIGHT_MS
        return near and not any(first < held < last for held in self.held.get(name, ()))


@dataclass
class Installation:
    """Handles of everything that runs."""

    estate: Estate
    world: World
    truth: TruthWriter
    api: Api
    folder: Path
    site: Site
    gateway_kills: list[int] = field(default_factory=list)

    async def kill_gateway(self, name: str) -> None:
        """kill -9, and start it again as systemd would."""
        await self.estate.gateways[name].kill_hard()
        self.gateway_kills.append(clock_ms())
        await self.estate.start_gateway(name)

    async def kill_server(self) -> None:
        """kill -9 of the server process; its broker dies with it, and both are started again."""
        await self.estate.server.kill_hard()
        await self.estate.restart_server()

    async def kill_broker(self) -> None:
        """kill -9 of the broker alone; the server has to notice and start another."""
        pid = self._broker_pid()
        assert pid is not None
        os.kill(pid, signal.SIGKILL)

        async def other() -> bool | None:
            return True if self._broker_pid() not in {None, pid} else None

        await until("another broker", other, timeout=90, alive=[self.estate.server])

    def _broker_pid(self) -> int | None:
        for child in psutil.Process(self.estate.server.pid).children():
            # It may end between two looks at it.
            with suppress(psutil.NoSuchProcess):
                if child.name() == "nats-server" and child.status() != psutil.STATUS_ZOMBIE:
                    return child.pid
        return None

    async def served(self, more: int, timeout: float = 60.0) -> None:
        """Wait until the devices have answered with so many more values."""
        goal = self.truth.served + more

        async def look() -> bool | None:
            return True if self.truth.served >= goal else None

        await until(f"{more} more values on the wire", look, timeout=timeout)

    async def finish(self) -> Outcome:
        """Silence the devices, stop the gateways, wait for the last `Stored`, and reconcile."""
        await self._listening()  # one that is still starting would end by the signal instead of in good order
        self.world.mute()
        # While they still run: a gateway that lost its broker a moment ago needs seconds to find it again.
        numbered = {name: await self.estate.numbered(name) for name in self.estate.gateways}
        held = await self._delivered(numbered, timeout=90)
        assert held, f"a gateway that runs hands over everything by itself: {await self._receipts()}"
        for _ in range(3):
            await self.estate.stop_gateways()
            numbered = {name: await self.estate.numbered(name) for name in self.estate.gateways}
            if await self._delivered(numbered, timeout=10):
                return self._reconcile(numbered)
            # What a stopping gateway could not hand over in its few seconds, it hands over when it runs again.
            await self.estate.start_gateways()
            await self._listening()
            await self._delivered(numbered, timeout=90)
        raise AssertionError("the server never held everything")

    async def _listening(self) -> None:
        async def look() -> bool | None:
            try:
                return all(
                    [await self.estate.metric(name, "process_start_time_seconds") >= 0 for name in names]
                )
            except (OSError, httpx.HTTPError, ValueError):
                return None

        names = list(self.estate.gateways)
        await until("gateways that run", look, timeout=90, alive=list(self.estate.gateways.values()))

    async def _receipts(self) -> str:
        """What the server holds and lacks of each gateway, for who has to find out why."""
        told = []
        for gateway in self.estate.gateways:
            for lane in (await self.api.get(f"gateways/{gateway}/delivery"))["lanes"]:
                told.append(
                    f"{gateway} {lane['lane']} through {lane['stored_through']} lacks {lane['missing']}"
                )
        return "; ".join(told)

    async def _delivered(self, numbered: Mapping[str, Mapping[str, int]], *, timeout: float) -> bool:
        async def look() -> bool | None:
            for gateway, lanes in numbered.items():
                try:
                    receipt = await self.api.get(f"gateways/{gateway}/delivery")
                except httpx.ReadTimeout:
                    return None  # a machine that has much to do: asked again
                through = {
                    lane["lane"]: lane["stored_through"] for lane in receipt["lanes"] if lane["current"]
                }
                if any(through.get(lane, 0) < last for lane, last in lanes.items()):
                    return None
            return True

        try:
            return await until("complete receipts", look, timeout=timeout, alive=[self.estate.server])
        except ProcessFailed:
            return False

    def _reconcile(self, numbered: Mapping[str, Mapping[str, int]]) -> Outcome:
        truth = Truth.load(self.folder / "truth")
        stored: dict[tuple[str, str], list[StoredRow]] = {}
        for row in stored_rows(self.estate.database, self.site.site):
            if row.quality not in NOT_READ:
                stored.setdefault((row.device, row.point), []).append(row)
        outcome = Outcome(served=truth.served_points())
        served = served_by_point(truth)
        for key in served.keys() | stored.keys():
            rows = stored.get(key, [])
            outcome.rows += len(rows)
            for one, row in _pairs(served.get(key, []), rows):
                name = ".".join(key)
                if row is None and one is not None:
                    outcome.missing.append((one.t1, name))
                elif one is None and row is not None:
                    outcome.doubled.append(f"{name} stored at {row.at} as {row.value}")
                elif one is not None and row is not None:
                    outcome.held.setdefault(name, []).append(one.t1)
                    if not _same(one, row):
                        wrong = f"{name} at {row.at}: {row.value} stored, {one.value} on the wire"
                        outcome.wrong.append(wrong)
        self._count(numbered, outcome)
        return outcome

    def _count(self, numbered: Mapping[str, Mapping[str, int]], outcome: Outcome) -> None:
        base = sqlite3.connect(f"{self.estate.database.resolve().as_uri()}?mode=ro", uri=True)
        try:
            for gateway, lanes in numbered.items():
                outcome.batches[gateway] = {}
                for lane, last in lanes.items():
                    query = (
                        "SELECT count(*), count(DISTINCT b.seq), coalesce(max(b.seq), 0), count(DISTINCT l.epoch) "
                        "FROM batches b JOIN lanes l ON l.id = b.lane_id WHERE l.gateway = ? AND l.lane = ?"
                    )
                    count, distinct, highest, epochs = base.execute(query, (gateway, lane)).fetchone()
                    assert count == distinct
                    assert epochs <= 1, f"{gateway} {lane}: the journal was lost ({epochs} epochs)"
                    assert highest <= last
                    outcome.batches[gateway][lane] = (last, count)
            outcome.quarantined = base.execute("SELECT count(*) FROM quarantine").fetchone()[0]
            outcome.gaps = base.execute("SELECT count(*) FROM gaps").fetchone()[0]
        finally:
            base.close()


@asynccontextmanager
async def installation(
    folder: Path,
    name: str = "block.yaml",
    *,
    broker: str = "",
    minute_s: float | None = None,
    kind: type[QuickEstate] = QuickEstate,
) -> AsyncIterator[Installation]:
    """Start server, site and gateways; whatever happens, nothing that was started here is left.

    `kind` is an estate that differs from the usual one, for example in what else its gateways poll; the rest is as
    in `QuickEstate`.
    """
    profiles = library()
    site = load_site(SITES / name, profiles)
    (folder / "truth").mkdir(parents=True, exist_ok=True)
    async with AsyncExitStack() as stack:
        # Ports that stay free while the server or its broker is dead and somebody else asks for any port.
        http, mqtt = (f"127.0.0.1:{free_port()}" for _ in range(2))
        made = kind(folder, site, profiles, http=http, mqtt=mqtt, foreign=broker, minute_s=minute_s)
        estate = await stack.enter_async_context(made)
        await estate.make_accounts()
        info = await estate.start_server()
        truth = stack.enter_context(TruthWriter(folder / "truth", clock_ms))
        world = World(site, profiles, folder / "truth", truth, clock_ms=clock_ms, broker=estate.broker)
        api = await stack.enter_async_context(Api(info.http))
        await api.sign_in(estate.user, estate.password)
        await stack.enter_async_context(running(world))
        assert world.info is not None
        estate.write_gateway_files(world.info)
        await estate.start_gateways()
        await estate.gateways_up(api)
        yield Installation(estate, world, truth, api, folder, site)
