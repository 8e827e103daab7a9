from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.api import Reading
from drivers.profile import Event, When
from gateway.polling.edges import Change, Edges, condition, load
from messages.types import Edge, Quality, Severity, Value


def event(hold: float = 0, release: float = 0, **when: object) -> Event:
    given_when = When(point="p", **when)  # type: ignore[arg-type]
    return Event(
        when=given_when,
        label="l",
        severity=Severity.CRITICAL,
        alarm_class="fire",
        hold_s=hold,
        release_s=release,
    )


def see(edges: Edges, value: Value, now: float, quality: Quality = Quality.GOOD) -> list[tuple[str, Edge]]:
    """Evaluate and commit, as the poller does when the journal takes it."""
    changes = edges.see({"p": Reading(value, quality)}, now)
    edges.commit(changes)
    return [(change.code, change.edge) for change in changes]


@pytest.mark.parametrize(
    ("when", "value", "raised", "expected"),
    [
        ({"is_": True}, True, False, True),
        ({"is_": True}, False, True, False),
        ({"is_": False}, False, False, True),
        ({"is_": True}, Decimal(1), False, None),
        ({"is_": True}, None, False, None),
        ({"equals": Decimal(3)}, Decimal("3.0"), False, True),
        ({"equals": Decimal(3)}, Decimal(4), True, False),
        ({"equals": Decimal(1)}, True, False, None),
        ({"above": Decimal(30)}, Decimal(30), False, False),
        ({"above": Decimal(30)}, Decimal("30.1"), False, True),
        ({"above": Decimal(30), "deadband": Decimal(2)}, Decimal(29), True, True),
        ({"above": Decimal(30), "deadband": Decimal(2)}, Decimal(28), True, False),
        ({"above": Decimal(30), "deadband": Decimal(2)}, Decimal(29), False, False),
        ({"below": Decimal(5)}, Decimal("4.9"), False, True),
        ({"below": Decimal(5), "deadband": Decimal(1)}, Decimal("5.5"), True, True),
        ({"below": Decimal(5), "deadband": Decimal(1)}, Decimal(6), True, False),
        ({}, Decimal(6), True, None),
    ],
)
def test_a_condition(when: dict[str, object], value: Value, raised: bool, expected: bool | None):
    assert condition(When(point="p", **when), value, raised=raised) is expected  # type: ignore[arg-type]


def test_raised_once_and_cleared_once():
    edges = Edges({"e": event(is_=True)})
    seen = [see(edges, value, now) for now, value in enumerate([False, True, True, False, False, True])]
    assert seen == [[], [("e", Edge.RAISED)], [], [("e", Edge.CLEARED)], [], [("e", Edge.RAISED)]]


def test_it_must_hold_and_the_time_begins_anew_when_it_ends():
    edges = Edges({"e": event(hold=10, release=5, is_=True)})
    assert see(edges, True, 0) == []
    assert see(edges, False, 5) == []
    assert see(edges, True, 6) == []
    assert see(edges, True, 15.9) == []
    assert see(edges, True, 16) == [("e", Edge.RAISED)]
    assert see(edges, False, 17) == []
    assert see(edges, True, 20) == []
    assert see(edges, False, 21) == []
    assert see(edges, False, 26) == [("e", Edge.CLEARED)]


def test_a_bad_value_neither_raises_nor_clears_nor_breaks_a_hold():
    edges = Edges({"e": event(hold=10, is_=True)})
    assert see(edges, True, 0) == []
    assert see(edges, None, 5, Quality.TIMEOUT) == []
    assert see(edges, False, 7, Quality.CRC) == []
    assert see(edges, True, 10) == [("e", Edge.RAISED)]
    assert see(edges, False, 11, Quality.COMM) == []
    assert edges.raised == {"e"}


def test_what_the_journal_did_not_take_is_proposed_again():
    edges = Edges({"e": event(is_=True)})
    first = edges.see({"p": Reading(True)}, 1)
    again = edges.see({"p": Reading(True)}, 2)
    assert first == again == (Change("e", Edge.RAISED, "p", True),)
    edges.commit(again)
    assert edges.see({"p": Reading(True)}, 3) == ()


def test_a_point_that_was_not_read_says_nothing():
    assert Edges({"e": event(is_=True)}).see({"q": Reading(True)}, 0) == ()


