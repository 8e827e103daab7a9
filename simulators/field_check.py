"""Whether the field lines of a site fit together: ids, wires, addresses, and the words of their stories."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence

from drivers.profile import Profile
from simulators import isapi
from simulators.vocabulary import FieldDevice, FieldLine, Say, Site

SPEAKING = frozenset({"gb26875", "sia-dc09", "http-push", "onvif"})
SEEN = ("black", "frozen", "blurred", "obstructed", "moved")
"""What pictures can show, and is judged within a demo."""
EDGES = frozenset({"raised", "cleared", "pulse", "record"})
COMPONENTS = 30
_ALERTS = ("camera", "terminal")
_KINDS = {
    "http-push": ("door", "barrier", *_ALERTS),
    "cjt188": ("cold", "hot", "heat", "gas"),
    "mbus": ("heat", "water", "electricity", "gas"),
}
_SAYS = {
    "osdp": (re.compile(r"card|open|close|keys [0-9]{1,8}"), "say card, open, close or keys DIGITS"),
    "gb26875": (
        re.compile(
            r"component [1-9][0-9]? (normal|fire|fault|disabled)|system (normal|fire|fault)|operation (reset|silence)"
        ),
        "say component N STATE, system STATE or operation reset",
    ),
    "sia-dc09": (
        re.compile(r"[A-Z]{2}:[0-9]{0,4}|[136][0-9A-F]{3}:[0-9]{3}"),
        "say CODE:ZONE, as BA:501 or 1110:015",
    ),
    "http-push": (
        re.compile(r"[a-z_]{1,20}@[0-9]{1,3}(:\S{1,20})?"),
        "say EVENT@DOOR:CARD, or EVENT@LANE:PLATE of a barrier or camera",
    ),
    "onvif": (
        re.compile(rf"(tamper|record) (on|off)|picture ({'|'.join(SEEN)}|well)"),
        f"say tamper or record, and on or off; or picture, and well or one of {', '.join(SEEN)}",
    ),
    "fire-printer": (re.compile(r"\S+( [0-9]{1,3}/[0-9]{1,3})?( \S+)*"), "say EVENT LOOP/POINT WORDS"),
}

_ADDRESS = re.compile(r"[0-9A-Za-z-]{1,32}")
# A P1 port names its meter by the characters of its number, in hex; some who push, by a MAC.
_ADDRESSES = {
    "dsmr-p1": re.compile(r"([2-7][0-9A-F]){1,16}"),
    "http-push": re.compile(r"[0-9A-Za-z:-]{1,32}"),
    "gb26875": re.compile(r"[0-9A-Fa-f]{12}"),
    "dlt645": re.compile(r"[0-9]{1,12}"),
    "cjt188": re.compile(r"[0-9]{1,14}"),
    "mbus": re.compile(r"[0-9]{1,3}|[0-9]{8}"),
    "osdp": re.compile(r"[0-9]{1,3}"),
}

_Found = Iterator[tuple[tuple[str | int, ...], str]]


def field_misfits(site: Site, profiles: Mapping[str, Profile], not_here: Callable[[str], str]) -> _Found:
    """Yield each place where the field lines of a site do not fit together, and why; `not_here` judges endpoints."""
    lines = [line.id for line in site.lines]
    devices = [device.id for _, device in site.devices()]
    for at, line in enumerate(site.field):
        path: tuple[str | int, ...] = ("field", at)
        yield from _twice(line.id, lines, (*path, "id"))
        yield from _place(line, path, not_here)
        for index, device in enumerate(line.devices):
            place = (*path, "devices", index)
            yield from _twice(device.id, devices, (*place, "id"))
            yield from _device(line, device, profiles.get(device.profile), place)


def _twice(name: str, seen: list[str], path: tuple[str | int, ...]) -> _Found:
    if name in seen:
        yield path, f"`{name}` is used twice: give each its own id"
    seen.append(name)


def _place(line: FieldLine, path: tuple[str | int, ...], not_here: Callable[[str], str]) -> _Found:
    if not line.devices:
        yield (*path, "devices"), "a line without devices says nothing"
    if line.protocol in SPEAKING:
        if line.tcp is not None or line.pty is not None:
            yield path, "its devices connect to the gateway: give neither `tcp` nor `pty`"
        return
    if (line.tcp is None) == (line.pty is None):
        yield path, "give exactly one of `tcp` and `pty`"
    if line.tcp is not None and (wrong := not_here(line.tcp)):
        yield (*path, "tcp"), wrong
    if line.protocol in {"iec62056-21", "dsmr-p1", "fire-printer"} and (
        line.pty is None or len(line.devices) != 1
    ):
        yield path, "is one device on a `pty` of its own"


def _device(
    line: FieldLine, device: FieldDevice, profile: Profile | None, path: tuple[str | int, ...]
) -> _Found:
    if profile is None:
        yield (*path, "profile"), f"there is no profile `{device.profile}`"
        return
    if profile.protocol != line.protocol:
        yield (*path, "profile"), f"`{device.profile}` speaks {profile.protocol}, not {line.protocol}"
    if line.protocol in _KINDS and device.kind not in _KINDS[line.protocol]:
        yield (*path, "kind"), f"say one of {', '.join(_KINDS[line.protocol])}"
    if line.protocol not in {"fire-printer", "onvif"} and not _ADDRESSES.get(
        line.protocol, _ADDRESS
    ).fullmatch(device.address):
        yield (*path, "address"), "is missing: the device's address in the words of its protocol"
    for number, step in enumerate(device.story):
        yield from _step(line.protocol, device.kind, step, profile, (*path, "story", number))


def _step(protocol: str, kind: str, step: Say, profile: Profile, path: tuple[str | int, ...]) -> _Found:
    words, mend = _SAYS.get(protocol, (re.compile(r"(?!)"), "this device has nothing to say"))
    if not words.fullmatch(step.say) or (
        step.say.startswith("component") and int(step.say.split()[1]) > COMPONENTS
    ):
        yield (*path, "say"), mend
    elif kind in _ALERTS and not isapi.known(kind, step.say.partition("@")[0]):
        yield (*path, "say"), f"a {kind} has no such event"
    yield from _told(step.tells, profile, (*path, "tells"))


def _told(tells: Sequence[str], profile: Profile, path: tuple[str | int, ...]) -> _Found:
    for words in tells:
        code, _, edge = words.partition(" ")
        if edge not in EDGES:
            yield path, f"`{words}` does not end in one of {', '.join(sorted(EDGES))}"
        elif code not in profile.events and code not in profile.signals:
            yield path, f"profile `{profile.profile}` tells nothing of the name `{code}`"
