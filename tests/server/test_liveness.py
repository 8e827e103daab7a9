"""Silence: by will, by missing heartbeats, by missing good samples; each is raised once and cleared once."""

from datetime import timedelta
from decimal import Decimal
from random import Random

import msgspec
import pytest
from sqlalchemy import select
from sqlalchemy.sql.functions import count

from messages.codec import encode
from messages.types import (
    DEVICE_SILENT,
    ClockState,
    DeviceEvent,
    DeviceInfo,
    Edge,
    EventInfo,
    GatewayState,
    Lane,
    ProfileInfo,
    Quality,
    Sample,
    Severity,
)
from server.db.engine import read
from server.db.tables_core import outbox
from server.db.tables_devices import device_states, devices, gateways
from server.ingest.judge import Incoming
from server.ingest.service import Ingest
from tests.support.ingest import GW, T0, Monotonic, Sinks, birth, born, database, up, writer


class Site:
    """A gateway with two meters, a server that watches them, and time in our hands."""

    def __init__(self, engine):
        self.engine = engine
        self.sinks = Sinks()
        self.mono = Monotonic()
        self.store = writer(engine, self.sinks, self.mono)
        self.seq = 0
        self.store.store([born(birth("m-1", "m-2"))], T0)
        self.beat()

    @property
    def now(self):
        return T0 + timedelta(seconds=self.mono.now - 1000)

    def beat(
        self,
        *,
        online=True,
        boot="b1",
        retained=False,
        silent=(),
        why="",
        ago=None,
        clock=ClockState.SYNCED,
        **facts,
    ):
        at = None if ago is None else self.now - timedelta(seconds=ago)
        state = GatewayState(online=online, boot=boot, silent=silent, why=why, at=at, clock=clock, **facts)
        self.store.store([Incoming(GW.state, encode(state), retained)], self.now)

    def sample(self, device, *, ago=0.0, bad=False, clock=ClockState.SYNCED):
        self.seq += 1
        at = self.now - timedelta(seconds=ago)
        values = {"volts": None if bad else Decimal(230)}
        one = Sample(
            device=device, at=at, values=values, bad={"volts": Quality.TIMEOUT} if bad else {}, clock=clock
        )
        self.store.store([up(self.seq, one)], self.now)

    def pass_time(self, seconds, *, beats=True, samples=()):
        for _ in range(int(seconds)):
            self.mono.now += 1
            if beats and int(self.mono.now) % 10 == 0:
                self.beat()
            for device in samples:
                self.sample(device)
            self.store.tick(self.now)

    def conn(self):
        with read(self.engine) as conn:
            return dict(conn.execute(select(devices.c.device, devices.c.conn)).all())

    def online(self):
        with read(self.engine) as conn:
            return conn.execute(select(gateways.c.online, gateways.c.why)).one()

    def said(self):
        said, self.sinks.system[:] = list(self.sinks.system), []
        return said


@pytest.fixture
def site(tmp_path):
    engine = database(tmp_path)
    yield Site(engine)
    engine.dispose()


def test_a_device_is_online_with_its_first_good_sample_and_silent_without(site):
    site.said()
    assert site.conn() == {"m-1": "unknown", "m-2": "unknown"}
    site.pass_time(29, samples=["m-1"])
    assert site.conn() == {"m-1": "online", "m-2": "unknown"}
    site.pass_time(3, samples=["m-1"])
    assert site.conn() == {"m-1": "online", "m-2": "offline"}
    assert site.said() == [("clear", "device_silent", "m-1"), ("raise", "device_silent", "m-2")]
    site.pass_time(60, samples=["m-1"])
    assert site.said() == [], "silence is said once"
    site.sample("m-2")
    site.store.tick(site.now)
    assert site.conn()["m-2"] == "online"
    assert site.said() == [("clear", "device_silent", "m-2")]


