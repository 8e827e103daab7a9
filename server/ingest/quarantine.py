"""Quarantine: what could not be stored, as it came, with the reason. It never blocks what follows."""

import hashlib
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, insert, select

from messages.text import printable
from messages.topics import Address
from server.db.tables_delivery import quarantine

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
    """
    digest = hashlib.sha256(refused.topic.encode("utf-8", "replace") + b"\0" + refused.payload).hexdigest()
    if refused.seq is None:
        known = select(quarantine.c.id).where(quarantine.c.digest == digest).limit(1)
        if conn.execute(known).first() is not None:
            return False
    site, gateway = refused.address or ("", "")
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
