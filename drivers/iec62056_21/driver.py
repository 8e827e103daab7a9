"""The IEC 62056-21 driver: one readout of a meter, and the points that are in it."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from drivers.api import CommandPlan, DeviceDriver, Exchange, Known, Reading, Timing, Transaction
from drivers.binding import bind
from drivers.errors import FrameDamaged, Misconfigured
from drivers.iec62056_21 import data, frames
from drivers.iec62056_21.address import ActionAt, Options, PointAt
from drivers.iec62056_21.check import check_profile
from drivers.iec62056_21.explain import explain
from drivers.iec62056_21.points import Readout, codecs
from drivers.iec62056_21.readers import BlockReader, IdentificationReader
from drivers.iec62056_21.vectors import check_vector
from drivers.iec62056_21.workshop import Iec62056Workshop
from drivers.profile import Profile
from messages.text import printable
from messages.types import Quality

_TIMING, _NOTHING = Timing(), Known()
_IDENTIFICATION_BYTES: Final = 32
_ACKNOWLEDGE_BYTES: Final = 6
_CHARACTER_BITS: Final = 10
# Nothing in a readout says whose it is: any two of a line can be mistaken for each other.
_KEY: Final = b"iec62056-21"


@dataclass(frozen=True, slots=True)
class WholeReadout:
    """The block of every transaction: a readout cannot be asked for in parts."""


class Iec62056Driver:
    """Meters by IEC 62056-21 (IEC 1107) modes A, B and C: data readout, on an optical head or RS-485."""

    protocol = "iec62056-21"

    def __init__(self) -> None:
        self.workshop = Iec62056Workshop()
        """For the engineer's tools."""

    def check(self, profile: Profile) -> None:
        """Check every address, option and captured example of a profile; raise `Misconfigured` naming the places."""
        check_profile(profile, self.device(profile, None, {}))

    def device(self, profile: Profile, unit: int | None, options: Mapping[str, Any]) -> "Iec62056Device":  # noqa: ARG002
        """Bind a profile to a device; raise `Misconfigured`. `options` are the line's and device's, merged."""
        return Iec62056Device(profile, bind({**profile.options, **options}, Options, "options"))

    def address_types(self) -> tuple[type, type, type]:
        """Return the types of a point's `at`, an action's `at`, and `options`: for the schema."""
        return PointAt, ActionAt, Options

    def explain(self, frame: bytes) -> str:
        """Describe one captured message in the standard's words; raise `FrameDamaged`."""
        return explain(frame)

    def check_vector(self, row: Mapping[str, Any], maps: Sequence[Mapping[str, Any]]) -> str | None:  # noqa: ARG002
        """Return None where our decoder agrees with one line of a vector file, else the disagreement."""
        return check_vector(row)


class Iec62056Device(DeviceDriver):
    """One meter: its points' addresses checked and their decoders made."""

    def __init__(self, profile: Profile, options: Options) -> None:
        self._profile, self.options = profile, options
        self.codecs = codecs(profile)
        """The decoder of each point."""

    def plan(
        self,
        points: Iterable[str],
        *,
        timing: Timing = _TIMING,
        known: Known = _NOTHING,  # noqa: ARG002
        longest: float | None = None,  # noqa: ARG002
    ) -> Sequence[Transaction]:
        """Put all points into the one transaction that there is; none where nothing is wanted."""
        wanted = list(points)
        for name in wanted:
            if name not in self.codecs:
                raise Misconfigured(f"{self._profile.profile} has no point {printable(name, 60)!r}")
        if not wanted:
            return []
        mode_c = self.options.mode == "C"
        request = len(self._request) + (_ACKNOWLEDGE_BYTES if mode_c else 0)
        answered = _IDENTIFICATION_BYTES + self._readout_bytes(timing)
        label = f"/?{self.options.address}! readout"
        return [Transaction(tuple(self.codecs), WholeReadout(), label, request, answered, 2 if mode_c else 1)]

    def _readout_bytes(self, timing: Timing) -> int:
        """Return how long the readout and the reaction before it are, in characters at the line's own speed."""
        options, char = self.options, self.options.acknowledge or self.options.offers
        if options.mode != "C" or not timing.byte_time:
            return options.readout_bytes
        reaction = float(options.reaction) / timing.byte_time
        if not options.change_baud or not char:
            return options.readout_bytes + math.ceil(reaction)
        quicker = _CHARACTER_BITS / frames.BAUDS_C[char] / timing.byte_time
        return math.ceil(options.readout_bytes * quicker + reaction)

    @property
    def _request(self) -> bytes:
        return bytes(self.options.wakeup) + frames.request(self.options.address)

    def exchange(self, transaction: Transaction) -> Exchange:  # noqa: ARG002
        """Build the request; its identification says how the conversation goes on."""
        at_once = self.options.mode != "C"
        return Exchange(
            self._sent(self._request),
            IdentificationReader(
                software_parity=self.options.software_parity,
                follows=self._block(),
                mode_b_follows=not self.options.change_baud,
            ),
            _IDENTIFICATION_BYTES + (self.options.readout_bytes if at_once else 0),
            _KEY,
            then=self._identified,
        )

    def _identified(self, payload: bytes) -> Exchange | bytes:
        """Go on as the identification says: agree to a speed, change to it unasked, or the data are here already."""
        line, newline, body = payload.partition(b"\n")
        if newline:
            return body
        found = frames.identification(line.decode("ascii"))
        if found.mode == "B":
            return self._data(b"", found.baud, pause=0.0)
        char = self.options.acknowledge or found.baud_char
        return self._data(frames.acknowledge(char), frames.BAUDS_C[char], pause=float(self.options.reaction))

    def _data(self, request: bytes, baud: int | None, *, pause: float) -> Exchange:
        return Exchange(
            self._sent(request),
            self._block(),
            self.options.readout_bytes,
            _KEY,
            pause=pause,
            baud=baud if self.options.change_baud else None,
        )

    def _sent(self, request: bytes) -> bytes:
        return frames.add_parity(request) if self.options.software_parity else request

    def _block(self) -> BlockReader:
        checked = self.options.bcc == "required"
        return BlockReader(software_parity=self.options.software_parity, checked=checked)

    def decode(self, transaction: Transaction, reply: bytes) -> Mapping[str, Reading]:
        """Decode a readout; a point that cannot be a value gets None and a quality, never an exception."""
        try:
            readout = Readout(data.parse(reply.decode("ascii")))
        except (FrameDamaged, UnicodeDecodeError):
            return dict.fromkeys(transaction.points, Reading(None, Quality.CRC))
        own = self.options.serial.strip(" ").lstrip("0")
        if own and own not in readout.numbers():
            # Another meter than the one that is meant: its values are not this device's.
            return dict.fromkeys(transaction.points, Reading(None, Quality.CONFIG))
        return {name: self.codecs[name].decode(readout) for name in transaction.points}

    def split(self, transaction: Transaction) -> Sequence[Transaction]:  # noqa: ARG002
        """Return nothing: a readout cannot be asked for in parts."""
        return []

    def command(self, action: str, args: Mapping[str, str]) -> CommandPlan:  # noqa: ARG002
        """Raise `Misconfigured`: meters are only read."""
        raise Misconfigured(
            f"{self._profile.profile} offers no command {printable(action, 60)!r}; it offers none"
        )
