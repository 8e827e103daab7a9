"""A guard at the demo's alarm desk: has a camera's pictures attached to its alarm, and looks whether they are right."""

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx

from simulators.api_client import Api, ApiRefused
from simulators.camera_scene import alike
from simulators.field_cameras import WANTED, Shown
from simulators.processes import Child, ProcessFailed, until

WAIT_S = 10.0
LOOK_S = 0.2


@dataclass(slots=True)
class Guard:
    """Asks the server as its pages do."""

    api: Api
    alive: Callable[[], Sequence[Child]]
    attached: int = 0
    """Pictures that came and show what the camera showed."""
    notes: list[str] = field(default_factory=list)

    async def look(self, shown: Shown) -> None:
        """Have both pictures attached to the alarm of what a camera shows now; what goes wrong is noted."""
        name = f"{shown.device}.{shown.code}"
        try:
            alarm = await until(f"open alarm {name}", lambda: self._alarm(shown), **self._patience())
            for of in WANTED:
                picture = await self._attach(alarm, of)
                if alike(picture, shown.jpeg):
                    self.attached += 1
                else:
                    self.notes.append(f"{name}: the picture of {of} is not what the camera showed")
        except (ProcessFailed, ApiRefused, httpx.HTTPError) as err:
            self.notes.append(f"{name}: {str(err).partition(chr(10))[0]}")

    def _patience(self) -> dict[str, Any]:
        return {"timeout": WAIT_S, "alive": self.alive(), "every": LOOK_S}

    async def _alarm(self, shown: Shown) -> Mapping[str, Any] | None:
        alarms = (await self.api.get("alarms", open=1))["alarms"]
        mine = [alarm for alarm in alarms if (alarm["device"], alarm["code"]) == (shown.device, shown.code)]
        return next((alarm for alarm in mine if alarm["condition"] == "active"), None)

    async def _attach(self, alarm: Mapping[str, Any], of: str) -> bytes:
        """Return the JPEG; raise where it does not come."""
        path, order = f"alarms/{alarm['id']}", {"op_id": secrets.token_hex(16), "of": of}
        refused = ""

        async def ask() -> Mapping[str, Any] | None:
            nonlocal refused
            try:
                found: Mapping[str, Any] = (await self.api.post(f"{path}/snapshot", order))["snapshot"]
            except ApiRefused as err:  # the gateway may be fetching as many as it can at once
                refused = str(err)
                return None
            return found

        async def come() -> Mapping[str, Any] | None:
            found = (await self.api.get(f"{path}/snapshots"))["snapshots"]
            return next((one for one in found if one["n"] == asked["n"] and one["state"] != "pending"), None)

        try:
            asked = await until("picture on its way", ask, **self._patience())
        except ProcessFailed:
            raise ApiRefused(refused) from None
        kept = await until("picture", come, **self._patience())
        if kept["state"] != "kept":
            raise ApiRefused(f"the picture of {of} failed: {kept['why']}")
        return await self.api.file(f"{path}/snapshots/{kept['n']}")
