"""The perceptual hash of an image: 64 bits that stay the same, but for a few, when it is resized or saved anew.

The DCT hash of C. Zauner, "Implementation and Benchmarking of Perceptual Image Hash Functions" (2010), section 3.2.1, as in
the pHash library: the grey image of 32×32 pixels, its two-dimensional DCT-II, the 8×8 coefficients of the lowest
frequencies without the first row and column (the first of which, DC, is the mere brightness); bit n says whether the nth
coefficient, row by row, is above the median of the 64. The first one is the highest bit. Where Zauner smooths with a mean
filter of 7×7 and takes every nth pixel, each of the 32×32 is the mean of the pixels that it covers: the same purpose, and
the same for every size of the image.

All is done in whole numbers, so that every machine gives the same hash. An image of one colour has the hash 0.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from .shrink import eight_bit

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

SIDE = 32
LOW = 8
_SCALE = 1 << 14


@functools.cache
def _cosines() -> NDArray[np.int64]:
    """Rows 1 to 8 of the DCT-II's matrix, ``cos(π·k·(2x + 1) / 64)``, in units of 1/16384."""
    import numpy as np

    k, x = np.arange(1, LOW + 1)[:, None], np.arange(SIDE)
    exact: NDArray[np.float64] = np.cos(np.pi * k * (2 * x + 1) / (2 * SIDE)) * _SCALE
    return np.rint(exact).astype(np.int64)


def phash(image: Image) -> int:
    """The hash of an image, 0 to 2**64 - 1; quickest from its small thumbnail (see :meth:`.thumbs.Thumbs.made`).

    What is transparent counts as mid-grey. The EXIF orientation is not looked at: thumbnails are upright.
    """
    import numpy as np
    from PIL import Image as images

    tiny = eight_bit(image).resize((SIDE, SIDE), images.Resampling.BOX)
    if tiny.mode == "RGBA":
        tiny = images.alpha_composite(images.new("RGBA", tiny.size, (128, 128, 128, 255)), tiny)
    grey = np.asarray(tiny.convert("L")).astype(np.int64)
    cosines = _cosines()  # each row's sum is exactly 0, so that nothing is left of one colour
    low = (cosines @ grey @ cosines.T).ravel()
    middle = np.partition(low, (31, 32))
    bits: NDArray[Any] = 2 * low > middle[31] + middle[32]  # above the median, which lies between the middle two
    return int.from_bytes(np.packbits(bits).tobytes(), "big")


def to_signed(value: int) -> int:
    """An unsigned number of 64 bits as the signed one with the same bits: what SQLite's INTEGER holds."""
    return value - (1 << 64) if value >= 1 << 63 else value


def from_signed(value: int) -> int:
    """The hash that :func:`to_signed` was given."""
    return value & ((1 << 64) - 1)
