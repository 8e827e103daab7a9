"""The table of moves, for every sequence of moves."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from messages.types import Severity
from server.alarms.lifecycle import LIFE_SAFETY, MOVES, Move, NotAllowed, State, after, wants_reset, worse

BY_DEVICES = (Move.RAISED, Move.CLEARED, Move.PULSE, Move.ROSE, Move.FOLDED)
moves = st.lists(st.sampled_from([m for m in Move if m is not Move.FOLDED]), max_size=30)


def run(sequence: list[Move], *, latched: bool) -> list[tuple[State, Move, State]]:
    """The moves of a sequence that were allowed, from a first raise on."""
    state, path = State.NEW, []
    for move in sequence:
        if state is State.CLOSED:
            break
        try:
            here = after(state, move, latched=latched)
        except NotAllowed:
            continue
        path.append((state, move, here))
        state = here
    return path


@pytest.mark.parametrize(
    ("latched", "sequence", "end"),
    [
        (False, "ack cleared", State.CLOSED),
        (False, "cleared ack", State.CLOSED),
        (False, "cleared raised ack", State.ACKED),
        (True, "ack cleared", State.LATCHED),
        (True, "cleared ack", State.LATCHED),
        (True, "ack cleared close", State.CLOSED),
        (True, "ack cleared raised", State.NEW),
        (False, "ack severity-rose", State.NEW),
        (False, "ack pulse", State.ACKED),
    ],
)
def test_the_path_of_an_alarm(latched: bool, sequence: str, end: State) -> None:
    assert run([Move(word) for word in sequence.split()], latched=latched)[-1][2] is end


@given(moves, st.booleans())
def test_it_closes_only_when_normal_and_acknowledged_and_reset_where_it_latches(sequence, latched):
    path = run(sequence, latched=latched)
    if not path or path[-1][2] is not State.CLOSED:
        return
    acked, active = False, True
    for _, move, _ in path:
        if move is Move.ACK:
            acked = True
        elif move is Move.CLEARED:
            active = False
        elif move is Move.ROSE or (move is Move.RAISED and not active) or (move is Move.PULSE and not active):
            # Somebody has to be called again.
            acked, active = False, move is not Move.PULSE
    assert acked
    assert not active
    assert not latched or path[-1][1] is Move.CLOSE


@given(moves)
def test_a_life_safety_alarm_never_closes_by_itself(sequence):
    for alarm_class in LIFE_SAFETY:
        path = run(sequence, latched=wants_reset(alarm_class, latched=False))
        closing = [move for _, move, here in path if here is State.CLOSED]
        assert closing in ([], [Move.CLOSE])


@given(moves, st.booleans())
def test_the_state_always_tells_the_condition(sequence, latched):
    condition = True
    for _, move, here in run(sequence, latched=latched):
        if move in {Move.RAISED, Move.ROSE}:
            condition = True
        elif move is Move.CLEARED:
            condition = False
        assert here.active is condition


def test_what_a_device_says_is_never_refused():
    for state in State:
        for move in BY_DEVICES:
            assert (state, move) in MOVES


def test_every_refusal_has_words_for_a_person():
    for state in State:
        for move in (Move.ACK, Move.CLOSE):
            if (state, move) not in MOVES:
                with pytest.raises(NotAllowed, match=r"\w+ \w+"):
                    after(state, move, latched=True)


def test_severities_are_ordered():
    ordered = [Severity.CRITICAL, Severity.HIGH, Severity.MEDIUM, Severity.LOW]
    assert all(worse(a, b) for a, b in pairwise(ordered))
    assert not worse(Severity.LOW, Severity.LOW)
