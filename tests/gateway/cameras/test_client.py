"""A camera that answers whatever it likes: every answer is one of ours, or an error of the drivers."""

import asyncio
import gzip
from datetime import UTC, datetime, timedelta
from random import Random

import pytest

from drivers.errors import DeviceRefused, DeviceSilent, DriverError, FrameDamaged
from drivers.onvif.settings import Camera, Options
from drivers.onvif.soap import LOGIN_REFUSED
from gateway.cameras.client import CameraClient, browser
from gateway.cameras.picture import MAX_BYTES
from gateway.cameras.stream import look_at

AT = datetime(2026, 9, 21, tzinfo=UTC)


TIME = b"""<Envelope xmlns="http://www.w3.org/2003/05/soap-envelope"><Body>
<GetSystemDateAndTimeResponse xmlns="http://www.onvif.org/ver10/device/wsdl"
 xmlns:tt="http://www.onvif.org/ver10/schema"><SystemDateAndTime><tt:UTCDateTime>
<tt:Time><tt:Hour>0</tt:Hour><tt:Minute>0</tt:Minute><tt:Second>42</tt:Second></tt:Time>
<tt:Date><tt:Year>2026</tt:Year><tt:Month>9</tt:Month><tt:Day>21</tt:Day></tt:Date>
</tt:UTCDateTime></SystemDateAndTime></GetSystemDateAndTimeResponse></Body></Envelope>"""


async def asked(answer: bytes, ask, *, hang: bool = False):
    """What comes of asking a camera that says this to everything, and hangs in the middle of it or does not."""
    heads: list[bytes] = []
    writers = []

    async def serve(reader, writer):
        writers.append(writer)
        head = await reader.readuntil(b"\r\n\r\n")
        heads.append(head)
        writer.write(answer)
        if not hang:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    camera = Camera("127.0.0.1", port, False, "/onvif", Options(username="admin"), "geheim")
    try:
        async with browser() as http:
            client = CameraClient(camera, http, lambda: AT, Random(1), 0.3 if hang else 10.0)
            client.snapshot_url = f"http://127.0.0.1:{port}/s.jpg?a=b"
            try:
                return await ask(client), heads
            except DriverError as err:
                return err, heads
    finally:
        server.close()
        for writer in writers:
            if writer.get_extra_info("socket").fileno() >= 0:
                writer.transport.abort()
        await asyncio.sleep(0)


def http(status, body=b"", *headers):
    lines = [f"HTTP/1.1 {status} x", f"Content-Length: {len(body)}", "Connection: close", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


async def test_a_sound_answer_gets_through():
    got, _ = await asked(http(200, TIME), lambda client: client.time())
    assert got == timedelta(seconds=42)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (http(200, b"<html>"), FrameDamaged),
        (http(200, gzip.compress(TIME), "Content-Encoding: gzip"), FrameDamaged),
        (http(302, b"", "Location: http://127.0.0.1:1/"), DeviceRefused),
        (http(401, b"", 'WWW-Authenticate: Digest realm="x", nonce="y", algorithm=ROT13'), DeviceRefused),
        (http(401, b"", 'WWW-Authenticate: Digest realm="x", nonce="y", qop="auth-int"'), DeviceRefused),
        (http(401, b"", 'WWW-Authenticate: Basic realm="x"'), DeviceRefused),
        (http(401, b"", "WWW-Authenticate: Digest"), DeviceRefused),
        (b"rubbish\r\n\r\n", DeviceSilent),
        (b"", DeviceSilent),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999999\r\n\r\nx", DriverError),
    ],
    ids=lambda what: repr(what)[:60],
)
async def test_no_answer_gets_through_that_is_none(answer, error):
    got, heads = await asked(answer, lambda client: client.time())
    assert isinstance(got, error)
    assert not any(b"geheim" in head or b"Basic" in head for head in heads)


async def test_a_refused_login_is_known_as_one_and_tried_once():
    challenge = 'WWW-Authenticate: Digest realm="x", nonce="y", qop="auth"'
    got, heads = await asked(http(401, b"", challenge), lambda client: client.picture())
    assert isinstance(got, DeviceRefused)
    assert got.code == LOGIN_REFUSED
    assert len(heads) == 2
    assert b'uri="/s.jpg?a=b"' in heads[1]


async def test_a_picture_without_end_is_cut_off():
    got, _ = await asked(http(200, bytes(MAX_BYTES + 1)), lambda client: client.picture())
    assert isinstance(got, FrameDamaged)


async def test_a_camera_that_hangs_is_silent():
    got, _ = await asked(
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n<", lambda client: client.time(), hang=True
    )
    assert isinstance(got, DeviceSilent)


@pytest.mark.parametrize("url", ["", "http://x/", "rtsp://[::1/", "rtsp://h:99999/", "rtsp:///x"])
async def test_what_is_no_rtsp_address_is_not_asked(url):
    assert (await look_at(url, None, "c", 0.2)).up is False
