from datetime import UTC, datetime
from decimal import Decimal
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.api import Transaction
from drivers.errors import Misconfigured
from drivers.mbus.driver import MbusDriver
from drivers.profile import Action, Event, Example, Signal, When
from messages.types import Quality, Severity
from simulators.mbus import MbusBus, Slave
from simulators.mbus_frames import Identity, Value, long_frame, record, response
from tests.support.mbus import device, point, profile, talk

WHO = Identity("12345678", "KAM", 8, 4)
POINTS = {
    "energy": point({"quantity": "energy"}, unit="kWh"),
    "energy_last": point({"quantity": "energy", "storage": 1}, unit="MWh"),
    "energy_back": point({"quantity": "energy", "modifiers": "3C"}, unit="kWh"),
    "energy_t2": point({"quantity": "energy", "tariff": 2, "subunit": 1}, unit="kWh"),
    "power_max": point({"quantity": "power", "function": "max"}, unit="kW"),
    "power_low": point({"status": "power_low"}),
    "leak": point({"quantity": "error_flags", "bit": 3}),
    "first": point({"record": 0}, unit="Wh"),
}
VALUES = [
    Value(b"\x05", 1234),
    Value(b"\x06", 77, storage=1),
    Value(b"\x86\x3c", 5),
    Value(b"\x03", 42, "bcd8", tariff=2, subunit=1),
    Value(b"\x2b", 999, "int16", "max"),
    Value(b"\xfd\x17", 0x18, "int8"),
]


def frame(values, status=0, who=WHO, tail=b"") -> bytes:
    return response(1, who, 7, status, b"".join(map(record, values)) + tail)


def decoded(points, raw, **options):
    made = device(points, **options)
    (transaction,) = made.plan(points)
    return made.decode(transaction, raw)


@pytest.mark.parametrize(
    ("record_", "zone", "moment"),
    [
        ("046D0B0BCD13", "+08:00", datetime(2014, 3, 13, 3, 11, tzinfo=UTC)),
        ("046D0B8BCD13", "+01:00", datetime(2014, 3, 13, 9, 11, tzinfo=UTC)),
        ("066D1E0B0BCD1300", "-03:30", datetime(2014, 3, 13, 14, 41, 30, tzinfo=UTC)),
    ],
)
def test_a_moment_is_told_in_seconds_of_utc(record_, zone, moment):
    points = {"clock": point({"quantity": "date_time"}, unit="s")}
    found = decoded(points, frame([], tail=bytes.fromhex(record_)), zone=zone)["clock"]
    assert found.value == Decimal(int(moment.timestamp()))


@pytest.mark.parametrize(
    ("record_", "quality"),
    [
        ("046D8B0BCD13", Quality.DEVICE),
        ("046D00000000", Quality.DEVICE),
        ("046D0B1BCD13", Quality.RANGE),
        ("046D0B0BDF12", Quality.RANGE),
        ("036D1E0B0B", Quality.RANGE),
    ],
)
def test_what_is_no_moment_is_none(record_, quality):
    points = {"clock": point({"quantity": "date_time"}, unit="s")}
    found = decoded(points, frame([], tail=bytes.fromhex(record_)))["clock"]
    assert (found.value, found.quality) == (None, quality)


def test_a_set_day_is_its_midnight():
    points = {"day": point({"quantity": "date", "storage": 1}, unit="s")}
    found = decoded(points, frame([], tail=bytes.fromhex("426CBF15")))["day"]
    assert found.value == Decimal(int(datetime(2013, 5, 30, 16, tzinfo=UTC).timestamp()))
    assert decoded(points, frame([], tail=bytes.fromhex("426C0000")))["day"].quality is Quality.DEVICE


def test_no_digits_are_told_that_were_not_sent():
    found = decoded({"energy": POINTS["energy"]}, frame([Value(b"\x06", 1001)]))["energy"]
    assert str(found.value) == "1001"
    assert found.raw == bytes.fromhex("E9030000")
    found = decoded({"energy": POINTS["energy"]}, frame([Value(b"\x07", 7)]))["energy"]
    assert str(found.value) == "70"
    found = decoded({"energy": POINTS["energy"]}, frame([Value(b"\x86\x7b", 7)]))["energy"]
    assert found.value == Decimal("7.001")


@pytest.mark.parametrize(
    ("given", "wanted", "value", "quality"),
    [
        ("kWh", "Wh", Decimal(5000), Quality.GOOD),
        ("Wh", "kWh", Decimal("0.005"), Quality.GOOD),
        ("imp", "imp", Decimal(5), Quality.GOOD),
        ("", "", Decimal(5), Quality.GOOD),
        ("", "kWh", None, Quality.CONFIG),
    ],
)
def test_a_bare_number_is_of_the_unit_that_the_profile_says(given, wanted, value, quality):
    bare = frame([Value(b"\xfd\x3a", 5)])  # dimensionless
    found = decoded({"x": point({"record": 0, "unit": given}, unit=wanted)}, bare)["x"]
    assert (found.value, found.quality) == (value, quality)


