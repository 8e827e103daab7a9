from decimal import Decimal

import pytest

from drivers.api import Reading
from drivers.cjt188 import frames, scan
from drivers.cjt188.driver import Cjt188Driver
from drivers.errors import DeviceRefused, FrameDamaged, Misconfigured
from drivers.profile import Action, Example, ReadBack
from messages.types import Quality
from tests.support.cjt188 import ADDRESS, device, profile, reply

VOLUME = {"field": "volume", "unit": "m³", "exp": -2}
SETTLED = {"field": "settled_volume", "unit": "m³", "exp": -2}
VALVE = {"field": "status", "mask": "0x0003", "kind": "state"}
BATTERY = {"field": "status", "bit": 2, "kind": "state"}
WATER = {"volume": VOLUME, "settled": SETTLED, "valve": VALVE, "battery_low": BATTERY}
BODY = "78563412 2C 02000000 2C 59541619081720 0500".replace(" ", "")
CLOSE = Action(label="Close", at={"valve": "close"}, read_back=ReadBack(point="valve", equals=Decimal(1)))


def read(points, body=BODY, **options):
    made = device(points, **options)
    (transaction,) = made.plan(points)
    exchange = made.exchange(transaction)
    raw = exchange.reader.feed(reply(exchange.request, body))
    assert raw is not None
    return made.decode(transaction, raw)


def test_the_current_readings_come_in_one_exchange():
    found = read(WATER)
    assert {name: reading.value for name, reading in found.items()} == {
        "volume": Decimal("123456.78"),
        "settled": Decimal("0.02"),
        "valve": Decimal(1),
        "battery_low": True,
    }
    assert found["volume"] == Reading(Decimal("123456.78"), Quality.GOOD, bytes.fromhex("785634122C"))


def test_a_request_is_as_the_standard_has_it():
    made = device(WATER)
    one, two = (made.exchange(made.plan(["volume"])[0]) for _ in range(2))
    assert one.request[:-3] == bytes.fromhex("FEFEFE 68 10 69000107172000 01 03 1F90")
    assert frames.parse(one.request).ser == 1
    assert frames.parse(two.request).ser == 2
    assert one.key == two.key
    high = device(WATER, di_order="high", wakeup=0, type="11")
    assert high.exchange(high.plan(["volume"])[0]).request[:13] == bytes.fromhex("6811690001071720000103901F")


@pytest.mark.parametrize(
    ("body", "quality"),
    [
        ("FFFFFFFF2C" + BODY[10:], Quality.DEVICE),
        ("FFFFFFFFFF" + BODY[10:], Quality.DEVICE),
        ("7856341229" + BODY[10:], Quality.CONFIG),
        ("7856341299" + BODY[10:], Quality.CONFIG),
        ("2C78563412" + BODY[10:], Quality.CONFIG),
        ("7A5634122C" + BODY[10:], Quality.RANGE),
        (BODY[:-2], Quality.RANGE),
        (BODY + "00", Quality.RANGE),
        ("", Quality.RANGE),
    ],
)
def test_what_is_no_value_is_none_with_a_quality(body, quality):
    found = read({"volume": VOLUME}, body)["volume"]
    assert (found.value, found.quality) == (None, quality)


def test_litres_are_litres_and_never_cubic_metres():
    body = "47700100 29 51480100 29 20052820582400 0000".replace(" ", "")
    assert read({"volume": {**VOLUME, "unit": "L", "exp": 0}}, body)["volume"].value == 17047
    assert read({"volume": VOLUME}, body)["volume"].quality is Quality.CONFIG


def test_a_vendor_that_puts_the_unit_first_is_read():
    body = "2C 78563412 2C 02000000 59541619081720 0500".replace(" ", "")
    assert read({"volume": VOLUME}, body, unit_first=True)["volume"].value == Decimal("123456.78")
    assert read({"volume": VOLUME}, unit_first=True)["volume"].quality is Quality.CONFIG


HEAT = "31174020 05 88274405 05 00000000 17 12340000 35 08567100 2C 792600 642600 664707 11521703092520 0005".replace(
    " ", ""
)


