"""The tools on real sockets and a real pseudo-terminal: what is there is found, read, and shown as it is."""

import asyncio
from decimal import Decimal

import pytest

from drivers import capture
from drivers.errors import DriverError, LineDown, Misconfigured
from drivers.profiles_store import load_library
from gateway.tools.jobs import TOOLS
from messages.tool_args import TOOLS as KNOWN
from messages.tool_args import tool_args
from messages.tools import check_plain
from tests.support.tools import SITE, Told, shop
from tests.support.waiting import until


def test_every_tool_that_can_be_asked_for_exists():
    assert TOOLS.keys() == KNOWN.keys()


async def test_a_scan_of_a_tcp_line_finds_who_answers_and_what_it_is(tmp_path):
    async with shop(tmp_path) as it:
        told = await it.run("scan", "net", units="1-6", timeout_ms=1000, per_second=100)
    rows = told.by("unit")
    assert rows.keys() == {1, 2}
    assert rows[1]["configured"] == "m-1"
    assert (rows[1]["baud"], rows[1]["parity"]) == (None, None)
    for unit, profile in ((1, "eastron-sdm630"), (2, "chint-dtsu666")):
        best = rows[unit]["profiles"][0]
        assert (best["profile"], best["score"] >= 70) == (profile, True), rows[unit]
        assert "plausible" in best["why"]
        assert all(other["score"] < best["score"] - 20 for other in rows[unit]["profiles"][1:])
    assert told.result == {"found": 2, "asked": 6, "settings": 1, "noise": 0, "refused": [], "alike": 0}
    assert [p["done"] for p in told.progress] == list(range(7))
    assert told.progress[-1]["left_s"] == 0
    for row in told.rows:
        check_plain(row, "row")


async def test_a_scan_of_a_bus_finds_devices_at_their_own_rate_only_and_spares_those_it_has_found(tmp_path):
    async with shop(tmp_path) as it:
        asked = {"units": "3,4,9", "bauds": [38400, 19200, 9600], "timeout_ms": 500, "per_second": 100}
        told = await it.run("scan", "bus", **asked, identify=False)
    rows = told.by("unit")
    assert {unit: (row["baud"], row["parity"]) for unit, row in rows.items()} == {
        3: (19200, "N"),
        9: (19200, "N"),
    }
    assert (rows[3]["configured"], rows[9]["configured"]) == ("m-3", None)
    # Three, three, and the one that had not answered.
    assert (told.result["asked"], it.world.counters.lines["bus"].requests) == (9, 3)


ALL = sorted(name for name, profile in load_library().items() if profile.protocol == "modbus")
ALL_SIM = "site: s\ntick: 50ms\nlines:\n  - id: net\n    tcp: 127.0.0.1:0\n    devices:\n" + "".join(
    f"      - {{id: d{unit}, profile: {name}, unit: {unit}}}\n" for unit, name in enumerate(ALL, 1)
)
BARE = 'site: s\ngateway: g\nbroker: {{url: "mqtt://127.0.0.1:{broker}"}}\nlines:\n  - {{id: net, tcp: "{net}"}}\n'


async def test_every_shipped_model_is_told_from_all_others(tmp_path):
    async with shop(tmp_path, sim=ALL_SIM, text=BARE) as it:
        # Counters that have not begun to count tell nothing.
        await until(lambda: it.world.now >= 1, within=30)
        told = await it.run("scan", "net", units=f"1-{len(ALL)}", timeout_ms=2000, per_second=100)
    assert len(told.rows) == len(ALL)
    for row in told.rows:
        assert [one["profile"] for one in row["profiles"]][:1] == [ALL[row["unit"] - 1]], row


async def test_a_scan_keeps_its_rate(tmp_path):
    async with shop(tmp_path) as it:
        began = asyncio.get_running_loop().time()
        await it.run("scan", "net", units="1-8", timeout_ms=20, per_second=10, identify=False)
        assert asyncio.get_running_loop().time() - began >= 0.7


async def test_baud_on_a_tcp_line_is_a_misunderstanding(tmp_path):
    async with shop(tmp_path) as it:
        with pytest.raises(Misconfigured, match="serial server"):
            await it.run("scan", "net", bauds=[9600])


async def test_a_scan_ends_at_once_when_it_is_stopped(tmp_path):
    async with shop(tmp_path) as it:
        told = Told()
        async with it.work("net", told) as work:
            args = tool_args("scan", {"units": "1-255", "timeout_ms": 5000})
            task = asyncio.create_task(TOOLS["scan"](work, args))
            async with asyncio.timeout(5):
                await told.more.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                async with asyncio.timeout(1):
                    await task
            assert work.result["found"] >= 1


async def test_a_line_that_is_not_there_is_said_to_be_down(tmp_path):
    async with shop(tmp_path, text=SITE.replace("tcp: {net}", "tcp: 127.0.0.1:1")) as it:
        with pytest.raises(LineDown, match=r"127\.0\.0\.1:1"):
            await it.run("scan", "net")


async def test_reading_a_device_shows_raw_words_and_every_order(tmp_path):
    async with shop(tmp_path) as it:
        told = await it.run("read", "net", device="m-1")
        rows = told.by("point")
        point = rows["voltage_l1"]
        assert (point["quality"], point["unit"], point["type"]) == ("good", "V", "float32")
        assert len(point["raw"]) == 9
        orders = {(one["order"], one["type"]): one["value"] for one in point["orders"]}
        assert orders["big", "float32"] == point["value"]
        assert ("little", "uint32") in orders
        assert told.result == {"points": len(rows), "good": len(rows), "bad": 0}
        shown = str(Decimal(point["value"]).quantize(Decimal("0.1")))
        one = (await it.run("read", "net", device="m-1", points=["voltage_l1"], display=shown)).rows
    assert [row["point"] for row in one] == ["voltage_l1"]
    # The voltage has moved on since: only its last digit may differ, so ask by what was read now.
    assert all(match["value"] for match in one[0]["display"])


