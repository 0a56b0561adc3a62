"""Stacking and resizing: sums and low-rank approximations of plain LoRAs.

A module's difference is ``alpha / rank · up @ down`` (Hu et al. 2021, https://arxiv.org/abs/2106.09685; without an alpha the factor is
1, as ComfyUI has it). For a convolution ``down`` is [rank, in, h, w] and ``up`` [out, rank, 1, 1]; with a Tucker core ``mid``
[rank, rank, h, w] the kernel stands there. All sums are float32 at least.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import SDGenError, shown
from ...sessions.files import sha256_file
from ...sessions.safetensors_file import ENDINGS, SIZES
from ...templates.themes import MAX_STRENGTH
from .modules import Module, block_names, modules_of, plain_name
from .weights import FLOATS, WeightFile, check_target, save_tensors

if TYPE_CHECKING:
    import torch

#: Metadata that says the same of what was made, when all sources agree.
_KEPT = ("ss_base_model_version", "ss_sd_model_name", "ss_sd_model_hash", "ss_new_sd_model_hash", "ss_v2",
         "modelspec.architecture", "modelspec.resolution", "modelspec.prediction_type")  # fmt: skip
_ADDED = ("diff", "diff_b", "w_norm", "b_norm")


@dataclass(frozen=True)
class Applied:
    """A LoRA file and how much of it: of the model's modules, and of the text encoders' (None: the same)."""

    path: Path
    strength: float = 1.0
    text_encoder: float | None = None

    @classmethod
    def read(cls, text: str, path_of: Callable[[str], Path] = Path) -> Applied:
        """``FILE``, ``FILE=0.8`` or ``FILE=0.8,0.5``, the second for text encoders. ``path_of`` gives the file of a name.

        Raises ``bad-option``, and what ``path_of`` raises.
        """
        name, equals, numbers = text.rpartition("=")
        if not equals or numbers.lower().endswith(ENDINGS) or Path(text).is_file():
            return cls(path_of(text))
        try:
            found = [float(number) for number in numbers.split(",")]
        except ValueError:
            found = []
        if not 1 <= len(found) <= 2 or not all(abs(number) <= MAX_STRENGTH for number in found):
            message = f"the strength in {text!r} is no number from {-MAX_STRENGTH:g} to {MAX_STRENGTH:g}"
            raise SDGenError(
                "bad-option", message, hint="Write NAME=0.8, or NAME=0.8,0.5 with a strength for text encoders."
            )
        return cls(path_of(name.strip()), *found)

    def of(self, module: Module) -> float:
        """The strength for a module."""
        return self.strength if self.text_encoder is None or not module.text_encoder else self.text_encoder

    def to_json(self) -> dict[str, Any]:
        more = {} if self.text_encoder is None else {"text_encoder_strength": self.text_encoder}
        return {"name": self.path.name, "sha256": sha256_file(self.path), "strength": self.strength, **more}


@dataclass(frozen=True)
class Factors:
    """A difference as ``up`` [out, rank] @ ``down`` [rank, in · h · w], scale and strength included; ``kernel`` is the shape of ``down``
    behind the rank."""

    up: torch.Tensor
    down: torch.Tensor
    kernel: tuple[int, ...]

    @property
    def rank(self) -> int:
        return int(self.down.shape[0])


@dataclass(frozen=True)
class Resized:
    """One module of a resized LoRA. ``error`` is ‖Δ − Δ′‖ / ‖Δ‖, of the Frobenius norm."""

    module: str
    before: int
    after: int
    error: float


def factors(file: WeightFile, module: Module, strength: float = 1.0) -> Factors:
    """A plain LoRA module as two matrices, float32 (float64 where the file has it). Raises ``not-a-plain-lora``, ``bad-weights``."""
    import torch

    where = f"{module.name} in {shown(file.path)}"
    if module.kind != "lora" or not {"up", "down"} <= set(module.parts):
        raise SDGenError("not-a-plain-lora", f"{where} is {_SPOKEN.get(module.kind, module.kind)}, and no plain LoRA")
    up, down = (_numbers(file, module.parts[role]) for role in ("up", "down"))
    flat = up.dim() >= 2 and up.numel() == up.shape[0] * up.shape[1]
    if not flat or down.dim() < 2 or up.shape[1] != down.shape[0] or not up.numel() or not down.numel():
        raise SDGenError("bad-weights", f"{where}: {list(up.shape)} and {list(down.shape)} cannot be multiplied")
    rank, kernel = int(down.shape[0]), tuple(down.shape[1:])
    if "mid" in module.parts:
        mid = _numbers(file, module.parts["mid"])
        if mid.dim() < 3 or tuple(mid.shape[:2]) != (rank, rank):
            raise SDGenError("bad-weights", f"{where}: its core is {list(mid.shape)}, its rank {rank}")
        # Δ[o, i, h, w] = Σ up[o, m] · mid[m, n, h, w] · down[n, i]: the core and `down` together are a kernel
        down = torch.einsum("mn...,ni->mi...", mid, down.reshape(rank, -1))
        kernel = tuple(down.shape[1:])
    scale = strength
    if "alpha" in module.parts:
        alpha = _numbers(file, module.parts["alpha"])
        if alpha.numel() != 1:
            raise SDGenError("bad-weights", f"the alpha of {where} has {alpha.numel()} numbers")
        scale *= float(alpha) / rank
    # Half of the scale goes to either side, as a power of two, which costs no digits: all of it (alpha 1 of rank 128) would take the
    # numbers of one side out of the range of 16 bits.
    half = 2.0 ** round(math.log2(abs(scale)) / 2) if scale else 1.0
    return Factors(up.reshape(up.shape[0], rank) * (scale / half), down.reshape(rank, -1) * half, kernel)


_SPOKEN = {"dora": "a DoRA", "loha": "a LoHa", "lokr": "a LoKr", "glora": "a GLoRA", "oft": "an OFT", "set": "a whole weight",
           "reshape": "a LoRA that changes shapes", "diff": "a full difference"}  # fmt: skip


def _numbers(file: WeightFile, name: str) -> torch.Tensor:
    """A tensor for sums. Raises ``bad-weights`` when it is not finite."""
    import torch

    tensor = file.get(name)
    out = tensor if tensor.dtype == torch.float64 else tensor.float()
    if not bool(torch.isfinite(out).all()):
        raise SDGenError("bad-weights", f"{name} in {shown(file.path)} holds numbers that are not finite")
    return out


# ---- stacking ------------------------------------------------------------------------------------------------------------


def stack(loras: Sequence[Applied], output: Path, *, dtype: str | None = None, replace: bool = False) -> dict[str, int]:
    """Write one LoRA whose difference is the sum of ``strength`` · difference of several, exactly: their ranks stand side by side.

    Full differences are added. ``dtype``: F32, F16, BF16; the widest of the sources' unless it is given. Gives module → rank (0 for
    full differences). Raises ``not-a-plain-lora``, ``lora-does-not-fit`` when shapes or names differ, ``file-exists``, ``disk-full``, …
    """
    import torch

    files = [(applied, WeightFile(applied.path), _known_modules(applied.path)) for applied in loras]
    check_target(output, replace=replace, sources=[applied.path for applied in loras])
    _same_names([(applied, modules) for applied, _, modules in files])
    gathered: dict[str, tuple[str, list[Factors]]] = {}
    added: dict[tuple[str, str], tuple[str, torch.Tensor]] = {}
    for applied, file, modules in files:
        for name, module in modules.items():
            strength, plain = applied.of(module), plain_name(name)
            if not module.kinds <= {"lora", "diff"}:
                factors(file, module)  # says what it is
            if "lora" in module.kinds:
                one = factors(file, module, strength)
                first, several = gathered.setdefault(plain, (name, []))
                if several and (several[0].kernel, several[0].up.shape[0]) != (one.kernel, one.up.shape[0]):
                    raise _misfit(first, applied.path, several[0], one)
                several.append(one)
            for role in (r for r in _ADDED if r in module.parts):
                tensor = _numbers(file, module.parts[role]) * strength
                first, sofar = added.get((plain, role), (name, torch.zeros_like(tensor)))
                if sofar.shape != tensor.shape:
                    message = f"{first}.{role} is {list(sofar.shape)}, in {shown(applied.path)} {list(tensor.shape)}"
                    raise SDGenError("lora-does-not-fit", message)
                added[plain, role] = first, sofar + tensor
    kind = _torch(dtype or _widest(file for _, file, _ in files))
    out: dict[str, torch.Tensor] = {}
    ranks: dict[str, int] = {}
    for name, several in gathered.values():
        whole = Factors(torch.cat([f.up for f in several], 1), torch.cat([f.down for f in several]), several[0].kernel)
        out |= _tensors(name, whole, kind)
        ranks[name] = whole.rank
    for (_, role), (name, tensor) in added.items():
        out[f"{name}.{role}"] = _rounded(tensor, kind, name)
        ranks.setdefault(name, 0)
    metadata = _metadata([file.header.metadata for _, file, _ in files], output, ranks)
    metadata["sdgen.stacked"] = json.dumps([applied.to_json() for applied in loras])
    save_tensors(output, out, metadata, replace=replace)
    return ranks


def _known_modules(path: Path) -> dict[str, Module]:
    """The modules of a LoRA that is wholly known. Raises ``not-a-lora``."""
    modules, unknown = modules_of(WeightFile(path).header.tensors)
    if not modules or unknown:
        what = f"the tensor {unknown[0]!r} is of no known kind" if modules else "no tensor is of a LoRA"
        raise SDGenError("not-a-lora", f"{shown(path)}: {what}")
    return modules


def _same_names(files: Iterable[tuple[Applied, Mapping[str, Module]]]) -> None:
    said: dict[str, Path] = {}
    for applied, modules in files:
        if names := block_names(modules):
            said.setdefault(names, applied.path)
    if len(said) > 1 or "mixed" in said:
        paths = " and ".join(shown(path) for path in said.values())
        raise SDGenError(
            "lora-does-not-fit",
            f"{paths} call the model's blocks differently (such as down_blocks, input_blocks), so one module has two names",
            hint="Merge them into the checkpoint instead: `sdgen lora merge` knows both.",
        )


def _misfit(name: str, path: Path, there: Factors, one: Factors) -> SDGenError:
    shapes = " and ".join(str([int(f.up.shape[0]), *f.kernel]) for f in (there, one))
    return SDGenError("lora-does-not-fit", f"{shown(path)} is for another model: {name} would change shapes {shapes}")


def _tensors(name: str, whole: Factors, kind: torch.dtype) -> dict[str, torch.Tensor]:
    """A module in kohya's form of tensors, alpha = rank: nothing is left to multiply."""
    import torch

    spatial = (1,) * (len(whole.kernel) - 1)
    return {
        f"{name}.lora_up.weight": _rounded(whole.up, kind, name).reshape(-1, whole.rank, *spatial),
        f"{name}.lora_down.weight": _rounded(whole.down, kind, name).reshape(whole.rank, *whole.kernel),
        f"{name}.alpha": torch.tensor(float(whole.rank)),
    }


