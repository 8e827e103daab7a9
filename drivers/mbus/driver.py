"""The M-Bus driver: profiles and addresses to read-outs, read-outs to values. Meters are read, never commanded."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from drivers.api import CommandPlan, DeviceDriver, Exchange, Known, Reading, Timing, Transaction
from drivers.binding import bind
from drivers.errors import DriverError, Misconfigured
from drivers.mbus import frames, readout
from drivers.mbus.address import Options, PointAt, Target, bind_action, bind_profile, target
from drivers.mbus.check import check_profile
from drivers.mbus.conversation import Memory, read_out
from drivers.mbus.explain import explain
from drivers.mbus.vectors import check_vector
from drivers.mbus.workshop import MbusWorkshop
from drivers.profile import Profile, Strict
from messages.text import printable

_TIMING, _NOTHING = Timing(), Known()
_SHORT: Final = 5
_SELECTION: Final = 17


class ActionAt(Strict, frozen=True, kw_only=True):
    """There is none: M-Bus devices are read, never commanded."""


@dataclass(frozen=True, slots=True)
class Block:
    """A whole read-out: it cannot be parted."""

    telegrams: int


class MbusDriver:
    """Wired M-Bus on a serial port or through a TCP level converter."""

    protocol = "mbus"

    def __init__(self) -> None:
        self.workshop = MbusWorkshop()
        """For the engineer's tools."""

    def check(self, profile: Profile) -> None:
        """Check every address, option and captured example of a profile; raise `Misconfigured` naming the places."""
        check_profile(profile)

    def device(self, profile: Profile, unit: int | None, options: Mapping[str, Any]) -> "MbusDevice":
        """Bind a profile to a device; raise `Misconfigured`. `options` are the line's and device's, merged."""
        settings = bind({**profile.options, **options}, Options, "options")
        return MbusDevice(profile, target(unit, settings.address), settings)

    def address_types(self) -> tuple[type, type, type]:
        """Return the types of a point's `at`, an action's `at`, and `options`: for the schema."""
        return PointAt, ActionAt, Options

    def explain(self, frame: bytes) -> str:
        """Describe captured frames in the standard's words; raise `FrameDamaged`."""
        return explain(frame)

    def check_vector(self, row: Mapping[str, Any], maps: Sequence[Mapping[str, Any]]) -> str | None:
        """Return None where our decoder agrees with one line of a vector file, else the disagreement."""
        return check_vector(row, maps)


class MbusDevice(DeviceDriver):
    """One slave: its points' addresses checked, and the frame count bit that it knows last."""

    def __init__(self, profile: Profile, whom: Target, options: Options) -> None:
        self._profile, self._options, self._target = profile, options, whom
        addresses = bind_profile(profile)
        for name, action in profile.actions.items():
            bind_action(action, f"actions.{name}")
        self._points = {name: (at, profile.points[name]) for name, at in addresses.items()}
        self._memory = Memory()
        self._telegrams, self._reply_bytes = _usual(profile, options)

    def plan(
        self,
        points: Iterable[str],
        *,
        timing: Timing = _TIMING,  # noqa: ARG002
        known: Known = _NOTHING,  # noqa: ARG002
        longest: float | None = None,  # noqa: ARG002
    ) -> Sequence[Transaction]:
        """Put all points into one read-out: a slave is asked for everything or nothing."""
        wanted = list(points)
        for name in wanted:
            if name not in self._points:
                raise Misconfigured(f"{self._profile.profile} has no point {printable(name, 60)!r}")
        if not wanted:
            return []
        begin = _SELECTION if self._target.secondary else _SHORT
        return [
            Transaction(
                points=tuple(self._points),
                block=Block(self._options.telegrams),
                label=f"REQ_UD2 {self._whom()}",
                request_bytes=begin + _SHORT * self._telegrams,
                reply_bytes=1 + self._reply_bytes,
                steps=1 + self._telegrams,
            )
        ]

    def _whom(self) -> str:
        return "253" if self._target.primary is None else str(self._target.primary)

    def exchange(self, transaction: Transaction) -> Exchange:
        """Build the first request of one attempt; each answer tells the next."""
        return read_out(
            self._target, self._memory, reset=self._options.reset, telegrams=transaction.block.telegrams
        )

    def decode(self, transaction: Transaction, reply: bytes) -> Mapping[str, Reading]:
        """Decode all telegrams of a read-out; a point that cannot be a value gets None and a quality."""
        return readout.readings(reply, transaction.points, self._points, self._options)

    def split(self, transaction: Transaction) -> Sequence[Transaction]:  # noqa: ARG002
        """Return nothing: a read-out cannot be parted."""
        return []

    def command(self, action: str, args: Mapping[str, str]) -> CommandPlan:  # noqa: ARG002
        """Refuse: no command is offered."""
        raise Misconfigured(
            f"{self._profile.profile} offers no command {printable(action, 60)!r}: it is read only"
        )


def _usual(profile: Profile, options: Options) -> tuple[int, int]:
    """Return how many telegrams and bytes a read-out takes, as far as the profile's examples tell."""
    counts = []
    for example in profile.examples:
        try:
            raw = frames.split(bytes.fromhex(example.reply))
        except (DriverError, ValueError):
            continue
        counts.append((min(len(raw), options.telegrams), sum(map(len, raw[: options.telegrams]))))
    return max(counts, default=(1, frames.LONGEST))
