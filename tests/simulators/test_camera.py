"""The simulated camera's own rules: who may ask, and what waits where."""

import base64
import hashlib
from datetime import UTC, datetime, timedelta

import pytest

from drivers.onvif.soap import Login, envelope
from simulators.camera import KEPT, POINT_LASTS_S, TOKEN_AGE_S, Camera
from simulators.camera_scene import Scene
from tests.support.clock import Clock

AT = datetime(2026, 9, 21, 10, 27, 41, tzinfo=UTC)
SUBSCRIBE = '<CreatePullPointSubscription xmlns="http://www.onvif.org/ver10/events/wsdl"/>'
PULL = '<PullMessages xmlns="http://www.onvif.org/ver10/events/wsdl"><Timeout>PT0S</Timeout></PullMessages>'


def camera(clock: Clock, password: str = "") -> Camera:
    return Camera(clock=clock, scene=Scene(size=(64, 48)), password=password)


def signed(created: str, nonce: bytes = b"0123456789abcdef", password: str = "geheim") -> str:
    digest = base64.b64encode(hashlib.sha1(nonce + created.encode() + password.encode()).digest()).decode()
    fields = {"Username": "admin", "Password": digest, "Nonce": base64.b64encode(nonce).decode()}
    token = "".join(f"<w:{name}>{value}</w:{name}>" for name, value in {**fields, "Created": created}.items())
    return f"<Header>{token}</Header><Body><GetDeviceInformation/></Body>"


async def subscribed(cam: Camera) -> str:
    _, said = await cam.answer("/onvif/events", f"<Body>{SUBSCRIBE}</Body>")
    return said.partition("/onvif/pull/")[2].partition("<")[0]


async def pulled(cam: Camera, point: str) -> tuple[int, int]:
    status, said = await cam.answer(f"/onvif/pull/{point}", f"<Body>{PULL}</Body>")
    return status, said.count("<wsnt:NotificationMessage>")


@pytest.mark.parametrize(
    ("created", "status"),
    [
        ("2026-09-21T10:27:41Z", 200),
        ("2026-09-21T10:27:41", 400),  # of no zone
        ("2026-09-21", 400),
        ("yesterday", 400),
        ("2026-09-21T10:26:40Z", 400),
    ],
)
async def test_who_signs_in_with_a_time_that_is_none_is_not_authorized(created: str, status: int) -> None:
    answered, said = await camera(Clock(AT), "geheim").answer("/", signed(created))
    assert answered == status
    assert ("NotAuthorized" in said) is (status == 400)


async def test_a_nonce_holds_once_and_is_forgotten_when_it_is_too_old_anyway() -> None:
    clock = Clock(AT)
    cam = camera(clock, "geheim")
    assert [(await cam.answer("/", signed("2026-09-21T10:27:41Z")))[0] for _ in range(2)] == [200, 400]
    for number in range(5):
        clock.now += timedelta(seconds=TOKEN_AGE_S)
        sent = envelope(
            "<GetDeviceInformation/>",
            login=Login("admin", "geheim"),
            created=clock.now,
            nonce=bytes([number] * 16),
        )
        assert (await cam.answer("/", sent.decode()))[0] == 200
    assert len(cam._nonces) <= 2


async def test_what_nobody_fetches_any_more_is_forgotten_and_holds_up_nobody() -> None:
    clock = Clock(AT)
    cam = camera(clock)
    left, new = await subscribed(cam), await subscribed(cam)
    cam.tamper(on=True)
    assert not cam.fetched.is_set()
    assert await pulled(cam, new) == (200, 3)
    assert cam.fetched.is_set()
    assert cam.waiting[left], "its time is not over yet"
    clock.now += timedelta(seconds=POINT_LASTS_S + 1)
    cam.tamper(on=False)
    assert not cam.waiting
    assert not cam.fetched.is_set()
    assert (await pulled(cam, left))[0] == 400
    assert await pulled(cam, await subscribed(cam)) == (200, 2)
    assert cam.fetched.is_set()


async def test_it_keeps_what_was_asked_lately() -> None:
    cam = camera(Clock(AT))
    for _ in range(KEPT + 5):
        await cam.answer("/", "<Body><GetProfiles/></Body>")
    assert len(cam.asked) == KEPT
