"""A certificate says what is so, is changed by nobody unseen, and a page made of it runs nothing."""

import asyncio
import itertools
import json
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from decimal import Decimal
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.errors import Misconfigured
from gateway.app import build
from gateway.control import Request, asking
from gateway.tools import cable, certificate
from gateway.tools.certify import share_of
from messages.certificate import as_json, page
from messages.tool_args import CertifyArgs
from tests.support import broker as broker_support
from tests.support.sims import simulated
from tests.support.tools import SIM, SITE, call, shop, site_for
from tests.support.toyserver import ToyServer
from tests.support.waiting import alongside, until

broker = broker_support.broker


def checks(row):
    return {one["check"]: one for one in row["checks"]}


async def test_a_sound_line_passes_and_a_wrong_device_does_not(tmp_path):
    text = SITE.replace(
        "unit: 2}}", "unit: 2}}\n      - {{id: ghost, profile: eastron-sdm630, unit: 7, timeout: 100ms}}"
    )
    async with shop(tmp_path, text=text) as it:
        told = await it.run("certify", "net", engineer="王工", devices=["m-1"], reads=20)
        assert told.result["pass"], told.rows
        found = checks(told.rows[0])
        assert found.keys() == {"found", "points", "reads", "serial", "latency"}
        assert "errors in 20 reads" in found["reads"]["found"]
        assert found["serial"]["pass"] is None
        assert "compare with its plate" in found["serial"]["why"]
        assert told.result["cable"]["why"] == "not tested"
        whole = await it.run("certify", "net", engineer="王工", reads=5)
        ghost = whole.by("device")["ghost"]
        assert (whole.result["pass"], whole.result["failed"], ghost["pass"]) == (False, 1, False)
        assert "no answer" in checks(ghost)["found"]["found"]
        assert (tmp_path / "state" / "certify.key").stat().st_mode & 0o777 == 0o600
        refused = await it.run("certify", "net", engineer="x", devices=["m-1"], reads=1, cable="cut")
        assert refused.result["pass"] is False
        assert "no gateway runs here" in refused.result["cable"]["why"]
        document = json.loads((tmp_path / f"{told.result['file']}.json").read_text())
        assert certificate.verify(document, tmp_path / "state") == certificate.Verdict(True, True, True)


async def test_a_line_without_devices_is_told_and_not_failed(tmp_path):
    text = SITE + "  - {{id: spare, tcp: 127.0.0.1:9, devices: []}}\n"
    async with shop(tmp_path, text=text) as it:
        with pytest.raises(Misconfigured, match="spare has no device to certify"):
            await it.run("certify", "spare", engineer="x")


DOCUMENT = {
    "certificate": 1,
    "site": "s",
    "gateway": "g",
    "line": "l",
    "endpoint": "/dev/ttyUSB0",
    "settings": "9600 8N1",
    "config": "sha256:0",
    "engineer": "<script>alert(1)</script>",
    "note": '"><img src=x onerror=alert(1)>\x00\u202e',
    "at": "2026-03-01T12:00:00.000Z",
    "reads": 100,
    "utilisation": "12.0%",
    "late": [],
    "clock": {"check": "clock", "pass": True, "planned": "synced", "found": "synced", "why": ""},
    "cable": {"check": "cable", "pass": None, "planned": "", "found": "", "why": "not tested"},
    "pass": True,
    "devices": [
        {
            "device": "m-1",
            "name": "</td><script src=//x>",
            "profile": "p",
            "unit": 1,
            "metering_point": "",
            "pass": False,
            "checks": [{"check": "<b>", "pass": False, "planned": "&", "found": "<i>", "why": "'"}],
        }
    ],
}


