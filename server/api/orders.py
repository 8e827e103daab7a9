"""Commands to devices."""

import asyncio
import hashlib
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from sqlalchemy import Connection, RowMapping
from starlette.responses import Response

from messages.broker import BrokerLost
from messages.text import printable
from messages.topics import Address
from messages.types import Command
from server import commands
from server.api.answers import answers, respond
from server.api.context import Ask, Has, Name, OpId, asked_of, audit, once
from server.auth.guard import Actor, require
from server.auth.roles import Right, may
from server.db.engine import read, write
from server.errors import ApiError
from server.services import Services
from server.views.wire import iso

router = APIRouter(prefix="/commands", tags=["commands"])
Reader = Annotated[Actor, Depends(require(Right.READ))]
Orderer = Annotated[Actor, Depends(require(Right.RELEASE))]

EXAMPLE: dict[str, Any] = {
    "id": "c5f2c1a9e0b7d4c6312ab",
    "site": "garden-mews",
    "gateway": "gw-a",
    "device": "door-1",
    "action": "release",
    "args": {},
    "reason": "Visitor at the gate, identified",
    "requested_by": "wang.li",
    "state": "sent",
    "created_at": "2026-03-01T12:00:00.000Z",
    "sent_at": "2026-03-01T12:00:00.020Z",
    "until": "2026-03-01T12:00:15.000Z",
    "answer_by": "2026-03-01T12:00:15.000Z",
    "ended_at": None,
    "detail": "",
    "read_back": None,
}


class Order(Ask):
    """What to do, where, and why. `args` are the action's own; the device's profile names its actions."""

    site: Name
    device: Name
    action: Name
    args: Annotated[dict[Name, Annotated[str, StringConstraints(max_length=200)]], Field(max_length=20)] = {}
    # Two: 访客 and 巡检 are whole reasons.
    reason: Annotated[str, StringConstraints(strip_whitespace=True, min_length=2, max_length=500)]
    op_id: OpId

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "site": "garden-mews",
                    "device": "door-1",
                    "action": "release",
                    "args": {},
                    "reason": "Visitor at the gate, identified",
                    "op_id": "5f2c1a9e0b7d4c65",
                }
            ]
        }
    )


class CommandView(BaseModel):
    """A command. `expired-unknown`: its time is over, and the gateway has not said what became of it.

    `until` is when it must have begun, `answer_by` when its end is due: later where the device takes its time.
    """

    id: str
    site: str
    gateway: str
    device: str
    action: str
    args: dict[str, str]
    reason: str
    requested_by: str
    state: str
    created_at: str
    sent_at: str | None
    until: str
    answer_by: str | None
    ended_at: str | None
    detail: str
    read_back: dict[str, str | bool | None] | None


class CommandAnswer(BaseModel):
    """One command as it stands."""

    command: CommandView


def view(row: RowMapping) -> dict[str, Any]:
    """Return a command row as the contract shows it."""
    instants = ("created_at", "sent_at", "until", "answer_by", "ended_at")
    plain = ("id", "site", "gateway", "device", "action", "args", "reason", "requested_by", "state", "detail")
    back = {point: {"true": True, "false": False}.get(v, v) for point, v in (row["read_back"] or {}).items()}
    return (
        {name: row[name] for name in plain}
        | {name: iso(row[name]) for name in instants}
        | {"read_back": back if row["read_back"] is not None else None}
    )


@router.post("", summary="Order a command", responses=answers(CommandAnswer, {"command": EXAMPLE}, 404, 409))
async def order(body: Order, actor: Orderer, services: Has) -> Response:
    """Record a command and send it once. It expires by itself; the same `op_id` never sends a second one.

    A guard may release doors; every other action needs an engineer. Fire equipment takes no commands at all.
    """
    row = await asyncio.to_thread(_record, body, actor, services)
    if row["state"] == "pending":
        await _send(row, services)
        row = await asyncio.to_thread(_load, services, row["id"])
    return respond({"command": view(row)})


@router.get(
    "/{command_id}", summary="One command", responses=answers(CommandAnswer, {"command": EXAMPLE}, 404)
)
def one(command_id: Name, _actor: Reader, services: Has) -> Response:
    """Return a command and how it ended."""
    return respond({"command": view(_load(services, command_id))})


def _load(services: Services, command_id: str) -> RowMapping:
    with read(services.engine) as conn:
        row = commands.by_id(conn, command_id)
    if row is None:
        raise ApiError(404, "not_found", "there is no such command", "command_id")
    return row


def _id_of(actor: Actor, op_id: str) -> str:
    """Derive the id from who pressed which button once: pressing it again is the same command."""
    return "c" + hashlib.sha256(f"{actor.name}\0{op_id}".encode()).hexdigest()[:24]


def _record(body: Order, actor: Actor, services: Services) -> RowMapping:
    """Write the command, once per `op_id`, and return it as it stands now."""
    command_id = _id_of(actor, body.op_id)

    def change(conn: Connection) -> tuple[int, dict[str, Any]]:
        try:
            target = commands.prepare(conn, body.site, body.device, body.action)
        except commands.CommandRefused as err:
            status = 404 if err.code.startswith("no_such") else 409
            raise ApiError(status, err.code, str(err), "body") from None
        releasing = body.action == commands.DOOR_RELEASE and target["device_class"] == "access"
        if not releasing and not may(actor.role, Right.COMMANDS):
            raise ApiError(403, "forbidden", "a guard may release doors; other commands need an engineer")
        reason = printable(body.reason, 500)
        commands.record(
            conn,
            command_id,
            target,
            site=body.site,
            args=body.args,
            reason=reason,
            by=actor.name,
            now=services.clock(),
        )
        what = f"{body.site}/{body.device} {body.action}"
        audit(conn, services, actor, "command", what, f"{command_id} {reason}")
        return 200, {"command": command_id}

    once(services, actor, body.op_id, asked_of("command", body), change)
    return _load(services, command_id)


async def _send(row: RowMapping, services: Services) -> None:
    """Publish a recorded command; what no broker took has failed, and says so."""
    command = Command(
        id=row["id"],
        device=row["device"],
        action=row["action"],
        by=row["requested_by"],
        until=row["until"],
        args=row["args"],
    )
    try:
        await services.publish_command(Address(row["site"], row["gateway"]), command)
    except BrokerLost as err:
        await asyncio.to_thread(_mark, services, row["id"], str(err))
    else:
        await asyncio.to_thread(_mark, services, row["id"], None)


def _mark(services: Services, command_id: str, why: str | None) -> None:
    with write(services.engine) as conn:
        if why is None:
            commands.mark_sent(conn, command_id, services.clock())
        else:
            commands.mark_failed(conn, command_id, services.clock(), f"not sent: {why}")
