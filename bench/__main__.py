"""`python -m bench [--quick] [--only PART]`: all measurements, each beside its raw limit. See docs/speed.md."""

import argparse
import json
import math
import os
import platform
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from bench import field, ingest, journal, latency, modbus, targets
from bench.figures import Figure, Row, figures, table

OUT = Path(__file__).parent / "out"
RUNS, SECONDS, CHANGES = 3, 5.0, 40
QUICK_RUNS, QUICK_SECONDS, QUICK_CHANGES = 1, 2.0, 5

INGEST = (
    ("ratio", "values/s, server / bare loop", "ratio"),
    ("cpu_ratio", "processor time, bare / server", "ratio"),
    ("ours_per_s", "server, broker to committed rows", "values/s"),
    ("raw_per_s", "bare loop, decode and insert", "values/s"),
    ("ours_cpu_us", "server, processor time", "µs/value"),
    ("raw_cpu_us", "bare loop, processor time", "µs/value"),
)
MODBUS = (
    ("ratio", "reads/s, gateway / bare client", "ratio"),
    ("cpu_ratio", "processor time, bare / gateway", "ratio"),
    ("ours_per_s", "gateway: decode, journal, publish", "reads/s"),
    ("raw_per_s", "bare client loop", "reads/s"),
    ("ours_values_per_s", "gateway, values", "values/s"),
    ("ours_cpu_us", "gateway, processor time", "µs/read"),
    ("raw_cpu_us", "bare client loop, processor time", "µs/read"),
)
LATENCY = (
    ("change_to_page", f"register changes → stream, poll {latency.POLL_MS} ms", "ms"),
    ("read_to_row", "reply leaves device → row committed", "ms"),
    ("read_to_page", "reply leaves device → stream", "ms"),
)
JOURNAL = (
    ("cpu_us", "encode, number, commit, forget", "µs/value"),
    ("share", "share of the gateway's time", "ratio"),
)


PARTS = ("ingest", "modbus", "latency", "journal", "field")


def main() -> None:
    """Measure, show, and write bench/out/<time>.json."""
    asked = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    asked.add_argument(
        "--quick", action="store_true", help="one short run of each: a look, not a measurement"
    )
    asked.add_argument(
        "--only", choices=PARTS, action="append", help="this part; may be given more than once"
    )
    options = asked.parse_args()
    console = Console()
    before, began = os.getloadavg()[0], time.monotonic()
    parts = options.only or PARTS
    with _progress(console) as progress:
        found = measure(progress, parts, quick=options.quick)
        finds = in_the_field(progress, quick=options.quick) if "field" in parts else {}
    if found:
        console.print(table(found))
    share = [min(f.runs) for f in found if f.group == "journal" and f.unit == "ratio"]
    judged = targets.targets(finds, share[0] if share else math.nan) if finds else []
    if finds:
        console.print(targets.side_by_side(finds))
        console.print("TB: ThingsBoard IoT Gateway; its blocks arrive undecoded, its tags as numbers.")
        for name in field.missing(finds):
            console.print(
                f"[bold yellow]NOT INSTALLED: {name}[/bold yellow], so it stands in no column above"
            )
        console.print(targets.table(judged))
    if before > 0.5:
        console.print(f"This machine was busy before (load {before:.1f}): believe the ratios, not the rates.")
    told = {
        "quick": options.quick,
        "load": before,
        "seconds": round(time.monotonic() - began, 1),
        "figures": [figure.as_json() for figure in found],
        "field": finds,
        "not_installed": field.missing(finds) if finds else [],
        "targets": [one.as_json() for one in judged],
    }
    path = _write(told)
    console.print(f"{time.monotonic() - began:.0f} s; written to {path}", highlight=False)


def in_the_field(progress: Progress, *, quick: bool) -> dict[str, field.Found]:
    """The common task, told step by step, for it takes minutes."""
    task = progress.add_task("field", total=None)
    return field.gathered(
        field.measure(
            field.QUICK if quick else field.Times(),
            lambda text: progress.update(task, description=f"field: {text}"),
        )
    )


def measure(progress: Progress, parts: Sequence[str], *, quick: bool) -> list[Figure]:
    """Run everything, one after another: two at once would measure each other."""
    runs = QUICK_RUNS if quick else RUNS
    seconds = QUICK_SECONDS if quick else SECONDS
    changes = QUICK_CHANGES if quick else CHANGES
    found: list[Figure] = []

    def collect(name: str, total: int, rows: Callable[[], Iterator[Row]]) -> list[Row]:
        task = progress.add_task(name, total=total)
        kept = []
        for row in rows():
            kept.append(row)
            progress.advance(task)
        return kept

    if "ingest" in parts:
        taken = collect("ingest", runs, lambda: ingest.measure(runs))
        found += figures("ingest", _with_ratios(taken), INGEST)
    several: list[Row] = []
    if {"modbus", "journal"} & set(parts):
        several = collect("Modbus, 10 devices", runs, lambda: modbus.measure(runs, 10, seconds))
        found += figures("Modbus TCP, 10 devices", _with_ratios(several), MODBUS)
    if "modbus" in parts:
        single = collect("Modbus, 1 connection", runs, lambda: modbus.measure(runs, 1, seconds))
        found += figures("Modbus TCP, 1 connection", _with_ratios(single), MODBUS)
    if "latency" in parts:
        waits = collect("latency", changes, lambda: latency.measure(changes))
        found += figures("latency", waits, LATENCY)
    if "journal" in parts:
        cost = collect("journal", runs, lambda: journal.measure(runs))
        least = min(row["ours_cpu_us"] for row in several) / modbus.VALUES_PER_READ
        found += figures("journal", [row | {"share": row["cpu_us"] / least} for row in cost], JOURNAL)
    return found


def _with_ratios(rows: list[Row]) -> list[Row]:
    return [
        row
        | {
            "cpu_ratio": row["raw_cpu_us"] / row["ours_cpu_us"],
            "ours_values_per_s": row["ours_per_s"] * modbus.VALUES_PER_READ,
        }
        for row in rows
    ]


def _progress(console: Console) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=console, transient=True)


def _write(told: dict[str, object]) -> Path:
    OUT.mkdir(exist_ok=True)
    at = datetime.now(UTC)
    path = OUT / f"{at:%Y%m%dT%H%M%SZ}.json"
    machine = {
        "processors": os.cpu_count(),
        "machine": platform.machine(),
        "python": sys.version.split()[0],
    }
    whole = {"at": at.isoformat(timespec="seconds"), "machine": machine} | told
    text = json.dumps(_plain(whole), indent=1, ensure_ascii=False, allow_nan=False)
    path.write_text(text + "\n", encoding="utf-8")
    return path


def _plain(told: object) -> object:
    """Round numbers, and write what could not be measured as null: JSON has no word for it."""
    if isinstance(told, dict):
        return {key: _plain(value) for key, value in told.items()}
    if isinstance(told, list):
        return [_plain(value) for value in told]
    if isinstance(told, float):
        return round(told, 4) if math.isfinite(told) else None
    return told


if __name__ == "__main__":
    main()
