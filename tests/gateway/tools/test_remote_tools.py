"""Tools from afar: asked over a real broker, told once and in order, whatever becomes of the broker meanwhile."""

import asyncio
import itertools
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random

import pytest

from gateway.app import build
from messages.broker import Publication, Session, connect, stay_connected
from messages.tools import SaidKind, ToolRequest, ToolSaid, decode_tool_said, encode_tool
from messages.topics import SAID_FILTER, Address
from simulators.truth import Truth
from tests.support import broker as broker_support
from tests.support.broker import Broker
from tests.support.sims import simulated
from tests.support.tools import SIM, site_for
from tests.support.waiting import alongside, until

broker = broker_support.broker
ADDRESS = Address("bench", "gw")
LONG = {"for_s": 600, "every_ms": 200}


@pytest.fixture(autouse=True)
def _no_server_to_wait_for(monkeypatch):
    monkeypatch.setattr("gateway.app.FLUSH_S", 0.05)


@dataclass
class Desk:
    """Who asks: hears everything that jobs say, also what comes twice."""

    broker: Broker
    said: list[ToolSaid] = field(default_factory=list)
    session: Session | None = None
    new: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self):
        await stay_connected(
            self._serve,
            lambda: connect(self.broker.address(), client_id="desk", clean=False),
            where="desk",
            random=Random(1),
        )

    async def _serve(self, session):
        await session.subscribe([SAID_FILTER])
        self.session = session
        self.new.set()
        async for message in session.messages():
            self.said.append(decode_tool_said(message.payload))
            message.ack()
            self.new.set()

    async def until(self, condition, seconds=30):
        async with asyncio.timeout(seconds):
            while not condition():
                self.new.clear()
                await self.new.wait()

    async def ask(self, job, tool, line="net", *, retain=False, until_s=600, **args):
        now = datetime.now(UTC)
        request = ToolRequest(
            id=job, tool=tool, line=line, at=now, until=now + timedelta(seconds=until_s), by="wang", args=args
        )
        assert self.session is not None
        await self.session.publish(Publication(ADDRESS.tool(job), encode_tool(request), retain=retain))

    def of(self, job):
        """What a job said, each number once, in order of the numbers."""
        return [said for _, said in sorted({one.seq: one for one in self.said if one.id == job}.items())]

    def rows(self, job):
        bundles = [said.body["rows"] for said in self.of(job) if said.kind is SaidKind.ROW]
        return list(itertools.chain(*bundles))

    def ended(self, job):
        return next((said for said in self.of(job) if said.kind.final), None)


@asynccontextmanager
async def at_work(broker, folder):
    stop = asyncio.Event()
    desk = Desk(broker)
    async with simulated(SIM, folder) as world:
        async with alongside(desk.run()):
            await desk.until(lambda: desk.session is not None)
            async with build(site_for(world, folder, broker=broker.port)) as gateway:
                task = asyncio.create_task(gateway.run(stop))
                try:
                    await until(lambda: gateway.uplink.connected, within=20)
                    yield desk, gateway
                finally:
                    stop.set()
                    await task


async def test_a_read_from_afar_and_the_line_keeps_polling(broker, tmp_path):
    async with at_work(broker, tmp_path) as (desk, _gateway):
        await desk.ask("t1", "read", device="m-1")
        await desk.until(lambda: desk.ended("t1"))
        assert [one.seq for one in desk.of("t1")] == list(range(1, len(desk.of("t1")) + 1))
        assert desk.ended("t1").kind is SaidKind.DONE
        assert {row["quality"] for row in desk.rows("t1")} == {"good"}
        # A scan that asks for silence: fifty units that are not there, on the line that polls.
        await desk.ask("t2", "scan", units="1-50", timeout_ms=100, per_second=100, identify=False)
        await desk.until(lambda: desk.ended("t2"), 60)
        assert {row["unit"] for row in desk.rows("t2")} == {1, 2}
    began = min(said.at for said in desk.of("t2")).timestamp() * 1000
    ended = desk.ended("t2").at.timestamp() * 1000
    assert ended - began > 3000, "forty-eight silences"
    replies = Truth.load(tmp_path).replies
    polled = sorted(
        row.t1
        for row in replies
        if row.device == "m-1" and "voltage_l1" in row.points and began < row.t1 < ended
    )
    gaps = [later - sooner for sooner, later in itertools.pairwise(polled)]
    # Every second: a tool's exchange and a busy machine may move a poll from its place, but none is left out.
    assert gaps
    assert max(gaps) < 2500, gaps
    assert sum(gaps) / len(gaps) < 1300, gaps