def _rounded(tensor: torch.Tensor, kind: torch.dtype, name: str) -> torch.Tensor:
    import torch

    out = tensor.to(kind)
    if not bool(torch.isfinite(out.float()).all()):
        word = str(kind).removeprefix("torch.")
        raise SDGenError("bad-weights", f"{name} has numbers too large for {word}", hint="Choose --dtype F32.")
    return out


def _widest(files: Iterable[WeightFile]) -> str:
    found = {e.dtype for file in files for name, e in file.header.tensors.items() if not name.endswith(".alpha")}
    kinds = [kind for kind in FLOATS if kind in found and SIZES[kind] > 1]
    if {"BF16", "F16"} <= found or not kinds:
        return "F32"  # neither holds the other's numbers
    return kinds[0]


def _torch(dtype: str) -> torch.dtype:
    import torch

    kinds = {"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}
    return kinds[dtype]


def _metadata(sources: Sequence[Mapping[str, str]], output: Path, ranks: Mapping[str, int]) -> dict[str, str]:
    """What holds for the new file: what all sources agree on, its ranks as kohya's tools note them, the tags of all trainings."""
    first = sources[0]
    out = {key: first[key] for key in _KEPT if key in first and all(s.get(key) == first[key] for s in sources)}
    real = sorted({rank for rank in ranks.values() if rank})
    dim = str(real[0]) if len(real) == 1 else "Dynamic"
    out |= {
        "ss_network_module": "networks.lora",
        "ss_network_dim": dim,
        "ss_network_alpha": dim,
        "ss_output_name": output.stem,
    }
    tags: dict[str, dict[str, int]] = {}
    for source in sources:
        try:
            for folder, counts in json.loads(source.get("ss_tag_frequency", "{}")).items():
                there = tags.setdefault(str(folder), {})
                for tag, count in counts.items():
                    there[str(tag)] = there.get(str(tag), 0) + int(count)
        except (ValueError, TypeError, AttributeError):
            continue  # of no use, and no reason to fail
    return {**out, "ss_tag_frequency": json.dumps(tags, ensure_ascii=False)} if tags else out


# ---- resizing ------------------------------------------------------------------------------------------------------------


def resize(
    path: Path,
    output: Path,
    *,
    rank: int | None = None,
    keep: float | None = None,
    dtype: str | None = None,
    replace: bool = False,
) -> list[Resized]:
    """Write a LoRA of lower rank that is as near as can be: the largest singular values of each module (Eckart & Young 1936).

    ``rank``: at most so many. ``keep``: as few as hold this share, 0 to 1, of ‖Δ‖² (the sum of the squared singular values). With both
    the smaller counts. Full differences stay. Raises ``bad-option``, ``not-a-plain-lora``, and what writing raises.
    """
    if rank is None and keep is None:
        raise SDGenError("bad-option", "give a rank, or a share to keep")
    if rank is not None and rank < 1:
        raise SDGenError("bad-option", f"the rank {rank} is not 1 or more")
    if keep is not None and not 0 < keep <= 1:
        raise SDGenError("bad-option", f"the share to keep, {keep:g}, is not above 0 and at most 1")
    file = WeightFile(path)
    modules = _known_modules(path)
    check_target(output, replace=replace, sources=[path])
    kind = _torch(dtype or _widest([file]))
    out: dict[str, torch.Tensor] = {}
    report: list[Resized] = []
    for name, module in modules.items():
        if not module.kinds <= {"lora", "diff"}:
            factors(file, module)  # says what it is
        if "lora" in module.kinds:
            one = factors(file, module)
            smaller, error = reduced(one, rank, keep)
            out |= _tensors(name, smaller, kind)
            report.append(Resized(name, one.rank, smaller.rank, error))
        for role in (r for r in _ADDED if r in module.parts):
            out[f"{name}.{role}"] = _rounded(_numbers(file, module.parts[role]), kind, name)
    metadata = {
        **file.header.metadata,
        **_metadata([file.header.metadata], output, {r.module: r.after for r in report}),
    }
    for key in ("sshs_model_hash", "sshs_legacy_hash", "modelspec.hash_sha256"):
        metadata.pop(key, None)  # of the tensors that were
    asked = {"rank": rank, "keep": keep}
    metadata["sdgen.resized"] = json.dumps(
        {**Applied(path).to_json(), **{k: v for k, v in asked.items() if v is not None}}
    )
    save_tensors(output, out, metadata, replace=replace)
    return report


def reduced(one: Factors, rank: int | None, keep: float | None) -> tuple[Factors, float]:
    """The best approximation of ``one`` and its relative error.

    With the QR decompositions up = Q₁R₁ and downᵀ = Q₂R₂ the difference is Q₁(R₁R₂ᵀ)Q₂ᵀ, so the singular values are those of a matrix
    no larger than the rank: the difference itself, which may have millions of numbers, is never made.
    """
    import torch

    q1, r1 = torch.linalg.qr(one.up.double())
    q2, r2 = torch.linalg.qr(one.down.double().T)
    u, s, vh = torch.linalg.svd(r1 @ r2.T)
    energy = torch.cumsum(s**2, 0)
    total = float(energy[-1])
    count = len(s) if total > 0 else 1
    if keep is not None and total > 0:
        count = 1 + int((energy < keep * total * (1 - 1e-12)).sum())
    if rank is not None:
        count = min(count, rank)
    count = max(1, min(count, len(s)))
    root = torch.sqrt(s[:count])  # half of each value on either side keeps both in the range of 16-bit numbers
    up, down = (q1 @ u[:, :count]) * root, (root[:, None] * vh[:count]) @ q2.T
    lost = float((s[count:] ** 2).sum())
    wide = one.up.dtype
    return Factors(up.to(wide), down.to(wide), one.kernel), math.sqrt(lost / total) if total > 0 else 0.0
