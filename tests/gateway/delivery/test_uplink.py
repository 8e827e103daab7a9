"""The uplink against a real broker: what is sent, answered, repeated and ordered."""

import asyncio
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from messages.broker import Publication, Session, connect
from messages.codec import encode
from messages.types import Command, GatewayState, Lane, Rejected, Stored
from tests.support import broker as broker_support
from tests.support import uplink as uplink_support
from tests.support.journal import event, everything, numbers, sample, settled
from tests.support.uplink import ADDRESS, BOOT, Make
from tests.support.waiting import until

broker, make = broker_support.broker, uplink_support.make  # the fixtures


ROOT = Path(__file__).parents[3]
CHILD = """
import asyncio
from datetime import UTC, datetime
from pathlib import Path
from gateway.delivery.journal import Journal
from gateway.delivery.uplink import Uplink
from messages.broker import BrokerAddress
from messages.topics import Address
from messages.types import Birth, GatewayState

async def main():
    journal = await Journal.open(Path("{path}"))
    birth = Birth(site="site-1", gateway="gw-1", at=datetime.now(UTC), boot="child", epoch=journal.epoch,
                  config="sha256:" + "0" * 64)
    state = GatewayState(online=True, boot="child")
    await Uplink(journal, Address("site-1", "gw-1"), BrokerAddress("127.0.0.1", {port}), boot="child",
                 birth=lambda: birth, state=lambda: state, on_command=None).run()

asyncio.run(main())
"""


async def test_birth_and_state_are_retained_and_every_lane_arrives(make: Make) -> None:
    rig = await make()
    async with rig.running(rig.uplink.run, rig.server.run):
        await rig.journal.append(Lane.ALARM, [event(1)])
        await rig.journal.append(Lane.BILLING, [sample(2)])
        await rig.journal.append(Lane.TELEMETRY, [sample(3)])
        assert await rig.uplink.flush(90)
        await rig.server.until(lambda: bool(rig.server.births and rig.server.states))
        assert rig.uplink.connected
    assert rig.server.births[0].epoch == rig.journal.epoch
    assert rig.server.states[0].online
    assert [rig.delivered(lane) for lane in Lane] == [[1], [2], [3]]
    assert rig.uplink.counts.stored == rig.uplink.counts.puback == 3
    assert not rig.uplink.connected


async def test_what_is_stored_is_forgotten_and_what_is_not_is_kept(make: Make) -> None:
    rig = await make()
    rig.server.lose = lambda lane, seq: lane is Lane.BILLING and seq == 2
    async with rig.running(rig.uplink.run, rig.server.run):
        for number in range(3):
            await rig.journal.append(Lane.BILLING, [sample(number)])
            await rig.journal.append(Lane.ALARM, [event(number)])
        await rig.server.until(lambda: len(rig.server.seqs(Lane.BILLING)) == 2)
        await settled(rig.journal, lambda: rig.journal.lanes()[Lane.BILLING].first == 2)
        await settled(rig.journal, lambda: rig.journal.lanes()[Lane.ALARM].first == 4)
    assert numbers(await everything(rig.journal, Lane.BILLING)) == [1, 2]


async def test_a_lost_batch_is_sent_again_and_closes_the_hole(make: Make) -> None:
    rig = await make(resend_s=0.1, resend_max_s=0.2)
    lost: list[int] = []

    def lose(lane: Lane, seq: int) -> bool:
        lost.append(seq)
        return seq in {2, 5} and lost.count(seq) < 3  # twice lost, then it comes through

    rig.server.lose = lose
    async with rig.running(rig.uplink.run, rig.server.run):
        for number in range(8):
            await rig.journal.append(Lane.BILLING, [sample(number)])
        assert await rig.uplink.flush(90)
    assert rig.delivered(Lane.BILLING) == list(range(8))
    assert rig.server.changed_bytes == []
    assert rig.uplink.counts.resent >= 4


async def test_a_lost_answer_is_asked_for_again_and_the_resend_is_byte_identical(make: Make) -> None:
    rig = await make(resend_s=0.1, resend_max_s=0.2)
    rig.server.answering = False
    async with rig.running(rig.uplink.run, rig.server.run):
        for number in range(5):
            await rig.journal.append(Lane.ALARM, [event(number)])
        await rig.server.until(lambda: rig.server.doubles >= 3)
        # While the server says nothing, only the oldest is sent again.
        assert {seq for _, _, seq in rig.server.arrivals[5:]} == {1}
        rig.server.answering = True
        assert await rig.uplink.flush(90)
    assert rig.server.changed_bytes == []
    assert rig.delivered(Lane.ALARM) == list(range(5))


