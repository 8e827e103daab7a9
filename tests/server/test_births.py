"""The device archive, as births fill and change it."""

import msgspec
import pytest
from sqlalchemy import select

from messages.topics import Address
from messages.types import LineInfo
from server.db.engine import read
from server.db.tables_core import outbox
from server.db.tables_delivery import quarantine
from server.db.tables_devices import device_states, devices, gateways, profile_points, profiles
from tests.support.ingest import GW, T0, birth, born, database, writer


@pytest.fixture
def engine(tmp_path):
    made = database(tmp_path)
    yield made
    made.dispose()


def table(engine, what, *columns):
    with read(engine) as conn:
        return [tuple(row) for row in conn.execute(select(*(what.c[name] for name in columns)))]


def changes(engine):
    return [f"{topic} {name}" for topic, name in table(engine, outbox, "topic", "object_id")]


def states(engine):
    with read(engine) as conn:
        query = select(devices.c.device, device_states.c["field", "old", "new"])
        joined = query.join(devices, devices.c.id == device_states.c.device_id).order_by(device_states.c.id)
        return [" ".join(map(str, row)) for row in conn.execute(joined)]


def test_a_birth_fills_the_archive(engine):
    writer(engine).store([born(birth("m-1", "m-2"))], T0)
    assert table(engine, devices, "device", "name", "metering_point", "conn", "lifecycle") == [
        ("m-1", "Meter m-1", "MP-m-1", "unknown", "active"),
        ("m-2", "Meter m-2", "MP-m-2", "unknown", "active"),
    ]
    assert [str(m) for (m,) in table(engine, devices, "multiplier")] == ["30", "30"]
    assert table(engine, profiles, "name", "vendor", "device_class") == [("acme-m1", "Acme", "meter")]
    assert table(engine, profile_points, "point", "billing", "period_ms") == [
        ("energy", True, 60_000),
        ("volts", False, 10_000),
    ]
    assert table(engine, gateways, "site", "gateway", "boot", "timezone") == [
        ("garden", "gw-a", "b1", "Asia/Shanghai")
    ]
    assert changes(engine)[-2:] == ["devices garden/m-1", "devices garden/m-2"]


def test_who_speaks_unasked_is_known_and_a_change_of_it_is_history(engine):
    store = writer(engine)
    first = birth("m-1")
    store.store([born(first)], T0)
    (one,) = first.devices
    speaks = msgspec.structs.replace(one, address="AA\x1b01", speaks=True, heard_within_s=600)
    store.store([born(msgspec.structs.replace(first, config="sha256:" + "1" * 64, devices=(speaks,)))], T0)
    (found,) = table(engine, devices, "address", "speaks", "heard_within_s")
    assert found == ("AA01", True, 600)
    assert states(engine)[-3:] == [
        "m-1 address  AA01",
        "m-1 speaks false true",
        "m-1 heard_within_s  600",
    ]


def test_the_same_birth_again_changes_nothing(engine):
    store = writer(engine)
    store.store([born(birth("m-1"))], T0)
    before = changes(engine)
    store.store([born(birth("m-1"))], T0)
    writer(engine).store([born(birth("m-1"))], T0)
    assert changes(engine) == before
    assert store.totals.births == 1


def test_a_reboot_with_the_same_devices_touches_the_gateway_only(engine):
    store = writer(engine)
    store.store([born(birth("m-1"))], T0)
    before = changes(engine)
    store.store([born(birth("m-1", boot="b2"))], T0)
    assert changes(engine) == [*before, "gateways garden/gw-a"]


