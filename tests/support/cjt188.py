"""CJ/T 188 helpers for tests: profiles made from a few points, and replies."""

from typing import Any

from drivers.cjt188 import frames
from drivers.cjt188.driver import Cjt188Device, Cjt188Driver
from drivers.profile import Action, Point, Profile

ADDRESS = "00201707010069"


def profile(
    points: dict[str, dict[str, Any]], actions: dict[str, Action] | None = None, **more: Any
) -> Profile:
    """A profile of points given by `at` and, under their names, further fields of a point."""
    made = {}
    for name, at in points.items():
        own = {key: at[key] for key in ("exp", "missing", "kind", "unit") if key in at}
        made[name] = Point(label=name, at={key: at[key] for key in at if key not in own}, **own)
    return Profile(
        profile="test-meter",
        vendor="Test",
        model="Meter",
        device_class="meter",
        protocol="cjt188",
        points=made,
        examples=more.pop("examples", ()),
        source=("test",),
        actions=actions or {},
        **more,
    )


def device(
    points: dict[str, dict[str, Any]], actions: dict[str, Action] | None = None, **options: Any
) -> Cjt188Device:
    """A bound meter of these points."""
    return Cjt188Driver().device(profile(points, actions), None, {"address": ADDRESS, **options})


def reply(request: bytes, body: str, *, control: int | None = None, meter_type: int | None = None) -> bytes:
    """What a meter answers to a request: its DI and SER, then `body`."""
    asked = frames.parse(request)
    return frames.encode(
        asked.meter_type if meter_type is None else meter_type,
        asked.address,
        asked.control | 0x80 if control is None else control,
        asked.data[:3] + bytes.fromhex(body),
    )
