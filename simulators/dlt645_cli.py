"""`gatehouse-sim dlt645`: DL/T 645 meters on a pseudo-terminal or behind a TCP endpoint."""

import asyncio
import os
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console

from simulators.dlt645_life import Street
from simulators.dlt645_life import serve as play
from simulators.site import not_here

WRONG_INPUT, INTERRUPTED = 2, 130


def serve(
    meter: Annotated[list[str], typer.Option(help="An address of up to 12 digits; several times.")],
    tcp: Annotated[str | None, typer.Option(help="HOST:PORT of this machine; port 0 takes any.")] = None,
    pty: Annotated[Path | None, typer.Option(help="Where the link to the pseudo-terminal goes.")] = None,
    edition: Annotated[int, typer.Option(help="1997 or 2007.")] = 2007,
    baud: Annotated[int, typer.Option(min=300, help="The pace of the wires.")] = 2400,
    seed: Annotated[int, typer.Option(help="The same seed gives the same meters.")] = 1,
    zone: Annotated[str, typer.Option(help="The zone of their clocks.")] = "Asia/Shanghai",
    password_env: Annotated[
        str,
        typer.Option(help="The environment's name for level and password, 8 digits; else no relay order."),
    ] = "",
    seconds: Annotated[float | None, typer.Option(min=0.1, help="End after so long; else at Ctrl-C.")] = None,
) -> None:
    """Serve DL/T 645 meters: they count, freeze at midnight, settle on the 1st, and log."""
    wrong = _wrong(meter, tcp, pty, edition)
    if wrong:
        Console(stderr=True).print(wrong, style="red", markup=False)
        raise typer.Exit(WRONG_INPUT)
    host, _, port = (tcp or "").rpartition(":")
    which: Literal[1997, 2007] = 1997 if edition == 1997 else 2007
    street = Street(
        [address.zfill(12) for address in meter],
        which,
        (host, int(port)) if tcp else None,
        pty,
        baud,
        seed,
        zone,
        os.environ.get(password_env, "") if password_env else "",
    )
    out = Console()
    try:
        asyncio.run(
            play(street, lambda where: out.print(f"{len(meter)} meters at {where}", highlight=False), seconds)
        )
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None


def _wrong(meters: list[str], tcp: str | None, pty: Path | None, edition: int) -> str:
    if tcp is None and pty is None:
        return "say where: --tcp HOST:PORT or --pty PATH"
    if tcp is not None and (why := not_here(tcp)):
        return f"--tcp {tcp}: {why}"
    if edition not in {1997, 2007}:
        return f"--edition {edition}: is 1997 or 2007"
    bad = [
        address
        for address in meters
        if not (address.isascii() and address.isdecimal() and len(address) <= 12)
    ]
    return f"--meter {bad[0]}: is no address of up to 12 digits" if bad else ""
