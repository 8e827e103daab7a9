"""The scene before a simulated camera, as pictures: what it shows, in which light, and what is wrong with it."""

import io
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

SIZE = 1280, 720
SMALL = 32, 18
LIKE = 6.0
FAULTS = ("black", "lost", "frozen", "blurred", "obstructed", "moved", "cast", "broken", "absent")


@dataclass
class Scene:
    """A room with outlines of its own; `fault` is one of FAULTS, or empty while all is well."""

    seed: int = 1
    size: tuple[int, int] = SIZE
    light: float = 1.0
    noise: float = 3.0
    colour: bool = True
    clock: bool = False
    """Whether the picture has its number burnt in at the top."""
    fault: str = ""
    taken: int = 0
    _rooms: dict[int, Image.Image] = field(default_factory=dict, repr=False)
    _held: NDArray[np.float32] | None = field(default=None, repr=False)

    def picture(self) -> bytes:
        """Take the next picture; broken ones are cut off in the middle."""
        self.taken += 1
        stream = io.BytesIO()
        picture = self._seen()
        if self.clock:
            ImageDraw.Draw(picture).text(
                (8, 4), f"{7919 * self.taken % 10**9:09}", "white", font_size=self.size[1] // 12
            )
        picture.save(stream, "JPEG", quality=85)
        data = stream.getvalue()
        return data[: len(data) // 2] if self.fault == "broken" else data

    def _seen(self) -> Image.Image:
        chance = np.random.default_rng((self.seed, self.taken))
        if self.fault == "lost":
            return Image.new("RGB", self.size, (0, 0, 180))
        if self.fault == "frozen" and self._held is not None:
            return Image.fromarray(self._held.astype(np.uint8))
        room = self._room(self.seed + 1000 if self.fault == "moved" else self.seed)
        if self.fault == "blurred":
            room = room.filter(ImageFilter.GaussianBlur(6))
        light = np.asarray(room, dtype=np.float32) * (0.03 if self.fault == "black" else self.light)
        if self.fault == "obstructed":
            wide = int(self.size[0] * 0.85)
            light[:, :wide] = 70.0 * self.light
        if self.fault == "cast":
            light *= np.array([1.35, 0.75, 1.2], np.float32)
        if not self.colour:
            light[:] = light.mean(axis=2, keepdims=True)
        noise = 0.3 if self.fault == "black" else self.noise
        light = light * (0.2 if self.fault == "black" else 1.0) + chance.normal(
            0, noise, (*light.shape[:2], 1)
        )
        self._held = np.clip(light, 0, 255).astype(np.float32)
        return Image.fromarray(self._held.astype(np.uint8))

    def _room(self, seed: int) -> Image.Image:
        if seed not in self._rooms:
            self._rooms[seed] = _painted(seed, self.size)
        return self._rooms[seed]


def alike(one: bytes, other: bytes) -> bool:
    """Tell whether two JPEGs show the same, whatever their size and noise; what is no picture is like none."""
    try:
        first, second = (np.asarray(_small(data), dtype=np.int16) for data in (one, other))
    except OSError:
        return False
    return float(np.abs(first - second).mean()) < LIKE


def _small(data: bytes) -> Image.Image:
    picture = Image.open(io.BytesIO(data), formats=["JPEG"])
    return picture.convert("L").resize(SMALL, Image.Resampling.BOX)


def _painted(seed: int, size: tuple[int, int]) -> Image.Image:
    chance = np.random.default_rng(seed)
    wide, high = size
    room = Image.new("RGB", size, (120, 118, 112))
    draw = ImageDraw.Draw(room)
    for _ in range(70):
        x, y = int(chance.integers(0, wide)), int(chance.integers(0, high))
        w, h = int(chance.integers(wide // 40, wide // 5)), int(chance.integers(high // 40, high // 4))
        shade = int(chance.integers(40, 215))
        tint = (
            shade,
            max(0, shade + int(chance.integers(-12, 12))),
            max(0, shade + int(chance.integers(-15, 15))),
        )
        draw.rectangle((x, y, x + w, y + h), fill=tint, outline=(20, 20, 20))
        for line in range(x, x + w, 9):
            draw.line((line, y, line + 4, y + h), fill=(shade // 2, shade // 2, shade // 2))
    return room
