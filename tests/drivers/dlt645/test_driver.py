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
from messages.types import Edge, Quality
from simulators.dlt645 import SimBus
from tests.support.dlt645 import ADDRESS, NOW, ZONE, carry, device, meter, order, profile, read, values

KWH = {"unit": "kWh", "exp": -2, "kind": "register"}
TOTAL = {**KWH, "at": {"di": "00010000"}}
TARIFFS = {f"t{n}": {**KWH, "at": {"di": f"00010{n}00"}} for n in (1, 2, 3, 4)}
ENERGY = {"total": TOTAL, **TARIFFS}
VOLTS = {
    f"voltage_{letter}": {"unit": "V", "exp": -1, "at": {"di": f"02010{n}00"}}
    for n, letter in enumerate("abc", 1)
}
FROZEN = {
    "frozen_at": {"unit": "s", "at": {"di": "05060001"}},
    "frozen": {**KWH, "at": {"di": "05060101"}},
    "frozen_t2": {**KWH, "at": {"di": "05060101", "part": 2}},
}
SETTLED = {
    "settled_at": {"unit": "s", "at": {"derived": "settled"}},
    "closing": {**KWH, "at": {"di": "00010001"}},
}
LOGS = {
    "losses": {"at": {"di": "03110000"}, "kind": "register"},
    "opened": {"at": {"di": "03300D00"}, "kind": "register"},
}
SIGNALS = {
    "cover_open": {"label": "Cover", "severity": "high", "class": "tamper", "on": {"count": "03300D00"}},
    "power_loss": {"label": "Loss", "severity": "low", "class": "power", "on": {"count": "03110000"}},
}
CLOCK = ["04000101", "04000102", "04000101"]
RELAY = {"relay_open": {"kind": "state", "at": {"di": "04000503", "bit": 4}}}
TRIP = {"trip": {"label": "Trip", "at": {"do": "trip"}, "read_back": {"point": "relay_open", "is": True}}}


def seconds(at: datetime) -> Decimal:
    return Decimal(int(at.timestamp()))


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
    assert one.asked == ["0001FF00", "02010300"]
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
    assert one.asked == ["0001FF00"]


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


def test_the_daily_freeze_comes_with_its_time_in_one_piece():
    one = meter()
    one.freeze(datetime(2026, 11, 22, tzinfo=ZONE))
    one.energies[1][0] += 5
    made = device(profile(FROZEN, atomic=[list(FROZEN)]))
    assert values(made, SimBus([one]), *FROZEN) == [
        seconds(datetime(2026, 11, 22, tzinfo=ZONE)),
        Decimal("1234.56"),
        Decimal("300.00"),
    ]
    assert one.asked == [*CLOCK, "05060001", "05060101", "05060001"]
    (whole,) = made.plan(["frozen"])
    assert (whole.steps, set(whole.points)) == (6, set(FROZEN))
    assert made.split(whole) == []


def test_a_freeze_in_the_middle_of_its_reading_is_no_boundary():
    one = meter()
    one.freeze(NOW - timedelta(days=1))
    made = device(profile(FROZEN, atomic=[list(FROZEN)]))
    (whole,) = made.plan(["frozen"])
    bus, following = SimBus([one]), made.exchange(whole)
    for _ in range(4):  # date, time, date, time of the freeze
        following = following.then(following.reader.feed(bus.feed(following.request)[0]))
    one.freeze(NOW)
    with pytest.raises(FrameDamaged, match="05060001 changed"):
        carry(following, bus)


