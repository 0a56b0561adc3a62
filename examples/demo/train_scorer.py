"""Train the demo's scorer from nothing: a tiny CLIP that stock open_clip loads.

    python -m examples.demo.train_scorer [--out FILE] [--work FILE] [--threads N]

Seeded; some twenty minutes on two CPU cores. With --work it goes on where an earlier run was stopped, to the same end.
Pictures come from the renderer, spoiled as the demo's diffusion model spoils them: through its autoencoder with noise in
between, blurred, in shifted colours, with rounded corners, and with shapes between two or three. No generated picture is
used and no judgement of the pixel reader, so that the scorer and the reader are two judges.
`python -m examples.demo.evaluate_scorer` measures the result.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from . import build, scorer, shapes, vae


@dataclass
class Recipe:
    """How the scorer is trained. Shares are of the pictures."""

    pictures: int = 8000
    steps: int = 5000
    batch: int = 64
    rate: float = 3e-3
    decay: float = 0.02
    colour_jitter: float = 0.09
    between: float = 0.3
    """With a shape between two or three, whose names then share the truth."""
    patched: float = 0.6
    """Of these, with more of one shape on one side and more of another on the other, as the demo model mixes them too: a star below, a
    circle above."""
    shapeless: float = 0.06
    """With an outline of no shape: every name is as true as the others."""
    rounding: float = 2.5
    """Largest radius in pixels by which corners are rounded, as the demo model rounds them where it is unsure."""
    autoencoded: float = 0.5
    latent_noise: float = 0.35
    """Largest standard deviation of the noise between encoder and decoder."""
    foreign_words: float = 0.3
    """Share of the texts in which words stand that the scorer does not know."""
    questions: dict[str, float] = field(
        default_factory=lambda: {
            "colour": 1.0,
            "shape": 6.0,
            "background": 1.0,
            "ground": 0.5,
            "size": 2.0,
            "thing": 6.0,
        }
    )
    """Weights of the losses of the questions' phrasings: shapes are learned last, and hardly at all with the weight of colours."""
    captions: float = 0.5
    """Weight of the loss of sentences against the pictures they were made for."""
    heads: float = 1.0
    """Weight of the loss of plain classifiers on the pictures' vectors: with them shapes are learned in a fraction of the time."""
    seed: int = 23


# ---------------------------------------------------------------------------------------------------------- pictures


@dataclass
class Pictures:
    """The training set: pixels [N, 3, 64, 64] uint8, what is in them, and for each question the truth [N, values]."""

    pixels: Tensor
    scenes: list[shapes.Scene]
    plain: npt.NDArray[np.bool_]
    """Which show one shape and no mixture."""
    truth: dict[str, Tensor]


def draw(recipe: Recipe) -> Pictures:
    """Scenes with jitter in size, place and colour, part of them passed through the demo's autoencoder."""
    rng = np.random.default_rng((recipe.seed, 1))
    places = {"center": 6.0, **{place: 1.0 for place in shapes.POSITIONS if place != "center"}}
    sizes = {"medium": 3.0, "small": 1.0, "large": 1.0}
    scenes = shapes.sample_scenes(recipe.pictures, rng, sizes=sizes, positions=places)
    scenes = [s if s.position == "center" or s.size != "large" else shapes.Scene(s.colour, s.shape) for s in scenes]
    count = len(scenes)
    paint, ground = (_colours([getattr(s, part) for s in scenes], recipe, rng) for part in ("colour", "background"))
    radii = np.array([shapes.SIZES[s.size] for s in scenes]) * rng.uniform(0.93, 1.07, count)
    offsets = np.array([shapes.POSITIONS[s.position] for s in scenes]) + rng.uniform(-2, 2, (count, 2))
    shares = _shares([shapes.SHAPES.index(s.shape) for s in scenes], recipe, rng)
    tilts = np.where(rng.random(count) < recipe.patched, rng.uniform(1, 5, count), 0)
    rounding = recipe.rounding * np.clip(rng.uniform(-1, 1, count), 0, 1)
    pixels = _painted(shares, tilts, rounding, radii, offsets, paint, ground, rng)
    _autoencode(pixels, np.flatnonzero(rng.random(count) < recipe.autoencoded), recipe)
    truth = {}
    for name, question in scorer.QUESTIONS.items():
        table = np.zeros((count, len(question.values)), np.float32)
        for i, scene in enumerate(scenes):
            shown = shares[i] if "shape" in question.attributes else [1.0]
            for share, shape in zip(shown, shapes.SHAPES, strict=False):
                value = question.value(replace(scene, shape=shape))
                if value in question.values:
                    table[i, question.values.index(value)] += share
        truth[name] = torch.from_numpy(table)
    return Pictures(pixels, scenes, shares.max(1) == 1, truth)


