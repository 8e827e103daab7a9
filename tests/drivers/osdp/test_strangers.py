"""Our control panel against a peripheral device that others wrote: libosdp's, on real wires.

Its Python binding hands the application's status reports on as empty, so inputs and outputs are refused by it; the
simulator stands in for these.
"""

import random
from collections.abc import Sequence
from datetime import UTC, datetime

import osdp
import pytest

from drivers.api import Transaction
from drivers.errors import DeviceRefused, DeviceSilent
from drivers.lines import Line, open_line
from drivers.osdp.driver import OsdpDevice, OsdpDriver
from tests.support.osdp import KEY, PROFILE
from tests.support.wire import Act, PtyPeer, Send, TcpPeer

pytestmark = pytest.mark.strangers

CARD = bytes.fromhex("12345640")
CAPABILITIES = [
    (osdp.Capability.OutputControl, 1, 2),
    (osdp.Capability.LEDControl, 1, 1),
    (osdp.Capability.AudibleControl, 1, 1),
    (osdp.Capability.TextOutput, 1, 1),
    (osdp.Capability.CommunicationSecurity, 1, 1),
]


class _Channel(osdp.Channel):
    def __init__(self) -> None:
        self.id = 0
        self.asked = self.said = b""

    def read(self, max_bytes: int) -> bytes:
        taken, self.asked = self.asked[:max_bytes], self.asked[max_bytes:]
        return taken

    def write(self, buf: bytes) -> int:
        self.said += bytes(buf)
        return len(buf)

    def flush(self) -> None:
        """Everything is handed over at once."""


class Stranger:
    """libosdp's reader; driven by what comes, with no thread of its own."""

    def __init__(self, *flags: int, key: bytes | None = KEY) -> None:
        self.channel = _Channel()
        self.commands: list[dict] = []
        self.lose = 0
        """How many replies get lost from now on."""
        identity = osdp.PdId(1, 2, 0x5A4243, 4711, 0x010402)
        info = osdp.PDInfo(5, self.channel, scbk=key, flags=list(flags), id=identity)
        self._device = osdp.PeripheralDevice(
            info, osdp.PDCapabilities(CAPABILITIES), osdp.LogLevel.Emergency, self._ordered
        )

    def _ordered(self, command: dict) -> tuple[int, None]:
        self.commands.append(command)
        return 0, None

    def happen(self, **event: object) -> None:
        assert self._device.ctx.submit_event(event)

    def card(self) -> None:
        wiegand = osdp.CardFormat.Wiegand
        self.happen(event=osdp.Event.CardRead, reader_no=0, direction=0, format=wiegand, length=26, data=CARD)

    @property
    def secure(self) -> bool:
        return self._device.is_sc_active()

    def answer(self, request: bytes) -> Sequence[Act]:
        self.channel.asked += request
        for _ in range(4):
            self._device.ctx.refresh()
        said, self.channel.said = self.channel.said, b""
        if self.lose and said:
            self.lose -= 1
            return ()
        return (Send(said),) if said else ()


class Panel:
    def __init__(self, line: Line, device: OsdpDevice) -> None:
        self.line, self.device = line, device

    async def ask(self, transaction: Transaction) -> bytes:
        reply = await self.line.exchange(self.device.exchange(transaction), timeout=0.3)
        return reply.payload

    async def read(self, *points: str) -> dict:
        found = {}
        for transaction in self.device.plan(points):
            payload = await self.ask(transaction)
            readings = self.device.decode(transaction, payload)
            found |= {name: reading.value for name, reading in readings.items()}
        return found

    async def poll(self) -> list[str]:
        transaction = self.device.plan(["online"])[0]
        payload = await self.ask(transaction)
        return [made.code + " " + made.detail for made in self.device.happenings(transaction, payload)]

    async def order(self, action: str) -> None:
        await self.ask(self.device.command(action, {}).write)


def panel(peer: TcpPeer | PtyPeer, **options: object) -> Panel:
    line = open_line(peer.settings(), clock=lambda: datetime.now(UTC), rng=random.Random(1))
    return Panel(line, OsdpDriver().device(PROFILE, 5, {"credential": "clear", **options}))


