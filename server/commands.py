"""Commands to devices: recorded before they are sent, sent once, never retained, and never left looking hopeful.

A device may take its time after it was told: until then no answer is due. A command that nobody answers by its time
ends as `expired-unknown`: the gateway refuses it from then on, but whether it ran before is not known, and the page
says so.
"""

import logging
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, RowMapping, func, insert, literal, select, update

from messages.text import printable
from messages.types import CommandResult, Outcome
from server.db.tables_commands import commands
from server.db.tables_devices import devices, gateways, profile_actions, profiles
from server.db.types import Instant, value_text

log = logging.getLogger(__name__)

WAITING = ("pending", "sent")
UNKNOWN = "expired-unknown"
ANSWER_GRACE = timedelta(seconds=10)  # the gateway may run it in the last moment and its answer takes a while
DOOR_RELEASE = "release"


class CommandRefused(ValueError):
    """This command cannot be given; `code` is stable, the text tells a person why."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def prepare(conn: Connection, site: str, device: str, action: str) -> RowMapping:
    """Return the action with its device and gateway, or raise `CommandRefused`."""
    query = (
        select(
            devices.c.device,
            devices.c.lifecycle,
            gateways.c.gateway,
            gateways.c.online,
            profiles.c.device_class,
            profile_actions.c.action,
            profile_actions.c.expires_ms,
            profile_actions.c.within_ms,
        )
        .join(gateways, devices.c.gateway_id == gateways.c.id)
        .join(profiles, devices.c.profile_id == profiles.c.id)
        .outerjoin(
            profile_actions,
            (profile_actions.c.profile_id == profiles.c.id) & (profile_actions.c.action == action),
        )
        .where(devices.c.site == site, devices.c.device == device)
    )
    row = conn.execute(query).mappings().first()
    if row is None or row["lifecycle"] == "removed":
        raise CommandRefused("no_such_device", f"site {printable(site, 64)} has no such device")
    # Not a right that somebody could be given: a fire panel has no command type at all.
    if row["device_class"].startswith("fire"):
        raise CommandRefused("fire_device", "fire equipment is observed only: it takes no commands")
    if row["action"] is None:
        raise CommandRefused("no_such_action", "this device's profile offers no such action")
    if not row["online"]:
        raise CommandRefused(
            "gateway_offline", "its gateway is offline: the command could not arrive in time"
        )
    return row


def record(
    conn: Connection,
    command_id: str,
    target: RowMapping,
    *,
    site: str,
    args: Mapping[str, str],
    reason: str,
    by: str,
    now: datetime,
) -> datetime:
    """Write a command as `pending` and return the instant at which it expires."""
    until = now + timedelta(milliseconds=int(target["expires_ms"]))
    conn.execute(
        insert(commands).values(
            id=command_id,
            site=site,
            gateway=target["gateway"],
            device=target["device"],
            action=target["action"],
            args=dict(args),
            reason=reason,
            requested_by=by,
            state="pending",
            created_at=now,
            until=until,
            answer_by=until + timedelta(milliseconds=int(target["within_ms"])),
            detail="",
        )
    )
    return until


def mark_sent(conn: Connection, command_id: str, now: datetime) -> None:
    """A broker has the command; its result may have been faster, and stays."""
    mine = (commands.c.id == command_id) & (commands.c.state == "pending")
    conn.execute(update(commands).where(mine).values(state="sent", sent_at=now))


def mark_failed(conn: Connection, command_id: str, now: datetime, why: str) -> None:
    """No broker took the command."""
    mine = (commands.c.id == command_id) & (commands.c.state == "pending")
    values = {"state": Outcome.FAILED, "ended_at": now, "detail": printable(why, 500)}
    conn.execute(update(commands).where(mine).values(values))


class CommandResults:
    """Implements `server.ingest.sinks.ResultSink`."""

    def apply_result(
        self, conn: Connection, site: str, gateway: str, result: CommandResult, now: datetime
    ) -> None:
        """Record how a command ended; an unknown, foreign or already answered one changes nothing."""
        mine = (
            (commands.c.id == result.id)
            & (commands.c.site == site)
            & (commands.c.gateway == gateway)
            & (commands.c.device == result.device)
            & commands.c.state.in_([*WAITING, UNKNOWN])
        )
        values: dict[str, Any] = {
            "state": result.outcome,
            "ended_at": now,
            "detail": printable(result.detail, 1000),
            "read_back": {point: value_text(value) for point, value in result.read_back.items()},
        }
        if conn.execute(update(commands).where(mine).values(values)).rowcount == 0:
            log.info(
                "a result for command %s changes nothing: unknown, foreign or answered before", result.id
            )


def expire(conn: Connection, now: datetime) -> int:
    """End what nobody has answered in its time; return how many."""
    due = func.coalesce(commands.c.answer_by, commands.c.until)
    over = commands.c.state.in_(WAITING) & (due <= literal(now - ANSWER_GRACE, Instant))
    values = {
        "state": UNKNOWN,
        "ended_at": now,
        "detail": "its time is over and the gateway has not answered: look at the device",
    }
    return conn.execute(update(commands).where(over).values(values)).rowcount


def by_id(conn: Connection, command_id: str) -> RowMapping | None:
    """Return one command."""
    return conn.execute(select(commands).where(commands.c.id == command_id)).mappings().first()
