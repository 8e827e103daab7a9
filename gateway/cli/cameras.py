"""`gatehouse-gateway cameras`: who is on the wire, and what the configured ones say."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from random import SystemRandom
from typing import Annotated

import typer

from gateway.cli.screen import FAILED, JsonOption, fail, load, out, plain, table
from gateway.site.config import Device
from gateway.site.listening import CAMERAS
from messages.text import printable


def cameras(
    site: Annotated[Path | None, typer.Argument(help="The site file, whose cameras are asked.")] = None,
    probe: Annotated[bool, typer.Option("--probe", help="Look who is on the wire, by WS-Discovery.")] = False,
    seconds: Annotated[float, typer.Option(help="How long answers are waited for.", min=0.2, max=60)] = 4.0,
    as_json: JsonOption = False,
) -> None:
    """Ask the cameras of a site who they are, their time, stream and picture; or look for cameras on the wire."""
    if site is None and not probe:
        fail("give a site file, or --probe to look for cameras on the wire")
    devices: list[Device] = []
    if site is not None:
        devices = [device for device in load(site).devices if device.profile.protocol == CAMERAS]
    try:
        rows = _found(devices, seconds) if probe else _checked(devices, seconds)
    except ModuleNotFoundError as err:
        fail(f"{err.name} is missing: install gatehouse-iot[gateway,cameras]", FAILED)
    except OSError as err:
        fail(f"no probe can be sent: {err.strerror}", FAILED)
    if as_json:
        plain(json.dumps(rows, ensure_ascii=False, indent=1))
    elif rows:
        made = table("cameras on the wire" if probe else "cameras", list(rows[0]))
        for row in rows:
            made.add_row(*(printable(cell) for cell in row.values()))
        out.print(made)
    else:
        plain("no camera answers" if probe else "the site has no camera")
    if any(row.get("problem") for row in rows):
        raise typer.Exit(FAILED)


def _found(devices: Sequence[Device], seconds: float) -> list[Mapping[str, str]]:
    from drivers.onvif.settings import place_of  # noqa: PLC0415
    from gateway.cameras.discover import discover, rows  # noqa: PLC0415

    known = frozenset(place_of(str(device.options["address"]))[0] for device in devices)
    return [*rows(asyncio.run(discover(seconds, SystemRandom())), known)]


def _checked(devices: Sequence[Device], seconds: float) -> list[Mapping[str, str]]:
    from gateway.cameras.check import check  # noqa: PLC0415 - what looks at pictures may not be installed

    return asyncio.run(check(list(devices), seconds))
