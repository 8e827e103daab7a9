"""Puts the HTTP side together."""

import asyncio
import logging
from datetime import timedelta
from functools import partial
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.routing import iter_route_contexts
from sqlalchemy.exc import OperationalError
from starlette.middleware.gzip import GZipMiddleware

from messages.text import printable
from server import commands
from server.alarms import hand_over, pictures, release_suppressed
from server.api import (
    alarm_pictures,
    alarms,
    configs,
    devices,
    gateways,
    health,
    meters,
    orders,
    pages,
    quarantine,
    records,
    session,
    stream,
    tools,
    users,
)
from server.api.middleware import BodyCap, SecurityHeaders
from server.auth import accounts
from server.auth.guard import Gate
from server.db.engine import write
from server.errors import install
from server.retention import prune
from server.services import Services
from server.tools import store as jobs

log = logging.getLogger(__name__)

SWEEP_S = 2.0
PRUNE_EVERY = 300  # sweeps

_ABOUT = """Everything that the pages show, for machines.

Send `Authorization: Bearer <token>`; an admin makes tokens with `POST /api/v1/tokens` or `gatehouse-server token add`.
Times are ISO 8601 in UTC with milliseconds, numbers of registers are decimal strings, unknown is null and never 0.
"""


def create_app(services: Services) -> FastAPI:
    """Return the ASGI application; `background(services)` must run beside it."""
    app = FastAPI(
        title="Gatehouse",
        version=services.settings.version,
        description=_ABOUT,
        openapi_url=None,  # served by `health`, to those who may come in
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        separate_input_output_schemas=False,
    )
    app.state.services = services
    app.state.gate = Gate(services)
    install(app)
    api = APIRouter(prefix="/api/v1")
    for part in (
        session,
        alarms,
        alarm_pictures,
        stream,
        devices,
        gateways,
        tools,
        configs,
        orders,
        quarantine,
        records,
        meters,
        users,
        health,
    ):
        api.include_router(part.router)
    app.include_router(api)
    app.include_router(health.open_router)
    pages.mount(app, services.settings.static_dir)
    # The last one added is the first to see a request.
    app.add_middleware(GZipMiddleware, minimum_size=1000, compresslevel=5)
    app.add_middleware(BodyCap)
    app.add_middleware(SecurityHeaders, https=services.settings.https)
    app.openapi = partial(described, app)  # type: ignore[method-assign]
    return app


def described(app: FastAPI) -> dict[str, Any]:
    """Return the OpenAPI document, with the nulls of the examples that FastAPI leaves out put back."""
    if app.openapi_schema is None:
        found = FastAPI.openapi(app)
        for route in iter_route_contexts(app.routes):
            for method in route.methods or ():
                call = found["paths"].get(route.path, {}).get(method.lower(), {})
                for status, answer in getattr(route, "responses", {}).items():
                    for media, content in answer.get("content", {}).items():
                        call["responses"][str(status)]["content"][media]["example"] = content["example"]
    return app.openapi_schema or {}


async def background(services: Services) -> None:
    """Run what the HTTP side needs beside it, until cancelled: the stream's hub and the sweeps."""
    async with asyncio.TaskGroup() as group:
        group.create_task(services.hub.run(), name="stream-hub")
        group.create_task(_sweep_for_ever(services), name="sweeps")


async def _sweep_for_ever(services: Services) -> None:
    turn, failing = 0, False
    while True:
        try:
            if await asyncio.to_thread(sweep, services, thorough=turn % PRUNE_EVERY == 0):
                services.hub.notify()
        except OperationalError as err:
            if not failing:
                log.warning("the sweeps wait for the database: %s", printable(str(err.orig)))
            failing = True
        else:
            failing = False
            turn += 1
        await asyncio.sleep(SWEEP_S)


def sweep(services: Services, *, thorough: bool) -> int:
    """End commands whose time is over and call out alarms that need no longer be hidden; return how many."""
    now = services.clock()
    with write(services.engine) as conn:
        changed = commands.expire(conn, now) + jobs.expire(conn, now)
        changed += release_suppressed(conn, now) + hand_over(conn, now)
        pictures.settle_ended(conn)
        if thorough:
            accounts.drop_idle_sessions(conn, now, timedelta(hours=services.settings.session_idle_h))
            prune(conn, now)
    return changed
