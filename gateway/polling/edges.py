"""Alarm edges: from a device's values to `raised` and `cleared`, by its profile's rules. Pure.

What was last *journaled* is the state, and it is written in the same transaction as the edge. So a kill at any
moment neither loses an edge (the condition still differs from the journaled state) nor doubles one. A value that is
not good neither raises nor clears: nobody knows.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import msgspec

from drivers.api import Reading
from drivers.profile import Event, When
from messages.types import Edge, Value

_states = msgspec.json.Decoder(list[str])


@dataclass(frozen=True, slots=True)
class Change:
    """An event whose condition differs from what was last journaled."""

    code: str
    edge: Edge
    point: str
    value: Value
    raw: bytes = b""


def condition(when: When, value: Value, *, raised: bool) -> bool | None:
    """Evaluate a condition; None where `value` cannot say. A raised limit ends only beyond its deadband."""
    if isinstance(value, bool):
        return value is when.is_ if when.is_ is not None else None
    if value is None or when.is_ is not None:
        return None
    if when.equals is not None:
        return value == when.equals
    if when.above is not None:
        return value > (when.above - when.deadband if raised else when.above)
    if when.below is not None:
        return value < (when.below + when.deadband if raised else when.below)
    return None


@dataclass(slots=True)
class Edges:
    """The events of one device. `see` proposes changes, `commit` takes those that the journal has."""

    events: Mapping[str, Event]
    raised: set[str] = field(default_factory=set)
    _since: dict[str, float] = field(default_factory=dict)
    """When the condition of an event began to differ from its journaled state, monotonic seconds."""
    _normal: dict[str, float] = field(default_factory=dict)
    _told: set[str] = field(default_factory=set)

    @property
    def unread(self) -> tuple[str, ...]:
        """Name the events of which nobody knows whether they stand: not raised, and not read as normal either.

        Beyond the deadband and for as long as its end takes: an alarm that a lost journal had is judged as it
        would have been with that journal.
        """
        return tuple(code for code in self.events if code not in self.raised and code not in self._told)

    def see(self, readings: Mapping[str, Reading], now: float) -> tuple[Change, ...]:
        """Return the edges that these readings make at `now`; they are proposed again until committed."""
        changes: list[Change] = []
        for code, event in self.events.items():
            reading = readings.get(event.when.point)
            if reading is None or reading.quality.bad:
                continue
            raised = code in self.raised
            holds = condition(event.when, reading.value, raised=raised)
            if holds is None:
                continue
            if holds:
                self._told.discard(code)
                self._normal.pop(code, None)
            elif code not in self._told:
                self._heed(code, event, reading.value, now)
            if holds == raised:
                self._since.pop(code, None)
                continue
            since = self._since.setdefault(code, now)
            if now - since >= (event.hold_s if holds else event.release_s):
                edge = Edge.RAISED if holds else Edge.CLEARED
                changes.append(Change(code, edge, event.when.point, reading.value, reading.raw))
        return tuple(changes)

    def _heed(self, code: str, event: Event, value: Value, now: float) -> None:
        if condition(event.when, value, raised=True) is not False:
            self._normal.pop(code, None)
        elif now - self._normal.setdefault(code, now) >= event.release_s:
            self._told.add(code)

    def orphans(self) -> tuple[Change, ...]:
        """Return the end of each event that is raised but no longer in the profile: nothing could clear it."""
        return tuple(
            Change(code, Edge.CLEARED, "", None) for code in sorted(self.raised) if code not in self.events
        )

    def after(self, changes: Iterable[Change]) -> bytes:
        """Return the state to journal together with `changes`."""
        return msgspec.json.encode(sorted(self._applied(changes)))

    def commit(self, changes: Iterable[Change]) -> None:
        """Take `changes` as journaled."""
        changes = tuple(changes)
        self.raised = self._applied(changes)
        for change in changes:
            self._since.pop(change.code, None)
            if change.edge is Edge.CLEARED:
                self._told.add(change.code)

    def _applied(self, changes: Iterable[Change]) -> set[str]:
        raised = set(self.raised)
        for change in changes:
            if change.edge is Edge.RAISED:
                raised.add(change.code)
            else:
                raised.discard(change.code)
        return raised


def load(events: Mapping[str, Event], state: bytes | None) -> Edges:
    """Take up where the journal's state left off; a state that cannot be read counts as nothing raised.

    Nothing raised is the safe reading: a condition that still holds is then raised once more.
    """
    try:
        raised = set(_states.decode(state)) if state else set()
    except msgspec.MsgspecError:
        raised = set()
    return Edges(events, raised)
