"""DSMR P1: the consumer port of Dutch, Belgian, Luxembourg, Swedish and Irish meters, which tell all of themselves.

Each telegram is `/XXXZident`, an empty line, data sets, `!` and a CRC-16 over all of it (DSMR 5.0.2 P1 companion
standard, clause 6.2). Meters before DSMR 4 send no CRC: they are only believed where the site file says so.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any, Final, Literal

import msgspec

from drivers import listen_check, profile_check
from drivers.api import Heard, PeerSession, Reading
from drivers.binding import bind
from drivers.errors import FrameDamaged, Misconfigured
from drivers.iec62056_21 import telegram
from drivers.iec62056_21.address import ActionAt, PointAt
from drivers.iec62056_21.explain import explain
from drivers.iec62056_21.points import PointCodec, Readout, codecs
from drivers.iec62056_21.readers import Characters
from drivers.iec62056_21.telegram import Message
from drivers.iec62056_21.vectors import check_vector
from drivers.profile import Profile, Strict
from drivers.strict_yaml import parse_duration

ANY: Final = "p1"
"""The source of a meter that is known by being the only one on its port."""
MAX_TELEGRAM: Final = 16384
_OWN_IDS: Final = ("0-0:96.1.1", "0-0:96.1.0", "0-0:96.1.255*255", "0-0:42.0.0")
_END_BYTES: Final = len("XXXX\r\n")


class Options(Strict, frozen=True, kw_only=True):
    """Protocol options of a profile, a line or a device; the later wins."""

    address: Annotated[
        str,
        msgspec.Meta(
            pattern=r"^[0-9A-Za-z]{0,64}$",
            description="the equipment identifier as the telegram has it, in quotes",
        ),
    ] = ""
    """The meter's own identifier, 0-0:96.1.1 or 96.1.0; empty for the only meter of its port."""
    crc: Literal["required", "none"] = "required"
    """`none` believes telegrams without a CRC, as meters before DSMR 4 send them."""
    every: Annotated[
        str,
        msgspec.Meta(
            pattern=r"^[0-9]{1,6}(\.[0-9]{1,3})?(ms|s|m|h)$", description="a time such as 10s, 5m or 1h"
        ),
    ] = "1m"
    """How often the readings are taken: a port may tell them each second, and the meter is heard by each telegram."""
    software_parity: bool = False
    """Make 7E1 of a port set to 8N1: meters before DSMR 4 send 9600 7E1. Said of one device it holds for its port."""


class DsmrP1Driver:
    """Meters that send P1 telegrams unasked, every second or every ten."""

    protocol = "dsmr-p1"

    def check(self, profile: Profile) -> None:
        """Check every address, option and captured example of a profile; raise `Misconfigured` naming the place."""
        bind(profile.options, Options, "options")
        made = codecs(profile)
        faults = [*profile_check.kinds(profile, lambda name: made[name].is_bool)]
        faults += profile_check.conditions(profile, lambda name: made[name].is_bool)
        faults += profile_check.no_signals(profile, "P1")
        faults += [f"actions.{name}: a P1 port only tells" for name in profile.actions]
        faults += listen_check.example_faults(profile, lambda devices: self.session(devices, profile.options))
        if faults:
            raise Misconfigured("\n".join(faults))

    def source(self, profile: Profile, options: Mapping[str, Any]) -> str:
        """Return the equipment identifier, or the word for the only meter of a port; raise `Misconfigured`."""
        return bind({**profile.options, **options}, Options, "options").address or ANY

    def session(
        self, devices: Mapping[str, tuple[Profile, Mapping[str, Any]]], options: Mapping[str, Any]
    ) -> "P1Session":
        """Begin with a new port; `devices` by source are those of its line, `options` the line's."""
        return P1Session(devices, bind(dict(options), Options, "options"))

    def address_types(self) -> tuple[type, type, type]:
        """Return the types of a point's `at`, an action's `at`, and `options`: for the schema."""
        return PointAt, ActionAt, Options

    def explain(self, frame: bytes) -> str:
        """Describe one captured telegram in the standard's words; raise `FrameDamaged`."""
        return explain(frame)

    def check_vector(self, row: Mapping[str, Any], maps: Sequence[Mapping[str, Any]]) -> str | None:  # noqa: ARG002
        """Return None where our decoder agrees with one line of a vector file, else the disagreement."""
        return check_vector(row)


