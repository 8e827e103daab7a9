import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.dlt645.address import block_part
from drivers.dlt645.catalog import lookup


@pytest.mark.parametrize(
    ("di", "name", "size", "repeat"),
    [
        ("00000000", "combined active energy total", 4, False),
        ("00010000", "forward active energy total", 4, False),
        ("00010400", "forward active energy tariff 4", 4, False),
        ("0001FF00", "forward active energy total and tariffs", 4, True),
        ("0001000C", "forward active energy total, settlement 12", 4, False),
        ("00150000", "phase A forward active energy total", 4, False),
        ("00290000", "phase B forward active energy total", 4, False),
        ("003D0000", "phase C forward active energy total", 4, False),
        ("00810000", "forward fundamental active energy total", 4, False),
        ("00950000", "phase A forward fundamental active energy total", 4, False),
        ("00900200", "remaining amount", 4, False),
        ("01010000", "maximum demand forward active total", 8, False),
        ("0101FF00", "maximum demand forward active total and tariffs", 8, True),
        ("02010300", "voltage C", 2, False),
        ("02060000", "power factor total", 2, False),
        ("02070100", "phase angle A", 2, False),
        ("020A0115", "voltage A harmonic 21", 2, False),
        ("02800007", "temperature", 2, False),
        ("03110000", "power loss count", 3, False),
        ("03110001", "power loss record 1", 12, False),
        ("03300D0A", "meter cover open record 10", 60, False),
        ("03300401", "clock set record 1", 16, False),
        ("0400010C", "date, weekday and time", 7, False),
        ("04000507", "status word 7", 2, False),
        ("05000001", "timed freeze 1 time", 5, False),
        ("05000101", "timed freeze 1 forward active energy", 4, True),
        ("05040101", "hourly freeze 1 forward active energy total", 4, False),
        ("05060901", "daily freeze 1 forward active maximum demand", 8, True),
        ("05061001", "daily freeze 1 powers", 3, True),
        ("9010", "forward active energy total", 4, False),
        ("9121", "reverse reactive energy tariff 1", 4, False),
        ("9410", "forward active energy total, last month", 4, False),
        ("981F", "forward active energy total and tariffs, month before last", 4, True),
        ("A010", "maximum demand forward active total", 3, False),
        ("B010", "maximum demand time forward active total", 4, False),
        ("B633", "active power C", 3, False),
        ("C117", "settlement day 1", 2, False),
    ],
)
def test_the_standards_table(di, name, size, repeat):
    item = lookup(di)
    assert item is not None
    assert (item.name, item.size, item.repeat) == (name, size, repeat)


@pytest.mark.parametrize(
    "di",
    [
        "000B0000",
        "00140000",
        "00014000",
        "0001000D",
        "01000000",
        "02010400",
        "02010101",
        "020A0116",
        "03FF0000",
        "03110011",
        "04FF0000",
        "05080001",
        "05040301",
        "05060000",
        "06000000",
        "9C10",
        "9070",
        "9210",
        "D010",
    ],
)
def test_what_the_standard_does_not_have(di):
    assert lookup(di) is None


@given(st.binary(min_size=4, max_size=4) | st.binary(min_size=2, max_size=2))
def test_any_identifier_has_an_answer_of_some_length(raw):
    item = lookup(raw.hex().upper())
    assert item is None or (item.size > 0 and item.name)


@pytest.mark.parametrize(
    ("block", "di", "part"),
    [
        ("0001FF00", "00010000", 0),
        ("0001FF00", "00010400", 4),
        ("0001FF00", "00020000", None),
        ("0001FF01", "00010101", 1),
        ("0001FF00", "00010001", None),
        ("000100FF", "0001000C", 12),
        ("0201FF00", "02010100", 0),
        ("0203FF00", "02030300", 3),
        ("901F", "9010", 0),
        ("901F", "9014", 4),
        ("B61F", "B611", 0),
        ("B63F", "B630", 0),
        ("901F", "00010000", None),
        ("0001FF00", "0001FF00", None),
        ("00010000", "00010100", None),
    ],
)
def test_which_item_of_a_block_an_identifier_is(block, di, part):
    assert block_part(block, di) == part
