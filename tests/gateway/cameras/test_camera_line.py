"""Cameras on real sockets: from the simulator's own encoders to the gateway's journal."""

import contextlib
import threading

import pytest

import gateway.cameras.attend
import gateway.cameras.camera_line
from gateway.cameras.evidence import Evidence
from gateway.cameras.picture import jpeg_size
from gateway.cameras.quality import Limits, Watch
from gateway.cameras.watching import Watching
from messages.types import Edge, Quality
from simulators.camera_scene import Scene
from tests.support.camera import PASSWORD, line, server
from tests.support.toylisten import listening
from tests.support.waiting import until


@pytest.fixture(autouse=True)
def fast(monkeypatch):
    monkeypatch.setattr(gateway.cameras.attend, "AGAIN_S", 0.05)
    monkeypatch.setattr(gateway.cameras.attend, "LEAST_GAP_S", 0.01)
    monkeypatch.setattr(gateway.cameras.camera_line, "LOOK_S", 0.05)


@contextlib.asynccontextmanager
async def attended(folder, *servers, **options):
    async with contextlib.AsyncExitStack() as stack:
        for each in servers:
            await stack.enter_async_context(each.running())
        made = line(folder, *(each.port for each in servers), **options)
        yield await stack.enter_async_context(listening(made))


def edges(heart, code, device="cam-1"):
    return [event.edge for event in heart.recorder.edges if (event.device, event.code) == (device, code)]


def last(heart, point, device="cam-1"):
    for _, sample in reversed(heart.recorder.samples):
        if sample.device == device and point in sample.values:
            return sample.bad.get(point, sample.values[point])
    return None


async def test_a_camera_is_there_and_says_who_it_is(tmp_path, caplog):
    cam = server()
    cam.camera.drift_s = 42.0
    async with attended(tmp_path, cam) as heart:
        await until(lambda: last(heart, "brightness") is not None and last(heart, "events_up") is True)
        await until(lambda: edges(heart, "clock_ahead") == [Edge.RAISED])
        for point in ("online", "onvif_up", "rtsp_up", "login_ok"):
            assert last(heart, point) is True
        assert 40 <= last(heart, "clock_offset") <= 43
        (identity,) = [event for event in heart.recorder.edges if event.code == "identity"]
        assert identity.detail == "Gatehouse Sim & Co, firmware 1.0.0, serial SIM0001"
        assert [hears for _, hears in heart.listeners.hears()] == [True]
    assert cam.camera.refused == 0
    assert "Unsubscribe" in cam.camera.asked, "what is no longer wanted is given back"
    assert PASSWORD not in caplog.text


async def test_events_come_by_pull_point_and_again_after_a_reboot(tmp_path):
    cam = server()
    async with attended(tmp_path, cam) as heart:
        await until(lambda: cam.camera.waiting)
        cam.camera.tamper(on=True)
        await until(lambda: edges(heart, "tampered")[-1:] == [Edge.RAISED])
        cam.camera.reboot()
        cam.camera.tamper(on=False)
        await until(lambda: edges(heart, "tampered")[-1:] == [Edge.CLEARED])
        cam.camera.record(on=False)
        await until(lambda: edges(heart, "recording_gap")[-1:] == [Edge.RAISED])
        assert cam.camera.asked.count("CreatePullPointSubscription") >= 2
    (gap,) = [
        event for event in heart.recorder.edges if event.code == "recording_gap" and event.edge is Edge.RAISED
    ]
    assert gap.part == "Job_1"
    assert gap.at is not None


async def test_what_is_wrong_with_pictures_is_an_alarm_with_a_picture(tmp_path):
    cam = server()
    async with attended(tmp_path, cam) as heart:
        await until(lambda: last(heart, "likeness") is not None and last(heart, "picture_moved") is False)
        for fault, code in (
            ("obstructed", "video_obstructed"),
            ("black", "video_black"),
            ("broken", "video_lost"),
        ):
            cam.camera.scene.fault = fault
            await until(lambda code=code: edges(heart, code) == [Edge.RAISED])
            cam.camera.scene.fault = ""
            await until(lambda code=code: edges(heart, code) == [Edge.RAISED, Edge.CLEARED])
    event = next(event for event in heart.recorder.edges if event.code == "video_obstructed")
    assert event.evidence.startswith("picture:cam-1/")
    kept = Evidence(tmp_path / "cameras" / "pictures").read(event.evidence)
    assert kept is not None
    assert jpeg_size(kept) == (320, 180)
    assert (tmp_path / "cameras" / "usual" / "cam-1.json").stat().st_mode & 0o077 == 0


