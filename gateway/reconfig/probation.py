"""Whether a configuration on trial is as well as what ran before it. Pure: health and time are handed in.

What a change touches has to be well again: each such device that answered before. A neighbour, asked as before on a
wire that was set up anew, may die by chance: one alone does not count, two or more do. Lines that stay as they are
have nothing to do with the change, and their devices do not count at all.

A listening line that was open has to be open again, and its devices have to be heard again; but none that may be
silent for longer than the trial lasts: of those it is only said.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

import msgspec

from gateway.site.lines import Device, LineConfig, ListeningLine

Health = Mapping[str, tuple[str, ...]]
"""The devices that answer or are heard, each with those of its points that are not good, and listening lines."""

MOST_ATTEMPTS = 3
NAMED = 5
BY_CHANCE = 1  # so many neighbours may fall silent on a line during a trial, and it is not the change


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """How long a trial may last and has lasted, how often the process began within it, and what was before."""

    limit_s: float
    spent_s: float = 0.0
    attempts: int = 0
    before: dict[str, tuple[str, ...]] = {}
    """The devices that the change touches, as they were."""
    beside: dict[str, dict[str, tuple[str, ...]]] = {}
    """By line that is set up anew: the devices on it that are asked as before."""
    patient: tuple[str, ...] = ()
    """Devices that were heard, are concerned, and may be silent for longer than this: they decide nothing."""

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


def concerned(
    health: Health, old: Iterable[LineConfig | ListeningLine], new: Iterable[LineConfig | ListeningLine]
) -> tuple[dict[str, tuple[str, ...]], dict[str, dict[str, tuple[str, ...]]]]:
    """Return what of `health` a change touches, and what is beside it on its lines."""
    before = {line.id: line for line in old}
    touched: dict[str, tuple[str, ...]] = {}
    beside: dict[str, dict[str, tuple[str, ...]]] = {}
    for line in new:
        was = before.get(line.id)
        if was == line:
            continue
        known = {device.id: _asked(device) for device in was.devices} if was is not None else {}
        rewired = was is None or _wire(was) != _wire(line)
        if isinstance(line, ListeningLine) and (ear := ear_name(line.id)) in health:
            touched[ear] = health[ear]
        for device in line.devices:
            if device.id not in health:
                continue
            if rewired or known.get(device.id) != _asked(device):
                touched[device.id] = health[device.id]
            else:
                beside.setdefault(line.id, {})[device.id] = health[device.id]
    return touched, beside


def patient(lines: Iterable[LineConfig | ListeningLine], limit_s: float) -> frozenset[str]:
    """Return the devices that may be silent for longer than this without anything being wrong."""
    ears = (line.ear for line in lines if isinstance(line, ListeningLine))
    sources = (pair for ear in ears for pair in ear.sources.items())
    return frozenset(name for name, source in sources if source.within is None or source.within > limit_s)


def trial_of(
    limit_s: float,
    health: Health,
    old: Iterable[LineConfig | ListeningLine],
    new: Sequence[LineConfig | ListeningLine],
) -> Trial:
    """Begin a trial: who counts in it, by how all are before the change."""
    touched, beside = concerned(health, old, new)
    late = patient(new, limit_s)
    named = tuple(name for group in (touched, *beside.values()) for name in group if name in late)
    near = {
        line: {name: bad for name, bad in group.items() if name not in late} for line, group in beside.items()
    }
    before = {name: bad for name, bad in touched.items() if name not in late}
    return Trial(limit_s=limit_s, before=before, beside=near, patient=named)


def ear_name(line: str) -> str:
    """Name a listening line among devices; no device can be called so."""
    return f"line {line}"


def _wire(line: LineConfig | ListeningLine) -> object:
    if isinstance(line, LineConfig):
        return line.settings
    return line.ear.protocol, line.ear.place, line.ear.limits  # its devices are compared one by one


def _asked(device: Device) -> tuple[object, ...]:
    """Return all that decides whether and with what a device answers; its name and its place do not."""
    return device.file.unit, device.profile, device.options, device.timeout, device.periods, device.mode


class Missing(NamedTuple):
    """What speaks against a trial now, on whose account, and who is as well as before."""

    reasons: list[str]
    lost: dict[str, tuple[str, ...]]
    well: set[str]


def unwell(
    trial: Trial, well: Collection[str], now: Health, configured: Mapping[str, Collection[str]]
) -> Missing:
    """Judge all who count but `well`: those who were as well as before once since the trial began."""
    lost, found = _lost({"": trial.before}, well, now, configured, 0)
    beside, others = _lost(trial.beside, well, now, configured, BY_CHANCE)
    lost |= beside
    return Missing(worse(lost, now, configured), lost, found | others)


def _lost(
    groups: Mapping[str, Health],
    well: Collection[str],
    now: Health,
    configured: Mapping[str, Collection[str]],
    by_chance: int,
) -> tuple[dict[str, tuple[str, ...]], set[str]]:
    lost: dict[str, tuple[str, ...]] = {}
    found: set[str] = set()
    for group in groups.values():
        left = {device: bad for device, bad in group.items() if device not in well}
        worst = {device: bad for device, bad in left.items() if worse({device: bad}, now, configured)}
        found |= {device for device in left if device in now and device not in worst}
        if len(worst) > by_chance:
            lost |= worst
    return lost, found


@dataclass(slots=True)
class Aftermath:
    """Those on whose account something was rolled back, looked at with the configuration that they were well with."""

    offer: str
    suspects: Mapping[str, tuple[str, ...]]
    until: float

    def judge(self, health: Health, configured: Mapping[str, Collection[str]], now: float) -> str | None:
        """Return what is to be added to the reason once that is known; None while it is not."""
        still = [device for device, bad in self.suspects.items() if worse({device: bad}, health, configured)]
        if still and now < self.until:
            return None
        if not still:
            return ""
        do = "does" if len(still) == 1 else "do"
        return f"{_named(still)} {do} no better with the configuration before: look there first, then offer this again"


def worse(before: Health, now: Health, configured: Mapping[str, Collection[str]]) -> list[str]:
    """Say what was well before and is not now, most of it first; `configured` are the devices and their points.

    Devices that were taken out and devices that are new do not count: neither was well before.
    """
    there = [device for device in before if device in configured]
    silent = [device for device in there if device not in now]
    reasons = []
    deaf = [name for name in silent if name.startswith(ear_name(""))]
    if silent := [name for name in silent if name not in deaf]:
        reasons.append(f"{_named(silent)} no longer answer{'s' * (len(silent) == 1)}")
    if deaf:
        reasons.append(f"{_named(deaf)} no longer listen{'s' * (len(deaf) == 1)}")
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


def unheard(trial: Trial, now: Health) -> str:
    """Say who has not been heard since and need not have been; empty where everybody was."""
    missing = [name for name in trial.patient if name not in now]
    return f"not heard since, and may be silent for longer: {_named(missing)}" if missing else ""


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
