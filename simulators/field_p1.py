"""The demo's P1 port: a meter that pushes telegrams of all its registers to whoever has opened the port.

Like a port whose data request line is low, it is silent until somebody has it open at its speed, so that each telegram
that is told to the truth has been heard.
"""

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

from drivers.profile import Profile
from messages.types import Value
from simulators.field_truth import FieldTruth
from simulators.iec62056 import PushPty
from simulators.iec62056_cli import Living
from simulators.vocabulary import FieldDevice, FieldLine

EVERY_S = 5.0
LOOK_S = 0.5


class P1Meter:
    """One meter and its port."""

    def __init__(
        self,
        line: FieldLine,
        path: Path,
        profile: Profile,
        truth: FieldTruth,
        now: Callable[[], datetime],
        rng: Random,
    ) -> None:
        (self._device,) = line.devices
        self.port = PushPty(path)
        self.muted = False
        self._living = Living(number_of(self._device), now, rng)
        self._profile, self._truth, self._baud = profile, truth, line.baud

    async def live(self) -> None:
        """Push a telegram now and then while somebody listens."""
        while True:
            listened = self.port.speed() == self._baud
            await asyncio.sleep(EVERY_S if listened else LOOK_S)
            if listened:
                self.push()

    def push(self) -> None:
        """Say a telegram, and tell of it if all of it went out: half a one is none."""
        if self.muted:
            return
        lines = self._living.sets()
        shown = dict(lines)
        carried = {name: carried_by(point.at, shown) for name, point in self._profile.points.items()}
        if self.port.push(self._living.telegram(lines)):
            self._truth.answered(self._device.id, carried)


def number_of(device: FieldDevice) -> str:
    """Return the meter's number: its equipment identifier is the characters of that, in hex."""
    return bytes.fromhex(device.address).decode("ascii")


def carried_by(at: Mapping[str, Any], shown: Mapping[str, str]) -> tuple[Value, str]:
    """Return what the data sets of a telegram hold for a point's address, and the characters that carried it."""
    groups = shown.get(str(at["obis"]), "").split(")(")
    place = int(at.get("group", 0))
    if place >= len(groups) or not groups[place]:
        return None, ""
    return Decimal(groups[place].partition("*")[0]), groups[place].encode("ascii").hex()
