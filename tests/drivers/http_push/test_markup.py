"""XML bodies: the plain data that they become, what is bounded, and that nothing else comes out of any bytes."""

from contextlib import suppress
from xml.sax.saxutils import escape, quoteattr

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.errors import FrameDamaged
from drivers.http_push.body import MAX_DEPTH, MAX_VALUES, parse, read
from drivers.http_push.explain import explain
from simulators.http_push import request

FORM = (
    b'--b\r\nContent-Disposition: form-data; name="licensePlatePicture"; filename="licensePlatePicture.jpg"\r\n'
    b"Content-Type: image/jpeg\r\n\r\n\xff\xd8\xff<a>\r\n--no\r\n"
    b'--b\r\nContent-Disposition: form-data; name="event"; filename="anpr.xml"\r\n'
    b"Content-Type: application/xml\r\n\r\n<a><b>1</b></a>\r\n--b--\r\n"
)


@pytest.mark.parametrize(
    ("raw", "found"),
    [
        ("<a><b>1</b><c/></a>", {"b": "1", "c": ""}),
        ("<a><b> x </b>\n<b>y</b><b>z</b></a>", {"b": ["x", "y", "z"]}),
        ("<a><b><c>1</c></b><b><c>2</c></b></a>", {"b": [{"c": "1"}, {"c": "2"}]}),
        ('<n:a xmlns:n="urn:x" n:k="v"><n:b>1</n:b></n:a>', {"@k": "v", "b": "1"}),
        ('<a xmlns="urn:x" v="2.0"><b>1</b></a>', {"@v": "2.0", "b": "1"}),
        ('<a><b u="kWh">1</b></a>', {"b": "1", "b@u": "kWh"}),
        ('<a><b u="kWh"/><c d="1"><e>2</e></c></a>', {"b": {"@u": "kWh"}, "c": {"@d": "1", "e": "2"}}),
        ("<a>x<b>1</b>y</a>", {"b": "1", "#text": "xy"}),
        ("<a>&lt;&amp;&#27827;</a>", {"#text": "<&河"}),
        ("<a><![CDATA[<b>]]></a>", {"#text": "<b>"}),
        ("\n<?xml version='1.0'?><!-- x --><a/>\n\0", {}),
    ],
)
def test_an_element_is_a_key_and_its_text_a_value(raw, found):
    assert parse(raw.encode()) == {"#name": "a", **found}


@pytest.mark.parametrize(
    ("declared", "codec", "charset"),
    [
        ("GB2312", "gb18030", "utf-8"),
        ("gb18030", "gb18030", "utf-8"),
        ("UTF-8", "utf-8", "gb18030"),
        ("", "gb18030", "gb18030"),
        ("", "utf-8-sig", "gb18030"),
    ],
)
def test_a_document_is_read_in_the_charset_that_it_names(declared, codec, charset):
    head = f'<?xml version="1.0" encoding="{declared}"?>' if declared else ""
    assert parse(f"{head}<a><p>沪A12345</p></a>".encode(codec), charset)["p"] == "沪A12345"


BOMB = '<!DOCTYPE a [<!ENTITY b "bbbb"><!ENTITY c "&b;&b;">]><a>&c;</a>'


@pytest.mark.parametrize(
    ("raw", "fault"),
    [
        (BOMB, "DTD or entities"),
        ('<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>', "DTD or entities"),
        ("<a>&b;</a>", "no XML"),
        ("<a><b></a>", "no XML"),
        ("<a/><b/>", "no XML"),
        ("<a>", "no XML"),
        ("<", "no XML"),
        ("<a>\0</a>", "no XML"),
        ("<a>" * (MAX_DEPTH + 1), "nested deeper"),
        ("<a>" * 100_000, "nested deeper"),
        ("<a>" + "<b/>" * MAX_VALUES + "</a>", "more than 20000 values"),
        ("<a " + " ".join(f'b{n}="1"' for n in range(MAX_VALUES)) + "/>", "more than 20000 values"),
        (f"<{'a' * 201}/>", "name in the body"),
        (f'<a {"b" * 201}="1"/>', "name in the body"),
        ('<?xml version="1.0" encoding="utf-16"?><a/>', "send UTF-8 or GB18030"),
        ('<?xml version="1.0" encoding="idna"?><a/>', "send UTF-8 or GB18030"),
    ],
)
def test_what_cannot_be_read_says_why(raw, fault):
    with pytest.raises(FrameDamaged, match=fault):
        parse(raw.encode())


