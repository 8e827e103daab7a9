"""A trace made into a capture: examples for a profile, with nothing in them that names the site."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from drivers import capture, registry
from drivers.profile import Example, Point, Profile
from drivers.workshop import Workshop
from gateway.site.config import LineConfig

MOST_OF_ONE: Final = 3  # captures of one request: more of the same prove nothing
MOST: Final = 2000
_NAMING: Final = frozenset(
    {
        "serial",
        "number",
        "no",
        "address",
        "ip",
        "mac",
        "imei",
        "iccid",
        "phone",
        "owner",
        "site",
        "name",
        "sn",
        "id",
    }
)
"""Words in a point's name by which its registers may tell whose device it is."""


@dataclass(slots=True)
class Recorder:
    """Takes the frames of a trace, in order; `text` is the capture."""

    line: LineConfig
    blur: bool = False
    _asked: tuple[int, bytes] | None = None
    _kept: dict[str, list[Example]] = field(default_factory=dict)
    _seen: dict[tuple[str, str], int] = field(default_factory=dict)
    count: int = 0

    def frame(self, row: Mapping[str, Any]) -> None:
        """Take a row of `trace`."""
        data = bytes.fromhex(str(row.get("bytes", "")))
        unit = row.get("unit")
        if row.get("dir") == "tx":
            self._asked = (unit, data) if isinstance(unit, int) else None
            return
        asked, self._asked = self._asked, None
        if asked is not None and asked[0] == unit and row.get("crc") != "bad":
            self._take(asked[0], asked[1], data)

    @property
    def text(self) -> str:
        """The capture as its file has it; empty where nothing was captured."""
        lines: list[str] = []
        for name, examples in self._kept.items():
            lines.append(capture.heading(name, first=not lines))
            lines += [capture.written(example) for example in examples]
        return "\n".join([*lines, ""]) if lines else ""

    def _take(self, unit: int, request: bytes, reply: bytes) -> None:
        device = next((one for one in self.line.devices if one.file.unit == unit), None)
        if device is None or self.count >= MOST:
            return
        bench = getattr(registry.get(device.profile.protocol), "workshop", None)
        if not isinstance(bench, Workshop):
            return
        example = bench.example(device.profile, request, reply, self._change(device.profile))
        if example is None:
            return
        key = (device.profile.profile, example.request)
        if self._seen.get(key, 0) >= MOST_OF_ONE:
            return
        self._seen[key] = self._seen.get(key, 0) + 1
        self._kept.setdefault(device.profile.profile, []).append(example)
        self.count += 1

    def _change(self, profile: Profile) -> Callable[[str, bytes], bytes]:
        def change(name: str, raw: bytes) -> bytes:
            if names_somebody(name, profile):
                return bytes(len(raw))
            return blurred(profile.points[name], raw) if self.blur else raw

        return change


def names_somebody(point: str, profile: Profile) -> bool:
    """Say whether a point may hold what tells whose device it is: a serial number, an address."""
    known = profile.points[point]
    if known.unit:
        return False  # a quantity
    words = f"{point} {known.label}".lower().replace("_", " ").replace("-", " ").split()
    return any(word in _NAMING for word in words)


def blurred(point: Point, raw: bytes) -> bytes:
    """Return a number of the same size that nobody read: its lower half is other digits."""
    if len(raw) < 2 or raw in {bytes(len(raw)), b"\xff" * len(raw)} or raw.hex().upper() in point.missing:
        return raw  # nothing, and "no value", tell nothing
    order, half = str(point.at.get("order", "big")), len(raw) // 2
    low_first = order.startswith("little") or (order == "big-swapped" and len(raw) == 2)
    high = raw[half:] if low_first else raw[:half]
    low = hashlib.sha256(point.label.encode() + high).digest()[:half]
    if str(point.at.get("type", "")).startswith("bcd"):
        low = bytes(16 * ((byte >> 4) % 10) + (byte & 15) % 10 for byte in low)
    return low + high if low_first else high + low
