"""The demo: a whole installation, a bad minute, and then the reckoning, value by value."""

import asyncio
import shutil
import signal
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import msgspec
from rich.console import Console
from rich.panel import Panel
from rich.table import Table

from drivers.profile import Profile
from simulators.api_client import Api
from simulators.estate import Estate
from simulators.field_cameras import MOMENT
from simulators.field_world import FieldWorld
from simulators.guard import Guard
from simulators.processes import ProcessFailed, until
from simulators.reckoning import Reckoning, Summary, billed
from simulators.reconcile import stored_records, stored_rows
from simulators.site import Site
from simulators.truth import FactRow, Truth, TruthWriter
from simulators.world import World, running, write_whole

MARK = ".gatehouse-demo"
STOPPERS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)  # the last: the terminal was closed
SETTLE_S = 60.0
QUIET_S = 30.0
DELIVERED_S = 30.0
SITES = Path(__file__).parent / "sites"


class DemoFolderTaken(RuntimeError):
    """The folder holds something that no demo made; the text says what to do."""


@dataclass(frozen=True, slots=True)
class Options:
    """What can be said on the command line."""

    folder: Path
    seconds: float | None = None
    http: str = "127.0.0.1:0"
    mqtt: str = "127.0.0.1:0"


def clock_ms() -> int:
    """Return the time of day in ms UTC."""
    return time.time_ns() // 1_000_000


def make_room(folder: Path) -> None:
    """Empty the folder of an earlier demo's state; raise `DemoFolderTaken` where it holds anything else."""
    if folder.exists() and any(folder.iterdir()) and not (folder / MARK).exists():
        raise DemoFolderTaken(f"{folder} is not empty and no demo made it: give another folder with --dir")
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    (folder / MARK).touch()


async def play(site: Site, profiles: Mapping[str, Profile], options: Options, console: Console) -> Summary:
    """Play the demo from the first process to the last; whatever happens, no process is left behind."""
    make_room(options.folder)
    with _stopping() as stop:
        async with AsyncExitStack() as stack:
            demo = _Demo(site, profiles, options, console, stop)
            return await demo.run(stack)


class _Stop:
    """Ctrl-C: while the demo plays it means "that is enough", at any other time "get out"."""

    def __init__(self) -> None:
        self.enough = asyncio.Event()
        self.playing = False
        self._leaving = False
        self._task = asyncio.current_task()
        self._loop = asyncio.get_running_loop()

    def __enter__(self) -> Self:
        for number in STOPPERS:
            self._loop.add_signal_handler(number, self._asked)
        return self

    def __exit__(self, *_: object) -> None:
        # Held back meanwhile: a press between two handlers would end us by the wrong one.
        held = signal.pthread_sigmask(signal.SIG_BLOCK, STOPPERS)
        for number in STOPPERS:
            self._loop.remove_signal_handler(number)
            if self._leaving:
                # Everything is taken down and we are on our way out: one more press has nothing to add.
                signal.signal(number, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_SETMASK, held)

    def _asked(self) -> None:
        if self.playing and not self.enough.is_set():
            self.enough.set()
        elif self._task is not None:
            self._leaving = True
            self._task.cancel()


_stopping = _Stop


