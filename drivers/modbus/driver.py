"""The Modbus driver: profiles and addresses to requests, replies to values."""

import contextlib
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from weakref import WeakValueDictionary

import msgspec

from drivers.api import CommandPlan, DeviceDriver, Exchange, Known, Reading, Timing, Transaction
from drivers.errors import DeviceRefused, Misconfigured
from drivers.modbus import mbap, modbus_ascii, odd, pdu, plan, rtu
from drivers.modbus.address import BIT_TABLES, ActionAt, Options, PointAt, bind
from drivers.modbus.check import check_profile
from drivers.modbus.decode import bit_at
from drivers.modbus.frames import explain
from drivers.modbus.learned import across, cuts, shorter_than
from drivers.modbus.plan import Planned
from drivers.modbus.point_map import PointMap
from drivers.modbus.rtu import crc16
from drivers.modbus.vectors import check_vector
from drivers.modbus.workshop import ModbusWorkshop
from drivers.profile import Profile
from messages.text import printable
from messages.types import Quality, Value

MAX_UNIT_RTU = 247
ILLEGAL_VALUE = 0x03  # in answer to a read: so many at once cannot be asked for
_TIMING, _NOTHING = Timing(), Known()


@dataclass(frozen=True, slots=True)
class Write:
    """The block of a command: the request that writes."""

    request: bytes


class ModbusDriver:
    """Modbus TCP, RTU, ASCII, and both of these over TCP; the option `framing` says which."""

    protocol = "modbus"

    def __init__(self) -> None:
        # One counter for all devices: no two requests of a process carry the same transaction id soon after
        # each other, so that an answer for one device is never taken for another's.
        self._transactions = itertools.cycle(range(1, 0x10000))
        self._maps: WeakValueDictionary[tuple[int, bytes], PointMap] = WeakValueDictionary()
        self.workshop = ModbusWorkshop(self.device)
        """For the engineer's tools."""

    def check(self, profile: Profile) -> None:
        """Check every address, option and captured example of a profile; raise `Misconfigured` naming the places."""
        check_profile(profile, self.device)

    def device(self, profile: Profile, unit: int | None, options: Mapping[str, Any]) -> "ModbusDevice":
        """Bind a profile to a device; raise `Misconfigured`. `options` are the line's and device's, merged."""
        settings = bind({**profile.options, **options}, Options, "options")
        if settings.framing != "mbap":
            if unit is None or not 1 <= unit <= MAX_UNIT_RTU:
                raise Misconfigured(
                    f"unit: is {unit}, and {settings.framing.upper()} needs 1 to {MAX_UNIT_RTU}"
                )
        elif unit is not None and not 0 <= unit <= 0xFF:
            raise Misconfigured(f"unit: is {unit}, and Modbus TCP needs 0 to 255")
        # A device that is itself the server on its address is called by FF (Implementation Guide, 3.1.3).
        return ModbusDevice(0xFF if unit is None else unit, self._map(profile, settings), self._transactions)

    def _map(self, profile: Profile, settings: Options) -> PointMap:
        key = (id(profile), msgspec.json.encode(settings))  # a map keeps its profile, so the id stays its own
        found = self._maps.get(key)
        if found is None:
            found = self._maps[key] = PointMap(profile, settings)
        return found

    def address_types(self) -> tuple[type, type, type]:
        """Return the types of a point's `at`, an action's `at`, and `options`: for the schema."""
        return PointAt, ActionAt, Options

    def explain(self, frame: bytes) -> str:
        """Describe one captured frame in the standard's words; raise `FrameDamaged`."""
        return explain(frame)

    def check_vector(self, row: Mapping[str, Any], maps: Sequence[Mapping[str, Any]]) -> str | None:
        """Return None where our decoder agrees with one line of a vector file, else the disagreement."""
        return check_vector(row, maps, self.device)


