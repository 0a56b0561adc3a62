"""What ComfyUI changes in a checkpoint when it loads a LoRA: found out and computed by ComfyUI's own code.

Runs where ComfyUI can be imported (inside it, or in the process of :mod:`.child`). Names of modules, all kinds of adapters and their
sums stay ComfyUI's business: comfy/lora.py, comfy/weight_adapter, comfy/model_detection.py. Models are built without memory, on torch's
``meta`` device; only the way from their weights back to the file's tensors is ours: ComfyUI's conversions of a checkpoint rename, slice
and turn tensors, and what they give are views of the file, so where a weight lies in memory says which numbers of the file it is.
"""

from __future__ import annotations

import bisect
import contextlib
import logging
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import SDGenError, shown
from .arithmetic import Applied
from .modules import family_of, modules_of, split
from .weights import WeightFile

if TYPE_CHECKING:
    import torch

#: ComfyUI's names of model families → as `sdgen lora info` says them.
FAMILIES = {
    "SD15": "SD 1", "SD15_instructpix2pix": "SD 1", "SD20": "SD 2", "SD21UnclipL": "SD 2", "SD21UnclipH": "SD 2", "SDXL": "SDXL",
    "SDXLRefiner": "SDXL Refiner", "SSD1B": "SDXL", "SD3": "SD 3", "Flux": "FLUX", "FluxSchnell": "FLUX", "FluxInpaint": "FLUX",
}  # fmt: skip


#: Endings of tensors that a quantised model has beside its weights.
_SCALES = ("scaled_fp8", ".scale_weight", ".weight_scale", ".comfy_quant", ".quant_state.bitsandbytes__nf4")


@dataclass(frozen=True)
class Fit:
    """How far a LoRA fits: modules it has, and those of them that ComfyUI finds a weight of the same shape for."""

    path: Path
    family: str
    modules: int
    misses: tuple[str, ...] = ()

    @property
    def matched(self) -> int:
        return self.modules - len(self.misses)


@dataclass(frozen=True)
class _Piece:
    """A weight of the model in a tensor of the file: its geometry there, in numbers; ``key`` is the weight's name in ComfyUI."""

    key: str
    size: tuple[int, ...]
    stride: tuple[int, ...]
    offset: int


@dataclass
class Patched:
    """A checkpoint with what LoRAs change in it: tensor of the file → pieces, weight → ComfyUI's list of patches."""

    file: WeightFile
    family: str
    fits: list[Fit] = field(default_factory=list)
    pieces: dict[str, list[_Piece]] = field(default_factory=dict)
    patches: dict[str, list[Any]] = field(default_factory=dict)

    def tensor(self, name: str) -> torch.Tensor:
        """A tensor of the file with all LoRAs in it: summed in float32, rounded once to its own kind of numbers, with ComfyUI's own
        rounding. Raises ``bad-weights`` when the sum is not finite, ``not-mergeable`` when ComfyUI's sum fails."""
        import comfy.float
        import comfy.lora
        import comfy.model_patcher
        import torch

        out = self.file.get(name).clone()
        for piece in self.pieces[name]:
            part = torch.as_strided(out, piece.size, piece.stride, piece.offset)
            with _complaints() as said:
                weight = part.to(torch.float32, copy=True).contiguous()
                weight = comfy.lora.calculate_weight(self.patches[piece.key], weight, piece.key)
            if said:
                raise SDGenError("not-mergeable", f"{piece.key}: {said[0]}")
            seed = comfy.model_patcher.string_to_seed(piece.key)
            part.copy_(comfy.float.stochastic_rounding(weight, out.dtype, seed=seed))
            if not bool(torch.isfinite(part.float()).all()):
                word = str(out.dtype).removeprefix("torch.")
                raise SDGenError(
                    "bad-weights",
                    f"with the LoRA {name} holds numbers that are not finite in {word}",
                    hint="Use a lower strength; `sdgen lora info --check` looks at a LoRA's own numbers.",
                )
        return out


def patched(file: WeightFile, loras: Sequence[Applied]) -> Patched:
    """Look up what ``loras`` change in the checkpoint ``file``, one after the other as at run time; no sum is made yet.

    Raises ``not-mergeable`` for checkpoints that ComfyUI does not know or whose weights it computes from the file's.
    """
    import comfy.lora
    import comfy.lora_convert

    model, clip, config, views = _weights(file)
    out = Patched(file, FAMILIES.get(type(config).__name__, type(config).__name__))
    names: dict[str, Any] = comfy.lora.model_lora_keys_unet(model, {})
    if clip is not None:
        names = comfy.lora.model_lora_keys_clip(clip, names)
    for applied in loras:
        lora = WeightFile(applied.path)
        own = {name: tensor.clone() for name, tensor in lora.all().items()}  # some sums may be made in place
        read = _Read(comfy.lora_convert.convert_lora(own))
        found = comfy.lora.load_lora(read, names, log_missing=False)
        misses = dict.fromkeys(split(name)[0] for name in read if name not in read.seen)
        for target, patch in found.items():
            key, offset, function = (*target, None, None)[:3] if isinstance(target, tuple) else (target, None, None)
            strength = applied.strength
            if applied.text_encoder is not None and not key.startswith("diffusion_model."):
                strength = applied.text_encoder
            entry = (strength, patch, 1.0, offset, function)
            if key not in views or not _fits(entry, views[key], key):
                misses[key] = None
                continue
            out.patches.setdefault(key, []).append(entry)
        modules, _ = modules_of(read)
        family = family_of(lora.header.metadata, modules, lora.header.tensors)
        out.fits.append(Fit(applied.path, family, max(len(modules), len(misses)), tuple(misses)))
    places = _Places(file)
    for key in out.patches:
        name, piece = places.find(key, views[key])
        out.pieces.setdefault(name, []).append(piece)
    return out


