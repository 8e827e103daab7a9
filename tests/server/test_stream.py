"""The live stream over a real HTTP server: no change is missed, whatever is lost on the way."""

import asyncio
import contextlib
from contextlib import asynccontextmanager
from datetime import timedelta
from decimal import Decimal
from urllib.parse import urlencode

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import delete

from messages.types import DeviceEvent, Edge, Lane, Sample
from server.auth.roles import Role
from server.db.engine import write
from server.db.tables_core import outbox
from server.retention import KEEP_CHANGES, prune
from server.stream import QUEUE_MOST, Cursor, parse_topics
from tests.support.waiting import alongside
from tests.support.web import CSRF, PASSWORD, Frames

URL = "/api/v1/stream"


@asynccontextmanager
async def listening(house, base, *, since="", topics="alarms", headers=None, auth=None):
    auth = auth or {"authorization": f"Bearer {house.token(Role.VIEWER)}"}
    path = f"{URL}?{urlencode({'since': since, 'topics': topics})}"
    asked = {"accept": "text/event-stream", "accept-encoding": "gzip", **auth, **(headers or {})}
    async with Frames.open(base, path, asked) as frames:
        assert frames.status == 200
        assert frames.headers["content-type"].startswith("text/event-stream")
        assert frames.headers["cache-control"] == "no-store"
        assert "content-encoding" not in frames.headers
        yield frames


async def in_thread(call, *args, **facts):
    return await asyncio.to_thread(call, *args, **facts)


async def cursor_of(house):
    async with house.machine(Role.VIEWER) as client:
        return (await client.get("/api/v1/alarms")).json()["cursor"]


async def test_a_change_arrives_after_its_commit(house):
    cursor = await cursor_of(house)
    async with house.serving() as base, listening(house, base, since=cursor) as frames:
        await frames.until("live")
        await in_thread(house.event, "fire-1", "zone3")
        (frame,) = await frames.until("alarms")
        assert [(alarm["code"], alarm["state"]) for alarm in frame["data"]] == [("zone3", "new")]
        assert frame["id"] == await cursor_of(house) or frame["id"].startswith(cursor.partition("-")[0])
        assert frame["data"][0]["q"] <= Cursor.parse(frame["id"]).seq


async def test_what_happened_while_away_is_made_up_for(house):
    house.event("door-1", "forced")
    cursor = await cursor_of(house)
    house.event("door-1", "forced", Edge.CLEARED)
    house.event("m-1", "overload")
    async with house.serving() as base, listening(house, base, since=cursor) as frames:
        found = await frames.until("live")
        alarms = {alarm["code"]: alarm["state"] for frame in found[:-1] for alarm in frame["data"]}
        assert alarms == {"forced": "cleared", "overload": "new"}
        last = [frame["id"] for frame in found[:-1]][-1]
    async with (
        house.serving() as base,
        listening(house, base, since="x", headers={"last-event-id": last}) as frames,
    ):
        assert [frame["event"] for frame in await frames.until("live")] == ["live"], "Last-Event-ID wins"


async def test_a_long_backlog_comes_in_frames_of_500(house):
    cursor = await cursor_of(house)
    events = [
        DeviceEvent(device="nobody", code=f"c{n}", edge=Edge.RAISED, seen_at=house.now) for n in range(1200)
    ]
    house.batch(*events, lane=Lane.ALARM)
    async with house.serving() as base, listening(house, base, since=cursor) as frames:
        found = (await frames.until("live"))[:-1]
    assert len(found) > 2
    assert max(len(frame["data"]) for frame in found) <= 500
    seqs = [Cursor.parse(frame["id"]).seq for frame in found]
    assert seqs == sorted(seqs)
    assert len({alarm["id"] for frame in found for alarm in frame["data"]}) == 1200


async def test_another_database_or_a_pruned_one_asks_for_a_new_snapshot(house):
    house.event("door-1", "forced")
    house.event("door-1", "forced", Edge.CLEARED)
    cursor = Cursor.parse(await cursor_of(house))
    with write(house.engine) as conn:
        conn.execute(delete(outbox).where(outbox.c.seq < cursor.seq))
    cases = [
        ("0000-1", "epoch"),
        ("nonsense", "epoch"),
        (f"{cursor.epoch}-0", "gap"),
        (f"{cursor.epoch}-999999", "gap"),
    ]
    async with house.serving() as base:
        for since, why in cases:
            async with listening(house, base, since=since) as frames:
                found = await frames.until("live")
                assert [(one["event"], one["data"]) for one in found[:-1]] == [("reset", {"why": why})]
                assert found[0]["id"] == str(cursor)
        just_before = f"{cursor.epoch}-{cursor.seq - 1}"
        async with listening(house, base, since=just_before, topics="alarms,devices") as frames:
            assert [one["event"] for one in await frames.until("live")] == ["devices", "live"]


async def test_a_heartbeat_moves_the_cursor_and_tells_the_time(house):
    async with house.serving() as base, listening(house, base, topics="alarms") as frames:
        frame = (await frames.until("hb", skip=("live",)))[-1]
        assert frame["data"] == int(house.now.timestamp() * 1000)
        assert frame["id"] == await cursor_of(house)


async def test_devices_roll_up_their_alarms_and_gateways_come_along(house):
    cursor = await cursor_of(house)
    async with house.serving() as base, listening(house, base, since=cursor, topics="devices") as frames:
        await frames.until("live")
        await in_thread(house.event, "fire-1", "zone3")
        (frame,) = await frames.until("devices")
        (device,) = frame["data"]
        assert (device["id"], device["open_alarms"], device["worst"]) == ("fire-1", 1, "critical")
        house.be_born(boot_again(house))
        frame = (await frames.until("gateways", skip=("hb", "devices")))[-1]
        assert frame["data"][0]["id"] == "gw-a"


