"""The demo's reckoning notices every number that does not fit, and is content when all do."""

import asyncio
from copy import deepcopy
from typing import Any

import msgspec
import pytest

from drivers.profiles_store import load_library
from messages.types import Quality
from simulators.api_client import Api
from simulators.reckoning import Reckoning, Summary, iso
from simulators.reconcile import StoredRow
from simulators.site import Device, Line, Site
from simulators.truth import ChangeRow, FactRow, ReplyRow, Truth

T0 = 1_800_000_000_000
PROFILES = load_library()
SITE = Site(
    site="s",
    lines=(
        Line(
            id="l",
            tcp="127.0.0.1:0",
            devices=(
                Device(
                    id="m",
                    profile="acrel-adl400-secondary",
                    unit=1,
                    meter={"metering_point": "MP", "ct": "150/5"},
                ),
                Device(id="door", profile="gatehouse-demo-door", unit=2),
            ),
        ),
    ),
)
POINT = "active_energy_import"


def change(n: int, device: str, point: str, value: str | bool, registers: str) -> ChangeRow:
    return ChangeRow(
        n=n, t=T0 + 10_000 * (n - 1), device=device, point=point, value=value, registers=registers
    )


def reply(at: int, n: int, device: str, point: str) -> ReplyRow:
    return ReplyRow(
        t0=T0 + at,
        t1=T0 + at + 10,
        n=n,
        line="l",
        unit=1,
        device=device,
        function=3,
        fate="good",
        points=(point,),
    )


def edge(kind: str) -> FactRow:
    return FactRow(t=T0, kind="event", device="door", event="forced_open", edge=kind)


# The register turns over between two readings: 42949672.95 → 0.02, that is 0.03 kWh.
CHANGES = [
    change(1, "m", POINT, "42949672.95", "ffffffff"),
    change(2, "door", "forced_open", True, "0001"),
    change(3, "m", POINT, "0.02", "00000002"),
]
TRUTH = Truth(
    CHANGES,
    [reply(1000, 2, "m", POINT), reply(1500, 2, "door", "forced_open"), reply(60_000, 3, "m", POINT)],
    [edge("raised"), edge("cleared")],
)


def rows_of_truth() -> list[StoredRow]:
    """What a server holds that lost nothing."""
    rows = []
    for row, point, value in TRUTH.served():
        raw = TRUTH.registers_after(row.device, point, row.n)
        rows.append(StoredRow(row.device, point, row.t0 + 5, 0, value, Quality.GOOD, raw))
    return sorted(rows, key=lambda row: row.device)


def boundary(at: int, value: str) -> dict[str, Any]:
    return {
        "value": value,
        "at": iso(T0 + at),
        "method": "exact",
        "basis": [{"at": iso(T0 + at), "value": value}],
    }


GOOD: dict[str, Any] = {
    "devices": {
        "devices": [
            {"id": "m", "last_seen_at": "x"},
            {"id": "door", "last_seen_at": "x"},
            {"id": "spare", "last_seen_at": None},
        ]
    },
    "gateways/gw/delivery": {
        "lanes": [
            {"lane": "billing", "batches": 2, "missing_count": 0, "quarantined": 0, "gaps": []},
            {"lane": "telemetry", "batches": 1, "missing_count": 0, "quarantined": 0, "gaps": []},
        ],
        "quarantined_payloads": 0,
    },
    "meters/reads": {
        "rows": [
            {
                "device": "m",
                "register": POINT,
                "start": boundary(1005, "42949672.95"),
                "end": boundary(60_005, "0.02"),
                "consumption": "0.90",
                "multiplier": "30",
                "why": "",
            }
        ]
    },
    "moves": [
        ("door", "forced_open", "raised"),
        ("door", "forced_open", "cleared"),
        ("m", "device_silent", "raised"),
    ],
}


class Answers(Api):
    """A server that says what the test wants."""

    def __init__(self, said: dict[str, Any]) -> None:
        self._said = said

    async def get(self, path: str, **query: str | int) -> Any:
        return self._said[path]

    async def alarm_moves(self, site: str, start: str, end: str) -> list[tuple[str, str, str]]:
        return self._said["moves"]  # type: ignore[no-any-return]


