"""Silence: by will, by missing heartbeats, by missing good samples; each is raised once and cleared once."""

from random import Random

import pytest
from sqlalchemy import select
from sqlalchemy.sql.functions import count

from messages.types import (
    ClockState,
)
from server.db.engine import read
from server.db.tables_core import outbox
from server.db.tables_devices import device_states, devices
from server.ingest.service import Ingest
from tests.support.ingest import T0, database, writer
from tests.support.liveness import Site


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
