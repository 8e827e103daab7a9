"""A reader and its panel without a wire: talks carried step by step, with whatever a test does to the bytes."""

import random
from collections.abc import Callable, Mapping
from typing import Any

from drivers.api import Exchange, Happening, Reading, Transaction
from drivers.osdp.driver import OsdpDevice, OsdpDriver
from drivers.profile import Profile
from drivers.profiles_store import SHIPPED, load_profile
from simulators.osdp_reader import Reader
from tests.support import conversation

KEY = bytes.fromhex("00112233445566778899AABBCCDDEEFF")
PROFILE = load_profile(SHIPPED / "osdp-reader.yaml")

Wire = Callable[[bytes], bytes]
"""What becomes of bytes on their way to or from the reader."""


def clean(data: bytes) -> bytes:
    """A wire that carries all bytes as they are."""
    return data


def lose(count: int) -> Wire:
    """A wire that swallows the next `count` messages."""
    left = [count]

    def wire(data: bytes) -> bytes:
        if left[0] and data:
            left[0] -= 1
            return b""
        return data

    return wire


class Door:
    """A reader, the device of its panel, and the wire between them."""

    def __init__(self, reader: Reader, device: OsdpDevice) -> None:
        self.reader, self.device = reader, device
        self.there: Wire = clean
        self.back: Wire = clean
        self.now_ms = 0
        self.sent: list[bytes] = []
        self.pauses: list[float] = []

    def carry(self, exchange: Exchange) -> bytes:
        """Carry a talk to its end; raise `DeviceSilent` where no answer comes."""
        return conversation.carry(exchange, self._say)

    def _say(self, exchange: Exchange) -> list[bytes]:
        self.sent.append(exchange.request)
        self.pauses.append(exchange.pause)
        self.now_ms += 50
        return [self.back(self.reader.receive(self.there(exchange.request), self.now_ms))]

    def ask(self, transaction: Transaction) -> tuple[Mapping[str, Reading], tuple[Happening, ...]]:
        """Do as the poller does with one transaction."""
        payload = self.carry(self.device.exchange(transaction))
        return self.device.decode(transaction, payload), tuple(self.device.happenings(transaction, payload))

    def read(self, *points: str) -> dict[str, Any]:
        """Read points and return their values."""
        found: dict[str, Any] = {}
        for transaction in self.device.plan(points):
            found |= {name: reading.value for name, reading in self.ask(transaction)[0].items()}
        return found

    def poll(self) -> tuple[Happening, ...]:
        """Fetch what has happened."""
        return self.ask(self.device.plan(["online"])[0])[1]

    def codes(self) -> list[str]:
        """The commands that were sent, as far as they are told in clear."""
        return [code_of(raw) for raw in self.sent]


def door(
    *,
    profile: Profile = PROFILE,
    options: Mapping[str, Any] | None = None,
    address: int = 0,
    seed: int = 1,
    **reader: Any,
) -> Door:
    """A reader and its panel; `reader` are fields of the simulated one."""
    dice = random.Random(seed)
    made = Reader(address, dice.randbytes, **reader)
    here: list[Door] = []
    driver = OsdpDriver(dice.randbytes, lambda: here[0].now_ms / 1000 if here else 0.0)
    here.append(Door(made, driver.device(profile, address, options or {})))
    return here[0]


def code_of(raw: bytes) -> str:
    """The code of a command, encrypted or not."""
    body = raw[1:] if raw[0] == 0xFF else raw
    place = 5 + (body[5] if body[4] & 8 else 0)
    return f"{body[place]:02X}"
