"""Jobs in the database: made before they are sent, moved on by what the gateway says, and never left looking alive."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, RowMapping, delete, func, insert, select, update

from messages.text import printable
from messages.tool_room import AtWork, in_the_way, too_many
from messages.tools import MAX_WORD, SaidKind, ToolRequest, ToolSaid
from messages.topics import Address
from server.db.outbox import record_change
from server.db.tables_devices import devices
from server.db.tables_tools import tool_jobs, tool_rows
from server.views.wire import iso

OPEN = ("pending", "sent", "running", "stopping")
MOST_ROWS = 5000  # kept of one job; the newest
KEEP_JOBS = 200  # of one gateway
KEEP_FOR = timedelta(days=90)
GRACE = timedelta(seconds=15)  # the last words of a job need a while to arrive
LONGEST_TEXT = MAX_WORD

_STATES = {SaidKind.DONE: "done", SaidKind.FAILED: "failed", SaidKind.STOPPED: "stopped"}


class JobRefused(ValueError):
    """This job cannot be had; `code` is stable, the text tells a person why."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def check_room(conn: Connection, gateway: RowMapping, tool: str, line: str | None) -> None:
    """Raise `JobRefused` where the gateway cannot take this job now."""
    if not gateway["online"]:
        raise JobRefused(
            "gateway_offline", "this gateway is offline: wait until it is back, or look at its uplink"
        )
    known = [one["id"] for one in gateway["lines"] or []]
    if line is not None and line not in known:
        raise JobRefused(
            "no_such_line", f"this gateway has no such line; it has {', '.join(known) or 'none'}"
        )
    open_ones = (
        select(tool_jobs.c.line, tool_jobs.c.requested_by, tool_jobs.c.tool)
        .where(tool_jobs.c.site == gateway["site"], tool_jobs.c.gateway == gateway["gateway"])
        .where(tool_jobs.c.state.in_(OPEN))
    )
    busy = conn.execute(open_ones).all()
    others = [AtWork(other.tool, other.line) for other in busy]
    held = in_the_way(AtWork(tool, line), others, listens=_listens(conn, gateway, line))
    if held is not None:
        who = printable(busy[held].requested_by, 60)
        raise JobRefused(
            "line_busy", f"{who} has a {busy[held].tool} on this line: stop it, or wait until it ends"
        )
    if many := too_many(tool, others):
        raise JobRefused("gateway_busy", f"{many} at this gateway: stop one, or wait")


def _listens(conn: Connection, gateway: RowMapping, line: str | None) -> bool:
    """Tell whether the devices of a line speak unasked: a gateway says so of devices, not of lines."""
    speaks = select(devices.c.id).where(
        devices.c.gateway_id == gateway["id"],
        devices.c.line == line,
        devices.c.speaks,
        devices.c.lifecycle != "removed",
    )
    return conn.execute(speaks.limit(1)).first() is not None


def create(conn: Connection, address: Address, request: ToolRequest) -> None:
    """Write a job down as `pending`."""
    q = record_change(conn, "tools", request.id, site=address.site, at=request.at)
    conn.execute(
        insert(tool_jobs).values(
            id=request.id,
            q=q,
            site=address.site,
            gateway=address.gateway,
            line=request.line,
            tool=request.tool,
            args=dict(request.args),
            requested_by=request.by,
            state="pending",
            created_at=request.at,
            until=request.until,
            last_seq=0,
            row_count=0,
            dropped=0,
            why="",
        )
    )


def move(
    conn: Connection, job_id: str, state: str, now: datetime, *, since: Collection[str], why: str = ""
) -> bool:
    """Move a job on if it is in one of `since`; return whether it was."""
    ended = {} if state in OPEN else {"ended_at": now, "why": printable(why, LONGEST_TEXT)}
    return _change(conn, job_id, now, {"state": state, **ended}, since)


def hear(conn: Connection, address: Address, said: ToolSaid, now: datetime) -> int | None:
    """Take a message of a job. Return None where all is well, else the number after which the rest is missing.

    What was heard before, is of another gateway's job or of one that has ended changes nothing. One that failed
    here has not ended: a connection may be lost after the broker took the request.
    """
    job = by_id(conn, said.id)
    if job is None or (job["site"], job["gateway"]) != tuple(address) or said.seq <= job["last_seq"]:
        return None
    unsent = job["state"] == "failed" and job["last_seq"] == 0
    if job["state"] not in (*OPEN, "lost") and not unsent:
        return None
    if said.seq > job["last_seq"] + 1:
        return int(job["last_seq"])
    values: dict[str, Any] = {"last_seq": said.seq}
    body = clean(said.body)
    if said.kind is SaidKind.ROW:
        values |= _add_rows(conn, job, body)
    elif said.kind is SaidKind.PROGRESS:
        values["progress"] = body
    else:
        values |= {
            "state": _STATES[said.kind],
            "ended_at": now,
            "why": str(body.get("why", "")),
            "result": body.get("result"),
        }
    if said.kind not in _STATES and (unsent or job["state"] in {"pending", "sent"}):
        values |= {"state": "running", "started_at": now, "ended_at": None, "why": ""}
    elif job["started_at"] is None:
        values["started_at"] = now
    _change(conn, said.id, now, values, (job["state"],))
    return None


