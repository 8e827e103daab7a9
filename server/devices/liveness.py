"""Who is there: gateways by heartbeat and last will, devices by good samples. Silence is a fact that is stored.

A device that tells no values, or speaks when it likes, is there while its gateway says so: no timer of ours can tell.

Timers run on the server's monotonic clock, so neither a gateway's clock nor a step of our own moves them.
Everything here runs on the writer's thread, inside its transaction.
"""

import math
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

import msgspec
from sqlalchemy import Connection, select, update
from sqlalchemy.sql.functions import min as sql_min

from messages.codec import unusable
from messages.text import printable
from messages.topics import Address
from messages.types import DEVICE_SILENT, ClockState, DeviceEvent, Edge, GatewayState
from server.db.outbox import record_change
from server.db.tables_devices import devices, gateways, profile_points
from server.db.types import to_ms
from server.devices.births import ensure_gateway, note_state
from server.ingest.sinks import AlarmSink

HEARTBEAT_S = 10.0
MISSED = 3
LEAST_SILENCE_S = 30.0
PERIODS = 3
BEATS_JUDGED = (
    3  # heartbeats by which a gateway's clock is judged: the quickest of them was the least delayed
)
CLOCK_OFF_MS = 120_000
BACKLOG_MS = 60_000  # a good sample this much older than the time-out tells of then, not of now

GATEWAY_SILENT, CLOCK = "gateway_silent", "clock"


@dataclass(slots=True)
class _Gateway:
    id: int
    address: Address
    online: bool
    boot: str
    deadline: float  # monotonic; the next heartbeat must come before it
    settled: bool = False  # something was heard of it since this process started
    config: str = ""  # of its latest birth
    picture: object = None  # of the last heartbeat: what people see of it
    behind_ms: deque[int] = field(default_factory=lambda: deque(maxlen=BEATS_JUDGED))
    """How far its clock was behind ours when it sent each of the last heartbeats, the way here included."""
    clock_off: bool | None = None  # what was last said of it, None before anything was

    @property
    def late_ms(self) -> int:
        """How far its clock is behind for certain."""
        return max(0, min(self.behind_ms, default=0))


@dataclass(slots=True)
class _Device:
    id: int
    site: str
    device: str
    gateway_id: int
    timeout: float
    conn: str
    deadline: float
    last_seen_ms: int
    by_word: bool = False  # only its gateway knows whether it is there
    said_silent: bool = False  # by its gateway's heartbeat
    silent_ms: int = 0  # since when its gateway's journal says that it is silent, 0 if it does not
    back_ms: int = 0  # when the journal said last that it is back
    dirty: bool = field(default=False)  # last_seen_ms is newer than the row


