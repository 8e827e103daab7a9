import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.dlt645.frames import Frame
from drivers.dlt645.search import GARBAGE, SILENCE, Heard, address_of, heard, question, search
from drivers.errors import FrameDamaged
from simulators.dlt645 import SimBus
from tests.support.dlt645 import meter


def found(bus: SimBus, *, thorough: bool = False, edition: int = 2007) -> tuple[list[str], int]:
    steps, asked = search(thorough=thorough), 1
    address = next(steps)
    while True:
        try:
            address = steps.send(heard(b"".join(bus.feed(question(address, edition).request))))
            asked += 1
        except StopIteration as end:
            return sorted(end.value), asked


addresses = st.text("0123456789", min_size=12, max_size=12)


@settings(max_examples=15)
@given(st.sets(addresses, max_size=4))
def test_every_meter_is_found(names):
    assert found(SimBus([meter(address=name) for name in names]))[0] == sorted(names)


def test_one_meter_is_one_question_and_two_are_parted():
    assert found(SimBus([meter(address="123456789012")])) == (["123456789012"], 1)
    two = SimBus([meter(address="000000000001"), meter(address="000000000002")])
    assert found(two) == (["000000000001", "000000000002"], 101)
    assert found(SimBus([])) == ([], 1)


def test_a_meter_of_1997_is_found_with_its_own_question():
    bus = SimBus([meter(address="5", edition=1997)])
    assert found(bus, edition=1997)[0] == ["000000000005"]


def test_what_a_louder_meter_hides_is_found_when_looked_for():
    loud, low = "000000000101", "000000000201"

    def answer(asked: str) -> Heard:
        fits = [name for name in (loud, low) if all(a in ("A", b) for a, b in zip(asked, name, strict=True))]
        return Heard("meter", fits[0]) if fits else SILENCE

    for thorough, expected in ((False, [loud]), (True, [loud, low])):
        steps = search(thorough=thorough)
        asked = next(steps)
        with pytest.raises(StopIteration) as end:
            while True:
                asked = steps.send(answer(asked))
        assert sorted(end.value.value) == expected


def test_what_a_line_says_is_judged():
    frame = Frame("000000000007", 0x91, b"\0\0\1\0\0\0\0\0")
    assert heard(b"\xfe\xfe" + frame.encode()) == Heard("meter", "000000000007")
    assert heard(Frame("000000000007", 0xD1, b"\x02").encode()) == Heard("meter", "000000000007")
    assert heard(b"") == heard(b"\xfe\x00") == SILENCE
    assert heard(b"\x12") == GARBAGE
    assert heard(Frame("AAAAAAAAAAAA", 0x81, b"").encode()) == GARBAGE


def test_the_address_is_read_from_its_answer():
    (answer,) = SimBus([meter()]).feed(Frame("A" * 12, 0x13, b"", 4).encode())
    assert address_of(answer) == "000012345678"
    with pytest.raises(FrameDamaged):
        address_of(answer[:-1])
