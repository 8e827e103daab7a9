import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.errors import FrameDamaged
from drivers.iec62056_21 import data
from drivers.iec62056_21.data import DataSet, obis, parse

words = st.text("0123456789ABCDEFabc.-: *&", max_size=12)
sets = st.builds(
    DataSet,
    st.text("0123456789ABCF.-:*&", max_size=16),
    st.lists(words, min_size=1, max_size=4).map(tuple),
)


def written(made: list[DataSet], ends: list[str]) -> str:
    text = ""
    for number, one in enumerate(made):
        # Without a line end, an empty address would continue the data set before.
        end = ends[number % len(ends)] or ("" if one.address else "\r\n")
        text += end + one.address + "".join(f"({group})" for group in one.groups)
    return text


@given(st.lists(sets, max_size=8), st.lists(st.sampled_from(["\r\n", "\r", "\n", "\r\n  ", ""]), min_size=1))
def test_what_is_written_is_read_whatever_ends_the_lines(made, ends):
    assert parse(written(made, ends) + "\r\n!\r\nbehind") == made


@given(st.text("()*!/\r\n19.:a", max_size=60))
def test_any_text_is_data_sets_or_damaged(text):
    try:
        found = parse(text)
    except FrameDamaged as err:
        assert str(err)  # noqa: PT017
        return
    assert all(one.groups for one in found)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("1.8.0", "is no data set"),
        ("1.8.0\r\n(5)1.8.0", "is no data set"),
        ("1.8.0(5", "has no end"),
        ("1.8.0(5(6))", "no value has"),
        ("1.8.0(5\r\n)", "no value has"),
        ("x" * 65 + "(1)", "is no data set"),
        ("1(" + "5" * 5000 + ")", "has no end"),
        ("(1)\n" * 4097, "more than 4096"),
    ],
)
def test_what_is_no_data_set_is_named(text, words):
    with pytest.raises(FrameDamaged, match=words):
        parse(text)


@pytest.mark.parametrize(
    ("asked", "sent", "means"),
    [
        ("1.8.0", "1.8.0", True),
        ("1.8.0", "1-0:1.8.0*255", True),
        ("1.8.0", "1-1:1.8.0", True),
        ("1.8.0", "1.8.0*01", False),
        ("1.8.0", "1.8.1", False),
        ("1.8", "1.8.0", False),
        ("1.8.0*01", "1-1:1.8.0*01", True),
        ("1.8.0*01", "1.8.0&01", True),
        ("1.8.0*01", "1-1:1.8.0*1", True),
        ("1.8.0*01", "1.8.0*10", False),
        ("1.8.0*01", "1.8.0", False),
        ("1-1:1.8.0", "1-2:1.8.0", False),
        ("1-0:1.8.0*255", "1.8.0", True),
        ("0-1:24.2.1", "0-2:24.2.1", False),
        ("F.F", "F.F", True),
    ],
)
def test_reduced_ids_mean_the_whole_ones(asked, sent, means):
    one, two = obis(asked), obis(sent)
    assert one is not None
    assert two is not None
    assert one.means(two) is means


@pytest.mark.parametrize(
    "address", ["", "3:14", "C003", "1.8.0*", "1..0", "1.8.0.0.0", "1-0 1.8.0", "1.8.0000"]
)
def test_a_makers_own_word_is_no_obis_code(address):
    assert obis(address) is None


def test_groups_have_values_and_units():
    one = DataSet("1.6.0", ("12.5*kW", "2601011200", "*V", ""))
    assert [one.group(index) for index in range(5)] == [
        ("12.5", "kW"),
        ("2601011200", None),
        ("", "V"),
        ("", None),
        None,
    ]
    code = obis("1-1:1.8.0")
    assert code is not None
    assert data.with_period(code, "07") == obis("1-1:1.8.0*07")
