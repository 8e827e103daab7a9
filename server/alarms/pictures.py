"""Pictures of cameras beside the alarms for which somebody had them fetched: few, checked, and not for ever."""

import base64
import binascii
import hashlib
import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, Row, RowMapping, delete, func, insert, select, update

from server.db.tables_alarms import alarms
from server.db.tables_devices import devices, gateways, profiles
from server.db.tables_pictures import alarm_pictures
from server.db.tables_tools import tool_jobs, tool_rows
from server.views.wire import iso

TOOL: Final = "snapshot"
MOST_OF_ALARM: Final = 20
MOST_BYTES: Final = 300 * 1024
MOST_TOTAL: Final = 256 << 20
KEEP_FOR: Final = timedelta(days=90)

_ENDED = ("done", "failed", "stopped", "lost")
_REFERENCE = re.compile(r"picture:[A-Za-z0-9._/-]{1,140}(?![A-Za-z0-9._/-])")
_ABOUT = tuple(column for column in alarm_pictures.c if column.name != "jpeg")


class PictureBroken(ValueError):
    """What the gateway sent is no whole picture; the text says why."""


def reference_in(evidence: str) -> str:
    """Return the picture that an alarm's evidence names, empty where it names none."""
    found = _REFERENCE.search(evidence)
    return found[0] if found else ""


def camera_of(conn: Connection, alarm: RowMapping) -> RowMapping | None:
    """Return gateway and line of the device of an alarm, and its class; None where it is not there any more."""
    query = (
        select(gateways, devices.c.line, profiles.c.device_class)
        .join(devices, devices.c.gateway_id == gateways.c.id)
        .join(profiles, devices.c.profile_id == profiles.c.id)
        .where(devices.c.site == alarm["site"], devices.c.device == alarm["device"])
        .where(devices.c.lifecycle != "removed")
    )
    return conn.execute(query).mappings().first()


def room(conn: Connection, alarm_id: int) -> bool:
    """Tell whether an alarm may have one more picture."""
    good = (alarm_pictures.c.alarm_id == alarm_id) & (alarm_pictures.c.state != "failed")
    count = conn.execute(select(func.count()).select_from(alarm_pictures).where(good)).scalar_one()
    return int(count) < MOST_OF_ALARM


def room_in_all(conn: Connection) -> bool:
    """Tell whether one more picture can be kept beside all others and those on their way, however big it is."""
    pending = alarm_pictures.c.state == "pending"
    count = conn.execute(select(func.count()).select_from(alarm_pictures).where(pending)).scalar_one()
    return _kept_bytes(conn) + (int(count) + 1) * MOST_BYTES <= MOST_TOTAL


def ask(conn: Connection, alarm_id: int, job_id: str, reference: str, *, by: str, at: datetime) -> int:
    """Write down that a picture is on its way; return its number. Earlier failures of this alarm are forgotten."""
    mine = alarm_pictures.c.alarm_id == alarm_id
    n = 1 + (conn.execute(select(func.max(alarm_pictures.c.n)).where(mine)).scalar() or 0)
    conn.execute(delete(alarm_pictures).where(mine, alarm_pictures.c.state == "failed"))
    conn.execute(
        insert(alarm_pictures).values(
            alarm_id=alarm_id,
            n=n,
            job_id=job_id,
            reference=reference,
            asked_by=by,
            asked_at=at,
            state="pending",
            why="",
        )
    )
    return n


def settle(conn: Connection, job_id: str) -> None:
    """Keep the picture of a job that has ended, or why there is none; anything else changes nothing.

    A job that was given up for lost may still end well, so a failure is not the last word.
    """
    mine = (alarm_pictures.c.job_id == job_id) & (alarm_pictures.c.state != "kept")
    if conn.execute(select(alarm_pictures.c.id).where(mine)).first() is None:
        return
    job = conn.execute(select(tool_jobs).where(tool_jobs.c.id == job_id)).mappings().first()
    if job is not None and job["state"] not in _ENDED:
        return
    values: dict[str, Any] = {"state": "failed", "why": (job and job["why"]) or "nobody knows how it ended"}
    if job is not None and job["state"] == "done":
        rows = conn.execute(
            select(tool_rows.c.body).where(tool_rows.c.job_id == job_id).order_by(tool_rows.c.n)
        )
        try:
            values = _picture([row.body for row in rows], job["result"])
        except PictureBroken as err:
            values["why"] = str(err)
        conn.execute(delete(tool_rows).where(tool_rows.c.job_id == job_id))  # not kept twice
    # There was room for it when it was asked for; what is late may find that taken.
    if values["state"] == "kept" and _kept_bytes(conn) + values["bytes"] > MOST_TOTAL:
        values = {
            "state": "failed",
            "why": "there is no room for it: all pictures together take what they may",
        }
    conn.execute(update(alarm_pictures).where(mine).values(values))


