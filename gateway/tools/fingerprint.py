"""Which profile is this device? Its own words where it has some, and how its registers look through each profile.

A profile is tried with its most telling read; those that look right are asked for more. What two profiles would
both ask is asked once. A score is no proof: `read` with the meter's display is.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from drivers import registry
from drivers.api import DeviceDriver, Reading, Transaction
from drivers.errors import DeviceRefused, DriverError, Misconfigured
from drivers.profile import Point, Profile
from gateway.site.config import Site
from gateway.tools.access import Tuning
from gateway.tools.work import Work, shown
from messages.text import printable
from messages.types import Quality

MOST_REQUESTS = 200
MOST_READS = 4  # of one profile
FIRST_PARTS, MOST_PARTS = (
    3,
    16,
)  # of one read that is refused: at the first look, and at a profile that seems right
PROMISING = 30
SHOWN = 4
LOWEST = 10
NAME_COUNTS = 40
ENOUGH = Decimal(6)
_TYPICAL_ENOUGH = Decimal("0.9")

# What instruments show, by unit: inside the first span it speaks for the profile, outside of the second against it.
_TYPICAL: Mapping[str, tuple[tuple[str, str], tuple[str, str]]] = {
    "V": (("80", "480"), ("0", "1000")),
    "Hz": (("45", "65"), ("0", "70")),
    "°C": (("-30", "110"), ("-60", "200")),
    "%": (("1", "100"), ("0", "100")),
    "%RH": (("5", "100"), ("0", "100")),
    "A": (("0.01", "5000"), ("-10000", "10000")),
    "kWh": (("0.01", "99999999"), ("0", "1000000000")),
    "m³": (("0.01", "9999999"), ("0", "1000000000")),
    "W": (("0.1", "1000000"), ("-100000000", "100000000")),
    "kW": (("0.001", "10000"), ("-1000000", "1000000")),
    "var": (("0.1", "1000000"), ("-100000000", "100000000")),
    "VA": (("0.1", "1000000"), ("0", "100000000")),
    "bar": (("0.1", "60"), ("-1", "1000")),
    "kPa": (("1", "6000"), ("-100", "100000")),
    "ppm": (("300", "5000"), ("0", "50000")),
    "GJ": (("0.001", "9999999"), ("0", "1000000000")),
    "MWh": (("0.001", "9999999"), ("0", "1000000000")),
}
_THIS_CENTURY, _NEXT_CENTURY = 946_684_800, 4_102_444_800
_LONG = 4  # letters that stand in no other word by chance
_SURE = frozenset({"Hz", "V", "°C", "%RH"})


@dataclass(slots=True)
class Match:
    """How a device looks through one profile."""

    profile: Profile
    good: list[str] = field(default_factory=list)
    odd: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    weight: Decimal = Decimal(0)
    points: Decimal = Decimal(0)
    named: bool = False
    doubtful: bool = False
    """Whether parts of a refused read were left unasked."""

    @property
    def score(self) -> int:
        """0 to 100."""
        if not self.weight:
            return NAME_COUNTS if self.named else 0
        # A single value that looks right is no evidence yet.
        share = max(Decimal(0), self.points) / max(self.weight, ENOUGH) * 100
        return min(100, int(share) + (NAME_COUNTS if self.named else 0))

    @property
    def promising(self) -> bool:
        """Whether to look closer: it looks right, or looks right as far as it was not refused for one point's sake."""
        return self.score >= PROMISING or (self.doubtful and self.points > 0 and not self.odd)

    @property
    def likely(self) -> bool:
        """Whether it is worth showing: switches look like nothing, but they are where they should be."""
        return self.score >= (LOWEST if self.good or self.named else PROMISING)

    @property
    def why(self) -> str:
        """What spoke for and against, in words."""
        parts = ["it names itself so"] if self.named else []
        if not self.good and not self.odd and self.points > 0:
            parts.append("it answers where this one does")
        if self.good:
            parts.append("plausible: " + ", ".join(self.good[:4]))
        if self.odd:
            parts.append("odd: " + ", ".join(self.odd[:3]))
        if self.refused:
            parts.append("refuses " + ", ".join(self.refused[:3]))
        return printable("; ".join(parts) or "nothing speaks for it", 400)

    def see(self, transaction: Transaction, readings: Mapping[str, Reading]) -> None:
        """Take what one read showed."""
        for name in transaction.points:
            point, reading = self.profile.points[name], readings[name]
            verdict, weight = plausible(point, reading)
            self.weight += weight
            self.points += weight * verdict
            text = f"{name} {shown(reading.value)} {point.unit}".rstrip()
            if verdict >= _TYPICAL_ENOUGH:
                self.good.append(text)
            elif verdict < 0:
                self.odd.append(text if reading.value is not None else f"{name} is no number")

    def doubt(self, transaction: Transaction) -> None:
        """Take it that nobody knows of these points: what was asked of them was refused, and they were not alone."""
        self.weight += len(transaction.points)
        self.doubtful = True
        self.refused.append(transaction.label)

    def refuse(self, transaction: Transaction) -> None:
        """Take a refusal: the device does not have what the profile says that it has."""
        self.weight += 2 * len(transaction.points)
        self.points -= 2 * len(transaction.points)
        self.refused.append(transaction.label)


