"""Whether a camera's pictures are good, each judged by what is usual for that camera. Pure.

What is usual is learned for each light (colour or grey, by brightness) from pictures that are not judged bad, and is
kept over restarts: else a camera that was covered meanwhile would teach that it always is. One bad picture is no
alarm: how long a state must hold is said by the profile's events.
"""

import base64
import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from statistics import median
from typing import Annotated, Final

import msgspec
import numpy as np

from gateway.cameras.picture import THUMB, Array, Look

BLACK_MEAN, BLACK_STD = 16.0, 2.0
FLAT_STD = 1.0
SAME_DIFF: Final = 0.05
SAME_TIMES: Final = 3
"""A picture is frozen when so many after it were the same."""
GREY_BELOW: Final = 1.0
BANDS: Final = (30.0, 70.0)
ENOUGH: Final = 6
"""So many pictures of a light make its usual picture."""
USUAL: Final = 240
FORGETS: Final = 200.0
STRUCTURED: Final = 0.02
LEAST_STRUCTURE: Final = 0.15
GONE: Final = 0.3
LOOKS_LIKE: Final = 0.6
GRID: Final = 16, 9
COMPARED: Final = (
    "sharpness_pct", "likeness_pct", "covered_pct", "colour_shift", "blurred", "obstructed", "moved", "colour_cast",
)  # fmt: skip

Facts = Mapping[str, bool | Decimal | None]


@dataclass(frozen=True, slots=True)
class Limits:
    """What may differ from the usual before it is bad."""

    overlay_pct: int = 12
    blur_pct: int = 15
    likeness_pct: int = 50
    covered_pct: int = 60
    colour_shift: int = 16


@dataclass(slots=True)
class Usual:
    """The usual picture in one light."""

    seen: int = 0
    sharpness: deque[float] = field(default_factory=lambda: deque(maxlen=USUAL))
    thumb: Array = field(default_factory=lambda: np.zeros((THUMB[1], THUMB[0]), np.float32))
    texture: Array = field(default_factory=lambda: np.zeros((GRID[1], GRID[0]), np.float32))
    cb: float = 128.0
    cr: float = 128.0

    def learn(self, seen: Look) -> None:
        """Move a little towards this picture; the first ones count most."""
        self.seen += 1
        part = 1.0 / min(self.seen, FORGETS)
        self.sharpness.append(seen.sharpness)
        self.thumb += part * (seen.thumb - self.thumb)
        self.texture += part * (seen.texture - self.texture)
        self.cb += part * (seen.cb - self.cb)
        self.cr += part * (seen.cr - self.cr)


class _Kept(msgspec.Struct, frozen=True):
    seen: Annotated[int, msgspec.Meta(ge=0)]
    sharpness: list[float]
    thumb: str
    texture: str
    cb: float
    cr: float


class _State(msgspec.Struct, frozen=True):
    size: tuple[int, int] | None
    usual: dict[str, _Kept]
    v: int = 1


@dataclass(slots=True)
class Watch:
    """One camera's pictures, one after another; `see` judges each."""

    limits: Limits = field(default_factory=Limits)
    _usual: dict[str, Usual] = field(default_factory=dict)
    _size: tuple[int, int] | None = None
    _last: Look | None = None
    _same: int = 0

    def see(self, seen: Look) -> Facts:
        """Return the measures of a picture, and what is wrong with it; None for what cannot be said."""
        if seen.size != self._size:
            for usual in self._usual.values():
                usual.sharpness.clear()  # other pixels, another sharpness
            self._size, self._last = seen.size, None
        plain = between(seen.grey, self.limits.overlay_pct)
        contrast = float(plain.std())
        black = float(plain.mean()) < BLACK_MEAN and contrast < BLACK_STD
        lost = contrast < FLAT_STD and not black
        facts: dict[str, bool | Decimal | None] = {
            "brightness": tenths(seen.brightness),
            "contrast": tenths(seen.contrast),
            "sharpness": tenths(seen.sharpness),
            "black": black,
            "lost": lost,
            "frozen": self._frozen(seen) if not black and not lost else None,
        }
        blind: dict[str, bool | Decimal | None] = dict.fromkeys(COMPARED)
        self._last = seen
        if black or lost:
            return {**facts, **blind}
        facts |= blind | self._compared(seen)
        if not any(facts[name] for name in ("frozen", "blurred", "obstructed", "moved", "colour_cast")):
            self._usual.setdefault(light_of(seen), Usual()).learn(seen)
        return facts

    def _frozen(self, seen: Look) -> bool:
        last = self._last
        self._same = self._same + 1 if last is not None and same(last, seen, self.limits.overlay_pct) else 0
        return self._same >= SAME_TIMES

    def _compared(self, seen: Look) -> dict[str, bool | Decimal | None]:
        light = light_of(seen)
        known = {name: usual for name, usual in self._usual.items() if usual.seen >= ENOUGH}
        if not known:
            return {}
        mine = known.get(light)
        near = (
            mine
            or known[
                min(known, key=lambda name: abs(ord(name[-1]) - ord(light[-1])) + 3 * (name[0] != light[0]))
            ]
        )
        covered = covered_share(near.texture, seen.texture)
        found: dict[str, bool | Decimal | None] = {"covered_pct": per_cent(covered)}
        likeness = alike(near.thumb, seen.thumb)
        hidden = covered is not None and covered >= self.limits.covered_pct / 100 and likeness < LOOKS_LIKE
        found["obstructed"] = hidden if covered is not None else None
        if mine is None:
            return found  # in a light that it has not seen yet, only what hides everything can be told
        found["likeness_pct"] = per_cent(max(0.0, likeness))
        share = _share(seen.sharpness, mine)
        found["sharpness_pct"] = per_cent(share)
        if hidden:
            return found
        moved = likeness < self.limits.likeness_pct / 100
        found["moved"] = moved
        found["blurred"] = None if share is None else share < self.limits.blur_pct / 100 and not moved
        shift = math.hypot(seen.cb - mine.cb, seen.cr - mine.cr)
        found["colour_shift"] = tenths(shift)
        found["colour_cast"] = shift >= self.limits.colour_shift and not moved
        return found

    def state(self) -> bytes:
        """Return what is usual, to be kept."""
        usual = {
            name: _Kept(
                each.seen,
                [round(one, 2) for one in each.sharpness],
                _packed(each.thumb),
                _packed(each.texture),
                round(each.cb, 2),
                round(each.cr, 2),
            )
            for name, each in self._usual.items()
        }
        return msgspec.json.encode(_State(self._size, usual))

    def restore(self, state: bytes) -> None:
        """Take up what was kept; what cannot be read is learned anew."""
        try:
            kept = msgspec.json.decode(state, type=_State)
            usual = {name: _usual(each) for name, each in kept.usual.items() if name in LIGHTS}
        except (msgspec.MsgspecError, ValueError, RecursionError):
            return
        self._usual, self._size = usual, kept.size


