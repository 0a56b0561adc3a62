"""Models that open_clip knows, from files on this machine, as a ``Backend``.

open_clip makes a *random* model where it finds no weights, and fits position embeddings of another size without a word. So nothing
is left to it that can be checked before: the file's tensors are compared with the architecture's one by one, and it is always told
that weights are required. Nothing is fetched from a hub unless ``download`` is given.

A model comes as a file of weights (its architecture is found from names and shapes, or stands in a JSON file of the same name beside
it), or as a folder with ``open_clip_config.json``, the form in which such models are published.
"""

from __future__ import annotations

import hashlib
import json
import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ...errors import Place, SDGenError, shown
from . import sources, weights
from .architectures import Architecture

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image

    Floats = NDArray[np.float32]

log = logging.getLogger("sdgen")

Precision = Literal["auto", "fp32", "fp16", "bf16"]

_TEXTS_AT_ONCE = 256


@dataclass
class OpenClipBackend:
    """See ``Backend``; made by ``load_path``. ``remarks`` say what could only be guessed of the weights file."""

    name: str
    identity: str
    width: int
    scale: float
    remarks: tuple[str, ...]
    model: Any
    tokenizer: Callable[[list[str]], Any]
    transform: Callable[[Any], Any]
    device: str
    dtype: Any
    most: int | None = None
    """Largest batch that fits, as far as that had to be found out since the last ``release``."""
    bring: Callable[[], None] | None = None
    """Takes the weights to ``device`` before each use, where somebody else looks after the memory: then ``release`` does nothing."""
    _lock: threading.RLock = field(default_factory=threading.RLock, repr=False)
    _away: bool = False

    def prepare(self, image: Image.Image) -> Floats:
        """Resized, cropped and normalised as open_clip does it for these weights: float32 (3, h, w)."""
        # before resizing: a palette's numbers cannot be averaged
        picture = image if image.mode == "RGB" else image.convert("RGB")
        out: Floats = self.transform(picture).numpy()
        return out

    def encode_images(self, batch: Floats) -> Floats:
        """Unit vectors of prepared images. A batch that does not fit is halved, and later ones are cut to what did."""
        import torch

        def encode(rows: Floats) -> Any:
            pixels = torch.from_numpy(rows).to(self.device, self.dtype)
            return self.model.encode_image(pixels)

        return self._encode(batch, encode)

    def encode_texts(self, texts: Sequence[str]) -> Floats:
        """Unit vectors of texts; what is longer than the model reads is cut off by its tokenizer."""
        import numpy as np

        parts = [list(texts[start : start + _TEXTS_AT_ONCE]) for start in range(0, len(texts), _TEXTS_AT_ONCE)]
        rows = [
            self._encode(part, lambda some: self.model.encode_text(self.tokenizer(some).to(self.device)))
            for part in parts
        ]
        return np.concatenate(rows) if rows else np.empty((0, self.width), np.float32)

    def release(self) -> None:
        """Move the weights to main memory; the next call takes them back to the accelerator, where there may be more room then."""
        with self._lock:
            self.most = None
            if self.device != "cpu" and not self._away and self.bring is None:
                self.model.to("cpu")
                self._away = True
                _empty_cache(self.device)

    def _encode(self, rows: Any, encode: Callable[[Any], Any]) -> Floats:
        """Unit vectors of ``rows``, as many at once as fit."""
        import numpy as np

        out = np.empty((len(rows), self.width), np.float32)
        start = 0
        while start < len(rows):
            # one piece a lock, so that texts and ``release`` get their turn
            with self._lock:
                size = min(self.most or len(rows), len(rows) - start)
                vectors = self._attempt(rows[start : start + size], encode)
                if vectors is None:
                    self._shrink(size)
                    continue
            out[start : start + size] = vectors
            start += size
        return out

    def _attempt(self, rows: Any, encode: Callable[[Any], Any]) -> Floats | None:
        """None when the memory is not enough. What the failed attempt held is freed when this returns."""
        import torch

        try:
            with torch.inference_mode():
                if self.bring is not None:
                    self.bring()
                if self._away:
                    self.model.to(self.device)
                    self._away = False
                found = encode(rows).float()
                found = torch.nn.functional.normalize(found, dim=-1)
                if not bool(torch.isfinite(found).all()):
                    raise SDGenError(
                        "scorer-not-finite", f"{self.name} gives vectors that are no numbers ({self.dtype})"
                    )
                out: Floats = found.cpu().numpy()
                return out
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            if self._away:  # a part of it may be there, and ``release`` would leave it
                self.model.to("cpu")
            return None

    def _shrink(self, size: int) -> None:
        _empty_cache(self.device)
        if size <= 1:
            raise SDGenError("scorer-out-of-memory", f"{self.name} does not fit into the memory of {self.device}")
        self.most = size // 2
        log.warning("the scorer's memory is full at %d at once; it goes on with %d", size, self.most)