def test_a_frozen_register_is_a_reading_of_its_own_instant():
    one = meter()
    midnight = datetime(2026, 11, 22, tzinfo=ZONE)
    one.freeze(midnight)
    one.settle()
    points = FROZEN | SETTLED | ENERGY
    made = device(profile(points, atomic=[list(FROZEN), list(SETTLED)]))
    found, _ = read(made, SimBus([one]), list(points))
    assert (found["frozen"].at, found["frozen"].quality) == (midnight, Quality.GOOD)
    assert found["closing"].at == datetime(2026, 11, 1, tzinfo=ZONE)
    assert {found[name].at for name in ("frozen_at", "settled_at", *ENERGY)} == {None}
    one.offset = timedelta(minutes=6)
    found, _ = read(made, SimBus([one]), list(points))
    assert [found[name].quality for name in ("frozen", "closing", "total")] == [
        Quality.CLOCK,
        Quality.CLOCK,
        Quality.GOOD,
    ]
    alone, _ = read(device(profile({"frozen": FROZEN["frozen"]})), SimBus([one]), ["frozen"])
    assert alone["frozen"].at is None


@pytest.mark.parametrize(
    ("day", "clock", "instant"),
    [
        ((1, 0), NOW, datetime(2026, 11, 1, tzinfo=ZONE)),
        ((25, 9), NOW, datetime(2026, 10, 25, 9, tzinfo=ZONE)),
        ((22, 16), NOW, datetime(2026, 11, 22, 16, tzinfo=ZONE)),
        ((22, 17), NOW, datetime(2026, 10, 22, 17, tzinfo=ZONE)),
        ((28, 0), datetime(2026, 1, 5, tzinfo=ZONE), datetime(2025, 12, 28, tzinfo=ZONE)),
    ],
)
def test_the_settlement_instant_follows_from_the_meters_own_clock(day, clock, instant):
    one = meter(settlement_day=day, now=lambda: clock)
    one.settle()
    one.energies[1][0] += 5
    made = device(profile(SETTLED, atomic=[list(SETTLED)]))
    assert values(made, SimBus([one]), *SETTLED) == [seconds(instant), Decimal("1234.56")]


def test_a_settlement_in_the_middle_of_its_reading_is_no_boundary():
    at = [datetime(2026, 11, 30, 23, 59, 58, tzinfo=ZONE)]
    one = meter(now=lambda: at[0])
    one.settle()
    made = device(profile(SETTLED, atomic=[list(SETTLED)]))
    (whole,) = made.plan(["closing"])
    bus, exchange = SimBus([one]), made.exchange(whole)
    for _ in range(5):  # settlement day, date, time, date, energy
        exchange = exchange.then(exchange.reader.feed(bus.feed(exchange.request)[0]))
    at[0] += timedelta(seconds=5)
    with pytest.raises(FrameDamaged, match="settlement instant"):
        carry(exchange, bus)


@pytest.mark.parametrize(("after", "told"), [(59, False), (60, True)])
def test_a_meter_that_has_only_just_settled_is_asked_later(after, told):
    now = datetime(2026, 12, 1, tzinfo=ZONE) + timedelta(seconds=after)
    one = meter(now=lambda: now)
    one.settle()
    made = device(profile(SETTLED, atomic=[list(SETTLED)]))
    if told:
        assert values(made, SimBus([one]), "settled_at") == [seconds(datetime(2026, 12, 1, tzinfo=ZONE))]
    else:
        with pytest.raises(FrameDamaged, match="only just"):
            values(made, SimBus([one]), "settled_at")


@pytest.mark.parametrize("what", ["freeze", "settlement"])
@pytest.mark.parametrize("step", range(9))
def test_whenever_the_meter_moves_on_a_register_has_its_own_instant(what, step):
    at = [datetime(2026, 11, 30, 23, 59, 59, tzinfo=ZONE)]
    one = meter(now=lambda: at[0])
    one.freeze(datetime(2026, 11, 30, tzinfo=ZONE))
    one.settle()
    old, new = one.energies[1][0], one.energies[1][0] + 7
    points = FROZEN if what == "freeze" else SETTLED
    instant, register = list(points)[:2]
    made = device(profile(points, atomic=[list(points)]))
    (whole,) = made.plan([register])
    bus, following, steps = SimBus([one]), made.exchange(whole), 0
    try:
        while not isinstance(following, bytes):
            if steps == step:
                at[0] += timedelta(seconds=1)
                one.energies[1][0] = new
                one.freeze()
                one.settle()
            following = following.then(following.reader.feed(bus.feed(following.request)[0]))
            steps += 1
    except FrameDamaged:
        return
    found = made.decode(whole, following)
    before = datetime(2026, 11, 30, tzinfo=ZONE) if what == "freeze" else datetime(2026, 11, 1, tzinfo=ZONE)
    pairs = {(seconds(before), old), (seconds(datetime(2026, 12, 1, tzinfo=ZONE)), new)}
    assert (found[instant].value, found[register].value) in pairs


