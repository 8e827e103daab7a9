"""What a profile and a site say of a camera, as types: points, signals, options, and where the camera is."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlsplit

import msgspec

from drivers.binding import bind
from drivers.errors import Misconfigured
from drivers.onvif.events import Notification, bare
from drivers.profile import Profile, Strict
from drivers.secret import secret_of
from messages.text import printable

Fact = Literal[
    "online", "onvif_up", "rtsp_up", "events_up", "login_ok", "clock_offset_s", "brightness", "contrast", "sharpness",
    "sharpness_pct", "likeness_pct", "covered_pct", "colour_shift", "lost", "black", "frozen", "blurred",
    "obstructed", "moved", "colour_cast",
]  # fmt: skip

OF_PICTURE: Final[frozenset[str]] = frozenset(
    {
        "brightness", "contrast", "sharpness", "sharpness_pct", "likeness_pct", "covered_pct", "colour_shift",
        "lost", "black", "frozen", "blurred", "obstructed", "moved", "colour_cast",
    }
)  # fmt: skip
"""What is found by looking at a picture; the rest by asking the camera."""

TRUE: Final = ("true", "1", "on", "active")
FALSE: Final = ("false", "0", "off", "inactive")

Topic = Annotated[str, msgspec.Meta(min_length=1, max_length=300)]
Word = Annotated[str, msgspec.Meta(min_length=1, max_length=80)]
FileName = Annotated[str, msgspec.Meta(min_length=1, max_length=400)]
Share = Annotated[int, msgspec.Meta(ge=0, le=100)]


class At(Strict, frozen=True, kw_only=True):
    """Which fact of a camera a point shows."""

    of: Fact


class NoAction(Strict, frozen=True, kw_only=True):
    """What an action would say: a camera has none."""


class On(Strict, frozen=True, kw_only=True):
    """What makes a signal: topics without prefixes (`*` for any word), and the data item that says how it stands."""

    topics: tuple[Topic, ...] = ()
    item: tuple[Word, ...] = ()
    """Names of the data item, the first that is there counts; none: the one that holds one of the words below."""
    begins: tuple[Word, ...] = TRUE
    ends: tuple[Word, ...] = FALSE
    part: tuple[Word, ...] = ()
    """Source items that say which part of the camera it concerns."""
    once: bool = False
    """It happens and does not last."""
    own: Literal["identity"] | None = None
    """Who the camera says that it is: told when that changes."""


class Options(Strict, frozen=True, kw_only=True):
    """`options` of a profile, its line and its device, merged."""

    address: Annotated[str, msgspec.Meta(max_length=200)] = ""
    """Host, host:port, or the URL of the device service."""
    username: Annotated[str, msgspec.Meta(max_length=100)] = ""
    password_file: FileName | None = None
    password_env: FileName | None = None
    profile_token: Annotated[str, msgspec.Meta(max_length=100)] = ""
    """Which media profile is looked at; usually the first."""
    snapshot_url: Annotated[str, msgspec.Meta(max_length=300)] = ""
    """For cameras that do not tell theirs, or tell a wrong one."""
    rtsp_url: Annotated[str, msgspec.Meta(max_length=300)] = ""
    events: bool = True
    """Whether to ask for events."""
    overlay_pct: Annotated[int, msgspec.Meta(ge=0, le=30)] = 12
    """How much of the picture's top and bottom may hold burnt-in text: not looked at for a frozen picture."""
    blur_pct: Share = 15
    """A picture is blurred below this share of the camera's own usual sharpness."""
    likeness_pct: Share = 50
    """It shows something else below this likeness to the camera's usual picture."""
    covered_pct: Share = 60
    """It is obstructed when this share of what has structure has none any more."""
    colour_shift: Annotated[int, msgspec.Meta(ge=4, le=128)] = 16
    """It has a cast when its colour is this far from the usual."""


