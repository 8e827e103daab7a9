"""Protocol data units of the functions that the gateway sends, and what their reply must look like.

Modbus Application Protocol Specification V1.1b3, clauses 6 and 7.
"""

from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache
from typing import Final, Protocol

from drivers.errors import DeviceRefused
from messages.types import Quality

EXCEPTION: Final = 0x80
MAX_READ_BITS: Final = 2000
MAX_READ_REGISTERS: Final = 125
MAX_WRITE_BITS: Final = 1968
MAX_WRITE_REGISTERS: Final = 123
MAX_PDU: Final = 253


class Function(IntEnum):
    """Function codes that this driver sends."""

    READ_COILS = 0x01
    READ_DISCRETE_INPUTS = 0x02
    READ_HOLDING_REGISTERS = 0x03
    READ_INPUT_REGISTERS = 0x04
    WRITE_SINGLE_COIL = 0x05
    WRITE_SINGLE_REGISTER = 0x06
    WRITE_MULTIPLE_COILS = 0x0F
    WRITE_MULTIPLE_REGISTERS = 0x10


BIT_READS: Final = frozenset({Function.READ_COILS, Function.READ_DISCRETE_INPUTS})
REGISTER_READS: Final = frozenset({Function.READ_HOLDING_REGISTERS, Function.READ_INPUT_REGISTERS})
READS: Final = BIT_READS | REGISTER_READS

EXCEPTION_NAMES: Final = {
    0x01: "illegal function",
    0x02: "illegal data address",
    0x03: "illegal data value",
    0x04: "server device failure",
    0x05: "acknowledge",
    0x06: "server device busy",
    0x07: "negative acknowledge",
    0x08: "memory parity error",
    0x0A: "gateway path unavailable",
    0x0B: "gateway target device failed to respond",
}


# Worth another try later, as it is; 0A and 0B come from a gateway whose device did not answer.
_LATER: Final = frozenset({0x05, 0x06, 0x0A, 0x0B})
_EXCEPTION_QUALITY: Final = {0x04: Quality.DEVICE, 0x0A: Quality.COMM, 0x0B: Quality.TIMEOUT}


@dataclass(frozen=True, slots=True)
class Expected:
    """What the reply to one request must be: its length, and the bytes with which it must begin."""

    function: int
    length: int
    head: bytes

    def begins(self, pdu: bytes | bytearray | memoryview) -> bool:
        """Say whether these first bytes can still become the reply."""
        size = min(len(pdu), len(self.head))
        return bytes(pdu[:size]) == self.head[:size]

    def matches(self, pdu: bytes) -> bool:
        """Say whether a whole PDU is the reply."""
        return len(pdu) == self.length and pdu.startswith(self.head)


class AnyReply(Protocol):
    """What a reply must be, as far as a framing needs to know that carries its own length."""

    @property
    def function(self) -> int:
        """The function code of the request."""

    @property
    def length(self) -> int | str:
        """How long it must be, for a person."""

    def matches(self, pdu: bytes) -> bool:
        """Say whether a whole PDU is the reply."""


@lru_cache(maxsize=4096)
def read_request(function: int, address: int, count: int) -> bytes:
    """Build a read of `count` bits or registers; raise `ValueError` for what cannot be asked."""
    if function not in READS:
        raise ValueError(f"function {function} is no read")
    limit = MAX_READ_BITS if function in BIT_READS else MAX_READ_REGISTERS
    _check_range(address, count, limit)
    return bytes((function,)) + address.to_bytes(2, "big") + count.to_bytes(2, "big")


def write_coil_request(address: int, *, on: bool) -> bytes:
    """Build function 05, the write of one coil."""
    _check_range(address, 1, 1)
    return bytes((Function.WRITE_SINGLE_COIL,)) + address.to_bytes(2, "big") + (b"\xff\0" if on else b"\0\0")


def write_register_request(address: int, value: int) -> bytes:
    """Build function 06, the write of one holding register."""
    _check_range(address, 1, 1)
    return bytes((Function.WRITE_SINGLE_REGISTER,)) + address.to_bytes(2, "big") + _word(value)


def write_coils_request(address: int, values: tuple[bool, ...]) -> bytes:
    """Build function 15, the write of several coils."""
    _check_range(address, len(values), MAX_WRITE_BITS)
    packed = sum(1 << place for place, on in enumerate(values) if on)
    data = packed.to_bytes((len(values) + 7) // 8, "little")
    head = bytes((Function.WRITE_MULTIPLE_COILS,)) + address.to_bytes(2, "big")
    return head + len(values).to_bytes(2, "big") + bytes((len(data),)) + data


def write_registers_request(address: int, values: tuple[int, ...]) -> bytes:
    """Build function 16, the write of several holding registers."""
    _check_range(address, len(values), MAX_WRITE_REGISTERS)
    data = b"".join(_word(value) for value in values)
    head = bytes((Function.WRITE_MULTIPLE_REGISTERS,)) + address.to_bytes(2, "big")
    return head + len(values).to_bytes(2, "big") + bytes((len(data),)) + data


@lru_cache(maxsize=4096)
def expected_reply(request: bytes) -> Expected:
    """Return what the reply to a request PDU must be; raise `ValueError` for a request that is not ours."""
    function = request[0]
    if function in READS and len(request) == 5:
        count = int.from_bytes(request[3:5], "big")
        size = (count + 7) // 8 if function in BIT_READS else 2 * count
        return Expected(function, 2 + size, bytes((function, size)))
    if function in {Function.WRITE_SINGLE_COIL, Function.WRITE_SINGLE_REGISTER} and len(request) == 5:
        return Expected(function, 5, request)
    if function in {Function.WRITE_MULTIPLE_COILS, Function.WRITE_MULTIPLE_REGISTERS} and len(request) > 6:
        return Expected(function, 5, request[:5])
    raise ValueError(f"no reply is known for the request {request.hex()}")


def refusal(function: int, code: int) -> DeviceRefused:
    """Return the error for exception `code` in answer to `function`, classed by what to do next."""
    name = EXCEPTION_NAMES.get(code, "unknown exception")
    text = f"exception {code:02X} to function {function:02X}: {name}"
    error = DeviceRefused(text, code=code, busy=code in _LATER, address=code in {0x02, 0x03})
    error.quality = _EXCEPTION_QUALITY.get(code, Quality.REFUSED)
    return error


def _check_range(address: int, count: int, limit: int) -> None:
    if not 0 <= address <= 0xFFFF or not 1 <= count <= limit or address + count > 0x10000:
        raise ValueError(f"{count} from address {address} cannot be asked (at most {limit}, below 65536)")


def _word(value: int) -> bytes:
    if not 0 <= value <= 0xFFFF:
        raise ValueError(f"{value} does not fit a register")
    return value.to_bytes(2, "big")
