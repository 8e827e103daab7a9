"""Regular expressions of a profile, kept to what no line can hold up.

Python's matcher backtracks. Without a repeat around a group it tries no more ways to read a record than the product of
its choices: how far each repeat goes that gives back what it took (all but the possessive ones: `++`, `*+`), and which
alternative is taken. The ways of all patterns of a list together are bounded, and each goes over a record once.
"""

import re
from typing import Final

from drivers.errors import Misconfigured

MAX_TEXT: Final = 400
"""Characters. What is longer is no event."""
MAX_WAYS: Final = 4 * MAX_TEXT**2
"""As many as four patterns have with two endless repeats each that give back: some tenths of a second."""
GROUPS: Final = frozenset(
    {"event", "date", "time", "year", "month", "day", "zone", "loop", "point", "device", "where", "label"}
)

_TOKEN: Final = re.compile(
    r"(?P<escape>\\.)|(?P<set>\[\^?\]?(?:\\.|[^\]\\])*\])|(?P<open>\((?:\?P<\w+>|\?:)?)|(?P<close>\))"
    r"|(?P<repeat>(?:[*+?]|\{\d*,?\d*\})[?+]?)|(?P<char>.)",
    re.DOTALL,
)
_BOUNDS: Final = re.compile(r"\{(\d*)(,?)(\d*)\}")


def compiled(patterns: tuple[str, ...], place: str) -> tuple[re.Pattern[str], ...]:
    """Compile patterns; raise `Misconfigured` naming the place of the first that must not be used."""
    for index, text in enumerate(patterns):
        fault = pattern_fault(text)
        if fault:
            raise Misconfigured(f"{place}[{index}]: {fault}")
    ways = sum(map(_ways, patterns))
    if ways > MAX_WAYS:
        raise Misconfigured(f"{place}: together they {_too_many(ways)}")
    return tuple(re.compile(text) for text in patterns)


def pattern_fault(text: str) -> str:
    """Say why a pattern must not be used; empty for a good one."""
    try:
        strange = set(re.compile(text).groupindex) - GROUPS
    except (re.error, OverflowError, RecursionError) as err:
        return f"is no regular expression: {err}"
    if strange:
        return f"has the group {min(strange)}; groups are {', '.join(sorted(GROUPS))}"
    before = ""
    for token in _TOKEN.finditer(text):
        part, kind = token[0], token.lastgroup
        if kind == "repeat":
            if before == ")" and not part.startswith("?"):
                return "repeats a group: a line could hold it up; write out what may follow"
        elif (kind == "open" and text[token.end() : token.end() + 1] == "?") or re.fullmatch(
            r"\\[1-9]", part
        ):
            return "looks around or back: only plain groups, sets and repeats are allowed"
        before = part
    ways = _ways(text)
    return _too_many(ways) if ways > MAX_WAYS else ""


def _too_many(ways: int) -> str:
    shown = str(ways) if ways < 10**9 else "more than a billion"
    return (
        f"can read a line in {shown} ways, and {MAX_WAYS} are allowed: write ++, *+ or ?+ where a repeat "
        "need not give back what it took"
    )


def _ways(text: str) -> int:
    """Return in how many ways a record can be tried, at most, by a pattern that repeats no group."""
    around: list[tuple[int, int]] = []
    others, these, group, before = 0, 1, 1, ""  # alternatives that are over, the one at hand, the last group
    for token in _TOKEN.finditer(text):
        part, kind = token[0], token.lastgroup
        if kind == "open":
            around.append((others, these))
            others, these = 0, 1
        elif kind == "close":
            group = others + these
            others, these = around.pop()
            these *= group
        elif part == "|":
            others, these = others + these, 1
        elif kind == "repeat" and before == ")":
            these = these // group * (group + 1)  # or without it
        elif kind == "repeat":
            these *= _choices(part)
        before = part
    return others + these


def _choices(repeat: str) -> int:
    """Return at how many lengths a repeat of one character may end."""
    bounds = _BOUNDS.match(repeat)
    if repeat[bounds.end() if bounds else 1 :] == "+":
        return 1
    if bounds is None:
        return 2 if repeat[0] == "?" else MAX_TEXT
    low, comma, high = bounds.groups()
    if not comma:
        return 1
    most = min(int(high), MAX_TEXT) if high else MAX_TEXT
    return max(1, most - int(low or 0) + 1)
