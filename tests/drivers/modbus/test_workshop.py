"""Captured frames become examples that decode, and nothing of the site where they were taken is left in them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers import registry
from drivers.errors import Misconfigured
from drivers.modbus import mbap, modbus_ascii, pdu, rtu
from drivers.modbus.driver import ModbusDriver
from drivers.profiles_store import load_library
from drivers.workshop import Seen, Workshop
from tests.support.modbus import profile

bench = ModbusDriver().workshop

METER = profile(
    {
        "energy": {"table": "holding", "address": 10, "type": "uint32", "exp": -1},
        "volts": {"table": "holding", "address": 13, "type": "int16", "missing": ["7FFF"]},
        "open": {"table": "coil", "address": 3, "kind": "state"},
    }
)
DATA = bytes.fromhex("0000A1B2 1234 00E6")


def keep(_name: str, raw: bytes) -> bytes:
    return raw


def wrapped(framing: str, unit: int, body: bytes) -> bytes:
    if framing == "mbap":
        return mbap.frame(4711, unit, body)
    return (rtu if framing == "rtu" else modbus_ascii).frame(unit, body)


def test_it_is_a_workshop() -> None:
    assert isinstance(bench, Workshop)
    assert isinstance(registry.get("modbus").workshop, Workshop)  # type: ignore[attr-defined]


@pytest.mark.parametrize("framing", ["rtu", "mbap", "ascii"])
def test_a_capture_becomes_an_example_that_its_profile_takes(framing: str) -> None:
    asked = pdu.read_request(3, 10, 4)
    request, reply = wrapped(framing, 77, asked), wrapped(framing, 77, b"\x03\x08" + DATA)
    found = bench.example(METER, request, reply, keep)
    assert found is not None
    assert found.expect == {"energy": "4139.4", "volts": "230"}
    assert found.captured
    assert found.request == rtu.frame(1, asked).hex().upper()
    # Register 12 belongs to no point: nobody knows what stood there, a serial number perhaps.
    assert found.reply == rtu.frame(1, bytes.fromhex("0308 0000A1B2 0000 00E6")).hex().upper()
    ModbusDriver().check(profile_with(found))


def profile_with(example: object) -> object:
    from msgspec.structs import replace

    return replace(METER, examples=(example,))


def test_values_can_be_changed_and_the_example_still_decodes() -> None:
    asked = pdu.read_request(3, 10, 4)
    request, reply = rtu.frame(9, asked), rtu.frame(9, b"\x03\x08" + DATA)
    found = bench.example(METER, request, reply, lambda name, raw: bytes(4) if name == "energy" else raw)
    assert found is not None
    assert found.expect == {"energy": "0.0", "volts": "230"}
    assert "A1B2" not in found.reply
    with pytest.raises(Misconfigured, match="energy"):
        bench.example(METER, request, reply, lambda _name, raw: raw[1:])


def test_bits() -> None:
    found = bench.example(METER, rtu.frame(1, b"\x01\0\0\0\x08"), rtu.frame(1, b"\x01\x01\xff"), keep)
    assert found is not None
    assert (found.expect, found.reply[4:8]) == ({"open": True}, "0108")


@pytest.mark.parametrize(
    ("asked", "answered"),
    [
        (b"\x03\0\x0a\0\x04", b"\x83\x02"),
        (b"\x03\0\x0a\0\x04", b"\x03\x02\0\0"),
        (b"\x06\0\x0a\0\x04", b"\x06\0\x0a\0\x04"),
        (b"\x03\x10\0\0\x01", b"\x03\x02\0\0"),
        (b"\x04\0\x0a\0\x04", b"\x04\x08" + DATA),
        (b"\x2b\x0e\x01\0", b"\x2b\x0e\x01\x01\0\0\0"),
    ],
)
def test_what_is_no_read_of_its_points_is_no_example(asked: bytes, answered: bytes) -> None:
    assert bench.example(METER, rtu.frame(1, asked), rtu.frame(1, answered), keep) is None


@given(st.binary(max_size=40), st.binary(max_size=40))
def test_noise_is_no_example(request: bytes, reply: bytes) -> None:
    assert bench.example(METER, request, reply, keep) is None
    assert bench.seen(request).check in {"ok", "bad", "none"}


def test_frames_are_judged() -> None:
    whole = rtu.frame(5, b"\x03\x02\0\x07")
    assert bench.seen(whole) == Seen(5, "ok", whole=True)
    assert bench.seen(whole[:-1] + b"\0").check == "bad"
    assert bench.seen(mbap.frame(1, 9, b"\x03\x02\0\x07")) == Seen(9, "none", whole=True)
    assert bench.seen(modbus_ascii.frame(6, b"\x03\x02\0\x07")) == Seen(6, "ok", whole=True)
    assert bench.seen(b":0103\r\n").check == "bad"


def test_the_probe_is_one_register_and_bare_registers_have_names() -> None:
    asked = bench.probe(7, {"framing": "rtu"})
    assert asked.request == rtu.frame(7, b"\x03\0\0\0\x01")
    made = ModbusDriver().device(bench.registers("input", 100, 125), 1, {"framing": "mbap"})
    (whole,) = made.plan([f"r{n}" for n in range(100, 225)])
    assert (whole.label, len(whole.points)) == ("04 @100+125", 125)
    with pytest.raises(Misconfigured):
        bench.registers("holding", 65536, 1)


def test_every_shipped_example_is_one_again() -> None:
    for known in load_library().values():
        if known.protocol != "modbus":
            continue
        for example in known.examples:
            request, reply = bytes.fromhex(example.request), bytes.fromhex(example.reply)
            made = bench.example(known, request, reply, keep)
            assert made is not None, known.profile
            assert made.expect.keys() >= example.expect.keys()
