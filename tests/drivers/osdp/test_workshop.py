from decimal import Decimal

import pytest

from drivers.errors import DeviceRefused, FrameDamaged, Misconfigured
from drivers.osdp.driver import OsdpDriver
from drivers.workshop import Seen, Workshop
from simulators.osdp_reader import Reader
from tests.support.osdp import door

BENCH = OsdpDriver().workshop


def ask(exchange, **reader):
    return exchange.reader.feed(Reader(5, bytes, **reader).receive(exchange.request, 0))


def test_a_reader_says_who_it_is_and_what_it_can():
    assert isinstance(BENCH, Workshop)
    who, can = BENCH.identify(5, {})
    assert BENCH.identity(ask(who)) == {
        "vendor": "5A4243",
        "model": "1",
        "version": "2",
        "serial": "4711",
        "firmware": "1.4.2",
    }
    assert BENCH.identity(ask(can))["communication security"] == "level 1, number 1"
    assert BENCH.identity(b"") == BENCH.identity(b"\x45") == {}
    assert ask(BENCH.probe(6, {"check": "checksum"})) is None


def test_a_reader_that_has_its_address_in_the_site_file_is_asked_there():
    """What certifies a device without a unit asks for unit 255."""
    for asked in (*BENCH.identify(255, {"address": "5"}), BENCH.probe(255, {"address": "5"})):
        assert ask(asked) is not None
    with pytest.raises(Misconfigured, match="0 to 126"):
        BENCH.identify(255, {})


def test_a_scan_takes_no_card_away_and_the_gateway_finds_its_session_again():
    here = door(options={"default_key": True}, address=5)
    here.read("online", "secure")
    here.reader.card(26, bytes(4))
    probe = BENCH.probe(5, {})
    assert probe.reader.feed(here.reader.receive(probe.request, here.now_ms)) is not None
    assert here.reader.waiting == 1
    assert [made.code for made in here.poll()] == ["card"]
    assert here.reader.secure


def test_a_refusal_and_noise_are_told():
    with pytest.raises(DeviceRefused, match="unknown command") as caught:
        ask(BENCH.raw(5, b"\x65", {}), knows=frozenset({0x61}))
    assert caught.value.address
    with pytest.raises(FrameDamaged):
        BENCH.probe(5, {}).reader.feed(bytes(5000))


@pytest.mark.parametrize("request_", ["", "60", "68", "75", "610000"])
def test_tools_only_read(request_):
    with pytest.raises(Misconfigured, match="only read"):
        BENCH.raw(5, bytes.fromhex(request_), {})


def test_what_a_reader_has_not_is_refused():
    with pytest.raises(Misconfigured, match="registers"):
        BENCH.registers("holding", 0, 1)
    with pytest.raises(Misconfigured, match="0 to 126"):
        BENCH.probe(127, {})
    assert list(BENCH.guesses(b"\0", 0)) == list(BENCH.matches(b"\0", Decimal(0))) == []


def test_captured_bytes_are_judged():
    assert BENCH.seen(bytes.fromhex("FF53800900054901BE1A")) == Seen(0, "ok", whole=True)
    assert BENCH.seen(bytes.fromhex("FF53800900054901BE1B")) == Seen(None, "bad", whole=True)
    assert BENCH.seen(b"\x53\x80") == Seen(None, "bad", whole=False)
