"""What is kept of a message when the journal is slow, full or gone, and when lines change meanwhile."""

import asyncio

import pytest

import gateway.listening.hearing
import gateway.listening.listener
import gateway.listening.peers
from drivers.api import Heard
from drivers.lines import SerialSettings
from drivers.profile import Profile
from gateway.polling.signals import signals_key, standing_in
from messages.types import Edge
from tests.support import toylisten
from tests.support.panel import Slow, panel
from tests.support.toylisten import Kept, install, line, listening
from tests.support.waiting import until
from tests.support.wire import PtyPeer


@pytest.fixture(autouse=True)
def toy(monkeypatch):
    install(monkeypatch)
    monkeypatch.setattr(gateway.listening.peers, "TICK_S", 0.05)
    monkeypatch.setattr(gateway.listening.listener, "LOOK_S", 0.02)


class Stuck(Kept):
    """Takes events, and samples only when it is told to."""

    keeps = None

    def settle(self, ok: bool) -> None:
        for settled in self.settling:
            settled(ok)
        self.settling.clear()


async def test_a_message_is_told_once_however_long_its_readings_wait_for_the_disk(monkeypatch):
    monkeypatch.setattr(gateway.listening.hearing, "SAMPLES_WITHIN_S", 0.05)
    journal = Stuck()
    async with listening(line("p1"), recorder=journal) as heart, panel(heart.port) as one:
        for _ in range(3):
            assert await one.say("p1 1 both 21.5") == "no 1"
        assert (len(journal.edges), len(journal.settling)) == (1, 1)
        journal.settle(True)
        assert await one.say("p1 1 both 21.5") == "ok 1"
    assert (len(journal.edges), len(journal.samples)) == (1, 1)


async def test_readings_that_were_dropped_are_taken_when_they_are_said_again():
    journal = Stuck()
    async with listening(line("p1"), recorder=journal) as heart, panel(heart.port) as one:
        one.writer.write(b"p1 1 both 21.5\n")
        await until(lambda: journal.settling)
        journal.settle(False)
        assert await one.answer() == "no 1"
        journal.keeps = True
        assert await one.say("p1 1 both 21.5") == "ok 1"
    assert (len(journal.edges), len(journal.samples)) == (1, 2)


async def test_an_alarm_does_not_wait_for_readings_on_another_connection():
    journal = Stuck()
    async with (
        listening(line("p1"), recorder=journal) as heart,
        panel(heart.port) as one,
        panel(heart.port) as two,
    ):
        one.writer.write(b"p1 1 temp 20\n")
        await until(lambda: journal.settling)
        assert await two.say("p1 2 fire on") == "ok 2"
        journal.settle(True)
        assert await one.answer() == "ok 1"


async def test_what_a_device_says_once_and_the_journal_refuses_is_kept_for_it(tmp_path):
    """A printer port hears no answer."""
    peer = PtyPeer(lambda _: [], tmp_path)
    async with peer:
        settings = SerialSettings(str(peer.path), baud=9600)
        async with listening(line("p1", place=settings)) as heart:
            heart.recorder.takes = False
            peer.say(b"p1 1 mute on\n")
            await until(lambda: heart.count("not_kept") == 1)
            assert heart.recorder.edges == []
            heart.recorder.takes = True
            await until(lambda: heart.recorder.edges)
            peer.say(b"p1 2 mute off\n")
            await until(lambda: len(heart.recorder.edges) == 2)
        assert [event.edge for event in heart.recorder.edges] == [Edge.RAISED, Edge.CLEARED]


async def test_a_message_on_its_way_to_a_slow_disk_when_its_line_changes_is_told_once(monkeypatch):
    monkeypatch.setattr(gateway.listening.listener, "STOP_S", 0.05)
    journal = Slow()
    async with listening(line("p1"), recorder=journal) as heart:
        async with panel(heart.port) as one:
            one.writer.write(b"p1 7 fire on\n")
            await journal.begun.wait()
            changing = asyncio.create_task(heart.change([line("p1", peers=3)]))
            assert await one.gone()  # it was not answered, and will say it again
            journal.go.set()
            await changing
        await heart.listeners.lines[0].ready.wait()
        async with panel(heart.port) as one:
            assert await one.say("p1 7 fire on") == "ok 7"
    assert [event.code for event in journal.edges] == ["fire"]


