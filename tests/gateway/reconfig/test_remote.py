"""Offers from afar with handed-in time: what is tried, kept, refused and taken back; and after a kill at each step."""

import asyncio
from pathlib import Path

import msgspec
import pytest

from gateway.reconfig.probation import MOST_ATTEMPTS
from gateway.reconfig.reload import ReloadRefused
from gateway.site.overlay import fingerprint
from messages.configs import ConfigState
from tests.support.offers import LOCAL, OTHER, THIRD, WELL, Box, endpoint, offer

pytestmark = pytest.mark.slow  # each life reads the library of profiles


@pytest.fixture
def box(tmp_path: Path) -> Box:
    return Box(tmp_path)


async def test_a_good_one_is_staged_applied_and_confirmed_and_lives_on(box: Box):
    remote = box.life()
    remote.take(offer(box.hash))
    await box.runs(remote, lambda: box.state is ConfigState.CONFIRMED)
    states = [said.state for said in box.said]
    assert states == [
        ConfigState.LOCAL,
        ConfigState.STAGED,
        ConfigState.APPLIED,
        ConfigState.CONFIRMED,
    ]
    assert box.said[0].site_yaml == LOCAL[LOCAL.index("lines:") :]
    assert box.said[-1].site_yaml == OTHER
    assert box.said[-1].active == remote.reloader.site.hash != box.hash
    again = box.start()
    assert endpoint(again.site) == "127.0.0.1:1503"
    assert again.record.trial is None


async def test_nothing_is_applied_before_it_is_on_the_disk(box: Box):
    remote = box.life()
    box.store.full = True
    remote.take(offer(box.hash))
    await box.runs(remote, lambda: box.state is ConfigState.REFUSED)
    assert "No space left" in box.said[-1].why
    assert box.fleet.endpoints == []


@pytest.mark.parametrize(
    ("health", "heard", "says"),
    [({}, True, "m-1 no longer answers"), (WELL, False, "the server was not reached")],
)
async def test_a_bad_one_goes_back_by_itself_and_says_why(box: Box, health, heard, says):
    remote = box.life()
    remote.take(offer(box.hash))
    first = remote.reloader.site
    await box.runs(remote, lambda: box.state is ConfigState.STAGED)
    box.surface.well, box.surface.heard = health, heard
    remote = box.life()
    assert endpoint(remote.reloader.site) == "127.0.0.1:1503", "a kill at once: the trial goes on"
    await box.runs(remote, lambda: box.state is ConfigState.ROLLED_BACK and bool(box.alarms))
    assert says in box.said[-1].why
    assert box.said[-1].active == first.hash
    assert box.fleet.endpoints[-1] == ["127.0.0.1:1502"]
    assert 300 <= box.now < 320
    assert [says in why for why in box.alarms] == [True]
    assert endpoint(box.start().site) == "127.0.0.1:1502"


@pytest.mark.parametrize(("well_before", "says"), [(False, True), (True, False)])
async def test_who_answers_neither_on_trial_nor_before_it_is_named(box: Box, well_before: bool, says: bool):
    remote = box.life()
    remote.take(offer(box.hash))
    await box.runs(remote, lambda: box.state is ConfigState.STAGED)
    box.surface.well = {}
    remote, looked = box.life(), []

    def over() -> bool:
        if remote._after is not None:
            looked.append(box.now)
            if well_before:
                box.surface.well = dict(WELL)
        return bool(looked) and remote._after is None

    await box.runs(remote, over)
    assert ("no better with the configuration before" in box.said[-1].why) == says
    assert box.state is ConfigState.ROLLED_BACK
    assert box.said[-1].id == "f1"


