"""The alarm desk: snapshot, history, journal, and what a guard does."""

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Query
from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from sqlalchemy import Connection, select
from sqlalchemy.sql.functions import max as sql_max
from starlette.responses import Response

from messages.types import Severity
from server.alarms import actions, store
from server.alarms.lifecycle import Move, NotAllowed, State
from server.api.answers import answers, instant, respond
from server.api.context import Ask, Has, Note, OpId, asked_of, audit, once
from server.auth.guard import Actor, require
from server.auth.roles import Right
from server.db.engine import read
from server.db.outbox import database_epoch, newest_seq
from server.db.tables_alarms import alarms
from server.errors import ApiError
from server.services import Services
from server.stream import Cursor
from server.views.alarms import alarm_view, journal_of, open_alarms
from server.views.wire import iso

router = APIRouter(prefix="/alarms", tags=["alarms"])
Reader = Annotated[Actor, Depends(require(Right.READ))]
Guard = Annotated[Actor, Depends(require(Right.ALARMS))]
AlarmId = Annotated[int, Path(ge=1, le=2**62, description="id of the alarm")]

EXAMPLE: dict[str, Any] = {
    "id": "17",
    "q": 412,
    "key": "garden-mews|fire-1|zone3",
    "site": "garden-mews",
    "gateway": "gw-a",
    "building": "A",
    "floor": "3",
    "place": "corridor",
    "device": "fire-1",
    "device_name": "Fire panel",
    "part": "",
    "by_hand": False,
    "code": "zone3",
    "class": "fire",
    "severity": "critical",
    "label": "Smoke, zone 3",
    "label_zh": "三区烟感",
    "condition": "active",
    "acked": False,
    "latched": True,
    "state": "new",
    "occurred_at": "2026-03-01T12:00:00.000Z",
    "raised_at": "2026-03-01T12:00:00.310Z",
    "cleared_at": None,
    "acked_at": None,
    "acked_by": None,
    "closed_at": None,
    "count": 1,
    "late": False,
    "test": False,
    "detail": "",
    "evidence": "",
    "suppressed_by": None,
}
JOURNAL_EXAMPLE = {
    "seq": 31,
    "at": "2026-03-01T12:00:00.310Z",
    "actor": "gw-a",
    "action": "raised",
    "from": "closed",
    "to": "new",
    "note": "",
}


class Alarm(BaseModel):
    """One alarm; `q` is the number of its last change: of two copies the one with the higher `q` is true."""

    id: str
    q: int
    key: str
    site: str
    gateway: str
    building: str
    floor: str
    place: str
    device: str
    device_name: str
    part: str
    by_hand: bool
    code: str
    class_: str = Field(alias="class")
    severity: Severity
    label: str
    label_zh: str
    condition: Literal["active", "normal"]
    acked: bool
    latched: bool
    state: State
    occurred_at: str
    raised_at: str
    cleared_at: str | None
    acked_at: str | None
    acked_by: str | None
    closed_at: str | None
    count: int
    late: bool
    test: bool
    detail: str
    evidence: str
    suppressed_by: str | None


class Snapshot(BaseModel):
    """All open alarms and the place in the stream at which they were so."""

    cursor: str
    alarms: list[Alarm]
    last_closed_at: str | None


class History(BaseModel):
    """Alarms by the time they were raised, newest first; `next` goes into `before` for more."""

    alarms: list[Alarm]
    next: str | None


class JournalEntry(BaseModel):
    """One move of one alarm."""

    seq: int
    at: str
    actor: str
    action: str
    from_: str = Field(alias="from")
    to: str
    note: str


class Detail(BaseModel):
    """One alarm with its journal."""

    alarm: Alarm
    journal: list[JournalEntry]


class OneAlarm(BaseModel):
    """One alarm after a change."""

    alarm: Alarm


class Refusal(BaseModel):
    """One alarm that a bulk acknowledgement left alone, and why."""

    id: str
    code: str
    why: str


class BulkAnswer(BaseModel):
    """What became of each."""

    done: list[str]
    refused: list[Refusal]


class Act(Ask):
    """Who asks is known; `q` is what they saw, `op_id` names this press of a button."""

    op_id: OpId
    q: Annotated[int, Field(ge=0, le=2**62)]
    note: Note = ""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"op_id": "5f2c1a9e0b7d4c63", "q": 412, "note": "On my way"}]}
    )


def _is_id(text: str) -> str:
    if not (text.isascii() and text.isdigit() and len(text) <= 19) or not 0 < int(text) <= 2**62:
        raise ValueError("an alarm id is a whole number")
    return text


class BulkAct(Ask):
    """Up to 500 alarms at once; critical and life-safety ones are refused singly."""

    op_id: OpId
    ids: Annotated[
        list[Annotated[str, AfterValidator(_is_id)]], Field(min_length=1, max_length=actions.BULK_MOST)
    ]
    note: Note = ""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"op_id": "5f2c1a9e0b7d4c64", "ids": ["17", "18"], "note": "Power cut, known"}]
        }
    )


@router.get(
    "",
    summary="All open alarms",
    responses=answers(
        Snapshot, {"cursor": "b51c9e-412", "alarms": [EXAMPLE], "last_closed_at": "2026-03-01T11:02:10.004Z"}
    ),
)
def snapshot(
    _actor: Reader, services: Has, open_: Annotated[Literal["1"], Query(alias="open")] = "1"
) -> Response:
    """Return every open alarm with the stream's cursor, both from one transaction."""
    assert open_ == "1"
    with read(services.engine) as conn:
        found = {
            "cursor": str(Cursor(database_epoch(conn), newest_seq(conn))),
            "alarms": open_alarms(conn),
            "last_closed_at": iso(conn.execute(select(sql_max(alarms.c.closed_at))).scalar()),
        }
    return respond(found)