@pytest.mark.parametrize("again", [False, True])
async def test_what_has_a_number_and_the_journal_refuses_is_kept_though_it_may_not_be_said_again(again):
    async with listening(line("p1")) as heart, panel(heart.port) as one:
        heart.recorder.takes = False
        assert await one.say("p1 1 both 21.5") == "no 1"
        if again:
            assert await one.say("p1 1 both 21.5") == "no 1"
        heart.recorder.takes = True
        await until(lambda: heart.recorder.edges)
        assert await one.say("p1 1 both 21.5") == "ok 1"
    assert [event.number for event in heart.recorder.edges] == ["1"]


async def test_a_debt_is_not_forgotten_for_a_message_that_will_come_again(tmp_path):
    """`mute` gets no answer, so it is owed; what is answered `no` without a number comes again by itself."""
    async with listening(line("p1")) as heart, panel(heart.port) as one:
        heart.recorder.takes = False
        one.writer.write(b"p1 - mute on\n")
        await until(lambda: heart.count("not_kept") == 1)
        assert await one.say("p1 - card now") == "no -"
        heart.recorder.takes = True
        await until(lambda: heart.recorder.edges)
    assert [event.code for event in heart.recorder.edges] == ["fire"]


async def test_a_message_with_a_number_is_owed_whole_and_answered_when_it_is_kept():
    """A fire host says an alarm a few times and gives up; its messages have numbers, and what happened has none."""
    async with listening(line("p1")) as heart, panel(heart.port) as one:
        heart.recorder.takes = False
        assert await one.say("p1 7 fire on") == "no 7"
        assert await one.say("p1 7 fire on") == "no 7"
        heart.recorder.takes = True
        await until(lambda: heart.recorder.edges)
        assert await one.say("p1 7 fire on") == "ok 7"
    assert [event.code for event in heart.recorder.edges] == ["fire"]


async def test_a_debt_on_its_way_to_a_slow_disk_when_its_line_changes_is_paid_once():
    journal = Slow()
    journal.go.set()
    async with listening(line("p1"), recorder=journal) as heart, panel(heart.port) as one:
        journal.takes = False
        assert await one.say("p1 7 fire on") == "no 7"
        journal.takes = True
        journal.go.clear()
        journal.begun.clear()
        await journal.begun.wait()
        changing = asyncio.create_task(heart.change([line("p1", peers=3)]))
        assert await one.gone()
        journal.go.set()
        await changing
        await heart.listeners.lines[0].ready.wait()
        async with panel(heart.port) as two:
            assert await two.say("p1 7 fire on") == "ok 7"
    assert [event.code for event in journal.edges] == ["fire"]


async def test_noise_does_not_use_up_what_may_be_said_of_refusals(caplog):
    async with listening(line("p1")) as heart:
        hearing = heart.listeners.lines[0].hearing
        for number in range(300):
            wrong = Heard("", label=f"checksum {number:02X}, not {number + 1:02X}: 68 1F", wrong=True)
            await hearing.take(wrong, "10.0.0.9:5")
        await hearing.take(Heard("", label="its key is wrong", wrong=True), "10.0.0.9:6")
    assert caplog.text.count("checksum") == 1
    assert "its key is wrong" in caplog.text


async def test_what_stands_and_the_profile_no_longer_knows_ends(monkeypatch):
    kept = {}
    async with listening(line("p1")) as heart, panel(heart.port) as one:
        assert await one.say("p1 1 fire on zone/3") == "ok 1"
        assert await one.say("p1 2 card on") == "ok 2"
        kept |= heart.recorder.state
    signals = {"card": toylisten.PROFILE.signals["card"]}
    monkeypatch.setattr(toylisten, "PROFILE", Profile(**{**as_dict(toylisten.PROFILE), "signals": signals}))
    async with listening(line("p1"), state=kept) as heart:
        await until(lambda: heart.recorder.edges)
    (ended,) = heart.recorder.edges
    assert (ended.code, ended.part, ended.edge) == ("fire", "zone/3", Edge.CLEARED)
    assert standing_in(heart.recorder.state[signals_key("p1")]) == {"card"}


def as_dict(profile: Profile) -> dict[str, object]:
    return {name: getattr(profile, name) for name in profile.__struct_fields__}
