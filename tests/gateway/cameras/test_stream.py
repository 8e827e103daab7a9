"""Is the stream there? Asked over TLS too, where a camera shows a certificate of its own."""

import asyncio
import ssl
from contextlib import asynccontextmanager

import pytest

from gateway.cameras.stream import look_at
from tests.support.certificates import made

SDP = b"v=0\r\nm=video 0 RTP/AVP 96\r\n"


async def answered(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while head := await reader.readuntil(b"\r\n\r\n"):
            number = next(line for line in head.split(b"\r\n") if line.startswith(b"CSeq"))
            body = SDP if head.startswith(b"DESCRIBE") else b""
            writer.write(b"RTSP/1.0 200 OK\r\n%b\r\nContent-Length: %d\r\n\r\n%b" % (number, len(body), body))
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


@asynccontextmanager
async def camera(folder, *, tls: bool):
    context = None
    if tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*made("camera").write(folder, "camera"))
    async with await asyncio.start_server(answered, "127.0.0.1", 0, ssl=context) as server:
        yield server.sockets[0].getsockname()[1]


@pytest.mark.parametrize("tls", [False, True])
async def test_a_stream_is_found(tmp_path, tls):
    async with camera(tmp_path, tls=tls) as port:
        scheme = "rtsps" if tls else "rtsp"
        seen = await look_at(f"{scheme}://127.0.0.1:{port}/main", None, "abc", 5)
    assert (seen.up, seen.described) == (True, True), seen.why
