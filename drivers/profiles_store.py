"""Profiles from files: read strictly, cross-checked, collected into a library by id.

Nothing here knows a protocol, so that a simulator may load the same data. What only the driver can judge
(addresses, options, captured examples) is checked by `check_with_driver`.
"""

import difflib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from pathlib import Path
from typing import Any

from drivers.api import Driver
from drivers.errors import Misconfigured
from drivers.profile import Point, Profile, ReadBack, When
from drivers.strict_yaml import Marks, Problem, YamlError, line_of, load_as, parse_duration, path_text
from messages.text import printable
from messages.types import DEVICE_SILENT, MAX_POINTS

SHIPPED = Path(__file__).parent / "profiles"
MAX_PROFILES = 2000
LONGEST_WAIT_S = 120  # from a command to what it must show

_Found = tuple[tuple[str | int, ...], str]


def load_profile(path: Path) -> Profile:
    """Read and cross-check one profile; raise `YamlError` with every problem by file and line."""
    return load_marked(path)[0]


def load_marked(path: Path) -> tuple[Profile, Marks]:
    """Read and cross-check one profile, and return where each part of it stands; raise `YamlError`."""
    profile, marks = load_as(path, Profile)
    problems = [
        Problem(line_of(marks, place), path_text(place), text, str(path))
        for place, text in _cross_check(profile, path)
    ]
    if problems:
        raise YamlError(problems)
    return profile, marks


def profile_files(folders: Sequence[Path] = ()) -> list[Path]:
    """List the shipped profiles' files, then those in `folders`; raise `YamlError` for a folder that is none."""
    files = sorted(SHIPPED.glob("*.yaml"))
    for folder in folders:
        if not folder.is_dir():
            raise YamlError([Problem(1, "", "is no folder of profiles", str(folder))])
        files += sorted(folder.glob("*.yaml"))
    if len(files) > MAX_PROFILES:
        raise YamlError([Problem(1, "", f"more than {MAX_PROFILES} profiles", str(folders))])
    return files


def nearest(name: str, more: Iterable[str] = ()) -> str:
    """Return the shipped profile, or that of `more`, whose id is most like `name`; empty where none is."""
    known = sorted({*more, *(file.stem for file in SHIPPED.glob("*.yaml"))})
    return next(iter(difflib.get_close_matches(name, known, n=1, cutoff=0.5)), "")


def load_library(folders: Sequence[Path] = ()) -> Mapping[str, Profile]:
    """Load the shipped profiles and those of `folders`; raise `YamlError` with the problems of all files.

    An id may be given once only: a site's own profile does not silently replace a shipped one.
    """
    return {name: profile for name, (profile, _, _) in load_marked_library(folders).items()}


def load_marked_library(
    folders: Sequence[Path] = (), used: Collection[str] | None = None
) -> Mapping[str, tuple[Profile, Marks, Path]]:
    """As `load_library`, each profile with its marks and its file; of the shipped ones those in `used`, if given."""
    library: dict[str, tuple[Profile, Marks, Path]] = {}
    problems: list[Problem] = []
    for file in profile_files(folders):
        if file.parent == SHIPPED and used is not None and file.stem not in used:
            continue
        try:
            profile, marks = _known(file) if file.parent == SHIPPED else load_marked(file)
        except YamlError as err:
            problems += err.problems
            continue
        if profile.profile in library:
            other = library[profile.profile][2]
            problems.append(
                Problem(line_of(marks, ("profile",)), "profile", f"is already given by {other}", str(file))
            )
        else:
            library[profile.profile] = (profile, marks, file)
    if problems:
        raise YamlError(problems)
    return library


def _known(file: Path) -> tuple[Profile, Marks]:
    """Read a shipped profile once for the life of the process, which loads a site again at each reload and offer."""
    told = file.stat()
    return _read_once(file, told.st_mtime_ns, told.st_size)


@lru_cache(maxsize=MAX_PROFILES)
def _read_once(file: Path, _changed_ns: int, _size: int) -> tuple[Profile, Marks]:
    return load_marked(file)


def check_with_driver(profile: Profile, driver: Driver, marks: Marks, file: Path) -> None:
    """Let the protocol's driver check addresses, options and examples; raise `YamlError` naming the lines.

    A driver names places as `points.power.at: what is wrong`, one a line.
    """
    try:
        driver.check(profile)
    except Misconfigured as err:
        lines = {path_text(path): line for path, line in marks.items()}
        raise YamlError(
            [_placed(text, lines, str(file)) for text in str(err).splitlines() if text.strip()]
        ) from None


def _placed(text: str, lines: Mapping[str, int], file: str) -> Problem:
    path, colon, rest = text.partition(": ")
    if not colon or " " in path:
        return Problem(1, "", text, file)
    place = path
    while place and place not in lines:
        place = place[: max(place.rfind("."), place.rfind("["), 0)]
    return Problem(lines.get(place, 1), path, rest, file)


def _cross_check(profile: Profile, path: Path) -> Iterator[_Found]:
    if path.stem != profile.profile:
        yield ("profile",), f"must be the file's name: rename the file to {profile.profile}.yaml, or this"
    if len(profile.points) > MAX_POINTS or not (profile.points or profile.signals):
        yield ("points",), f"needs 1 to {MAX_POINTS} points, or signals"
    if not profile.source:
        yield ("source",), "needs a word on where this map comes from"
    for name, point in profile.points.items():
        yield from _check_point(("points", name), point)
    yield from _check_whole(profile)
    yield from _check_groups(profile)
    yield from _check_reports(profile)
    for name, event in profile.events.items():
        yield from _check_when(("events", name, "when"), event.when, profile)
    for name in profile.events.keys() & profile.signals.keys():
        yield ("signals", name), "is the name of an event already"
    for kind, codes in (("events", profile.events), ("signals", profile.signals)):
        if DEVICE_SILENT in codes:
            yield (kind, DEVICE_SILENT), "is told by the gateway itself: choose another name"
    for name, action in profile.actions.items():
        if action.read_back is not None:
            yield from _check_read_back(("actions", name, "read_back"), action.read_back, profile)
    yield from _check_examples(profile)


