"""`gatehouse-gateway`: run a site box, check its file, read a meter, explain a frame."""

import asyncio
import binascii
import json
import logging
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from drivers import check_file, profiles_store, registry
from drivers.errors import DriverError
from drivers.profile import Profile
from drivers.schema import schema_text
from drivers.strict_yaml import YamlError
from gateway import logs
from gateway.app import GatewayTrouble, run_until_signal
from gateway.cli import cameras as cameras_cli
from gateway.cli import plan as plan_cli
from gateway.cli import tools as tools_cli
from gateway.cli.screen import (
    FAILED,
    PROBLEMS,
    JsonOption,
    SiteArgument,
    fail,
    load,
    out,
    plain,
    problems,
    say,
    table,
)
from gateway.delivery.answers import names_differ
from gateway.delivery.births import too_large
from gateway.delivery.journal import JournalDown, inspect
from gateway.site.config import ListeningLine, Site, load_site
from gateway.site.listening import Socket
from messages.text import printable

log = logging.getLogger(__name__)

MAX_FRAME_BYTES = 4096

app = typer.Typer(
    no_args_is_help=True, add_completion=False, help="The edge agent of Gatehouse: one process per site box."
)
profiles_app = typer.Typer(invoke_without_command=True, help="The device models that can be polled.")
app.add_typer(profiles_app, name="profiles")


@app.command()
def run(
    site: SiteArgument,
    log_format: Annotated[
        logs.Format, typer.Option(help="How logs are written to stderr.")
    ] = logs.Format.JSON,
    log_level: Annotated[logs.Level, typer.Option(help="The least that is logged.")] = logs.Level.INFO,
) -> None:
    """Poll the site's devices and deliver what they say, until SIGTERM or Ctrl-C."""
    loaded = load(site, secrets=True)
    logs.set_up(log_format, log_level)
    failed = False
    try:
        asyncio.run(run_until_signal(loaded))
    except* (GatewayTrouble, JournalDown) as group:
        for trouble in group.exceptions:
            say(str(trouble))
        failed = True
    if failed:
        raise typer.Exit(FAILED)


@app.command()
def check(site: SiteArgument, as_json: JsonOption = False) -> None:
    """Check a site file: every problem with its line, or a table of what would be polled."""
    try:
        loaded = load_site(site)
    except YamlError as problem:
        if as_json:
            found = [
                {"file": p.file, "line": p.line, "path": p.path, "text": p.text} for p in problem.problems
            ]
            plain(json.dumps({"ok": False, "problems": found}, ensure_ascii=False, indent=1))
        else:
            problems(problem)
        raise typer.Exit(PROBLEMS) from None
    if trouble := too_large(loaded):
        fail(f"{site}: {trouble}")
    rows = [_line_row(loaded, index) for index in range(len(loaded.lines))]
    listening = [row for line in loaded.listening for row in _listening_rows(line)]
    broker = names_differ(loaded.broker.username or "", loaded.file.gateway)
    notes = [*([broker] if broker else []), *_tls_notes(loaded)]
    if as_json:
        told = {
            "ok": True,
            "config": loaded.hash,
            "lines": rows,
            "listening": listening,
            "notes": notes,
        }
        plain(json.dumps(told, ensure_ascii=False, indent=1))
        return
    heads = ["line", "endpoint", "devices", "points", "requests", "per minute"]
    total = ["all", "", *(str(round(sum(row[head] for row in rows))) for head in heads[2:])]
    made = table(f"{loaded.file.site} / {loaded.file.gateway}", heads)
    for row in rows:
        made.add_row(*(str(round(row[head])) if head in heads[2:] else str(row[head]) for head in heads))
    made.add_section()
    made.add_row(*total)
    if rows:
        out.print(made)
        plain("requests: reads in one full cycle; per minute: at the configured periods")
    if listening:
        made = table("lines that listen", list(listening[0]))
        for row in listening:
            made.add_row(*(str(cell) for cell in row.values()))
        out.print(made)
        plain("silent after: not heard for so long, a device is told of as silent")
    for note in notes:
        plain(f"note: {'broker: ' if note is broker else ''}{note}")


app.command("cameras")(cameras_cli.cameras)


@app.command()
def decode(
    protocol: Annotated[str | None, typer.Argument(help="For example modbus.")] = None,
    frame: Annotated[
        list[str] | None, typer.Argument(help="One frame in hex; blanks and colons are ignored.")
    ] = None,
    check_path: Annotated[
        Path | None, typer.Option("--check", metavar="FILE.jsonl", help="Decode every line of a vector file.")
    ] = None,
    maps: Annotated[
        Path | None, typer.Option(metavar="FILE.jsonl", help="Register maps for the vectors of --check.")
    ] = None,
) -> None:
    """Explain one captured frame, or check our decoders against a file of vectors."""
    if check_path is not None:
        _check_vectors(check_path, maps)
    elif protocol is None or not frame:
        fail("give a protocol and a frame in hex, for example: decode modbus 0103020007F986")
    else:
        try:
            plain(registry.get(protocol).explain(_bytes("".join(frame))))
        except DriverError as problem:
            fail(str(problem), FAILED)


@profiles_app.callback()
def profiles(
    context: typer.Context,
    folder: Annotated[list[Path] | None, typer.Option(help="Also look into this folder.")] = None,
    as_json: JsonOption = False,
) -> None:
    """List the profiles that are shipped, and those in further folders."""
    if context.invoked_subcommand is not None:
        return
    try:
        library = profiles_store.load_library(folder or [])
    except YamlError as problem:
        problems(problem)
        raise typer.Exit(PROBLEMS) from None
    if as_json:
        plain(
            json.dumps(
                [_profile_row(library[name]) for name in sorted(library)], ensure_ascii=False, indent=1
            )
        )
        return
    heads = ["profile", "class", "vendor", "model", "protocol", "points", "status"]
    made = table("profiles", heads)
    for name in sorted(library):
        row = _profile_row(library[name])
        made.add_row(*(str(row[head]) for head in heads))
    out.print(made)


