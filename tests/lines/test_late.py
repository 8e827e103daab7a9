"""What is owed and when it is past: the rules alone, in made-up time."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.api import Exchange
from drivers.errors import DeviceRefused, FrameDamaged
from drivers.lines.late import LateAnswers, key_of


class Expecting:
    """A reader that recognises one byte string, anywhere."""

    def __init__(self, answer: bytes, *, refuses: bool = False, breaks: bool = False) -> None:
        self._answer, self._seen = answer, b""
        self._refuses, self._breaks = refuses, breaks

    def feed(self, data: bytes) -> bytes | None:
        if self._breaks:
            raise FrameDamaged("spent")
        self._seen += data
        if self._answer not in self._seen:
            return None
        if self._refuses:
            raise DeviceRefused("no")
        return self._answer


def ask(unit=1, function=3, rest=b"", answer=b"answer", **kind):
    return Exchange(bytes([unit, function]) + rest, Expecting(answer, **kind))


def owed(late, exchange, *, sent=100.0, timeout=1.0, heard=False):
    late.unanswered(exchange, exchange.reader, sent=sent, timeout=timeout, heard=heard)


def test_nothing_owed_nothing_waited_for():
    late = LateAnswers()
    assert not late
    assert late.clear_at(ask()) == 0
    assert late.window(ask(), 1.0) == 1.0


@pytest.mark.parametrize(
    ("timeout", "heard", "until"),
    [(1.0, False, 102.0), (0.1, False, 100.6), (0.1, True, 100.2), (2.0, True, 104.0)],
)
def test_what_could_be_mistaken_waits_for_the_guard(timeout, heard, until):
    late = LateAnswers()
    owed(late, ask(), timeout=timeout, heard=heard)
    assert late.clear_at(ask(rest=b"another register")) == pytest.approx(until)
    assert late.clear_at(ask(unit=2)) == 0
    assert late.clear_at(ask(function=4)) == 0


def test_a_set_guard_counts_from_the_request():
    late = LateAnswers(5.0)
    owed(late, ask(), timeout=1.0)
    assert late.clear_at(ask()) == 105.0


def test_a_guard_is_a_time_of_watching():
    late, exchange = LateAnswers(), ask()
    late.unanswered(exchange, exchange.reader, sent=100.0, timeout=1.0, heard=False, asleep=0.7)
    assert late.clear_at(exchange) == pytest.approx(102.7)


def test_a_late_answer_ends_the_wait_and_is_learned():
    late = LateAnswers()
    owed(late, ask())
    assert not late.hear(b"ans", 101.2)
    assert late.hear(b"wer", 101.4)
    assert late.clear_at(ask()) == 0
    assert late.window(ask(), 1.0) == pytest.approx(1.75)
    assert late.window(ask(unit=2), 1.0) == 1.0


def test_a_late_refusal_is_an_answer():
    late = LateAnswers()
    owed(late, ask(refuses=True))
    assert late.hear(b"answer", 101.0)
    assert not late


def test_a_spent_reader_leaves_the_guard_to_time():
    late = LateAnswers()
    owed(late, ask(breaks=True))
    assert not late.hear(b"answer", 101.0)
    assert not late.hear(b"answer", 101.0)
    assert late.clear_at(ask()) == 102.0


def test_a_slow_unit_holds_up_others_only_while_its_answer_would_collide():
    late = LateAnswers()
    owed(late, ask())
    late.hear(b"answer", 101.2)
    owed(late, ask(), sent=200.0, heard=True)
    assert late.clear_at(ask(unit=2)) == pytest.approx(201.5)
    assert late.clear_at(ask()) == pytest.approx(202.0)


def test_a_slow_device_that_dies_costs_its_set_time_out_again():
    late = LateAnswers()
    owed(late, ask())
    late.hear(b"answer", 102.0)
    assert late.window(ask(), 1.0) == 2.5
    owed(late, ask(), sent=200.0)
    assert late.window(ask(), 1.0) == 1.0
    assert late.clear_at(ask()) == pytest.approx(202.5)  # once more it is waited for as long as it was late


def test_more_time_is_bounded():
    late = LateAnswers()
    owed(late, ask())
    late.hear(b"answer", 109.0)
    assert late.window(ask(), 1.0) == 3.0


def test_a_device_that_has_become_quick_is_trusted_again():
    late = LateAnswers()
    owed(late, ask())
    late.hear(b"answer", 102.0)
    rounds = 0
    while late.window(ask(), 1.0) > 1.0:
        late.answered(ask(), 0.1, 1.0)
        rounds += 1
        assert rounds < 50
    assert rounds > 3


def test_asking_again_forgets_what_was_owed_and_what_is_old():
    late = LateAnswers()
    owed(late, ask())
    owed(late, ask(unit=2), sent=100.5)
    late.asked(ask(), 103.0)
    assert late.keys_owed() == (key_of(ask(unit=2)),)
    late.asked(ask(unit=3), 111.0)
    assert not late


def test_the_books_are_bounded():
    late = LateAnswers()
    for number in range(5000):
        exchange = Exchange(number.to_bytes(2, "big"), Expecting(b"answer" if number % 2 else b"never"))
        late.unanswered(exchange, exchange.reader, sent=float(number), timeout=1.0, heard=False)
        late.hear(b"answer", number + 0.5)
        assert len(late.keys_owed()) <= 64
    assert len(late._slow) <= 1024


@given(
    st.lists(
        st.tuples(
            st.integers(1, 3),
            st.sampled_from([3, 4]),
            st.floats(0, 3, allow_nan=False),
            st.floats(0.01, 2, allow_nan=False),
        ),
        min_size=1,
        max_size=40,
    )
)
def test_no_answer_within_the_guard_can_meet_an_equal_request(events):
    """Whatever was asked before: what may be sent now finds no answer on its way that it could take for its own."""
    late, now = LateAnswers(), 0.0
    on_its_way: dict[bytes, tuple[float, bytes]] = {}
    for number, (unit, function, lateness, timeout) in enumerate(events):
        answer = b"<%d>" % number
        exchange = ask(unit, function, answer=answer)
        key = key_of(exchange)
        # Answers that arrive until it may go are heard, in their order.
        while True:
            target = max(now, late.clear_at(exchange))
            due = sorted((at, k, text) for k, (at, text) in on_its_way.items() if at <= target)
            if not due:
                break
            at, k, text = due[0]
            late.hear(text, at)
            del on_its_way[k]
            now = max(now, at)
        now = target
        assert key not in on_its_way
        late.asked(exchange, now)
        window = late.window(exchange, timeout)
        took = min(lateness, 2.0) * timeout
        if took <= window:
            now += took
            late.answered(exchange, took, timeout)
        else:
            late.unanswered(exchange, exchange.reader, sent=now, timeout=timeout, heard=False)
            on_its_way[key] = (now + took, answer)
            now += window


@given(st.lists(st.binary(min_size=1, max_size=300), max_size=50), st.integers())
def test_any_bytes_may_be_heard(chunks, seed):
    late, rng = LateAnswers(), random.Random(seed)
    for at, chunk in enumerate(chunks):
        exchange = ask(rng.randrange(4), rng.randrange(4), answer=rng.randbytes(2))
        owed(late, exchange, sent=float(at))
        late.hear(chunk, at + 0.5)
        assert late.clear_at(exchange) <= at + 0.5 + 2.0 + 10
