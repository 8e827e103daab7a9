"""One camera attended: when it counts as heard, what a refused login stops, and who it says that it is."""

import asyncio
import contextlib

import pytest

import gateway.cameras.attend
import gateway.cameras.camera_line
from messages.types import Edge, Quality
from simulators.camera_server import CameraServer
from tests.support.camera import line, server
from tests.support.polling import until
from tests.support.toylisten import listening


@pytest.fixture(autouse=True)
def fast(monkeypatch):
    monkeypatch.setattr(gateway.cameras.attend, "AGAIN_S", 0.05)
    monkeypatch.setattr(gateway.cameras.attend, "LEAST_GAP_S", 0.01)
    monkeypatch.setattr(gateway.cameras.camera_line, "LOOK_S", 0.02)


class Hand:
    """Seconds that pass when a test says so."""

    now = 0.0

    def monotonic(self) -> float:
        return self.now


class Holding(CameraServer):
    """From some moment on it takes requests and answers none."""

    holds = False
    held: set[str]

    async def _web_answer(self, head, body):
        if self.holds:
            self.held.add(head.split(" ", 1)[0])
            await asyncio.Event().wait()
        return await super()._web_answer(head, body)


async def test_a_picture_that_does_not_come_ends_no_silence(tmp_path, caplog):
    cam, hand = Holding(server().camera), Hand()
    cam.held = set()
    async with contextlib.AsyncExitStack() as until_gone:
        await until_gone.enter_async_context(cam.running())
        async with listening(line(tmp_path, cam.port, within=5.0, events=False)) as heart:
            (cameras,), told = heart.listeners.lines, heart.recorder
            (camera,) = cameras.devices
            await until(lambda: told.of("cam-1", "brightness"))
            cameras.hearing.around.monotonic = hand.monotonic
            camera.heard_at = 0.0
            cam.holds = True
            await until(lambda: cam.held == {"GET", "POST"})
            heard, words = camera.messages, camera.words
            hand.now = 6.0
            await until(lambda: camera.silent)
            seen = len(told.of("cam-1", "picture_black"))
            await until_gone.aclose()
            await until(lambda: len(told.of("cam-1", "picture_black")) > seen)
            assert told.samples[-1][1].bad["picture_lost"] is Quality.TIMEOUT
            assert (camera.silent, camera.messages, camera.words) == (True, heard, words)
    assert sum("not heard for" in record.message for record in caplog.records) == 1


class Picky(CameraServer):
    """From some moment on it refuses the login for pictures and its stream, and takes it in SOAP."""

    refuses = False

    def _signed(self, head, method, path):
        return super()._signed(head, method, path) and not self.refuses


async def test_a_login_refused_elsewhere_ends_the_pulling(tmp_path):
    cam, hand = Picky(server().camera), Hand()
    async with cam.running(), listening(line(tmp_path, cam.port)) as heart:
        (cameras,), camera = heart.listeners.lines, cam.camera
        attend = cameras.cameras["cam-1"]
        await until(lambda: attend.events_up is True and camera.waiting)
        cameras.hearing.around.monotonic = hand.monotonic
        cam.refuses = True
        await until(lambda: attend.login_ok is False)
        asked = len(camera.asked)
        camera.tamper(on=True)  # it answers the pull that waits
        await until(lambda: attend.events_up is False)
        assert [event.edge for event in heart.recorder.edges if event.code == "tampered"][-1:] == [
            Edge.RAISED
        ], "what it answered is kept"
        await until(lambda: len(camera.asked) >= asked + 5)
        assert set(camera.asked[asked:]) == {"GetSystemDateAndTime"}
        cam.refuses = False
        hand.now += gateway.cameras.attend.LEAVE_ALONE_S
        await until(lambda: attend.events_up is True)
