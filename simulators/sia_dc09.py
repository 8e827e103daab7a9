"""An alarm panel that reports by SIA DC-09, with an encoder of its own, over TCP or UDP; `gatehouse-sim sia-dc09`."""

import asyncio
import binascii
import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, Literal

import typer
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from rich.console import Console

from simulators.on_wires import FAILED, ToOption, play, refuse, secret, target

_AES_KEY = "[0-9A-Fa-f]{32}([0-9A-Fa-f]{16}){0,2}"
_ANSWER = re.compile(rb'\n([0-9A-F]{4})0([0-9A-F]{3})("\*?([A-Z]+)"(\d{4})[^\r]*)\r')


def crc(body: bytes) -> int:
    """CRC-16/ARC: the CCITT of reversed bits, bit by bit."""
    value = 0
    for byte in body:
        for bit in range(8):
            feedback = (value ^ byte >> bit) & 1
            value = value >> 1 ^ 0xA001 * feedback
    return value


@dataclass(frozen=True, slots=True)
class Answer:
    """What a receiver says to a message."""

    token: str
    sequence: str
    body: bytes


@dataclass(slots=True)
class Panel:
    """Numbers and writes its messages."""

    account: str
    key: bytes | None = None
    receiver: str | None = None
    line: str = "0"
    hash_in_data: bool = True
    binary_crc: bool = False
    padding: Callable[[int], bytes] = os.urandom
    sequence: int = 0
    log: list[Answer] = field(default_factory=list)

    def sia(
        self, code: str, zone: str = "", area: str = "", at: datetime | None = None, extra: str = ""
    ) -> bytes:
        """Write the next message with one SIA event."""
        block = f"N{f'ri{area}/' if area else ''}{code}{zone}"
        return self._next("SIA-DCS", block, at, extra)

    def contact_id(
        self, qualifier: int, event: str, partition: str = "01", zone: str = "000", at: datetime | None = None
    ) -> bytes:
        """Write the next message with one Contact ID event."""
        return self._next("ADM-CID", f"{qualifier}{event} {partition} {zone}", at, "")

    def null(self, at: datetime | None = None) -> bytes:
        """Write a link test."""
        return self._message("NULL", 0, "", at, "")

    def _next(self, token: str, block: str, at: datetime | None, extra: str) -> bytes:
        self.sequence = self.sequence % 9999 + 1
        data = f"{'#' if self.hash_in_data else ''}{self.account}|{block}"
        return self._message(token, self.sequence, data, at, extra)

    def _message(self, token: str, number: int, data: str, at: datetime | None, extra: str) -> bytes:
        rest = f"{data}]{extra}" + (at.astimezone(UTC).strftime("_%H:%M:%S,%m-%d-%Y") if at else "")
        receiver = "" if self.receiver is None else f"R{self.receiver}"
        star = "*" if self.key else ""
        head = f'"{star}{token}"{number:04d}{receiver}L{self.line}#{self.account}['
        body = (head + (self._hidden(rest) if self.key else rest)).encode()
        check = crc(body)
        field_ = check.to_bytes(2, "big") if self.binary_crc else b"%04X" % check
        return b"\n" + field_ + b"%04X" % len(body) + body + b"\r"

    def _hidden(self, rest: str) -> str:
        clear = rest.encode() if rest.startswith("]") else b"|" + rest.encode()
        size = 16 + (16 - len(clear) % 16) % 16
        pad = binascii.hexlify(self.padding(size))[:size]
        made = Cipher(algorithms.AES(self.key or b""), modes.CBC(bytes(16))).encryptor()
        return (made.update(pad + clear) + made.finalize()).hex().upper()


def answer_in(data: bytes) -> Answer | None:
    """Return the answer in some bytes; None while it is not whole. Raises `ValueError` where it is not sound."""
    match = _ANSWER.search(data)
    if match is None:
        return None
    if int(match[1], 16) != crc(match[3]) or int(match[2], 16) != len(match[3]):
        raise ValueError(f"an answer with a wrong CRC or length: {match[0]!r}")
    return Answer(match[4].decode(), match[5].decode(), match[3])


async def say_tcp(host: str, port: int, raw: bytes, timeout: float = 10) -> Answer | None:
    """Send a message over a connection of its own; return the answer, None where none comes in time."""
    reader, writer = await asyncio.open_connection(host, port)
    data = b""
    try:
        writer.write(raw)
        async with asyncio.timeout(timeout):
            while (answer := answer_in(data)) is None:
                part = await reader.read(1024)
                if not part:
                    return None
                data += part
    except TimeoutError:
        return None
    else:
        return answer
    finally:
        writer.close()
        await writer.wait_closed()


async def say_udp(host: str, port: int, raw: bytes, timeout: float = 10) -> Answer | None:
    """Send a message as one datagram; return the answer, None where none comes in time."""
    loop = asyncio.get_running_loop()
    came: asyncio.Future[bytes] = loop.create_future()
    transport, _ = await loop.create_datagram_endpoint(lambda: _Datagram(came), remote_addr=(host, port))
    try:
        transport.sendto(raw)
        async with asyncio.timeout(timeout):
            return answer_in(await came)
    except (TimeoutError, OSError):
        return None
    finally:
        transport.close()


class _Datagram(asyncio.DatagramProtocol):
    def __init__(self, came: asyncio.Future[bytes]) -> None:
        self._came = came

    def datagram_received(self, data: bytes, addr: object) -> None:
        del addr
        if not self._came.done():
            self._came.set_result(data)

    def error_received(self, exc: Exception) -> None:
        if not self._came.done():
            self._came.set_exception(exc)


def serve(
    to: ToOption,
    event: Annotated[
        list[str], typer.Argument(help="BA:501 (SIA code and zone), 1110:015 (Contact ID) or NULL.")
    ],
    account: str = "1234",
    transport: Annotated[str, typer.Option(help="tcp or udp.")] = "tcp",
    key_env: Annotated[str, typer.Option(help="The environment's name for the AES key in hex.")] = "",
    receiver: Annotated[str, typer.Option(help="The receiver number, if the panel sends one.")] = "",
) -> None:
    """Be an alarm panel: send events one after the other, and show what the receiver answers."""
    host, port = target(to)
    if transport not in {"tcp", "udp"}:
        refuse(f"{transport} is neither tcp nor udp")
    key = secret("--key-env", key_env, _AES_KEY, "an AES key of 32, 48 or 64 hex digits")
    panel = Panel(account, bytes.fromhex(key) or None, receiver or None)
    how: Literal["tcp", "udp"] = "udp" if transport == "udp" else "tcp"
    answers = play(_say_all(panel, host, port, how, event))
    for what, answer in zip(event, answers, strict=True):
        Console().print(f"{what}: {answer.token if answer else 'no answer'}", highlight=False)
    if not all(answer and answer.token == "ACK" for answer in answers):  # noqa: S105 - the name of a message
        raise typer.Exit(FAILED)


async def _say_all(
    panel: Panel, host: str, port: int, transport: Literal["tcp", "udp"], events: list[str]
) -> list[Answer | None]:
    say = say_udp if transport == "udp" else say_tcp
    return [await say(host, port, written(panel, event, datetime.now(UTC))) for event in events]


def written(panel: Panel, event: str, at: datetime) -> bytes:
    """Write an event as the command line names it: BA:501, 1110:015 or NULL."""
    code, _, zone = event.partition(":")
    if code == "NULL":
        return panel.null(at)
    if code.isdigit():
        return panel.contact_id(int(code[0]), code[1:], zone=zone or "000", at=at)
    return panel.sia(code, zone, at=at)
