import msgspec
import pytest

from drivers.binding import bind, from_hex
from drivers.errors import FrameDamaged, Misconfigured
from drivers.profile import Strict


class Inner(Strict, frozen=True, kw_only=True):
    number: int


class Outer(Strict, frozen=True, kw_only=True):
    inner: Inner
    several: tuple[int, ...] = ()


def test_data_becomes_its_type():
    assert bind({"inner": {"number": 1}, "several": [1, 2]}, Outer, "at") == Outer(
        inner=Inner(number=1), several=(1, 2)
    )
    assert msgspec.to_builtins(bind({"number": 3}, Inner, "at")) == {"number": 3}


def test_every_fault_has_its_place():
    with pytest.raises(Misconfigured) as found:
        bind({"inner": {"number": "x"}, "several": ["y"], "other": 1}, Outer, "points.a.at")
    places = [line.partition(": ")[0] for line in str(found.value).splitlines()]
    assert sorted(places) == ["points.a.at.inner.number", "points.a.at.other", "points.a.at.several[0]"]


def test_hex_is_read_as_people_write_it():
    assert from_hex("0x68 11:22-33,44\n") == bytes.fromhex("6811223344")
    with pytest.raises(FrameDamaged, match="no hex"):
        from_hex("6G")
    with pytest.raises(FrameDamaged, match="more than 4"):
        from_hex("001122", 4)
