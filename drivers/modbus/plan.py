"""Points to blocks: which reads fetch them, none split, none longer than the device answers."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from drivers.modbus.address import BIT_TABLES, Options, PointAt


@dataclass(frozen=True, slots=True)
class Block:
    """One read: a function and the span of registers or bits that it asks for."""

    function: int
    address: int
    count: int
    table: str

    @property
    def end(self) -> int:
        """The first address behind the block."""
        return self.address + self.count

    def holds(self, at: PointAt) -> bool:
        """Say whether a point lies wholly inside."""
        return at.table == self.table and self.address <= at.address and at.address + at.words <= self.end

    def __str__(self) -> str:
        return f"{self.function:02X} @{self.address}+{self.count}"


Planned = tuple[Block, tuple[str, ...]]


def plan(wanted: Iterable[str], points: Mapping[str, PointAt], options: Options) -> Sequence[Planned]:
    """Return blocks that fetch the wanted points, each point in exactly one, and what each block yields.

    A block also yields the further points of the profile inside it, unless another block fetches them.
    """
    names = list(dict.fromkeys(wanted))
    blocks = cover(names, points, options)
    taken = {name for _, inside in blocks for name in inside}
    planned = []
    for block, inside in blocks:
        extra = [name for name, at in points.items() if name not in taken and block.holds(at)]
        taken.update(extra)
        planned.append((block, (*inside, *extra)))
    return planned


def cover(names: Sequence[str], points: Mapping[str, PointAt], options: Options) -> list[Planned]:
    """Put these points, and no others, into blocks."""
    ordered = sorted(names, key=_order(points))
    blocks: list[Planned] = []
    for name in ordered:
        at = points[name]
        last = blocks[-1] if blocks else None
        joined = _join(last[0], at, options) if last else None
        if last and joined:
            blocks[-1] = (joined, (*last[1], name))
        else:
            block = Block(options.read_function(at.table), at.address, at.words, at.table)
            blocks.append((block, (name,)))
    return blocks


def halves(names: Sequence[str], points: Mapping[str, PointAt], options: Options) -> list[Planned]:
    """Split the points of one block into two groups of blocks; empty where they lie on one place only."""
    places = sorted({(points[name].address, points[name].words) for name in names})
    if len(places) < 2:
        return []
    middle = places[len(places) // 2]
    low = [name for name in names if (points[name].address, points[name].words) < middle]
    high = [name for name in names if (points[name].address, points[name].words) >= middle]
    return [*cover(low, points, options), *cover(high, points, options)]


def _order(points: Mapping[str, PointAt]) -> Callable[[str], tuple[str, int, int]]:
    return lambda name: (points[name].table, points[name].address, points[name].words)


def _join(block: Block, at: PointAt, options: Options) -> Block | None:
    if block.table != at.table:
        return None
    bits = at.table in BIT_TABLES
    limit = options.max_bits if bits else options.max_registers
    end = max(block.end, at.address + at.words)
    if at.address - block.end > options.bridge or end - block.address > limit:
        return None
    return Block(block.function, block.address, end - block.address, block.table)
