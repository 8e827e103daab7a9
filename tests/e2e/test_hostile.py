"""Hostile input to a running installation: a clear error that names the place, nothing lost, neighbours unaffected."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from messages.broker import BrokerAddress, BrokerLost, Publication
from messages.codec import MAX_BATCH_BYTES, MAX_BIRTH_BYTES, encode
from messages.topics import Address
from messages.types import Batch, Lane, Sample
from simulators.processes import ProcessFailed, until
from simulators.reconcile import stored_rows
from tests.support import hostile
from tests.support.installation import Installation, installation

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(600)]

MINE, GW_A = Address("block", "gw-x"), Address("block", "gw-a")
AT = datetime(2026, 3, 1, tzinfo=UTC)


async def whole(site: Installation, *, quarantined: int) -> None:
    """Every value that a device served is a row, once; nothing else is; and this much is in quarantine."""
    outcome = await site.finish()
    doubled = [each for each in outcome.doubled if not each.startswith("mine.")]
    assert (doubled, outcome.wrong, outcome.missing) == ([], [], [])
    assert all(given == held for lanes in outcome.batches.values() for given, held in lanes.values())
    assert (outcome.quarantined, outcome.gaps) == (quarantined, 0)


def batch(seq: int, items: Any = None, **other: Any) -> bytes:
    """A batch of `gw-x` as it would be right, with what is wrong in it laid over."""
    item = Sample(device="mine", at=AT + timedelta(seconds=seq), values={"energy": Decimal(seq)})
    payload = encode(Batch(gateway="gw-x", epoch="e1", lane=Lane.TELEMETRY, seq=max(seq, 1), items=(item,)))
    body = {**msgspec.json.decode(payload), "seq": seq, **other}
    return msgspec.json.encode(body if items is None else {**body, "items": items})


def sample(**values: Any) -> dict[str, Any]:
    return {"type": "sample", "device": "mine", "at": "2026-03-01T00:00:00Z", "values": values}


# What, where, and the words that whoever reads the quarantine finds. Numbered ones are answered as rejected.
NUMBERED: list[tuple[bytes, str]] = [
    (batch(1, v=2), "version 2"),
    (batch(2, items={}), "items"),
    (batch(3, items=[{}] * 2001), "2000"),
    (batch(4, items=[sample(note="x" * (MAX_BATCH_BYTES + 1))]), str(MAX_BATCH_BYTES)),
    (batch(5, items=[sample(energy="1.5"), sample(energy=1.5)]), "float"),
    (batch(6, items=[{"type": "confession"}]), "confession"),
    (batch(7, items=[{**sample(energy="1"), "at": "2026-03-01T00:00:00"}]), "without a zone"),
    (batch(8, items=[{**sample(energy="1"), "device": "../etc"}]), "device"),
]
TELEMETRY = MINE.up(Lane.TELEMETRY)
UNNUMBERED: list[tuple[str, bytes, str]] = [
    (TELEMETRY, b"\xff\x00 no json", "malformed"),
    (TELEMETRY, b"[" * 100_000, ""),
    (TELEMETRY, batch(9)[:-20], "truncated"),
    (TELEMETRY, batch(-3), "seq"),
    (TELEMETRY, batch(9, gateway="gw-a"), "another gateway"),
    (MINE.up(Lane.ALARM), batch(9), "another gateway or lane"),
    (MINE.base + "/up/cargo", batch(9), "no lane"),
    (MINE.birth, b"{}", "site"),
    (MINE.birth, b"x" * (MAX_BIRTH_BYTES + 1), str(MAX_BIRTH_BYTES)),
    (MINE.birth, b'{"site": "block", "gateway": "gw-a"}', "missing"),
    (MINE.state, b'{"online": "perhaps"}', "online"),
    (MINE.state, b'{"online": true, "boot": "b", "epoch": "../.."}', "epoch"),
]


@pytest.mark.long(30)
async def test_who_means_harm_on_the_broker_reaches_nobody_and_costs_nobody_a_row(tmp_path: Path) -> None:
    async with installation(tmp_path) as site:
        address = await hostile.account(site, MINE.gateway)
        await no_other_branch_is_reached(site, address)
        await site.served(300)
        await garbage_is_quarantined(site, address)


async def no_other_branch_is_reached(site: Installation, address: BrokerAddress) -> None:
    """What a gateway's account says or asks for outside its own branch."""
    before = await site.api.get("gateways")
    theirs = [
        Publication(GW_A.up(Lane.ALARM), batch(10_000, gateway="gw-a", lane="alarm")),
        Publication(GW_A.birth, b"{}", retain=True),
        Publication(GW_A.state, b'{"online": false, "boot": "b"}', retain=True),
        Publication(GW_A.command("c1"), b"{}"),
        Publication(GW_A.stored(Lane.BILLING), b"{}"),
        Publication(Address("other", "gw-x").up(Lane.ALARM), batch(1, lane="alarm")),
        Publication(MINE.up(Lane.ALARM), b"x" * 2_000_000),
    ]
    for publication in theirs:
        # A broker may close the connection, or take it and drop it: either will do.
        with suppress(BrokerLost):
            async with hostile.on_the_broker(address, "somebody") as session:
                await session.publish(publication)
    for topic in (GW_A.stored_filter, GW_A.command_filter, "gatehouse/1/#", "#", "$SYS/#"):
        async with hostile.on_the_broker(address, "somebody") as session:
            with pytest.raises(BrokerLost, match="refuses a subscription"):
                await session.subscribe([topic])
    assert (await site.api.get("quarantine"))["rows"] == []
    after = await site.api.get("gateways")
    assert [one["id"] for one in after["gateways"]] == [one["id"] for one in before["gateways"]]
    assert all(one["online"] for one in after["gateways"])


