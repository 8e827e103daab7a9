"""Offers, roll-backs and reloads at the box that meet: who stands at the box wins, and no word is lost."""

import asyncio
import threading
from pathlib import Path

import msgspec
import pytest

from gateway.app import build
from gateway.reconfig.remote import RemoteConfig
from messages.configs import CHECK_VERSION, ConfigState, encode_config
from tests.support.offers import LOCAL, OTHER, THIRD, Box, endpoint, offer

pytestmark = pytest.mark.slow  # each life reads the library of profiles

EDITED = LOCAL.replace("1502", "1599")


@pytest.fixture
def box(tmp_path: Path) -> Box:
    return Box(tmp_path)


def edit_and_reload(box: Box, remote: RemoteConfig, until) -> "asyncio.Event":
    """Edit the file and have it read; the change stays under way until something is true."""
    under_way, make = asyncio.Event(), box.fleet.make

    async def slowly(*what) -> dict[str, object]:
        box.fleet.make = make
        under_way.set()
        while not until():
            await asyncio.sleep(0)
        return {}

    box.fleet.make = slowly
    box.path.write_text(EDITED, encoding="utf-8")
    remote.reloader.ask()
    return under_way


def settled(box: Box) -> bool:
    return box.state is not None and box.state.settled and box.said[-1].id == "f1"


async def test_an_offer_takes_nothing_back_that_is_just_being_reloaded_at_the_box(box: Box):
    remote = box.life()
    base = box.hash
    edit_and_reload(box, remote, lambda: remote.record.tried is not None)
    remote.take(offer(base))
    await box.runs(remote, lambda: settled(box))
    assert endpoint(remote.reloader.site) == "127.0.0.1:1599"
    assert (box.state, "taken up meanwhile" in box.said[-1].why) == (ConfigState.REFUSED, True)
    assert endpoint(box.start().site) == "127.0.0.1:1599"


async def test_an_offer_stands_on_the_file_that_it_was_checked_upon(box: Box):
    remote = box.life()
    write = box.store.save

    def save(record) -> None:  # somebody edits while it is written down
        box.path.write_text(EDITED, encoding="utf-8")
        write(record)

    box.store.save = save
    remote.take(offer(box.hash))
    await box.runs(remote, lambda: settled(box))
    assert (box.state, "was edited meanwhile" in box.said[-1].why) == (ConfigState.REFUSED, True)
    assert box.fleet.endpoints == []


async def test_a_roll_back_takes_nothing_back_that_is_just_being_reloaded_at_the_box(box: Box):
    remote = box.life()
    box.surface.heard = False
    remote.take(offer(box.hash, minutes=1))
    await box.runs(remote, lambda: box.state is ConfigState.APPLIED)
    edit_and_reload(box, remote, lambda: remote.record.trial is None)
    await box.runs(remote, lambda: box.state is ConfigState.ROLLED_BACK and bool(box.alarms))
    assert endpoint(remote.reloader.site) == "127.0.0.1:1599"
    assert endpoint(box.start().site) == "127.0.0.1:1599"


@pytest.mark.parametrize(("text", "runs"), [(EDITED, "127.0.0.1:1599"), ("half of a fi", "127.0.0.1:1502")])
async def test_a_roll_back_takes_the_edited_file_where_it_can_be_taken(box: Box, text: str, runs: str):
    remote = box.life()
    box.surface.heard = False
    remote.take(offer(box.hash, minutes=1))
    await box.runs(remote, lambda: box.state is ConfigState.APPLIED)
    box.path.write_text(text, encoding="utf-8")
    await box.runs(remote, lambda: box.state is ConfigState.ROLLED_BACK)
    assert endpoint(remote.reloader.site) == runs
    assert "not reached" in box.said[-1].why
    assert "edited" in box.said[-1].why


async def test_what_an_edit_has_rolled_back_is_an_alarm_at_once(box: Box):
    remote = box.life()
    remote.take(offer(box.hash))
    await box.runs(remote, lambda: box.state is ConfigState.CONFIRMED)
    remote = box.life()
    edit_and_reload(box, remote, lambda: True)
    await box.runs(remote, lambda: bool(box.alarms))
    assert box.now < 60, "not at the next round of an hour"
    assert "edited" in box.alarms[0]


async def test_a_roll_back_during_the_alarm_about_another_is_told_too(box: Box):
    remote = box.life()
    remote.record = msgspec.structs.replace(remote.record, untold="the first")

    async def alarm(why: str) -> bool:
        box.alarms.append(why)
        if why == "the first":
            remote.record = msgspec.structs.replace(remote.record, untold="the second")
        return True

    remote.alarm = alarm
    await box.runs(remote, lambda: len(box.alarms) == 2)
    assert box.alarms == ["the first", "the second"]


async def test_two_words_at_once_are_written_and_told_one_after_the_other(box: Box):
    remote, inside, met = box.life(), [], threading.Event()
    save = box.store.save

    def slowly(record) -> None:
        inside.append(record)
        if len(inside) > 1:
            met.set()
        met.wait(0.05)
        save(record)
        inside.remove(record)

    box.store.save = slowly
    one, two = (remote._word(name, ConfigState.CONFIRMED) for name in ("f1", "f2"))
    await asyncio.gather(remote._keep(word=one), remote._keep(word=two))
    assert not met.is_set(), "two wrote one file at once"
    assert box.store.load().word == two
    assert box.said[-1].id == "f2"


async def test_a_hash_is_told_with_its_own_text(box: Box):
    remote = box.life()
    base, first = remote.reloader.site.hash, LOCAL[LOCAL.index("lines:") :]
    await box.runs(remote, lambda: bool(box.said))
    box.path.write_text(EDITED, encoding="utf-8")  # and nobody has reloaded
    remote.take(msgspec.structs.replace(offer(base, name="k1"), check_only=True, v=CHECK_VERSION))
    await box.runs(remote, lambda: box.said[-1].checked is not None)
    assert (box.said[-1].active, box.said[-1].site_yaml) == (base, first)
    remote.take(offer(base))
    await box.runs(remote, lambda: box.state is ConfigState.APPLIED)
    told = {said.state: (said.active, said.site_yaml) for said in box.said}
    assert told[ConfigState.STAGED] == (base, first)
    assert told[ConfigState.APPLIED] == (remote.reloader.site.hash, OTHER)


async def test_an_offer_that_was_taken_back_in_time_is_not_tried(box: Box):
    remote = box.life()
    base = box.hash
    remote.take(offer(base))
    await box.runs(remote, lambda: box.state is ConfigState.APPLIED)
    remote.take(offer(base, THIRD, "f2"))
    remote.withdraw()
    await box.runs(remote, lambda: box.state is ConfigState.CONFIRMED)
    assert remote._offer is None
    assert box.fleet.endpoints == [["127.0.0.1:1503"]]
    assert box.said[-1].site_yaml == OTHER


async def test_an_empty_offer_on_the_wire_takes_back(box: Box):
    async with build(box.start().site) as gateway:
        inlet = gateway.uplink._inlets["config"]
        inlet.take("", encode_config(offer(box.hash)), True)
        assert gateway.remote._offer is not None
        inlet.take("", b"", True)
        assert gateway.remote._offer is None
