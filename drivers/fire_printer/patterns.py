"""Regular expressions of a profile, kept to what no line can hold up.

Python's matcher backtracks. Without a repeat around a group, and with few repeats that may match anywhere, its time is
bounded by a low power of a record's length, which is bounded too.
"""

import re
from typing import Final

from drivers.errors import Misconfigured

MAX_WIDE: Final = 3
GROUPS: Final = frozenset(
    {"event", "date", "time", "year", "month", "day", "zone", "loop", "point", "device", "where", "label"}
)

_WIDE_CHARS: Final = 64
_WIDE_ESCAPES: Final = frozenset({".", r"\S", r"\w", r"\W", r"\D"})
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
    wide, before = 0, ""
    for token in _TOKEN.finditer(text):
        part, kind = token[0], token.lastgroup
        if kind == "repeat":
            if before == ")" and not part.startswith("?"):
                return "repeats a group: a line could hold it up; write out what may follow"
            wide += _endless(part) and _is_wide(before)
        elif (kind == "open" and text[token.end() : token.end() + 1] == "?") or re.fullmatch(
            r"\\[1-9]", part
        ):
            return "looks around or back: only plain groups, sets and repeats are allowed"
        before = part
    if wide > MAX_WIDE:
        return f"has {wide} repeats that may match anywhere; {MAX_WIDE} are allowed: name what stands between them"
    return ""


def _endless(repeat: str) -> bool:
    bounds = _BOUNDS.match(repeat)
    if bounds is None:
        return repeat[0] in "*+"
    low, comma, high = bounds.groups()
    return int(high or (low if not comma else _SHORT + 1) or 0) > _SHORT


def _is_wide(atom: str) -> bool:
    if not atom.startswith("["):
        return atom in _WIDE_ESCAPES
    one = re.compile(atom)
    return (
        bool(one.fullmatch("中"))
        or sum(one.fullmatch(chr(code)) is not None for code in range(128)) > _WIDE_CHARS
    )
