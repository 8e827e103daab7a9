from datetime import timedelta
from decimal import Decimal
from random import Random

import pytest
from typer.testing import CliRunner

from drivers import registry
from drivers.profiles_store import load_library
from simulators.cli import app
from simulators.mbus import KEPT, MbusBus
from simulators.mbus_life import Kind, Meter
from tests.support.clock import Clock
from tests.support.mbus import talk

LIBRARY = load_library()
PROFILES: dict[Kind, str] = {
    "heat": "mbus-kamstrup-multical-601",
    "water": "mbus-itron-bm-plus-m",
    "electricity": "mbus-finder-7e23",
    "gas": "mbus-landis-gyr-g350",
}


def meter(kind: Kind, clock: Clock) -> Meter:
    made = Meter(kind, "12345678", clock, Random(1), 7, total=Decimal(1000))
    made.tick()
    return made


@pytest.mark.parametrize("kind", PROFILES)
def test_the_shipped_profile_of_its_kind_reads_it(kind):
    clock = Clock()
    one = meter(kind, clock)
    profile = LIBRARY[PROFILES[kind]]
    device = registry.get("mbus").device(profile, 7, {})
    (plan,) = device.plan(profile.points)
    found = []
    for _ in range(2):
        payload = talk(device.exchange(plan), MbusBus([one.slave()], Random(1)))
        readings = device.decode(plan, payload)
        found.append({name: readings[name].value for name, point in profile.points.items() if point.billing})
        clock.now += timedelta(hours=10)
        one.tick()
    assert all(isinstance(value, Decimal) for value in found[0].values())
    assert all(found[1][name] > value for name, value in found[0].items())


def test_it_keeps_the_reading_of_the_turn_of_the_month():
    clock = Clock()
    one = meter("water", clock)
    clock.now += timedelta(minutes=30)
    one.tick()
    assert one.month == 0
    before = one.total
    clock.now += timedelta(minutes=40)
    one.tick()
    assert one.month == before
    assert one.total > before


def test_a_clock_that_goes_back_counts_nothing():
    clock = Clock()
    one = meter("heat", clock)
    clock.now -= timedelta(hours=1)
    one.tick()
    assert one.total == 1000


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--meter", "heat:1@1"], "say where"),
        (["--meter", "heat:1@1", "--tcp", "192.0.2.1:0"], "--tcp"),
        (["--meter", "steam:1@1", "--tcp", "127.0.0.1:0"], "kinds are heat"),
        (["--meter", "heat:123456789", "--tcp", "127.0.0.1:0"], "KIND:NUMBER"),
        (["--meter", "heat:1@251", "--tcp", "127.0.0.1:0"], "0 to 250"),
    ],
)
def test_the_command_says_what_is_wrong(arguments, words):
    found = CliRunner().invoke(app, ["mbus", *arguments])
    assert found.exit_code == 2
    assert words in found.output


def test_the_command_serves_for_so_long(tmp_path):
    where = tmp_path / "mbus"
    found = CliRunner().invoke(
        app,
        [
            "mbus",
            "--meter",
            "heat:1@1",
            "--meter",
            "gas:2",
            "--tcp",
            "127.0.0.1:0",
            "--pty",
            str(where),
            "--seconds",
            "0.1",
        ],
    )
    assert found.exit_code == 0
    assert found.output.count("2 meters at") == 2
    assert not where.is_symlink()


def short(control, address):
    body = bytes((control, address))
    return b"\x10" + body + bytes((sum(body) & 0xFF, 0x16))


def test_a_broadcast_is_obeyed_and_not_answered():
    clock = Clock()
    bus = MbusBus([meter("heat", clock).slave()], Random(1))
    ask = short(0x5B, 7)
    (first,) = bus.feed(ask)
    assert bus.feed(ask) == [first], "the same frame count bit: the answer was lost"
    assert bus.feed(short(0x5B, 255)) == []
    assert bus.feed(ask) == [first]
    assert bus.feed(short(0x40, 255)) == []
    (fresh,) = bus.feed(ask)
    assert fresh != first, (
        "the frame count bit was forgotten: this is another answer, of another access number"
    )


def test_a_bus_keeps_the_last_requests():
    bus = MbusBus([], Random(1))
    for _ in range(KEPT + 3):
        bus.feed(short(0x40, 1))
    assert len(bus.heard) == KEPT
