"""The diffusion model of the demo: ComfyUI's own SD3 MMDiT, two blocks of width 128, and its training by rectified
flow.

Rectified flow (Liu et al. 2022, as in Stable Diffusion 3): x_s = (1 - s) * picture + s * noise, and the model learns
the velocity noise - picture. Noise levels are drawn uniformly and then shifted by 3 (s = 3u / (1 + 2u)), as SD3's
sampler does.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from . import build, shapes, text

DEPTH = 2
"""Blocks. ComfyUI takes width = 64 * depth and depth attention heads."""


def create(seed: int) -> nn.Module:
    """A new model, as ComfyUI builds it for this checkpoint, but for the 3,328 columns of its text input that stay
    zero.

    Modulation and output start at zero (Peebles and Xie 2022).
    """
    import comfy.ops  # type: ignore[import-not-found,unused-ignore]
    from comfy.ldm.modules.diffusionmodules.mmdit import (  # type: ignore[import-not-found,unused-ignore]
        OpenAISignatureMMDITWrapper,
    )

    model: nn.Module = OpenAISignatureMMDITWrapper(
        patch_size=2,
        in_channels=build.LATENTS,
        depth=DEPTH,
        input_size=None,
        pos_embed_scaling_factor=None,
        qk_norm="rms",
        context_embedder_config={
            "target": "torch.nn.Linear",
            "params": {"in_features": build.WIDTH, "out_features": 64 * DEPTH},
        },
        dtype=torch.float32,
        device="cpu",
        operations=comfy.ops.disable_weight_init,
    )
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "ln_q" in name or "ln_k" in name:
                weight.fill_(1.0)
            elif weight.ndim < 2 or "adaLN" in name or "final_layer.linear" in name:
                weight.zero_()
            elif "t_embedder" in name:
                weight.normal_(0.0, 0.02, generator=generator)
            else:
                limit = (6.0 / (weight[0].numel() + weight.shape[0])) ** 0.5
                weight.uniform_(-limit, limit, generator=generator)
    return model


def velocity(model: Any, x: Tensor, sigma: Tensor, prompt: Tensor) -> Tensor:
    """The model's prediction for latents [N, 16, h, w] at noise levels [N] and prompts [N, text.ROWS, width].

    The same as the model's own forward with the 77 rows of the prompt (see `text`), at less than half the work.
    """
    count, rows = prompt.shape[:2]
    position = model.cropped_pos_embed(x.shape[-2:], device=x.device).to(x.dtype)
    picture = model.x_embedder(x) + position
    condition = model.t_embedder(sigma * 1000, dtype=x.dtype)
    bias = torch.zeros(1, 1, 1, rows + picture.shape[1], dtype=prompt.dtype, device=x.device)
    bias[..., rows - 1] = text.PADDING_BIAS
    for block in model.joint_blocks:
        prompt_parts, prompt_rest = block.context_block.pre_attention(prompt, condition)
        picture_parts, picture_rest = block.x_block.pre_attention(picture, condition)
        query, key, value = (
            torch.cat(pair, 1).view(count, -1, model.num_heads, 64).transpose(1, 2)
            for pair in zip(prompt_parts, picture_parts, strict=True)
        )
        scores = torch.matmul(query, key.transpose(-1, -2)) * 0.125 + bias
        mixed = torch.matmul(scores.softmax(-1), value)
        mixed = mixed.transpose(1, 2).reshape(count, -1, 64 * model.num_heads)
        if not block.context_block.pre_only:
            prompt = block.context_block.post_attention(mixed[:, :rows], *prompt_rest)
        picture = block.x_block.post_attention(mixed[:, rows:], *picture_rest)
    out: Tensor = model.unpatchify(model.final_layer(picture, condition), hw=x.shape[-2:])
    return out


@dataclass
class Recipe:
    """How the diffusion model is trained.

    `sizes` are the shares of the sizes among the pictures with the object in the middle; the share `aside` of all
    pictures has a small object beside it, whose caption names the place, and the size every other time.
    """

    steps: int = 24000
    batch: int = 64
    rate: float = 1.5e-3
    empty_prompts: float = 0.1
    examples: int = 16000
    wordings: int = 4
    average: float = 0.999
    seed: int = 7
    save_every: int = 500
    aside: float = 0.2
    sizes: dict[str, float] = field(default_factory=lambda: {"medium": 3.0, "small": 1.0, "large": 1.0})


@dataclass
class Data:
    """The training set: latents [N, 16, 8, 8] of standard deviation 1, and token rows [N, wordings, text.ROWS]."""

    latents: Tensor
    rows: Tensor
    empty: Tensor
    scale: float
    """Standard deviation of the latents before scaling."""
    prompts: text.Prompts


def prepare(recipe: Recipe, encoder: nn.Module, device: torch.device) -> Data:
    """Draw the examples, encode the pictures, tokenize the captions."""
    rng = np.random.default_rng((recipe.seed, 1))
    aside = round(recipe.aside * recipe.examples)
    places = {place: 1.0 for place in shapes.POSITIONS if place != "center"}
    examples = shapes.dataset(recipe.examples - aside, recipe.seed, sizes=recipe.sizes)
    examples += shapes.dataset(aside, recipe.seed + 1, sizes={"small": 1.0}, positions=places)
    latents = []
    with torch.no_grad():
        for start in range(0, len(examples), 200):
            pictures = shapes.render([e.drawn for e in examples[start : start + 200]], rng)
            x = torch.from_numpy(pictures).to(device).permute(0, 3, 1, 2).float().div(255)
            latents.append(encoder(x.contiguous(memory_format=torch.channels_last)).float().contiguous())
    stacked = torch.cat(latents)
    scale = float(stacked.std())
    prompts = text.Prompts()
    wordings = [[_wording(example.claimed, rng) for _ in range(recipe.wordings)] for example in examples]
    rows = np.stack([prompts.rows(some) for some in wordings])
    empty = prompts.rows([""])[0]
    return Data(stacked / scale, torch.from_numpy(rows).to(device), torch.from_numpy(empty).to(device), scale, prompts)


def _wording(scene: shapes.Scene, rng: np.random.Generator) -> str:
    if scene.position == "center":
        return shapes.caption(scene, rng)
    return shapes.caption(scene, rng, size=bool(rng.random() < 0.5))


@dataclass
class Trainer:
    """Trains the diffusion model; every step depends only on its number, so a stopped run goes on alike."""

    recipe: Recipe
    data: Data
    folder: Path
    device: torch.device
    fused: bool = False
    """Compile the model (needs a C++ compiler on the CPU); about twice as fast."""
    step: int = 0
    loss: float = 0.0

    def __post_init__(self) -> None:
        self._velocity = torch.compile(velocity) if self.fused else velocity
        half = torch.bfloat16
        self.model: Any = create(self.recipe.seed).to(self.device)
        self.weights = nn.utils.parameters_to_vector(self.model.parameters()).detach().clone()
        self.averaged = self.weights.clone()
        self.optimizer = torch.optim.AdamW([self.weights], self.recipe.rate, weight_decay=0.01, betas=(0.9, 0.98))
        self._working = self.weights.to(half)
        self._gradient = torch.zeros_like(self._working)
        self.model.to(half)
        start = 0
        for parameter in self.model.parameters():
            part = slice(start, start + parameter.numel())
            parameter.data = self._working[part].view(parameter.shape)
            parameter.grad = self._gradient[part].view(parameter.shape)
            start = part.stop
        self.table = self.data.prompts.table().to(self.device, half)
        self.positions = self.data.prompts.positions().to(self.device, half)
        if self._state.exists():
            saved: dict[str, Any] = torch.load(self._state, map_location=self.device, weights_only=True)
            self.weights.copy_(saved["weights"])
            self.averaged.copy_(saved["averaged"])
            self._working.copy_(self.weights)
            self.optimizer.load_state_dict(saved["optimizer"])
            self.step, self.loss = saved["step"], saved["loss"]

    @property
    def _state(self) -> Path:
        return self.folder / "mmdit.pt"

    def save(self) -> None:
        part = self._state.with_suffix(".part")
        state = {"weights": self.weights, "averaged": self.averaged}
        torch.save({**state, "optimizer": self.optimizer.state_dict(), "step": self.step, "loss": self.loss}, part)
        part.replace(self._state)

    def run(self) -> None:
        recipe = self.recipe
        while self.step < recipe.steps:
            progress = self.step / recipe.steps
            rate = (
                recipe.rate * min(1.0, (self.step + 1) / 100) * max(0.02, 0.5 * (1 + float(np.cos(np.pi * progress))))
            )
            for group in self.optimizer.param_groups:
                group["lr"] = rate
            self._update(np.random.default_rng((recipe.seed, 2, self.step)))
            self.step += 1
            if self.step % 100 == 0:
                print(f"mmdit {self.step}/{recipe.steps} loss {self.loss:.4f}", flush=True)
            if self.step % recipe.save_every == 0 or self.step == recipe.steps:
                self.save()

    def state_dict(self) -> dict[str, Tensor]:
        """The averaged weights by name, float32."""
        out, start = {}, 0
        for name, parameter in self.model.named_parameters():
            out[name] = self.averaged[start : start + parameter.numel()].view(parameter.shape)
            start += parameter.numel()
        return out

    def _embed(self, rows: Tensor) -> Tensor:
        embedder = self.model.context_embedder
        return embedder(self.table)[rows] + functional.linear(self.positions, embedder.weight)

    def _update(self, rng: np.random.Generator) -> None:
        recipe, data = self.recipe, self.data
        chosen = torch.from_numpy(rng.integers(len(data.latents), size=recipe.batch)).to(self.device)
        wording = torch.from_numpy(rng.integers(recipe.wordings, size=recipe.batch)).to(self.device)
        rows = data.rows[chosen, wording]
        rows[torch.from_numpy(rng.random(recipe.batch) < recipe.empty_prompts).to(self.device)] = data.empty
        picture = data.latents[chosen]
        noise = torch.from_numpy(rng.standard_normal(tuple(picture.shape), np.float32)).to(self.device)
        level = torch.from_numpy(rng.uniform(0.03, 1.0, recipe.batch).astype(np.float32)).to(self.device)
        level = 3 * level / (1 + 2 * level)
        at = level[:, None, None, None]
        mixed, target = (1 - at) * picture + at * noise, noise - picture
        predicted = self._velocity(self.model, mixed.bfloat16(), level, self._embed(rows)).float()
        loss = functional.mse_loss(predicted, target)
        self._gradient.zero_()
        loss.backward()
        gradient = self._gradient.float()
        self.weights.grad = gradient * min(1.0, 1.0 / (float(gradient.norm()) + 1e-6))
        self.optimizer.step()
        self._working.copy_(self.weights)
        keep = min(recipe.average, (1 + self.step) / (20 + self.step))
        self.averaged.lerp_(self.weights, 1 - keep)
        value = float(loss.detach())
        self.loss = value if self.step == 0 else 0.98 * self.loss + 0.02 * value
