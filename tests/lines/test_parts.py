"""The small pure parts of a line: echo, back-off, settings, and what a wait amounts to."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.api import Exchange
from drivers.errors import DeviceSilent, FrameDamaged, Misconfigured
from drivers.lines import Echo, SerialSettings, TcpSettings
from drivers.lines.attempt import Attempt
from drivers.lines.backoff import Backoff
from drivers.lines.echo import EchoFilter
from drivers.lines.unease import Unease


class Never:
    def feed(self, data: bytes) -> bytes | None:
        return None


READ = Exchange(b"\x01\x03\x00\x05\x00\x01\x94\x0b", Never(), 7)
WRITE = Exchange(b"\x01\x06\x00\x05\x00\x01\x58\x0b", Never(), 8)
ANSWER = b"\x01\x03\x02\x12\x34\xb5\x33"


def through(echo: EchoFilter, exchange: Exchange, data: bytes, size: int) -> bytes:
    echo.begin(exchange)
    out = b"".join(echo.strip(data[at : at + size]) for at in range(0, len(data), size))
    return out + echo.held


@pytest.mark.parametrize("size", range(1, 16))
def test_an_echo_before_a_longer_or_shorter_answer_is_taken_off_however_it_is_split(size):
    echo = EchoFilter(Echo.AUTO)
    assert through(echo, READ, READ.request + ANSWER, size) == ANSWER
    assert echo.seen
    assert echo.present


@pytest.mark.parametrize("size", range(1, 17))
def test_once_an_echo_is_known_it_is_taken_off_a_write_too(size):
    echo = EchoFilter(Echo.AUTO)
    through(echo, READ, READ.request + ANSWER, 20)
    assert through(echo, WRITE, WRITE.request + WRITE.request, size) == WRITE.request


def test_an_answer_equal_to_the_request_stays_until_an_echo_is_known():
    echo = EchoFilter(Echo.AUTO)
    assert through(echo, WRITE, WRITE.request, 3) == WRITE.request
    assert echo.present is None


def test_an_adapter_that_echoes_no_more_is_believed():
    echo = EchoFilter(Echo.AUTO)
    through(echo, READ, READ.request + ANSWER, 20)
    through(echo, READ, ANSWER, 20)
    echo.answered()
    assert echo.present is False
    assert through(echo, WRITE, WRITE.request, 20) == WRITE.request


def test_what_was_said_is_not_unlearned():
    yes, no = EchoFilter(Echo.YES), EchoFilter(Echo.NO)
    assert through(yes, WRITE, WRITE.request * 2, 5) == WRITE.request
    assert through(yes, READ, ANSWER, 5) == ANSWER
    yes.answered()
    assert yes.present
    assert through(no, READ, READ.request + ANSWER, 5) == READ.request + ANSWER


@given(
    st.binary(max_size=60), st.integers(1, 20), st.sampled_from(list(Echo)), st.sampled_from([READ, WRITE])
)
def test_nothing_but_a_whole_echo_is_ever_taken_off(data, size, mode, exchange):
    out = through(EchoFilter(mode), exchange, data, size)
    assert out in {data, data.removeprefix(exchange.request)}
    if not data.startswith(exchange.request):
        assert out == data


def test_only_an_echo_is_silence_and_half_an_echo_is_damage():
    attempt = Attempt(READ, EchoFilter(Echo.AUTO))
    assert attempt.take(READ.request) is None
    assert isinstance(attempt.overdue("x"), DeviceSilent)
    half = Attempt(READ, EchoFilter(Echo.AUTO))
    assert half.take(READ.request[:5]) is None
    error = half.overdue("riser")
    assert isinstance(error, FrameDamaged)
    assert str(error) == "riser: 5 bytes that are no answer to this request: 01 03 00 05 00"


def test_a_long_answer_is_shown_by_its_head():
    attempt = Attempt(READ, None)
    attempt.take(bytes(100))
    assert str(attempt.overdue("x")).endswith(
        "100 bytes that are no answer to this request:" + " 00" * 16 + " …"
    )


def test_late_answers_to_others_are_silence_where_the_reader_holds_nothing():
    """Modbus TCP: whole frames of older transactions, passed over by the reader."""

    class PassedOver(Never):
        pending = 0

    class Holding(Never):
        pending = 3

    for reader, kind, torn in ((PassedOver(), DeviceSilent, False), (Holding(), FrameDamaged, True)):
        attempt = Attempt(Exchange(b"request", reader, 9, matched=True), None)
        attempt.take(b"an older answer")
        assert attempt.torn is torn
        assert isinstance(attempt.overdue("x"), kind)


def test_what_came_beyond_an_answer_is_counted_by_its_reader_where_that_knows():
    class Counting(Never):
        taken = 7

    for reader, surplus in ((Counting(), 2), (Never(), 5)):
        attempt = Attempt(Exchange(b"request", reader, 4), None)
        attempt.take(b"ninebytes")
        assert attempt.surplus == surplus


def test_back_off_grows_to_a_bound_and_a_proven_wire_is_reopened_at_once():
    backoff, now = Backoff(random.Random(1)), 0.0
    waits = []
    for _ in range(12):
        assert backoff.wait(now) == 0
        backoff.failed(now)
        waits.append(backoff.wait(now))
        now += waits[-1]
    assert 0.25 <= waits[0] <= 0.5
    assert all(4 <= wait <= 8 for wait in waits[5:])
    backoff.proven()
    backoff.lost(now)
    assert backoff.wait(now) == 0
    backoff.lost(now)  # opened again, and lost before it carried anything
    assert 0.25 <= backoff.wait(now) <= 0.5


def test_a_stray_frame_calls_for_silence_for_a_hundred_exchanges_and_a_click_for_none():
    unease = Unease()
    unease.stray(1, owed=True)
    assert unease.silence(0.002) == 0.03, "the beginning of what is owed, perhaps"
    unease.asked()
    unease.answered()
    unease.stray(3)
    assert unease.silence(0.002) == 0.002
    unease.stray(2)
    for _ in range(100):
        assert unease.silence(0.002) == 0.03
        assert unease.silence(0.5) == 0.5
        unease.asked()
        unease.stray(1)
        unease.answered()
    assert unease.silence(0.002) == 0.002
    unease.overslept()
    assert unease.silence(0.002) == 0.03
    unease.answered()
    assert unease.silence(0.002) == 0.002


@pytest.mark.parametrize("uneasy", [False, True])
def test_a_late_answer_that_came_in_pieces_is_no_stray_frame(uneasy):
    unease = Unease()
    if uneasy:
        unease.stray(9)
        unease.asked()
    for _ in range(9):
        unease.stray(5)
    unease.owed()
    assert unease.silence(0.002) == 0.03  # one long silence, for it may come once more
    unease.answered()
    assert unease.silence(0.002) == (0.03 if uneasy else 0.002)
    unease.stray(2)
    unease.stray(2)
    unease.owed()
    unease.asked()
    unease.owed()
    unease.stray(5)  # and what comes after it is a stray frame as ever
    unease.answered()
    assert unease.silence(0.002) == 0.03


@given(st.integers())
def test_lines_lost_together_do_not_come_back_in_step(seed):
    first, second = Backoff(random.Random(seed)), Backoff(random.Random(seed + 1))
    for backoff in (first, second):
        for _ in range(4):
            backoff.failed(0)
    assert first.wait(0) != second.wait(0)


@pytest.mark.parametrize(
    ("build", "names"),
    [
        (lambda: TcpSettings("", 502), "host"),
        (lambda: TcpSettings("a b", 502), "host"),
        (lambda: TcpSettings("a\x1b", 502), "host"),
        (lambda: TcpSettings("h", 0), "port"),
        (lambda: TcpSettings("h", 65536), "port"),
        (lambda: TcpSettings("h", 502, connect_timeout=0), "connect_timeout"),
        (lambda: TcpSettings("h", 502, late_guard=-1), "late_guard"),
        (lambda: SerialSettings(""), "port"),
        (lambda: SerialSettings("/dev/x\0"), "port"),
        (lambda: SerialSettings("/dev/x", baud=0), "baud"),
        (lambda: SerialSettings("/dev/x", parity="e"), "parity"),
        (lambda: SerialSettings("/dev/x", data_bits=9), "data_bits"),
        (lambda: SerialSettings("/dev/x", stop_bits=3), "stop_bits"),
        (lambda: SerialSettings("/dev/x", late_guard=601), "late_guard"),
    ],
)
def test_settings_that_cannot_be_are_refused_by_name(build, names):
    with pytest.raises(Misconfigured, match=names):
        build()
