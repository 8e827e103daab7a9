"""The whole gateway in this process: what was on the wire arrives once, exactly and in its lane."""

import asyncio
import urllib.request
from collections import Counter

import pytest

from gateway.app import GatewayTrouble, build
from gateway.polling import presence
from messages.codec import decode_batch
from messages.types import Edge, Lane, Outcome, Quality, Sample
from simulators.truth import Truth
from tests.support import place as place_support
from tests.support.place import Place, at_work

place, broker = place_support.place, place_support.broker  # the fixtures


@pytest.mark.slow
async def test_everything_that_was_on_the_wire_is_stored_once_and_exactly(place: Place):
    async with at_work(place):
        await place.toy.until(
            lambda: {device for device, _ in place.read_points()} >= {"m-1", "m-2", "w-1", "door", "panel"}
        )
        await place.toy.until(lambda: sum(event.code == "zone_3_fire" for event in place.events) == 2)
    truth = Truth.load(place.folder / "truth")
    served = Counter((row.device, point, value) for row, point, value in truth.served())
    stored = Counter(
        (sample.device, point, value)
        for sample in place.samples
        for point, value in sample.values.items()
        if sample.device != "air"
    )
    assert stored == served, "decimal for decimal, nothing lost, nothing doubled"
    assert place.toy.changed_bytes == []
    fire = [(event.device, event.edge) for event in place.events if event.code == "zone_3_fire"]
    assert fire == [("panel", Edge.RAISED), ("panel", Edge.CLEARED)]


@pytest.mark.slow
async def test_times_lanes_raw_bytes_and_bad_values(place: Place, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(presence, "FAIR_S", 0.0)
    async with at_work(place) as gateway:
        await place.toy.until(lambda: {s.device for s in place.samples} >= {"m-1", "m-2", "w-1", "air"})
        await place.toy.until(lambda: "air" in place.toy.states[-1].silent)
        reads = gateway.site.hash
    truth = Truth.load(place.folder / "truth")
    billing = {
        (d.id, name) for d in place.site.devices for name, point in d.profile.points.items() if point.billing
    }
    for (_, lane, _), payload in place.toy.payloads.items():
        for item in decode_batch(payload).items:
            if not isinstance(item, Sample):
                assert lane is Lane.ALARM
                continue
            ms = int(item.at.timestamp() * 1000)
            for point, value in item.values.items():
                assert ((item.device, point) in billing) == (lane is Lane.BILLING)
                if value is not None:
                    assert value in truth.value_at(item.device, point, ms - 150, ms + 150)
                if lane is Lane.BILLING and value is not None:
                    assert len(item.raw[point]) % 4 == 0
    air = [sample for sample in place.samples if sample.device == "air"]
    assert all(value is None for sample in air for value in sample.values.values())
    assert {quality for sample in air for quality in sample.bad.values()} == {Quality.TIMEOUT}
    assert place.toy.states[-1].config == reads


@pytest.mark.slow
async def test_birth_state_and_goodbye(place: Place):
    async with at_work(place) as gateway:
        await place.toy.until(lambda: bool(place.toy.births) and bool(place.toy.states))
        port = gateway.metrics_port
        await place.toy.until(lambda: len(place.samples) > 5)
        text = await asyncio.to_thread(
            lambda: urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5).read().decode()
        )
    birth = place.toy.births[0]
    assert birth.boot == gateway.boot
    assert [device.id for device in birth.devices] == ["m-1", "door", "panel", "m-2", "w-1", "air"]
    assert birth.profiles["gatehouse-demo-door"].actions["release"].expires_s == 15
    assert not birth.profiles["gatehouse-demo-fire-panel"].actions
    assert birth.lines[0].label == "The net"
    m2 = next(device for device in birth.devices if device.id == "m-2")
    assert m2.meter is not None
    assert m2.meter.multiplier == 30
    info = birth.profiles["acrel-adl400-secondary"].points
    assert {point.period_s for point in info.values() if point.billing} == {0.3}
    last = place.toy.states[-1]
    assert (last.online, last.why, last.boot) == (False, "stopped", gateway.boot)
    online = [state for state in place.toy.states if state.online]
    assert online
    assert set(online[-1].lanes) == {"alarm", "billing", "telemetry"}
    assert online[-1].free_disk
    for name in ("gatehouse_samples_read_total", "gatehouse_transactions_total", "gatehouse_journal_bytes"):
        assert name in text
    assert not (place.folder / "state" / "metrics.port").exists()


@pytest.mark.slow
async def test_a_door_is_released_once_and_a_fire_panel_never(place: Place):
    async with at_work(place):
        await place.toy.until(lambda: ("door", "unlocked") in place.read_points())
        await place.command("c1", "door")
        await place.toy.until(lambda: len(place.results) == 1)
        await place.command("c1", "door")
        await place.command("c2", "panel")
        await place.command("c3", "nobody")
        await place.command("c4", "door", action="burn")
        await place.command("c5", "door", seconds=-1)
        await place.command("c6", "door", seconds=3600)
        await place.toy.until(lambda: len(place.results) == 6)
    ends = {result.id: result.outcome for result in place.results}
    assert ends == {
        "c1": Outcome.VERIFIED,
        "c2": Outcome.REFUSED,
        "c3": Outcome.REFUSED,
        "c4": Outcome.REFUSED,
        "c5": Outcome.EXPIRED,
        "c6": Outcome.REFUSED,
    }
    first = next(result for result in place.results if result.id == "c1")
    assert first.read_back == {"unlocked": True}
    truth = Truth.load(place.folder / "truth")
    writes = [row for row in truth.replies if row.device == "door" and row.function in {5, 6, 15, 16}]
    assert len(writes) == 1


async def test_a_port_in_use_is_told_with_the_mend(place: Place):
    async with build(place.site) as gateway:
        text = place.path.read_text(encoding="utf-8")
        text = text.replace("127.0.0.1:0", f"127.0.0.1:{gateway.metrics_port}").replace(
            "state_dir: state", "state_dir: b"
        )
        place.path.write_text(text, encoding="utf-8")
        with pytest.raises(GatewayTrouble, match="choose another port"):
            async with build(place.site):
                pass
