"""Does the image show the value? How sure a model is of every placeholder value of every image.

Similarities come from a model that was never told what people think; ``calibration`` turns them into probabilities, with people's
verdicts where there are some, and without where there are none.
"""

import contextlib
from pathlib import Path

#: In the folder of scores: which sessions wait to be scored by ComfyUI, and by the gallery's own server. Both may run on one catalog.
QUEUE, GALLERY_QUEUE = "queue.json", "queue-gallery.json"


def waits(queue: Path) -> bool:
    """Whether something is in a queue that was written down. Quick: nothing is imported for it."""
    with contextlib.suppress(OSError):
        return queue.stat().st_size > len("[]")
    return False
