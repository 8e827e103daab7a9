"""YAML from people, read strictly: every surprise is an error that names the file, the line and the mend.

Scalars follow the YAML 1.2 core schema (`no` is a word, not false; a date is text), except that numbers with
a point become `Decimal` and numbers that readers disagree about (leading zeros, octal, infinities) are refused.
Duplicate keys, anchors, aliases, merge keys, tags and several documents are refused.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec
import yaml

from drivers.strict_types import Found, check
from messages.text import printable

T = TypeVar("T")
Marks = Mapping[tuple[str | int, ...], int]
"""The line (from 1) of every key and list item, by path; `()` is the document."""

MAX_BYTES: Final = 1 << 20
MAX_DEPTH: Final = 24
MAX_NODES: Final = 200_000
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_NULL: Final = {"", "~", "null", "Null", "NULL"}
_BOOL: Final = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INT: Final = re.compile(r"[-+]?(0|[1-9][0-9]{0,39})")
_HEX: Final = re.compile(r"0x[0-9a-fA-F]{1,32}")
_FLOAT: Final = re.compile(r"[-+]?(\.[0-9]{1,40}|[0-9]{1,40}(\.[0-9]{0,40})?)([eE][-+]?[0-9]{1,2})?")
_DOUBTFUL: Final = re.compile(r"[-+]?(0[0-9]+|0[oO][0-7]+|0[bB][01]+|\.(inf|Inf|INF|nan|NaN|NAN)|[0-9]{41,})")
_DURATION: Final = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,6})?)(ms|s|m|h)")
_SECONDS: Final = {"ms": Decimal("0.001"), "s": Decimal(1), "m": Decimal(60), "h": Decimal(3600)}


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing to mend: where it is, in words and by line, and what to do."""

    line: int
    path: str
    text: str
    file: str = ""

    def __str__(self) -> str:
        place = f"{self.file or '<text>'}:{self.line}: "
        return place + (f"{self.path}: {self.text}" if self.path else self.text)


class YamlError(ValueError):
    """A file that cannot be used; `problems` holds everything found wrong with it, in the order of lines."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = sorted(problems, key=lambda problem: (problem.file, problem.line))
        super().__init__("\n".join(str(problem) for problem in self.problems))


def path_text(path: tuple[str | int, ...]) -> str:
    """Write a path as people do: `lines[0].devices[2].unit`."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{printable(step, 60)}"
    return text.removeprefix(".")


def line_of(marks: Marks, path: tuple[str | int, ...]) -> int:
    """Return the line of `path`, or of its nearest ancestor that has one."""
    while path and path not in marks:
        path = path[:-1]
    return marks.get(path, 1)


def load(source: str | Path, file: str = "") -> tuple[Any, Marks]:
    """Read one document into dicts, lists, str, int, Decimal, bool and None; raise `YamlError`."""
    name = file or (str(source) if isinstance(source, Path) else "")
    text = _read(source, name) if isinstance(source, Path) else source
    if len(text) > MAX_BYTES:
        raise YamlError([Problem(1, "", f"more than {MAX_BYTES} bytes: split the file", name)])
    builder = _Builder(name)
    try:
        return builder.document(yaml.parse(text, Loader=_LOADER)), builder.marks
    except yaml.MarkedYAMLError as err:
        mark = err.problem_mark or err.context_mark
        what = ", ".join(part for part in (err.context, err.problem) if part)
        raise YamlError([Problem(mark.line + 1 if mark else 1, "", printable(what), name)]) from None
    except yaml.YAMLError as err:
        raise YamlError([_unreadable(text, err, name)]) from None


def convert(data: Any, marks: Marks, kind: type[T], file: str = "") -> T:
    """Turn plain data into `kind` strictly; raise `YamlError` with every problem found, not only the first."""
    found: list[Found] = check(data, kind)
    if not found:
        try:
            return msgspec.convert(data, kind, strict=True)
        except (msgspec.ValidationError, ValueError) as err:  # a rule of the whole, from __post_init__
            found = [Found((), printable(str(err)))]
    raise YamlError(
        [Problem(line_of(marks, item.path), path_text(item.path), item.text, file) for item in found]
    )


def load_as(path: Path, kind: type[T]) -> tuple[T, Marks]:
    """Read a file into `kind`, and where each part of it stands; raise `YamlError`."""
    data, marks = load(path)
    return convert(data, marks, kind, str(path)), marks


def parse_duration(text: str) -> float:
    """Read `500ms`, `1s`, `5m` or `1h` as seconds; raise `ValueError`."""
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{printable(text, 40)!r} is no duration: write 500ms, 1s, 5m or 1h")
    return float(Decimal(match[1]) * _SECONDS[match[2]])


