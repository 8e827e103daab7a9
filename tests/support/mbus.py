"""M-Bus helpers for tests: sound frames, profiles made from a few points, and a conversation without a wire."""

from collections.abc import Iterator
from typing import Any

from drivers.api import Exchange
from drivers.mbus.driver import MbusDevice, MbusDriver
from drivers.profile import Example, Point, Profile
from simulators.mbus import MbusBus
from tests.support.conversation import carry
from tests.support.vectors import rows


def sound() -> Iterator[bytes]:
    """The frames of real meters that are whole and sound."""
    for row in rows("mbus"):
        if "slave" in row["expected"]:
            yield bytes.fromhex(row["hex"])


def point(at: dict[str, Any], **more: Any) -> Point:
    """A point of an address; what is true or false is a state."""
    kind = "state" if "bit" in at or "status" in at else "gauge"
    return Point(label="x", at=at, kind=kind, **more)


def profile(points: dict[str, Point], examples: tuple[Example, ...] = (), **more: Any) -> Profile:
    """A profile of these points."""
    return Profile(
        profile="test-meter",
        vendor="Test",
        model="Meter",
        device_class="meter",
        protocol="mbus",
        points=points,
        examples=examples,
        source=("test",),
        **more,
    )


def device(points: dict[str, Point], unit: int | None = 1, **options: Any) -> MbusDevice:
    """A bound device of these points."""
    return MbusDriver().device(profile(points), unit, options)


def talk(exchange: Exchange, bus: MbusBus, split: int = 0) -> bytes:
    """Carry a conversation over a bus, whose answers may come in two portions."""

    def say(each: Exchange) -> list[bytes]:
        answer = b"".join(bus.feed(each.request))
        return [answer[:split], answer[split:]]

    return carry(exchange, say)


POINTLESS = profile({})
