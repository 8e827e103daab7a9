"""The meter under an optical head: what it is asked in other words than the standard's."""

import pytest

from simulators.iec62056 import OpticalMeter

ASKED = b"/?!\r\n"


def meter(speed_char: str) -> OpticalMeter:
    return OpticalMeter(lambda: [("1.8.0", "1*kWh")], speed_char=speed_char)


@pytest.mark.parametrize("speed_char", ["5", "9"])
@pytest.mark.parametrize("words", ["0/0", "0 0", "000x", "01", "", "070", "0A0", "150", "051"])
def test_a_speed_that_is_none_or_not_its_own_is_denied(words: str, speed_char: str) -> None:
    one = meter(speed_char)
    one.feed(ASKED)
    assert one.feed(b"\x06" + words.encode() + b"\r\n") == [b"\x15"]
    assert one.readouts == 0


def test_its_own_speed_is_taken() -> None:
    one = meter("5")
    one.feed(ASKED)
    (readout,) = one.feed(b"\x06050\r\n")
    assert b"1.8.0(1*kWh)" in readout
    assert [speed for speed, _, _ in one.due] == [300, 9600]
