"""What scoring asks of a model: one vector for an image, one for a text, near each other when the text is true of the image.

A back-end knows nothing of sessions and placeholders. Embeddings and calibrations are kept under its ``identity`` and never mix with
those of another.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image

    Floats = NDArray[np.float32]


@runtime_checkable
class Backend(Protocol):
    """A model that embeds images and texts into one space. All methods may be called from any thread."""

    @property
    def name(self) -> str:
        """Shown to people, such as "open_clip ViT-B-32 laion2b_s34b_b79k"."""

    @property
    def identity(self) -> str:
        """16 hexadecimal digits: architecture, settings of the preparation, and the weights' content."""

    @property
    def width(self) -> int:
        """Numbers in an embedding."""

    @property
    def scale(self) -> float:
        """What cosines are multiplied by before a softmax (the exponential of the model's logit scale)."""

    def prepare(self, image: Image.Image) -> Floats:
        """What the model takes of an image: float32 (3, h, w), the same h and w for all images."""

    def encode_images(self, batch: Floats) -> Floats:
        """Unit vectors, float32 (n, width), of prepared images, float32 (n, 3, h, w).

        Raises ``SDGenError`` "scorer-out-of-memory" when not even one image fits.
        """

    def encode_texts(self, texts: Sequence[str]) -> Floats:
        """Unit vectors, float32 (m, width)."""

    def release(self) -> None:
        """Free the accelerator's memory; the next call takes it again."""
