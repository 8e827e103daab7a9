"""Gateways, and what of theirs has arrived."""

from datetime import datetime
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel
from starlette.responses import Response

from messages.types import ClockState, Lane
from server import delivery
from server.api.answers import answers, respond
from server.api.context import Has, Name, gateway_named
from server.auth.guard import Actor, require
from server.auth.roles import Right
from server.db.engine import read
from server.views.devices import all_gateways
from server.views.wire import iso

router = APIRouter(prefix="/gateways", tags=["gateways"])
Reader = Annotated[Actor, Depends(require(Right.READ))]

EXAMPLE: dict[str, Any] = {
    "q": 402,
    "site": "garden-mews",
    "id": "gw-a",
    "timezone": "Asia/Shanghai",
    "online": True,
    "last_seen_at": "2026-03-01T12:00:00.000Z",
    "since": "2026-03-01T08:00:00.000Z",
    "clock": "synced",
    "config": "sha256:" + "5e" * 32,
    "versions": {"gateway": "0.1.0"},
    "lanes": {
        "alarm": {"first": 12, "next": 12, "bytes": 0, "oldest_at": None},
        "billing": {"first": 1440, "next": 1441, "bytes": 912, "oldest_at": "2026-03-01T11:59:58.120Z"},
    },
    "free_disk": 8_123_456_789,
    "devices": 24,
    "offline": 1,
    "why": "",
}
GAP_EXAMPLE = {
    "first": 300,
    "last": 304,
    "batches": 5,
    "samples": 5000,
    "since": "2026-02-28T01:00:00.000Z",
    "until": "2026-02-28T01:10:00.000Z",
    "reason": "journal full",
    "declared_at": "2026-02-28T01:10:01.000Z",
}
LANE_EXAMPLE = {
    "epoch": "e1f03b",
    "lane": "telemetry",
    "current": True,
    "stored_through": 8812,
    "highest_seen": 8815,
    "missing": [[8813, 8814]],
    "missing_count": 2,
    "more_missing": False,
    "batches": 8808,
    "items": 91_224,
    "quarantined": 0,
    "gaps": [GAP_EXAMPLE],
    "first_at": "2026-02-27T08:00:00.000Z",
    "last_at": "2026-03-01T12:00:00.000Z",
}
RECEIPT_EXAMPLE = {
    "site": "garden-mews",
    "gateway": "gw-a",
    "lanes": [LANE_EXAMPLE],
    "quarantined_payloads": 0,
    "unknown_series": 0,
}


class LaneState(BaseModel):
    """A lane of the gateway's journal: the oldest batch still kept and the next number."""

    first: int
    next: int
    bytes: int = 0
    oldest_at: str | None = None


class Gateway(BaseModel):
    """A gateway as its births and heartbeats tell."""

    q: int
    site: str
    id: str
    timezone: str
    """The zone of its site, as its last birth told; empty before one has."""
    online: bool
    last_seen_at: str | None
    since: str | None
    clock: ClockState | None
    config: str | None
    versions: dict[str, str]
    lanes: dict[str, LaneState]
    free_disk: int | None
    devices: int
    offline: int
    why: str


class Gateways(BaseModel):
    """Every gateway that has ever been heard."""

    gateways: list[Gateway]


class Gap(BaseModel):
    """Numbers that will never come, by the gateway's word or because they are older than this database."""

    first: int
    last: int
    batches: int
    samples: int | None
    since: str | None
    until: str | None
    reason: str
    declared_at: str


class LaneReceipt(BaseModel):
    """One lane of one journal. `missing` is complete unless `more_missing`."""

    epoch: str
    lane: Lane
    current: bool
    stored_through: int
    highest_seen: int
    missing: list[tuple[int, int]]
    missing_count: int
    more_missing: bool
    batches: int
    items: int
    quarantined: int
    gaps: list[Gap]
    first_at: str
    last_at: str


class Receipt(BaseModel):
    """What of a gateway's numbering is stored, missing, refused or declared lost."""

    site: str
    gateway: str
    lanes: list[LaneReceipt]
    quarantined_payloads: int
    unknown_series: int


@router.get("", summary="All gateways", responses=answers(Gateways, {"gateways": [EXAMPLE]}))
def every(_actor: Reader, services: Has) -> Response:
    """Return every gateway."""
    with read(services.engine) as conn:
        return respond({"gateways": all_gateways(conn)})


@router.get("/{gateway}", summary="One gateway", responses=answers(Gateway, EXAMPLE, 404, 409))
def one(
    gateway: Name, _actor: Reader, services: Has, site: Annotated[str | None, Query(max_length=64)] = None
) -> Response:
    """Return one gateway; `site` decides where two sites use one name."""
    with read(services.engine) as conn:
        place = gateway_named(conn, gateway, site)["site"]
        view = next(view for view in all_gateways(conn) if (view["site"], view["id"]) == (place, gateway))
    return respond(view)


@router.get(
    "/{gateway}/delivery", summary="Delivery receipt", responses=answers(Receipt, RECEIPT_EXAMPLE, 404, 409)
)
def receipt(
    gateway: Name, _actor: Reader, services: Has, site: Annotated[str | None, Query(max_length=64)] = None
) -> Response:
    """Tell per journal and lane up to where everything is stored, and what is missing, refused or declared lost."""
    with read(services.engine) as conn:
        found = delivery.receipt(conn, gateway, gateway_named(conn, gateway, site)["site"])
    assert found is not None
    return respond(_with_instants(msgspec.to_builtins(found, builtin_types=(datetime,))))


def _with_instants(thing: Any) -> Any:
    """Give instants the form that they have everywhere else in the API."""
    if isinstance(thing, dict):
        return {name: _with_instants(value) for name, value in thing.items()}
    if isinstance(thing, list | tuple):
        return [_with_instants(value) for value in thing]
    return iso(thing) if isinstance(thing, datetime) else thing
