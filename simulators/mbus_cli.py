"""`gatehouse-sim mbus`: M-Bus meters on a pseudo-terminal or behind a level converter on TCP."""

import asyncio
import re
from pathlib import Path
from typing import Annotated, cast

import typer
from rich.console import Console

from simulators.mbus_life import MAKERS, Kind, Riser
from simulators.mbus_life import serve as play
from simulators.site import not_here

WRONG_INPUT, INTERRUPTED = 2, 130
_METER = re.compile(r"(?P<kind>[a-z]+):(?P<number>[0-9]{1,8})(?:@(?P<primary>[0-9]{1,3}))?")
_MOST_PRIMARY = 250


def serve(
    meter: Annotated[
        list[str],
        typer.Option(
            help="KIND:NUMBER@ADDRESS, as heat:12345678@1; kinds are heat, water, electricity, gas."
        ),
    ],
    tcp: Annotated[str | None, typer.Option(help="HOST:PORT of this machine; port 0 takes any.")] = None,
    pty: Annotated[Path | None, typer.Option(help="Where the link to the pseudo-terminal goes.")] = None,
    baud: Annotated[int, typer.Option(min=300, help="The pace of the wires.")] = 2400,
    seed: Annotated[int, typer.Option(help="The same seed gives the same meters.")] = 1,
    zone: Annotated[str, typer.Option(help="The zone of their clocks.")] = "Asia/Shanghai",
    seconds: Annotated[float | None, typer.Option(min=0.1, help="End after so long; else at Ctrl-C.")] = None,
) -> None:
    """Serve M-Bus meters by primary and secondary address; those of one address answer at once, as real ones do."""
    found = [_METER.fullmatch(text) for text in meter]
    wrong = _wrong(meter, found, tcp, pty)
    if wrong:
        Console(stderr=True).print(wrong, style="red", markup=False)
        raise typer.Exit(WRONG_INPUT)
    host, _, port = (tcp or "").rpartition(":")
    meters = [
        (cast("Kind", one["kind"]), one["number"].zfill(8), int(one["primary"] or 0))
        for one in found
        if one is not None
    ]
    riser = Riser(meters, (host, int(port)) if tcp else None, pty, baud, seed, zone)
    out = Console()
    try:
        asyncio.run(
            play(riser, lambda where: out.print(f"{len(meters)} meters at {where}", highlight=False), seconds)
        )
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None


def _wrong(meters: list[str], found: list[re.Match[str] | None], tcp: str | None, pty: Path | None) -> str:
    if tcp is None and pty is None:
        return "say where: --tcp HOST:PORT or --pty PATH"
    if tcp is not None and (why := not_here(tcp)):
        return f"--tcp {tcp}: {why}"
    for text, one in zip(meters, found, strict=True):
        if one is None or one["kind"] not in MAKERS or int(one["primary"] or 0) > _MOST_PRIMARY:
            kinds = ", ".join(MAKERS)
            return f"--meter {text}: is no KIND:NUMBER@ADDRESS; kinds are {kinds}, addresses 0 to {_MOST_PRIMARY}"
    return ""
