"""The lines of other protocols at work: meters that are read, and devices that speak; told to the same truth."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from random import Random
from types import TracebackType
from typing import Any, Self
from zoneinfo import ZoneInfo

from drivers.profile import Profile
from simulators.camera_server import CameraServer
from simulators.endpoints import endpoint, shown
from simulators.field_cameras import WANTED, Lens, Shown
from simulators.field_meters import POLLED, Riser, riser
from simulators.field_p1 import P1Meter
from simulators.field_speakers import AlarmPanel, Doors, FireHost, Printer, PushPanel, Speaker, key_file
from simulators.field_truth import FieldTruth, Tap
from simulators.field_wire import FieldPty, FieldTcp
from simulators.iec62056 import OpticalPty
from simulators.ports import HeldPorts
from simulators.site import seconds
from simulators.truth import TruthWriter
from simulators.vocabulary import FieldDevice, FieldLine, Say, Site

TICK_S = 1.0
TURNAROUND_S = 0.02
SETTLED_S = 30.0
CAMERA_GIVEN_UP_S = 12.0  # a gateway waits ten seconds for an answer
FIRST_S, EVERY_S = 1.0, 3.0
CARD = Say(at="0s", say="card", tells=("card record",))
Looked = Callable[[Shown], Awaitable[None]]


@dataclass
class Entry:
    """What the gateway's site file says of a line beside its devices."""

    line: Mapping[str, Any]
    secrets: dict[str, dict[str, str]] = field(default_factory=dict)
    """By device: options that name files."""
    addresses: dict[str, str] = field(default_factory=dict)
    """By device: where it is, if only the run knows."""


