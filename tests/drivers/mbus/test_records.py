import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.errors import FrameDamaged
from drivers.mbus import records
from drivers.mbus.records import Record
from simulators.mbus_frames import Value, record

functions = st.sampled_from(["inst", "max", "min", "error"])
values = st.builds(
    Value,
    vib=st.sampled_from([b"\x06", b"\x13", b"\xfd\x49", b"\x83\x3c"]),
    count=st.integers(-127, 99),
    coding=st.sampled_from(["int8", "int16", "int24", "int32", "int48", "int64"]),
    function=functions,
    storage=st.integers(0, 2**40),
    tariff=st.integers(0, 2**20 - 1),
    subunit=st.integers(0, 2**10 - 1),
)


@given(st.lists(values, max_size=8), st.binary(max_size=20))
def test_what_a_slave_writes_is_read_back(sent, own):
    data = b"\x2f".join(map(record, sent)) + b"\x2f\x0f" + own
    *found, last = records.parse(data)
    assert last == Record(0x0F, data=own)
    assert last.special
    for value, one in zip(sent, found, strict=True):
        assert (one.function, one.storage) == (value.function, value.storage)
        assert (one.tariff, one.subunit) == (value.tariff, value.subunit)
        assert one.vif == value.vib
        assert int.from_bytes(one.data, "little", signed=True) == value.count


@given(st.binary(max_size=252))
def test_any_bytes_are_records_or_damaged(data):
    try:
        found = records.parse(data)
    except FrameDamaged as err:
        assert str(err)  # noqa: PT017
    else:
        assert sum(len(one.data) for one in found) <= len(data)


@given(st.lists(values, min_size=1, max_size=4), st.data())
def test_a_sequence_that_ends_too_early_is_damaged(sent, data):
    raw = b"".join(map(record, sent))
    ends = {len(b"".join(map(record, sent[:count]))) for count in range(len(sent))}
    cut = data.draw(st.integers(1, len(raw) - 1).filter(lambda place: place not in ends))
    with pytest.raises(FrameDamaged, match="middle of a record"):
        records.parse(raw[:cut])


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ("84" + "80" * 11 + "00", "more than 10 DIFE"),
        ("0484" + "80" * 11 + "00", "more than 10 VIFE"),
        ("3F00", "DIF 3F is reserved"),
        ("0D13F7", "LVAR"),
        ("0D13", "its length"),
        ("04", "its VIF"),
        ("8405", "its VIF"),
        ("04FC05", "text of its unit"),
    ],
)
def test_what_is_malformed_is_named(data, words):
    with pytest.raises(FrameDamaged, match=words):
        records.parse(bytes.fromhex(data))


def test_ten_extensions_are_taken():
    (found,) = records.parse(bytes.fromhex("84" + "80" * 9 + "01" + "03" + "88130000"))
    assert len(found.difes) == 10
    assert found.storage == 1 << 37


@pytest.mark.parametrize(
    ("lvar", "size"),
    [
        (0x00, 0),
        (0xBF, 191),
        (0xC4, 4),
        (0xD4, 4),
        (0xE0, 0),
        (0xEF, 15),
        (0xF0, 16),
        (0xF4, 32),
        (0xF5, 48),
        (0xF6, 64),
    ],
)
def test_the_length_byte_says_how_much_follows(lvar, size):
    (found,) = records.parse(b"\x0d\x13" + bytes((lvar,)) + bytes(size))
    assert (found.lvar, len(found.data)) == (lvar, size)


def test_the_other_byte_order_gives_the_same_records():
    low = records.parse(bytes.fromhex("02FC0348522574D411" + "0413E8030000"))
    high = records.parse(bytes.fromhex("02FC032552487411D4" + "0413000003E8"), msb=True)
    assert low == high
    assert low[0].unit_text == "%RH"
