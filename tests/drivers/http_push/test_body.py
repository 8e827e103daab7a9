"""Bodies: what is read, what is bounded, and that nothing else comes out of any bytes."""

from contextlib import suppress
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.errors import FrameDamaged
from drivers.http_push.body import MAX_VALUES, look, parse, read, words
from drivers.http_push.media import media_type

FORM = b'--b\r\nContent-Disposition: form-data; name="event"\r\n\r\n{"a": 1}\r\n--b--\r\n'
TYPE = "multipart/form-data; boundary=b"


def test_numbers_stay_exact():
    assert parse(b'{"a": 0.1, "b": 123456789012345678901234567890}') == {
        "a": Decimal("0.1"),
        "b": 123456789012345678901234567890,
    }


def test_another_charset_is_read_where_the_profile_says_so():
    raw = '{"plate": "沪A12345"}'.encode("gb18030")
    assert parse(raw, "gb18030") == {"plate": "沪A12345"}
    with pytest.raises(FrameDamaged, match="no JSON"):
        parse(raw)


@pytest.mark.parametrize(
    ("pointer", "found"),
    [
        ("/a/0/b", 1),
        ("/a/1", None),
        ("/a/00000001", None),
        ("/a/x", None),
        ("/c~1d", 2),
        ("/e~0f", 3),
        ("/g/h", None),
        ("/g", None),
    ],
)
def test_a_pointer_leads_to_its_value_or_nowhere(pointer, found):
    assert look({"a": [{"b": 1}], "c/d": 2, "e~f": 3, "g": None}, pointer) == found


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "true"),
        (7, "7"),
        (Decimal("1.50"), "1.50"),
        (" x ", "x"),
        (None, ""),
        ([1], ""),
        (10**400, ""),
    ],
)
def test_plain_values_are_words(value, text):
    assert words(value) == text


@pytest.mark.parametrize(
    ("raw", "kind", "fault"),
    [
        (b"{}", "image/jpeg", "application/json"),
        (b"7", "application/json", "single value"),
        (b"[" * 17 + b"]" * 17, "", "nested deeper"),
        (b"[" * 100_000, "", "nested deeper"),
        (b"[" + b"0," * MAX_VALUES + b"0]", "", "values"),
        (b'{"' + b"k" * 201 + b'": 1}', "", "name in the body"),
        (b"\xff", "", "no JSON"),
        (FORM, "multipart/form-data", "no boundary"),
        (FORM[:-8], TYPE, "no end"),
        (FORM.replace(b"{", b"(").replace(b'"event"', b'"a"; filename="b"'), TYPE, "no part"),
        (FORM.replace(b'{"a": 1}', b"\xff"), TYPE, "no UTF-8 text"),
        (b"", "application/x-www-form-urlencoded", "empty"),
        (b"a=1&" * 300, "application/x-www-form-urlencoded", "200 fields at most"),
        (b"a=%ff", "application/x-www-form-urlencoded", "cannot be read"),
        (FORM.replace(b"--b\r\n", b"--b\r\n\r\n\r\n--b\r\n" * 9, 1), TYPE, "parts"),
    ],
)
def test_what_cannot_be_read_says_why(raw, kind, fault):
    with pytest.raises(FrameDamaged, match=fault):
        read(raw, kind)


def test_the_named_part_is_taken_and_else_the_first_with_json():
    two = FORM.replace(b"--b--", b'--b\r\nContent-Disposition: form-data; name="x"\r\n\r\n{"b": 2}\r\n--b--')
    assert read(two, TYPE, "x") == {"b": 2}
    assert read(two, TYPE) == read(two, TYPE, "nowhere") == {"a": 1}


@pytest.mark.parametrize(
    ("header", "found"),
    [
        ("application/json", ("application/json", "")),
        (" Application/JSON ;charset=utf-8", ("application/json", "")),
        ('multipart/form-data; x="; boundary=no"; Boundary="a b"', ("multipart/form-data", "a b")),
        ("multipart/mixed;boundary=--b-- ; y", ("multipart/mixed", "--b--")),
        ("multipart/form-data; boundary*0=a; boundary*1=b", ("multipart/form-data", "")),
        ("application/json; a*=x; a*0=y", ("application/json", "")),
        ("json", ("", "")),
        ("a/b c", ("", "")),
        ("", ("", "")),
    ],
)
def test_a_content_type_is_its_kind_and_its_boundary(header, found):
    assert media_type(header) == found


# Parameters as RFC 2231 continues and encodes them, in any order and mixed.
NAMES = st.sampled_from(["a", "boundary", "charset", ""])
PARAMETERS = st.builds(
    "; {}{}={}".format,
    NAMES,
    st.sampled_from(["", "*", "*0", "*0*", "*1", "**", "*x"]),
    st.sampled_from(["b", '"b"', "utf-8''b", "''", "", '"', "%zz"]),
)
KINDS = st.sampled_from(
    ["application/json", "multipart/form-data", "application/x-www-form-urlencoded", "*", ""]
)
TYPES = st.builds(lambda kind, parts: kind + "".join(parts), KINDS, st.lists(PARAMETERS, max_size=5))


def field(name: str, value: str) -> str:
    return f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'


def test_a_form_without_json_is_its_fields():
    raw = (field("serialno", "A-1") + field("port", "80") + field("port", "81") + "--b--\r\n").encode()
    assert read(raw, TYPE) == {"serialno": "A-1", "port": ["80", "81"]}
    file = field("a", "1").replace('"a"', '"a"; filename="a.jpg"').encode()
    assert "a" not in read(file + raw, TYPE)


def test_pairs_as_urls_have_them_are_fields_and_json_is_json():
    kind = "application/x-www-form-urlencoded; charset=UTF-8"
    assert read(b"plate=%E6%B2%AAA1&empty=&way=in+", kind) == {"plate": "沪A1", "empty": "", "way": "in"}
    assert read(b"plate=%BB%A6A1", kind, charset="gb18030") == {"plate": "沪A1"}
    assert read(b'{"a": 1}', kind) == {"a": 1}


FORMS = st.builds(lambda at, more: FORM[:at] + more + FORM[at:], st.integers(0, 80), st.binary(max_size=9))


@given(
    st.binary(max_size=200) | FORMS,
    st.just(TYPE) | st.just("application/json") | st.text(max_size=60) | TYPES,
)
def test_any_bytes_of_any_type_are_an_object_a_list_or_damaged(raw, kind):
    with suppress(FrameDamaged):
        assert isinstance(read(raw, kind), dict | list)
