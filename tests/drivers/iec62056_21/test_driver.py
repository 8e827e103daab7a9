from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.api import Exchange, Reading, Timing
from drivers.errors import FrameDamaged, Misconfigured
from drivers.iec62056_21 import frames
from drivers.iec62056_21.driver import Iec62056Device, Iec62056Driver
from drivers.profile import Action, Example, Point, Profile
from messages.types import Quality

IDENT = b"/LGZ5\\2ZMD310\r\n"
DATA = (
    b"F.F(00000005)\r\n0.0.0(00012345)\r\n0.1.0(03)\r\n1-1:1.8.0(000123.45*kWh)\r\n1-1:1.8.0*03(000100.25*kWh)\r\n"
    b"1-1:1.8.0*02(000090*kWh)\r\n1.6.0(12.5*kW)(2601011200)\r\n32.7.0(230.1*V)\r\n0-1:24.2.1(260101120000W)(00107.5*m3)\r\n"
    b"9.9.9(5)\r\n9.9.8()\r\n9.9.7(----*kWh)\r\n9.9.6(1E5*kWh)\r\n9.9.5(999*kWh)\r\n!\r\n"
)


def profile(points: dict[str, dict[str, Any]], **more: Any) -> Profile:
    made = {}
    for name, at in points.items():
        own = {key: at[key] for key in ("exp", "missing", "kind", "unit") if key in at}
        made[name] = Point(label=name, at={key: at[key] for key in at if key not in own}, **own)
    given = {"examples": (), "source": ("test",), **more}
    return Profile(
        profile="t-meter",
        vendor="T",
        model="M",
        device_class="meter",
        protocol="iec62056-21",
        points=made,
        **given,
    )


def device(points: dict[str, dict[str, Any]], **options: Any) -> Iec62056Device:
    return Iec62056Driver().device(profile(points), None, options)


def decoded(at: dict[str, Any], data: bytes = DATA, **options: Any) -> Reading:
    made = device({"p": at}, **options)
    (transaction,) = made.plan(["p"])
    return made.decode(transaction, data)["p"]


ENERGY = {"obis": "1.8.0", "unit": "kWh"}


@pytest.mark.parametrize(
    ("at", "value"),
    [
        (ENERGY, "123.45"),
        ({**ENERGY, "obis": "1-1:1.8.0*255"}, "123.45"),
        ({**ENERGY, "obis": "1.8.0*02"}, "90"),
        ({**ENERGY, "ago": 1}, "100.25"),
        ({**ENERGY, "ago": 2}, "90"),
        ({**ENERGY, "exp": 3}, "123450"),
        ({"obis": "1.6.0", "unit": "kW"}, "12.5"),
        ({"obis": "0-1:24.2.1", "group": 1, "unit": "m³"}, "107.5"),
        ({"obis": "9.9.9"}, "5"),
        ({"obis": "9.9.9", "unit": "A", "bare": True}, "5"),
        ({"obis": "F.F", "type": "hex"}, "5"),
    ],
)
def test_values_are_found_and_exact(at, value):
    found = decoded(at)
    assert (found.value, found.quality) == (Decimal(value), Quality.GOOD)
    assert "E" not in str(found.value)


def test_a_bit_of_a_status_word_is_true_or_false():
    assert [
        decoded({"obis": "F.F", "type": "hex", "bit": bit, "kind": "state"}).value for bit in (0, 1, 2)
    ] == [
        True,
        False,
        True,
    ]


@pytest.mark.parametrize(
    ("at", "quality"),
    [
        ({**ENERGY, "obis": "2.8.0"}, Quality.DEVICE),
        ({**ENERGY, "group": 1}, Quality.DEVICE),
        ({**ENERGY, "ago": 3}, Quality.DEVICE),
        ({"obis": "9.9.8"}, Quality.DEVICE),
        ({"obis": "9.9.7", "unit": "kWh"}, Quality.DEVICE),
        ({"obis": "9.9.5", "unit": "kWh", "missing": ("393939",)}, Quality.DEVICE),
        ({"obis": "9.9.6", "unit": "kWh"}, Quality.RANGE),
        ({**ENERGY, "unit": "MWh"}, Quality.CONFIG),
        ({**ENERGY, "unit": ""}, Quality.CONFIG),
        ({"obis": "9.9.9", "unit": "A"}, Quality.CONFIG),
        ({"obis": "32.7.0", "unit": "V", "type": "hex"}, Quality.RANGE),
        ({"obis": "a maker's"}, Quality.DEVICE),
    ],
)
def test_what_is_no_value_is_none_with_a_quality(at, quality):
    found = decoded(at)
    assert (found.value, found.quality) == (None, quality)


