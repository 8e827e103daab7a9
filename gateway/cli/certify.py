"""`gatehouse-gateway certify`: make a certificate, or check one."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from gateway.cli import screens
from gateway.cli.run import end, load_active, run_shown
from gateway.cli.screen import FAILED, JsonOption, fail, load, plain
from gateway.site.config import Site
from gateway.tools import certificate
from gateway.tools.local import GatewayInTheWay, gateway_runs
from messages import certificate as sheet
from messages.text import printable

LineArgument = Annotated[
    str | None, typer.Argument(help="The line's id; may be left out where there is one only.")
]


def certify(
    site: Annotated[Path | None, typer.Argument(metavar="site.yaml", help="The site file.")] = None,
    line: LineArgument = None,
    engineer: Annotated[str, typer.Option(help="Who answers for it.")] = "",
    device: Annotated[list[str] | None, typer.Option(help="This device only; several times too.")] = None,
    reads: Annotated[int, typer.Option(help="How often each device is read for the error rate.")] = 100,
    cable: Annotated[
        str,
        typer.Option(help="none; pull: you pull the uplink; cut: the gateway leaves the broker by itself."),
    ] = "none",
    cut_s: Annotated[int, typer.Option("--cut-s", help="For how long it stays pulled.")] = 20,
    signal: Annotated[
        list[str] | None,
        typer.Option(
            help="On a line that listens: you trigger this signal; several times too. None: any event."
        ),
    ] = None,
    skip: Annotated[
        list[str] | None, typer.Option(metavar="SIGNAL=REASON", help="You do not trigger this one, and why.")
    ] = None,
    wait_s: Annotated[int, typer.Option("--wait-s", help="How long to wait for the next event.")] = 120,
    note: Annotated[str, typer.Option(help="A remark for the certificate.")] = "",
    keep: Annotated[
        Path | None, typer.Option("--out", metavar="NAME", help="Write NAME.json and NAME.html.")
    ] = None,
    verify: Annotated[
        Path | None, typer.Option(metavar="FILE.json", help="Check a certificate instead of making one.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Prove a line: planned against found, every point, a hundred reads, worst case, clock, serials, pulled cable."""
    if verify is not None:
        _verify(verify, load(site).state_dir if site is not None else None)
        return
    if site is None:
        fail("give the site file, or --verify FILE.json")
    if not engineer:
        fail("--engineer: who answers for this certificate?")
    args: dict[str, Any] = {"engineer": engineer, "devices": device or [], "reads": reads}
    args |= {"cable": cable, "cut_s": cut_s, "note": note}
    args |= {"signals": signal or [], "skip": _reasons(skip or []), "wait_s": wait_s}
    rows: list[Mapping[str, Any]] = []

    def show(row: Mapping[str, Any]) -> None:
        rows.append(row)
        if not as_json:
            plain(screens.certified(row))

    active = load_active(site)
    if cable != "none":
        _gateway_for_the_cable(active)
    answer = run_shown(active, "certify", line, args, show, announce=True)
    result = answer.body.get("result", {})
    if answer.kind == "done":
        document = {**result["head"], "devices": rows}
        plain(sheet.as_json(document).rstrip() if as_json else screens.summed_up(result))
        if keep is not None:
            keep.with_name(keep.name + ".json").write_text(sheet.as_json(document), encoding="utf-8")
            keep.with_name(keep.name + ".html").write_text(sheet.page(document), encoding="utf-8")
    end(answer, well=bool(result.get("pass")))


def _gateway_for_the_cable(site: Site) -> None:
    """End the command where the cable cannot be tested, before anything is read for an hour."""
    try:
        runs = gateway_runs(site)
    except GatewayInTheWay as problem:
        fail(str(problem), FAILED)
    if not runs:
        fail(
            f"--cable: no gateway runs with {site.state_dir}, and what is to be proven is that it loses nothing: "
            "start it (`gatehouse-gateway run`), and certify beside it; or leave --cable out",
            FAILED,
        )


def _reasons(words: list[str]) -> dict[str, str]:
    found = {}
    for word in words:
        code, given, reason = word.partition("=")
        if not code or not given or not reason.strip():
            fail(
                f"--skip {printable(word, 80)}: write the signal and why it is skipped, as --skip fire=drill on Monday"
            )
        found[code] = reason.strip()
    return found


def _verify(path: Path, state_dir: Path | None) -> None:
    try:
        document = certificate.load(path)
    except certificate.CertificateError as problem:
        fail(str(problem))
    except OSError as problem:
        fail(f"{problem.filename}: {problem.strerror}")
    verdict = certificate.verify(document, state_dir)
    said = {None: "not checked: give the site file, on the box that wrote it", True: "right", False: "WRONG"}
    plain(f"content: {'unchanged' if verdict.unchanged else 'CHANGED since it was signed'}")
    plain(f"signature of gateway {printable(str(document.get('gateway')), 64)}: {said[verdict.ours]}")
    sound = verdict.unchanged and verdict.ours is not False
    told = "passed" if verdict.passed else "failed"
    plain(f"result: {told}" if sound else f"result: not to be believed; it says {told}")
    if not sound:
        raise typer.Exit(FAILED)
