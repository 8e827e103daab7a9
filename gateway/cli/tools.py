"""The engineer's tools on the command line: scan, read, watch, trace, replay, ask, status, reload."""

import json
import re
from collections.abc import Mapping
from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.live import Live
from rich.table import Table

from drivers import capture, registry
from drivers.check_file import replay as check_capture
from drivers.errors import Misconfigured
from drivers.profiles_store import load_library
from drivers.strict_yaml import YamlError
from drivers.workshop import Elsewhere
from gateway.cli import certify as certify_cli
from gateway.cli import screens
from gateway.cli.run import call, end, load_active, run_shown
from gateway.cli.screen import FAILED, JsonOption, SiteArgument, fail, load, out, plain, problems, say, table
from gateway.site.config import LineConfig, ListeningLine, Site
from gateway.tools.local import line_of
from gateway.tools.record import Recorder
from messages.text import printable

# Digits and letters; M-Bus writes number, maker, version and medium with dashes between them.
_OWN_ADDRESS = re.compile(r"[0-9A-Za-z]{4,20}|[0-9A-Fa-f]{8}(-[0-9A-Za-z]{2,3}){1,3}")

LineArgument = Annotated[
    str | None, typer.Argument(help="The line's id; may be left out where there is one only.")
]
BaudOption = Annotated[
    list[int] | None, typer.Option("--baud", help="Try this rate; may be given several times.")
]
ParityOption = Annotated[list[str] | None, typer.Option("--parity", help="Try N, E or O; several times too.")]


def scan(
    site: SiteArgument,
    line: LineArgument = None,
    units: Annotated[str, typer.Option(help="Unit ids to ask, such as 1-32 or 1-10,40.")] = "1-32",
    baud: BaudOption = None,
    parity: ParityOption = None,
    timeout_ms: Annotated[int, typer.Option("--timeout-ms", help="How long one may take to answer.")] = 200,
    per_second: Annotated[int, typer.Option(help="Questions a second, at most.")] = 20,
    identify: Annotated[bool, typer.Option(help="Find out which profile fits those who answer.")] = True,
    protocol: Annotated[
        str, typer.Option(help="Speak this one; that of the line's first device if left out, else modbus.")
    ] = "",
    as_json: JsonOption = False,
) -> None:
    """Look who answers on a line, at which settings, and what it is; Ctrl-C stops and keeps what was found."""
    args: dict[str, Any] = {"units": units, "timeout_ms": timeout_ms, "per_second": per_second}
    args |= {
        "bauds": baud or [],
        "parities": [one.upper() for one in parity or []],
        "identify": identify,
        "protocol": protocol,
    }
    rows: list[Mapping[str, Any]] = []

    def show(row: Mapping[str, Any]) -> None:
        rows.append(row)
        if not as_json:
            plain(screens.found(row))

    answer = run_shown(load_active(site), "scan", line, args, show)
    if as_json:
        screens.document(rows, answer)
    elif answer.kind == "done":
        plain(screens.summary(answer))
    if not rows and answer.kind == "done":
        say(
            "nobody answers: check A and B, termination, supply, baud and parity (--baud, --parity), and the unit ids"
        )
        _say_where(line_of(load_active(site), line), protocol)
    end(answer, well=bool(rows))


def _say_where(line: LineConfig | ListeningLine, asked: str) -> None:
    """Say how those are found who speak otherwise, and which units stand for meters whose addresses are none."""
    spoken = list(dict.fromkeys(device.profile.protocol for device in line.devices)) or ["modbus"]
    asked = asked or spoken[0]
    for protocol in dict.fromkeys([asked, *spoken]):
        bench = getattr(registry.get(protocol), "workshop", None)
        words = [] if protocol == asked else [f"--protocol {protocol}"]
        words += [bench.all_units] if isinstance(bench, Elsewhere) else []
        if words:
            say(f"whoever speaks {protocol} is found with {' '.join(words)}")


