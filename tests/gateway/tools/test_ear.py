"""Tools on lines that listen: what peers say, what is known of them, and what is proven."""

import asyncio
import json
from contextlib import asynccontextmanager
from types import SimpleNamespace

import pytest

import gateway.listening.listener
import gateway.listening.peers
from drivers.errors import LineDown
from gateway.tools import certificate, ear
from gateway.tools.jobs import NO_LINE, Nowhere, carry, line_that_listens
from gateway.tools.work import Work
from messages.certificate import page
from messages.tool_args import tool_args
from messages.types import ClockState
from tests.support.tools import Told
from tests.support.toylisten import install, line, listening
from tests.support.waiting import until


@pytest.fixture(autouse=True)
def toy(monkeypatch):
    install(monkeypatch)
    monkeypatch.setattr(gateway.listening.peers, "TICK_S", 5.0)
    monkeypatch.setattr(gateway.listening.listener, "LOOK_S", 0.02)
    monkeypatch.setattr(ear, "GAP_S", 0.01)
    monkeypatch.setattr(ear, "LOOK_S", 0.02)


class Runs:
    """The gateway around a tool: stores what is numbered at once, unless a test says otherwise."""

    def __init__(self, *, stored: bool = True, connected: bool = True) -> None:
        self.stored, self.connected = stored, connected

    def clock_state(self):
        return ClockState.SYNCED

    def delivery(self):
        lane = {"first": 5 if self.stored else 1, "next": 5, "waiting": 0}
        return {"connected": self.connected, "epoch": "e", "rejected": 0, "lanes": {"alarm": lane}}

    def cut(self, seconds):
        raise AssertionError


