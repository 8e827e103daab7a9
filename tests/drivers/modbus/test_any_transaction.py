"""Modbus TCP whose answers carry ids of their own: late and doubled answers are guarded against as on a bus."""

import random
from collections.abc import Sequence

import pytest

from drivers.api import Exchange
from drivers.errors import DeviceSilent
from drivers.lines import Line
from drivers.modbus.driver import ModbusDevice, ModbusDriver
from tests.support.modbus import profile
from tests.support.wire import Act, Send, TcpPeer, line_to

HELD = {10: 111, 300: 999, 301: 999}
PLACES = {"low": 10, "high": 300, "twin": 301}
POINTS = {
    name: {"table": "holding", "address": address, "type": "uint16"} for name, address in PLACES.items()
}
TIMEOUT = 0.1
LATE = 0.16


def device(unit: int = 1, **more: bool) -> ModbusDevice:
    options = {"framing": "mbap", "any_transaction": True, "bridge": 0, **more}
    return ModbusDriver().device(profile(POINTS), unit, options)


def exchange(made: ModbusDevice, point: str) -> Exchange:
    return made.exchange(made.plan([point])[0])


def answer(request: bytes) -> bytes:
    """What a server says that answers with id 0, made apart from the product's codec."""
    value = HELD[int.from_bytes(request[8:10], "big")]
    return b"\0\0\0\0\0\x05" + request[6:8] + b"\x02" + value.to_bytes(2, "big")


class Slow:
    """Answers one request after the other; those by number in `late` after the time-out."""

    def __init__(self, late: set[int]) -> None:
        self.late, self.count = late, 0

    def __call__(self, request: bytes) -> Sequence[Act]:
        self.count += 1
        return [Send(answer(request), LATE if self.count in self.late else 0.0)]


async def read(line: Line, made: ModbusDevice, point: str) -> int | None:
    transaction = made.plan([point])[0]
    try:
        reply = await line.exchange(made.exchange(transaction), timeout=TIMEOUT)
    except DeviceSilent:
        return None
    value = made.decode(transaction, reply.payload)[point].value
    assert value is not None
    return int(value)


@pytest.mark.parametrize("more", [{}, {"any_unit": True}])
async def test_a_late_answer_is_never_stored_for_another_register(more: dict[str, bool]):
    made, rng = device(**more), random.Random(5)
    async with TcpPeer(Slow({2, 5, 9, 10, 14})) as peer, line_to(peer.settings()) as line:
        seen = []
        for _ in range(16):
            point = rng.choice(["low", "high"])
            seen.append((point, await read(line, made, point)))
        silent = [number for number, (_, value) in enumerate(seen, 1) if value is None]
        # The first late one is met by a time-out; how slow the server can be is learned from it.
        assert silent[0] == 2
        wrong = [(point, value) for point, value in seen if value not in (None, HELD[PLACES[point]])]
        assert wrong == []
        assert len(seen) - len(silent) >= 11
        assert line.stats.late_replies == len(silent)


async def test_a_copy_of_an_answer_is_not_stored_for_the_next_register():
    made, copies = device(), []

    def script(request: bytes) -> Sequence[Act]:
        copies.append(answer(request))
        # The second request is answered by a copy of the first answer, and only then by its own.
        return [Send(data) for data in copies] if len(copies) == 2 else [Send(copies[-1])]

    async with TcpPeer(script) as peer, line_to(peer.settings()) as line:
        assert await read(line, made, "low") == 111
        assert await read(line, made, "high") == 999
        assert line.stats.doubled == 1


async def test_an_unchanged_value_is_no_copy_and_need_not_be_waited_for():
    """A second answer is waited for where another place holds the same, and never for the same question."""
    made, asked = device(), list[str]()
    async with TcpPeer(Slow(set())) as peer, line_to(peer.settings()) as line:
        for point in ("high", "high", "twin", "high", "twin"):
            reply = await line.exchange(exchange(made, point), timeout=5.0 if asked else TIMEOUT)
            asked.append(point)
            assert reply.payload == bytes.fromhex("030203e7")
            if len(asked) == 2:
                assert reply.ended - reply.began < 2.5, "it waited for a second answer to the same question"
                break


def test_equal_questions_are_equal_bytes_and_share_their_key_with_what_could_be_mistaken():
    one, two, other = device(), device(), device(unit=2)
    low, again, high = exchange(one, "low"), exchange(two, "low"), exchange(one, "high")
    assert low.request == again.request != high.request
    assert low.key == high.key == b"\x03\x01"
    assert exchange(other, "low").key == b"\x03\x02"
    assert exchange(device(any_unit=True), "low").key == b"\x03", "it waits for what every unit owes"
    assert one.ask(bytes.fromhex("03000a0001")).key == low.key
    odd = one.ask(bytes.fromhex("41 01"))
    assert (odd.key, odd.matched) == (b"\x41\x01", False)
    assert odd.request == two.ask(bytes.fromhex("41 01")).request


def test_where_the_id_counts_nothing_waits_for_a_late_answer():
    made = ModbusDriver().device(profile(POINTS), 1, {"framing": "mbap"})
    first, second = exchange(made, "low"), exchange(made, "low")
    assert first.matched
    assert first.key == b""
    assert first.request[:2] != second.request[:2]
