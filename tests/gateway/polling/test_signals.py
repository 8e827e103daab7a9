"""What devices say of themselves: news once, states once, ends of what nobody knows of once."""

import hypothesis.strategies as st
from hypothesis import given

from drivers.api import Happening
from drivers.profile import Signal
from gateway.polling.signals import (
    MOST_ENDED,
    MOST_NUMBERS,
    MOST_OWED,
    MOST_STANDING,
    Signals,
    load_signals,
    name_of,
    standing_in,
)
from messages.types import Edge, Severity

KNOWN = {
    code: Signal(on={"code": code}, label=code, severity=Severity.HIGH, alarm_class="fire")
    for code in ("fire", "fault", "card")
}


def said(code: str, edge: Edge = Edge.RAISED, **more) -> Happening:
    return Happening(code, edge, **more)


def hear(signals: Signals, *happenings: Happening) -> list[Happening]:
    """Hear and commit, as where the journal takes it."""
    told = signals.hear(happenings)
    signals.commit(told)
    return list(told)


happenings = st.lists(
    st.builds(
        Happening,
        code=st.sampled_from(sorted(KNOWN)),
        edge=st.sampled_from(Edge),
        part=st.sampled_from(["", "1", "1/1", "2"]),
        number=st.sampled_from(["", "a", "b"]),
        state=st.booleans(),
    ),
    max_size=30,
)


def test_a_state_is_told_once_and_each_part_for_itself():
    signals = Signals(KNOWN)
    one, two = said("fire", part="1", state=True), said("fire", part="2", state=True)
    assert hear(signals, one, one, two) == [one, two]
    assert hear(signals, one) == []
    assert signals.standing == {"fire|1", "fire|2"}
    end = said("fire", Edge.CLEARED, part="1")
    assert hear(signals, end, end) == [end]
    assert signals.standing == {"fire|2"}


def test_the_end_of_what_nobody_heard_of_concerns_nothing_that_is_known():
    signals = Signals(KNOWN)
    end = said("fire", Edge.CLEARED, part="1")
    assert not any(signals.concerns([end]))
    hear(signals, said("fire", part="1"))
    assert all(signals.concerns((end, said("fire", part="2"), said("card", Edge.PULSE))))
    hear(signals, end)
    assert not any(signals.concerns([end]))


def test_the_end_of_what_began_in_the_same_message_concerns_what_is_known():
    begin, end = said("fire", part="1"), said("fire", Edge.CLEARED, part="1")
    assert list(Signals(KNOWN).concerns([begin, end, end])) == [True, True, False]


def test_the_end_of_a_part_is_the_end_of_what_lies_in_it():
    signals = Signals(KNOWN)
    hear(
        signals,
        *(said("fire", part=part) for part in ("1", "1/2", "1/2/9", "10", "2")),
        said("fault", part="1/2"),
    )
    ended = hear(signals, said("fire", Edge.CLEARED, part="1"))
    assert [happening.part for happening in ended] == ["1/2", "1/2/9", "1"]
    assert signals.standing == {"fire|10", "fire|2", "fault|1/2"}
    assert [happening.part for happening in hear(signals, said("fire", Edge.CLEARED))] == ["10", "2", ""]
    assert signals.standing == {"fault|1/2"}


def test_what_begins_again_is_told_again_for_many_panels_never_say_the_end():
    fire = said("fire", part="1")
    signals = Signals(KNOWN)
    assert hear(signals, fire, fire) == [fire, fire]
    assert hear(load_signals(KNOWN, signals.after([])), fire) == [fire]


def test_what_comes_with_a_number_is_told_by_its_number():
    signals = Signals(KNOWN)
    first, second = said("fire", number="7"), said("fire", number="8")
    assert hear(signals, first, first, second, first) == [first, second]
    assert hear(load_signals(KNOWN, signals.after([])), second) == []


def test_a_pulse_without_a_number_is_always_news():
    card = said("card", Edge.PULSE)
    assert hear(Signals(KNOWN), card, card) == [card, card]


def test_an_end_that_a_lost_journal_may_have_known_of_is_told_once_in_a_life():
    end = said("fault", Edge.CLEARED)
    assert hear(Signals(KNOWN), end, end) == [end]


def test_an_end_that_a_kept_journal_knows_nothing_of_is_not_told():
    first = Signals(KNOWN)
    fire = said("fire", part="1/1")
    told = hear(first, fire)
    after = load_signals(KNOWN, first.after(told))
    assert hear(after, said("fault", Edge.CLEARED), said("fire", Edge.CLEARED, part="1/2")) == []
    assert hear(after, said("fire", Edge.CLEARED, part="1/1")) == [said("fire", Edge.CLEARED, part="1/1")]


def test_a_panel_of_many_detectors_tells_each_end_that_nobody_knows_of_once_and_memory_is_bounded():
    signals = Signals(KNOWN)
    ends = [said("fire", Edge.CLEARED, part=str(number)) for number in range(MOST_ENDED + 5)]
    assert hear(signals, *ends) == ends[:MOST_ENDED]
    assert hear(signals, *ends) == []


def test_what_the_journal_did_not_take_comes_again_before_what_is_new():
    signals = Signals(KNOWN)
    fire, fault = said("fire", state=True), said("fault", state=True)
    signals.owe(signals.hear([fire]))
    assert hear(signals, fire, fault) == [fire, fault]
    assert hear(signals) == []


def test_what_no_profile_knows_is_not_told(caplog):
    assert hear(Signals(KNOWN), said("flood")) == []
    assert "flood" in caplog.text


