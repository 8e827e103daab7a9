"""The demo's cameras: a step is over when the gateway has judged it, and a guard's pictures are held against it."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

import tests.support.camera
from messages.types import Edge
from simulators.api_client import ApiRefused
from simulators.camera_scene import Scene, alike
from simulators.field_cameras import WANTED, Lens, Shown
from simulators.field_speakers import key_file
from simulators.field_truth import FieldTruth
from simulators.guard import Guard
from simulators.truth import TruthWriter
from simulators.vocabulary import FieldDevice, Say
from tests.support.camera import hasty, line
from tests.support.fire import shipped
from tests.support.toylisten import listening

SMALL = 320, 180
ROOM, BLACK = Scene(1, size=SMALL).picture(), Scene(1, size=SMALL, fault="black").picture()


def bad(fault: str) -> Say:
    return Say(at="0s", say=f"picture {fault}", tells=(f"video_{fault} raised",))


def well(fault: str) -> Say:
    return Say(at="0s", say="picture well", tells=(f"video_{fault} cleared",))


def lens(folder: Path, writer: TruthWriter) -> Lens:
    truth = FieldTruth("cameras", writer, lambda: 0)
    device = FieldDevice(id="cam-1", profile="onvif-camera")
    made = Lens(device, truth, hasty(shipped("onvif-camera")), 7)
    made.server.camera.scene.size = SMALL
    key_file(folder / "key", made.key)
    return made


async def test_a_step_is_over_when_the_gateway_has_told_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tests.support.camera, "PACE", 0.002)
    with TruthWriter(tmp_path, lambda: 0) as writer:
        camera = lens(tmp_path, writer)
        async with camera.server.running() as server:
            server.camera.address = f"127.0.0.1:{server.port}"
            gateways = line(tmp_path, server.port, password_file=str(tmp_path / "key"))
            async with listening(gateways) as heart:

                def edges(code: str) -> list[Edge]:
                    return [event.edge for event in heart.recorder.edges if event.code == code]

                for fault in ("moved", "frozen"):
                    await camera.say(bad(fault))
                    assert edges(f"video_{fault}") == [Edge.RAISED]
                    shown = camera.shown(bad(fault))
                    assert shown is not None
                    assert (shown.code, shown.jpeg) == (f"video_{fault}", server.last)
                    await camera.say(well(fault))
                    assert edges(f"video_{fault}") == [Edge.RAISED, Edge.CLEARED]
                    assert camera.shown(well(fault)) is None
    assert camera.shown(Say(at="0s", say="tamper on", tells=("tampered raised",))) is None


def test_pictures_are_alike_whatever_their_size_and_noise_and_nothing_is_like_what_is_none() -> None:
    again, larger = (
        Scene(1, size=SMALL, noise=6.0).picture(),
        Scene(1, size=(640, 360), fault="black").picture(),
    )
    assert alike(ROOM, again)
    assert alike(BLACK, larger)
    assert not alike(ROOM, BLACK)
    assert not alike(ROOM, Scene(1, size=SMALL, fault="moved").picture())
    assert not alike(ROOM, ROOM[: len(ROOM) // 2])
    assert not alike(b"", b"")


class Desk:
    """Answers as the server does; `gives` is the picture, `refusals` come before the first is taken."""

    def __init__(self, gives: bytes = BLACK, refusals: int = 0, state: str = "kept") -> None:
        self.gives, self.refusals, self.state = gives, refusals, state
        self.asked: list[tuple[str, Any]] = []

    async def get(self, path: str, **_query: str | int) -> Any:
        if path == "alarms":
            alarms = [("cam-2", "video_black"), ("cam-1", "video_black")]
            return {
                "alarms": [
                    {"id": n, "device": device, "code": code, "condition": "active"}
                    for n, (device, code) in enumerate(alarms)
                ]
            }
        return {"snapshots": [{"n": 1, "state": self.state, "why": "the camera is gone"}]}

    async def post(self, path: str, body: Any) -> Any:
        self.asked.append((path, body["of"]))
        if self.refusals:
            self.refusals -= 1
            raise ApiRefused("409 gateway_busy")
        return {"snapshot": {"n": 1, "state": "pending"}}

    async def file(self, path: str) -> bytes:
        assert path == "alarms/1/snapshots/1"
        return self.gives


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("simulators.guard.LOOK_S", 0.0)


async def looked(desk: Desk, code: str = "video_black") -> Guard:
    guard = Guard(desk, lambda: ())  # type: ignore[arg-type]
    async with asyncio.timeout(10):
        await guard.look(Shown("cam-1", code, BLACK))
    return guard


async def test_a_guard_has_both_pictures_of_an_alarm_also_from_a_line_that_is_busy() -> None:
    desk = Desk(refusals=2)
    guard = await looked(desk)
    assert (guard.attached, guard.notes) == (2, [])
    assert [of for _, of in desk.asked] == ["moment", "moment", *WANTED]
    assert {path for path, _ in desk.asked} == {"alarms/1/snapshot"}


@pytest.mark.parametrize(
    ("desk", "code", "words"),
    [
        (Desk(gives=ROOM), "video_black", "not what the camera showed"),
        (Desk(state="failed"), "video_black", "the camera is gone"),
        (Desk(), "video_moved", "no open alarm cam-1.video_moved"),
        (Desk(refusals=10**6), "video_black", "409 gateway_busy"),
    ],
)
async def test_a_picture_that_is_wrong_or_does_not_come_is_noted(
    desk: Desk, code: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("simulators.guard.WAIT_S", 0.05)
    guard = await looked(desk, code)
    assert guard.attached == 0
    assert words in guard.notes[0]
