"""A receiver at another speed: what a UART would make of it."""

import os
import termios
import tty

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulators.speeds import heard, speed_of

RATES = [300, 1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200]


@given(st.binary(max_size=40), st.sampled_from(RATES), st.integers(-40, 40))
@settings(max_examples=50)
def test_a_clock_that_is_a_little_wrong_hears_everything(data, rate, thousandths):
    assert heard(data, rate, rate + rate * thousandths // 1000) == data


@given(
    st.binary(min_size=4, max_size=40), st.lists(st.sampled_from(RATES), min_size=2, max_size=2, unique=True)
)
@settings(max_examples=50)
def test_at_another_speed_nothing_is_heard_right(data, rates):
    said, listening = rates
    # A request begins with a unit and a function, and ends with a check that fits them.
    assert heard(b"\x01\x03" + data, said, listening)[:6] != (b"\x01\x03" + data)[:6]


@pytest.mark.parametrize(
    ("data", "spoken", "listening", "wanted"),
    [
        (b"\x00", 9600, 19200, b"\x00"),  # a break: it lasts nine bits, and nobody falls before it ends
        (b"\xff", 9600, 19200, b"\xfe"),  # the start bit is two bits long
        (b"\x00", 19200, 9600, b"\xf8"),  # nine bits of nought are four and a half
        (b"\x55", 19200, 9600, b""),  # the line is high again in the middle of each start bit
        (b"\xff", 115200, 9600, b""),  # too short for a start bit
        (b"", 9600, 300, b""),
    ],
)
def test_what_a_uart_makes_of_it(data, spoken, listening, wanted):
    assert heard(data, spoken, listening) == wanted


def test_the_speed_of_a_terminal_is_told():
    master, slave = os.openpty()
    try:
        tty.setraw(slave)
        settings = termios.tcgetattr(slave)
        settings[4] = settings[5] = termios.B19200
        termios.tcsetattr(slave, termios.TCSANOW, settings)
        assert speed_of(slave) == speed_of(master) == 19200
    finally:
        os.close(master)
        os.close(slave)