def test_memory_is_bounded():
    signals = Signals(KNOWN)
    many = [said("fire", part=str(number)) for number in range(MOST_STANDING + 50)]
    assert hear(signals, *many) == many
    assert len(signals.standing) == MOST_STANDING
    signals.owe(many * 2)
    assert len(signals.hear([])) == MOST_OWED


@given(happenings)
def test_a_restart_at_any_moment_changes_nothing_that_is_told_of_states(course):
    """States survive with the journal; what is told of them does not depend on where a life ends."""
    whole, parted = Signals(KNOWN), Signals(KNOWN)
    for happening in course:
        one = hear(whole, happening)
        other = hear(parted, happening)
        if happening.edge is not Edge.CLEARED:  # an end is told once a life
            assert one == other
        parted = load_signals(KNOWN, parted.after([]))
        assert parted.standing == whole.standing


@given(happenings, st.data())
def test_no_beginning_is_lost_whatever_the_journal_refuses(course, data):
    signals, told, stood = Signals(KNOWN), [], set()
    for happening in course:
        news = signals.hear([happening])
        if data.draw(st.booleans()):
            told += news
            signals.commit(news)
        else:
            signals.owe(news)
    told += hear(signals)
    for happening in told:
        if happening.edge is Edge.RAISED:
            stood.add(name_of(happening))
        elif happening.edge is Edge.CLEARED:
            stood.discard(name_of(happening))
    assert stood == signals.standing
    for happening in course:
        if happening.edge is Edge.RAISED:
            assert any(name_of(each) == name_of(happening) and each.edge is Edge.RAISED for each in told)


def test_a_numbered_end_ends_once_and_nothing_that_began_again_since():
    signals = Signals(KNOWN)
    first, end = said("fire", number="1"), said("fire", Edge.CLEARED, number="2")
    again, fault = said("fire", number="3"), said("fault", number="4")
    assert hear(signals, first, end, again) == [first, end, again]
    assert hear(signals, first, end, again, fault) == [fault]
    assert signals.standing == {"fire", "fault"}


def test_an_end_of_what_did_not_stand_is_known_when_it_comes_again_after_a_restart():
    signals = load_signals(KNOWN, b"{}")
    end, fire = said("fire", Edge.CLEARED, number="2"), said("fire", number="3")
    assert signals.hear([end]) == ()
    assert signals.noted
    signals = load_signals(KNOWN, signals.after(()))
    assert hear(signals, end, fire, end) == [fire]
    assert not signals.noted
    assert signals.standing == {"fire"}


def test_a_numbered_end_that_was_not_journaled_is_not_known():
    signals = load_signals(KNOWN, b"{}")
    end = said("fire", Edge.CLEARED, number="1")
    signals.hear([end])
    signals.hear([])
    assert not signals.noted
    assert hear(signals, said("fire", number="0"), end)[-1] == end


def test_a_full_message_of_ends_told_anew_is_known_and_what_is_written_is_short():
    signals = Signals(KNOWN)
    records = [
        said(code, edge, part=f"door {number % 7}", number=f"1/{number}@1767225600000")
        for number in range(200)
        for code, edge in (("card", Edge.PULSE), ("fire", Edge.CLEARED), ("fault", Edge.CLEARED))
    ]
    hear(signals, *records)
    assert hear(signals, *records) == []
    many = [said("card", Edge.PULSE, number=f"{number}@1767225600000") for number in range(3 * MOST_NUMBERS)]
    hear(signals, *many)
    assert len(signals.after(())) < 16 * MOST_NUMBERS
    assert hear(signals, many[-MOST_NUMBERS], many[-MOST_NUMBERS - 1]) == [many[-MOST_NUMBERS - 1]]


def test_numbers_that_were_written_in_words_are_known():
    card = said("card", Edge.PULSE, number="7@1", part="reader 1")
    assert hear(load_signals(KNOWN, b'{"numbers": ["card|reader 1|pulse|7@1"]}'), card) == []


def test_the_latest_number_of_a_pulse_is_known():
    signals = Signals(KNOWN)
    assert (
        load_signals(KNOWN, signals.after([said("card", Edge.PULSE, number="z")])).last_number("card") == "z"
    )
    hear(
        signals, *(said("card", Edge.PULSE, number=number) for number in ("a", "b")), said("fire", number="c")
    )
    assert (signals.last_number("card"), signals.last_number("fire")) == ("b", "")


@given(
    st.lists(
        st.tuples(st.sampled_from(sorted(KNOWN)), st.sampled_from(Edge), st.sampled_from(["", "1", "1/1"])),
        max_size=20,
    ),
    st.data(),
)
def test_a_numbered_history_told_anew_from_its_beginning_changes_nothing(course, data):
    signals, history = Signals(KNOWN), []
    for number, (code, edge, part) in enumerate(course):
        history.append(said(code, edge, part=part, number=str(number)))
        hear(signals, history[-1])
        if data.draw(st.booleans()):
            signals = load_signals(KNOWN, signals.after(()))
        stood = set(signals.standing)
        replayed = history[: data.draw(st.integers(0, len(history)))]
        assert hear(signals, *replayed) == []
        assert signals.standing == stood


@given(st.binary(max_size=60))
def test_a_state_that_cannot_be_read_counts_as_nothing_said(junk):
    assert load_signals(KNOWN, junk).known == KNOWN
    assert isinstance(standing_in(junk), set)
