"""Pictures for an alarm: a guard has its camera's picture fetched, and whoever reads the alarm sees it."""

import asyncio
import hashlib
import json
from datetime import timedelta
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Path
from pydantic import BaseModel, ConfigDict
from sqlalchemy import Connection, RowMapping
from starlette.responses import Response

from messages.tools import ToolRequest
from messages.topics import Address
from server.alarms import pictures
from server.alarms import store as alarm_store
from server.api.alarms import AlarmId, Guard, Reader
from server.api.answers import answers, failures, respond
from server.api.context import Ask, Has, OpId, asked_of, audit, once
from server.api.tools import refused, send
from server.auth.guard import Actor
from server.db.engine import read, write
from server.errors import ApiError
from server.services import Services
from server.tools import store as jobs

router = APIRouter(prefix="/alarms/{alarm_id}", tags=["alarms"])
Number = Annotated[int, Path(ge=1, le=2**31 - 1, description="number of the picture")]
WITHIN: Final = timedelta(seconds=60)

EXAMPLE: dict[str, Any] = {
    "n": 1,
    "of": "now",
    "state": "kept",
    "by": "lee",
    "asked_at": "2026-03-01T12:00:31.000Z",
    "taken_at": "2026-03-01T12:00:31.420Z",
    "bytes": 48213,
    "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "why": "",
}
PENDING = EXAMPLE | {"state": "pending", "taken_at": None, "bytes": None, "sha256": None}


class Wanted(Ask):
    """`now`: as the camera sees it now. `moment`: the picture that the alarm's evidence names."""

    op_id: OpId
    of: Literal["now", "moment"] = "now"

    model_config = ConfigDict(json_schema_extra={"examples": [{"op_id": "5f2c1a9e0b7d4c65", "of": "now"}]})


class Picture(BaseModel):
    """A picture of an alarm. `taken_at` is the gateway's word; a picture of the moment has its time in the evidence."""

    n: int
    of: Literal["now", "moment"]
    state: Literal["pending", "kept", "failed"]
    by: str
    asked_at: str
    taken_at: str | None
    bytes: int | None
    sha256: str | None
    why: str


class OnePicture(BaseModel):
    """A picture that is on its way."""

    snapshot: Picture


class Pictures(BaseModel):
    """All of an alarm, in the order in which they were asked for."""

    snapshots: list[Picture]


@router.post(
    "/snapshot",
    summary="Attach a picture to an alarm",
    responses=answers(OnePicture, {"snapshot": PENDING}, 404, 409),
)
async def take(alarm_id: AlarmId, body: Wanted, actor: Guard, services: Has) -> Response:
    """Have the gateway fetch a picture of the alarm's camera; it is `pending` until it has come.

    An alarm has at most 20, each of at most 300 KiB, all alarms together 256 MiB; each is kept for 90 days. The same
    `op_id` never fetches a second one.
    """
    n, job_id = await asyncio.to_thread(_record, alarm_id, body, actor, services)
    if job_id is not None:
        await send(await asyncio.to_thread(_job, services, job_id), services)
        await asyncio.to_thread(_settle, services, job_id)
    with read(services.engine) as conn:
        found = pictures.by_number(conn, alarm_id, n)
    if found is None:
        raise _gone()
    return respond({"snapshot": found})


@router.get(
    "/snapshots",
    summary="Pictures of an alarm",
    responses=answers(Pictures, {"snapshots": [EXAMPLE]}, 404),
)
def every(alarm_id: AlarmId, _actor: Reader, services: Has) -> Response:
    """Return what is attached, what is on its way, and the last one that failed with its reason."""
    with read(services.engine) as conn:
        if not pictures.alarm_there(conn, alarm_id):
            raise ApiError(404, "not_found", "there is no such alarm", "alarm_id")
        return respond({"snapshots": pictures.of_alarm(conn, alarm_id)})


