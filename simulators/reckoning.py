"""The demo's reckoning: every number that it shows, counted by the server and by what was on the wire."""

from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from drivers.profile import Profile
from simulators.api_client import Api
from simulators.reconcile import SLACK_MS, answering, match, stored_rows, used
from simulators.site import Site
from simulators.truth import Truth

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
    batches_stored: int
    samples_missing: int
    samples_doubled: int
    alarms_raised: int
    alarms_cleared: int
    period_reads: int
    compared: dict[str, Compared]
    seconds: float
    notes: list[str] = []


async def reckon(
    api: Api,
    truth: Truth,
    site: Site,
    profiles: Mapping[str, Profile],
    *,
    database: Path,
    numbered: Numbered,
    samples_read: int,
    run: tuple[int, int],
    period: tuple[int, int],
) -> Summary:
    """Count everything twice. `samples_read` is what the gateways say; `numbered` what their journals gave out."""
    notes: list[str] = []
    compared: dict[str, Compared] = {}

    def compare(name: str, counted: int, on_the_wire: int) -> None:
        compared[name] = Compared(counted=counted, on_the_wire=on_the_wire, agrees=counted == on_the_wire)

    known = await api.get("devices")
    heard = {device["id"] for device in known["devices"] if device["last_seen_at"] is not None}
    compare("devices", len(heard), len(answering(truth)))
    matched = match(truth, stored_rows(database, site.site))
    notes += matched.examples
    compare("samples_read", samples_read, truth.served_points())
    compare("samples_stored", matched.rows, truth.served_points())
    receipts = [await api.get(f"gateways/{gateway}/delivery") for gateway in numbered]
    lanes = [lane for receipt in receipts for lane in receipt["lanes"]]
    compare(
        "batches_stored",
        sum(lane["batches"] for lane in lanes),
        sum(sum(one.values()) for one in numbered.values()),
    )
    lost = sum(lane["missing_count"] + lane["quarantined"] + len(lane["gaps"]) for lane in lanes)
    lost += sum(receipt["quarantined_payloads"] for receipt in receipts)
    compare("batches_missing_or_refused", lost, 0)
    compare("samples_missing", matched.missing, 0)
    compare("samples_doubled", matched.doubled, 0)
    compare("samples_wrong", matched.wrong, 0)
    moves = await _moves(api, site, profiles, run)
    for edge in ("raised", "cleared"):
        facts = Counter((fact.device, fact.event) for fact in truth.edges(edge))
        counted = Counter({key[:2]: n for key, n in moves.items() if key[2] == edge})
        compare(f"alarms_{edge}", counted.total(), facts.total())
        for key in sorted(set(facts) | set(counted)):
            if facts[key] != counted[key]:
                notes.append(
                    f"{'.'.join(key)} {edge}: {counted[key]} at the server, {facts[key]} on the wire"
                )
    reads = await _reads(api, site, period)
    right = sum(_read_agrees(row, truth, site, profiles, notes) for row in reads)
    compare("period_reads", right, len(_registers(site, profiles)) if period[0] else 0)
    return Summary(
        ok=all(one.agrees for one in compared.values()),
        devices=compared["devices"].counted,
        samples_read=samples_read,
        batches_stored=compared["batches_stored"].counted,
        samples_missing=matched.missing,
        samples_doubled=matched.doubled,
        alarms_raised=compared["alarms_raised"].counted,
        alarms_cleared=compared["alarms_cleared"].counted,
        period_reads=len(reads),
        compared=compared,
        seconds=round((run[1] - run[0]) / 1000, 1),
        notes=notes,
    )


async def _moves(
    api: Api, site: Site, profiles: Mapping[str, Profile], run: tuple[int, int]
) -> Counter[tuple[str, str, str]]:
    """Count what alarms of devices did; those that the server or a gateway raises about itself are no edges."""
    known = {(device.id, event) for _, device in site.devices() for event in profiles[device.profile].events}
    moves = await api.alarm_moves(site.site, iso(run[0]), iso(run[1]))
    return Counter(move for move in moves if move[:2] in known)


async def _reads(api: Api, site: Site, period: tuple[int, int]) -> list[dict[str, Any]]:
    if not period[0] or period[1] <= period[0]:  # it ended before every meter had been read once
        return []
    feed = await api.get("meters/reads", site=site.site, **{"from": iso(period[0]), "to": iso(period[1])})
    rows: list[dict[str, Any]] = feed["rows"]
    return rows


def _read_agrees(
    row: Mapping[str, Any], truth: Truth, site: Site, profiles: Mapping[str, Profile], notes: list[str]
) -> bool:
    """Whether both boundary values are true readings or lie between two, and the consumption follows from them."""
    device = next(one for _, one in site.devices() if one.id == row["device"])
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


def _registers(site: Site, profiles: Mapping[str, Profile]) -> set[tuple[str, str]]:
    return {
        (device.id, name)
        for _, device in site.devices()
        if device.meter is not None
        for name, point in profiles[device.profile].points.items()
        if point.billing
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
