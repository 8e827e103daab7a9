"""IEC 62056-21 for the engineer's tools: who answers, captured messages judged and made into examples."""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from drivers.api import Exchange
from drivers.binding import bind
from drivers.errors import FrameDamaged, Misconfigured
from drivers.exact import in_digits
from drivers.iec62056_21 import frames, telegram
from drivers.iec62056_21.address import Options
from drivers.iec62056_21.points import Readout, codecs
from drivers.iec62056_21.readers import IdentificationReader
from drivers.profile import Example, Profile
from drivers.workshop import Guess, Seen

_IDENTIFICATION_BYTES: Final = 32


class Iec62056Workshop:
    """Implements `drivers.workshop.Workshop`, as far as IEC 62056-21 has what it asks for.

    A unit is a device address of digits, 0 for whoever is there.
    """

    def probe(self, unit: int, options: Mapping[str, Any]) -> Exchange:
        """Ask for the identification, and leave it at that."""
        settings = _options(options)
        address = settings.address or (str(unit) if unit else "")
        sent = bytes(settings.wakeup) + frames.request(address)
        return Exchange(
            frames.add_parity(sent) if settings.software_parity else sent,
            IdentificationReader(software_parity=settings.software_parity),
            _IDENTIFICATION_BYTES,
            key=b"iec62056-21",
        )

    def identify(self, unit: int, options: Mapping[str, Any]) -> Sequence[Exchange]:
        """Ask for the identification."""
        return [self.probe(unit, options)]

    def identity(self, payload: bytes) -> Mapping[str, str]:
        """Return what an identification says."""
        try:
            found = frames.identification(payload.decode("ascii"))
        except (FrameDamaged, UnicodeDecodeError):
            return {}
        said = {"vendor": found.manufacturer, "model": found.text, "mode": found.mode}
        return said | ({"offers_baud": str(found.baud)} if found.baud else {})

    def raw(self, unit: int, request: bytes, options: Mapping[str, Any]) -> Exchange:  # noqa: ARG002
        """Refuse: a meter is read out as a whole."""
        raise Misconfigured("an IEC 62056-21 meter is read out as a whole: read a profile's points")

    def registers(self, table: str, address: int, count: int) -> Profile:  # noqa: ARG002
        """Refuse: there are none."""
        raise Misconfigured("an IEC 62056-21 meter has data sets, no registers: read a profile's points")

    def guesses(self, raw: bytes, exp: int) -> Sequence[Guess]:  # noqa: ARG002
        """Return nothing: a readout is text."""
        return []

    def matches(self, raw: bytes, display: Decimal) -> Sequence[Guess]:  # noqa: ARG002
        """Return nothing: a readout is text."""
        return []

    def seen(self, frame: bytes) -> Seen:
        """Judge captured bytes by their block check or CRC."""
        try:
            found = telegram.parse(frame)
        except FrameDamaged:
            return Seen(None, "bad", whole=False)
        checks = [check for check in (found.bcc_ok, found.crc_ok) if check is not None]
        return Seen(None, "none" if not checks else "ok" if all(checks) else "bad", whole=True)

    def example(
        self,
        profile: Profile,
        request: bytes,  # noqa: ARG002
        reply: bytes,
        change: Callable[[str, bytes], bytes],
    ) -> Example | None:
        """Return a readout as an example: the data sets of points only, so that no number of the meter stays."""
        try:
            message, made = telegram.parse(reply), codecs(profile)
        except (FrameDamaged, Misconfigured):
            return None
        readout = Readout(message.sets)
        lines: dict[str, list[str]] = {}
        for name, codec in made.items():
            found = readout.find(codec.at)
            if len(found) != 1 or codec.decode(readout).quality.bad:
                continue
            groups = lines.setdefault(found[0].address, list(found[0].groups))
            text = change(name, groups[codec.at.group].encode("ascii")).decode("ascii", "replace")
            if len(text) != len(groups[codec.at.group]) or set(text) & set("()!/\r\n\x02\x03"):
                raise Misconfigured(
                    f"{name}: {text!r} cannot stand in the place of {groups[codec.at.group]!r}"
                )
            groups[codec.at.group] = text
        if not lines or message.bcc_ok is False:
            return None
        body = "".join(f"{at}{''.join(f'({one})' for one in groups)}\r\n" for at, groups in lines.items())
        shown = frames.block(f"{body}!\r\n".encode("ascii"))
        again = Readout(telegram.parse(shown).sets)
        values = {name: codec.decode(again) for name, codec in made.items() if again.find(codec.at)}
        expect = {
            name: in_digits(reading.value) if isinstance(reading.value, Decimal) else reading.value
            for name, reading in values.items()
        }
        return Example(reply=shown.hex().upper(), expect=expect)


def _options(options: Mapping[str, Any]) -> Options:
    # The tools say of every line which framing Modbus would have there.
    return bind({key: value for key, value in options.items() if key != "framing"}, Options, "options")
