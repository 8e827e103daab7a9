"""Devices that push over HTTP and keep what nobody took; `gatehouse-sim push`.

A door panel and a barrier speak JSON, a camera that reads plates and an access terminal XML as Hikvision's do.
"""

import asyncio
import contextlib
import json
import ssl
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import typer
from rich.console import Console

from simulators import isapi
from simulators.on_wires import FAILED, HEADER, ToOption, play, refuse, secret, target

ANSWER_S = 10.0
AGAIN_S = 1.0
CLOSE_S = 2.0

Clock = Callable[[], datetime]
Shape = Literal["door", "barrier", "camera", "terminal"]
ALERTS = frozenset({"camera", "terminal"})


@dataclass(frozen=True, slots=True)
class Answer:
    """What the gateway says to a push; status 0 where it said nothing."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(slots=True)
class Pusher:
    """A device with a memory: what it is not told to be stored, it sends again, the oldest first."""

    name: str
    clock: Clock
    shape: Shape = "door"
    key: str = ""
    boot: int = 1
    most: int = 50
    """How many records it sends at once."""
    memory: int = 1000
    chunked: bool = False
    tls: ssl.SSLContext | None = None
    waiting: deque[dict[str, Any]] = field(default_factory=deque)
    answers: list[int] = field(default_factory=list)
    _seq: int = 0

    def happen(self, event: str, **fields: Any) -> None:
        """Let something happen now; a full memory forgets the oldest."""
        self._seq += 1
        now = self.clock()
        when: dict[str, Any] = (
            {"gate": self.name, "at": int(now.timestamp() * 1000)}
            if self.shape == "barrier"
            else {"time": now.isoformat(timespec="milliseconds")}
        )
        self.waiting.append({"seq": self._seq, "event": event, **when, **fields})
        while len(self.waiting) > self.memory:
            self.waiting.popleft()

    def message(self) -> bytes:
        """Write the body of the next push."""
        records = list(self.waiting)[: self.most]
        if self.shape == "camera":
            return isapi.in_form(isapi.camera_alert(self.name, records[0]))
        if self.shape == "terminal":
            return isapi.terminal_alert(self.name, records[0])
        if self.shape == "barrier":
            return json.dumps(records, ensure_ascii=False).encode()
        body = {"panel": self.name, "boot": self.boot, "events": records, "status": {"mains": True}}
        return json.dumps(body, ensure_ascii=False).encode()

    @property
    def content_type(self) -> str:
        """What its messages are."""
        kinds = {"camera": isapi.FORM, "terminal": isapi.XML}
        return kinds.get(self.shape, "application/json")

    async def deliver(self, host: str, port: int) -> bool:
        """Push until the memory is empty; False as soon as something is not taken."""
        try:
            reader, writer = await asyncio.open_connection(host, port, ssl=self.tls)
        except OSError:
            self.answers.append(0)
            return False
        try:
            while self.waiting:
                count = 1 if self.shape in ALERTS else min(len(self.waiting), self.most)
                kind = {"Content-Type": self.content_type}
                writer.write(request("/events", self.message(), self.key, chunked=self.chunked, headers=kind))
                answer = await read_answer(reader)
                self.answers.append(answer.status)
                if answer.status != 200:
                    return False
                for _ in range(count):
                    self.waiting.popleft()
        finally:
            writer.close()
            with contextlib.suppress(OSError, TimeoutError):
                async with asyncio.timeout(CLOSE_S):
                    await writer.wait_closed()
        return True


def request(
    path: str, body: bytes, key: str = "", *, chunked: bool = False, headers: Mapping[str, str] | None = None
) -> bytes:
    """Write a POST as a small device does."""
    own = {"Host": "gateway", "Content-Type": "application/json"}
    own |= {"Authorization": f"Bearer {key}"} if key else {}
    own |= {"Transfer-Encoding": "chunked"} if chunked else {"Content-Length": str(len(body))}
    own |= headers or {}
    head = f"POST {path} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in own.items())
    if not chunked:
        return head.encode() + b"\r\n" + body
    pieces = [body[at : at + 100] for at in range(0, len(body), 100)]
    return head.encode() + b"\r\n" + b"".join(b"%x\r\n%s\r\n" % (len(it), it) for it in pieces) + b"0\r\n\r\n"


async def read_answer(reader: asyncio.StreamReader) -> Answer:
    """Read one answer; status 0 where none comes in time."""
    try:
        async with asyncio.timeout(ANSWER_S):
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            pairs = (line.partition(":") for line in head[1:] if line)
            headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
            body = await reader.readexactly(int(headers.get("content-length", "0")))
    except (TimeoutError, OSError, asyncio.IncompleteReadError):
        return Answer(0)
    return Answer(int(head[0].split()[1]), headers, body)


def serve(
    to: ToOption,
    event: Annotated[
        list[str],
        typer.Argument(help="EVENT@DOOR[:CARD], or EVENT@LANE[:PLATE] of a barrier or camera: in@1:AB123."),
    ],
    name: Annotated[str, typer.Option(help="How the device names itself.")] = "DP-1",
    shape: Annotated[str, typer.Option(help="door, barrier, camera or terminal.")] = "door",
    key_env: Annotated[str, typer.Option(help="The environment's name for the key it sends.")] = "",
    tls: Annotated[
        bool, typer.Option(help="Speak TLS; without --ca-file whoever answers is trusted.")
    ] = False,
    ca_file: Annotated[Path | None, typer.Option(help="Trust these certificates only.")] = None,
    seconds: Annotated[float, typer.Option(min=0, help="Try so long to be rid of everything.")] = 10.0,
) -> None:
    """Be a door panel or a barrier: push events, and keep what is not taken until it is."""
    host, port = target(to)
    shapes: dict[str, Shape] = {each: each for each in get_args(Shape)}
    wrong = "" if shape in shapes else f"{shape} is none of {', '.join(shapes)}"
    if not wrong and shape in ALERTS:
        unknown = [each for each in event if not isapi.known(shape, each.partition("@")[0])]
        wrong = f"a {shape} has no {unknown[0]}" if unknown else ""
    try:
        context = trusting(ca_file) if tls or ca_file else None
    except OSError as err:
        wrong = wrong or f"{ca_file}: {err.strerror or err}"
    if wrong:
        refuse(wrong)
    key = secret("--key-env", key_env, HEADER, "a key of letters, digits and signs")
    device = Pusher(name, lambda: datetime.now(UTC), shapes[shape], key, tls=context)
    for each in event:
        happen(device, each)
    done = play(_deliver(device, host, port, seconds))
    said = ", ".join(str(status) for status in device.answers)
    Console().print(
        f"{len(event) - len(device.waiting)} of {len(event)} taken; answers {said}", highlight=False
    )
    if not done:
        raise typer.Exit(FAILED)


def trusting(ca_file: Path | None) -> ssl.SSLContext:
    """Return what a small device connects by: it looks at who vouches, if at anything, and never at names."""
    context = ssl.create_default_context(cafile=ca_file)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_REQUIRED if ca_file else ssl.CERT_NONE
    return context


def happen(device: Pusher, text: str) -> None:
    """Let happen what the command line names: EVENT@DOOR:CARD, or EVENT@LANE:PLATE of a barrier or camera."""
    event, _, rest = text.partition("@")
    place, _, what = rest.partition(":")
    number = int(place) if place.isdigit() else 1
    if device.shape in ALERTS:
        told = "card" if device.shape == "terminal" else "plate"
        at = "door" if device.shape == "terminal" else "lane"
        device.happen(event, **{at: number}, **({told: what} if what else {}))
    elif device.shape == "door":
        device.happen(event, door=number, **({"card": what} if what else {}))
    elif event in {"in", "out", "unknown"}:
        way = "out" if event == "out" else "in"
        device.happen("vehicle", direction=way, known=event != "unknown", lane=number, plate=what)
    else:
        device.happen(event, lane=number)


async def _deliver(device: Pusher, host: str, port: int, seconds: float) -> bool:
    loop = asyncio.get_running_loop()
    until = loop.time() + seconds
    while not await device.deliver(host, port):
        if loop.time() + AGAIN_S > until:
            return False
        await asyncio.sleep(AGAIN_S)
    return True