def read(
    site: SiteArgument,
    device: Annotated[
        str,
        typer.Argument(help="The device's id in the site file; with --profile, its unit id or own address."),
    ],
    points: Annotated[list[str] | None, typer.Argument(help="Points to read; all if none is given.")] = None,
    display: Annotated[
        str | None, typer.Option(help="A number on the device's display: which registers show it, and how?")
    ] = None,
    profile: Annotated[
        str, typer.Option(help="Read a unit that is not in the site file as this profile.")
    ] = "",
    line: Annotated[str | None, typer.Option(help="The line of that unit.")] = None,
    baud: Annotated[int | None, typer.Option(help="Another rate than the line's.")] = None,
    parity: Annotated[str | None, typer.Option(help="Another parity than the line's.")] = None,
    orders: Annotated[
        bool, typer.Option("--orders", help="Show every word order and type side by side.")
    ] = False,
    trace: Annotated[bool, typer.Option("--trace", help="Show every byte on the wire.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Read a device now: raw registers beside the values, every word order on wish."""
    loaded = load_active(site)
    args: dict[str, Any] = {"points": points or [], "display": display, "baud": baud, "parity": parity}
    title = device
    if profile:
        args |= {"profile": profile, **_whom(device)}
    else:
        title, line = _known(loaded, site, device, points or [])
        args["device"] = device
    rows: list[Mapping[str, Any]] = []
    wire = screens.show_bytes if trace else None
    answer = run_shown(loaded, "read", line, screens.given(args), rows.append, quiet=as_json, wire=wire)
    if as_json:
        plain(json.dumps(rows, ensure_ascii=False, indent=1))
    else:
        out.print(screens.read_table(title, rows, display=display is not None))
        if orders:
            out.print(screens.orders_table(rows))
    for trouble in dict.fromkeys(row["trouble"] for row in rows if row["trouble"]):
        say(trouble)
    end(answer, well=not any(row["trouble"] for row in rows))


def _whom(text: str) -> Mapping[str, Any]:
    """Return whom an engineer means who reads as a profile: up to three digits are a unit id."""
    if text.isdigit() and len(text) <= 3:
        return {"unit": int(text)}
    if not _OWN_ADDRESS.fullmatch(text):
        fail(
            "with --profile the device is a unit id or a meter's own address, for example: "
            "read site.yaml 7 --profile eastron-sdm630"
        )
    return {"own_address": text}


def watch(
    site: SiteArgument,
    line: LineArgument = None,
    device: Annotated[
        list[str] | None, typer.Option(help="Watch this device only; several times too.")
    ] = None,
    point: Annotated[list[str] | None, typer.Option(help="Watch this point only; several times too.")] = None,
    every_ms: Annotated[int, typer.Option(help="How often everything is read.")] = 2000,
    for_s: Annotated[int, typer.Option(help="For how long.")] = 3600,
    as_json: JsonOption = False,
) -> None:
    """Show a line's values live: quality, age, round trip, errors; Ctrl-C ends it."""
    loaded = load_active(site)
    args = {"devices": device or [], "points": point or [], "every_ms": every_ms, "for_s": for_s}
    newest: dict[tuple[str, str], Mapping[str, Any]] = {}

    def shown() -> Table:
        return screens.watch_table(newest.values(), datetime.now(UTC))

    # Drawn four times a second, also when nothing comes: the age of a value must not stand still.
    live = nullcontext() if as_json else Live(console=out, refresh_per_second=4, get_renderable=shown)
    with live:

        def show(row: Mapping[str, Any]) -> None:
            newest[str(row["device"]), str(row.get("point", ""))] = row
            if as_json:
                plain(json.dumps(row, ensure_ascii=False))

        answer = run_shown(loaded, "watch", line, args, show, quiet=True, seconds=for_s + 30)
    end(answer, well=True)


def trace(
    site: SiteArgument,
    line: LineArgument = None,
    units: Annotated[str | None, typer.Option(help="Only these units, such as 1-4.")] = None,
    for_s: Annotated[int, typer.Option(help="For how long.")] = 30,
    record: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Keep it as an anonymised capture, for a profile's examples."),
    ] = None,
    blur: Annotated[bool, typer.Option("--blur", help="Change the values too: their lower digits.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Show raw frames with what they say and whether they are whole; Ctrl-C ends it, and the capture is kept."""
    loaded = load_active(site)
    recorder = Recorder(_line_config(loaded, line), blur) if record is not None else None
    if record is not None and record.exists():
        fail(f"{record} is there already: give another name")

    def show(row: Mapping[str, Any]) -> None:
        if recorder is not None:
            recorder.frame(row)
        plain(json.dumps(row, ensure_ascii=False) if as_json else screens.frame(row))

    args = screens.given({"units": units, "for_s": for_s, "newest": 5000})
    answer = run_shown(loaded, "trace", line, args, show, quiet=True, seconds=for_s + 30)
    if recorder is not None and record is not None:
        _keep(record, recorder)
    end(answer, well=True)


def replay(
    file: Annotated[Path, typer.Argument(metavar="CAPTURE", help="What `trace --record` has written.")],
    profiles: Annotated[
        list[Path] | None, typer.Option("--profiles", help="Also look into this folder.")
    ] = None,
    show: Annotated[
        bool, typer.Option("--show", help="Show every exchange, not only the disagreements.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Decode a capture anew and name every value that differs from what was captured."""
    try:
        library = load_library(profiles or [])
        if show and not as_json:
            for one in capture.read(file):
                plain(f"{file}:{one.line}: {one.profile}: {screens.expected(one.example.expect)}")
        report = check_capture(file, library)
    except YamlError as problem:
        problems(problem)
        raise typer.Exit(2) from None
    except capture.CaptureError as problem:
        fail(str(problem), FAILED)
    except OSError as problem:
        fail(f"{problem.filename}: {problem.strerror}")
    found = [printable(disagreement, 2000) for disagreement in report.disagreements]
    if as_json:
        told = {"agree": report.agree, "total": report.total, "disagreements": found}
        plain(json.dumps(told, ensure_ascii=False, indent=1))
    else:
        for disagreement in found:
            plain(disagreement)
        plain(f"agree {report.agree} of {report.total}")
    if report.agree < report.total:
        raise typer.Exit(FAILED)


def ask(
    site: SiteArgument,
    unit: Annotated[int, typer.Argument(help="The unit id.")],
    pdu: Annotated[
        str,
        typer.Argument(help="Function or control code and data in hex, such as 2B0E0100; it must only read."),
    ],
    line: Annotated[str | None, typer.Option(help="The line, where there are several.")] = None,
    protocol: Annotated[
        str, typer.Option(help="In which it is meant: modbus, dlt645, cjt188, mbus or osdp.")
    ] = "modbus",
    baud: Annotated[int | None, typer.Option(help="Another rate than the line's or the device's.")] = None,
    timeout_ms: Annotated[int, typer.Option("--timeout-ms", help="How long it may take to answer.")] = 1000,
    as_json: JsonOption = False,
) -> None:
    """Send one request of your own, for what no profile names. Requests that could change a device are refused."""
    rows: list[Mapping[str, Any]] = []
    request = pdu.replace(" ", "").replace(":", "")
    args = {"unit": unit, "pdu": request, "protocol": protocol, "baud": baud, "timeout_ms": timeout_ms}
    answer = run_shown(load_active(site), "ask", line, screens.given(args), rows.append, quiet=True)
    if as_json:
        screens.document(rows, answer)
    else:
        for row in rows:
            plain(f"asked    {row['request']}\nanswered {row['reply'] or '-'}   {row['rtt_ms'] or '-'} ms")
            if row["text"]:
                plain(row["text"])
    end(answer, well=bool(answer.body.get("result", {}).get("ok")))


def status(site: SiteArgument, as_json: JsonOption = False) -> None:
    """Ask the gateway that runs on this box how it is."""
    body = call(load(site), "status").body
    if as_json:
        plain(json.dumps(body, ensure_ascii=False, indent=1))
        return
    delivery = body["delivery"]
    with_broker = "with a broker" if delivery["connected"] else "without a broker"
    plain(f"pid {body['pid']}, clock {body['clock']}, {with_broker}, {body['config']}")
    made = table("lines", ["line", "", "silent"])
    for one in body["lines"]:
        made.add_row(one["line"], "up" if one["up"] else "down", ", ".join(one["silent"]))
    out.print(made)
    made = table("journal", ["lane", "first kept", "next", "waiting"])
    for lane, count in delivery["lanes"].items():
        made.add_row(lane, str(count["first"]), str(count["next"]), str(count["waiting"]))
    out.print(made)
    for one in body["tools"]:
        plain(printable(f"{one['tool']} on {one['line'] or 'no line'}: {one['doing'] or 'at work'}", 300))


def reload(site: SiteArgument) -> None:
    """Have the running gateway read its site file again; lines that did not change poll on."""
    loaded = load(site)
    runs = call(loaded, "status").body.get("file", "")
    if runs and runs != str(loaded.path.resolve()):
        fail(
            f"the gateway runs {printable(str(runs), 300)}, not {site}: put the change into that file", FAILED
        )
    body = call(loaded, "reload").body
    plain(f"applied: {body['what']}\n{body['config']}")


def register(app: typer.Typer) -> None:
    """Add these commands."""
    for command in (scan, read, watch, trace, replay, ask, certify_cli.certify, status, reload):
        app.command()(command)


def _known(site: Site, path: Path, device: str, points: list[str]) -> tuple[str, str]:
    """Return a device's title and line; end the command where it or one of its points is not there."""
    line, found = next(
        ((line, one) for line in site.lines for one in line.devices if one.id == device), (None, None)
    )
    if line is None or found is None:
        known = ", ".join(one.id for one in site.devices[:20])
        fail(f"{path} has no device {printable(device, 64)!r}; it has {known or 'none'}")
    unknown = [name for name in points if name not in found.profile.points]
    if unknown:
        has = ", ".join(found.profile.points)
        fail(f"{found.profile.profile} has no point {printable(unknown[0], 64)!r}: {has}")
    return f"{found.profile.vendor} {found.profile.model}", line.id


def _line_config(site: Site, line: str | None) -> LineConfig:
    try:
        found = line_of(site, line)
    except Misconfigured as problem:
        fail(str(problem))
    if not isinstance(found, LineConfig):
        fail(f"--record: line {found.id} listens: only questions with their answers are captured")
    return found


def _keep(path: Path, recorder: Recorder) -> None:
    if not recorder.count:
        say("nothing to record: no answer of a device of this line was seen whole")
        return
    path.write_text(recorder.text, encoding="utf-8")
    say(f"{path}: {recorder.count} exchanges; `gatehouse-gateway replay {path}` decodes them again")
