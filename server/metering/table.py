"""The feed as CSV: one line a register, safe to open in a spreadsheet."""

import csv
import io
from collections.abc import Iterable, Iterator
from typing import Any

# A cell that begins with one of these is a formula to a spreadsheet.
# So is one that begins with the full-width form, where the spreadsheet's language writes in it.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "|", "%", "＝", "＋", "－", "＠")

COLUMNS = (
    "site",
    "building",
    "meter",
    "device",
    "register",
    "label",
    "label_zh",
    "unit",
    "month",
    "reader",
    "from_at",
    "to_at",
    "start_value",
    "start_method",
    "start_basis",
    "end_value",
    "end_method",
    "end_basis",
    "multiplier",
    "consumption",
    "quality",
    "state",
    "why",
)
# Ours, not somebody's text: a negative register must stay a number.
_NUMBERS = frozenset({"start_value", "end_value", "multiplier", "consumption"})


def safe(cell: str) -> str:
    """Return text that a spreadsheet takes as text, whatever a device or a person wrote into it."""
    return f"'{cell}" if cell.startswith(_FORMULA) else cell


def lines(rows: Iterable[dict[str, Any]]) -> Iterator[bytes]:
    """Yield the CSV in UTF-8 with a byte order mark (spreadsheets read Chinese right with it), header first."""
    yield "\ufeff".encode() + _line(COLUMNS)
    for row in rows:
        flat = {
            **row,
            "start_value": row["start"]["value"],
            "start_method": row["start"]["method"],
            "start_basis": _basis(row["start"]),
            "end_value": row["end"]["value"],
            "end_method": row["end"]["method"],
            "end_basis": _basis(row["end"]),
        }
        yield _line([_cell(name, flat[name]) for name in COLUMNS])


def _cell(name: str, value: Any) -> str:
    text = "" if value is None else str(value)
    return text if name in _NUMBERS else safe(text)


def _basis(edge: dict[str, Any]) -> str:
    """Return where a boundary's readings are: time, value and the batch that brought each."""
    return " ".join(
        f"{one['at']}={one['value']}@{one['gateway']}/{one['epoch']}/{one['seq']}.{one['index']}"
        for one in edge["basis"]
    )


def _line(cells: Iterable[str]) -> bytes:
    out = io.StringIO()
    csv.writer(out, lineterminator="\r\n").writerow(cells)
    return out.getvalue().encode("utf-8", "replace")
