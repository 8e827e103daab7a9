"""`gatehouse-sim mbus`: M-Bus meters on a pseudo-terminal or behind a level converter on TCP."""

import re
from datetime import datetime
from random import Random
from typing import Annotated, cast
from zoneinfo import ZoneInfo

import typer

from simulators.mbus import MbusBus
from simulators.mbus_life import MAKERS, Kind, aged
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
    teller,
    ticking,
)

_METER = re.compile(r"(?P<kind>[a-z]+):(?P<number>[0-9]{1,8})(?:@(?P<primary>[0-9]{1,3}))?")
_MOST_PRIMARY = 250
_TURNAROUND_S = 0.02


def serve(
    meter: Annotated[
        list[str],
        typer.Option(
            help="KIND:NUMBER@ADDRESS, as heat:12345678@1; kinds are heat, water, electricity, gas."
        ),
    ],
    tcp: TcpOption = None,
    pty: PtyOption = None,
    baud: BaudOption = 2400,
    seed: SeedOption = 1,
    zone: ZoneOption = "Asia/Shanghai",
    seconds: SecondsOption = None,
) -> None:
    """Serve M-Bus meters by primary and secondary address; those of one address answer at once, as real ones do."""
    found = [_METER.fullmatch(text) for text in meter]
    wires = Wires(tcp, pty, baud, _TURNAROUND_S)
    if wrong := wires.wrong or _wrong(meter, found):
        refuse(wrong)
    rng, there = Random(seed), ZoneInfo(zone)  # noqa: S311 - a simulation
    meters = [
        aged(
            cast("Kind", one["kind"]),
            one["number"].zfill(8),
            lambda: datetime.now(there),
            rng,
            int(one["primary"] or 0),
        )
        for one in found
        if one is not None
    ]
    bus = MbusBus([each.slave() for each in meters], rng)
    life = ticking([each.tick for each in meters])
    play(wires.serve(bus, life, teller(f"{len(meters)} meters"), seconds))


def _wrong(meters: list[str], found: list[re.Match[str] | None]) -> str:
    for text, one in zip(meters, found, strict=True):
        if one is None or one["kind"] not in MAKERS or int(one["primary"] or 0) > _MOST_PRIMARY:
            kinds = ", ".join(MAKERS)
            return f"--meter {text}: is no KIND:NUMBER@ADDRESS; kinds are {kinds}, addresses 0 to {_MOST_PRIMARY}"
    return ""
