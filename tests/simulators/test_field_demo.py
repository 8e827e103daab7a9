"""The demo's lines of other protocols: the truth of them is what a driver reads, and misfits are named."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import get_args
from zoneinfo import ZoneInfo

import msgspec
import pytest

from drivers import registry
from drivers.api import DeviceDriver, Exchange, Reading, Transaction
from drivers.errors import FrameDamaged
from drivers.profiles_store import load_library
from drivers.strict_yaml import YamlError
from messages.types import Quality
from simulators.demo import SITES
from simulators.field_meters import POLLED, riser
from simulators.field_truth import FieldTruth, Tap
from simulators.field_wire import Talker
from simulators.http_push import Shape
from simulators.mbus_life import Kind
from simulators.reconcile import StoredRow, match
from simulators.site import check, load_site
from simulators.truth import ChangeRow, FactRow, ReplyRow, Truth, TruthWriter
from simulators.vocabulary import FieldDevice, FieldLine, Say, Site
from tests.support.conversation import carry

PROFILES = load_library()
SITE = load_site(SITES / "demo.yaml", PROFILES)
ZONE = ZoneInfo(SITE.timezone)
NOW = datetime(2026, 11, 22, 10, 15, tzinfo=ZONE)
NOW_MS = int(NOW.timestamp() * 1000)
LINES = [line for line in SITE.field if line.protocol in POLLED]


def ask(talker: Talker, exchange: Exchange) -> bytes:
    """Carry an exchange with all that follows it."""
    return carry(exchange, lambda each: talker.feed(each.request))


def bound(device: FieldDevice) -> DeviceDriver:
    """Return a device as a gateway polls it."""
    profile = PROFILES[device.profile]
    options = {**profile.options, **device.options, "address": device.address}
    return registry.get(profile.protocol).device(profile, None, options)


def plans(device: FieldDevice, driver: DeviceDriver) -> list[Transaction]:
    """Return what a gateway asks, class by class."""
    points = PROFILES[device.profile].points
    classes = dict.fromkeys(point.poll for point in points.values())
    return [
        each
        for poll in classes
        for each in driver.plan([name for name, point in points.items() if point.poll == poll])
    ]


@pytest.mark.parametrize("line", LINES, ids=lambda line: line.protocol)
def test_what_the_truth_says_was_on_the_wire_is_what_a_driver_reads(line: FieldLine, tmp_path: Path) -> None:
    moment = [NOW]
    with TruthWriter(tmp_path, lambda: NOW_MS) as writer:
        truth = FieldTruth(line.id, writer, lambda: NOW_MS)
        made = riser(line, PROFILES, truth, lambda: moment[0], Random(5))
        tap = Tap(made.talker, truth)
        moment[0] = NOW + timedelta(minutes=7)
        for tick in made.ticks:
            tick()
        rows: list[StoredRow] = []
        for device in line.devices:
            driver = bound(device)
            for number, transaction in enumerate(plans(device, driver)):
                found = driver.decode(transaction, ask(tap, driver.exchange(transaction)))
                assert set(found) >= set(transaction.points)
                rows += [
                    StoredRow(
                        device.id, name, NOW_MS + number, 0, one.value, one.quality, one.raw.hex() or None
                    )
                    for name, one in found.items()
                    if PROFILES[device.profile].points[name].at.get("derived") not in {"clock", "clock_right"}
                ]
        assert writer.asked[line.id] == NOW_MS
        tap.muted = True
        assert not tap.feed(b"anything")
    result = match(Truth.load(tmp_path), rows)
    assert (result.missing, result.doubled, result.wrong) == (0, 0, 0), result.examples
    assert result.rows == len(rows)


MIDNIGHT = datetime(2026, 12, 1, tzinfo=ZONE)


@pytest.mark.parametrize("before_ms", range(50, 2000, 300))
def test_what_meters_freeze_and_settle_while_the_demo_plays_agrees(before_ms: int, tmp_path: Path) -> None:
    """A demo may span midnight, and the first of a month; a talk may too."""
    line = next(line for line in LINES if line.protocol == "dlt645")
    moment = [MIDNIGHT]

    def ms() -> int:
        return int(moment[0].timestamp() * 1000)

    def stored(device: str, name: str, one: Reading) -> StoredRow:
        at = ms() if one.at is None else int(one.at.timestamp() * 1000)
        return StoredRow(device, name, at, 0, one.value, one.quality, one.raw.hex() or None)

    rows: set[StoredRow] = set()
    taken = Counter[tuple[str, str]]()
    with TruthWriter(tmp_path, ms) as writer:
        moment[0] = MIDNIGHT - timedelta(minutes=3)
        made = riser(line, PROFILES, FieldTruth(line.id, writer, ms), lambda: moment[0], Random(5))

        def hear(each: Exchange) -> Sequence[bytes]:
            moment[0] += timedelta(milliseconds=100)
            return made.talker.feed(each.request)

        drivers = [(device, bound(device)) for device in line.devices]
        for after in (-180_000, -before_ms, 30_000, 90_000):
            for device, driver in drivers:
                moment[0] = MIDNIGHT + timedelta(milliseconds=after)
                for transaction in plans(device, driver):
                    try:
                        found = driver.decode(transaction, carry(driver.exchange(transaction), hear))
                    except FrameDamaged:  # the meter moved on meanwhile, or has only just settled
                        continue
                    rows |= {
                        stored(device.id, name, one) for name, one in found.items() if name != "clock_right"
                    }
                    taken.update((device.id, name) for name, one in found.items() if one.at is not None)
    truth = Truth.load(tmp_path)
    result = match(truth, sorted(rows, key=lambda row: row.at))
    assert (result.wrong, result.doubled) == (0, 0), result.examples
    assert truth.frozen() == taken
    instants = {(row.device, row.point, row.at) for row in rows if (row.device, row.point) in taken}
    assert len(instants) == 2 * len(taken)
    assert result.repeated == sum(taken.values()) - len(instants)


def glimpse(**detail: object) -> FactRow:
    return FactRow(t=1, kind="glimpsed", device="m", detail={"points": ["p"], **detail})


def answer(at: int, block: int = 0) -> ReplyRow:
    return ReplyRow(
        t0=at, t1=at, n=1, line="l", unit=0, device="m", function=0, fate="good", points=(), address=block
    )


def row(at: int, value: bool | None) -> StoredRow:
    return StoredRow("m", "p", at, 0, value, Quality.GOOD, None)


def truth_of(*facts: FactRow, replies: tuple[ReplyRow, ...] = ()) -> Truth:
    change = ChangeRow(n=1, t=1000, device="m", point="p", value=True, registers="")
    return Truth([change], replies, facts)


def test_a_value_that_was_never_on_the_wire_is_wrong_though_nobody_counts_it() -> None:
    assert match(truth_of(glimpse()), [row(5000, True), row(6000, True)]).wrong == 0
    assert match(truth_of(glimpse()), [row(5000, False)]).wrong == 1


def test_an_answer_without_a_reading_is_missing_and_a_reading_without_an_answer_doubled() -> None:
    truth = truth_of(glimpse(answers=True), replies=(answer(5000), answer(9000)))
    assert match(truth, [row(5000, True)]).missing == 1
    assert match(truth, [row(5000, True), row(9000, True)]).missing == 0
    assert match(truth, [row(at, True) for at in (5000, 9000, 9001)]).doubled == 1


def test_what_a_meter_froze_is_one_row_however_often_it_was_told() -> None:
    truth = truth_of(glimpse(frozen={"p": 7}), replies=(answer(5000, 7), answer(6000, 7), answer(7000, 8)))
    assert truth.frozen() == Counter({("m", "p"): 2})
    assert match(truth, [row(1000, True)]).repeated == 1


def field(**changes: object) -> Site:
    """Return a site of one reader, changed."""
    device = FieldDevice(id="r", profile="osdp-reader", address="0", story=(Say(at="1s", say="card"),))
    line = FieldLine(id="l", protocol="osdp", gateway="gw", pty="hall", devices=(device,))
    inner = {name: value for name, value in changes.items() if name in FieldDevice.__struct_fields__}
    outer = {name: value for name, value in changes.items() if name not in inner}
    changed = msgspec.structs.replace(device, **inner)
    return Site(site="s", lines=(), field=(msgspec.structs.replace(line, devices=(changed,), **outer),))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"profile": "nobody"}, "no profile"),
        ({"profile": "sia-dc09-panel"}, "speaks sia-dc09"),
        ({"pty": None}, "exactly one"),
        ({"pty": None, "tcp": "192.0.2.1:5"}, "not this machine"),
        ({"devices": ()}, "says nothing"),
        ({"protocol": "gb26875"}, "neither `tcp` nor `pty`"),
        ({"address": ""}, "address"),
        ({"address": "door"}, "address"),
        (
            {
                "protocol": "gb26875",
                "profile": "gb26875-transmission-device",
                "pty": None,
                "address": "0140",
                "story": (),
            },
            "address",
        ),
        ({"story": (Say(at="1s", say="dance"),)}, "say card"),
        ({"story": (Say(at="1s", say="card", tells=("card read",)),)}, "does not end"),
        ({"story": (Say(at="1s", say="card", tells=("fire raised",)),)}, "name `fire`"),
        ({"protocol": "dsmr-p1", "profile": "iskraemeco-mt382-p1", "story": ()}, "address"),
        ({"protocol": "dsmr-p1", "tcp": "127.0.0.1:0", "pty": None}, "on a `pty` of its own"),
        (
            {"protocol": "onvif", "pty": None, "story": (Say(at="1s", say="picture upside-down"),)},
            "well or one",
        ),
    ],
)
def test_what_does_not_fit_is_named(changes: dict[str, object], words: str) -> None:
    check(field(), PROFILES, {})
    site = (
        field(**changes)
        if "devices" not in changes
        else msgspec.structs.replace(field(), field=(msgspec.structs.replace(field().field[0], devices=()),))
    )
    with pytest.raises(YamlError, match=words):
        check(site, PROFILES, {})


@pytest.mark.parametrize("zone", ["Mars/Olympus", "", "Asia"])
def test_a_zone_that_is_none_is_named(zone: str) -> None:
    with pytest.raises(YamlError, match="is no time zone"):
        check(msgspec.structs.replace(field(), timezone=zone), PROFILES, {})


def test_every_simulator_is_in_the_demo() -> None:
    assert {line.protocol for line in SITE.field} == set(FieldLine.__annotations__["protocol"].__args__)
    kinds = {(line.protocol, device.kind) for line, device in SITE.field_devices() if device.kind}
    assert {kind for protocol, kind in kinds if protocol == "http-push"} == set(get_args(Shape))
    assert {kind for protocol, kind in kinds if protocol == "mbus"} == set(get_args(Kind))
    editions = {PROFILES[device.profile].options.get("edition") for _, device in SITE.field_devices()}
    assert 1997 in editions
