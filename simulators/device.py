"""One simulated device: physics on one side, registers on the other, faults between the registers and the wire."""

import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from itertools import pairwise
from random import Random
from typing import Literal

from drivers.profile import Action, Profile
from messages.types import Value
from simulators import modbus_pdu as pdus
from simulators import physics
from simulators.faults import Faults
from simulators.modbus_pdu import Block, ExceptionCode, Image, Refusal, overlap
from simulators.registers import BITS, WIDE, Cell, Table, cells_of
from simulators.site import Device, seconds

Fate = Literal["good", "damaged", "silent", "late", "exception", "truncated"]
NOISE_RATE = Decimal("0.3")
MOST_BLOCKS = 256
ROLLOVER_MARGIN = Decimal("0.05")
# A point of one of these names is the device's own clock, in seconds since 1970.
CLOCK_POINTS = frozenset({"clock", "device_clock", "device_time", "unix_time"})


@dataclass(frozen=True, slots=True)
class Change:
    """A point got another value, or the same value other registers."""

    device: str
    point: str
    value: Value
    words: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Exchanged:
    """The meter behind a device id was replaced: what its registers showed before and show now."""

    device: str
    serial: str
    registers: Mapping[str, tuple[Value, Value]]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a device does about one request; `pdu` None means that it says nothing."""

    fate: Fate
    pdu: bytes | None = None
    block: Block | None = None
    points: tuple[str, ...] = ()
    delay: float = 0.0
    damage: Literal["", "flip", "cut"] = ""
    again: float | None = None
    """Seconds after its end that the same answer is said once more."""


@dataclass(frozen=True, slots=True)
class _Order:
    action: str
    table: Table
    address: int
    value: int


@dataclass
class SimDevice:
    """A device that can be ticked, asked, and interfered with."""

    spec: Device
    line: str
    profile: Profile
    rng: Random
    report: Callable[[Change | Exchanged], None] | None
    """None where nobody wants to know."""
    muted: bool = False
    values: dict[str, Value] = field(init=False, default_factory=dict)
    faults: Faults = field(init=False)
    cells: dict[str, Cell] = field(init=False)

    def __post_init__(self) -> None:
        self.faults = Faults(self.spec.faults)
        self.cells = cells_of(self.profile.points)
        self._model = physics.make(self.profile, self.spec.physics, self.rng)
        self._orders = [_order(name, action) for name, action in self.profile.actions.items()]
        self._held: dict[str, Value] = {}
        self._offsets: dict[str, Decimal] = {}
        self._words: dict[str, tuple[int, ...]] = {}
        self._now = 0.0
        self._wall = 0.0
        self._image = self._layout()
        self._counts = dict.fromkeys(self.cells, 0) if self.spec.physics.kind == "reads" else None
        self._blocks: dict[tuple[Table, int, int], tuple[str, ...]] = {}
        self._babbles_at = 0.0
        first = next(iter(self.cells.values()), None)
        self._first = (first.table, first.address) if first is not None else None

    @property
    def id(self) -> str:
        """The device's id on its site."""
        return self.spec.id

    def proves(self, points: Sequence[str]) -> bool:
        """Tell whether nobody who read these points has to look again for what an action of the profile does."""
        wanted = [
            a.read_back for a in self.profile.actions.values() if a.read_back and a.read_back.point in points
        ]
        return not wanted or any(
            self.values[one.point] == (one.equals if one.is_ is None else one.is_) for one in wanted
        )

    def tick(self, now: float, dt: Decimal, wall: float) -> None:
        """Advance physics to `now` (seconds since the start; `wall` is the time of day) and report what changed."""
        due = self.faults.due(now)
        self._now, self._wall = now, wall
        if self._counts is None or not self.values:  # what only counts its reads does not move by itself
            self._refresh(dt)
        for fault in due:
            if fault.kind == "register_rollover":
                margin = fault.margin if fault.margin is not None else ROLLOVER_MARGIN
                self._restart({p: c.modulus - margin for p, c in self.cells.items() if c.modulus is not None})
            else:
                start = fault.start or Decimal(0)
                old = {p: self.values[p] for p, c in self.cells.items() if c.counts}
                self._restart(dict.fromkeys(old, start))
                self._tell(Exchanged(self.id, fault.serial, {p: (v, self.values[p]) for p, v in old.items()}))

    def hold(self, values: Mapping[str, Value]) -> None:
        """Take points over from physics."""
        self._held.update(values)
        self._refresh(Decimal(0))

    def release(self, points: Sequence[str]) -> None:
        """Give points back to physics."""
        for point in points:
            self._held.pop(point, None)
        self._refresh(Decimal(0))

    def answer(self, pdu: bytes) -> Answer:
        """Answer one request as a device with these faults would."""
        if self.muted or self.faults.active("silent", self._now):
            return Answer("silent", block=_asked(pdu))
        try:
            block = pdus.parse(pdu)
        except Refusal as refusal:
            return Answer("exception", pdus.refuse(pdu, refusal.code))
        try:
            values = self._carry_out(block)
        except Refusal as refusal:
            return self._delayed(Answer("exception", pdus.refuse(pdu, refusal.code), block))
        points = self._inside(block) if block.function <= 4 else ()
        return self._delayed(self._damaged(Answer("good", pdus.reply(block, values), block, points)))

    def broadcast(self, pdu: bytes) -> None:
        """Obey a request to unit 0, which no device answers."""
        try:
            block = pdus.parse(pdu)
            if block.function > 4 and not self.faults.active("silent", self._now):
                self._image.store(block)
        except Refusal:
            return

    def _carry_out(self, block: Block) -> list[int]:
        busy = self.faults.active("busy", self._now)
        if busy is not None:
            raise Refusal(busy.code or ExceptionCode.SERVER_DEVICE_BUSY)
        if block.function <= 4:
            if self._counts is not None:
                self._count(block, self._counts)
            return self._image.read(block, self._hidden(block.table))
        self._image.store(block)
        return []

    def scans(self, block: Block) -> bool:
        """Tell whether a block holds the first point of the profile: a new scan of the device begins."""
        return self._first is not None and block.table == self._first[0] and self._first[1] in block.span

    @property
    def echoes(self) -> bool:
        """True while the adapter hands back what is sent to this device."""
        return self.faults.active("echo", self._now) is not None

    def babble(self) -> tuple[bytes | None, float] | None:
        """Return what the device says unasked within this tick, a PDU or None for noise, and when; or None."""
        fault = self.faults.active("babble", self._now)
        if fault is None or self._now < self._babbles_at or self.muted:
            return None
        every = seconds(fault.every)
        self._babbles_at = self._now + every
        when = self.rng.random() * min(every, 0.2)
        if fault.sends != "reply" or self._first is None:
            return None, when
        function = {"coil": 1, "discrete": 2, "holding": 3, "input": 4}[self._first[0]]
        request = struct.pack(">BHH", function, self._first[1], 1)
        block = pdus.parse(request)
        try:
            return pdus.reply(block, self._image.read(block)), when
        except Refusal as refusal:
            return pdus.refuse(request, refusal.code), when

    def _count(self, block: Block, counts: dict[str, int]) -> None:
        """Let every point inside the block hold how often it has been read, this time included."""
        if any(overlap(block.span, gone) for gone in self._hidden(block.table)) or not self._image.has(block):
            return
        wrong = self.faults.active("wrong_word_order", self._now) is not None
        for point in self._inside(block):
            if point in self._held:
                continue
            counts[point] += 1
            cell = self.cells[point]
            value, words = cell.counted(counts[point])
            self._put(cell, value, cell.encode(value, wrong_order=True) if wrong else words)

    def _delayed(self, answer: Answer) -> Answer:
        if not self.faults:
            return answer
        double = self.faults.active("double", self._now)
        if double is not None and self._chance(Decimal(1) if double.rate is None else double.rate):
            answer = replace(answer, again=seconds(double.delay))
        late = self.faults.active("late", self._now)
        slow = self.faults.active("slow", self._now)
        if late is not None:
            fate: Fate = "late" if answer.fate == "good" else answer.fate
            return replace(answer, fate=fate, delay=seconds(late.delay))
        return replace(answer, delay=seconds(slow.delay)) if slow is not None else answer

    def _damaged(self, answer: Answer) -> Answer:
        if not self.faults:
            return answer
        noise = self.faults.active("crc_noise", self._now)
        if noise is not None and self._chance(NOISE_RATE if noise.rate is None else noise.rate):
            return replace(answer, fate="damaged", damage="flip")
        cut = self.faults.active("truncate", self._now)
        if cut is not None and self._chance(Decimal(1) if cut.rate is None else cut.rate):
            return replace(answer, fate="truncated", damage="cut")
        return answer

    def _chance(self, rate: Decimal) -> bool:
        return self.rng.randrange(10_000) < rate * 10_000

    def _refresh(self, dt: Decimal) -> None:
        values = dict(self._model.update(dt, self._held))
        for point, times in (self._counts or {}).items():
            values[point] = self.cells[point].counted(times)[0]
        for point in CLOCK_POINTS & values.keys():
            skew = self.faults.active("clock_skew", self._now)
            values[point] = Decimal(int(self._wall + (seconds(skew.skew) if skew else 0)))
        for point, offset in self._offsets.items():
            value = values[point]
            if isinstance(value, Decimal):
                values[point] = WIDE.add(value, offset)
        values.update(self._held)
        wrong = self.faults.active("wrong_word_order", self._now) is not None
        for point, cell in self.cells.items():
            value = cell.grid(values.get(point))
            words = cell.encode(value, wrong_order=wrong)
            if words != self._words.get(point) or value != self.values.get(point):
                self._put(cell, value, words)

    def _put(self, cell: Cell, value: Value, words: tuple[int, ...]) -> None:
        self.values[cell.id], self._words[cell.id] = value, words
        table = self._image.held[cell.table]
        for address, word in zip(cell.addresses, words, strict=True):
            table[address] = word if cell.mask == -1 else table[address] & ~cell.mask | word & cell.mask
        if self.report is not None:
            self.report(Change(self.id, cell.id, value, words))

    def _tell(self, news: Exchanged) -> None:
        if self.report is not None:
            self.report(news)

    def _restart(self, registers: Mapping[str, Decimal]) -> None:
        """Make counting registers go on from other values."""
        for point, target in registers.items():
            shown = self.values[point]
            if isinstance(shown, Decimal) and point not in self._held:
                self._offsets[point] = self._offsets.get(point, Decimal(0)) + target - shown
        self._refresh(Decimal(0))

    def _layout(self) -> Image:
        options = self.profile.options
        image = Image(
            max_registers=int(options.get("max_registers", pdus.MAX_READ_REGISTERS)),
            max_bits=int(options.get("max_bits", pdus.MAX_READ_BITS)),
            write=self._write,
        )
        for cell in self.cells.values():
            image.held[cell.table].update(dict.fromkeys(cell.addresses, 0))
        for order in self._orders:
            image.held[order.table].setdefault(order.address, 0)
        bridge = options.get("bridge", 0)
        # What is cheapest to read along is the master's business: a device answers for its holes or does not.
        most = 0x10000 if self.spec.holes == "zero" else bridge if isinstance(bridge, int) else 0
        for name, table in image.held.items():
            for first, last in options.get("readable", {}).get(name, ()):
                for address in range(first, last + 1):
                    table.setdefault(address, 0)
            _fill_holes(table, most)
        return image

    def _hidden(self, table: Table) -> list[range]:
        fault = self.faults.active("illegal_address", self._now)
        points = fault.points if fault is not None else ()
        return [self.cells[point].addresses for point in points if self.cells[point].table == table]

    def _inside(self, block: Block) -> tuple[str, ...]:
        key = (block.table, block.address, block.count)
        found = self._blocks.get(key)
        if found is None:
            span = block.span
            found = tuple(
                cell.id
                for cell in self.cells.values()
                if cell.table == block.table
                and cell.address >= span.start
                and cell.addresses.stop <= span.stop
            )
            if len(self._blocks) >= MOST_BLOCKS:  # a master that tries every address
                self._blocks.clear()
            self._blocks[key] = found
        return found

    def _write(self, table: Table, address: int, values: Sequence[int]) -> None:
        """Carry out a write as a whole or refuse it as a whole."""
        span = range(address, address + len(values))
        orders = [order for order in self._orders if order.table == table and order.address in span]
        cells = [
            cell
            for point in self.spec.writable
            if (cell := self.cells[point]).table == table and set(cell.addresses) <= set(span)
        ]
        covered = {order.address for order in orders}.union(*(cell.addresses for cell in cells))
        if covered != set(span):
            raise Refusal(ExceptionCode.ILLEGAL_DATA_ADDRESS)
        for order in orders:
            if table not in BITS and values[order.address - address] != order.value:
                raise Refusal(ExceptionCode.ILLEGAL_DATA_VALUE)
        for order in orders:
            self._image.held[table][order.address] = values[order.address - address]
            if values[order.address - address] == order.value:
                self._model.act(order.action)
        for cell in cells:
            self._held[cell.id] = cell.decode(values[place - address] for place in cell.addresses)
        self._refresh(Decimal(0))


def _order(name: str, action: Action) -> _Order:
    at = action.at
    address = at["address"]
    number = int(address, 0) if isinstance(address, str) else int(address)
    return _Order(name, at["table"], number, int(at.get("value", True)))


def _fill_holes(table: dict[int, int], bridge: int) -> None:
    """Let holes up to `bridge` registers read as zero, as meters do that allow reading across them."""
    known = sorted(table)
    for low, high in pairwise(known):
        if 1 < high - low <= bridge + 1:
            table.update(dict.fromkeys(range(low + 1, high), 0))


def _asked(pdu: bytes) -> Block | None:
    try:
        return pdus.parse(pdu)
    except Refusal:
        return None