async def test_an_answer_for_another_epoch_or_of_no_sense_forgets_nothing(make: Make) -> None:
    rig = await make(resend_s=60)
    rig.server.answering = False
    async with rig.running(rig.uplink.run, rig.server.run):
        await rig.journal.append(Lane.ALARM, [event(1)])
        await rig.server.until(lambda: rig.server.seqs(Lane.ALARM) == [1])
        assert rig.server.session is not None
        wrong = [
            encode(Stored(epoch="another", lane=Lane.ALARM, through=1)),
            encode(Stored(epoch=rig.journal.epoch, lane=Lane.BILLING, through=0)),
            b"{}",
            b"\xff" * 1000,
        ]
        for payload in wrong:
            await rig.server.session.publish(Publication(ADDRESS.stored(Lane.ALARM), payload))
        await rig.server.session.publish(Publication(ADDRESS.command("c-1"), b"[]"))
        rejected = Rejected(seq=1, index=0, reason="no such\x1b[31m device")
        last = Stored(epoch=rig.journal.epoch, lane=Lane.ALARM, through=0, rejected=(rejected,))
        await rig.server.session.publish(Publication(ADDRESS.stored(Lane.ALARM), encode(last)))
        async with asyncio.timeout(90):
            while not rig.rejected:
                await rig.server.session.publish(
                    Publication(ADDRESS.state, encode(GatewayState(online=True, boot="x")))
                )
                await rig.server.until(lambda: bool(rig.server.states))
                rig.server.states.clear()
        assert not await rig.uplink.flush(0.01)
        assert rig.uplink.counts.ignored == 5
        assert rig.uplink.counts.rejected == 1
        await rig.server.answer(ADDRESS, rig.journal.epoch, Lane.ALARM)
        assert await rig.uplink.flush(90)
    assert rig.rejected == [(Lane.ALARM, rejected)]


async def test_a_command_arrives_once_and_a_retained_one_never(make: Make) -> None:
    rig = await make()
    until = datetime.now(UTC) + timedelta(seconds=15)

    def command(name: str) -> Command:
        return Command(id=name, device="door-1", action="release", by="guard", until=until)

    async with connect(rig.broker.address(), client_id="old") as session:
        stale = Publication(ADDRESS.command("c-old"), encode(command("c-old")), retain=True)
        await session.publish(stale)
    async with rig.running(rig.uplink.run, rig.server.run):
        await rig.server.until(lambda: bool(rig.server.states))
        assert rig.server.session is not None
        other = Publication(ADDRESS.command("c-2"), encode(command("c-1")))
        await rig.server.session.publish(other)
        await rig.server.session.publish(Publication(ADDRESS.command("c-1"), encode(command("c-1"))))
        async with asyncio.timeout(90):
            await rig.commanded.wait()
    assert rig.commands == [command("c-1")]
    assert rig.uplink.counts.ignored == 2


async def test_the_last_will_speaks_when_the_gateway_dies_and_farewell_when_it_stops(make: Make) -> None:
    rig = await make()
    async with rig.running(rig.server.run):
        await rig.server.until(lambda: rig.server.session is not None)
        async with rig.running(rig.uplink.run):
            await rig.server.until(lambda: bool(rig.server.states))
            await until(lambda: rig.uplink.connected)  # the server may have it before we know that
            assert await rig.uplink.farewell("stopped")
            rig.uplink.beat()
        await rig.server.until(lambda: len(rig.server.states) >= 2)
        last = rig.server.states[-1]
        assert (last.online, last.boot, last.why, last.epoch) == (False, BOOT, "stopped", rig.journal.epoch)

        code = CHILD.format(port=rig.broker.port, path=str(rig.broker.folder / "child.sqlite"))
        child = await asyncio.create_subprocess_exec(sys.executable, "-c", code, cwd=ROOT)
        await rig.server.until(lambda: rig.server.states[-1].boot == "child" and rig.server.states[-1].online)
        child.kill()
        await child.wait()
        await rig.server.until(lambda: not rig.server.states[-1].online)
    last = rig.server.states[-1]
    assert (last.boot, last.why) == ("child", "connection lost")


async def test_beat_publishes_the_state_now(make: Make) -> None:
    rig = await make()
    async with rig.running(rig.uplink.run, rig.server.run):
        await rig.server.until(lambda: len(rig.server.births) >= 1)
        for _ in range(3):
            before = len(rig.server.states)
            rig.uplink.beat()
            await rig.server.until(lambda before=before: len(rig.server.states) > before)  # type: ignore[misc]


async def test_nothing_new_is_sent_before_the_birth_that_explains_it(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = await make()
    told, held, let_go, looked = [], asyncio.Event(), asyncio.Event(), asyncio.Event()
    let_go.set()
    publish, fill = Session.publish, rig.uplink._fill

    async def slowly(session: Session, publication: Publication, **rest: float) -> None:
        told.append(publication.topic)
        if publication.topic == ADDRESS.birth:
            held.set()
            await let_go.wait()
        await publish(session, publication, **rest)

    async def look(*session: Any) -> float | None:
        wait = await fill(*session)
        looked.set()
        return wait

    monkeypatch.setattr(Session, "publish", slowly)
    monkeypatch.setattr(rig.uplink, "_fill", look)
    async with rig.running(rig.uplink.run, rig.server.run):
        await rig.server.until(lambda: len(rig.server.births) == 2)  # the second is that of every session
        held.clear()
        let_go.clear()
        rig.uplink.reborn()
        await rig.journal.append(Lane.ALARM, [event(1)])
        await held.wait()
        looked.clear()
        rig.uplink._wake.set()
        await looked.wait()
        await asyncio.sleep(0)
        assert ADDRESS.up(Lane.ALARM) not in told
        let_go.set()
        assert await rig.uplink.flush(90)
    assert rig.delivered(Lane.ALARM) == [1]
