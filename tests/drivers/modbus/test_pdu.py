import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.modbus import frames, pdu


@given(st.sampled_from([1, 2, 3, 4]), st.integers(0, 0xFFFF), st.integers(1, 125))
def test_a_read_request_reads_back(function, address, count):
    if address + count > 0x10000:
        with pytest.raises(ValueError, match="cannot be asked"):
            pdu.read_request(function, address, count)
        return
    parsed = frames.parse_pdu(1, pdu.read_request(function, address, count))[0]
    assert (parsed.role, parsed.function) == ("request", function)
    assert parsed.fields == {"address": address, "count": count}


@pytest.mark.parametrize(("function", "count"), [(1, 2001), (2, 2001), (3, 126), (4, 126), (3, 0), (1, 0)])
def test_more_than_the_standard_allows_is_never_asked_for(function, count):
    with pytest.raises(ValueError, match="cannot be asked"):
        pdu.read_request(function, 0, count)


def test_only_reads_read():
    with pytest.raises(ValueError, match="no read"):
        pdu.read_request(6, 0, 1)


@given(st.lists(st.booleans(), min_size=1, max_size=1968), st.integers(0, 60000))
def test_coils_are_packed_lowest_address_first(values, address):
    parsed = frames.parse_pdu(1, pdu.write_coils_request(address, tuple(values)))[0]
    assert parsed.fields["bits"] == values
    assert parsed.fields["address"] == address


@given(st.lists(st.integers(0, 0xFFFF), min_size=1, max_size=123), st.integers(0, 60000))
def test_registers_go_out_high_byte_first(values, address):
    parsed = frames.parse_pdu(1, pdu.write_registers_request(address, tuple(values)))[0]
    assert parsed.fields["registers"] == values


@pytest.mark.parametrize("value", [-1, 65536])
def test_a_value_that_fits_no_register_is_not_sent(value):
    with pytest.raises(ValueError, match="does not fit"):
        pdu.write_register_request(0, value)


def test_single_writes():
    assert pdu.write_coil_request(172, on=True).hex() == "0500acff00"
    assert pdu.write_coil_request(172, on=False).hex() == "0500ac0000"
    assert pdu.write_register_request(1, 3).hex() == "0600010003"


@pytest.mark.parametrize(
    ("request_", "length"),
    [
        (pdu.read_request(1, 0, 8), 3),
        (pdu.read_request(2, 0, 9), 4),
        (pdu.read_request(3, 0, 125), 252),
        (pdu.write_coil_request(0, on=True), 5),
        (pdu.write_registers_request(0, (1, 2, 3)), 5),
    ],
)
def test_the_length_of_every_reply_is_known_beforehand(request_, length):
    assert pdu.expected_reply(request_).length == length
