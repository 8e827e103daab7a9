"""M-Bus for the engineer's tools: who answers, what it is, and whether captured bytes are sound."""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from drivers.api import Exchange
from drivers.binding import bind
from drivers.errors import FrameDamaged, Misconfigured
from drivers.mbus import frames, names, telegram
from drivers.mbus.address import ANYBODY, Options, target, written
from drivers.mbus.conversation import Memory, read_out, reset_link
from drivers.mbus.frames import ACK
from drivers.mbus.products import product
from drivers.mbus.search import Search
from drivers.profile import Example, Profile
from drivers.workshop import Guess, Seen

_NO_REGISTERS: Final = (
    "an M-Bus device has no registers: read a profile's points, or decode a captured telegram"
)


class MbusWorkshop:
    """Implements `drivers.workshop.Workshop`, as far as M-Bus has what it asks for."""

    all_units = "--units 253 --timeout-ms 2000 (by secondary addresses), or --units 0-250"

    def probe(self, unit: int, options: Mapping[str, Any]) -> Exchange:
        """Reset the link of a primary address: whoever has it answers E5."""
        return reset_link(target(unit, _options(options).address))

    search_unit = frames.NETWORK

    def search(self) -> Search:
        """Begin a search by secondary addresses."""
        return Search()

    def identify(self, unit: int, options: Mapping[str, Any]) -> Sequence[Exchange]:
        """Read the first telegram: its header says who it is."""
        whom = target(unit, _options(options).address)
        return [read_out(whom, Memory(), reset="auto", telegrams=1)]

    def identity(self, payload: bytes) -> Mapping[str, str]:
        """Return what the header of a telegram says."""
        try:
            head = telegram.parse(frames.parse(frames.split(payload)[0])).header
        except (FrameDamaged, IndexError):
            return {}
        if head.maker is None:
            return {"id": head.ident} if head.ident else {}
        found = {
            "vendor": head.manufacturer,
            "model": product(head),
            "version": str(head.version),
            "medium": names.medium(head.medium or 0),
            "secondary_address": written(head),
        }
        return {name: text for name, text in found.items() if text}

    def raw(self, unit: int, request: bytes, options: Mapping[str, Any]) -> Exchange:
        """Return an exchange of any request: control field alone, or control, CI and data; raise `Misconfigured`."""
        whom = target(unit, _options(options).address)
        address = frames.NETWORK if whom.primary is None else whom.primary
        if not 1 <= len(request) <= 254:
            raise Misconfigured("a request is its control field, or that and CI and data: 1 to 254 bytes")
        if len(request) == 1:
            asked = frames.short(request[0], address)
            if request[0] & 0x0F == 0:
                return Exchange(asked, frames.AckReader(), reply_bytes=1, key=ANYBODY)
            reader = frames.ResponseReader(whom.answers)
            return Exchange(asked, reader, reply_bytes=frames.LONGEST, key=whom.key)
        asked = frames.long(request[0], address, request[1], request[2:])
        return Exchange(asked, frames.AckReader(), reply_bytes=1, key=ANYBODY)

    def registers(self, table: str, address: int, count: int) -> Profile:  # noqa: ARG002
        """Refuse: there are none."""
        raise Misconfigured(_NO_REGISTERS)

    def guesses(self, raw: bytes, exp: int) -> Sequence[Guess]:  # noqa: ARG002
        """Return nothing: a record says itself how it is coded."""
        return []

    def matches(self, raw: bytes, display: Decimal) -> Sequence[Guess]:  # noqa: ARG002
        """Return nothing: a record says itself how it is coded."""
        return []

    def seen(self, frame: bytes) -> Seen:
        """Judge captured bytes by their checksum."""
        if frame == bytes((ACK,)):
            return Seen(None, "none", whole=True)
        try:
            return Seen(frames.parse(frame).address, "ok", whole=True)
        except FrameDamaged:
            size = frame[1] + 6 if len(frame) > 1 and frame[0] == frames.LONG else 0
            return Seen(None, "bad", whole=size == len(frame))

    def example(
        self,
        profile: Profile,  # noqa: ARG002
        request: bytes,  # noqa: ARG002
        reply: bytes,  # noqa: ARG002
        change: Callable[[str, bytes], bytes],  # noqa: ARG002
    ) -> Example | None:
        """Return nothing: a telegram names its device in records that no profile knows."""
        return None


def _options(options: Mapping[str, Any]) -> Options:
    return bind(dict(options), Options, "options")
