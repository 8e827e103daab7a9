"""A capture tells the model, and nothing of the site where it was taken."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers import capture
from drivers.modbus import mbap, rtu
from drivers.profile import Point
from gateway.site.config import load_site
from gateway.tools.record import MOST_OF_ONE, Recorder, blurred, names_somebody
from tests.support.modbus import profile

PROFILE = """\
profile: test-meter
vendor: Acme
model: M1
class: meter
protocol: modbus
source: ["made for a test"]
options: {max_registers: 125}
points:
  serial_number: {label: Serial number, at: {table: holding, address: 0, type: uint32}}
  volts: {label: Voltage, unit: V, at: {table: holding, address: 4, type: uint16}, exp: -1}
examples:
  - {request: "010300000005840B", reply: "", expect: {volts: "1"}}
"""
SITE = """\
site: secret-mansion
gateway: gw
broker: {{url: "mqtt://127.0.0.1:1"}}
profiles: [profiles]
lines:
  - id: net
    tcp: 10.11.12.13:502
    devices: [{{id: m-1, profile: test-meter, unit: 77}}]
"""


@pytest.fixture
def line(tmp_path):
    (tmp_path / "profiles").mkdir()
    asked = bytes.fromhex("0300000005")
    reply = rtu.frame(1, b"\x03\x0a" + bytes(8) + b"\0\x0a").hex()
    text = PROFILE.replace("010300000005840B", rtu.frame(1, asked).hex()).replace(
        'reply: ""', f'reply: "{reply}"'
    )
    (tmp_path / "profiles" / "test-meter.yaml").write_text(text.replace('volts: "1"', 'volts: "1.0"'))
    (tmp_path / "site.yaml").write_text(SITE.format())
    return load_site(tmp_path / "site.yaml").lines[0]


def row(direction, data, unit=77, crc="none"):
    return {"dir": direction, "unit": unit, "bytes": data.hex(" "), "crc": crc}


ASKED = mbap.frame(900, 77, bytes.fromhex("0300000005"))
ANSWER = mbap.frame(900, 77, bytes.fromhex("030A 00BADA55 00C0 FFEE 08FC"))


def taken(recorder):
    lines = [text for text in recorder.text.splitlines() if text.startswith("- ")]
    return [json.loads(text.removeprefix("- ")) for text in lines]


def test_serial_numbers_holes_units_and_networks_are_taken_out(line):
    recorder = Recorder(line)
    recorder.frame(row("tx", ASKED))
    recorder.frame(row("rx", ANSWER))
    (one,) = taken(recorder)
    assert one["expect"] == {"serial_number": "0", "volts": "230.0"}
    assert one["reply"] == rtu.frame(1, bytes.fromhex("030A 00000000 0000 0000 08FC")).hex().upper()
    text = recorder.text.lower()
    for secret in ("bada55", "c0ffee", "mansion", "10.11", "m-1", "4d"):
        assert secret not in text.replace("# gatehouse", ""), secret
    assert recorder.text.startswith(capture.HEAD)


def test_blurred_values_decode_and_are_not_those_that_were_read(line):
    recorder = Recorder(line, blur=True)
    recorder.frame(row("tx", ASKED))
    recorder.frame(row("rx", ANSWER))
    (one,) = taken(recorder)
    assert one["expect"]["volts"] != "230.0"
    assert "08FC" not in one["reply"]


def test_only_whole_answers_to_the_question_before_are_taken_and_few_of_each(line):
    recorder = Recorder(line)
    recorder.frame(row("rx", ANSWER))
    recorder.frame(row("tx", ASKED))
    recorder.frame(row("rx", ANSWER, crc="bad"))
    recorder.frame(row("rx", ANSWER))
    recorder.frame(row("tx", ASKED, unit=78))
    recorder.frame(row("rx", ANSWER))
    recorder.frame(row("tx", ASKED))
    recorder.frame(row("rx", mbap.frame(900, 77, b"\x83\x02")))
    assert recorder.text == ""
    for _ in range(10):
        recorder.frame(row("tx", ASKED))
        recorder.frame(row("rx", ANSWER))
    assert len(taken(recorder)) == recorder.count == MOST_OF_ONE


@pytest.mark.parametrize(
    ("name", "label", "unit", "names"),
    [
        ("serial_number", "x", "", True),
        ("sn", "x", "", True),
        ("meter_id", "x", "", True),
        ("a", "Serial no", "", True),
        ("ip_address", "x", "", True),
        ("volts", "Voltage", "V", False),
        ("idle", "Idle", "", False),
        ("number_of_starts", "Starts", "h", False),
    ],
)
def test_what_may_tell_whose_it_is(name, label, unit, names):
    made = profile({name: {"table": "holding", "address": 0, "type": "uint16"}})
    point = Point(label=label, at={}, unit=unit)
    from msgspec.structs import replace

    assert names_somebody(name, replace(made, points={name: point})) is names


ORDERS = st.sampled_from(["big", "little", "big-swapped", "little-swapped"])


@given(st.binary(min_size=2, max_size=8).filter(lambda b: len(b) in {2, 4, 8}), ORDERS)
def test_blurring_keeps_the_size_and_the_higher_half(raw, order):
    point = Point(label="x", at={"table": "holding", "address": 0, "type": "uint32", "order": order})
    other = blurred(point, raw)
    assert len(other) == len(raw)
    half = len(raw) // 2
    kept = (
        slice(half, None)
        if order.startswith("little") or (order == "big-swapped" and half == 1)
        else slice(half)
    )
    assert other[kept] == raw[kept]


@given(st.from_regex(r"[0-9]{8}", fullmatch=True))
def test_blurred_digits_stay_digits(digits):
    point = Point(label="x", at={"table": "holding", "address": 0, "type": "bcd32"})
    assert blurred(point, bytes.fromhex(digits)).hex().isdecimal()