async def test_which_of_these_is_on_the_display(tmp_path):
    sim = (
        "site: s\nlines:\n  - {id: net, tcp: 127.0.0.1:0, devices: [{id: d, profile: bench-all-types, unit: 1, \
physics: {values: {u32: 9999.99, i32_little: -1234567.891}}}]}\n"
    )
    text = 'site: s\ngateway: g\nbroker: {{url: "mqtt://127.0.0.1:{broker}"}}\nlines:\n  - {{id: net, tcp: "{net}"}}\n'
    async with shop(tmp_path, sim=sim, text=text) as it:
        profile = it.world.profiles["bench-all-types"]
        for point, shown in (("u32", "9999.99"), ("i32_little", "-1234567.891")):
            at = profile.points[point].at
            asked = {"unit": 1, "table": at["table"], "address": at["address"], "count": 2, "display": shown}
            first = (await it.run("read", "net", **asked)).rows[0]
            best = {(one["order"], one["type"], one["exp"]) for one in first["display"]}
            assert (at.get("order", "big"), at["type"], profile.points[point].exp) in best


async def test_reading_a_unit_as_another_profile(tmp_path):
    async with shop(tmp_path) as it:
        told = await it.run("read", "bus", unit=9, profile="gatehouse-demo-air")
        assert told.by("point")["temperature"]["quality"] == "good"
        with pytest.raises(Misconfigured, match="profiles"):
            await it.run("read", "bus", unit=9, profile="no-such")
        with pytest.raises(Misconfigured, match="it has m-1, m-2"):
            await it.run("read", "net", device="m-3")
        with pytest.raises(Misconfigured, match="has no point"):
            await it.run("read", "net", device="m-1", points=["colour"])


async def test_who_does_not_answer_is_told_point_by_point(tmp_path):
    async with shop(tmp_path) as it:
        rows = (await it.run("read", "net", unit=77, profile="gatehouse-demo-air", timeout_ms=50)).rows
    assert {row["quality"] for row in rows} == {"bad.timeout"}
    assert all(row["value"] is None and row["trouble"] for row in rows)


async def test_watching_reads_again_and_again(tmp_path):
    async with shop(tmp_path) as it:
        told = await it.run("watch", "net", devices=["m-1"], points=["voltage_l1"], every_ms=200, for_s=1)
    assert 3 <= len(told.rows) <= 6
    assert told.rows[-1]["reads"] == len(told.rows)
    assert told.result["errors"] == 0


async def test_a_trace_shows_frames_with_their_words(tmp_path):
    async with shop(tmp_path) as it:
        told = Told()
        async with it.work("bus", told) as work:
            tracing = asyncio.create_task(TOOLS["trace"](work, tool_args("trace", {"for_s": 1})))
            await asyncio.sleep(0)
            reading = Told()
            other = type(work)(work.site, work.line, work.wire, reading.row)
            await TOOLS["read"](other, tool_args("read", {"device": "m-3", "points": ["voltage_l1"]}))
            await tracing
    assert [row["dir"] for row in told.rows] == ["tx", "rx"]
    assert [row["crc"] for row in told.rows] == ["ok", "ok"]
    assert {row["unit"] for row in told.rows} == {3}
    assert "Read Input Registers" in told.rows[0]["text"]
    assert told.result == {"frames": 2, "bad": 0, "dropped": 0}


async def test_a_trace_makes_a_capture_also_when_it_is_stopped(tmp_path):
    async with shop(tmp_path) as it:
        told = Told()
        async with it.work("bus", told) as work:
            args = tool_args("trace", {"for_s": 600, "record": True, "blur": True})
            tracing = asyncio.create_task(TOOLS["trace"](work, args))
            await asyncio.sleep(0)
            other = type(work)(work.site, work.line, work.wire, Told().row)
            await TOOLS["read"](other, tool_args("read", {"device": "m-3", "points": ["voltage_l1"]}))
            async with asyncio.timeout(20):
                while len(told.rows) < 2:
                    told.more.clear()
                    await told.more.wait()
            tracing.cancel()
            with pytest.raises(asyncio.CancelledError):
                await tracing
    path = tmp_path / "capture.yaml"
    path.write_text("\n".join(told.result["capture"]), encoding="utf-8")
    [one] = capture.read(path)
    assert (one.profile, told.result["captured"]) == ("eastron-sdm630", 1)
    assert one.example.request.startswith("01"), "no unit of the site"
    check_plain(told.result, "result")


async def test_a_request_of_ones_own(tmp_path):
    async with shop(tmp_path) as it:
        row = (await it.run("ask", "net", unit=1, pdu="0400000002")).rows[0]
        assert row["reply"].startswith("04 04 ")
        refused = await it.run("ask", "net", unit=1, pdu="040FFF0001")
        assert refused.result["ok"]
        assert "illegal data address" in refused.rows[0]["text"]
        with pytest.raises(DriverError):
            await it.run("ask", "net", unit=99, pdu="0400000002", timeout_ms=50)


async def test_the_profiles(tmp_path):
    async with shop(tmp_path) as it:
        told = await it.run("profiles", "net")
    assert told.by("profile")["eastron-sdm630"]["class"] == "meter"
