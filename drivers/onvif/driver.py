"""The ONVIF driver: profiles checked, notifications explained. Cameras are asked by the gateway's camera lines."""

from collections.abc import Mapping, Sequence
from typing import Any

from drivers.api import PeerSession
from drivers.binding import bind
from drivers.errors import FrameDamaged, Misconfigured
from drivers.listen_check import example_faults
from drivers.onvif.events import Notification, notifications
from drivers.onvif.session import open_session
from drivers.onvif.settings import At, NoAction, Options, Signals, camera_of, points_of
from drivers.onvif.vectors import check_vector
from drivers.profile import Profile
from messages.text import printable


class OnvifDriver:
    """Cameras by ONVIF, RTSP and their pictures."""

    protocol = "onvif"

    def check(self, profile: Profile) -> None:
        """Check options, points, signals and captured examples of a profile; raise `Misconfigured`."""
        bind(dict(profile.options), Options, "options")
        points_of(profile)
        Signals(profile)
        if profile.actions:
            raise Misconfigured("actions: a camera has none here")
        faults = list(example_faults(profile, open_session))
        if faults:
            raise Misconfigured("\n".join(faults))

    def source(self, profile: Profile, options: Mapping[str, Any]) -> str:
        """Return the camera's address; raise `Misconfigured`."""
        camera = camera_of(profile, options, secrets=False)
        return camera.service

    def session(
        self,
        devices: Mapping[str, tuple[Profile, Mapping[str, Any]]],
        options: Mapping[str, Any],  # noqa: ARG002
    ) -> PeerSession:
        """Begin to hear a camera; there is one for each session. Raises `Misconfigured` for any other number."""
        return open_session(devices)

    def address_types(self) -> tuple[type, type, type]:
        """Return the types of a point's `at`, an action's `at`, and `options`: for the schema."""
        return At, NoAction, Options

    def explain(self, frame: bytes) -> str:
        """Describe one captured document; raise `FrameDamaged` for what is none."""
        found = notifications(frame)
        if not found:
            raise FrameDamaged("a document without a notification")
        return "\n".join(line for note in found for line in _lines(note))

    def check_vector(self, row: Mapping[str, Any], maps: Sequence[Mapping[str, Any]]) -> str | None:  # noqa: ARG002
        """Return None where our decoder agrees with one line of a vector file, else the disagreement."""
        return check_vector(row)


def _lines(note: Notification) -> list[str]:
    lines = [f"topic {printable(note.topic, 300)}"]
    lines.append(f"operation {note.operation or 'none'}, time {note.utc or 'none'}")
    for name, items in (("source", note.source), ("key", note.key), ("data", note.data)):
        lines += [f"{name} {printable(key, 80)} = {printable(value, 200)!r}" for key, value in items.items()]
    return lines