async def test_stopping_keeps_what_was_found(broker, tmp_path):
    async with at_work(broker, tmp_path) as (desk, gateway):
        await desk.ask("t1", "watch", **LONG)
        await desk.until(lambda: desk.rows("t1"))
        await desk.ask("t1", "stop")
        await desk.until(lambda: desk.ended("t1"))
        last = desk.ended("t1")
        assert (last.kind, last.body["why"]) == (SaidKind.STOPPED, "stopped by wang")
        assert last.body["result"]["reads"] >= len(desk.rows("t1")) > 0
        assert gateway.tools.jobs.at_work == []


@pytest.mark.slow
@pytest.mark.long(8)
async def test_a_broker_that_goes_away_costs_no_word(broker, tmp_path):
    async with at_work(broker, tmp_path) as (desk, gateway):
        await desk.ask("t1", "watch", devices=["m-1"], points=["voltage_l1"], every_ms=200, for_s=5)
        await desk.until(lambda: desk.rows("t1"))
        broker.kill()
        (job,) = gateway.tools.jobs.at_work
        await until(lambda: not gateway.uplink.connected, within=20)
        unheard = job.voice._said + 3
        await until(lambda: job.voice._said >= unheard)
        broker.start()
        await desk.until(lambda: desk.ended("t1"), 60)
        said = desk.of("t1")
        assert [one.seq for one in said] == list(range(1, len(said) + 1))
        assert len(desk.rows("t1")) == desk.ended("t1").body["result"]["reads"] > 10
        desk.said.clear()
        await desk.ask("t1", "again", after=2)
        await desk.until(lambda: desk.ended("t1"))
        assert [one.seq for one in desk.of("t1")] == list(range(3, len(said) + 1))
        assert gateway.tools.jobs.at_work == []


CANNOT_BE = [
    ({"tool": "format"}, "none of"),
    ({"tool": "scan", "line": "attic"}, "this gateway has net, bus"),
    ({"tool": "ask", "unit": 1, "pdu": "050000FF00"}, "may change the device"),
    ({"tool": "scan", "units": "1-999"}, "no range"),
    ({"tool": "read", "device": "m-1", "mood": "good"}, "mood"),
    ({"tool": "read", "device": "m-1", "until_s": -600}, "expired"),
    ({"tool": "stop"}, "knows no such job"),
    ({"tool": "again", "after": 7}, "knows no such job"),
]


async def test_what_cannot_be_is_answered_in_words(broker, tmp_path):
    async with at_work(broker, tmp_path) as (desk, gateway):
        for number, (asked, why) in enumerate(CANNOT_BE):
            desk.said.clear()
            await desk.ask(f"t{number}", **asked)
            await desk.until(lambda: desk.said)
            (said,) = desk.said
            assert (said.id, said.kind) == (f"t{number}", SaidKind.FAILED), asked
            assert why in said.body["why"]
            assert said.seq == (8 if asked.get("after") else 1)
            assert gateway.tools.jobs.at_work == []


async def test_noise_and_retained_requests_start_nothing(broker, tmp_path):
    async with at_work(broker, tmp_path) as (desk, gateway):
        assert desk.session is not None
        before = gateway.uplink.counts.ignored
        for payload in (b"", b"\xff" * 50, b"[" * 5000, b"{}", b"x" * 100_000):
            await desk.session.publish(Publication(ADDRESS.tool("t1"), payload))
        now = datetime.now(UTC)
        other = ToolRequest(id="t9", tool="profiles", at=now, until=now + timedelta(seconds=60))
        await desk.session.publish(Publication(ADDRESS.tool("t1"), encode_tool(other)))
        await desk.ask("t2", "profiles", None)
        await desk.until(lambda: desk.ended("t2"))
        assert {said.id for said in desk.said} == {"t2"}
        assert gateway.uplink.counts.ignored == before + 6


async def test_the_same_request_twice_is_one_job(broker, tmp_path):
    async with at_work(broker, tmp_path) as (desk, _gateway):
        for _ in range(2):
            await desk.ask("t1", "profiles", None)
        await desk.until(lambda: desk.ended("t1"))
        await desk.ask("t2", "profiles", None)
        await desk.until(lambda: desk.ended("t2"))
        assert sum(said.kind.final for said in desk.said if said.id == "t1") == 1
