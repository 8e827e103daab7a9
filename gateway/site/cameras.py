"""Lines of cameras, as they are checked."""

import importlib.util
from collections.abc import Mapping
from pathlib import Path

from drivers import registry
from drivers.api import ListenDriver
from drivers.errors import Misconfigured
from drivers.onvif.settings import camera_of
from drivers.profile import Profile
from drivers.secret import placed
from drivers.strict_yaml import parse_duration
from gateway.cameras.place import Cameras
from gateway.listening.limits import Limits
from gateway.site.listening import (
    CAMERAS,
    LONGEST_WITHIN_S,
    SHORTEST_WITHIN_S,
    Ear,
    Source,
    Wrong,
    options_of,
)
from gateway.site.listening import Path as Place
from gateway.site.site_file import NEVER, CameraFile, DeviceFile, LineFile

HEARD_WITHIN = "60s"
NEEDED = ("httpx", "numpy", "PIL")


def ear_of_cameras(
    line: LineFile,
    camera: CameraFile,
    path: Place,
    library: Mapping[str, Profile],
    beside: Path,
    state_dir: Path,
    wrong: Wrong,
    *,
    secrets: bool = True,
) -> Ear | None:
    """Check a line of cameras; call `wrong` for each problem. Passwords are looked for where `secrets`."""
    if line.tcp is not None or line.serial is not None or line.listen is not None:
        wrong((*path, "camera"), "a line with `camera` has no `tcp`, `serial` or `listen`")
        return None
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        text = f"needs {', '.join(missing)}: install gatehouse-iot[gateway,cameras]"
        wrong((*path, "camera"), text)
        return None
    if not line.devices:
        wrong((*path, "devices"), "a camera line needs a camera")
    sources: dict[str, Source] = {}
    for index, entry in enumerate(line.devices):
        place = (*path, "devices", index)
        source = _source(
            line, camera, entry, library.get(entry.profile), place, beside, wrong, secrets=secrets
        )
        if source is None:
            continue
        twin = next((other for other, known in sources.items() if known.name == source.name), None)
        if twin is not None:
            wrong(place, f"is at {source.name} as {twin} is")
        sources[entry.id] = source
    return Ear(CAMERAS, Cameras(state_dir / "cameras", camera.at_once, camera.evidence), Limits(), sources)


def _source(
    line: LineFile,
    camera: CameraFile,
    entry: DeviceFile,
    profile: Profile | None,
    path: Place,
    beside: Path,
    wrong: Wrong,
    *,
    secrets: bool,
) -> Source | None:
    if profile is None:
        return None  # that has been said
    if profile.protocol != CAMERAS:
        wrong(path, f"{profile.profile} is no camera: put it on a line without `camera`")
        return None
    options = placed(options_of(line, entry), lambda name: (beside / Path(name).expanduser()).absolute())
    try:
        driver = registry.get(profile.protocol)
        assert isinstance(driver, ListenDriver)
        name = driver.source(profile, options)
        camera_of(profile, options, secrets=secrets)
    except Misconfigured as err:
        wrong(path, f"{entry.id}: {err}")
        return None
    text = entry.heard_within or camera.heard_within or HEARD_WITHIN
    if text == NEVER:
        return Source(name, None)
    within = parse_duration(text)
    if not SHORTEST_WITHIN_S <= within <= LONGEST_WITHIN_S:
        wrong((*path, "heard_within"), "write 5s to 168h, or never where silence means nothing")
    return Source(name, within)
