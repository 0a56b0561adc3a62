"""Reads a demo picture from its pixels: colour, shape, size and background of the one object in it.

The judge of the demo model. It knows nothing of the model and shares no code with the renderer: colours are compared
in CIELAB, and a shape is told by its radius as a function of the angle around its centre, compared with the outlines
of ideal polygons computed here. NumPy and Pillow only.

    python reader.py PICTURE...
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

COLOURS: dict[str, tuple[int, int, int]] = {
    "red": (220, 30, 30),
    "green": (30, 160, 50),
    "blue": (40, 70, 220),
    "yellow": (245, 215, 30),
    "purple": (140, 40, 170),
    "orange": (250, 130, 20),
    "cyan": (30, 210, 220),
    "pink": (250, 130, 190),
    "white": (245, 245, 245),
    "black": (15, 15, 15),
    "gray": (128, 128, 128),
    "brown": (105, 65, 35),
}
GRID = 64
"""Pictures are read at this many pixels along their shorter side; lengths below are in these pixels."""
RAYS = 120
CONTRAST = 0.14
"""Least distance in RGB (0..1 per channel) between object and background; below it there is no object."""
MISFIT = 0.16
"""Largest root mean square difference between a radius profile (mean 1) and an ideal one that still counts as it."""
SIZE_LIMITS = (("small", 13.5), ("medium", 18.5), ("large", math.inf))
"""Upper bounds of an object's radius (pixels of the 64-pixel grid)."""


@dataclass(frozen=True)
class Reading:
    """What is seen. None where nothing is recognised; confidences in 0..1 (0: a tie between two names, or nothing)."""

    colour: str | None = None
    shape: str | None = None
    size: str | None = None
    background: str | None = None
    confidence: float = 0.0
    """The smaller of the two below."""
    colour_confidence: float = 0.0
    shape_confidence: float = 0.0
    radius: float = 0.0
    """Of the object, in pixels of a 64-pixel picture."""
    offset: tuple[float, float] = (0.0, 0.0)
    """Of the object's centre from the picture's, in the same pixels; x to the right, y down."""


def read(picture: npt.NDArray[np.uint8] | Path | str) -> Reading:
    """Read a picture given as H x W x 3 uint8 or as the path of an image file.

    Raises ValueError for an array of another form, OSError for a file that is no image.
    """
    pixels = _pixels(picture)
    ground = np.median(_border(pixels), axis=0)
    background, _ = _nearest_colour(ground)
    distance = np.sqrt(np.square(pixels - ground).sum(-1))
    strongest = float(np.mean(np.sort(_smooth(distance), axis=None)[-24:]))
    if strongest < CONTRAST:
        return Reading(background=background)
    paint = np.median(pixels[distance > 0.8 * strongest], axis=0)
    axis = paint - ground
    cover = (pixels - ground) @ axis / float(axis @ axis)
    thing = _largest_part(_smooth(cover) > 0.35)
    if int(thing.sum()) < 30:
        return Reading(background=background)
    core = thing & (cover > 0.75)
    colour, colour_confidence = _nearest_colour(np.median(pixels[core], axis=0) if core.any() else paint)
    cover = np.clip(cover, 0.0, 1.0) * _grow(thing)
    shape, radius, shape_confidence, centre = _shape(cover)
    height, width = cover.shape
    return Reading(
        colour=colour,
        shape=shape,
        size=next(name for name, limit in SIZE_LIMITS if radius < limit) if shape else None,
        background=background,
        confidence=round(min(colour_confidence, shape_confidence), 4),
        colour_confidence=round(colour_confidence, 4),
        shape_confidence=round(shape_confidence, 4),
        radius=round(radius, 2),
        offset=(round(centre[0] - (width - 1) / 2, 2), round(centre[1] - (height - 1) / 2, 2)),
    )


# ---------------------------------------------------------------------------------------------------------- pixels


