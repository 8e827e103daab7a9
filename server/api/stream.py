"""The live stream over HTTP."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Query
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from server.api.answers import failures
from server.api.context import AtGate, Has
from server.auth.guard import Actor, require
from server.auth.roles import Right, may
from server.errors import ApiError
from server.stream import parse_topics

router = APIRouter(tags=["stream"])
Reader = Annotated[Actor, Depends(require(Right.READ))]

EXAMPLE = """retry: 1500

id: b51c9e-412
event: alarms
data: [{"id":"17","q":412,"state":"new"}]

event: live
data: {}

id: b51c9e-412
event: hb
data: 1772366400000

"""


class EventStream(Response):
    """Sends what an asynchronous generator yields, and closes it however the connection ends."""

    def __init__(self, frames: AsyncGenerator[bytes, None]) -> None:
        super().__init__()
        self._frames = frames

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the stream; leaving a generator to the garbage collector would keep its reader in the hub."""
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        async with aclosing(self._frames) as frames:
            response = StreamingResponse(frames, media_type="text/event-stream", headers=headers)
            await response(scope, receive, send)


@router.get(
    "/stream",
    response_class=Response,
    summary="Changes as they happen",
    responses={
        200: {
            "description": "Events: alarms, devices, gateways, records, tools, configs, values, live, hb, reset, bye",
            "content": {"text/event-stream": {"example": EXAMPLE, "schema": {"type": "string"}}},
        },
        **failures(503),
    },
)
async def stream(
    actor: Reader,
    services: Has,
    gate: AtGate,
    since: Annotated[str, Query(max_length=200, description="cursor of a snapshot or frame")] = "",
    topics: Annotated[
        str,
        Query(
            max_length=20_000,
            description="alarms, devices, records, tools, configs, values:<site>/<device>; by commas",
        ),
    ] = "alarms",
    last_event_id: Annotated[str | None, Header(max_length=200)] = None,
) -> Response:
    """Send the changes after `since` (or `Last-Event-ID`, which wins), then `live`, then each change as it happens."""
    try:
        wanted = parse_topics(topics)
    except ValueError as err:
        raise ApiError(422, "invalid", str(err), "query.topics") from None
    closed = wanted.objects & {"tools", "configs"}
    right = Right.TOOLS if closed else Right.READ
    if not may(actor.role, right):
        raise ApiError(
            403,
            "forbidden",
            f"the topic {min(closed, default='alarms')} needs the right `{right}`",
            "query.topics",
        )
    if services.hub.full_for(actor.name):
        raise ApiError(
            503, "busy", "the server carries as many streams as it can for you", headers={"Retry-After": "10"}
        )

    async def allowed() -> bool:
        return await asyncio.to_thread(gate.still_allowed, actor, right)

    return EventStream(services.hub.stream(last_event_id or since, wanted, allowed, whose=actor.name))
