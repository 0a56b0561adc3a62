"""Which part of an image shows a value best, and how it is cut out.

A model that sees 224 by 224 pixels of a whole image sees twenty of a face. From the boxes of a detector, of faces and of persons, four
regions are derived; how they lie to a face is an artist's rule of thumb (a figure is seven to eight heads high, shoulders are three
wide). All geometry here is arithmetic on numbers and knows no detector.

Coordinates are pixels, x to the right, y down; a box holds x0 ≤ x < x1 and y0 ≤ y < y1.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from PIL import Image

Region = Literal["face", "hair", "upper body", "full body"]

#: Which regions serve a kind of placeholder, the best first. Places, styles, colours, backgrounds and objects are nowhere in particular.
REGIONS: dict[str, tuple[Region, ...]] = {
    "hair": ("hair",),
    "eyes": ("face",),
    "face": ("face",),
    "person": ("face", "upper body"),
    "clothing": ("full body", "upper body"),
    "pose": ("full body", "upper body"),
}

#: The shortest side of a crop, where the image is that large; and that of a box in which there is something to see.
LEAST_SIDE, LEAST_BOX = 48, 12
_WHOLE = 0.85  # a crop of this share of the image's area says nothing new
_GROWN = 1.25  # the shorter side takes in so much of the surroundings before the rest is filled up

# Of the face's width to both sides, of its height up and down.
_BY_FACE: dict[Region, tuple[float, float, float]] = {
    "face": (0.25, 0.25, 0.25),
    "hair": (0.7, 0.8, 1.0),
    "upper body": (1.6, 0.8, 3.0),
    "full body": (2.2, 0.8, 8.0),
}
_UPPER_HALF = 0.55  # of a person's height
_MARGIN = 0.05  # of a person's size

_FACE_WORDS = frozenset({"face", "faces", "head", "visage"})
_PERSON_WORDS = frozenset({"person", "persons", "people", "human", "man", "woman", "boy", "girl", "body", "character"})


@dataclass(frozen=True)
class Box:
    """What a detector found: its ``label`` and ``score`` from 0 to 1, and where; possibly beyond the image's edges."""

    label: str
    score: float
    x0: float
    y0: float
    x1: float
    y1: float

    @property
    def width(self) -> float:
        return self.x1 - self.x0

    @property
    def height(self) -> float:
        return self.y1 - self.y0

    def inside(self, width: int, height: int) -> Box | None:
        """The part of it in an image of this size; None when there is hardly any, or the numbers are none."""
        numbers = (self.score, self.x0, self.y0, self.x1, self.y1)
        if not all(math.isfinite(n) for n in numbers):
            return None
        x0, x1 = max(0.0, self.x0), min(float(width), self.x1)
        y0, y1 = max(0.0, self.y0), min(float(height), self.y1)
        if x1 - x0 < LEAST_BOX or y1 - y0 < LEAST_BOX:
            return None
        return Box(self.label, self.score, x0, y0, x1, y1)


@dataclass(frozen=True)
class Area:
    """A region in whole pixels, all of it inside the image."""

    x0: int
    y0: int
    x1: int
    y1: int


def what_is(label: str) -> Literal["face", "person", ""]:
    """What a detector's label means here: ``FACE_FEMALE`` and ``anime face`` are faces, ``person`` is one; the rest is of no use."""
    words = set(re.findall(r"[a-z]+", label.casefold()))
    if words & _FACE_WORDS:
        return "face"
    return "person" if words & _PERSON_WORDS and "part" not in words else ""


def find(boxes: Iterable[Box], kind: str, width: int, height: int) -> tuple[Region, Area] | None:
    """The region of an image of this size that serves a kind of placeholder; None when there is none, or it is nearly the whole image.

    Of several persons the largest is meant: prompts of these sessions are about one.
    """
    faces, persons = _sorted(boxes, width, height)
    for region in REGIONS.get(kind, ()):
        found = _region(region, faces, persons, width, height)
        if found is not None:
            area = _whole_pixels(found, width, height)
            if (area.x1 - area.x0) * (area.y1 - area.y0) <= _WHOLE * width * height:
                return region, area
    return None