def test_a_settlement_day_that_is_not_set_is_no_instant():
    one = meter(settlement_day=(99, 99))
    one.settle()
    found, _ = read(device(profile(SETTLED, atomic=[list(SETTLED)])), SimBus([one]), list(SETTLED))
    assert (found["settled_at"].value, found["settled_at"].quality) == (None, Quality.RANGE)
    assert found["closing"].value == Decimal("1234.56")


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
    assert one.asked == CLOCK


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


def test_event_logs_are_told_once_with_their_time_and_number():
    began = NOW - timedelta(hours=3)
    one = meter(power_losses=[(began, began + timedelta(minutes=5))])
    made, bus = device(profile(LOGS, signals=SIGNALS)), SimBus([one])
    found, told = read(made, bus, list(LOGS))
    assert (found["losses"].value, found["opened"].value) == (1, 0)
    (loss,) = told
    assert (loss.code, loss.edge, loss.at) == ("power_loss", Edge.PULSE, began)
    assert loss.number == "031100@261122134005"
    assert "ended 2026-11-22 13:45:05" in loss.detail
    assert read(made, bus, list(LOGS))[1] == []
    for minutes in (60, 30):
        one.openings.append((NOW - timedelta(minutes=minutes), None))
    told = read(made, bus, list(LOGS))[1]
    assert [(one.code, one.at) for one in told] == [
        ("cover_open", NOW - timedelta(minutes=60)),
        ("cover_open", NOW - timedelta(minutes=30)),
    ]
    # Another life of the gateway hears all that the meter keeps, under the same numbers.
    again = read(device(profile(LOGS, signals=SIGNALS)), bus, list(LOGS))[1]
    assert {one.number for one in again} == {one.number for one in (loss, *told)}


def test_an_event_while_its_log_is_read_is_not_lost():
    one = meter(openings=[(NOW - timedelta(hours=2), None)])
    made, bus = device(profile(LOGS, signals=SIGNALS)), SimBus([one])
    (asked,) = made.plan(["opened"])
    exchange = made.exchange(asked)
    following = exchange.then(exchange.reader.feed(bus.feed(exchange.request)[0]))
    one.openings.append((NOW, None))
    with pytest.raises(FrameDamaged, match="03300D00 changed"):
        carry(following, bus)
    assert [told.at for told in read(made, bus, ["opened"])[1]] == [NOW - timedelta(hours=2), NOW]


def test_a_log_without_its_record_and_a_log_that_was_cleared():
    one = meter(openings=[(NOW, None)] * 12, lacking={"03300D01"})
    made, bus = device(profile(LOGS, signals=SIGNALS)), SimBus([one])
    told = [happening for _ in range(6) for happening in read(made, bus, ["opened"])[1]]
    assert len(told) == 10
    assert one.asked.count("03300D01") == 1
    assert (told[-1].at, told[-1].number) == (None, "03300D#12")
    one.lacking.clear()
    one.openings = [(NOW + timedelta(minutes=1), None)]
    assert [event.at for event in read(made, bus, ["opened"])[1]] == [NOW + timedelta(minutes=1)]


def test_a_record_that_ends_after_its_times_is_told_with_them():
    made = device(profile(LOGS, signals=SIGNALS))
    (asked,) = made.plan(["opened"])
    di = bytes.fromhex("000D3003")
    payload = bytes((0x91, 7)) + di + b"\1\0\0" + bytes((0x91, 16)) + b"\1" + di[1:]
    (told,) = made.happenings(asked, payload + bytes.fromhex("050016221126") + bytes(6))
    assert (told.at, told.number) == (NOW.replace(minute=0), "03300D@261122160005")


