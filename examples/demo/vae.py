"""The picture autoencoder of the demo model: TAESD's layout with 16 latent channels, narrow inside.

ComfyUI builds TAESD with 64 channels everywhere. A layer of `n` < 64 channels behaves exactly the same in it when its
weights are padded with zeros, and a residual block whose weights are all zero is just its final ReLU; so the network
below is trained small and padded at build time (`build.py`). Layer numbers follow TAESD's, so that names carry over.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from . import shapes

LATENT_CHANNELS = 16


class _Clamp(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(x / 3) * 3


class _Block(nn.Module):
    """TAESD's residual block: three 3x3 convolutions beside the identity."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = nn.Sequential(_conv(width, width), nn.ReLU(), _conv(width, width), nn.ReLU(), _conv(width, width))

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(self.conv(x) + x)


def _conv(inputs: int, outputs: int, stride: int = 1, bias: bool = True) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=bias)


def encoder() -> nn.Sequential:
    """[N, 3, H, W] in 0..1 to [N, 16, H/8, W/8]. `nn.ReLU` stands where TAESD has a block that is left at zero."""
    empty = nn.ReLU
    return nn.Sequential(
        _conv(3, 16), empty(),
        _conv(16, 32, 2, bias=False), empty(), empty(), empty(),
        _conv(32, 48, 2, bias=False), _Block(48), empty(), empty(),
        _conv(48, 64, 2, bias=False), _Block(64), empty(), empty(),
        _conv(64, LATENT_CHANNELS),
    )  # fmt: skip


def decoder() -> nn.Sequential:
    """[N, 16, h, w] to [N, 3, 8h, 8w] in about 0..1."""
    empty = nn.ReLU
    return nn.Sequential(
        _Clamp(), _conv(LATENT_CHANNELS, 64), nn.ReLU(),
        _Block(64), _Block(64), empty(), nn.Upsample(scale_factor=2), _conv(64, 48, bias=False),
        _Block(48), _Block(48), empty(), nn.Upsample(scale_factor=2), _conv(48, 32, bias=False),
        _Block(32), empty(), empty(), nn.Upsample(scale_factor=2), _conv(32, 24, bias=False),
        empty(), _conv(24, 3),
    )  # fmt: skip


@dataclass
class Recipe:
    """How the autoencoder is trained. `crop_until`: share of the steps on 32x32 crops, the rest on whole pictures."""

    steps: int = 7000
    batch: int = 32
    whole_batch: int = 12
    crop_until: float = 0.8
    rate: float = 2e-3
    latent_noise: float = 0.1
    seed: int = 11
    save_every: int = 250