def test_the_unit_that_a_record_has_wins():
    points = {"x": point({"record": 0, "unit": "Wh"}, unit="kWh")}
    assert decoded(points, frame([Value(b"\x06", 5)]))["x"].value == 5
    with pytest.raises(Misconfigured, match=r"points.x.at.unit: is m³, and the point's is kWh"):
        device({"x": point({"record": 0, "unit": "m³"}, unit="kWh")})


def values(readings):
    return {name: reading.value for name, reading in readings.items()}


def test_points_are_found_by_what_they_are():
    found = values(decoded(POINTS, frame(VALUES, status=0x04)))
    assert found == {
        "energy": Decimal("123.4"),
        "energy_last": Decimal("0.077"),
        "energy_back": Decimal(5),
        "energy_t2": Decimal("0.042"),
        "power_max": Decimal("0.999"),
        "power_low": True,
        "leak": True,
        "first": Decimal(123400),
    }


@given(st.permutations(VALUES))
def test_in_whatever_order_and_in_however_many_telegrams(order):
    points = {name: one for name, one in POINTS.items() if name != "first"}
    slave = Slave(WHO, lambda: order, 1, status=4, room=30)
    made = device(points)
    (transaction,) = made.plan(points)
    payload = talk(made.exchange(transaction), MbusBus([slave], Random(1)))
    assert values(made.decode(transaction, payload)) == values(decoded(points, frame(VALUES, status=4)))


@pytest.mark.parametrize(
    ("raw", "quality"),
    [
        (frame([Value(b"\x0e", 1)]), Quality.CONFIG),  # joules, and the point is in kWh
        (frame([Value(b"\x13", 1)]), Quality.CONFIG),  # no energy at all
        (frame([Value(b"\x06", 1), Value(b"\x05", 2)]), Quality.CONFIG),  # which of the two?
        (frame([Value(b"\x86\x3c", 1)]), Quality.CONFIG),  # backwards is another value
        (frame([], tail=bytes.fromhex("0C06BBBBBBBB")), Quality.RANGE),
        (frame([Value(b"\x06", 1, function="error")]), Quality.DEVICE),
        (frame([Value(b"\x06", -(2**31))]), Quality.DEVICE),
        (frame([Value(b"\x86\x15", 1)]), Quality.DEVICE),
        (frame([], tail=b"\x04\x06\x01"), Quality.CRC),
        (frame([])[:-1], Quality.CRC),
        (b"", Quality.CRC),
        (long_frame(8, 1, 0x70, b"\x00"), Quality.REFUSED),
        (long_frame(8, 1, 0x72, WHO.wire + bytes.fromhex("01003005") + bytes(16)), Quality.CONFIG),
        (
            long_frame(8, 1, 0x72, WHO.wire + bytes.fromhex("01002CB6") + record(Value(b"\x06", 1))),
            Quality.CONFIG,
        ),
    ],
)
def test_what_is_no_value_is_none_and_says_why(raw, quality):
    found = decoded({"energy": POINTS["energy"]}, raw)["energy"]
    assert (found.value, found.quality) == (None, quality)


def test_an_odd_signature_can_be_ignored_but_no_encryption():
    points = {"energy": POINTS["energy"]}
    odd = long_frame(8, 1, 0x72, WHO.wire + bytes.fromhex("01002CB6") + record(Value(b"\x06", 1)))
    assert values(decoded(points, odd, ignore_signature=True)) == {"energy": 1}
    encrypted = long_frame(8, 1, 0x72, WHO.wire + bytes.fromhex("01003005") + record(Value(b"\x06", 1)))
    assert values(decoded(points, encrypted, ignore_signature=True)) == {"energy": None}


def test_one_of_several_equal_records_is_taken_by_its_number():
    points = {name: point({"quantity": "energy", "nth": nth}, unit="kWh") for nth, name in enumerate("abc")}
    found = decoded(points, frame([Value(b"\x06", 1), Value(b"\x06", 2)]))
    assert values(found) == {"a": 1, "b": 2, "c": None}


def test_what_the_profile_calls_missing_is_none():
    points = {"x": point({"quantity": "volume"}, unit="m³", missing=("ffffff7f",))}
    assert values(decoded(points, frame([Value(b"\x13", 2**31 - 1)]))) == {"x": None}
    assert values(decoded(points, frame([Value(b"\x13", 2**31 - 2)]))) == {"x": Decimal(2**31 - 2).scaleb(-3)}


@given(status=st.integers(0, 255))
def test_each_bit_of_the_status_byte(status):
    names = ["application_busy", "application_error", "abnormal_condition"]
    names += ["power_low", "permanent_error", "temporary_error", 5, 6, 7]
    points = {f"b{place}": point({"status": name}) for place, name in enumerate(names)}
    found = list(values(decoded(points, frame([], status))).values())
    assert found[:3] == [status & 3 == code for code in (1, 2, 3)]
    assert found[3:] == [bool(status >> bit & 1) for bit in range(2, 8)]


