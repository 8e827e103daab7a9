"""OSDP for the engineer's tools: who answers, what it is, and whether captured bytes are sound."""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from drivers.api import Exchange
from drivers.binding import bind
from drivers.errors import DeviceRefused, FrameDamaged, Misconfigured
from drivers.osdp.address import MAX_ADDRESS, Options
from drivers.osdp.codes import CAPABILITIES, Command, Nak, Reply, nak_meaning
from drivers.osdp.fields import fields
from drivers.osdp.frames import SOM, Finder, Frame, build, dissect
from drivers.osdp.session import MOST_NOISE
from drivers.osdp.talk import USUAL_REPLY
from drivers.profile import Example, Profile
from drivers.workshop import Guess, Seen

# A poll is not among them: it would fetch a card away that the gateway waits for.
READS: Final = frozenset(
    {Command.ID, Command.CAP, Command.LSTAT, Command.ISTAT, Command.OSTAT, Command.RSTAT}
)
_NO_REGISTERS: Final = "an OSDP reader has no registers: read a profile's points, or decode a captured frame"


class OneReader:
    """Finds the first answer of one reader; its payload is code and data."""

    def __init__(self, address: int) -> None:
        self._finder = Finder(address)
        self.taken = 0
        """How many bytes the answer had, with the mark before it; 0 while there is none."""

    def feed(self, data: bytes) -> bytes | None:
        """Take bytes; return an answer. Raises `DeviceRefused` for a NAK, `FrameDamaged` after too much noise."""
        for frame, raw in self._finder.feed(data):
            self.taken = len(raw) + min(1, self._finder.passed)
            if frame.code == Reply.NAK:
                reason = frame.data[0] if frame.data else 0
                text = f"refused: {nak_meaning(reason)}"
                raise DeviceRefused(text, code=reason, address=reason == Nak.UNKNOWN_COMMAND)
            return bytes((frame.code,)) + frame.data
        if self._finder.passed > MOST_NOISE:
            raise FrameDamaged(f"{self._finder.passed} bytes without an answer among them")
        return None


class OsdpWorkshop:
    """Implements `drivers.workshop.Workshop`, as far as OSDP has what it asks for."""

    def probe(self, unit: int, options: Mapping[str, Any]) -> Exchange:
        """Ask who has this address; every reader answers, in clear and with sequence 0."""
        return self.raw(unit, bytes((Command.ID, 0)), options)

    def identify(self, unit: int, options: Mapping[str, Any]) -> Sequence[Exchange]:
        """Ask who it is, and what it can."""
        return [self.probe(unit, options), self.raw(unit, bytes((Command.CAP, 0)), options)]

    def identity(self, payload: bytes) -> Mapping[str, str]:
        """Return what an answer says of the reader."""
        told = fields(Frame(0, True, 0, payload[0], payload[1:])) if payload else {}
        if "pdid" in told:
            return {name: str(value) for name, value in told["pdid"].items()}
        known = [row for row in told.get("pdcap", ()) if row["function"] in CAPABILITIES]
        return {row["name"]: f"level {row['compliance']}, number {row['number']}" for row in known}

    def raw(self, unit: int, request: bytes, options: Mapping[str, Any]) -> Exchange:
        """Return an exchange of a command that only reads: its code, then its data; raise `Misconfigured`.

        A device that the site file names by `address` has that; the unit is that of a scan.
        """
        settings = bind(dict(options), Options, "options")
        unit = unit if settings.address is None else int(settings.address)
        if not 0 <= unit <= MAX_ADDRESS:
            raise Misconfigured(f"unit: is {unit}, and OSDP has 0 to {MAX_ADDRESS}")
        if not request or request[0] not in READS or len(request) > 2:
            allowed = ", ".join(f"{code:02X} {code.name}" for code in sorted(READS))
            raise Misconfigured(f"tools only read: a request is one of {allowed}, and a byte 00 at most")
        frame = Frame(unit, False, 0, request[0], request[1:], settings.check == "crc")
        asked = build(frame, mark=settings.mark)
        return Exchange(asked, OneReader(unit), reply_bytes=USUAL_REPLY, key=bytes((SOM, unit)))

    def registers(self, table: str, address: int, count: int) -> Profile:  # noqa: ARG002
        """Refuse: there are none."""
        raise Misconfigured(_NO_REGISTERS)

    def guesses(self, raw: bytes, exp: int) -> Sequence[Guess]:  # noqa: ARG002
        """Return nothing: the standard says what a reply holds."""
        return []

    def matches(self, raw: bytes, display: Decimal) -> Sequence[Guess]:  # noqa: ARG002
        """Return nothing: the standard says what a reply holds."""
        return []

    def seen(self, frame: bytes) -> Seen:
        """Judge captured bytes by length and check value."""
        found = dissect(frame)
        if found.frame is not None:
            return Seen(found.address, "ok", whole=True)
        return Seen(None, "bad", whole=found.fault == "check")

    def example(
        self,
        profile: Profile,  # noqa: ARG002
        request: bytes,  # noqa: ARG002
        reply: bytes,  # noqa: ARG002
        change: Callable[[str, bytes], bytes],  # noqa: ARG002
    ) -> Example | None:
        """Return nothing: what a reader says is of its site, its keys and the people who passed it."""
        return None
