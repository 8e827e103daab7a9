"""A broker whose rules drop what we send and hear is told from one that is in order."""

import asyncio
import random
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from messages import broker as mqtt
from messages.broker import BrokerAddress, BrokerLost, Publication
from messages.topics import ECHO, TopicError, parse
from server.ingest.echo import Echo
from server.ingest.service import Ingest
from tests.support.broker import accepts, free_port
from tests.support.ingest import T0, database, writer
from tests.support.waiting import alongside


class Session:
    """A broker that gives back what is published as long as it may."""

    def __init__(self, echo: Echo) -> None:
        self.echo, self.gives, self.asked = echo, True, 0
        self.more = asyncio.Event()

    async def publish(self, publication: Publication) -> None:
        assert publication.topic == ECHO
        self.asked += 1
        self.echo.heard(b"another server's word")
        if self.gives:
            self.echo.heard(publication.payload)
        self.more.set()

    async def times(self, more: int) -> None:
        """Wait until it was asked so often."""
        goal = self.asked + more
        async with asyncio.timeout(20):
            while self.asked < goal:
                self.more.clear()
                await self.more.wait()


async def test_silence_of_the_broker_is_said_once_and_its_end_once(caplog: pytest.LogCaptureFixture) -> None:
    echo = Echo(random.Random(1), within_s=0.001, every_s=0.001)
    session = Session(echo)
    with caplog.at_level("INFO", "server.ingest.echo"):
        async with alongside(echo.run(session)):  # type: ignore[arg-type]
            await session.times(3)
            assert not echo.refused
            session.gives = False
            await session.times(4)
            assert echo.refused
            session.gives = True
            await session.times(3)
            assert not echo.refused
    assert [record.levelname for record in caplog.records] == ["ERROR", "INFO"]


def test_the_topic_is_no_gateways() -> None:
    with pytest.raises(TopicError):
        parse(ECHO)


RULES = "user server\ntopic readwrite gatehouse/1/#\n"


@pytest.fixture
def ruled(tmp_path: Path) -> Iterator[tuple[str, int]]:
    """A Mosquitto that knows one account by its name, and lets in everybody."""
    found = shutil.which("mosquitto", path="/usr/sbin:/usr/bin:/sbin")
    if found is None:
        pytest.skip("no mosquitto: run tests/debian-tools.sh")
    port = free_port()
    (tmp_path / "acl").write_text(RULES)
    config = tmp_path / "mosquitto.conf"
    config.write_text(
        f"user root\nlistener {port} 127.0.0.1\nallow_anonymous true\nacl_file {tmp_path / 'acl'}\n"
    )
    with subprocess.Popen([found, "-c", str(config)], stderr=subprocess.DEVNULL) as process:
        try:
            assert accepts(process, port)
            yield "127.0.0.1", port
        finally:
            process.terminate()


@pytest.mark.strangers
@pytest.mark.parametrize(("name", "refused"), [("server", False), ("sever", True)])
async def test_an_account_of_a_wrong_name_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ruled: tuple[str, int], name: str, refused: bool
) -> None:
    engine = database(tmp_path)
    ingest = Ingest(writer(engine), clock=lambda: T0, random=random.Random(1))
    if refused:
        ingest.echo.within_s = 0.5
    noted = asyncio.Event()
    note = Echo._note

    def watched(echo: Echo, *, refused: bool) -> None:
        note(echo, refused=refused)
        noted.set()

    monkeypatch.setattr(Echo, "_note", watched)
    address = BrokerAddress(*ruled, username=name)

    async def serve() -> None:
        async with mqtt.connect(address, client_id="server") as session:
            with suppress(BrokerLost):
                await ingest.serve(session)

    async with alongside(serve()), asyncio.timeout(30):
        await ingest.listening.wait()
        await noted.wait()
        assert ingest.listening.is_set(), "the broker has granted every subscription"
        assert ingest.echo.refused is refused
    await ingest.close()
    engine.dispose()
