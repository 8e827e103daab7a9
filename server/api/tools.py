"""The engineer's tools at a gateway: ask for a job, look at it, stop it."""

import asyncio
import hashlib
from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection, RowMapping
from starlette.responses import Response

from messages import certificate
from messages.broker import BrokerLost
from messages.codec import MessageError
from messages.tool_args import LONGEST_S, WITHOUT_LINE, tool_args
from messages.tools import MAX_REQUEST_BYTES, STOP, ToolRequest, check_plain
from messages.topics import Address
from server.api.answers import answers, failures, respond
from server.api.context import Ask, Has, Name, OpId, asked_of, audit, gateway_named, once
from server.auth.guard import Actor, require
from server.auth.roles import Right
from server.db.engine import read, write
from server.errors import ApiError
from server.services import Services
from server.tools import store
from server.tools.store import OPEN, JobRefused
from server.views.wire import to_json

router = APIRouter(prefix="/gateways/{gateway}", tags=["tools"])
Engineer = Annotated[Actor, Depends(require(Right.TOOLS))]
Site = Annotated[str | None, Query(max_length=64, description="decides where two sites use one name")]

JOB: dict[str, Any] = {
    "q": 5120,
    "id": "t5f2c1a9e0b7d4c6312ab",
    "site": "garden-mews",
    "gateway": "gw-a",
    "line": "riser-b",
    "tool": "scan",
    "args": {"units": "1-32", "bauds": [9600, 19200], "parities": ["N", "E"]},
    "by": "wang.li",
    "state": "running",
    "created_at": "2026-03-01T12:00:00.000Z",
    "started_at": "2026-03-01T12:00:00.150Z",
    "until": "2026-03-01T12:20:00.000Z",
    "ended_at": None,
    "progress": {"done": 40, "total": 128, "left_s": 18, "text": "9600 E, unit 8"},
    "rows": 1,
    "dropped": 0,
    "result": None,
    "why": "",
}
ROW: dict[str, Any] = {
    "n": 1,
    "unit": 7,
    "baud": 9600,
    "parity": "N",
    "rtt_ms": 31,
    "profiles": [{"profile": "eastron-sdm630", "score": 96, "why": "12 of 12 points plausible"}],
}
ASKS: Any = [
    {
        "tool": "scan",
        "line": "riser-b",
        "args": {"units": "1-32", "bauds": [9600, 19200]},
        "op_id": "5f2c1a9e0b7d",
    },
    {
        "tool": "read",
        "line": "riser-b",
        "args": {"device": "m-7", "display": "1234.5"},
        "op_id": "5f2c1a9e0b7e",
    },
    {
        "tool": "read",
        "line": "riser-b",
        "args": {"unit": 7, "profile": "eastron-sdm630"},
        "op_id": "5f2c1a9e0b7f",
    },
    {"tool": "trace", "line": "riser-b", "args": {"for_s": 60}, "op_id": "5f2c1a9e0b80"},
]


class Wanted(Ask):
    """Which tool, on which line, told what. The words of `args` are the tool's own; an unknown one is an error."""

    tool: Annotated[str, Field(pattern=r"^[a-z]{2,20}$")]
    line: Name | None = None
    args: dict[str, Any] = {}
    for_s: Annotated[int, Field(ge=5, le=LONGEST_S, description="ends the job at the latest")] = 1200
    op_id: OpId

    model_config = ConfigDict(json_schema_extra={"examples": ASKS})


class Job(BaseModel):
    """A job. `lost`: its time is over and the gateway has not said how it ended."""

    q: int
    id: str
    site: str
    gateway: str
    line: str | None
    tool: str
    args: dict[str, Any]
    by: str
    state: str
    created_at: str
    started_at: str | None
    until: str
    ended_at: str | None
    progress: dict[str, Any] | None
    rows: int
    dropped: int
    result: Any
    why: str


class JobAnswer(BaseModel):
    """One job as it stands."""

    job: Job


class JobAndRows(BaseModel):
    """A job with the rows after `after`; ask again with `next` until it is null."""

    job: Job
    rows: list[dict[str, Any]]
    next: int | None


class Jobs(BaseModel):
    """A gateway's newest jobs."""

    jobs: list[Job]


class LineView(BaseModel):
    """A wire of a gateway."""

    id: str
    endpoint: str
    label: str


class Lines(BaseModel):
    """A gateway's wires, as its latest birth names them."""

    lines: list[LineView]


