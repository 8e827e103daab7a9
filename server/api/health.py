"""Is it well, and what can it do: `/health` for a supervisor, the OpenAPI document for a programmer."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError
from starlette.responses import Response

from server.api.answers import failures, respond
from server.api.context import Has
from server.auth.guard import Actor, require
from server.auth.roles import Right
from server.db.engine import read
from server.db.tables_core import meta

router = APIRouter(tags=["about"])
open_router = APIRouter(tags=["about"])

EXAMPLE = {"status": "ok", "database": "ok", "broker": "ok", "version": "0.1.0"}


class Health(BaseModel):
    """`status` is `ok` only when everything below it is.

    `refused`: the broker is there, and the rules of this server's account let it hear or say nothing.
    """

    status: Literal["ok", "degraded", "down"]
    database: Literal["ok", "down"]
    broker: Literal["ok", "down", "refused"]
    version: str


def _example(example: Any, model: type[BaseModel] | None = None) -> dict[str, Any]:
    found: dict[str, Any] = {"description": "OK", "content": {"application/json": {"example": example}}}
    return found if model is None else found | {"model": model}


@open_router.get(
    "/health",
    summary="Is the server well",
    responses={
        200: _example(EXAMPLE, Health),
        503: _example(EXAMPLE | {"status": "down", "database": "down"}, Health),
    },
)
def health(services: Has) -> Response:
    """Tell whether database and broker answer; 503 without a database. Open to everybody."""
    broker = "down"
    if services.broker_up():
        broker = "refused" if services.broker_refuses() else "ok"
    try:
        with read(services.engine) as conn:
            conn.execute(select(meta.c.value).limit(1)).scalar()
    except SQLAlchemyError:
        status, database = "down", "down"
    else:
        status, database = ("ok" if broker == "ok" else "degraded"), "ok"
    found = {"status": status, "database": database, "broker": broker, "version": services.settings.version}
    return respond(found, 503 if status == "down" else 200)


@router.get(
    "/openapi.json",
    summary="This document",
    responses={200: _example({"openapi": "3.1.0", "info": {"title": "Gatehouse"}}), **failures()},
)
def openapi(request: Request, _actor: Annotated[Actor, Depends(require(Right.READ))]) -> Response:
    """Return the OpenAPI description of every call."""
    return respond(request.app.openapi())
