"""The archive over HTTP: tree, points, history, receipts and quarantine."""

import tracemalloc
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from messages.codec import encode
from messages.topics import Address
from messages.types import GatewayState, Lane, Quality, Sample
from server.api.devices import DeviceDetail, PointHistory, Tree
from server.api.gateways import Gateway, Receipt
from server.api.quarantine import Rows
from server.auth.roles import Role
from server.ingest.writer import Incoming
from server.views.history import Sampled, thin
from tests.support.ingest import up
from tests.support.web import ADDRESS, house_birth

DEVICES = "/api/v1/devices"


def measure(house, value, *, at=None, device="m-1", **facts):
    values = {"energy": None if value is None else Decimal(value), "volts": Decimal("230.1")}
    house.batch(Sample(device=device, at=at or house.now, values=values, **facts), lane=Lane.BILLING)


async def test_the_tree(house):
    house.event("fire-1", "zone3")
    house.event("fire-1", "odd")
    async with house.machine(Role.VIEWER) as client:
        found = (await client.get(DEVICES)).json()
    Tree.model_validate(found)
    assert found["cursor"].partition("-")[2].isdigit()
    (gateway,) = found["gateways"]
    assert gateway["timezone"] == "Asia/Shanghai"
    assert (gateway["id"], gateway["online"], gateway["devices"]) == ("gw-a", True, 4)
    devices = {device["id"]: device for device in found["devices"]}
    assert devices["m-1"]["meter"] == {
        "metering_point": "MP-A-101",
        "multiplier": "30",
        "reader": "张三",
        "serial": "SN1",
        "rated_per_h": {},
    }
    assert devices["lift-1"]["meter"] is None
    assert (devices["fire-1"]["open_alarms"], devices["fire-1"]["worst"]) == (2, "critical")
    assert (devices["m-1"]["open_alarms"], devices["m-1"]["worst"]) == (0, None)


async def test_a_device_that_its_gateway_no_longer_names_leaves_the_tree_and_stays_readable(house):
    house.be_born(house_birth(devices=house_birth().devices[1:], boot="b2", config="sha256:" + "1" * 64))
    async with house.machine(Role.VIEWER) as client:
        assert "m-1" not in {device["id"] for device in (await client.get(DEVICES)).json()["devices"]}
        found = (await client.get(f"{DEVICES}/garden/m-1")).json()
    assert found["device"]["lifecycle"] == "removed"
    assert found["states"]


async def test_a_value_is_shown_with_its_quality_and_its_age(house):
    measure(house, "1234.50")
    measure(house, None, at=house.now + timedelta(seconds=5), bad={"energy": Quality.TIMEOUT})
    house.settle()
    house.pass_time(seconds=12)
    async with house.machine(Role.VIEWER) as client:
        found = (await client.get(f"{DEVICES}/garden/m-1")).json()
        DeviceDetail.model_validate(found)
        assert (await client.get(f"{DEVICES}/garden/nobody")).status_code == 404
        assert (await client.get(f"{DEVICES}/garden/..%2F")).status_code in {404, 422}
    energy, volts = sorted(found["points"], key=lambda point: point["id"])
    assert (energy["value"], energy["quality"], energy["age_s"]) == (None, "bad.timeout", 7)
    assert (volts["value"], volts["unit"], volts["label_zh"]) == ("230.1", "V", "")
    assert found["states"], "its conn became online"


async def test_history_is_what_was_stored(house):
    for second in range(5):
        measure(house, f"{second}.50", at=house.now + timedelta(seconds=second))
    async with house.machine(Role.VIEWER) as client:
        url = f"{DEVICES}/garden/m-1/history"
        until = (house.now + timedelta(hours=1)).isoformat()
        query = {"point": "energy", "from": house.now.isoformat(), "to": until}
        found = (await client.get(url, params=query)).json()
        PointHistory.model_validate(found)
        first = int(house.now.timestamp() * 1000)
        assert found["rows"] == [[first + 1000 * n, f"{n}.50", "good"] for n in range(5)]
        assert (found["unit"], found["thinned"]) == ("kWh", False)
        assert len((await client.get(url, params=query | {"limit": 2})).json()["rows"]) <= 5
        wrong = (
            {"point": "nope"},
            {"point": ""},
            {"point": "energy", "from": until, "to": house.now.isoformat()},
        )
        assert [(await client.get(url, params=one)).status_code for one in wrong] == [404, 422, 422]
        long = {"point": "energy", "from": "1990-01-01T00:00:00Z"}
        assert (await client.get(url, params=long)).status_code == 422


async def test_a_span_of_too_many_samples_is_refused_and_not_cut(house, monkeypatch):
    """The end of a chart that is left out looks like a hole."""
    for second in range(12):
        house.pass_time(seconds=1)
        house.batch(Sample(device="m-1", at=house.now, values={"energy": Decimal(second)}), lane=Lane.BILLING)
    async with house.machine(Role.VIEWER) as client:
        for most, status in ((12, 200), (11, 422)):
            monkeypatch.setattr("server.views.history.READ_MOST", most)
            answer = await client.get(f"{DEVICES}/garden/m-1/history", params={"point": "energy"})
            assert answer.status_code == status
    assert answer.json()["error"]["code"] == "too_much"


