"""What a tool is told is checked to the last word, and nothing that writes gets through."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from messages.codec import MessageError
from messages.tool_args import (
    READING,
    READING_CODES,
    TOOLS,
    ReadArgs,
    ScanArgs,
    refused_pdu,
    tool_args,
    units_of,
)

WRITES = {0x05, 0x06, 0x08, 0x0F, 0x10, 0x15, 0x16, 0x17, 0x2B}


def test_good_arguments_come_out_typed() -> None:
    assert tool_args("scan", {"units": "1-3,9", "bauds": [9600, 2400], "parities": ["E"]}) == ScanArgs(
        units="1-3,9", bauds=(9600, 2400), parities=("E",)
    )
    assert tool_args("read", {"device": "m-1", "display": "12.30"}) == ReadArgs(device="m-1", display="12.30")
    assert tool_args("profiles", {}) is not None


@pytest.mark.parametrize(
    ("tool", "args", "says"),
    [
        ("format", {}, "none of scan, read"),
        ("stop", {}, "none of scan, read"),
        ("scan", {"units": "1-300"}, "no range"),
        ("scan", {"units": "9-1"}, "no range"),
        ("scan", {"units": "1-2\n"}, "units"),
        ("scan", {"units": "a"}, "units: write unit ids such as 1-32"),
        ("scan", {"bauds": [9600] * 13}, "bauds"),
        ("scan", {"bauds": ["9600"]}, "bauds"),
        ("scan", {"per_second": 0}, "per_second"),
        ("scan", {"speed": 1}, "speed"),
        ("scan", {"identify": "yes"}, "identify"),
        ("read", {}, "device"),
        ("read", {"device": "a", "unit": 1}, "device"),
        ("read", {"device": "a", "profile": "b"}, "own profile"),
        ("read", {"unit": 1}, "profile"),
        ("read", {"unit": 1, "table": "holding"}, "go together"),
        ("read", {"unit": 1, "table": "holding", "address": 65535, "count": 2}, "65535"),
        ("read", {"device": "m", "display": "1e5"}, "display"),
        ("read", {"device": "m", "display": "1234,5"}, "display: write the number .* with a point"),
        ("read", {"device": "../x"}, "device"),
        ("watch", {"every_ms": 1}, "every_ms"),
        ("trace", {"for_s": 10**9}, "for_s"),
        ("certify", {}, "engineer"),
        ("certify", {"engineer": ""}, "engineer"),
        ("certify", {"engineer": "x", "cable": "burn"}, "cable"),
        ("ask", {"unit": 1, "pdu": ""}, "pdu"),
        ("ask", {"unit": 1, "pdu": "xyz"}, "pdu: write .* two hex digits"),
        ("ask", {"unit": 1, "pdu": "0300" * 200}, "pdu"),
        ("ask", {"unit": 1, "pdu": "050001FF00"}, "may change the device"),
        ("ask", {"unit": 1, "pdu": "2B0D00"}, "only 0E"),
    ],
)
def test_anything_else_is_refused_by_name(tool: str, args: dict[str, object], says: str) -> None:
    with pytest.raises(MessageError, match=says):
        tool_args(tool, args)


@given(st.binary(min_size=1, max_size=253))
def test_no_request_that_writes_is_ever_let_through(pdu: bytes) -> None:
    """Functions above 7F are answers, and what a manufacturer made of a number nobody knows."""
    refused = refused_pdu(pdu)
    if pdu[0] in WRITES and pdu[:2] != b"\x2b\x0e":
        assert refused
    assert bool(refused) == (pdu[0] not in READING or (pdu[0] == 0x2B and pdu[1:2] != b"\x0e"))


@given(st.binary(min_size=1, max_size=20), st.sampled_from([*READING_CODES, "iec62056-21", "sia-dc09"]))
def test_of_other_protocols_only_requests_that_read_pass(pdu: bytes, protocol: str) -> None:
    allowed = pdu[0] in READING_CODES.get(protocol, ()) and (protocol != "mbus" or len(pdu) == 1)
    assert bool(refused_pdu(pdu, protocol)) != allowed


@pytest.mark.parametrize(
    ("protocol", "writes"),
    [
        (
            "dlt645",
            "08 0A 0D 14 15 16 17 18 19 1A 1B 1C 03 04",
        ),  # clock, write, freeze, baud, password, clear, relay, keys
        ("cjt188", "04 0A 15 16 17 18"),
        ("mbus", "40 43 53 73"),
        ("osdp", "60 68 69 6A 6B 6D 6E 75 7B 7C 80"),
    ],
)
def test_what_is_known_to_change_something_is_refused(protocol: str, writes: str) -> None:
    for code in bytes.fromhex(writes):
        assert "may change the device" in refused_pdu(bytes((code,)), protocol)


@given(
    st.dictionaries(st.text(max_size=8), st.one_of(st.integers(), st.text(max_size=9), st.none()), max_size=4)
)
def test_noise_is_an_error_and_nothing_worse(args: dict[str, object]) -> None:
    for tool in TOOLS:
        try:
            tool_args(tool, args)
        except MessageError:
            continue


def test_units() -> None:
    assert units_of("7") == [7]
    assert units_of("1-3,2-5,0") == [1, 2, 3, 4, 5, 0]
