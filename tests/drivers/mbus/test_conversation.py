from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.api import Exchange
from drivers.errors import DeviceRefused, DeviceSilent, FrameDamaged
from drivers.mbus import frames
from drivers.mbus.address import MAX_TELEGRAMS, Target, target
from drivers.mbus.conversation import Memory, read_out
from simulators.mbus import MbusBus, Slave
from simulators.mbus_frames import Identity, Value
from tests.support.mbus import talk

WHO = Identity("12345678", "KAM", 8, 4)


def slave(count: int = 3, **more) -> Slave:
    return Slave(WHO, lambda: [Value(b"\x06", number, storage=number) for number in range(count)], 5, **more)


def asked(bus: MbusBus) -> list[int]:
    return [request.control for request in bus.heard]


def reading(
    bus: MbusBus, memory: Memory, whom: Target | None = None, reset="auto", telegrams=MAX_TELEGRAMS
) -> bytes:
    return talk(read_out(whom or target(5, ""), memory, reset=reset, telegrams=telegrams), bus)


def test_with_auto_the_link_is_reset_once_and_then_the_frame_count_bit_turns():
    bus, memory = MbusBus([slave()], Random(1)), Memory()
    found = [reading(bus, memory) for _ in range(3)]
    assert asked(bus) == [0x40, 0x7B, 0x5B, 0x7B]
    assert [frames.parse(raw).data[8] for raw in found] == [1, 2, 3]


def test_after_a_failure_the_link_is_reset():
    one = slave()
    bus, memory = MbusBus([one], Random(1)), Memory()
    reading(bus, memory)
    one.silent = True
    with pytest.raises(DeviceSilent):
        reading(bus, memory)
    one.silent = False
    reading(bus, memory)
    assert asked(bus) == [0x40, 0x7B, 0x5B, 0x40, 0x7B]


@given(st.integers(1, 60), st.integers(20, 234), st.integers(1, MAX_TELEGRAMS))
def test_all_telegrams_are_asked_for_up_to_a_limit(count, room, most):
    bus, memory = MbusBus([slave(count, room=room)], Random(1)), Memory()
    for _ in range(2):
        parts = frames.split(reading(bus, memory, telegrams=most))
        everything = frames.split(reading(bus, memory))
        assert len(parts) == min(most, len(everything))
        assert [frames.parse(raw).data[12:] for raw in parts] == [
            frames.parse(raw).data[12:] for raw in everything[: len(parts)]
        ]
        bits = [request.control >> 5 & 1 for request in bus.heard if request.control != 0x40]
        assert bits[0] == 1
    if len(everything) > 1:
        assert asked(bus).count(0x40) == 4


def test_a_secondary_address_is_selected_each_time():
    other = Slave(Identity("12345679", "KAM", 8, 4), lambda: [Value(b"\x06", 99)], 5)
    bus = MbusBus([slave(), other], Random(1))
    for number, address in ((0, "12345678"), (1, "12345679-KAM-08-04"), (0, "1234567F-FFFF-FF-FF")):
        if number == 0 and "F" in address:
            other.silent = True
        raw = reading(bus, Memory(), target(None, address))
        assert frames.parse(raw).data[:4].hex() == ("78563412" if number == 0 else "79563412")
    assert asked(bus) == [0x53, 0x7B] * 3
    assert bus.collisions == 0


@pytest.mark.parametrize("forgets", [True, False])
@pytest.mark.parametrize("room", [234, 20])
def test_an_old_answer_is_never_taken_for_a_new_one(forgets, room):
    told = [1]
    one = Slave(
        WHO,
        lambda: [Value(b"\x06", told[0]), Value(b"\x13", 7), Value(b"\x13", 8)],
        5,
        room=room,
        forgets=forgets,
    )
    bus, memory = MbusBus([one], Random(1)), Memory()
    for number in range(1, 6):
        told[0] = number
        raw = frames.split(reading(bus, memory, target(None, "12345678")))[0]
        assert frames.parse(raw).data[12:18] == bytes((0x04, 0x06, number, 0, 0, 0))


@pytest.mark.parametrize("address", ["5", "12345678"])
def test_what_has_not_changed_is_asked_for_once_more(address):
    one = slave(1, steady=True)
    bus, memory = MbusBus([one], Random(1)), Memory()
    first = reading(bus, memory, target(None, address), reset="always")
    asked_once = len(bus.heard)
    assert reading(bus, memory, target(None, address), reset="always") == first
    assert len(bus.heard) == 2 * asked_once + 1


def test_what_two_say_at_once_is_no_answer():
    bus = MbusBus([slave(), Slave(Identity("12345679"), lambda: [Value(b"\x13", 4)], 5)], Random(1))
    with pytest.raises(DeviceSilent):
        reading(bus, Memory())
    with pytest.raises(DeviceSilent):
        reading(bus, Memory(), target(None, "1234567F"))
    assert bus.collisions == 4


@pytest.mark.parametrize(
    ("code", "busy", "words"), [(8, True, "too busy"), (4, False, "premature"), (99, False, "its own")]
)
def test_an_application_error_is_a_refusal(code, busy, words):
    with pytest.raises(DeviceRefused, match=words) as found:
        reading(MbusBus([slave(error=code)], Random(1)), Memory())
    assert (found.value.code, found.value.busy) == (code, busy)


def more(ident: str, access: int, data: str) -> bytes:
    body = bytes.fromhex(ident + "2D2C0804") + bytes((access, 0, 0, 0)) + bytes.fromhex(data) + b"\x1f"
    return frames.long(0x08, 5, 0x72, body)


def told(answers: list[bytes]) -> Exchange | bytes:
    step: Exchange | bytes = read_out(target(5, ""), Memory(), reset="never", telegrams=MAX_TELEGRAMS)
    for answer in answers:
        assert isinstance(step, Exchange)
        assert step.reader is not None
        assert step.then is not None
        payload = step.reader.feed(answer)
        assert payload is not None
        step = step.then(payload)
    return step


def test_a_device_that_repeats_itself_is_not_believed():
    with pytest.raises(FrameDamaged, match="same telegram again"):
        told([more("78563412", 1, "040600000000")] * 2)


def test_a_device_that_never_ends_is_left_after_sixteen_telegrams():
    found = told([more("78563412", place, "040600000000") for place in range(MAX_TELEGRAMS)])
    assert isinstance(found, bytes)
    assert len(frames.split(found)) == MAX_TELEGRAMS


def test_a_device_that_begins_anew_is_left():
    one, two = more("78563412", 1, "040600000000"), more("78563412", 1, "041300000000")
    assert told([one, two, one]) == one + two


@pytest.mark.parametrize(("reset", "first"), [("always", 0x40), ("auto", 0x40), ("never", 0x7B)])
def test_when_the_link_is_reset_can_be_said(reset, first):
    bus, memory = MbusBus([slave()], Random(1)), Memory()
    reading(bus, memory, reset=reset)
    reading(bus, memory, reset=reset)
    assert asked(bus)[0] == first
    assert asked(bus).count(0x40) == {"always": 2, "auto": 1, "never": 0}[reset]


@given(st.integers(1, 300))
def test_answers_may_come_in_two_parts(split):
    bus = MbusBus([slave(30)], Random(1))
    assert talk(read_out(target(5, ""), Memory(), reset="auto", telegrams=4), bus, split)