class ModbusDevice(DeviceDriver):
    """One device: its points' addresses checked and their decoders made."""

    def __init__(self, unit: int, made: PointMap, transactions: Iterator[int]) -> None:
        self._profile, self._options = made.profile, made.options
        self._unit = unit
        self._transactions = transactions
        self._map, self._points = made, made.points

    @property
    def addresses(self) -> Mapping[str, PointAt]:
        """The checked address of each point."""
        return self._points

    def plan(
        self,
        points: Iterable[str],
        *,
        timing: Timing = _TIMING,
        known: Known = _NOTHING,
        longest: float | None = None,
    ) -> Sequence[Transaction]:
        """Put points into the transactions that cost the line the least; every point in exactly one, none split."""
        wanted = list(points)
        for name in wanted:
            if name not in self._points:
                raise Misconfigured(f"{self._profile.profile} has no point {printable(name, 60)!r}")
        lacking = [self._points[name] for name in known.bad if name in self._points]
        around = [across(at.table, at.address, at.address + at.words - 1) for at in lacking]
        learned = cuts([*known.cuts, *around])
        rules = plan.Rules(self._options, timing, learned, known.bad, longest, self._profile.atomic)
        return [self._transaction(made) for made in plan.plan(wanted, self._points, rules)]

    def exchange(self, transaction: Transaction) -> Exchange:
        """Build the request for one attempt; a Modbus TCP request gets a transaction id of its own, where ids count."""
        block = transaction.block
        if isinstance(block, Write):
            return self._carry(block.request)
        return self._carry(pdu.read_request(block.function, block.address, block.count))

    def _carry(self, request: bytes) -> Exchange:
        expected = pdu.expected_reply(request)
        if self._options.framing == "rtu":
            return Exchange(
                request=rtu.frame(self._unit, request),
                reader=rtu.RtuReader(self._unit, request),
                reply_bytes=expected.length + 3,
            )
        if self._options.framing == "ascii":
            asked = modbus_ascii.frame(self._unit, request)
            return Exchange(
                request=asked,
                reader=modbus_ascii.AsciiReader(self._unit, request),
                reply_bytes=2 * expected.length + 7,
                key=asked[: len(":0103")],
            )
        return self._carry_tcp(request, expected, expected.length + mbap.HEADER)

    def _carry_tcp(self, request: bytes, expected: pdu.AnyReply, reply_bytes: int = 0) -> Exchange:
        """Build the exchange of Modbus TCP; where the answer's id proves nothing, it is keyed like one of RTU."""
        options, loose = self._options, self._options.any_transaction
        # Whoever guards against late and doubled answers knows a question again by its bytes: where the id proves
        # nothing, the same question always carries the same one.
        number = crc16(bytes((self._unit,)) + request) if loose else next(self._transactions)
        reader = mbap.MbapReader(
            number,
            self._unit,
            request,
            any_unit=options.any_unit,
            any_transaction=loose,
            expected=expected,
        )
        # The function first: who takes an answer of any unit waits for what each unit owes of this function.
        key = request[:1] if options.any_unit else request[:1] + bytes((self._unit,))
        return Exchange(
            request=mbap.frame(number, self._unit, request),
            reader=reader,
            reply_bytes=reply_bytes,
            key=key if loose else b"",
            matched=not loose,
        )

    def ask(self, request: bytes) -> Exchange:
        """Carry any request PDU; its payload is the whole answer. Raise `Misconfigured` for what is no request."""
        odd.check_request(request)
        with contextlib.suppress(ValueError):
            return self._carry(request)
        expected = odd.OpenReply(request)
        if self._options.framing == "rtu":
            return Exchange(rtu.frame(self._unit, request), odd.OpenRtuReader(self._unit, expected))
        if self._options.framing == "ascii":
            asked = modbus_ascii.frame(self._unit, request)
            return Exchange(
                asked, modbus_ascii.AsciiReader(self._unit, request, expected), key=asked[: len(":0103")]
            )
        return self._carry_tcp(request, expected)

    def decode(self, transaction: Transaction, reply: bytes) -> Mapping[str, Reading]:
        """Decode a reply's PDU; a point that cannot be a value gets None and a quality, never an exception."""
        block = transaction.block
        if isinstance(block, Write):
            return {}
        bits = block.table in BIT_TABLES
        size = (block.count + 7) // 8 if bits else 2 * block.count
        if len(reply) != 2 + size or reply[0] != block.function:
            return dict.fromkeys(transaction.points, Reading(None, Quality.CRC))
        if bits:
            data = reply[2:]
            places = [(name, self._map.codecs[name]) for name in transaction.points]
            return {name: made.decode(bit_at(data, made.at.address - block.address)) for name, made in places}
        return {name: decode(reply[cut]) for name, decode, cut in self._map.cuts(block, transaction.points)}

    def split(self, transaction: Transaction) -> Sequence[Transaction]:
        """Return smaller transactions over the same points: without its holes, then halves; empty at one place."""
        if isinstance(transaction.block, Write):
            return []
        parts = plan.split(transaction.points, self._points, self._options, self._profile.atomic)
        return [self._transaction(part) for part in parts]

    def cut(self, transaction: Transaction, error: DeviceRefused, longest_answered: int) -> str:
        """Say what `plan` must avoid after a refusal of which every part was answered."""
        block = transaction.block
        if isinstance(block, Write):
            return ""
        if error.code == ILLEGAL_VALUE and transaction.reply_bytes > longest_answered:
            return shorter_than(block.table, block.count)
        holes = plan.holes(block, transaction.points, self._points)
        first, last = holes[0] if len(holes) == 1 else (block.address, block.end - 1)
        return across(block.table, first, last)

    def command(self, action: str, args: Mapping[str, str]) -> CommandPlan:
        """Plan a command of the profile; raise `Misconfigured` for one that the profile does not offer."""
        at = self._map.writes.get(action)
        if at is None:
            offered = ", ".join(self._map.writes) or "none"
            raise Misconfigured(
                f"{self._profile.profile} offers no command {printable(action, 60)!r}; it offers {offered}"
            )
        if args:
            raise Misconfigured(f"the command {action} takes no arguments")
        write = Transaction(points=(), block=Write(self._write_request(at)), label=f"write {action}")
        back = self._profile.actions[action].read_back
        if back is None:
            return CommandPlan(write, None)
        value: Value = back.is_ if back.is_ is not None else back.equals
        read = plan.cover([back.point], self._points, self._options)[0]
        return CommandPlan(write, self._transaction(read), {back.point: value})

    def _write_request(self, at: ActionAt) -> bytes:
        several = self._options.write == "multiple"
        if isinstance(at.value, bool):
            if several:
                return pdu.write_coils_request(at.address, (at.value,))
            return pdu.write_coil_request(at.address, on=at.value)
        if several:
            return pdu.write_registers_request(at.address, (at.value,))
        return pdu.write_register_request(at.address, at.value)

    def _transaction(self, planned: Planned) -> Transaction:
        block, points = planned
        asked, answered = self._options.frame_bytes(block.table, block.count)
        return Transaction(points, block, str(block), asked, answered)
