"""XML as the plain data that JSON would be: an element is a key, one that is repeated a list, its text the value.

Name spaces are dropped, and so is the root: what a device calls `/serialNo` in JSON is `/serialNo` in XML too. The
root's name is at `/#name`. An attribute is beside its element as `element@attribute`, and at `@attribute` where the
element has children or no text; text among children is at `#text`.
"""

import codecs
import re
from dataclasses import dataclass, field
from typing import Any, Final
from xml.etree.ElementTree import ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import DefusedXMLParser

from drivers.errors import FrameDamaged
from messages.text import printable

ROOT: Final = "#name"
TEXT: Final = "#text"

_DECLARED: Final = re.compile(rb"""<\?xml[^>]{0,200}?\bencoding\s*=\s*["']([A-Za-z0-9._-]{1,40})["']""")
_CHARSETS: Final = {
    **dict.fromkeys(("utf-8", "utf8", "us-ascii", "ascii"), "utf-8"),
    **dict.fromkeys(("gb18030", "gbk", "gb2312"), "gb18030"),
    "iso-8859-1": "latin-1",
}


@dataclass(frozen=True, slots=True)
class Bounds:
    """How large a document may be: levels of elements, elements and attributes together, characters of a name."""

    depth: int
    values: int
    name: int


def parse(raw: bytes, charset: str, bounds: Bounds) -> dict[str, Any]:
    """Return what a whole document holds; raise `FrameDamaged`. `charset` is for those that name none."""
    target = _Plain(bounds)
    parser = DefusedXMLParser(forbid_dtd=True, target=target)
    try:
        parser.feed(_text(raw, charset))
        parser.close()
    except DefusedXmlException:
        raise FrameDamaged("the body is XML with a DTD or entities, which nobody reads here") from None
    except (ParseError, ValueError) as err:
        raise FrameDamaged(f"the body is no XML: {printable(str(err), 120)}") from None
    return target.made


def _text(raw: bytes, charset: str) -> str:
    """Return the document as text: by its first bytes, else as it says of itself, else as whoever calls says."""
    body = raw.strip(b" \t\r\n\0")
    if body.startswith(codecs.BOM_UTF8):
        return _decoded(body.removeprefix(codecs.BOM_UTF8), "utf-8")
    declared = _DECLARED.match(body)
    if declared is None:
        return _decoded(body, charset)
    said = declared[1].decode("ascii")
    if (known := _CHARSETS.get(said.lower())) is None:
        raise FrameDamaged(f"the body is XML in {said}: send UTF-8 or GB18030")
    return _decoded(body, known)


def _decoded(raw: bytes, charset: str) -> str:
    try:
        return raw.decode(charset)
    except UnicodeError:
        raise FrameDamaged(f"the body is no {charset.upper()} text") from None


@dataclass(slots=True)
class _Open:
    """An element whose end has not come."""

    name: str
    attributes: dict[str, str]
    children: dict[str, Any] = field(default_factory=dict)
    text: list[str] = field(default_factory=list)


class _Plain:
    """Takes what the parser finds, and keeps what a device may say."""

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self._open: list[_Open] = []
        self._count = 0
        self.made: dict[str, Any] = {}

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        """Begin an element."""
        bounds = self._bounds
        self._count += 1 + len(attributes)
        if len(self._open) >= bounds.depth:
            raise FrameDamaged(f"the body is nested deeper than {bounds.depth}")
        if self._count > bounds.values:
            raise FrameDamaged(f"the body holds more than {bounds.values} values")
        made = _Open(_local(tag), {_local(name): text for name, text in attributes.items()})
        if any(len(name) > bounds.name for name in (made.name, *made.attributes)):
            raise FrameDamaged(f"a name in the body has more than {bounds.name} characters")
        self._open.append(made)

    def data(self, text: str) -> None:
        """Take a piece of text."""
        self._open[-1].text.append(text)

    def end(self, _tag: str) -> None:
        """End an element."""
        made = self._open.pop()
        text = "".join(made.text).strip()
        own = {f"@{name}": value for name, value in made.attributes.items()}
        inner = {**own, **made.children, **({TEXT: text} if text else {})}
        if not self._open:
            self.made = {ROOT: made.name, **inner}
            return
        around = self._open[-1].children
        if made.children or (own and not text):
            add(around, made.name, inner)
            return
        add(around, made.name, text)
        for name, value in own.items():
            add(around, made.name + name, value)


def add(around: dict[str, Any], name: str, value: Any) -> None:
    """Put a value under a name, beside others of that name in a list."""
    if name not in around:
        around[name] = value
    elif isinstance(around[name], list):
        around[name].append(value)
    else:
        around[name] = [around[name], value]


def _local(tag: str) -> str:
    return tag.rpartition("}")[2]
