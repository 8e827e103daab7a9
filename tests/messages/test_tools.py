"""Jobs of the engineer's tools cross whole or not at all, and nothing of them is a binary float."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from messages.codec import MessageError
from messages.tools import (
    MAX_DEPTH,
    MAX_REQUEST_BYTES,
    MAX_SAID_BYTES,
    SaidKind,
    ToolRequest,
    ToolSaid,
    decode_tool_request,
    decode_tool_said,
    encode_tool,
)

GOLDEN = Path(__file__).parents[1] / "golden" / "v1"
AT = datetime(2026, 11, 22, 1, 2, 3, 456000, tzinfo=UTC)

keys = st.from_regex(r"[a-z][a-z0-9_]{0,10}", fullmatch=True)
leaves = st.one_of(st.none(), st.booleans(), st.integers(-(2**50), 2**50), st.text(max_size=20))
plain = st.dictionaries(keys, st.one_of(leaves, st.lists(leaves, max_size=3)), max_size=4)


def golden() -> dict[str, ToolRequest | ToolSaid]:
    """Every message about tools; a change that alters one of these bytes is a new version."""
    scan = {"bauds": [9600, 19200], "units": "1-32"}
    return {
        "tool": ToolRequest(id="t1", tool="scan", at=AT, until=AT, line="riser-b", by="wang.li", args=scan),
        "said-progress": ToolSaid(
            id="t1", seq=1, at=AT, kind=SaidKind.PROGRESS, body={"done": 3, "total": 64, "left_s": 12}
        ),
        "said-row": ToolSaid(
            id="t1", seq=2, at=AT, kind=SaidKind.ROW, body={"rows": [{"unit": 7, "score": 92}], "dropped": 0}
        ),
        "said-done": ToolSaid(id="t1", seq=3, at=AT, kind=SaidKind.DONE, body={"result": {"found": 1}}),
    }


@pytest.mark.parametrize("name", golden())
def test_golden(name: str) -> None:
    message, kept = golden()[name], (GOLDEN / f"{name}.json").read_bytes().rstrip(b"\n")
    decode = decode_tool_request if name == "tool" else decode_tool_said
    assert encode_tool(message) == kept
    assert decode(kept) == message


@given(plain)
def test_round_trip(body: dict[str, object]) -> None:
    said = ToolSaid(id="t", seq=1, at=AT, kind=SaidKind.ROW, body=body)
    assert decode_tool_said(encode_tool(said)) == said
    request = ToolRequest(id="t", tool="read", at=AT, until=AT, args=body)
    assert decode_tool_request(encode_tool(request)) == request


@given(st.binary(max_size=300))
def test_noise_is_refused(noise: bytes) -> None:
    for decode in (decode_tool_request, decode_tool_said):
        with pytest.raises(MessageError):
            decode(noise)


def nested(depth: int) -> object:
    return [nested(depth - 1)] if depth else 1


@pytest.mark.parametrize(
    ("args", "says"),
    [
        ({"timeout": 1.5}, "float"),
        ({"rows": [{"value": 1e3}]}, r"rows\[0\].value"),
        ({"a b": 1}, "cannot be a key"),
        ({"": 1}, "cannot be a key"),
        ({"deep": nested(MAX_DEPTH)}, "levels deep"),
        ({"many": [0] * 12000}, "parts|limit"),
        ({"long": "x" * 5000}, "characters"),
        ({"big": 2**60}, "browser"),
    ],
)
def test_what_is_not_small_plain_json_is_refused_on_both_sides(args: dict[str, object], says: str) -> None:
    told = {"id": "t", "tool": "read", "at": AT.isoformat(), "until": AT.isoformat(), "args": args, "v": 1}
    with pytest.raises(MessageError, match=says):
        decode_tool_request(json.dumps(told).encode())
    with pytest.raises(MessageError, match=says):
        encode_tool(ToolSaid(id="t", seq=1, at=AT, kind=SaidKind.ROW, body=args))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"v": 2}, "version"),
        ({"tool": "Scan"}, "tool"),
        ({"tool": "scan\n"}, "tool"),
        ({"id": "a/b"}, "id"),
        ({"line": "+"}, "line"),
        ({"until": "2026-01-01T00:00:00"}, "zone"),
        ({"args": []}, "args"),
    ],
)
def test_a_request_that_cannot_be_is_refused_by_name(changes: dict[str, object], says: str) -> None:
    told = json.loads((GOLDEN / "tool.json").read_text()) | changes
    with pytest.raises(MessageError, match=says):
        decode_tool_request(json.dumps(told).encode())


def test_half_of_a_character_is_refused_before_it_is_sent() -> None:
    with pytest.raises(
        MessageError, match=r"args\.name: half of a character|body\.name: half of a character"
    ):
        encode_tool(ToolSaid(id="t", seq=1, at=AT, kind=SaidKind.ROW, body={"name": "\ud800"}))


def test_sizes_are_bounded() -> None:
    with pytest.raises(MessageError, match="limit"):
        decode_tool_request(b" " * (MAX_REQUEST_BYTES + 1))
    with pytest.raises(MessageError, match="limit"):
        decode_tool_said(b" " * (MAX_SAID_BYTES + 1))
    with pytest.raises(MessageError, match="limit"):
        rows = ["y" * 3999] * 20
        encode_tool(ToolSaid(id="t", seq=1, at=AT, kind=SaidKind.ROW, body={"rows": rows}))


def test_unknown_fields_of_a_newer_peer_are_accepted() -> None:
    told = json.loads((GOLDEN / "said-done.json").read_text()) | {"mood": "good"}
    assert decode_tool_said(json.dumps(told).encode()).kind is SaidKind.DONE