def _check_whole(profile: Profile) -> Iterator[_Found]:
    billing = [name for name, point in profile.points.items() if point.billing]
    if profile.device_class == "fire" and profile.actions:
        yield ("actions",), "a fire panel is never commanded: remove the actions"
    if billing and not profile.resource:
        yield ("points", billing[0], "billing"), "a billed register needs the profile's `resource`"
    if billing and profile.resource == "electricity" and not profile.register_basis:
        yield (
            ("points", billing[0], "billing"),
            "needs the profile's `register_basis`: primary, secondary or configurable (who multiplies by CT and PT)",
        )


def _check_reports(profile: Profile) -> Iterator[_Found]:
    watched = {event.when.point for event in profile.events.values()}
    for name, point in profile.points.items():
        if point.report is not None and name in watched:
            yield ("points", name, "report"), "an alarm rests on this point: take `report` out, or the event"


def _check_groups(profile: Profile) -> Iterator[_Found]:
    if profile.firmware is not None and profile.firmware not in profile.points:
        yield ("firmware",), _unknown_point(profile.firmware, profile)
    grouped: set[str] = set()
    for index, group in enumerate(profile.atomic):
        if len(group) < 2:
            yield ("atomic", index), "needs two points at least"
        for place, name in enumerate(group):
            if name not in profile.points:
                yield ("atomic", index, place), _unknown_point(name, profile)
            elif name in grouped:
                yield ("atomic", index, place), f"`{name}` is in a group already"
            grouped.add(name)


def _check_point(place: tuple[str | int, ...], point: Point) -> Iterator[_Found]:
    if point.billing and point.kind != "register":
        yield (*place, "kind"), "a billed point must be of kind register"
    if point.billing and point.modulus is None:
        yield (
            (*place, "billing"),
            "a billed register needs `modulus`: the value at which it starts again at 0",
        )
    if point.modulus is not None and point.modulus <= 0:
        yield (*place, "modulus"), "must be above 0"
    if point.billing and point.report is not None:
        yield (*place, "report"), "a billing register is never thinned: take `report` out"
    for index, pattern in enumerate(point.missing):
        if not _is_hex(pattern):
            yield (*place, "missing", index), f"{printable(pattern, 40)!r} is no hex, for example FFFF"


def _is_hex(text: str) -> bool:
    return bool(text) and len(text) % 2 == 0 and set(text) <= set("0123456789abcdefABCDEF")


def _check_when(place: tuple[str | int, ...], when: When, profile: Profile) -> Iterator[_Found]:
    point = profile.points.get(when.point)
    if point is None:
        yield (*place, "point"), _unknown_point(when.point, profile)
        return
    given = _given({"is": when.is_, "equals": when.equals, "above": when.above, "below": when.below})
    if len(given) != 1:
        yield place, f"needs exactly one of is, equals, above, below; it has {', '.join(given) or 'none'}"
    elif given == ["is"] and point.kind != "state":
        yield (*place, "is"), f"`{when.point}` is a {point.kind}: use equals, above or below"
    elif given[0] in {"above", "below"} and point.kind == "state":
        yield (*place, given[0]), f"`{when.point}` is a state: use is or equals"
    if when.deadband < 0 or (when.deadband and given and given[0] not in {"above", "below"}):
        yield (*place, "deadband"), "goes with above or below, and is not negative"


def _check_read_back(place: tuple[str | int, ...], back: ReadBack, profile: Profile) -> Iterator[_Found]:
    if back.point not in profile.points:
        yield (*place, "point"), _unknown_point(back.point, profile)
    if len(_given({"is": back.is_, "equals": back.equals})) != 1:
        yield place, "needs exactly one of is, equals"
    after, within = parse_duration(back.after), parse_duration(back.within)
    for key, seconds in (("after", after), ("within", within)):
        if seconds > LONGEST_WAIT_S:
            yield (*place, key), f"is more than {LONGEST_WAIT_S} s: nobody waits so long for a command"
    if within and after >= within:
        yield (*place, "after"), "must be shorter than `within`: nobody would look in time"


def _check_examples(profile: Profile) -> Iterator[_Found]:
    if not profile.examples:
        yield ("examples",), "needs at least one example: a reply in hex and what it must decode to"
    for index, example in enumerate(profile.examples):
        place = ("examples", index)
        if not example.expect and not example.happens:
            yield (*place, "expect"), "says nothing: name a point and its value, or what happens"
        for name in example.happens:
            if name.split(" ")[0] not in profile.signals:
                yield (*place, "happens"), f"there is no signal `{printable(name, 60)}`"
        for name, value in example.expect.items():
            if name not in profile.points:
                yield (*place, "expect", name), _unknown_point(name, profile)
            elif not _is_value(value):
                yield (*place, "expect", name), "must be a decimal number, true, false or null"


def _given(conditions: Mapping[str, Any]) -> list[str]:
    return [name for name, value in conditions.items() if value is not None]


def _is_value(value: Any) -> bool:
    if value is None or isinstance(value, bool | int | Decimal):
        return True
    try:
        return isinstance(value, str) and Decimal(value).is_finite()
    except InvalidOperation:
        return False


def _unknown_point(name: str, profile: Profile) -> str:
    known = list(profile.points)
    more = f" and {len(known) - 12} more" if len(known) > 12 else ""
    return f"there is no point `{printable(name, 60)}`; points are {', '.join(known[:12])}{more}"
