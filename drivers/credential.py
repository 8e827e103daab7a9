"""What is told of a card or a person's number: as little as the site has asked for, the same by every protocol."""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from drivers.errors import Misconfigured
from drivers.secret import secret_of

_DIGITS: Final = 16

How = Literal["hash", "clear", "none"]


def fingerprint(key: bytes, what: bytes) -> str:
    """Return the keyed hash by which the same credential is known again, and nobody can try numbers out."""
    return hmac.new(key, what, hashlib.sha256).hexdigest()[:_DIGITS]


def agreed(options: Mapping[str, Any], how: How | None) -> tuple[How, bytes]:
    """Return what the options want told and the key of its hash; raise `Misconfigured`.

    Without a word it is a hash where there is a key for it, else nothing.
    """
    secret = secret_of(options, "credential_key")
    chosen: How = how or ("none" if secret is None else "hash")
    if chosen == "hash" and not secret:
        why = "there are few enough cards to try them all"
        raise Misconfigured(
            f"options.credential: a hash needs credential_key_file or credential_key_env: {why}"
        )
    return chosen, (secret or "").encode()


@dataclass(frozen=True, slots=True)
class Credential:
    """How much is told of a number that comes as text."""

    how: How = "none"
    key: bytes = field(default=b"", repr=False)

    def told(self, text: str) -> str:
        """Return what may be said of it."""
        if self.how == "clear":
            return text
        if self.how == "hash":
            return f"credential {fingerprint(self.key, text.strip().upper().encode())}"
        return f"{len(text)} characters"
