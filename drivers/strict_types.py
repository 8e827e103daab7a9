"""Plain data against a msgspec type: every problem with its path, not only the first.

msgspec stops at the first fault; a person who edits a file wants all of them at once, and the nearest right word.
"""

import difflib
import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from functools import cache
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

import msgspec

from messages.text import printable

Path = tuple[str | int, ...]
_LISTS: Final = (list, tuple, set, frozenset)
_WORDS: Final = {
    ", got `str`": "",
    ", got `int`": "",
    ", got `bool`": "",
    ", got `null`": "",
    ", got `decimal`": "",
    ", got `array`": "",
    ", got `object`": "",
    "`str`": "text",
    "`int`": "a whole number",
    "`float`": "a number",
    "`decimal`": "a number",
    "`bool`": "true or false",
    "`array`": "a list",
    "`object`": "keys and values",
    "`null`": "nothing",
}


@dataclass(frozen=True, slots=True)
class Found:
    """One problem and the path to it."""

    path: Path
    text: str


def check(data: Any, kind: Any) -> list[Found]:
    """Return every problem that `data` has as a `kind`, in the order of the data."""
    return list(_walk(data, kind, ()))


def _walk(data: Any, kind: Any, path: Path) -> Iterator[Found]:
    bare = _bare(kind)
    if isinstance(bare, type) and issubclass(bare, msgspec.Struct):
        yield from _struct(data, bare, path)
    elif get_origin(bare) in {Union, types.UnionType}:
        yield from _union(data, bare, kind, path)
    elif isinstance(data, list) and get_origin(bare) in _LISTS:
        yield from _items(data, kind, get_args(bare), path)
    elif isinstance(data, dict) and get_origin(bare) in {dict, Mapping}:
        yield from _entries(data, get_args(bare), path)
    else:
        yield from _leaf(data, kind, path)


def _bare(kind: Any) -> Any:
    while get_origin(kind) is Annotated:
        kind = get_args(kind)[0]
    return kind


def _struct(data: Any, kind: type[msgspec.Struct], path: Path) -> Iterator[Found]:
    if not isinstance(data, dict):
        yield Found(path, f"must hold keys and values, not {_said(data)}")
        return
    fields = _fields(kind)
    for key in data:
        if key not in fields and kind.__struct_config__.forbid_unknown_fields:
            yield Found((*path, key), f"no such key here: {_suggest(key, fields)}")
    for name, field in fields.items():
        if name in data:
            yield from _walk(data[name], field.type, (*path, name))
        elif field.required:
            yield Found(path, f"`{name}` is missing: add it")


@cache
def _fields(kind: type[msgspec.Struct]) -> Mapping[str, msgspec.structs.FieldInfo]:
    # Looked up once: resolving annotations costs more than all checks of a device's points.
    return {field.encode_name: field for field in msgspec.structs.fields(kind)}


def _suggest(key: str, known: Mapping[str, Any]) -> str:
    near = difflib.get_close_matches(key, known, n=3, cutoff=0.6)
    if not near:
        return f"known are {', '.join(known)}"
    best = _likeness(key, near[0])
    equals = sorted(name for name in near if _likeness(key, name) == best)
    return f"did you mean {' or '.join(f'`{name}`' for name in equals)}?"


def _likeness(left: str, right: str) -> float:
    return difflib.SequenceMatcher(None, right, left).ratio()


def _union(data: Any, bare: Any, kind: Any, path: Path) -> Iterator[Found]:
    options = get_args(bare)
    if data is None and types.NoneType in options:
        return
    rest = [option for option in options if option is not types.NoneType]
    structs = [option for option in rest if isinstance(_bare(option), type) and _is_struct(option)]
    if len(rest) == 1:
        yield from _walk(data, rest[0], path)
    elif isinstance(data, dict) and len(structs) == 1:
        yield from _walk(data, structs[0], path)
    else:
        yield from _leaf(data, kind, path)


def _is_struct(option: Any) -> bool:
    return issubclass(_bare(option), msgspec.Struct)


def _items(data: list[Any], kind: Any, args: tuple[Any, ...], path: Path) -> Iterator[Found]:
    before = 0
    if not args or (get_origin(_bare(kind)) is tuple and args[-1] is not Ellipsis):
        yield from _leaf(data, kind, path)
        return
    for place, item in enumerate(data):
        for found in _walk(item, args[0], (*path, place)):
            before += 1
            yield found
    if not before:
        yield from _leaf(data, kind, path)


def _entries(data: dict[str, Any], args: tuple[Any, ...], path: Path) -> Iterator[Found]:
    for key, value in data.items():
        for found in _leaf(key, args[0], (*path, key)):
            yield Found(found.path, f"as a key: {found.text}")
        yield from _walk(value, args[1], (*path, key))


def _leaf(data: Any, kind: Any, path: Path) -> Iterator[Found]:
    try:
        value = msgspec.convert(data, kind, strict=True)
    except (msgspec.ValidationError, ValueError) as err:
        choices, wanted = _choices(kind), _description(kind)
        if wanted:
            yield Found(path, f"{_said(data)} is not {wanted}")
        elif choices:
            yield Found(path, f"{_said(data)} is not among the choices: {_suggest(str(data), choices)}")
        else:
            yield Found(path, _plain(printable(str(err)), data))
        return
    if isinstance(value, Decimal) and not (value.is_finite() and -60 < value.adjusted() < 60):
        yield Found(path, f"{printable(str(value), 40)} is no number of this world")


def _description(kind: Any) -> str:
    """The words that the type itself has for what it wants: better than its pattern."""
    if get_origin(kind) is Annotated:
        for note in get_args(kind)[1:]:
            if isinstance(note, msgspec.Meta) and note.description:
                return note.description
    return ""


def _choices(kind: Any) -> dict[str, None]:
    bare = _bare(kind)
    if get_origin(bare) is Literal:
        return dict.fromkeys(str(choice) for choice in get_args(bare))
    if isinstance(bare, type) and issubclass(bare, Enum):
        return dict.fromkeys(str(choice.value) for choice in bare)
    return {}


def _plain(text: str, data: Any) -> str:
    """Put msgspec's words into those of a person with an editor."""
    text = text.split(" - at `", maxsplit=1)[0]
    if isinstance(data, str) and data.lower() in {"yes", "no", "on", "off", "y", "n"} and "bool" in text:
        return f"{data} is a word here: write true or false"
    for theirs, ours in _WORDS.items():
        text = text.replace(theirs, ours)
    return f"{text[0].lower()}{text[1:]} (it is {_said(data)})"


def _said(data: Any) -> str:
    if data is None:
        return "empty"
    if isinstance(data, dict | list):
        return "a list" if isinstance(data, list) else "keys and values"
    if isinstance(data, bool):
        return "true" if data else "false"
    return printable(str(data), 40) if isinstance(data, int | Decimal) else repr(printable(str(data), 40))
