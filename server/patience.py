"""HTTP connections that keep nothing from others: a head has to come in time, and there is an end to how many.

Whoever opens connections and asks nothing needs no account. Without this, a thousand of them would leave the
database and the broker without a file descriptor.
"""

import asyncio
import logging
import resource
from typing import ClassVar

from uvicorn.protocols.http.h11_impl import H11Protocol

log = logging.getLogger(__name__)

HEAD_WITHIN_S = 10.0
MOST_CONNECTIONS = 2000
WANTED_FILES = 8192


class Patience(H11Protocol):
    """uvicorn's protocol, with an end to waiting for a request to begin and to be whole."""

    head_within_s: ClassVar[float] = HEAD_WITHIN_S
    most: ClassVar[int] = MOST_CONNECTIONS
    _told: ClassVar[bool] = False
    _waiting: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a connection, or drop it at once where there are too many."""
        super().connection_made(transport)
        full = len(self.connections) > self.most
        if full and not Patience._told:
            log.warning("%d connections: no more are taken until some end", self.most)
            Patience._told = True
        elif len(self.connections) < self.most * 9 // 10:
            Patience._told = False
        if full:
            transport.abort()
        else:
            self._watch()

    def data_received(self, data: bytes) -> None:
        """Take bytes; the clock runs while they are no whole head."""
        super().data_received(data)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._rest()
        super().connection_lost(exc)

    def _watch(self) -> None:
        # Between requests uvicorn's own keep-alive timer runs; a request under way has the body's and the sender's.
        if self.cycle is not None and not self.cycle.response_complete:
            self._rest()
        elif self._waiting is None:
            self._waiting = self.loop.call_later(self.head_within_s, self.transport.abort)

    def _rest(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None


def enough_files() -> None:
    """Raise this process's own limit of open files as far as it may, so that connections do not starve the database."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = WANTED_FILES if hard == resource.RLIM_INFINITY else min(WANTED_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        soft = wanted
    if soft != resource.RLIM_INFINITY:
        Patience.most = min(MOST_CONNECTIONS, soft // 2)
