"""The demo's reckoning: every number that it shows, counted by the server and by what was on the wire."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec

from drivers.profile import Profile
from simulators.api_client import Api
from simulators.reconcile import SLACK_MS, Matched, StoredRow, answering, match, used
from simulators.site import Site
from simulators.truth import Truth

_EDGES = {
    "raised": "alarms_raised",
    "cleared": "alarms_cleared",
    "pulse": "happenings",
    "record": "records_written",
}
Numbered = Mapping[str, Mapping[str, int]]


class Compared(msgspec.Struct, frozen=True, kw_only=True):
    """One number, twice."""

    counted: int
    on_the_wire: int
    agrees: bool


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """`demo/summary.json`."""

    ok: bool
    devices: int
    samples_read: int
    samples_held_to_values: int
    """Of those stored, whose answers are not counted on the wire: each is held against what was true then, and their
    number against what the gateways read."""
    batches_stored: int
    samples_missing: int
    samples_doubled: int
    alarms_raised: int
    alarms_cleared: int
    period_reads: int
    compared: dict[str, Compared]
    seconds: float
    notes: list[str] = []


@dataclass
class Reckoning:
    """Counts everything twice; `notes` may begin with what went wrong before, and nothing is all right then."""

    api: Api
    truth: Truth
    site: Site
    profiles: Mapping[str, Profile]
    run: tuple[int, int]
    notes: list[str] = field(default_factory=list)
    compared: dict[str, Compared] = field(default_factory=dict)
    records: Counter[tuple[str, str]] = field(default_factory=Counter)
    """What the server has written down that is no alarm, by device and code."""
    pictures: int = 0
    """Pictures that a guard had of cameras' alarms, and that show what was to be seen."""

    async def reckon(
        self, rows: Sequence[StoredRow], *, numbered: Numbered, samples_read: int, period: tuple[int, int]
    ) -> Summary:
        """Compare; `samples_read` is what the gateways say, `numbered` what their journals gave out."""
        troubled = bool(self.notes)
        known = await self.api.get("devices")
        # Who only speaks has no samples: its events are counted below.
        heard = {device["id"] for device in known["devices"] if device["last_seen_at"] is not None}
        heard -= {device.id for device in self.site.metered() if not self.profiles[device.profile].points}
        self._compare("devices", len(heard), len(answering(self.truth)))
        matched = self._samples(rows, samples_read)
        await self._batches(numbered)
        await self._alarms()
        self._compare("pictures_attached", self.pictures, self.truth.pictures())
        reads = await self._reads(period)
        return Summary(
            ok=not troubled and all(one.agrees for one in self.compared.values()),
            devices=self.compared["devices"].counted,
            samples_read=samples_read,
            samples_held_to_values=matched.glimpsed,
            batches_stored=self.compared["batches_stored"].counted,
            samples_missing=matched.missing,
            samples_doubled=matched.doubled,
            alarms_raised=self.compared["alarms_raised"].counted,
            alarms_cleared=self.compared["alarms_cleared"].counted,
            period_reads=reads,
            compared=self.compared,
            seconds=round((self.run[1] - self.run[0]) / 1000, 1),
            notes=self.notes,
        )

    def _compare(self, name: str, counted: int, on_the_wire: int) -> None:
        self.compared[name] = Compared(
            counted=counted, on_the_wire=on_the_wire, agrees=counted == on_the_wire
        )

    def _samples(self, rows: Sequence[StoredRow], samples_read: int) -> Matched:
        matched = match(self.truth, rows)
        self.notes += matched.examples
        served = self.truth.served_points() + matched.glimpsed
        self._compare("samples_read", samples_read, served + matched.repeated)
        self._compare("samples_stored", matched.rows, served - matched.shared)
        self._compare("samples_missing", matched.missing, 0)
        self._compare("samples_doubled", matched.doubled, 0)
        self._compare("samples_wrong", matched.wrong, 0)
        return matched

    async def _batches(self, numbered: Numbered) -> None:
        receipts = [await self.api.get(f"gateways/{gateway}/delivery") for gateway in numbered]
        lanes = [lane for receipt in receipts for lane in receipt["lanes"]]
        given = sum(sum(lanes.values()) for lanes in numbered.values())
        self._compare("batches_stored", sum(lane["batches"] for lane in lanes), given)
        lost = sum(lane["missing_count"] + lane["quarantined"] + len(lane["gaps"]) for lane in lanes)
        lost += sum(receipt["quarantined_payloads"] for receipt in receipts)
        self._compare("batches_missing_or_refused", lost, 0)

    async def _alarms(self) -> None:
        """Compare edges and records; alarms that the server or a gateway raises about itself are none."""
        known = {
            (device.id, code)
            for device in self.site.metered()
            for profile in [self.profiles[device.profile]]
            for code in (*profile.events, *profile.signals)
        }
        moves = await self.api.alarm_moves(self.site.site, iso(self.run[0]), iso(self.run[1]))
        for edge, name in _EDGES.items():
            facts = Counter((fact.device, fact.event) for fact in self.truth.edges(edge))
            counted = (
                self.records
                if edge == "record"
                else Counter(
                    (device, code)
                    for device, code, action in moves
                    if action == edge and (device, code) in known
                )
            )
            self._compare(name, counted.total(), facts.total())
            self.notes += [
                f"{'.'.join(key)} {edge}: {counted[key]} at the server, {facts[key]} on the wire"
                for key in sorted(set(facts) | set(counted))
                if facts[key] != counted[key]
            ]

    async def _reads(self, period: tuple[int, int]) -> int:
        """Compare an interim period's reads, one by one; return how many there are."""
        if not period[0] or period[1] <= period[0]:  # it ended before every meter had been read once
            self._compare("period_reads", 0, 0)
            return 0
        span = {"from": iso(period[0]), "to": iso(period[1])}
        rows = (await self.api.get("meters/reads", site=self.site.site, **span))["rows"]
        wanted = billed(self.site, self.profiles)
        rows = [row for row in rows if (row["device"], row["register"]) in wanted]
        right = sum(_read_agrees(row, self.truth, self.site, self.profiles, self.notes) for row in rows)
        self._compare("period_reads", right, len(wanted))
        return len(rows)


