"""What people do with alarms: acknowledge and close, each by name, each checked against what they last saw."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, RowMapping

from messages.text import printable
from messages.types import Severity
from server.alarms import store
from server.alarms.lifecycle import LIFE_SAFETY, Move, NotAllowed, State

BULK_MOST = 500
SHORTEST_REASON = 3


class Stale(ValueError):
    """The alarm has moved since the person looked at it."""


@dataclass(frozen=True, slots=True)
class Refused:
    """An alarm that a bulk acknowledgement left alone; `code` is stable, the text tells a person why."""

    alarm_id: int
    code: str
    why: str


@dataclass(frozen=True, slots=True)
class Bulk:
    """What became of each alarm of a bulk acknowledgement."""

    done: list[int]
    refused: list[Refused]


def act(
    conn: Connection, alarm: RowMapping, what: Move, *, q: int, actor: str, note: str, now: datetime
) -> None:
    """Acknowledge or close one alarm; raise `Stale` or `NotAllowed`.

    `q` is what the person saw. Repeats of a standing alarm count up without making it stale: a chattering
    contact must not keep anybody from acknowledging it.
    """
    if q < alarm["moved_q"]:
        raise Stale("this alarm has changed since: look at it again")
    note = printable(note, 1000).strip()
    by_hand = what is Move.CLOSE and State(alarm["state"]).active
    if by_hand and alarm["by_hand"] and len(note) < SHORTEST_REASON:
        raise NotAllowed("its device has not said the end: write what you have seen, then close it")
    store.move(conn, alarm, what, actor=actor, now=now, note=note, action="closed-by-hand" if by_hand else "")


def acknowledge_many(conn: Connection, ids: Iterable[int], *, actor: str, note: str, now: datetime) -> Bulk:
    """Acknowledge those that may be acknowledged without a look at each: never critical, never life safety."""
    done: list[int] = []
    refused: list[Refused] = []
    for alarm_id in dict.fromkeys(ids):
        alarm = store.alarm_by_id(conn, alarm_id)
        if alarm is None:
            refused.append(Refused(alarm_id, "not_found", "there is no such alarm"))
        elif alarm["severity"] == Severity.CRITICAL:
            refused.append(Refused(alarm_id, "critical", "critical alarms are acknowledged one by one"))
        elif alarm["alarm_class"] in LIFE_SAFETY:
            refused.append(Refused(alarm_id, "life_safety", "life-safety alarms are acknowledged one by one"))
        else:
            try:
                store.move(conn, alarm, Move.ACK, actor=actor, now=now, note=printable(note, 1000))
            except NotAllowed as err:
                refused.append(Refused(alarm_id, "not_allowed", str(err)))
            else:
                done.append(alarm_id)
    return Bulk(done, refused)
