"""How each device of a line is spoken to: its framing, and its characters where they are not those of the line."""

from collections.abc import Callable

from drivers.errors import Misconfigured
from drivers.lines import SerialMode
from gateway.site.site_file import DeviceFile, LineFile

Path = tuple[str | int, ...]
Wrong = Callable[[Path, str], None]


def framing_of(line: LineFile, device: DeviceFile) -> str:
    """Return the framing of a device: its own, the line's, or what its kind of wire mostly has."""
    return device.framing or line.framing or ("rtu" if line.serial else "mbap")


def check_framing(line: LineFile, path: Path, wrong: Wrong) -> None:
    """Call `wrong` for a framing that the wire cannot have."""
    if line.serial is None:
        return
    given = {path: line.framing} | {
        (*path, "devices", index): device.framing for index, device in enumerate(line.devices)
    }
    for place, framing in given.items():
        if framing == "mbap":
            wrong((*place, "framing"), "mbap is for tcp: on a serial line write rtu or ascii")


def mode_of(line: LineFile, device: DeviceFile, path: Path, wrong: Wrong) -> SerialMode | None:
    """Return the mode of a device, None where it is the line's; call `wrong` where the wire cannot change."""
    given = [key for key in ("baud", "parity", "data_bits", "stop_bits") if getattr(device, key) is not None]
    if not given:
        return None
    if line.serial is None:
        text = "is set in the serial server: a device that needs another mode than its neighbours needs its own port"
        wrong((*path, given[0]), text)
        return None
    try:
        own = SerialMode(line.baud, line.parity, line.data_bits, line.stop_bits)
        mode = SerialMode(
            device.baud or own.baud,
            device.parity or own.parity,
            device.data_bits or own.data_bits,
            device.stop_bits or own.stop_bits,
        )
    except Misconfigured as err:
        wrong(path, str(err))
        return None
    return None if mode == own else mode
