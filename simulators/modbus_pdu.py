"""The server half of Modbus by the application protocol specification V1.1b3, written apart from the driver.

A request is answered from an `Image`: which registers and bits exist, what they hold, and who may write them.
"""

import struct
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from enum import IntEnum

from simulators.registers import BITS, TABLES, Table

MAX_READ_BITS, MAX_READ_REGISTERS = 2000, 125
MAX_WRITE_BITS, MAX_WRITE_REGISTERS = 1968, 123
COIL_ON, COIL_OFF = 0xFF00, 0x0000
_READS: dict[int, Table] = {1: "coil", 2: "discrete", 3: "holding", 4: "input"}
_WRITES: dict[int, Table] = {5: "coil", 6: "holding", 15: "coil", 16: "holding"}


class ExceptionCode(IntEnum):
    """Exception codes, clause 7."""

    ILLEGAL_FUNCTION = 1
    ILLEGAL_DATA_ADDRESS = 2
    ILLEGAL_DATA_VALUE = 3
    SERVER_DEVICE_FAILURE = 4
    ACKNOWLEDGE = 5
    SERVER_DEVICE_BUSY = 6


class Refusal(Exception):
    """A request that is answered with an exception code."""

    def __init__(self, code: int) -> None:
        super().__init__(ExceptionCode(code).name)
        self.code = code


@dataclass(frozen=True, slots=True)
class Block:
    """What a request asks for."""

    function: int
    table: Table
    address: int
    count: int
    values: tuple[int, ...] = ()

    @property
    def span(self) -> range:
        """The addresses asked for."""
        return range(self.address, self.address + self.count)


Writer = Callable[[Table, int, Sequence[int]], None]


@dataclass
class Image:
    """Registers and bits of one device; what is not in `held` does not exist."""

    held: dict[Table, dict[int, int]] = field(default_factory=lambda: {table: {} for table in TABLES})
    max_registers: int = MAX_READ_REGISTERS
    max_bits: int = MAX_READ_BITS
    write: Writer | None = None

    def read(self, block: Block, hidden: Iterable[range] = ()) -> list[int]:
        """Return what the block holds; raise `Refusal` where a part of it does not exist or is hidden."""
        table = self.held[block.table]
        if block.count > (self.max_bits if block.table in BITS else self.max_registers):
            raise Refusal(ExceptionCode.ILLEGAL_DATA_ADDRESS)
        if any(overlap(block.span, gone) for gone in hidden):
            raise Refusal(ExceptionCode.ILLEGAL_DATA_ADDRESS)
        try:
            return [table[address] for address in block.span]
        except KeyError:
            raise Refusal(ExceptionCode.ILLEGAL_DATA_ADDRESS) from None

    def has(self, block: Block) -> bool:
        """Tell whether a read of the block would be answered."""
        limit = self.max_bits if block.table in BITS else self.max_registers
        return block.count <= limit and self.held[block.table].keys() >= set(block.span)

    def store(self, block: Block) -> None:
        """Write a block as a master asked; raise `Refusal` where that is not allowed."""
        if self.write is None:
            raise Refusal(ExceptionCode.ILLEGAL_DATA_ADDRESS)
        self.write(block.table, block.address, block.values)


def parse(pdu: bytes) -> Block:
    """Read a request; raise `Refusal` for one that the standard refuses before looking at the data."""
    function = pdu[0] if pdu else 0
    if function in _READS:
        if len(pdu) != 5:
            raise Refusal(ExceptionCode.ILLEGAL_DATA_VALUE)
        address, count = struct.unpack(">HH", pdu[1:])
        limit = MAX_READ_BITS if function <= 2 else MAX_READ_REGISTERS
        if not 1 <= count <= limit:
            raise Refusal(ExceptionCode.ILLEGAL_DATA_VALUE)
        return _within(Block(function, _READS[function], address, count))
    if function in {5, 6}:
        if len(pdu) != 5:
            raise Refusal(ExceptionCode.ILLEGAL_DATA_VALUE)
        address, value = struct.unpack(">HH", pdu[1:])
        if function == 5 and value not in {COIL_ON, COIL_OFF}:
            raise Refusal(ExceptionCode.ILLEGAL_DATA_VALUE)
        return Block(
            function, _WRITES[function], address, 1, (int(value == COIL_ON) if function == 5 else value,)
        )
    if function in {15, 16}:
        return _within(_multiple(function, pdu))
    raise Refusal(ExceptionCode.ILLEGAL_FUNCTION)


def reply(block: Block, values: Sequence[int]) -> bytes:
    """Write the reply of a request that was carried out; `values` are what a read found."""
    function = block.function
    if function <= 2:
        return bytes([function, (len(values) + 7) // 8]) + pack_bits(values)
    if function <= 4:
        return struct.pack(f">BB{len(values)}H", function, 2 * len(values), *values)
    if function == 5:
        return struct.pack(">BHH", function, block.address, COIL_ON if block.values[0] else COIL_OFF)
    if function == 6:
        return struct.pack(">BHH", function, block.address, block.values[0])
    return struct.pack(">BHH", function, block.address, block.count)


def refuse(pdu: bytes, code: int) -> bytes:
    """Write the exception reply to a request."""
    return bytes([(pdu[0] if pdu else 0) | 0x80, code])


def pack_bits(values: Sequence[int]) -> bytes:
    """Bits into bytes, the first in the lowest bit, clause 6.1."""
    data = bytearray((len(values) + 7) // 8)
    for place, value in enumerate(values):
        if value:
            data[place // 8] |= 1 << place % 8
    return bytes(data)


def _multiple(function: int, pdu: bytes) -> Block:
    if len(pdu) < 6:
        raise Refusal(ExceptionCode.ILLEGAL_DATA_VALUE)
    address, count, size = struct.unpack(">HHB", pdu[1:6])
    data = pdu[6:]
    bits = function == 15
    expected = (count + 7) // 8 if bits else 2 * count
    limit = MAX_WRITE_BITS if bits else MAX_WRITE_REGISTERS
    if not 1 <= count <= limit or size != expected or len(data) != size:
        raise Refusal(ExceptionCode.ILLEGAL_DATA_VALUE)
    values: tuple[int, ...]
    if bits:
        values = tuple(data[place // 8] >> place % 8 & 1 for place in range(count))
    else:
        values = struct.unpack(f">{count}H", data)
    return Block(function, _WRITES[function], address, count, values)


def _within(block: Block) -> Block:
    if block.address + block.count > 0x10000:
        raise Refusal(ExceptionCode.ILLEGAL_DATA_ADDRESS)
    return block


def overlap(one: range, other: range) -> bool:
    """Tell whether two spans of addresses share one."""
    return one.start < other.stop and other.start < one.stop
