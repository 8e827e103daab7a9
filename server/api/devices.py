"""The device archive: the tree, one device with its points, and the history of a point."""

from datetime import timedelta
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field
from sqlalchemy import select
from starlette.responses import Response

from messages.types import ClockState, Quality, Severity
from server.api.answers import answers, instant, respond
from server.api.context import Has, Name
from server.api.gateways import EXAMPLE as GATEWAY_EXAMPLE
from server.api.gateways import Gateway
from server.auth.guard import Actor, require
from server.auth.roles import Right
from server.db.engine import read
from server.db.outbox import database_epoch, newest_seq
from server.db.tables_devices import devices
from server.errors import ApiError
from server.stream import Cursor
from server.views.devices import all_devices, all_gateways, devices_by_id, points_of, states_of
from server.views.history import TooMuch, history_of

router = APIRouter(prefix="/devices", tags=["devices"])
Reader = Annotated[Actor, Depends(require(Right.READ))]

HISTORY_SPAN = timedelta(hours=24)
LONGEST_SPAN = timedelta(days=400)

EXAMPLE: dict[str, Any] = {
    "q": 410,
    "site": "garden-mews",
    "id": "m-101",
    "gateway": "gw-a",
    "line": "riser-a",
    "unit": 1,
    "address": "",
    "speaks": False,
    "heard_within_s": None,
    "name": "Flat 101",
    "class": "meter",
    "vendor": "Eastron",
    "model": "SDM630",
    "building": "A",
    "floor": "1",
    "place": "riser",
    "conn": "online",
    "lifecycle": "active",
    "last_seen_at": "2026-03-01T12:00:00.000Z",
    "silent_since": None,
    "open_alarms": 0,
    "worst": None,
    "meter": {
        "metering_point": "MP-A-101",
        "multiplier": "30",
        "reader": "张三",
        "serial": "SN123",
        "rated_per_h": {"energy": "13.2"},
    },
    "actions": [],
}
POINT_EXAMPLE = {
    "id": "energy",
    "label": "Active energy",
    "label_zh": "正向有功电能",
    "unit": "kWh",
    "kind": "register",
    "billing": True,
    "period_s": 60.0,
    "value": "1234.56",
    "quality": "good",
    "at": "2026-03-01T12:00:00.000Z",
    "age_s": 7,
    "clock": "synced",
}
STATE_EXAMPLE = {
    "at": "2026-03-01T08:00:00.000Z",
    "field": "conn",
    "old": "unknown",
    "new": "online",
    "cause": "sample",
}


class Meter(BaseModel):
    """How a meter is installed."""

    metering_point: str
    multiplier: str
    reader: str
    serial: str
    rated_per_h: dict[str, str]


class Action(BaseModel):
    """A command that the device's profile offers."""

    id: str
    label: str
    label_zh: str


class Device(BaseModel):
    """A device of the archive, its connection and the roll-up of its open alarms."""

    q: int
    site: str
    id: str
    gateway: str
    line: str
    unit: int | None
    address: str
    speaks: bool
    heard_within_s: int | None
    name: str
    class_: str = Field(alias="class")
    vendor: str
    model: str
    building: str
    floor: str
    place: str
    conn: Literal["unknown", "online", "offline", "unreachable"]
    lifecycle: str
    last_seen_at: str | None
    silent_since: str | None
    open_alarms: int
    worst: Severity | None
    meter: Meter | None
    actions: list[Action]


class Point(BaseModel):
    """A point and its newest value; a value that is not known is null, with its quality."""

    id: str
    label: str
    label_zh: str
    unit: str
    kind: str
    billing: bool
    period_s: float
    value: str | bool | None
    quality: Quality | None
    at: str | None
    age_s: int | None
    clock: ClockState | None


class DeviceState(BaseModel):
    """One change in a device's history."""

    at: str
    field: str
    old: str
    new: str
    cause: str


class Tree(BaseModel):
    """Every gateway and device, and the place in the stream at which they were so."""

    cursor: str
    gateways: list[Gateway]
    devices: list[Device]


class DeviceDetail(BaseModel):
    """One device, its points and what happened to it."""

    device: Device
    points: list[Point]
    states: list[DeviceState]


class PointHistory(BaseModel):
    """`[time in ms, value, quality]` in order of time; `thinned` when only some of the rows are shown."""

    point: str
    unit: str
    rows: list[tuple[int, str | bool | None, str]]
    thinned: bool


@router.get(
    "",
    summary="All gateways and devices",
    responses=answers(Tree, {"cursor": "b51c9e-412", "gateways": [GATEWAY_EXAMPLE], "devices": [EXAMPLE]}),
)
def tree(_actor: Reader, services: Has) -> Response:
    """Return the archive with the stream's cursor, from one transaction."""
    with read(services.engine) as conn:
        found = {
            "cursor": str(Cursor(database_epoch(conn), newest_seq(conn))),
            "gateways": all_gateways(conn),
            "devices": all_devices(conn),
        }
    return respond(found)


@router.get(
    "/{site}/{device}",
    summary="One device",
    responses=answers(
        DeviceDetail, {"device": EXAMPLE, "points": [POINT_EXAMPLE], "states": [STATE_EXAMPLE]}, 404
    ),
)
def one(site: Name, device: Name, _actor: Reader, services: Has) -> Response:
    """Return a device with its points, their newest values and its history of states."""
    with read(services.engine) as conn:
        view = devices_by_id(conn, [f"{site}/{device}"]).get(f"{site}/{device}")
        if view is None:
            raise _no_device()
        row_id = conn.execute(
            select(devices.c.id).where(devices.c.site == site, devices.c.device == device)
        ).scalar_one()
        found = {
            "device": view,
            "points": points_of(conn, site, device, services.clock()),
            "states": states_of(conn, row_id),
        }
    return respond(found)


@router.get(
    "/{site}/{device}/history",
    summary="History of a point",
    responses=answers(
        PointHistory,
        {"point": "energy", "unit": "kWh", "rows": [[1772366400000, "1234.56", "good"]], "thinned": False},
        404,
    ),
)
def history(
    site: Name,
    device: Name,
    _actor: Reader,
    services: Has,
    point: Annotated[str, Query(min_length=1, max_length=64)],
    from_: Annotated[str | None, Query(alias="from", description="ISO 8601; a day before `to`")] = None,
    to: Annotated[str | None, Query(description="ISO 8601; now")] = None,
    limit: Annotated[int, Query(ge=2, le=20_000)] = 2000,
) -> Response:
    """Return stored samples of `[from, to)`. With more than `limit` of them, each slice of time keeps its first,
    lowest, highest and last value and one that is not good, so that no peak and no hole is lost.
    """
    until = instant(to, "query.to") or services.clock()
    since = instant(from_, "query.from") or until - HISTORY_SPAN
    if since >= until:
        raise ApiError(422, "invalid", "`from` must lie before `to`", "query.from")
    if until - since > LONGEST_SPAN:
        raise ApiError(422, "invalid", f"at most {LONGEST_SPAN.days} days at a time", "query.from")
    with read(services.engine) as conn:
        try:
            found = history_of(conn, site, device, point, since, until, limit)
        except TooMuch as err:
            raise ApiError(422, "too_much", str(err), "query.from") from None
    if found is None:
        raise ApiError(404, "not_found", "this device has no such point", "query.point")
    return respond(found)


def _no_device() -> ApiError:
    return ApiError(404, "not_found", "there is no such device", "device")