async def test_an_untouched_line_that_dies_meanwhile_takes_nothing_back(box: Box):
    extra = (
        LOCAL[LOCAL.index("  - id: net") :]
        .replace("net", "other")
        .replace("1502", "1600")
        .replace("m-1", "x-1")
    )
    box.path.write_text(LOCAL + extra, encoding="utf-8")
    box.surface.well = {"m-1": (), "x-1": ()}
    remote = box.life()
    remote.take(offer(box.hash, OTHER + extra))
    await box.runs(remote, lambda: box.state is ConfigState.STAGED)
    box.surface.well = dict(WELL)
    remote = box.life()
    await box.runs(remote, lambda: box.state is ConfigState.CONFIRMED)


async def test_within_its_time_it_may_recover(box: Box):
    remote = box.life()
    remote.take(offer(box.hash))
    await box.runs(remote, lambda: box.state is ConfigState.STAGED)
    box.surface.well = {}
    remote = box.life()
    await box.runs(remote, lambda: box.now > 250)
    assert remote.record.trial is not None
    box.surface.well = dict(WELL)
    await box.runs(remote, lambda: box.state is ConfigState.CONFIRMED)


async def test_the_rest_of_its_time_goes_on_after_a_kill_and_restarts_are_counted(box: Box):
    remote = box.life()
    remote.take(offer(box.hash))
    await box.runs(remote, lambda: box.state is ConfigState.STAGED)
    box.surface.well = {}
    lives = 0
    while True:
        remote = box.life()
        if remote.record.trial is None:
            break
        lives += 1
        began = box.now
        await box.runs(remote, lambda began=began: box.now > began + 20)
    assert lives == MOST_ATTEMPTS
    assert endpoint(remote.reloader.site) == "127.0.0.1:1502"
    assert remote.record.word is not None
    assert "began 4 times" in remote.record.word.why
    await box.runs(remote, lambda: bool(box.alarms))
    assert box.state is ConfigState.ROLLED_BACK