LIGHTS: Final = frozenset(colour + band for colour in ("colour", "grey") for band in "012")


def light_of(seen: Look) -> str:
    """Return in which light a picture was taken: with colour or without, and how bright."""
    band = sum(seen.brightness >= limit for limit in BANDS)
    return f"{'grey' if seen.saturation < GREY_BELOW else 'colour'}{band}"


def same(one: Look, other: Look, overlay_pct: int) -> bool:
    """Say whether two pictures are one: a living sensor has noise, however still the scene is."""
    if one.digest == other.digest:
        return True
    if one.grey.shape != other.grey.shape:
        return False
    first, second = (between(each.grey, overlay_pct).astype(np.int16) for each in (one, other))
    return float(np.abs(first - second).mean()) < SAME_DIFF


def between(grey: Array, overlay_pct: int) -> Array:
    """Return a picture without the strips at its top and bottom that may hold burnt-in text."""
    cut = grey.shape[0] * overlay_pct // 100
    return grey[cut : grey.shape[0] - cut]


def alike(one: Array, other: Array) -> float:
    """Return how much two pictures show the same outlines, 1 for all; light and contrast do not count."""
    first, second = _outlines(one), _outlines(other)
    size = float(np.linalg.norm(first) * np.linalg.norm(second))
    return float(np.dot(first, second)) / size if size > 0 else 0.0


def covered_share(usual: Array, now: Array) -> float | None:
    """Return of what usually has structure the share that has none now; None where there is too little of it."""
    structured = usual >= max(STRUCTURED, GONE * float(np.percentile(usual, 90)))
    if structured.mean() < LEAST_STRUCTURE:
        return None
    return float((now[structured] < GONE * usual[structured]).mean())


def tenths(value: float) -> Decimal:
    """Return a measure as it is told."""
    return Decimal(round(value * 10)).scaleb(-1)


def per_cent(share: float | None) -> Decimal | None:
    """Return a share as whole per cent."""
    return None if share is None else Decimal(round(share * 100))


def _share(sharpness: float, usual: Usual) -> float | None:
    if len(usual.sharpness) < ENOUGH:
        return None
    middle = median(usual.sharpness)
    return min(sharpness / middle, 10.0) if middle > 0 else None


def _outlines(thumb: Array) -> Array:
    down, right = np.gradient(thumb)
    both: Array = np.concatenate((down.ravel(), right.ravel()))
    return both


def _packed(array: Array) -> str:
    return base64.b64encode(array.astype("<f2").tobytes()).decode()


def _unpacked(text: str, shape: tuple[int, int]) -> Array:
    flat = np.frombuffer(base64.b64decode(text, validate=True), "<f2").astype(np.float32)
    if not np.isfinite(flat).all():
        raise ValueError("no numbers")
    return flat.reshape(shape)


def _usual(kept: _Kept) -> Usual:
    thumb, texture = _unpacked(kept.thumb, (THUMB[1], THUMB[0])), _unpacked(kept.texture, (GRID[1], GRID[0]))
    made = Usual(kept.seen, thumb=thumb, texture=texture, cb=kept.cb, cr=kept.cr)
    made.sharpness.extend(kept.sharpness)
    return made
