"""What the broker keeps for each gateway: the offer that waits for its answer, or none. One hand for each gateway."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence

from sqlalchemy import Engine, RowMapping

from messages.configs import ConfigOffer
from messages.topics import Address
from server.configs import store
from server.configs.store import UNTAKEN
from server.db.engine import read

# Of an offer that ended so the broker may have more than we know.
TAKEN_BACK = ("withdrawn", "failed")


class OfferPost:
    """Publishes what the database says by then, so that no late hand puts back or erases what another one did."""

    def __init__(
        self, engine: Engine, publish: Callable[[Address, ConfigOffer | None], Awaitable[None]]
    ) -> None:
        self._engine = engine
        self._publish = publish
        self._turns: defaultdict[Address, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._kept: dict[Address, str] = {}
        """What the broker keeps as far as we know: the id of an offer, empty for none."""

    async def convey(self, address: Address, *, again: bool = False) -> str:
        """Have the broker keep what holds, `again` also where it should have it; return the id of the offer, or "".

        Raise `BrokerLost` when no broker took it.
        """
        async with self._turns[address]:
            while True:
                latest = await asyncio.to_thread(self._latest, address)
                if latest is None or latest["state"] not in (*UNTAKEN, *TAKEN_BACK):
                    return ""  # answered: what the broker keeps changes nothing any more
                wanted = latest["id"] if latest["state"] in UNTAKEN else ""
                if self._kept.get(address) == wanted and not again:
                    return wanted
                again = False
                self._kept.pop(address, None)
                await self._publish(address, store.message(latest) if wanted else None)
                self._kept[address] = wanted

    def open(self) -> Sequence[Address]:
        """Return the gateways for which the broker has something to keep, or to forget."""
        with read(self._engine) as conn:
            return store.latest_in(conn, (*UNTAKEN, *TAKEN_BACK))

    def _latest(self, address: Address) -> RowMapping | None:
        with read(self._engine) as conn:
            return store.latest(conn, address)