class Tags(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.words = [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.words += [name for name, _ in attrs]


def test_the_page_shows_text_and_runs_nothing(tmp_path):
    shown = page(certificate.signed(tmp_path, DOCUMENT))
    parsed = Tags()
    parsed.feed(shown)
    assert set(parsed.tags) <= {
        "html", "head", "meta", "title", "style", "body", "h1", "h2", "p", "strong", "table", "tr", "th", "td",
        "section", "span", "code", "br",
    }  # fmt: skip
    assert not any(name.startswith("on") or name in {"src", "href"} for name in parsed.words)
    assert "&lt;script&gt;" in shown
    assert "http" not in shown.replace("http-equiv", "")
    assert "验收证书" in shown
    assert "\u202e" not in shown


@given(st.sampled_from(sorted(set(DOCUMENT) - {"certificate"})), st.text(max_size=5))
def test_no_change_goes_unseen(tmp_path_factory, name, text):
    folder = tmp_path_factory.getbasetemp() / "keys"
    document = certificate.signed(folder, DOCUMENT)
    assert certificate.verify(document, folder) == certificate.Verdict(True, True, True)
    changed = {**document, name: text}
    assert not certificate.verify(changed, folder).unchanged
    # Whoever makes a fitting digest has not the key.
    forged = {**certificate.signed(folder / "other", {**DOCUMENT, name: text})}
    verdict = certificate.verify(forged, folder)
    assert (verdict.unchanged, verdict.ours) == (True, False)


def test_what_is_no_certificate_is_refused(tmp_path):
    file = tmp_path / "x.json"
    for text in (
        "",
        "[]",
        "{}",
        '{"certificate": 2}',
        '{"certificate": 1, "devices": 5}',
        "[" * 9000,
        '{"certificate": 1, "pass": 1.5}',
    ):
        file.write_text(text)
        with pytest.raises(certificate.CertificateError):
            certificate.load(file)
    assert call("certify", "--verify", str(file)).exit_code == 2
    assert call("certify", "--verify", str(tmp_path / "none.json")).exit_code == 2


def test_verifying_on_the_command_line(tmp_path):
    site = tmp_path / "gateway.yaml"
    site.write_text(SITE.format(broker=1, net="127.0.0.1:1", bus="/dev/null"))
    document = certificate.signed(tmp_path / "state", DOCUMENT)
    file = tmp_path / "c.json"
    file.write_text(as_json(document))
    away = call("certify", "--verify", str(file))
    assert (away.exit_code, "not checked" in away.stdout) == (0, True)
    here = call("certify", str(site), "--verify", str(file))
    assert (here.exit_code, "signature of gateway g: right" in here.stdout) == (0, True), here.stdout
    file.write_text(as_json({**document, "engineer": "somebody else"}))
    changed = call("certify", str(site), "--verify", str(file))
    assert (changed.exit_code, "CHANGED" in changed.stdout) == (1, True)
    assert call("certify", str(site), "net").exit_code == 2


@given(st.lists(st.integers(0, 1000), min_size=1), st.sampled_from([0.5, 0.9, 0.95]))
def test_a_share_of_numbers_lies_below(numbers, share):
    found = share_of(numbers, share)
    assert found in numbers
    assert Decimal(sum(number <= found for number in numbers)) >= Decimal(str(share)) * len(numbers)


class Played:
    """A gateway whose delivery follows a script; each look is one step."""

    def __init__(self, *steps):
        self.steps, self.at, self.cuts = list(steps), 0, 0

    def clock_state(self):
        raise AssertionError

    def delivery(self):
        step = self.steps[min(self.at, len(self.steps) - 1)]
        self.at += 1
        first, next_, waiting, connected, *rest = step
        rejected, epoch = [*rest, *(0, "e")[len(rest) :]]
        lanes = {"telemetry": {"first": first, "next": next_, "waiting": waiting}}
        return {"connected": connected, "epoch": epoch, "rejected": rejected, "lanes": lanes}

    def cut(self, seconds):
        self.cuts += 1


UP, OUT, KEPT = (5, 5, 0, True), (5, 5, 0, False), (5, 6, 1, False)
BACK = (5, 6, 1, True)
SCRIPTS = [
    ([UP, KEPT, KEPT, (5, 9, 4, False), (5, 9, 4, True), (5, 9, 4, True), (9, 9, 0, True)], True, "lost 0"),
    ([OUT], False, "no broker"),
    ([UP, OUT, OUT, (8, 9, 1, False)], False, "dropped"),
    ([UP, OUT, OUT, (*KEPT, 0, "f")], False, "new epoch"),
    ([UP, OUT, OUT, KEPT, BACK, BACK, (6, 6, 0, True, 3)], False, "3 items"),
    ([UP, OUT, OUT, OUT, UP], False, "nothing was read"),
    ([UP, UP], False, "within 0 s"),
    ([UP, OUT, OUT, KEPT, KEPT], False, "not reached again"),
    ([UP, OUT, OUT, KEPT, BACK], False, "not stored everything"),
]


@pytest.mark.parametrize("way", ["cut", "pull"])
@pytest.mark.parametrize(("steps", "passed", "says"), SCRIPTS, ids=[says for *_, says in SCRIPTS])
async def test_the_cable_test_believes_numbers_only(monkeypatch, steps, passed, says, way):
    for name in ("PULL_WITHIN_S", "PLUG_WITHIN_S", "STORED_WITHIN_S"):
        monkeypatch.setattr(cable, name, 0.2)
    monkeypatch.setattr(cable, "LOOK_S", 0.01)
    monkeypatch.setattr(cable, "MARGIN_S", 1.99)
    gateway, told = Played(*steps), []

    class Clock:
        monotonic = staticmethod(lambda: asyncio.get_running_loop().time())

    args = CertifyArgs(engineer="x", cable=way, cut_s=2)
    found = await cable.pulled(Clock(), gateway, args, told.append)  # type: ignore[arg-type]
    assert (found["pass"], says in found["found"] + found["why"]) == (passed, True), found
    assert gateway.cuts == (way == "cut" and says != "no broker")
    # Whoever pulls is told when, in both languages.
    if way == "pull" and passed:
        assert "Pull the uplink" in told[0]
        assert "请重新插上网线" in "".join(told)


@asynccontextmanager
async def at_work(broker, folder):
    stop, toy = asyncio.Event(), ToyServer(broker.address())
    async with simulated(SIM, folder) as world:
        async with alongside(toy.run()), build(site_for(world, folder, broker=broker.port)) as gateway:
            task = asyncio.create_task(gateway.run(stop))
            try:
                await until(lambda: gateway.uplink.connected and toy.payloads, within=30)
                yield gateway, toy
            finally:
                stop.set()
                await task


@pytest.mark.slow
async def test_the_uplink_is_cut_and_every_number_is_stored(broker, tmp_path):
    args = {"engineer": "王工", "devices": ["m-1"], "reads": 10, "cable": "cut", "cut_s": 4}
    async with at_work(broker, tmp_path) as (_gateway, toy):
        began = datetime.now(UTC)
        request = Request(op="tool", tool="certify", line="net", args=args)
        async with asyncio.timeout(90), asking(tmp_path / "state", request) as asked:
            answers = [answer async for answer in asked.answers()]
        result = answers[-1].body["result"]
        assert result["pass"], result
        assert "lost 0" in result["cable"]["found"]
        assert (datetime.now(UTC) - began).total_seconds() > 4
        seqs = [seq for _, _, seq in toy.payloads]
        assert seqs
        for lane in {lane for _, lane, _ in toy.payloads}:
            mine = toy.seqs(lane)
            assert mine == list(range(mine[0], mine[-1] + 1))
    rows = list(itertools.chain(*(a.body["rows"] for a in answers if a.kind == "row")))
    document = {**result["head"], "devices": rows}
    assert certificate.verify(document, tmp_path / "state") == certificate.Verdict(True, True, True)
