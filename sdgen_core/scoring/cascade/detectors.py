"""Detectors of faces and persons that a user has: YOLO models through ultralytics, and ONNX files through onnxruntime.

Neither library is one of SDGen's, and no model comes with it: ultralytics and the best-known models for this are AGPL-licensed. They
are imported when a detector is named in the settings, and not before.
"""

from __future__ import annotations

import ast
import hashlib
import importlib
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from pydantic import BaseModel, ConfigDict, Field

from ...errors import Place, SDGenError, shown
from .crops import Box

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image

_OVERLAP = 0.45  # two boxes of a label that share more than this are one
_MOST = 300  # boxes of one image


class DetectorSettings(BaseModel):
    """``path`` of a model; boxes below ``confidence`` are left out; ``labels`` of an ONNX file that does not say them, in its order."""

    model_config = ConfigDict(extra="forbid")

    path: str
    confidence: float = Field(default=0.3, gt=0, lt=1)
    labels: list[str] = []


class Detector(Protocol):
    """Finds faces and persons. ``identity`` changes with the model: what was cut by its boxes is kept under it."""

    name: str
    identity: str

    def boxes(self, image: Image.Image) -> list[Box]:
        """What is in the image, in any order. One call at a time."""
        ...


def load(settings: DetectorSettings) -> Detector:
    """The detector of a file. Raises ``detector-missing``, ``detector-library`` or ``detector-unusable``."""
    path = Path(settings.path).expanduser()
    if not path.is_file():
        raise SDGenError("detector-missing", f"the detector {path.name!r} is not there", place=Place(shown(path)))
    if path.suffix.lower() == ".onnx":
        return OnnxDetector(path, settings.confidence, settings.labels)
    if path.suffix.lower() == ".pt":
        return UltralyticsDetector(path, settings.confidence)
    raise SDGenError("detector-unusable", f"{path.name!r} is neither .pt nor .onnx", place=Place(shown(path)))


class UltralyticsDetector:
    """A YOLO model (.pt) through ultralytics, which runs code out of such a file: use only files that you trust."""

    def __init__(self, path: Path, confidence: float) -> None:
        with _quietly():
            library = _library("ultralytics", path)
            try:
                self._model = library.YOLO(str(path))
            except Exception as error:
                raise _unusable(path, error) from error
        self._confidence = confidence
        self.name = path.name
        self.identity = _identity(path, confidence)

    def boxes(self, image: Image.Image) -> list[Box]:
        out: list[Box] = []
        for result in self._model.predict(image.convert("RGB"), conf=self._confidence, verbose=False):
            found = result.boxes
            if found is None:  # a model for whole images
                continue
            for place, score, label in zip(found.xyxy.tolist(), found.conf.tolist(), found.cls.tolist(), strict=True):
                out.append(Box(str(result.names.get(int(label), "")), float(score), *map(float, place)))
        return out


class OnnxDetector:
    """An ONNX file with one image in, float32 (1, 3, h, w) from 0 to 1, and boxes out, as YOLO models are exported.

    Output layouts: (1, 4 + labels, boxes) with the middle and the size of each box (YOLOv8 and later; NudeNet), or (1, boxes, 6) with
    corners, score and label (exported with suppression inside). Source: ultralytics' export format and NudeNet's own reader.
    """

    def __init__(self, path: Path, confidence: float, labels: Sequence[str] = ()) -> None:
        library = _library("onnxruntime", path)
        try:
            self._session = library.InferenceSession(str(path), providers=library.get_available_providers())
            source = self._session.get_inputs()[0]
            told = self._session.get_modelmeta().custom_metadata_map
        except Exception as error:
            raise _unusable(path, error) from error
        self._input = source.name
        if len(source.shape) != 4 or source.type != "tensor(float)":
            raise _unusable(path, ValueError(f"it takes {source.type} {source.shape}, not an image"))
        free = _python(told.get("imgsz", ""))  # a free size is a name in the shape; this is what the model was made for
        usual = free if isinstance(free, list) and len(free) == 2 else [640, 640]
        sides = zip(source.shape[2:], usual, strict=True)
        self._size = [side if isinstance(side, int) and side > 0 else int(other) for side, other in sides]
        self._labels = tuple(labels) or _names(_python(told.get("names", "")))
        self._path, self._confidence = path, confidence
        self.name = path.name
        self.identity = _identity(path, confidence, *labels)

    def boxes(self, image: Image.Image) -> list[Box]:
        array, scale = _letterboxed(image, *self._size)
        output = self._session.run(None, {self._input: array})[0]
        try:
            return decode(output, self._labels, self._confidence, scale)
        except ValueError as error:
            raise _unusable(self._path, error) from error


