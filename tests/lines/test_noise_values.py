"""A third of all frames damaged, lost, late or doubled: there may be fewer values, and none may be wrong.

Every reply tells the address asked for and the number of the request that it answers. A value is wrong if it is
not the answer to this very request: another register's, or an older one of the same register.
"""

import asyncio
import random
from dataclasses import dataclass, field

import pytest

from drivers.errors import DeviceSilent, DriverError, FrameDamaged
from drivers.lines import Line
from tests.support.long import amount
from tests.support.wire import (
    Act,
    PtyPeer,
    Send,
    TcpPeer,
    asked_address,
    line_to,
    registers,
    rtu,
    rtu_read,
    rtu_reply,
)

TIMEOUT = 0.02
LATEST = 0.06
GUARD = 0.2
BAD_SHARE = 0.3


@dataclass
class NoisySlave:
    """Answers rightly, then the wire does its worst; seeded."""

    rng: random.Random
    asked: int = 0
    done: dict[str, int] = field(default_factory=dict)

    def __call__(self, request: bytes) -> list[Act]:
        self.asked += 1
        count = int.from_bytes(request[4:6], "big")
        fill = [self.rng.randrange(65536) for _ in range(count - 2)]
        reply = rtu_reply(request, asked_address(request), self.asked % 65536, *fill)
        if self.rng.random() >= BAD_SHARE:
            return [Send(reply)]
        kind = self.rng.choice(
            (
                "flip",
                "cut",
                "drop",
                "double",
                "copy",
                "late",
                "noise",
                "chatter",
                "noise and late",
                "late and cut",
            )
        )
        self.done[kind] = self.done.get(kind, 0) + 1
        return self._harm(kind, reply)

    def _harm(self, kind: str, reply: bytes) -> list[Act]:
        late = self.rng.uniform(TIMEOUT, LATEST)
        noise = Send(self.rng.randbytes(self.rng.randrange(1, 12)))
        match kind:
            case "flip":
                return [Send(self._flipped(reply))]
            case "cut":
                at = self.rng.randrange(1, len(reply))
                return [Send(reply[:at] if self.rng.random() < 0.5 else reply[at:])]
            case "drop":
                return []
            case "double":
                copy = reply if self.rng.random() < 0.5 else self._flipped(reply)
                return [
                    Send(copy + reply)
                ]  # of two writes, the kernel may hand on the second at any later time
            case "copy":  # after the next request, as it may be
                return [Send(reply), Send(reply, after=late)]
            case "chatter":  # a slave that speaks unasked: its frames are sound, and of no use to anybody
                stranger = bytes([self.rng.randrange(200, 247)]) + reply[1:-2]
                return [Send(reply), Send(rtu(stranger), after=late), Send(noise.data, after=2 * late)]
            case "late":
                return [Send(reply, after=late)]
            case "noise":
                return [noise, Send(reply)]
            case "noise and late":
                return [noise, Send(reply, after=late)]
            case _:
                at = self.rng.randrange(1, len(reply))
                return [Send(reply[:at]), Send(reply[at:], after=late)]

    def _flipped(self, frame: bytes) -> bytes:
        damaged = bytearray(frame)
        for _ in range(self.rng.randrange(1, 4)):
            damaged[self.rng.randrange(len(damaged))] ^= 1 << self.rng.randrange(8)
        return bytes(damaged)


@dataclass
class Tally:
    asked: int = 0
    right: int = 0
    wrong: list[str] = field(default_factory=list)


async def ask(line: Line, slave: NoisySlave, rng: random.Random, tally: Tally) -> None:
    """One read, once more at once if its frame was damaged, as the poller does."""
    unit, function, count = rng.randrange(1, 9), rng.choice((3, 4)), rng.randrange(2, 6)
    address = rng.randrange(65536)
    for _ in range(2 if rng.random() < 0.3 else 1):
        tally.asked += 1
        try:
            reply = await line.exchange(
                rtu_read(address, count, unit=unit, function=function), timeout=TIMEOUT
            )
        except FrameDamaged:
            continue
        except DeviceSilent:
            return
        except DriverError as err:
            tally.wrong.append(f"a refusal that was never sent: {err}")
            return
        got = registers(reply.payload)[:2]
        if got == (address, slave.asked % 65536):
            tally.right += 1
        else:
            tally.wrong.append(f"asked {address} as number {slave.asked}, got {got}")
        return


async def storm(peer: TcpPeer | PtyPeer, slave: NoisySlave, seed: int, exchanges: int, tally: Tally) -> None:
    rng = random.Random(seed)
    async with peer, line_to(peer.settings(late_guard=GUARD)) as line:
        began = tally.asked
        while tally.asked - began < exchanges:
            await ask(line, slave, rng, tally)


async def storms(make, lines: int, exchanges: int) -> tuple[Tally, set[str]]:
    tallies = [Tally() for _ in range(lines)]
    slaves = [NoisySlave(random.Random(1000 + seed)) for seed in range(lines)]
    async with asyncio.TaskGroup() as group:
        for seed, (slave, tally) in enumerate(zip(slaves, tallies, strict=True)):
            group.create_task(storm(make(slave, seed), slave, seed, exchanges, tally), name=f"storm {seed}")
    total = Tally(
        sum(tally.asked for tally in tallies),
        sum(tally.right for tally in tallies),
        [wrong for tally in tallies for wrong in tally.wrong],
    )
    return total, {kind for slave in slaves for kind in slave.done}


@pytest.fixture(params=["rtu over tcp", "rtu on a pty", "rtu on an echoing adapter"])
def make(request, tmp_path):
    def peer(slave, seed):
        if request.param == "rtu over tcp":
            return TcpPeer(slave)
        folder = tmp_path / str(seed)
        folder.mkdir()
        return PtyPeer(slave, folder, echo="echoing" in request.param)

    return peer


async def test_noise_yields_no_wrong_value(make):
    total, _ = await storms(make, lines=6, exchanges=40)
    assert total.wrong == []
    assert total.right > total.asked * 0.6


@pytest.mark.slow
async def test_long_noise_yields_no_wrong_value(make):
    total, kinds = await storms(make, lines=10, exchanges=amount(80, 1000))
    assert total.asked >= 800
    assert total.wrong == []
    assert total.right > total.asked * 0.6
    assert len(kinds) == 10
