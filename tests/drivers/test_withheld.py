"""Fields that are called as passwords and keys are: hidden in every form that pushes have, however TCP parts them."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.withheld import Withheld
from tests.support.long import amount

WORD = b"letmein-7"
FORMS = [
    (b'{"user_name": "admin", "pass_wd":"%s", "serialno": "s"}', WORD),
    (b'{"Password" :\n "%s"}', rb"a\"b\\\\\"c"),
    (b'{"api_key": "%s"}', b"\\\\"),
    (b'{"x": {"adminPwd": %s, "n": 1}}', b"246813579"),
    (b"device_name=IVS&user_name=admin&pass_wd=%s&serialno=s", WORD),
    (b"pass_wd=%s&user_name=admin", WORD),
    (b"/push?a=1&access_token=%s HTTP/1.1", WORD),
    (b"/push?sign=%s&a=1", WORD),
    (b'--b\r\nContent-Disposition: form-data; name="pass_wd"\r\n\r\n%s\r\n--b--\r\n', WORD),
    (b'; name="pass_wd"\r\nContent-Type: text/plain\r\n\r\n%s\r\n--b--\r\n', WORD),
    (b"<a><userPassword kind='x'>%s</userPassword><n>1</n></a>", WORD),
]


@pytest.mark.parametrize(("form", "word"), FORMS)
def test_the_value_and_nothing_else_is_stars_wherever_it_is_parted(form, word):
    raw, hidden = form % word, form % (b"*" * len(word))
    assert Withheld().feed(raw) == hidden
    for at in range(len(raw) + 1):
        hides = Withheld()
        assert hides.feed(raw[:at]) + hides.feed(raw[at:]) == hidden, at
    hides = Withheld()
    assert b"".join(hides.feed(raw[at : at + 1]) for at in range(len(raw))) == hidden


@pytest.mark.parametrize(
    "raw",
    [
        b'{"plate": "A12345", "pass": "north gate", "card_key": 5}',
        b'{"event": "the password was wrong"}',
        b"plate=A1&way=in",
        b'--b\r\nContent-Disposition: form-data; name="picture"; filename="1.jpg"\r\n\r\n\xff\xd8\r\n',
        b"<plate>A12345</plate>",
    ],
)
def test_what_is_called_otherwise_is_shown(raw):
    assert Withheld().feed(raw) == raw


@settings(max_examples=amount(30, 3000))
@given(
    st.lists(st.sampled_from([*(form % word for form, word in FORMS), b'"', b"\\", b"&", b"<", b"x"])),
    st.data(),
)
def test_reads_of_any_length_hide_the_same(parts, data):
    raw, at, shown, hides = b"".join(parts), 0, b"", Withheld()
    while at < len(raw):
        size = data.draw(st.integers(1, 60))
        shown += hides.feed(raw[at : at + size])
        at += size
    assert len(shown) == len(raw)
    whole = Withheld().feed(raw)
    assert [at for at in range(len(raw)) if shown[at] == raw[at] and whole[at] != raw[at]] == []
