"""Text from outside cannot steer a terminal, a log or a screen."""

from hypothesis import given
from hypothesis import strategies as st

from messages.text import printable


@given(st.text(), st.integers(1, 100))
def test_only_printable_and_bounded(text: str, limit: int) -> None:
    clean = printable(text, limit)
    assert len(clean) <= limit
    assert all(char.isprintable() for char in clean)


def test_escape_sequences_and_lines_are_gone() -> None:
    assert printable("\x1b[31mfire\r\nroot: ok\u202e") == "[31mfire root: ok"


def test_chinese_stays() -> None:
    assert printable("1号楼 3层 火警") == "1号楼 3层 火警"
