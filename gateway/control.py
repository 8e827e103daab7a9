"""The control socket: how the command line speaks with the gateway that runs on the same box.

A Unix socket in the state folder that only its owner may open. Frames are four bytes of length and JSON, both ways,
bounded. One request a connection; a tool's words follow until its last, and closing the connection stops the tool.
"""

import asyncio
import contextlib
import logging
import os
import socket
import stat
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import msgspec

from gateway import faults
from gateway.tools.jobs import Job, JobRefused, Jobs
from messages.text import printable
from messages.tools import MAX_REQUEST_BYTES, MAX_SAID_BYTES, SaidKind

log = logging.getLogger(__name__)

SOCKET: Final = "control.sock"
MOST_REQUEST: Final = MAX_REQUEST_BYTES + 1024
MOST_ANSWER: Final = MAX_SAID_BYTES + 1024
MOST_PEERS: Final = 16
ASK_WITHIN_S: Final = 5.0
TAKEN_WITHIN_S: Final = 20.0
MOST_WAITING: Final = 500
LONGEST_S: Final = 4 * 3600


class ControlDown(Exception):
    """No gateway can be asked here; the text says why."""


class Request(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is asked: `status`, `reload`, or `tool` with what it is told."""

    op: str
    tool: str = ""
    line: str | None = None
    args: dict[str, Any] = {}
    seconds: float = 1200
    v: int = 1


class Answer(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One word of the gateway: `kind` as of a job's messages; `done` or `failed` is the last."""

    kind: str
    body: dict[str, Any] = {}


_requests = msgspec.json.Decoder(Request)
_answers = msgspec.json.Decoder(Answer)
_encode = msgspec.json.Encoder().encode

Handler = Callable[[], Awaitable[Mapping[str, Any]]]


@dataclass(slots=True, eq=False)
class Control:
    """Listens while `run` runs. `calls` answer `status` and `reload`; what they raise as `ControlDown` is told."""

    folder: Path
    jobs: Jobs
    calls: Mapping[str, Handler]
    _peers: int = 0
    _number: int = 0
    _group: asyncio.TaskGroup | None = None

    async def run(self) -> None:
        """Serve until cancelled; without a socket the gateway works all the same."""
        try:
            listener = _listen(self.folder)
        except OSError as err:
            log.warning("no control socket in %s: %s", self.folder, err.strerror or err)
            return
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                async with await asyncio.start_unix_server(self._accepted, sock=listener, limit=MOST_REQUEST):
                    await asyncio.get_running_loop().create_future()
        finally:
            self._group = None
            with contextlib.suppress(OSError):
                (self.folder / SOCKET).unlink()

    def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._group is None or self._peers >= MOST_PEERS:
            writer.close()
            return
        self._peers += 1
        self._group.create_task(self._serve(reader, writer), name="control")

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = _Peer(reader, writer)
        try:
            with faults.contained("the control socket"):
                await self._answer_or_lose(peer)
        finally:
            self._peers -= 1
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _answer_or_lose(self, peer: "_Peer") -> None:
        try:
            await self._answer(peer)
        except (OSError, asyncio.IncompleteReadError, TimeoutError) as err:
            log.debug("control: a peer went away: %s", err)

    async def _answer(self, peer: "_Peer") -> None:
        try:
            async with asyncio.timeout(ASK_WITHIN_S):
                request = _requests.decode(await read_frame(peer.reader, MOST_REQUEST))
        except (msgspec.MsgspecError, ValueError) as err:
            await peer.send(Answer(kind="failed", body={"why": printable(str(err), 400)}))
            return
        if request.op == "tool":
            await self._tool(peer, request)
            return
        call = self.calls.get(request.op)
        if call is None or request.v != 1:
            known = ", ".join((*self.calls, "tool"))
            why = f"this gateway cannot {printable(request.op, 40)!r}; it can {known}"
            await peer.send(Answer(kind="failed", body={"why": why}))
            return
        try:
            answer = Answer(kind="done", body=dict(await call()))
        except ControlDown as err:
            answer = Answer(kind="failed", body={"why": str(err)})
        try:
            await peer.send(answer)
        except ValueError as err:
            await peer.send(Answer(kind="failed", body={"why": f"there is more to say than fits: {err}"}))

    async def _tool(self, peer: "_Peer", request: Request) -> None:
        self._number += 1
        seconds = min(max(1.0, request.seconds), LONGEST_S)
        name = f"local{self._number}"
        try:
            job = self.jobs.begin(name, request.tool, request.line, request.args, seconds, peer.put)
        except JobRefused as err:
            await peer.send(Answer(kind="failed", body={"why": str(err)}))
            return
        peer.job = job
        gone = asyncio.create_task(peer.gone(), name=f"control {name} peer")
        gone.add_done_callback(lambda _task: job.stop("stopped at the command line"))
        try:
            await _speak(peer)
        finally:
            job.stop("stopped at the command line")
            gone.cancel()
            await asyncio.gather(gone, return_exceptions=True)


async def _speak(peer: "_Peer") -> None:
    while True:
        answer = await peer.waiting.get()
        await peer.send(answer)
        if SaidKind(answer.kind).final:
            return


@dataclass(slots=True, eq=False)
class _Peer:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    waiting: "asyncio.Queue[Answer]" = field(default_factory=asyncio.Queue)
    job: Job | None = None

    def put(self, kind: SaidKind, body: Mapping[str, Any]) -> None:
        """Take a word of the job; one who listens is never so far behind, one who does not stops it."""
        if self.job is not None and self.waiting.qsize() >= MOST_WAITING:
            self.job.stop("whoever asked does not listen")
            if not kind.final:
                return
        self.waiting.put_nowait(Answer(kind=kind.value, body=dict(body)))

    async def send(self, answer: Answer) -> None:
        async with asyncio.timeout(TAKEN_WITHIN_S):
            await send_frame(self.writer, _encode(answer), MOST_ANSWER)

    async def gone(self) -> None:
        """Return when the peer has closed, or says anything more."""
        with contextlib.suppress(OSError):
            await self.reader.read(1)


# -- the other end ----------------------------------------------------------------------------------------------


class Asked:
    """The command line's end of one request."""

    def __init__(self, reader: asyncio.StreamReader) -> None:
        self._reader = reader

    async def answers(self) -> AsyncIterator[Answer]:
        """Yield what the gateway says until its last word; raise `ControlDown` when it ends before."""
        while True:
            try:
                answer = _answers.decode(await read_frame(self._reader, MOST_ANSWER))
            except (OSError, asyncio.IncompleteReadError):
                raise ControlDown("the gateway ended meanwhile") from None
            except (msgspec.MsgspecError, ValueError) as err:
                raise ControlDown(
                    f"the gateway said what nobody understands: {printable(str(err))}"
                ) from None
            yield answer
            if answer.kind in {"done", "failed", "stopped"}:
                return


def gateway_there(folder: Path) -> bool:
    """Say whether a gateway listens in this state folder; a socket that a dead one left behind is none."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(ASK_WITHIN_S)
        try:
            with _place(folder) as place:
                probe.connect(place)
        except OSError:
            return False
        return True


@asynccontextmanager
async def asking(folder: Path, request: Request) -> AsyncIterator[Asked]:
    """Ask the gateway that runs on this state folder; closing stops a tool. Raise `ControlDown` if there is none."""
    try:
        with _place(folder) as place:
            reader, writer = await asyncio.open_unix_connection(place, limit=MOST_ANSWER)
    except OSError:
        raise ControlDown(f"no gateway runs with the state folder {folder}") from None
    try:
        try:
            await send_frame(writer, _encode(request), MOST_REQUEST)
        except OSError as err:
            raise ControlDown(f"the gateway does not listen: {err.strerror or err}") from None
        yield Asked(reader)
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def read_frame(reader: asyncio.StreamReader, most: int) -> bytes:
    """Read one frame; raise `ValueError` for one that is too long, `IncompleteReadError` at the end."""
    size = int.from_bytes(await reader.readexactly(4), "big")
    if size > most:
        raise ValueError(f"a frame of {size} bytes, and the limit is {most}")
    return await reader.readexactly(size)


async def send_frame(writer: asyncio.StreamWriter, payload: bytes, most: int) -> None:
    """Write one frame; raise `ValueError` for one that the other side would refuse."""
    if len(payload) > most:
        raise ValueError(f"a frame of {len(payload)} bytes, and the limit is {most}")
    writer.write(len(payload).to_bytes(4, "big") + payload)
    await writer.drain()


def _listen(folder: Path) -> socket.socket:
    """Bind the socket, for its owner only; one that is left goes: by the journal's lock its gateway is dead."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with _place(folder) as place:
            with contextlib.suppress(FileNotFoundError):
                if stat.S_ISSOCK(os.lstat(place).st_mode):
                    os.unlink(place)
            before = os.umask(0o177)
            try:
                listener.bind(place)
            finally:
                os.umask(before)
        listener.setblocking(False)
    except OSError:
        listener.close()
        raise
    return listener


@contextmanager
def _place(folder: Path) -> Iterator[str]:
    """Name the socket by an open folder: the name of a Unix socket may have 107 bytes only, a folder's more."""
    descriptor = os.open(folder, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{descriptor}/{SOCKET}"
    finally:
        os.close(descriptor)
