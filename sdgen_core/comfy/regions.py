"""Detected regions painted again: which of them, the cut-out around each, and how it is put back.

This is the job of A1111's extension ADetailer behind its detector, by the same rules: masks are moved, grown and filtered, each
region is cut out with some surroundings, brought to the size that the model paints best, painted where its mask is, and laid
back over the image through the blurred mask. Everything outside the masks stays as it was, byte for byte.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

#: What is done with several masks, by ADetailer's names.
MERGE = ("each by itself", "together", "everything else")
#: What "the largest" are judged by: their boxes, or the order of the detector, which gives the surest first.
JUDGE = ("size", "order")

Box = tuple[int, int, int, int]


@dataclass(frozen=True)
class Selection:
    """Which masks are painted, and their shape. ``grow`` (negative: shrink) is the side of the square, in pixels, that goes over a
    mask's edge; ``right`` and ``down`` move it. ``largest`` keeps so many (0: all). ``min_ratio`` and ``max_ratio`` are
    parts of the image that a region's box may have.
    """

    grow: int = 0
    right: int = 0
    down: int = 0
    largest: int = 0
    judge: str = JUDGE[0]
    min_ratio: float = 0.0
    max_ratio: float = 1.0
    merge: str = MERGE[0]

    def choose(self, masks: Any, height: int, width: int) -> list[Any]:
        """The masks to paint, each [height, width] with 0…1, of the detector's masks [n, h, w] of any size."""
        import torch.nn.functional as F

        found = masks.reshape(-1, *masks.shape[-2:]).float()
        if found.shape[0] and found.shape[-2:] != (height, width):
            found = F.interpolate(found[:, None], size=(height, width), mode="bilinear")[:, 0]
        boxed = [(mask, _size(box)) for mask in found if (box := box_of(mask))]
        whole = height * width
        boxed = [(mask, size) for mask, size in boxed if self.min_ratio <= size / whole <= self.max_ratio]
        if self.largest:
            ranked = boxed if self.judge == JUDGE[1] else sorted(boxed, key=lambda pair: -pair[1])
            kept = {id(mask) for mask, _ in ranked[: self.largest]}
            boxed = [pair for pair in boxed if id(pair[0]) in kept]
        shaped = [_grown(_moved(mask, self.right, self.down), self.grow) for mask, _ in boxed]
        shaped = [mask for mask in shaped if box_of(mask)]
        if not shaped or self.merge == MERGE[0]:
            return shaped
        union = union_of(shaped)
        return [m for m in [union if self.merge == MERGE[1] else 1 - union] if box_of(m)]


def union_of(masks: Sequence[Any]) -> Any:
    """Where any of the masks is."""
    import torch

    return torch.stack(list(masks)).amax(0)


def box_of(mask: Any) -> Box | None:
    """Left, top, right, bottom (the last two excluded) of what a mask marks; None when it marks nothing."""
    rows, columns = (mask > 0.5).any(1).nonzero(), (mask > 0.5).any(0).nonzero()
    if not len(rows):
        return None
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def _size(box: Box) -> int:
    return (box[2] - box[0]) * (box[3] - box[1])


def _moved(mask: Any, right: int, down: int) -> Any:
    """A mask moved in the image; what leaves it is gone."""
    import torch.nn.functional as F

    height, width = mask.shape
    right, down = max(-width, min(right, width)), max(-height, min(down, height))
    return F.pad(mask, (right, -right, down, -down))


def _grown(mask: Any, by: int) -> Any:
    """A mask with every edge moved outwards by half of ``by`` pixels; inwards when it is negative."""
    import torch.nn.functional as F

    side = min(abs(by), 2 * max(mask.shape))
    if side < 2:
        return mask
    before = side // 2
    pad = (before, side - 1 - before) * 2
    if by < 0:
        return 1 - F.max_pool2d(F.pad(1 - mask, pad)[None, None], side, stride=1)[0, 0]
    return F.max_pool2d(F.pad(mask, pad)[None, None], side, stride=1)[0, 0]