def test_the_relay_is_switched_with_a_password_and_read_back(tmp_path):
    secret = tmp_path / "password"
    secret.write_text("654321\n")
    one = meter(password="02654321")
    made = device(profile(RELAY, actions=TRIP), password_file=str(secret), operator="12345678")
    plan = made.command("trip", {})
    assert order(made, SimBus([one]), "trip")["relay_open"].value is True
    assert dict(plan.expect) == {"relay_open": True}
    assert "6543" not in repr(plan)
    assert made.exchange(plan.write).secret
    request = parse(made.exchange(plan.write).request)
    assert request.data[:9] == bytes.fromhex("02 214365 78563412 1A")
    assert request.data[10:][::-1].hex() == (NOW + timedelta(seconds=300)).strftime("%y%m%d%H%M%S")


def test_an_order_whose_time_is_over_and_a_wrong_password_are_refused(tmp_path):
    secret = tmp_path / "password"
    secret.write_text("04111111")
    points, actions = profile(RELAY, actions=TRIP), {"password_file": str(secret)}
    late = SimBus([meter(password="04111111", offset=timedelta(seconds=301))])
    with pytest.raises(DeviceRefused, match="other error"):
        order(device(points, **actions), late, "trip")
    with pytest.raises(DeviceRefused, match="wrong password"):
        order(device(points, **actions), SimBus([meter(password="02222222")]), "trip")


def test_no_relay_order_without_a_password_or_to_a_load_that_guards_lives(tmp_path, monkeypatch):
    made = profile(RELAY, actions=TRIP)
    with pytest.raises(Misconfigured, match="relay control needs"):
        device(made).command("trip", {})
    with pytest.raises(Misconfigured, match="cannot be read"):
        device(made, password_file=str(tmp_path / "none")).command("trip", {})
    monkeypatch.setenv("METER_PASSWORD", "12x456")
    with pytest.raises(Misconfigured, match="no password of 6 digits") as told:
        device(made, password_env="METER_PASSWORD").command("trip", {})
    assert "12x456" not in str(told.value)
    monkeypatch.setenv("METER_PASSWORD", "123456")
    assert device(made, password_env="METER_PASSWORD").command("trip", {})
    with pytest.raises(Misconfigured, match="not both"):
        device(made, password_env="METER_PASSWORD", password_file="x").command("trip", {})
    elsewhere = profile(RELAY, actions=TRIP, options={"password_env": "METER_PASSWORD"})
    (tmp_path / "own").write_text("654321")
    assert device(elsewhere, password_file=str(tmp_path / "own")).command("trip", {})
    with pytest.raises(Misconfigured, match="life_safety"):
        device(made, password_env="METER_PASSWORD", life_safety=True).command("trip", {})
    marked = profile(RELAY, actions=TRIP, options={"life_safety": True})
    with pytest.raises(Misconfigured, match="cannot take that back"):
        device(marked, life_safety=False)
    with pytest.raises(Misconfigured, match="takes no arguments"):
        device(made, password_env="METER_PASSWORD").command("trip", {"a": "b"})
    with pytest.raises(Misconfigured, match="offers no command"):
        device(made).command("close", {})


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


