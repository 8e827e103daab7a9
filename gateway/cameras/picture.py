"""What one JPEG shows, measured: light, sharpness, colour, structure. Pure; some 20 ms of one core, so for a thread."""

import hashlib
import io
import struct
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

MAX_BYTES: Final = 8 << 20
MAX_PIXELS: Final = 40_000_000
WIDTH, HEIGHT = 480, 270
"""What is looked at is at least this large and at most about twice: the decoder leaves out what is finer."""
THUMB: Final = 64, 36
FINE: Final = 128, 72
COARSE: Final = 320, 180
"""In which sharpness is measured: at the pixels of the sensor there is more noise than outline at night."""
BLOCK: Final = 8
PART: Final = 16
CALMEST: Final = 10
EVIDENCE_BYTES: Final = 256 * 1024
EVIDENCE_SIZE: Final = 1280, 720

Array = NDArray[Any]
_FRAMES: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


class PictureBroken(Exception):
    """These bytes are no picture that can be looked at; the text says why."""


@dataclass(frozen=True, slots=True)
class Look:
    """The measures of one picture; `grey` in 0…255, what is finer than its pixels left out."""

    size: tuple[int, int]
    digest: str
    brightness: float
    contrast: float
    """The standard deviation of brightness."""
    sharpness: float
    """The variance of the Laplacian, noise taken off: comparable only between pictures of one camera."""
    saturation: float
    cb: float
    cr: float
    grey: Array = field(repr=False)
    thumb: Array = field(repr=False)
    texture: Array = field(repr=False)
    """The contrast within each block of 16 × 9, of the light that there is."""


def look(data: bytes) -> Look:
    """Measure a JPEG; raise `PictureBroken` for what is none, is cut off, or is too large."""
    size = jpeg_size(data)
    image = _load(data, "YCbCr")
    planes = np.asarray(image, dtype=np.uint8)
    grey, cb, cr = planes[..., 0], planes[..., 1], planes[..., 2]
    light = Image.fromarray(grey)
    brightness = float(grey.mean())
    fine = np.asarray(light.resize(FINE, Image.Resampling.BOX), dtype=np.float32)
    blocks = fine.reshape(FINE[1] // BLOCK, BLOCK, FINE[0] // BLOCK, BLOCK)
    return Look(
        size,
        hashlib.sha256(data).hexdigest(),
        brightness,
        float(grey.std()),
        _laplacian(np.asarray(light.resize(COARSE, Image.Resampling.BOX))),
        float(np.abs(cb.astype(np.int16) - 128).mean() + np.abs(cr.astype(np.int16) - 128).mean()),
        float(cb.mean()),
        float(cr.mean()),
        grey,
        np.asarray(light.resize(THUMB, Image.Resampling.BOX), dtype=np.float32),
        blocks.std(axis=(1, 3)) / (brightness + 8.0),
    )


def evidence_of(data: bytes, limit: int = EVIDENCE_BYTES) -> bytes:
    """Return a picture as it is kept: at most 1280 × 720 and `limit` bytes; raise `PictureBroken`."""
    jpeg_size(data)
    image = _load(data, "RGB", EVIDENCE_SIZE)
    for quality, scale in ((75, 1), (50, 1), (40, 2), (30, 4), (10, 8)):
        stream = io.BytesIO()
        width, height = (max(1, side // scale) for side in _within(image.size))
        image.resize((width, height)).save(stream, "JPEG", quality=quality)
        if stream.tell() <= limit:
            return stream.getvalue()
    raise PictureBroken(f"cannot be made smaller than {limit} bytes")


def jpeg_size(data: bytes) -> tuple[int, int]:
    """Return the width and height that a JPEG claims, before anything is unpacked; raise `PictureBroken`."""
    if len(data) > MAX_BYTES:
        raise PictureBroken(f"{len(data)} bytes, and the limit is {MAX_BYTES}")
    if not data.startswith(b"\xff\xd8"):
        raise PictureBroken("no JPEG")
    place = 2
    while place + 9 <= len(data) and data[place] == 0xFF:
        marker, length = data[place + 1], int.from_bytes(data[place + 2 : place + 4], "big")
        if marker == 0xFF:  # a byte that fills up
            place += 1
            continue
        if marker in _FRAMES:
            height, width = struct.unpack(">HH", data[place + 5 : place + 9])
            if not min(width, height) >= 16 or width * height > MAX_PIXELS:
                raise PictureBroken(
                    f"{width} x {height} pixels: from 16 a side to {MAX_PIXELS} in all can be read"
                )
            return width, height
        if length < 2:
            break
        place += 2 + length
    raise PictureBroken("no JPEG: it has no frame")


def _load(data: bytes, mode: str, wanted: tuple[int, int] = (WIDTH, HEIGHT)) -> Image.Image:
    try:
        image = Image.open(io.BytesIO(data), formats=["JPEG"])
        image.draft(mode, wanted)
        if mode == "YCbCr" and image.size[0] >= 4 * WIDTH:
            return image.reduce(image.size[0] // (2 * WIDTH)).convert(mode)
        return image.convert(mode)
    except (OSError, SyntaxError, ValueError, EOFError, struct.error, MemoryError) as err:
        raise PictureBroken(f"cannot be unpacked: {type(err).__name__}") from None
    except Image.DecompressionBombError:
        raise PictureBroken("would unpack into too much") from None


def _within(size: tuple[int, int]) -> tuple[int, int]:
    scale = max(size[0] / EVIDENCE_SIZE[0], size[1] / EVIDENCE_SIZE[1], 1.0)
    return int(size[0] / scale), int(size[1] / scale)


def _laplacian(grey: Array) -> float:
    """Return the variance of the Laplacian over that of the calmest part, which is the noise of the sensor."""
    wide = grey.astype(np.int16)
    middle = 4 * wide[1:-1, 1:-1]
    found = middle - wide[:-2, 1:-1] - wide[2:, 1:-1] - wide[1:-1, :-2] - wide[1:-1, 2:]
    high, across = found.shape[0] // PART * PART, found.shape[1] // PART * PART
    parts = found[:high, :across].astype(np.float32).reshape(high // PART, PART, across // PART, PART)
    each = parts.var(axis=(1, 3))
    return max(0.0, float(each.mean() - np.percentile(each, CALMEST)))
