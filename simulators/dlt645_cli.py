"""`gatehouse-sim dlt645`: DL/T 645 meters on a pseudo-terminal or behind a TCP endpoint."""

from datetime import datetime
from random import Random
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

import typer

from simulators.dlt645 import SimBus
from simulators.dlt645_life import household
from simulators.on_wires import (
    BaudOption,
    PtyOption,
    SecondsOption,
    SeedOption,
    TcpOption,
    Wires,
    ZoneOption,
    play,
    refuse,
    secret,
    teller,
    ticking,
)


def serve(
    meter: Annotated[list[str], typer.Option(help="An address of up to 12 digits; several times.")],
    tcp: TcpOption = None,
    pty: PtyOption = None,
    edition: Annotated[int, typer.Option(help="1997 or 2007.")] = 2007,
    baud: BaudOption = 2400,
    seed: SeedOption = 1,
    zone: ZoneOption = "Asia/Shanghai",
    password_env: Annotated[
        str,
        typer.Option(help="The environment's name for level and password, 8 digits; else no relay order."),
    ] = "",
    every: Annotated[
        float,
        typer.Option(min=0, help="Seconds between two mishaps of a meter, on average; 0: nothing happens."),
    ] = 600.0,
    seconds: SecondsOption = None,
) -> None:
    """Serve DL/T 645 meters: they count, freeze at midnight, settle on the 1st, log opened covers and lost power."""
    wires = Wires(tcp, pty, baud, burst=8)
    if wrong := wires.wrong or _wrong(meter, edition):
        refuse(wrong)
    which: Literal[1997, 2007] = 1997 if edition == 1997 else 2007
    rng, there = Random(seed), ZoneInfo(zone)  # noqa: S311 - repeatable on purpose
    password = secret("--password-env", password_env, "[0-9]{8}", "level and password, 8 digits,")
    lives = [
        household(address.zfill(12), which, lambda: datetime.now(there), rng, password, every)
        for address in meter
    ]
    bus = SimBus([life.meter for life in lives])
    life = ticking([one.tick for one in lives])
    play(wires.serve(bus, life, teller(f"{len(meter)} meters"), seconds))


def _wrong(meters: list[str], edition: int) -> str:
    if edition not in {1997, 2007}:
        return f"--edition {edition}: is 1997 or 2007"
    bad = [
        address
        for address in meters
        if not (address.isascii() and address.isdecimal() and len(address) <= 12)
    ]
    return f"--meter {bad[0]}: is no address of up to 12 digits" if bad else ""