def test_bad_samples_are_no_sign_of_life(site):
    for _ in range(35):
        site.mono.now += 1
        site.beat()
        site.sample("m-1", bad=True)
        site.store.tick(site.now)
    assert site.conn()["m-1"] == "offline"


def test_a_gateway_is_offline_by_its_will_and_takes_its_devices_with_it(site):
    site.pass_time(5, samples=["m-1", "m-2"])
    site.said()
    site.beat(online=False, why="connection lost")
    assert site.online() == (False, "connection lost")
    assert site.conn() == {"m-1": "unreachable", "m-2": "unreachable"}
    assert site.said() == [("raise", "gateway_silent", None)], "one alarm, not one per device"
    site.pass_time(100, beats=False)
    assert site.said() == []
    site.beat()
    assert site.conn() == {"m-1": "unknown", "m-2": "unknown"}
    assert site.said() == [("clear", "gateway_silent", None)]
    site.pass_time(20, samples=["m-1"])
    site.pass_time(15, samples=["m-1"])
    assert site.conn() == {"m-1": "online", "m-2": "offline"}


def test_a_gateway_without_heartbeats_is_offline_though_no_will_came(site):
    site.pass_time(5, samples=["m-1"])
    site.said()
    site.pass_time(24, beats=False, samples=["m-1"])
    assert site.online()[0] is True
    site.pass_time(10, beats=False, samples=["m-1"])
    assert site.online() == (False, "no heartbeat for 30 s")
    assert site.said() == [("raise", "gateway_silent", None)]


def test_the_will_of_an_earlier_life_is_not_believed(site):
    site.beat(boot="b2")
    site.said()
    site.beat(online=False, boot="b1")
    assert site.online()[0] is True
    assert site.said() == []


def test_a_retained_heartbeat_tells_what_was(tmp_path, site):
    """After a restart the broker hands out the last heartbeat again: it must not count as a new one."""
    site.pass_time(3, samples=["m-1"])
    again = writer(site.engine, site.sinks, site.mono)
    site.store = again
    site.said()
    site.beat(retained=True)
    site.pass_time(35, beats=False)
    assert site.online()[0] is False
    assert site.said()[0] == ("raise", "gateway_silent", None)


def test_a_restarted_server_gives_everybody_time(site):
    site.pass_time(5, samples=["m-1", "m-2"])
    site.mono.now += 3600  # the server was away for an hour
    site.store = writer(site.engine, site.sinks, site.mono)
    site.said()
    site.beat()
    site.pass_time(20, samples=["m-1"])
    assert ("raise", "device_silent", "m-2") not in site.said()
    site.pass_time(15, samples=["m-1"])
    assert site.said() == [("raise", "device_silent", "m-2")]


def test_backlog_is_no_sign_of_life_now(site):
    site.pass_time(31)
    assert site.conn()["m-1"] == "offline"
    site.sample("m-1", ago=3600)
    site.store.tick(site.now)
    assert site.conn()["m-1"] == "offline"
    site.sample("m-1", ago=3600, clock=ClockState.UNSET)  # a clock that was never set says nothing about age
    site.store.tick(site.now)
    assert site.conn()["m-1"] == "online"


def test_what_the_gateway_calls_silent_is_believed_at_once(site):
    site.pass_time(5, samples=["m-1", "m-2"])
    site.beat(silent=("m-2",))
    site.store.tick(site.now)
    assert site.conn() == {"m-1": "online", "m-2": "offline"}
    site.beat()
    site.sample("m-2")
    site.store.tick(site.now)
    assert site.conn()["m-2"] == "online"


