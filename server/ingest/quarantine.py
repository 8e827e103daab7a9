"""Quarantine: what could not be stored, as it came, with the reason. It never blocks what follows."""

import hashlib
import logging
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, insert, select
from sqlalchemy.sql.functions import count

from messages.text import printable
from messages.topics import Address
from server.db.tables_delivery import quarantine

log = logging.getLogger(__name__)

MAX_UNNUMBERED = 2000  # payloads of one gateway whose number nobody can read
MAX_KEPT_BYTES = 1024 * 1024  # more than any payload of the contract: only a stranger's is cut


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """One refused payload or item. `address` is None when not even the topic made sense."""

    topic: str
    payload: bytes
    reason: str
    address: Address | None = None
    epoch: str | None = None
    lane: str | None = None
    seq: int | None = None
    index: int | None = None


def put(conn: Connection, refused: Refused, now: datetime) -> bool:
    """Keep `refused`; False if the same payload is there already from a delivery before.

    An unnumbered payload is recognised by its bytes: a broker that delivers it for ever adds one row, not many.
    Nobody waits for an answer to it, so there is an end to how many are kept.
    """
    site, gateway = refused.address or ("", "")
    digest = hashlib.sha256(refused.topic.encode("utf-8", "replace") + b"\0" + refused.payload).hexdigest()
    if refused.seq is None:
        known = select(quarantine.c.id).where(quarantine.c.digest == digest).limit(1)
        if conn.execute(known).first() is not None:
            return False
        mine = (quarantine.c.gateway == gateway) & (quarantine.c.site == site) & quarantine.c.seq.is_(None)
        if conn.execute(select(count()).where(mine)).scalar_one() >= MAX_UNNUMBERED:
            log.error("quarantine of %s/%s is full: %s", site, gateway, printable(refused.reason))
            return False
    conn.execute(
        insert(quarantine).values(
            at=now,
            site=site,
            gateway=gateway,
            topic=printable(refused.topic, 300),
            epoch=refused.epoch,
            lane=refused.lane,
            seq=refused.seq,
            idx=refused.index,
            reason=printable(refused.reason, 500),
            size=len(refused.payload),
            digest=digest,
            payload=refused.payload[:MAX_KEPT_BYTES],
        )
    )
    return True
