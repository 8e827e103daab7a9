"""Plain data of a profile or a site file turned into a protocol's own types, with every fault named by its place."""

from typing import Any, TypeVar

import msgspec

from drivers.errors import FrameDamaged, Misconfigured
from drivers.strict_types import check
from drivers.strict_yaml import path_text
from messages.text import printable

MAX_HEX = 8192

T = TypeVar("T")


def bind(data: Any, kind: type[T], place: str) -> T:
    """Turn plain data into `kind`; raise `Misconfigured`, one line `place: what is wrong` for each problem."""
    found = check(data, kind)
    if found:
        lines = [f"{_join(place, path_text(item.path))}: {item.text}" for item in found]
        raise Misconfigured("\n".join(lines))
    return msgspec.convert(data, kind, strict=True)


def from_hex(text: str, limit: int = MAX_HEX) -> bytes:
    """Read hex digits with blanks, colons or 0x between them; raise `FrameDamaged`."""
    clean = text.replace("0x", "").translate(str.maketrans("", "", " \t\r\n:,-"))
    if len(clean) > limit:
        raise FrameDamaged(f"more than {limit} hex digits: give one frame")
    try:
        return bytes.fromhex(clean)
    except ValueError:
        raise FrameDamaged(f"{printable(text, 40)!r} is no hex") from None


def _join(place: str, rest: str) -> str:
    return f"{place}.{rest}" if rest and not rest.startswith("[") else place + rest
