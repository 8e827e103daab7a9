"""XML from a camera: parsed without documents types and entities, bounded in size, depth and parts."""

from collections.abc import Iterator
from typing import Any, Final
from xml.etree.ElementTree import Element, ParseError, TreeBuilder

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import DefusedXMLParser

from drivers.errors import FrameDamaged
from messages.text import printable

MAX_BYTES: Final = 1 << 20
MAX_DEPTH: Final = 64
MAX_PARTS: Final = 20_000

SOAP: Final = "http://www.w3.org/2003/05/soap-envelope"
WSNT: Final = "http://docs.oasis-open.org/wsn/b-2"
SCHEMA: Final = "http://www.onvif.org/ver10/schema"


class _Bounded(TreeBuilder):
    """Builds a tree that cannot grow beyond what a camera has to say."""

    def __init__(self) -> None:
        super().__init__()
        self._depth = self._parts = 0

    def start(self, tag: Any, attrs: Any) -> Element:
        self._depth += 1
        self._parts += 1 + len(attrs)
        if self._depth > MAX_DEPTH or self._parts > MAX_PARTS:
            raise FrameDamaged(f"XML of more than {MAX_DEPTH} levels or {MAX_PARTS} parts")
        return super().start(tag, attrs)

    def end(self, tag: Any) -> Element:
        self._depth -= 1
        return super().end(tag)


def parse(data: bytes) -> Element:
    """Return the root of a whole document; raise `FrameDamaged` for what is none, or none that a camera may send."""
    if len(data) > MAX_BYTES:
        raise FrameDamaged(f"XML of {len(data)} bytes, and the limit is {MAX_BYTES}")
    parser = DefusedXMLParser(forbid_dtd=True, target=_Bounded())
    try:
        parser.feed(data.strip(b" \t\r\n\0"))
        root: Element = parser.close()
    except (ParseError, DefusedXmlException, ValueError, LookupError) as err:
        raise FrameDamaged(f"no XML that may be read: {printable(f'{type(err).__name__}: {err}')}") from None
    return root


def local(element: Element) -> str:
    """Return an element's name without its name space."""
    return str(element.tag).rpartition("}")[2]


def child(element: Element | None, *names: str) -> Element | None:
    """Follow local names downwards, the first of each; None where one is missing."""
    for name in names:
        element = (
            next((each for each in element if local(each) == name), None) if element is not None else None
        )
    return element


def text(element: Element | None, *names: str) -> str:
    """Return the text at the end of local names, empty where there is none."""
    found = child(element, *names)
    return (found.text or "").strip() if found is not None else ""


def every(element: Element, name: str) -> Iterator[Element]:
    """Yield all elements of a local name below this one, itself among them."""
    return (each for each in element.iter() if local(each) == name)
