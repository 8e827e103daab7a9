"""A file of vectors (one JSON object a line) against the installed drivers."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, BinaryIO

from drivers import capture, profiles_store, registry
from drivers.api import Driver
from drivers.errors import Misconfigured
from drivers.profile import Profile
from messages.text import printable

MAX_LINE = 1 << 20
MAX_ROWS = 1_000_000


@dataclass(frozen=True, slots=True)
class CheckReport:
    """How many rows our decoders agree with, and every disagreement in words."""

    agree: int
    total: int
    disagreements: list[str]


def run(path: Path, maps_path: Path | None = None) -> CheckReport:
    """Check every row of a file; a line that is no row counts as a disagreement. Raise `OSError` if unreadable."""
    with path.open("rb") as stream:
        if capture.is_capture(stream.read(64)):
            return replay(path, profiles_store.load_library())
    maps: list[Mapping[str, Any]] = []
    disagreements: list[str] = []
    if maps_path is not None:
        for place, row in _rows(maps_path):
            if isinstance(row, str):
                disagreements.append(f"{maps_path}:{place}: {row}")
            else:
                maps.append(row)
    agree = 0
    total = len(disagreements)
    for place, row in _rows(path):
        total += 1
        fault = row if isinstance(row, str) else check_row(row, maps)
        if fault is None:
            agree += 1
        else:
            name = "" if isinstance(row, str) else printable(str(row.get("id", "")), 60)
            disagreements.append(f"{path}:{place}: {name}{': ' if name else ''}{fault}")
    return CheckReport(agree, total, disagreements)


def replay(path: Path, library: Mapping[str, Profile]) -> CheckReport:
    """Decode every exchange of a capture as its profile says; raise `OSError` if unreadable."""
    try:
        captured = capture.read(path)
        found = sorted(capture.disagreements(captured, library, registry.get))
    except (capture.CaptureError, Misconfigured) as err:
        return CheckReport(0, 1, [str(err)])
    bad = {line for line, _ in found}
    return CheckReport(
        len(captured) - len(bad), len(captured), [f"{path}:{line}: {text}" for line, text in found]
    )


def check_row(row: Mapping[str, Any], maps: Sequence[Mapping[str, Any]] = ()) -> str | None:
    """Return None where the driver of the row's protocol agrees with it, else the disagreement."""
    try:
        driver = _driver_for(row.get("protocol"))
    except Misconfigured as err:
        return str(err)
    return driver.check_vector(row, maps)


def _driver_for(protocol: Any) -> Driver:
    """Find the driver by the protocol's name or by what stands before a hyphen or dot: `modbus-rtu` is `modbus`."""
    if not isinstance(protocol, str) or not protocol:
        raise Misconfigured("the row names no `protocol`")
    name = protocol
    while name not in registry.names() and ("-" in name or "." in name):
        name = name[: max(name.rfind("-"), name.rfind("."))]
    return registry.get(name if name in registry.names() else protocol)


def _rows(path: Path) -> Iterator[tuple[int, Mapping[str, Any] | str]]:
    with path.open("rb") as stream:
        if path.suffix == ".json":  # one row, perhaps written over several lines
            whole = _row(stream.read(MAX_LINE + 1).removeprefix(b"\xef\xbb\xbf"))
            if not isinstance(whole, str):
                yield 1, whole
                return
            stream.seek(0)
        for place, line in enumerate(_lines(stream), 1):
            if place > MAX_ROWS:
                yield place, f"more than {MAX_ROWS} lines: split the file"
                return
            if line.strip():
                yield place, _row(line)


def _lines(stream: BinaryIO) -> Iterator[bytes]:
    first = True
    while line := stream.readline(MAX_LINE + 1):
        yield line.removeprefix(b"\xef\xbb\xbf") if first else line
        first = False


def _row(line: bytes) -> Mapping[str, Any] | str:
    if len(line) > MAX_LINE:
        return f"longer than {MAX_LINE} bytes"
    try:
        row = json.loads(line, parse_float=Decimal, parse_constant=_no_constant)
    except (ValueError, RecursionError) as err:
        return f"no JSON: {printable(str(err))}"
    return row if isinstance(row, dict) else "no JSON object"


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no number of JSON")
