"""Report by exception from the site file to the journal: what may be thinned, what never is, and what is told."""

import asyncio
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path

import pytest

import drivers.profiles
from drivers.errors import DeviceSilent
from drivers.profiles_store import load_library
from drivers.registry import check_profile_file
from drivers.strict_yaml import YamlError
from gateway.delivery.births import birth
from gateway.delivery.recorder import JournalRecorder
from gateway.polling.report import Reporter, Rule
from gateway.site.config import load_site
from messages.codec import MessageError
from messages.types import Item, Lane, Quality, Sample
from tests.support.gateway import START, Bench, device_of, profile_of

SITE = """\
site: mews
gateway: gw
broker: {{url: "mqtt://127.0.0.1:1883"}}
poll: {{routine: 10s, billing: 60s}}
lines:
  - id: net
    tcp: 127.0.0.1:1502
    report: {line}
    devices:
      - {{id: air, profile: gatehouse-demo-air, unit: 1, report: {device}}}
      - {{id: m-1, profile: eastron-sdm630, unit: 2}}
"""


def site_with(folder: Path, line: str = "{}", device: str = "{}"):
    path = folder / "gw.yaml"
    path.write_text(SITE.format(line=line, device=device), encoding="utf-8")
    return load_site(path)


def test_everything_is_told_where_nobody_asks_for_less(tmp_path: Path):
    assert [dict(device.reports) for device in site_with(tmp_path).devices] == [{}, {}]


def test_the_nearest_word_wins_and_what_is_billed_or_alarmed_is_never_thinned(tmp_path: Path):
    site = site_with(
        tmp_path,
        line='{"*": {deadband: "1%", max_silence: 2m}, humidity: {deadband: "3"}}',
        device="{pm2_5: all}",
    )
    air, meter = site.devices
    assert air.reports == {
        "humidity": Rule(Decimal(3), False, 300.0),
        "pressure": Rule(Decimal(1), True, 120.0),
    }, "alarms rest on temperature and co2, and all of pm2_5 is wanted"
    billed = {name for name, point in meter.profile.points.items() if point.billing}
    assert billed
    assert meter.reports.keys() == meter.profile.points.keys() - billed
    told = birth(site, at=START, boot="b" * 12, epoch="e" * 12)
    points = told.profiles["gatehouse-demo-air"].points
    assert (points["humidity"].period_s, points["pm2_5"].period_s) == (300.0, 10.0)


@pytest.mark.parametrize(
    ("line", "device", "says"),
    [
        ("{}", '{temperature: {deadband: "1"}}', "an alarm rests on it"),
        ("{}", '{nothing: {deadband: "1"}}', "has no point 'nothing'"),
        ('{nothing: {deadband: "1"}}', "{}", "no device of this line has such a point"),
        ('{co2: {deadband: "1"}}', "{}", "an alarm rests on it"),
        ("{}", '{humidity: {deadband: "-1"}}', "deadband"),
        ("{}", '{humidity: {deadband: "1", max_silence: 2h}}', "is not between 1s and 1h"),
        ("{}", '{humidity: {deadband: "1", silence: 2m}}', "max_silence"),
        ("{}", "{humidity: some}", "humidity"),
    ],
)
def test_what_cannot_be_is_named(tmp_path: Path, line: str, device: str, says: str):
    with pytest.raises(YamlError, match=says):
        site_with(tmp_path, line, device)


def test_a_billing_register_of_a_line_is_refused_too(tmp_path: Path):
    profile = load_library([])["eastron-sdm630"]
    billed = next(name for name, point in profile.points.items() if point.billing)
    with pytest.raises(YamlError, match="a billing register is never thinned"):
        site_with(tmp_path, f'{{{billed}: {{deadband: "1"}}}}')


