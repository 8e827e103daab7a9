"""The digest login of HTTP and RTSP (RFC 7616, and RFC 2617 for old cameras)."""

import hashlib
import re
from dataclasses import dataclass
from typing import Final

_PART: Final = re.compile(r'([a-zA-Z-]{1,30})\s*=\s*(?:"((?:[^"\\]|\\.){0,500})"|([^\s,]{0,500}))')
_HASHES: Final = {"MD5": hashlib.md5, "SHA-256": hashlib.sha256}


@dataclass(frozen=True, slots=True)
class Challenge:
    """What a camera wants to be answered."""

    realm: str
    nonce: str
    algorithm: str = "MD5"
    qop: bool = False
    opaque: str | None = None


def challenge_in(headers: list[str]) -> Challenge | None:
    """Return the strongest digest challenge among WWW-Authenticate headers; None where there is none to answer."""
    found = [made for header in headers if (made := _challenge(header)) is not None]
    return max(found, key=lambda made: made.algorithm, default=None)


def authorization(
    challenge: Challenge, username: str, password: str, method: str, uri: str, cnonce: str
) -> str:
    """Return the value of an Authorization header for the first request that answers a challenge."""

    def digest(text: str) -> str:
        return _HASHES[challenge.algorithm](text.encode()).hexdigest()

    first = digest(f"{username}:{challenge.realm}:{password}")
    second = digest(f"{method}:{uri}")
    count = "00000001"
    middle = f"{challenge.nonce}:{count}:{cnonce}:auth" if challenge.qop else challenge.nonce
    parts = {
        "username": f'"{_quoted(username)}"',
        "realm": f'"{_quoted(challenge.realm)}"',
        "nonce": f'"{_quoted(challenge.nonce)}"',
        "uri": f'"{_quoted(uri)}"',
        "response": f'"{digest(f"{first}:{middle}:{second}")}"',
        "algorithm": challenge.algorithm,
    }
    if challenge.opaque is not None:
        parts["opaque"] = f'"{_quoted(challenge.opaque)}"'
    if challenge.qop:
        parts |= {"qop": "auth", "nc": count, "cnonce": f'"{cnonce}"'}
    return "Digest " + ", ".join(f"{name}={value}" for name, value in parts.items())


def _challenge(header: str) -> Challenge | None:
    scheme, _, rest = header.strip().partition(" ")
    if scheme.lower() != "digest":
        return None
    parts = {name.lower(): quoted or bare for name, quoted, bare in _PART.findall(rest)}
    algorithm = parts.get("algorithm", "MD5").upper()
    if "nonce" not in parts or algorithm not in _HASHES:
        return None
    words = {word.strip().lower() for word in parts.get("qop", "").split(",")}
    if parts.get("qop") and "auth" not in words:
        return None
    return Challenge(parts.get("realm", ""), parts["nonce"], algorithm, "auth" in words, parts.get("opaque"))


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\r", "").replace("\n", "")
