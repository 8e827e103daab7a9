"""A profile against this driver: addresses, options, conditions, and example readouts decoded."""

from typing import TYPE_CHECKING

from drivers import profile_check
from drivers.api import Reading
from drivers.binding import from_hex
from drivers.errors import DriverError, Misconfigured
from drivers.iec62056_21 import telegram
from drivers.iec62056_21.points import Readout
from drivers.profile import Example, Profile

if TYPE_CHECKING:
    from drivers.iec62056_21.driver import Iec62056Device

_MOST_HEX = 2 * telegram.MAX_MESSAGE


def check_profile(profile: Profile, device: "Iec62056Device") -> None:
    """Raise `Misconfigured` with one line `place: what is wrong` for each problem found."""

    def is_bool(name: str) -> bool:
        return device.codecs[name].is_bool

    faults = [*profile_check.kinds(profile, is_bool), *profile_check.conditions(profile, is_bool)]
    faults += profile_check.no_signals(profile, "IEC 62056-21")
    faults += [f"actions.{name}: this protocol's meters are only read" for name in profile.actions]
    for index, example in enumerate(profile.examples):
        place = f"examples[{index}]"
        try:
            faults += [f"{place}.expect.{fault}" for fault in _example(example, device)]
        except (DriverError, ValueError) as err:
            faults.append(f"{place}: {err}")
    if faults:
        raise Misconfigured("\n".join(faults))


def _example(example: Example, device: "Iec62056Device") -> list[str]:
    message = telegram.parse(from_hex(example.reply, _MOST_HEX))
    if message.bcc_ok is False or message.crc_ok is False:
        raise ValueError("the reply's block check character or CRC is wrong")
    if message.bcc_ok is None and device.options.bcc == "required" and message.crc_ok is None:
        raise ValueError("the reply has no block check character: give it whole, or set the option bcc: none")
    readout = Readout(message.sets)
    readings: dict[str, Reading] = {name: codec.decode(readout) for name, codec in device.codecs.items()}
    return list(profile_check.compare(example, readings))