def cut(image: Image.Image, area: Area) -> Image.Image:
    """The area as a square RGB image: nothing is stretched, and a model that cuts off what is not square cuts off nothing.

    A little of the surroundings makes it squarer; what is then missing is filled with the crop's mean colour.
    """
    from PIL import Image as pillow
    from PIL import ImageStat

    crop = image.crop(_squarer(area, *image.size)).convert("RGB")
    side = max(crop.size)
    if crop.size == (side, side):
        return crop
    mean = tuple(round(value) for value in ImageStat.Stat(crop).mean)
    out = pillow.new("RGB", (side, side), mean)
    out.paste(crop, ((side - crop.width) // 2, (side - crop.height) // 2))
    return out


def _sorted(boxes: Iterable[Box], width: int, height: int) -> tuple[list[Box], list[Box]]:
    """Faces and persons inside the image, the most prominent first."""
    found: dict[str, list[Box]] = {"face": [], "person": [], "": []}
    for box in boxes:
        inside = box.inside(width, height)
        if inside is not None:
            found[what_is(box.label)].append(inside)
    for some in found.values():
        some.sort(key=lambda box: -box.width * box.height * box.score)
    return found["face"], found["person"]


def _region(region: Region, faces: Sequence[Box], persons: Sequence[Box], width: int, height: int) -> Box | None:
    face = faces[0] if faces else None
    if region in ("face", "hair"):
        return _around(face, region).inside(width, height) if face is not None else None
    person = _owner(face, persons)
    if person is None:
        return _around(face, region).inside(width, height) if face is not None else None
    x, y = person.width * _MARGIN, person.height * _MARGIN
    # A person who sits or is seen to the hips has no lower half to take off.
    tall = region == "upper body" and person.height > 1.5 * person.width
    bottom = person.y0 + person.height * _UPPER_HALF if tall else person.y1
    return Box(region, person.score, person.x0 - x, person.y0 - y, person.x1 + x, bottom + y).inside(width, height)


def _owner(face: Box | None, persons: Sequence[Box]) -> Box | None:
    """The person whose face it is: the one around its middle; without a face the most prominent."""
    if face is None:
        return persons[0] if persons else None
    x, y = (face.x0 + face.x1) / 2, (face.y0 + face.y1) / 2
    return next((p for p in persons if p.x0 <= x < p.x1 and p.y0 <= y < p.y1), None)


def _around(face: Box, region: Region) -> Box:
    aside, up, down = _BY_FACE[region]
    w, h = face.width, face.height
    return Box(region, face.score, face.x0 - aside * w, face.y0 - up * h, face.x1 + aside * w, face.y1 + down * h)


def _whole_pixels(box: Box, width: int, height: int) -> Area:
    """The box in whole pixels and at least ``LEAST_SIDE`` wide and high, as far as the image is."""
    x0, x1 = _span(math.floor(box.x0), math.ceil(box.x1), LEAST_SIDE, width)
    y0, y1 = _span(math.floor(box.y0), math.ceil(box.y1), LEAST_SIDE, height)
    return Area(x0, y0, x1, y1)


def _squarer(area: Area, width: int, height: int) -> tuple[int, int, int, int]:
    w, h = area.x1 - area.x0, area.y1 - area.y0
    x0, x1 = _span(area.x0, area.x1, min(h, int(w * _GROWN)), width)
    y0, y1 = _span(area.y0, area.y1, min(w, int(h * _GROWN)), height)
    return x0, y0, x1, y1


def _span(start: int, end: int, least: int, size: int) -> tuple[int, int]:
    """``start`` to ``end`` grown evenly to ``least``, within 0 to ``size``; at an edge it grows to the other side."""
    start, end = max(0, start), min(size, end)
    want = min(size, max(least, end - start))
    start = min(max(0, start - (want - (end - start)) // 2), size - want)
    return start, start + want