class Liveness:
    """Keeps the timers, and turns what they say into rows, history, outbox entries and system alarms."""

    def __init__(self, alarms: AlarmSink, monotonic: Callable[[], float]) -> None:
        self._alarms = alarms
        self._monotonic = monotonic
        self._gateways: dict[Address, _Gateway] = {}
        self._by_id: dict[int, _Gateway] = {}
        self._devices: dict[tuple[str, str], _Device] = {}
        self._woken: set[tuple[str, str]] = set()  # devices with a good sample since the last tick

    def load(self, conn: Connection) -> None:
        """Read gateways and devices; also after a birth and after a roll-back. Running timers are kept."""
        now = self._monotonic()
        before = self._gateways
        self._gateways, self._by_id = {}, {}
        for row in conn.execute(select(gateways)):
            address = Address(row.site, row.gateway)
            known = before.get(address)
            deadline = known.deadline if known else now + MISSED * HEARTBEAT_S
            settled = bool(known and known.settled)
            gateway = _Gateway(row.id, address, row.online, row.boot, deadline, settled, row.config)
            if known is not None:
                gateway.behind_ms = known.behind_ms
            self._gateways[address] = self._by_id[row.id] = gateway
        period = select(sql_min(profile_points.c.period_ms)).where(
            profile_points.c.profile_id == devices.c.profile_id, profile_points.c.period_ms > 0
        )
        active = select(devices, period.scalar_subquery().label("period_ms"))
        fresh: dict[tuple[str, str], _Device] = {}
        for row in conn.execute(active.where(devices.c.lifecycle == "active")):
            key = (row.site, row.device)
            old = self._devices.get(key)
            timeout = max(PERIODS * (row.period_ms or 0) / 1000, LEAST_SILENCE_S)
            by_word = row.period_ms is None or row.heard_within_s is not None
            deadline = math.inf if by_word else now + timeout
            if old and old.by_word == by_word:
                deadline = old.deadline
            seen = int(row.last_seen_at.timestamp() * 1000) if row.last_seen_at else 0
            fresh[key] = _Device(
                row.id,
                row.site,
                row.device,
                row.gateway_id,
                timeout,
                row.conn,
                deadline,
                max(seen, old.last_seen_ms if old else 0),
                by_word=by_word,
                said_silent=bool(old and old.said_silent),
                silent_ms=old.silent_ms if old else 0,
                back_ms=old.back_ms if old else 0,
            )
        self._devices = fresh

    def good_sample(
        self, address: Address, device: str, at_ms: int, received_ms: int, clock: ClockState
    ) -> None:
        """A good value of a device arrived."""
        known = self._devices.get((address.site, device))
        if known is None:
            return
        gateway = self._gateways.get(address)
        before = at_ms <= known.silent_ms  # by one clock: what was read before it fell silent
        at_ms += (
            gateway.late_ms if gateway else 0
        )  # a clock that is slow does not make a backlog of what is live
        if at_ms > known.last_seen_ms:
            known.last_seen_ms = min(at_ms, received_ms)
            known.dirty = True
        old = received_ms - at_ms > known.timeout * 1000 + BACKLOG_MS
        if before or (old and clock is not ClockState.UNSET):
            return
        known.deadline = self._patience(known)
        known.said_silent = False
        if known.conn != "online":
            self._woken.add((address.site, device))

    def spoke(self, address: Address, event: DeviceEvent, received_ms: int) -> None:
        """A device said something itself; of those that are read, only a good value is a sign of life."""
        known = self._devices.get((address.site, event.device))
        if known is not None and known.by_word and self._by_id[known.gateway_id].address == address:
            self.good_sample(address, event.device, to_ms(event.seen_at), received_ms, event.clock)

    def _patience(self, device: _Device) -> float:
        return math.inf if device.by_word else self._monotonic() + device.timeout

    def told(self, conn: Connection, address: Address, event: DeviceEvent, now: datetime) -> None:
        """Its gateway's journal says that a device fell silent or came back; the alarm is the engine's."""
        known = self._devices.get((address.site, event.device))
        if known is None or self._by_id[known.gateway_id].address != address:
            return
        seen_ms = min(to_ms(event.seen_at), to_ms(now))
        if event.edge is Edge.RAISED:
            if seen_ms > known.back_ms:
                known.silent_ms = seen_ms
        elif seen_ms >= known.silent_ms:
            known.silent_ms, known.back_ms, known.said_silent = 0, seen_ms, False
            if known.conn == "offline":
                # It answers; whether with anything good is to be seen, in its usual time.
                known.deadline = self._patience(known)
                self._set(conn, known, "unknown", "it answers its gateway again", now)

    def heard(
        self, conn: Connection, address: Address, state: GatewayState, *, retained: bool, now: datetime
    ) -> None:
        """Apply a heartbeat or last will. A retained one tells what was, and starts no timer anew."""
        gateway = self._gateway(conn, address, now)
        if not state.online and gateway.boot and state.boot != gateway.boot:
            return  # the will of an earlier life, delivered after the next one began
        values: dict[str, object] = {"boot": state.boot, "why": printable(state.why)}
        if state.online:
            values |= {
                "clock": state.clock,
                "lanes": {lane: msgspec.to_builtins(kept) for lane, kept in state.lanes.items()},
                "silent": list(state.silent),
                "free_disk": state.free_disk,
            }
            if not retained:
                values["last_seen_at"] = now
            # Counters move with every heartbeat; who watches is told when the picture changes.
            picture = (
                state.clock,
                state.silent,
                frozenset(n for n, kept in state.lanes.items() if kept.next > kept.first),
            )
            if picture != gateway.picture:
                gateway.picture = picture
                values["q"] = record_change(
                    conn, "gateways", f"{address.site}/{address.gateway}", site=address.site, at=now
                )
        conn.execute(update(gateways).where(gateways.c.id == gateway.id).values(**values))
        gateway.boot = state.boot
        if retained and state.online:
            return
        if state.online:
            gateway.deadline = self._monotonic() + MISSED * HEARTBEAT_S
            self._judge_clock(conn, gateway, state, now)
            self._said_silent(gateway, frozenset(state.silent), state.at)
            if state.unread is not None and state.config == gateway.config:
                self._said_heard(gateway, state.unread, state.at)
        self._turn(conn, gateway, state.online, printable(state.why) or "last will", now)

    def _judge_clock(self, conn: Connection, gateway: _Gateway, state: GatewayState, now: datetime) -> None:
        if state.at is None or unusable(state.at):
            return
        gateway.behind_ms.append(to_ms(now) - to_ms(state.at))
        seen = gateway.behind_ms
        if len(seen) < BEATS_JUDGED:
            return
        # One that waited in a broker seems late; only what all of them say is the clock's own.
        off = min(seen) > CLOCK_OFF_MS or max(seen) < -CLOCK_OFF_MS
        if off is gateway.clock_off or state.clock is ClockState.UNSET:  # it says so itself then
            return
        gateway.clock_off = off
        site, name = gateway.address
        if off:
            seconds = min(seen, key=abs) // 1000
            detail = f"{abs(seconds)} s {'behind' if seconds > 0 else 'ahead of'} the server's"
            self._alarms.raise_system(
                conn, CLOCK, site=site, gateway=name, device=None, at=now, detail=detail
            )
        else:
            self._alarms.clear_system(conn, CLOCK, site=site, gateway=name, device=None, at=now)

    def begin_anew(self) -> None:
        """This server stood still and has heard nobody: everybody gets a whole time-out, as after a start."""
        mono = self._monotonic()
        for gateway in self._gateways.values():
            gateway.deadline = max(gateway.deadline, mono + MISSED * HEARTBEAT_S)
        for device in self._devices.values():
            device.deadline = max(device.deadline, mono + device.timeout)

    def tick(self, conn: Connection, now: datetime) -> None:
        """Look at the timers: gateways first, then devices."""
        mono = self._monotonic()
        for gateway in self._gateways.values():
            if mono > gateway.deadline and (gateway.online or not gateway.settled):
                self._turn(conn, gateway, False, f"no heartbeat for {MISSED * HEARTBEAT_S:.0f} s", now)
        for key in self._woken:
            device = self._devices.get(key)
            # Of a gateway that is away, what still arrives is what was under way: its heartbeat comes first.
            if device and self._by_id[device.gateway_id].online:
                why = "its gateway hears it" if device.by_word else "good sample"
                self._set(conn, device, "online", why, now)
        self._woken.clear()
        for device in self._devices.values():
            if self._by_id[device.gateway_id].online and (device.said_silent or mono > device.deadline):
                why = (
                    "its gateway gets no answer"
                    if device.said_silent
                    else f"no good sample for {device.timeout:.0f} s"
                )
                self._set(conn, device, "offline", why, now)

    def write_seen(self, conn: Connection) -> None:
        """Write `last_seen_at` of the devices that were heard since the last call."""
        heard = [device for device in self._devices.values() if device.dirty]
        if heard:
            conn.exec_driver_sql(
                "UPDATE devices SET last_seen_at = ? WHERE id = ?",
                [(device.last_seen_ms, device.id) for device in heard],
            )
        for device in heard:
            device.dirty = False

    def forget(self) -> None:
        """The transaction was rolled back: what was judged in it is to be judged again after `load`."""
        for gateway in self._gateways.values():
            gateway.settled = False
            gateway.clock_off = None

    def meet(self, conn: Connection, address: Address, now: datetime) -> None:
        """Something came from this gateway: have a row for it, also before its birth."""
        self._gateway(conn, address, now)

    def _gateway(self, conn: Connection, address: Address, now: datetime) -> _Gateway:
        known = self._gateways.get(address)
        if known is None:
            row_id = ensure_gateway(conn, address.site, address.gateway, now)
            known = _Gateway(row_id, address, False, "", self._monotonic() + MISSED * HEARTBEAT_S)
            self._gateways[address] = self._by_id[row_id] = known
        return known

    def _said_silent(self, gateway: _Gateway, silent: frozenset[str], at: datetime | None) -> None:
        told = to_ms(at) if at is not None and not unusable(at) else None
        for device in self._devices.values():
            if device.gateway_id == gateway.id:
                # A heartbeat may be overtaken by the alarm lane: it knows nothing of what came after it.
                overtaken = told is not None and told <= device.back_ms
                device.said_silent = device.device in silent and not overtaken

    def _said_heard(
        self, gateway: _Gateway, unread: Mapping[str, tuple[str, ...]], at: datetime | None
    ) -> None:
        """Believe a gateway that names neither a device's silence nor that it does not know: it hears it."""
        told = to_ms(at) if at is not None and not unusable(at) else None
        for key, device in self._devices.items():
            if told is not None and told <= device.silent_ms:
                continue  # overtaken by the alarm lane
            mine = device.by_word and device.gateway_id == gateway.id and device.conn != "online"
            if mine and not device.said_silent and DEVICE_SILENT not in unread.get(device.device, ()):
                self._woken.add(key)

    def _turn(self, conn: Connection, gateway: _Gateway, online: bool, why: str, now: datetime) -> None:
        if gateway.settled and gateway.online == online:
            return
        changed, gateway.online, gateway.settled = gateway.online != online, online, True
        site, name = gateway.address
        if online:
            self._alarms.clear_system(conn, GATEWAY_SILENT, site=site, gateway=name, device=None, at=now)
        else:
            self._alarms.raise_system(
                conn, GATEWAY_SILENT, site=site, gateway=name, device=None, at=now, detail=why
            )
        if changed:
            q = record_change(conn, "gateways", f"{site}/{name}", site=site, at=now)
            conn.execute(
                update(gateways)
                .where(gateways.c.id == gateway.id)
                .values(q=q, online=online, since=now, why="" if online else why)
            )
        for device in self._devices.values():
            if device.gateway_id != gateway.id:
                continue
            if not online:
                self._set(conn, device, "unreachable", f"gateway {name}: {why}", now)
            elif device.conn == "unreachable":
                device.deadline = self._patience(device)
                self._set(conn, device, "unknown", f"gateway {name} is back", now)

    def _set(self, conn: Connection, device: _Device, new: str, cause: str, now: datetime) -> None:
        if device.conn == new:
            return
        q = record_change(conn, "devices", f"{device.site}/{device.device}", site=device.site, at=now)
        silent = {"online": None, "unknown": None}.get(new, now)
        if device.conn in {"offline", "unreachable"} and new in {"offline", "unreachable"}:
            values: dict[str, object] = {"q": q, "conn": new}  # silent already: since when stands
        else:
            values = {"q": q, "conn": new, "silent_since": silent}
        conn.execute(update(devices).where(devices.c.id == device.id).values(**values))
        note_state(conn, device.id, "conn", device.conn, new, cause, now)
        gateway = self._by_id[device.gateway_id].address.gateway
        if new == "offline":
            self._alarms.raise_system(
                conn,
                DEVICE_SILENT,
                site=device.site,
                gateway=gateway,
                device=device.device,
                at=now,
                detail=cause,
            )
        elif new == "online":
            self._alarms.clear_system(
                conn, DEVICE_SILENT, site=device.site, gateway=gateway, device=device.device, at=now
            )
        device.conn = new