def test_what_changed_is_in_the_history_and_what_is_gone_stays_readable(engine):
    store = writer(engine)
    first = birth("m-1", "m-2")
    store.store([born(first)], T0)
    moved = msgspec.structs.replace(first.devices[0], name="Lobby meter", floor="2")
    second = msgspec.structs.replace(first, devices=(moved,), config="sha256:" + "1" * 64)
    store.store([born(second)], T0)
    assert states(engine) == [
        "m-1 lifecycle  active",
        "m-2 lifecycle  active",
        "m-1 name Meter m-1 Lobby meter",
        "m-1 floor  2",
        "m-2 lifecycle active removed",
    ]
    store.store([born(first)], T0)
    assert states(engine)[-1] == "m-2 lifecycle removed active"


def test_a_changed_profile_is_a_new_row_and_the_old_one_stays(engine):
    store = writer(engine)
    store.store([born(birth("m-1"))], T0)
    store.store([born(birth("m-1", period_s=5))], T0)
    with read(engine) as conn:
        used = conn.execute(select(devices.c.profile_id)).scalar_one()
    assert table(engine, profiles, "id", "name") == [(1, "acme-m1"), (2, "acme-m1")]
    assert used == 2


def test_a_device_that_moves_to_another_gateway_keeps_its_row(engine):
    store = writer(engine)
    other = Address("garden", "gw-b")
    store.store([born(birth("m-1"))], T0)
    store.store([born(birth("m-1", address=other))], T0)
    assert states(engine)[-1] == "m-1 gateway_id 1 2"
    # The old gateway's retained birth comes again after a restart: it is not news, and takes nothing back.
    writer(engine).store([born(birth("m-1"))], T0)
    assert table(engine, devices, "device", "gateway_id") == [("m-1", 2)]


@pytest.mark.parametrize("other", [Address("garden", "gw-b"), Address("villa", "gw-a")])
def test_a_birth_on_a_strange_topic_is_refused(engine, other):
    message = born(birth("m-1"))
    store = writer(engine)
    assert store.store([msgspec_topic(message, other.birth)], T0) == []
    assert table(engine, devices, "device") == []
    assert "another site or gateway" in table(engine, quarantine, "reason")[0][0]


def msgspec_topic(message, topic):
    return type(message)(topic, message.payload, message.retained)


def test_hostile_periods_are_bounded(engine):
    store = writer(engine)
    store.store([born(birth("m-1", period_s=1e300))], T0)
    store.store([born(birth("m-1", period_s=-5))], T0)
    periods = [p for (p,) in table(engine, profile_points, "period_ms")]
    assert max(periods) == 86_400_000
    assert min(periods) == 0


def test_a_cleared_retained_birth_means_nothing(engine):
    message = born(birth("m-1"))
    assert writer(engine).store([type(message)(GW.birth, b"", True)], T0) == []
    assert table(engine, quarantine, "id") == []


def test_what_a_birth_says_is_cleaned_before_anybody_sees_it(engine):
    made = birth("m-1")
    (device,) = made.devices
    hostile = "Flat\x1b[31m 101\u202e\n" + "x" * 150
    profile = made.profiles["acme-m1"]
    point = msgspec.structs.replace(profile.points["energy"], label=hostile)
    made = msgspec.structs.replace(
        made,
        devices=(msgspec.structs.replace(device, name=hostile, place=hostile),),
        profiles={"acme-m1": msgspec.structs.replace(profile, vendor=hostile, points={"energy": point})},
        lines=(LineInfo(id="riser", endpoint=hostile),),
        versions={hostile: hostile},
    )
    writer(engine).store([born(made)], T0)
    with read(engine) as conn:
        shown = repr(
            [list(conn.execute(select(table))) for table in (devices, gateways, profiles, profile_points)]
        )
    assert "Flat[31m 101" in shown
    assert not any(text in shown for text in ("\\x1b", "\\u202e", "\\n"))


def test_a_device_that_another_gateway_takes_is_said(engine, caplog):
    store = writer(engine)
    store.store([born(birth("m-1"))], T0)
    store.store([born(birth("m-1", address=Address(GW.site, "gw-b")))], T0)
    assert f"{GW.site}/m-1 now belongs to gateway gw-b" in caplog.text
