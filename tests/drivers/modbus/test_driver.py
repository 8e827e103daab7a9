import gc
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.api import DeviceDriver, Known, Timing, Transaction
from drivers.errors import Misconfigured
from drivers.modbus.driver import ModbusDriver
from drivers.modbus.pdu import refusal
from drivers.modbus.rtu import frame
from drivers.profile import Action, ReadBack
from messages.types import Quality
from tests.support.modbus import device, profile

METER = {
    "volts": {"table": "input", "address": 0, "type": "uint16", "exp": -1},
    "energy": {"table": "input", "address": 1, "type": "uint32", "exp": -2, "missing": ("FFFFFFFF",)},
    "alarm": {"table": "input", "address": 3, "bit": 2, "kind": "state"},
    "relay": {"table": "coil", "address": 9, "kind": "state"},
    "door": {"table": "coil", "address": 17, "kind": "state"},
}


def run(made: DeviceDriver, transaction: Transaction, answer: bytes, unit: int = 1):
    exchange = made.exchange(transaction)
    assert exchange.reader is not None
    reply = exchange.reader.feed(frame(unit, answer))
    assert reply is not None
    assert exchange.reply_bytes == len(answer) + 3
    return made.decode(transaction, reply)


def test_one_value_from_points_to_request_to_reading():
    made = device(METER)
    (transaction,) = made.plan(["volts", "energy", "alarm"])
    assert transaction.label == "04 @0+4"
    assert made.exchange(transaction).request == frame(1, bytes.fromhex("0400000004"))
    readings = run(made, transaction, bytes.fromhex("0408 08FD 0001E240 0004"))
    assert {name: reading.value for name, reading in readings.items()} == {
        "volts": Decimal("230.1"),
        "energy": Decimal("1234.56"),
        "alarm": True,
    }
    assert readings["energy"].raw.hex() == "0001e240"
    assert all(reading.quality is Quality.GOOD for reading in readings.values())


def test_coils_are_read_by_bit_from_the_lowest():
    made = device(METER, max_bits=9, bridge=8)
    (transaction,) = made.plan(["relay", "door"])
    assert transaction.label == "01 @9+9"
    assert {k: r.value for k, r in run(made, transaction, bytes.fromhex("01020001")).items()} == {
        "relay": False,
        "door": True,
    }


def test_a_missing_value_is_unknown_and_its_neighbours_are_good():
    made = device(METER)
    (transaction,) = made.plan(["volts", "energy"])
    readings = run(made, transaction, bytes.fromhex("0406 08FD FFFFFFFF"))
    assert readings["volts"].value == Decimal("230.1")
    assert (readings["energy"].value, readings["energy"].quality) == (None, Quality.DEVICE)


@given(st.binary(max_size=20))
def test_a_reply_that_is_none_makes_all_points_unknown_never_an_exception(reply):
    made = device(METER)
    for transaction in made.plan(METER):
        readings = made.decode(transaction, reply)
        assert set(readings) == set(transaction.points)
        for reading in readings.values():
            assert (reading.value is None) == reading.quality.bad


types = st.sampled_from(
    ["uint16", "int16", "uint32", "int32", "uint64", "int64", "float32", "float64", "bcd32"]
)
orders = st.sampled_from(["big", "little", "big-swapped", "little-swapped"])
places = st.fixed_dictionaries(
    {"table": st.just("holding"), "address": st.integers(0, 60), "type": types, "order": orders}
)


knowns = st.builds(
    Known,
    cuts=st.frozensets(st.builds("holding {}-{}".format, st.integers(0, 60), st.integers(0, 70)), max_size=4),
    bad=st.frozensets(st.builds("p{}".format, st.integers(0, 19)), max_size=3),
)
timings = st.builds(
    Timing, st.sampled_from([0.0, 10 / 9600]), st.sampled_from([0.0, 35 / 9600]), st.floats(0, 0.1)
)


@given(
    st.lists(places, min_size=1, max_size=20),
    st.binary(min_size=160, max_size=160),
    st.integers(0, 9) | st.just("auto"),
    knowns,
    timings,
)
def test_a_plan_decodes_as_reading_each_point_alone_does(spans, image, bridge, known, timing):
    points = {f"p{number}": at for number, at in enumerate(spans)}
    made = device(points, max_registers=12 if bridge != "auto" else 125, bridge=bridge)

    def read(wanted):
        for transaction in made.plan(wanted, known=known, timing=timing, longest=0.08):
            block = transaction.block
            data = image[2 * block.address : 2 * block.end]
            yield from run(made, transaction, bytes((3, len(data))) + data).items()

    together = dict(read(points))
    for name in points:
        assert dict(read([name]))[name] == together[name]


