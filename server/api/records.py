"""What happened and is no alarm: doors that were opened by who may, cards, cars in and out."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field
from sqlalchemy import select
from starlette.responses import Response

from server.api.answers import answers, instant, respond
from server.api.context import Has, Name
from server.auth.guard import Actor, require
from server.auth.roles import Right
from server.db.engine import read
from server.db.tables_devices import devices
from server.errors import ApiError
from server.services import Services
from server.views.records import Before, page_of_records

router = APIRouter(tags=["records"])
Reader = Annotated[Actor, Depends(require(Right.READ))]
From = Annotated[str | None, Query(alias="from", description="seen by the gateway at or after, ISO 8601")]
To = Annotated[str | None, Query(description="seen by the gateway before, ISO 8601")]
Code = Annotated[str | None, Query(max_length=64, description="the code of the device's profile")]
Limit = Annotated[int, Query(ge=1, le=1000)]
Earlier = Annotated[str | None, Query(max_length=40, description="`next` of the answer before")]
Word = Annotated[str | None, Query(max_length=64)]

EXAMPLE: dict[str, Any] = {
    "id": "88",
    "site": "garden-mews",
    "gateway": "gw-a",
    "device": "door-1",
    "device_name": "Main door",
    "building": "A",
    "floor": "G",
    "place": "entrance",
    "code": "granted",
    "class": "access_card",
    "label": "Door opened",
    "label_zh": "刷卡开门",
    "part": "",
    "number": "40211",
    "detail": "card 0012345678",
    "evidence": "",
    "at": "2026-03-01T12:00:00.000Z",
    "seen_at": "2026-03-01T12:00:00.120Z",
    "stored_at": "2026-03-01T12:00:00.310Z",
    "late": False,
}


class Record(BaseModel):
    """One record: `at` by the device's own clock where it told it, `seen_at` by its gateway's; it never changes."""

    id: str
    site: str
    gateway: str
    device: str
    device_name: str
    building: str
    floor: str
    place: str
    code: str
    class_: str = Field(alias="class")
    label: str
    label_zh: str
    part: str
    number: str
    detail: str
    evidence: str
    at: str | None
    seen_at: str
    stored_at: str
    late: bool


class Records(BaseModel):
    """Records by the time they were seen, newest first; `next` goes into `before` for more."""

    records: list[Record]
    next: str | None


_ANSWER = {"records": [EXAMPLE], "next": "1772366400120-88"}


@router.get("/records", summary="Records of all devices", responses=answers(Records, _ANSWER))
def of_all(
    _actor: Reader,
    services: Has,
    from_: From = None,
    to: To = None,
    site: Word = None,
    building: Annotated[str | None, Query(max_length=200)] = None,
    device: Word = None,
    class_: Annotated[str | None, Query(alias="class", max_length=40)] = None,
    code: Code = None,
    limit: Limit = 200,
    before: Earlier = None,
) -> Response:
    """Return records, newest first."""
    equal = {"site": site, "building": building, "device": device, "alarm_class": class_, "code": code}
    return _page(services, equal, instant(from_, "query.from"), instant(to, "query.to"), before, limit)


@router.get(
    "/devices/{site}/{device}/records",
    summary="Records of a device",
    responses=answers(Records, _ANSWER, 404),
)
def of_device(
    site: Name,
    device: Name,
    _actor: Reader,
    services: Has,
    from_: From = None,
    to: To = None,
    code: Code = None,
    limit: Limit = 200,
    before: Earlier = None,
) -> Response:
    """Return what a device said that is no alarm, newest first; of a removed device too."""
    with read(services.engine) as conn:
        known = select(devices.c.id).where(devices.c.site == site, devices.c.device == device)
        if conn.execute(known).first() is None:
            raise ApiError(404, "not_found", "there is no such device", "device")
    equal = {"site": site, "device": device, "code": code}
    return _page(services, equal, instant(from_, "query.from"), instant(to, "query.to"), before, limit)


def _page(
    services: Services,
    equal: dict[str, str | None],
    since: datetime | None,
    until: datetime | None,
    before: str | None,
    limit: int,
) -> Response:
    try:
        earlier = None if before is None else Before.parse(before)
    except ValueError as err:
        raise ApiError(422, "invalid", str(err), "query.before") from None
    with read(services.engine) as conn:
        return respond(page_of_records(conn, equal, since, until, earlier, limit))
