"""A profile against this driver: addresses, signals, actions, and examples decoded as in the field."""

from collections.abc import Iterator, Mapping
from typing import Final

from drivers.api import Reading
from drivers.binding import bind, from_hex
from drivers.errors import DriverError, Misconfigured
from drivers.osdp.address import Options, PointAt, SignalOn, bind_action, bind_point, bind_signal
from drivers.osdp.codes import name as name_of
from drivers.osdp.credentials import Telling
from drivers.osdp.frames import parse
from drivers.osdp.talk import Said
from drivers.osdp.values import ANSWERS, Teller, held
from drivers.profile import Example, Profile
from drivers.profile_check import conditions, same

_NEUTRAL: Final = Telling("clear")


def check_profile(profile: Profile) -> None:
    """Raise `Misconfigured` with one line `place: what is wrong` for each problem found."""
    points = {name: bind_point(point.at, f"points.{name}.at") for name, point in profile.points.items()}
    signals = {name: bind_signal(made.on, f"signals.{name}.on") for name, made in profile.signals.items()}
    faults = [*_check_kinds(profile, points), *conditions(profile, lambda name: points[name].truth)]
    if signals and not any(at.session for at in points.values()):
        faults.append(
            "signals: need a point of the session, for example at: {session: online}: it is what polls"
        )
    for name, action in profile.actions.items():
        bind_action(action.at, f"actions.{name}.at")
    bind(profile.options, Options, "options")
    for index, example in enumerate(profile.examples):
        try:
            faults += [f"examples[{index}].{fault}" for fault in _check_example(example, points, signals)]
        except DriverError as err:
            faults.append(f"examples[{index}]: {err}")
    if faults:
        raise Misconfigured("\n".join(faults))


def _check_kinds(profile: Profile, points: Mapping[str, PointAt]) -> Iterator[str]:
    for name, point in profile.points.items():
        if points[name].truth and point.kind != "state":
            yield f"points.{name}.kind: a true or false point is a state"
        if point.exp:
            yield f"points.{name}.exp: nothing here has a scale"


def _check_example(
    example: Example, points: Mapping[str, PointAt], signals: Mapping[str, SignalOn]
) -> Iterator[str]:
    frame = parse(from_hex(example.reply))
    if not frame.reply:
        yield "reply: is a command"
    elif frame.encrypted:
        yield "reply: is encrypted: nothing but its session can read it"
    else:
        said = Said(False, False, False, heard=((frame.code, frame.data),))
        yield from _check_values(example, points, frame.code, frame.data)
        happened = tuple(made.code for made in Teller(signals, _NEUTRAL).happenings(said))
        if happened != example.happens:
            yield f"happens: the reply says {', '.join(happened) or 'nothing'}"


def _check_values(example: Example, points: Mapping[str, PointAt], code: int, data: bytes) -> Iterator[str]:
    for name, wanted in example.expect.items():
        at = points[name]
        if ANSWERS.get(at.command) != code:
            yield f"expect.{name}: is not told by {name_of(code, reply=True)}"
            continue
        found: Reading = held(at, data)
        if not same(found.value, wanted):
            yield f"expect.{name}: is {wanted} here, and the reply decodes to {found.value} ({found.quality.value})"
