"""Modbus for the engineer's tools: questions that no profile names, captured frames judged and made into examples."""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Protocol

from drivers.api import DeviceDriver, Exchange, Transaction
from drivers.errors import DriverError, FrameDamaged, Misconfigured
from drivers.modbus import frames, guess, modbus_ascii, odd, rtu
from drivers.modbus.address import BIT_TABLES, Options, PointAt, bind, bind_point
from drivers.modbus.pdu import MAX_READ_REGISTERS, READS, expected_reply
from drivers.modbus.plan import Block
from drivers.profile import Example, Point, Profile
from drivers.workshop import Guess, Seen
from messages.types import Value


class Askable(DeviceDriver, Protocol):
    """A device that can be asked what no profile asks for."""

    def ask(self, request: bytes) -> Exchange:
        """Carry any request PDU."""


Bind = Callable[[Profile, int | None, Mapping[str, Any]], Askable]
_ANY_UNIT = 1
TABLES = {"coil": 1, "discrete": 2, "holding": 3, "input": 4}


class ModbusWorkshop:
    """Implements `drivers.workshop.Workshop`; `device` binds a profile, as the driver does."""

    def __init__(self, device: Bind) -> None:
        self._device = device

    def probe(self, unit: int, options: Mapping[str, Any]) -> Exchange:
        """Ask for one holding register: a device that has none there says so, and is found by that."""
        made = self._device(self.registers("holding", 0, 1), unit, options)
        return made.exchange(made.plan(["r0"])[0])

    def identify(self, unit: int, options: Mapping[str, Any]) -> Sequence[Exchange]:
        """Ask for the device identification, basic and regular, then for the server id."""
        made = self._device(self.registers("holding", 0, 1), unit, options)
        return [made.ask(request) for request in (odd.BASIC_ID, odd.REGULAR_ID, odd.SERVER_ID)]

    def identity(self, payload: bytes) -> Mapping[str, str]:
        """Return what an answer to `identify` says."""
        return odd.identity(payload)

    def raw(self, unit: int, request: bytes, options: Mapping[str, Any]) -> Exchange:
        """Return an exchange of any request PDU; raise `Misconfigured` for what is none."""
        return self._device(self.registers("holding", 0, 1), unit, options).ask(request)

    def registers(self, table: str, address: int, count: int) -> Profile:
        """Return a profile whose points `r<address>` are bare registers or bits; raise `Misconfigured`."""
        points = {}
        for place in range(address, address + count):
            at: dict[str, Any] = {"table": table, "address": place}
            points[f"r{place}"] = Point(
                label=str(place), at=at if table in BIT_TABLES else {**at, "type": "uint16"}
            )
        profile = Profile(
            profile="bare-registers",
            vendor="-",
            model="-",
            device_class="io",
            protocol="modbus",
            points=points,
            examples=(),
            source=("asked for by an engineer",),
            options={"max_registers": MAX_READ_REGISTERS},
        )
        for name, point in points.items():
            bind_point(point.at, name)
        return profile

    def guesses(self, raw: bytes, exp: int) -> Sequence[Guess]:
        """Return the bytes read in every order and type that fits."""
        return guess.guesses(raw, exp)

    def matches(self, raw: bytes, display: Decimal) -> Sequence[Guess]:
        """Return each way to read the bytes that shows `display`."""
        return guess.matches(raw, display)

    def seen(self, frame: bytes) -> Seen:
        """Judge captured bytes by their check value or header."""
        if modbus_ascii.is_ascii(frame):
            try:
                return Seen(modbus_ascii.unwrap(frame)[0], "ok", whole=True)
            except FrameDamaged:
                return Seen(None, "bad", whole=True)
        if rtu.crc_ok(frame):
            return Seen(frame[0], "ok", whole=True)
        if frames.is_mbap(frame):
            return Seen(frame[6], "none", whole=True)
        return Seen(None, "bad", whole=False)

    def example(
        self, profile: Profile, request: bytes, reply: bytes, change: Callable[[str, bytes], bytes]
    ) -> Example | None:
        """Return a read and its answer as an example of a profile: RTU, unit 1, blank where no point lies."""
        try:
            asked, answered = frames.request_of(request)[1], frames.request_of(reply)[1]
            if asked[0] not in READS or not expected_reply(asked).matches(answered):
                return None
        except (DriverError, ValueError):
            return None
        addresses = {name: bind_point(point.at, name) for name, point in profile.points.items()}
        options = bind({**profile.options, "framing": "rtu"}, Options, "options")
        block = _block(asked, options, addresses)
        inside = tuple(name for name, at in addresses.items() if block is not None and block.holds(at))
        if block is None or not inside:
            return None
        data = _kept(answered[2:], block, {name: addresses[name] for name in inside}, change)
        shown = answered[:2] + data
        made = self._device(profile, _ANY_UNIT, {"framing": "rtu"})
        readings = made.decode(Transaction(inside, block), shown)
        return Example(
            request=rtu.frame(_ANY_UNIT, asked).hex().upper(),
            reply=rtu.frame(_ANY_UNIT, shown).hex().upper(),
            expect={name: _written(reading.value) for name, reading in readings.items()},
            captured=True,
        )


def _block(asked: bytes, options: Options, addresses: Mapping[str, PointAt]) -> Block | None:
    """Return the block that was read; where one function reads two tables, the one in which points lie."""
    address, count = int.from_bytes(asked[1:3], "big"), int.from_bytes(asked[3:5], "big")
    for table in dict.fromkeys(at.table for at in addresses.values()):
        block = Block(asked[0], address, count, table)
        if options.read_function(table) == asked[0] and any(block.holds(at) for at in addresses.values()):
            return block
    return None


def _kept(
    data: bytes, block: Block, inside: Mapping[str, PointAt], change: Callable[[str, bytes], bytes]
) -> bytes:
    shown = bytearray(len(data))
    for name, at in inside.items():
        place = at.address - block.address
        if block.table in BIT_TABLES:
            if data[place >> 3] >> (place & 7) & 1:
                shown[place >> 3] |= 1 << (place & 7)
            continue
        raw = data[2 * place : 2 * (place + at.words)]
        other = change(name, raw)
        if len(other) != len(raw):
            raise Misconfigured(f"{name}: {len(other)} bytes cannot stand in the place of {len(raw)}")
        shown[2 * place : 2 * (place + at.words)] = other
    return bytes(shown)


def _written(value: Value) -> str | bool | None:
    return format(value, "f") if isinstance(value, Decimal) else value