def boot_again(house):
    from tests.support.web import house_birth

    return house_birth(boot="b9")


async def test_values_of_a_watched_device_only(house):
    def measure(device, value):
        sample = Sample(device=device, at=house.now, values={"energy": Decimal(value)})
        house.batch(sample, lane=Lane.BILLING)

    async with house.serving() as base, listening(house, base, topics="values:garden/m-1") as frames:
        await frames.until("live")
        assert house.hub.watched() == {("garden", "m-1")}
        await in_thread(measure, "fire-1", "1.0")
        await in_thread(measure, "m-1", "12.50")
        frame = (await frames.until("values"))[-1]
        at = house.now.strftime("%Y-%m-%dT%H:%M:%S.000Z")
        assert frame["data"] == [["garden", "m-1", "energy", at, "12.50", "good"]]
        assert "id" not in frame
    while house.hub.readers:
        await asyncio.sleep(0)
    assert house.hub.watched() == frozenset()


async def test_a_stream_ends_with_its_session(house):
    house.user("wang", Role.GUARD)
    async with house.serving() as base, httpx.AsyncClient(base_url=base, headers=CSRF, timeout=20) as client:
        await client.post("/api/v1/session", json={"username": "wang", "password": PASSWORD})
        cookie = {"cookie": f"gatehouse={client.cookies['gatehouse']}"}
        async with listening(house, base, auth=cookie) as frames:
            await frames.until("live")
            await client.delete("/api/v1/session")
            assert (await frames.until("bye"))[-1]["data"] == {"why": "session"}
            with pytest.raises(EOFError):
                await frames.next()


async def test_a_server_that_stops_says_so_and_does_not_wait_for_readers(house):
    async with asyncio.timeout(8), house.serving() as base, listening(house, base) as frames:
        await frames.until("live")
        house.hub.close()
        assert (await frames.until("bye"))[-1]["data"] == {"why": "shutdown"}


async def test_nobody_holds_all_the_streams(house, monkeypatch):
    monkeypatch.setattr("server.stream.READERS_OF_ONE", 2)
    greedy, other = house.token(Role.VIEWER, "greedy"), house.token(Role.VIEWER, "other")

    def by(token):
        return {"authorization": f"Bearer {token}"}

    async with house.serving() as base, contextlib.AsyncExitStack() as held:
        for _ in range(2):
            frames = await held.enter_async_context(listening(house, base, auth=by(greedy)))
            await frames.until("live")
        async with Frames.open(base, "/api/v1/stream", by(greedy)) as refused:
            assert refused.status == 503
        async with listening(house, base, auth=by(other)) as frames:
            await frames.until("live")


async def test_a_reader_that_does_not_read_is_cut_off(house):
    """Straight at the hub: what the operating system buffers for a slow reader is not ours to say."""

    async def yes():
        return True

    stream = house.hub.stream("", parse_topics("alarms"), yes)
    async with alongside(house.hub.run()):
        assert b"retry" in await anext(stream)
        assert b"live" in await anext(stream)
        sleeper = next(iter(house.hub._readers))
        for number in range(QUEUE_MOST + 1):
            sleeper.offer(b"frame %d" % number)
        with pytest.raises(StopAsyncIteration):
            await anext(stream)
        assert house.hub.readers == 0


async def test_any_cut_is_made_good_by_the_cursor(house):
    """Read a few frames, drop the connection, come back: in the end the page shows what the database holds."""
    async with house.serving() as base:
        page: dict[str, dict] = {}
        cursor = await cursor_of(house)
        for turn in range(6):
            await in_thread(house.event, "door-1", f"c{turn % 3}", Edge.RAISED if turn % 2 else Edge.CLEARED)
            async with listening(house, base, since=cursor) as frames:
                await in_thread(house.event, "m-1", f"d{turn}")
                house.hub.notify()
                async with asyncio.timeout(10):
                    while f"d{turn}" not in {alarm["code"] for alarm in page.values()}:
                        frame = await frames.next()
                        cursor = frame.get("id", cursor)
                        for alarm in frame["data"] if frame["event"] == "alarms" else []:
                            if alarm["q"] >= page.get(alarm["id"], {"q": 0})["q"]:
                                page[alarm["id"]] = alarm
        async with house.machine(Role.VIEWER) as client:
            truth = (await client.get("/api/v1/alarms")).json()["alarms"]
    assert {one["id"]: one for one in truth} == page


async def test_topics_that_are_none(house):
    async with house.machine(Role.VIEWER) as client:
        for topics in ("everything", "values:", "values:a/b/c", "alarms,doors"):
            answer = await client.get(URL, params={"topics": topics})
            assert (answer.status_code, answer.json()["error"]["where"]) == (422, "query.topics")


@given(st.text(max_size=300))
def test_any_text_is_a_cursor_or_none(text):
    found = Cursor.parse(text)
    assert found is None or (found.seq >= 0 and found.epoch)


@given(st.from_regex(r"[0-9a-f]{1,16}", fullmatch=True), st.integers(0, 10**17))
def test_a_cursor_reads_back(epoch, seq):
    assert Cursor.parse(str(Cursor(epoch, seq))) == Cursor(epoch, seq)


def test_the_outbox_keeps_a_day_and_a_hundred_thousand(house):
    old = house.now - timedelta(hours=25)
    with write(house.engine) as conn:
        rows = [
            {"topic": "alarms", "object_id": "1", "site": "garden", "at": old}
            for _ in range(KEEP_CHANGES + 100)
        ]
        conn.execute(outbox.insert(), rows)
        gone = prune(conn, house.now)
        assert 100 <= gone < 150
        assert prune(conn, house.now) == 0