def plausible(point: Point, reading: Reading) -> tuple[Decimal, Decimal]:
    """Judge one value from -1 (cannot be) to 1 (typical), and how much that says; a zero says little."""
    value = reading.value
    if reading.quality is Quality.DEVICE:
        return Decimal("0.8"), Decimal(1)  # the very pattern by which this model says that it has no value
    if value is None:
        return Decimal(-1), Decimal(2)
    if isinstance(value, bool):
        return Decimal("0.6"), Decimal("0.8")  # that it answers there at all
    if value == 0:
        return Decimal("0.5"), Decimal("0.3")
    if point.unit == "s" and _THIS_CENTURY <= value < _NEXT_CENTURY:
        return Decimal("0.7"), Decimal("0.4")  # an instant: a clock, or when something was frozen
    spans = _TYPICAL.get(point.unit)
    if spans is None:
        return (Decimal("0.7"), Decimal("0.4")) if abs(value) < 10**9 else (Decimal(-1), Decimal(2))
    (low, high), (lowest, highest) = spans
    if Decimal(low) <= abs(value) <= Decimal(high) and (value > 0 or Decimal(lowest) < 0):
        return Decimal(1), Decimal(3 if point.unit in _SURE else 1)
    if Decimal(lowest) <= value <= Decimal(highest):
        return Decimal("0.3"), Decimal(1)
    return Decimal(-1), Decimal(2)


def library_of(site: Site) -> Mapping[str, Profile]:
    """Return every profile that the site knows, the shipped ones and its own; raise `YamlError`."""
    return registry.checked_library([site.path.parent / name for name in site.file.profiles])


# Under which option of a device what it says of itself leads to it again.
_NAMES_ITSELF: Mapping[str, str] = {
    "address": "address",
    "secondary_address": "address",
    "di_order": "di_order",
}


def own_address(identity: Mapping[str, str]) -> str:
    """Return the address under which a site file has a device that names itself; empty where its unit leads to it."""
    leads = (name for name, option in _NAMES_ITSELF.items() if option == "address")
    return next((identity[name] for name in leads if name in identity), "")


