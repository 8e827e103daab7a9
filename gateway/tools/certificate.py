"""Certificates on the site box: signed with the gateway's own key, kept, and checked.

The digest shows that nothing was changed. The signature, an HMAC with a key that never leaves the site box, shows
that this very gateway wrote it: `certify --verify` on the box tells.
"""

import hashlib
import hmac
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from messages.certificate import as_json, canonical, digest, page
from messages.codec import MessageError
from messages.text import printable
from messages.tools import check_plain

KEY: Final = "certify.key"
FOLDER: Final = "certificates"
MOST_BYTES: Final = 8 << 20


class CertificateError(ValueError):
    """A file that is no certificate; the text says why."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What `verify` found: None where there is no key to ask."""

    unchanged: bool
    ours: bool | None
    passed: bool


def signed(state_dir: Path, document: Mapping[str, Any]) -> dict[str, Any]:
    """Return a document with its digest and signature; the key is made where there is none yet."""
    key = _key(state_dir, make=True)
    assert key is not None
    content = canonical(document)
    return {
        **document,
        "digest": digest(content),
        "signature": "hmac-sha256:" + hmac.new(key, content, hashlib.sha256).hexdigest(),
        "key": _name(key),
    }


def verify(document: Mapping[str, Any], state_dir: Path | None) -> Verdict:
    """Check a certificate; without the key of the gateway that wrote it, only whether it was changed."""
    content = canonical(document)
    unchanged = hmac.compare_digest(digest(content).encode(), str(document.get("digest", "")).encode())
    key = _key(state_dir, make=False) if state_dir is not None else None
    ours: bool | None = None
    if key is not None:
        wanted = "hmac-sha256:" + hmac.new(key, content, hashlib.sha256).hexdigest()
        ours = hmac.compare_digest(wanted.encode(), str(document.get("signature", "")).encode())
    return Verdict(unchanged, ours, document.get("pass") is True)


def load(path: Path) -> dict[str, Any]:
    """Read a certificate; raise `CertificateError`, or `OSError` if unreadable."""
    with path.open("rb") as stream:
        content = stream.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise CertificateError(f"{path}: more than {MOST_BYTES} bytes are no certificate")
    try:
        document = json.loads(content)
    except (ValueError, RecursionError) as err:
        raise CertificateError(f"{path}: no JSON: {printable(str(err))}") from None
    if not isinstance(document, dict) or document.get("certificate") != 1:
        raise CertificateError(f"{path}: no certificate of this form")
    try:
        for device in document.get("devices", ()):
            check_plain(device, "devices")
        check_plain({name: value for name, value in document.items() if name != "devices"}, "certificate")
    except (MessageError, TypeError) as err:
        raise CertificateError(f"{path}: {printable(str(err))}") from None
    return document


def store(state_dir: Path, document: Mapping[str, Any]) -> str:
    """Keep a certificate as JSON and as a page; return the name of both, without its ending."""
    folder = state_dir / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    stamp = re.sub(r"[^0-9TZ]", "", str(document["at"]))
    name = f"{document['line']}-{stamp}"
    _write(folder / f"{name}.json", as_json(document))
    _write(folder / f"{name}.html", page(document))
    return str(folder / name)


def _write(path: Path, text: str) -> None:
    fresh = path.with_name(path.name + ".new")
    fresh.write_text(text, encoding="utf-8")
    fresh.replace(path)


def _key(state_dir: Path, *, make: bool) -> bytes | None:
    path = state_dir / KEY
    try:
        return bytes.fromhex(path.read_text().strip())
    except FileNotFoundError:
        if not make:
            return None
    state_dir.mkdir(parents=True, exist_ok=True)
    key = os.urandom(32)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    with open(os.open(path, flags, 0o600), "w", encoding="ascii") as out:
        out.write(key.hex() + "\n")
        out.flush()
        os.fsync(out.fileno())
    return key


def _name(key: bytes) -> str:
    """Name a key so that two can be told apart, and nothing of it be learned."""
    return hashlib.sha256(b"gatehouse certify key" + key).hexdigest()[:16]
