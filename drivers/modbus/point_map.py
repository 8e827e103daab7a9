"""The points of a model as this driver reads them: checked once, shared by all devices of the model."""

from collections.abc import Callable, Sequence
from typing import Final

from drivers.api import Reading
from drivers.errors import Misconfigured
from drivers.modbus.address import BIT_TABLES, ActionAt, Options, PointAt, bind_action, bind_point
from drivers.modbus.decode import PointCodec, codec
from drivers.modbus.plan import Block
from drivers.modbus.spans import check_spans
from drivers.profile import Profile

MOST_CUTS: Final = 1000
Cut = tuple[str, Callable[[bytes], Reading], slice]


class PointMap:
    """Addresses, decoders and writes of a profile under some options; raises `Misconfigured` with every fault."""

    def __init__(self, profile: Profile, options: Options) -> None:
        self.profile, self.options = profile, options
        self.codecs: dict[str, PointCodec] = {}
        self.writes: dict[str, ActionAt] = {}
        self._cuts: dict[tuple[int, tuple[str, ...]], list[Cut]] = {}
        faults: list[str] = []
        for name, point in profile.points.items():
            try:
                at = bind_point(point.at, f"points.{name}.at")
                self._check_point(name, at)
                self.codecs[name] = codec(point, at)
            except Misconfigured as err:
                faults.append(str(err))
        for name, action in profile.actions.items():
            try:
                self.writes[name] = bind_action(action.at, f"actions.{name}.at")
            except Misconfigured as err:
                faults.append(str(err))
        self.points: dict[str, PointAt] = {name: made.at for name, made in self.codecs.items()}
        if not faults:
            faults += check_spans(profile, self.points, options)
        if faults:
            raise Misconfigured("\n".join(faults))

    def cuts(self, block: Block, points: tuple[str, ...]) -> Sequence[Cut]:
        """Return where in a reply each point lies: reckoned once for a block that is read again and again."""
        cuts = self._cuts.get((block.address, points))
        if cuts is None:
            cuts = []
            for name in points:
                made = self.codecs[name]
                first = 2 + 2 * (made.at.address - block.address)
                cuts.append((name, made.decode, slice(first, first + 2 * made.at.words)))
            if len(self._cuts) >= MOST_CUTS:
                self._cuts.clear()
            self._cuts[block.address, points] = cuts
        return cuts

    def _check_point(self, name: str, at: PointAt) -> None:
        if at.table not in BIT_TABLES and at.words > self.options.max_registers:
            raise Misconfigured(
                f"options.max_registers: is {self.options.max_registers}, and {name} alone needs {at.words}"
            )
        for index, pattern in enumerate(self.profile.points[name].missing):
            if at.table in BIT_TABLES or len(pattern) != 4 * at.words:
                size = 0 if at.table in BIT_TABLES else 4 * at.words
                raise Misconfigured(
                    f"points.{name}.missing[{index}]: {pattern} has {len(pattern)} hex digits, the value has {size}"
                )
