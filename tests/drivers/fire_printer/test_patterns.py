import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.errors import Misconfigured
from drivers.fire_printer.patterns import _ways, compiled, pattern_fault
from tests.support.fire import shipped

PRINTERS = [
    "firesense-afp2800-printer",
    "gst-gst9000-printer",
    "edwards-io1000-printer",
    "edwards-est3x-printer",
]


@pytest.mark.parametrize("name", PRINTERS)
def test_the_shipped_patterns_are_good(name):
    options = shipped(name).options
    for text in (*options["rules"], *options.get("ignore", ())):
        assert pattern_fault(text) == ""


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("(", "no regular expression"),
        (r"(?P<colour>\w)", "has the group colour"),
        (r"(a+)+b", "repeats a group"),
        (r"(?:a|aa)*b", "repeats a group"),
        (r"(?:ab){2,30}", "repeats a group"),
        (r"(?=a)b", "looks around"),
        (r"(?<!a)b", "looks around"),
        (r"(?P<event>a)(?P=event)", "looks around"),
        (r"(a)\1", "looks around"),
        (r".*.*.*x", "in 64000000 ways"),
        (r"\S+ \d+ [^x]{2,}? .*?;", "more than a billion ways"),
        (r"[\s\S]+[ -~]*.{0,99}\D+", "more than a billion ways"),
        ("a?" * 22 + "a" * 22, "in 4194304 ways"),
        (r"\d{0,8}" * 7, "in 4782969 ways"),
        ("(?:a|a|a)" * 13, "in 1594323 ways"),
        ("(?:(?:a|b)?|c)" * 10, "in 1048576 ways"),
        ("(a)?" * 20 + "b", "in 1048576 ways"),
        (r"x+y{2,}z*|w", "in 63840001 ways"),
    ],
)
def test_a_pattern_that_a_line_could_hold_up_is_refused(text, words):
    assert words in pattern_fault(text)
    with pytest.raises(Misconfigured, match=re.escape("options.rules[1]")):
        compiled(("fine", text), "options.rules")


@pytest.mark.parametrize(
    "text",
    [
        r"a?(?:b)?\(\)*",
        r"[]()*]+x",
        r"\d{3} ++[A-Z]++ [a-f]*.{2}.*",
        r"\.\*+",
        r"x{2}.{3,8}.{9,}+",
        "a?+" * 100,
        r"\d{0,8}+" * 30,
        "a|" * 100 + "b",
        r"[|?*]\|\?" * 30,
    ],
)
def test_a_pattern_of_bounded_time_is_taken(text):
    assert pattern_fault(text) == ""


def test_what_a_line_can_be_held_up_by_is_counted_over_the_whole_list():
    two = (r".*?-.*",)
    assert len(compiled(two * 4, "options.rules")) == 4
    with pytest.raises(Misconfigured, match=r"options.rules: together they can read a line in 800000 ways"):
        compiled(two * 5, "options.rules")


CHOICES = st.sampled_from(["a", "[ab]", ".", "a?", "a??", "a{0,3}", "a{1,2}?", "a?+", "a{2}"])
PATTERNS = st.recursive(
    CHOICES,
    lambda inner: (
        st.builds("(?:{}|{})".format, inner, inner)
        | st.builds("(?:{})?".format, inner)
        | st.lists(inner, min_size=1, max_size=3).map("".join)
    ),
    max_leaves=8,
)


@given(PATTERNS)
def test_no_pattern_has_more_ways_than_are_counted(text):
    """Every way to take so many characters of a text of equal ones is one that the matcher may try."""
    assert ways_of(parsed(text)) <= _ways(text)


def parsed(text):
    return re._parser.parse(text)  # the standard library's own reading of it


def ways_of(items):
    """Count the ways by the standard library's tree, from outside of our own counting."""
    total = 1
    for op, arg in items:
        name = str(op)
        if name == "BRANCH":
            total *= sum(map(ways_of, arg[1]))
        elif name == "SUBPATTERN":
            total *= ways_of(arg[3])
        elif name in {"MAX_REPEAT", "MIN_REPEAT"}:
            low, high, inner = arg
            total *= sum(ways_of(inner) ** count for count in range(low, high + 1))
    return total
