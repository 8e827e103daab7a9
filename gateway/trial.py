"""Read one device once, outside the polling: the engineer's first tool on site."""

import random
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import msgspec

from drivers import registry
from drivers.api import DeviceDriver, Reading, Transaction
from drivers.errors import DeviceRefused, DriverError, FrameDamaged
from drivers.lines import Frame, Line, open_line
from gateway.config import Device, Site
from gateway.polled import plain
from messages.text import printable


class Row(msgspec.Struct, frozen=True):
    """One point as it was read, or why it was not."""

    point: str
    label: str
    value: str
    unit: str
    quality: str
    raw: str
    request: str
    trouble: str = ""


async def read_device(
    site: Site, device: Device, points: Sequence[str], trace: Callable[[str, bytes], None] | None
) -> list[Row]:
    """Read the points (all if none are named) of a device and return one row for each."""
    line = next(line for line in site.lines if device in line.devices)
    driver = registry.get(device.profile.protocol).device(device.profile, device.file.unit, device.options)
    rows: list[Row] = []
    async with open_line(line.settings, clock=lambda: datetime.now(UTC), rng=random.Random()) as wire:  # noqa: S311
        if trace is not None:
            show = trace

            def tap(frame: Frame) -> None:
                show(frame.direction, frame.data)

            wire.tap(tap)
        for transaction in driver.plan(points or list(device.profile.points)):
            rows += await _read(device, driver, wire, transaction)
    wanted = set(points)
    return [row for row in rows if not wanted or row.point in wanted]


async def _read(device: Device, driver: DeviceDriver, wire: Line, transaction: Transaction) -> list[Row]:
    try:
        try:
            reply = await wire.exchange(
                driver.exchange(transaction), timeout=device.timeout, mode=device.mode
            )
        except FrameDamaged:
            reply = await wire.exchange(
                driver.exchange(transaction), timeout=device.timeout, mode=device.mode
            )
        readings = driver.decode(transaction, reply.payload)
    except DeviceRefused as err:
        parts = driver.split(transaction) if err.address else ()
        if parts:
            return [row for part in parts for row in await _read(device, driver, wire, part)]
        return _failed(device, transaction, err)
    except DriverError as err:
        return _failed(device, transaction, err)
    return [_row(device, name, reading, transaction) for name, reading in readings.items()]


def _failed(device: Device, transaction: Transaction, err: DriverError) -> list[Row]:
    trouble = f"{transaction.label}: {printable(str(err), 400)}"
    return [
        _row(device, name, Reading(None, err.quality), transaction, trouble) for name in transaction.points
    ]


def _row(device: Device, name: str, reading: Reading, transaction: Transaction, trouble: str = "") -> Row:
    point = device.profile.points[name]
    return Row(
        point=name,
        label=point.label,
        value=plain(reading.value),
        unit=point.unit,
        quality=reading.quality.value,
        raw=reading.raw.hex(" ", -2),
        request=transaction.label,
        trouble=trouble,
    )
