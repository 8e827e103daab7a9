"""When the events of a profile are true, judged from what the device truly holds: what an edge should report."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from drivers.profile import Event, Profile, When
from messages.types import Value


@dataclass(frozen=True, slots=True)
class EdgeFact:
    """An event of a device began or ended."""

    device: str
    event: str
    edge: Literal["raised", "cleared"]
    severity: str
    alarm_class: str


class EventWatch:
    """The events of one device, followed in time."""

    def __init__(self, device: str, profile: Profile) -> None:
        self._device = device
        self._events = profile.events
        self._state = dict.fromkeys(profile.events, False)
        self._since: dict[str, float] = {}

    def look(self, values: Mapping[str, Value], now: float) -> list[EdgeFact]:
        """Return the edges that follow from these values at `now` (seconds)."""
        edges = []
        for name, event in self._events.items():
            state = self._state[name]
            truth = holds(event.when, values.get(event.when.point), held=state)
            if truth is None or truth == state:
                self._since.pop(name, None)
                continue
            since = self._since.setdefault(name, now)
            if now - since >= (event.release_s if state else event.hold_s):
                del self._since[name]
                self._state[name] = truth
                edges.append(self._edge(name, event, truth=truth))
        return edges

    @property
    def open(self) -> int:
        """How many events are true now."""
        return sum(self._state.values())

    def _edge(self, name: str, event: Event, *, truth: bool) -> EdgeFact:
        edge: Literal["raised", "cleared"] = "raised" if truth else "cleared"
        return EdgeFact(self._device, name, edge, event.severity.value, event.alarm_class)


def holds(when: When, value: Value, *, held: bool) -> bool | None:
    """Whether the condition is true; None where the value is unknown. `held` widens a limit by its deadband."""
    if value is None:
        return None
    if when.is_ is not None:
        return value is when.is_
    if isinstance(value, bool):
        return None
    if when.equals is not None:
        return value == when.equals
    if when.above is not None:
        return value > (when.above - when.deadband if held else when.above)
    if when.below is not None:
        return value < (when.below + when.deadband if held else when.below)
    return None
