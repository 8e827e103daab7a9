"""The certificate of a listening line: its files checked, told of, and turned into what a handshake needs."""

import ssl
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import NoReturn

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization

from gateway.site.listening import TlsFiles
from messages.text import printable

MAX_BYTES = 256 * 1024
SOON = timedelta(days=30)

Mark = tuple[tuple[int, int, int, int] | None, ...]
"""Of each file what differs once it was written anew; None for one that is not there."""


class TlsWrong(Exception):
    """Files with which no peer could be talked to: `key` is the word of the site file that names the one to mend."""

    def __init__(self, key: str, text: str) -> None:
        super().__init__(text)
        self.key = key


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate that is good to be shown, and until when it is."""

    context: ssl.SSLContext
    begins: datetime
    ends: datetime

    def trouble(self, now: datetime) -> str:
        """Return what devices may have against it at this time; empty while it is good for another month."""
        if now < self.begins:
            return f"the certificate is not valid before {self.begins:%Y-%m-%d}: is the clock right?"
        if now >= self.ends:
            return f"the certificate has expired on {self.ends:%Y-%m-%d}: devices that check it send nothing"
        left = self.ends - now
        return f"the certificate expires in {left.days} days: put a new one there" if left < SOON else ""


def certificate_of(files: TlsFiles) -> Certificate:
    """Read and check the files of a line; raise `TlsWrong`."""
    shown, private = _read("cert_file", files.cert), _read("key_file", files.key)
    try:
        first = x509.load_pem_x509_certificates(shown)[0]
        public, ends = first.public_key(), first.not_valid_after_utc
        begins = first.not_valid_before_utc
    except UnsupportedAlgorithm:
        text = f"the first certificate in {files.cert} is of a kind that is not known here: RSA and ECDSA are"
        raise TlsWrong("cert_file", text) from None
    except (ValueError, TypeError, x509.InvalidVersion):
        raise TlsWrong("cert_file", f"{files.cert} holds no certificate in PEM") from None
    try:
        fits = serialization.load_pem_private_key(private, None).public_key() == public
    except TypeError:
        _locked()
    except UnsupportedAlgorithm:
        raise TlsWrong(
            "key_file", f"the key in {files.key} is of a kind that is not known here: RSA and ECDSA are"
        ) from None
    except ValueError:
        raise TlsWrong("key_file", f"{files.key} holds no private key in PEM") from None
    if not fits:
        text = f"the key does not fit the first certificate in {files.cert}"
        raise TlsWrong("key_file", text)
    return Certificate(_context(files), begins, ends)


def mark_of(files: TlsFiles) -> Mark:
    """Return what changes when one of the files does; they are looked at and not read."""
    found: list[tuple[int, int, int, int] | None] = []
    for path in (files.cert, files.key, files.client_ca):
        try:
            seen = path.stat() if path is not None else None
        except OSError:
            seen = None
        found.append(seen and (seen.st_mtime_ns, seen.st_size, seen.st_ino, seen.st_dev))
    return tuple(found)


def notes_of(files: TlsFiles, now: datetime) -> Iterator[str]:
    """Yield what is not wrong yet, or is unwise, of files that can be used; raise `TlsWrong`."""
    if trouble := certificate_of(files).trouble(now):
        yield trouble
    if trouble := exposed(files):
        yield trouble


def exposed(files: TlsFiles) -> str:
    """Say that the key is not ours alone; empty where it is."""
    try:
        open_to_all = files.key.stat().st_mode & stat.S_IRWXO
    except OSError:
        return ""
    return f"everybody on this machine may read {files.key}: chmod o= it" if open_to_all else ""


def _context(files: TlsFiles) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION  # a peer that renegotiates costs us more than itself
    try:
        context.load_cert_chain(files.cert, files.key, password=_locked)
    except (OSError, ValueError) as err:
        raise TlsWrong("cert_file", f"{files.cert} cannot be used: {_said(err)}") from None
    if files.client_ca is not None:
        known = _read("client_ca_file", files.client_ca)
        try:
            context.load_verify_locations(cadata=known.decode("ascii"))
        except (OSError, ValueError):
            text = f"{files.client_ca} holds no certificate in PEM"
            raise TlsWrong("client_ca_file", text) from None
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def _read(key: str, path: Path) -> bytes:
    try:
        # A device or a pipe may do anything when it is opened, and may never end.
        if not stat.S_ISREG(path.stat().st_mode):
            raise TlsWrong(key, f"{path} is no file")
        with path.open("rb") as stream:
            return stream.read(MAX_BYTES)
    except OSError as err:
        raise TlsWrong(key, f"{path} cannot be read: {err.strerror}") from None


def _locked() -> NoReturn:
    raise TlsWrong(
        "key_file", "the key is protected by a password: store it without one, readable by us only"
    )


def _said(err: Exception) -> str:
    reason = getattr(err, "reason", None) or str(err)
    return printable(str(reason).replace("_", " ").lower(), 100)
