"""What a pushing device is answered: short, whole, and with what to mend."""

import json
from http import HTTPStatus
from typing import Final

CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
RETRY_S: Final = 30


def answer(status: int, text: str, *, close: bool = False, extra: tuple[str, ...] = ()) -> bytes:
    """Write a whole answer with a JSON body that says what is wrong."""
    return write(status, json.dumps({"error": text}), close=close, extra=extra)


def write(status: int, body: str, *, close: bool = False, extra: tuple[str, ...] = ()) -> bytes:
    """Write a whole answer with this body."""
    raw = body.encode()
    kind = "application/json" if body[:1] in ("{", "[") else "text/plain; charset=utf-8"
    head = (
        f"HTTP/1.1 {status} {HTTPStatus(status).phrase}",
        f"Content-Type: {kind}",
        f"Content-Length: {len(raw)}",
        *extra,
        *(("Connection: close",) if close else ()),
    )
    return "\r\n".join(head).encode() + b"\r\n\r\n" + raw
