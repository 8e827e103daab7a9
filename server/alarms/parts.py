"""Alarms of single parts of a device: their keys, and what the end of a greater part ends.

A part may lie in another, the greater first (`1/2` lies in `1`, all lie in the device). What is said of the end of a
greater part holds for all below it, whether its gateway says so one by one or has lost its journal and cannot.
"""

from collections.abc import Iterator

from messages.types import DEVICE_SILENT, DeviceEvent

LEVEL = "/"
MOST_PARTS = (
    2000  # of one device and code that are alarmed one by one; the others share the device's own alarm
)


def key_of(site: str, gateway: str, event: DeviceEvent, part: str | None = None) -> str:
    """Return what an alarm is known by; of the silence of a device there is one, whoever notices first."""
    if event.code == DEVICE_SILENT:
        return system_key(site, gateway, event.device, event.code)
    part = event.part if part is None else part
    whole = f"{site}|{event.device}|{event.code}"
    return f"{whole}|{part}" if part else whole


def system_key(site: str, gateway: str, device: str | None, kind: str) -> str:
    """Return the key of the server's own alarm; the colon stands in no id, so no device's event can collide."""
    return f"{site}|{device or f'gateway:{gateway}'}|system:{kind}"


def above(part: str) -> Iterator[str]:
    """Yield the parts in which this one lies, the device itself (empty) last."""
    while part:
        part = part.rpartition(LEVEL)[0]
        yield part


def lies_in(part: str, greater: str) -> bool:
    """Tell whether `part` lies below `greater`, the whole device being empty."""
    return part != greater and (not greater or part.startswith(greater + LEVEL))
