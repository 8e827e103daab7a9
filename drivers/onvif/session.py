"""What a camera's notifications mean: happenings, by the signals of its profile."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from drivers.api import Happening, Heard
from drivers.errors import FrameDamaged, Misconfigured
from drivers.onvif.events import Notification, notifications
from drivers.onvif.settings import On, Signals
from drivers.profile import Profile
from messages.codec import unusable
from messages.text import printable
from messages.types import Edge

MAX_EVIDENCE = 2048
TAKEN, NOT_TAKEN = b"taken", b"not taken"


def happening_of(note: Notification, signals: Signals) -> Happening | None:
    """Return what a notification tells, None where it is nothing that the profile knows, or no news of it."""
    found = signals.of(note)
    if found is None:
        return None
    name, on = found
    edge = _edge(note, on)
    if edge is None:
        return None
    part = " ".join(note.source[word] for word in on.part if note.source.get(word))
    state = note.operation is not None and edge is not Edge.PULSE
    at = None if note.at is None or unusable(note.at) else note.at
    return Happening(name, edge, at, described(note), note.raw[:MAX_EVIDENCE], part=part, state=state)


def described(note: Notification) -> str:
    """Say a notification in one line."""
    items = (
        f"{name}={value}" for name, value in [*note.source.items(), *note.key.items(), *note.data.items()]
    )
    return printable(f"{note.topic} {note.operation or ''} {', '.join(items)}", 400)


def _edge(note: Notification, on: On) -> Edge | None:
    value = _value(note.data, on)
    ends, begins = value in _lower(on.ends), value in _lower(on.begins)
    if on.once:
        # What a camera tells of the past when one begins to listen did not happen now.
        return None if ends or note.operation in {"Initialized", "Deleted"} else Edge.PULSE
    if note.operation == "Deleted" or ends:
        return Edge.CLEARED
    if begins:
        return Edge.RAISED
    return Edge.PULSE if value is None and note.operation is None else None


def _value(data: Mapping[str, str], on: On) -> str | None:
    lower = {name.lower(): value.strip().lower() for name, value in data.items()}
    if on.item:
        return next((lower[name.lower()] for name in on.item if name.lower() in lower), None)
    words = {*_lower(on.begins), *_lower(on.ends)}
    return next((value for value in lower.values() if value in words), None)


def _lower(words: Sequence[str]) -> frozenset[str]:
    return frozenset(word.lower() for word in words)


class CameraSession:
    """What one camera tells: whole documents in, messages out."""

    def __init__(self, source: str, profile: Profile | None) -> None:
        self._source, self._signals = source, None if profile is None else Signals(profile)

    def feed(self, data: bytes, now: datetime) -> Sequence[Heard]:  # noqa: ARG002
        """Take one document whole; raise `FrameDamaged` for what is none."""
        if not data:
            return ()
        notes = notifications(data)
        if not notes:
            raise FrameDamaged("a document without a notification")
        return [self.heard(note) for note in notes]

    def heard(self, note: Notification) -> Heard:
        """Return what a notification tells of this camera."""
        happening = None if self._signals is None else happening_of(note, self._signals)
        told = () if happening is None else (happening,)
        label = printable(note.topic, 80)
        return Heard(self._source, {}, told, TAKEN, NOT_TAKEN, label=label, raw=note.raw)

    def tick(self, now: datetime) -> Sequence[bytes]:  # noqa: ARG002
        """Return nothing: a camera is asked by whoever carries its messages."""
        return ()


def open_session(devices: Mapping[str, tuple[Profile, Mapping[str, Any]]]) -> CameraSession:
    """Begin to hear one camera, or one that nobody knows; raise `Misconfigured` for several."""
    if len(devices) > 1:
        raise Misconfigured(f"a session has one camera, this has {len(devices)}")
    source, profile = next(((name, made[0]) for name, made in devices.items()), ("camera", None))
    return CameraSession(source, profile)
