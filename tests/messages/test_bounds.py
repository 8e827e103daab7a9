"""What a peer may not say: instants that no zone can move, numbers that fill a disk, names with a hidden end."""

from datetime import UTC, datetime
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from messages import codec
from messages.codec import MessageError
from messages.types import Birth, DeviceInfo, Lane, MeterInfo, PointInfo, ProfileInfo

AT = datetime(2026, 11, 22, tzinfo=UTC)


def one_item(**facts) -> codec.Envelope:
    item = {
        "type": "sample",
        "device": "m-1",
        "at": "2026-01-01T00:00:00Z",
        "values": {"energy": "1"},
    } | facts
    head = {"v": 1, "gateway": "gw-a", "epoch": "e1", "lane": "telemetry", "seq": 1}
    return codec.decode_envelope(msgspec.json.encode(head | {"items": [item]}))


def birth(*, multiplier="30", modulus=None, point="energy", at=AT) -> bytes:
    meter = MeterInfo(metering_point="MP-1")
    profile = ProfileInfo(
        vendor="v", model="m", device_class="meter", protocol="modbus", points={point: PointInfo(label="E")}
    )
    device = DeviceInfo(id="m-1", profile="p", line="l", meter=meter)
    made = Birth(
        site="s",
        gateway="g",
        at=at,
        boot="b",
        epoch="e",
        config="sha256:" + "0" * 64,
        profiles={"p": profile},
        devices=(device,),
    )
    wire = msgspec.to_builtins(made)
    wire["devices"][0]["meter"]["multiplier"] = multiplier
    wire["profiles"]["p"]["points"][point]["modulus"] = modulus
    return msgspec.json.encode(wire)


@pytest.mark.parametrize(
    "at",
    [
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
        "1969-12-31T23:59:59Z",
        "2200-01-01T00:00:00Z",
    ],
)
def test_an_instant_that_cannot_be_stored_costs_its_item(at):
    (refused,) = one_item(at=at).rejected
    assert refused.reason.startswith("at: the year ")
    (refused,) = one_item(type="event", code="fire", edge="raised", seen_at=at).rejected
    assert refused.reason.startswith("seen_at: the year ")
    (refused,) = one_item(type="result", id="c1", outcome="refused", at=at).rejected
    assert refused.reason.startswith("at: the year ")


@pytest.mark.parametrize("at", ["1970-01-01T00:00:00Z", "2199-12-31T23:59:59+14:00"])
def test_a_clock_that_was_never_set_is_no_reason_to_refuse(at):
    assert not one_item(at=at).rejected


def test_a_birth_of_no_possible_time_is_refused():
    with pytest.raises(MessageError, match="at: the year 1"):
        codec.decode_birth(birth(at=datetime(1, 1, 1, tzinfo=UTC)))


@pytest.mark.parametrize("number", ["1E+999999999999", "1E-999999", "Infinity", "NaN", "0", "-30", "9" * 41])
def test_a_multiplier_that_would_fill_the_disk_or_bill_nothing_is_refused(number):
    with pytest.raises(MessageError, match="device m-1: multiplier"):
        codec.decode_birth(birth(multiplier=number))
    with pytest.raises(MessageError, match="profile p: energy: modulus"):
        codec.decode_birth(birth(modulus=number))


@given(st.decimals(min_value="0.0001", max_value=10**15, places=4))
def test_any_real_multiplier_is_taken_exactly(number):
    taken = codec.decode_birth(birth(multiplier=str(number))).devices[0].meter
    assert taken is not None
    assert taken.multiplier == Decimal(number)


@pytest.mark.parametrize("name", ["", "a" * 65, "energy\n", "<script>", "a b", "电能", "a/b"])
def test_a_point_has_a_name_that_may_stand_anywhere(name):
    with pytest.raises(MessageError, match="cannot be the name"):
        codec.decode_birth(birth(point=name))


@pytest.mark.parametrize("name", ["m-1\n", "m-1\r", "\nm-1"])
def test_no_line_feed_hides_behind_an_id(name):
    assert one_item(device=name).rejected
    with pytest.raises(MessageError):
        codec.decode_envelope(
            msgspec.json.encode(
                {"v": 1, "gateway": name, "epoch": "e1", "lane": Lane.ALARM, "seq": 1, "items": []}
            )
        )


def test_no_line_feed_hides_behind_a_number():
    assert one_item(values={"energy": "1.5\n"}).rejected
