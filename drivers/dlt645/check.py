"""A profile against this driver: addresses, options, events, and examples decoded from their frames."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

from drivers.api import DeviceDriver, Reading, Transaction
from drivers.binding import from_hex
from drivers.dlt645.frames import Frame, frames_in
from drivers.dlt645.frozen import SETTLED, needs
from drivers.dlt645.plan import Talk
from drivers.dlt645.points import Bound, PointMap
from drivers.dlt645.reply import segment
from drivers.dlt645.talk import gathered
from drivers.errors import DriverError, Misconfigured
from drivers.profile import Example, Profile
from drivers.profile_check import conditions, same


class Bindable(DeviceDriver, Protocol):
    """A device that tells how its points are bound."""

    points: PointMap


Bind = Callable[[Profile, int | None, Mapping[str, Any]], Bindable]


def check_profile(profile: Profile, device: Bind) -> None:
    """Raise `Misconfigured` with one line `place: what is wrong` for each problem found."""
    made = device(profile, 1, {})
    faults = [
        *conditions(profile, lambda name: profile.points[name].kind == "state"),
        *_instants(profile, made.points),
    ]
    for index, example in enumerate(profile.examples):
        # Each with a device of its own: what one example tells is not old news in the next.
        try:
            faults += [
                f"examples[{index}].{fault}"
                for fault in _example(example, device(profile, 1, {}), made.points)
            ]
        except (DriverError, ValueError) as err:
            faults.append(f"examples[{index}]: {err}")
    if faults:
        raise Misconfigured("\n".join(faults))


def _instants(profile: Profile, points: PointMap) -> Iterator[str]:
    """A register that the meter froze is billed under its own instant, which must be read with it."""
    for name, point in profile.points.items():
        bound = points.points[name]
        needed = needs(bound.di) if point.billing and isinstance(bound, Bound) else ""
        if not needed:
            continue
        group = next((group for group in profile.atomic if name in group), ())
        told = {
            other.di if isinstance(other, Bound) else other.what
            for other in (points.points[one] for one in group)
        }
        if needed not in told:
            what = "`derived: settled`" if needed == SETTLED else needed
            yield f"points.{name}.billing: a frozen register is billed in an `atomic` group with its instant, {what}"


def _example(example: Example, device: DeviceDriver, points: PointMap) -> Iterator[str]:
    payload = b"".join(segment(frame) for frame in _answers(example))
    reads = gathered(payload)
    inside = tuple(
        name
        for name, bound in points.points.items()
        if not isinstance(bound, Bound) or any(points.inside(di, name) is not None for di in reads)
    )
    made = Transaction(inside, Talk(tuple(reads)))
    readings = device.decode(made, payload)
    for name, wanted in example.expect.items():
        if name not in readings:
            yield f"expect.{name}: no answer of the example holds its identifier"
        elif not same(readings[name].value, wanted):
            found: Reading = readings[name]
            yield f"expect.{name}: is {wanted} here, and the reply decodes to {found.value} ({found.quality.value})"
    told = [happening.code for happening in device.happenings(made, payload)]
    if list(example.happens) != told and (example.happens or not example.expect):
        yield f"happens: is {', '.join(example.happens)} here, and the reply tells {', '.join(told) or 'nothing'}"


def _answers(example: Example) -> list[Frame]:
    found = [frame for frame in frames_in(from_hex(example.reply)) if frame.from_meter]
    if not found:
        raise ValueError("the reply holds no sound answer of a meter")
    if example.request and not any(not frame.from_meter for frame in frames_in(from_hex(example.request))):
        raise ValueError("the request is no sound request to a meter")
    return found