async def garbage_is_quarantined(site: Installation, address: BrokerAddress) -> None:
    """What it may say, and means harm with; then all is reconciled."""
    async with hostile.on_the_broker(address, "somebody") as session:
        await session.subscribe([MINE.stored_filter])
        for payload, _ in NUMBERED:
            await session.publish(Publication(TELEMETRY, payload))
        answers = await hostile.stored(session, Lane.TELEMETRY, len(NUMBERED))
        for topic, payload, _ in UNNUMBERED:
            await session.publish(Publication(topic, payload))
        await session.publish(Publication(TELEMETRY, batch(9), retain=True))
        await hostile.stored(session, Lane.TELEMETRY, 9)
    rejected = {one.seq: one for answer in answers for one in answer.rejected}
    assert sorted(rejected) == list(range(1, len(NUMBERED) + 1))
    for seq, (_, words) in enumerate(NUMBERED, start=1):
        assert words in rejected[seq].reason
    # A neighbour's box, taken over: what has no number cannot harm the numbers that are its own.
    async with hostile.on_the_broker(hostile.of_gateway(site, "gw-a"), "intruder") as session:
        await session.publish(Publication(GW_A.up(Lane.BILLING), b"noise"))
    rows = await quarantine(site, len(NUMBERED) + len(UNNUMBERED) + 1)
    for topic, payload, words in UNNUMBERED:
        assert any(
            row["topic"] == topic and row["size"] == len(payload) and words in row["reason"] for row in rows
        ), (topic, payload[:80], words)
    assert [row["topic"] for row in rows if row["gateway"] == "gw-a"] == [GW_A.up(Lane.BILLING)]
    receipt = await site.api.get("gateways/gw-x/delivery")
    assert [lane["quarantined"] for lane in receipt["lanes"] if lane["lane"] == "telemetry"] == [
        len(NUMBERED)
    ]
    # What the broker kept of the retained batch is told again to a new session, and is no reading.
    await site.kill_server()
    rows = await quarantine(site, len(rows) + 1)
    assert "retain" in rows[0]["reason"]
    await site.served(300)
    await whole(site, quarantined=len(rows))
    assert (await latest(site, "mine")) == {"energy": "9"}


async def quarantine(site: Installation, wanted: int) -> list[dict[str, Any]]:
    """All of the quarantine, newest first, once it holds so many rows."""
    rows: list[dict[str, Any]] = []

    async def look() -> bool | None:
        rows[:] = (await site.api.get("quarantine", limit=1000))["rows"]
        return True if len(rows) >= wanted else None

    with suppress(ProcessFailed):
        await until("quarantine", look, timeout=90, alive=[site.estate.server])
    assert len(rows) == wanted, [(row["topic"], row["size"], row["reason"]) for row in rows]
    return rows


async def latest(site: Installation, device: str) -> dict[str, Any]:
    """The newest row of each point in the database: a device that no birth names is in no view."""
    found = [row for row in stored_rows(site.estate.database, site.site.site) if row.device == device]
    return {row.point: str(row.value) for row in sorted(found, key=lambda row: row.at)}
