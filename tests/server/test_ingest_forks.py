"""A number used twice for different things is told, and what is new under it is not taken for what is stored."""

from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from messages.codec import decode_stored, encode
from server.ingest.forks import TAKEN
from tests.support.ingest import T0, birth, born, database, nth, reading, rows, up, writer
from tests.support.long import amount

LATER = T0 + timedelta(hours=1)


@pytest.fixture
def store(tmp_path):
    engine = database(tmp_path)
    made = writer(engine)
    made.engine = engine
    made.store([born(birth("m-1"))], T0)
    yield made
    engine.dispose()


def through(store, *messages):
    (answer,) = store.store(messages, LATER)
    assert decode_stored(encode(answer.stored)) == answer.stored
    return answer.stored.through


def test_another_batch_under_a_used_number_is_not_swallowed(store):
    assert through(store, up(1, nth(1)), up(2, nth(2))) == 2
    before = rows(store.engine)
    assert through(store, up(2, nth(7))) == TAKEN
    assert through(store, up(1, nth(1), nth(9))) == TAKEN, "a longer one"
    assert rows(store.engine) == before
    assert through(store, up(2, nth(2))) == 2, "the true repetition is answered as ever"
    (answer,) = store.store([up(1, nth(7), epoch="e2")], LATER)
    assert answer.stored.through == 1, "and under a new epoch it is stored"
    assert len(rows(store.engine)) == len(before) + 2


def test_a_repetition_in_the_same_breath_is_one(store):
    assert through(store, up(1, nth(1)), up(1, nth(1)), up(2, nth(2)), up(1, nth(1))) == 2


def test_a_repetition_of_what_was_refused_is_one(store):
    bad = reading("m-1", T0, **{"no name": "1"})
    assert through(store, up(1, bad)) == 1
    assert through(store, up(1, bad)) == 1


def test_a_repetition_of_what_another_batch_had_said_before_is_one(store):
    same = reading("m-1", T0, energy="1")
    assert through(store, up(1, same), up(2, same)) == 2
    assert through(store, up(2, same)) == 2


def test_bad_values_are_there_too(store):
    silent = reading("m-1", T0, energy=None)
    assert through(store, up(1, silent)) == 1
    assert through(store, up(1, silent)) == 1


@settings(max_examples=amount(40, 500))
@given(st.lists(st.integers(1, 6), min_size=1, max_size=20))
def test_an_honest_journal_is_never_told_to_begin_anew(tmp_path_factory, numbers):
    engine = database(tmp_path_factory.mktemp("db"))
    made = writer(engine)
    made.store([born(birth("m-1"))], T0)
    for number in numbers:
        (answer,) = made.store([up(number, nth(number))], LATER)
        assert answer.stored.through <= 6
    assert {value for _, point, *_, value in rows(engine) if point == "energy"} == {
        Decimal(f"{number}.50") for number in numbers
    }
    engine.dispose()