class _Demo:
    def __init__(
        self, site: Site, profiles: Mapping[str, Profile], options: Options, console: Console, stop: _Stop
    ) -> None:
        self._site = site
        self._profiles = profiles
        self._options = options
        self._console = console
        self._stop = stop
        self._started_ms = clock_ms()
        self._site_began = self._started_ms
        self._troubles: list[str] = []
        self._truth_folder = options.folder / "truth"

    async def run(self, stack: AsyncExitStack) -> Summary:
        options = self._options
        estate = await stack.enter_async_context(
            Estate(options.folder, self._site, self._profiles, http=options.http, mqtt=options.mqtt)
        )
        self._say("making accounts")
        await estate.make_accounts()
        self._say("starting broker and server")
        info = await estate.start_server()
        truth = stack.enter_context(TruthWriter(self._truth_folder, clock_ms, tell=self._tell))
        world = World(
            self._site,
            self._profiles,
            self._truth_folder,
            truth,
            clock_ms=clock_ms,
            broker=estate.broker,
            stranger=lambda port: not estate.owns(port),
        )
        api = await stack.enter_async_context(Api(info.http))
        await api.sign_in(estate.user, estate.password)
        field = FieldWorld(self._site, self._profiles, options.folder / "field", truth, clock_ms=clock_ms)
        guard = Guard(api, lambda: [estate.server, *estate.gateways.values()])
        field.looked_at = guard.look
        async with running(world), field:
            if world.info is None:
                raise ProcessFailed("the simulated site did not start")
            self._site_began = world.info.started
            self._say("starting gateways")
            estate.write_gateway_files(world.info, field.entries)
            field.ports.release()
            await estate.start_gateways()
            await estate.gateways_up(api)
            self._welcome(estate)
            begin = await self._play(truth, estate)
            end = await self._settle(world, field, estate, begin)
            read = await self._quiet(world, field, estate)
            self._say("stopping the gateways")
            await estate.stop_gateways()
        self._troubles += guard.notes
        summary = await self._reckon(api, estate, read, (begin, end), guard.attached)
        await estate.server.stop()
        return summary

    async def _reckon(
        self, api: Api, estate: Estate, read: int, period: tuple[int, int], pictures: int
    ) -> Summary:
        """Wait for the last receipts, and compare everything."""
        self._say("waiting until the server holds everything")
        numbered = {gateway: await estate.numbered(gateway) for gateway in estate.gateways}
        await self._delivered(api, estate, numbered)
        reckoning = Reckoning(
            api,
            Truth.load(self._truth_folder),
            self._site,
            self._profiles,
            run=(self._started_ms, clock_ms()),
            notes=self._troubles,
            pictures=pictures,
        )
        rows = stored_rows(estate.database, self._site.site)
        reckoning.records = stored_records(estate.database, self._site.site)
        return await reckoning.reckon(rows, numbered=numbered, samples_read=read, period=period)

    async def _play(self, truth: TruthWriter, estate: Estate) -> int:
        """Let the story run until its time is over or somebody says so; return when all meters had been read."""
        wanted = billed(self._site, self._profiles)
        self._stop.playing = True
        begin = 0
        try:
            async with asyncio.timeout(self._options.seconds), _watched(estate):
                begin = await self._all_read(truth, wanted, 0)
                await self._stop.enough.wait()
        except TimeoutError:
            pass
        self._stop.playing = False
        return begin

    async def _settle(self, world: World, field: FieldWorld, estate: Estate, begin: int) -> int:
        """Freeze the site and wait until every point has been read once more; return when it froze."""
        self._say("the site holds still: waiting until every gateway has seen it so")
        await field.freeze()
        self._troubles += [f"{device} could not say all that it had to" for device in field.unsaid()]
        frozen = clock_ms()
        world.freeze()
        holds = [
            max(event.hold_s, event.release_s)
            for device in self._site.metered()
            for event in self._profiles[device.profile].events.values()
        ]
        world.settle(max(holds, default=0.0))
        wanted = billed(self._site, self._profiles) | _watched_points(self._site, self._profiles)
        async with _watched(estate):
            await self._all_read(world.truth, wanted, frozen)
        return frozen if begin else 0

    async def _quiet(self, world: World, field: FieldWorld, estate: Estate) -> int:
        """Silence the devices, and return how many point values the gateways say that they have read."""
        await field.mute()
        world.mute()
        muted = clock_ms()
        lines = {line.id for line in self._site.lines} | field.polled

        async def moved_on() -> bool | None:
            asked = world.truth.asked
            return True if all(asked.get(line, 0) > muted for line in lines) else None

        await until("request on every line", moved_on, timeout=QUIET_S, alive=list(estate.gateways.values()))

        # What was served is final now; the last of it may still be on its way into a journal.
        total = before = 0

        async def counted() -> bool | None:
            nonlocal total, before
            before, total = (
                total,
                sum([await estate.metric(name, "gatehouse_samples_read_total") for name in estate.gateways]),
            )
            return True if total >= world.truth.served and total == before else None

        try:
            await until("full count of samples", counted, timeout=5.0, every=0.5)
        except ProcessFailed:
            self._troubles.append(f"the gateways count {total} samples, {world.truth.served} were served")
        return total

    async def _delivered(self, api: Api, estate: Estate, numbered: Mapping[str, Mapping[str, int]]) -> None:
        """Wait until the receipts cover every number that a journal gave; what is still missing then is counted."""

        async def look() -> bool | None:
            for gateway, lanes in numbered.items():
                receipt = await api.get(f"gateways/{gateway}/delivery")
                through = {
                    lane["lane"]: lane["stored_through"] for lane in receipt["lanes"] if lane["current"]
                }
                if any(through.get(lane, 0) < last for lane, last in lanes.items()):
                    return None
            return True

        try:
            await until("complete delivery receipts", look, timeout=DELIVERED_S, alive=[estate.server])
        except ProcessFailed as err:
            self._troubles.append(str(err).partition("\n")[0])

    async def _all_read(self, truth: TruthWriter, wanted: set[tuple[str, str]], since: int) -> int:
        async def look() -> bool | None:
            if self._stop.playing and self._stop.enough.is_set():
                return False
            return True if all(truth.read.get(point, 0) > since for point in wanted) else None

        try:
            found = await until("good reading", look, timeout=SETTLE_S)
        except ProcessFailed:
            left = sorted(".".join(point) for point in wanted if truth.read.get(point, 0) <= since)
            self._troubles.append(
                f"{len(left)} points were not read within {SETTLE_S:g} s: {', '.join(left[:5])}…"
            )
            return 0
        return clock_ms() if found else 0

    def _say(self, text: str) -> None:
        self._console.print(f"[dim]· {text}[/dim]", highlight=False)

    def _tell(self, fact: FactRow) -> None:
        at = (fact.t - self._site_began) / 1000
        if fact.kind == "story":
            self._console.print(f"  [bold]{at:5.1f} s[/bold]  {fact.detail['note']}", highlight=False)
        elif fact.kind == "event":
            self._console.print(f"  {at:5.1f} s  {fact.device} {fact.event} {fact.edge}", highlight=False)
        elif fact.kind == "picture":
            of = "that the alarm rests on" if fact.detail["of"] == MOMENT else "as it is now"
            self._console.print(f"  {at:5.1f} s  a guard wants {fact.device}'s picture {of}", highlight=False)
        elif fact.kind == "link":
            state = "cut off" if fact.detail["cut"] else "connected again"
            self._console.print(f"  {at:5.1f} s  {fact.detail['link']} {state}", highlight=False)

    def _welcome(self, estate: Estate) -> None:
        lasting = (
            "Ctrl-C ends it" if self._options.seconds is None else f"ends after {self._options.seconds:g} s"
        )
        text = f"{estate.info.http}\n\nuser      {estate.user}\npassword  {estate.password}\n\n{lasting}"
        self._console.print(Panel(text, title="Gatehouse demo", expand=False), highlight=False)


