"""Pictures of generated scenes: what is wrong is told, and what is merely dark, noisy or still is not."""

import io
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from gateway.cameras.picture import EVIDENCE_BYTES, MAX_BYTES, PictureBroken, evidence_of, jpeg_size, look
from gateway.cameras.quality import ENOUGH, SAME_TIMES, Limits, Watch, light_of
from simulators.camera_scene import Scene

SIZE = 480, 270
WRONG = ("lost", "black", "frozen", "blurred", "obstructed", "moved", "colour_cast")
DAY, NIGHT = {}, {"light": 0.2, "colour": False, "noise": 2.0}
NOISY, DIM = {"noise": 8.0}, {"light": 0.5}
USUAL = Limits()
FAULT = {"cast": "colour_cast"}


def wrong(facts):
    return [name for name in WRONG if facts[name]]


def watched(scene, limits=USUAL, times=ENOUGH + 1):
    watch = Watch(limits)
    for _ in range(times):
        facts = watch.see(look(scene.picture()))
        assert not wrong(facts)
    return watch


def seen(watch, scene, times=SAME_TIMES + 1):
    for _ in range(times):
        facts = watch.see(look(scene.picture()))
    return facts


@pytest.mark.parametrize(("seed", "light"), [(1, DAY), (2, NOISY), (3, DIM)], ids=["day", "noisy", "dim"])
def test_each_fault_is_told_as_itself_and_ends(seed, light):
    scene = Scene(seed, size=SIZE, **light)
    watch = watched(scene)
    for fault in ("frozen", "blurred", "obstructed", "moved", "cast", "lost", "black"):
        scene.fault = fault
        assert wrong(seen(watch, scene)) == [FAULT.get(fault, fault)]
        scene.fault = ""
        assert wrong(seen(watch, scene, 1)) == []


@pytest.mark.parametrize("fault", ["obstructed", "moved"])
def test_an_infra_red_night_has_its_own_usual_picture(fault):
    scene = Scene(4, size=SIZE)
    watch = watched(scene)
    scene.light, scene.colour, scene.noise = 0.2, False, 2.0
    assert wrong(seen(watch, scene, ENOUGH + 1)) == []
    scene.fault = fault
    assert wrong(seen(watch, scene)) == [fault]


@pytest.mark.parametrize(("light", "noise"), [(0.15, 1.0), (1.0, 0.4), (1.15, 10.0)])
def test_a_still_scene_is_not_frozen_in_any_light(light, noise):
    watched(Scene(5, size=SIZE, light=light, noise=noise), times=2 * SAME_TIMES + 2)


def test_a_frozen_picture_with_a_running_clock_is_frozen():
    scene = Scene(6, size=SIZE, clock=True)
    watch = watched(scene)
    scene.fault = "frozen"
    assert wrong(seen(watch, scene)) == ["frozen"]
    careless = watched(Scene(6, size=SIZE, clock=True), Limits(overlay_pct=0))
    assert wrong(seen(careless, scene)) == [], "the burnt-in clock changes the picture"


def test_a_black_picture_with_burnt_in_text_is_black():
    scene = Scene(6, size=SIZE, clock=True)
    watch = watched(scene)
    scene.fault = "black"
    assert wrong(seen(watch, scene)) == ["black"]


def test_light_that_goes_up_and_down_is_no_fault():
    scene = Scene(7, size=SIZE)
    watch = watched(scene)
    for light in np.linspace(1.0, 0.12, 16):
        scene.light = float(light)
        assert wrong(seen(watch, scene, 1)) == []


def test_before_anything_is_usual_nothing_is_compared():
    scene = Scene(8, size=SIZE)
    facts = seen(Watch(), scene, ENOUGH)
    for name in ("blurred", "obstructed", "moved", "colour_cast", "sharpness_pct", "likeness_pct"):
        assert facts[name] is None
    assert facts["black"] is False
    assert isinstance(facts["brightness"], Decimal)


def test_what_is_bad_is_never_learned():
    scene = Scene(9, size=SIZE)
    watch = watched(scene)
    scene.fault = "moved"
    assert wrong(seen(watch, scene, 12)) == ["moved"]


def test_what_is_usual_outlives_a_restart():
    scene = Scene(10, size=SIZE)
    kept = watched(scene).state()
    assert len(kept) < 40_000
    scene.fault = "obstructed"
    again = Watch()
    again.restore(kept)
    assert wrong(seen(again, scene)) == ["obstructed"]


@given(st.binary(max_size=80))
def test_a_kept_state_of_anything_is_taken_or_left(kept):
    watch = Watch()
    watch.restore(kept)
    watch.restore(
        b'{"size": [1, 1], "usual": {"grey0": {"seen": 9, "sharpness": [], "thumb": "AA==",'
        b' "texture": "", "cb": 1, "cr": 1}}}'
    )
    assert watch.state()


def test_another_resolution_starts_a_new_sharpness():
    scene = Scene(11, size=SIZE)
    watch = watched(scene)
    scene.size, scene._rooms = (640, 360), {}
    assert seen(watch, scene, 1)["sharpness_pct"] is None


def test_a_camera_without_colour_is_grey():
    assert light_of(look(Scene(1, size=SIZE, colour=False).picture())) == "grey2"
    assert light_of(look(Scene(1, size=SIZE, light=0.3).picture())) == "colour1"


def jpeg(size, mode="RGB"):
    stream = io.BytesIO()
    Image.new(mode, size, 90).save(stream, "JPEG")
    return stream.getvalue()


WHOLE = Scene(1, size=SIZE).picture()
BOMB = WHOLE.replace((270).to_bytes(2, "big") + (480).to_bytes(2, "big"), b"\xff\xff\xff\xff", 1)


@pytest.mark.parametrize(
    "hostile",
    [b"", b"\xff\xd8", b"\xff\xd8" + b"\xff" * 50, b"\x89PNG\r\n", WHOLE[: len(WHOLE) // 2], WHOLE[:300], BOMB,
     b"\xff\xd8" + bytes(MAX_BYTES), jpeg((8, 8)), b"\xff\xd8\xff\xe0\x00\x00",
     WHOLE[:2] + b"\xff\xc0\x00\x0b\x08\x01"],
    ids=lambda hostile: f"{len(hostile)} bytes",
)  # fmt: skip
def test_what_is_no_picture_is_refused(hostile):
    with pytest.raises(PictureBroken):
        look(hostile)
    with pytest.raises(PictureBroken):
        evidence_of(hostile)


@settings(max_examples=30)
@given(st.integers(2, len(WHOLE) - 1), st.binary(min_size=1, max_size=8))
def test_a_damaged_picture_is_a_picture_or_refused(place, noise):
    try:
        assert look(WHOLE[:place] + noise + WHOLE[place + len(noise) :]).size
    except PictureBroken as err:
        assert str(err)  # noqa: PT017


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_every_kind_of_jpeg_is_looked_at(mode):
    assert look(jpeg((320, 240), mode)).contrast < 1


def test_evidence_is_small_whatever_came():
    chance = np.random.default_rng(1)
    stream = io.BytesIO()
    Image.fromarray(chance.integers(0, 255, (1080, 1920, 3), np.uint8)).save(stream, "JPEG", quality=90)
    kept = evidence_of(stream.getvalue())
    assert len(kept) <= EVIDENCE_BYTES
    width, height = jpeg_size(kept)
    assert width <= 1280
    assert height <= 720