@pytest.mark.parametrize(
    ("name", "old", "says"),
    [
        ("acrel-adl400-secondary", "    billing: true\n", "a billing register is never thinned"),
        ("gatehouse-demo-air", "  co2: {", "an alarm rests on this point"),
    ],
)
def test_a_profile_that_asks_for_it_does_not_load(tmp_path: Path, name: str, old: str, says: str):
    source = Path(next(iter(drivers.profiles.__path__))) / f"{name}.yaml"
    text = source.read_text(encoding="utf-8")
    assert old in text
    new = 'report: {deadband: "1"}'
    path = tmp_path / f"{name}.yaml"
    path.write_text(
        text.replace(old, f"{old}    {new}\n" if old.endswith("\n") else f"{old}{new}, ", 1), "utf-8"
    )
    with pytest.raises(YamlError, match=says):
        check_profile_file(path)


class Book:
    """A journal that keeps everything but poison."""

    async def append(
        self, lane: Lane, items: Sequence[Item], *, state: Mapping[str, bytes] | None = None
    ) -> None:
        await asyncio.sleep(0)
        if any(isinstance(item, Sample) and item.device == "poison" for item in items):
            raise MessageError("not a number")


def sample(number: int, device: str = "m") -> Sample:
    return Sample(device=device, at=START, values={"p": Decimal(number)})


METER = profile_of({"power": "routine", "volts": "routine"})


def thinned(deadband: str = "5", silence: float = 60.0) -> Bench:
    device = device_of("m", METER, block=8, periods={"routine": 10.0})
    device.reporter = Reporter({"power": Rule(Decimal(deadband), False, silence)}, {"power": 10.0})
    return Bench(device)


async def test_a_change_is_told_at_once_and_a_quiet_point_within_its_silence():
    bench = thinned()
    payload = [b"\x0a"]
    bench.wire.script = lambda _request: payload[0]

    async def run(seconds: float) -> None:
        # The journal has each report before the next poll.
        end = bench.time.now + seconds
        while bench.time.now < end:
            await bench.run(bench.time.now + 10)
            for settled in bench.recorder.settling:
                settled(True)
            bench.recorder.settling.clear()

    await run(80)
    quiet = len(bench.recorder.of("m", "power"))
    assert quiet == 2
    assert len(bench.recorder.of("m", "volts")) >= 8, "its neighbour has no rule"
    payload[0] = b"\x0f"
    await run(30)
    assert len(bench.recorder.of("m", "power")) == quiet, "within the deadband"
    payload[0] = b"\x10"
    await run(10)
    assert bench.recorder.of("m", "power")[-1] == Decimal(16)


async def test_a_change_of_quality_is_always_told():
    bench = thinned(deadband="1000", silence=3600.0)
    await bench.run(20)
    for settled in bench.recorder.settling:
        settled(True)
    bench.recorder.settling.clear()
    told = len(bench.recorder.of("m", "power"))
    bench.wire.script = lambda _request: DeviceSilent("no answer")
    await bench.run(80)
    bad = [s for s in bench.recorder.bad("m") if "power" in s.bad]
    assert bad
    assert bad[0].bad["power"] is Quality.TIMEOUT
    for settled in bench.recorder.settling:
        settled(True)
    bench.wire.script = lambda _request: b"\x01"
    await bench.run(300)
    values = bench.recorder.of("m", "power")
    assert len(values) > told + 1
    assert values[-1] == Decimal(1), "and its return"


async def test_the_recorder_says_what_became_of_a_sample(monkeypatch: pytest.MonkeyPatch):
    fates: list[tuple[str, bool]] = []
    book = Book()
    recorder = JournalRecorder(book)
    for number, device in enumerate(("m", "poison", "n")):
        recorder.sample(
            Lane.TELEMETRY,
            sample(number, device),
            read=True,
            settled=lambda kept, device=device: fates.append((device, kept)),
        )
    recorder.close()
    await recorder.run(Lane.TELEMETRY)
    assert sorted(fates) == [("m", True), ("n", True), ("poison", False)]
    monkeypatch.setattr("gateway.delivery.recorder.MAX_WAITING", {Lane.BILLING: 1, Lane.TELEMETRY: 1})
    recorder = JournalRecorder(book)
    fates.clear()
    for number in range(3):
        recorder.sample(
            Lane.TELEMETRY,
            sample(number),
            read=True,
            settled=lambda kept, number=number: fates.append((str(number), kept)),
        )
    await asyncio.sleep(0)
    assert fates == [("0", False), ("1", False)]
