"""The pure parts of the tools: frames from chunks, words in bundles, numbers without holes, judgement of values."""

import itertools
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers import registry
from drivers.api import Reading
from drivers.lines import Frame, SerialMode, TcpSettings
from drivers.modbus import rtu
from drivers.profile import Point, Profile
from gateway.tools import remote as remote_module
from gateway.tools import voice as voice_module
from gateway.tools.access import Tuning, tuning_of
from gateway.tools.fingerprint import names_it, plausible
from gateway.tools.inside import PolledLine
from gateway.tools.jobs import JobRefused
from gateway.tools.remote import KEPT_FOR, KEPT_JOBS, RemoteTools
from gateway.tools.trace import GAP_S, Assembler, Benches
from gateway.tools.voice import BUNDLE_BYTES, MOST_ROW_BYTES, Voice
from messages.broker import BrokerLost
from messages.tools import MAX_SAID_BYTES, SaidKind, ToolRequest, decode_tool_said, encode_tool
from messages.topics import Address
from messages.types import Quality

BENCH = registry.get("modbus").workshop  # type: ignore[attr-defined]
AT = datetime(2026, 3, 1, tzinfo=UTC)


# -- frames -----------------------------------------------------------------------------------------------------


def assembled(*chunks):
    found = []
    assembler = Assembler(BENCH, found.append)
    for chunk in chunks:
        assembler.chunk(chunk)
    assembler.flush()
    return [(whole.direction, whole.data, whole.seen.check) for whole in found]


REPLY = rtu.frame(5, bytes.fromhex("0304000A000B"))


@given(st.lists(st.integers(1, len(REPLY) - 1), max_size=4))
def test_a_reply_in_any_portions_is_one_frame(cuts):
    edges = [0, *sorted(set(cuts)), len(REPLY)]
    parts = [REPLY[a:b] for a, b in itertools.pairwise(edges)]
    chunks = [Frame("rx", part, place * 0.001) for place, part in enumerate(parts)]
    assert assembled(Frame("tx", b"?", 0), *chunks) == [("tx", b"?", "bad"), ("rx", REPLY, "ok")]


def test_what_comes_after_a_silence_is_another_frame_and_damage_is_shown():
    torn = REPLY[:-2]
    chunks = [Frame("rx", torn, 0.0), Frame("rx", REPLY, 2 * GAP_S), Frame("tx", REPLY, 1.0)]
    assert assembled(*chunks) == [("rx", torn, "bad"), ("rx", REPLY, "ok"), ("tx", REPLY, "ok")]


@given(st.lists(st.tuples(st.sampled_from(["rx", "tx"]), st.binary(min_size=1, max_size=700)), max_size=8))
def test_no_byte_of_a_wire_is_lost_or_doubled(chunks):
    found = assembled(*(Frame(way, data, place * 0.01) for place, (way, data) in enumerate(chunks)))
    for way in ("rx", "tx"):
        sent = b"".join(data for each, data in chunks if each == way)
        assert b"".join(data for each, data, _ in found if each == way) == sent


# -- words ------------------------------------------------------------------------------------------------------


def spoken(rows, progress=()):
    said = []
    voice = Voice(lambda kind, body: said.append((kind, body)))
    for row in rows:
        voice.row(row)
    for one in progress:
        voice.progress(one)
    voice.end(SaidKind.DONE, {"result": {}})
    voice.row({"late": 1})
    voice.end(SaidKind.FAILED, {"why": "again"})
    return said


@given(
    st.lists(st.dictionaries(st.sampled_from(["a", "b"]), st.text(max_size=900), max_size=2), max_size=150)
)
def test_every_row_is_said_once_in_order_in_bundles_that_fit(rows):
    said = spoken(rows)
    bundles = [body["rows"] for kind, body in said if kind is SaidKind.ROW]
    assert list(itertools.chain(*bundles)) == rows
    assert said[-1] == (SaidKind.DONE, {"result": {}})
    assert sum(kind.final for kind, _ in said) == 1
    for bundle in bundles:
        assert len(voice_module._encode(bundle)) < BUNDLE_BYTES + MOST_ROW_BYTES < MAX_SAID_BYTES


def test_what_cannot_cross_is_counted_as_dropped(monkeypatch):
    huge = {f"k{place}": "x" * 3000 for place in range(8)}
    said = spoken([{"a": 1}, {"a": 1.5}, huge, {"a b": 1}])
    (bundle,) = [body for kind, body in said if kind is SaidKind.ROW]
    assert bundle == {"rows": [{"a": 1}], "dropped": 3}
    monkeypatch.setattr(voice_module, "MOST_ROWS", 10)
    said = spoken([{"a": place} for place in range(15)])
    assert sum(body["dropped"] for kind, body in said if kind is SaidKind.ROW) == 5


