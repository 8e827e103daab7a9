"""Which tools may be at work at once: nobody waits for one that only looks on, and there is a bound for all."""

from hypothesis import given
from hypothesis import strategies as st

from messages.tool_args import TOOLS, WITHOUT_LINE
from messages.tool_room import MOST_PICTURES, MOST_TOOLS, AtWork, in_the_way, shared, too_many

LINES = ("polled", "listens")
jobs = st.builds(
    AtWork, st.sampled_from(sorted(TOOLS.keys() - WITHOUT_LINE)), st.sampled_from(LINES)
) | st.just(AtWork("profiles", None))


def may(wanted: AtWork, others: list[AtWork]) -> bool:
    listens = wanted.line == "listens"
    return in_the_way(wanted, others, listens=listens) is None and not too_many(wanted.tool, others)


@given(st.lists(jobs, max_size=30))
def test_whatever_is_asked_for_no_two_disturb_each_other_and_all_are_few(asked: list[AtWork]):
    at_work: list[AtWork] = []
    for one in asked:
        if may(one, at_work):
            at_work.append(one)
    for line in LINES:
        alone = [
            one for one in at_work if one.line == line and not shared(one.tool, listens=line == "listens")
        ]
        assert len(alone) <= 1
    pictures = [one for one in at_work if one.tool == "snapshot"]
    assert len(pictures) <= MOST_PICTURES
    assert len(at_work) - len(pictures) <= MOST_TOOLS


@given(jobs, st.lists(jobs, max_size=6))
def test_who_is_in_the_way_is_named_and_is_on_the_same_line(wanted: AtWork, others: list[AtWork]):
    held = in_the_way(wanted, others, listens=wanted.line == "listens")
    if held is not None:
        assert others[held].line == wanted.line is not None


@given(st.lists(jobs.filter(lambda one: one.tool != "snapshot"), max_size=10))
def test_a_picture_waits_for_no_tool(others: list[AtWork]):
    assert may(AtWork("snapshot", "listens"), others)


def test_looking_on_is_for_lines_that_listen():
    for tool in TOOLS:
        assert shared(tool, listens=True) == (tool in {"trace", "watch", "snapshot"})
        assert shared(tool, listens=False) == (tool == "snapshot")
    assert in_the_way(AtWork("watch", "a"), [AtWork("scan", "a")], listens=False) == 0
    assert (
        in_the_way(AtWork("certify", "a"), [AtWork("trace", "a"), AtWork("certify", "a")], listens=True) == 1
    )
