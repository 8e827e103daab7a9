"""Whether a configuration on trial is as well as what ran before it. Pure: health and time are handed in."""

from collections.abc import Collection, Iterator, Mapping
from enum import StrEnum

import msgspec

Health = Mapping[str, tuple[str, ...]]
"""The devices that answer, each with those of its points that are not good."""

MOST_ATTEMPTS = 3
NAMED = 5


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """How long a trial may last and has lasted, how often the process began within it, and what was before."""

    limit_s: float
    spent_s: float = 0.0
    attempts: int = 0
    before: dict[str, tuple[str, ...]] = {}

    @property
    def left_s(self) -> float:
        """What is left of its time."""
        return max(self.limit_s - self.spent_s, 0.0)


class Verdict(StrEnum):
    """What becomes of a trial now."""

    GOES_ON = "goes on"
    CONFIRMED = "confirmed"
    ROLL_BACK = "roll back"


def begun_again(trial: Trial) -> Trial | None:
    """Count a start of the process within a trial; None once it has had its chances: no loop of restarts."""
    if trial.attempts >= MOST_ATTEMPTS or trial.left_s <= 0:
        return None
    return msgspec.structs.replace(trial, attempts=trial.attempts + 1)


def worse(before: Health, now: Health, configured: Mapping[str, Collection[str]]) -> list[str]:
    """Say what was well before and is not now, most of it first; `configured` are the devices and their points.

    Devices that were taken out and devices that are new do not count: neither was well before.
    """
    there = [device for device in before if device in configured]
    silent = [device for device in there if device not in now]
    reasons = []
    if silent:
        reasons.append(f"{_named(silent)} no longer answer{'s' * (len(silent) == 1)}")
    for device in there:
        if device in now:
            lost = [
                point for point in now[device] if point in configured[device] and point not in before[device]
            ]
            if lost:
                reasons.append(f"{device}: {_named(lost)} not good")
    return reasons


def verdict(trial: Trial, reasons: Collection[str], *, heard: bool) -> tuple[Verdict, str]:
    """Judge a trial after the time it has spent; `heard` says that the server has stored something since it began."""
    if not reasons and heard:
        return Verdict.CONFIRMED, ""
    if trial.left_s > 0:
        return Verdict.GOES_ON, ""
    return Verdict.ROLL_BACK, why_not(trial, reasons, heard=heard)


def why_not(trial: Trial, reasons: Collection[str], *, heard: bool) -> str:
    """Say in words what was still missing."""
    return f"not as well as before within {trial.limit_s / 60:g} min: " + "; ".join(_missing(reasons, heard))


def _missing(reasons: Collection[str], heard: bool) -> Iterator[str]:
    if not heard:
        yield "the server was not reached"
    shown = list(reasons)[:NAMED]
    yield from shown
    if len(reasons) > len(shown):
        yield f"and {len(reasons) - len(shown)} more"


def _named(names: Collection[str]) -> str:
    shown = ", ".join(list(names)[:NAMED])
    return shown if len(names) <= NAMED else f"{shown} and {len(names) - NAMED} more"