def test_two_channels_under_one_reduced_id_are_no_value_and_a_whole_id_tells_them_apart():
    data = b"1-1:1.8.0(1*kWh)\r\n1-2:1.8.0(2*kWh)\r\n!"
    assert decoded(ENERGY, data).quality is Quality.RANGE
    assert decoded({**ENERGY, "obis": "1-2:1.8.0"}, data).value == 2
    assert decoded(ENERGY, b"1.8.0(1*kWh)1-1:1.8.0(1*kWh)").value == 1


def test_a_readout_of_another_meter_is_not_believed():
    assert decoded(ENERGY, serial="12345").value == Decimal("123.45")
    assert decoded(ENERGY, serial="00012345").value == Decimal("123.45")
    assert decoded(ENERGY, serial="12346").quality is Quality.CONFIG


def test_a_makers_own_address_is_found_as_it_is_written():
    assert decoded({"obis": "3:14", "unit": "kWh"}, b"3:14(314*kWh)").value == 314


@given(st.binary(max_size=120))
def test_any_bytes_become_readings(raw):
    found = decoded(ENERGY, raw)
    assert (found.value is None) == found.quality.bad


def test_there_is_one_transaction_for_all():
    made = device({"a": ENERGY, "b": {"obis": "2.8.0", "unit": "kWh"}}, readout_bytes=500)
    (transaction,) = made.plan(["b"])
    assert transaction.points == ("a", "b")
    assert (transaction.steps, transaction.reply_bytes) == (2, 532)
    assert made.plan([]) == []
    assert made.split(transaction) == []
    with pytest.raises(Misconfigured, match="no point 'x'"):
        made.plan(["x"])
    with pytest.raises(Misconfigured, match="offers none"):
        made.command("open", {})


@pytest.mark.parametrize(
    ("options", "seconds"),
    [
        ({}, 32 / 30 + 1000 / 30 + 0.25),
        ({"offers": "5"}, 32 / 30 + 1000 / 960 + 0.25),
        ({"offers": "5", "acknowledge": "3"}, 32 / 30 + 1000 / 240 + 0.25),
        ({"offers": "5", "change_baud": False}, 32 / 30 + 1000 / 30 + 0.25),
        ({"offers": "5", "mode": "A"}, 32 / 30 + 1000 / 30),
    ],
)
def test_a_readout_costs_the_line_what_its_speed_says(options, seconds):
    made = device({"a": ENERGY}, readout_bytes=1000, **options)
    (transaction,) = made.plan(["a"], timing=Timing(byte_time=1 / 30))
    assert abs(transaction.reply_bytes / 30 - seconds) < 2 / 30


def started(**options: Any) -> tuple[Iec62056Device, Exchange]:
    made = device({"a": ENERGY}, **options)
    return made, made.exchange(made.plan(["a"])[0])


def test_mode_c_agrees_to_the_speed_and_changes_to_it_for_the_reply():
    _, first = started(address="0012")
    assert (first.request, first.baud) == (b"/?0012!\r\n", None)
    assert first.then is not None
    second = first.then(first.reader.feed(IDENT))
    assert isinstance(second, Exchange)
    assert (second.request, second.baud, second.pause) == (b"\x06050\r\n", 9600, 0.25)
    assert second.key == first.key
    assert second.then is None
    assert second.reader.feed(frames.block(DATA)) == DATA


@pytest.mark.parametrize(
    ("options", "request_", "baud"),
    [
        ({"acknowledge": "3"}, b"\x06030\r\n", 2400),
        ({"change_baud": False}, b"\x06050\r\n", None),
        ({"acknowledge": "0", "change_baud": False}, b"\x06000\r\n", None),
        ({"software_parity": True}, frames.add_parity(b"\x06050\r\n"), 9600),
    ],
)
def test_the_speed_may_be_another(options, request_, baud):
    _, first = started(**options)
    sent = frames.add_parity(IDENT) if options.get("software_parity") else IDENT
    second = first.then(first.reader.feed(sent))
    assert (second.request, second.baud) == (request_, baud)


