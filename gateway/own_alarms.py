"""The gateway's alarms about itself: it cannot keep what it reads, or does not know what time it is.

They go the way of every device's edges, under the gateway's own id, with journaled state: a kill between loses and
doubles none. The server knows both codes.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from drivers.api import Reading
from drivers.profile import Event, When
from gateway.delivery.journal import Trouble
from gateway.polling.edges import Change, Edges, load
from messages.codec import utc_ms
from messages.text import printable
from messages.types import ClockState, DeviceEvent, Edge, Severity

LOOK_S = 10.0
CLOCK, JOURNAL = "clock", "journal_trouble"
ROLLED_BACK = "config_rolled_back"
STATE_KEY = "own"
MAX_TROUBLES = 20
_TOLD = frozenset({"journal_full", "journal_corrupt", "journal_put_back"})  # the others are states, looked at

_EVENTS: Mapping[str, Event] = {
    code: Event(when=When(point=point, is_=True), label=label, severity=Severity.HIGH, alarm_class="system")
    for code, point, label in (
        (CLOCK, "clock_unset", "Gateway clock is not set"),
        (JOURNAL, "journal_down", "Gateway cannot keep its readings"),
    )
}
_DETAILS = {
    CLOCK: "the clock is not set: times of this gateway are not to be trusted",
    JOURNAL: "the disk takes nothing",
}


class Events(Protocol):
    """What is needed of the recorder."""

    async def events(self, events: Sequence[DeviceEvent], state: Mapping[str, bytes]) -> bool:
        """As `Recorder.events`."""


@dataclass(slots=True, eq=False)
class OwnAlarms:
    """Looks at the gateway itself, now and then and whenever the journal says that something is wrong."""

    gateway: str
    recorder: Events
    load_state: Callable[[str], bytes | None]
    journal_down: Callable[[], bool]
    clock: Callable[[], datetime]
    clock_state: Callable[[], ClockState]
    troubles: list[Trouble] = field(default_factory=list)
    edges: Edges = field(init=False)
    _said: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.edges = load(_EVENTS, self.load_state(STATE_KEY))

    @property
    def id(self) -> str:
        """Under which these events are told."""
        return self.gateway

    def trouble(self, trouble: Trouble) -> None:
        """Take the journal's word; the journal calls this."""
        if trouble.code in _TOLD and len(self.troubles) < MAX_TROUBLES:
            self.troubles.append(trouble)
        self._said.set()

    async def tell(self, code: str, detail: str) -> bool:
        """Journal something that happened once; False if nobody keeps it."""
        return await self.recorder.events([self._made(code, Edge.PULSE, detail)], {})

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            self._said.clear()
            await self._look(self.edges)
            try:
                async with asyncio.timeout(LOOK_S):
                    await self._said.wait()
            except TimeoutError:
                pass

    async def _look(self, edges: Edges) -> None:
        here = {
            "clock_unset": Reading(self.clock_state() is ClockState.UNSET),
            "journal_down": Reading(self.journal_down()),
        }
        changes = edges.see(here, 0.0)
        if changes:
            events = [self._event(change) for change in changes]
            if await self.recorder.events(events, {STATE_KEY: edges.after(changes)}):
                edges.commit(changes)
        while self.troubles:
            told = [self._pulse(trouble) for trouble in self.troubles]
            if not await self.recorder.events(told, {}):
                return
            del self.troubles[: len(told)]

    def _event(self, change: Change) -> DeviceEvent:
        detail = _DETAILS[change.code] if change.edge is Edge.RAISED else ""
        return self._made(change.code, change.edge, detail)

    def _pulse(self, trouble: Trouble) -> DeviceEvent:
        return self._made(JOURNAL, Edge.PULSE, f"{trouble.code}: {trouble.detail}")

    def _made(self, code: str, edge: Edge, detail: str) -> DeviceEvent:
        return DeviceEvent(
            device=self.gateway,
            code=code,
            edge=edge,
            seen_at=utc_ms(self.clock()),
            detail=printable(detail, 500),
            clock=self.clock_state(),
        )