def _add_rows(conn: Connection, job: RowMapping, body: Mapping[str, Any]) -> dict[str, Any]:
    given = body.get("rows")
    rows = [row for row in given if isinstance(row, dict)] if isinstance(given, list) else []
    dropped = body.get("dropped")
    count = job["row_count"]
    if rows:
        made = [{"job_id": job["id"], "n": count + place, "body": row} for place, row in enumerate(rows, 1)]
        conn.execute(insert(tool_rows), made)
    count += len(rows)
    old = (tool_rows.c.job_id == job["id"]) & (tool_rows.c.n <= count - MOST_ROWS)
    gone = conn.execute(delete(tool_rows).where(old)).rowcount if count > MOST_ROWS else 0
    lost = dropped if isinstance(dropped, int) and 0 <= dropped < 2**31 else 0
    return {"row_count": count, "dropped": job["dropped"] + gone + lost}


def _change(
    conn: Connection, job_id: str, now: datetime, values: Mapping[str, Any], since: Collection[str]
) -> bool:
    mine = (tool_jobs.c.id == job_id) & tool_jobs.c.state.in_(since)
    site = conn.execute(select(tool_jobs.c.site).where(mine)).scalar()
    if site is None:
        return False
    q = record_change(conn, "tools", job_id, site=site, at=now)
    conn.execute(update(tool_jobs).where(mine).values(q=q, **values))
    return True


def expire(conn: Connection, now: datetime) -> int:
    """End what nobody has ended in its time; return how many."""
    over = select(tool_jobs.c.id).where(tool_jobs.c.state.in_(OPEN), tool_jobs.c.until <= now - GRACE)
    why = "its time is over and the gateway has not said how it ended: is the gateway online?"
    ids = conn.execute(over).scalars().all()
    return sum(move(conn, job_id, "lost", now, since=OPEN, why=why) for job_id in ids)


def prune(conn: Connection, now: datetime) -> None:
    """Forget old jobs: those of 90 days ago, and of each gateway all but the newest 200."""
    newest = func.row_number().over(
        partition_by=(tool_jobs.c.site, tool_jobs.c.gateway), order_by=tool_jobs.c.created_at.desc()
    )
    ranked = select(
        tool_jobs.c.id, tool_jobs.c.created_at, tool_jobs.c.state, newest.label("place")
    ).subquery()
    old = (ranked.c.place > KEEP_JOBS) | (ranked.c.created_at < now - KEEP_FOR)
    gone = select(ranked.c.id).where(old, ranked.c.state.not_in(OPEN))
    conn.execute(delete(tool_rows).where(tool_rows.c.job_id.in_(gone)))
    conn.execute(delete(tool_jobs).where(tool_jobs.c.id.in_(gone)))


# -- what people see ------------------------------------------------------------------------------------------


def by_id(conn: Connection, job_id: str) -> RowMapping | None:
    """Return one job."""
    return conn.execute(select(tool_jobs).where(tool_jobs.c.id == job_id)).mappings().first()


def view(job: RowMapping) -> dict[str, Any]:
    """Return a job as the contract shows it."""
    plain = (
        "q",
        "id",
        "site",
        "gateway",
        "line",
        "tool",
        "args",
        "state",
        "dropped",
        "progress",
        "result",
        "why",
    )
    instants = ("created_at", "started_at", "until", "ended_at")
    return (
        {name: job[name] for name in plain}
        | {"by": job["requested_by"], "rows": job["row_count"]}
        | {name: iso(job[name]) for name in instants}
    )


def jobs_by_id(conn: Connection, ids: Collection[str]) -> dict[str, dict[str, Any]]:
    """Return these jobs by id: for the stream."""
    found = conn.execute(select(tool_jobs).where(tool_jobs.c.id.in_(ids))).mappings()
    return {job["id"]: view(job) for job in found}


def jobs_of(conn: Connection, site: str, gateway: str, limit: int) -> Sequence[RowMapping]:
    """Return a gateway's jobs, newest first."""
    mine = (tool_jobs.c.site == site) & (tool_jobs.c.gateway == gateway)
    query = select(tool_jobs).where(mine).order_by(tool_jobs.c.created_at.desc(), tool_jobs.c.q.desc())
    return conn.execute(query.limit(limit)).mappings().all()


def open_jobs(conn: Connection) -> Sequence[RowMapping]:
    """Return all jobs that have not ended."""
    return conn.execute(select(tool_jobs).where(tool_jobs.c.state.in_(OPEN))).mappings().all()


def rows_after(conn: Connection, job_id: str, after: int, limit: int) -> list[dict[str, Any]]:
    """Return rows with their numbers `n`, in order."""
    query = select(tool_rows.c.n, tool_rows.c.body).where(tool_rows.c.job_id == job_id, tool_rows.c.n > after)
    return [{**row.body, "n": row.n} for row in conn.execute(query.order_by(tool_rows.c.n).limit(limit))]


def clean(thing: Any) -> Any:
    """Return plain JSON in which every text is safe to show."""
    if isinstance(thing, str):
        return "\n".join(printable(line, LONGEST_TEXT) for line in thing.split("\n", 50)[:50])
    if isinstance(thing, Mapping):
        return {printable(str(key), 64): clean(value) for key, value in thing.items()}
    if isinstance(thing, list | tuple):
        return [clean(value) for value in thing]
    return thing