def _shares(own: Sequence[int], recipe: Recipe, rng: np.random.Generator) -> shapes.Floats:
    """[N, shapes]: how much of each shape a picture shows, 1 in all; the same of all where it shows none of them."""
    count, kinds = len(own), len(shapes.SHAPES)
    out = np.zeros((count, kinds), np.float32)
    fate = rng.random(count)
    for i, shape in enumerate(own):
        if fate[i] < recipe.between:
            others = rng.choice(np.delete(np.arange(kinds), shape), int(rng.integers(1, 3)), replace=False)
            out[i, [shape, *others]] = rng.dirichlet(np.full(1 + len(others), 2.0))
        elif fate[i] < recipe.between + recipe.shapeless:
            out[i] = 1 / kinds
        else:
            out[i, shape] = 1
    return out


def _colours(names: Sequence[str], recipe: Recipe, rng: np.random.Generator) -> shapes.Floats:
    exact = np.array([shapes.PALETTE[name] for name in names], np.float32) / 255
    shift = recipe.colour_jitter * rng.uniform(-1, 1, exact.shape).astype(np.float32)
    return np.clip(exact + shift, 0, 1)


def _painted(
    shares: shapes.Floats,
    tilts: npt.NDArray[np.float64],
    rounding: npt.NDArray[np.float64],
    radii: npt.NDArray[np.float64],
    offsets: npt.NDArray[np.float64],
    paint: shapes.Floats,
    ground: shapes.Floats,
    rng: np.random.Generator,
) -> Tensor:
    """Pixels [N, 3, 64, 64]. Signed distances of several shapes are mixed by their shares; those of none are waves around a circle. A
    mixture with a tilt has other shares at every place; `shares` becomes what there is of each within its radius."""
    axis = np.arange(shapes.SIDE, dtype=np.float32) + 0.5 - shapes.SIDE / 2
    out = torch.empty(len(shares), 3, shapes.SIDE, shapes.SIDE, dtype=torch.uint8)
    for i, share in enumerate(shares):
        x = np.broadcast_to(axis[None, None, :] - np.float32(offsets[i, 0]), (1, shapes.SIDE, shapes.SIDE))
        y = np.broadcast_to(axis[None, :, None] - np.float32(offsets[i, 1]), (1, shapes.SIDE, shapes.SIDE))
        radius = np.full((1, 1, 1), radii[i], np.float32)
        if share.min() > 0:
            distance = _waves(x, y, radius, rng)
        else:
            some = np.flatnonzero(share)
            parts = share[some, None, None, None]
            if tilts[i] and len(some) > 1:
                parts = _tilted(parts, float(tilts[i]), x / radius, y / radius, rng)
                shares[i, some] = parts[:, np.hypot(x, y) < radius].mean(1)
            distance = sum(
                part * shapes.outline(shapes.SHAPES[n], x, y, radius) for part, n in zip(parts, some, strict=True)
            )
        if rounding[i] > 0.3:
            distance = _smooth(distance, float(rounding[i]))
        cover = np.clip(0.5 - distance, 0, 1)
        mixed = ground[i, :, None, None] * (1 - cover) + paint[i, :, None, None] * cover
        out[i] = torch.from_numpy(np.rint(mixed * 255).astype(np.uint8))
    return out


def _tilted(
    parts: shapes.Floats, tilt: float, x: shapes.Floats, y: shapes.Floats, rng: np.random.Generator
) -> shapes.Floats:
    """[K, 1, 64, 64] of shares [K, 1, 1, 1]: each part grows in a direction of its own, by e to the `tilt` a radius; 1 in all at
    every place."""
    towards = rng.uniform(0, 2 * math.pi, len(parts))
    slope = np.stack([np.cos(angle) * x + np.sin(angle) * y for angle in towards])
    grown = parts * np.exp(tilt * slope)
    out: shapes.Floats = (grown / grown.sum(0)).astype(np.float32)
    return out


def _waves(x: shapes.Floats, y: shapes.Floats, radius: shapes.Floats, rng: np.random.Generator) -> shapes.Floats:
    """Distance, roughly, to an outline whose radius has one to four waves of random height around the centre."""
    angle = np.arctan2(y, x)
    bulge = sum(rng.uniform(0.05, 0.2) * np.cos(wave * angle + rng.uniform(0, 2 * math.pi)) for wave in (1, 2, 3, 4))
    out: shapes.Floats = (np.hypot(x, y) - radius * (0.95 + bulge)).astype(np.float32)
    return out