@dataclass
class Trainer:
    """Trains encoder and decoder together; every step depends only on its number, so a stopped run goes on alike."""

    recipe: Recipe
    folder: Path
    device: torch.device
    step: int = 0
    error: float = 0.0
    nets: nn.ModuleDict = field(init=False)

    def __post_init__(self) -> None:
        torch.manual_seed(self.recipe.seed)
        self.nets = nn.ModuleDict({"encoder": encoder(), "decoder": decoder()})
        self.nets.to(self.device, memory_format=torch.channels_last)
        parameters = self.nets.parameters()
        self.optimizer = torch.optim.AdamW(parameters, self.recipe.rate, weight_decay=1e-4, betas=(0.9, 0.99))
        if self._state.exists():
            saved: dict[str, Any] = torch.load(self._state, map_location=self.device, weights_only=True)
            self.nets.load_state_dict(saved["nets"])
            self.optimizer.load_state_dict(saved["optimizer"])
            self.step, self.error = saved["step"], saved["error"]

    @property
    def _state(self) -> Path:
        return self.folder / "vae.pt"

    def save(self) -> None:
        part = self._state.with_suffix(".part")
        state = {"nets": self.nets.state_dict(), "optimizer": self.optimizer.state_dict()}
        torch.save({**state, "step": self.step, "error": self.error}, part)
        part.replace(self._state)

    def run(self) -> None:
        recipe = self.recipe
        while self.step < recipe.steps:
            progress = self.step / recipe.steps
            rate = recipe.rate * min(1.0, (self.step + 1) / 50) * max(0.02, 0.5 * (1 + float(np.cos(np.pi * progress))))
            for group in self.optimizer.param_groups:
                group["lr"] = rate
            rng = np.random.default_rng((recipe.seed, self.step))
            whole = progress >= recipe.crop_until
            pictures = _pictures(recipe.whole_batch if whole else recipe.batch, rng, whole)
            self._update(torch.from_numpy(pictures).to(self.device), rng)
            self.step += 1
            if self.step % 50 == 0:
                decibel = -10 * np.log10(self.error)
                print(f"vae {self.step}/{recipe.steps} mse {self.error:.5f} ({decibel:.1f} dB)", flush=True)
            if self.step % recipe.save_every == 0 or self.step == recipe.steps:
                self.save()

    def _update(self, pictures: Tensor, rng: np.random.Generator) -> None:
        x = pictures.permute(0, 3, 1, 2).float().div(255).contiguous(memory_format=torch.channels_last)
        with torch.autocast(self.device.type, torch.bfloat16):
            latent = self.nets["encoder"](x).float()
            noise = torch.from_numpy(rng.standard_normal(tuple(latent.shape), np.float32)).to(self.device)
            back = self.nets["decoder"](latent + self.recipe.latent_noise * noise).float()
        mean, spread = latent.mean((0, 2, 3)), latent.std((0, 2, 3)).clamp_min(1e-3)
        loss = functional.l1_loss(back, x) + 3 * functional.mse_loss(back, x)
        loss = loss + 0.01 * (mean.square().mean() + spread.log().square().mean())
        self.optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.nets.parameters(), 1.0)
        self.optimizer.step()
        mse = functional.mse_loss(back.detach(), x).item()
        self.error = mse if self.step == 0 else 0.97 * self.error + 0.03 * mse


def _pictures(count: int, rng: np.random.Generator, whole: bool) -> shapes.Bytes:
    """[N, side, side, 3] uint8: shapes in the palette's and (one in five) in any colours, placed on the latent grid
    of 8 px.

    Crops of 32 px start on that grid and lie around the shape's edge, where there is something to learn.
    """
    sizes = {"small": 1.0, "medium": 1.5, "large": 1.0}
    scenes = shapes.sample_scenes(count, rng, sizes=sizes)
    paint = np.array([shapes.PALETTE[s.colour] for s in scenes], np.float32) / 255
    ground = np.array([shapes.PALETTE[s.background] for s in scenes], np.float32) / 255
    free = rng.random(count) < 0.2
    paint[free] = rng.random((int(free.sum()), 3), np.float32)
    ground[free] = rng.random((int(free.sum()), 3), np.float32)
    paint = np.clip(paint + 0.04 * rng.uniform(-1, 1, paint.shape).astype(np.float32), 0, 1)
    ground = np.clip(ground + 0.04 * rng.uniform(-1, 1, ground.shape).astype(np.float32), 0, 1)
    offsets = [(0, 0) if rng.random() < 0.6 else tuple(8 * rng.integers(-2, 3, 2)) for _ in scenes]
    drawn = shapes.draw([s.shape for s in scenes], [shapes.SIZES[s.size] for s in scenes], offsets, paint, ground)
    if whole:
        return drawn
    crops = np.empty((count, 32, 32, 3), np.uint8)
    for i, (scene, (dx, dy)) in enumerate(zip(scenes, offsets, strict=True)):
        spread = 0 if scene.size == "small" else 1
        left = int(np.clip(16 + dx + 8 * rng.integers(-spread, spread + 1), 0, 32))
        top = int(np.clip(16 + dy + 8 * rng.integers(-spread, spread + 1), 0, 32))
        crops[i] = drawn[i, top : top + 32, left : left + 32]
    return crops
