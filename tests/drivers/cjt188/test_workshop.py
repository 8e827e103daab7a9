from datetime import datetime
from decimal import Decimal

import pytest

from drivers import registry
from drivers.cjt188 import frames
from drivers.cjt188.driver import Cjt188Driver
from drivers.errors import Misconfigured
from drivers.profiles_store import load_library
from drivers.workshop import Guess, Seen, Workshop
from simulators.cjt188 import SimBus, SimMeter

BENCH = registry.get("cjt188").workshop
LIBRARY = load_library()
ADDRESS = "00201707010069"


def answered(exchange) -> bytes | None:
    meter = SimMeter(ADDRESS, lambda: datetime(2026, 1, 1), total=Decimal("1234.56"))
    (said,) = SimBus([meter]).feed(exchange.request) or [b""]
    return exchange.reader.feed(said)


@pytest.mark.parametrize(
    ("unit", "there"), [(0x10, True), (0xAA, True), (0x11, True), (0x20, False), (1, False)]
)
def test_a_unit_is_a_type_of_meter(unit, there):
    assert isinstance(BENCH, Workshop)
    payload = answered(BENCH.probe(unit, {"framing": "rtu"}))
    assert (payload is not None) is there
    if payload is not None:
        told = {"model": "cold water meter", "address": ADDRESS, "di_order": "low"}
        assert BENCH.identity(payload) == told
        assert len(BENCH.identify(unit, {})) == 1


def test_any_read_can_be_asked():
    payload = answered(BENCH.raw(0x10, bytes.fromhex("011F90"), {}))
    assert payload is not None
    assert frames.parse(payload).body.startswith(bytes.fromhex("563412002C"))
    assert frames.parse(BENCH.raw(0x10, b"\x01\x1f\x90", {"address": "7"}).request).address.endswith("07")
    for unit, request in ((0x10, b"\x04\x17\xa0\x55"), (0x10, b"\x01")):
        with pytest.raises(Misconfigured, match="that reads"):
            BENCH.raw(unit, request, {})
    with pytest.raises(Misconfigured, match="0 to 255"):
        BENCH.probe(256, {})
    with pytest.raises(Misconfigured, match="no registers"):
        BENCH.registers("holding", 0, 1)


def test_bytes_are_judged_and_read_from_every_side():
    raw = frames.encode(0x10, ADDRESS, 0x81, bytes.fromhex("1F9001"))
    assert BENCH.seen(raw) == Seen(0x10, "ok", whole=True)
    assert BENCH.seen(raw[:-1]).check == "bad"
    assert BENCH.identity(raw[:-1]) == {}
    assert BENCH.guesses(bytes.fromhex("563412002C"), -2)[0] == Guess(
        "low first", "bcd", -2, Decimal("1234.56")
    )
    assert [guess.exp for guess in BENCH.matches(bytes.fromhex("56341200"), Decimal("1234.56"))] == [-2]
    assert BENCH.guesses(bytes.fromhex("5A341200"), 0)[0].value is None
    assert BENCH.guesses(b"", 0) == []


def test_a_captured_read_becomes_an_example_of_nobodys():
    profile = LIBRARY["cjt188-water-meter"]
    made = Cjt188Driver().device(profile, None, {"address": ADDRESS})
    exchange = made.exchange(made.plan(["volume"])[0])
    payload = answered(exchange)
    other = bytes.fromhex("11110000")
    found = BENCH.example(
        profile, exchange.request, payload, lambda name, raw: other if name == "volume" else raw
    )
    assert found.expect["volume"] == "11.11"
    assert frames.parse(bytes.fromhex(found.reply)).address == "0" * 14
    assert not any(frames.parse(bytes.fromhex(found.reply)).body[10:17])  # nobody's clock
    Cjt188Driver().check(
        type(profile)(
            **{key: getattr(profile, key) for key in profile.__struct_fields__ if key != "examples"},
            examples=(found,),
        )
    )
    with pytest.raises(Misconfigured, match="cannot stand"):
        BENCH.example(profile, exchange.request, payload, lambda _name, _raw: b"")
    for request, reply in ((b"", payload), (exchange.request, b""), (payload, payload)):
        assert BENCH.example(profile, request, reply, lambda _name, raw: raw) is None
