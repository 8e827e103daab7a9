"""Devices that tell no values, or speak when they like: they are there while their gateway says so."""

from datetime import timedelta

import msgspec
import pytest

from messages.types import (
    DEVICE_SILENT,
    DeviceEvent,
    DeviceInfo,
    Edge,
    EventInfo,
    Lane,
    ProfileInfo,
    Severity,
)
from tests.support.ingest import T0, birth, born, database, up
from tests.support.liveness import Site


@pytest.fixture
def site(tmp_path):
    engine = database(tmp_path)
    yield Site(engine)
    engine.dispose()


CONFIG = "sha256:" + "0" * 64


@pytest.fixture
def panel(site):
    """A panel beside the meters: it tells no values, and speaks when it likes."""
    told = birth("m-1", "m-2")
    model = ProfileInfo(vendor="Acme", model="P", device_class="fire", protocol="gb26875", events=FIRE)
    info = DeviceInfo(id="panel", profile="panel", line="fire", speaks=True, heard_within_s=600)
    profiles = {**told.profiles, "panel": model}
    site.store.store(
        [born(msgspec.structs.replace(told, profiles=profiles, devices=(*told.devices, info)))], T0
    )
    site.said()
    return site


FIRE = {"fire": EventInfo(label="Fire", severity=Severity.CRITICAL, alarm_class="fire", spoken=True)}


def speak(site, ago=0.0):
    site.seq += 1
    seen = site.now - timedelta(seconds=ago)
    event = DeviceEvent(device="panel", code="fire", edge=Edge.RAISED, seen_at=seen)
    site.store.store([up(site.seq, event, lane=Lane.ALARM)], site.now)


def test_who_speaks_when_it_likes_is_not_silent_for_telling_no_values(panel):
    panel.pass_time(120, samples=["m-1", "m-2"])
    assert panel.conn()["panel"] == "unknown"
    speak(panel)
    panel.store.tick(panel.now)
    assert panel.conn()["panel"] == "online"
    panel.pass_time(1200, samples=["m-1", "m-2"])
    assert panel.conn()["panel"] == "online"
    assert [one for one in panel.said() if one[0] == "raise"] == []


def test_what_was_said_long_ago_is_no_sign_of_life_now(panel):
    speak(panel, ago=900)
    panel.store.tick(panel.now)
    assert panel.conn()["panel"] == "unknown"


def test_a_gateway_says_whether_it_hears_who_speaks_when_it_likes(panel):
    told = {"config": CONFIG, "ago": 0}

    def after(**facts):
        panel.mono.now += 1
        panel.beat(**facts)
        panel.store.tick(panel.now)
        return panel.conn()["panel"]

    assert after(unread=None, **told) == "unknown", "it told nothing"
    assert after(unread={"panel": (DEVICE_SILENT,)}, **told) == "unknown", "it does not know"
    assert after(unread={}, config="sha256:" + "1" * 64, ago=0) == "unknown", "of another configuration"
    assert after(unread={}, **told) == "online"
    assert after(unread={}, silent=("panel",), **told) == "offline"
    assert ("raise", "device_silent", "panel") in panel.said()
    assert after(unread={"panel": (DEVICE_SILENT,)}, **told) == "offline"
    assert after(unread={}, **told) == "online"
    assert ("clear", "device_silent", "panel") in panel.said()


def test_a_heartbeat_that_the_silence_has_overtaken_says_nothing_of_it(panel):
    panel.seq += 1
    silence = DeviceEvent(device="panel", code=DEVICE_SILENT, edge=Edge.RAISED, seen_at=panel.now)
    panel.store.store([up(panel.seq, silence, lane=Lane.ALARM)], panel.now)
    panel.beat(unread={}, config=CONFIG, ago=1)
    panel.store.tick(panel.now)
    assert panel.conn()["panel"] == "unknown"


def test_a_gateway_that_was_away_makes_no_silence_of_who_has_nothing_to_say(panel):
    def beats(seconds):
        for _ in range(seconds):
            panel.mono.now += 1
            panel.beat(unread={}, config=CONFIG, ago=0)
            panel.store.tick(panel.now)
            seen.append(panel.conn()["panel"])

    seen: list[str] = []
    beats(2)
    panel.beat(online=False)
    assert panel.conn()["panel"] == "unreachable"
    seen.clear()
    panel.said()
    beats(60)
    assert set(seen) == {"online"}
    assert ("raise", "device_silent", "panel") not in panel.said()


def test_a_server_that_stood_still_sets_no_timer_for_who_has_nothing_to_say(panel):
    panel.beat(unread={}, config=CONFIG, ago=0)
    panel.store.tick(panel.now, stood_still=True)
    panel.pass_time(60)
    assert panel.conn()["panel"] == "online"
