"""One message becomes rows, in the writer's transaction: batches, births, heartbeats, and what is none of them."""

import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime

import msgspec
from sqlalchemy import Connection

from messages import codec, topics
from messages.codec import Envelope, MessageError
from messages.text import printable
from messages.topics import Address, Topic, TopicError
from messages.types import (
    DEVICE_SILENT,
    DeviceEvent,
    Edge,
    Gap,
    GatewayState,
    Id,
    Lane,
    Rejected,
    Sample,
    Seq,
)
from server.alarms.explained import explain
from server.alarms.standing import LostAlarms
from server.db.types import to_ms
from server.devices.births import apply_birth
from server.devices.liveness import Liveness
from server.ingest.claims import Claims
from server.ingest.configs import ConfigBook
from server.ingest.cursor import Cursor
from server.ingest.forks import is_another
from server.ingest.lanes import LaneBook, LaneRow
from server.ingest.quarantine import Kept, Quarantine, Refused
from server.ingest.samples import AHEAD_MS, SampleStore
from server.ingest.sinks import AlarmSink, EventItem, ResultSink

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Incoming:
    """A payload as it came."""

    topic: str
    payload: bytes
    retained: bool = False


@dataclass(slots=True)
class Totals:
    """What this process has done since it started."""

    batches: int = 0
    repeated_batches: int = 0
    samples: int = 0
    values: int = 0
    repeated_values: int = 0
    conflicting_values: int = 0
    ahead_values: int = 0
    events: int = 0
    quarantined: int = 0
    births: int = 0


@dataclass(slots=True)
class Group:
    """What one transaction collects: what to count, whom to answer, what was refused."""

    rejected: dict[int, list[Rejected]] = field(default_factory=dict)  # by lane row id
    lanes: dict[int, LaneRow] = field(default_factory=dict)  # to be answered
    forked: set[int] = field(
        default_factory=set
    )  # of these, those whose numbers were used for something else
    born: bool = False
    totals: Totals = field(default_factory=Totals)


class _Head(msgspec.Struct):
    """The least that names a batch: enough to answer for one whose items nobody can read."""

    gateway: Id
    epoch: Id
    lane: Lane
    seq: Seq


_heads = msgspec.json.Decoder(_Head)


