"""What of a site file may come from afar: its lines and their paces. The rest stays as it is on the box.

A text from afar that names the broker, secrets, folders or the gateway itself must say what the box says, or nothing.
"""

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from drivers.strict_yaml import Marks, Problem, YamlError, convert, line_of, load, path_text
from gateway.site.config import Site, site_of
from gateway.site.site_file import SiteFile
from messages.text import printable

NAME = "the offered configuration"
LOCAL = frozenset({"site", "gateway", "broker", "timezone", "state_dir", "metrics", "journal", "profiles"})
# A device file that was never meant to be a port may do anything when it is opened: /dev/watchdog restarts the box.
_PORT = re.compile(r"/dev/(tty[A-Za-z0-9_.-]{1,60}|serial/by-(id|path)/[A-Za-z0-9_.:+-]{1,200})")
_MOST_SHOWN = 256 * 1024


def load_overlaid(path: Path, text: str, *, certificates: bool = True) -> Site:
    """Check `text` from afar upon the site file; raise `YamlError` with all problems of either.

    Without `certificates` those of listening lines are not looked at: for what has proved itself.
    """
    offered, marks = load(text, NAME)
    if not isinstance(offered, dict):
        raise YamlError([Problem(1, "", "write keys and values, `lines` among them", NAME)])
    local, places = load(path)
    convert(local, places, SiteFile, str(path))  # what is wrong on the box is told under its own name
    problems = [*_foreign(offered, local, marks), *_ports(offered, local, marks)]
    merged = {key: value for key, value in local.items() if key in LOCAL}
    merged |= {key: value for key, value in offered.items() if key not in LOCAL}
    try:
        file = convert(merged, marks, SiteFile, NAME)
        site = site_of(path, file, marks, NAME, secrets=True, certificates=certificates)
    except YamlError as err:
        raise YamlError([*problems, *err.problems]) from None
    if problems:
        raise YamlError(problems)
    return site


def shown_part(path: Path) -> str:
    """Return the part of a site file that may change from afar, as it is written; empty where it cannot be cut out."""
    try:
        text = path.read_text(encoding="utf-8-sig")
        data, marks = load(path)
    except (OSError, UnicodeDecodeError, YamlError):
        return ""
    if not isinstance(data, dict):
        return ""
    tops = sorted((marks[(key,)], key) for key in data)
    rows = text.splitlines(keepends=True)
    starts = [line for line, _ in tops]
    # In a document written in one line, keys share it: nothing can be cut out of that.
    if len(set(starts)) < len(starts) or text.lstrip().startswith("{"):
        return ""
    ends = [*starts[1:], len(rows) + 1]
    kept = [
        "".join(rows[start - 1 : end - 1])
        for (start, key), end in zip(tops, ends, strict=True)
        if key not in LOCAL
    ]
    shown = "".join(kept)
    return shown if len(shown) <= _MOST_SHOWN else ""


def fingerprint(path: Path) -> str:
    """Return the digest of a file as it lies there; empty where it cannot be read."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""


def _foreign(offered: dict[str, Any], local: dict[str, Any], marks: Marks) -> Iterator[Problem]:
    for key, value in offered.items():
        if key in LOCAL and not _same(value, local.get(key)):
            text = "belongs to the box and cannot change from afar: take it out"
            yield Problem(line_of(marks, (key,)), printable(key, 60), text, NAME)


def _same(one: Any, other: Any) -> bool:
    return msgspec.json.encode(one, order="deterministic") == msgspec.json.encode(
        other, order="deterministic"
    )


def _ports(offered: dict[str, Any], local: dict[str, Any], marks: Marks) -> Iterator[Problem]:
    known = {port for _, port in _named_ports(local)}
    for path, port in _named_ports(offered):
        if port not in known and (not _PORT.fullmatch(port) or ".." in port):
            text = (
                f"{printable(port, 80)!r} is no serial port that may be opened from afar: write /dev/tty… or "
                "/dev/serial/by-id/…, or name it in the site file on the box first"
            )
            yield Problem(line_of(marks, path), path_text(path), text, NAME)


def _named_ports(data: dict[str, Any]) -> Iterator[tuple[tuple[str | int, ...], str]]:
    lines = data.get("lines")
    for index, line in enumerate(lines if isinstance(lines, list) else ()):
        port = line.get("serial") if isinstance(line, dict) else None
        if isinstance(port, str):
            yield ("lines", index, "serial"), port
