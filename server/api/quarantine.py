"""What could not be stored, as it came, with the reason."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel
from sqlalchemy import LargeBinary, func, select
from starlette.responses import Response

from messages.text import printable
from server.api.answers import answers, respond
from server.api.context import Has
from server.auth.guard import Actor, require
from server.auth.roles import Right
from server.db.engine import read
from server.db.tables_delivery import quarantine
from server.views.wire import iso

router = APIRouter(prefix="/quarantine", tags=["quarantine"])
SHOWN = 4000

EXAMPLE: dict[str, Any] = {
    "id": 3,
    "at": "2026-03-01T12:00:00.000Z",
    "site": "garden-mews",
    "gateway": "gw-a",
    "topic": "gatehouse/1/garden-mews/gw-a/up/billing",
    "epoch": "e1f03b",
    "lane": "billing",
    "seq": 1440,
    "index": 2,
    "reason": "Expected `str | bool | null`, got `float` - at `$.values[...]`",
    "payload": '{"type":"sample","device":"m-101","values":{"energy":1.5}}',
    "size": 58,
}


class Row(BaseModel):
    """One item, or with `index` null a whole payload; `payload` is made printable and may be cut."""

    id: int
    at: str
    site: str
    gateway: str
    topic: str
    epoch: str | None
    lane: str | None
    seq: int | None
    index: int | None
    reason: str
    payload: str
    size: int


class Rows(BaseModel):
    """Newest first."""

    rows: list[Row]


@router.get("", summary="What is in quarantine", responses=answers(Rows, {"rows": [EXAMPLE]}))
def rows(
    _actor: Annotated[Actor, Depends(require(Right.QUARANTINE))],
    services: Has,
    gateway: Annotated[str | None, Query(max_length=64)] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> Response:
    """Return what was refused, newest first."""
    # Only what is shown of each: a thousand whole payloads would be half a gigabyte.
    begin = func.substr(quarantine.c.payload, 1, 4 * SHOWN, type_=LargeBinary).label("begin")
    others = [column for column in quarantine.c if column is not quarantine.c.payload]
    query = select(*others, begin).order_by(quarantine.c.id.desc()).limit(limit)
    if gateway is not None:
        query = query.where(quarantine.c.gateway == gateway)
    with read(services.engine) as conn:
        found = [
            {
                "id": row["id"],
                "at": iso(row["at"]),
                "site": row["site"],
                "gateway": row["gateway"],
                "topic": row["topic"],
                "epoch": row["epoch"],
                "lane": row["lane"],
                "seq": row["seq"],
                "index": row["idx"],
                "reason": row["reason"],
                "payload": printable(row["begin"].decode("utf-8", "replace"), SHOWN),
                "size": row["size"],
            }
            for row in conn.execute(query).mappings()
        ]
    return respond({"rows": found})
