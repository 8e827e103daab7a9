"""Conversations come to their end, or fail."""

import pytest

from drivers.api import Exchange
from drivers.errors import DeviceSilent
from tests.support.conversation import carry


class Whole:
    """A reader of answers of two bytes."""

    def __init__(self) -> None:
        self.held = b""

    def feed(self, data: bytes) -> bytes | None:
        self.held += data
        return self.held if len(self.held) == 2 else None


def asks(request: bytes, then=None) -> Exchange:
    return Exchange(request, Whole(), 2, then=then)


def echo(exchange: Exchange) -> list[bytes]:
    return [exchange.request[:1], exchange.request[1:]]


def test_it_is_carried_to_its_end_in_any_portions():
    assert carry(asks(b"ab"), echo) == b"ab"
    assert carry(asks(b"ab", lambda one: asks(b"cd", lambda two: one + two)), echo) == b"abcd"
    assert carry(Exchange(b"ab", None, 0), echo) == b""


def test_silence_is_silence():
    with pytest.raises(DeviceSilent, match=r"6162 in 61$"):
        carry(asks(b"ab"), lambda exchange: [b"a"])


def test_what_has_no_end_fails():
    def again(_payload: bytes) -> Exchange:
        asked.append(b"ab")
        return asks(b"ab", again)

    asked: list[bytes] = []
    with pytest.raises(AssertionError, match="has not ended after 7"):
        carry(asks(b"ab", again), echo, most=7)
    assert len(asked) == 7
