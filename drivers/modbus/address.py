"""What `at` and `options` of a Modbus profile may say, as types."""

from typing import Annotated, Any, Final, Literal, TypeVar

import msgspec

from drivers.errors import Misconfigured
from drivers.modbus.pdu import MAX_READ_BITS, MAX_READ_REGISTERS, Function
from drivers.profile import Strict
from drivers.strict_types import check
from drivers.strict_yaml import path_text

Table = Literal["holding", "input", "coil", "discrete"]
Kind = Literal[
    "uint16",
    "int16",
    "uint32",
    "int32",
    "uint64",
    "int64",
    "float32",
    "float64",
    "bcd16",
    "bcd32",
    "bool",
    "bits",
]
Order = Literal["big", "little", "big-swapped", "little-swapped"]
Register = Annotated[int, msgspec.Meta(ge=0, le=0xFFFF)]
Span = Annotated[
    tuple[Register, Register],
    msgspec.Meta(description="a list of the first and the last address, for example [0, 99]"),
]
Spans = Annotated[tuple[Span, ...], msgspec.Meta(max_length=256)]
Mask = Annotated[str, msgspec.Meta(pattern=r"^0x[0-9A-Fa-f]{1,16}$")]

WORDS: Final[dict[str, int]] = {
    "uint16": 1,
    "int16": 1,
    "bcd16": 1,
    "bool": 1,
    "bits": 1,
    "uint32": 2,
    "int32": 2,
    "float32": 2,
    "bcd32": 2,
    "uint64": 4,
    "int64": 4,
    "float64": 4,
}
BIT_TABLES: Final = frozenset({"coil", "discrete"})
_READ: Final[dict[str, Function]] = {
    "coil": Function.READ_COILS,
    "discrete": Function.READ_DISCRETE_INPUTS,
    "holding": Function.READ_HOLDING_REGISTERS,
    "input": Function.READ_INPUT_REGISTERS,
}


class PointAt(Strict, frozen=True, kw_only=True):
    """Where a point lies: table, 0-based address as on the wire, type, and the order of its words and bytes.

    `order` names the bytes of a 32-bit value ABCD: big = ABCD, little = CDAB (words swapped),
    big-swapped = BADC (bytes swapped), little-swapped = DCBA.
    `bit` picks one bit of a register as true or false, `mask` a group of bits as an unsigned number.
    """

    table: Table
    address: Register
    type: Kind | None = None
    order: Order = "big"
    bit: Annotated[int, msgspec.Meta(ge=0, le=63)] | None = None
    mask: Mask | None = None

    @property
    def kind(self) -> str:
        """The type, also where it need not be written."""
        return self.type or ("bool" if self.table in BIT_TABLES or self.bit is not None else "bits")

    @property
    def words(self) -> int:
        """How many registers or bits it spans."""
        return 1 if self.table in BIT_TABLES else WORDS[self.kind]


class ActionAt(Strict, frozen=True, kw_only=True):
    """What a command writes: one coil on or off, or one holding register."""

    table: Literal["coil", "holding"]
    address: Register
    value: bool | Register


class Options(Strict, frozen=True, kw_only=True):
    """Protocol options of a profile, a line or a device; the later wins."""

    framing: Literal["rtu", "mbap", "ascii"] = "rtu"
    max_registers: Annotated[int, msgspec.Meta(ge=1, le=MAX_READ_REGISTERS)] = MAX_READ_REGISTERS
    """The longest block that the device answers; what it refuses is learned, to say it saves the refusals."""
    max_bits: Annotated[int, msgspec.Meta(ge=1, le=MAX_READ_BITS)] = MAX_READ_BITS
    bridge: Annotated[int, msgspec.Meta(ge=0, le=MAX_READ_BITS)] | Literal["auto"] = "auto"
    """How many addresses between two points are read along at most: `auto` where that is cheaper, 0 for a device
    that answers for holes with something worse than a refusal."""
    readable: dict[Table, Spans] = {}
    """Where a table is named here, a read lies wholly inside one of its ranges."""
    forbidden: dict[Table, Spans] = {}
    """Addresses that no read may touch."""
    function: Literal[3, 4] | None = None
    """Read both register tables with this function: for devices that know one only."""
    write: Literal["single", "multiple"] = "single"
    """Write with functions 05 and 06, or with 15 and 16."""
    any_unit: bool = False
    """Modbus TCP: accept an answer that names another unit."""
    any_transaction: bool = False
    """Modbus TCP: accept an answer with another transaction id; a late answer may then be mistaken."""

    def read_function(self, table: str) -> Function:
        """Return the function code that reads a table."""
        if self.function is not None and table not in BIT_TABLES:
            return Function(self.function)
        return _READ[table]

    def frame_bytes(self, table: str, count: int) -> tuple[int, int]:
        """Return how long a read of so many registers or bits is, and its answer."""
        data = (count + 7) // 8 if table in BIT_TABLES else 2 * count
        if self.framing == "ascii":
            return 17, 11 + 2 * data
        return (8, 5 + data) if self.framing == "rtu" else (12, 9 + data)


T = TypeVar("T")


def bind(data: Any, kind: type[T], place: str) -> T:
    """Turn plain data into `kind`; raise `Misconfigured`, one line `place: what is wrong` for each problem."""
    found = check(data, kind)
    if found:
        raise Misconfigured("\n".join(f"{_join(place, path_text(item.path))}: {item.text}" for item in found))
    return msgspec.convert(data, kind, strict=True)


def bind_point(data: Any, place: str) -> PointAt:
    """Check the address of one point, its parts against each other too; raise `Misconfigured`."""
    at = bind(data, PointAt, place)
    fault = _fault(at)
    if fault:
        raise Misconfigured(f"{place}{fault}")
    return at


def bind_action(data: Any, place: str) -> ActionAt:
    """Check what a command writes; raise `Misconfigured`."""
    at = bind(data, ActionAt, place)
    if isinstance(at.value, bool) != (at.table == "coil"):
        raise Misconfigured(f"{place}.value: a coil takes true or false, a holding register 0 to 65535")
    return at


def _join(place: str, rest: str) -> str:
    return f"{place}.{rest}" if rest and not rest.startswith("[") else place + rest


def _fault(at: PointAt) -> str:
    if at.address + at.words > 0x10000:
        return ".address: the value would reach beyond address 65535"
    if at.table in BIT_TABLES:
        if at.kind != "bool" or at.bit is not None or at.mask is not None or at.order != "big":
            return f".type: a {at.table} is one bit: leave out type, order, bit and mask"
        return ""
    if at.type is None and at.bit is None and at.mask is None:
        return ".type: is missing: say what the registers hold, for example uint16"
    if at.bit is not None and at.mask is not None:
        return ".mask: give a bit or a mask, not both"
    if at.kind == "bool" and at.bit is None:
        return ".bit: is missing: which bit of the register, 0 for the lowest"
    if at.kind == "bits" and at.mask is None and at.bit is None:
        return ".mask: is missing: which bits of the register, for example 0x0F00"
    if (at.bit is not None or at.mask is not None) and at.kind not in {"bool", "bits", "uint16", "uint32"}:
        return f".type: bits are taken from uint16 or uint32, not from {at.kind}"
    if at.bit is not None and at.bit >= 16 * at.words:
        return f".bit: the highest bit is {16 * at.words - 1}"
    if at.mask is not None and not 0 < int(at.mask, 16) < 1 << (16 * at.words):
        return f".mask: must have a bit set, and none above bit {16 * at.words - 1}"
    return ""
