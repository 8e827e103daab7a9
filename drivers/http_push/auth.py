"""Whether a push comes from who it says: a key in a header, or a signature over the body; compared in constant time."""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from drivers.errors import Misconfigured
from drivers.http_push.digest import Nonces, answers
from drivers.http_push.settings import Options
from drivers.secret import secret_of

SHORTEST: Final = 8

Headers = Mapping[str, bytes]
"""By name in small letters."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What somebody shows: the headers and target of a request, and when it came."""

    headers: Headers
    target: str
    now: datetime
    nonces: Nonces


@dataclass(frozen=True, slots=True)
class Lock:
    """What a device must show."""

    how: str
    header: str
    want: bytes = field(default=b"", repr=False)
    user: str = ""

    @property
    def open(self) -> bool:
        """Whether nothing is asked."""
        return self.how == "none"

    def asks(self, headers: Headers) -> bool:
        """Say whether its device is to be asked for its key: it has shown none, or one that may be too old."""
        return not self.open and (self.how == "digest" or not headers.get(self.header))

    def may_fit(self, asked: Asked) -> bool:
        """Say before the body is there whether this may be its sender; constant in time."""
        given = asked.headers.get(self.header, b"").strip()
        if self.how == "none":
            return True
        if self.how == "digest":
            shown, key = given.decode("latin-1"), self.want.decode()
            return answers(shown, self.user, key, asked.target, asked.nonces, asked.now)
        return bool(given) if self.how == "hmac" else hmac.compare_digest(_bare(self.how, given), self.want)

    def fits(self, asked: Asked, body: bytes) -> bool:
        """Say whether what is shown is right."""
        if self.how != "hmac":
            return self.may_fit(asked)
        given = asked.headers.get(self.header, b"").strip().lower().removeprefix(b"sha256=")
        right = hmac.new(self.want, body, hashlib.sha256).hexdigest().encode()
        return hmac.compare_digest(given, right)


def lock_of(options: Options, merged: Mapping[str, Any]) -> Lock:
    """Return the lock that the options describe, its key read from where they say; raise `Misconfigured`."""
    if options.auth == "none":
        return Lock("none", "")
    key = secret_of(merged, "key")
    if key is None:
        raise Misconfigured(
            "options.key_file: is missing: the key that the device sends, in a file beside the site file"
            " (`auth: none` where the device can send none)"
        )
    if len(key) < SHORTEST:
        raise Misconfigured(f"options.key_file: needs {SHORTEST} characters at least")
    if options.auth in ("basic", "digest"):
        if not options.user or ":" in options.user:
            raise Misconfigured("options.user: give the name that goes with the password, without a colon")
        if options.auth == "digest":
            return Lock("digest", "authorization", key.encode(), options.user)
        return Lock("basic", "authorization", base64.b64encode(f"{options.user}:{key}".encode()))
    header = "authorization" if options.auth == "bearer" else options.header.lower()
    return Lock(options.auth, header, key.encode())


def _bare(how: str, given: bytes) -> bytes:
    if how == "header":
        return given
    scheme, _, rest = given.partition(b" ")
    right = (b"basic",) if how == "basic" else (b"bearer", b"token")
    return rest.strip() if scheme.lower() in right else b""