LINE = {"id": "riser-b", "endpoint": "/dev/serial/by-id/usb-FTDI_1", "label": "Riser B"}


@router.get("/lines", summary="A gateway's lines", responses=answers(Lines, {"lines": [LINE]}, 404, 409))
def lines(gateway: Name, _actor: Engineer, services: Has, site: Site = None) -> Response:
    """Return the wires on which tools can work."""
    with read(services.engine) as conn:
        return respond({"lines": gateway_named(conn, gateway, site)["lines"] or []})


@router.get("/tools", summary="A gateway's jobs", responses=answers(Jobs, {"jobs": [JOB]}, 404, 409))
def every(
    gateway: Name,
    _actor: Engineer,
    services: Has,
    site: Site = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 20,
) -> Response:
    """Return the newest jobs, those at work among them: a page that is opened anew finds them here."""
    with read(services.engine) as conn:
        row = gateway_named(conn, gateway, site)
        found = store.jobs_of(conn, row["site"], row["gateway"], limit)
        return respond({"jobs": [store.view(job) for job in found]})


@router.post("/tools", summary="Start a tool", responses=answers(JobAnswer, {"job": JOB}, 404, 409, 413))
async def start(gateway: Name, body: Wanted, actor: Engineer, services: Has, site: Site = None) -> Response:
    """Send a job to the gateway, where it runs between the polls of its line. Tools only read.

    One job at a time on a line, four at a gateway; those that only look on at a line that listens stand beside others.
    The same `op_id` never starts a second one.
    """
    job, fresh = await asyncio.to_thread(_record, gateway, site, body, actor, services)
    if fresh:
        job = await send(job, services)
    return respond({"job": store.view(job)})


@router.get(
    "/tools/{job_id}",
    summary="One job and its rows",
    responses=answers(JobAndRows, {"job": JOB, "rows": [ROW], "next": None}, 404),
)
def one(
    gateway: Name,
    job_id: Name,
    _actor: Engineer,
    services: Has,
    after: Annotated[int, Query(ge=0, description="rows with a higher number")] = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 500,
) -> Response:
    """Return how a job stands, and what it has found since row `after`."""
    with read(services.engine) as conn:
        job = _job(conn, gateway, job_id)
        rows = store.rows_after(conn, job_id, after, limit)
        following = rows[-1]["n"] if rows and rows[-1]["n"] < job["row_count"] else None
        return respond({"job": store.view(job), "rows": rows, "next": following})


@router.get(
    "/tools/{job_id}/certificate",
    summary="A certificate as a file",
    response_class=Response,
    responses={
        200: {
            "description": "A page to print, or the signed JSON",
            "content": {
                "text/html": {"example": "<!doctype html>…", "schema": {"type": "string"}},
                "application/json": {"example": {"certificate": 1, "pass": True}},
            },
        },
        **failures(404, 409),
    },
)
def certificate_file(
    gateway: Name,
    job_id: Name,
    _actor: Engineer,
    services: Has,
    form: Annotated[str, Query(alias="format", pattern="^(html|json)$")] = "html",
) -> Response:
    """Return what a `certify` found, as a file to keep: printable in English and Chinese, or JSON with its seals."""
    with read(services.engine) as conn:
        job = _job(conn, gateway, job_id)
        rows = store.rows_after(conn, job_id, 0, store.MOST_ROWS)
    head = (job["result"] or {}).get("head") if job["tool"] == "certify" and job["state"] == "done" else None
    if not isinstance(head, dict):
        raise ApiError(409, "no_certificate", "this job has made no certificate", "job_id")
    devices = [{name: value for name, value in row.items() if name != "n"} for row in rows]
    document = {**head, "devices": devices}
    try:
        body = certificate.as_json(document) if form == "json" else certificate.page(document)
    except (KeyError, TypeError, AttributeError):
        raise ApiError(409, "no_certificate", "what the gateway told is no certificate", "job_id") from None
    name = f"certificate-{gateway}-{job['line']}-{job_id}.{form}"
    kind = "application/json" if form == "json" else "text/html; charset=utf-8"
    # As a file and not as a page of ours: what stands in it came from the field.
    headers = {"Cache-Control": "no-store", "Content-Disposition": f'attachment; filename="{name}"'}
    return Response(body, 200, headers, media_type=kind)