def test_modbus_tcp_requests_have_ids_of_their_own_and_are_matched():
    driver = ModbusDriver()
    one, two = (driver.device(profile(METER), unit, {"framing": "mbap"}) for unit in (1, None))
    exchanges = [made.exchange(made.plan(["volts"])[0]) for made in (one, two, one)]
    assert [exchange.request.hex() for exchange in exchanges] == [
        "000100000006010400000001",
        "000200000006ff0400000001",
        "000300000006010400000001",
    ]
    assert all(exchange.matched for exchange in exchanges)
    assert exchanges[0].reply_bytes == 11
    loose = driver.device(profile(METER), 1, {"framing": "mbap", "any_transaction": True})
    assert not loose.exchange(loose.plan(["volts"])[0]).matched
    assert not device(METER).exchange(device(METER).plan(["volts"])[0]).matched


def test_transaction_ids_go_round_and_never_leave_sixteen_bits():
    made = ModbusDriver().device(profile(METER), 1, {"framing": "mbap"})
    transaction = made.plan(["volts"])[0]
    ids = [made.exchange(transaction).request[:2] for _ in range(0x10002)]
    assert ids[0] == ids[0xFFFF] == b"\x00\x01"
    assert len(set(ids)) == 0xFFFF


def test_split_ends_at_single_points():
    made = device(METER)
    (transaction,) = made.plan(["volts", "energy", "alarm"])
    parts = made.split(transaction)
    assert [part.label for part in parts] == ["04 @0+1", "04 @1+3"]
    assert [part.label for part in made.split(parts[1])] == ["04 @1+2", "04 @3+1"]
    assert made.split(parts[0]) == []


RELEASE = Action(
    label="Release",
    at={"table": "coil", "address": 0, "value": True},
    read_back=ReadBack(point="relay", is_=True),
)
SETPOINT = Action(label="Set", at={"table": "holding", "address": 5, "value": 300})


@pytest.mark.parametrize(
    ("options", "release", "setpoint"),
    [
        ({}, "050000ff00", "060005012c"),
        ({"write": "multiple"}, "0f00000001 0101", "1000050001 02012c"),
    ],
)
def test_a_command_writes_and_reads_back(options, release, setpoint):
    made = ModbusDriver().device(profile(METER, {"release": RELEASE, "set": SETPOINT}), 3, options)
    plan = made.command("release", {})
    assert made.exchange(plan.write).request == frame(3, bytes.fromhex(release))
    assert plan.expect == {"relay": True}
    assert plan.read_back is not None
    assert plan.read_back.label == "01 @9+1"
    answer = bytes.fromhex(release)[:5]
    assert run(made, plan.write, answer, unit=3) == {}
    assert made.split(plan.write) == []
    bare = made.command("set", {})
    assert made.exchange(bare.write).request == frame(3, bytes.fromhex(setpoint))
    assert (bare.read_back, bare.expect) == (None, {})


def test_what_the_profile_does_not_offer_is_refused():
    made = ModbusDriver().device(profile(METER, {"release": RELEASE}), 1, {})
    with pytest.raises(Misconfigured, match="it offers release"):
        made.command("reset", {})
    with pytest.raises(Misconfigured, match="no arguments"):
        made.command("release", {"seconds": "5"})
    with pytest.raises(Misconfigured, match="no point 'amps'"):
        made.plan(["amps"])


@pytest.mark.parametrize(
    ("unit", "options", "words"),
    [
        (None, {}, "unit: is None, and RTU needs 1 to 247"),
        (0, {}, "RTU needs 1 to 247"),
        (248, {"framing": "rtu"}, "RTU needs 1 to 247"),
        (256, {"framing": "mbap"}, "Modbus TCP needs 0 to 255"),
        (1, {"max_register": 3}, "did you mean `max_registers`"),
        (1, {"max_registers": 1}, "energy alone needs 2"),
    ],
)
def test_a_device_that_cannot_be_is_refused(unit, options, words):
    with pytest.raises(Misconfigured, match=words):
        ModbusDriver().device(profile(METER), unit, options)


def test_all_bad_addresses_of_a_profile_are_named_at_once():
    bad = {
        "a": {"table": "holding", "address": 0},
        "b": {"table": "holding", "address": 0, "type": "uint32", "missing": ("FFFF",)},
        "c": {"table": "coil", "address": 0, "missing": ("FFFF",), "kind": "state"},
    }
    with pytest.raises(Misconfigured) as caught:
        ModbusDriver().device(profile(bad), 1, {})
    places = [line.split(":")[0] for line in str(caught.value).splitlines()]
    assert places == ["points.a.at.type", "points.b.missing[0]", "points.c.missing[0]"]


