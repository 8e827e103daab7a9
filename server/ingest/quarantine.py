"""Quarantine: what could not be stored, as it came, with the reason. It never blocks what follows, and has an end."""

import hashlib
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum, auto

from sqlalchemy import Connection, func, insert, select
from sqlalchemy.sql.functions import count

from messages.text import printable
from messages.topics import Address
from server.db.tables_delivery import quarantine

MAX_UNNUMBERED = 2000  # payloads of one gateway whose number nobody can read
MAX_ROWS, MAX_BYTES = 20_000, 64 * 1024 * 1024  # of one gateway: it cannot fill the disk with what is wrong
SAY_AGAIN = timedelta(hours=1)
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


class Kept(Enum):
    """What became of a refused payload."""

    YES = auto()
    BEFORE = auto()  # the same bytes from a delivery before
    NO = auto()  # this gateway's share is used up


@dataclass(slots=True)
class _Share:
    rows: int
    bytes: int
    said: datetime | None = None


@dataclass(slots=True)
class Quarantine:
    """Keeps what is refused, up to a share for each gateway; call `forget` after a roll-back."""

    _shares: dict[tuple[str, str], _Share] = field(default_factory=dict)

    def forget(self) -> None:
        """What was counted was never committed."""
        self._shares.clear()

    def put(self, conn: Connection, refused: Refused, now: datetime) -> Kept:
        """Keep `refused`, once.

        An unnumbered payload is recognised by its bytes: a broker that delivers it for ever adds one row, not
        many. Nobody waits for an answer to it, so fewer of those are kept.
        """
        site, gateway = refused.address or ("", "")
        share = self._share(conn, site, gateway)
        digest = hashlib.sha256(
            refused.topic.encode("utf-8", "replace") + b"\0" + refused.payload
        ).hexdigest()
        if refused.seq is None:
            known = select(quarantine.c.id).where(quarantine.c.digest == digest).limit(1)
            if conn.execute(known).first() is not None:
                return Kept.BEFORE
            if _unnumbered(conn, site, gateway) >= MAX_UNNUMBERED:
                return Kept.NO
        if share.rows >= MAX_ROWS:
            return Kept.NO
        payload = refused.payload[:MAX_KEPT_BYTES]
        if share.bytes + len(payload) > MAX_BYTES:
            payload = b""  # `size` and `digest` still tell what it was
        share.rows, share.bytes = share.rows + 1, share.bytes + len(payload)
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
                payload=payload,
            )
        )
        return Kept.YES

    def to_be_said(self, address: Address | None, now: datetime) -> bool:
        """Tell, now and then, that a gateway's share is used up and somebody should know."""
        share = self._shares.get(address or ("", ""))
        if share is None or (share.said is not None and timedelta(0) <= now - share.said < SAY_AGAIN):
            return False
        share.said = now
        return True

    def _share(self, conn: Connection, site: str, gateway: str) -> _Share:
        share = self._shares.get((site, gateway))
        if share is None:
            mine = (quarantine.c.gateway == gateway) & (quarantine.c.site == site)
            size = func.coalesce(func.sum(func.length(quarantine.c.payload)), 0)
            rows, held = conn.execute(select(count(), size).where(mine)).one()
            share = self._shares[site, gateway] = _Share(rows, held)
        return share


def _unnumbered(conn: Connection, site: str, gateway: str) -> int:
    mine = (quarantine.c.gateway == gateway) & (quarantine.c.site == site) & quarantine.c.seq.is_(None)
    return int(conn.execute(select(count()).where(mine)).scalar_one())
