from decimal import Decimal
from random import Random

import pytest

from drivers import registry
from drivers.api import Exchange
from drivers.errors import Misconfigured
from drivers.mbus import frames
from drivers.workshop import Seen, Workshop
from simulators.mbus import MbusBus, Slave
from simulators.mbus_frames import Identity, Value
from tests.support.mbus import POINTLESS, talk

BENCH = registry.get("mbus").workshop
WHO = Identity("12345678", "KAM", 8, 4)


def bus() -> MbusBus:
    return MbusBus([Slave(WHO, lambda: [Value(b"\x06", 1)], 5)], Random(1))


def once(exchange: Exchange) -> bytes | None:
    assert exchange.reader is not None
    return exchange.reader.feed(b"".join(bus().feed(exchange.request)))


def test_it_is_a_workshop():
    assert isinstance(BENCH, Workshop)
    assert BENCH.guesses(b"", 0) == BENCH.matches(b"", Decimal(1)) == []
    assert BENCH.example(POINTLESS, b"", b"", lambda _name, raw: raw) is None
    with pytest.raises(Misconfigured, match="no registers"):
        BENCH.registers("holding", 0, 1)


def test_a_probe_is_answered_by_whoever_is_there():
    assert once(BENCH.probe(5, {"framing": "rtu"})) == b"\xe5"
    assert once(BENCH.probe(6, {"framing": "rtu"})) is None


@pytest.mark.parametrize("address", ["", "12345678", "254"])
def test_a_device_tells_who_it_is(address):
    (exchange,) = BENCH.identify(5, {"address": address})
    assert BENCH.identity(talk(exchange, bus())) == {
        "vendor": "KAM",
        "model": "Kamstrup Multical 601",
        "version": "8",
        "medium": "Heat: Outlet",
        "secondary_address": "12345678-KAM-08-04",
    }


def test_what_says_nothing_is_nobody():
    assert (
        BENCH.identity(b"") == BENCH.identity(b"\xe5") == BENCH.identity(frames.long(8, 5, 0x70, b"\0")) == {}
    )
    fixed = frames.long(8, 5, 0x73, bytes.fromhex("785634120A00E97E0100000035010000"))
    assert BENCH.identity(fixed) == {"id": "12345678"}


def test_any_request_can_be_asked():
    assert once(BENCH.raw(5, b"\x40", {})) == b"\xe5"
    found = once(BENCH.raw(5, b"\x7b", {}))
    assert found is not None
    assert frames.parse(found).ci == 0x72
    selection = BENCH.raw(1, b"\x53\x52" + WHO.wire, {"address": "12345678"})
    assert once(selection) == b"\xe5"
    for wrong in (b"", bytes(255)):
        with pytest.raises(Misconfigured, match="1 to 254 bytes"):
            BENCH.raw(5, wrong, {})


def test_captured_bytes_are_judged():
    sound = frames.short(0x40, 3)
    assert BENCH.seen(sound) == Seen(3, "ok", whole=True)
    assert BENCH.seen(b"\xe5") == Seen(None, "none", whole=True)
    assert BENCH.seen(sound[:-1]) == Seen(None, "bad", whole=False)
    long = frames.long(8, 3, 0x72, bytes(12))
    assert BENCH.seen(long[:-2] + b"\0\x16") == Seen(None, "bad", whole=True)