def test_options_of_the_device_win_over_those_of_the_profile():
    made = ModbusDriver().device(
        profile({"x": {"table": "holding", "address": 0, "type": "uint16"}}, options={"function": 3}),
        1,
        {"function": 4},
    )
    assert made.plan(["x"])[0].label == "04 @0+1"


REGISTERS = {
    f"r{at}": {"table": "holding", "address": at, "type": "uint16"} for at in (*range(12), *range(14, 18), 50)
}


def test_what_was_learned_is_kept_to():
    made = device(REGISTERS)
    assert [part.label for part in made.plan(REGISTERS)] == ["03 @0+51"]
    known = Known(cuts=frozenset({"holding 18-49", "holding #17", "nonsense", "holding #0"}))
    assert [part.label for part in made.plan(REGISTERS, known=known)] == ["03 @0+12", "03 @14+4", "03 @50+1"]
    lacking = Known(bad=frozenset({"r16", "gone"}))
    assert [part.label for part in made.plan(REGISTERS, known=lacking)] == [
        "03 @0+16",
        "03 @17+34",
        "03 @16+1",
    ]


def test_a_refusal_becomes_a_word_that_the_next_plan_keeps_to():
    made = device(REGISTERS)
    words: set[str] = set()
    for code, said, labels in (
        (2, "holding 0-50", ["03 @0+18", "03 @50+1"]),
        (2, "holding 12-13", ["03 @0+12", "03 @14+37"]),
        (3, "holding #32", ["03 @0+12", "03 @14+4", "03 @50+1"]),
    ):
        transaction = max(made.plan(REGISTERS, known=Known(frozenset(words))), key=lambda it: it.reply_bytes)
        if code == 3:
            transaction = made.plan(["r14", "r50"], known=Known(frozenset(words)))[0]
        words.add(made.cut(transaction, refusal(3, code), longest_answered=30))
        assert said in words
        assert [part.label for part in made.plan(REGISTERS, known=Known(frozenset(words)))] == labels


def test_an_answered_length_is_no_limit_whatever_the_code():
    made = device(REGISTERS)
    (transaction,) = made.plan(REGISTERS)
    assert made.cut(transaction, refusal(3, 3), transaction.reply_bytes) == "holding 0-50"


def test_the_frames_of_a_read_are_as_long_as_said():
    for framing in ("rtu", "mbap", "ascii"):
        made = device(METER, framing=framing)
        for transaction in made.plan(METER):
            exchange = made.exchange(transaction)
            assert len(exchange.request) == transaction.request_bytes
            assert exchange.reply_bytes == transaction.reply_bytes


def test_no_read_lasts_longer_than_it_may_as_far_as_points_can_be_parted():
    made = device(REGISTERS)
    timing = Timing(byte_time=10 / 9600, silence=35 / 9600, turnaround=0.005)
    for longest in (0.04, 0.05, 0.2):
        for part in made.plan(REGISTERS, timing=timing, longest=longest):
            assert timing.seconds(part.request_bytes, part.reply_bytes) <= longest
    assert len(made.plan(REGISTERS, timing=timing, longest=0.001)) == len(REGISTERS)


@pytest.mark.parametrize(
    ("given", "where"),
    [
        ({"readable": {"holding": [[0, 20]]}}, "points.r50.at.address"),
        ({"forbidden": {"holding": [[3, 4]]}}, "points.r3.at.address"),
        ({"forbidden": {"holding": [[60, 59]]}}, "options.forbidden.holding[0]"),
        ({"forbidden": {"holding": [[60]]}}, "options.forbidden.holding[0]"),
        ({"readable": {"registers": [[0, 9]]}}, "options.readable.registers"),
    ],
)
def test_ranges_that_cannot_be_are_named(given, where):
    with pytest.raises(Misconfigured) as caught:
        device(REGISTERS, **given)
    assert where in [line.split(": ")[0] for line in str(caught.value).splitlines()]


@pytest.mark.parametrize(
    ("group", "limit", "why"),
    [
        (("volts", "relay"), 60, "different tables"),
        (("volts", "alarm"), 3, "needs a read of 4"),
    ],
)
def test_groups_that_no_read_can_join_are_named(group, limit, why):
    made = msgspec.structs.replace(profile(METER), atomic=(group,))
    with pytest.raises(Misconfigured, match=why):
        ModbusDriver().device(made, 1, {"max_registers": limit})


def test_devices_of_a_model_share_its_map_and_a_model_that_is_gone_leaves_none():
    driver, model = ModbusDriver(), profile(METER)
    one, two = (driver.device(model, unit, {"framing": "rtu"}) for unit in (1, 2))
    other = driver.device(model, 1, {"framing": "rtu", "max_registers": 4})
    assert one.addresses is two.addresses
    assert other.addresses is not one.addresses
    del one, two, other
    gc.collect()
    assert not driver._maps
