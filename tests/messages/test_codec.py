"""The contract: what goes in comes out, to the digit; what is not exact is refused, item by item."""

import json
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from messages import codec
from messages.types import (
    Batch,
    Birth,
    ClockState,
    Command,
    CommandResult,
    DeviceEvent,
    DeviceInfo,
    Edge,
    GatewayState,
    Item,
    Lane,
    LaneState,
    MeterInfo,
    Outcome,
    ProfileInfo,
    Quality,
    Rejected,
    Sample,
    Stored,
)

GOLDEN = Path(__file__).parents[1] / "golden" / "v1"

ids = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_-]{0,20}", fullmatch=True)
moments = st.datetimes(
    min_value=datetime(1970, 1, 1), max_value=datetime(2099, 1, 1), timezones=st.just(UTC)
).map(codec.utc_ms)
decimals = st.decimals(allow_nan=False, allow_infinity=False, places=6, min_value=-(10**20), max_value=10**20)
values = st.one_of(decimals, st.booleans(), st.none())
samples = st.builds(
    Sample,
    device=ids,
    at=moments,
    values=st.dictionaries(ids, values, max_size=5),
    bad=st.dictionaries(ids, st.sampled_from(Quality), max_size=3),
    clock=st.sampled_from(ClockState),
    raw=st.dictionaries(ids, st.binary(max_size=8).map(bytes.hex), max_size=2),
)
events = st.builds(
    DeviceEvent,
    device=ids,
    code=ids,
    edge=st.sampled_from(Edge),
    seen_at=moments,
    at=st.none() | moments,
    detail=st.text(max_size=50),
    evidence=st.just(""),
)
results = st.builds(
    CommandResult,
    id=ids,
    device=ids,
    outcome=st.sampled_from(Outcome),
    at=moments,
    read_back=st.dictionaries(ids, values),
)
items: st.SearchStrategy[Item] = st.one_of(samples, events, results)
batches = st.builds(
    Batch,
    gateway=ids,
    epoch=ids,
    lane=st.sampled_from(Lane),
    seq=st.integers(1, 2**62),
    items=st.lists(items, max_size=5).map(tuple),
)


@given(batches)
def test_batch_round_trip(batch: Batch) -> None:
    assert codec.decode_batch(codec.encode(batch)) == batch


@given(batches, st.data())
def test_a_truncated_batch_is_refused_and_nothing_else_is_raised(batch: Batch, data: st.DataObject) -> None:
    payload = codec.encode(batch)
    cut = data.draw(st.integers(0, len(payload) - 1))
    with pytest.raises(codec.MessageError):
        codec.decode_envelope(payload[:cut])


@given(st.binary(max_size=300))
def test_noise_is_refused(noise: bytes) -> None:
    for decode in (
        codec.decode_envelope,
        codec.decode_birth,
        codec.decode_state,
        codec.decode_command,
        codec.decode_stored,
    ):
        with pytest.raises(codec.MessageError):
            decode(noise)


def envelope(*items: object, **over: object) -> bytes:
    head = {"v": 1, "gateway": "g", "epoch": "e", "lane": "billing", "seq": 7, "items": list(items)}
    return json.dumps(head | over).encode()


def sample(**values: object) -> dict[str, object]:
    return {"type": "sample", "device": "m", "at": "2026-01-01T00:00:00Z", "values": values}


@pytest.mark.parametrize("number", [1.5, 1, 1e3, "1e3", "NaN", "Infinity", "", " 1", "0x10", "１", [1]])
def test_whatever_is_not_a_plain_decimal_string_costs_its_item_only(number: object) -> None:
    got = codec.decode_envelope(envelope(sample(a="1.50"), sample(a=number), sample(a=None)))
    assert [index for index, _ in got.items] == [0, 2]
    assert [r.index for r in got.rejected] == [1]
    assert json.loads(got.raw_items[0]) == sample(a=number)


def test_trailing_zeros_are_evidence_and_stay() -> None:
    (item,) = codec.decode_batch(envelope(sample(a="1.50"))).items
    assert isinstance(item, Sample)
    assert str(item.values["a"]) == "1.50"


def test_exponents_never_leave() -> None:
    item = Sample(
        device="m", at=datetime(2026, 1, 1, tzinfo=UTC), values={"a": Decimal("1E+3"), "b": Decimal("1E-7")}
    )
    (back,) = codec.decode_batch(
        codec.encode(Batch(gateway="g", epoch="e", lane=Lane.BILLING, seq=1, items=(item,)))
    ).items
    assert isinstance(back, Sample)
    assert back.values == {"a": Decimal(1000), "b": Decimal("0.0000001")}


written = st.builds(
    lambda sign, digits, exponent: Decimal((sign, digits, exponent)),
    st.integers(0, 1),
    st.lists(st.integers(0, 9), min_size=1, max_size=25).map(tuple),
    st.integers(-30, 14),
)