def _pixels(picture: npt.NDArray[np.uint8] | Path | str) -> Floats:
    if isinstance(picture, (str, Path)):
        with Image.open(picture) as opened:
            image = opened.convert("RGB")
    else:
        if picture.ndim != 3 or picture.shape[2] != 3 or picture.dtype != np.uint8:
            raise ValueError(f"a picture is H x W x 3 uint8, not {picture.shape} {picture.dtype}")
        image = Image.fromarray(picture)
    scale = GRID / min(image.size)
    if scale != 1.0:
        size = (max(GRID, round(image.width * scale)), max(GRID, round(image.height * scale)))
        image = image.resize(size, Image.Resampling.BOX if scale < 1 else Image.Resampling.BILINEAR)
    return np.asarray(image, np.float64) / 255


def _border(pixels: Floats, depth: int = 3) -> Floats:
    sides = (pixels[:depth], pixels[-depth:], pixels[depth:-depth, :depth], pixels[depth:-depth, -depth:])
    return np.concatenate([side.reshape(-1, 3) for side in sides])


def _smooth(values: Floats) -> Floats:
    """Mean of each pixel's 3x3 neighbourhood."""
    padded = np.pad(values, 1, mode="edge")
    height, width = values.shape
    return sum(padded[dy : dy + height, dx : dx + width] for dy in range(3) for dx in range(3)) / 9.0


def _grow(mask: Mask) -> Mask:
    """The mask and all pixels up to two away from it."""
    return _smooth(_smooth(mask.astype(np.float64))) > 0


def _largest_part(mask: Mask) -> Mask:
    """The connected part (4 neighbours) with the most pixels."""
    rest, best = mask.copy(), np.zeros_like(mask)
    height, width = mask.shape
    while rest.any():
        start = np.unravel_index(int(np.argmax(rest)), mask.shape)
        part, edge = np.zeros_like(mask), [(int(start[0]), int(start[1]))]
        rest[edge[0]] = False
        while edge:
            y, x = edge.pop()
            part[y, x] = True
            for ny, nx in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)):
                if 0 <= ny < height and 0 <= nx < width and rest[ny, nx]:
                    rest[ny, nx] = False
                    edge.append((ny, nx))
        if part.sum() > best.sum():
            best = part
    return best


# ---------------------------------------------------------------------------------------------------------- colour


def _lab(rgb: Floats) -> Floats:
    """sRGB (0..1) to CIELAB, D65 white (IEC 61966-2-1 and CIE 15)."""
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    ratio = linear @ to_xyz.T / np.array([0.9505, 1.0, 1.089])
    root = np.where(ratio > (6 / 29) ** 3, np.cbrt(ratio), ratio / (3 * (6 / 29) ** 2) + 4 / 29)
    x, y, z = root[..., 0], root[..., 1], root[..., 2]
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], -1)


_NAMES = tuple(COLOURS)
_LAB = _lab(np.array([COLOURS[name] for name in _NAMES], np.float64) / 255)


def _nearest_colour(rgb: Floats) -> tuple[str, float]:
    """The nearest name, and how much nearer it is than the next one (1: exact)."""
    distances = np.sqrt(np.square(_LAB - _lab(rgb)).sum(-1))
    first, second = np.argsort(distances)[:2]
    return _NAMES[int(first)], float(1 - distances[first] / distances[second])


# ----------------------------------------------------------------------------------------------------------- shape


def _angles() -> Floats:
    """Directions of the rays, radians; 0 is up, clockwise."""
    return np.arange(RAYS) * (2 * math.pi / RAYS)


def _polygon_radius(corners: list[tuple[float, float]]) -> Floats:
    """Radius of a polygon around the origin for each ray; corners as (angle clockwise from up, radius), in order."""
    points = np.array([(radius * math.sin(angle), -radius * math.cos(angle)) for angle, radius in corners])
    out = np.zeros(RAYS)
    for i, angle in enumerate(_angles()):
        ray = np.array([math.sin(angle), -math.cos(angle)])
        for a, b in zip(points, np.roll(points, -1, axis=0), strict=True):
            side = b - a
            turn = ray[0] * side[1] - ray[1] * side[0]
            if abs(turn) < 1e-12:
                continue
            along = (a[0] * side[1] - a[1] * side[0]) / turn
            where = (a[0] * ray[1] - a[1] * ray[0]) / turn
            if along > 0 and -1e-9 <= where <= 1 + 1e-9:
                out[i] = max(out[i], along)
    return out