def _read_agrees(
    row: Mapping[str, Any], truth: Truth, site: Site, profiles: Mapping[str, Profile], notes: list[str]
) -> bool:
    """Whether both boundary values are true readings or lie between two, and the consumption follows from them."""
    device = next(one for one in site.metered() if one.id == row["device"])
    register = row["register"]
    place = f"{device.id}.{register}"
    for end in ("start", "end"):
        if not _boundary_agrees(row[end], truth, device.id, register):
            notes.append(f"{place}: the {end} value {row[end]['value']} is not what the register showed")
            return False
    modulus = profiles[device.profile].points[register].modulus
    start, end_value = Decimal(row["start"]["value"]), Decimal(row["end"]["value"])
    difference = used(start, end_value, modulus)
    expected = None if difference is None else difference * Decimal(row["multiplier"])
    if row["consumption"] is None or Decimal(row["consumption"]) != expected:
        notes.append(f"{place}: consumption {row['consumption']}, by the wire {expected}; {row['why']}")
        return False
    if _multiplier(device.meter or {}) != Decimal(row["multiplier"]):
        notes.append(f"{place}: multiplier {row['multiplier']}")
        return False
    return True


def _boundary_agrees(end: Mapping[str, Any], truth: Truth, device: str, register: str) -> bool:
    if end["value"] is None or not end["basis"]:
        return False
    basis = [Decimal(one["value"]) for one in end["basis"]]
    for one, value in zip(end["basis"], basis, strict=True):
        at = _ms(one["at"])
        if value not in truth.value_at(device, register, at - SLACK_MS, at + SLACK_MS):
            return False
    value = Decimal(end["value"])
    if end["method"] != "interpolated":
        return value == basis[0]
    return basis[0] <= value <= basis[-1] or basis[-1] < basis[0]  # over a turn-over nothing lies between


def billed(site: Site, profiles: Mapping[str, Profile]) -> set[tuple[str, str]]:
    """Return the registers, as (device, point), that a period read of a few minutes is asked for.

    What a meter froze at an instant of its own is none: its boundaries are months.
    """
    return {
        (device.id, name)
        for device in site.metered()
        if device.meter is not None
        for name, point in profiles[device.profile].points.items()
        if point.billing and point.poll == "billing"
    }


def _multiplier(meter: Mapping[str, str]) -> Decimal:
    if "multiplier" in meter:
        return Decimal(meter["multiplier"])
    product = Decimal(1)
    for name in ("ct", "pt"):
        if name in meter:
            first, _, second = meter[name].partition("/")
            product *= Decimal(first) / Decimal(second)
    return product


def iso(ms: int) -> str:
    """Write an instant as the HTTP interface reads it."""
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _ms(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)
