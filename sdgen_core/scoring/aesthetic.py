"""How pleasing images are, by a head that others have trained on embeddings: one number an image, apart from what it shows.

Two kinds of files are read, both as LAION publishes them (https://github.com/LAION-AI/aesthetic-predictor and
https://github.com/christophschuhmann/improved-aesthetic-predictor): one linear layer, and a row of linear layers with nothing but dropout
between them. In use both are one linear map. A row with ReLUs between its layers has no names for them, but leaves out their numbers.
"""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import SDGenError, shown

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

_LAYER = re.compile(r"(?:.*\.)?(\d+)\.(weight|bias)|(?:.*\.)?(weight|bias)")


@dataclass(frozen=True, eq=False)
class AestheticHead:
    """``weights`` (width,) and ``bias``: about 1 (poor) to 10 for a head of LAION's."""

    weights: Floats
    bias: float

    def scores(self, images: NDArray[np.float32]) -> Floats:
        """(n, width) normalised embeddings -> (n,)."""
        out: Floats = images @ self.weights + self.bias
        return out


def load_head(path: Path, width: int) -> AestheticHead:
    """The head in a ``.safetensors`` or torch file, for embeddings of ``width`` numbers.

    Raises ``bad-aesthetic-head`` for a file that is none, and for one made for another width.
    """
    import numpy as np

    layers: dict[int, dict[str, Any]] = {}
    for name, tensor in _tensors(path).items():
        match = _LAYER.fullmatch(name)
        if match is None or not hasattr(tensor, "numpy"):
            raise _bad(path, f"holds {name!r}, which is no part of a row of linear layers")
        layer = layers.setdefault(int(match[1] or 0), {})
        layer[match[2] or match[3]] = tensor.detach().float().numpy().astype(np.float64)
    if not layers:
        raise _bad(path, "holds nothing")
    order = sorted(layers)
    if any(after - before > 2 for before, after in itertools.pairwise(order)):
        raise _bad(path, f"has more than dropout between its layers {', '.join(map(str, order))}: it is no linear map")
    weights, bias = np.eye(width), np.zeros(width)
    for number, layer in sorted(layers.items()):
        weight = layer.get("weight", np.empty(0))
        own = layer.get("bias", np.zeros(len(weight)))
        if weight.ndim != 2 or own.shape != weight.shape[:1]:
            raise _bad(path, f"has a layer {number} that is not linear")
        if weight.shape[1] != len(weights):
            made = f"for embeddings of {weight.shape[1]} numbers, and this scorer's have {width}"
            raise _bad(path, f"is {made}" if len(weights) == width else f"has layers that do not fit, at {number}")
        weights, bias = weight @ weights, weight @ bias + own
    if len(weights) != 1 or not (np.isfinite(weights).all() and np.isfinite(bias).all()):
        raise _bad(path, f"gives {len(weights)} numbers an image, or some that are none")
    return AestheticHead(weights[0], float(bias[0]))


def _tensors(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise SDGenError("missing-file", f"there is no aesthetic head at {shown(path)}")
    try:
        if path.suffix.lower() == ".safetensors":
            from safetensors.torch import load_file

            return dict(load_file(path))
        import torch

        found = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # of many kinds, by what is wrong with the file
        raise _bad(path, f"is torn, or no file of weights ({type(error).__name__})") from error
    found = found.get("state_dict", found) if isinstance(found, dict) else found
    if not isinstance(found, dict):
        raise _bad(path, "holds no weights by name")
    return {str(name): tensor for name, tensor in found.items()}


def _bad(path: Path, what: str) -> SDGenError:
    return SDGenError("bad-aesthetic-head", f"{shown(path)} {what}")
