"""Image files as a model is to see them: RGB and upright.

An image is decoded whole, although a model sees it much smaller. Halving it first (``Image.reduce``; ``Image.draft`` for JPEG) until
its shorter side has twice the pixels that the model sees would save a third of the time, but is not the same: embeddings of a trained
EfficientNet-lite0 then have a cosine of 0.9987 with the right ones on average and 0.996 at worst (JPEG: 0.998, 0.987), as after
moving the image by a pixel; above 0.999 only from six times on, where nothing is left to save (16 photographs and generated images of
a megapixel and more, 224 pixels).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ...catalog.pictures.reading import opened
from ...catalog.pictures.shrink import DAMAGED, eight_bit

if TYPE_CHECKING:
    from PIL.Image import Image

_ORIENTATION = 0x0112  # EXIF


def decode(path: Path) -> Image:
    """The image of a file in RGB.

    Raises ``missing-file``, ``unreadable-file``, and ``broken-image`` for a file that is no image, is damaged or cut off, or has more
    pixels than are ever decoded.
    """
    with opened(path) as image:
        return upright(image)


def upright(image: Image) -> Image:
    """A decoded image as ``decode`` gives it: RGB, turned as its EXIF data say, on white where it is transparent."""
    from PIL import Image as images
    from PIL import ImageOps

    image.load()
    out = eight_bit(image)
    if _turned(image):
        out = ImageOps.exif_transpose(out)
    if out.mode == "RGBA":
        ground = images.new("RGB", out.size, "white")
        ground.paste(out, mask=out.getchannel("A"))
        out = ground
    return out


def _turned(image: Image) -> bool:
    if image.format == "TIFF":
        return False  # Pillow has turned it while loading
    try:
        return bool(image.getexif().get(_ORIENTATION, 1) != 1)
    except DAMAGED:
        return False  # damaged EXIF is no reason to see nothing