def _read(path: Path, name: str) -> str:
    try:
        with path.open("rb") as stream:
            raw = stream.read(MAX_BYTES + 1)
    except OSError as err:
        raise YamlError([Problem(1, "", f"cannot be read: {err.strerror or err}", name)]) from None
    if len(raw) > MAX_BYTES:
        raise YamlError([Problem(1, "", f"more than {MAX_BYTES} bytes: split the file", name)])
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as err:
        line = raw.count(b"\n", 0, err.start) + 1
        raise YamlError([Problem(line, "", "is not UTF-8: save the file as UTF-8", name)]) from None


def _unreadable(text: str, err: yaml.YAMLError, name: str) -> Problem:
    """Name the place of a character that no YAML may hold: the parser counts it from the start of the file."""
    found = yaml.reader.Reader.NON_PRINTABLE.search(text)
    if found is None:
        return Problem(1, "", printable(str(err)), name)
    line = text.count("\n", 0, found.start()) + 1
    return Problem(line, "", f"the character U+{ord(found[0]):04X} cannot stand in YAML: take it out", name)


class _Builder:
    """Builds plain data from parser events, so that nothing is expanded or resolved behind our back."""

    def __init__(self, file: str) -> None:
        self.marks: dict[tuple[str | int, ...], int] = {}
        self._file = file
        self._nodes = 0

    def document(self, events: Iterator[Any]) -> Any:
        data: Any = None
        documents = 0
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    raise self._error(event, (), "a second document: keep one per file")
            elif isinstance(event, yaml.NodeEvent):
                self.marks[()] = 1
                data = self._node(event, events, ())
        return data

    def _node(self, event: Any, events: Iterator[Any], path: tuple[str | int, ...]) -> Any:
        self._nodes += 1
        if self._nodes > MAX_NODES:
            raise self._error(event, path, f"more than {MAX_NODES} values: split the file")
        if len(path) > MAX_DEPTH:
            raise self._error(event, path, f"nested deeper than {MAX_DEPTH} levels")
        if isinstance(event, yaml.AliasEvent) or event.anchor is not None:
            raise self._error(event, path, "anchors and aliases are not read: write the value out")
        if event.tag is not None:
            raise self._error(event, path, f"the tag {printable(event.tag, 60)!r} is not read: leave it out")
        if isinstance(event, yaml.SequenceStartEvent):
            return self._sequence(events, path)
        if isinstance(event, yaml.MappingStartEvent):
            return self._mapping(events, path)
        return self._scalar(event, path)

    def _sequence(self, events: Iterator[Any], path: tuple[str | int, ...]) -> list[Any]:
        items: list[Any] = []
        for event in events:
            if isinstance(event, yaml.SequenceEndEvent):
                break
            place = (*path, len(items))
            self.marks[place] = event.start_mark.line + 1
            items.append(self._node(event, events, place))
        return items

    def _mapping(self, events: Iterator[Any], path: tuple[str | int, ...]) -> dict[str, Any]:
        items: dict[str, Any] = {}
        for event in events:
            if isinstance(event, yaml.MappingEndEvent):
                break
            key = self._key(event, events, path)
            place = (*path, key)
            if key in items:
                first = self.marks[place]
                raise self._error(event, place, f"stands twice: first in line {first}; keep one")
            self.marks[place] = event.start_mark.line + 1
            items[key] = self._node(next(events), events, place)
        return items

    def _key(self, event: Any, events: Iterator[Any], path: tuple[str | int, ...]) -> str:
        if not isinstance(event, yaml.ScalarEvent):
            raise self._error(event, path, "a key must be a word, not a list, mapping or alias")
        key = self._node(event, events, path)
        if key == "<<" and not event.style:
            raise self._error(event, path, "merge keys are not read: write the keys out")
        if not isinstance(key, str):
            raise self._error(event, path, f"the key {printable(event.value, 40)} must be in quotes")
        return key

    def _scalar(self, event: Any, path: tuple[str | int, ...]) -> Any:
        text: str = event.value
        if event.style:  # quoted or a block; plain is None or "", by the parser in use
            return text
        if text in _NULL:
            return None
        if text in _BOOL:
            return _BOOL[text]
        if _INT.fullmatch(text):
            return int(text)
        if _HEX.fullmatch(text):
            return int(text, 16)
        if _DOUBTFUL.fullmatch(text):
            raise self._error(
                event, path, f"{printable(text, 40)} reads differently from program to program: quote it"
            )
        return Decimal(text) if _FLOAT.fullmatch(text) else text

    def _error(self, event: Any, path: tuple[str | int, ...], text: str) -> YamlError:
        return YamlError([Problem(event.start_mark.line + 1, path_text(path), text, self._file)])