def test_only_the_newest_progress_is_said():
    said = spoken([], [{"done": 1}, {"done": 2}])
    assert said[0] == (SaidKind.PROGRESS, {"done": 2})


def test_what_a_job_is_at_is_known_before_it_is_said():
    voice = Voice(lambda _kind, _body: None)
    assert voice.doing == ""
    voice.progress({"text": "Plug it in\x1b again"})
    assert voice.doing == "Plug it in again"
    voice.progress({"done": 3})
    assert voice.doing == ""


# -- numbers ----------------------------------------------------------------------------------------------------


class Broker:
    def __init__(self):
        self.here, self.got = True, []

    async def publish(self, publication):
        if not self.here:
            raise BrokerLost("away")
        self.got.append(decode_tool_said(publication.payload))


class NoJobs:
    """Every job can be begun, and says what the test says."""

    def __init__(self):
        self.say = {}

    def begin(self, job_id, tool, line, args, seconds, say):
        if tool == "no":
            raise JobRefused("no")
        self.say[job_id] = say

    def find(self, job_id):
        return None


def request(job, tool="scan", **args):
    return ToolRequest(id=job, tool=tool, at=AT, until=AT + timedelta(seconds=60), by="wang", args=args)


class Desk:
    def __init__(self):
        self.now, self.jobs, self.broker = AT, NoJobs(), Broker()
        self.tools = RemoteTools(self.jobs, Address("s", "g"), self.broker.publish, lambda: self.now)  # type: ignore[arg-type]

    async def told(self):
        """What is published until nothing waits."""
        before = len(self.broker.got)
        self.tools._forget_old()
        for kept in list(self.tools._kept.values()):
            await self.tools._publish_all(kept)
        return self.broker.got[before:]


async def test_what_is_forgotten_leaves_no_hole(monkeypatch):
    monkeypatch.setattr(remote_module, "KEPT_BYTES", 3000)
    desk = Desk()
    desk.tools.take(request("t1"))
    for number in range(40):
        desk.jobs.say["t1"](SaidKind.ROW, {"rows": [{"n": number, "x": "y" * 200}], "dropped": 0})
    desk.jobs.say["t1"](SaidKind.DONE, {"result": {}})
    said = await desk.told()
    assert [one.seq for one in said] == list(range(1, len(said) + 1))
    rows = [row["n"] for one in said if one.kind is SaidKind.ROW for row in one.body["rows"]]
    assert rows == list(range(40 - len(rows), 40))
    lost = sum(one.body.get("dropped", 0) for one in said if one.kind is SaidKind.ROW)
    assert lost + len(rows) == 40
    assert 0 < len(rows) < 15
    desk.tools.take(request("t1", "again", after=len(said) - 2))
    assert [one.seq for one in await desk.told()] == [len(said) - 1, len(said)]
    assert sum(len(payload or b"") for payload in desk.tools._kept["t1"].said) <= 3000 + MAX_SAID_BYTES


async def test_a_broker_that_is_away_gets_the_rest_later():
    desk = Desk()
    desk.tools.take(request("t1"))
    await desk.told()
    desk.broker.here = False
    desk.jobs.say["t1"](SaidKind.ROW, {"rows": [{"a": 1}]})
    with pytest.raises(BrokerLost):
        await desk.told()
    desk.broker.here = True
    desk.jobs.say["t1"](SaidKind.DONE, {})
    assert [one.seq for one in await desk.told()] == [2, 3]


