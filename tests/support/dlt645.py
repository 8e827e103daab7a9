"""DL/T 645 for tests: profiles of a few points, meters of the simulator, and conversations carried without a wire."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import msgspec

from drivers.api import Exchange, Happening, Reading, Transaction
from drivers.dlt645.driver import Dlt645Device, Dlt645Driver
from drivers.profile import Profile
from simulators.dlt645 import SimBus, SimMeter
from tests.support import conversation

ZONE = timezone(timedelta(hours=8))
NOW = datetime(2026, 11, 22, 16, 40, 5, tzinfo=ZONE)
ADDRESS = "000012345678"


def profile(points: Mapping[str, dict[str, Any]], **more: Any) -> Profile:
    """A profile of points given by `at`, with their further fields under `point`."""
    return msgspec.convert(
        {
            "profile": "test-meter",
            "vendor": "Test",
            "model": "Meter",
            "class": "meter",
            "protocol": "dlt645",
            "resource": "electricity",
            "examples": [],
            "source": ["test"],
            "points": {name: {"label": name, **point} for name, point in points.items()},
            **more,
        },
        Profile,
    )


def meter(**more: Any) -> SimMeter:
    """A meter with some energy in it."""
    registers = [Decimal(text) for text in ("1234.56", "200.00", "300.00", "400.00", "334.56")]
    return SimMeter(**{"address": ADDRESS, "now": lambda: NOW, "energies": {1: registers}, **more})


def device(made: Profile, *, now: datetime = NOW, **options: Any) -> Dlt645Device:
    """A device of a profile, whose driver's clock stands."""
    return Dlt645Driver(lambda: now).device(made, None, {"address": ADDRESS, **options})


def carry(exchange: Exchange, bus: SimBus) -> bytes:
    """Carry an exchange and all that follow from it over a bus."""
    return conversation.carry(exchange, lambda each: bus.feed(each.request))


def read(
    made: Dlt645Device, bus: SimBus, points: Sequence[str], **rules: Any
) -> tuple[dict[str, Reading], list[Happening]]:
    """Plan, ask and decode; return readings and happenings."""
    readings: dict[str, Reading] = {}
    told: list[Happening] = []
    for transaction in made.plan(points, **rules):
        payload = carry(made.exchange(transaction), bus)
        readings |= made.decode(transaction, payload)
        told += made.happenings(transaction, payload)
    return readings, told


def values(made: Dlt645Device, bus: SimBus, *points: str) -> list[Any]:
    """The values of points, in their order."""
    found, _ = read(made, bus, points)
    return [found[name].value for name in points]


def order(made: Dlt645Device, bus: SimBus, action: str) -> dict[str, Reading]:
    """Carry out a command; return what its read-back shows."""
    plan = made.command(action, {})
    carry(made.exchange(plan.write), bus)
    back: Transaction | None = plan.read_back
    return dict(made.decode(back, carry(made.exchange(back), bus))) if back is not None else {}


# Points as profiles write them.

KWH = {"unit": "kWh", "exp": -2, "kind": "register"}
TOTAL = {**KWH, "at": {"di": "00010000"}}
TARIFFS = {f"t{n}": {**KWH, "at": {"di": f"00010{n}00"}} for n in (1, 2, 3, 4)}
ENERGY = {"total": TOTAL, **TARIFFS}
VOLTS = {
    f"voltage_{letter}": {"unit": "V", "exp": -1, "at": {"di": f"02010{n}00"}}
    for n, letter in enumerate("abc", 1)
}
FROZEN = {
    "frozen_at": {"unit": "s", "at": {"di": "05060001"}},
    "frozen": {**KWH, "at": {"di": "05060101"}},
    "frozen_t2": {**KWH, "at": {"di": "05060101", "part": 2}},
}
SETTLED = {
    "settled_at": {"unit": "s", "at": {"derived": "settled"}},
    "closing": {**KWH, "at": {"di": "00010001"}},
}
LOGS = {
    "losses": {"at": {"di": "03110000"}, "kind": "register"},
    "opened": {"at": {"di": "03300D00"}, "kind": "register"},
}
SIGNALS = {
    "cover_open": {"label": "Cover", "severity": "high", "class": "tamper", "on": {"count": "03300D00"}},
    "power_loss": {"label": "Loss", "severity": "low", "class": "power", "on": {"count": "03110000"}},
}
CLOCK = ["04000101", "04000102", "04000101"]
RELAY = {"relay_open": {"kind": "state", "at": {"di": "04000503", "bit": 4}}}
TRIP = {"trip": {"label": "Trip", "at": {"do": "trip"}, "read_back": {"point": "relay_open", "is": True}}}


def seconds(at: datetime) -> Decimal:
    return Decimal(int(at.timestamp()))
