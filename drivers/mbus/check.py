"""A profile against this driver: addresses, options, events, and examples decoded through the real reader."""

from collections.abc import Mapping

from drivers import profile_check
from drivers.api import Exchange, Reading
from drivers.binding import bind, from_hex
from drivers.errors import DriverError, FrameDamaged, Misconfigured
from drivers.mbus import frames, readout
from drivers.mbus.address import Options, PointAt, Target, bind_action, bind_profile
from drivers.mbus.conversation import Memory, read_out
from drivers.profile import Example, Profile


def check_profile(profile: Profile) -> None:
    """Raise `Misconfigured` with one line `place: what is wrong` for each problem found."""
    options = bind({**profile.options}, Options, "options")
    addresses = bind_profile(profile)
    for name, action in profile.actions.items():
        bind_action(action, f"actions.{name}")
    is_bool = lambda name: addresses[name].is_bool  # noqa: E731
    faults = [
        *profile_check.kinds(profile, is_bool),
        *profile_check.conditions(profile, is_bool),
        *profile_check.no_signals(profile, "M-Bus"),
    ]
    for index, example in enumerate(profile.examples):
        place = f"examples[{index}]"
        try:
            found = decode_example(example, profile, addresses, options)
        except (DriverError, ValueError) as err:
            faults.append(f"{place}: {err}")
            continue
        faults += [f"{place}.expect.{fault}" for fault in profile_check.compare(example, found)]
    if faults:
        raise Misconfigured("\n".join(faults))


def decode_example(
    example: Example, profile: Profile, addresses: Mapping[str, PointAt], options: Options
) -> Mapping[str, Reading]:
    """Decode an example's telegrams as the answer to a read-out; raise for what a line would not take."""
    raw = from_hex(example.reply)
    points = {name: (at, profile.points[name]) for name, at in addresses.items()}
    payload = _carried(raw, options)
    return readout.readings(payload, addresses, points, options)


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
