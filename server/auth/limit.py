"""Slows down guessing: after a few failures each further try waits longer. In memory, bounded, one per process."""

import threading
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import IPv6Address, ip_address

FREE_TRIES = 5
FIRST_WAIT = timedelta(seconds=2)
LONGEST_WAIT = timedelta(minutes=15)
FORGET_AFTER = timedelta(hours=1)
MOST_KEYS = 10_000


@dataclass(slots=True)
class _Record:
    failures: int
    last_at: datetime


def neighbourhood(address: str) -> str:
    """Return by what to count an address: whoever has one IPv6 address has all 2**64 of its network."""
    try:
        found = ip_address(address)
    except ValueError:
        return address
    if not isinstance(found, IPv6Address):
        return address
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return f"{IPv6Address(int(found) >> 64 << 64)}/64"


class LoginLimit:
    """Counts failed sign-ins per key (user and address); safe to use from any thread."""

    def __init__(self, *, free_tries: int = FREE_TRIES) -> None:
        self._free = free_tries
        self._records: OrderedDict[Hashable, _Record] = OrderedDict()
        self._lock = threading.Lock()

    def wait(self, key: Hashable, now: datetime) -> timedelta:
        """Return how long this key has to wait before the next try, zero when it may try."""
        with self._lock:
            record = self._records.get(key)
            if record is None or record.failures < self._free:
                return timedelta(0)
            if now - record.last_at > FORGET_AFTER:
                del self._records[key]
                return timedelta(0)
            doublings = min(record.failures - self._free, 20)
            pause: timedelta = min(FIRST_WAIT * (1 << doublings), LONGEST_WAIT)
            # A clock that was set back must not keep anybody out until it is again what it was.
            record.last_at = min(record.last_at, now)
            return max(timedelta(0), record.last_at + pause - now)

    def failed(self, key: Hashable, now: datetime) -> None:
        """Count one failure."""
        with self._lock:
            record = self._records.pop(key, None) or _Record(0, now)
            if now - record.last_at > FORGET_AFTER:
                record.failures = 0
            record.failures += 1
            record.last_at = now
            self._records[key] = record
            while len(self._records) > MOST_KEYS:
                self._records.popitem(last=False)

    def forgive(self, key: Hashable) -> None:
        """Take back one failure: it was none."""
        with self._lock:
            record = self._records.get(key)
            if record is not None:
                record.failures = max(0, record.failures - 1)

    def succeeded(self, key: Hashable) -> None:
        """Forget the failures of a key."""
        with self._lock:
            self._records.pop(key, None)