@given(st.lists(st.dictionaries(ids, written | st.booleans() | st.none(), max_size=5), max_size=4))
def test_every_number_is_written_out_digit_by_digit(read: list[dict[str, Decimal | bool | None]]) -> None:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    body = codec.encode_items(tuple(Sample(device="m", at=at, values=each) for each in read))
    plain = [{n: format(v, "f") if isinstance(v, Decimal) else v for n, v in each.items()} for each in read]
    assert [item["values"] for item in json.loads(body)] == plain


@pytest.mark.parametrize("odd", ["NaN", "-NaN", "sNaN", "NaN12", "Infinity", "-Infinity"])
def test_what_is_no_number_is_refused_wherever_it_stands(odd: str) -> None:
    values = {"E": Decimal("1.5"), "NaN": Decimal(2), "x": Decimal(odd), "y": None}
    good = Sample(device="Inf", at=datetime(2026, 1, 1, tzinfo=UTC), values={"1E5": Decimal(1)})
    with pytest.raises(codec.MessageError, match="send None"):
        codec.encode_items((good, Sample(device="m", at=good.at, values=values)))
    assert json.loads(codec.encode_items((good,)))[0]["values"] == {"1E5": "1"}


@pytest.mark.parametrize("value", [Decimal("NaN"), Decimal("Infinity"), 1.5, 3, "3"])
def test_a_value_that_is_not_exact_cannot_be_encoded(value: object) -> None:
    item = Sample(device="m", at=datetime(2026, 1, 1, tzinfo=UTC), values={"a": value})  # type: ignore[dict-item]
    with pytest.raises(codec.MessageError):
        codec.encode_items((item,))


def test_unknown_fields_of_a_newer_peer_are_accepted() -> None:
    got = codec.decode_batch(envelope(sample(a="1") | {"weather": "rain"}, shiny={"new": True}))
    assert isinstance(got.items[0], Sample)


def test_an_unknown_item_of_a_newer_peer_costs_itself_only() -> None:
    got = codec.decode_envelope(envelope({"type": "hologram"}, sample(a="1")))
    assert len(got.items) == 1
    assert "hologram" in got.rejected[0].reason


@pytest.mark.parametrize(
    ("over", "says"),
    [
        ({"v": 2}, "version"),
        ({"seq": 0}, "seq"),
        ({"lane": "express"}, "lane"),
        ({"gateway": "a/b"}, "gateway"),
        ({"gateway": "+"}, "gateway"),
        ({"items": [{}] * 2001}, "items"),
    ],
)
def test_envelope_errors_name_the_place(over: dict[str, object], says: str) -> None:
    with pytest.raises(codec.MessageError, match=says):
        codec.decode_envelope(envelope(**over))


def test_size_caps() -> None:
    with pytest.raises(codec.MessageError, match="limit"):
        codec.decode_envelope(b" " * (codec.MAX_BATCH_BYTES + 1))
    with pytest.raises(codec.MessageError, match="limit"):
        codec.decode_state(b" " * (codec.MAX_SMALL_BYTES + 1))


def test_deep_nesting_is_an_error_not_a_crash() -> None:
    with pytest.raises(codec.MessageError):
        codec.decode_birth(b'{"site":' + b"[" * 400_000)


def test_times_without_a_zone_are_refused() -> None:
    naive = sample(a="1") | {"at": "2026-01-01T00:00:00"}
    assert codec.decode_envelope(envelope(naive)).rejected


@given(moments, st.integers(-14, 14))
def test_utc_ms_keeps_the_instant(moment: datetime, hours: int) -> None:
    assert codec.utc_ms(moment.astimezone(timezone(timedelta(hours=hours)))) == moment


def test_a_birth_that_names_an_absent_profile_is_refused() -> None:
    birth = Birth(
        site="s",
        gateway="g",
        at=datetime(2026, 1, 1, tzinfo=UTC),
        boot="b",
        epoch="e",
        config="sha256:" + "0" * 64,
        devices=(DeviceInfo(id="m", profile="nowhere", line="l"),),
    )
    with pytest.raises(codec.MessageError, match="profile"):
        codec.decode_birth(codec.encode(birth))


RATED = MeterInfo(metering_point="MP-1", multiplier=Decimal(30), rated_per_h={"energy": Decimal("13.2")})