class P1Session(PeerSession):
    """The stream of one port: telegrams out of bytes; what is damaged is passed over, the next comes in seconds."""

    def __init__(self, devices: Mapping[str, tuple[Profile, Mapping[str, Any]]], options: Options) -> None:
        self._buffer = bytearray()
        self._line_crc = options.crc
        self._quiet = 0
        self._taken: dict[str, datetime] = {}
        self._known: dict[str, tuple[Mapping[str, PointCodec], Options]] = {}
        for source, (profile, own) in devices.items():
            merged = bind({**msgspec.to_builtins(options), **profile.options, **own}, Options, "options")
            self._known[source] = (codecs(profile), merged)
        # A port has one parity: whoever of its devices says so knows it of the port.
        known = (merged.software_parity for _, merged in self._known.values())
        self._characters = Characters(options.software_parity or any(known))

    def feed(self, data: bytes, now: datetime) -> Sequence[Heard]:
        """Take bytes in any portions; return what whole and sound telegrams say."""
        # Once may fall into the middle of a line; twice in a row, a second apart, nothing more is coming.
        self._quiet = 0 if data else self._quiet + 1
        self._buffer += self._characters.take(data)
        found = []
        while (raw := self._next(at_rest=self._quiet > 1)) is not None:
            heard = self._heard(raw, now)
            if heard is not None:
                found.append(heard)
        return found

    def tick(self, now: datetime) -> Sequence[bytes]:  # noqa: ARG002
        """Return nothing: a P1 port is only listened to."""
        return ()

    def _next(self, *, at_rest: bool) -> bytes | None:
        """Cut the next telegram off the buffer, from / through the line of the !; None while it is not whole."""
        self._to_a_start()
        mark = self._buffer.find(b"!")
        if mark < 0:
            if len(self._buffer) > MAX_TELEGRAM:
                del self._buffer[:-MAX_TELEGRAM]
                self._to_a_start()
            return None
        end = self._buffer.find(b"\n", mark)
        if end < 0 and len(self._buffer) - mark <= _END_BYTES and not at_rest:
            return None
        size = end + 1 if end >= 0 else min(len(self._buffer), mark + _END_BYTES)
        raw = bytes(self._buffer[:size])
        del self._buffer[:size]
        # A telegram that broke off stands before a whole one: only what follows the last / of its head can be sound.
        return raw[max(raw.rfind(b"\n/") + 1, 0) :]

    def _to_a_start(self) -> None:
        start = self._buffer.find(b"/")
        del self._buffer[: start if start >= 0 else len(self._buffer)]

    def _heard(self, raw: bytes, now: datetime) -> Heard | None:
        try:
            message = telegram.parse(raw)
        except (FrameDamaged, UnicodeDecodeError):
            return None
        if message.identification is None or message.crc_ok is False:
            return None
        own = _own_id(message)
        source = own if own in self._known or ANY not in self._known else ANY
        made, options = self._known.get(source, ({}, None))
        if message.crc_ok is None and (options.crc if options else self._line_crc) == "required":
            return None
        readings: dict[str, Reading] = {}
        if options is not None and self._due(source, options, now):
            readout = Readout(message.sets)
            readings = {name: codec.decode(readout) for name, codec in made.items()}
        return Heard(source, readings, label=f"P1 telegram of {message.identification.manufacturer}", raw=raw)

    def _due(self, source: str, options: Options, now: datetime) -> bool:
        last = self._taken.get(source)
        if last is not None and timedelta() <= now - last < timedelta(seconds=parse_duration(options.every)):
            return False
        self._taken[source] = now
        return True


def _own_id(message: Message) -> str:
    for address in _OWN_IDS:
        for one in message.sets:
            if one.address == address and one.groups[0]:
                return one.groups[0]
    return ANY
