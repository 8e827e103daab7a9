"""What devices do, apart from how they say it: seeded models that know quantities and no protocol.

A model is advanced in steps of simulated time and answers with a value for every point of its profile. The same
seed and the same steps give the same values.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from random import Random
from typing import Protocol

from drivers.profile import Point, Profile
from messages.types import Value
from simulators.site import Physics

HOUR = Decimal(3600)
ZERO = Decimal(0)
_KILO = {"k": Decimal(1000), "m": Decimal(1_000_000)}


class Model(Protocol):
    """A device without its wire."""

    def update(self, dt: Decimal, held: Mapping[str, Value]) -> Mapping[str, Value]:
        """Advance by `dt` seconds and return every point's value; `held` are points that the story has taken over."""

    def act(self, action: str) -> bool:
        """Do what a command asks for; return False where this device has no such action."""


@dataclass
class Walk:
    """A number that wanders around a middle and never leaves its band: load, temperature, pressure."""

    rng: Random
    middle: Decimal
    band: Decimal
    step: Decimal
    value: Decimal = field(init=False)

    def __post_init__(self) -> None:
        self.value = self.middle

    def advance(self) -> Decimal:
        """Take one seeded step and return the new value."""
        self.value += self.step * self.rng.randint(-100, 100) / 100
        self.value = min(max(self.value, self.middle - self.band), self.middle + self.band)
        return self.value


Binding = Callable[[], Value]


class Bound:
    """A model whose points are bound to quantities once, by what the profile says of them."""

    def __init__(self, profile: Profile, physics: Physics) -> None:
        self._still: dict[str, Value] = {
            name: False if is_flag(point) else ZERO for name, point in profile.points.items()
        }
        self._bindings: dict[str, Binding] = {}
        for name, point in profile.points.items():
            bound = None if is_flag(point) else self.bind(name, point)
            if bound is not None:
                self._bindings[name] = bound
        self._still.update(physics.values)
        for name in physics.values:
            self._bindings.pop(name, None)

    def bind(self, name: str, point: Point) -> Binding | None:
        """Return what yields the point's value, or None for one that stays as it is."""
        del name, point
        return None

    def step(self, dt: Decimal, held: Mapping[str, Value]) -> None:
        """Advance the quantities."""

    def update(self, dt: Decimal, held: Mapping[str, Value]) -> Mapping[str, Value]:
        """Advance by `dt` seconds and return every point's value."""
        self.step(dt, held)
        return self._still | {name: bound() for name, bound in self._bindings.items()}

    def act(self, action: str) -> bool:
        """Do what a command asks for; a device without physics of its own has nothing to do."""
        del action
        return False


class Electricity(Bound):
    """A three-phase meter behind a load that wanders ±12 %."""

    def __init__(self, profile: Profile, physics: Physics, rng: Random) -> None:
        self._load = Walk(rng, physics.load_w, physics.load_w * 12 / 100, physics.load_w / 50)
        self._volts = [Walk(rng, Decimal(230), Decimal(4), Decimal("0.3")) for _ in range(3)]
        self._hertz = Walk(rng, Decimal(50), Decimal("0.04"), Decimal("0.01"))
        self._wh = physics.total * 1000
        self._factor = Decimal("0.95")
        super().__init__(profile, physics)

    def step(self, dt: Decimal, held: Mapping[str, Value]) -> None:
        """Use energy."""
        del held
        self._wh += self._load.advance() * dt / HOUR
        for volts in self._volts:
            volts.advance()
        self._hertz.advance()

    def bind(self, name: str, point: Point) -> Binding | None:
        """Follow the unit, then the words of the point's id."""
        unit = point.unit.lower().replace("·", "")
        words = set(name.split("_"))
        phases = phases_of(name)
        if unit.endswith(("varh", "vah", "wh")):
            return self._energy(unit, words, phases)
        if unit == "v":
            between = len(phases) > 1 or bool(words & {"ll", "line"})
            volts = self._volts[phases[0] if phases else 0]
            return (lambda: volts.value * 1732 / 1000) if between else (lambda: volts.value)
        if unit == "a":
            return self._amperes(words, phases)
        if unit.endswith(("var", "va", "w")):
            share = Decimal(1) if not phases else Decimal(1) / 3
            share *= {"var": Decimal("0.33"), "va": 1 / self._factor}.get(unit.lstrip("km"), Decimal(1))
            share /= _KILO.get(unit[0], Decimal(1))
            return lambda: self._load.value * share
        if unit == "hz":
            return lambda: self._hertz.value
        if words & {"pf", "cos", "factor"}:
            return lambda: self._factor
        return None

    def _energy(self, unit: str, words: set[str], phases: list[int]) -> Binding:
        share = Decimal(1) / _KILO.get(unit[0], Decimal(1))
        if unit.endswith("varh"):
            share *= Decimal("0.33")
        if unit.endswith("vah"):
            share /= self._factor
        if phases:
            share /= 3
        if words & {"export", "reverse", "exported", "negative"}:
            share /= 1000
        elif tariff := next((word for word in sorted(words) if word in _TARIFFS), None):
            share *= _TARIFFS[tariff]
        return lambda: self._wh * share

    def _amperes(self, words: set[str], phases: list[int]) -> Binding:
        if words & {"neutral", "n"}:
            return lambda: self._load.value / 10000
        volts = self._volts[phases[0] if phases else 0]
        return lambda: self._load.value / volts.value / (3 if phases else 1)


