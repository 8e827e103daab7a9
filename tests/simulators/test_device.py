"""A device's faults, commands and registers, without a wire."""

import struct
from collections.abc import Mapping
from decimal import Decimal
from random import Random

import msgspec
import pytest

from drivers.profile import Profile
from messages.types import Value
from simulators.device import Change, Exchanged, SimDevice
from simulators.site import Device, Fault
from tests.support.sims import library

READ_U16 = struct.pack(">BHH", 3, 0, 1)
READ_BLOCK = struct.pack(">BHH", 3, 0, 16)
WALL = 1_800_000_000.0


def made(
    values: Mapping[str, object] | None = None, faults: tuple[Fault, ...] = (), **more: object
) -> SimDevice:
    news: list[Change | Exchanged] = []
    spec = msgspec.convert(
        {"id": "d", "profile": "bench-all-types", "unit": 1, "physics": {"values": values or {}}, **more},
        Device,
    )
    device = SimDevice(
        msgspec.structs.replace(spec, faults=faults),
        "line",
        library()["bench-all-types"],
        Random(1),
        news.append,
    )
    device.news = news  # type: ignore[attr-defined]
    device.tick(0.0, Decimal(0), WALL)
    return device


def fault(kind: str, **fields: object) -> Fault:
    return msgspec.convert({"kind": kind, **fields}, Fault)


def at(device: SimDevice, now: float) -> SimDevice:
    device.tick(now, Decimal("0.2"), WALL + now)
    return device


def test_a_block_yields_the_points_wholly_inside_it_and_the_registers_of_the_truth() -> None:
    device = made({"u16": Decimal("12.3"), "u32": Decimal("9999.99")})
    answer = device.answer(struct.pack(">BHH", 3, 1, 4))
    assert answer.fate == "good"
    assert answer.points == ("i16", "u32")  # i32_little lies half outside
    assert answer.pdu == bytes.fromhex("0308" + "0000" + "000f423f" + "0000")


def test_bits_of_one_register_do_not_disturb_each_other() -> None:
    device = made({"flag_b": True, "field": Decimal(9)})
    read = struct.pack(">BHH", 3, 16, 1)
    assert device.answer(read).pdu == bytes.fromhex("03028900")
    device.hold({"flag_a": True, "flag_b": False})
    assert device.answer(read).pdu == bytes.fromhex("03020901")
    device.release(["flag_a", "flag_b"])
    assert device.answer(read).pdu == bytes.fromhex("03028900")


@pytest.mark.parametrize(
    ("spec", "fate", "pdu"),
    [
        (fault("silent"), "silent", None),
        (fault("busy"), "exception", bytes([0x83, 6])),
        (fault("illegal_address", points=["u16"]), "exception", bytes([0x83, 2])),
        (fault("late", delay="3s"), "late", bytes.fromhex("03020000")),
        (fault("slow", delay="150ms"), "good", bytes.fromhex("03020000")),
        (fault("crc_noise", rate=Decimal(1)), "damaged", bytes.fromhex("03020000")),
        (fault("truncate"), "truncated", bytes.fromhex("03020000")),
    ],
)
def test_a_fault_acts_between_its_times_only(spec: Fault, fate: str, pdu: bytes | None) -> None:
    device = made(faults=(msgspec.structs.replace(spec, from_="10s", until="20s"),))
    assert at(device, 9.8).answer(READ_U16).fate == "good"
    during = at(device, 10.0).answer(READ_U16)
    assert (during.fate, during.pdu) == (fate, pdu)
    assert at(device, 20.0).answer(READ_U16).fate == "good"


def test_slow_and_late_say_how_long() -> None:
    assert at(made(faults=(fault("late", delay="3s"),)), 1).answer(READ_U16).delay == 3
    assert at(made(faults=(fault("slow", delay="150ms"),)), 1).answer(READ_U16).delay == 0.15


def test_an_illegal_address_spares_what_does_not_touch_it() -> None:
    device = at(made(faults=(fault("illegal_address", points=["u32"]),)), 1)
    assert device.answer(READ_U16).fate == "good"
    assert device.answer(READ_BLOCK).fate == "exception"