@router.delete("/tools/{job_id}", summary="Stop a job", responses=answers(JobAnswer, {"job": JOB}, 404))
async def stop(gateway: Name, job_id: Name, actor: Engineer, services: Has) -> Response:
    """Ask the gateway to stop; what was found until then stays. Stopping a job that has ended changes nothing."""

    def note() -> RowMapping:
        with write(services.engine) as conn:
            job = _job(conn, gateway, job_id)
            moved = store.move(
                conn, job_id, "stopping", services.clock(), since=("pending", "sent", "running")
            )
            if moved:
                audit(conn, services, actor, "tool.stop", f"{job['site']}/{gateway}", job_id)
            return _job(conn, gateway, job_id)

    job = await asyncio.to_thread(note)
    services.hub.notify()
    if job["state"] in OPEN:
        now = services.clock()
        request = ToolRequest(
            id=job_id,
            tool=STOP,
            at=now,
            until=now + timedelta(seconds=60),
            by=actor.name,
            args={"after": job["last_seq"]},
        )  # so that a gateway that knows no such job can end it here
        try:
            await services.publish_tool(Address(job["site"], job["gateway"]), request)
        except BrokerLost:
            raise ApiError(
                503, "no_broker", "no broker takes this now: the job ends by itself, or try again"
            ) from None
    return respond({"job": store.view(job)})


def _job(conn: Connection, gateway: str, job_id: str) -> RowMapping:
    job = store.by_id(conn, job_id)
    if job is None or job["gateway"] != gateway:
        raise ApiError(404, "not_found", "there is no such job at this gateway", "job_id")
    return job


def refused(err: JobRefused) -> ApiError:
    """Return the answer to who asked for a job that cannot be had."""
    status = 404 if err.code in {"not_found", "no_such_line"} else 409
    return ApiError(status, err.code, str(err), "line" if "line" in err.code else "gateway")


def _checked(body: Wanted) -> None:
    try:
        check_plain(body.args, "args")
        tool_args(body.tool, body.args)
    except MessageError as err:
        raise ApiError(422, "invalid", str(err), "body.args") from None
    if len(to_json(body.args)) > MAX_REQUEST_BYTES // 2:
        raise ApiError(413, "too_large", f"args: at most {MAX_REQUEST_BYTES // 2} bytes", "body.args")
    if (body.line is None) != (body.tool in WITHOUT_LINE):
        raise ApiError(422, "invalid", "name the line on which the tool shall work", "body.line")


def _record(
    gateway: str, site: str | None, body: Wanted, actor: Actor, services: Services
) -> tuple[RowMapping, bool]:
    """Write the job once per `op_id`; return it, and whether it is to be sent."""
    _checked(body)
    made: list[str] = []
    job_id = "t" + hashlib.sha256(f"{actor.name}\0{gateway}\0{body.op_id}".encode()).hexdigest()[:24]

    def change(conn: Connection) -> tuple[int, dict[str, Any]]:
        row = gateway_named(conn, gateway, site)
        try:
            store.check_room(conn, row, body.tool, body.line)
        except JobRefused as err:
            raise refused(err) from None
        now = services.clock()
        request = ToolRequest(
            id=job_id,
            tool=body.tool,
            line=body.line,
            at=now,
            until=now + timedelta(seconds=body.for_s),
            by=actor.name,
            args=body.args,
        )
        store.create(conn, Address(row["site"], row["gateway"]), request)
        where = f"{row['site']}/{gateway} {body.line or ''}".rstrip()
        audit(
            conn, services, actor, f"tool.{body.tool}", where, f"{job_id} {to_json(body.args).decode()[:400]}"
        )
        made.append(job_id)
        return 200, {"job": job_id}

    once(services, actor, body.op_id, asked_of(f"tool {gateway}", body), change)
    with read(services.engine) as conn:
        return _job(conn, gateway, job_id), bool(made)


async def send(job: RowMapping, services: Services) -> RowMapping:
    """Publish a job that is written down; what no broker took has failed, and says so."""
    request = ToolRequest(
        id=job["id"],
        tool=job["tool"],
        line=job["line"],
        at=job["created_at"],
        until=job["until"],
        by=job["requested_by"],
        args=job["args"],
    )
    why = ""
    try:
        await services.publish_tool(Address(job["site"], job["gateway"]), request)
    except BrokerLost as err:
        why = f"not sent: {err}"

    def note() -> RowMapping:
        with write(services.engine) as conn:
            store.move(
                conn, job["id"], "failed" if why else "sent", services.clock(), since=("pending",), why=why
            )
            return _job(conn, job["gateway"], job["id"])

    moved = await asyncio.to_thread(note)
    services.hub.notify()
    return moved
