"""Reads of a meter: conversations, blocks and their parts, the clock, signs and what is unknown."""

from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers import registry
from drivers.api import Known, Timing
from drivers.dlt645.frames import Frame, frames_in, parse
from drivers.dlt645.plan import Talk
from drivers.errors import DeviceRefused, DeviceSilent, FrameDamaged, Misconfigured
from messages.types import Quality
from simulators.dlt645 import SimBus
from tests.support.dlt645 import (
    ADDRESS,
    CLOCK,
    ENERGY,
    FROZEN,
    KWH,
    LOGS,
    NOW,
    RELAY,
    SETTLED,
    SIGNALS,
    TOTAL,
    TRIP,
    VOLTS,
    ZONE,
    carry,
    device,
    meter,
    order,
    profile,
    read,
    seconds,
    values,
)


def test_a_meter_is_read_by_its_address_and_no_other_answers():
    bus = SimBus([meter(address="000012345679"), meter()])
    assert values(device(profile(ENERGY)), bus, "total", "t4") == [Decimal("1234.56"), Decimal("334.56")]
    with pytest.raises(DeviceSilent):
        values(device(profile(ENERGY), address="1"), bus, "total")


def test_a_meter_that_needs_waking_is_woken():
    bus = SimBus([meter(wake_up=4)])
    assert values(device(profile(ENERGY)), bus, "total") == [Decimal("1234.56")]
    with pytest.raises(DeviceSilent):
        values(device(profile(ENERGY), wake_up=2), bus, "total")


def test_the_edition_of_1997():
    points = {
        "total": {**KWH, "at": {"di": "9010"}},
        "last_month": {**KWH, "at": {"di": "9410"}},
        "power": {"unit": "W", "exp": -1, "at": {"di": "B630"}},
        "volts": {"unit": "V", "at": {"di": "B611"}},
        "clock": {"unit": "s", "at": {"derived": "clock"}},
        "settled_at": {"unit": "s", "at": {"derived": "settled"}},
    }
    one = meter(edition=1997)
    one.settle()
    one.energies[1][0] += 1
    made = device(profile(points, options={"edition": 1997}))
    assert values(made, SimBus([one]), *points) == [
        Decimal("1235.56"),
        Decimal("1234.56"),
        Decimal("690.0"),
        Decimal(230),
        seconds(NOW),
        seconds(datetime(2026, 11, 1, tzinfo=ZONE)),
    ]
    anonymous = SimBus([meter(edition=1997, own_address=False)])
    with pytest.raises(DeviceSilent):
        values(made, anonymous, "total")
    lenient = device(profile(points, options={"edition": 1997, "wildcard_reply": True}))
    assert values(lenient, anonymous, "total") == [Decimal("1234.56")]


def test_a_data_block_is_one_read_and_its_parts_where_it_is_refused():
    one = meter()
    made = device(profile(ENERGY | VOLTS, options={"blocks": ["0001FF00", "0201FF00"]}))
    assert values(made, SimBus([one]), "total", "t2", "voltage_c") == [
        Decimal("1234.56"),
        Decimal("300.00"),
        Decimal("230.0"),
    ]
    assert [*one.asked] == ["0001FF00", "02010300"]
    (block, _) = made.plan(["total", "t1", "voltage_a"])
    assert set(block.points) == set(ENERGY)
    one.lacking.add("0001FF00")
    with pytest.raises(DeviceRefused) as refused:
        carry(made.exchange(block), SimBus([one]))
    parts = made.split(block)
    assert sorted(point for part in parts for point in part.points) == sorted(ENERGY)
    word = made.cut(block, refused.value, 0)
    assert word == "0001FF00"
    assert all(not t.block.block for t in made.plan(["total", "t1"], known=Known(frozenset({word}))))
    assert made.cut(parts[0], refused.value, 0) == ""
    assert made.split(parts[0]) == []


def test_a_block_too_long_for_the_line_is_parted():
    made = device(profile(ENERGY, options={"blocks": ["0001FF00"]}))
    slow = Timing(byte_time=11 / 2400, silence=0.02)
    assert len(made.plan(ENERGY, timing=slow, longest=0.3)) == 5
    assert len(made.plan(ENERGY, timing=slow, longest=3)) == 1


def test_a_block_with_fewer_items_leaves_the_others_unknown():
    one = meter(energies={1: [Decimal(1), Decimal(2)]})
    made = device(profile(ENERGY, options={"blocks": ["0001FF00"]}))
    found, _ = read(made, SimBus([one]), list(ENERGY))
    assert found["t1"].value == 2
    assert (found["t2"].value, found["t2"].quality) == (None, Quality.DEVICE)


