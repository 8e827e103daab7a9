"""The GB/T 26875.3 driver: profiles checked, connections begun, frames explained."""

from collections.abc import Mapping, Sequence
from typing import Any

from drivers.api import PeerSession
from drivers.errors import Misconfigured
from drivers.gb26875 import adu, frames
from drivers.gb26875.meaning import Device
from drivers.gb26875.session import Gb26875Session
from drivers.gb26875.settings import ActionAt, Options, PointAt, bind_options
from drivers.gb26875.tables import BITS_OF_TYPE, COMPONENTS, OPERATIONS, SYSTEMS, bits, named
from drivers.gb26875.talk import Talks
from drivers.gb26875.vectors import check_vector
from drivers.listen_check import example_faults
from drivers.profile import Profile
from messages.text import printable


class Gb26875Driver:
    """User transmission devices (用户信息传输装置) that report fire panels to a centre."""

    protocol = "gb26875"

    def __init__(self) -> None:
        self._talks = Talks()

    def check(self, profile: Profile) -> None:
        """Check options, signals, points and captured examples of a profile; raise `Misconfigured`."""
        Device(profile, {})
        if profile.actions:
            raise Misconfigured("actions: a fire panel takes no command; take them out")
        faults = list(example_faults(profile, lambda devices: Gb26875Session(devices, {})))
        if faults:
            raise Misconfigured("\n".join(faults))

    def source(self, profile: Profile, options: Mapping[str, Any]) -> str:
        """Return the source address of the device's frames; raise `Misconfigured`."""
        address = bind_options(profile, options).address
        if not address:
            raise Misconfigured("options.address: is missing: the device's source address, twelve hex digits")
        return address.upper()

    def session(
        self, devices: Mapping[str, tuple[Profile, Mapping[str, Any]]], options: Mapping[str, Any]
    ) -> PeerSession:
        """Begin with a new connection; raise `Misconfigured`."""
        return Gb26875Session(devices, options, self._talks)

    def address_types(self) -> tuple[type, type, type]:
        """Return the types of a point's `at`, an action's `at`, and `options`: for the schema."""
        return PointAt, ActionAt, Options

    def explain(self, frame: bytes) -> str:
        """Describe one captured frame, or a data unit alone, in the standard's words; raise `FrameDamaged`."""
        if frame[:2] != frames.START and (alone := adu.parse(frame)).objects:
            return "\n".join(_unit(alone))
        found = frames.parse(frame)
        at = frames.label_time(found.time)
        command = frames.COMMANDS.get(found.command, "user-defined")
        version = f"{found.version[0]}.{found.version[1]}"
        lines = [
            f"serial {found.serial}, version {version}, time {at.isoformat(' ') if at else 'none'}",
            f"source {found.source}, destination {found.dest}",
            f"command {found.command} {command}, {len(found.adu)} bytes of data, checksum right",
        ]
        if found.adu:
            lines += _unit(adu.parse(found.adu))
        return "\n".join(lines)

    def check_vector(self, row: Mapping[str, Any], maps: Sequence[Mapping[str, Any]]) -> str | None:  # noqa: ARG002
        """Return None where our decoder agrees with one line of a vector file, else the disagreement."""
        return check_vector(row)


def _unit(unit: adu.Adu) -> list[str]:
    head = f"type {unit.type} {adu.type_name(unit.type)}, {unit.count} objects"
    return [head, unit.fault] if unit.fault else [head, *(_object(unit.type, item) for item in unit.objects)]


def _object(kind: int, item: adu.Object) -> str:
    parts = []
    if item.system_type is not None:
        parts.append(f"{named(SYSTEMS, item.system_type)} {item.system_addr}")
    if item.component_type is not None:
        parts.append(f"{named(COMPONENTS, item.component_type)} {item.component_addr}")
    if item.state is not None:
        parts.append(f"state {item.state:04X} {', '.join(bits(item.state, BITS_OF_TYPE[kind])) or 'nothing'}")
    if item.analog is not None:
        scale = adu.ANALOGS.get(item.analog_type or 0)
        value = f"{scale.word} {adu.analog_value(item)} {scale.unit}" if scale else f"raw {item.analog}"
        parts.append(f"analog type {item.analog_type}: {value}".strip())
    if item.operation is not None:
        parts.append(f"operation {', '.join(bits(item.operation, OPERATIONS)) or item.operation}")
        parts.append(f"operator {item.operator}")
    if item.version is not None:
        parts.append(f"version {item.version[0]}.{item.version[1]}")
    if item.text is not None:
        parts.append(f"text {printable(item.text)!r}")
    if item.records is not None:
        parts.append(f"{item.records} records")
    if item.minutes is not None:
        parts.append(f"answer within {item.minutes} min")
    if item.time is not None:
        at = frames.label_time(item.time)
        parts.append(f"panel's time {at.isoformat(' ') if at else 'none'}")
    return "  " + ", ".join(parts)
