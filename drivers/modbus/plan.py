"""Points to blocks: the reads that cost a line the least, none split, none that the device is known to refuse.

Per table the points are spans on a line of addresses. Some cheapest plan reads them in order, in blocks whose
spans do not overlap: of two that did, one could be made shorter at no cost. So the cheapest plan is found by going
through the spans once and remembering, for each, the cheapest way to have read all before it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import msgspec

from drivers.api import Timing
from drivers.modbus.address import BIT_TABLES, Options, PointAt, Table
from drivers.modbus.learned import NO_CUTS, Cuts

_NS: Final = 1_000_000_000
_NEVER: Final = 1 << 62


@dataclass(frozen=True, slots=True)
class Block:
    """One read: a function and the span of registers or bits that it asks for."""

    function: int
    address: int
    count: int
    table: Table

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
Groups = Sequence[tuple[str, ...]]
_Cost = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Rules:
    """What a plan keeps to: the device's options, the line's time, what was learned, how long a read may last."""

    options: Options
    timing: Timing = field(default_factory=Timing)
    cuts: Cuts = NO_CUTS
    bad: frozenset[str] = frozenset()
    longest: float | None = None
    groups: Groups = ()
    """Points that are read at once or not at all."""

    def most(self, table: Table) -> int:
        """Return how many registers or bits one read of this table may ask for."""
        options = self.options
        limit = options.max_bits if table in BIT_TABLES else options.max_registers
        limit = min(limit, self.cuts.limits.get(table, limit))
        if self.longest is None:
            return limit
        low, high = 0, limit
        while low < high:
            middle = (low + high + 1) // 2
            if self.timing.seconds(*options.frame_bytes(table, middle)) <= self.longest:
                low = middle
            else:
                high = middle - 1
        return low

    def bridge(self) -> int:
        """Return how many addresses between two points may be read along."""
        return _NEVER if self.options.bridge == "auto" else self.options.bridge

    def reach(self, table: Table, start: int, most: int) -> int:
        """Return the end of the longest block that may begin at `start`."""
        ends = [start + most]
        options = self.options
        ends += [first for first, last in options.forbidden.get(table, ()) if last >= start]
        ends += [last for first, last in self.cuts.spans.get(table, ()) if first >= start]
        if table in options.readable:
            ends.append(
                max(
                    (high + 1 for low, high in options.readable[table] if low <= start <= high), default=start
                )
            )
        return min(ends)

    def cost(self, table: Table, count: int) -> _Cost:
        """Return what a read costs: time, then what is read, then how unlike in length the reads are."""
        seconds = self.timing.seconds(*self.options.frame_bytes(table, count))
        return round(seconds * _NS), count, count * count


@dataclass(slots=True)
class _Atom:
    """A span that no plan parts, and the points in it."""

    table: Table
    start: int
    end: int
    names: tuple[str, ...]


def plan(wanted: Iterable[str], points: Mapping[str, PointAt], rules: Rules) -> Sequence[Planned]:
    """Return blocks that fetch the wanted points, each point in exactly one, and what each block yields.

    A block also yields the further points of the profile inside it, unless another block fetches them. Points that
    the device is known to lack are asked for each on its own, so that they spoil no other read.
    """
    names = list(dict.fromkeys(wanted))
    good = [name for name in names if name not in rules.bad]
    blocks = _blocks(_atoms(good, points, rules.groups, rules.bad), rules)
    taken = {name for _, inside in blocks for name in inside}
    planned = []
    for block, inside in blocks:
        extra = [n for n, at in points.items() if n not in taken and n not in rules.bad and block.holds(at)]
        taken.update(extra)
        planned.append((block, (*inside, *extra)))
    bad = [name for name in names if name in rules.bad and name not in taken]
    return [*planned, *(_block(atom, rules.options) for atom in _places(bad, points))]


def cover(names: Sequence[str], points: Mapping[str, PointAt], options: Options) -> list[Planned]:
    """Put these points, and no others, into blocks without holes."""
    return _blocks(_atoms(names, points), Rules(_without_bridges(options)))


def split(
    names: Sequence[str], points: Mapping[str, PointAt], options: Options, groups: Groups = ()
) -> list[Planned]:
    """Part the points of a refused block: first at its holes, then in halves, a group last; empty for one place."""
    atoms = _atoms(names, points, [tuple(n for n in group if n in names) for group in groups])
    rules = Rules(_without_bridges(options))
    blocks = _blocks(atoms, rules)
    if len(blocks) > 1:
        return blocks
    if len(atoms) > 1:
        middle = len(atoms) // 2
        return [*_blocks(atoms[:middle], rules), *_blocks(atoms[middle:], rules)]
    places = _places(names, points)
    return [_block(place, options) for place in places] if len(places) > 1 else []


def holes(block: Block, names: Iterable[str], points: Mapping[str, PointAt]) -> list[tuple[int, int]]:
    """Return the spans inside a block that none of these points lies on, each as its first and last address."""
    found, end = [], block.address
    for at in sorted((points[name] for name in names), key=lambda at: at.address):
        if at.address > end:
            found.append((end, at.address - 1))
        end = max(end, at.address + at.words)
    return found


def _without_bridges(options: Options) -> Options:
    return options if options.bridge == 0 else msgspec.structs.replace(options, bridge=0)


def _atoms(
    names: Iterable[str],
    points: Mapping[str, PointAt],
    groups: Groups = (),
    bad: frozenset[str] = frozenset(),
) -> list[_Atom]:
    """Return the spans to be read, by table and place, none inside another; of a group all or nothing."""
    rest = dict.fromkeys(names)
    found = []
    for group in groups:
        members = tuple(name for name in group if name not in bad)
        if len(members) > 1 and any(name in rest for name in members):
            ats = [points[name] for name in members]
            start, end = min(at.address for at in ats), max(at.address + at.words for at in ats)
            found.append(_Atom(ats[0].table, start, end, members))
            for name in members:
                rest.pop(name, None)
    found += _places(rest, points)
    found.sort(key=lambda atom: (atom.table, atom.start, -atom.end))
    return list(_merged(found))


def _merged(found: Iterable[_Atom]) -> Iterator[_Atom]:
    last = None
    for atom in found:
        if last is not None and atom.table == last.table and atom.end <= last.end:
            last.names += atom.names
            continue
        if last is not None:
            yield last
        last = atom
    if last is not None:
        yield last


def _places(names: Iterable[str], points: Mapping[str, PointAt]) -> list[_Atom]:
    """Return one atom for each place, with all the points on it."""
    found: dict[tuple[Table, int, int], list[str]] = {}
    for name in names:
        at = points[name]
        found.setdefault((at.table, at.address, at.address + at.words), []).append(name)
    return [_Atom(*place, tuple(inside)) for place, inside in sorted(found.items())]


def _blocks(atoms: Sequence[_Atom], rules: Rules) -> list[Planned]:
    """Join atoms, sorted, into the cheapest blocks."""
    made: list[Planned] = []
    first = 0
    for place in range(1, len(atoms) + 1):
        if place == len(atoms) or atoms[place].table != atoms[first].table:
            made += _cheapest(atoms[first:place], rules)
            first = place
    return made


def _cheapest(atoms: Sequence[_Atom], rules: Rules) -> list[Planned]:
    table, bridge = atoms[0].table, rules.bridge()
    most = rules.most(table)
    best: list[_Cost] = [(0, 0, 0)] + [(_NEVER, 0, 0)] * len(atoms)
    came = [0] * (len(atoms) + 1)
    for i, atom in enumerate(atoms):
        reach, (ns, read, square) = rules.reach(table, atom.start, most), best[i]
        for j in range(i + 1, len(atoms) + 1):
            end = atoms[j - 1].end
            if j > i + 1 and (end > reach or atoms[j - 1].start - atoms[j - 2].end > bridge):
                break
            more = rules.cost(table, end - atom.start)
            total = (ns + more[0], read + more[1], square + more[2])
            if total < best[j]:
                best[j], came[j] = total, i
    made: list[Planned] = []
    j = len(atoms)
    while j:
        i = came[j]
        names = tuple(name for atom in atoms[i:j] for name in atom.names)
        made.append(_block(_Atom(table, atoms[i].start, atoms[j - 1].end, names), rules.options))
        j = i
    return made[::-1]


def _block(atom: _Atom, options: Options) -> Planned:
    function = options.read_function(atom.table)
    return Block(function, atom.start, atom.end - atom.start, atom.table), atom.names