def test_follow_up_frames_are_asked_for_and_put_together():
    one = meter(longest=7)
    made = device(profile(ENERGY, options={"blocks": ["0001FF00"]}))
    assert values(made, SimBus([one]), *ENERGY)[::4] == [Decimal("1234.56"), Decimal("334.56")]
    old = {name: {**KWH, "at": {"di": f"901{n}"}} for n, name in enumerate(ENERGY)}
    made = device(profile(old, options={"edition": 1997, "blocks": ["901F"]}))
    assert values(made, SimBus([meter(edition=1997, longest=7)]), *old)[::4] == [
        Decimal("1234.56"),
        Decimal("334.56"),
    ]
    assert [*one.asked] == ["0001FF00"]


def test_a_meter_that_never_ends_is_given_up():
    made = device(profile(ENERGY, options={"blocks": ["0001FF00"], "max_frames": 2}))
    with pytest.raises(FrameDamaged, match="more than 2 frames"):
        values(made, SimBus([meter(longest=4)]), *ENERGY)


def test_another_frame_than_the_one_asked_for_is_damage():
    made = device(profile(ENERGY, options={"blocks": ["0001FF00"]}))
    (whole,) = made.plan(ENERGY)
    first = made.exchange(whole)
    di = bytes.fromhex("00FF0100")
    segment = first.reader.feed(Frame(ADDRESS, 0xB1, di + bytes(4)).encode())
    second = first.then(segment)
    assert parse(second.request).data == di + b"\x01"
    wrong = second.reader.feed(Frame(ADDRESS, 0x92, di + bytes(4) + b"\x02").encode())
    with pytest.raises(FrameDamaged, match="another one came"):
        second.then(wrong)


def test_midnight_between_date_and_time_is_read_again():
    at = [datetime(2026, 11, 22, 23, 59, 59, tzinfo=ZONE)]
    made = device(profile({"clock": {"unit": "s", "at": {"derived": "clock"}}}))
    (whole,) = made.plan(["clock"])
    bus, exchange = SimBus([meter(now=lambda: at[0])]), made.exchange(whole)
    exchange = exchange.then(exchange.reader.feed(bus.feed(exchange.request)[0]))
    at[0] += timedelta(seconds=2)
    with pytest.raises(FrameDamaged, match="midnight"):
        carry(exchange, bus)
    assert values(made, bus, "clock") == [seconds(at[0])]


def test_what_is_read_of_the_clock_is_read_once():
    points = {
        "clock": {"unit": "s", "at": {"derived": "clock"}},
        "right": {"kind": "state", "at": {"derived": "clock_right"}},
    }
    one = meter()
    assert values(device(profile(points)), SimBus([one]), "right", "clock") == [True, seconds(NOW)]
    assert [*one.asked] == CLOCK


@pytest.mark.parametrize(
    ("off", "right"), [(0, True), (299, True), (-299, True), (301, False), (-86400, False)]
)
def test_a_clock_that_is_wrong_is_a_state(off, right):
    made = device(profile({"right": {"kind": "state", "at": {"derived": "clock_right", "within": 300}}}))
    assert values(made, SimBus([meter(offset=timedelta(seconds=off))]), "right") == [right]


def test_the_time_is_told_to_all_meters_and_looked_at_again():
    points = {"right": {"kind": "state", "at": {"derived": "clock_right", "within": 5}}}
    actions = {
        "set_clock": {
            "label": "Set",
            "at": {"do": "broadcast_time"},
            "read_back": {"point": "right", "is": True},
        }
    }
    one, two = meter(offset=timedelta(seconds=100)), meter(address="2", offset=timedelta(seconds=-200))
    made, bus = device(profile(points, actions=actions)), SimBus([one, two])
    assert made.exchange(made.command("set_clock", {}).write).reader is None
    assert order(made, bus, "set_clock")["right"].value is True
    assert two.offset == timedelta(0)


def test_negative_and_unknown_values():
    points = {
        **VOLTS,
        "power": {"unit": "kW", "exp": -4, "at": {"di": "02030000"}},
        "current": {"unit": "A", "exp": -3, "at": {"di": "02020100"}},
        "total": TOTAL,
    }
    one = meter(kilowatts=[Decimal("-1.2345")] * 4, amps=[Decimal("-0.1")] * 3, not_digits={"00010000"})
    found, _ = read(device(profile(points)), SimBus([one]), list(points))
    assert (found["power"].value, found["current"].value) == (Decimal("-1.2345"), Decimal("-0.100"))
    assert (found["total"].value, found["total"].quality) == (None, Quality.RANGE)


