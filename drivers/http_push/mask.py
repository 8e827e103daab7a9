"""Keys out of sight: what a peer sends over HTTP, shown to people as long as it was, with stars where a key may be.

Which header holds the key is the profile's to say, so that of a head only what cannot be one is shown: the method,
the path, names, and the values of a few headers. What does not begin with a request (who looks on may come in the
middle of one) is stars altogether, and so is a body in chunks, whose end would have to be looked for. Of a body those
fields are hidden that are called as passwords and keys are.
"""

import re
from typing import Final

import h11

from drivers.withheld import Withheld
from messages.text import printable

HARMLESS: Final = frozenset(
    {
        "accept",
        "connection",
        "content-length",
        "content-type",
        "expect",
        "host",
        "transfer-encoding",
        "user-agent",
    }
)
"""Headers whose values may be shown."""
_METHODS: Final = tuple(
    f"{name} ".encode() for name in ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")
)
_NAME: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]*")
_PATH: Final = re.compile(rb"/[^?\s]*(?: HTTP/1\.[01])?")
_LENGTH: Final = re.compile(rb"[0-9]{1,9}")
_QUOTES: Final = re.compile(r":|\b(bytearray\()?b['\"]")
_HIDDEN: Final = bytes(each if each in b"\r\n" else ord("*") for each in range(256))
_LONGEST: Final = 4096
"""Of a line so much is looked at; what is longer is stars."""


class Mask:
    """Follows the requests of one peer and hides what may be a key; `feed` returns as many bytes as it is given."""

    def __init__(self) -> None:
        self._line = bytearray()
        self._first = True
        self._length = self._left = 0
        """How long the body is to be by its head, and how much of it is still to come."""
        self._lost = self._chunked = False
        self._body = Withheld()

    def feed(self, data: bytes) -> bytes:
        """Take bytes in any portions; return them as they may be shown."""
        shown, at = bytearray(), 0
        while at < len(data):
            if self._lost:
                part = data[at:]
                shown += _stars(part)
            elif self._left:
                part = data[at : at + self._left]
                self._left -= len(part)
                shown += self._body.feed(part)
            else:
                part = data[at : data.find(b"\n", at) + 1 or len(data)]
                shown += self._head(part)
            at += len(part)
        return bytes(shown)

    def message(self) -> None:
        """Know that a message was whole: who was lost may follow again with the next."""
        if self._lost:
            self._line.clear()
            self._first, self._lost, self._chunked, self._length = True, False, False, 0

    def _head(self, part: bytes) -> bytes:
        """Take what came of a line, up to its end; return it as it may be shown."""
        had = len(self._line)
        self._line += part[: max(0, _LONGEST - had)]
        line = bytes(self._line)
        seen = self._request(line) if self._first else _header(line)
        shown = seen[had:] + _stars(part[len(line) - had :])
        if self._lost:
            return _stars(part)
        if part.endswith(b"\n"):
            self._line.clear()
            self._ended(line.strip())
        return shown

    def _request(self, line: bytes) -> bytes:
        method = next((each for each in _METHODS if line.startswith(each)), b"")
        path = _PATH.match(line, len(method)) if method else None
        if path is not None:
            return line[: path.end()] + _stars(line[path.end() :])
        self._lost = not method and bool(line.strip()) and not any(each.startswith(line) for each in _METHODS)
        return method + _stars(line[len(method) :])

    def _ended(self, line: bytes) -> None:
        if self._first:
            self._first, self._length = not line, 0
            return
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = _LENGTH.fullmatch(value.strip())
            self._length = int(length[0]) if length is not None else 0
        elif name.lower() == b"transfer-encoding":
            self._chunked = True
        elif not line:
            self._first, self._left, self._lost = True, self._length, self._chunked
            self._body = Withheld()


def unquoted(err: h11.RemoteProtocolError) -> str:
    """Say what is wrong with a request without what it quotes of it."""
    text = str(err)
    quoted = _QUOTES.search(text)
    return printable(text[: quoted.start()] if quoted else text, 120).strip()


def _header(line: bytes) -> bytes:
    name = line[: _NAME.match(line).end()]  # type: ignore[union-attr]  # it matches nothing as well
    colon = line[len(name) : len(name) + 1] == b":"
    if colon and name.decode("ascii").lower() in HARMLESS:
        return line
    told = len(name) + colon
    return line[:told] + _stars(line[told:])


def _stars(data: bytes) -> bytes:
    return data.translate(_HIDDEN)
