"""A camera's picture on request: as it looks now, or one that was kept because an alarm rests on it."""

import asyncio
import base64
import hashlib
from typing import Final, Protocol, runtime_checkable

from drivers.errors import Misconfigured
from gateway.tools.work import Ear, Work, instant
from messages.text import printable
from messages.tool_args import SnapshotArgs, ToolArgs

CHUNK: Final = 3000  # 4000 characters of base64: the longest word that crosses
CHUNKS: Final = 2


@runtime_checkable
class Photographs(Protocol):
    """A line that has pictures."""

    async def picture(self, device: str) -> bytes:
        """Fetch a picture now; raise `DriverError`."""

    def kept(self, device: str, reference: str) -> bytes | None:
        """Return a picture of this device that was kept, None where it is gone."""


async def nowhere(work: Work, _args: ToolArgs) -> None:
    """Refuse: nobody on a polled line has pictures."""
    raise Misconfigured(f"snapshot: line {work.line.id} has no cameras")


async def snapshot(work: Work, ear: Ear, args: SnapshotArgs) -> None:
    """Say a picture in rows of parts, base64; the result says how many bytes they are and their digest."""
    if not isinstance(ear, Photographs):
        raise Misconfigured(f"snapshot: line {work.line.id} has no cameras")
    device = work.device(args.device)
    taken = ""
    if args.picture:
        data = await asyncio.to_thread(ear.kept, device.id, args.picture)
        if data is None:
            raise Misconfigured(f"picture: {printable(args.picture, 120)} is not kept here any more")
    else:
        data = await ear.picture(device.id)
        taken = instant(work.clock())
    parts = [base64.b64encode(data[at : at + CHUNK]).decode() for at in range(0, len(data), CHUNK)]
    for at in range(0, len(parts), CHUNKS):
        work.row({"part": at // CHUNKS, "jpeg": parts[at : at + CHUNKS]})
    digest = hashlib.sha256(data).hexdigest()
    work.result.update(
        device=device.id, bytes=len(data), sha256=digest, taken=taken, rows=-(-len(parts) // CHUNKS)
    )
