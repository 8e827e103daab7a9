"""What a measurement yields: named figures with all their runs, as a table and as JSON."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

from rich.box import SIMPLE
from rich.table import Table

Row = dict[str, float]


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure over all runs; of a `ratio` more is better, and 1.0 is the raw limit of the same run."""

    group: str
    name: str
    unit: str
    runs: tuple[float, ...]

    def as_json(self) -> dict[str, object]:
        """Return it with its least, middle and greatest run."""
        runs = [_rounded(run) for run in self.runs]
        spread = {"min": min(runs), "median": _rounded(median(self.runs)), "max": max(runs)}
        return {"group": self.group, "name": self.name, "unit": self.unit, **spread, "runs": runs}


def figures(group: str, rows: Sequence[Row], named: Iterable[tuple[str, str, str]]) -> list[Figure]:
    """Make a figure of each (key of the rows, name, unit)."""
    return [Figure(group, name, unit, tuple(row[key] for row in rows)) for key, name, unit in named]


def table(found: Iterable[Figure]) -> Table:
    """Lay figures out for a person: ratios stand out, for they are what may be compared between machines."""
    shown = Table(box=SIMPLE)
    shown.add_column("figure", no_wrap=True)
    shown.add_column("unit", no_wrap=True)
    for head in ("min", "median", "max"):
        shown.add_column(head, justify="right", no_wrap=True)
    group = ""
    for figure in found:
        if figure.group != group:
            if group:
                shown.add_section()
            group = figure.group
            shown.add_row(group, style="bold")
        values = [_shown(value) for value in (min(figure.runs), median(figure.runs), max(figure.runs))]
        style = "green" if figure.unit == "ratio" else None
        shown.add_row(f"  {figure.name}", figure.unit, *values, style=style)
    return shown


def _rounded(value: float) -> float:
    return round(value, 3 if abs(value) < 100 else 1)


def _shown(value: float) -> str:
    if abs(value) >= 10_000:
        return f"{value / 1000:.0f} k"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.2f}" if abs(value) < 10 else f"{value:.1f}"
