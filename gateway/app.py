"""The composition root: from a checked site to a running gateway, and its orderly end.

One TaskGroup owns every task. Where many things stand side by side (lines, peers, datagrams, cameras, tools) a fault
of our own is contained and told (`gateway.faults`); in a task of which there is one (journal, uplink, configuration)
it ends the process: the journal keeps what was read, and whoever supervises the process starts it again.
"""

import asyncio
import logging
import shutil
import signal
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from random import Random, SystemRandom

from gateway import metrics as metering
from gateway.clock import ClockWatch, wall_clock
from gateway.commands import Commands
from gateway.delivery.births import Watched, birth, raised, too_large, unread
from gateway.delivery.journal import Journal, Limits, Trouble, random_id
from gateway.delivery.recorder import JournalRecorder
from gateway.delivery.uplink import Inlet, Uplink
from gateway.gauges import gauges
from gateway.listening.listeners import Listeners
from gateway.own_alarms import ROLLED_BACK, OwnAlarms
from gateway.polling.around import Surroundings, nap
from gateway.polling.fleet import Fleet, Targets
from gateway.polling.lessons_store import keep_lessons, load_lessons
from gateway.polling.orphans import Orphans
from gateway.polling.poller import Poller
from gateway.polling.punctuality import fire_wait_ms, missed
from gateway.reconfig.config_store import ConfigStore
from gateway.reconfig.reload import Reloader
from gateway.reconfig.remote import RemoteConfig
from gateway.reconfig.sight import Sight
from gateway.reconfig.start import Start, begin
from gateway.silences import STATE_KEY, Silences, guarding
from gateway.site.config import Site
from gateway.tools.inside import Inside, ToolShop, tool_shop
from messages.codec import utc_ms
from messages.configs import decode_offer, encode_config
from messages.text import printable
from messages.topics import Address
from messages.types import ClockState, GatewayState, Lane

log = logging.getLogger(__name__)

FLUSH_S = 5.0  # a stop waits so long for the server to store what is on its way; the journal keeps the rest
CLOCK_LOOK_S = 1.0
MAX_SILENT_NAMED = 500  # a state message is small: with more silent devices than this the line is the news
JOURNAL_FILE, CONFIG_FILE = "journal.sqlite", "config.json"


class GatewayTrouble(Exception):
    """Something outside must be mended before this gateway can run; the text says what."""


@dataclass(frozen=True, slots=True)
class Given:
    """Time and chance, handed in once for the whole process."""

    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    clock_state: Callable[[], ClockState] = field(default_factory=lambda: ClockWatch().state)
    random: Random = field(default_factory=SystemRandom)
    free_disk: Callable[[Path], int] = lambda folder: shutil.disk_usage(folder).free