def _smooth(distance: shapes.Floats, spread: float) -> shapes.Floats:
    """Blurred by a Gaussian: corners of the outline are rounded, straight edges stay."""
    line = np.exp(-0.5 * (np.arange(-6, 7) / spread) ** 2)
    line /= line.sum()
    out = distance
    for along in (1, 2):
        padded = np.pad(out, [(6, 6) if n == along else (0, 0) for n in range(3)], mode="edge")
        windows = np.lib.stride_tricks.sliding_window_view(padded, 13, axis=along)
        out = (windows @ line).astype(np.float32)
    return out


@torch.no_grad()
def _autoencode(pixels: Tensor, chosen: npt.NDArray[np.int64], recipe: Recipe) -> None:
    """Replace the chosen pictures by what the demo's autoencoder makes of them, with noise on the latents."""
    from safetensors.torch import load_file

    learned = load_file(build.WEIGHTS)
    nets: dict[str, nn.Module] = {"encoder": vae.encoder(), "decoder": vae.decoder()}
    for side, net in nets.items():
        prefix = f"vae.{side}."
        net.load_state_dict({n.removeprefix(prefix): w.float() for n, w in learned.items() if n.startswith(prefix)})
    generator = torch.Generator().manual_seed(recipe.seed)
    for start in range(0, len(chosen), 64):
        rows = torch.from_numpy(chosen[start : start + 64])
        latent = nets["encoder"](pixels[rows].float().div(255).contiguous(memory_format=torch.channels_last))
        noise = torch.randn(latent.shape, generator=generator)
        spread = recipe.latent_noise * torch.rand(len(rows), 1, 1, 1, generator=generator)
        back = nets["decoder"](latent + spread * noise)
        pixels[rows] = back.clamp(0, 1).mul(255).round().to(torch.uint8).contiguous()


def spoil(pixels: Tensor, rng: np.random.Generator) -> Tensor:
    """[N, 3, 64, 64] uint8 to 0..1 with a shift, a blur, another brightness and noise, as a step of training needs."""
    x = pixels.float().div(255)
    x = torch.roll(x, tuple(int(d) for d in rng.integers(-1, 2, 2)), (2, 3))
    half, spread = len(x) // 2, float(rng.uniform(0.2, 1.0))
    line = torch.exp(-0.5 * (torch.arange(-2.0, 3.0) / spread) ** 2)
    kernel = torch.outer(line, line).div(line.sum() ** 2).expand(3, 1, 5, 5)
    blurred = functional.conv2d(functional.pad(x[:half], (2, 2, 2, 2), mode="replicate"), kernel, groups=3)
    x = torch.cat([blurred, x[half:]])
    light = torch.from_numpy(rng.uniform(0.95, 1.05, (len(x), 1, 1, 1)).astype(np.float32))
    noise = torch.randn(x.shape, generator=torch.Generator().manual_seed(int(rng.integers(2**31))))
    strength = torch.from_numpy(rng.uniform(0, 0.03, (len(x), 1, 1, 1)).astype(np.float32))
    return (x * light + strength * noise).clamp(0, 1).contiguous(memory_format=torch.channels_last)


# ------------------------------------------------------------------------------------------------------------- texts


class Words:
    """Numbers the tokens that the scorer is to learn, so that training needs no table of 49,408 rows.

    0 pads, `UNKNOWN` stands for every token that is not learned, the end of a text has the highest number (open_clip
    looks for the highest).
    """

    UNKNOWN = 1

    def __init__(self, context: int) -> None:
        from open_clip.tokenizer import SimpleTokenizer

        self._tokenizer: Any = SimpleTokenizer(context_length=context)
        self._cache: dict[str, list[int]] = {}
        rng = np.random.default_rng(0)
        scenes = shapes.sample_scenes(6000, rng, sizes=dict.fromkeys(shapes.SIZES, 1.0))
        texts = {scorer.caption(scene, rng).text for scene in scenes}
        for question in scorer.QUESTIONS.values():
            for articles in (True, False):
                texts.update(text for template in question.templates for text in question.texts(template, articles))
        for place, size in (("left", "small"), ("right", "medium"), ("top", "large"), ("bottom", "large")):
            scene = shapes.Scene("red", "ring", size, "gray", place)
            texts.update(shapes.caption(scene, rng, position=True, size=True) for _ in range(50))
        known = sorted(set(self._tokenizer(sorted(texts)).flatten().tolist()) - {0})
        self.tokens = [0, -1, *known]
        """The token of each number; -1 for `UNKNOWN`."""
        self._number = {token: number for number, token in enumerate(self.tokens)}

    def __len__(self) -> int:
        return len(self.tokens)

    def __call__(self, texts: Iterable[str], rng: np.random.Generator, foreign: float) -> Tensor:
        """[N, context]; `foreign` is the share of texts that get up to six unknown words somewhere."""
        rows = []
        for text in texts:
            if text not in self._cache:
                tokens = [token for token in self._tokenizer(text)[0].tolist() if token]
                self._cache[text] = [self._number.get(token, self.UNKNOWN) for token in tokens]
            row = list(self._cache[text])
            if rng.random() < foreign:
                for _ in range(int(rng.integers(1, 7))):
                    row.insert(int(rng.integers(1, len(row))), self.UNKNOWN)
            rows.append(row + [0] * (self._tokenizer.context_length - len(row)))
        return torch.tensor(rows)