async def test_a_refused_login_is_told_once_and_the_camera_is_left_alone(tmp_path):
    cam = server()
    cam.camera.password = "another"
    async with attended(tmp_path, cam) as heart:
        await until(lambda: edges(heart, "login_refused") == [Edge.RAISED])
        refused, asked = cam.camera.refused, len(cam.camera.asked)
        await until(lambda: len(cam.camera.asked) >= asked + 5)
        assert cam.camera.refused == refused == 1
        assert set(list(cam.camera.asked)[asked:]) == {"GetSystemDateAndTime"}
        assert last(heart, "rtsp_up") is Quality.DEVICE, "where its stream is, it has not told"


async def test_a_camera_that_hangs_is_silent_and_holds_up_no_other(tmp_path, monkeypatch):
    monkeypatch.setattr(gateway.cameras.camera_line, "TIMEOUT_S", 0.3)
    one, other = server(), server(serial="SIM0002")
    async with attended(tmp_path, one, other, within={"cam-1": 0.5}) as heart:
        await until(lambda: last(heart, "online") is True and last(heart, "online", "cam-2") is True)
        one.mute = True
        await until(lambda: {device.id: hears for device, hears in heart.listeners.hears()}["cam-1"] is False)
        assert last(heart, "picture_black") is Quality.TIMEOUT
        seen = other.pictures
        await until(lambda: other.pictures > seen + 2)
        await until(lambda: last(heart, "online", "cam-2") is True)


async def test_a_stream_that_is_gone_is_told(tmp_path):
    cam = server()
    async with attended(tmp_path, cam) as heart:
        await until(lambda: last(heart, "rtsp_up") is True and last(heart, "login_ok") is True)
        cam.stream = False
        await until(lambda: edges(heart, "stream_lost") == [Edge.RAISED])


async def test_what_the_disk_does_not_take_is_told_later(tmp_path, monkeypatch):
    monkeypatch.setattr(gateway.cameras.attend, "KEEP_TRYING_S", 0.01)
    cam = server()
    async with attended(tmp_path, cam) as heart:
        await until(lambda: cam.camera.waiting and last(heart, "events_up") is True)
        heart.recorder.takes = False
        cam.camera.tamper(on=True)
        await until(lambda: heart.count("not_kept") >= 3)
        heart.recorder.takes = True
        await until(lambda: edges(heart, "tampered")[-1:] == [Edge.RAISED])


async def test_a_picture_is_fetched_on_request(tmp_path):
    cam = server()
    async with attended(tmp_path, cam) as heart:
        (cameras,) = heart.listeners.lines
        await until(lambda: last(heart, "brightness") is not None)
        assert jpeg_size(await cameras.picture("cam-1")) == (320, 180)


async def test_what_answers_http_and_is_no_camera_is_not_up(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(gateway.cameras.attend, "PORT", 1)
    cam = server()
    async with attended(tmp_path, cam) as heart:
        await until(lambda: last(heart, "onvif_up") is True)

        async def nothing(path, body):
            return 404, "nothing here"

        cam.camera.answer = nothing
        await until(lambda: edges(heart, "onvif_lost") == [Edge.RAISED])
        assert last(heart, "rtsp_up") is True
    assert "HTTP Request" not in caplog.text


@pytest.mark.faults
async def test_a_fault_of_our_own_at_one_camera_is_not_its_neighbours_and_it_begins_again(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(gateway.cameras.camera_line, "FAULT_S", 0.05)
    broken: list[str] = []
    see = Watching.see

    def breaks_once(watching, data):
        if watching.device == "cam-1" and not broken:
            broken.append(watching.device)
            raise ZeroDivisionError("odd")
        return see(watching, data)

    monkeypatch.setattr(Watching, "see", breaks_once)
    async with attended(tmp_path, server(), server()) as heart:
        await until(
            lambda: last(heart, "brightness") is not None and last(heart, "brightness", "cam-2") is not None
        )
    assert broken == ["cam-1"]


def test_what_is_usual_is_saved_whole_while_a_picture_is_judged(tmp_path):
    """A stop leaves the thread behind that judges, and saves."""
    inside, go, order = threading.Event(), threading.Event(), []

    class Slow(Watch):
        def see(self, seen):
            inside.set()
            go.wait(10)
            order.append("seen")
            return super().see(seen)

        def state(self):
            order.append("kept")
            return super().state()

    watching = Watching("cam-1", Slow(Limits()), tmp_path / "usual.json")
    seeing = threading.Thread(target=watching.see, args=(Scene().picture(),))
    seeing.start()
    assert inside.wait(10)
    saving = threading.Thread(target=watching.save)
    saving.start()
    go.set()
    seeing.join(10)
    saving.join(10)
    assert order == ["seen", "kept"]
