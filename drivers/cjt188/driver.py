"""The CJ/T 188 driver: profiles and addresses to requests, replies to values."""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from drivers.api import CommandPlan, DeviceDriver, Exchange, Known, Reading, Timing, Transaction
from drivers.binding import bind
from drivers.cjt188 import frames
from drivers.cjt188.address import ActionAt, Options, PointAt, full_address
from drivers.cjt188.check import check_profile
from drivers.cjt188.explain import explain
from drivers.cjt188.frames import Asked, ReplyFinder
from drivers.cjt188.layout import VALVE
from drivers.cjt188.points import PointCodec, codecs
from drivers.cjt188.vectors import check_vector
from drivers.cjt188.workshop import Cjt188Workshop
from drivers.errors import FrameDamaged, Misconfigured
from drivers.profile import Profile
from drivers.profile_check import keep_life_safety
from messages.text import printable
from messages.types import Quality, Value

_TIMING, _NOTHING = Timing(), Known()
_HEAD = 3  # DI0 DI1 SER
_REPLY_WAKEUP = 4
_VALVE_DATA = {"open": 0x55, "close": 0x99}
_VALVE_REPLY = 2
_ONE_SER = 1


@dataclass(frozen=True, slots=True)
class Read:
    """The block of a read: a data identification, as the standard writes it."""

    di: str


@dataclass(frozen=True, slots=True)
class Write:
    """The block of a valve command."""

    data: int


class Cjt188Driver:
    """Water, heat and gas meters by CJ/T 188-2004 and -2018, read on RS-485 or through a serial server."""

    protocol = "cjt188"

    def __init__(self) -> None:
        # One counter for all devices, so that no two requests soon after each other have the same SER.
        self._numbers = itertools.cycle(range(1, 0x100))
        self.workshop = Cjt188Workshop()
        """For the engineer's tools."""

    def check(self, profile: Profile) -> None:
        """Check every address, option and captured example of a profile; raise `Misconfigured` naming the places."""
        check_profile(profile, self.device(profile, 1, {}))

    def device(self, profile: Profile, unit: int | None, options: Mapping[str, Any]) -> "Cjt188Device":
        """Bind a profile to a device; raise `Misconfigured`. `options` are the line's and device's, merged."""
        settings = bind({**profile.options, **options}, Options, "options")
        keep_life_safety(profile, stays=settings.life_safety)
        return Cjt188Device(profile, full_address(settings, unit), settings, self._numbers)

    def address_types(self) -> tuple[type, type, type]:
        """Return the types of a point's `at`, an action's `at`, and `options`: for the schema."""
        return PointAt, ActionAt, Options

    def explain(self, frame: bytes) -> str:
        """Describe one captured frame in the standard's words; raise `FrameDamaged`."""
        return explain(frame)

    def check_vector(self, row: Mapping[str, Any], maps: Sequence[Mapping[str, Any]]) -> str | None:  # noqa: ARG002
        """Return None where our decoder agrees with one line of a vector file, else the disagreement."""
        return check_vector(row)


