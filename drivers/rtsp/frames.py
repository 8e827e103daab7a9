"""RTSP requests and answers (RFC 2326): text, a header block, and a body of a told length."""

import re
from dataclasses import dataclass, field
from typing import Final

from drivers.errors import FrameDamaged
from messages.text import printable

MAX_HEAD: Final = 16 * 1024
MAX_BODY: Final = 64 * 1024
_STATUS: Final = re.compile(rb"RTSP/1\.[0-9] ([1-5][0-9][0-9])(?: ([^\r\n]{0,200}))?")


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer; header names in small letters, each with all its values."""

    status: int
    reason: str
    headers: dict[str, list[str]] = field(default_factory=dict)
    body: bytes = b""

    @property
    def tracks(self) -> int:
        """How many media the description names."""
        return len(re.findall(rb"(?m)^m=", self.body))


def request(method: str, url: str, sequence: int, headers: dict[str, str] | None = None) -> bytes:
    """Return a request; raise `ValueError` for a line break in what goes into it."""
    lines = [f"{method} {url} RTSP/1.0", f"CSeq: {sequence}", "User-Agent: gatehouse"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    if any("\r" in line or "\n" in line for line in lines):
        raise ValueError("a line break in a request")
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


@dataclass(slots=True)
class AnswerReader:
    """Puts the answer to one request together from any portions; bounded."""

    sequence: int
    _held: bytes = b""

    def feed(self, data: bytes) -> Answer | None:
        """Take bytes; return the answer when whole. Raise `FrameDamaged` where none can come of it."""
        self._held += data
        while True:
            head, end, rest = self._held.partition(b"\r\n\r\n")
            if not end:
                if len(self._held) > MAX_HEAD:
                    raise FrameDamaged("an RTSP answer whose head has no end")
                if len(self._held) >= 5 and not self._held.startswith(b"RTSP/"):
                    raise FrameDamaged(f"no RTSP answer: {printable(self._held[:40].decode('latin-1'))!r}")
                return None
            answer = _answer(head)
            length = _length(answer)
            if len(rest) < length:
                return None
            self._held = rest[length:]
            if answer.headers.get("cseq", [str(self.sequence)])[0] == str(self.sequence):
                return Answer(answer.status, answer.reason, answer.headers, rest[:length])


def _answer(head: bytes) -> Answer:
    if len(head) > MAX_HEAD:
        raise FrameDamaged("an RTSP answer whose head is too long")
    first, *lines = head.split(b"\r\n")
    match = _STATUS.fullmatch(first)
    if match is None:
        raise FrameDamaged(f"no RTSP answer: {printable(first[:60].decode('latin-1'))!r}")
    headers: dict[str, list[str]] = {}
    for line in lines:
        name, colon, value = line.decode("latin-1").partition(":")
        if colon:
            headers.setdefault(name.strip().lower(), []).append(value.strip())
    return Answer(int(match[1]), printable((match[2] or b"").decode("latin-1"), 80), headers)


def _length(answer: Answer) -> int:
    text = answer.headers.get("content-length", ["0"])[0]
    if not re.fullmatch(r"[0-9]{1,6}", text) or int(text) > MAX_BODY:
        raise FrameDamaged(f"an RTSP answer of {printable(text, 20)} bytes, and the limit is {MAX_BODY}")
    return int(text)