class Place:
    def __init__(self, heart, folder, gateway) -> None:
        self.heart, self.folder, self.gateway = heart, folder, gateway
        self.ear = heart.listeners.lines[0]
        self.late_s = 0.0
        """How much later it is than the wires' clock says, for the tool alone."""

    async def say(self, *lines: str) -> None:
        """Say lines over one connection, and wait until they are dealt with."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.heart.port)
        for one in lines:
            writer.write(one.encode() + b"\n")
            await reader.readline()
        writer.close()
        await writer.wait_closed()

    @asynccontextmanager
    async def at_work(self, tool: str, **args):
        """A tool at work, ended by its own end when the block ends."""
        told = Told()
        work = Work(
            SimpleNamespace(
                file=SimpleNamespace(site="bench", gateway="gw"), state_dir=self.folder / "state", hash=""
            ),
            line_that_listens(self.ear.config),
            Nowhere(),
            told.row,
            told.progress.append,
            monotonic=lambda: asyncio.get_running_loop().time() + self.late_s,
            gateway=self.gateway,
            result=told.result,
            ear=self.ear,
        )
        task = asyncio.create_task(carry(tool, tool_args(tool, args), work, 120))
        told.ended = task
        await until(lambda: task.done() or bool(told.progress))
        try:
            yield told
        except BaseException:
            task.cancel()
            raise
        async with asyncio.timeout(20):
            told.kind, told.why = await task


@asynccontextmanager
async def place(folder, *names, gateway=None):
    async with listening(line(*names or ("p1",))) as heart:
        yield Place(heart, folder, gateway)


async def test_a_trace_shows_who_said_what_and_what_became_of_it(tmp_path):
    async with place(tmp_path) as it, it.at_work("trace", for_s=3600) as told:
        await it.say("p1 7 fire on zone/3", "p1 7 fire on zone/3", "p9 1 fire on", "- 4 link")
        _, writer = await asyncio.open_connection("127.0.0.1", it.heart.port)
        writer.write(b"half a mess")
        await until(lambda: told.result.get("bad") == 1)
        writer.close()
        it.late_s = 3600
    heard = [row for row in told.rows if row["dir"] == "rx" and row["crc"] == "ok"]
    assert [row["text"].rpartition("→ ")[2] for row in heard] == [
        "kept",
        "said before: answered again, and told once",
        "no device here is p9: add it to the site file",
        "concerns no device",
    ]
    assert (heard[0]["device"], heard[0]["peer"].partition(":")[0]) == ("p1", "127.0.0.1")
    assert "p1 7 fire on zone/3" in heard[0]["text"]
    assert bytes.fromhex(heard[0]["bytes"]).strip() == b"p1 7 fire on zone/3"
    assert "fire raised at zone/3" in heard[0]["text"]
    answers = [bytes.fromhex(row["bytes"]) for row in told.rows if row["dir"] == "tx"]
    assert answers == [b"ok 7\n", b"ok 7\n", b"no 1\n", b"ok 4\n"]
    (half,) = [row for row in told.rows if row["crc"] == "none" and row["dir"] == "rx"]
    assert half["text"].startswith("no whole message")
    assert it.ear.hearing.taps._shows == [], "nobody looks on any more"


async def test_a_watch_shows_what_is_known_and_then_what_is_new(tmp_path):
    async with place(tmp_path, "p1", "p2") as it:
        await it.say("p1 1 temp 21.5", "p1 2 fire on zone/3")
        async with it.at_work("watch", for_s=3600, every_ms=600_000) as told:
            await until(lambda: len(told.rows) == 2)
            one, two = told.by("device")["p1"], told.by("device")["p2"]
            assert (one["heard"], one["messages"], one["standing"]) == (True, 2, ["fire at zone/3"])
            assert (one["readings"][0]["value"], one["readings"][0]["quality"]) == ("21.5", "good")
            assert (two["heard"], two["at"], two["readings"]) == (None, None, [])
            await it.say("p1 3 fire off zone/3")
            await until(lambda: told.by("device")["p1"]["standing"] == [])
            it.late_s = 3600
            await it.say("- 4 link")  # it looks up when something comes
    assert (told.kind, told.result["messages"], told.result["heard"]) == ("done", 3, 1)


async def test_every_signal_that_is_triggered_is_proven_and_kept(tmp_path):
    async with place(tmp_path, gateway=Runs()) as it:
        async with it.at_work("certify", engineer="王工", signals=["fire"], wait_s=20) as told:
            asked = told.progress[0]["text"]
            assert "waiting for `fire` of p1" in asked
            assert "请按下测试按钮" in asked
            await it.say("p1 1 card now")
            assert not told.ended.done(), "that was another one"
            await it.say("p1 2 fire on zone/3")
        (row,) = told.rows
        checks = {one["check"]: one for one in row["checks"]}
        assert (told.kind, told.result["pass"], row["pass"]) == ("done", True, True), (told.why, row)
        assert "part zone/3" in checks["signal fire"]["found"]
        assert checks["signal card"]["pass"] is True
        assert checks["device clock"]["pass"] is None
        assert (checks["kept"]["pass"], "2 messages kept" in checks["kept"]["found"]) == (True, True)
    document = json.loads((tmp_path / f"{told.result['file']}.json").read_text())
    assert certificate.verify(document, tmp_path / "state") == certificate.Verdict(True, True, True)
    assert document["settings"] == ""
    assert "signal fire" in page(document)


async def test_what_nobody_triggers_fails_and_what_is_skipped_says_why(tmp_path):
    async with place(tmp_path, "p1", "p2", gateway=Runs()) as it:
        args = {"engineer": "x", "signals": ["fire", "card"], "skip": {"card": "no reader yet"}, "wait_s": 1}
        async with it.at_work("certify", devices=["p2"], **args) as told:
            pass
    checks = {one["check"]: one for one in told.rows[0]["checks"]}
    assert told.result["pass"] is False
    assert [checks[name]["pass"] for name in ("found", "signal fire", "signal card")] == [False, False, None]
    assert checks["signal card"]["why"] == "skipped: no reader yet"
    assert "within 1 s" in checks["signal fire"]["why"]


@pytest.mark.parametrize(
    ("gateway", "kept", "why"),
    [
        (Runs(connected=False, stored=False), None, "cannot be reached"),
        (Runs(stored=False), False, "has not stored"),
        (None, False, "no gateway runs here"),
    ],
)
async def test_kept_is_only_what_the_server_has(tmp_path, monkeypatch, gateway, kept, why):
    monkeypatch.setattr("gateway.tools.ear_certify.STORED_WITHIN_S", 0.05)
    async with place(tmp_path, gateway=gateway) as it, it.at_work("certify", engineer="x") as told:
        await it.say("p1 1 fire on")
    checks = {one["check"]: one for one in told.rows[0]["checks"]}
    assert (checks["kept"]["pass"], why in checks["kept"]["why"]) == (kept, True)
    assert checks["signals"]["pass"] is True
    assert told.result["pass"] is (kept is None)


async def test_what_cannot_be_on_such_a_line_is_said(tmp_path):
    for tool, args, says in (
        ("scan", {}, "use watch, trace, certify"),
        ("trace", {"units": "1"}, "peers and no units"),
        ("trace", {"record": True}, "record"),
        ("certify", {"engineer": "x", "signals": ["smoke"]}, "there are card, fire"),
        ("watch", {"devices": ["p7"]}, "it has p1"),
    ):
        async with place(tmp_path) as it, it.at_work(tool, **args) as told:
            pass
        assert (told.kind, says in told.why) == ("failed", True), (tool, told.why)


async def test_a_line_that_cannot_listen_says_why(tmp_path):
    async with place(tmp_path) as it:
        it.ear.up, it.ear._said = False, "address in use"
        with pytest.raises(LineDown, match="address in use"):
            await ear.listens(Work(None, NO_LINE, Nowhere(), print), it.ear)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("raw", "hidden"),
    [
        (b"POST / HTTP/1.1\r\nAuthorization: Basic c2VjcmV0\r\nHost: x\r\n\r\n{}", b"c2VjcmV0"),
        (b"GET /?key=c2VjcmV0&x=1 HTTP/1.1\r\n\r\n", b"c2VjcmV0"),
        (b"X-Api-Key:c2VjcmV0\r\n", b"c2VjcmV0"),
    ],
)
def test_keys_of_http_are_not_shown(raw, hidden):
    shown = ear.masked(raw)
    assert hidden in raw
    assert hidden not in shown
    assert len(shown) == len(raw)
    assert shown[:3] == raw[:3]
