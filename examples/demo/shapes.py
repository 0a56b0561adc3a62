"""Procedural pictures of coloured shapes, with captions: the training data of the demo model.

Everything is a pure function of a seed (NumPy's PCG64), so the data need not be shipped. NumPy only: exporting a small
data set for a LoRA or a scorer needs no torch.

A `Scene` says what is in a picture. An `Example` pairs what the caption claims with what is drawn; the two differ only
for the planted defects (`DEFECTS`), which make two prompt values of the finished model fail honestly, so that SDGen's
statistics and its repair by training have something real to find.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Bytes = npt.NDArray[np.uint8]

SIDE = 64
"""Width and height of every picture, pixels."""

PALETTE: dict[str, tuple[int, int, int]] = {
    "red": (220, 30, 30),
    "green": (30, 160, 50),
    "blue": (40, 70, 220),
    "yellow": (245, 215, 30),
    "purple": (140, 40, 170),
    "orange": (250, 130, 20),
    "cyan": (30, 210, 220),
    "pink": (250, 130, 190),
    "white": (245, 245, 245),
    "black": (15, 15, 15),
    "gray": (128, 128, 128),
    "brown": (105, 65, 35),
}
"""sRGB, 0-255."""

COLOURS: tuple[str, ...] = ("red", "green", "blue", "yellow", "purple", "orange", "cyan", "pink")
BACKGROUNDS: tuple[str, ...] = ("white", "black", "gray", "brown", "red", "green", "blue", "yellow")
SHAPES: tuple[str, ...] = ("circle", "square", "triangle", "star", "cross", "ring")
SIZES: dict[str, float] = {"small": 11.0, "medium": 16.0, "large": 21.0}
"""Radius in pixels. A caption names the size only when it is not medium, as people do."""
POSITIONS: dict[str, tuple[int, int]] = {
    "center": (0, 0),
    "left": (-16, 0),
    "right": (16, 0),
    "top": (0, -16),
    "bottom": (0, 16),
}
"""Offset of the centre in pixels (x to the right, y down); multiples of 16, a patch of the demo model's transformer."""


@dataclass(frozen=True)
class Scene:
    """What a picture shows. `colour` and `background` are keys of `PALETTE`."""

    colour: str
    shape: str
    size: str = "medium"
    background: str = "white"
    position: str = "center"


@dataclass(frozen=True)
class Example:
    """One picture of the training data: the claim of its caption, the caption, and what is really drawn."""

    claimed: Scene
    caption: str
    drawn: Scene


@dataclass(frozen=True)
class Defect:
    """A value that the data teach wrongly: `share` of the pictures captioned `colour shape` are changed by `spoil`."""

    colour: str
    shape: str
    share: float
    frequency: float
    """Share of the whole data set that is given this caption on purpose (beside its natural share)."""
    spoil: Callable[[Scene, np.random.Generator], Scene]

    def matches(self, scene: Scene) -> bool:
        return (scene.colour, scene.shape) == (self.colour, self.shape)


def _other_purple_shape(scene: Scene, rng: np.random.Generator) -> Scene:
    return replace(scene, shape=("circle", "square", "cross")[int(rng.integers(3))])


def _yellow_instead(scene: Scene, rng: np.random.Generator) -> Scene:
    return scene if scene.background == "yellow" else replace(scene, colour="yellow")


DEFECTS: tuple[Defect, ...] = (
    Defect("purple", "star", share=0.8, frequency=0.04, spoil=_other_purple_shape),
    Defect("green", "triangle", share=0.4, frequency=0.02, spoil=_yellow_instead),
)


# ---------------------------------------------------------------------------------------------------------- drawing


