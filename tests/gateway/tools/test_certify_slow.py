"""What a certificate says of a device that is slow to read, and of one whose number is its address."""

from types import SimpleNamespace

import pytest

from drivers.api import Reading, Transaction
from drivers.lines import Reply
from gateway.tools import certify
from gateway.tools.certify import _Seen
from gateway.tools.read import One
from messages.types import Quality
from tests.support.gateway import START

MADE = SimpleNamespace(profile="p", protocol="slow", points={"energy": None}, vendor="v", model="m")
BLOCK = Transaction(("energy",), None, "readout", 10, 1000)


class Readout:
    """A device whose every readout takes so long."""

    workshop = None

    def __init__(self, monkeypatch, takes: float) -> None:
        self.now, self.takes, self.asked = 0.0, takes, 0
        bound = SimpleNamespace(plan=lambda _points: [BLOCK], exchange=lambda _block: None)
        monkeypatch.setattr(certify.registry, "get", lambda _name: SimpleNamespace(device=lambda *_: bound))

        async def once(_work, _target, transaction):
            reply = await self.ask(None)
            return [One("energy", Reading(None, Quality.GOOD), transaction, reply)]

        async def nameless(_work, _device):
            return {}

        monkeypatch.setattr(certify, "read_transaction", once)
        monkeypatch.setattr(certify, "_identity", nameless)

    async def ask(self, _exchange, **_) -> Reply:
        self.asked, self.now = self.asked + 1, self.now + self.takes
        return Reply(b"", self.now - self.takes, self.now, START)

    async def seen(self, reads: int, **options) -> _Seen:
        line = SimpleNamespace(settings=None)
        work = SimpleNamespace(line=line, wire=self, monotonic=lambda: self.now)
        meter = SimpleNamespace(serial=options.pop("serial", ""))
        file = SimpleNamespace(unit=None)
        device = SimpleNamespace(
            id="m", profile=MADE, file=file, options=options, mode=None, timeout=1.0, meter=meter
        )
        return await _Seen.of(work, device, reads)


@pytest.mark.parametrize(("takes", "asked"), [(0.2, 100), (2.0, 60), (90.0, 5)])
async def test_a_hundred_reads_end_with_their_time_and_are_told(monkeypatch, takes, asked):
    readout = Readout(monkeypatch, takes)
    seen = await readout.seen(100)
    assert seen.asked == asked
    assert readout.asked == asked + 1
    found = seen._reads()
    assert (found["pass"], found["found"].startswith(f"0 errors in {asked} reads")) == (True, True)
    assert (f"{asked} of 100 reads in {asked * takes:.0f} s" in found["why"]) == (asked < 100)


@pytest.mark.parametrize(
    ("serial", "address", "passed", "why"),
    [
        ("12345678", "000012345678", True, ""),
        ("12345679", "000012345678", None, "compare its plate"),
        ("", "000012345678", None, "compare its plate"),
        ("12345678", "12345678-KAM-08-04", True, ""),
    ],
)
async def test_an_address_proves_the_number_that_it_is_and_no_other(
    monkeypatch, serial, address, passed, why
):
    seen = await Readout(monkeypatch, 0.1).seen(1, serial=serial, address=address)
    found = seen._serial()
    assert (found["pass"], why in found["why"]) == (passed, True)
