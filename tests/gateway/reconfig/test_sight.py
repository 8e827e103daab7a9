"""What a trial sees of lines that listen, and of the way to the server where nothing is polled."""

import asyncio
from types import SimpleNamespace

import pytest

from gateway.reconfig.probation import ear_name
from gateway.reconfig.sight import Sight
from tests.support.toylisten import install, line, listening
from tests.support.waiting import until

NO_POLLERS = SimpleNamespace(pollers=())
EAR = ear_name("fire")


def sight(listeners=None, **uplink) -> Sight:
    return Sight(NO_POLLERS, SimpleNamespace(**uplink), listeners)  # type: ignore[arg-type]


async def test_a_line_is_seen_while_it_listens_and_a_device_once_it_is_heard(monkeypatch):
    install(monkeypatch)
    async with listening(line("p1", "p2")) as heart:
        seen = sight(heart.listeners)
        assert seen.health() == {EAR: ()}
        _, writer = await asyncio.open_connection("127.0.0.1", heart.port)
        writer.write(b"p1 1 link on\np1 2 fire on\n")
        await until(lambda: "p1" in seen.health())
        assert seen.health() == {EAR: (), "p1": ()}
        writer.close()
        # A line that is set up anew begins with nobody heard.
        await heart.change([line("p1")])
        await until(lambda: EAR in seen.health())
        assert seen.health() == {EAR: ()}


@pytest.mark.parametrize(
    ("connected", "heard_at", "unanswered_s", "well"),
    [(True, 0.0, 0.0, True), (True, 0.0, 3.0, False), (True, 7.0, 3.0, True), (False, 7.0, 0.0, False)],
)
def test_where_nothing_is_polled_a_broker_that_drops_everything_is_no_way_to_the_server(
    connected, heard_at, unanswered_s, well
):
    seen = sight(connected=connected, heard_at=heard_at, unanswered_s=unanswered_s)
    assert seen.heard_since(5.0) is well
