"""Which tools may be at work beside each other: asked by the server before it sends, by the gateway before it acts."""

from collections.abc import Sequence
from typing import Final, NamedTuple

MOST_TOOLS: Final = 4
MOST_PICTURES: Final = 4
"""Of one gateway. Pictures are counted apart: a guard's never waits because engineers are at work."""

PICTURES: Final = frozenset({"snapshot"})
LOOK_ON: Final = frozenset({"trace", "watch"})
"""Where a line listens these only look on; where it is polled they are as any other."""


class AtWork(NamedTuple):
    """A job that has not ended."""

    tool: str
    line: str | None


def shared(tool: str, *, listens: bool) -> bool:
    """Say whether a tool disturbs nobody on a line, one that `listens` or one that is polled."""
    return tool in PICTURES or (listens and tool in LOOK_ON)


def in_the_way(wanted: AtWork, others: Sequence[AtWork], *, listens: bool) -> int | None:
    """Return the place of the job that holds the line of the wanted one, None where it may begin."""
    if wanted.line is None or shared(wanted.tool, listens=listens):
        return None
    for place, other in enumerate(others):
        if other.line == wanted.line and not shared(other.tool, listens=listens):
            return place
    return None


def too_many(tool: str, others: Sequence[AtWork]) -> str:
    """Say what there are too many of for one more, empty where there is room."""
    pictures = sum(other.tool in PICTURES for other in others)
    if tool in PICTURES:
        return f"{MOST_PICTURES} pictures are on their way" if pictures >= MOST_PICTURES else ""
    return f"{MOST_TOOLS} tools are at work" if len(others) - pictures >= MOST_TOOLS else ""
