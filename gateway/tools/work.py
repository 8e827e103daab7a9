"""What a tool is given: the site, its line, time, and where to say what it finds."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Protocol, Self

from drivers import registry
from drivers.api import Exchange
from drivers.errors import FrameDamaged, Misconfigured
from drivers.lines import Reply
from drivers.workshop import Workshop
from gateway.listening.attended import Attended
from gateway.listening.hearing import Hearing
from gateway.site.config import Device, LineConfig, ListeningLine, Site
from gateway.tools.access import AS_IT_IS, Access, Tuning
from messages.text import printable
from messages.types import ClockState, Quality, Value


class Running(Protocol):
    """The gateway in which a tool runs, for what only it knows."""

    def clock_state(self) -> ClockState:
        """What it knows of its clock."""

    def delivery(self) -> Mapping[str, Any]:
        """Per lane what is numbered and stored, and whether there is a broker."""

    def cut(self, seconds: float) -> None:
        """Stay away from the broker for so long."""


class Ear(Protocol):
    """A line whose devices speak unasked, as tools look at it."""

    config: ListeningLine
    hearing: Hearing
    devices: Sequence[Attended]
    up: bool

    @property
    def peers(self) -> int:
        """How many are connected."""

    @property
    def trouble(self) -> str:
        """Why it does not listen; empty while it does, or has not tried yet."""

    def hears(self, device: Attended) -> bool | None:
        """Tell whether a device is heard; None while nobody knows."""


@dataclass(slots=True)
class Work:
    """One job: `row` and `progress` may be called as often as wanted; `result` is what was found until now."""

    site: Site
    line: LineConfig
    wire: Access
    row: Callable[[Mapping[str, Any]], None]
    progress: Callable[[Mapping[str, Any]], None] = lambda _progress: None
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    monotonic: Callable[[], float] = lambda: asyncio.get_running_loop().time()
    gateway: Running | None = None
    ear: Ear | None = None
    """The line, where its devices speak unasked; `wire` then reaches nobody."""
    spoken: str = ""
    """The protocol that was asked for; empty for the line's own."""
    result: dict[str, Any] = field(default_factory=dict)

    def say(self, done: int, total: int, left_s: float | None = None, text: str = "") -> None:
        """Report how far it is."""
        left = None if left_s is None else max(0, round(left_s))
        self.progress({"done": done, "total": total, "left_s": left, "text": text})

    @property
    def protocol(self) -> str:
        """The protocol that was asked for, else that of the line's first device, else Modbus."""
        if self.spoken:
            return self.spoken
        return self.line.devices[0].profile.protocol if self.line.devices else "modbus"

    @property
    def options(self) -> dict[str, Any]:
        """The options of a device of which nothing else is known."""
        return {"framing": self.framing, **self.line.file.options}

    @property
    def framing(self) -> str:
        """How Modbus is framed on the line."""
        return self.line.file.framing or ("rtu" if self.line.file.serial else "mbap")

    def speaking(self, protocol: str) -> Self:
        """Return the same job in another protocol; raise `Misconfigured` where it cannot be heard on this line."""
        if not protocol or protocol == self.protocol:
            return self
        if protocol not in registry.names():
            known = ", ".join(name for name in registry.names() if self._offers(name))
            raise Misconfigured(f"protocol: nobody here speaks {printable(protocol, 40)}; there is {known}")
        self.bench(protocol)
        strange = self.line.devices and protocol not in self.protocols
        if strange and self.framing == "mbap" and "modbus" in {protocol, *self.protocols}:
            spoken = ", ".join(self.protocols)
            raise Misconfigured(
                f"protocol: {protocol} is not spoken on line {self.line.id}: there is {spoken}"
                " (a line behind a serial server, with Modbus on it, needs `framing: rtu`)"
            )
        return replace(self, spoken=protocol)

    def _offers(self, protocol: str) -> bool:
        return isinstance(getattr(registry.get(protocol), "workshop", None), Workshop)

    def options_for(self, protocol: str) -> dict[str, Any]:
        """Return the same for a device of this protocol: framing is Modbus's."""
        return self.options if protocol == "modbus" else dict(self.line.file.options)

    @property
    def workshop(self) -> Workshop:
        """What the line's driver offers to tools; raise `Misconfigured` where it offers nothing."""
        return self.bench(self.protocol)

    def bench(self, protocol: str) -> Workshop:
        """Return what a driver offers to tools; raise `Misconfigured` where it offers nothing."""
        found = getattr(registry.get(protocol), "workshop", None)
        if not isinstance(found, Workshop):
            raise Misconfigured(f"the driver of {protocol} has nothing for this tool")
        return found

    @property
    def protocols(self) -> Sequence[str]:
        """All that is spoken on the line, that of its first device first."""
        return list(dict.fromkeys([self.protocol, *(one.profile.protocol for one in self.line.devices)]))

    def device(self, name: str) -> Device:
        """Return a device of this line; raise `Misconfigured` naming those that there are."""
        for device in self.line.devices:
            if device.id == name:
                return device
        known = ", ".join(device.id for device in self.line.devices[:20]) or "none"
        raise Misconfigured(f"line {self.line.id} has no device {printable(name, 64)}; it has {known}")

    def devices(self, names: Sequence[str]) -> Sequence[Device]:
        """Return these devices, all of the line if none are named; raise `Misconfigured`."""
        return [self.device(name) for name in names] if names else self.line.devices

    async def ask(self, make: Callable[[], Exchange], *, timeout: float, tuning: Tuning = AS_IT_IS) -> Reply:
        """Carry an exchange; a damaged answer is asked for once more."""
        try:
            return await self.wire.ask(make(), timeout=timeout, tuning=tuning)
        except FrameDamaged:
            return await self.wire.ask(make(), timeout=timeout, tuning=tuning)


def rtt_ms(reply: Reply) -> int:
    """Return how long an exchange took, in whole milliseconds."""
    return max(0, round((reply.ended - reply.began) * 1000))


def shown(value: Value) -> str | bool | None:
    """Return a value as it crosses: a decimal string, true, false, or None for unknown."""
    return format(value, "f") if isinstance(value, Decimal) else value


def instant(at: datetime) -> str:
    """Return an instant as text, to the millisecond."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"


def absent(quality: Quality) -> bool:
    """Say whether a refusal of this quality is spoken by a bridge, for a device that it cannot reach."""
    return quality in {Quality.COMM, Quality.TIMEOUT}
