"""A house with a camera, and a picture as its gateway sends it."""

import base64
import hashlib
import io
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
from PIL import Image

from messages.types import Birth, DeviceInfo, EventInfo, LineInfo, ProfileInfo, Severity
from tests.support.web import house_birth

KEPT = "picture:cam-1/20261122T095959000Z-black.jpg"


def photograph(width: int = 320, height: int = 180) -> bytes:
    """A whole JPEG, of noise so that it is more than one message long."""
    held = io.BytesIO()
    Image.effect_noise((width, height), 60).convert("RGB").save(held, "JPEG", quality=20)
    return held.getvalue()


def camera_birth(at: datetime) -> Birth:
    """The usual house with a camera `cam-1` on a line of its own."""
    usual = house_birth(at=at)
    black = EventInfo(
        label="Picture black", label_zh="画面全黑", severity=Severity.MEDIUM, alarm_class="camera"
    )
    camera = ProfileInfo(
        vendor="Acme", model="C1", device_class="camera", protocol="onvif", events={"black": black}
    )
    device = DeviceInfo(
        id="cam-1", profile="camera", line="cameras", name="Camera gate", building="A", floor="G", speaks=True
    )
    return msgspec.structs.replace(
        usual,
        profiles={**usual.profiles, "camera": camera},
        devices=(*usual.devices, device),
        lines=(*usual.lines, LineInfo(id="cameras", endpoint="cameras", label="Cameras")),
    )


def parts(data: bytes, chunk: int = 3000, of: int = 2) -> list[dict[str, Any]]:
    """The rows of a picture."""
    texts = [base64.b64encode(data[at : at + chunk]).decode() for at in range(0, len(data), chunk)]
    return [{"part": at // of, "jpeg": texts[at : at + of]} for at in range(0, len(texts), of)]


def done(data: bytes, rows: Sequence[Any] = (), **changes: Any) -> dict[str, Any]:
    """The last word of the job."""
    digest = hashlib.sha256(data).hexdigest()
    facts = {"device": "cam-1", "bytes": len(data), "sha256": digest, "taken": "2026-11-22T10:00:01.250Z"}
    return {"result": {**facts, "rows": len(rows), **changes}}
