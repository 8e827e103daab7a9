"""The demo's devices that speak: what they say arrives once, whatever becomes of the connection."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest

from simulators import gb26875
from simulators.field_speakers import FireHost
from simulators.vocabulary import FieldDevice, Say
from tests.support.waiting import alongside

AT = datetime(2026, 11, 22, 10, 15, tzinfo=UTC)
OPERATION = gb26875.OPERATION
ACK = 3


class Centre:
    """Acknowledges everything, but breaks the connection at the messages of a type, so many times."""

    def __init__(self, breaks_at: int, times: int) -> None:
        self.heard: list[bytes] = []
        self.connections = 0
        self._breaks_at, self._times = breaks_at, times

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                head = await reader.readexactly(27)
                raw = head + await reader.readexactly(int.from_bytes(head[24:26], "little") + 3)
                self.heard.append(raw)
                if raw[27] == self._breaks_at and self._times:
                    self._times -= 1
                    writer.transport.abort()
                    return
                writer.write(self._acknowledged(raw))
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    def _acknowledged(self, raw: bytes) -> bytes:
        body = raw[2:12] + raw[18:24] + raw[12:18] + bytes((0, 0, ACK))
        return b"@@" + body + bytes((sum(body) % 256,)) + b"##"

    def of(self, kind: int) -> list[bytes]:
        return [raw for raw in self.heard if raw[27] == kind]


@asynccontextmanager
async def hosted(centre: Centre, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[FireHost]:
    monkeypatch.setattr("simulators.field_speakers.CONNECT_S", 0.0)
    async with await asyncio.start_server(centre.answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        device = FieldDevice(id="h", profile="gb26875-transmission-device", address="0140609623B2")
        host = FireHost(device, port, lambda: AT)
        async with alongside(host.live()):
            yield host


async def test_a_host_whose_connection_is_lost_says_the_same_message_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    centre = Centre(OPERATION, times=2)
    async with asyncio.timeout(10), hosted(centre, monkeypatch) as host:
        await host.say(Say(at="0s", say="operation reset"))
    assert len(centre.of(OPERATION)) == centre.connections == 3
    assert len(set(centre.of(OPERATION))) == 1, "another serial number would be another reset"


async def test_a_host_that_comes_back_greets_with_how_things_are(monkeypatch: pytest.MonkeyPatch) -> None:
    centre = Centre(OPERATION, times=1)
    async with asyncio.timeout(10), hosted(centre, monkeypatch) as host:
        await host.say(Say(at="0s", say="component 1 fire"))
        await host.say(Say(at="0s", say="system fire"))
        await host.say(Say(at="0s", say="operation silence"))
    *_, burning, _ = centre.of(gb26875.COMPONENT)
    assert int.from_bytes(burning[36:38], "little") == gb26875.FIRE
    assert int.from_bytes(centre.of(gb26875.SYSTEM)[-1][31:33], "little") == gb26875.FIRE
