"""The driver of devices that push over HTTP: profiles checked, peers begun with, messages explained."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from drivers.api import PeerSession
from drivers.errors import FrameDamaged, Misconfigured
from drivers.http_push.body import parse
from drivers.http_push.digest import Nonces
from drivers.http_push.explain import explain
from drivers.http_push.mask import Mask
from drivers.http_push.meaning import Meaning, records_in
from drivers.http_push.session import Panels, PushSession
from drivers.http_push.settings import Nothing, Options, PointAt, bind_options, bind_points
from drivers.http_push.vectors import check_vector
from drivers.listen_check import NOW, compare, sent
from drivers.profile import Profile
from drivers.profile_check import conditions, kinds


class HttpPushDriver:
    """Door panels, gates and cameras that push what happens as JSON over HTTP."""

    protocol = "http-push"

    def __init__(self, nonces: Nonces | None = None) -> None:
        self._panels, self._nonces = Panels(), nonces or Nonces()

    def check(self, profile: Profile) -> None:
        """Check options, signals, points and examples of a profile; raise `Misconfigured` naming the places."""
        if profile.actions:
            raise Misconfigured("actions: a device that pushes takes no commands here")
        if {"auth", "key_file", "key_env"} & set(profile.options) and profile.options.get("auth") == "none":
            raise Misconfigured("options.auth: that nobody is asked for a key is said in the site file only")
        points = bind_points(profile)
        meaning = Meaning(profile, {})
        faults = [*kinds(profile, lambda name: points[name].truth)]
        faults += conditions(profile, lambda name: points[name].truth)
        faults += _examples(profile, meaning)
        if faults:
            raise Misconfigured("\n".join(faults))

    def source(self, profile: Profile, options: Mapping[str, Any]) -> str:
        """Return how the device names itself; raise `Misconfigured`."""
        address = bind_options(profile, options).address.strip()
        if not address:
            raise Misconfigured("options.address: is missing: what the device sends as its serial, MAC or id")
        self._panels.get(
            address, profile, options
        )  # so that a key that cannot be read is told before the start
        return address.upper()

    def session(
        self, devices: Mapping[str, tuple[Profile, Mapping[str, Any]]], options: Mapping[str, Any]
    ) -> PeerSession:
        """Begin with a new peer; raise `Misconfigured`."""
        return PushSession(
            [self._panels.get(source, made[0], {**options, **made[1]}) for source, made in devices.items()],
            self._nonces,
        )

    def address_types(self) -> tuple[type, type, type]:
        """Return the types of a point's `at`, an action's `at`, and `options`: for the schema."""
        return PointAt, Nothing, Options

    def mask(self) -> Mask:
        """Return what hides the keys in what one peer sends."""
        return Mask()

    def explain(self, frame: bytes) -> str:
        """Describe a captured request or its body, each value by its pointer; raise `FrameDamaged`."""
        return explain(frame)

    def check_vector(self, row: Mapping[str, Any], maps: Sequence[Mapping[str, Any]]) -> str | None:  # noqa: ARG002
        """Return None where our decoder agrees with one line of a vector file, else the disagreement."""
        return check_vector(row)


def _examples(profile: Profile, meaning: Meaning) -> Iterator[str]:
    for index, example in enumerate(profile.examples):
        try:
            message = parse(sent(example.reply), meaning.options.charset)
            told = meaning.tell(message, records_in(message, meaning.options), NOW)
        except FrameDamaged as err:
            yield f"examples[{index}]: {err}"
            continue
        yield from (f"examples[{index}].{it}" for it in compare(example, told.happenings, told.readings))