_TARIFFS: Mapping[str, Decimal] = {
    "t1": Decimal("0.4"),
    "t2": Decimal("0.3"),
    "t3": Decimal("0.2"),
    "t4": Decimal("0.1"),
    "sharp": Decimal("0.1"),
    "peak": Decimal("0.4"),
    "flat": Decimal("0.3"),
    "valley": Decimal("0.2"),
}


class Water(Bound):
    """A meter in a pipe whose flow wanders."""

    def __init__(self, profile: Profile, physics: Physics, rng: Random) -> None:
        self._flow = Walk(rng, physics.flow_lph, physics.flow_lph / 5, physics.flow_lph / 40)
        self._warmth = Walk(rng, Decimal(16), Decimal(2), Decimal("0.1"))
        self._litres = physics.total * 1000
        super().__init__(profile, physics)

    def step(self, dt: Decimal, held: Mapping[str, Value]) -> None:
        """Let water through."""
        del held
        self._litres += self._flow.advance() * dt / HOUR
        self._warmth.advance()

    def bind(self, name: str, point: Point) -> Binding | None:
        """Follow the unit; a register without one counts pulses of one litre."""
        unit = point.unit.lower().replace("³", "3")
        if "reverse" in name:
            return None
        if unit == "m3":
            return lambda: self._litres / 1000
        if unit in {"l", "litre"} or (unit in {"", "imp", "pulse", "pulses"} and point.kind == "register"):
            return lambda: self._litres
        if unit == "m3/h":
            return lambda: self._flow.value / 1000
        if unit in {"l/h", "lph"}:
            return lambda: self._flow.value
        if unit in {"°c", "c"}:
            return lambda: self._warmth.value
        return (lambda: Decimal("3.6")) if unit == "v" else None


class Door(Bound):
    """A controlled door: a release unlocks it for some seconds."""

    OPEN_S = Decimal(5)

    def __init__(self, profile: Profile, physics: Physics) -> None:
        self._free_s = ZERO
        super().__init__(profile, physics)

    def update(self, dt: Decimal, held: Mapping[str, Value]) -> Mapping[str, Value]:
        """Lock again when the time is over."""
        self._free_s = max(self._free_s - dt, ZERO)
        values = dict(super().update(dt, held))
        for name, value in values.items():
            if isinstance(value, bool) and (state := self._state(name)) is not None:
                values[name] = state
        return values

    def act(self, action: str) -> bool:
        """Release the lock."""
        if "release" not in action and "unlock" not in action:
            return False
        self._free_s = self.OPEN_S
        return True

    def _state(self, name: str) -> bool | None:
        words = set(name.split("_"))
        if words & {"unlocked", "released", "release"}:
            return self._free_s > 0
        if words & {"locked", "lock"}:
            return self._free_s == 0
        return None


class Pump(Bound):
    """A pump at work; a trip that the story sets stops it."""

    def __init__(self, profile: Profile, physics: Physics, rng: Random) -> None:
        self._bar = Walk(rng, Decimal("4.2"), Decimal("0.3"), Decimal("0.05"))
        self._amps = Walk(rng, Decimal("11.5"), Decimal("0.8"), Decimal("0.1"))
        self._hours = physics.total
        self._runs = True
        super().__init__(profile, physics)

    def step(self, dt: Decimal, held: Mapping[str, Value]) -> None:
        """Run, unless something tripped."""
        self._runs = not any(
            value is True and ("trip" in name or "fault" in name) for name, value in held.items()
        )
        self._bar.advance()
        self._amps.advance()
        if self._runs:
            self._hours += dt / HOUR

    def update(self, dt: Decimal, held: Mapping[str, Value]) -> Mapping[str, Value]:
        """Show the motor's state beside the quantities."""
        values = dict(super().update(dt, held))
        for name, value in values.items():
            if isinstance(value, bool) and name in {"running", "run", "motor_running"}:
                values[name] = self._runs
        return values

    def bind(self, name: str, point: Point) -> Binding | None:
        """Follow the unit."""
        unit = point.unit.lower()
        scale = {"bar": Decimal(1), "kpa": Decimal(100), "mpa": Decimal("0.1")}.get(unit)
        if scale is not None:
            return lambda: self._bar.value * scale if self._runs else self._bar.value * scale / 2
        if unit == "a":
            return lambda: self._amps.value if self._runs else ZERO
        if unit == "hz":
            return lambda: Decimal(50) if self._runs else ZERO
        return (lambda: self._hours) if unit == "h" or "hours" in name else None