def test_a_heat_meter_has_its_own_layout_and_its_makers_decimals():
    points = {
        "energy": {"field": "energy", "unit": "kWh", "exp": -2},
        "cooling": {"field": "cooling_energy", "unit": "kWh", "exp": -2},
        "power": {"field": "power", "unit": "kW", "exp": -2},
        "flow": {"field": "flow", "unit": "m³/h", "exp": -4},
        "volume": VOLUME,
        "supply": {"field": "supply_temperature", "unit": "°C", "exp": -2},
        "back": {"field": "return_temperature", "unit": "°C", "exp": -2},
        "hours": {"field": "hours", "unit": "h"},
        "low": {"field": "status", "bit": 10, "kind": "state"},
    }
    found = {name: reading.value for name, reading in read(points, HEAT, type="20").items()}
    assert found == {
        "energy": Decimal("54427.88"),
        "cooling": Decimal("204017.31"),
        "power": 0,
        "flow": Decimal("0.3412"),
        "volume": Decimal("7156.08"),
        "supply": Decimal("26.79"),
        "back": Decimal("26.64"),
        "hours": 74766,
        "low": True,
    }
    hundred = HEAT.replace("8827440505", "882744050A")
    unit = {"field": "energy", "unit": "MWh", "exp": -2}
    assert read({"energy": unit}, hundred, type="20")["energy"].value == 5442788


def test_totals_of_past_settlements_are_transactions_of_their_own():
    points = {"volume": VOLUME, "last": {**SETTLED, "di": "D120"}, "before": {**SETTLED, "di": "D121"}}
    made = device(points)
    plan = made.plan(points)
    assert [transaction.points for transaction in plan] == [("volume",), ("last",), ("before",)]
    assert made.plan(["before"]) == [plan[2]]
    exchange = made.exchange(plan[1])
    raw = exchange.reader.feed(reply(exchange.request, "785634122C"))
    assert made.decode(plan[1], raw)["last"].value == Decimal("123456.78")
    assert made.split(plan[1]) == []
    with pytest.raises(Misconfigured, match="no point 'x'"):
        made.plan(["x"])


def test_a_makers_own_data_are_read_by_their_bytes():
    points = {
        "binary": {"di": "9320", "offset": 0, "bytes": 4, "type": "binary", "unit": "m³", "exp": -3},
        "coded": {"di": "9320", "offset": 5, "bytes": 2, "unit_at": 4, "unit": "L"},
        "flag": {"di": "9320", "offset": 7, "bytes": 1, "bit": 7, "kind": "state"},
        "big": {"di": "9320", "offset": 5, "bytes": 2, "exp": 2},
    }
    found = read(points, "40E20100 29 3412 80".replace(" ", ""))
    assert {name: reading.value for name, reading in found.items()} == {
        "binary": Decimal("123.456"),
        "coded": 1234,
        "flag": True,
        "big": 123400,
    }


def test_a_reply_with_another_ser_is_taken_only_where_the_device_is_said_to_have_its_own():
    for any_ser, taken in ((False, False), (True, True)):
        made = device(WATER, any_ser=any_ser)
        exchange = made.exchange(made.plan(["volume"])[0])
        assert (made.exchange(made.plan(["volume"])[0]).request == exchange.request) is any_ser
        own = frames.encode(0x10, ADDRESS, 0x81, bytes.fromhex("1F90EE" + BODY))
        assert (exchange.reader.feed(own) is not None) is taken


def test_a_refusal_is_one():
    made = device(WATER)
    exchange = made.exchange(made.plan(["volume"])[0])
    ser = frames.parse(exchange.request).ser
    with pytest.raises(DeviceRefused, match="C1 abnormal"):
        exchange.reader.feed(frames.encode(0x10, ADDRESS, 0xC1, bytes((ser, 4, 0))))


def test_bytes_that_are_no_reply_become_no_value():
    made = device(WATER)
    (transaction,) = made.plan(["volume"])
    assert made.decode(transaction, b"")["volume"] == Reading(None, Quality.CRC)


def test_the_valve_is_a_command_that_is_read_back():
    made = device(WATER, {"close": CLOSE})
    plan = made.command("close", {})
    exchange = made.exchange(plan.write)
    asked = frames.parse(exchange.request)
    assert (asked.control, asked.data[:2], asked.body) == (0x04, bytes.fromhex("17A0"), b"\x99")
    assert exchange.reader.feed(reply(exchange.request, "0100")) is not None
    assert made.decode(plan.write, b"") == {}
    assert plan.expect == {"valve": Decimal(1)}
    assert plan.read_back is not None
    assert "valve" in plan.read_back.points


@pytest.mark.parametrize(
    ("action", "args", "options", "words"),
    [
        ("open", {}, {}, "it offers close"),
        ("close", {"x": "1"}, {}, "no arguments"),
        ("close", {}, {"life_safety": True}, "life_safety"),
        ("close", {}, {"address": "AA"}, "never by AA"),
    ],
)
def test_what_may_not_be_commanded_is_refused(action, args, options, words):
    with pytest.raises(Misconfigured, match=words):
        device(WATER, {"close": CLOSE}, **options).command(action, args)