def decode(output: NDArray[Any], labels: Sequence[str], confidence: float, scale: float) -> list[Box]:
    """The boxes in a model's output (see ``OnnxDetector``), the best first; ``scale``: pixels of the image for one of the input.

    Raises ``ValueError`` for another layout, or when the labels are not known.
    """
    import numpy as np

    if output.ndim != 3 or output.shape[0] != 1:
        raise ValueError(f"its output {output.shape} is not that of a detector")
    rows = output[0].astype(np.float64)
    if rows.shape[1] == 6:
        corners, scores, index = rows[:, :4], rows[:, 4], rows[:, 5].astype(np.int64)
    elif 4 < rows.shape[0] < rows.shape[1]:
        middle, size, each = rows[:2].T, rows[2:4].T, rows[4:]
        corners = np.concatenate([middle - size / 2, middle + size / 2], 1)
        scores, index = each.max(0), each.argmax(0)
        if len(labels) != len(each):
            raise ValueError(
                f"it has {len(each)} labels, and {len(labels) or 'none'} are known: name them in the settings"
            )
    else:
        raise ValueError(f"its output {output.shape} is not that of a detector")
    kept = np.flatnonzero(scores >= confidence)
    kept = kept[np.argsort(-scores[kept], kind="stable")][: _MOST * 4]
    out: list[Box] = []
    for at in kept.tolist():
        label = labels[index[at]] if 0 <= index[at] < len(labels) else ""
        x0, y0, x1, y1 = (corners[at] * scale).tolist()
        box = Box(label, float(scores[at]), x0, y0, x1, y1)
        if label and len(out) < _MOST and all(other.label != label or _shared(box, other) <= _OVERLAP for other in out):
            out.append(box)
    return out


def _shared(one: Box, other: Box) -> float:
    """Intersection over union."""
    wide = min(one.x1, other.x1) - max(one.x0, other.x0)
    high = min(one.y1, other.y1) - max(one.y0, other.y0)
    if wide <= 0 or high <= 0:
        return 0.0
    both = wide * high
    return both / (one.width * one.height + other.width * other.height - both)


def _letterboxed(image: Image.Image, height: int, width: int) -> tuple[NDArray[np.float32], float]:
    """The image at the top left of a black input, its shape kept; and the pixels of the image for one of the input."""
    import numpy as np
    from PIL import Image as pillow

    scale = max(image.width / width, image.height / height)
    size = (max(1, round(image.width / scale)), max(1, round(image.height / scale)))
    small = image.convert("RGB").resize(size, pillow.Resampling.BILINEAR, reducing_gap=2.0)
    out = np.zeros((1, 3, height, width), np.float32)
    out[0, :, : size[1], : size[0]] = np.asarray(small, np.float32).transpose(2, 0, 1) / 255
    return out, scale


def _names(told: Any) -> tuple[str, ...]:
    """The labels out of ultralytics' metadata, ``{0: 'face'}``; none when it is something else."""
    if not isinstance(told, dict) or set(told) != set(range(len(told))):
        return ()
    return tuple(str(told[index]) for index in range(len(told)))


def _python(text: str) -> Any:
    """A Python value written as text, as ultralytics does in its metadata; None when it is none."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return None


def _library(name: str, path: Path) -> Any:
    try:
        return importlib.import_module(name)
    except Exception as error:  # a broken installation raises anything
        message = f"{path.name!r} needs the Python library {name}, which cannot be imported: {error}"
        raise SDGenError("detector-library", message, place=Place(shown(path))) from error


@contextmanager
def _quietly() -> Iterator[None]:
    """While ultralytics is imported: no looking for updates, no statistics sent, nothing installed. It reads these once."""
    wanted = {"YOLO_OFFLINE": "true", "YOLO_AUTOINSTALL": "false"}
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _unusable(path: Path, error: Exception) -> SDGenError:
    reason = " ".join(str(error).split())[:200] or type(error).__name__
    return SDGenError("detector-unusable", f"{path.name!r} cannot be used: {reason}", place=Place(shown(path)))


def _identity(path: Path, confidence: float, *more: str) -> str:
    digest = hashlib.sha256(f"{confidence:g}\0{chr(0).join(more)}\0".encode())
    with path.open("rb") as file:
        for part in iter(lambda: file.read(1 << 20), b""):
            digest.update(part)
    return digest.hexdigest()[:16]