def test_wrong_word_order_changes_registers_and_no_value() -> None:
    device = made({"u32": Decimal(1)}, faults=(fault("wrong_word_order", **{"from": "5s", "until": "6s"}),))
    read = struct.pack(">BHH", 3, 2, 2)
    assert device.answer(read).pdu == bytes.fromhex("030400000064")
    assert at(device, 5).answer(read).pdu == bytes.fromhex("030400640000")
    assert device.values["u32"] == 1
    assert at(device, 6).answer(read).pdu == bytes.fromhex("030400000064")


def test_a_register_rolls_over_at_its_modulus() -> None:
    meter = library()["bench-all-types"]
    device = made(
        {"u32": Decimal(5)}, faults=(fault("register_rollover", margin=Decimal("0.02"), **{"from": "1s"}),)
    )
    assert at(device, 0.8).values["u32"] == 5
    assert at(device, 1).values["u32"] == Decimal("999999.98")
    assert device.values["bcd32"] == Decimal("999999.98")
    device._offsets["u32"] += Decimal("0.03")  # what three steps of physics would add
    assert at(device, 1.2).values["u32"] == Decimal("0.01")
    assert meter.points["u32"].modulus == 1000000


def test_a_meter_exchange_tells_old_and_new() -> None:
    device = made(
        {"u32": Decimal("8123.42")},
        faults=(fault("meter_exchange", start=Decimal(3), serial="B", **{"from": "1s"}),),
    )
    at(device, 1)
    assert device.values["u32"] == 3
    (said,) = [news for news in device.news if isinstance(news, Exchanged)]  # type: ignore[attr-defined]
    assert said.serial == "B"
    assert said.registers["u32"] == (Decimal("8123.42"), Decimal(3))


def test_a_clock_is_skewed_while_the_fault_lasts() -> None:
    device = made(faults=(fault("clock_skew", skew="-90s", **{"from": "1s", "until": "2s"}),))
    assert device.values["device_clock"] == Decimal(int(WALL))
    assert at(device, 1).values["device_clock"] == Decimal(int(WALL) + 1 - 90)
    assert at(device, 2).values["device_clock"] == Decimal(int(WALL) + 2)


def test_writes_reach_writable_points_as_a_whole_or_not_at_all() -> None:
    device = made(writable=["u16", "coil_a", "coil_b", "u32"])
    assert device.answer(bytes.fromhex("0500 0a ff00".replace(" ", ""))).fate == "good"
    assert device.values["coil_a"] is True
    assert device.answer(bytes.fromhex("0f000a00020102")).fate == "good"
    assert (device.values["coil_a"], device.values["coil_b"]) == (False, True)
    assert device.answer(bytes.fromhex("0600000123")).fate == "good"
    assert device.values["u16"] == Decimal("29.1")
    refused = device.answer(bytes.fromhex("10000000020400010002"))  # u16 and, read-only, i16
    assert refused.pdu == bytes([0x90, 2])
    assert device.values["u16"] == Decimal("29.1")
    assert device.answer(bytes.fromhex("10000200020400000064")).fate == "good"
    assert device.values["u32"] == 1


def test_a_missing_value_is_none_in_the_truth() -> None:
    device = made()
    device.hold({"i16": None})
    values: dict[str, Value] = device.values
    assert values["i16"] is None
    assert device.answer(struct.pack(">BHH", 3, 1, 1)).pdu == bytes.fromhex("03028000")


def test_every_change_is_told_once() -> None:
    device = made()
    news: list[Change] = device.news  # type: ignore[attr-defined]
    profile: Profile = device.profile
    assert sorted(change.point for change in news) == sorted(profile.points)
    news.clear()
    device.hold({"u16": Decimal("12.3")})
    device.hold({"u16": Decimal("12.3")})
    assert news == [Change("d", "u16", Decimal("12.3"), (123,))]


def test_holes_are_refused_or_read_zero_as_the_site_says() -> None:
    hole, across, beyond = (struct.pack(">BHH", 4, *what) for what in ((280, 1), (266, 36), (302, 1)))
    strict = made({"bcd16": Decimal("1.5")})
    assert [strict.answer(ask).fate for ask in (hole, across, beyond)] == ["exception"] * 3
    lenient = made({"bcd16": Decimal("1.5")}, holes="zero")
    assert lenient.answer(hole).pdu == bytes.fromhex("04020000")
    assert lenient.answer(across).points == ("bcd16", "bcd32", "device_clock")
    assert lenient.answer(beyond).fate == "exception"