@dataclass(frozen=True, slots=True)
class Judge:
    """Applies messages to lanes, samples, devices, alarms and quarantine; after a roll-back call `forget`."""

    lanes: LaneBook
    samples: SampleStore
    live: Liveness
    alarms: AlarmSink
    results: ResultSink
    claims: Claims = field(default_factory=Claims)
    configs: ConfigBook = field(default_factory=ConfigBook)
    quarantine: Quarantine = field(default_factory=Quarantine)
    lost: LostAlarms = field(default_factory=LostAlarms)

    def forget(self) -> None:
        """The transaction was rolled back."""
        self.claims.reborn()
        self.configs.forget()
        self.quarantine.forget()

    def apply(self, conn: Connection, message: Incoming, group: Group, now: datetime) -> None:
        """Apply one message; what cannot be understood goes to quarantine, what our own code chokes on raises."""
        try:
            topic = topics.parse(message.topic)
        except TopicError as err:
            self._refuse(
                conn, Refused(topic=message.topic, payload=message.payload, reason=str(err)), group, now
            )
            return
        try:
            if topic.kind == "up":
                self._batch(conn, topic, message, group, now)
            elif topic.kind == "birth" and message.payload:
                self._birth(conn, topic, message, group, now)
            elif topic.kind == "state" and message.payload:
                self._state(conn, topic, message, now)
        except MessageError as err:
            self.set_aside(conn, message, str(err), group, now)

    def _batch(self, conn: Connection, topic: Topic, message: Incoming, group: Group, now: datetime) -> None:
        address = topic.address
        if message.retained:
            raise MessageError(
                "a retained message is never a reading: publish batches without the retain flag"
            )
        envelope = codec.decode_envelope(message.payload)
        if (envelope.gateway, envelope.lane.value) != (address.gateway, topic.leaf):
            raise MessageError("the batch names another gateway or lane than its topic")
        self.live.meet(conn, address, now)
        row = self.lanes.lane(conn, address, envelope.epoch, envelope.lane, now)
        group.lanes[row.id] = row
        batch_id = self.lanes.add_batch(conn, row, envelope.seq, now, len(envelope.items))
        if batch_id is None:
            group.totals.repeated_batches += 1
            self.samples.write(conn)  # the one that it repeats may be in this very group
            if is_another(conn, address, row.id, envelope):
                group.forked.add(row.id)
                log.error("%s/%s: %s %s is another batch now", *address, envelope.lane.value, envelope.seq)
                return
            group.rejected.setdefault(row.id, []).extend(self.lanes.rejected(conn, row, envelope.seq))
            return
        group.totals.batches += 1
        refused: list[tuple[int | None, str, bytes]] = [
            (one.index, one.reason, raw)
            for one, raw in zip(envelope.rejected, envelope.raw_items, strict=True)
        ]
        self._items(conn, address, envelope, batch_id, refused, group, now)
        if refused:
            self._refuse_items(conn, topic, message, envelope, batch_id, refused, row, group, now)

    def _items(
        self,
        conn: Connection,
        address: Address,
        envelope: Envelope,
        batch_id: int,
        refused: list[tuple[int | None, str, bytes]],
        group: Group,
        now: datetime,
    ) -> None:
        """Store each item, or add it to `refused`."""
        events: list[EventItem] = []
        received = to_ms(now)
        for index, item in envelope.items:
            why = ""
            if isinstance(item, Sample):
                group.totals.samples += 1
                if envelope.lane is Lane.BILLING:
                    self.configs.note(conn, batch_id, index, item.config, now)
                why = self.claims.of_sample(conn, address, item)
                if not why and self.samples.add(conn, address, item, index, batch_id, received):
                    self.live.good_sample(address, item.device, to_ms(item.at), received, item.clock)
            elif isinstance(item, DeviceEvent):
                why = self.claims.of_event(conn, address, item)
                if not why:
                    events.append(_event(item, envelope, index, batch_id, received))
            elif isinstance(item, Gap):
                self._gap(conn, address, envelope, item, now)
            else:
                self.results.apply_result(conn, address.site, address.gateway, item, now)
            if why:
                refused.append((index, why, codec.encode_items((item,))[1:-1]))
        if events:
            group.totals.events += len(events)
            self._apply(conn, address, events, now)

    def _apply(self, conn: Connection, address: Address, events: Sequence[EventItem], now: datetime) -> None:
        self.alarms.apply_events(conn, address.site, address.gateway, events, now)
        for item in events:
            if item.event.code == DEVICE_SILENT:
                self.live.told(conn, address, item.event, now)
            else:
                self.live.spoke(address, item.event, to_ms(now))

    def _refuse_items(
        self,
        conn: Connection,
        topic: Topic,
        message: Incoming,
        envelope: Envelope,
        batch_id: int,
        refused: Sequence[tuple[int | None, str, bytes]],
        row: LaneRow,
        group: Group,
        now: datetime,
    ) -> None:
        self.lanes.count_quarantined(conn, batch_id, len(refused))
        for index, reason, raw in refused:
            one = Refused(
                topic=message.topic,
                payload=raw,
                reason=reason,
                address=topic.address,
                epoch=envelope.epoch,
                lane=envelope.lane.value,
                seq=envelope.seq,
                index=index,
            )
            self._refuse(conn, one, group, now)
            group.rejected.setdefault(row.id, []).append(
                Rejected(seq=envelope.seq, index=index, reason=reason)
            )

    def _gap(self, conn: Connection, address: Address, envelope: Envelope, gap: Gap, now: datetime) -> None:
        # The numbers count even where a time is useless: a lane that waits for ever helps nobody.
        since = None if codec.unusable(gap.since) else gap.since
        until = None if codec.unusable(gap.until) else gap.until
        row = self.lanes.lane(conn, address, envelope.epoch, gap.lane, now)
        self.lanes.declare(conn, row, gap, since, until, now)
        log.warning(
            "%s/%s declares %s batches %s..%s lost: %s",
            *address,
            gap.lane.value,
            gap.first,
            gap.last,
            printable(gap.reason),
        )

    def _birth(self, conn: Connection, topic: Topic, message: Incoming, group: Group, now: datetime) -> None:
        birth = codec.decode_birth(message.payload)
        if (birth.site, birth.gateway) != topic.address:
            raise MessageError("the birth names another site or gateway than its topic")
        self.live.meet(conn, topic.address, now)
        if apply_birth(conn, birth, now):
            group.totals.births += 1
            group.born = True
            self.samples.reborn()
            self.claims.reborn()
            explain(conn, topic.address, now)
            log.info("birth of %s/%s: %s devices", birth.site, birth.gateway, len(birth.devices))

    def _state(self, conn: Connection, topic: Topic, message: Incoming, now: datetime) -> None:
        state = codec.decode_state(message.payload)
        self.live.heard(conn, topic.address, state, retained=message.retained, now=now)
        if not state.epoch:
            return
        try:
            epoch = topics.checked(state.epoch)
        except TopicError as err:
            raise MessageError(f"epoch: {err}") from None
        for name, kept in state.lanes.items():
            if name in set(Lane):
                row = self.lanes.lane(conn, topic.address, epoch, Lane(name), now)
                if self.lanes.heal(conn, row, kept, now):
                    log.warning(
                        "%s/%s: %s starts at %s, older numbers are gone", *topic.address, name, kept.first
                    )
        if state.online and not message.retained:
            row = self.lanes.lane(conn, topic.address, epoch, Lane.ALARM, now)
            self._lost_alarms(conn, topic.address, state, row.cursor, now)

    def _lost_alarms(
        self, conn: Connection, address: Address, state: GatewayState, cursor: Cursor, now: datetime
    ) -> None:
        found = self.lost.in_heartbeat(conn, address, state, cursor, now)
        lost = [item for item in found if not self.claims.of_event(conn, address, item.event)]
        for item in lost:
            level = logging.ERROR if item.event.edge is Edge.RAISED else logging.WARNING
            log.log(
                level, "%s/%s: %s %s: %s", *address, item.event.device, item.event.code, item.event.detail
            )
        if lost:
            self._apply(conn, address, lost, now)

    def set_aside(
        self, conn: Connection, message: Incoming, reason: str, group: Group, now: datetime
    ) -> None:
        """Quarantine a whole message; answer for it as stored where its number can still be read."""
        try:
            topic: Topic | None = topics.parse(message.topic)
        except TopicError:
            topic = None
        head = _head(topic, message)
        row = None
        if topic is not None and head is not None:
            with suppress(MessageError):  # it may be that very lane that there is no room for
                row = self.lanes.lane(conn, topic.address, head.epoch, head.lane, now)
        if topic is None or head is None or row is None:
            address = topic.address if topic else None
            one = Refused(topic=message.topic, payload=message.payload, reason=reason, address=address)
            self._refuse(conn, one, group, now)
            return
        group.lanes[row.id] = row
        batch_id = self.lanes.add_batch(conn, row, head.seq, now, 0)
        if batch_id is None:
            return
        self.lanes.count_quarantined(conn, batch_id, 1)
        one = Refused(
            topic=message.topic,
            payload=message.payload,
            reason=reason,
            address=topic.address,
            epoch=head.epoch,
            lane=head.lane.value,
            seq=head.seq,
        )
        self._refuse(conn, one, group, now)
        group.rejected.setdefault(row.id, []).append(Rejected(seq=head.seq, reason=printable(reason)))

    def _refuse(self, conn: Connection, refused: Refused, group: Group, now: datetime) -> None:
        kept = self.quarantine.put(conn, refused, now)
        if kept is Kept.BEFORE:
            return
        group.totals.quarantined += 1
        if kept is Kept.YES:
            log.warning("quarantine: %s: %s", printable(refused.topic), printable(refused.reason))
        elif self.quarantine.to_be_said(refused.address, now):
            log.error(
                "quarantine is full, not kept: %s: %s", printable(refused.topic), printable(refused.reason)
            )
            if refused.address is not None:
                self._tell_full(conn, refused.address, refused.reason, now)

    def _tell_full(self, conn: Connection, address: Address, reason: str, now: datetime) -> None:
        # Something that happened, not a state that would have to end: it waits for somebody to take note.
        site, gateway = address
        self.alarms.raise_system(
            conn, "quarantine_full", site=site, gateway=gateway, device=None, at=now, detail=printable(reason)
        )
        self.alarms.clear_system(conn, "quarantine_full", site=site, gateway=gateway, device=None, at=now)


def _head(topic: Topic | None, message: Incoming) -> _Head | None:
    if topic is None or topic.kind != "up" or message.retained:
        return None
    try:
        head = _heads.decode(message.payload)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    return head if (head.gateway, head.lane.value) == (topic.address.gateway, topic.leaf) else None


def _event(item: DeviceEvent, envelope: Envelope, index: int, batch_id: int, received_ms: int) -> EventItem:
    if item.at is not None and codec.unusable(item.at):
        # The device's own time is of no use without a zone, or from before there were clocks; the alarm is.
        item = msgspec.structs.replace(item, at=None)
    sane = to_ms(item.seen_at) <= received_ms + AHEAD_MS
    return EventItem(item, envelope.epoch, envelope.seq, index, batch_id, sane)
