"""`python -m bench [--quick]`: all measurements, each beside its raw limit in the same run. See docs/speed.md."""

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from bench import ingest, journal, latency, modbus
from bench.figures import Figure, Row, figures, table

OUT = Path(__file__).parent / "out"
RUNS, SECONDS, CHANGES = 3, 5.0, 40
QUICK_RUNS, QUICK_SECONDS, QUICK_CHANGES = 1, 2.0, 10

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


def main() -> None:
    """Measure, show, and write bench/out/<time>.json."""
    asked = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    asked.add_argument(
        "--quick", action="store_true", help="one short run of each: a look, not a measurement"
    )
    quick: bool = asked.parse_args().quick
    console = Console()
    before, began = os.getloadavg()[0], time.monotonic()
    with _progress(console) as progress:
        found = measure(progress, quick=quick)
    console.print(table(found))
    if before > 0.5:
        console.print(f"This machine was busy before (load {before:.1f}): believe the ratios, not the rates.")
    path = _write(found, quick=quick, load=before, took=time.monotonic() - began)
    console.print(f"{time.monotonic() - began:.0f} s; written to {path}", highlight=False)


def measure(progress: Progress, *, quick: bool) -> list[Figure]:
    """Run everything, one after another: two at once would measure each other."""
    runs = QUICK_RUNS if quick else RUNS
    seconds = QUICK_SECONDS if quick else SECONDS
    changes = QUICK_CHANGES if quick else CHANGES

    def collect(name: str, total: int, rows: Callable[[], Iterator[Row]]) -> list[Row]:
        task = progress.add_task(name, total=total)
        kept = []
        for row in rows():
            kept.append(row)
            progress.advance(task)
        return kept

    taken = collect("ingest", runs, lambda: ingest.measure(runs))
    found = figures("ingest", _with_ratios(taken), INGEST)
    several = collect("Modbus, 10 devices", runs, lambda: modbus.measure(runs, 10, seconds))
    found += figures("Modbus TCP, 10 devices", _with_ratios(several), MODBUS)
    single = collect("Modbus, 1 connection", runs, lambda: modbus.measure(runs, 1, seconds))
    found += figures("Modbus TCP, 1 connection", _with_ratios(single), MODBUS)
    waits = collect("latency", changes, lambda: latency.measure(changes))
    found += figures("latency", waits, LATENCY)
    cost = collect("journal", max(runs, RUNS), lambda: journal.measure(max(runs, RUNS)))
    least = min(row["ours_cpu_us"] for row in several) / modbus.VALUES_PER_READ
    return found + figures("journal", [row | {"share": row["cpu_us"] / least} for row in cost], JOURNAL)


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


def _write(found: list[Figure], *, quick: bool, load: float, took: float) -> Path:
    OUT.mkdir(exist_ok=True)
    at = datetime.now(UTC)
    path = OUT / f"{at:%Y%m%dT%H%M%SZ}.json"
    machine = {
        "processors": os.cpu_count(),
        "machine": platform.machine(),
        "python": sys.version.split()[0],
        "load": load,
    }
    told = {
        "at": at.isoformat(timespec="seconds"),
        "quick": quick,
        "seconds": round(took, 1),
        "machine": machine,
        "figures": [figure.as_json() for figure in found],
    }
    path.write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return path


if __name__ == "__main__":
    main()
