"""Modbus helpers for tests: profiles and devices made from a few points."""

from typing import Any

from drivers.modbus.driver import ModbusDevice, ModbusDriver
from drivers.profile import Action, Point, Profile


def profile(
    points: dict[str, dict[str, Any]], actions: dict[str, Action] | None = None, **more: Any
) -> Profile:
    """A profile of points given by `at` and, under their names, further fields of a point."""
    made = {}
    for name, at in points.items():
        own = {key: at[key] for key in ("exp", "missing", "kind") if key in at}
        made[name] = Point(label=name, at={key: at[key] for key in at if key not in own}, **own)
    return Profile(
        profile="test-device",
        vendor="Test",
        model="Device",
        device_class="io",
        protocol="modbus",
        points=made,
        examples=(),
        source=("test",),
        actions=actions or {},
        **more,
    )


def device(points: dict[str, dict[str, Any]], unit: int = 1, **options: Any) -> ModbusDevice:
    """A bound device of these points."""
    return ModbusDriver().device(profile(points), unit, options)
