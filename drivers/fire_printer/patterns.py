"""Regular expressions of a profile, kept to what no line can hold up.

Python's matcher backtracks. Without a repeat around a group, and with at most two endless repeats that give back what
they took (all others being possessive: `++`, `*+`), its time is bounded by the cube of a record's length.
"""

import re
from typing import Final

from drivers.errors import Misconfigured

MAX_GIVING: Final = 2
MAX_TEXT: Final = 400
"""Characters. What is longer is no event."""
GROUPS: Final = frozenset(
    {"event", "date", "time", "year", "month", "day", "zone", "loop", "point", "device", "where", "label"}
)

_SHORT: Final = 8
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
    return tuple(re.compile(text) for text in patterns)


def pattern_fault(text: str) -> str:
    """Say why a pattern must not be used; empty for a good one."""
    try:
        strange = set(re.compile(text).groupindex) - GROUPS
    except (re.error, OverflowError, RecursionError) as err:
        return f"is no regular expression: {err}"
    if strange:
        return f"has the group {min(strange)}; groups are {', '.join(sorted(GROUPS))}"
    giving, before = 0, ""
    for token in _TOKEN.finditer(text):
        part, kind = token[0], token.lastgroup
        if kind == "repeat":
            if before == ")" and not part.startswith("?"):
                return "repeats a group: a line could hold it up; write out what may follow"
            giving += _endless(part) and not part.endswith("+", 1)
        elif (kind == "open" and text[token.end() : token.end() + 1] == "?") or re.fullmatch(
            r"\\[1-9]", part
        ):
            return "looks around or back: only plain groups, sets and repeats are allowed"
        before = part
    if giving > MAX_GIVING:
        return (
            f"has {giving} repeats that give back; {MAX_GIVING} are allowed: write ++ or *+ where none must"
        )
    return ""


def _endless(repeat: str) -> bool:
    bounds = _BOUNDS.match(repeat)
    if bounds is None:
        return repeat[0] in "*+"
    low, comma, high = bounds.groups()
    return int(high or (low if not comma else _SHORT + 1) or 0) > _SHORT
