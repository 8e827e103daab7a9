"""Looking for cameras on the wire: one WS-Discovery probe, and a bounded time in which answers are taken."""

import asyncio
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Final

from drivers.errors import FrameDamaged
from drivers.onvif.discovery import GROUP, MAX_DATAGRAM, Found, matches, probe

MOST: Final = 1000
MOST_OF_ONE: Final = 20
TIMES: Final = 2  # a datagram may be lost


@dataclass(slots=True)
class _Answers(asyncio.DatagramProtocol):
    found: dict[str, tuple[str, Found]] = field(default_factory=dict)
    heard: dict[str, int] = field(default_factory=dict)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        host = addr[0]
        count = self.heard.get(host, 0)
        if len(self.found) >= MOST or count >= MOST_OF_ONE or len(data) > MAX_DATAGRAM:
            return
        self.heard[host] = count + 1
        try:
            for each in matches(data):
                self.found.setdefault(f"{host} {each.id}", (host, each))
        except FrameDamaged:
            return


async def discover(seconds: float, random: Random, group: tuple[str, int] = GROUP) -> list[tuple[str, Found]]:
    """Return who answered within so many seconds, with the address from which each did; raise `OSError`."""
    loop = asyncio.get_running_loop()
    transport, answers = await loop.create_datagram_endpoint(_Answers, local_addr=("0.0.0.0", 0))
    try:
        for _ in range(TIMES):
            message = uuid.UUID(bytes=random.randbytes(16), version=4)
            transport.sendto(probe(str(message)), group)
            await asyncio.sleep(seconds / TIMES)
    finally:
        transport.close()
    return sorted(answers.found.values(), key=lambda found: (found[0], found[1].id))


def rows(found: list[tuple[str, Found]], known: frozenset[str]) -> Iterator[dict[str, str]]:
    """Yield a row for each; `known` are the hosts that the site file has."""
    for host, each in found:
        yield {
            "host": host,
            "name": each.name,
            "hardware": each.hardware,
            "addresses": " ".join(each.addresses),
            "configured": "yes" if host in known else "no",
        }