samples = st.lists(
    st.tuples(st.integers(0, 10**6), st.one_of(st.none(), st.decimals(0, 100, places=1))),
    max_size=300,
    unique_by=lambda one: one[0],
)


@given(samples, st.integers(2, 50))
def test_thinning_keeps_the_peak_the_dip_and_the_ends(found, limit):
    rows = [
        Sampled(ms, value, Quality.GOOD if value is not None else Quality.TIMEOUT)
        for ms, value in sorted(found)
    ]
    kept, count = thin(iter(rows), limit, 0, 10**6 + 1)
    assert count == len(rows)
    assert kept == sorted(kept, key=lambda row: row.ms)
    assert set(kept) <= set(rows)
    assert len(kept) <= max(limit, 5)
    if rows:
        assert (kept[0], kept[-1]) == (rows[0], rows[-1])
        numbers = [row.value for row in rows if row.value is not None]
        if numbers:
            shown = [row.value for row in kept if row.value is not None]
            assert (min(shown), max(shown)) == (min(numbers), max(numbers))
        assert any(row.value is None for row in kept) == any(row.value is None for row in rows)


async def test_the_receipt_counts_what_is_missing(house):
    sample = Sample(device="m-1", at=house.now, values={"energy": Decimal(1)})
    house.store(up(1, sample, address=ADDRESS), up(4, sample, address=ADDRESS))
    async with house.machine(Role.VIEWER) as client:
        found = (await client.get("/api/v1/gateways/gw-a/delivery")).json()
        Receipt.model_validate(found)
        (lane,) = [one for one in found["lanes"] if one["lane"] == "telemetry"]
        assert (lane["stored_through"], lane["highest_seen"], lane["missing"]) == (1, 4, [[2, 3]])
        assert lane["last_at"] == "2026-11-22T10:00:00.000Z"
        gateway = (await client.get("/api/v1/gateways/gw-a")).json()
        Gateway.model_validate(gateway)
        assert [one["id"] for one in (await client.get("/api/v1/gateways")).json()["gateways"]] == ["gw-a"]
        for path in ("nobody", "nobody/delivery", "gw-a?site=elsewhere", "gw-a/delivery?site=elsewhere"):
            assert (await client.get(f"/api/v1/gateways/{path}")).status_code == 404


@pytest.mark.parametrize("path", ["", "/delivery", "/config", "/lines"])
async def test_a_name_that_two_sites_use_is_asked_back_not_guessed(house, path):
    other = Address("tower-two", "gw-a")
    state = GatewayState(online=True, boot="b9", at=house.now, epoch="e9")
    house.store(Incoming(other.state, encode(state)))
    async with house.machine(Role.ENGINEER) as client:
        refused = await client.get(f"/api/v1/gateways/gw-a{path}")
        assert (refused.status_code, refused.json()["error"]["code"]) == (409, "which_site")
        if not path:
            told = (await client.get("/api/v1/gateways/gw-a?site=tower-two")).json()
            assert (told["site"], told["id"]) == ("tower-two", "gw-a")


async def test_quarantine_shows_what_came_made_safe(house):
    house.store(Incoming(ADDRESS.up(Lane.BILLING), b'{"not": "a batch\x1b[31m"}'))
    async with house.machine(Role.ENGINEER) as client:
        found = (await client.get("/api/v1/quarantine", params={"gateway": "gw-a"})).json()
        assert (await client.get("/api/v1/quarantine", params={"gateway": "gw-b"})).json() == {"rows": []}
    Rows.model_validate(found)
    (row,) = found["rows"]
    assert "\x1b" not in row["payload"]
    assert row["reason"]
    async with house.machine(Role.GUARD) as client:
        assert (await client.get("/api/v1/quarantine")).status_code == 403


@pytest.mark.parametrize("role", list(Role))
async def test_everybody_who_is_somebody_may_look(house, role):
    async with house.machine(role) as client:
        for path in ("alarms", "devices", "gateways", "meters/reads", "alarms/history"):
            assert (await client.get(f"/api/v1/{path}")).status_code == 200, (role, path)


async def test_a_look_at_quarantine_does_not_load_it_all(house):
    for number in range(30):
        noise = b"%d" % number + "火".encode() * 130_000
        house.store(Incoming(ADDRESS.up(Lane.ALARM), noise))
    async with house.machine(Role.ENGINEER) as client:
        assert (await client.get("/api/v1/quarantine", params={"limit": 1})).status_code == 200
        tracemalloc.start()
        rows = (await client.get("/api/v1/quarantine")).json()["rows"]
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert [row["size"] for row in rows] == [390_002] * 20 + [390_001] * 10
    assert rows[-1]["payload"] == "0" + "火" * 3998 + "…"
    assert peak < 5_000_000, f"{peak} bytes for 30 rows"


def test_one_slice_of_a_million_rows_is_not_held_in_memory():
    rows = (Sampled(n, Decimal(n % 977), Quality.GOOD) for n in range(200_000))
    tracemalloc.start()
    shown, count = thin(rows, 2, 0, 200_000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (count, [row.value for row in shown]) == (200_000, [0, 976, 199_999 % 977])
    assert peak < 1_000_000
