"""A profile against this driver: addresses, options, events, and examples decoded through the real reader."""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from drivers.api import Exchange, Reading
from drivers.binding import bind, from_hex
from drivers.errors import DriverError, FrameDamaged, Misconfigured
from drivers.mbus import frames, readout
from drivers.mbus.address import Options, PointAt, Target, bind_action, bind_profile
from drivers.mbus.conversation import Memory, read_out
from drivers.profile import Example, Profile
from messages.types import Value


def check_profile(profile: Profile) -> None:
    """Raise `Misconfigured` with one line `place: what is wrong` for each problem found."""
    options = bind({**profile.options}, Options, "options")
    addresses = bind_profile(profile)
    for name, action in profile.actions.items():
        bind_action(action, f"actions.{name}")
    faults = [*_check_kinds(profile, addresses), *_check_conditions(profile, addresses)]
    if profile.signals:
        faults.append("signals: M-Bus devices tell nothing by themselves: use events")
    for index, example in enumerate(profile.examples):
        place = f"examples[{index}]"
        try:
            found = decode_example(example, profile, addresses, options)
        except (DriverError, ValueError) as err:
            faults.append(f"{place}: {err}")
            continue
        faults += [f"{place}.expect.{fault}" for fault in _compare(example, found)]
    if faults:
        raise Misconfigured("\n".join(faults))


def decode_example(
    example: Example, profile: Profile, addresses: Mapping[str, PointAt], options: Options
) -> Mapping[str, Reading]:
    """Decode an example's telegrams as the answer to a read-out; raise for what a line would not take."""
    raw = from_hex(example.reply)
    points = {name: (at, profile.points[name]) for name, at in addresses.items()}
    payload = _carried(raw, options)
    return readout.readings(payload, addresses, points, ignore_signature=options.ignore_signature)


def _carried(raw: bytes, options: Options) -> bytes:
    """Let a read-out take the frames as if they came from the slave that sent them."""
    parts = frames.split(raw)
    if not parts:
        raise ValueError("the reply is empty")
    whom = Target(primary=frames.parse(parts[0]).address)
    step: Exchange | bytes = read_out(whom, Memory(), reset="never", telegrams=options.telegrams)
    for part in parts:
        if isinstance(step, bytes):
            raise FrameDamaged("the reply goes on after the last telegram")
        payload = None if step.reader is None else step.reader.feed(part)
        if payload is None or step.then is None:
            raise FrameDamaged("the reply is not the whole and sound answer of one device")
        step = step.then(payload)
    # The capture of a first telegram, though the device has more, is an example of it.
    return step if isinstance(step, bytes) else raw


def _compare(example: Example, found: Mapping[str, Reading]) -> Iterator[str]:
    for name, wanted in example.expect.items():
        value = found[name].value
        if not _same(value, wanted):
            yield f"{name}: is {wanted} here, and the reply decodes to {value} ({found[name].quality.value})"


def _same(value: Value, wanted: Any) -> bool:
    if value is None or wanted is None or isinstance(value, bool) or isinstance(wanted, bool):
        return value is wanted
    return value == Decimal(wanted)


def _check_kinds(profile: Profile, addresses: Mapping[str, PointAt]) -> Iterator[str]:
    for name, point in profile.points.items():
        if addresses[name].is_bool:
            if point.kind != "state":
                yield f"points.{name}.kind: a true or false point is a state"
            if point.exp:
                yield f"points.{name}.exp: a true or false point has no scale"


def _check_conditions(profile: Profile, addresses: Mapping[str, PointAt]) -> Iterator[str]:
    for name, event in profile.events.items():
        point = event.when.point
        if (event.when.is_ is not None) != addresses[point].is_bool:
            right = "is: true or is: false" if addresses[point].is_bool else "equals, above or below"
            yield f"events.{name}.when: `{point}` needs {right}"
