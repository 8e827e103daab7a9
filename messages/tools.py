"""The engineer's tools across the broker: what the server asks a gateway to do on a line, and what comes of it.

A job is one `ToolRequest` on `tool/<id>` and the numbered `ToolSaid` on `tool/<id>/said` that answer it. The words
`stop` and `again` in the place of a tool speak of the job with that id: end it, or say anew what came after a number.
Arguments and bodies are plain JSON without binary floats: a number that stands for a register is a decimal string.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Final, TypeVar

import msgspec

from messages.codec import MAX_SMALL_BYTES, MessageError, unusable
from messages.text import printable
from messages.types import VERSION, Id, Label, Seq

MAX_SAID_BYTES: Final = MAX_SMALL_BYTES
MAX_REQUEST_BYTES: Final = 16 * 1024
MAX_DEPTH: Final = 6
MAX_NODES: Final = 5000
MAX_WORD: Final = 4000
_KEY: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}")

STOP: Final = "stop"
AGAIN: Final = "again"


class SaidKind(StrEnum):
    """What a message of a job is; the last three end it."""

    PROGRESS = "progress"
    ROW = "row"
    DONE = "done"
    FAILED = "failed"
    STOPPED = "stopped"

    @property
    def final(self) -> bool:
        """True where nothing follows."""
        return self in {SaidKind.DONE, SaidKind.FAILED, SaidKind.STOPPED}


class ToolRequest(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Ask for a tool on a line, or `stop` / `again` for the job of this id; no job outlives `until`."""

    id: Id
    tool: Annotated[str, msgspec.Meta(pattern=r"^[a-z]{2,20}(?!\n)$")]
    at: datetime
    until: datetime
    line: Id | None = None
    by: Label = ""
    args: Mapping[str, Any] = {}
    v: int = VERSION


class ToolSaid(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """The `seq`-th message of a job, from 1 without a hole. Bodies by kind:

    progress `{done, total, left_s, text}` · row `{rows: [{…}, …], dropped}` · done `{result: {…}}` ·
    failed and stopped `{why}`, and `{result}` where something was found until then.
    """

    id: Id
    seq: Seq
    at: datetime
    kind: SaidKind
    body: Mapping[str, Any] = {}
    v: int = VERSION


T = TypeVar("T", ToolRequest, ToolSaid)
_requests = msgspec.json.Decoder(ToolRequest)
_said = msgspec.json.Decoder(ToolSaid)
_encoder = msgspec.json.Encoder()


def encode_tool(message: ToolRequest | ToolSaid) -> bytes:
    """Encode; raise `MessageError` for what the other side would refuse."""
    request = isinstance(message, ToolRequest)
    content = message.args if isinstance(message, ToolRequest) else message.body
    check_plain(content, "args" if request else "body")
    payload = _encoder.encode(message)
    limit = MAX_REQUEST_BYTES if request else MAX_SAID_BYTES
    if len(payload) > limit:
        raise MessageError(f"{len(payload)} bytes, and the limit is {limit}")
    return payload


def decode_tool_request(payload: bytes) -> ToolRequest:
    """Decode a request; raise `MessageError`."""
    request = _decode(_requests, payload, MAX_REQUEST_BYTES)
    _check_instant(request.at, "at")
    _check_instant(request.until, "until")
    check_plain(request.args, "args")
    return request


def decode_tool_said(payload: bytes) -> ToolSaid:
    """Decode a message of a job; raise `MessageError`."""
    said = _decode(_said, payload, MAX_SAID_BYTES)
    _check_instant(said.at, "at")
    check_plain(said.body, "body")
    return said


def check_plain(thing: Any, where: str) -> None:
    """Raise `MessageError` for what is not small plain JSON: a binary float, a strange key, endless depth."""
    left = [MAX_NODES]
    _walk(thing, where, MAX_DEPTH, left)


def _walk(thing: Any, where: str, depth: int, left: list[int]) -> None:
    left[0] -= 1
    if left[0] < 0:
        raise MessageError(f"{where}: more than {MAX_NODES} parts")
    if not isinstance(thing, Mapping | list | tuple):
        _check_leaf(thing, where)
        return
    if depth == 0:
        raise MessageError(f"{where}: more than {MAX_DEPTH} levels deep")
    if not isinstance(thing, Mapping):
        for index, value in enumerate(thing):
            _walk(value, f"{where}[{index}]", depth - 1, left)
        return
    for key, value in thing.items():
        if not isinstance(key, str) or not _KEY.fullmatch(key):
            raise MessageError(f"{where}: {printable(str(key), 40)!r} cannot be a key")
        _walk(value, f"{where}.{key}", depth - 1, left)


def _check_leaf(thing: Any, where: str) -> None:
    if thing is None or isinstance(thing, bool):
        return
    if isinstance(thing, str):
        if len(thing) > MAX_WORD:
            raise MessageError(f"{where}: {len(thing)} characters, and the limit is {MAX_WORD}")
        if not thing.isascii() and any("\ud800" <= one <= "\udfff" for one in thing):
            raise MessageError(f"{where}: half of a character, which no message can carry")
    elif not isinstance(thing, int):
        raise MessageError(
            f"{where}: a {type(thing).__name__} cannot cross: write numbers with a point as text"
        )
    elif not -(2**53) < thing < 2**53:
        raise MessageError(f"{where}: a whole number that a browser cannot hold: write it as text")


def _check_instant(at: datetime, where: str) -> None:
    if why := unusable(at):
        raise MessageError(f"{where}: {why}")


def _decode(decoder: "msgspec.json.Decoder[T]", payload: bytes, limit: int) -> T:
    if len(payload) > limit:
        raise MessageError(f"{len(payload)} bytes, and the limit is {limit}")
    try:
        message = decoder.decode(payload)
    except (msgspec.MsgspecError, ValueError, RecursionError) as err:
        raise MessageError(printable(str(err))) from None
    if message.v != VERSION:
        raise MessageError(f"v: this side speaks version {VERSION}, the message is version {message.v}")
    return message