# ---------------------------------------------------------------------------------------------------------- training


_HEADS = ("colour", "shape", "background", "size")


class Trainer:
    """Trains the model of `scorer.CONFIG` with three losses: the right value among all values of a question (softmax),
    sentences against the batch's pictures, and pictures against the batch's sentences (as in CLIP, Radford et al. 2021; a
    sentence that is true of several pictures counts for each of them).
    """

    def __init__(self, recipe: Recipe, pictures: Pictures) -> None:
        import open_clip

        torch.manual_seed(recipe.seed)
        config = json.loads(scorer.CONFIG.read_text(encoding="utf-8"))
        self.recipe, self.pictures = recipe, pictures
        self.words = Words(config["text_cfg"]["context_length"])
        self.model: Any = open_clip.CLIP(**config)
        width = config["text_cfg"]["width"]
        self.model.token_embedding = nn.Embedding(len(self.words), width, padding_idx=Words.UNKNOWN)
        with torch.no_grad():
            self.model.token_embedding.weight.normal_(std=0.05)
            self.model.token_embedding.weight[: Words.UNKNOWN + 1] = 0
            self.model.logit_scale.fill_(math.log(15))
        self.model.visual.to(memory_format=torch.channels_last)
        mean, std = open_clip.OPENAI_DATASET_MEAN, open_clip.OPENAI_DATASET_STD
        self._mean, self._std = (torch.tensor(numbers).view(1, 3, 1, 1) for numbers in (mean, std))
        asked = {name: scorer.QUESTIONS[name] for name in _HEADS}
        self.heads = nn.ModuleDict({n: nn.Linear(config["embed_dim"], len(q.values)) for n, q in asked.items()})
        learned = [*self.model.parameters(), *self.heads.parameters()]
        flat = [p for p in learned if p.ndim < 2]
        matrices = [p for p in learned if p.ndim >= 2]
        groups = [{"params": matrices, "weight_decay": recipe.decay}, {"params": flat, "weight_decay": 0.0}]
        self.optimizer = torch.optim.AdamW(groups, recipe.rate, betas=(0.9, 0.98))
        self.loss, self.step = 0.0, 0

    def run(self, work: Path | None = None, every: int = 50) -> None:
        """All steps that are left. `work`: file in which the state is kept, after `every` so many steps."""
        recipe, began = self.recipe, time.monotonic()
        if work is not None and work.is_file():
            self._restore(work)
        self.model.train()
        for step in range(self.step, recipe.steps):
            rate = recipe.rate * min(1.0, (step + 1) / 100) * 0.5 * (1 + math.cos(math.pi * step / recipe.steps))
            for group in self.optimizer.param_groups:
                group["lr"] = rate
            loss = self._loss(np.random.default_rng((recipe.seed, 2, step)))
            self.optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_([*self.model.parameters(), *self.heads.parameters()], 1.0)
            self.optimizer.step()
            with torch.no_grad():
                self.model.logit_scale.clamp_(max=math.log(100))
            value = float(loss.detach())
            self.loss = value if step == 0 else 0.98 * self.loss + 0.02 * value
            self.step = step + 1
            if self.step % every == 0:
                scale, spent = float(self.model.logit_scale.detach().exp()), time.monotonic() - began
                print(
                    f"scorer {self.step}/{recipe.steps} loss {self.loss:.4f} scale {scale:.1f} {spent:.0f} s",
                    flush=True,
                )
                if work is not None:
                    self._keep(work)

    def _parts(self) -> dict[str, Any]:
        return {"model": self.model, "heads": self.heads, "optimizer": self.optimizer}

    def _keep(self, work: Path) -> None:
        state = {name: part.state_dict() for name, part in self._parts().items()}
        part = work.with_suffix(".part")
        torch.save({**state, "recipe": asdict(self.recipe), "loss": self.loss, "step": self.step}, part)
        part.replace(work)

    def _restore(self, work: Path) -> None:
        kept = torch.load(work, weights_only=True)
        if kept["recipe"] != asdict(self.recipe):
            raise SystemExit(f"{work} is of another recipe: remove it, or name another file")
        for name, part in self._parts().items():
            part.load_state_dict(kept[name])
        self.loss, self.step = kept["loss"], kept["step"]

    def _loss(self, rng: np.random.Generator) -> Tensor:
        recipe, pictures = self.recipe, self.pictures
        chosen = rng.integers(len(pictures.scenes), size=recipe.batch)
        rows = torch.from_numpy(chosen)
        texts: list[str] = []
        asked: list[tuple[str, slice]] = []
        for name, question in scorer.QUESTIONS.items():
            for template in rng.choice(np.array(question.templates), 1 if name == "thing" else 2, replace=False):
                asked.append((name, slice(len(texts), len(texts) + len(question.values))))
                texts += question.texts(str(template), articles=bool(rng.random() < 0.7))
        pure = np.flatnonzero(pictures.plain[chosen])
        scenes = [pictures.scenes[chosen[i]] for i in pure]
        claims = [scorer.caption(scene, rng) for scene in scenes]
        texts += [claim.text for claim in claims]
        vectors = self.model.encode_image((spoil(pictures.pixels[rows], rng) - self._mean) / self._std)
        seen = functional.normalize(vectors, dim=-1)
        said = self.model.encode_text(self.words(texts, rng, recipe.foreign_words), normalize=True)
        logits = self.model.logit_scale.exp() * seen @ said.T
        loss = torch.zeros(())
        for name, part in asked:
            truth = pictures.truth[name][rows]
            has = truth.sum(1) > 0
            loss = loss - recipe.questions[name] * (truth * logits[:, part].log_softmax(1)).sum(1)[has].mean()
        loss = loss / len(asked)
        for name, head in self.heads.items():
            said = (pictures.truth[name][rows] * head(vectors).log_softmax(1)).sum(1).mean()
            loss = loss - recipe.heads * recipe.questions[name] * said / len(self.heads)
        true = torch.tensor([[claim.holds(scene) for claim in claims] for scene in scenes]).float()
        logits = logits[torch.from_numpy(pure)][:, -len(claims) :]
        for table, numbers in ((true, logits), (true.T, logits.T)):
            loss = (
                loss - recipe.captions / 2 * (table / table.sum(1, keepdim=True) * numbers.log_softmax(1)).sum(1).mean()
            )
        return loss


