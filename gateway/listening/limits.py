"""What a peer may do before it is slowed or cut off; pure, time is an argument."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_address

Network = IPv4Network | IPv6Network

MOST_KNOWN = 4096


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on the peers of one listening line."""

    peers: int = 64
    """At the same time, on the whole line."""
    per_host: int = 8
    idle_s: float = 900.0
    """A connection on which nothing has come for so long is closed: the sender connects anew if it lives."""
    bytes_per_s: float = 20_000.0
    burst_bytes: float = 200_000.0
    messages_per_s: float = 50.0
    burst_messages: float = 500.0
    allow: tuple[Network, ...] = ()
    """Who may speak; empty for everybody who reaches us."""


@dataclass(slots=True)
class Bucket:
    """A token bucket: `take` returns how many seconds to wait before going on."""

    rate: float
    size: float
    _level: float = field(init=False)
    _at: float | None = None

    def __post_init__(self) -> None:
        self._level = self.size

    def take(self, count: float, now: float) -> float:
        """Take `count`; what is taken beyond the level must be waited for, and is never refused."""
        if self._at is not None:
            self._level = min(self.size, self._level + max(0.0, now - self._at) * self.rate)
        self._at = now
        self._level -= count
        return max(0.0, -self._level / self.rate)

    def has(self, count: float, now: float) -> bool:
        """Take `count` if it is there at once, else nothing: for datagrams, which nobody can hold back."""
        wait = self.take(count, now)
        if wait:
            self._level += count
        return not wait


@dataclass(slots=True)
class HostBuckets:
    """The rates of every host that was heard lately; a peer gains nothing by connecting again."""

    limits: Limits
    _hosts: dict[str, tuple[Bucket, Bucket]] = field(default_factory=dict)

    def of(self, host: str) -> tuple[Bucket, Bucket]:
        """Return the buckets of bytes and of messages of a host."""
        found = self._hosts.pop(host, None)
        if found is None:
            found = (
                Bucket(self.limits.bytes_per_s, self.limits.burst_bytes),
                Bucket(self.limits.messages_per_s, self.limits.burst_messages),
            )
            while len(self._hosts) >= MOST_KNOWN:
                del self._hosts[next(iter(self._hosts))]
        self._hosts[host] = found  # the one used last is forgotten last
        return found


def allowed(host: str, networks: Sequence[Network]) -> bool:
    """Say whether a host may speak; an address that is none may not."""
    if not networks:
        return True
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    address = mapped or address
    return any(address in network for network in networks if network.version == address.version)
