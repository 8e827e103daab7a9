"""Whether anybody answers. A broker may drop what its rules forbid and acknowledge it all the same: MQTT 3.1.1 has
no word for "forbidden", and Mosquitto is such a broker. From here that looks like a connection in order; only that
no batch is ever said to be stored tells it apart, and the same is true while no server runs.
"""

import logging
from dataclasses import dataclass

from messages.text import printable

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Answers:
    """Watches one uplink: says once that nobody answers, and once that somebody does again."""

    account: str
    gateway: str
    patience_s: float
    _since: float | None = None
    _said: bool = False

    def begin(self) -> None:
        """A session begins: what was sent before it went another way."""
        self._since = None

    def taken(self, now: float) -> None:
        """The broker has acknowledged a batch."""
        if self._since is None:
            self._since = now

    def answered(self) -> None:
        """The server has said of some batch that it is stored, whatever its number."""
        self._since = None
        if self._said:
            self._said = False
            log.info("uplink: the server answers again")

    def unanswered(self, now: float) -> float:
        """Return for how many seconds batches have been sent and none answered."""
        return 0.0 if self._since is None else now - self._since

    def look(self, now: float) -> None:
        """Say it when it has gone on for too long."""
        if self._said or self.unanswered(now) < self.patience_s:
            return
        self._said = True
        log.warning(
            "uplink: the broker takes what is sent, and for %.0f s nobody has answered that it is stored: no server"
            " runs there, or the broker's rules drop it%s. Everything is kept",
            self.unanswered(now),
            f" ({why})" if (why := names_differ(self.account, self.gateway)) else "",
        )


def names_differ(account: str, gateway: str) -> str:
    """Say what is wrong with an account of another name than the gateway's id; empty where it is right or unknown."""
    if account in {"", gateway}:
        return ""
    return (
        f"the account is {printable(account, 64)!r} and the gateway's id {gateway!r}: with the rules of the embedded"
        " broker and of deploy/mosquitto they must be the same"
    )
