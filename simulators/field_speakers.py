"""Devices of the demo that say something themselves: readers, a fire host, an alarm panel, a printer.

`say` does what a step of the story says and returns once it was taken; what must come of it is told to the truth then.
"""

import asyncio
import contextlib
import secrets
import time
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Protocol

from simulators import gb26875, http_push, printer, sia_dc09
from simulators.field_check import COMPONENTS
from simulators.field_truth import FieldTruth
from simulators.gb26875_client import Host
from simulators.osdp_life import PEOPLE, OsdpLine, wiegand
from simulators.osdp_reader import Reader
from simulators.vocabulary import FieldDevice, FieldLine, Say

CARD_BITS = 26
OSDP_KEY_BYTES = 16
CONNECT_S = 0.5
ROUND_MS = 3000
_STATES = {
    "normal": gb26875.NORMAL,
    "fire": gb26875.FIRE,
    "fault": gb26875.FAULT,
    "disabled": gb26875.DISABLED,
}
_OPERATIONS = {"reset": 1, "silence": 2}


class Speaker(Protocol):
    """One device with a story."""

    async def say(self, step: Say) -> None:
        """Do a step; return when whoever listens has it, as far as the protocol lets its sender know."""


class Doors:
    """Card readers on one pair of wires, in secure channels of a key of their own."""

    def __init__(self, line: FieldLine, truth: FieldTruth, rng: Random) -> None:
        self.key = secrets.token_bytes(OSDP_KEY_BYTES)
        self.readers = {
            device.id: Reader(int(device.address), rng.randbytes, key=self.key) for device in line.devices
        }
        self.talker = OsdpLine(list(self.readers.values()), lambda: time.monotonic_ns() // 1_000_000)
        self._truth, self._rng = truth, rng
        self._points: dict[str, tuple[str, ...]] = {}
        self._cards = [wiegand(17, rng.randrange(1, 0x10000)) for _ in range(PEOPLE)]
        for device in line.devices:
            self._begin(device.id)

    def _begin(self, device: str) -> None:
        reader = self.readers[device]
        who = reader.identity
        major, minor, build = who.firmware
        states: dict[str, bool | int | str] = {
            "online": True,
            "secure": True,
            "default_key": False,
            "tamper": False,
            "power_fail": False,
            "input_0": False,
            "output_0": False,
            "vendor": who.vendor.hex(),
            "model": who.model,
            "serial": who.serial,
            "firmware": major * 10**6 + minor * 10**3 + build,
        }
        carried = {name: (_shown(value), "") for name, value in states.items()}
        self._truth.holds(device, carried)
        self._truth.glimpsed(device, carried)
        self._points[device] = tuple(carried)

    def answered(self) -> None:
        """Some reader has answered: by now all of them were asked for everything that was asked lately."""
        for device, points in self._points.items():
            self._truth.seen(device, points, ROUND_MS)

    def speaker(self, device: FieldDevice) -> Speaker:
        """Return one reader's part of the story."""
        return _Door(device.id, self)

    def show_card(self, device: str) -> None:
        """Let somebody show a card."""
        self.readers[device].card(CARD_BITS, self._rng.choice(self._cards))

    def open(self, device: str, opened: bool) -> None:
        """Open or close a reader's housing."""
        self.readers[device].set_tamper(opened)
        self._truth.holds(device, {"tamper": (opened, "")})


class _Door:
    def __init__(self, device: str, doors: Doors) -> None:
        self._device, self._doors = device, doors

    async def say(self, step: Say) -> None:
        reader = self._doors.readers[self._device]
        if step.say == "card":
            self._doors.show_card(self._device)
        elif step.say.startswith("keys"):
            reader.keys(step.say.split()[1].encode("ascii"))
        else:
            self._doors.open(self._device, step.say == "open")


class FireHost:
    """A transmission device that stays connected to its centre and reports."""

    def __init__(self, device: FieldDevice, port: int, clock: Callable[[], datetime]) -> None:
        self._device = gb26875.TransmissionDevice(device.address)
        self._port, self._clock = port, clock
        self._host: Host | None = None
        self._there = asyncio.Event()
        self._system, self._states = gb26875.NORMAL, dict[int, int]()
        self._parts = [
            gb26875.Component(number=1 << 16 | point, text=f"1号楼{point}层走廊感烟")
            for point in range(1, COMPONENTS + 1)
        ]

    async def live(self) -> None:
        """Connect, as often as it takes, say how everything is, and stay."""
        while True:
            with contextlib.suppress(OSError):
                async with Host(self._device, "127.0.0.1", self._port, self._clock) as host:
                    self._device.waiting.clear()  # how things were before the connection was lost
                    await self._greet(host)
                    self._host = host
                    self._there.set()
                    await host.until(lambda: False)
            self._there.clear()
            await asyncio.sleep(CONNECT_S)

    async def _greet(self, host: Host) -> None:
        await host.report(gb26875.system_state(self._system, self._clock()))
        for first in range(0, len(self._parts), gb26875.MOST_OBJECTS):
            some = self._parts[first : first + gb26875.MOST_OBJECTS]
            states = [(each, self._states.get(each.number, gb26875.NORMAL)) for each in some]
            await host.report(gb26875.component_states(states, self._clock()))

    async def say(self, step: Say) -> None:
        """Report, and wait for the centre's acknowledgement; after a cut the same message again, once it is back."""
        raw = self._device.report(self._unit(step), self._clock())
        while True:
            await self._there.wait()
            host = self._host
            if host is None:
                raise RuntimeError("a fire host is there without a connection")
            try:
                if await host.deliver(raw):
                    return
            except OSError:
                if self._host is host:  # and not yet the next one
                    self._there.clear()

    def _unit(self, step: Say) -> bytes:
        """Return what a step of the story says; how things are from now on is kept for the next greeting."""
        head, *rest = step.say.split()
        at = self._clock()
        if head == "component":
            what, state = self._parts[int(rest[0]) - 1], _STATES[rest[1]]
            self._states[what.number] = state
            return gb26875.component_states([(what, state)], at)
        if head == "system":
            self._system = _STATES[rest[0]]
            return gb26875.system_state(self._system, at)
        return gb26875.operation(_OPERATIONS[rest[0]], at)


class AlarmPanel:
    """A panel that reports by DC-09, encrypted, each message over a connection of its own."""

    def __init__(self, device: FieldDevice, port: int) -> None:
        self.key = secrets.token_bytes(16)
        self._panel = sia_dc09.Panel(device.address, self.key if device.secret else None)
        self._port = port

    async def live(self) -> None:
        """Send a link test now and then."""
        while True:
            await self._send(self._panel.null(datetime.now(UTC)))
            await asyncio.sleep(10)

    async def say(self, step: Say) -> None:
        """Send, and again until the receiver acknowledges."""
        raw = sia_dc09.written(self._panel, step.say, datetime.now(UTC))
        while True:
            if await self._send(raw):
                return
            await asyncio.sleep(CONNECT_S)

    async def _send(self, raw: bytes) -> bool:
        try:
            answer = await sia_dc09.say_tcp("127.0.0.1", self._port, raw)
        except OSError:
            return False
        return answer is not None and answer.token == "ACK"  # noqa: S105 - the name of a message


class PushPanel:
    """A door panel, a barrier, a camera that reads plates: pushes what happens, and keeps it until it is taken."""

    def __init__(self, device: FieldDevice, truth: FieldTruth, port: int) -> None:
        self.key = secrets.token_bytes(16)
        shape: http_push.Shape = device.kind  # type: ignore[assignment]  # field_check has looked
        self._pusher = http_push.Pusher(device.address, lambda: datetime.now(UTC), shape, self.key.hex())
        self._port = port
        if shape == "door":  # each of its messages says that it has mains; of a battery it says nothing
            truth.holds(device.id, {"mains": (True, "")})
            truth.glimpsed(device.id, ["mains"])

    async def say(self, step: Say) -> None:
        """Let it happen, and push until it is taken."""
        http_push.happen(self._pusher, step.say)
        while True:
            if await self._pusher.deliver("127.0.0.1", self._port):
                return
            await asyncio.sleep(CONNECT_S)


class Printer:
    """A panel's printer port: what it prints is gone when nobody listens, so nothing tells whether it was read."""

    def __init__(self, path: Path, clock: Callable[[], datetime]) -> None:
        self.port = printer.PrinterPort(path)
        self._clock = clock

    async def say(self, step: Say) -> None:
        """Print one record: the event, `loop/point` where there is one, and words."""
        event, *words = step.say.split()
        place = None
        if words and "/" in words[0]:
            loop, point = words.pop(0).split("/")
            place = int(loop), int(point)
        self.port.put(printer.gst(event, place, words, self._clock()))


def key_file(path: Path, key: bytes) -> Path:
    """Write a key where only its owner may read it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)
    path.write_text(key.hex(), encoding="ascii")
    return path.resolve()


def _shown(value: bool | int | str) -> bool | Decimal:
    if isinstance(value, bool):
        return value
    return Decimal(int(value, 16) if isinstance(value, str) else value)