def test_missing_patterns_and_all_ff_are_none():
    made = device(profile({"v": {"unit": "V", "exp": -1, "at": {"di": "02010100"}, "missing": ["9999"]}}))
    (asked,) = made.plan(["v"])
    for data, quality in (
        ("9999", Quality.DEVICE),
        ("FFFF", Quality.DEVICE),
        ("A123", Quality.RANGE),
        ("12", Quality.RANGE),
    ):
        segment = bytes((0x91, 4 + len(data) // 2)) + bytes.fromhex("00010102" + data)
        assert made.decode(asked, segment)["v"].quality is quality
    assert made.decode(asked, b"")["v"].quality is Quality.CRC


def test_makers_own_identifiers():
    points = {
        "own": {"at": {"di": "00FE1234", "type": "bcd", "bytes": 2, "signed": True, "offset": 1}, "exp": -1},
        "own_at": {"at": {"di": "00FE1234", "type": "time", "bytes": 5, "layout": "YYMMDDhhmm", "offset": 3}},
        "own_bit": {"kind": "state", "at": {"di": "00FE1234", "type": "bits", "bytes": 1, "bit": 7}},
    }
    made = device(profile(points))
    (asked,) = made.plan(points)
    data = bytes.fromhex("80" + "2381" + "0500221126")
    found = made.decode(asked, bytes((0x91, 4 + len(data))) + bytes.fromhex("3412FE00") + data)
    assert [found[name].value for name in points] == [
        Decimal("-12.3"),
        seconds(datetime(2026, 11, 22, 0, 5, tzinfo=ZONE)),
        True,
    ]


def test_an_order_whose_time_is_over_and_a_wrong_password_are_refused(tmp_path):
    secret = tmp_path / "password"
    secret.write_text("04111111")
    points, actions = profile(RELAY, actions=TRIP), {"password_file": str(secret)}
    late = SimBus([meter(password="04111111", offset=timedelta(seconds=301))])
    with pytest.raises(DeviceRefused, match="other error"):
        order(device(points, **actions), late, "trip")
    with pytest.raises(DeviceRefused, match="wrong password"):
        order(device(points, **actions), SimBus([meter(password="02222222")]), "trip")


def test_answers_of_one_meter_to_one_function_share_a_key():
    made, other = device(profile(ENERGY)), device(profile(ENERGY), address="9")
    keys = [made.exchange(asked).key for asked in made.plan(["total", "t1"])]
    assert len(set(keys)) == 1
    assert other.exchange(other.plan(["total"])[0]).key not in keys


def test_the_unit_is_the_address_where_none_is_given():
    made = registry.get("dlt645")
    assert made.device(profile(ENERGY), 17, {"framing": "mbap"}).address == "000000000017"
    with pytest.raises(Misconfigured, match="nameplate"):
        made.device(profile(ENERGY), None, {})
    with pytest.raises(Misconfigured, match="no point"):
        made.device(profile(ENERGY), 1, {}).plan(["nothing"])


@given(st.binary(max_size=120))
def test_any_payload_is_readings(payload):
    made = device(profile(ENERGY | FROZEN | LOGS | RELAY | SETTLED, signals=SIGNALS, atomic=[list(SETTLED)]))
    for asked in made.plan([*ENERGY, *FROZEN, *LOGS, *RELAY, *SETTLED]):
        for reading in made.decode(asked, payload).values():
            assert (reading.value is None) == reading.quality.bad
        assert len(made.happenings(asked, payload)) <= 20


@given(st.decimals(0, "999999.99", places=2), st.decimals("-79.9999", "79.9999", places=4))
def test_what_a_meter_shows_is_what_is_read(energy, power):
    one = meter(energies={1: [energy]}, kilowatts=[power] * 4)
    points = {"total": TOTAL, "power": {"unit": "W", "exp": -1, "at": {"di": "02030000"}}}
    assert values(device(profile(points)), SimBus([one]), "total", "power") == [energy, power * 1000]


def test_requests_are_sound_frames_of_the_length_that_is_reckoned():
    made = device(profile(ENERGY, options={"blocks": ["0001FF00"]}))
    for asked in (*made.plan(["total"]), *made.plan(ENERGY)):
        exchange = made.exchange(asked)
        assert len(exchange.request) == asked.request_bytes
        assert exchange.reply_bytes == asked.reply_bytes
        assert isinstance(asked.block, Talk)
        (answer,) = SimBus([meter()]).feed(exchange.request)
        assert len(answer) == asked.reply_bytes
        assert len(list(frames_in(answer))) == 1