def test_text_of_another_charset_is_no_text():
    with pytest.raises(FrameDamaged, match="UTF-8 text"):
        parse(b"<a>\xff</a>")


@pytest.mark.parametrize(
    "kind", ["application/xml", "text/xml; charset=UTF-8", "application/x+xml", "", "text/plain"]
)
def test_xml_is_known_by_how_it_begins(kind):
    assert read(b"\xef\xbb\xbf <a><b>1</b></a>", kind) == {"#name": "a", "b": "1"}


@pytest.mark.parametrize("part", ["", "event", "anpr.xml"])
@pytest.mark.parametrize("kind", ["multipart/form-data", "multipart/mixed"])
def test_a_part_is_found_by_its_name_by_its_files_or_by_what_it_holds(part, kind):
    assert read(FORM, f"{kind}; boundary=b", part) == {"#name": "a", "b": "1"}


def test_xml_is_explained_by_its_pointers_alone_and_in_a_request():
    text = explain(b'<a v="1"><b u="kWh">2</b><c><d/><d>x</d></c></a>')
    assert text.splitlines() == [
        "/#name = 'a'",
        "/@v = '1'",
        "/b = '2'",
        "/b@u = 'kWh'",
        "/c/d/0 = ''",
        "/c/d/1 = 'x'",
    ]
    asked = explain(request("/events", FORM, headers={"Content-Type": "multipart/form-data; boundary=b"}))
    assert asked.endswith("/#name = 'a'\n/b = '1'")


NAMES = st.sampled_from(["a", "b", "serialNo", "Ü", "x-1"])
PLAIN = st.recursive(
    st.text(st.characters(exclude_categories=["Cs", "Cc", "Zs", "Zl", "Zp", "Co", "Cn"]), max_size=8),
    lambda inner: st.dictionaries(
        NAMES, inner | st.lists(inner, min_size=2, max_size=3), min_size=1, max_size=3
    ),
    max_leaves=8,
)


def written(name: str, value) -> str:
    if isinstance(value, list):
        return "".join(written(name, each) for each in value)
    inner = (
        "".join(written(key, each) for key, each in value.items())
        if isinstance(value, dict)
        else escape(value)
    )
    return f"<{name}>{inner}</{name}>"


@given(
    st.dictionaries(NAMES, PLAIN | st.lists(PLAIN, min_size=2, max_size=3), min_size=1, max_size=4),
    st.text(max_size=5),
)
def test_what_is_written_as_xml_is_read_as_the_same_plain_data(data, version):
    shown = "".join(char for char in version if char.isalnum())
    raw = written("root", data).replace("<root>", f"<root version={quoteattr(shown)}>", 1)
    assert parse(raw.encode()) == {"#name": "root", "@version": shown, **data}


PIECES = st.lists(
    st.sampled_from(
        [
            b"<a>",
            b"</a>",
            b"<a",
            b">",
            b"/>",
            b"<?xml version='1.0' encoding='gbk'?>",
            b"<!DOCTYPE a [",
            b"]]>",
            b"&#0;",
            b'x="1"',
            b"xmlns:q='u'",
            b"<q:b/>",
            b"\xff",
            b"<![CDATA[",
            "沪".encode(),
            b"\r\n--b\r\n",
            b" ",
        ]
    )
    | st.binary(max_size=6),
    max_size=12,
)


@given(PIECES, st.sampled_from(["application/xml", "multipart/form-data; boundary=b", ""]))
def test_any_pieces_are_an_object_or_damaged(pieces, kind):
    with suppress(FrameDamaged):
        assert isinstance(read(b"<" + b"".join(pieces), kind), dict)


@given(st.integers(0, len(FORM)), st.binary(max_size=9))
def test_a_bent_form_is_an_object_or_damaged(at, more):
    with suppress(FrameDamaged):
        assert isinstance(read(FORM[:at] + more + FORM[at:], "multipart/form-data; boundary=b"), dict)