@pytest.mark.parametrize(
    ("rated", "says"),
    [
        ({"energy": "0"}, "above 0"),
        ({"energy": "-1"}, "above 0"),
        ({"energy": "1E+999999999"}, "40 digits"),
        ({"energy": "NaN"}, "above 0"),
        ({"a/b": "1"}, "name of a point"),
        ({f"p{n}": "1" for n in range(1025)}, "1024 points"),
    ],
)
def test_a_rating_that_cannot_be_is_refused(rated: dict[str, str], says: str) -> None:
    told = json.loads(codec.encode(golden_messages()["birth-rated"]))  # type: ignore[arg-type]
    told["devices"][0]["meter"]["rated_per_h"] = rated
    with pytest.raises(codec.MessageError, match=f"device m-101: rated_per_h.*{says}"):
        codec.decode_birth(json.dumps(told).encode())


def golden_messages() -> dict[str, object]:
    """Every message of version 1; a change that alters one of these bytes is a new version."""
    at = datetime(2026, 11, 22, 1, 2, 3, 456000, tzinfo=UTC)
    return {
        "batch": Batch(
            gateway="gw-a",
            epoch="E7f3",
            lane=Lane.BILLING,
            seq=42,
            items=(
                Sample(
                    device="m-101",
                    at=at,
                    values={"import": Decimal("8123.40"), "relay": True, "voltage_l1": None},
                    bad={"voltage_l1": Quality.RANGE},
                    raw={"import": "000c6550"},
                ),
                DeviceEvent(
                    device="fire-1", code="zone_3_fire", edge=Edge.RAISED, seen_at=at, detail="3 层 火警"
                ),
                CommandResult(
                    id="c1", device="door-1", outcome=Outcome.VERIFIED, at=at, read_back={"lock_open": True}
                ),
            ),
        ),
        "batch-configured": Batch(
            gateway="gw-a",
            epoch="E7f3",
            lane=Lane.BILLING,
            seq=43,
            items=(
                Sample(
                    device="m-101",
                    at=at,
                    values={"import": Decimal("8123.40")},
                    raw={"import": "000c6550"},
                    config="sha256:" + "a" * 64,
                ),
            ),
        ),
        "stored": Stored(
            epoch="E7f3", lane=Lane.BILLING, through=42, rejected=(Rejected(seq=41, index=0, reason="why"),)
        ),
        "state": GatewayState(
            online=True,
            boot="b1",
            at=at,
            epoch="E7f3",
            lanes={"alarm": LaneState(first=1, next=2, bytes=10, oldest_at=at)},
        ),
        "state-unread": GatewayState(
            online=True,
            boot="b1",
            at=at,
            raised={"fire-1": ("zone_3_fire",)},
            unread={"lift-1": ("trapped",)},
        ),
        "state-late": GatewayState(
            online=True, boot="b1", at=at, missed={"alarm": 3, "routine": 12}, fire_wait_ms=87
        ),
        "command": Command(id="c1", device="door-1", action="release", by="guard", until=at),
        "birth": Birth(
            site="garden-mews",
            gateway="gw-a",
            at=at,
            boot="b1",
            epoch="E7f3",
            config="sha256:" + "a" * 64,
            profiles={"p": ProfileInfo(vendor="V", model="M", device_class="meter", protocol="modbus")},
            devices=(DeviceInfo(id="m-101", profile="p", line="riser-a", unit=1),),
        ),
        "birth-rated": Birth(
            site="garden-mews",
            gateway="gw-a",
            at=at,
            boot="b1",
            epoch="E7f3",
            config="sha256:" + "a" * 64,
            profiles={"p": ProfileInfo(vendor="V", model="M", device_class="meter", protocol="modbus")},
            devices=(DeviceInfo(id="m-101", profile="p", line="riser-a", unit=1, meter=RATED),),
        ),
        "birth-speaks": Birth(
            site="garden-mews",
            gateway="gw-a",
            at=at,
            boot="b1",
            epoch="E7f3",
            config="sha256:" + "a" * 64,
            profiles={"p": ProfileInfo(vendor="V", model="M", device_class="fire", protocol="gb26875")},
            devices=(
                DeviceInfo(
                    id="fire-1",
                    profile="p",
                    line="fire",
                    address="01020304AABB",
                    speaks=True,
                    heard_within_s=600,
                ),
            ),
        ),
    }


@pytest.mark.parametrize("name", sorted(golden_messages()))
def test_golden_messages_of_version_1(name: str) -> None:
    message = golden_messages()[name]
    payload = (GOLDEN / f"{name}.json").read_bytes().rstrip(b"\n")
    decode = {
        "batch": codec.decode_batch,
        "batch-configured": codec.decode_batch,
        "stored": codec.decode_stored,
        "state": codec.decode_state,
        "state-unread": codec.decode_state,
        "state-late": codec.decode_state,
        "command": codec.decode_command,
        "birth": codec.decode_birth,
        "birth-rated": codec.decode_birth,
        "birth-speaks": codec.decode_birth,
    }[name]
    assert decode(payload) == message
    assert codec.encode(message) == payload  # type: ignore[arg-type]
