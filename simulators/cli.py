"""`gatehouse-sim`: run a simulated site, check its file, or play the whole demo."""

import asyncio
import logging
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from drivers.profile import Profile
from drivers.profiles_store import load_library
from drivers.strict_yaml import YamlError
from simulators import (
    camera_server,
    cjt188_cli,
    dlt645_cli,
    gb26875_client,
    http_push,
    iec62056_cli,
    mbus_cli,
    osdp_cli,
    printer,
    sia_dc09,
)
from simulators.api_client import ApiRefused
from simulators.demo import SITES, DemoFolderTaken, Options, clock_ms, play, show, write_summary
from simulators.endpoints import endpoint, not_here
from simulators.processes import ProcessFailed
from simulators.site import Site, load_site
from simulators.truth import TruthWriter
from simulators.world import RunInfo, World, running

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Simulated devices on real wires of this machine. `gatehouse-sim SITE.yaml` is short for `run SITE.yaml`.",
)
COMMANDS = frozenset(
    {
        "run",
        "check",
        "demo",
        "camera",
        "cjt188",
        "dlt645",
        "gb26875",
        "iec62056",
        "mbus",
        "osdp",
        "printer",
        "push",
        "sia-dc09",
    }
)
FAILED, WRONG_INPUT, INTERRUPTED = 1, 2, 130

SiteFile = Annotated[Path, typer.Argument(help="The site file (YAML).", exists=True, dir_okay=False)]
Profiles = Annotated[
    list[Path] | None,
    typer.Option(
        "--profiles", help="A folder with further profiles; may be given more than once.", file_okay=False
    ),
]


@app.command()
def run(
    site_file: SiteFile,
    truth: Annotated[Path | None, typer.Option(help="Folder for the ground truth and run.json.")] = None,
    seconds: Annotated[float | None, typer.Option(min=0.1, help="End after so long; else at Ctrl-C.")] = None,
    broker: Annotated[str | None, typer.Option(help="HOST:PORT that all links lead to.")] = None,
    control: Annotated[
        str | None, typer.Option(help="HOST:PORT of this machine that takes steps and tells counts.")
    ] = None,
    light: Annotated[
        bool, typer.Option("--light", help="Count, but write no line for each change and reply.")
    ] = False,
    profiles: Profiles = None,
) -> None:
    """Run a simulated site until Ctrl-C."""
    site, library = _load(site_file, profiles)
    folder = truth if truth is not None else Path(f"{site_file.stem}.run")
    if control is not None and (wrong := not_here(control)):
        _complain(f"--control {control}: {wrong}")
        raise typer.Exit(WRONG_INPUT)
    try:
        endpoint(broker or "localhost:0")
    except ValueError as err:
        _complain(f"--broker {broker}: {err}")
        raise typer.Exit(WRONG_INPUT) from None
    options = _Options(folder, seconds, broker, control, light)
    try:
        asyncio.run(_play(site, library, options))
    except OSError as err:
        _complain(f"cannot open an endpoint or the truth's folder: {err}")
        raise typer.Exit(FAILED) from None


@app.command()
def check(site_file: SiteFile, profiles: Profiles = None) -> None:
    """Check a site file and say what it holds."""
    site, _ = _load(site_file, profiles)
    table = Table(title=f"{site.site}: fits together")
    for column in ("line", "wire", "devices", "faults"):
        table.add_column(column)
    for line in site.lines:
        faults = sum(len(device.faults) for device in line.devices)
        table.add_row(
            line.id, line.tcp or f"pty {line.pty}, {line.rate} baud", str(len(line.devices)), str(faults)
        )
    for one in site.field:
        where = one.tcp or (f"pty {one.pty}, {one.baud} baud" if one.pty else "any port of this machine")
        table.add_row(one.id, f"{one.protocol}: {where}", str(len(one.devices)), "0")
    steps = len(site.story) + sum(len(device.story) for _, device in site.field_devices())
    Console().print(table)
    Console().print(f"{len(site.links)} links, {steps} steps in the story")