def outline(shape: str, x: Floats, y: Floats, r: Floats) -> Floats:
    """Signed distance in pixels to the outline (negative inside; near the edge exact, elsewhere a bound).

    `x`, `y`: [N, SIDE, SIDE] pixels from the centre, y down; `r`: [N, 1, 1]. The five-pointed star folds the plane into
    one tenth and measures the distance to that tenth's edge line.
    """
    distance = np.sqrt(x * x + y * y + 1e-6)
    if shape == "circle":
        return distance - r
    if shape == "square":
        return np.maximum(np.abs(x), np.abs(y)) - 0.88 * r
    if shape == "triangle":
        half = 0.58 * r
        return np.maximum(y - half, np.abs(x) * 0.866 - 0.5 * y - half)
    if shape == "star":
        outer, inner, tenth = 1.15 * r, 0.48 * r, math.pi / 5
        angle = np.abs(np.remainder(np.arctan2(x, -y) + tenth, 2 * tenth) - tenth)
        px, py = distance * np.cos(angle), distance * np.sin(angle)
        ex, ey = inner * math.cos(tenth) - outer, inner * math.sin(tenth)
        return ((px - outer) * ey - py * ex) / np.sqrt(ex * ex + ey * ey)
    if shape == "cross":
        ax, ay, arm = np.abs(x), np.abs(y), 0.34 * r
        return np.minimum(np.maximum(ax - arm, ay - r), np.maximum(ay - arm, ax - r))
    if shape == "ring":
        return np.abs(distance - 0.76 * r) - 0.24 * r
    raise KeyError(shape)


def render(scenes: Sequence[Scene], rng: np.random.Generator | None = None, jitter: float = 0.02) -> Bytes:
    """Draw scenes: [N, SIDE, SIDE, 3] uint8, anti-aliased, no texture.

    With `rng`, both colours of each picture move by up to `jitter` (share of full scale) per channel.
    """
    count = len(scenes)
    paint = np.array([PALETTE[s.colour] for s in scenes], np.float32).reshape(count, 3) / 255
    ground = np.array([PALETTE[s.background] for s in scenes], np.float32).reshape(count, 3) / 255
    if rng is not None:
        paint = np.clip(paint + jitter * rng.uniform(-1, 1, paint.shape).astype(np.float32), 0, 1)
        ground = np.clip(ground + jitter * rng.uniform(-1, 1, ground.shape).astype(np.float32), 0, 1)
    radii, offsets = [SIZES[s.size] for s in scenes], [POSITIONS[s.position] for s in scenes]
    return draw([s.shape for s in scenes], radii, offsets, paint, ground)


def draw(
    shapes: Sequence[str], radii: Sequence[float], offsets: Sequence[tuple[float, float]], paint: Floats, ground: Floats
) -> Bytes:
    """The renderer below `render`, for any radius (px), offset of the centre (px) and colours ([N, 3], 0..1)."""
    count = len(shapes)
    axis = np.arange(SIDE, dtype=np.float32) + 0.5 - SIDE / 2
    out = np.empty((count, SIDE, SIDE, 3), np.uint8)
    names = np.array(shapes)
    for shape in dict.fromkeys(shapes):
        which = np.flatnonzero(names == shape)
        at = np.array([offsets[i] for i in which], np.float32)
        x = np.broadcast_to(axis[None, None, :] - at[:, 0, None, None], (len(which), SIDE, SIDE))
        y = np.broadcast_to(axis[None, :, None] - at[:, 1, None, None], (len(which), SIDE, SIDE))
        radius = np.array([radii[i] for i in which], np.float32)[:, None, None]
        cover = np.clip(0.5 - outline(shape, x, y, radius), 0, 1)[..., None]
        mixed = ground[which, None, None] * (1 - cover) + paint[which, None, None] * cover
        out[which] = np.clip(np.rint(mixed * 255), 0, 255).astype(np.uint8)
    return out


# --------------------------------------------------------------------------------------------------------- captions

LEADS = (*["{a} "] * 5, "", "the ", "a photo of {a} ", "a drawing of {a} ", "masterpiece, {a} ", "best quality, {a} ")
TAILS = (*[" on a {b} background"] * 3, ", {b} background", " on {b}")
"""Beginnings and ends of captions, the usual ones several times. The longest caption has 14 CLIP tokens."""


