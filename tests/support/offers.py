"""A box that takes offers of configurations, with handed-in time, life after life."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from gateway.polling.fleet import Difference
from gateway.polling.orphans import Orphans
from gateway.polling.standing import Stands
from gateway.reconfig.config_store import ConfigStore, Record
from gateway.reconfig.reload import Reloader
from gateway.reconfig.remote import RemoteConfig, Start, begin
from gateway.site.config import Site, load_site
from messages.configs import ConfigOffer, ConfigSaid, ConfigState
from messages.types import ClockState
from tests.support.gateway import Remembered

NOW = datetime(2026, 11, 22, tzinfo=UTC)
LOCAL = """\
site: mews
gateway: gw
broker: {url: "mqtt://127.0.0.1:1883"}
state_dir: state
lines:
  - id: net
    tcp: 127.0.0.1:1502
    devices:
      - {id: m-1, profile: eastron-sdm630, unit: 1}
"""
OTHER = LOCAL[LOCAL.index("lines:") :].replace("1502", "1503")
THIRD = OTHER.replace("1503", "1504")
WELL = {"m-1": ()}


class Lines:
    """Takes every change, and remembers it; stands for polled and for listening lines."""

    def __init__(self) -> None:
        self.endpoints: list[list[str]] = []
        self.orphans = Orphans(Remembered(), lambda: NOW, lambda: ClockState.SYNCED)

    def compare(self, lines) -> Difference:
        return Difference(changed=tuple(line.id for line in lines))

    async def end(self, what) -> dict[str, Stands]:
        return {}

    def take(self, lines, fresh, config="") -> None:
        self.endpoints.append([line.endpoint for line in lines])

    def begin(self, fresh) -> None: ...


class Fleet(Lines):
    """Polled ones."""

    async def make(self, lines, what, before) -> dict[str, object]:
        return {}


class Listeners(Lines):
    """Listening ones."""

    def make(self, lines, what, before) -> dict[str, object]:
        return {}


@dataclass
class Surface:
    """How the lines and the server are, as a test says."""

    well: dict[str, tuple[str, ...]] = field(default_factory=lambda: dict(WELL))
    heard: bool = True

    def health(self):
        return self.well

    def heard_since(self, moment: float) -> bool:
        return self.heard


class Watched(ConfigStore):
    """Remembers every record that reached the disk."""

    saved: list[Record]
    full = False

    def save(self, record: Record) -> None:
        if self.full:
            raise OSError(28, "No space left on device")
        super().save(record)
        self.saved.append(record)


class Box:
    """A gateway's configuration without its lines; `life` is one run of the process."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "gw.yaml"
        (folder / "state").mkdir()
        self.path.write_text(LOCAL, encoding="utf-8")
        self.store = Watched(folder / "state" / "config.json")
        self.store.saved = []
        self.now = 0.0
        self.surface = Surface()
        self.said: list[ConfigSaid] = []
        self.alarms: list[str] = []
        self.alarms_kept = True
        self.fleet = Fleet()
        self.until: Callable[[], bool] = lambda: False
        self.reached = asyncio.Event()

    def start(self) -> Start:
        return begin(load_site(self.path, certificates=False), self.store, NOW)

    def life(self) -> RemoteConfig:
        started = self.start()
        self.fleet = Fleet()
        reloader = Reloader(started.site, self.fleet, Listeners())  # type: ignore[arg-type]

        async def alarm(why: str) -> bool:
            if self.alarms_kept:
                self.alarms.append(why)
            return self.alarms_kept

        async def nap(event: asyncio.Event, seconds: float) -> None:
            if self.until():
                self.reached.set()
            await asyncio.sleep(0)
            if not event.is_set():
                if seconds > 60:
                    await event.wait()
                else:
                    self.now += seconds

        remote = RemoteConfig(
            started.record,
            self.store,
            reloader,
            self.surface,
            lambda: NOW,
            lambda: self.now,
            nap,
            alarm,
            say=self._said,
        )
        reloader.source = remote
        return remote

    def _said(self, said: ConfigSaid) -> None:
        self.said.append(said)
        if self.until():
            self.reached.set()

    async def runs(self, remote: RemoteConfig, until: Callable[[], bool]) -> None:
        """Let a life go on until something is true, then kill it."""
        self.until, self.reached = until, asyncio.Event()
        # One thread, so that what this life still writes is over before the next one begins, as after a real death.
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
        tasks = [asyncio.create_task(remote.run()), asyncio.create_task(remote.reloader.run())]
        try:
            async with asyncio.timeout(20):
                if not until():
                    await self.reached.wait()
        finally:
            self.until = lambda: False
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            await asyncio.to_thread(lambda: None)
            for task in tasks:
                if not task.cancelled():
                    task.result()

    @property
    def state(self) -> ConfigState | None:
        return self.said[-1].state if self.said else None

    @property
    def hash(self) -> str:
        return load_site(self.path).hash


def offer(base: str, yaml: str = OTHER, name: str = "f1", minutes: int = 5) -> ConfigOffer:
    return ConfigOffer(id=name, at=NOW, by="wang.li", base=base, site_yaml=yaml, health_minutes=minutes)


def endpoint(site: Site) -> str:
    return site.lines[0].endpoint
