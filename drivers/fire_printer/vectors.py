"""Lines of a vector file against the profiles of printer ports; captured output explained."""

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from drivers.binding import from_hex
from drivers.errors import DriverError, FrameDamaged
from drivers.fire_printer.meaning import Panel, Read
from drivers.profile import Profile
from messages.text import printable
from messages.types import Edge

Row = Mapping[str, Any]

_NOW: Final = datetime(2026, 1, 1, tzinfo=UTC)
_COMMENTS: Final = frozenset({"note", "comment", "panel"})
# What other people call our signals, by signal and edge.
_KINDS: Final[Mapping[tuple[str, Edge], str]] = {
    ("fire", Edge.RAISED): r"(fire_?)?(alarm|fire)",
    ("fire", Edge.CLEARED): r"(fire|alarm)_(clear(ed)?|reset)",
    ("prealarm", Edge.RAISED): r"pre_?alarm",
    ("prealarm", Edge.CLEARED): r"pre_?alarm_(clear(ed)?|reset)",
    ("fault", Edge.RAISED): r"fault|trouble",
    ("fault", Edge.CLEARED): r"(fault|trouble)_(clear(ed)?|reset)",
    ("disabled", Edge.RAISED): r"((alarm|fault|active|point)_)?(isolated|isolate|disabled?)",
    (
        "disabled",
        Edge.CLEARED,
    ): r"((alarm|fault|active|point)_)?(de_?isolated|isolat\w+_clear|enabled?|disable\w*_clear)",
    ("acknowledged", Edge.PULSE): r"((alarm|fault|active)_)?(ack(ed|nowledged)?)",
    ("active", Edge.RAISED): r"active|activated",
    ("active", Edge.CLEARED): r"active_(clear(ed)?|reset)",
    ("panel_reset", Edge.PULSE): r"(panel_|system_)?reset",
    ("supervisory", Edge.RAISED): r"supervisory",
    ("supervisory", Edge.CLEARED): r"supervisory_clear(ed)?",
    ("feedback", Edge.RAISED): r"feedback",
    ("started", Edge.RAISED): r"start(ed)?",
    ("monitor", Edge.RAISED): r"monitor(_active)?",
    ("monitor", Edge.CLEARED): r"monitor_clear(ed)?",
    ("unparsed", Edge.PULSE): r"unparsed|unknown",
}


def check_vector(row: Row, library: Mapping[str, Profile]) -> str | None:
    """Return None where our decoder agrees with the row, else the disagreement."""
    wanted = row.get("expected")
    if not isinstance(wanted, Mapping):
        return "expected: must be an object"
    if not isinstance(row.get("hex"), str):
        return "hex: is missing"
    try:
        panel = _best(str(wanted.get("panel", "")), library)
        found = _read(from_hex(row["hex"]), panel)
    except DriverError as err:
        return printable(str(err), 200)
    told = [read for read in found if not read.ignored]
    if "event" in wanted and wanted["event"] is None:
        return (
            f"expected no event, we find {told[0].event or 'a line that nobody could read'}" if told else None
        )
    if len(told) != 1:
        return f"expected one event, we find {len(told)}"
    return next(_faults(_plain(told[0], panel), told[0], wanted), None)


def explain_record(raw: bytes, library: Mapping[str, Profile]) -> str:
    """Describe captured output by the profile that reads the most of it; raise `FrameDamaged` if none reads any."""
    best: tuple[int, str, list[Read]] | None = None
    for profile in _profiles(library):
        found = _read(raw, Panel(profile, {}))
        score = sum(read.groups is not None or read.ignored for read in found)
        if score and (best is None or score > best[0]):
            best = score, profile.profile, found
    if best is None:
        raise FrameDamaged(
            "no profile of a printer port reads this: write one, or check charset and record end"
        )
    return "\n".join(f"{best[1]}: {line}" for read in best[2] for line in _told(read))


def _told(read: Read) -> Iterator[str]:
    if read.ignored:
        yield f"no event: {printable(read.record.text)}"
    for happening in read.happenings:
        part = f" at {printable(happening.part, 60)}" if happening.part else ""
        when = f", the panel says {happening.at.isoformat()}" if happening.at else ""
        yield f"{happening.code} {happening.edge.value}{part}{when}: {printable(happening.detail)}"


def _profiles(library: Mapping[str, Profile]) -> list[Profile]:
    return [library[name] for name in sorted(library) if library[name].protocol == "fire-printer"]


def _best(panel: str, library: Mapping[str, Profile]) -> Panel:
    wanted = set(re.findall(r"\w+", panel.lower()))

    def shared(profile: Profile) -> int:
        return len(wanted & set(re.findall(r"\w+", f"{profile.vendor} {profile.model}".lower())))

    found = max(_profiles(library), key=shared, default=None)
    if found is None or not shared(found):
        raise FrameDamaged(f"no profile for the panel {printable(panel, 60)!r}")
    return Panel(found, {})


def _read(raw: bytes, panel: Panel) -> list[Read]:
    reader = panel.reader()
    return [panel.read(record, _NOW) for record in [*reader.feed(raw), *reader.flush()]]


def _plain(read: Read, panel: Panel) -> dict[str, Any]:
    """Return a record in the words of the vector files."""
    groups = read.groups or {}
    found: dict[str, Any] = {
        **groups,
        "event": read.event or None,
        "date_as_printed": groups.get("date"),
        "details": [*groups.get("where", "").split(), *groups.get("label", "").splitlines()],
        "lines": list(read.record.lines),
        "charset": panel.options.charset,
        "text": read.record.text,
    }
    return found | {
        name: int(groups[name]) for name in ("zone", "day", "month") if groups.get(name, "").isdigit()
    }


def _faults(found: Mapping[str, Any], read: Read, wanted: Row) -> Iterator[str]:
    for key, want in wanted.items():
        if key in _COMMENTS:
            continue
        if key in {"kind", "kind_suggested"}:
            if not _is_kind(read, str(want)):
                told = ", ".join(f"{it.code} {it.edge.value}" for it in read.happenings)
                yield f"{key}: we find {told}, expected {printable(str(want), 60)}"
        elif not _same(key, found.get(key), want):
            yield f"{key}: we find {printable(repr(found.get(key)), 120)}, expected {printable(repr(want), 120)}"


def _is_kind(read: Read, kind: str) -> bool:
    first = read.happenings[0]
    pattern = _KINDS.get((first.code, first.edge))
    return pattern is not None and re.fullmatch(pattern, kind.strip().lower().replace(" ", "_")) is not None


def _same(key: str, have: Any, want: Any) -> bool:
    if key == "charset":
        return str(have) in re.split(r"\W+", str(want).lower()) or str(want).lower() == have
    if isinstance(want, int) and isinstance(have, str) and have.isdigit():
        return int(have) == want
    if isinstance(want, str) and isinstance(have, int):
        return want.isdigit() and int(want) == have
    if key in {"lines", "details"} and isinstance(want, list):
        return [" ".join(str(part).split()) for part in have] == [
            " ".join(str(part).split()) for part in want
        ]
    return bool(have == want)
