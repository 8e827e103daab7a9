"""By which configuration each billing sample of a batch was read: one row where it changes, so nearly one a batch."""

from datetime import datetime

from sqlalchemy import Connection, insert, select

from server.db.tables_configs import batch_configs, configs

MOST_KNOWN = 10_000


class ConfigBook:
    """Writes it down; after a roll-back call `forget`."""

    def __init__(self) -> None:
        self._ids: dict[str, int] = {}
        self._last: tuple[int, str] | None = None

    def forget(self) -> None:
        """The transaction was rolled back: rows that it knew may not exist."""
        self._ids.clear()
        self._last = None

    def note(self, conn: Connection, batch_id: int, index: int, config: str, now: datetime) -> None:
        """Take the configuration of an item; items of a batch come in their order."""
        if self._last == (batch_id, config):
            return
        if not config and (self._last is None or self._last[0] != batch_id):
            return  # a batch begins without one
        self._last = (batch_id, config)
        config_id = self._id(conn, config, now)
        conn.execute(insert(batch_configs).values(batch_id=batch_id, first_idx=index, config_id=config_id))

    def _id(self, conn: Connection, config: str, now: datetime) -> int:
        known = self._ids.get(config)
        if known is not None:
            return known
        found = conn.execute(select(configs.c.id).where(configs.c.hash == config)).scalar()
        if found is None:
            key = conn.execute(insert(configs).values(hash=config, first_at=now)).inserted_primary_key
            assert key is not None
            found = key[0]
        if len(self._ids) >= MOST_KNOWN:
            self._ids.clear()
        self._ids[config] = int(found)
        return int(found)