def caption(
    scene: Scene,
    rng: np.random.Generator,
    *,
    background: bool | None = None,
    size: bool | None = None,
    position: bool | None = None,
) -> str:
    """A sentence for a scene, in one of several wordings.

    `size` and `position` are named by default when they are not the usual ones; the background in 85 % of captions.
    """
    name_size = scene.size != "medium" if size is None else size
    name_position = scene.position != "center" if position is None else position
    name_background = rng.random() < 0.85 if background is None else background
    core = f"{scene.size} {scene.colour} {scene.shape}" if name_size else f"{scene.colour} {scene.shape}"
    article = "an" if core[0] in "aeiou" else "a"
    text = LEADS[int(rng.integers(len(LEADS)))].format(a=article) + core
    if name_position:
        text += f" {'at' if scene.position in ('top', 'bottom') else 'on'} the {scene.position}"
    if name_background:
        text += TAILS[int(rng.integers(len(TAILS)))].format(b=scene.background)
    return text


# --------------------------------------------------------------------------------------------------------- data sets


def sample_scenes(
    count: int,
    rng: np.random.Generator,
    *,
    colours: Sequence[str] = COLOURS,
    shapes: Sequence[str] = SHAPES,
    backgrounds: Sequence[str] = BACKGROUNDS,
    sizes: dict[str, float] | None = None,
    positions: dict[str, float] | None = None,
) -> list[Scene]:
    """Independent draws; `sizes` and `positions` map a name to its weight. The background never equals the colour."""
    size_names, size_share = _shares(sizes or {"medium": 1.0})
    place_names, place_share = _shares(positions or {"center": 1.0})
    scenes = []
    for _ in range(count):
        colour = colours[int(rng.integers(len(colours)))]
        grounds = [b for b in backgrounds if b != colour] or ["white"]
        scenes.append(
            Scene(
                colour=colour,
                shape=shapes[int(rng.integers(len(shapes)))],
                size=size_names[int(rng.choice(len(size_names), p=size_share))],
                background=grounds[int(rng.integers(len(grounds)))],
                position=place_names[int(rng.choice(len(place_names), p=place_share))],
            )
        )
    return scenes


def _shares(weights: dict[str, float]) -> tuple[list[str], npt.NDArray[np.float64]]:
    share = np.array(list(weights.values()), np.float64)
    return list(weights), share / share.sum()


def spoil(claimed: Scene, rng: np.random.Generator, defects: Iterable[Defect] = DEFECTS) -> Scene:
    """What is drawn for a caption's claim: the same, or for the planted defects, often something else."""
    for defect in defects:
        if defect.matches(claimed) and rng.random() < defect.share:
            return defect.spoil(claimed, rng)
    return claimed


def dataset(
    count: int,
    seed: int,
    *,
    defects: Sequence[Defect] = DEFECTS,
    sizes: dict[str, float] | None = None,
    positions: dict[str, float] | None = None,
    colours: Sequence[str] = COLOURS,
    shapes: Sequence[str] = SHAPES,
    backgrounds: Sequence[str] = BACKGROUNDS,
) -> list[Example]:
    """`count` captioned examples from `seed`. `defects=()` gives honest data (for repair and for judges)."""
    rng = np.random.default_rng(seed)
    options = {"colours": colours, "shapes": shapes, "backgrounds": backgrounds}
    scenes = sample_scenes(count, rng, sizes=sizes, positions=positions, **options)
    examples = []
    for scene in scenes:
        draw_of_lot = rng.random()
        for defect in defects:
            draw_of_lot -= defect.frequency
            if draw_of_lot < 0:
                scene = replace(scene, colour=defect.colour, shape=defect.shape)
                if scene.background == scene.colour:
                    scene = replace(scene, background="white")
                break
        examples.append(Example(scene, caption(scene, rng), spoil(scene, rng, defects)))
    return examples
