"""Charge-ready reads."""

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field
from starlette.responses import Response, StreamingResponse

from server.api.answers import answers, instant
from server.api.context import Has
from server.auth.guard import Actor, require
from server.auth.roles import Right, may
from server.errors import ApiError
from server.metering.boundary import Method
from server.metering.feed import Totals, Wanted, rows
from server.metering.period import ReadQuality, ReadState
from server.metering.table import lines
from server.services import Services
from server.views.wire import to_json

router = APIRouter(prefix="/meters", tags=["meters"])

BASIS_EXAMPLE = {
    "at": "2026-02-28T16:00:00.000Z",
    "value": "1200.00",
    "gateway": "gw-a",
    "epoch": "e1f03b",
    "seq": 1440,
    "index": 0,
    "raw": "0001d4c0",
    "clock": "synced",
    "config": "sha256:" + "5e" * 32,
}
START_EXAMPLE = {
    "value": "1200.00",
    "at": "2026-02-28T16:00:00.000Z",
    "method": "exact",
    "why": "",
    "basis": [BASIS_EXAMPLE],
}
EXAMPLE: dict[str, Any] = {
    "site": "garden-mews",
    "building": "A",
    "meter": "MP-A-101",
    "device": "m-101",
    "register": "energy",
    "label": "Active energy",
    "label_zh": "正向有功电能",
    "unit": "kWh",
    "month": "2026-03",
    "reader": "张三",
    "from_at": "2026-02-28T16:00:00.000Z",
    "to_at": "2026-03-31T16:00:00.000Z",
    "start": START_EXAMPLE,
    "end": START_EXAMPLE | {"value": "1263.50", "at": "2026-03-31T16:00:00.000Z"},
    "consumption": "1905.00",
    "multiplier": "30",
    "quality": "exact",
    "state": "ready",
    "why": "",
}
TOTALS_EXAMPLE = {
    "count": 1,
    "consumption": {"kWh": "1905.00"},
    "states": {"missing": 0, "provisional": 0, "held": 0, "ready": 1},
}


class Basis(BaseModel):
    """A stored reading and the item of the batch that brought it; `raw` is the registers as on the wire, `config` the
    hash of the gateway's configuration by which it was read (empty where an older gateway did not tell)."""

    at: str
    value: str | None
    gateway: str
    epoch: str
    seq: int
    index: int
    raw: str | None
    clock: str
    config: str


class BoundaryView(BaseModel):
    """The value of a register at an instant; `value` is null with its reason where it is not known."""

    value: str | None
    at: str
    method: Method
    why: str
    basis: list[Basis]


class ReadRow(BaseModel):
    """One register in one period. `consumption` is the register's difference times `multiplier`, exact."""

    site: str
    building: str
    meter: str
    device: str
    register_: str = Field(alias="register")
    label: str
    label_zh: str
    unit: str
    month: str | None
    reader: str
    from_at: str
    to_at: str
    start: BoundaryView
    end: BoundaryView
    consumption: str | None
    multiplier: str
    quality: ReadQuality
    state: ReadState
    why: str


class FeedTotals(BaseModel):
    """Control totals over the rows of this answer."""

    count: int
    consumption: dict[str, str]
    states: dict[ReadState, int]


class Feed(BaseModel):
    """The rows, and last the totals: an answer without them was cut off on its way."""

    rows: list[ReadRow]
    totals: FeedTotals


_RESPONSES = answers(Feed, {"rows": [EXAMPLE], "totals": TOTALS_EXAMPLE})
_RESPONSES[200]["content"]["text/csv"] = {
    "schema": {"type": "string"},
    "example": "site,building,meter,device,register,…\r\ngarden-mews,A,MP-A-101,m-101,energy,…\r\n",
}


@router.get("/reads", summary="Period reads", responses=_RESPONSES)
def reads(
    actor: Annotated[Actor, Depends(require(Right.READ))],
    services: Has,
    site: Annotated[str | None, Query(max_length=64)] = None,
    building: Annotated[str | None, Query(max_length=200)] = None,
    meter: Annotated[str | None, Query(max_length=200, description="metering point (计量点)")] = None,
    reader: Annotated[str | None, Query(max_length=200, description="who answers for it (抄表员)")] = None,
    month: Annotated[
        str | None,
        Query(
            pattern=r"^(20[0-9]{2})-(0[1-9]|1[0-2])$", description="charge month, YYYY-MM; the current one"
        ),
    ] = None,
    from_: Annotated[str | None, Query(alias="from", description="ISO 8601, with `to`")] = None,
    to: Annotated[str | None, Query(description="ISO 8601, with `from`")] = None,
    format_: Annotated[Literal["json", "csv"], Query(alias="format")] = "json",
) -> Response:
    """Return one row per billed register: its values at both ends of the period, what they rest on, the consumption.

    The month is that of each site's own time zone. CSV needs the right to export (biller, engineer, admin).
    """
    since, until = instant(from_, "query.from"), instant(to, "query.to")
    if (since is None) != (until is None) or (since is not None and month is not None):
        raise ApiError(422, "invalid", "give `month`, or `from` and `to`", "query.month")
    if since is not None and until is not None and since >= until:
        raise ApiError(422, "invalid", "`from` must lie before `to`", "query.from")
    if format_ == "csv" and not may(actor.role, Right.EXPORT):
        raise ApiError(403, "forbidden", f"the role {actor.role} may look at reads but not export them")
    given = {"site": site, "building": building, "meter": meter, "reader": reader, "month": month}
    wanted = Wanted(**{name: value or None for name, value in given.items()}, since=since, until=until)
    if format_ == "csv":
        return _csv(services, wanted, month or "interim")
    headers = {"Cache-Control": "no-store"}
    return StreamingResponse(_json(services, wanted), media_type="application/json", headers=headers)


def _json(services: Services, wanted: Wanted) -> Iterator[bytes]:
    totals = Totals()
    yield b'{"rows":['
    zone = services.settings.timezone
    for row in rows(services.engine, wanted, zone=zone, now=services.clock(), totals=totals):
        yield (b"," if totals.count > 1 else b"") + to_json(row)
    yield b'],"totals":' + to_json(totals.view()) + b"}"


def _csv(services: Services, wanted: Wanted, period: str) -> Response:
    zone = services.settings.timezone
    found = rows(services.engine, wanted, zone=zone, now=services.clock(), totals=Totals())
    headers = {
        "Cache-Control": "no-store",
        "Content-Disposition": f'attachment; filename="reads-{period}.csv"',
    }
    return StreamingResponse(lines(found), media_type="text/csv; charset=utf-8", headers=headers)
