"""One camera attended: when it counts as heard, what a refused login stops, and who it says that it is."""

import asyncio
import contextlib
import itertools

import hypothesis.strategies as st
import pytest
from hypothesis import given

import gateway.cameras.attend
import gateway.cameras.camera_line
from gateway.cameras.attend import numbered
from messages.types import Edge, Quality
from simulators.camera_server import CameraServer
from tests.support.camera import line, server
from tests.support.toylisten import listening
from tests.support.waiting import until


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
        assert set(list(camera.asked)[asked:]) == {"GetSystemDateAndTime"}
        cam.refuses = False
        hand.now += gateway.cameras.attend.LEAVE_ALONE_S
        await until(lambda: attend.events_up is True)


async def told_versions(folder, versions, state):
    """Which versions a camera that has these one after the other is told to have, and what the journal then holds."""
    cam = server()
    cam.camera.firmware, cam.camera.scene.fault = versions[0], "absent"
    async with cam.running(), listening(line(folder, cam.port, events=False), state=state) as heart:
        (cameras,) = heart.listeners.lines
        attend = cameras.cameras["cam-1"]
        await until(lambda: attend.login_ok is True and heart.recorder.of("cam-1", "online"))
        for version in versions[1:]:
            cam.camera.firmware, attend.found = version, False  # as after its restart
            await until(lambda: attend.found)
            seen = len(heart.recorder.of("cam-1", "online"))
            await until(lambda seen=seen: len(heart.recorder.of("cam-1", "online")) > seen)
        told = [
            event.detail.split("firmware ")[1][0]
            for event in heart.recorder.edges
            if event.code == "identity"
        ]
        return "".join(told), dict(heart.recorder.state)


async def test_who_a_camera_is_is_told_at_each_change_and_at_no_restart_of_ours(tmp_path):
    told, state = await told_versions(tmp_path, "121", {})
    assert told == "121"
    told, _ = await told_versions(tmp_path, "112", state)
    assert told == "2"


@given(st.lists(st.sampled_from("ABC"), max_size=20))
def test_each_change_of_identity_has_a_number_of_its_own(course):
    last, numbers = "", []
    for identity in course:
        if (number := numbered(identity, last)) != last:
            numbers.append(number)
        last = number
    assert len(numbers) == len(set(numbers)) == sum(1 for _ in itertools.groupby(course))
    assert all(len(number) <= 40 for number in numbers)


def test_a_record_from_before_changes_were_counted_is_known():
    assert numbered("A", numbered("A", "").partition("-")[0]) == numbered("A", "").partition("-")[0]
    assert numbered("B", numbered("A", "").partition("-")[0]).endswith("-1")
