"""Password hashes (argon2id), made and checked in constant effort whether or not the user exists."""

import secrets
import threading

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

SHORTEST, LONGEST = 10, 200
AT_ONCE = (
    2  # each check holds memory_kib for tens of milliseconds: a crowd at the door must not exhaust the box
)


class BadPassword(ValueError):
    """A new password that is not taken; the text says why."""


def checked(password: str) -> str:
    """Return a new password if it is long enough; raise `BadPassword`."""
    if not SHORTEST <= len(password) <= LONGEST:
        raise BadPassword(f"a password has {SHORTEST} to {LONGEST} characters")
    if len(set(password)) < 4:
        raise BadPassword("a password of so few different characters is guessed at once")
    return password


def generated() -> str:
    """Return a fresh password for somebody who must change it at the first sign-in."""
    return secrets.token_urlsafe(12)


class Passwords:
    """Makes and checks hashes; safe to use from any thread."""

    def __init__(self, *, time_cost: int = 3, memory_kib: int = 64 * 1024) -> None:
        self._hasher = PasswordHasher(time_cost=time_cost, memory_cost=memory_kib, parallelism=1)
        self._turn = threading.BoundedSemaphore(AT_ONCE)
        self._nobody = self._hasher.hash(secrets.token_urlsafe(16))

    def hash(self, password: str) -> str:
        """Return the hash of a password."""
        with self._turn:
            return self._hasher.hash(password)

    def matches(self, stored: str | None, password: str) -> bool:
        """Tell whether a password fits; for an unknown user (None) it takes as long and says no."""
        with self._turn:
            try:
                self._hasher.verify(stored or self._nobody, password)
            except (VerificationError, InvalidHashError):
                return False
        return stored is not None
