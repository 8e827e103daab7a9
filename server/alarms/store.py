"""Alarm rows: created and moved here only, each move with its journal entry and its outbox entry."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, bindparam, func, insert, select, update

from messages.types import Severity
from server.alarms.lifecycle import Move, State, after, wants_reset, worse
from server.db.outbox import record_change
from server.db.tables_alarms import alarm_journal, alarms
from server.db.tables_devices import devices

SYSTEM = "system"

# Built once: in a flood of alarms, putting these together again and again would cost more than running them.
_OPEN = select(alarms).where(alarms.c.key == bindparam("wanted"), alarms.c.closed_at.is_(None))
_PARTS = select(alarms).where(
    alarms.c.site == bindparam("site"),
    alarms.c.device == bindparam("device"),
    alarms.c.code == bindparam("code"),
    alarms.c.part != "",
    alarms.c.closed_at.is_(None),
)
_COUNT = select(func.count()).select_from(_PARTS.subquery())
_BY_ID = select(alarms).where(alarms.c.id == bindparam("wanted"))
_NUMBER = update(alarms).where(alarms.c.id == bindparam("this"))
_INSERT, _JOURNAL = insert(alarms), insert(alarm_journal)
_DEVICE = update(devices).where(
    devices.c.site == bindparam("this_site"), devices.c.device == bindparam("this_device")
)


def open_alarm(conn: Connection, key: str) -> RowMapping | None:
    """Return the open alarm of `key`: there is at most one."""
    return conn.execute(_OPEN, {"wanted": key}).mappings().first()


def open_parts(conn: Connection, site: str, device: str, code: str) -> Sequence[RowMapping]:
    """Return the open alarms of a device and code that are of single parts."""
    wanted = {"site": site, "device": device, "code": code}
    return conn.execute(_PARTS, wanted).mappings().all()


def count_parts(conn: Connection, site: str, device: str, code: str) -> int:
    """Return how many they are."""
    return int(conn.execute(_COUNT, {"site": site, "device": device, "code": code}).scalar_one())


def alarm_by_id(conn: Connection, alarm_id: int) -> RowMapping | None:
    """Return one alarm, open or closed."""
    return conn.execute(_BY_ID, {"wanted": alarm_id}).mappings().first()


def create(
    conn: Connection,
    facts: Mapping[str, Any],
    state: State,
    *,
    actor: str,
    action: str,
    now: datetime,
    note: str | None = None,
) -> int:
    """Insert an alarm in its first state and return its id; `facts` are its columns but for the bookkeeping.

    The journal gets `note`, or else the alarm's detail.
    """
    latched = wants_reset(str(facts["alarm_class"]), latched=bool(facts.get("latched", False)))
    row = {
        "detail": "",
        "evidence": "",
        "late": False,
        "test": False,
        **facts,
        "latched": latched,
        "state": state,
        "raised_at": now,
        "count": 1,
        "q": 0,
        "moved_q": 0,
    }
    key = conn.execute(_INSERT, row).inserted_primary_key
    assert key is not None
    alarm_id = int(key[0])
    q = _changed(conn, alarm_id, str(facts["site"]), str(facts["device"]), now)
    conn.execute(_NUMBER, {"this": alarm_id, "q": q, "moved_q": q})
    said = str(facts.get("detail", "")) if note is None else note
    journal(conn, alarm_id, now, actor, action, State.CLOSED, state, said)
    return alarm_id


def move(
    conn: Connection,
    alarm: RowMapping,
    what: Move,
    *,
    actor: str,
    now: datetime,
    note: str = "",
    action: str = "",
    severity: Severity | None = None,
    facts: Mapping[str, Any] | None = None,
) -> State:
    """Apply one move of the table and write row, journal and outbox; raise `NotAllowed` before any is touched."""
    there = State(alarm["state"])
    rose = severity is not None and worse(severity, Severity(alarm["severity"]))
    here = after(there, Move.ROSE if rose else what, latched=alarm["latched"], by_hand=alarm["by_hand"])
    changes: dict[str, Any] = dict(facts or {})
    if rose:
        changes["severity"] = severity
    if not here.acked:
        changes.update(acked_at=None, acked_by=None)
    elif what is Move.ACK:
        changes.update(acked_at=now, acked_by=actor)
    if here.active:
        changes["cleared_at"] = None
    if here is State.CLOSED:
        changes["closed_at"] = now
        if there.active and what is Move.CLOSE:
            changes["cleared_at"] = now
    changes["state"] = here
    write_change(conn, alarm, changes, now, moved=here is not there or rose)
    journal(conn, alarm["id"], now, actor, action or what.value, there, here, note)
    return here


def write_change(
    conn: Connection, alarm: RowMapping, changes: dict[str, Any], now: datetime, *, moved: bool
) -> int:
    """Update a row under a new `q` and return it; `moved` says that a person should look again."""
    q = _changed(conn, alarm["id"], alarm["site"], alarm["device"], now)
    changes["q"] = q
    if moved:
        changes["moved_q"] = q
    conn.execute(_NUMBER, {**changes, "this": alarm["id"]})
    return q


def journal(
    conn: Connection,
    alarm_id: int,
    at: datetime,
    actor: str,
    action: str,
    there: State,
    here: State,
    note: str,
) -> None:
    """Append one line to an alarm's journal."""
    row = {
        "alarm_id": alarm_id,
        "at": at,
        "actor": actor,
        "action": action,
        "from_state": there,
        "to_state": here,
        "note": note,
    }
    conn.execute(_JOURNAL, row)


def _changed(conn: Connection, alarm_id: int, site: str, device: str, now: datetime) -> int:
    """Number a change of an alarm, and of its device, whose roll-up of open alarms changes with it."""
    q = record_change(conn, "alarms", str(alarm_id), site=site, at=now)
    if device:
        device_q = record_change(conn, "devices", f"{site}/{device}", site=site, at=now)
        conn.execute(_DEVICE, {"this_site": site, "this_device": device, "q": device_q})
    return q
