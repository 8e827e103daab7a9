"""Simulated sites for tests: built from YAML text, on the test's own loop."""

import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from drivers.profile import Profile
from drivers.profiles_store import load_library
from simulators.site import Site, load_site
from simulators.truth import TruthWriter
from simulators.world import World, running

PROFILES = Path(__file__).parents[1] / "simulators" / "profiles"


def library() -> Mapping[str, Profile]:
    """The shipped profiles and those of the tests."""
    return load_library([PROFILES])


def clock_ms() -> int:
    return time.time_ns() // 1_000_000


def site_of(text: str, folder: Path, profiles: Mapping[str, Profile] | None = None) -> Site:
    """Check a site given as text."""
    path = folder / "site.yaml"
    path.write_text(text, encoding="utf-8")
    return load_site(path, library() if profiles is None else profiles)


@asynccontextmanager
async def simulated(text: str, folder: Path) -> AsyncIterator[World]:
    """A site at work; its truth lies in `folder`."""
    profiles = library()
    site = site_of(text, folder, profiles)
    with TruthWriter(folder, clock_ms) as truth:
        async with running(World(site, profiles, folder, truth, clock_ms=clock_ms)) as world:
            yield world
