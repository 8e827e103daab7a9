"""What every driver checks of a profile in the same way: kinds, conditions, and what its examples decode to."""

from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any

from drivers.api import Reading
from drivers.errors import Misconfigured
from drivers.profile import Example, Profile
from messages.types import Value


def kinds(profile: Profile, is_bool: Callable[[str], bool]) -> Iterator[str]:
    """Yield a fault for each point whose kind or scale does not go with true and false."""
    for name, point in profile.points.items():
        if is_bool(name):
            if point.kind != "state":
                yield f"points.{name}.kind: a true or false point is a state"
            if point.exp:
                yield f"points.{name}.exp: a true or false point has no scale"


def conditions(profile: Profile, is_bool: Callable[[str], bool]) -> Iterator[str]:
    """Yield a fault for each event and read-back whose condition its point cannot meet."""
    for name, event in profile.events.items():
        yield from _suits(f"events.{name}.when", event.when.point, event.when.is_ is not None, is_bool)
    for name, action in profile.actions.items():
        back = action.read_back
        if back is not None:
            yield from _suits(f"actions.{name}.read_back", back.point, back.is_ is not None, is_bool)


def no_signals(profile: Profile, protocol: str) -> Iterator[str]:
    """Yield a fault for each signal, where the protocol's devices say nothing of themselves."""
    for name in profile.signals:
        yield f"signals.{name}: a {protocol} device says nothing of itself: make it an event on a point"


def keep_life_safety(profile: Profile, *, stays: bool) -> None:
    """Raise `Misconfigured` where a profile marks its load `life_safety`, and it is not so for a device."""
    if profile.options.get("life_safety") is True and not stays:
        raise Misconfigured(
            "options.life_safety: the profile marks this load, and a site cannot take that back"
        )


def compare(example: Example, readings: Mapping[str, Reading]) -> Iterator[str]:
    """Yield a fault for each expected value that the example's reply does not decode to."""
    for name, wanted in example.expect.items():
        if name not in readings:
            yield f"{name}: is not in this reply"
            continue
        value = readings[name].value
        if not same(value, wanted):
            yield f"{name}: is {wanted} here, and the reply decodes to {value} ({readings[name].quality.value})"


def same(value: Value, wanted: Any) -> bool:
    """Say whether a value is what a profile's example says."""
    if value is None or wanted is None or isinstance(value, bool) or isinstance(wanted, bool):
        return value is wanted
    return value == Decimal(wanted)


def _suits(place: str, point: str, by_is: bool, is_bool: Callable[[str], bool]) -> Iterator[str]:
    if by_is != is_bool(point):
        right = "is: true or is: false" if is_bool(point) else "equals, above or below"
        yield f"{place}: `{point}` needs {right}"
