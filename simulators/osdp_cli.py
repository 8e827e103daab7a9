"""`gatehouse-sim osdp`: card readers on a pseudo-terminal or behind a TCP endpoint."""

import asyncio
import os
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from simulators.osdp_life import Doors
from simulators.osdp_life import serve as play
from simulators.site import not_here

WRONG_INPUT, INTERRUPTED = 2, 130
KEY_DIGITS = 32
_MOST_ADDRESS = 126


def serve(
    reader: Annotated[list[int], typer.Option(help="An address, 0 to 126; several times.")],
    tcp: Annotated[str | None, typer.Option(help="HOST:PORT of this machine; port 0 takes any.")] = None,
    pty: Annotated[Path | None, typer.Option(help="Where the link to the pseudo-terminal goes.")] = None,
    baud: Annotated[int, typer.Option(min=9600, help="The pace of the wires.")] = 9600,
    key_env: Annotated[
        str,
        typer.Option(help="The environment's name for their own key, 32 hex digits; else the default key."),
    ] = "",
    every: Annotated[float, typer.Option(min=0.05, help="Seconds between two people, on average.")] = 5.0,
    seed: Annotated[int, typer.Option(help="The same seed gives the same people.")] = 1,
    seconds: Annotated[float | None, typer.Option(min=0.1, help="End after so long; else at Ctrl-C.")] = None,
) -> None:
    """Serve OSDP readers: people show cards, type PINs and now and then open a housing; relays can be switched."""
    text = os.environ.get(key_env, "") if key_env else ""
    wrong = _wrong(reader, tcp, pty) or _wrong_key(key_env, text)
    if wrong:
        Console(stderr=True).print(wrong, style="red", markup=False)
        raise typer.Exit(WRONG_INPUT)
    host, _, port = (tcp or "").rpartition(":")
    key = bytes.fromhex(text) if key_env else None
    doors = Doors(reader, (host, int(port)) if tcp else None, pty, baud, key, seed, every)
    out = Console()
    try:
        asyncio.run(
            play(
                doors, lambda where: out.print(f"{len(reader)} readers at {where}", highlight=False), seconds
            )
        )
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None


def _wrong(readers: list[int], tcp: str | None, pty: Path | None) -> str:
    if tcp is None and pty is None:
        return "say where: --tcp HOST:PORT or --pty PATH"
    if tcp is not None and (why := not_here(tcp)):
        return f"--tcp {tcp}: {why}"
    bad = [address for address in readers if not 0 <= address <= _MOST_ADDRESS]
    if bad:
        return f"--reader {bad[0]}: is no address, 0 to {_MOST_ADDRESS}"
    return "--reader: an address is given twice" if len(set(readers)) < len(readers) else ""


def _wrong_key(name: str, text: str) -> str:
    if name and (len(text) != KEY_DIGITS or set(text) - set("0123456789abcdefABCDEF")):
        return f"--key-env {name}: the environment must hold {KEY_DIGITS} hex digits there"
    return ""
