"""DL/T 645 for the engineer's tools: who answers, what it is, raw bytes as numbers, captures made into examples."""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from drivers.api import Exchange
from drivers.binding import bind
from drivers.dlt645 import search, segments
from drivers.dlt645.address import Options
from drivers.dlt645.catalog import lookup
from drivers.dlt645.frames import LONGEST, WILDCARD, Frame, Function, frames_in, parse, wire_address
from drivers.dlt645.points import Bound, PointMap
from drivers.dlt645.reply import Reader
from drivers.dlt645.values import Found, number, text_of
from drivers.errors import DriverError, FrameDamaged, Misconfigured
from drivers.profile import Example, Profile
from drivers.workshop import Guess, Seen
from messages.text import printable

_PAIRS: Final = 100
_IDENTITY: Final[Mapping[str, str]] = {
    "04000401": "address",
    "0400040B": "model",
    "0400040D": "protocol_version",
    "C032": "number",
}
_READS: Final = frozenset(
    {
        Function.READ,
        Function.READ_NEXT,
        Function.READ_ADDRESS,
        Function.READ_1997,
        Function.READ_NEXT_1997,
        Function.REREAD_1997,
    }
)
_EXPONENTS: Final = (0, -1, -2, -3, -4)
_NOBODY: Final = "000000000001"


class Dlt645Workshop:
    """Implements `drivers.workshop.Workshop`, as far as DL/T 645 has what it asks for.

    Addresses have 12 digits: unit 1 to 100 stands for all meters whose address ends in 00 to 99.
    """

    all_units = "--units 1-100 --timeout-ms 600 (by the last two digits of the address)"

    def probe(self, unit: int, options: Mapping[str, Any]) -> Exchange:
        """Ask whoever the unit stands for: a refusal is an answer too."""
        settings = _options(options)
        return search.question(address_of(unit, settings), settings.edition, settings.wake_up)

    def identify(self, unit: int, options: Mapping[str, Any]) -> Sequence[Exchange]:
        """Ask for the address, the model, and the version of the protocol."""
        settings = _options(options)
        digits = 8 if settings.edition == 2007 else 4
        wanted = [bytes.fromhex(di)[::-1] for di in _IDENTITY if len(di) == digits]
        function = Function.READ if settings.edition == 2007 else Function.READ_1997
        return [self.raw(unit, bytes((function,)) + di, options) for di in wanted]

    def identity(self, payload: bytes) -> Mapping[str, str]:
        """Return what the answer to one of them says."""
        found = {}
        for di, data in segments.reads(payload):
            item, name = lookup(di), _IDENTITY.get(di)
            if name is not None and item is not None:
                text = text_of(data) if item.fields[0].kind == "text" else data[::-1].hex().upper()
                found[name] = printable(text.strip("\0 "), 40)
        return {name: text for name, text in found.items() if text}

    def raw(self, unit: int, request: bytes, options: Mapping[str, Any]) -> Exchange:
        """Return an exchange of any read: control code, then the data without 33H; raise `Misconfigured`."""
        settings = _options(options)
        if not request or request[0] not in _READS:
            raise Misconfigured(
                "a request is a control code that reads (11, 12, 13; 01, 02) and its data, low first"
            )
        if len(request) > 201:
            raise Misconfigured("a request has 200 bytes of data at most")
        address = address_of(unit, settings)
        if request[0] == Function.READ_ADDRESS:
            address = WILDCARD
        frame = Frame(address, request[0], request[1:], settings.wake_up)
        size = 4 if frame.edition == 2007 else 2
        reader = Reader(address, request[0], request[1 : 1 + size], any_address=True)
        return Exchange(frame.encode(), reader, LONGEST, key=wire_address(address) + request[:1])

    def registers(self, table: str, address: int, count: int) -> Profile:  # noqa: ARG002
        """Refuse: there are none."""
        raise Misconfigured(
            "a DL/T 645 meter has identifiers, no registers: read a profile's points, or `ask`"
        )

    def guesses(self, raw: bytes, exp: int) -> Sequence[Guess]:
        """Return the bytes as digits, without and with a sign in the top bit."""
        return [guess for signed in (False, True) if (guess := _guess(raw, exp, signed=signed)) is not None]

    def matches(self, raw: bytes, display: Decimal) -> Sequence[Guess]:
        """Return each place of the point at which the digits show `display`."""
        return [guess for exp in _EXPONENTS for guess in self.guesses(raw, exp) if guess.value == display]

    def seen(self, frame: bytes) -> Seen:
        """Judge captured bytes by their checksum."""
        try:
            parse(frame)
        except FrameDamaged:
            return Seen(None, "bad", whole=False)
        return Seen(None, "ok", whole=True)

    def example(
        self, profile: Profile, request: bytes, reply: bytes, change: Callable[[str, bytes], bytes]
    ) -> Example | None:
        """Return a read and its answer as an example: under another address, blank where no point lies."""
        asked, answered = list(frames_in(request)), list(frames_in(reply))
        if len(asked) != 1 or len(answered) != 1 or answered[0].abnormal or answered[0].more:
            return None
        frame = answered[0]
        if frame.control != asked[0].control | 0x80 or not _reads(asked[0]):
            return None
        try:
            points = PointMap(profile, _options({**profile.options}))
        except DriverError:
            return None
        size = 4 if frame.edition == 2007 else 2
        di, data = frame.data[:size][::-1].hex().upper(), frame.data[size:]
        kept, expect = bytearray(len(data)), {}
        for name, bound in points.points.items():
            part = points.inside(di, name)
            if part is None or not isinstance(bound, Bound):
                continue
            block = di != bound.di or (bound.item is not None and bound.item.repeat)
            place = part * (bound.item.size if bound.item is not None else 0) + bound.place
            raw = data[place : place + bound.field.size]
            if len(raw) < bound.field.size:
                continue
            other = change(name, raw)
            if len(other) != len(raw):
                raise Misconfigured(f"{name}: {len(other)} bytes cannot stand in the place of {len(raw)}")
            kept[place : place + len(raw)] = other
            expect[name] = (bound, part, block)
        if not expect or asked[0].data[:size] != frame.data[:size]:
            return None
        shown, zone = bytes(kept), points.options.timezone
        values = {
            name: bound.decode(shown, part, zone, block=block).value
            for name, (bound, part, block) in expect.items()
        }
        return Example(
            request=Frame(_NOBODY, asked[0].control, asked[0].data).encode().hex().upper(),
            reply=Frame(_NOBODY, frame.control, frame.data[:size] + shown).encode().hex().upper(),
            expect={
                name: format(value, "f") if isinstance(value, Decimal) else value
                for name, value in values.items()
            },
            captured=True,
        )


def address_of(unit: int, options: Options) -> str:
    """Return whom a tool asks: the address that is set, or all meters whose address ends in the unit less one."""
    if options.address is not None:
        return options.address.zfill(12)
    if 1 <= unit <= _PAIRS:
        return f"{WILDCARD[:-2]}{unit - 1:02d}"
    return f"{max(0, unit):012d}"


def _options(options: Mapping[str, Any]) -> Options:
    return bind(dict(options), Options, "options")


def _reads(frame: Frame) -> bool:
    return frame.function in {Function.READ, Function.READ_1997} and len(frame.data) in {2, 4}


def _guess(raw: bytes, exp: int, *, signed: bool) -> Guess | None:
    found: Found = number(raw, exp, signed=signed)
    if signed and not (raw and raw[-1] & 0x80):
        return None
    value = found.value if isinstance(found.value, Decimal) else None
    return None if value is None else Guess("little", "signed bcd" if signed else "bcd", exp, value)