def blurred(mask: Any, sigma: float) -> Any:
    """A mask with soft edges: Gaussian blur with ``sigma`` pixels."""
    import torch
    import torch.nn.functional as F

    radius = min(math.ceil(2.5 * sigma), min(mask.shape) - 1)
    if radius < 1:
        return mask
    steps = torch.arange(-radius, radius + 1, dtype=mask.dtype, device=mask.device)
    kernel = torch.exp(-0.5 * (steps / sigma) ** 2)
    kernel = kernel / kernel.sum()
    soft = F.pad(mask[None, None], (radius,) * 4, mode="reflect")
    soft = F.conv2d(F.conv2d(soft, kernel[None, None, :, None]), kernel[None, None, None, :])
    return soft[0, 0].clamp(0, 1)


def surroundings(box: Box, padding: int, width: int, height: int, image: tuple[int, int]) -> Box:
    """The part of an image to cut out: ``box`` with ``padding`` pixels around, widened or heightened towards the proportions of
    ``width`` × ``height`` as far as ``image`` (width, height) goes."""
    left, top = max(0, box[0] - padding), max(0, box[1] - padding)
    right, bottom = min(image[0], box[2] + padding), min(image[1], box[3] + padding)
    if (right - left) * height < (bottom - top) * width:
        left, right = _stretched(left, right, math.ceil((bottom - top) * width / height), image[0])
    else:
        top, bottom = _stretched(top, bottom, math.ceil((right - left) * height / width), image[1])
    return left, top, right, bottom


def _stretched(first: int, last: int, length: int, limit: int) -> tuple[int, int]:
    """A range of ``length`` around the range given, pushed back into 0…``limit``."""
    length = min(max(length, last - first), limit)
    first = min(max(0, first - (length - (last - first)) // 2), limit - length)
    return first, first + length


def painted_size(width: int, height: int) -> tuple[int, int]:
    """The nearest size that every model takes: a multiple of 8 pixels, at least 16."""
    return max(16, round(width / 8) * 8), max(16, round(height / 8) * 8)


@dataclass(frozen=True)
class Painting:
    """How a region is painted: ``width`` × ``height`` pixels of the cut-out, ``padding`` pixels of surroundings, ``blur`` (sigma, in
    pixels) of the mask. Not ``only_masked``: the whole image is painted at its own size, through the mask.
    """

    width: int
    height: int
    padding: int = 32
    blur: float = 4
    only_masked: bool = True

    def paint(self, image: Any, masks: Iterable[Any], sample: Callable[[Any, Any, int], Any]) -> Any:
        """``image`` [height, width, 3] with each mask's region painted again, one after the other.

        ``sample(pixels, mask, number)`` paints: pixels [1, h, w, 3] and mask [1, h, w] to pixels [1, h', w', 3].
        """
        for number, mask in enumerate(masks):
            image = self._painted(image, mask.to(image.device), sample, number)
        return image

    def _painted(self, image: Any, mask: Any, sample: Callable[[Any, Any, int], Any], number: int) -> Any:
        import torch

        height, width = image.shape[:2]
        soft = blurred(mask, self.blur)
        box = box_of(soft) or box_of(mask)
        assert box is not None  # masks without anything in them are not chosen
        size = painted_size(self.width, self.height)
        if self.only_masked:
            left, top, right, bottom = surroundings(_whole_box(soft, box), self.padding, *size, (width, height))
        else:
            left, top, right, bottom = 0, 0, width, height
            size = painted_size(width, height)
        part, through = image[top:bottom, left:right], soft[top:bottom, left:right]
        made = sample(scaled(part[None], *size), scaled(through[None, :, :, None], *size)[..., 0], number)
        made = scaled(made[:1, :, :, : image.shape[-1]], right - left, bottom - top)[0].to(image)
        out = image.clone()
        weight = through[:, :, None]
        out[top:bottom, left:right] = torch.where(weight > 0, part + (made - part) * weight, part)
        return out


def _whole_box(soft: Any, box: Box) -> Box:
    """The box of a soft mask down to its faintest edge that shows."""
    return box_of((soft > 1 / 255).float()) or box


def scaled(images: Any, width: int, height: int) -> Any:
    """Images [n, h, w, c] at another size."""
    import torch.nn.functional as F

    if images.shape[1:3] == (height, width):
        return images
    planes = images.movedim(-1, 1)
    return F.interpolate(planes, size=(height, width), mode="bicubic", antialias=True).movedim(1, -1).clamp(0, 1)