def reckoned(
    said: dict[str, Any],
    *,
    read: int = 3,
    troubles: tuple[str, ...] = (),
    lost: int = 0,
    truth: Truth = TRUTH,
) -> Summary:
    reckoning = Reckoning(Answers(said), truth, SITE, PROFILES, run=(T0, T0 + 61_000), notes=list(troubles))
    rows = rows_of_truth()[lost:]
    work = reckoning.reckon(
        rows,
        numbered={"gw": {"billing": 2, "telemetry": 1}},
        samples_read=read,
        period=(T0 + 2000, T0 + 59_000),
    )
    return asyncio.run(work)


def test_all_is_well() -> None:
    summary = reckoned(GOOD)
    assert summary.ok, summary
    assert (summary.devices, summary.samples_read, summary.batches_stored) == (2, 3, 3)
    assert summary.samples_held_to_values == 0
    assert (summary.samples_missing, summary.samples_doubled) == (0, 0)
    assert (summary.alarms_raised, summary.alarms_cleared, summary.period_reads) == (1, 1, 1)
    assert summary.notes == []


def test_a_row_that_stands_for_two_equal_reads_of_one_millisecond_is_stored_once_and_read_twice() -> None:
    again = reply(1001, 2, "m", POINT)
    truth = Truth(CHANGES, [*TRUTH.replies, msgspec.structs.replace(again, t1=again.t1 - 1)], TRUTH.facts)
    summary = reckoned(GOOD, truth=truth, read=4)
    assert summary.ok, summary
    assert summary.compared["samples_stored"].counted == 3


def broken(*path: str | int, value: Any) -> dict[str, Any]:
    said = deepcopy(GOOD)
    place: Any = said
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    return said


ROW = ("meters/reads", "rows", 0)
LANE = ("gateways/gw/delivery", "lanes", 0)


@pytest.mark.parametrize(
    ("said", "key"),
    [
        (broken("devices", "devices", 0, "last_seen_at", value=None), "devices"),
        (broken(*LANE, "batches", value=1), "batches_stored"),
        (broken(*LANE, "missing_count", value=1), "batches_missing_or_refused"),
        (broken(*LANE, "quarantined", value=1), "batches_missing_or_refused"),
        (broken(*LANE, "gaps", value=[{}]), "batches_missing_or_refused"),
        (broken("gateways/gw/delivery", "quarantined_payloads", value=1), "batches_missing_or_refused"),
        (broken("moves", value=GOOD["moves"][1:]), "alarms_raised"),
        (broken("moves", value=[*GOOD["moves"], GOOD["moves"][1]]), "alarms_cleared"),
        (broken("meters/reads", "rows", value=[]), "period_reads"),
        (broken(*ROW, "consumption", value="0.03"), "period_reads"),
        (broken(*ROW, "consumption", value=None), "period_reads"),
        (broken(*ROW, "multiplier", value="1"), "period_reads"),
        (broken(*ROW, "start", value=boundary(1005, "42949672.94")), "period_reads"),
        (broken(*ROW, "end", "value", value=None), "period_reads"),
        (broken(*ROW, "end", "value", value="0.03"), "period_reads"),
    ],
)
def test_what_the_server_says_otherwise_is_told(said: dict[str, Any], key: str) -> None:
    summary = reckoned(said)
    assert not summary.ok
    assert [name for name, row in summary.compared.items() if not row.agrees] == [key]


def test_what_the_gateways_or_the_rows_say_otherwise_is_told() -> None:
    assert not reckoned(GOOD, read=4).ok
    missing = reckoned(GOOD, lost=1)
    assert (missing.ok, missing.samples_missing) == (False, 1)
    assert "door.forced_open" in missing.notes[0]
    troubled = reckoned(GOOD, troubles=("a gateway was late",))
    assert all(row.agrees for row in troubled.compared.values())
    assert not troubled.ok
