"""What a camera says to an engineer who has just wired it: one round of questions, and nothing is kept."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from random import SystemRandom

from drivers.errors import DriverError, Misconfigured
from drivers.onvif.settings import Camera, camera_of
from gateway.cameras.client import CameraClient, browser
from gateway.cameras.picture import PictureBroken, look
from gateway.cameras.stream import look_at
from gateway.site.config import Device

MOST_AT_ONCE = 8


async def check(devices: list[Device], timeout: float) -> list[Mapping[str, str]]:
    """Ask these cameras, a few at a time; return a row for each, `problem` empty where all is well."""
    turn = asyncio.Semaphore(MOST_AT_ONCE)

    async def one(device: Device) -> Mapping[str, str]:
        async with turn:
            return await _one(device, timeout)

    async with asyncio.TaskGroup() as group:
        asked = [group.create_task(one(device), name=f"check of {device.id}") for device in devices]
    return [task.result() for task in asked]


async def _one(device: Device, timeout: float) -> Mapping[str, str]:
    row = {
        "device": device.id,
        "is": "",
        "clock": "",
        "stream": "",
        "picture": "",
        "events": "",
        "problem": "",
    }
    try:
        camera: Camera = await asyncio.to_thread(camera_of, device.profile, device.options)
    except Misconfigured as err:
        return {**row, "problem": str(err)}
    async with browser() as http:
        client = CameraClient(camera, http, lambda: datetime.now(UTC), SystemRandom(), timeout)
        try:
            ahead = await client.time()
            row["clock"] = f"{ahead / timedelta(seconds=1):+.0f} s" if ahead is not None else "says none"
            row["is"] = str(await client.identity())
            await client.find()
            row["events"] = "by pull point" if client.services.events else "none"
            stream = await look_at(
                client.stream_url, client.login, SystemRandom().randbytes(8).hex(), timeout
            )
            row["stream"] = stream.why or "there"
            seen = await asyncio.to_thread(look, await client.picture())
            row["picture"] = f"{seen.size[0]} x {seen.size[1]}, brightness {seen.brightness:.0f}"
        except (DriverError, PictureBroken) as err:
            row["problem"] = str(err)
    return row
