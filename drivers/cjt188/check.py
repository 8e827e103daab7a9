"""A profile against this driver: addresses, options, conditions, and examples decoded."""

from typing import TYPE_CHECKING

from drivers import profile_check
from drivers.binding import from_hex
from drivers.cjt188 import frames
from drivers.cjt188.explain import standard_di
from drivers.errors import DriverError, Misconfigured
from drivers.profile import Example, Profile

if TYPE_CHECKING:
    from drivers.cjt188.driver import Cjt188Device


def check_profile(profile: Profile, device: "Cjt188Device") -> None:
    """Raise `Misconfigured` with one line `place: what is wrong` for each problem found."""

    def is_bool(name: str) -> bool:
        return device.codecs[name].is_bool

    faults = [*profile_check.kinds(profile, is_bool), *profile_check.conditions(profile, is_bool)]
    faults += profile_check.no_signals(profile, "CJ/T 188")
    faults += [
        f"actions.{name}.read_back: a valve is never moved unseen: name the point that shows it"
        for name, action in profile.actions.items()
        if action.read_back is None
    ]
    for index, example in enumerate(profile.examples):
        place = f"examples[{index}]"
        try:
            faults += [f"{place}.expect.{fault}" for fault in _example(example, device)]
        except (DriverError, ValueError) as err:
            faults.append(f"{place}: {err}")
    if faults:
        raise Misconfigured("\n".join(faults))


def _example(example: Example, device: "Cjt188Device") -> list[str]:
    raw = from_hex(example.reply)
    frame = frames.parse(raw)
    if frame.control != frames.READ | frames.FROM_METER:
        raise ValueError(f"the reply has control code {frame.control:02X}, and that of data read is 81")
    di = standard_di(frame.di_on_wire)
    read = [found for found in device.plan(device.codecs) if found.block.di == di]
    if not read:
        raise ValueError(f"the reply is {di}, and no point of the profile lies there")
    return list(profile_check.compare(example, device.decode(read[0], raw)))
