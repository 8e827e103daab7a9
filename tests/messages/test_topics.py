"""Topics: built and parsed are the same; whatever is not ours is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from messages.topics import Address, TopicError, checked, parse
from messages.types import Lane

ids = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", fullmatch=True)


@given(ids, ids, st.sampled_from(Lane), ids)
def test_round_trip(site: str, gateway: str, lane: Lane, command: str) -> None:
    address = Address(site, gateway)
    assert parse(address.up(lane)) == (address, "up", lane)
    assert parse(address.stored(lane)) == (address, "stored", lane)
    assert parse(address.command(command)) == (address, "command", command)
    assert parse(address.tool(command)) == (address, "tool", command)
    assert parse(address.said(command)) == (address, "said", command)
    for kind in ("birth", "state", "config", "config_said"):
        assert parse(getattr(address, kind)) == (address, kind, "")


@given(st.text(max_size=80))
def test_whatever_else_is_refused(text: str) -> None:
    try:
        topic = parse(text)
    except TopicError:
        return
    assert text.startswith(topic.address.base)


@pytest.mark.parametrize(
    "bad", ["", "a/b", "+", "#", "a b", "a.b", "-a", "a" * 65, "楼", "$SYS", "a\n", "a\x00"]
)
def test_names_that_cannot_be_a_level(bad: str) -> None:
    with pytest.raises(TopicError):
        checked(bad)


@pytest.mark.parametrize(
    "topic",
    [
        "gatehouse/1/s/g/up",
        "gatehouse/1/s/g/up/express",
        "gatehouse/1/s/g/birth/x",
        "gatehouse/1/s/g/config/heard",
        "gatehouse/1/s/g/config_said",
        "gatehouse/2/s/g/birth",
        "gatehouse/1/s/g/up/alarm/x",
        "gatehouse/1/s/g/tool",
        "gatehouse/1/s/g/said/x",
        "gatehouse/1/s/g/said/x/said",
        "gatehouse/1/s/g/tool/x/heard",
        "gatehouse/1/s/g/tool/+/said",
        "gatehouse/1/s//birth",
        "x" * 100_000,
    ],
)
def test_malformed_topics(topic: str) -> None:
    with pytest.raises(TopicError):
        parse(topic)
