"""The demo's cameras: they tell of tampering and of gaps in their recording, and what they show goes wrong.

How long a step of the story takes is decided by the pictures that the gateway fetches, not by a clock of ours: it is
over when the gateway must have judged what the profile's events wait for, on however busy a machine.
"""

import asyncio
import secrets
from dataclasses import dataclass

from drivers.profile import Profile
from simulators.camera import Camera
from simulators.camera_scene import Scene
from simulators.camera_server import CameraServer
from simulators.field_truth import FieldTruth
from simulators.vocabulary import FieldDevice, Say

SIZE = 640, 360  # what a camera's substream has; a quarter of the work of a large one
LEARNED = 8
"""A gateway knows from six pictures on what is usual, and has judged one when it asks for the next."""
SAME_FIRST = {"frozen": 3}
"""Frozen is what has been the same so many times."""
WELL = "well"
MOMENT, NOW = "moment", "now"
WANTED = MOMENT, NOW
"""The pictures that must be had: the one that an alarm rests on, and what the camera shows while it stands."""
FIRST_SEEN = Say(at="0s", say="", tells=("identity record",))
"""Who a camera is is written down when it is first asked."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What a camera shows while an alarm of it stands."""

    device: str
    code: str
    jpeg: bytes


class Lens:
    """A camera and what its owner, or somebody else, does to it."""

    def __init__(self, device: FieldDevice, truth: FieldTruth, profile: Profile, seed: int) -> None:
        self.key = secrets.token_bytes(8)
        self.server = CameraServer(Camera(scene=Scene(seed, size=SIZE), password=self.key.hex()))
        self._device, self._profile = device.id, profile
        states = {"online", "onvif_up", "rtsp_up", "login_ok"} & set(profile.points)
        truth.holds(device.id, dict.fromkeys(sorted(states), (True, "")))
        truth.glimpsed(device.id, profile.points)
        truth.told(device.id, FIRST_SEEN)

    async def say(self, step: Say) -> None:
        """Let it happen; return when the gateway has fetched it, or must have judged it."""
        what, _, state = step.say.partition(" ")
        if what == "picture":
            await self._look(step, "" if state == WELL else state)
            return
        camera = self.server.camera
        if what == "tamper":
            camera.tamper(on=state == "on")
        else:
            camera.record(on=state == "on")
        await camera.fetched.wait()  # by whom does not matter: who had a pull point may not come again

    def shown(self, step: Say) -> Shown | None:
        """Return what it shows since a step that made its picture bad, None after any other."""
        code, _, edge = step.tells[0].partition(" ") if step.tells else ("", "", "")
        if edge != "raised" or not step.say.startswith("picture"):
            return None
        return Shown(self._device, code, self.server.last)

    async def _look(self, step: Say, fault: str) -> None:
        server = self.server
        while server.pictures < LEARNED:
            await server.another()
        server.camera.scene.fault = fault
        # The one that is asked for next is the first to show it, and is judged when one more is asked for.
        for _ in range(SAME_FIRST.get(fault, 0) + 2):
            await server.another()
        loop = asyncio.get_running_loop()
        until = loop.time() + self._holds(step)
        while loop.time() < until:
            await server.another()
        await server.another()

    def _holds(self, step: Say) -> float:
        """Return for how long a state must hold before the gateway tells of it."""
        events, holds = self._profile.events, [0.0]
        for words in step.tells:
            code, _, edge = words.partition(" ")
            if code in events:
                holds.append(float(events[code].hold_s if edge == "raised" else events[code].release_s))
        return max(holds)