def test_fixed_data_have_points_too():
    points = {
        "volume": point({"quantity": "volume"}, unit="m³"),
        "volume_day": point({"quantity": "volume", "storage": 1}, unit="m³"),
        "error": point({"status": "permanent_error"}),
        "busy": point({"status": "application_busy"}),
    }
    raw = long_frame(8, 1, 0x73, bytes.fromhex("78563412" + "0A08E97E" + "01000000" + "35010000"))
    found = decoded(points, raw)
    assert values(found) == {
        "volume": Decimal("0.001"),
        "volume_day": Decimal("0.135"),
        "error": True,
        "busy": None,
    }


def test_a_plan_is_one_read_out_that_knows_its_cost():
    made = device(POINTS)
    assert made.plan([]) == []
    (plan,) = made.plan(["energy"])
    assert set(plan.points) == set(POINTS)
    assert (plan.request_bytes, plan.steps, plan.label) == (10, 2, "REQ_UD2 1")
    assert made.split(plan) == []
    with pytest.raises(Misconfigured, match="no point 'x'"):
        made.plan(["x"])
    with pytest.raises(Misconfigured, match="read only"):
        made.command("open", {})


def test_the_examples_tell_how_long_a_read_out_is():
    two = frame(VALUES[:3], tail=b"\x1f") + frame(VALUES[3:])
    made = MbusDriver().device(profile(POINTS, (Example(reply=two.hex()),)), None, {"address": "12345678"})
    (plan,) = made.plan(POINTS)
    assert (plan.steps, plan.reply_bytes, plan.request_bytes) == (3, len(two) + 1, 27)
    assert plan.label == "REQ_UD2 253"


def test_hostile_bytes_are_no_values():
    made = device(POINTS)
    (plan,) = made.plan(POINTS)
    for raw in (b"\x68", b"\x68\x03\x03\x68\x08\x01\x72\x7b\x16", bytes(300)):
        assert all(reading.value is None for reading in made.decode(plan, raw).values())
    assert isinstance(plan, Transaction)


def fault(points=None, **more) -> str:
    with pytest.raises(Misconfigured) as found:
        MbusDriver().check(profile(points or POINTS, **more))
    return str(found.value)


def test_a_sound_profile_is_taken():
    MbusDriver().check(
        profile(POINTS, (Example(reply=frame(VALUES).hex(), expect={"energy": "123.4", "power_low": False}),))
    )
    first = frame(VALUES, tail=b"\x1f").hex()
    MbusDriver().check(profile(POINTS, (Example(reply=first, expect={"energy": "123.4"}),)))


def test_a_profile_is_checked_through_the_reader():
    sound = frame(VALUES)
    spoiled = sound[:-3] + bytes((sound[-3] ^ 1,)) + sound[-2:]
    examples = (
        Example(reply=spoiled.hex(), expect={"energy": "1"}),
        Example(reply="", expect={"energy": "1"}),
        Example(reply=(sound + sound).hex(), expect={"energy": "1"}),
        Example(reply="xx", expect={"energy": "1"}),
        Example(reply=sound.hex(), expect={"energy": "123.5", "power_low": True}),
        Example(reply=long_frame(8, 1, 0x70, b"\x08").hex(), expect={"energy": None}),
    )
    said = fault(examples=examples).splitlines()
    for index, words in enumerate(
        ["checksum", "is empty", "goes on", "no hex", "energy: is 123.5 here", "power_low"]
    ):
        assert words in said[index]
    assert said[6].startswith("examples[5]: the device reports: application too busy")


def test_what_a_profile_must_not_have():
    action = Action(label="Close", at={})
    assert "read, never commanded" in fault(actions={"close": action})
    event = Event(when=When(point="energy", is_=True), label="x", severity=Severity.LOW, alarm_class="x")
    assert "events.x.when: `energy` needs equals" in fault(events={"x": event})
    event = Event(
        when=When(point="leak", equals=Decimal(1)), label="x", severity=Severity.LOW, alarm_class="x"
    )
    assert "`leak` needs is: true" in fault(events={"x": event})
    signal = Signal(on={}, label="x", severity=Severity.LOW, alarm_class="x")
    assert "says nothing of itself" in fault(signals={"x": signal})
    gauge = {"x": POINTS["leak"].__class__(label="x", at={"status": "power_low"}, exp=1)}
    assert fault(gauge).splitlines() == [
        "points.x.kind: a true or false point is a state",
        "points.x.exp: a true or false point has no scale",
    ]
    assert fault({"x": point({"quantity": "colour"}), "y": point({})}).count("\n") == 1


def test_options_are_strict():
    with pytest.raises(Misconfigured, match=r"options\.telegrams"):
        device(POINTS, telegrams=17)
    with pytest.raises(Misconfigured, match=r"options\.speed"):
        device(POINTS, speed=1)
    with pytest.raises(Misconfigured, match="unit: is None"):
        device(POINTS, unit=None)
