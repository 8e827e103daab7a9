import pytest

from drivers import registry
from drivers.errors import Misconfigured
from drivers.iec62056_21 import frames
from drivers.iec62056_21.driver import Iec62056Driver
from drivers.profiles_store import load_library
from drivers.workshop import Seen, Workshop
from simulators.iec62056 import OpticalMeter

BENCH = registry.get("iec62056-21").workshop
LIBRARY = load_library()
SHOWN = [("C.1.0", "13647123"), ("1.8.0", "061561.289*kWh"), ("2.8.0", "000010.490*kWh"), ("9.9", "x")]


def meter(**more) -> OpticalMeter:
    return OpticalMeter(lambda: SHOWN, **more)


@pytest.mark.parametrize(("unit", "there"), [(0, True), (7, True), (8, False)])
def test_a_unit_is_an_address(unit, there):
    assert isinstance(BENCH, Workshop)
    exchange = BENCH.probe(unit, {"framing": "rtu", "software_parity": True})
    said = meter(address="7", parity=True).feed(exchange.request)
    payload = exchange.reader.feed(said[0]) if said else None
    assert (payload is not None) is there
    if payload is not None:
        told = {"vendor": "LGZ", "model": "ZMF100AC.M26", "mode": "C", "offers_baud": "9600"}
        assert BENCH.identity(payload) == told


def test_what_it_has_not_is_said():
    assert BENCH.identity(b"x") == {}
    assert BENCH.guesses(b"1", 0) == BENCH.matches(b"1", 1) == []
    assert len(BENCH.identify(0, {})) == 1
    for call in (lambda: BENCH.raw(1, b"x", {}), lambda: BENCH.registers("holding", 0, 1)):
        with pytest.raises(Misconfigured, match=r"as a whole|no registers"):
            call()


def test_bytes_are_judged():
    raw = frames.block(b"1.8.0(5)")
    assert BENCH.seen(raw) == Seen(None, "ok", whole=True)
    assert BENCH.seen(raw[:-1] + b"\0").check == "bad"
    assert BENCH.seen(b"/?!\r\n").check == "none"
    assert BENCH.seen(b"x").whole is False


def test_a_captured_readout_becomes_an_example_of_nobodys():
    profile = LIBRARY["landis-gyr-e350-zmf100"]
    made = meter()
    reply = b"".join(made.feed(b"/?!\r\n") + made.feed(b"\x06050\r\n"))
    found = BENCH.example(profile, b"", reply, lambda name, raw: raw.replace(b"061561", b"000001"))
    assert found.expect == {"active_energy_import": "1.289", "active_energy_export": "10.490"}
    assert b"13647123" not in bytes.fromhex(found.reply)
    shown = {key: getattr(profile, key) for key in profile.__struct_fields__ if key != "examples"}
    Iec62056Driver().check(type(profile)(**shown, examples=(found,)))
    assert BENCH.example(profile, b"", reply[:-1] + b"\0", lambda _name, raw: raw) is None
    assert BENCH.example(profile, b"", b"", lambda _name, raw: raw) is None
    with pytest.raises(Misconfigured, match="cannot stand"):
        BENCH.example(profile, b"", reply, lambda _name, _raw: b"")
