"""Whether the broker lets this server read and write: what it publishes to itself comes back, or does not.

Some brokers grant every subscription, acknowledge every message, and drop what their rules forbid: an account of a
wrong name looks like a connection in order, and no gateway is ever heard.
"""

import asyncio
import logging
from dataclasses import dataclass, field
from random import Random

from messages.broker import Publication, Session
from messages.topics import ECHO

log = logging.getLogger(__name__)

WITHIN_S = 10.0
EVERY_S = 60.0


@dataclass(slots=True, eq=False)
class Echo:
    """Asks for as long as a session lasts; `refused` is what came of it last."""

    random: Random
    within_s: float = WITHIN_S
    every_s: float = EVERY_S
    refused: bool = False
    _word: bytes = b""
    _back: asyncio.Event = field(default_factory=asyncio.Event)

    def heard(self, payload: bytes) -> None:
        """Take what came on the topic; another server's word is not ours."""
        if self._word and payload == self._word:
            self._back.set()

    async def run(self, session: Session) -> None:
        """Ask until cancelled; raise `BrokerLost` with the session."""
        while True:
            self._back.clear()
            self._word = f"{self.random.getrandbits(64):016x}".encode()
            await session.publish(Publication(ECHO, self._word))
            try:
                async with asyncio.timeout(self.within_s):
                    await self._back.wait()
            except TimeoutError:
                self._note(refused=True)
                continue  # it has waited long enough already
            self._note(refused=False)
            await asyncio.sleep(self.every_s)

    def _note(self, *, refused: bool) -> None:
        if refused and not self.refused:
            log.error(
                "the broker takes everything and gives nothing back: the rules of this account forbid it to read or"
                " write gatehouse/1/#; mend the account's name or its rules (docs/broker.md)"
            )
        elif self.refused and not refused:
            log.info("the broker gives back what this server publishes: its account is in order now")
        self.refused = refused