class _Read(dict[str, Any]):
    """A LoRA's tensors that remember which of them were looked at: what ComfyUI's reader leaves, it cannot use."""

    def __init__(self, tensors: Mapping[str, Any]) -> None:
        super().__init__(tensors)
        self.seen: set[str] = set()

    def __getitem__(self, name: str) -> Any:
        self.seen.add(name)
        return super().__getitem__(name)

    def get(self, name: str, default: Any = None) -> Any:
        if name not in self:
            return default
        return self[name]


def _fits(entry: tuple[Any, ...], view: torch.Tensor, key: str) -> bool:
    """Whether a patch can be added to a weight: ComfyUI's own sum on tensors without numbers tells."""
    import comfy.lora
    import torch

    try:
        with _complaints() as said:
            weight = torch.empty(view.shape, dtype=torch.float32, device="meta")
            made = comfy.lora.calculate_weight([entry], weight, key)
    except (RuntimeError, ValueError, IndexError):
        return False
    return not said and made.shape == view.shape


def _weights(file: WeightFile) -> tuple[Any, Any, Any, dict[str, torch.Tensor]]:
    """(model, text encoder or None, ComfyUI's configuration, weight → its view of the file), as comfy.sd.load_checkpoint has them."""
    import comfy.model_detection as detection
    import comfy.utils
    import torch

    def whole() -> dict[str, Any]:
        return dict(tensors)  # ComfyUI takes entries out

    tensors = file.all()
    if any(name.endswith(_SCALES) for name in tensors):
        raise SDGenError("not-mergeable", f"{shown(file.path)} is quantised: its weights are numbers and scales")
    metadata = dict(file.header.metadata)
    prefix = detection.unet_prefix_from_state_dict(tensors)
    config = detection.model_config_from_unet(whole(), prefix, metadata=metadata)
    if config is None:  # a diffusion model alone, without a prefix
        stripped = comfy.utils.state_dict_prefix_replace(whole(), {prefix: ""}, filter_keys=True)
        tensors, prefix = stripped or tensors, ""
        config = detection.model_config_from_unet(whole(), prefix, metadata=metadata)
    if config is None:
        raise SDGenError("not-mergeable", f"ComfyUI knows no model of the form of {shown(file.path)}")
    config.set_inference_dtype(torch.float32, None)
    config.custom_operations = None
    meta = torch.device("meta")
    model = config.get_model(whole(), prefix, device=meta)
    unet = {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
    converted = config.process_unet_state_dict(unet)
    known = set(model.state_dict())
    views = {f"diffusion_model.{k}": v for k, v in converted.items() if f"diffusion_model.{k}" in known}
    clip = None
    target = config.clip_target(state_dict=whole())
    encoders = config.process_clip_state_dict(whole()) if target is not None else {}
    if encoders:
        clip = target.clip(**target.params, dtype=torch.float32, device=meta, model_options={})
        known = set(clip.state_dict())
        views |= {k: v for k, v in encoders.items() if k in known}
    return model, clip, config, views


class _Places:
    """Where the tensors of a file lie in memory."""

    def __init__(self, file: WeightFile) -> None:
        self._file = file
        lying = [(t.data_ptr(), name, t) for name, t in file.all().items() if t.numel()]
        self._lying = sorted(lying, key=lambda one: one[0])
        self._begins = [begin for begin, _, _ in self._lying]

    def find(self, key: str, view: torch.Tensor) -> tuple[str, _Piece]:
        """(the file's tensor, the piece of it that ``view`` is). Raises ``not-mergeable`` for what is no view."""
        at = bisect.bisect_right(self._begins, view.data_ptr()) - 1
        if at >= 0:
            begin, name, tensor = self._lying[at]
            offset, rest = divmod(view.data_ptr() - begin, tensor.element_size())
            reach = offset + sum((n - 1) * step for n, step in zip(view.shape, view.stride(), strict=True))
            if view.dtype == tensor.dtype and not rest and reach < tensor.numel():
                return name, _Piece(key, tuple(view.shape), tuple(view.stride()), offset)
        raise SDGenError(
            "not-mergeable",
            f"{shown(self._file.path)} does not hold {key} as ComfyUI uses it, but parts from which it is put together",
        )


@contextlib.contextmanager
def _complaints() -> Iterator[list[str]]:
    """What ComfyUI only logs, in this thread, when a sum cannot be made, instead of raising it."""
    said: list[str] = []
    thread = threading.get_ident()

    class Ears(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.thread == thread:
                said.append(record.getMessage())

    ears = Ears(logging.WARNING)
    logging.getLogger().addHandler(ears)
    try:
        yield said
    finally:
        logging.getLogger().removeHandler(ears)