@pytest.fixture
def key(monkeypatch):
    monkeypatch.setenv("OSDP_TEST_KEY", KEY.hex())
    return {"key_env": "OSDP_TEST_KEY"}


@pytest.fixture(params=["tcp", "pty"])
def wire(request, tmp_path):
    if request.param == "tcp":
        return TcpPeer
    return lambda script: PtyPeer(script, tmp_path)


SAID = ["card 26 bits, data 12345640", "keys 4 keys"]


@pytest.mark.parametrize("enforce", [False, True])
async def test_cards_keys_and_orders_in_a_secure_channel(wire, key, enforce):
    flags = (osdp.LibFlag.EnforceSecure,) if enforce else ()
    stranger = Stranger(*flags)
    async with wire(stranger.answer) as peer:
        here = panel(peer, **key)
        async with here.line:
            assert await here.read("online", "secure", "default_key", "tamper", "serial", "firmware") == {
                "online": True,
                "secure": True,
                "default_key": False,
                "tamper": False,
                "serial": 4711,
                "firmware": 1004002,
            }
            assert stranger.secure
            assert await here.poll() == []
            stranger.card()
            stranger.happen(event=osdp.Event.KeyPress, reader_no=0, data=b"1234")
            assert await here.poll() == SAID
            assert await here.poll() == []
            for action in ("release", "green", "beep"):
                await here.order(action)
            sent = [made for made in stranger.commands if made["command"] != osdp.Command.Status]
            assert [made["command"] for made in sent] == [
                osdp.Command.Output,
                osdp.Command.LED,
                osdp.Command.Buzzer,
            ]
            assert (sent[0]["control_code"], sent[0]["timer_count"]) == (5, 50)


async def test_in_clear(wire):
    stranger = Stranger(key=None)
    async with wire(stranger.answer) as peer:
        here = panel(peer)
        async with here.line:
            assert await here.poll() == []
            stranger.card()
            assert (await here.poll())[0].startswith("card")
            assert await here.read("secure") == {"secure": False}


@pytest.mark.parametrize("sealed", [False, True])
async def test_after_a_lost_reply_the_talk_goes_on(key, sealed):
    """libosdp answers a repeated command anew in the place of repeating its reply: a card in the lost one is gone."""
    stranger = Stranger()
    async with TcpPeer(stranger.answer) as peer:
        here = panel(peer, **(key if sealed else {}))
        async with here.line:
            assert await here.poll() == []
            stranger.lose = 1
            with pytest.raises(DeviceSilent):
                await here.poll()
            stranger.card()
            assert await here.poll() == SAID[:1]
            assert await here.poll() == []
            assert stranger.secure is sealed


async def test_a_reader_that_was_exchanged_on_the_way_is_found_again(key):
    async with TcpPeer(Stranger().answer) as peer:
        here = panel(peer, **key)
        async with here.line:
            assert await here.poll() == []
            stranger = Stranger()  # as after a power cut: it knows nothing of a session
            peer.script = stranger.answer
            stranger.card()
            assert await here.poll() == SAID[:1]
            assert stranger.secure


async def test_a_wrong_key_is_no_channel_and_nothing_is_read(key):
    stranger = Stranger(osdp.LibFlag.EnforceSecure, key=bytes(16))
    async with TcpPeer(stranger.answer) as peer:
        here = panel(peer, **key)
        async with here.line:
            assert await here.read("secure", "tamper") == {"secure": False, "tamper": None}
            with pytest.raises(DeviceRefused, match="no secure channel"):
                await here.order("release")
            assert not stranger.commands


async def test_a_reader_out_of_its_box_gets_its_own_key(key):
    stranger = Stranger(osdp.LibFlag.InstallMode, key=None)
    async with TcpPeer(stranger.answer) as peer:
        here = panel(peer, **key, default_key=True)
        async with here.line:
            assert await here.read("secure", "default_key") == {"secure": True, "default_key": True}
            await here.order("set_key")
            assert stranger.commands[-1]["command"] == osdp.Command.Keyset
            assert await here.read("secure", "default_key") == {"secure": True, "default_key": False}