def test_two_events_of_one_point():
    edges = Edges({"warm": event(above=Decimal(30)), "hot": event(above=Decimal(60))})
    assert see(edges, Decimal(70), 0) == [("warm", Edge.RAISED), ("hot", Edge.RAISED)]
    assert see(edges, Decimal(50), 1) == [("hot", Edge.CLEARED)]


def test_state_goes_round_and_nonsense_counts_as_nothing():
    edges = Edges({"e": event(is_=True)})
    changes = edges.see({"p": Reading(True)}, 0)
    assert load(edges.events, edges.after(changes)).raised == {"e"}
    for nonsense in (None, b"", b"{", b"[1]", b"\xff"):
        assert load(edges.events, nonsense).raised == set()


def test_an_event_that_left_the_profile_is_cleared():
    edges = load({}, b'["gone"]')
    changes = edges.orphans()
    assert [(change.code, change.edge) for change in changes] == [("gone", Edge.CLEARED)]
    assert edges.after(changes) == b"[]"


# -- the promise: no sequence of samples, kills and failing disks loses or doubles a life-safety alarm --------


def test_an_event_is_unread_until_it_is_raised_or_read_as_normal():
    events = {"e": event(is_=True), "other": event(is_=True)}
    edges = Edges(events)
    assert edges.unread == ("e", "other")
    see(edges, None, 0)
    see(edges, False, 1, Quality.TIMEOUT)
    assert edges.unread == ("e", "other"), "nobody knows"
    see(edges, False, 2)
    assert edges.unread == ()
    assert load(events, b'["e"]').unread == ("other",)


def test_what_a_journal_with_the_alarm_would_not_have_ended_is_not_read_as_normal():
    """In its deadband, or not yet normal for long enough."""
    edges = Edges({"e": event(above=Decimal(30), deadband=Decimal(2), release=5)})
    see(edges, Decimal(29), 0)
    see(edges, Decimal(29), 10)
    assert edges.unread == ("e",)
    see(edges, Decimal(28), 20)
    see(edges, Decimal(29), 24)
    see(edges, Decimal(28), 26)
    assert edges.unread == ("e",), "it had left the normal range in between"
    see(edges, Decimal(28), 31)
    assert edges.unread == ()


def test_while_a_condition_holds_and_is_not_journaled_it_is_unread():
    """It is held first, or the disk takes nothing."""
    edges = Edges({"e": event(is_=True, hold=10)})
    see(edges, False, 0)
    see(edges, True, 1)
    assert edges.unread == ("e",)
    assert see(edges, True, 11) == [("e", Edge.RAISED)]
    assert edges.unread == ()
    assert see(edges, False, 12) == [("e", Edge.CLEARED)]
    assert edges.unread == ()


step = st.one_of(
    st.tuples(st.just("value"), st.sampled_from([True, False, None])),
    st.tuples(st.just("bad"), st.sampled_from([True, False, None])),
    st.tuples(st.just("kill"), st.none()),
    st.tuples(st.just("disk"), st.booleans()),
    st.tuples(st.just("kill between journal and memory"), st.sampled_from([True, False])),
)


@given(st.lists(step, max_size=60))
def test_no_alarm_is_lost_or_doubled(steps: list[tuple[str, bool | None]]):
    events = {"fire": event(is_=True)}
    journal: list[Edge] = []
    state: bytes | None = None
    disk_takes = True
    edges = load(events, state)
    truth: bool | None = None  # the last sound value that was evaluated while the disk took writes
    for now, (what, value) in enumerate(steps):
        if what == "kill":
            edges = load(events, state)
        elif what == "disk":
            disk_takes = bool(value)
        else:
            quality = Quality.TIMEOUT if what == "bad" else Quality.GOOD
            changes = edges.see({"p": Reading(value, quality)}, float(now))
            if changes and disk_takes:
                state = edges.after(changes)
                journal += [change.edge for change in changes]
                if what == "kill between journal and memory":
                    edges = load(events, state)
                else:
                    edges.commit(changes)
            if disk_takes and quality is Quality.GOOD and value is not None:
                truth = value
                assert (journal[-1] is Edge.RAISED if journal else False) == truth, (
                    "the journal lags behind a value"
                )
    expected = [Edge.RAISED, Edge.CLEARED] * len(journal)
    assert journal == expected[: len(journal)], "edges take turns: none doubled, none lost"
    assert (load(events, state).raised == {"fire"}) == (bool(journal) and journal[-1] is Edge.RAISED)
