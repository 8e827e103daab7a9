"""Devices of one line that would answer at once: one unit or one address of one protocol, given twice."""

from collections.abc import Mapping

from drivers.profile import Profile
from gateway.site.listening import Path, Wrong, options_of
from gateway.site.site_file import DeviceFile, LineFile
from messages.text import printable

Called = tuple[str, str]


def check_twins(line: LineFile, library: Mapping[str, Profile], path: Path, wrong: Wrong) -> None:
    """Call `wrong` for each device whose unit or address also belongs to another of its line and protocol."""
    called = [_called(line, device, library) for device in line.devices]
    for index, device in enumerate(line.devices):
        twins = [
            other.id
            for place, other in enumerate(line.devices)
            if place != index and called[index] is not None and called[place] == called[index]
        ]
        if twins:
            word = "unit" if device.unit is not None else "address"
            given = device.unit if device.unit is not None else printable(_address(line, device))
            text = f"{word} {given} also belongs to {', '.join(twins)}: two would answer at once"
            wrong((*path, "devices", index, word), text)


def _called(line: LineFile, device: DeviceFile, library: Mapping[str, Profile]) -> Called | None:
    """Return by what a device is called on the wire, with its protocol: others do not understand the call."""
    name = str(device.unit) if device.unit is not None else _address(line, device)
    profile = library.get(device.profile)
    if not name or profile is None:
        return None  # that its profile is not there is said elsewhere
    # With or without leading zeros it is one address; of nothing but zeros one is left.
    return profile.protocol, name.upper().lstrip("0") or "0"


def _address(line: LineFile, device: DeviceFile) -> str:
    return str(options_of(line, device).get("address", "")).strip()