def _ideals() -> dict[str, Floats]:
    """Length of each ray that lies inside the shape of radius 1 (for the ring: inside its band)."""
    turn = 2 * math.pi
    half, arm = 0.88, 0.34
    reach, at = math.hypot(1.0, arm), math.atan2(arm, 1.0)
    cross = []
    for quarter in range(4):
        base = quarter * turn / 4
        cross += [(base - at, reach), (base + at, reach), (base + turn / 8, arm * math.sqrt(2))]
    return {
        "circle": np.ones(RAYS),
        "square": _polygon_radius([((2 * i + 1) * turn / 8, half * math.sqrt(2)) for i in range(4)]),
        "triangle": _polygon_radius([(i * turn / 3, 1.16) for i in range(3)]),
        "star": _polygon_radius([(i * turn / 10, 1.15 if i % 2 == 0 else 0.48) for i in range(10)]),
        "cross": _polygon_radius(cross),
        "ring": np.full(RAYS, 0.48),
    }


_IDEALS = _ideals()


def _shape(cover: Floats) -> tuple[str | None, float, float, tuple[float, float]]:
    """Name, radius, confidence and centre (x, y) of the object whose share of each pixel is `cover`."""
    total = float(cover.sum())
    ys, xs = np.mgrid[: cover.shape[0], : cover.shape[1]]
    cx, cy = float((cover * xs).sum() / total), float((cover * ys).sum() / total)
    step = 0.25
    lengths = np.arange(step / 2, GRID * 0.75, step)
    angles = _angles()[:, None]
    along = _sample(cover, cx + lengths * np.sin(angles), cy - lengths * np.cos(angles))
    profile = along.sum(1) * step
    mean = float(profile.mean())
    if mean < 1.0:
        return None, 0.0, 0.0, (cx, cy)
    outer = float(np.median((along > 0.5).cumsum(1).argmax(1))) * step
    hollow = float(along[:, : max(1, round(0.25 * outer / step))].mean()) < 0.5
    fits: list[tuple[float, str]] = []
    for name, ideal in _IDEALS.items():
        if (name == "ring") != hollow:
            continue
        shifts = [np.roll(ideal, shift) for shift in (-3, -2, -1, 0, 1, 2, 3)]
        fits.append((min(float(np.sqrt(np.mean(np.square(profile / mean - s / s.mean())))) for s in shifts), name))
    fits.sort()
    misfit, name = fits[0]
    radius = mean / float(_IDEALS[name].mean())
    if misfit > MISFIT:
        return None, radius, 0.0, (cx, cy)
    next_misfit = fits[1][0] if len(fits) > 1 else 2 * MISFIT
    confidence = (1 - misfit / next_misfit) * (1 - misfit / MISFIT) ** 0.5
    return name, radius, confidence, (cx, cy)


def _sample(values: Floats, x: Floats, y: Floats) -> Floats:
    """Bilinear samples; outside the picture 0."""
    padded = np.pad(values, 1)
    x, y = np.clip(x + 1, 0, padded.shape[1] - 1.001), np.clip(y + 1, 0, padded.shape[0] - 1.001)
    left, top = x.astype(np.int64), y.astype(np.int64)
    fx, fy = x - left, y - top
    upper = padded[top, left] * (1 - fx) + padded[top, left + 1] * fx
    lower = padded[top + 1, left] * (1 - fx) + padded[top + 1, left + 1] * fx
    return upper * (1 - fy) + lower * fy


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Read colour, shape, size and background of demo pictures.")
    parser.add_argument("pictures", type=Path, nargs="+")
    for path in parser.parse_args(arguments).pictures:
        print(json.dumps({"file": str(path), **asdict(read(path))}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