@router.get(
    "/snapshots/{n}",
    summary="One picture of an alarm",
    response_class=Response,
    responses={
        200: {
            "description": "The picture",
            "content": {
                "image/jpeg": {"example": "(bytes)", "schema": {"type": "string", "format": "binary"}}
            },
        },
        **failures(404),
    },
)
def one(alarm_id: AlarmId, n: Number, _actor: Reader, services: Has) -> Response:
    """Return a kept picture as it came from the camera."""
    with read(services.engine) as conn:
        data = pictures.jpeg(conn, alarm_id, n)
    if data is None:
        raise _gone()
    return Response(data, 200, {"Cache-Control": "no-store"}, media_type="image/jpeg")


def _gone() -> ApiError:
    return ApiError(404, "not_found", "there is no such picture: it has not come, or is kept no longer", "n")


def _job(services: Services, job_id: str) -> RowMapping:
    with read(services.engine) as conn:
        job = jobs.by_id(conn, job_id)
    assert job is not None, "it was written down a moment ago"
    return job


def _settle(services: Services, job_id: str) -> None:
    """Say at once of what no broker took that it has failed."""
    with write(services.engine) as conn:
        pictures.settle(conn, job_id)


def _record(alarm_id: int, body: Wanted, actor: Actor, services: Services) -> tuple[int, str | None]:
    """Write picture and job down once per `op_id`; return the picture's number, and the job if it is to be sent."""
    made: list[str] = []

    def change(conn: Connection) -> tuple[int, dict[str, Any]]:
        alarm, camera, reference = _checked(conn, alarm_id, body)
        key = f"{actor.name}\0alarm {alarm_id}\0{body.op_id}"
        now = services.clock()
        request = ToolRequest(
            id="t" + hashlib.sha256(key.encode()).hexdigest()[:24],
            tool=pictures.TOOL,
            line=camera["line"],
            at=now,
            until=now + WITHIN,
            by=actor.name,
            args={"device": alarm["device"]} | ({"picture": reference} if reference else {}),
        )
        jobs.create(conn, Address(camera["site"], camera["gateway"]), request)
        n = pictures.ask(conn, alarm_id, request.id, reference, by=actor.name, at=now)
        audit(conn, services, actor, "alarm-snapshot", f"alarm {alarm_id} {alarm['key']}", reference or "now")
        made.append(request.id)
        return 200, {"n": n}

    answer = once(services, actor, body.op_id, asked_of(f"snapshot {alarm_id}", body), change)
    return json.loads(bytes(answer.body))["n"], made[0] if made else None


def _checked(conn: Connection, alarm_id: int, body: Wanted) -> tuple[RowMapping, RowMapping, str]:
    """Return the alarm, gateway and line of its camera, and the picture to ask for; refuse what cannot be."""
    alarm = alarm_store.alarm_by_id(conn, alarm_id)
    if alarm is None:
        raise ApiError(404, "not_found", "there is no such alarm", "alarm_id")
    reference = pictures.reference_in(alarm["evidence"])
    camera = pictures.camera_of(conn, alarm)
    if camera is None or (camera["device_class"] != "camera" and not reference):
        raise ApiError(
            422, "no_camera", "the device of this alarm is no camera that is still there", "alarm_id"
        )
    if body.of == "moment" and not reference:
        raise ApiError(
            422, "no_picture", "the evidence of this alarm names no picture: ask for `now`", "body.of"
        )
    if not pictures.room(conn, alarm_id):
        most = pictures.MOST_OF_ALARM
        raise ApiError(409, "enough_pictures", f"this alarm has {most} pictures already", "alarm_id")
    if not pictures.room_in_all(conn):
        most = pictures.MOST_TOTAL >> 20
        text = f"all pictures together may take {most} MiB: there is room when the oldest are 90 days old"
        raise ApiError(409, "enough_pictures", text, "alarm_id")
    try:
        jobs.check_room(conn, camera, pictures.TOOL, camera["line"])
    except jobs.JobRefused as err:
        raise refused(err) from None
    return alarm, camera, reference if body.of == "moment" else ""