@pytest.mark.parametrize(
    ("points", "options", "fault"),
    [
        ({"p": {**KWH, "at": {"di": "9010"}}}, {}, "p.at.di: 9010 has 4 digits"),
        ({"p": {**KWH, "at": {"di": "00010000", "bytes": 4}}}, {}, "p.at: 00010000 is forward active"),
        ({"p": {**KWH, "exp": -1, "at": {"di": "00010000"}}}, {}, "p.exp: is -1"),
        ({"p": {**KWH, "unit": "kvarh", "at": {"di": "00010000"}}}, {}, "p.unit: is 'kvarh'"),
        ({"p": {**KWH, "at": {"di": "00010000", "part": 1}}}, {}, "p.at.part"),
        ({"p": {**KWH, "at": {"di": "00010000", "field": "time"}}}, {}, "p.at.field"),
        ({"p": {"at": {}}}, {}, "p.at: give exactly one"),
        ({"p": {"at": {"di": "00FE0000"}}}, {}, "say type and bytes"),
        ({"p": {"at": {"di": "04000404"}}}, {}, "is text"),
        ({"p": {"kind": "state", "at": {"di": "04000503", "bit": 16}}}, {}, "p.at.bit"),
        ({"p": {"at": {"di": "04000503", "bit": 1}}}, {}, "p.kind"),
        ({"p": {"at": {"derived": "clock_right"}}}, {}, "p.kind"),
        ({"p": {"unit": "s", "at": {"derived": "clock", "bit": 1}}}, {}, "stands alone"),
        ({"p": TOTAL}, {"zone": "+15:00"}, "options.zone"),
        ({"p": TOTAL}, {"blocks": ["00010000"]}, "options.blocks[0]"),
        ({"p": TOTAL}, {"password": "123456"}, "options.password"),
        ({"p": TOTAL}, {"address": "12A"}, "options.address"),
        ({"p": {**TOTAL, "missing": ["FF"]}}, {}, "p.missing[0]"),
        (
            {"p": {"at": {"di": "00FE0000", "type": "time", "bytes": 3, "layout": "hhmmss"}}},
            {},
            "p.at.layout",
        ),
    ],
)
def test_what_cannot_be_read_is_named_with_its_place(points, options, fault):
    with pytest.raises(Misconfigured) as told:
        device(profile(points), **options)
    assert fault in str(told.value)


@pytest.mark.parametrize(("di", "needed"), [("05060101", "05060001"), ("00010001", "derived: settled")])
def test_a_frozen_register_is_not_billed_without_its_instant(di, needed):
    billed = {"r": {**KWH, "billing": True, "modulus": 1000000, "at": {"di": di}}, "total": TOTAL}
    with pytest.raises(Misconfigured, match=rf"points.r.billing.*{needed}"):
        registry.get("dlt645").check(profile(billed))


def test_signals_need_a_log_and_a_point_that_polls_it():
    with pytest.raises(Misconfigured, match="needs a point that reads 03300D00"):
        device(profile({"total": TOTAL}, signals=SIGNALS))
    unknown = {"x": {**SIGNALS["cover_open"], "on": {"count": "03FF0000"}}}
    with pytest.raises(Misconfigured, match="no event log"):
        device(profile({"total": TOTAL}, signals=unknown))
    with pytest.raises(Misconfigured, match="1997 has no relay"):
        device(
            profile(
                {"p": {**KWH, "at": {"di": "9010"}}}, actions={"a": {"label": "A", "at": {"do": "trip"}}}
            ),
            edition=1997,
        )


def test_examples_are_decoded_and_what_they_tell_is_compared():
    one = meter(openings=[(NOW, None)])
    bus, made = SimBus([one]), device(profile(LOGS, signals=SIGNALS))
    (asked,) = made.plan(["opened"])
    replies = b"".join(
        Frame(ADDRESS, 0x91, bytes.fromhex(di)[::-1] + one.data(di)).encode()
        for di in ("03300D00", "03300D01")
    )
    assert carry(made.exchange(asked), bus)
    right = {"reply": replies.hex(), "expect": {"opened": 1}, "happens": ["cover_open"]}
    registry.get("dlt645").check(profile(LOGS, signals=SIGNALS, examples=[right]))
    for change, fault in [
        ({"expect": {"opened": 2}}, "expect.opened: is 2"),
        ({"expect": {"losses": 2}}, "expect.losses: no answer"),
        ({"happens": ["power_loss"]}, "happens: is power_loss"),
        ({"reply": "6800"}, "no sound answer"),
        ({"request": "6800"}, "no sound request"),
    ]:
        with pytest.raises(Misconfigured, match="examples") as told:
            registry.get("dlt645").check(profile(LOGS, signals=SIGNALS, examples=[right | change]))
        assert fault in str(told.value)


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