class FieldWorld:
    """Use as `async with`; `entries` then say where each line is."""

    def __init__(
        self,
        site: Site,
        profiles: Mapping[str, Profile],
        folder: Path,
        truth: TruthWriter,
        *,
        clock_ms: Callable[[], int],
    ) -> None:
        self.site, self.entries = site, dict[str, Entry]()
        self.looked_at: Looked | None = None
        """Whoever looks at a camera's picture when it has gone wrong; it stays so until that is done."""
        self._profiles, self._folder, self._clock_ms = profiles, folder, clock_ms
        self._writer = truth
        self._zone = ZoneInfo(site.timezone)
        self._rng = Random(f"{site.seed}/field")  # noqa: S311 - repeatable on purpose
        self._taps: dict[str, Tap] = {}
        self._ticks: list[Callable[[], None]] = []
        self._stories: list[tuple[Say, FieldTruth, str, Speaker]] = []
        self._lives: list[FireHost | AlarmPanel | P1Meter] = []
        self._pushing: list[P1Meter] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._lenses: list[CameraServer] = []
        self._cameras_done = 0.0
        self._people: list[tuple[Doors, FieldTruth]] = []
        self._tellers: dict[str, asyncio.Task[None]] = {}
        self.ports = HeldPorts()
        """Where gateways are to listen: whoever starts them releases these just before."""
        self._stack = AsyncExitStack()
        self._frozen = asyncio.Event()
        self._ready = {
            "osdp": self._doors,
            "gb26875": self._listening,
            "sia-dc09": self._listening,
            "http-push": self._listening,
            "onvif": self._cameras,
            "fire-printer": self._printer,
            "dsmr-p1": self._p1,
        }

    @property
    def polled(self) -> set[str]:
        """The lines whose devices are asked."""
        return set(self._taps)

    async def __aenter__(self) -> Self:
        async with self._stack:
            self._stack.callback(self.ports.release)
            for line in self.site.field:
                truth = FieldTruth(line.id, self._writer, self._clock_ms)
                if line.protocol in POLLED:
                    await self._meters(line, truth)
                else:
                    await self._ready[line.protocol](line, truth)
            self._stack = self._stack.pop_all()
        self._spawn("field ticks", self._tick())
        for number, life in enumerate(self._lives):
            self._spawn(f"field device {number}", life.live())
        for doors, truth in self._people:
            self._spawn(f"people of {truth.line}", self._walk(doors, truth))
        by_device: dict[str, list[tuple[Say, FieldTruth, Speaker]]] = {}
        for step, truth, device, speaker in self._stories:
            by_device.setdefault(device, []).append((step, truth, speaker))
        for device, steps in by_device.items():
            self._tellers[device] = self._spawn(f"story of {device}", self._tell(device, steps))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, err: BaseException | None, tb: TracebackType | None
    ) -> None:
        for task in self._tasks:
            task.cancel()
        try:
            for ended in await asyncio.gather(*self._tasks, return_exceptions=True):
                if isinstance(ended, Exception):
                    raise ended  # a mistake of ours: the demo must not end well
        finally:
            await self._stack.aclose()

    async def freeze(self) -> None:
        """Let nothing new happen; what is being said is said to its end."""
        self._frozen.set()
        if self._tellers:
            await asyncio.wait(self._tellers.values(), timeout=SETTLED_S)
        # At once, and not when all fall silent: what hangs in the middle of a visit is told late.
        for camera in self._lenses:
            camera.mute = True
            self._cameras_done = asyncio.get_running_loop().time() + CAMERA_GIVEN_UP_S

    async def mute(self) -> None:
        """Let no device answer any more; return when nobody waits for a camera from before."""
        loop = asyncio.get_running_loop()
        await asyncio.sleep(max(0.0, self._cameras_done - loop.time()))
        for tap in self._taps.values():
            tap.muted = True
        for meter in self._pushing:
            meter.muted = True

    def unsaid(self) -> list[str]:
        """The devices that could not say what they had to."""
        return sorted(device for device, task in self._tellers.items() if not task.done())

    # -- lines --------------------------------------------------------------------------------------------

    async def _meters(self, line: FieldLine, truth: FieldTruth) -> None:
        made: Riser = riser(line, self._profiles, truth, self._now, self._rng)
        self._ticks += made.ticks
        tap = self._taps[line.id] = Tap(made.talker, truth)
        if made.optical is not None and line.pty is not None:
            path = self._path(line.pty)
            await self._stack.enter_async_context(OpticalPty(made.optical, path, talker=tap))
            self.entries[line.id] = Entry({"serial": str(path), "baud": line.baud})
            return
        await self._wire(line, tap)

    async def _wire(self, line: FieldLine, tap: Tap) -> None:
        if line.tcp is not None:
            server = FieldTcp(tap, *endpoint(line.tcp), baud=line.baud, turnaround=TURNAROUND_S)
            await self._stack.enter_async_context(server)
            self.entries[line.id] = Entry({"tcp": shown(server.host, server.port), "baud": line.baud})
            return
        path = self._path(line.pty or line.id)
        # Eight characters at a time: a byte each would keep this machine busier than the wires do.
        port_of_ours = FieldPty(tap, path, baud=line.baud, turnaround=TURNAROUND_S, burst=8)
        await self._stack.enter_async_context(port_of_ours)
        self.entries[line.id] = Entry({"serial": str(path), "baud": line.baud})

    async def _doors(self, line: FieldLine, truth: FieldTruth) -> None:
        doors = Doors(line, truth, self._rng)
        tap = self._taps[line.id] = Tap(doors.talker, truth)
        tap.answered = doors.answered
        await self._wire(line, tap)
        for device in line.devices:
            self._secret(line, device, doors.key)
            self._story(device, truth, doors.speaker(device))
        self._people.append((doors, truth))

    async def _listening(self, line: FieldLine, truth: FieldTruth) -> None:
        port = self.ports.take()
        listen = {"at": f"127.0.0.1:{port}", "heard_within": line.heard_within}
        self.entries[line.id] = Entry({"listen": listen})
        for device in line.devices:
            self._story(device, truth, self._speaker(line, device, truth, port))

    def _speaker(self, line: FieldLine, device: FieldDevice, truth: FieldTruth, port: int) -> Speaker:
        if line.protocol == "gb26875":
            host = FireHost(device, port, self._now)
            self._lives.append(host)
            return host
        if line.protocol == "http-push":
            pusher = PushPanel(device, truth, port)
            self._secret(line, device, pusher.key)
            return pusher
        panel = AlarmPanel(device, port)
        self._secret(line, device, panel.key)
        self._lives.append(panel)
        return panel

    async def _printer(self, line: FieldLine, truth: FieldTruth) -> None:
        path = self._path(line.pty or line.id)
        made = Printer(path, self._now)
        await self._stack.enter_async_context(made.port)
        self.entries[line.id] = Entry({"serial": str(path), "baud": line.baud, "listen": {}})
        self._story(line.devices[0], truth, made)

    async def _p1(self, line: FieldLine, truth: FieldTruth) -> None:
        path = self._path(line.pty or line.id)
        profile = self._profiles[line.devices[0].profile]
        meter = P1Meter(line, path, profile, truth, self._now, self._rng)
        await self._stack.enter_async_context(meter.port)
        self._pushing.append(meter)
        self._lives.append(meter)
        listen = {"heard_within": line.heard_within}
        self.entries[line.id] = Entry({"serial": str(path), "baud": line.baud, "listen": listen})

    async def _cameras(self, line: FieldLine, truth: FieldTruth) -> None:
        self.entries[line.id] = Entry({"camera": {}})
        for device in line.devices:
            lens = Lens(device, truth, self._profiles[device.profile], self._rng.randrange(1000))
            server = await self._stack.enter_async_context(lens.server.running())
            server.camera.address = f"127.0.0.1:{server.port}"
            self._secret(line, device, lens.key)
            self.entries[line.id].addresses[device.id] = server.camera.address
            self._lenses.append(server)
            self._story(device, truth, lens)

    def _secret(self, line: FieldLine, device: FieldDevice, key: bytes) -> None:
        if device.secret:
            path = key_file(self._folder / "keys" / device.id, key)
            self.entries[line.id].secrets[device.id] = {device.secret: str(path)}

    def _story(self, device: FieldDevice, truth: FieldTruth, speaker: Speaker) -> None:
        self._stories += [(step, truth, device.id, speaker) for step in device.story]

    def _path(self, name: str) -> Path:
        path = (self._folder / name).absolute()
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    # -- life ---------------------------------------------------------------------------------------------

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock_ms() / 1000, self._zone)

    def _spawn(self, name: str, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work, name=name)
        self._tasks.append(task)
        return task

    async def _tick(self) -> None:
        while not self._frozen.is_set():
            for tick in self._ticks:
                tick()
            await asyncio.sleep(TICK_S)

    async def _walk(self, doors: Doors, truth: FieldTruth) -> None:
        """Let somebody show a card at one of the readers, now and then."""
        names = list(doors.readers)
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._rng.uniform(FIRST_S, FIRST_S + 2 * EVERY_S)):
                    await self._frozen.wait()
            if self._frozen.is_set():
                return
            device = self._rng.choice(names)
            doors.show_card(device)
            truth.told(device, CARD)

    async def _tell(self, device: str, steps: list[tuple[Say, FieldTruth, Speaker]]) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        for step, truth, speaker in steps:
            try:
                async with asyncio.timeout_at(began + seconds(step.at)):
                    await self._frozen.wait()
            except TimeoutError:
                pass
            if self._frozen.is_set():
                return
            truth.begun(device, step)
            await speaker.say(step)
            truth.told(device, step)
            shown = speaker.shown(step) if isinstance(speaker, Lens) else None
            if shown is not None and self.looked_at is not None:
                truth.shown(device, shown.code, WANTED)
                await self.looked_at(shown)
