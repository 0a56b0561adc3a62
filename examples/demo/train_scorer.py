"""Train the demo's scorer from nothing: a tiny CLIP that stock open_clip loads.

    python -m examples.demo.train_scorer [--out FILE] [--threads N]

Seeded; a few minutes on two CPU cores. Pictures come from the renderer, spoiled as the demo's diffusion model spoils
them: through its autoencoder with noise in between, blurred, in shifted colours, and with shapes half way between two. No
generated picture is used and no judgement of the pixel reader, so that the scorer and the reader are two judges.
`python -m examples.demo.evaluate_scorer` measures the result.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
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

    pictures: int = 4000
    steps: int = 1100
    batch: int = 56
    rate: float = 3e-3
    decay: float = 0.02
    colour_jitter: float = 0.09
    between: float = 0.12
    """With a shape half way between two, whose names then share the truth."""
    autoencoded: float = 0.5
    latent_noise: float = 0.35
    """Largest standard deviation of the noise between encoder and decoder."""
    foreign_words: float = 0.3
    """Share of the texts in which words stand that the scorer does not know."""
    questions: dict[str, float] = field(
        default_factory=lambda: {"colour": 1.0, "shape": 8.0, "background": 1.0, "ground": 0.5, "size": 2.0}
    )
    """Weights of the questions' losses: shapes are learned last, and hardly at all with the weight of colours."""
    captions: float = 0.5
    """Weight of the loss of sentences against the pictures they were made for."""
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
    others = [shapes.SHAPES[int(rng.integers(len(shapes.SHAPES)))] for _ in scenes]
    share = np.where(rng.random(count) < recipe.between, rng.uniform(0.2, 0.8, count), 0.0)
    pixels = _mixed(scenes, others, share, radii, offsets, paint, ground)
    _autoencode(pixels, np.flatnonzero(rng.random(count) < recipe.autoencoded), recipe)
    truth = {}
    for name, question in scorer.QUESTIONS.items():
        table = np.zeros((count, len(question.values)), np.float32)
        for i, scene in enumerate(scenes):
            value = getattr(scene, question.attribute)
            if value in question.values:
                table[i, question.values.index(value)] = 1
                if name == "shape":
                    table[i] *= 1 - share[i]
                    table[i, question.values.index(others[i])] += share[i]
        truth[name] = torch.from_numpy(table)
    return Pictures(pixels, scenes, share == 0, truth)


def _colours(names: Sequence[str], recipe: Recipe, rng: np.random.Generator) -> shapes.Floats:
    exact = np.array([shapes.PALETTE[name] for name in names], np.float32) / 255
    shift = recipe.colour_jitter * rng.uniform(-1, 1, exact.shape).astype(np.float32)
    return np.clip(exact + shift, 0, 1)