class Cjt188Device(DeviceDriver):
    """One meter: its points' addresses checked and their decoders made."""

    def __init__(self, profile: Profile, address: str, options: Options, numbers: Iterator[int]) -> None:
        self._profile, self._address, self._options, self._numbers = profile, address, options, numbers
        self.codecs: dict[str, PointCodec] = codecs(profile, options)
        """The decoder of each point."""
        self._blocks: dict[str, tuple[str, ...]] = {}
        for name, codec in self.codecs.items():
            self._blocks[codec.at.di] = (*self._blocks.get(codec.at.di, ()), name)
        self._actions = {
            name: bind(action.at, ActionAt, f"actions.{name}.at") for name, action in profile.actions.items()
        }

    def plan(
        self,
        points: Iterable[str],
        *,
        timing: Timing = _TIMING,  # noqa: ARG002 -- one data identification is one exchange, whatever it costs
        known: Known = _NOTHING,  # noqa: ARG002
        longest: float | None = None,  # noqa: ARG002
    ) -> Sequence[Transaction]:
        """Put points into one transaction for each data identification that holds any of them."""
        wanted = dict.fromkeys(points)
        for name in wanted:
            if name not in self.codecs:
                raise Misconfigured(f"{self._profile.profile} has no point {printable(name, 60)!r}")
        return [self._read(di) for di in dict.fromkeys(self.codecs[name].at.di for name in wanted)]

    def _read(self, di: str) -> Transaction:
        points = self._blocks[di]
        asked = self._options.wakeup + frames.HEAD + _HEAD + 2
        data = max(self.codecs[name].end for name in points)
        answered = _REPLY_WAKEUP + frames.HEAD + _HEAD + data + 2
        return Transaction(points, Read(di), f"{di} of {self._address}", asked, answered)

    def exchange(self, transaction: Transaction) -> Exchange:
        """Build the request for one attempt; each has a SER of its own, where the meter repeats it."""
        # Where SER is not repeated, equal questions are equal on the wire: else each answer looks like a copy of the
        # one before to the line, which waits for a second.
        block, ser = transaction.block, _ONE_SER if self._options.any_ser else next(self._numbers)
        if isinstance(block, Write):
            control, di, data = frames.WRITE, VALVE, bytes((block.data,))
        else:
            control, di, data = frames.READ, block.di, b""
        options = self._options
        on_wire = frames.swapped(di) if options.di_order == "low" else di
        request = frames.encode(
            options.meter_type,
            self._address,
            control,
            bytes.fromhex(on_wire) + bytes((ser,)) + data,
            wakeup=options.wakeup,
        )
        asked = Asked(control, options.meter_type, self._address, di, None if options.any_ser else ser)
        # A refusal names no data identification: where SER does not tell whose it is, it may be that of any question.
        key = bytes((control,)) + bytes.fromhex(self._address if options.any_ser else di + self._address)
        return Exchange(request, ReplyFinder(asked), transaction.reply_bytes, key)

    def decode(self, transaction: Transaction, reply: bytes) -> Mapping[str, Reading]:
        """Decode a reply; a point that cannot be a value gets None and a quality, never an exception."""
        if isinstance(transaction.block, Write):
            return {}
        try:
            body = frames.parse(reply).body
        except FrameDamaged:
            return dict.fromkeys(transaction.points, Reading(None, Quality.CRC))
        return {name: self.codecs[name].decode(body) for name in transaction.points}

    def split(self, transaction: Transaction) -> Sequence[Transaction]:  # noqa: ARG002
        """Return nothing: one data identification is read as a whole."""
        return []

    def command(self, action: str, args: Mapping[str, str]) -> CommandPlan:
        """Plan a valve command; raise `Misconfigured` for one that the profile or the load does not allow."""
        at = self._actions.get(action)
        if at is None:
            offered = ", ".join(self._actions) or "none"
            raise Misconfigured(
                f"{self._profile.profile} offers no command {printable(action, 60)!r}; it offers {offered}"
            )
        if args:
            raise Misconfigured(f"the command {action} takes no arguments")
        if self._options.life_safety:
            raise Misconfigured(
                f"{action} is refused: what this meter feeds must never lose its supply (option life_safety)"
            )
        if self._address == frames.ANY_ADDRESS:
            raise Misconfigured(
                f"{action} is refused: a valve is moved by its meter's own address, never by AA…"
            )
        size = self._options.wakeup + frames.HEAD + _HEAD + 3
        answered = _REPLY_WAKEUP + frames.HEAD + _HEAD + _VALVE_REPLY + 2
        write = Transaction((), Write(_VALVE_DATA[at.valve]), f"valve {at.valve}", size, answered)
        back = self._profile.actions[action].read_back
        if back is None:
            return CommandPlan(write, None)
        value: Value = back.is_ if back.is_ is not None else back.equals
        return CommandPlan(write, self._read(self.codecs[back.point].at.di), {back.point: value})
