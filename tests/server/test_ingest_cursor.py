"""The cursor against a plain set of numbers."""

from hypothesis import given
from hypothesis import strategies as st

from server.ingest.cursor import Cursor

steps = st.lists(
    st.one_of(
        st.tuples(st.just("see"), st.integers(1, 40), st.just(0)),
        st.tuples(st.just("cover"), st.integers(1, 40), st.integers(0, 10)),
    ),
    max_size=60,
)


def holes_of(done: set[int], end: int) -> list[tuple[int, int]]:
    holes: list[tuple[int, int]] = []
    for number in range(1, end + 1):
        if number in done:
            continue
        if holes and holes[-1][1] == number - 1:
            holes[-1] = (holes[-1][0], number)
        else:
            holes.append((number, number))
    return holes


@given(steps)
def test_says_what_a_set_of_numbers_says(moves):
    cursor, done, highest = Cursor(), set(), 0
    for kind, first, length in moves:
        if kind == "see":
            cursor.see(first)
            done.add(first)
            highest = max(highest, first)
        else:
            cursor.cover(first, first + length)
            done |= set(range(first, first + length + 1))
        through = 0
        while through + 1 in done:
            through += 1
        assert cursor.through == through
        assert cursor.highest == highest
        assert cursor.missing() == holes_of(done, highest)
        assert cursor.missing(upto=25) == holes_of(done, 25)


@given(steps, st.integers(0, 60))
def test_a_cursor_made_from_its_rows_is_the_same(moves, cut):
    cursor, runs = Cursor(), []
    for kind, first, length in moves[:cut]:
        if kind == "see":
            cursor.see(first)
        else:
            cursor.cover(first, first + length)
        runs.append((first, first + length))
    again = Cursor(cursor.through, cursor.highest, runs)
    assert (again.through, again.highest, again.missing()) == (
        cursor.through,
        cursor.highest,
        cursor.missing(),
    )


def test_a_number_far_ahead_costs_one_hole():
    cursor = Cursor()
    cursor.see(2**62)
    assert cursor.missing() == [(1, 2**62 - 1)]
    cursor.cover(1, 2**62 - 1)
    assert cursor.through == 2**62
    assert cursor.missing() == []
