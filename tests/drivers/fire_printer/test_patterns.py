import re

import pytest

from drivers.errors import Misconfigured
from drivers.fire_printer.patterns import compiled, pattern_fault
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
        (r".*.*.*x", "has 3 repeats"),
        (r"\S+ \d+ [^x]{2,}? .*?;", "has 4 repeats"),
        (r"[\s\S]+[ -~]*.{0,99}\D+", "has 4 repeats"),
    ],
)
def test_a_pattern_that_a_line_could_hold_up_is_refused(text, words):
    assert words in pattern_fault(text)
    with pytest.raises(Misconfigured, match=re.escape("options.rules[1]")):
        compiled(("fine", text), "options.rules")


@pytest.mark.parametrize(
    "text", [r"a?(?:b)?\(\)*", r"[]()*]+x", r"\d{3} ++[A-Z]++ [a-f]*.{2}.*", r"\.\*+", r"x{2}.{3,8}.{9,}+"]
)
def test_a_pattern_of_bounded_time_is_taken(text):
    assert pattern_fault(text) == ""
