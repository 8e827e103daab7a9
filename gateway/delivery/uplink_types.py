"""What an uplink is set to, what it counts, and what else it may listen to."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import msgspec

from gateway.delivery.sendplan import Sending


class UplinkSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The uplink's clockwork."""

    sending: Sending = Sending()
    heartbeat_s: float = 10.0
    birth_again_s: float = 2.0
    publish_timeout_s: float = 10.0
    keepalive_s: int = 15
    unanswered_s: float = 60.0


@dataclass(slots=True)
class UplinkCounts:
    """What happened in this life of the process, in batches unless named otherwise; for metrics."""

    connected: int = 0
    published: int = 0
    puback: int = 0
    stored: int = 0
    resent: int = 0
    rejected: int = 0
    commands: int = 0
    ignored: int = 0


class Inlet(NamedTuple):
    """A further thing to listen to: its topics, and who takes the leaf, the payload and whether it was retained."""

    filter: str
    take: Callable[[str, bytes, bool], None]


def first_of(failures: BaseException | None) -> BaseException | None:
    """Return the first failure of nested groups."""
    while isinstance(failures, BaseExceptionGroup):
        failures = failures.exceptions[0]
    return failures
