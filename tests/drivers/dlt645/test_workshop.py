from decimal import Decimal

import pytest

from drivers import registry
from drivers.dlt645.frames import Frame
from drivers.dlt645.workshop import address_of
from drivers.errors import DeviceRefused, Misconfigured
from drivers.profiles_store import SHIPPED, load_profile
from drivers.workshop import Workshop
from simulators.dlt645 import SimBus
from tests.support.dlt645 import ADDRESS, carry, meter

BENCH = registry.get("dlt645").workshop
PROFILE = load_profile(SHIPPED / "dlt645-dtzy-three-phase.yaml")


def answer(di: str, data: str) -> bytes:
    return Frame(ADDRESS, 0x91, bytes.fromhex(di)[::-1] + bytes.fromhex(data), 4).encode()


def asked(di: str) -> bytes:
    return Frame(ADDRESS, 0x11, bytes.fromhex(di)[::-1], 4).encode()


def test_it_is_a_workshop():
    assert isinstance(BENCH, Workshop)


def test_a_unit_stands_for_the_last_digits_of_addresses():
    bus = SimBus([meter()])
    exchange = BENCH.probe(79, {"framing": "rtu"})
    assert b"".join(bus.feed(exchange.request))
    assert bus.feed(BENCH.probe(78, {}).request) == []
    assert carry(BENCH.probe(1, {"address": ADDRESS}), bus)
    options = BENCH.identify(79, {})
    assert BENCH.identity(carry(options[0], bus)) == {"address": ADDRESS}
    with pytest.raises(DeviceRefused):
        carry(options[1], bus)
    old = SimBus([meter(edition=1997)])
    assert BENCH.identity(carry(BENCH.identify(79, {"edition": 1997})[0], old)) == {"number": ADDRESS}
    assert BENCH.identity(b"") == {}


def test_only_reads_are_asked():
    bus = SimBus([meter()])
    assert carry(BENCH.raw(79, bytes.fromhex("1100000100"), {}), bus)[-4:] == bytes.fromhex("56341200")
    assert carry(BENCH.raw(1, b"\x13", {}), bus)[2:] == bytes.fromhex(ADDRESS)[::-1]
    for wrong in (b"", b"\x1c", b"\x14" + bytes(12), b"\x11" + bytes(201)):
        with pytest.raises(Misconfigured):
            BENCH.raw(1, wrong, {})
    with pytest.raises(Misconfigured, match="no registers"):
        BENCH.registers("holding", 0, 1)


def test_bytes_are_seen_as_digits():
    raw = bytes.fromhex("56341200")
    (only,) = BENCH.guesses(raw, -2)
    assert (only.type, only.value) == ("bcd", Decimal("1234.56"))
    assert [guess.type for guess in BENCH.guesses(bytes.fromhex("3482"), 0)] == ["bcd", "signed bcd"]
    assert [(guess.exp, guess.value) for guess in BENCH.matches(raw, Decimal("12.3456"))] == [
        (-4, Decimal("12.3456"))
    ]
    assert BENCH.guesses(b"\x0a", 0) == BENCH.guesses(b"", 0) == []


def test_captures_become_examples_without_the_site():
    def change(name: str, raw: bytes) -> bytes:
        return bytes.fromhex("11") * len(raw) if name == "voltage_l2" else raw

    made = BENCH.example(PROFILE, asked("0201FF00"), answer("0201FF00", "0423 1523 2623 3723"), change)
    assert made is not None
    assert made.expect == {"voltage_l1": "230.4", "voltage_l2": "111.1", "voltage_l3": "232.6"}
    assert "3723" not in made.reply
    for text in (made.request, made.reply):
        assert text.startswith("68010000000000")
    assert BENCH.example(PROFILE, asked("02010100"), answer("0201FF00", "0423"), change) is None
    assert BENCH.example(PROFILE, asked("00FE0000"), answer("00FE0000", "0423"), change) is None
    assert BENCH.example(PROFILE, b"", b"", change) is None
    assert BENCH.example(PROFILE, answer("02010100", "0423"), asked("02010100"), change) is None
    with pytest.raises(Misconfigured, match="cannot stand"):
        BENCH.example(PROFILE, asked("02010100"), answer("02010100", "0423"), lambda _name, _raw: b"")


def test_captured_bytes_are_judged():
    assert (BENCH.seen(asked("00010000")).check, BENCH.seen(asked("00010000")).whole) == ("ok", True)
    assert BENCH.seen(asked("00010000")[:-1]).check == "bad"


def test_addresses_of_units():
    options = registry.get("dlt645").address_types()[2]()
    assert address_of(1, options) == "AAAAAAAAAA00"
    assert address_of(247, options) == "000000000247"
