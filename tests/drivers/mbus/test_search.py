from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.errors import DeviceSilent, DriverError, FrameDamaged
from drivers.mbus import frames
from drivers.mbus.search import Found, Heard, Search, fits
from drivers.mbus.telegram import Header
from simulators.mbus import MbusBus, Slave
from simulators.mbus_frames import Identity, Value
from tests.support.mbus import talk

numbers = st.lists(
    st.text("0123", min_size=8, max_size=8) | st.text("0123456789", min_size=8, max_size=8),
    unique=True,
    max_size=12,
)


def slave(number: str, primary: int = 0, medium: int = 4) -> Slave:
    return Slave(Identity(number, medium=medium), lambda: [Value(b"\x06", 1)], primary)


def searched(bus: MbusBus, *, thorough: bool = False) -> Search:
    search = Search(thorough=thorough)
    while (exchange := search.exchange()) is not None:
        try:
            search.answered(talk(exchange, bus))
        except DriverError as err:
            search.failed(err)
    return search


@given(numbers, st.integers(0, 99))
def test_every_slave_is_found_among_collisions(found, seed):
    bus = MbusBus([slave(number, place) for place, number in enumerate(found)], Random(seed))
    search = searched(bus)
    assert {address[:8] for address in search.found} == set(found)
    assert search.unparted == []
    # A branch is looked at only where several were heard: at most ten questions for each of their digits.
    assert search.asked <= 1 + 80 * max(1, len(found))


def test_answers_that_cover_each_other_are_parted_by_a_thorough_search():
    found = ["00000000", "00000001"]
    bus = MbusBus([slave(number) for number in found], Random(1), aligned=True)
    assert len(searched(bus).found) == 1
    assert {address[:8] for address in searched(bus, thorough=True).found} == set(found)


def test_an_empty_line_is_one_question():
    assert searched(MbusBus([], Random(1))).asked == 1


def test_slaves_of_one_number_are_told():
    bus = MbusBus(
        [slave("12345678", 1, medium=4), slave("12345678", 2, medium=6), slave("87654321")], Random(1)
    )
    search = searched(bus)
    assert list(search.found) == ["87654321-GHS-01-04"]
    assert search.unparted == ["12345678"]


def test_silence_after_an_acknowledgement_is_not_nobody():
    search = Search("1234567F")
    exchange = search.exchange()
    assert exchange is not None
    assert exchange.then is not None
    exchange.then(b"\xe5")
    search.failed(DeviceSilent("x"))
    assert search.mask == "1234567F", "the E5 may have been a late one: once more"
    exchange.then(b"\xe5")
    search.failed(DeviceSilent("x"))
    assert search.mask == "12345670"
    exchange.then(b"\xe5")
    search.failed(DeviceSilent("x"))
    search.failed(DeviceSilent("x"))
    assert (search.mask, search.unparted) == ("12345671", []), "nobody, and an E5 that was another's"
    search.failed(FrameDamaged("x"))
    assert (search.mask, search.unparted) == ("12345672", ["12345671"])


def test_who_answers_to_another_mask_is_not_believed():
    search = Search("1234567F")
    search.heard(Found(Header("99999999")))
    assert search.found == {}
    assert search.mask == "12345670"
    search.answered(frames.long(0x08, 1, 0x70, b"\x08"))
    assert search.unparted == ["12345670"]
    search.answered(b"no frame")
    assert search.unparted == ["12345670", "12345671"]


def test_masks_have_eight_digits():
    assert fits("12FFFFFF", "12345678")
    assert not fits("12FFFFF", "12345678")
    for wrong in ("1234567", "1234567G", "ABCDEFFF"):
        with pytest.raises(ValueError, match="eight digits"):
            Search(wrong)


def test_a_search_that_is_told_of_several_everywhere_ends():
    search = Search("123456FF")
    while search.mask is not None:
        search.heard(Heard.SEVERAL)
    assert (search.asked, len(search.unparted)) == (111, 100)