@pytest.mark.parametrize(
    ("at", "words"),
    [
        ({}, "either a field"),
        ({"field": "volume", "offset": 0}, "either a field"),
        ({"field": "energy", "unit": "kWh"}, "has no energy; it has volume"),
        ({"field": "volume", "di": "9320", "unit": "m³"}, "none: give offset"),
        ({"field": "volume", "unit": "kWh"}, "unit: is 'kWh'"),
        ({"field": "volume", "unit": "m³", "bytes": 4}, "leave them out"),
        ({"field": "volume", "unit": "m³", "bit": 1}, "only the status"),
        ({"field": "status"}, "mask: is missing"),
        ({"field": "status", "bit": 1, "mask": "0x1"}, "not both"),
        ({"field": "status", "bit": 16}, "highest bit is 15"),
        ({"field": "status", "mask": "0x10000"}, "none above bit 15"),
        ({"offset": 0}, "bytes: is missing"),
        ({"offset": 0, "bytes": 2, "missing": ("FF",)}, "the value has 4"),
        ({"field": "colour"}, "not among the choices"),
        ({"di": "901f", "field": "volume"}, "four hex digits"),
    ],
)
def test_an_address_that_cannot_be_is_refused_by_its_place(at, words):
    with pytest.raises(Misconfigured, match=words) as found:
        device({"p": at})
    assert str(found.value).startswith("points.p")


@pytest.mark.parametrize("options", [{"type": "99"}, {"address": "12345678901234567"}, {"colour": 1}])
def test_options_are_strict(options):
    with pytest.raises(Misconfigured, match="options"):
        device(WATER, **options)


def test_an_address_is_needed_and_a_small_number_will_do():
    with pytest.raises(Misconfigured, match="nameplate"):
        Cjt188Driver().device(profile(WATER), None, {})
    made = Cjt188Driver().device(profile(WATER), 7, {})
    assert frames.parse(made.exchange(made.plan(["volume"])[0]).request).address == "00000000000007"


def example(body=BODY, control=0x81, **expect):
    raw = frames.encode(0x10, ADDRESS, control, bytes.fromhex("1F9001" + body))
    return Example(reply=raw.hex(), expect=expect)


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (profile(WATER, examples=(example(volume="1"),)), r"examples\[0\].expect.volume: is 1 here"),
        (profile(WATER, examples=(example(control=0x84),)), "control code 84"),
        (profile({"p": {**SETTLED, "di": "D120"}}, examples=(example(p="1"),)), "no point of the profile"),
        (profile(WATER, examples=(Example(reply="68", expect={}),)), "no frame"),
        (profile({"battery_low": {**BATTERY, "kind": "gauge"}}), "a true or false point is a state"),
        (profile(WATER, {"close": Action(label="Close", at={"valve": "close"})}), "never moved unseen"),
        (profile(WATER, {"close": Action(label="Close", at={"valve": "half"})}), "actions.close.at.valve"),
    ],
)
def test_a_profile_that_cannot_work_is_refused_by_its_place(made, words):
    with pytest.raises(Misconfigured, match=words):
        Cjt188Driver().check(made)


def test_a_profile_that_works_passes():
    Cjt188Driver().check(
        profile(WATER, {"close": CLOSE}, examples=(example(volume="123456.78", battery_low=True),))
    )


@pytest.mark.parametrize("order", ["low", "high"])
def test_a_meter_alone_on_its_line_tells_its_address(order):
    exchange = scan.ask_address(di_order=order)
    assert frames.parse(exchange.request).address == frames.ANY_ADDRESS
    di = "810A" if order == "high" else "0A81"
    raw = exchange.reader.feed(frames.encode(0x25, ADDRESS, 0x83, bytes.fromhex(di + "00")))
    found = scan.who(raw)
    assert (found.address, found.kind, found.di_order) == (ADDRESS, "heat meter", order)


def test_two_meters_that_answer_at_once_are_no_address():
    one, two = (
        frames.encode(0x10, address, 0x83, bytes.fromhex("0A8100")) for address in (ADDRESS, "11112222333344")
    )
    both = bytes(left & right for left, right in zip(one, two, strict=True))
    assert scan.ask_address().reader.feed(both) is None
    with pytest.raises(FrameDamaged):
        frames.parse(both)
