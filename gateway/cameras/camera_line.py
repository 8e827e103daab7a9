"""A line of cameras: each attended by itself, all looked at a few at a time."""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from drivers.errors import DriverError, Misconfigured
from drivers.onvif.settings import Camera, camera_of
from gateway import faults
from gateway.cameras.attend import Attend
from gateway.cameras.client import TIMEOUT_S, CameraClient, browser
from gateway.cameras.evidence import PREFIX, Evidence
from gateway.cameras.place import Cameras
from gateway.cameras.quality import Limits, Watch
from gateway.cameras.watching import Watching
from gateway.listening.attended import Attended
from gateway.listening.hearing import Hearing
from gateway.site.config import ListeningLine

log = logging.getLogger(__name__)

LOOK_S = 1.0
FAULT_S = 5.0


@dataclass(slots=True, eq=False)
class CameraLine:
    """Attends the cameras of one line until `stop`; to the rest of the gateway it is a line that listens."""

    config: ListeningLine
    hearing: Hearing
    devices: Sequence[Attended]
    changed: Callable[[], None] = lambda: None
    up: bool = False
    port: int = 0
    trouble: str = ""
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    cameras: dict[str, Attend] = field(default_factory=dict)
    """Those that are attended, by device."""
    _stop: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def line(self) -> str:
        """The line's id."""
        return self.config.id

    @property
    def peers(self) -> int:
        """How many cameras are there."""
        return sum(1 for camera in self.cameras.values() if camera.online)

    def hears(self, device: Attended) -> bool | None:
        """Tell whether a camera answers; None while nobody knows."""
        if device.silent:
            return False
        return True if device.heard else None

    def stop(self) -> None:
        """Ask `run` to return; what is journaled is journaled."""
        self._stop.set()

    async def run(self) -> None:
        """Attend all cameras until `stop`."""
        place = self.config.ear.place
        assert isinstance(place, Cameras)
        await self.hearing.begin()
        looking = asyncio.Semaphore(place.at_once)
        async with asyncio.TaskGroup() as group:
            silence = group.create_task(self.hearing.watch(LOOK_S), name=f"silence on {self.line}")
            for device in self.devices:
                try:
                    camera = await asyncio.to_thread(camera_of, device.config.profile, device.config.options)
                except Misconfigured as err:  # a password file that is gone since the site was checked
                    log.warning("%s: %s", device.id, err)
                    continue
                self.cameras[device.id] = attend = self._attend(device, camera, place, looking)
                group.create_task(self._live(attend), name=f"camera {device.id}")
            self.up = True
            self.ready.set()
            self.changed()
            await self._stop.wait()
            silence.cancel()
        await self.hearing.end()
        self.up = False

    async def _live(self, attend: Attend) -> None:
        while not self._stop.is_set():
            with faults.contained("camera", attend.device.id) as found:
                await attend.run()
            if found.fault:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(FAULT_S):
                        await self._stop.wait()

    async def picture(self, device: str) -> bytes:
        """Fetch a picture of a camera now; raise `DriverError`."""
        camera = self.cameras.get(device)
        if camera is None:
            raise DriverError(f"{device} is no camera of line {self.line}")
        return await camera.picture()

    def kept(self, device: str, reference: str) -> bytes | None:
        """Return a picture of a camera that was kept, None where it is gone."""
        place = self.config.ear.place
        assert isinstance(place, Cameras)
        if not reference.startswith(f"{PREFIX}{device}/"):
            return None
        return Evidence(place.state / "pictures", place.evidence).read(reference)

    def _attend(self, device: Attended, camera: Camera, place: Cameras, looking: asyncio.Semaphore) -> Attend:
        around, options = self.hearing.around, camera.options
        limits = Limits(
            options.overlay_pct,
            options.blur_pct,
            options.likeness_pct,
            options.covered_pct,
            options.colour_shift,
        )
        return Attend(
            device,
            CameraClient(camera, browser(), around.clock, around.random, TIMEOUT_S),
            self.hearing,
            Watching(device.id, Watch(limits), place.state / "usual" / f"{device.id}.json"),
            Evidence(place.state / "pictures", place.evidence),
            looking,
            self._stop,
        )