@given(st.lists(st.sampled_from(["row", "again", "away", "back", "tell"]), max_size=30))
async def test_whatever_happens_every_number_arrives_in_order(steps):
    desk = Desk()
    desk.tools.take(request("t1"))
    made = 1
    for step in steps:
        if step == "row":
            made += 1
            desk.jobs.say["t1"](SaidKind.ROW, {"rows": [{"n": made}]})
        elif step == "again":
            desk.tools.take(request("t1", "again", after=made // 2))
        elif step in {"away", "back"}:
            desk.broker.here = step == "back"
        else:
            try:
                await desk.told()
            except BrokerLost:
                continue
    desk.broker.here = True
    await desk.told()
    numbers = [one.seq for one in desk.broker.got]
    assert set(numbers) == set(range(1, made + 1))
    firsts = list(dict.fromkeys(numbers))
    assert firsts == sorted(firsts)


async def test_old_jobs_are_forgotten_and_hostile_asking_is_bounded():
    desk = Desk()
    for number in range(3 * KEPT_JOBS):
        desk.tools.take(request(f"t{number}", "no"))
        desk.tools._forget_old()
    assert len(desk.tools._kept) <= KEPT_JOBS
    for after in (-1, 10**12, "x", None, 2.5):
        again = ToolRequest(id="t1", tool="again", at=AT, until=AT, args={"after": after})
        desk.tools.take(again)
    await desk.told()
    desk.now += KEPT_FOR + timedelta(seconds=1)
    desk.tools._forget_old()
    assert desk.tools._kept == {}


async def test_a_result_that_is_too_large_ends_the_job_all_the_same():
    desk = Desk()
    desk.tools.take(request("t1"))
    desk.jobs.say["t1"](SaidKind.DONE, {"result": {f"k{n}": "x" * 3900 for n in range(30)}})
    last = (await desk.told())[-1]
    assert (last.kind, "too large" in last.body["why"]) == (SaidKind.FAILED, True)
    assert len(encode_tool(last)) < MAX_SAID_BYTES


# -- judgement --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("unit", "value", "low", "high"),
    [
        ("V", "230.1", 1, 1),
        ("V", "-230.1", -1, -1),
        ("V", "65535", -1, -1),
        ("Hz", "50.01", 1, 1),
        ("Hz", "5001", -1, -1),
        ("°C", "-12", 1, 1),
        ("kWh", "123456.7", 1, 1),
        ("kWh", "-5", -1, -1),
        ("", "7", 0, 1),
        ("", "99999999999", -1, -1),
        ("V", "0", 0, 1),
    ],
)
def test_values_are_judged(unit, value, low, high):
    verdict, weight = plausible(Point(label="x", at={}, unit=unit), Reading(Decimal(value)))
    assert low <= verdict <= high
    assert weight > 0


def test_no_number_speaks_against_a_profile_and_its_own_pattern_for_it():
    point = Point(label="x", at={}, unit="V")
    assert plausible(point, Reading(None, Quality.RANGE))[0] == -1
    assert plausible(point, Reading(None, Quality.DEVICE))[0] > 0


# -- beside the polls -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("configured", "asked", "given"),
    [([], 10.0, 2.0), ([0.5], 0.2, 0.2), ([0.5, 5.0], 10.0, 5.0), ([0.5], 1.5, 1.5)],
)
async def test_a_tool_holds_up_a_line_no_longer_than_its_devices_may(configured, asked, given):
    class Poller:
        devices = tuple(SimpleNamespace(config=SimpleNamespace(timeout=timeout)) for timeout in configured)
        timeouts: ClassVar[list[float]] = []

        async def ask(self, _exchange, *, timeout, quiet, mode):
            self.timeouts.append(timeout)

    poller = Poller()
    poller.timeouts.clear()
    line = PolledLine(poller, TcpSettings("h", 1))  # type: ignore[arg-type]
    await line.ask(None, timeout=asked)  # type: ignore[arg-type]
    assert poller.timeouts == [given]


@pytest.mark.parametrize(
    ("model", "named"),
    [
        ("Professional 3/75 M-Bus", False),
        ("CF 51, calculator", False),
        ("MULTICAL 601", True),
        ("Meter 8", True),
        ("Kamstrup Multi, heat", True),
        ("Kam, heat", False),
        ("BM +m, cold water meter", False),
    ],
)
def test_a_short_number_of_a_model_names_it_where_it_stands_alone(model, named):
    told = {"model": "Kamstrup Multical 601", "version": "8", "secondary_address": "35175117-KAM-08-04"}
    profile = Profile(
        profile="bare",
        vendor="x",
        model=model,
        device_class="meter",
        protocol="mbus",
        examples=(),
        source=("x",),
    )
    assert names_it(told, profile) is named


def test_on_a_line_of_two_protocols_each_frame_is_judged_by_its_own():
    frame_of, meter = bytes.fromhex("010300000001840a"), bytes.fromhex("68785634120000681104333334333D16")
    meter = meter[:-2] + bytes((sum(meter[:-2]) & 0xFF, 0x16))
    both = Benches({name: registry.get(name).workshop for name in ("modbus", "dlt645")})  # type: ignore[attr-defined]
    for frame, protocol, unit in (
        (frame_of, "modbus", 1),
        (meter, "dlt645", None),
        (meter, "dlt645", None),
        (frame_of, "modbus", 1),
    ):
        seen = both.seen(frame)
        assert (seen.check, seen.whole, seen.unit, both.protocol) == ("ok", True, unit, protocol)
    assert both.seen(frame_of[:-1]).check == "bad"
    assert both.protocol == "modbus", "what is whole in none changes nothing"


def test_a_device_is_asked_at_its_own_settings_unless_others_are_named():
    own = SerialMode(2400, "E", 8, 1)
    assert tuning_of(None) == Tuning()
    assert tuning_of(None, Tuning(baud=9600)) == Tuning(baud=9600)
    assert tuning_of(own) == Tuning(2400, "E", 1, 8)
    assert tuning_of(own, Tuning(baud=1200)) == Tuning(1200, "E", 1, 8)
