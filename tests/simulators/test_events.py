"""When an event is true, by the device's own values."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from messages.types import Value
from simulators.events import EventWatch
from tests.support.sims import library

PROFILE = library()["bench-all-types"]  # alarm_on at once; hot above 50, deadband 5, hold 1 s, release 2 s


def edges(course: list[tuple[float, dict[str, Value]]]) -> list[tuple[float, str, str]]:
    watch = EventWatch("d", PROFILE)
    return [(now, edge.event, edge.edge) for now, values in course for edge in watch.look(values, now)]


def test_a_flag_is_an_edge_at_once() -> None:
    course = [
        (0.0, {"alarm": False}),
        (1.0, {"alarm": True}),
        (2.0, {"alarm": True}),
        (3.0, {"alarm": False}),
    ]
    assert edges(course) == [(1.0, "alarm_on", "raised"), (3.0, "alarm_on", "cleared")]  # type: ignore[arg-type]


def test_a_limit_holds_releases_and_has_a_deadband() -> None:
    levels = [
        (0, 49),
        (1, 51),
        (1.5, 51),
        (2, 51),
        (3, 46),
        (4, 46),
        (6, 46),
        (7, 45),
        (8, 45),
        (8.5, 46),
        (9, 44),
        (11, 44),
    ]
    course = [(float(now), {"u16": Decimal(level)}) for now, level in levels]
    assert edges(course) == [(2.0, "hot", "raised"), (11.0, "hot", "cleared")]  # type: ignore[arg-type]


def test_unknown_neither_raises_nor_clears() -> None:
    course: list[tuple[float, dict[str, Value]]] = [
        (0, {"alarm": True}),
        (1, {"alarm": None}),
        (2, {}),
        (3, {"alarm": True}),
    ]
    assert edges(course) == [(0, "alarm_on", "raised")]


@given(st.lists(st.sampled_from([True, False, None]), max_size=60))
def test_edges_alternate_and_end_where_the_flag_ended(flags: list[bool | None]) -> None:
    found = edges([(float(now), {"alarm": flag}) for now, flag in enumerate(flags)])
    assert [edge for _, _, edge in found] == [("raised", "cleared")[n % 2] for n in range(len(found))]
    known = [flag for flag in flags if flag is not None]
    assert (len(found) % 2 == 1) == (bool(known) and known[-1])
