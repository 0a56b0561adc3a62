"""The whole network learns too: the image part of a model with a head, trained on judged images with an accelerator.

The head is fitted to frozen features first, so that the network is not spoilt by a head that knows nothing yet (Kumar et al.,
"Fine-tuning can distort pretrained features and underperform out-of-distribution", ICLR 2022). Of five folds three are learnt from, one
says when to stop, and on one the network is tried. Images are not mirrored or coloured: values may be about left, right and colours.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import SDGenError
from ...scoring.backends.interface import Backend
from ...scoring.backends.open_clip import OpenClipBackend, is_out_of_memory
from ...scoring.embedding.decoding import decode
from ...scoring.estimates.calibration import LEAST_LABELS
from .fit import FOLDS, fit

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Vectors = NDArray[np.float32]

_TRIED, _STOP = FOLDS - 1, FOLDS - 2
_DECODERS = 8


@dataclass(frozen=True)
class Tuning:
    """How a network is trained: at most so many ``epochs``, ``batch`` images at once, steps of ``rate`` (AdamW's; ``head_rate`` those of
    the head), and no longer than ``patience`` epochs in which nothing gets better. ``cpu``: where there is no accelerator."""

    epochs: int = 20
    batch: int = 16
    rate: float = 1e-5
    head_rate: float = 1e-3
    patience: int = 3
    cpu: bool = False

    def device(self) -> str:
        """Where it runs. Raises ``needs-accelerator``."""
        import torch

        if self.cpu:
            return "cpu"
        if torch.cuda.is_available():
            return "cuda"
        if torch.backends.mps.is_available():
            return "mps"
        raise SDGenError("needs-accelerator", "torch finds no accelerator, and a whole network takes hours without one")


@dataclass(frozen=True, eq=False)
class Tuned:
    """``data``: a file of safetensors with the image part; ``weights`` (k + 1, width) and ``bias`` (k + 1,) of the head on its normalised
    features, ``strength`` of the penalty that it began with; ``held_out`` (n,): what it says of images that it was tried on, else NaN."""

    data: bytes
    weights: Floats
    bias: Floats
    strength: float
    held_out: Floats
    remarks: list[str]


def tune(
    encoder: Backend,
    file: Callable[[int], Path],
    features: Vectors,
    asked: Ints,
    truth: Floats,
    k: int,
    folds: Ints,
    tuning: Tuning,
    progress: Callable[[str], None] = lambda _: None,
) -> Tuned:
    """Train ``encoder`` further on n images; ``file``: row -> path; the rest as for ``fit.fit``, ``features`` being those of the encoder.

    Raises ``too-few-labels`` where a fifth of the labels tries nothing, ``scorer-out-of-memory``, ``needs-accelerator``, and
    ``bad-classifier`` for a model that cannot learn here.
    """
    import numpy as np

    if not isinstance(encoder, OpenClipBackend) or not hasattr(encoder.model, "visual"):
        raise SDGenError("bad-classifier", f"{encoder.name} has no image part that could learn: train a head alone")
    device = tuning.device()
    pixels, there = _prepared(encoder, file, len(asked))
    lost = len(there) - int(there.sum())
    if int((there & (folds == _TRIED)).sum()) < LEAST_LABELS:
        needed = LEAST_LABELS * FOLDS
        message = f"a fifth of {int(there.sum())} judged images is not enough to try a network on: it needs {needed}"
        raise SDGenError("too-few-labels", message)
    learn = there & (folds < _STOP)
    first = fit(features[learn].astype(np.float64), asked[learn], truth[learn], k, folds[learn])
    try:
        network = _Network(encoder, device, first.weights, first.bias, tuning)
        best, epoch = network.train(pixels, asked, truth, learn, there & (folds == _STOP), progress)
        tried = np.flatnonzero(there & (folds == _TRIED))
        held_out = np.full(len(asked), np.nan)
        held_out[tried] = network.says(pixels, tried)[np.arange(len(tried)), asked[tried]]
        data, weights, bias = network.kept()
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        message = f"{encoder.name} with {tuning.batch} images at once does not fit into the memory of {device}"
        raise SDGenError(
            "scorer-out-of-memory", message, hint="Give a smaller --batch, or train a head alone."
        ) from error
    remarks = [f"the network is that of epoch {epoch}, with a log loss of {best:.3f} where it was to stop"]
    if lost:
        remarks.append(f"{lost} images could not be read")
    return Tuned(data, weights, bias, first.strength, held_out, remarks)


class _Network:
    """The image part of a model with a head."""

    def __init__(self, encoder: OpenClipBackend, device: str, weights: Floats, bias: Floats, tuning: Tuning) -> None:
        import torch

        self._device, self._tuning = device, tuning
        # As it is asked, also while it learns: a batch of a few images tells too little for its normalisation, and dropout little.
        self._model = copy.deepcopy(encoder.model).float().to(device).eval()
        self._head = torch.nn.Linear(weights.shape[1], len(weights)).to(device)
        with torch.no_grad():
            self._head.weight.copy_(torch.from_numpy(weights))
            self._head.bias.copy_(torch.from_numpy(bias))
        self._model.requires_grad_(False)
        self._model.visual.requires_grad_(True)
        # where bf16 is not to be had, numbers of half precision are raised, so that small slopes are not nought
        self._half = torch.bfloat16 if device == "cuda" and torch.cuda.is_bf16_supported() else torch.float16
        self._scaler = torch.amp.GradScaler(device, enabled=device == "cuda" and self._half is torch.float16)

    def train(
        self,
        pixels: Any,
        asked: Ints,
        truth: Floats,
        learn: NDArray[np.bool_],
        stop: NDArray[np.bool_],
        progress: Callable[[str], None],
    ) -> tuple[float, int]:
        """Learn until it gets no better on the images of ``stop``; the network is the best one then. Gives its log loss there, and its
        epoch: 0 is the head alone."""
        import numpy as np
        import torch

        said = self._tuning
        parts = [
            {"params": list(self._model.visual.parameters()), "lr": said.rate},
            {"params": list(self._head.parameters()), "lr": said.head_rate},
        ]
        steps = torch.optim.AdamW(parts, weight_decay=0.01)
        rows, held_out = np.flatnonzero(learn), np.flatnonzero(stop)
        random = np.random.default_rng(len(rows))
        best, found, state = self._loss_of(pixels, asked, truth, held_out), 0, self._state()
        for epoch in range(1, said.epochs + 1):
            for at in _batches(random.permutation(rows), said.batch):
                steps.zero_grad()
                loss = self._loss(self._logits(pixels, at), asked[at], truth[at])
                self._scaler.scale(loss).backward()
                self._scaler.step(steps)
                self._scaler.update()
            now = self._loss_of(pixels, asked, truth, held_out)
            progress(f"epoch {epoch}: log loss {now:.3f}, at best {min(now, best):.3f}")
            if now < best:
                best, found, state = now, epoch, self._state()
            elif epoch - found >= said.patience:
                break
        self._model.visual.load_state_dict(state[0])
        self._head.load_state_dict(state[1])
        return best, found

    def says(self, pixels: Any, rows: Ints) -> Floats:
        """(m, k + 1) probabilities of these images."""
        import numpy as np
        import torch

        out = []
        with torch.inference_mode():
            for at in _batches(rows, self._tuning.batch):
                out.append(torch.softmax(self._logits(pixels, at).double().cpu(), 1).numpy())
        found: Floats = np.concatenate(out)
        return found

    def kept(self) -> tuple[bytes, Floats, Floats]:
        """The image part as a file of safetensors, and the head."""
        from safetensors.torch import save

        head = {name: tensor.detach().double().cpu().numpy() for name, tensor in self._head.state_dict().items()}
        return save(self._state()[0]), head["weight"], head["bias"]

    def _logits(self, pixels: Any, rows: Ints) -> Any:
        import torch

        images = torch.from_numpy(pixels[rows]).to(self._device, torch.float32)
        with torch.autocast(self._device, self._half, enabled=self._device == "cuda"):
            found = self._model.encode_image(images)
        return self._head(torch.nn.functional.normalize(found.float(), dim=-1))

    def _loss(self, logits: Any, asked: Ints, truth: Floats) -> Any:
        """The mean log loss of what was asked: see ``fit``."""
        import torch

        own = torch.nn.functional.one_hot(torch.from_numpy(asked), logits.shape[1]).bool().to(self._device)
        said = torch.from_numpy(truth).to(self._device, torch.float32)
        whole = torch.logsumexp(logits, 1)
        rest = torch.logsumexp(logits.masked_fill(own, -torch.inf), 1)
        return -(said * (logits[own] - whole) + (1 - said) * (rest - whole)).mean()

    def _loss_of(self, pixels: Any, asked: Ints, truth: Floats, rows: Ints) -> float:
        import torch

        total = 0.0
        with torch.inference_mode():
            for at in _batches(rows, self._tuning.batch):
                total += float(self._loss(self._logits(pixels, at), asked[at], truth[at])) * len(at)
        return total / max(1, len(rows))

    def _state(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Copies of all weights, in main memory."""
        parts = [
            {name: tensor.detach().to("cpu", copy=True).contiguous() for name, tensor in part.state_dict().items()}
            for part in (self._model.visual, self._head)
        ]
        return parts[0], parts[1]


def _batches(rows: Ints, size: int) -> Iterator[Ints]:
    for at in range(0, len(rows), size):
        yield rows[at : at + size]


def _prepared(encoder: OpenClipBackend, file: Callable[[int], Path], n: int) -> tuple[Any, NDArray[np.bool_]]:
    """What the model takes of n images, float16 (n, 3, h, w), and which of them could be read, (n,)."""
    import numpy as np

    def one(at: int) -> Any:
        try:
            return encoder.prepare(decode(file(at))).astype(np.float16)
        except SDGenError:
            return None

    with ThreadPoolExecutor(_DECODERS) as pool:
        found = list(pool.map(one, range(n)))
    there = np.array([pixels is not None for pixels in found])
    blank = next((np.zeros_like(pixels) for pixels in found if pixels is not None), np.zeros((3, 1, 1), np.float16))
    return np.stack([blank if pixels is None else pixels for pixels in found]), there
