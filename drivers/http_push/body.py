"""The body of a push as plain data: JSON or XML, alone or a part of a form, or a form's fields; bounded in all."""

import re
from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Any, Final
from urllib.parse import parse_qsl

import msgspec

from drivers.errors import FrameDamaged
from drivers.http_push import markup
from drivers.http_push.media import media_type
from messages.text import printable

MAX_DEPTH: Final = 16
MAX_VALUES: Final = 20_000
MAX_PARTS: Final = 16
MAX_FIELDS: Final = 200
MAX_KEY: Final = 200
MAX_BITS: Final = 256  # of an integer that is shown

BOUNDS: Final = markup.Bounds(MAX_DEPTH, MAX_VALUES, MAX_KEY)

_TYPES: Final = frozenset(
    {
        "application/json",
        "text/json",
        "application/xml",
        "text/xml",
        "text/plain",
        "application/octet-stream",
    }
)
_PAIRS: Final = "application/x-www-form-urlencoded"
_FORMS: Final = frozenset({"multipart/form-data", "multipart/mixed"})
_BEGINS: Final = (b"{", b"[", b"<")
_BLANK: Final = b" \t\r\n\xef\xbb\xbf"
_NAME: Final = re.compile(rb'\b(?:file)?name="([^"\r\n]{1,100})"', re.IGNORECASE)
_MISSING: Final = object()
_decoder = msgspec.json.Decoder(float_hook=Decimal)

Json = dict[str, Any] | list[Any]


class NoJson(FrameDamaged):
    """The content type is none that holds JSON, XML or a form."""


def read(raw: bytes, content_type: str, part: str = "", charset: str = "utf-8") -> Json:
    """Return the object or list that a body holds; raise `NoJson` or `FrameDamaged` with what to mend."""
    kind, boundary = media_type(content_type)
    if kind in _FORMS:
        if not 1 <= len(boundary) <= 70:
            raise FrameDamaged("the form's Content-Type gives no boundary")
        return _form(raw, boundary.encode("latin-1", "replace"), part, charset)
    if kind == _PAIRS and raw.lstrip(_BLANK)[:1] not in _BEGINS:
        return _pairs(raw, charset)
    if kind and kind != _PAIRS and kind not in _TYPES and not kind.endswith(("+json", "+xml")):
        raise NoJson(f"the Content-Type is {printable(kind, 60)}: send application/json or application/xml")
    return parse(raw, charset)


def parse(raw: bytes, charset: str = "utf-8") -> Json:
    """Return the object or list that some JSON holds, or the object of some XML; raise `FrameDamaged`.

    Numbers of JSON are exact; in XML all is text. `charset` is that of JSON, and of XML that names none.
    """
    if raw.lstrip(_BLANK)[:1] == b"<":
        return markup.parse(raw, charset, BOUNDS)
    try:
        text = raw if charset == "utf-8" else raw.decode(charset).encode()
        found = _decoder.decode(text.removeprefix(b"\xef\xbb\xbf"))
    except (msgspec.DecodeError, UnicodeError, ArithmeticError) as err:
        raise FrameDamaged(f"the body is no JSON: {printable(str(err), 120)}") from None
    except RecursionError:
        raise FrameDamaged(f"the body is nested deeper than {MAX_DEPTH}") from None
    if not isinstance(found, dict | list):
        raise FrameDamaged("the body is a single value: send an object or a list of objects")
    _bounded(found)
    return found


def look(data: Any, pointer: str) -> Any:
    """Return what a JSON pointer (RFC 6901) leads to, None where it leads nowhere."""
    for step in pointer.split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        if isinstance(data, dict):
            data = data.get(name, _MISSING)
        elif isinstance(data, list) and name.isascii() and name.isdigit() and len(name) < 6:
            data = data[int(name)] if int(name) < len(data) else _MISSING
        else:
            return None
        if data is _MISSING:
            return None
    return data


def words(value: Any) -> str:
    """Return a plain value as text: nothing for what is missing, or is no plain value."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value) if value.bit_length() <= MAX_BITS else ""
    if isinstance(value, Decimal):
        return str(value)
    return value.strip() if isinstance(value, str) else ""


def _bounded(found: Json) -> None:
    level: list[Any] = [found]
    count = 0
    for _ in range(MAX_DEPTH):
        if not level:
            return
        below: list[Any] = []
        for each in level:
            count += len(each)
            if count > MAX_VALUES:
                raise FrameDamaged(f"the body holds more than {MAX_VALUES} values")
            if isinstance(each, dict) and any(len(key) > MAX_KEY for key in each):
                raise FrameDamaged(f"a name in the body has more than {MAX_KEY} characters")
            values = each.values() if isinstance(each, dict) else each
            below += [value for value in values if isinstance(value, dict | list)]
        level = below
    if level:
        raise FrameDamaged(f"the body is nested deeper than {MAX_DEPTH}")


def _pairs(raw: bytes, charset: str) -> Json:
    try:
        text = _text(raw, "utf-8")
        found = parse_qsl(
            text, keep_blank_values=True, max_num_fields=MAX_FIELDS, encoding=charset, errors="strict"
        )
    except ValueError:
        raise FrameDamaged(
            f"the form cannot be read: {MAX_FIELDS} fields at most, as URLs have them"
        ) from None
    if not found:
        raise FrameDamaged("the form is empty")
    return _fields(found)


def _form(raw: bytes, boundary: bytes, wanted: str, charset: str) -> Json:
    """Return what the part holds that is called so, by its own name or its file's, else the first with JSON or XML.

    Of a form that has none of these the fields themselves, by their names.
    """
    first: bytes | None = None
    fields: list[tuple[str, bytes]] = []
    for names, content in _parts(raw, boundary):
        if wanted in names:
            return parse(content, charset)
        if first is None and content.lstrip(_BLANK)[:1] in _BEGINS:
            first = content
        fields += [(names[0], content)] if len(names) == 1 else []  # a second name is that of a file
    if first is not None:
        return parse(first, charset)
    if not fields:
        raise FrameDamaged(
            f"no part of the form holds JSON or XML{f' or is called {wanted}' if wanted else ''}"
        )
    return _fields((name, _text(content, charset)) for name, content in fields)


def _fields(pairs: Iterable[tuple[str, str]]) -> Json:
    found: dict[str, Any] = {}
    for name, value in pairs:
        markup.add(found, name, value.strip())
    _bounded(found)
    return found


def _text(content: bytes, charset: str) -> str:
    try:
        return content.decode(charset)
    except UnicodeError:
        raise FrameDamaged(f"a field of the form is no {charset.upper()} text") from None


def _parts(raw: bytes, boundary: bytes) -> Iterator[tuple[list[str], bytes]]:
    """Yield the names of each part, its own first, and its content."""
    pieces = (b"\r\n" + raw).split(b"\r\n--" + boundary, MAX_PARTS + 1)
    if len(pieces) > MAX_PARTS + 1:
        raise FrameDamaged(f"the form has more than {MAX_PARTS} parts")
    for piece in pieces[1:]:
        if piece.startswith(b"--"):
            return
        head, blank, content = piece.partition(b"\r\n\r\n")
        if blank:
            yield [name.decode("utf-8", "replace") for name in _NAME.findall(head[:1000])], content
    raise FrameDamaged("the form has no end")
