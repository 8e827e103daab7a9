"""CJ/T 188 for the engineer's tools: who answers, captured frames judged and made into examples."""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from drivers.api import Exchange
from drivers.binding import bind
from drivers.cjt188 import frames, scan
from drivers.cjt188.address import Options, full_address
from drivers.cjt188.explain import standard_di
from drivers.cjt188.frames import Asked, ReplyFinder
from drivers.cjt188.points import PointCodec, codecs
from drivers.cjt188.values import digits
from drivers.errors import FrameDamaged, Misconfigured
from drivers.exact import in_digits, scaled
from drivers.profile import Example, Profile
from drivers.workshop import Guess, Seen

_READS: Final = frozenset({frames.READ, frames.READ_ADDRESS, 0x09})
_EXPONENTS: Final = (0, -1, -2, -3, -4)
_NOBODY: Final = "0" * 14
_LONGEST: Final = 300
_MAX_REQUEST: Final = 64


class Cjt188Workshop:
    """Implements `drivers.workshop.Workshop`, as far as CJ/T 188 has what it asks for.

    Addresses have fourteen digits: a unit stands for all meters of that type, 16 for cold water (10H), 17 for hot
    (11H), 32 for heat (20H), 48 for gas (30H), 170 for whatever there is (AAH).
    """

    all_units = "--units 16,17,32,48,170 --timeout-ms 600 (each asks all meters of a type)"

    def probe(self, unit: int, options: Mapping[str, Any]) -> Exchange:
        """Ask all meters of a type for their address: one alone answers, several are noise."""
        if not 0 <= unit <= 0xFF:
            raise Misconfigured(f"unit: is {unit}, and a meter type is 0 to 255")
        settings = _options(options)
        return scan.ask_address(meter_type=unit, di_order=settings.di_order, wakeup=settings.wakeup)

    def identify(self, unit: int, options: Mapping[str, Any]) -> Sequence[Exchange]:
        """Ask for the address."""
        return [self.probe(unit, options)]

    def identity(self, payload: bytes) -> Mapping[str, str]:
        """Return who has answered."""
        try:
            found = scan.who(payload)
        except FrameDamaged:
            return {}
        return {"model": found.kind, "address": found.address, "di_order": found.di_order}

    def raw(self, unit: int, request: bytes, options: Mapping[str, Any]) -> Exchange:
        """Return an exchange of any read: control code, data identification as sent, data; raise `Misconfigured`."""
        settings = _options(options)
        if not 3 <= len(request) <= _MAX_REQUEST or request[0] not in _READS:
            raise Misconfigured(
                "a request is a control code that reads (01, 03, 09), DI as it is sent, and data"
            )
        address = frames.ANY_ADDRESS if settings.address is None else full_address(settings, None)
        control, di, data = request[0], request[1:3], request[3:]
        sent = frames.encode(unit & 0xFF, address, control, di + b"\x01" + data, wakeup=settings.wakeup)
        asked = Asked(control, unit & 0xFF, address, di.hex().upper())
        return Exchange(sent, ReplyFinder(asked), _LONGEST, key=b"cjt188" + request[:3])

    def registers(self, table: str, address: int, count: int) -> Profile:  # noqa: ARG002
        """Refuse: there are none."""
        raise Misconfigured(
            "a CJ/T 188 meter has data identifications, no registers: read a profile's points"
        )

    def guesses(self, raw: bytes, exp: int) -> Sequence[Guess]:
        """Return the bytes, low first, as digits and as a binary number; of five the last is a unit code."""
        number = raw[:4] if len(raw) == 5 else raw
        if not 1 <= len(number) <= 8:
            return []
        coded = digits(number)
        decimal = None if coded is None else scaled(Decimal(coded), exp)
        binary = scaled(Decimal(int.from_bytes(number, "little")), exp)
        return [Guess("low first", "bcd", exp, decimal), Guess("low first", "binary", exp, binary)]

    def matches(self, raw: bytes, display: Decimal) -> Sequence[Guess]:
        """Return each place of the point at which the bytes show `display`."""
        return [guess for exp in _EXPONENTS for guess in self.guesses(raw, exp) if guess.value == display]

    def seen(self, frame: bytes) -> Seen:
        """Judge captured bytes by their checksum."""
        try:
            found = frames.parse(frame)
        except FrameDamaged:
            return Seen(None, "bad", whole=False)
        return Seen(found.meter_type, "ok", whole=True)

    def example(
        self, profile: Profile, request: bytes, reply: bytes, change: Callable[[str, bytes], bytes]
    ) -> Example | None:
        """Return a read and its answer as an example: under no address, blank where no point lies."""
        try:
            asked, answered = frames.parse(request), frames.parse(reply)
            made = codecs(profile, _options(profile.options))
        except (FrameDamaged, Misconfigured):
            return None
        di = standard_di(answered.di_on_wire)
        inside = {
            name: codec
            for name, codec in made.items()
            if codec.at.di == di and not codec.decode(answered.body).quality.bad
        }
        read = (asked.control, answered.control) == (frames.READ, frames.READ | frames.FROM_METER)
        if not read or not inside or standard_di(asked.di_on_wire) != di:
            return None
        body = _blanked(answered.body, inside, change)
        data = answered.data[:2] + b"\0" + body
        shown = frames.encode(answered.meter_type, _NOBODY, answered.control, data)
        question = frames.encode(asked.meter_type, _NOBODY, asked.control, asked.data[:2] + b"\0")
        values = {name: codec.decode(body).value for name, codec in inside.items()}
        expect = {
            name: in_digits(value) if isinstance(value, Decimal) else value for name, value in values.items()
        }
        return Example(request=question.hex().upper(), reply=shown.hex().upper(), expect=expect)


def _blanked(body: bytes, inside: Mapping[str, PointCodec], change: Callable[[str, bytes], bytes]) -> bytes:
    kept = bytearray(len(body))
    for name, codec in inside.items():
        if codec.unit_at is not None:
            kept[codec.unit_at] = body[codec.unit_at]
        cut = slice(codec.value.offset, codec.value.offset + codec.value.size)
        other = change(name, body[cut])
        if len(other) != codec.value.size:
            raise Misconfigured(f"{name}: {len(other)} bytes cannot stand in the place of {codec.value.size}")
        kept[cut] = bytes(old | new for old, new in zip(kept[cut], other, strict=True))
    return bytes(kept)


def _options(options: Mapping[str, Any]) -> Options:
    # The tools say of every line which framing Modbus would have there.
    return bind({key: value for key, value in options.items() if key != "framing"}, Options, "options")