@dataclass(slots=True, eq=False)
class Gateway:
    """A gateway that is put together: `run` it once."""

    boot: str
    given: Given
    journal: Journal
    uplink: Uplink
    recorder: JournalRecorder
    commands: Commands
    own: OwnAlarms
    silences: Silences
    fleet: Fleet
    listeners: Listeners
    orphans: Orphans
    reloader: Reloader
    remote: RemoteConfig
    tools: ToolShop
    metrics_port: int | None

    @property
    def site(self) -> Site:
        """What runs now."""
        return self.reloader.site

    @property
    def pollers(self) -> Sequence[Poller]:
        """The pollers of all lines, as they are now."""
        return self.fleet.pollers

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set, then end in order: wires, journal, uplink."""
        async with asyncio.TaskGroup() as group:
            own = group.create_task(self.own.run(), name="own alarms")
            silences = group.create_task(self.silences.run(), name="silences")
            uplink = group.create_task(self.uplink.run(), name="uplink")
            lanes = [
                group.create_task(self.recorder.run(lane), name=f"journal {lane.value}")
                for lane in (Lane.BILLING, Lane.TELEMETRY)
            ]
            commands = group.create_task(self.commands.run(), name="commands")
            orphans = group.create_task(self.orphans.run(), name="orphaned alarms")
            reloads = group.create_task(self.reloader.run(), name="reloads")
            remote = group.create_task(self.remote.run(), name="configuration from afar")
            learned = asyncio.Event()
            keeper = keep_lessons(self.fleet.lessons, self.site.state_dir, learned)
            group.create_task(keeper, name="lessons")
            self.fleet.start(group)
            self.listeners.start(group)
            tools = group.create_task(self.tools.run(), name="tools")
            log.info("gateway %s/%s runs: boot %s", self.site.file.site, self.site.file.gateway, self.boot)
            await stop.wait()
            log.info("stopping: the exchange in flight, then the journal, then the server")
            self.tools.stop()
            await self.reloader.stop()
            await _ended([reloads])
            await self.listeners.stop()
            await self.fleet.stop()
            learned.set()
            await self.commands.stop()
            await _ended([commands])
            self.recorder.close()
            await _ended(lanes)
            if not await self.uplink.flush(FLUSH_S):
                log.info(
                    "not everything is stored by the server yet: the journal keeps it for the next start"
                )
            await self.uplink.farewell("stopped")
            for task in (uplink, own, silences, orphans, remote, tools):
                task.cancel()
        log.info("stopped")

    def state(self) -> GatewayState:
        """Describe how it is now: the heartbeat."""
        heard = (*self.fleet.hears(), *self.listeners.hears())
        silent = tuple(device.id for device, hears in heard if hears is False)
        silent, unsaid = silent[:MAX_SILENT_NAMED], silent[MAX_SILENT_NAMED:]
        unsure = {device.id for device, hears in heard if hears is None and device.guards}.union(unsaid)
        watched: list[Watched] = [self.own, *(device for device, _ in heard)]
        return GatewayState(
            online=True,
            boot=self.boot,
            at=utc_ms(self.given.clock()),
            epoch=self.journal.epoch,
            config=self.site.hash,
            clock=self.given.clock_state(),
            lanes={lane.value: state for lane, state in self.journal.lanes().items()},
            silent=silent,
            raised=raised(watched),
            unread=unread(watched, frozenset(silent), unsure),
            missed=missed(self.pollers),
            fire_wait_ms=fire_wait_ms(self.pollers),
            free_disk=self._free_disk(),
        )

    def _free_disk(self) -> int | None:
        try:
            return self.given.free_disk(self.site.state_dir)
        except OSError:
            return None


@asynccontextmanager
async def build(site: Site, given: Given | None = None) -> AsyncIterator[Gateway]:
    """Put a gateway together, open its journal and its metrics; close everything again at the end.

    Raise `JournalDown`, `Misconfigured` or `GatewayTrouble`. Nothing is polled or connected before `Gateway.run`.
    """
    given = _cached_clock(given or Given())
    if trouble := too_large(site):
        raise GatewayTrouble(trouble)
    async with AsyncExitStack() as stack:
        told: list[Trouble] = []
        own: list[OwnAlarms] = []

        def tell(trouble: Trouble) -> None:
            (own[0].trouble if own else told.append)(trouble)

        journal = await stack.enter_async_context(
            await Journal.open(
                site.state_dir / JOURNAL_FILE,
                limits=_limits(site),
                clock=wall_clock,
                random=given.random,
                free_disk=given.free_disk,
                on_trouble=tell,
            )
        )
        metrics = metering.Metrics()
        store = ConfigStore(site.state_dir / CONFIG_FILE)
        start = await asyncio.to_thread(begin, site, store, given.clock())
        gateway = _assemble(start, store, given, journal, metrics)
        own.append(gateway.own)
        for each in told:
            gateway.own.trouble(each)
        try:
            served = metering.serve(metrics, site.metrics, site.state_dir / "metrics.port")
            gateway.metrics_port = stack.enter_context(served)
        except OSError as err:
            where = "{}:{}".format(*site.metrics) if site.metrics else ""
            raise GatewayTrouble(
                f"metrics cannot listen on {where}: {err.strerror}; choose another port, or 0 for any free one"
            ) from err
        yield gateway


def _assemble(
    start: Start, store: ConfigStore, given: Given, journal: Journal, metrics: metering.Metrics
) -> Gateway:
    site = start.site
    boot = random_id(given.random)
    recorder = JournalRecorder(journal, read=metrics.samples_read, lost=metrics.samples_lost)
    around = Surroundings(given.clock, given.clock_state, asyncio.get_running_loop().time, given.random, nap)
    orphans = Orphans(recorder, given.clock, given.clock_state)
    listeners = Listeners(recorder, metrics, around, journal.load_state, orphans)
    fleet = _lines(site, given, around, listeners, journal, metrics)
    reloader = Reloader(site, fleet, listeners)
    targets = Targets(lambda: fleet.pollers)
    commands = Commands(targets, journal, given.clock, given.clock_state, metrics.command)
    own = OwnAlarms(
        site.file.gateway, recorder, journal.load_state, lambda: journal.down, given.clock, given.clock_state
    )

    silences = Silences(
        recorder,
        lambda: guarding((*fleet.hears(), *listeners.hears())),
        journal.load_state(STATE_KEY),
        given.clock,
        given.clock_state,
        around.monotonic,
        nap,
    )
    address = Address(site.file.site, site.file.gateway)

    def changed() -> None:
        silences.look()
        uplink.beat()

    def state() -> GatewayState:
        return gateway.state()

    def take_offer(_leaf: str, payload: bytes, _retained: bool) -> None:
        if payload:
            remote.take(decode_offer(payload))
        else:
            remote.withdraw()

    def take_request(leaf: str, payload: bytes, retained: bool) -> None:
        tools.take(leaf, payload, retained)

    inlets = {
        "config": Inlet(address.config, take_offer),
        "tool": Inlet(address.tool_filter, take_request),
    }
    uplink = Uplink(
        journal,
        address,
        site.broker,
        boot=boot,
        birth=lambda: birth(reloader.site, at=given.clock(), boot=boot, epoch=journal.epoch),
        state=state,
        on_command=commands.take,
        inlets=inlets,
        random=given.random,
    )
    remote = _remote(start, store, reloader, Sight(fleet, uplink, listeners), given, own, uplink, address)
    inside = Inside(fleet, journal, uplink, given.clock_state, listeners)
    tools = tool_shop(inside, reloader, address, given.clock, around.monotonic)
    fleet.changed, listeners.changed = changed, changed
    reloader.changed, reloader.source = uplink.reborn, remote
    alarms, lines = (own, silences), (fleet, listeners, orphans, reloader)
    parts = (boot, given, journal, uplink, recorder, commands, *alarms, *lines, remote, tools)
    gateway = Gateway(*parts, metrics_port=None)
    metrics.watch(lambda: gauges(journal, uplink, fleet, listeners))
    return gateway


def _remote(
    start: Start,
    store: ConfigStore,
    reloader: Reloader,
    sight: Sight,
    given: Given,
    own: OwnAlarms,
    uplink: Uplink,
    address: Address,
) -> RemoteConfig:
    """Take configurations from afar: tried under the eyes of `sight`, told as the retained word of this gateway."""
    return RemoteConfig(
        start.record,
        store,
        reloader,
        sight,
        given.clock,
        asyncio.get_running_loop().time,
        nap,
        alarm=partial(own.tell, ROLLED_BACK),
        say=lambda said: uplink.keep(address.config_said, encode_config(said)),
    )


def _lines(
    site: Site,
    given: Given,
    around: Surroundings,
    listeners: Listeners,
    journal: Journal,
    metrics: metering.Metrics,
) -> Fleet:
    """Make all lines, and end the alarms of devices that went away while no gateway ran."""
    lessons = load_lessons(site.state_dir, given.clock)
    recorder, orphans = listeners.recorder, listeners.orphans
    fleet = Fleet(recorder, metrics, around, given.random, journal.load_state, orphans, lessons)
    fleet.set_up(site.lines, site.hash)
    listeners.set_up(site.listening)
    fleet.settle_strangers(journal.state_keys(), [device.id for device in listeners.devices])
    return fleet


def _limits(site: Site) -> Limits:
    file = site.file.journal
    return Limits(
        alarm_mb=file.alarm_mb,
        billing_mb=file.billing_mb,
        telemetry_mb=file.telemetry_mb,
        free_disk_mb=file.free_disk_mb,
    )


def _cached_clock(given: Given) -> Given:
    """Ask the kernel about its clock once a second, not once an exchange."""
    time = asyncio.get_running_loop().time
    known, until = given.clock_state(), time() + CLOCK_LOOK_S

    def state() -> ClockState:
        nonlocal known, until
        if time() >= until:
            known, until = given.clock_state(), time() + CLOCK_LOOK_S
        return known

    return Given(given.clock, state, given.random, given.free_disk)


async def _ended(tasks: Iterable["asyncio.Task[None]"]) -> None:
    """Wait until they have ended; a failure among them ends the group, not this."""
    waiting = set(tasks)
    if waiting:
        await asyncio.wait(waiting)


async def run_until_signal(site: Site) -> None:
    """Run a gateway until SIGTERM or SIGINT, reading the site file again at SIGHUP; raise what stands in its way."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    try:
        async with build(site) as gateway:
            loop.add_signal_handler(signal.SIGHUP, gateway.reloader.ask)
            if gateway.metrics_port is not None and site.metrics is not None:
                log.info("metrics on http://%s:%d/metrics", printable(site.metrics[0]), gateway.metrics_port)
            await gateway.run(stop)
    finally:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            loop.remove_signal_handler(number)
            # A second request to stop, while the interpreter winds down, must not turn a good end into a bad one.
            signal.signal(number, signal.SIG_IGN)