def save(trainer: Trainer, out: Path) -> None:
    """Write open_clip's whole state: the learned rows of the token table, zeros for all other tokens.

    Matrices as fp16; the rest (norms, biases, positions in one dimension) is small and stays fp32.
    """
    from safetensors.torch import save_file

    config = json.loads(scorer.CONFIG.read_text(encoding="utf-8"))
    state = {name: weight.detach().clone() for name, weight in trainer.model.state_dict().items()}
    learned = state["token_embedding.weight"]
    table = torch.zeros(config["text_cfg"]["vocab_size"], learned.shape[1])
    for number, token in enumerate(trainer.words.tokens):
        if number > Words.UNKNOWN:
            table[token] = learned[number]
    state["token_embedding.weight"] = table
    halved = {name: (w.half() if w.ndim >= 2 else w).contiguous() for name, w in state.items()}
    facts = {**asdict(trainer.recipe), "loss": round(trainer.loss, 4)}
    part = out.with_suffix(".part")
    save_file(halved, part, metadata={"training": json.dumps(facts)})
    part.replace(out)
    print(f"{out} ({out.stat().st_size / 1e6:.2f} MB)")


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Train the SDGen demo's scorer.")
    parser.add_argument("--out", type=Path, default=scorer.WEIGHTS, help="weights to write")
    parser.add_argument("--work", type=Path, help="file to keep the state in while it trains")
    parser.add_argument("--seed", type=int, default=Recipe.seed)
    parser.add_argument("--threads", type=int, default=2, help="CPU threads")
    parser.add_argument("--steps", type=int, default=Recipe.steps)
    parser.add_argument("--pictures", type=int, default=Recipe.pictures)
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    torch.set_flush_denormal(True)
    recipe = Recipe(steps=options.steps, pictures=options.pictures, seed=options.seed)
    trainer = Trainer(recipe, draw(recipe))
    trainer.run(options.work)
    save(trainer, options.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