def _mixed(
    scenes: Sequence[shapes.Scene],
    others: Sequence[str],
    share: npt.NDArray[np.float64],
    radii: npt.NDArray[np.float64],
    offsets: npt.NDArray[np.float64],
    paint: shapes.Floats,
    ground: shapes.Floats,
) -> Tensor:
    """Pixels; the outline lies at `share` of the way from the scene's shape to the other one (of signed distances)."""
    axis = np.arange(shapes.SIDE, dtype=np.float32) + 0.5 - shapes.SIDE / 2
    out = torch.empty(len(scenes), 3, shapes.SIDE, shapes.SIDE, dtype=torch.uint8)
    for i, scene in enumerate(scenes):
        x = np.broadcast_to(axis[None, None, :] - np.float32(offsets[i, 0]), (1, shapes.SIDE, shapes.SIDE))
        y = np.broadcast_to(axis[None, :, None] - np.float32(offsets[i, 1]), (1, shapes.SIDE, shapes.SIDE))
        radius = np.full((1, 1, 1), radii[i], np.float32)
        distance = shapes.outline(scene.shape, x, y, radius)
        if share[i]:
            distance = (1 - share[i]) * distance + share[i] * shapes.outline(others[i], x, y, radius)
        cover = np.clip(0.5 - distance, 0, 1)
        mixed = ground[i, :, None, None] * (1 - cover) + paint[i, :, None, None] * cover
        out[i] = torch.from_numpy(np.rint(mixed * 255).astype(np.uint8))
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
            texts.update(text for template in question.templates for text in question.texts(template))
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
        flat = [p for p in self.model.parameters() if p.ndim < 2]
        matrices = [p for p in self.model.parameters() if p.ndim >= 2]
        groups = [{"params": matrices, "weight_decay": recipe.decay}, {"params": flat, "weight_decay": 0.0}]
        self.optimizer = torch.optim.AdamW(groups, recipe.rate, betas=(0.9, 0.98))
        self.loss = 0.0

    def start_from(self, weights: Path) -> None:
        """Go on from the weights of an earlier run instead of from nothing."""
        from safetensors.torch import load_file

        state = load_file(weights)
        table = state["token_embedding.weight"].float()
        learned = torch.zeros(len(self.words), table.shape[1])
        for number, token in enumerate(self.words.tokens):
            if number > Words.UNKNOWN:
                learned[number] = table[token]
        state["token_embedding.weight"] = learned
        self.model.load_state_dict(state)

    def run(self) -> None:
        recipe, began = self.recipe, time.monotonic()
        self.model.train()
        for step in range(recipe.steps):
            rate = recipe.rate * min(1.0, (step + 1) / 100) * 0.5 * (1 + math.cos(math.pi * step / recipe.steps))
            for group in self.optimizer.param_groups:
                group["lr"] = rate
            loss = self._loss(np.random.default_rng((recipe.seed, 2, step)))
            self.optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
            self.optimizer.step()
            with torch.no_grad():
                self.model.logit_scale.clamp_(max=math.log(100))
            value = float(loss.detach())
            self.loss = value if step == 0 else 0.98 * self.loss + 0.02 * value
            if (step + 1) % 50 == 0:
                scale, spent = float(self.model.logit_scale.detach().exp()), time.monotonic() - began
                print(
                    f"scorer {step + 1}/{recipe.steps} loss {self.loss:.4f} scale {scale:.1f} {spent:.0f} s", flush=True
                )

    def _loss(self, rng: np.random.Generator) -> Tensor:
        recipe, pictures = self.recipe, self.pictures
        chosen = rng.integers(len(pictures.scenes), size=recipe.batch)
        rows = torch.from_numpy(chosen)
        texts: list[str] = []
        asked: list[tuple[str, slice]] = []
        for name, question in scorer.QUESTIONS.items():
            for template in rng.choice(np.array(question.templates), 2, replace=False):
                asked.append((name, slice(len(texts), len(texts) + len(question.values))))
                texts += question.texts(str(template))
        pure = np.flatnonzero(pictures.plain[chosen])
        scenes = [pictures.scenes[chosen[i]] for i in pure]
        claims = [scorer.caption(scene, rng) for scene in scenes]
        texts += [claim.text for claim in claims]
        seen = self.model.encode_image((spoil(pictures.pixels[rows], rng) - self._mean) / self._std, normalize=True)
        said = self.model.encode_text(self.words(texts, rng, recipe.foreign_words), normalize=True)
        logits = self.model.logit_scale.exp() * seen @ said.T
        loss = torch.zeros(())
        for name, part in asked:
            truth = pictures.truth[name][rows]
            has = truth.sum(1) > 0
            loss = loss - recipe.questions[name] * (truth * logits[:, part].log_softmax(1)).sum(1)[has].mean()
        loss = loss / len(asked)
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
    parser.add_argument("--start", type=Path, help="weights of an earlier run to go on from")
    parser.add_argument("--seed", type=int, default=Recipe.seed)
    parser.add_argument("--threads", type=int, default=2, help="CPU threads")
    parser.add_argument("--steps", type=int, default=Recipe.steps)
    parser.add_argument("--pictures", type=int, default=Recipe.pictures)
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    torch.set_flush_denormal(True)
    recipe = Recipe(steps=options.steps, pictures=options.pictures, seed=options.seed)
    trainer = Trainer(recipe, draw(recipe))
    if options.start:
        trainer.start_from(options.start)
    trainer.run()
    save(trainer, options.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