def test_every_turn_is_in_the_history_and_silence_keeps_its_beginning(site):
    site.pass_time(2, samples=["m-1"])
    site.pass_time(32)
    began = site.now
    with read(site.engine) as conn:
        since = conn.execute(select(devices.c.silent_since).where(devices.c.device == "m-1")).scalar_one()
    site.pass_time(10)
    site.beat(online=False)
    with read(site.engine) as conn:
        assert (
            conn.execute(select(devices.c.silent_since).where(devices.c.device == "m-1")).scalar_one()
            == since
        )
        turns = conn.execute(
            select(device_states.c["old", "new"]).where(
                device_states.c.device_id == 1, device_states.c.field == "conn"
            )
        ).all()
    assert since <= began
    assert [tuple(turn) for turn in turns] == [
        ("unknown", "online"),
        ("online", "offline"),
        ("offline", "unreachable"),
    ]


def test_last_seen_is_the_samples_time_and_never_goes_back(site):
    site.sample("m-1")
    site.mono.now += 5
    site.sample("m-1", ago=100)
    site.store.tick(site.now)
    with read(site.engine) as conn:
        assert (
            conn.execute(select(devices.c.last_seen_at).where(devices.c.device == "m-1")).scalar_one() == T0
        )


def test_heartbeats_are_told_on_only_when_the_picture_changes(site):
    def changes():
        with read(site.engine) as conn:
            return conn.execute(select(count()).where(outbox.c.topic == "gateways")).scalar_one()

    before = changes()
    site.pass_time(60)
    assert changes() == before
    site.beat(silent=("m-2",))
    site.beat(silent=("m-2",))
    assert changes() == before + 1


def test_a_slow_clock_makes_no_silence_of_what_is_live(site):
    """A network without a time server: the clock is off, is said to be off, and nobody is called out for it."""
    site.said()
    for _ in range(70):
        site.mono.now += 1
        if int(site.mono.now) % 10 == 0:
            site.beat(ago=900, clock=ClockState.HOLDOVER)
        for device in ("m-1", "m-2"):
            site.sample(device, ago=900, clock=ClockState.HOLDOVER)
        site.store.tick(site.now)
    assert site.conn() == {"m-1": "online", "m-2": "online"}
    assert [one for one in site.said() if one[0] == "raise"] == [("raise", "clock", None)]
    for _ in range(3):
        site.beat(ago=0)
    assert site.said() == [("clear", "clock", None)]


def test_a_fast_clock_is_said_too(site):
    site.said()
    for _ in range(3):
        site.beat(ago=-180)
    assert site.said() == [("raise", "clock", None)]


def test_heartbeats_that_waited_in_a_broker_say_nothing_of_the_clock(site):
    site.said()
    for ago in (900, 890, 0, 880, 870):
        site.beat(ago=ago)
    assert not [one for one in site.said() if one[0] == "raise"]


def test_a_backlog_is_a_backlog_whatever_one_late_heartbeat_says(site):
    for ago in (900, 0, 900):
        site.beat(ago=ago)
    site.sample("m-1", ago=900)
    site.store.tick(site.now)
    assert site.conn()["m-1"] == "unknown"


def test_a_server_that_stood_still_blames_nobody(site):
    site.pass_time(5, samples=["m-1", "m-2"])
    site.said()
    site.mono.now += 600
    site.store.tick(site.now, stood_still=True)
    assert site.online()[0] is True
    assert site.said() == []
    site.pass_time(29, beats=False)
    assert site.said() == []
    site.pass_time(3, beats=False)
    assert site.said() == [("raise", "gateway_silent", None)], "but whoever stays silent is called out"


async def test_the_first_tick_after_a_frozen_machine_blames_nobody(site):
    site.pass_time(5, samples=["m-1"])
    site.said()
    ingest = Ingest(site.store, clock=lambda: site.now, random=Random(1), monotonic=site.mono)
    site.mono.now += 600
    await ingest.close()  # which ticks once more
    assert site.said() == []
    ingest = Ingest(site.store, clock=lambda: site.now, random=Random(1), monotonic=site.mono)
    site.pass_time(40, beats=False)
    assert ("raise", "gateway_silent", None) in site.said()
    await ingest.close()


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