@app.command()
def demo(
    seconds: Annotated[float | None, typer.Option(min=1, help="End after so long; else at Ctrl-C.")] = None,
    folder: Annotated[Path, typer.Option("--dir", help="All state goes into this one folder.")] = Path(
        "demo"
    ),
    http: Annotated[
        str, typer.Option(help="HOST:PORT of the pages; port 0 takes any free one.")
    ] = "127.0.0.1:0",
    mqtt: Annotated[str, typer.Option(help="HOST:PORT of the broker.")] = "127.0.0.1:0",
    site_file: Annotated[Path, typer.Option("--site", help="Another site than the shipped one.")] = SITES
    / "demo.yaml",
) -> None:
    """Start broker, server, two gateways and a simulated site; at the end, reckon up value by value."""
    site, library = _load(site_file, None)
    console = Console()
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(message)s")
    try:
        summary = asyncio.run(play(site, library, Options(folder, seconds, http, mqtt), console))
    except (ProcessFailed, DemoFolderTaken, ApiRefused, OSError) as err:
        _complain(str(err))
        raise typer.Exit(FAILED) from None
    except (KeyboardInterrupt, asyncio.CancelledError):
        _complain("interrupted: every process was taken down, nothing was reckoned up")
        raise typer.Exit(INTERRUPTED) from None
    show(summary, console)
    console.print(f"summary: {write_summary(folder, summary)}", highlight=False)
    if not summary.ok:
        _complain("something was lost, doubled or counted differently")
        raise typer.Exit(FAILED)


app.command("camera")(camera_server.serve)
app.command("cjt188")(cjt188_cli.serve)
app.command("dlt645")(dlt645_cli.serve)
app.command("gb26875")(gb26875_client.serve)
app.command("iec62056")(iec62056_cli.serve)
app.command("mbus")(mbus_cli.serve)
app.command("osdp")(osdp_cli.serve)
app.command("printer")(printer.serve)
app.command("push")(http_push.serve)
app.command("sia-dc09")(sia_dc09.serve)


def main() -> None:
    """Run the command line."""
    arguments = sys.argv[1:]
    if arguments and arguments[0] not in COMMANDS and not arguments[0].startswith("-"):
        arguments.insert(0, "run")
    app(args=arguments, prog_name="gatehouse-sim")


def _load(site_file: Path, profiles: list[Path] | None) -> tuple[Site, Mapping[str, Profile]]:
    try:
        library = load_library(profiles or [])
        return load_site(site_file, library), library
    except YamlError as err:
        _complain(str(err))
        raise typer.Exit(WRONG_INPUT) from None


def _complain(text: str) -> None:
    Console(stderr=True).print(text, style="red", markup=False, highlight=False, soft_wrap=True)


@dataclass(frozen=True, slots=True)
class _Options:
    folder: Path
    seconds: float | None
    broker: str | None
    control: str | None
    light: bool


async def _play(site: Site, library: Mapping[str, Profile], options: _Options) -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    folder = options.folder
    with TruthWriter(folder, clock_ms, records=not options.light) as truth:
        world = World(
            site,
            library,
            folder,
            truth,
            clock_ms=clock_ms,
            broker=options.broker,
            control=options.control,
        )
        async with running(world):
            if world.info is not None:
                Console().print(endpoints(world.info))
            try:
                async with asyncio.timeout(options.seconds):
                    await stop.wait()
            except TimeoutError:
                pass
        asked = sum(line.requests for line in world.counters.lines.values())
        served = "" if options.light else f", {truth.served} point values served"
        Console().print(f"{asked} requests{served}; the truth is in {folder}")


def endpoints(info: RunInfo) -> Table:
    """Show where everything can be reached."""
    table = Table(title=f"{info.site} is on the wire")
    for column in ("line", "endpoint", "framing", "devices"):
        table.add_column(column, overflow="fold")
    for name, line in info.lines.items():
        baud = f", {line.baud} baud" if line.baud else ""
        table.add_row(name, line.endpoint, line.framing + baud, ", ".join(line.devices))
    for name, link in info.links.items():
        table.add_row(name, link, "relay", "")
    if info.control is not None:
        table.add_row("control", info.control, "http", "")
    return table
