"""Image files opened, and what Pillow says of those that it cannot open in our words."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import SDGenError, shown
from .shrink import DAMAGED

if TYPE_CHECKING:
    from PIL.Image import Image

MAX_PIXELS = 1 << 27
"""Images with more pixels are not decoded: 134 million are 512 MiB in memory."""

# Not all that Pillow knows: some of its formats start other programs (EPS), none of those is a picture of a session.
_FORMATS = ("PNG", "JPEG", "WEBP", "AVIF", "GIF", "BMP", "TIFF")


@contextlib.contextmanager
def opened(path: Path, max_pixels: int = MAX_PIXELS) -> Iterator[Image]:
    """The image of a file, not decoded yet; what decoding it raises is translated too.

    Raises ``missing-file``, ``unreadable-file``, and ``broken-image`` for a file that is no image, is damaged or cut off, or has more
    than ``max_pixels`` pixels (of which none is decoded then).
    """
    from PIL import Image as images
    from PIL import UnidentifiedImageError

    images.init()
    try:
        with images.open(path, formats=[name for name in _FORMATS if name in images.OPEN]) as image:
            width, height = image.size
            if width * height > max_pixels:
                raise SDGenError("broken-image", f"{shown(path)} has {width} × {height} pixels, too many to decode.")
            yield image
    except FileNotFoundError as error:
        raise SDGenError("missing-file", f"There is no file {shown(path)}.") from error
    except PermissionError as error:
        raise SDGenError("unreadable-file", f"Cannot read {shown(path)}: {error.strerror}.") from error
    except UnidentifiedImageError as error:
        raise SDGenError("broken-image", f"{shown(path)} is no image, or damaged from its first bytes on.") from error
    # Pillow's own limit (MAX_IMAGE_PIXELS) is the whole process's: it is left as it is, and may be the lower one
    except (*DAMAGED, images.DecompressionBombError, images.DecompressionBombWarning) as error:
        raise SDGenError("broken-image", f"{shown(path)} cannot be decoded: {error}") from error
