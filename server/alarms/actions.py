"""What people do with alarms: acknowledge and close, each by name, each checked against what they last saw."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, RowMapping

from messages.text import printable
from messages.types import Severity
from server.alarms import store
from server.alarms.lifecycle import LIFE_SAFETY, Move, NotAllowed

BULK_MOST = 500


class Stale(ValueError):
    """The alarm has moved since the person looked at it."""


@dataclass(frozen=True, slots=True)
class Bulk:
    """What became of each alarm of a bulk acknowledgement."""

    done: list[int]
    refused: list[tuple[int, str]]


def act(
    conn: Connection, alarm: RowMapping, what: Move, *, q: int, actor: str, note: str, now: datetime
) -> None:
    """Acknowledge or close one alarm; raise `Stale` or `NotAllowed`.

    `q` is what the person saw. Repeats of a standing alarm count up without making it stale: a chattering
    contact must not keep anybody from acknowledging it.
    """
    if q < alarm["moved_q"]:
        raise Stale("this alarm has changed since: look at it again")
    store.move(conn, alarm, what, actor=actor, now=now, note=printable(note, 1000))


def acknowledge_many(conn: Connection, ids: Iterable[int], *, actor: str, note: str, now: datetime) -> Bulk:
    """Acknowledge those that may be acknowledged without a look at each: never critical, never life safety."""
    done: list[int] = []
    refused: list[tuple[int, str]] = []
    for alarm_id in dict.fromkeys(ids):
        alarm = store.alarm_by_id(conn, alarm_id)
        why = _why_not_in_bulk(alarm)
        if alarm is not None and not why:
            try:
                store.move(conn, alarm, Move.ACK, actor=actor, now=now, note=printable(note, 1000))
            except NotAllowed as err:
                why = str(err)
        if why:
            refused.append((alarm_id, why))
        else:
            done.append(alarm_id)
    return Bulk(done, refused)


def _why_not_in_bulk(alarm: RowMapping | None) -> str:
    if alarm is None:
        return "there is no such alarm"
    if alarm["severity"] == Severity.CRITICAL:
        return "critical alarms are acknowledged one by one"
    if alarm["alarm_class"] in LIFE_SAFETY:
        return "life-safety alarms are acknowledged one by one"
    return ""
