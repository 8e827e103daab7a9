from hypothesis import given
from hypothesis import strategies as st

from gateway.polling.timeouts import FLOOR_S, FULL_EVERY, NEVER_S, TIMES, RoundTrip

seconds = st.floats(0, 5)


def test_the_first_contact_has_all_the_time_that_was_set():
    assert RoundTrip(1.0).timeout == 1.0


def test_a_quick_device_is_soon_missed_and_a_steady_one_gets_four_times_its_usual_time():
    quick, steady = RoundTrip(1.0), RoundTrip(1.0)
    for _ in range(50):
        quick.answered(0.004)
        steady.answered(0.1)
    assert quick.timeout == FLOOR_S
    assert abs(steady.timeout - TIMES * 0.1) < 1e-9


def test_after_a_silence_it_waits_longer_and_now_and_then_as_long_as_was_set():
    trip = RoundTrip(1.0)
    trip.answered(0.02)
    waits = []
    for _ in range(2 * FULL_EVERY):
        trip.missed()
        waits.append(trip.timeout)
    assert waits[0] == 2 * 0.08
    assert waits.count(1.0) == 2
    trip.answered(0.02)
    assert trip.timeout == 0.08


def test_what_never_answered_is_probed_cheaply():
    trip = RoundTrip(1.0)
    trip.missed()
    assert trip.timeout == 1.0, "one retry with all the time that was set"
    trip.missed()
    assert trip.timeout == NEVER_S
    trip.missed()
    assert trip.timeout == 1.0, "it may be slow, so every second question gives it the time to say so"


def test_a_device_that_is_slow_once_is_given_the_time_for_a_while():
    trip = RoundTrip(1.0)
    for _ in range(20):
        trip.answered(0.01)
    trip.answered(0.2)
    for _ in range(20):
        trip.answered(0.01)
        assert trip.timeout > 0.2


@given(st.floats(0.01, 60), st.lists(st.one_of(st.none(), seconds), max_size=60))
def test_never_longer_than_was_set_and_never_shorter_than_the_floor(limit: float, course: list[float | None]):
    trip = RoundTrip(limit, floor=min(FLOOR_S, limit))
    for each in course:
        if each is None:
            trip.missed()
        else:
            trip.answered(each)
        assert min(FLOOR_S, limit) <= trip.timeout <= limit


@given(st.floats(0.001, 0.2), st.integers(1, 200))
def test_a_steady_device_is_never_missed(thinks: float, times: int):
    trip = RoundTrip(1.0)
    for _ in range(times):
        assert thinks < trip.timeout
        trip.answered(thinks)