@pytest.mark.parametrize("ends", ["confirmed", "rolled_back"])
async def test_killed_after_each_write_it_finds_its_way(box: Box, ends: str):
    remote = box.life()
    remote.take(offer(box.hash, minutes=1))
    if ends == "rolled_back":
        box.surface.heard = False
    await box.runs(remote, lambda: box.state == ends)
    records = list(box.store.saved)
    assert len(records) >= 3
    for record in records:
        box.store.save(record)
        box.surface.heard = ends == "confirmed"
        box.surface.well = dict(WELL)
        remote = box.life()
        runs = endpoint(remote.reloader.site)
        assert runs == ("127.0.0.1:1503" if record.tried or record.good else "127.0.0.1:1502")
        if record.trial is not None:
            box.said.clear()
            await box.runs(remote, lambda: box.state is not None and box.state.settled)
            assert box.state == ends
    whole = msgspec.json.encode(records[-1])
    for length in (0, 1, len(whole) // 2):  # what no write of ours leaves, and a broken disk may
        box.store._path.write_bytes(whole[:length])
        assert endpoint(box.start().site) == "127.0.0.1:1502"


async def test_a_full_disk_at_the_start_takes_no_chances_and_keeps_no_gateway_down(box: Box):
    remote = box.life()
    box.surface.heard = False
    remote.take(offer(box.hash))
    await box.runs(remote, lambda: box.state is ConfigState.APPLIED)
    box.store.full = True
    started = box.start()
    assert endpoint(started.site) == "127.0.0.1:1502"
    assert started.record.word is not None
    assert "the disk takes nothing" in started.record.word.why
    box.store.full = False
    assert endpoint(box.start().site) == "127.0.0.1:1503", "as if that start had not been"


async def test_stale_wrong_or_fixed_ones_are_refused_and_nothing_runs_otherwise(box: Box):
    remote = box.life()
    base = box.hash
    for number, (made, says) in enumerate(
        [
            (offer("sha256:" + "0" * 64), "stale"),
            (offer(base, "lines: [{id: a, tcp: nowhere}]"), "1 problem: mend"),
            (offer(base, "lines: []\nstate_dir: /etc\n"), "1 problem"),
        ]
    ):
        remote.take(msgspec.structs.replace(made, id=f"f{number}"))
        await box.runs(
            remote,
            lambda number=number: box.said[-1].id == f"f{number}" if box.said else False,
        )
        assert box.state is ConfigState.REFUSED
        assert says in box.said[-1].why
    assert [problem.path for problem in box.said[-1].problems] == ["state_dir"]
    assert box.fleet.endpoints == []
    told = len(box.said)
    remote.take(offer(base, name="f2"))
    assert remote._offer is None, "one that comes again changes nothing"
    assert len(box.said) == told


async def test_what_runs_already_is_confirmed_at_once(box: Box):
    remote = box.life()
    remote.take(offer(box.hash, LOCAL[LOCAL.index("lines:") :]))
    await box.runs(remote, lambda: box.state is ConfigState.CONFIRMED)
    assert box.fleet.endpoints == []


async def test_an_offer_during_a_trial_waits_for_its_end(box: Box):
    remote = box.life()
    base = box.hash
    box.surface.heard = False
    remote.take(offer(base, minutes=1))
    await box.runs(remote, lambda: box.state is ConfigState.APPLIED)
    remote.take(offer(base, THIRD, name="f2"))
    box.surface.heard = False
    await box.runs(remote, lambda: box.said[-1].id == "f2" and box.state is ConfigState.APPLIED)
    assert {said.id for said in box.said if said.state is ConfigState.ROLLED_BACK} == {"f1"}
    box.surface.heard = True
    await box.runs(remote, lambda: box.state is ConfigState.CONFIRMED)
    assert endpoint(remote.reloader.site) == "127.0.0.1:1504"


async def test_who_edits_the_file_on_the_box_has_the_last_word(box: Box):
    remote = box.life()
    remote.take(offer(box.hash))
    await box.runs(remote, lambda: box.state is ConfigState.CONFIRMED)
    active = remote.reloader.site.hash

    reloading = asyncio.create_task(remote.reloader.run())
    await remote.reloader.reload()
    assert remote.reloader.site.hash == active, "an unedited file leaves it as it is"
    box.path.write_text(LOCAL.replace("1502", "1599"), encoding="utf-8")
    await remote.reloader.reload()
    await remote.reloader.stop()
    await reloading
    assert endpoint(remote.reloader.site) == "127.0.0.1:1599"
    assert (box.state, "edited" in box.said[-1].why) == (ConfigState.ROLLED_BACK, True)
    assert endpoint(box.start().site) == "127.0.0.1:1599"
    # And between two lives.
    remote = box.life()
    remote.take(offer(box.hash, name="f2"))
    await box.runs(remote, lambda: box.said[-1].id == "f2" and box.state is ConfigState.CONFIRMED)
    box.path.write_text(LOCAL, encoding="utf-8")
    started = box.start()
    assert endpoint(started.site) == "127.0.0.1:1502"
    assert started.record.good is None


async def test_a_reload_at_the_box_does_not_end_a_trial_by_accident(box: Box):
    remote = box.life()
    box.surface.heard = False
    remote.take(offer(box.hash))
    await box.runs(remote, lambda: box.state is ConfigState.APPLIED)
    reloading = asyncio.create_task(remote.reloader.run())
    with pytest.raises(ReloadRefused, match="on trial for another"):
        await remote.reloader.reload()
    await remote.reloader.stop()
    await reloading


async def test_an_alarm_that_nobody_keeps_comes_again(box: Box):
    remote = box.life()
    box.surface.heard = box.alarms_kept = False
    remote.take(offer(box.hash, minutes=1))
    await box.runs(remote, lambda: box.state is ConfigState.ROLLED_BACK)
    assert box.alarms == []
    box.alarms_kept = True
    remote = box.life()
    await box.runs(remote, lambda: bool(box.alarms))
    assert remote.record.untold == ""


def test_a_file_that_cannot_be_seen_has_no_fingerprint(tmp_path: Path):
    assert fingerprint(tmp_path / "none") == ""