class Lift(Bound):
    """A car that goes up and down, one floor in three seconds."""

    FLOORS = 18
    FLOOR_S = Decimal(3)

    def __init__(self, profile: Profile, physics: Physics, rng: Random) -> None:
        self._since = Decimal(rng.randint(0, 60))
        super().__init__(profile, physics)

    def step(self, dt: Decimal, held: Mapping[str, Value]) -> None:
        """Travel, unless someone is trapped in it."""
        if not any(value is True for value in held.values()):
            self._since += dt

    def bind(self, name: str, point: Point) -> Binding | None:
        """Know the floor; the rest is flags."""
        del point
        if "floor" not in name:
            return None
        return self._floor

    def _floor(self) -> Decimal:
        place = int(self._since // self.FLOOR_S) % (2 * self.FLOORS - 2)
        return Decimal(1 + (place if place < self.FLOORS else 2 * self.FLOORS - 2 - place))


class Environment(Bound):
    """Air in a room: warm, dry and clean enough not to alarm anyone."""

    _MIDDLES: Mapping[str, tuple[str, str, str]] = {
        "°c": ("22.6", "1.5", "0.1"),
        "%": ("48", "5", "0.4"),
        "%rh": ("48", "5", "0.4"),
        "ppm": ("620", "60", "6"),
        "µg/m3": ("18", "5", "1"),
        "μg/m3": ("18", "5", "1"),
        "ug/m3": ("18", "5", "1"),
        "hpa": ("1013", "2", "0.2"),
        "lx": ("320", "30", "4"),
    }

    def __init__(self, profile: Profile, physics: Physics, rng: Random) -> None:
        self._rng = rng
        self._walks: list[Walk] = []
        super().__init__(profile, physics)

    def step(self, dt: Decimal, held: Mapping[str, Value]) -> None:
        """Let the air drift."""
        del dt, held
        for walk in self._walks:
            walk.advance()

    def bind(self, name: str, point: Point) -> Binding | None:
        """Follow the unit."""
        del name
        middle = self._MIDDLES.get(point.unit.lower().replace("³", "3"))
        if middle is None:
            return None
        walk = Walk(self._rng, *(Decimal(part) for part in middle))
        self._walks.append(walk)
        return lambda: walk.value


def make(profile: Profile, physics: Physics, rng: Random) -> Model:
    """Choose the model: as the site says, else by the profile's class and resource."""
    kind = physics.kind
    if kind == "auto":
        by_class = {
            "access": "door",
            "fire": "fire",
            "lift": "lift",
            "pump": "pump",
            "env": "env",
            "power": "electricity",
        }
        by_resource = {"electricity": "electricity", "water": "water", "hot_water": "water"}
        kind = by_class.get(profile.device_class) or by_resource.get(profile.resource, "static")  # type: ignore[assignment]
    match kind:
        case "electricity":
            return Electricity(profile, physics, rng)
        case "water":
            return Water(profile, physics, rng)
        case "door":
            return Door(profile, physics)
        case "pump":
            return Pump(profile, physics, rng)
        case "lift":
            return Lift(profile, physics, rng)
        case "env":
            return Environment(profile, physics, rng)
        case _:  # a fire panel, everything static, and what counts its reads: physics does not change it
            return Bound(profile, physics)


def is_flag(point: Point) -> bool:
    """True for a point that is true or false."""
    at = point.at
    return at.get("table") in {"coil", "discrete"} or at.get("type") == "bool" or "bit" in at


def phases_of(name: str) -> list[int]:
    """Which phases a point's id names, 0 to 2, in order: `voltage_l1_l2` → [0, 1]."""
    known = {
        "l1": [0],
        "l2": [1],
        "l3": [2],
        "a": [0],
        "b": [1],
        "c": [2],
        "ab": [0, 1],
        "bc": [1, 2],
        "ca": [2, 0],
    }
    known |= {"l12": [0, 1], "l23": [1, 2], "l31": [2, 0], "r": [0], "s": [1], "t": [2]}
    return [phase for word in name.split("_") for phase in known.get(word, [])]
