"""Event logs told once, and relays that are switched only as they may be."""

from datetime import timedelta

import pytest

from drivers.dlt645.frames import parse
from drivers.errors import FrameDamaged, Misconfigured
from messages.types import Edge
from simulators.dlt645 import SimBus
from tests.support.dlt645 import LOGS, NOW, RELAY, SIGNALS, TRIP, carry, device, meter, order, profile, read


def test_event_logs_are_told_once_with_their_time_and_number():
    began = NOW - timedelta(hours=3)
    one = meter(power_losses=[(began, began + timedelta(minutes=5))])
    made, bus = device(profile(LOGS, signals=SIGNALS)), SimBus([one])
    found, told = read(made, bus, list(LOGS))
    assert (found["losses"].value, found["opened"].value) == (1, 0)
    (loss,) = told
    assert (loss.code, loss.edge, loss.at) == ("power_loss", Edge.PULSE, began)
    assert loss.number == "031100@261122134005"
    assert "ended 2026-11-22 13:45:05" in loss.detail
    assert read(made, bus, list(LOGS))[1] == []
    for minutes in (60, 30):
        one.openings.append((NOW - timedelta(minutes=minutes), None))
    told = read(made, bus, list(LOGS))[1]
    assert [(one.code, one.at) for one in told] == [
        ("cover_open", NOW - timedelta(minutes=60)),
        ("cover_open", NOW - timedelta(minutes=30)),
    ]
    # Another life of the gateway hears all that the meter keeps, under the same numbers.
    again = read(device(profile(LOGS, signals=SIGNALS)), bus, list(LOGS))[1]
    assert {one.number for one in again} == {one.number for one in (loss, *told)}


def test_an_event_while_its_log_is_read_is_not_lost():
    one = meter(openings=[(NOW - timedelta(hours=2), None)])
    made, bus = device(profile(LOGS, signals=SIGNALS)), SimBus([one])
    (asked,) = made.plan(["opened"])
    exchange = made.exchange(asked)
    following = exchange.then(exchange.reader.feed(bus.feed(exchange.request)[0]))
    one.openings.append((NOW, None))
    with pytest.raises(FrameDamaged, match="03300D00 changed"):
        carry(following, bus)
    assert [told.at for told in read(made, bus, ["opened"])[1]] == [NOW - timedelta(hours=2), NOW]


def test_a_log_without_its_record_and_a_log_that_was_cleared():
    one = meter(openings=[(NOW, None)] * 12, lacking={"03300D01"})
    made, bus = device(profile(LOGS, signals=SIGNALS)), SimBus([one])
    told = [happening for _ in range(6) for happening in read(made, bus, ["opened"])[1]]
    assert len(told) == 10
    assert one.asked.count("03300D01") == 1
    assert (told[-1].at, told[-1].number) == (None, "03300D#12")
    one.lacking.clear()
    one.openings = [(NOW + timedelta(minutes=1), None)]
    assert [event.at for event in read(made, bus, ["opened"])[1]] == [NOW + timedelta(minutes=1)]


def test_events_of_the_same_second_have_numbers_of_their_own_in_every_life():
    """However many of them one read brings, and whichever life of the gateway asks."""
    times = [NOW, *[NOW + timedelta(seconds=1)] * 4, NOW + timedelta(seconds=2)]
    bus, lives = SimBus([meter(openings=[(at, None) for at in times])]), []
    for _ in range(2):
        made = device(profile(LOGS, signals=SIGNALS))
        lives.append([one.number for _ in range(5) for one in read(made, bus, ["opened"])[1]])
    assert lives[0] == lives[1]
    second = "03300D@261122164006"
    assert lives[0][1:5] == [second, f"{second}/2", f"{second}/3", f"{second}/4"]
    assert len(set(lives[0])) == 6


def test_a_record_that_ends_after_its_times_is_told_with_them():
    made = device(profile(LOGS, signals=SIGNALS))
    (asked,) = made.plan(["opened"])
    di = bytes.fromhex("000D3003")
    payload = bytes((0x91, 7)) + di + b"\1\0\0" + bytes((0x91, 16)) + b"\1" + di[1:]
    (told,) = made.happenings(asked, payload + bytes.fromhex("050016221126") + bytes(6))
    assert (told.at, told.number) == (NOW.replace(minute=0), "03300D@261122160005")


def test_the_relay_is_switched_with_a_password_and_read_back(tmp_path):
    secret = tmp_path / "password"
    secret.write_text("654321\n")
    one = meter(password="02654321")
    made = device(profile(RELAY, actions=TRIP), password_file=str(secret), operator="12345678")
    plan = made.command("trip", {})
    assert order(made, SimBus([one]), "trip")["relay_open"].value is True
    assert dict(plan.expect) == {"relay_open": True}
    for told in (
        "654321",
        "214365",
        repr(bytes.fromhex("214365"))[2:-1],
        repr(bytes.fromhex("547698"))[2:-1],
    ):
        assert told not in repr(plan), "the password, in its digits, as bytes of the wire, or with 33 added"
    assert made.exchange(plan.write).secret
    request = parse(made.exchange(plan.write).request)
    assert request.data[:9] == bytes.fromhex("02 214365 78563412 1A")
    assert request.data[10:][::-1].hex() == (NOW + timedelta(seconds=300)).strftime("%y%m%d%H%M%S")


def test_no_relay_order_without_a_password_or_to_a_load_that_guards_lives(tmp_path, monkeypatch):
    made = profile(RELAY, actions=TRIP)
    with pytest.raises(Misconfigured, match="relay control needs"):
        device(made).command("trip", {})
    with pytest.raises(Misconfigured, match="cannot be read"):
        device(made, password_file=str(tmp_path / "none")).command("trip", {})
    monkeypatch.setenv("METER_PASSWORD", "12x456")
    with pytest.raises(Misconfigured, match="no password of 6 digits") as told:
        device(made, password_env="METER_PASSWORD").command("trip", {})
    assert "12x456" not in str(told.value)
    monkeypatch.setenv("METER_PASSWORD", "123456")
    assert device(made, password_env="METER_PASSWORD").command("trip", {})
    with pytest.raises(Misconfigured, match="not both"):
        device(made, password_env="METER_PASSWORD", password_file="x").command("trip", {})
    elsewhere = profile(RELAY, actions=TRIP, options={"password_env": "METER_PASSWORD"})
    (tmp_path / "own").write_text("654321")
    assert device(elsewhere, password_file=str(tmp_path / "own")).command("trip", {})
    with pytest.raises(Misconfigured, match="life_safety"):
        device(made, password_env="METER_PASSWORD", life_safety=True).command("trip", {})
    marked = profile(RELAY, actions=TRIP, options={"life_safety": True})
    with pytest.raises(Misconfigured, match="cannot take that back"):
        device(marked, life_safety=False)
    with pytest.raises(Misconfigured, match="takes no arguments"):
        device(made, password_env="METER_PASSWORD").command("trip", {"a": "b"})
    with pytest.raises(Misconfigured, match="offers no command"):
        device(made).command("close", {})
