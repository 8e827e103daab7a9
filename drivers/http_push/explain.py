"""A captured request or body for an engineer who writes a profile: every value with the pointer that leads to it."""

from collections.abc import Iterator
from typing import Any, Final

import h11

from drivers.errors import FrameDamaged
from drivers.http_push.body import parse, read, words
from drivers.http_push.mask import HARMLESS, unquoted
from drivers.withheld import NAMED
from messages.text import printable

MOST_LINES: Final = 200


def explain(frame: bytes) -> str:
    """Describe a request or its body of JSON or XML; raise `FrameDamaged` for what is neither."""
    if frame.lstrip(b" \t\r\n\xef\xbb\xbf")[:1] in (b"{", b"[", b"<"):
        return "\n".join(_pointers(parse(frame)))
    http = h11.Connection(h11.SERVER, max_incomplete_event_size=65_536)
    body, lines, kind = bytearray(), [], ""
    try:
        http.receive_data(frame)
        http.receive_data(b"")
        while not isinstance(event := http.next_event(), h11.EndOfMessage | h11.ConnectionClosed):
            if isinstance(event, h11.Request):
                path, asked, _ = event.target.decode("latin-1").partition("?")
                lines.append(printable(f"{event.method.decode()} {path}{'?…' if asked else ''}"))
                for name, value in event.headers:
                    # Any other may be the one that holds the key.
                    shown = value.decode("latin-1") if name.decode() in HARMLESS else "(not shown)"
                    lines.append(printable(f"{name.decode()}: {shown}"))
                    kind = value.decode("latin-1") if name == b"content-type" else kind
            elif isinstance(event, h11.Data):
                body += event.data
            else:
                raise FrameDamaged("the request is not whole")
    except h11.RemoteProtocolError as err:
        raise FrameDamaged(f"no JSON, no XML and no HTTP request: {unquoted(err)}") from None
    if not lines:
        raise FrameDamaged("there is nothing in it")
    return "\n".join([*lines, *(_pointers(read(bytes(body), kind)) if body else ("no body",))])


def _pointers(found: Any) -> Iterator[str]:
    count = 0
    todo = [("", found)]
    while todo:
        pointer, value = todo.pop()
        items = (
            value.items()
            if isinstance(value, dict)
            else enumerate(value)
            if isinstance(value, list)
            else None
        )
        if items is not None:
            steps = [
                (f"{pointer}/{str(key).replace('~', '~0').replace('/', '~1')}", each) for key, each in items
            ]
            todo += reversed(steps)
            if steps:
                continue
        count += 1
        if count > MOST_LINES:
            yield f"… more than {MOST_LINES} values"
            return
        if NAMED.search(pointer.rpartition("/")[2]):
            yield printable(f"{pointer} = (not shown)", 400)
            continue
        text = repr(printable(value, 100)) if isinstance(value, str) else words(value) or repr(value)
        yield printable(f"{pointer or '(top)'} = {text}", 400)