@profiles_app.command("schema")
def profiles_schema() -> None:
    """Print the JSON Schema of a profile, for editors."""
    plain(schema_text().rstrip())


@profiles_app.command("check")
def profiles_check(files: Annotated[list[Path], typer.Argument(metavar="FILE.yaml...")]) -> None:
    """Check profiles: structure, cross-references, addresses, and that every example decodes."""
    bad = False
    for file in files:
        try:
            profile = registry.check_profile_file(file)
        except YamlError as problem:
            problems(problem)
            bad = True
        else:
            examples = f"{len(profile.examples)} example{'s' * (len(profile.examples) != 1)} decode"
            plain(f"{file}: {profile.profile}: {len(profile.points)} points, {examples}")
    if bad:
        raise typer.Exit(PROBLEMS)


@app.command()
def journal(site: SiteArgument, as_json: JsonOption = False) -> None:
    """Show what is kept and not yet stored by the server, lane by lane."""
    loaded = load(site)
    try:
        epoch, lanes = inspect(loaded.state_dir / "journal.sqlite")
    except (FileNotFoundError, JournalDown) as problem:
        fail(str(problem), FAILED)
    if as_json:
        rows = {
            lane.value: {
                "first": c.first,
                "next": c.next,
                "waiting": c.waiting,
                "bytes": c.bytes,
                "oldest_ms": c.oldest,
            }
            for lane, c in lanes.items()
        }
        plain(json.dumps({"epoch": epoch, "lanes": rows}, indent=1))
        return
    made = table(f"journal, epoch {epoch}", ["lane", "stored through", "next", "waiting", "bytes", "oldest"])
    for lane, count in lanes.items():
        at = count.state().oldest_at
        oldest = at.isoformat(timespec="seconds") if at else ""
        numbers = (count.first - 1, count.next, count.waiting, count.bytes)
        made.add_row(lane.value, *map(str, numbers), oldest)
    out.print(made)


app.command("plan")(plan_cli.plan)
tools_cli.register(app)


def main() -> None:
    """Run the command line."""
    app()


# -- helpers ----------------------------------------------------------------------------------------------


def _line_row(site: Site, index: int) -> dict[str, Any]:
    line = site.lines[index]
    requests, per_minute = 0, 0.0
    for device in line.devices:
        driver = registry.get(device.profile.protocol).device(
            device.profile, device.file.unit, device.options
        )
        for poll, period in device.periods.items():
            points = [name for name, point in device.profile.points.items() if point.poll == poll]
            count = len(driver.plan(points)) if points else 0
            requests += count
            per_minute += count * 60 / period
    return {
        "line": line.id,
        "endpoint": line.endpoint,
        "devices": len(line.devices),
        "points": sum(len(device.profile.points) for device in line.devices),
        "requests": requests,
        "per minute": per_minute,
    }


def _tls_notes(site: Site) -> Iterator[str]:
    for line in site.listening:
        if isinstance(line.ear.place, Socket) and line.ear.place.tls is not None:
            from gateway.site.tls import notes_of  # noqa: PLC0415 - only where there is a certificate

            for note in notes_of(line.ear.place.tls, datetime.now(UTC)):
                yield f"line {line.id}: {note}"


def _listening_rows(line: ListeningLine) -> Iterator[dict[str, Any]]:
    allow, place = ", ".join(map(str, line.ear.limits.allow)), line.ear.place
    tls = " (TLS)" if isinstance(place, Socket) and place.tls is not None else ""
    for device in line.devices:
        source = line.ear.sources[device.id]
        yield {
            "line": line.id,
            "listens on": f"{line.endpoint}{tls}",
            "protocol": line.ear.protocol,
            "may speak": allow or _who_may(line),
            "device": device.id,
            "names itself": source.name,
            "silent after": "never" if source.within is None else f"{source.within:g} s",
        }


def _who_may(line: ListeningLine) -> str:
    if line.file.camera is not None:
        return "only when asked"
    return "whoever is wired to it" if line.file.serial else "all that reach it"


def _profile_row(profile: Profile) -> dict[str, Any]:
    return {
        "profile": profile.profile,
        "class": profile.device_class,
        "vendor": profile.vendor,
        "model": profile.model,
        "protocol": profile.protocol,
        "points": len(profile.points),
        "status": profile.status,
    }


def _bytes(text: str) -> bytes:
    if text.lstrip().startswith(":"):  # Modbus ASCII, as a terminal shows it
        return text.strip()[: 2 * MAX_FRAME_BYTES].encode("ascii", "replace") + b"\r\n"
    digits = re.sub(r"[\s:,-]|0x", "", text, flags=re.IGNORECASE)
    if len(digits) > 2 * MAX_FRAME_BYTES:
        fail(f"a frame of {len(digits) // 2} bytes is none: the limit is {MAX_FRAME_BYTES}")
    try:
        return binascii.unhexlify(digits)
    except (binascii.Error, ValueError):
        fail(f"{printable(text, 60)!r} is no hex: write two digits for each byte, for example 0103020007F986")


def _check_vectors(path: Path, maps: Path | None) -> None:
    try:
        report = check_file.run(path, maps)
    except OSError as problem:
        fail(f"{problem.filename}: {problem.strerror}")
    for disagreement in report.disagreements:
        plain(printable(disagreement, 2000))
    plain(f"agree {report.agree} of {report.total}")
    if report.agree < report.total:
        raise typer.Exit(FAILED)


if __name__ == "__main__":
    main()
