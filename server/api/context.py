"""What every route reaches for: the services, one read or write transaction, and answers given before."""

import hashlib
from collections.abc import Callable
from typing import Annotated, Any

from fastapi import Depends, Request
from pydantic import BaseModel, ConfigDict, StringConstraints
from sqlalchemy import Connection, RowMapping, insert, select
from starlette.responses import Response

from server.api.answers import respond
from server.auth import accounts
from server.auth.guard import Actor, Gate
from server.db.engine import write
from server.db.tables_auth import operations
from server.db.tables_devices import gateways
from server.errors import ApiError
from server.services import Services
from server.views.wire import to_json


def services_of(request: Request) -> Services:
    """Return what the application was built with."""
    services: Services = request.app.state.services
    return services


def gate_of(request: Request) -> Gate:
    """Return the application's gate."""
    gate: Gate = request.app.state.gate
    return gate


Has = Annotated[Services, Depends(services_of)]
AtGate = Annotated[Gate, Depends(gate_of)]
OpId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{8,64}$")]
Note = Annotated[str, StringConstraints(max_length=1000)]
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")]


def gateway_named(conn: Connection, gateway: str, site: str | None) -> RowMapping:
    """Return a gateway by its name: of one site, or the only one of that name; raise 404 or 409."""
    query = select(gateways).where(gateways.c.gateway == gateway)
    if site is not None:
        query = query.where(gateways.c.site == site)
    found = conn.execute(query).mappings().all()
    if not found:
        raise ApiError(404, "not_found", "nothing was ever heard of such a gateway", "gateway")
    if len(found) > 1:
        raise ApiError(
            409, "which_site", "two sites have a gateway of this name: say which with ?site=", "gateway"
        )
    return found[0]


class Ask(BaseModel):
    """Base of every request body: an unknown key or a wrong type is an error."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


def once(
    services: Services,
    actor: Actor,
    op_id: str,
    asked: str,
    change: Callable[[Connection], tuple[int, dict[str, Any]]],
) -> Response:
    """Run `change` in one transaction; the same `op_id` of the same actor gets the same answer again.

    An `ApiError` rolls back and is not remembered: asking again may then succeed.
    """
    digest = hashlib.sha256(asked.encode()).hexdigest()
    with write(services.engine) as conn:
        query = select(operations).where(operations.c.actor == actor.name, operations.c.op_id == op_id)
        before = conn.execute(query).mappings().first()
        if before is not None:
            if before["asked"] != digest:
                raise ApiError(422, "op_id_used", "this op_id was used for something else", "body.op_id")
            return respond(before["answer"], before["status"])
        status, answer = change(conn)
        row = {
            "actor": actor.name,
            "op_id": op_id,
            "asked": digest,
            "status": status,
            "answer": answer,
            "at": services.clock(),
        }
        conn.execute(insert(operations).values(row))
    services.hub.notify()
    return respond(answer, status)


def asked_of(what: str, body: BaseModel) -> str:
    """Return the text by which a repeated request is recognised as the same."""
    return f"{what} {to_json(body.model_dump(mode='json')).decode()}"


def audit(
    conn: Connection, services: Services, actor: Actor, action: str, object_: str, detail: str = ""
) -> None:
    """Write the audit line of a change in its transaction."""
    accounts.note(
        conn,
        at=services.clock(),
        actor=actor.name,
        address=actor.address,
        action=action,
        object_=object_,
        detail=detail,
    )