def settle_ended(conn: Connection) -> int:
    """Settle what is pending though its job has ended or is forgotten; return how many."""
    joined = alarm_pictures.outerjoin(tool_jobs, tool_jobs.c.id == alarm_pictures.c.job_id)
    over = tool_jobs.c.id.is_(None) | tool_jobs.c.state.in_(_ENDED)
    query = select(alarm_pictures.c.job_id).select_from(joined)
    ids = conn.execute(query.where(alarm_pictures.c.state == "pending", over)).scalars().all()
    for job_id in ids:
        settle(conn, job_id)
    return len(ids)


def prune(conn: Connection, now: datetime) -> None:
    """Forget pictures of 90 days ago."""
    conn.execute(delete(alarm_pictures).where(alarm_pictures.c.asked_at < now - KEEP_FOR))


def assemble(rows: Sequence[Mapping[str, Any]], result: object) -> bytes:
    """Return the JPEG that the rows of a job hold, checked against its result; raise `PictureBroken`."""
    if not isinstance(result, Mapping):
        raise PictureBroken("the gateway has not said what the picture is")
    said = result.get("bytes")
    if not isinstance(said, int) or not 0 < said <= MOST_BYTES:
        raise PictureBroken(f"the picture has more than {MOST_BYTES} bytes, or none")
    data = bytearray()
    for place, row in enumerate(rows):
        parts = row.get("jpeg")
        if row.get("part") != place or not isinstance(parts, list):
            raise PictureBroken("a part of the picture is missing")
        for part in parts:
            data += _bytes(part)
            if len(data) > said:
                raise PictureBroken("the picture is longer than the gateway has said")
    if hashlib.sha256(data).hexdigest() != result.get("sha256") or len(data) != said:
        raise PictureBroken("the picture is not the one that the gateway has sent: its digest differs")
    if not data.startswith(b"\xff\xd8\xff"):
        raise PictureBroken("what came is no JPEG picture")
    return bytes(data)


def _bytes(part: object) -> bytes:
    try:
        return base64.b64decode(part if isinstance(part, str) else "?", validate=True)
    except (binascii.Error, ValueError):
        raise PictureBroken("a part of the picture is no base64") from None


def _picture(rows: Sequence[Mapping[str, Any]], result: object) -> dict[str, Any]:
    data = assemble(rows, result)
    taken = result.get("taken") if isinstance(result, Mapping) else None
    return {
        "state": "kept",
        "why": "",
        "jpeg": data,
        "bytes": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
        "taken_at": _instant(taken),
    }


def _instant(text: object) -> datetime | None:
    """Read the gateway's word for when it was taken: unknown where it is none."""
    try:
        at = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
    return at if at is not None and at.tzinfo is not None and 1971 <= at.year <= 2199 else None


def _kept_bytes(conn: Connection) -> int:
    kept = select(func.sum(alarm_pictures.c.bytes)).where(alarm_pictures.c.state == "kept")
    return int(conn.execute(kept).scalar() or 0)


# -- what people see ------------------------------------------------------------------------------------------


def alarm_there(conn: Connection, alarm_id: int) -> bool:
    """Tell whether there is such an alarm."""
    return conn.execute(select(alarms.c.id).where(alarms.c.id == alarm_id)).first() is not None


def of_alarm(conn: Connection, alarm_id: int) -> list[dict[str, Any]]:
    """Return what is attached to an alarm, and what is on its way, in the order of asking."""
    query = select(*_ABOUT).where(alarm_pictures.c.alarm_id == alarm_id).order_by(alarm_pictures.c.n)
    return [_view(row) for row in conn.execute(query)]


def by_number(conn: Connection, alarm_id: int, n: int) -> dict[str, Any] | None:
    """Return one of them."""
    query = select(*_ABOUT).where(alarm_pictures.c.alarm_id == alarm_id, alarm_pictures.c.n == n)
    row = conn.execute(query).first()
    return _view(row) if row is not None else None


def jpeg(conn: Connection, alarm_id: int, n: int) -> bytes | None:
    """Return a kept picture."""
    query = select(alarm_pictures.c.jpeg).where(
        alarm_pictures.c.alarm_id == alarm_id, alarm_pictures.c.n == n
    )
    found: bytes | None = conn.execute(query).scalar()
    return found


def _view(row: Row[Any]) -> dict[str, Any]:
    return {
        "n": row.n,
        "of": "moment" if row.reference else "now",
        "state": row.state,
        "by": row.asked_by,
        "asked_at": iso(row.asked_at),
        "taken_at": iso(row.taken_at),
        "bytes": row.bytes,
        "sha256": row.sha256,
        "why": row.why,
    }