def test_mode_b_changes_unasked_and_where_the_speed_stays_its_data_follow():
    _, first = started(mode="B")
    second = first.then(first.reader.feed(b"/ABCEx\r\n"))
    assert (second.request, second.baud) == (b"", 9600)
    _, first = started(mode="B", change_baud=False)
    assert first.reader.feed(b"/ABCEx\r\n") is None
    assert first.then(first.reader.feed(frames.block(DATA))) == DATA


def test_in_mode_a_the_data_follow_the_identification():
    _, first = started(mode="A", readout_bytes=3000)
    assert first.reply_bytes == 3032
    assert first.then(first.reader.feed(b"/ABC x\r\n" + frames.block(DATA))) == DATA
    _, bare = started(mode="A", bcc="none")
    assert bare.then(bare.reader.feed(b"/ABC x\r\n" + DATA)).strip() == DATA.partition(b"!")[0].strip()


def test_a_battery_meter_is_woken_up():
    _, first = started(wakeup=65)
    assert first.request == bytes(65) + b"/?!\r\n"


@pytest.mark.parametrize(
    ("at", "words"),
    [
        ({}, "`obis` is missing"),
        ({"obis": ""}, "address of the readout"),
        ({"obis": "F.F", "bit": 1}, "of type hex"),
        ({"obis": "1.8.0*01", "ago": 1}, "without a billing period"),
        ({"obis": "3:14", "ago": 1}, "without a billing period"),
    ],
)
def test_an_address_that_cannot_be_is_refused_by_its_place(at, words):
    with pytest.raises(Misconfigured, match=words) as found:
        device({"p": at})
    assert str(found.value).startswith("points.p.at")


@pytest.mark.parametrize(
    "options",
    [
        {"address": "12!"},
        {"reaction": "2.0"},
        {"reaction": "1.501"},
        {"reaction": "0.019"},
        {"acknowledge": "9"},
        {"colour": 1},
    ],
)
def test_options_are_strict(options):
    with pytest.raises(Misconfigured, match="options"):
        device({"p": ENERGY}, **options)


@pytest.mark.parametrize(
    "reaction", ["0.02", "0.2", "0.200", "0.25", "1", "1.0", "1.49", "1.499", "1.5", "1.50", "1.500"]
)
def test_the_reaction_time_may_be_any_of_the_standards(reaction):
    _, first = started(reaction=reaction)
    assert first.then is not None
    after = first.then(first.reader.feed(IDENT))
    assert isinstance(after, Exchange)
    assert after.pause == float(reaction)


def example(raw: bytes, **expect: Any) -> tuple[Example, ...]:
    return (Example(reply=raw.hex(), expect=expect),)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"examples": example(frames.block(DATA), p="1")}, r"examples\[0\].expect.p: is 1 here"),
        ({"examples": example(IDENT + DATA, p="1")}, "no block check character"),
        ({"examples": example(frames.block(DATA)[:-1] + b"\0", p="1")}, "is wrong"),
        ({"examples": example(b"x", p="1")}, "is no data set"),
        ({"actions": {"x": Action(label="x", at={})}}, "only read"),
    ],
)
def test_a_profile_that_cannot_work_is_refused_by_its_place(more, words):
    with pytest.raises(Misconfigured, match=words):
        Iec62056Driver().check(profile({"p": ENERGY}, **more))


def test_a_profile_that_works_passes():
    Iec62056Driver().check(profile({"p": ENERGY}, examples=example(IDENT + frames.block(DATA), p="123.45")))
    unchecked = example(IDENT + DATA, p="123.45")
    Iec62056Driver().check(profile({"p": ENERGY}, examples=unchecked, options={"bcc": "none"}))


def test_noise_in_the_place_of_an_identification_is_not_answered():
    _, first = started()
    with pytest.raises(FrameDamaged):
        first.reader.feed(b"x" * 5000)
