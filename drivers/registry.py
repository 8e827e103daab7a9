"""Drivers by the name of their protocol, found through the entry-point group `gatehouse.drivers`.

Looked up once, loaded when first asked for: a site without a protocol never imports its code.
"""

import functools
from collections.abc import Collection, Iterable, Mapping, Sequence
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

from drivers.api import Driver
from drivers.errors import Misconfigured
from drivers.profile import Profile
from drivers.profiles_store import check_with_driver, load_marked, load_marked_library
from drivers.strict_yaml import Problem, YamlError
from messages.text import printable

GROUP = "gatehouse.drivers"


class Registry:
    """The drivers of a set of entry points; one instance of each driver, made at its first use."""

    def __init__(self, found: Iterable[EntryPoint]) -> None:
        self._entries: dict[str, EntryPoint] = {}
        self._drivers: dict[str, Driver] = {}
        for entry in found:
            known = self._entries.get(entry.name)
            if known is not None and known.value != entry.value:
                raise Misconfigured(
                    f"two drivers are called {entry.name!r}: {known.value} and {entry.value}; uninstall one"
                )
            self._entries[entry.name] = entry

    def names(self) -> list[str]:
        """The protocols that can be asked for, sorted."""
        return sorted(self._entries)

    def get(self, protocol: str) -> Driver:
        """Return the driver of `protocol`; raise `Misconfigured` naming those that exist."""
        if protocol not in self._drivers:
            entry = self._entries.get(protocol)
            if entry is None:
                known = (
                    ", ".join(self.names()) or "none: install the package, or its entry points are missing"
                )
                raise Misconfigured(f"no driver for {printable(protocol, 40)!r}; known are {known}")
            try:
                driver = entry.load()()
            except (ImportError, AttributeError) as err:
                raise Misconfigured(
                    f"the driver {protocol!r} ({entry.value}) cannot be loaded: {err}"
                ) from err
            if getattr(driver, "protocol", None) != protocol:
                raise Misconfigured(f"{entry.value} does not call itself {protocol!r}")
            self._drivers[protocol] = driver
        return self._drivers[protocol]


@functools.cache
def installed() -> Registry:
    """The registry of what is installed."""
    return Registry(entry_points(group=GROUP))


def names() -> list[str]:
    """The protocols that can be asked for, sorted."""
    return installed().names()


def get(protocol: str) -> Driver:
    """Return the installed driver of `protocol`; raise `Misconfigured` naming those that exist."""
    return installed().get(protocol)


def checked_library(
    folders: Sequence[Path] = (), used: Collection[str] | None = None
) -> Mapping[str, Profile]:
    """Load all profiles and have each checked by its driver; raise `YamlError` with the problems of all files.

    Of the shipped ones, which the tests check, only those in `used` where that is given: a site of meters need not
    hold cameras in memory, neither their profiles nor their code.
    """
    problems: list[Problem] = []
    library: dict[str, Profile] = {}
    for name, (profile, marks, file) in load_marked_library(folders, used).items():
        library[name] = profile
        try:
            check_with_driver(profile, get(profile.protocol), marks, file)
        except YamlError as err:
            problems += err.problems
        except Misconfigured as err:
            problems.append(Problem(marks.get(("protocol",), 1), "protocol", str(err), str(file)))
    if problems:
        raise YamlError(problems)
    return library


def check_profile_file(path: Path) -> Profile:
    """Load one profile and have it checked by its driver; raise `YamlError` with every problem."""
    profile, marks = load_marked(path)
    try:
        driver = get(profile.protocol)
    except Misconfigured as err:
        raise YamlError([Problem(marks.get(("protocol",), 1), "protocol", str(err), str(path))]) from None
    check_with_driver(profile, driver, marks, path)
    return profile