@asynccontextmanager
async def _watched(estate: Estate) -> AsyncIterator[None]:
    """Raise `ProcessFailed` out of the block when a process that should live ends."""
    block = asyncio.current_task()
    fallen: list[str] = []

    async def watch() -> None:
        children = [estate.server, *estate.gateways.values()]
        ends = [asyncio.create_task(child.ended(), name=child.name) for child in children]
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for end in ends:
                end.cancel()
        dead = [child for child in children if not child.running]
        fallen.extend(f"{child.name} ended ({child.returncode})\n{child.tail()}" for child in dead)
        if block is not None:
            block.cancel()

    watcher = asyncio.create_task(watch(), name="processes alive")
    try:
        yield
    except asyncio.CancelledError:
        if fallen:
            raise ProcessFailed("\n".join(fallen)) from None
        raise
    finally:
        watcher.cancel()
        await asyncio.wait([watcher])


def _watched_points(site: Site, profiles: Mapping[str, Profile]) -> set[tuple[str, str]]:
    """The points that events look at; of other protocols than Modbus those of which the story tells something."""
    modbus = {
        (device.id, event.when.point)
        for _, device in site.devices()
        for event in profiles[device.profile].events.values()
    }
    told = {
        (device.id, event.when.point)
        for line, device in site.field_devices()
        if line.protocol != "onvif"  # its story goes on only when the gateway has seen how it goes on
        for step in device.story
        for words in step.tells
        if (event := profiles[device.profile].events.get(words.partition(" ")[0])) is not None
    }
    return modbus | told


def write_summary(folder: Path, summary: Summary) -> Path:
    """Write `summary.json` and return it."""
    path = folder / "summary.json"
    write_whole(path, msgspec.json.format(msgspec.json.encode(summary), indent=2) + b"\n")
    return path


def show(summary: Summary, console: Console) -> None:
    """Print the reckoning as a table."""
    table = Table(title="What was counted, against what was on the wire")
    table.add_column("")
    table.add_column("counted", justify="right")
    table.add_column("on the wire", justify="right")
    table.add_column("")
    for name, row in summary.compared.items():
        mark = "[green]agrees[/green]" if row.agrees else "[bold red]DISAGREES[/bold red]"
        table.add_row(name.replace("_", " "), str(row.counted), str(row.on_the_wire), mark)
    console.print(table)
    held = summary.samples_held_to_values
    console.print(
        f"  {held} of the stored samples are of points whose answers are not counted one by one (states of readers and "
        "cameras, clocks, M-Bus): each is held against what was true then, their number against what the gateways read",
        style="dim",
        highlight=False,
    )
    for line in summary.notes:
        console.print(f"  {line}", markup=False, highlight=False)