def load_path(
    path: Path,
    *,
    device: str = "auto",
    precision: Precision = "auto",
    download: bool = False,
    memory: Path | None = None,
    known: Architecture | None = None,
) -> OpenClipBackend:
    """The model of a weights file, or of a folder with ``open_clip_config.json``.

    ``device``: a name as torch takes it; "auto" is the first CUDA device if there is one, else the CPU. ``precision``: "auto" is fp16
    on CUDA and fp32 elsewhere. ``download`` allows a tokenizer that is not on the machine to be fetched from its hub. ``memory``: see
    ``weights.content_hash``. ``known``: the architecture, where it need not be found out. Raises ``SDGenError``: "scorer-missing",
    "scorer-bad-file", "scorer-wrong-kind", "scorer-unknown-architecture", "scorer-bad-config", "scorer-no-tokenizer",
    "scorer-out-of-memory" or "scorer-no-library".
    """
    try:
        import open_clip
        import torch
        from open_clip.transform import PreprocessCfg, image_transform_v2
    except ImportError as error:
        raise SDGenError("scorer-no-library", f"open_clip cannot be imported: {error}") from error

    source = sources.find(path, known)
    name = sources.registered_name(source)
    config = open_clip.get_model_config(name)
    tokenizer = sources.tokenizer(source, name, config, download)
    where = _device(device)
    kind = ("fp16" if where.startswith("cuda") else "fp32") if precision == "auto" else precision
    model = _model(source, name, kind, where)
    if any(not bool(torch.isfinite(p).all()) for p in model.parameters()):
        raise SDGenError("scorer-bad-file", "its weights are not all numbers", place=Place(shown(source.weights)))
    prepared = open_clip.get_model_preprocess_cfg(model)
    content = {"config": config, "prepared": prepared, "archive": source.archive}
    digest = hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode())
    digest.update(weights.content_hash(source.weights, memory).encode())
    label = source.architecture.name if source.config is None else (source.folder or source.weights).stem
    return OpenClipBackend(
        name=f"open_clip {label} {source.architecture.tag}".rstrip(),
        identity=digest.hexdigest()[:16],
        width=int(model.text_projection.shape[1] if source.archive else config["embed_dim"]),
        scale=float(model.logit_scale.detach().float().exp().max()),
        remarks=source.architecture.remarks,
        model=model,
        tokenizer=tokenizer,
        transform=image_transform_v2(PreprocessCfg(**prepared), is_train=False),
        device=where,
        dtype=open_clip.get_input_dtype(kind) or torch.float32,
    )


def _device(wanted: str) -> str:
    import torch

    return wanted if wanted != "auto" else "cuda" if torch.cuda.is_available() else "cpu"


def _model(source: sources.Source, name: str, precision: str, device: str) -> Any:
    """The model with its weights, ready to be asked."""
    import open_clip

    file = source.weights
    try:
        if source.archive:
            model = open_clip.load_openai_model(str(file), precision=precision, device=device)
        else:
            model = open_clip.create_model(
                name,
                pretrained=str(file),
                precision=precision,
                device=device,
                force_preprocess_cfg=dict(source.architecture.preparation),
                require_pretrained=True,
            )
    except Exception as error:  # whatever the file holds is met by torch in many ways
        if isinstance(error, RuntimeError) and is_out_of_memory(error):
            raise SDGenError(
                "scorer-out-of-memory", f"the model does not fit into the memory of {device}", place=Place(shown(file))
            ) from error
        message = f"open_clip cannot load it as {name}: {str(error).strip()[:300] or type(error).__name__}"
        raise SDGenError("scorer-bad-file", message, place=Place(shown(file))) from error
    return model.eval()


def is_out_of_memory(error: RuntimeError) -> bool:
    """Whether the memory is not enough: torch has a type for accelerators; its allocator for the CPU raises a bare ``RuntimeError``."""
    import torch

    kinds = tuple(kind for kind in (getattr(torch, "OutOfMemoryError", None), torch.cuda.OutOfMemoryError) if kind)
    text = str(error).lower()
    return isinstance(error, kinds) or "can't allocate memory" in text or "out of memory" in text


def _empty_cache(device: str) -> None:
    import torch

    if device.startswith("cuda"):
        torch.cuda.empty_cache()
    elif device.startswith("mps"):
        torch.mps.empty_cache()