@router.get(
    "/history",
    summary="Alarms of a time span",
    responses=answers(History, {"alarms": [EXAMPLE], "next": "17"}),
)
def history(
    _actor: Reader,
    services: Has,
    from_: Annotated[str | None, Query(alias="from", description="raised at or after, ISO 8601")] = None,
    to: Annotated[str | None, Query(description="raised before, ISO 8601")] = None,
    site: Annotated[str | None, Query(max_length=64)] = None,
    device: Annotated[str | None, Query(max_length=64)] = None,
    class_: Annotated[str | None, Query(alias="class", max_length=40)] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 200,
    before: Annotated[int | None, Query(ge=1, le=2**62)] = None,
) -> Response:
    """Return alarms, open and closed, newest first."""
    since, until = instant(from_, "query.from"), instant(to, "query.to")
    query = select(alarms).order_by(alarms.c.id.desc()).limit(limit + 1)
    if since is not None:
        query = query.where(alarms.c.raised_at >= since)
    if until is not None:
        query = query.where(alarms.c.raised_at < until)
    if before is not None:
        query = query.where(alarms.c.id < before)
    for value, column in ((site, alarms.c.site), (device, alarms.c.device), (class_, alarms.c.alarm_class)):
        if value is not None:
            query = query.where(column == value)
    with read(services.engine) as conn:
        rows = conn.execute(query).mappings().all()
    found = [alarm_view(row) for row in rows[:limit]]
    return respond({"alarms": found, "next": found[-1]["id"] if len(rows) > limit else None})


@router.get(
    "/{alarm_id}",
    summary="One alarm and its journal",
    responses=answers(Detail, {"alarm": EXAMPLE, "journal": [JOURNAL_EXAMPLE]}, 404),
)
def detail(alarm_id: AlarmId, _actor: Reader, services: Has) -> Response:
    """Return an alarm, open or closed, with every move it made."""
    with read(services.engine) as conn:
        row = store.alarm_by_id(conn, alarm_id)
        if row is None:
            raise ApiError(404, "not_found", "there is no such alarm", "alarm_id")
        return respond({"alarm": alarm_view(row), "journal": journal_of(conn, alarm_id)})


@router.post(
    "/ack",
    summary="Acknowledge many alarms",
    responses=answers(
        BulkAnswer,
        {
            "done": ["18"],
            "refused": [
                {"id": "17", "code": "critical", "why": "critical alarms are acknowledged one by one"}
            ],
        },
    ),
)
def acknowledge_many(body: BulkAct, actor: Guard, services: Has) -> Response:
    """Acknowledge those of the given alarms that may be acknowledged in bulk, and say why the others may not."""

    def change(conn: Connection) -> tuple[int, dict[str, Any]]:
        ids = [int(one) for one in body.ids]
        bulk = actions.acknowledge_many(conn, ids, actor=actor.name, note=body.note, now=services.clock())
        done = f"{len(bulk.done)} alarms"
        audit(conn, services, actor, "alarms-ack", done, f"{body.note} [{','.join(map(str, bulk.done))}]")
        refused = [{"id": str(one.alarm_id), "code": one.code, "why": one.why} for one in bulk.refused]
        return 200, {"done": [str(one) for one in bulk.done], "refused": refused}

    return once(services, actor, body.op_id, asked_of("ack-many", body), change)


@router.post(
    "/{alarm_id}/ack",
    summary="Acknowledge an alarm",
    responses=answers(OneAlarm, {"alarm": EXAMPLE | {"state": "acked", "acked": True, "q": 413}}, 404, 409),
)
def acknowledge(alarm_id: AlarmId, body: Act, actor: Guard, services: Has) -> Response:
    """Take an alarm by name. 409 with the alarm as it is when it has moved since `q`."""
    return _act(services, actor, alarm_id, Move.ACK, body)


@router.post(
    "/{alarm_id}/close",
    summary="Close a latched alarm",
    responses=answers(OneAlarm, {"alarm": EXAMPLE | {"state": "closed", "acked": True, "q": 420}}, 404, 409),
)
def close(alarm_id: AlarmId, body: Act, actor: Guard, services: Has) -> Response:
    """Reset an alarm that is back to normal and acknowledged. 409 when it has moved, or may not be closed yet.

    One with `by_hand`, of a device that may never say the end, is closed while it stands, with a note on what was seen.
    """
    return _act(services, actor, alarm_id, Move.CLOSE, body)


def _act(services: Services, actor: Actor, alarm_id: int, what: Move, body: Act) -> Response:
    def change(conn: Connection) -> tuple[int, dict[str, Any]]:
        alarm = store.alarm_by_id(conn, alarm_id)
        if alarm is None:
            raise ApiError(404, "not_found", "there is no such alarm", "alarm_id")
        now: datetime = services.clock()
        try:
            actions.act(conn, alarm, what, q=body.q, actor=actor.name, note=body.note, now=now)
        except actions.Stale as err:
            raise ApiError(409, "stale", str(err), "body.q", more={"alarm": alarm_view(alarm)}) from None
        except NotAllowed as err:
            more = {"alarm": alarm_view(alarm)}
            raise ApiError(409, "not_allowed", str(err), more=more) from None
        audit(conn, services, actor, f"alarm-{what}", f"alarm {alarm_id} {alarm['key']}", body.note)
        row = store.alarm_by_id(conn, alarm_id)
        assert row is not None
        return 200, {"alarm": alarm_view(row)}

    return once(services, actor, body.op_id, asked_of(f"{what} {alarm_id}", body), change)