@dataclass(frozen=True, slots=True)
class Camera:
    """How a camera is reached and looked at."""

    host: str
    port: int
    tls: bool
    path: str
    options: Options
    password: str | None = field(default=None, repr=False)

    @property
    def service(self) -> str:
        """The URL of the device service; it holds no login."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.tls else 'http'}://{host}:{self.port}{self.path}"


def camera_of(profile: Profile, options: Mapping[str, Any], *, secrets: bool = True) -> Camera:
    """Check the options of a camera and read its password; raise `Misconfigured`."""
    merged = {**profile.options, **options}
    made = bind(merged, Options, "options")
    host, port, tls, path = place_of(made.address)
    for name in ("snapshot_url", "rtsp_url"):
        try:
            given = urlsplit(getattr(made, name)).netloc
        except ValueError:
            raise Misconfigured(f"options.{name}: is no address") from None
        if "@" in given:
            raise Misconfigured(f"options.{name}: holds a login: write username and password_file instead")
    password = secret_of(merged, "password") if secrets else None
    if made.username and secrets and password is None:
        raise Misconfigured("options.password_file: is missing: the file that holds the camera's password")
    if password is not None and not made.username:
        raise Misconfigured("options.username: is missing: whose password is it?")
    return Camera(host, port, tls, path, made, password)


def place_of(address: str) -> tuple[str, int, bool, str]:
    """Return host, port, whether TLS, and path of a device service; raise `Misconfigured`."""
    wrong = Misconfigured(
        f"address: {printable(address.rpartition('@')[2], 80)!r}: write 192.168.1.64, 192.168.1.64:8080 or "
        "http://192.168.1.64/onvif/device_service, and no login"
    )
    whole = address if "://" in address else f"http://{address}"
    try:
        parts = urlsplit(whole)
        port = parts.port
    except ValueError:
        raise wrong from None
    host = parts.hostname or ""
    if (
        "@" in parts.netloc
        or parts.scheme not in {"http", "https"}
        or not re.fullmatch(r"[\w.:%-]{1,100}", host)
    ):
        raise wrong
    tls = parts.scheme == "https"
    path = parts.path if parts.path not in {"", "/"} else "/onvif/device_service"
    return host, port or (443 if tls else 80), tls, path


def points_of(profile: Profile) -> Mapping[str, str]:
    """Return the fact that each point shows; raise `Misconfigured`."""
    return {name: bind(point.at, At, f"points.{name}.at").of for name, point in profile.points.items()}


class Signals:
    """The signals of a profile by the topics that make them."""

    def __init__(self, profile: Profile) -> None:
        self._on = {name: bind(one.on, On, f"signals.{name}.on") for name, one in profile.signals.items()}
        if faults := list(_faults(self._on)):
            raise Misconfigured("\n".join(faults))
        self._topics = [(_pattern(topic), name, on) for name, on in self._on.items() for topic in on.topics]
        self.identity = next((name for name, on in self._on.items() if on.own == "identity"), None)

    def of(self, note: Notification) -> tuple[str, On] | None:
        """Return the signal of a notification, None where the profile has none: the first that fits."""
        path = note.path
        return next(((name, on) for pattern, name, on in self._topics if pattern.fullmatch(path)), None)


def _pattern(topic: str) -> re.Pattern[str]:
    words = ("[^/]+" if word == "*" else re.escape(word) for word in bare(topic).split("/"))
    return re.compile("/".join(words), re.IGNORECASE)


def _faults(signals: Mapping[str, On]) -> Iterator[str]:
    begun: dict[str, str] = {}
    for name, on in signals.items():
        place = f"signals.{name}.on"
        if (on.own is not None) == bool(on.topics):
            yield f"{place}: needs `topics`, or else `own: identity`"
        both = {word.lower() for word in on.begins} & {word.lower() for word in on.ends}
        if both:
            yield f"{place}: {', '.join(sorted(both))} cannot both begin and end it"
        for topic in on.topics:
            known = begun.setdefault(bare(topic).lower(), name)
            if known != name:
                yield f"{place}.topics: {printable(topic, 80)} belongs to {known} already"
