"""The tool that fetches a picture: now, or the one that an alarm rests on."""

import asyncio
import base64
import hashlib
from datetime import timedelta

import pytest

from gateway.cameras.picture import jpeg_size
from gateway.site.config import load_site
from gateway.tools.jobs import Nowhere, carry, line_that_listens
from gateway.tools.work import Work
from messages.codec import MessageError
from messages.tool_args import tool_args
from messages.tools import SaidKind, check_plain
from tests.support.camera import line, server
from tests.support.gateway import START
from tests.support.sitefile import site_at
from tests.support.toylisten import listening
from tests.support.waiting import until

SITE = "site: s\ngateway: gw\nbroker: {url: 'mqtt://127.0.0.1:1883', username: gw, password_file: secrets/gw-a}\n"


def together(rows):
    for row in rows:
        check_plain(row, "row")
    parts = sorted(rows, key=lambda row: row["part"])
    return b"".join(base64.b64decode(word) for row in parts for word in row["jpeg"])


async def test_a_picture_comes_in_parts(tmp_path):
    cam = server()
    async with cam.running():
        made = line(tmp_path, cam.port)
        async with listening(made) as heart:
            (ear,) = heart.listeners.lines
            await until(lambda: cam.pictures > 0)

            async def ask(**args):
                rows = []
                site = load_site(site_at(tmp_path, SITE))
                work = Work(
                    site, line_that_listens(made), Nowhere(), rows.append, clock=lambda: START, ear=ear
                )
                ended = await carry("snapshot", tool_args("snapshot", args), work, 10)
                return ended, together(rows), work.result

            ended, data, result = await ask(device="cam-1")
            assert ended == (SaidKind.DONE, "")
            assert jpeg_size(data) == (320, 180)
            assert result["sha256"] == hashlib.sha256(data).hexdigest()
            assert result["taken"].startswith("2026-03-01T00:00:00")
            camera = ear.cameras["cam-1"]
            name = await asyncio.to_thread(camera.evidence.keep, "cam-1", "black", START + timedelta(1), data)
            assert (await ask(device="cam-1", picture=name))[1] == data
            gone = await ask(device="cam-1", picture=name.replace("black", "moved"))
            assert gone[0][0] is SaidKind.FAILED
            assert "not kept" in gone[0][1]
            other = await ask(device="cam-1", picture=name.replace("cam-1", "cam-2"))
            assert other[0][0] is SaidKind.FAILED
            assert (await ask(device="door"))[0][0] is SaidKind.FAILED


def test_what_is_asked_is_checked():
    with pytest.raises(MessageError, match="picture"):
        tool_args("snapshot", {"device": "cam-1", "picture": "/etc/passwd"})
