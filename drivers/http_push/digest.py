"""Digest authentication (RFC 7616) as small devices do it; what was given out is known by its seal, not kept."""

import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping
from datetime import datetime
from typing import Final

REALM: Final = "gatehouse"
VALID_S: Final = 300
_PAIR: Final = re.compile(r'([a-z]{1,20})=(?:"([^"]{0,400})"|([^",\s]{1,100}))', re.IGNORECASE)
_KINDS: Final = {"MD5": "md5", "SHA-256": "sha256"}


class Nonces:
    """Gives out nonces that nobody else can make, each good for some minutes."""

    def __init__(self, seal: bytes | None = None) -> None:
        self._seal = seal or secrets.token_bytes(32)

    def give(self, now: datetime) -> str:
        """Return a new one."""
        stamp = f"{int(now.timestamp()):x}"
        return f"{stamp}.{self._sealed(stamp)}"

    def good(self, nonce: str, now: datetime) -> bool:
        """Say whether it is ours, and still good."""
        stamp, _, seal = nonce.partition(".")
        if not hmac.compare_digest(seal.encode("latin-1", "replace"), self._sealed(stamp).encode()):
            return False
        return 0 <= int(now.timestamp()) - int(stamp, 16) <= VALID_S

    def challenges(self, now: datetime) -> tuple[str, ...]:
        """Return the headers that ask for it, the better first."""
        nonce = self.give(now)
        return tuple(
            f'WWW-Authenticate: Digest realm="{REALM}", nonce="{nonce}", qop="auth", algorithm={kind}'
            for kind in ("SHA-256", "MD5")
        )

    def _sealed(self, stamp: str) -> str:
        return hmac.new(self._seal, stamp.encode("latin-1", "replace"), hashlib.sha256).hexdigest()[:32]


def answers(given: str, user: str, key: str, target: str, nonces: Nonces, now: datetime) -> bool:
    """Say whether an Authorization header answers a challenge of ours with this name and key."""
    scheme, _, rest = given.partition(" ")
    if scheme.lower() != "digest" or len(rest) > 2000:
        return False
    asked = {match[1].lower(): match[2] or match[3] or "" for match in _PAIR.finditer(rest)}
    kind = _KINDS.get(asked.get("algorithm", "MD5").upper())
    if kind is None or asked.get("uri") != target or asked.get("realm") != REALM:
        return False
    right = _response(asked, kind, user, key)
    same = hmac.compare_digest(asked.get("response", "").lower().encode("latin-1", "replace"), right.encode())
    return same and asked.get("username") == user and nonces.good(asked.get("nonce", ""), now)


def _response(asked: Mapping[str, str], kind: str, user: str, key: str) -> str:
    def hashed(*parts: str) -> str:
        return hashlib.new(kind, ":".join(parts).encode()).hexdigest()

    own, what = hashed(user, REALM, key), hashed("POST", asked["uri"])
    if not asked.get("qop"):
        return hashed(own, asked.get("nonce", ""), what)
    middle = [asked.get(name, "") for name in ("nonce", "nc", "cnonce", "qop")]
    return hashed(own, *middle, what)