class Fingerprints:
    """Identifies units of one line."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._library: Sequence[Profile] | None = None

    async def of(
        self, unit: int, tuning: Tuning, *, timeout: float, said: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        """Return what can be said of a unit: `identity` in its own words, and the likeliest `profiles`.

        It is asked who it is, unless it has `said` so.
        """
        look = _Look(self._work, unit, tuning, timeout)
        identity = await look.identity() if said is None else look.known(said)
        if self._library is None:
            # Reading files takes long enough to hold up a poll: not on the loop.
            library = await asyncio.to_thread(library_of, self._work.site)
            self._library = [one for one in library.values() if one.protocol == self._work.protocol]
        firsts = [await look.first(profile) for profile in self._library]
        found = []
        for first in sorted((one for one in firsts if one is not None), key=lambda one: -one.score):
            first.named = names_it(identity, first.profile)
            match = await look.more(first.profile) if first.promising else None
            if match is not None:
                match.named = first.named
            found.append(match or first)
        best = sorted(
            (one for one in found if one.likely),
            key=lambda one: -one.score,
        )
        rows = [
            {
                "profile": match.profile.profile,
                "vendor": match.profile.vendor,
                "model": match.profile.model,
                "score": match.score,
                "why": match.why,
            }
            for match in best[:SHOWN]
        ]
        return {"identity": dict(identity), "profiles": rows}


class _Look:
    """One unit under the glass: what was asked is not asked again."""

    def __init__(self, work: Work, unit: int, tuning: Tuning, timeout: float) -> None:
        self._work, self._unit, self._tuning, self._timeout = work, unit, tuning, timeout
        self._options = work.options_for(work.protocol)
        self._answers: dict[tuple[str, str], bytes | DriverError] = {}
        self._left = MOST_REQUESTS

    async def identity(self) -> Mapping[str, str]:
        found: dict[str, str] = {}
        bench = self._work.workshop
        for place in range(len(bench.identify(self._unit, self._work.options))):
            try:
                reply = await self._work.ask(
                    lambda place=place: bench.identify(self._unit, self._work.options)[place],  # type: ignore[misc]
                    timeout=self._timeout,
                    tuning=self._tuning,
                )
            except DriverError:
                continue
            told = bench.identity(reply.payload)
            found |= {printable(name, 40): printable(text, 200) for name, text in told.items() if text}
        return self.known(found)

    def known(self, identity: Mapping[str, str]) -> Mapping[str, str]:
        """Read a meter that was found by a unit which stands for many by the address that it names."""
        self._options |= {
            option: identity[name] for name, option in _NAMES_ITSELF.items() if name in identity
        }
        return identity

    async def first(self, profile: Profile) -> Match | None:
        device = self._device(profile)
        if device is None:
            return None
        match = Match(profile)
        for transaction in _telling(profile, device)[:1]:
            await self._see(match, device, transaction, FIRST_PARTS)
        return match

    async def more(self, profile: Profile) -> Match | None:
        """Look again at a profile that seemed right, at more of it; what was asked before is remembered."""
        device = self._device(profile)
        if device is None:
            return None
        match = Match(profile)
        for transaction in _telling(profile, device)[:MOST_READS]:
            await self._see(match, device, transaction, MOST_PARTS)
        return match

    def _device(self, profile: Profile) -> DeviceDriver | None:
        try:
            return registry.get(profile.protocol).device(profile, self._unit, self._options)
        except Misconfigured:
            return None

    async def _see(self, match: Match, device: DeviceDriver, transaction: Transaction, most: int) -> None:
        """Take what a read shows; of a refused one its parts, first without the holes, then less and less."""
        waiting = [transaction]
        for _ in range(most):
            if not waiting:
                return
            asked = waiting.pop(0)
            answer = await self._answer(match.profile, device, asked)
            if isinstance(answer, bytes):
                match.see(asked, device.decode(asked, answer))
            elif not isinstance(answer, DeviceRefused):
                return
            elif parts := device.split(asked) if answer.address else ():
                waiting += parts
            else:
                match.refuse(asked)
        for rest in waiting:
            match.doubt(rest)

    async def _answer(
        self, profile: Profile, device: DeviceDriver, transaction: Transaction
    ) -> bytes | DriverError | None:
        # A read of Modbus is the same whatever the profile; elsewhere its options say how meters are asked.
        way = "" if profile.protocol == "modbus" else repr(sorted(profile.options.items()))
        key = transaction.label, way
        known = self._answers.get(key)
        if known is not None or self._left <= 0:
            return known
        self._left -= 1
        try:
            reply = await self._work.ask(
                lambda: device.exchange(transaction), timeout=self._timeout, tuning=self._tuning
            )
        except DriverError as err:
            self._answers[key] = err
            return err
        self._answers[key] = reply.payload
        return reply.payload


def _telling(profile: Profile, device: DeviceDriver) -> Sequence[Transaction]:
    """Return the reads of a profile, the one whose points say the most first."""

    def says(transaction: Transaction) -> int:
        units = [profile.points[name].unit for name in transaction.points]
        return sum(3 if unit in _SURE else 1 for unit in units)

    return sorted(device.plan(profile.points), key=says, reverse=True)


def names_it(identity: Mapping[str, str], profile: Profile) -> bool:
    """Say whether a device's own words name the model of a profile: as it begins, or by a number in it."""
    told = " ".join(identity.values()).lower()
    head = profile.model.lower().partition(",")[0].partition(" (")[0]
    if len(head) >= _LONG and head in told:
        return True
    words = [
        word for word in profile.model.lower().replace("/", " ").split() if any(c.isdigit() for c in word)
    ]
    # A short one stands in many a number: it counts as a word only.
    return any(word in told if len(word) > 2 else word in told.split() for word in words)
