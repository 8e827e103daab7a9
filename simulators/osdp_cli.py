"""`gatehouse-sim osdp`: card readers on a pseudo-terminal or behind a TCP endpoint."""

import time
from random import Random
from typing import Annotated

import typer

from simulators.on_wires import (
    PtyOption,
    SecondsOption,
    SeedOption,
    TcpOption,
    Wires,
    play,
    refuse,
    secret,
    teller,
)
from simulators.osdp_life import CHARACTER_BITS, TURNAROUND_S, Hall, OsdpLine, live
from simulators.osdp_reader import Reader

KEY_DIGITS = 32
_MOST_ADDRESS = 126


def serve(
    reader: Annotated[list[int], typer.Option(help="An address, 0 to 126; several times.")],
    tcp: TcpOption = None,
    pty: PtyOption = None,
    baud: Annotated[int, typer.Option(min=9600, help="The pace of the wires.")] = 9600,
    key_env: Annotated[
        str,
        typer.Option(help="The environment's name for their own key, 32 hex digits; else the default key."),
    ] = "",
    every: Annotated[float, typer.Option(min=0.05, help="Seconds between two people, on average.")] = 5.0,
    seed: SeedOption = 1,
    seconds: SecondsOption = None,
) -> None:
    """Serve OSDP readers: people show cards, type PINs and now and then open a housing; relays can be switched."""
    wires = Wires(tcp, pty, baud, TURNAROUND_S, bits=CHARACTER_BITS)
    if wrong := wires.wrong or _wrong(reader):
        refuse(wrong)
    text = secret("--key-env", key_env, f"[0-9A-Fa-f]{{{KEY_DIGITS}}}", f"{KEY_DIGITS} hex digits")
    rng = Random(seed)  # noqa: S311 - a simulation
    key = bytes.fromhex(text) if text else None
    readers = [Reader(address, rng.randbytes, key=key) for address in reader]
    line = OsdpLine(readers, lambda: time.monotonic_ns() // 1_000_000)
    life = live(Hall(readers, rng), rng, every)
    play(wires.serve(line, life, teller(f"{len(reader)} readers"), seconds))


def _wrong(readers: list[int]) -> str:
    bad = [address for address in readers if not 0 <= address <= _MOST_ADDRESS]
    if bad:
        return f"--reader {bad[0]}: is no address, 0 to {_MOST_ADDRESS}"
    return "--reader: an address is given twice" if len(set(readers)) < len(readers) else ""
