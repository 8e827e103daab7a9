"""Cameras in tests: a line of them on real sockets, with alarms that need not hold."""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from drivers import registry
from drivers.api import ListenDriver
from drivers.profile import Profile
from gateway.cameras.place import Cameras
from gateway.listening.limits import Limits
from gateway.site.lines import Device, ListeningLine
from gateway.site.listening import Ear, Source
from gateway.site.site_file import CameraFile, DeviceFile, LineFile
from simulators.camera import Camera
from simulators.camera_scene import Scene
from simulators.camera_server import CameraServer
from tests.support.fire import shipped
from tests.support.gateway import START

PASSWORD = "schlüssel 7"
PACE = 0.05


def now() -> datetime:
    return START


def server(**options: Any) -> CameraServer:
    """A small camera that wants a login."""
    camera = Camera(clock=now, scene=Scene(size=(320, 180)), password=PASSWORD, **options)
    return CameraServer(camera)


def hasty(profile: Profile) -> Profile:
    """The profile with alarms that come and go at once."""
    events = {
        name: msgspec.structs.replace(event, hold_s=0, release_s=0) for name, event in profile.events.items()
    }
    return msgspec.structs.replace(profile, events=events)


def line(
    folder: Path, *ports: int, within: float | Mapping[str, float] | None = None, **options: Any
) -> ListeningLine:
    """A line of cameras at these ports; `within` is for all of them, or by name."""
    profile = hasty(shipped("onvif-camera"))
    secret = folder / "secret"
    secret.write_text(PASSWORD)
    driver = registry.get("onvif")
    assert isinstance(driver, ListenDriver)
    devices, sources = [], {}
    for number, port in enumerate(ports, 1):
        name = f"cam-{number}"
        made = {"address": f"127.0.0.1:{port}", "username": "admin", "password_file": str(secret), **options}
        periods = dict.fromkeys(("fire", "alarm", "billing", "routine", "slow"), PACE)
        devices.append(
            Device(name, DeviceFile(id=name, profile=profile.profile), profile, 1.0, periods, made, None)
        )
        lasts = within.get(name) if isinstance(within, Mapping) else within
        sources[name] = Source(driver.source(profile, made), lasts)
    ear = Ear("onvif", Cameras(folder / "cameras"), Limits(), sources)
    return ListeningLine("fire", LineFile(id="fire", camera=CameraFile()), ear, "cameras", tuple(devices))
