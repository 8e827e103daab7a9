"""What ingest calls inside and after its transaction. Alarms, commands and the live stream implement these."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Protocol

from sqlalchemy import Connection

from messages.types import CommandResult, DeviceEvent, Quality, Value


@dataclass(frozen=True, slots=True)
class EventItem:
    """An event with its place in the delivery; (`epoch`, `seq`, `index`) orders the events of one gateway.

    `sane_time` is false when the gateway's time lies more than 120 s ahead of the server's. `inferred` says that
    nobody sent it: it follows from heartbeats, and so from how things are now.
    """

    event: DeviceEvent
    epoch: str
    seq: int
    index: int
    batch_id: int
    sane_time: bool = True
    inferred: bool = False


class LatestValue(NamedTuple):
    """The newest value of one point, for the live stream."""

    site: str
    device: str
    point: str
    at: datetime
    value: Value
    quality: Quality


class AlarmSink(Protocol):
    """The alarm engine; every call runs in the caller's transaction, on the caller's thread."""

    def apply_events(
        self, conn: Connection, site: str, gateway: str, events: Sequence[EventItem], now: datetime
    ) -> None:
        """Apply the events of one batch in order; never raise for what an event says."""

    def raise_system(
        self,
        conn: Connection,
        kind: str,
        *,
        site: str,
        gateway: str,
        device: str | None,
        at: datetime,
        detail: str,
    ) -> None:
        """Raise `gateway_silent`, `device_silent`, …; again while it is open changes nothing."""

    def clear_system(
        self, conn: Connection, kind: str, *, site: str, gateway: str, device: str | None, at: datetime
    ) -> None:
        """The condition of `raise_system` has ended; nothing open changes nothing."""


class ResultSink(Protocol):
    """The commands' side of ingest."""

    def apply_result(
        self, conn: Connection, site: str, gateway: str, result: CommandResult, now: datetime
    ) -> None:
        """Record how a command ended; an unknown or repeated id changes nothing."""


class CommitSink(Protocol):
    """Told after a commit, from the writer's thread: must return at once and be thread-safe."""

    def committed(self, values: Sequence[LatestValue]) -> None:
        """Outbox rows may be there to read, and these values are newer than those before."""

    def watched(self) -> frozenset[tuple[str, str]]:
        """Return the (site, device) whose values somebody looks at now: only these are handed to `committed`."""
