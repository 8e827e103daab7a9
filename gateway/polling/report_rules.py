"""Which points are reported by exception: a profile's word, then the line's, then the device's; the nearest wins."""

from collections.abc import Callable, Mapping
from decimal import Decimal

from drivers.profile import Profile, Report
from drivers.strict_yaml import parse_duration
from gateway.polling.report import Rule
from gateway.site.site_file import EVERY, LineFile, ReportFile
from messages.text import printable

SHORTEST_SILENCE_S, LONGEST_SILENCE_S = 1.0, 3600.0

Path = tuple[str | int, ...]
Wrong = Callable[[Path, str], None]


def report_rules(
    profile: Profile, line: ReportFile, device: ReportFile, path: Path, wrong: Wrong
) -> Mapping[str, Rule]:
    """Return the rules of a device's points; call `wrong` for what cannot be asked for at the device."""
    for name, wish in device.items():
        if name != EVERY and (why := refused(profile, name, wish)):
            wrong((*path, name), why)
        check_silence(wish, (*path, name), wrong)
    rules: dict[str, Rule] = {}
    for name, point in profile.points.items():
        if why_always(profile, name):
            continue
        asked: Report | str | None = point.report
        for layer in (line, device):
            asked = layer.get(name, layer.get(EVERY, asked))
        if isinstance(asked, Report):
            rules[name] = rule_of(asked)
    return rules


def check_line(line: LineFile, library: Mapping[str, Profile], path: Path, wrong: Wrong) -> None:
    """Call `wrong` for names that no device of a line has, and for what none of them can do."""
    known = [library[device.profile] for device in line.devices if device.profile in library]
    for name, asked in line.report.items():
        check_silence(asked, (*path, name), wrong)
        mine = [profile for profile in known if name in profile.points]
        if name == EVERY or not known:
            continue
        if not mine:
            wrong((*path, name), "no device of this line has such a point")
        elif isinstance(asked, Report) and all(why_always(profile, name) for profile in mine):
            wrong((*path, name), why_always(mine[0], name))


def refused(profile: Profile, name: str, asked: Report | str) -> str:
    """Say why this cannot be asked for a point, empty if it can."""
    if name not in profile.points:
        return f"{profile.profile} has no point {printable(name, 60)!r}"
    return why_always(profile, name) if isinstance(asked, Report) else ""


def why_always(profile: Profile, name: str) -> str:
    """Say why every reading of a point is told, empty where some may be left out."""
    if profile.points[name].billing:
        return "a billing register is never thinned: every reading of it is told"
    if any(event.when.point == name for event in profile.events.values()):
        return "an alarm rests on it: every reading of it is told"
    return ""


def check_silence(asked: Report | str, path: Path, wrong: Wrong) -> None:
    """Call `wrong` for a silence that is no time a device may be silent."""
    if isinstance(asked, Report):
        seconds = parse_duration(asked.max_silence)
        if not SHORTEST_SILENCE_S <= seconds <= LONGEST_SILENCE_S:
            wrong((*path, "max_silence"), f"{asked.max_silence} is not between 1s and 1h")


def rule_of(asked: Report) -> Rule:
    """Turn what is written into a rule."""
    percent = asked.deadband.endswith("%")
    return Rule(Decimal(asked.deadband.rstrip("%")), percent, parse_duration(asked.max_silence))
