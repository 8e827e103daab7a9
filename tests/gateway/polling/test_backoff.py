from random import Random

from hypothesis import given
from hypothesis import strategies as st

from gateway.polling.backoff import FIRST_S, JITTER, LONGEST_FIRE_S, LONGEST_S, Health


def test_one_silence_is_not_yet_silence():
    health = Health(Random(1))
    assert not health.missed()
    assert not health.silent
    assert health.missed()
    assert health.silent


def test_it_is_said_once():
    health = Health(Random(1))
    assert [health.missed() for _ in range(5)] == [False, True, False, False, False]


def test_noise_is_not_yet_silence():
    health = Health(Random(1))
    assert [health.missed(noise=True) for _ in range(6)] == [False, False, False, False, True, False]


def test_silence_after_noise_counts_with_it():
    health = Health(Random(1))
    assert not health.missed(noise=True)
    assert health.missed()


def test_an_answer_in_between_starts_the_count_anew():
    health = Health(Random(1))
    health.missed()
    assert not health.answered()
    assert not health.missed()


def test_its_return_is_told_once():
    health = Health(Random(1))
    health.missed()
    health.missed()
    assert health.answered()
    assert not health.answered()


@given(st.integers(0, 2**32), st.sampled_from([LONGEST_S, LONGEST_FIRE_S]))
def test_probes_double_up_to_the_longest_with_jitter(seed: int, longest: float):
    health = Health(Random(seed), longest)
    health.missed()
    health.missed()
    expected = FIRST_S
    for _ in range(12):
        wait = health.next_probe(100.0) - 100.0
        assert expected * (1 - JITTER) <= wait <= expected * (1 + JITTER)
        expected = min(expected * 2, longest)


def test_after_a_return_probing_begins_at_once_again():
    health = Health(Random(1))
    for _ in range(10):
        health.missed()
        health.next_probe(0)
    health.answered()
    assert health.next_probe(0) <= FIRST_S * (1 + JITTER)
