"""The perceptual hash: its definition, what it does not notice, and what it does."""

from __future__ import annotations

import io
import itertools
import math
import statistics
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sdgen_core.catalog.pictures.phash import from_signed, phash, to_signed
from sdgen_core.catalog.pictures.shrink import SMALL, thumbnails

ROOT = Path(__file__).parents[3]
DEMO = ROOT / "examples" / "demo" / "pictures.png"
GOLDEN = 0x3BDC463BC8249B69
SHEETS = sorted((ROOT / "workflows").glob("*.jpg"))


def picture(seed: int, width: int = 416, height: int = 608) -> Image.Image:
    """Noise whose strength falls with its frequency, as that of photographs does."""
    rng = np.random.default_rng(seed)
    across = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None])
    across[0, 0] = 1
    out = []
    for _ in range(3):
        waves = np.fft.irfft2(across**-1.5 * np.exp(2j * np.pi * rng.random(across.shape)), s=(height, width))
        out.append(128 + 45 * waves / waves.std())
    return Image.fromarray(np.clip(np.stack(out, -1), 0, 255).astype(np.uint8))


def demo_pictures() -> list[Image.Image]:
    """The demo model's shapes, 64 × 64 pixels each."""
    sheet = Image.open(DEMO).convert("RGB")
    return [sheet.crop((x + 1, y + 1, x + 65, y + 65)) for y in range(0, 528, 66) for x in range(0, 1188, 66)]


def saved(image: Image.Image, kind: str, **options: int) -> Image.Image:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return Image.open(file)


def apart(a: int, b: int) -> int:
    return (a ^ b).bit_count()


def by_the_book(grey: list[list[int]]) -> int:
    """Zauner's definition word by word, in floating point, for an image that has 32 × 32 pixels already."""

    def coefficient(u: int, v: int) -> float:
        return sum(
            grey[y][x] * math.cos(math.pi * u * (2 * y + 1) / 64) * math.cos(math.pi * v * (2 * x + 1) / 64)
            for y in range(32)
            for x in range(32)
        )

    low = [coefficient(u, v) for u in range(1, 9) for v in range(1, 9)]
    middle = statistics.median(low)
    return int("".join("1" if c > middle else "0" for c in low), 2)


@pytest.mark.parametrize("seed", range(5))
def test_the_definition(seed: int) -> None:
    grey = np.random.default_rng(seed).integers(0, 256, (32, 32), dtype=np.uint8)
    assert phash(Image.fromarray(grey)) == by_the_book(grey.tolist())


def test_the_hash_never_changes() -> None:
    """Stored hashes are compared with new ones: another algorithm needs another column, not this function."""
    y, x = np.mgrid[0:240, 0:320]
    image = Image.fromarray((((x * 7 + y * 3) ^ (x * y >> 5)) & 255).astype(np.uint8))
    assert phash(image) == GOLDEN
    assert phash(image.convert("RGB")) == GOLDEN


CHANGES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "thumbnail": lambda i: thumbnails(i)[1][SMALL],
    "thumbnail's file": lambda i: saved(thumbnails(i)[1][SMALL], "WEBP", quality=80, method=0),
    "jpeg": lambda i: saved(i, "JPEG", quality=60),
    "half": lambda i: i.resize((i.width // 2, i.height // 2)),
    "larger": lambda i: i.resize((i.width * 3 // 2, i.height * 3 // 2)),
    "another aspect": lambda i: i.resize((i.width, i.height * 3 // 4)),
    "brighter": lambda i: i.point([min(255, v * 11 // 10) for v in range(256)] * 3),
    "grey": lambda i: i.convert("L"),
    "with alpha": lambda i: i.convert("RGBA"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_copy_is_near(change: str) -> None:
    for image in [picture(seed) for seed in range(6)] + [Image.open(path).convert("RGB") for path in SHEETS]:
        assert apart(phash(image), phash(CHANGES[change](image))) <= 6


@pytest.mark.parametrize("change", ["half", "larger", "grey", "with alpha"])
def test_a_changed_copy_of_a_flat_shape(change: str) -> None:
    """One symmetrical shape on one colour has many coefficients near nothing, whose bits are easily lost."""
    moved = [apart(phash(image), phash(CHANGES[change](image))) for image in demo_pictures()]
    assert statistics.mean(moved) <= 4


def test_different_images_are_far() -> None:
    hashes = [phash(picture(seed)) for seed in range(12)]
    between = [apart(a, b) for a, b in itertools.combinations(hashes, 2)]
    assert min(between) >= 16
    assert 28 <= statistics.mean(between) <= 36
    circle, square, triangle, star, *_ = [phash(image) for image in demo_pictures()[0:18:3]]
    assert min(apart(a, b) for a, b in itertools.combinations((circle, square, triangle, star), 2)) >= 8


def test_half_of_the_bits_are_set() -> None:
    assert {phash(picture(seed)).bit_count() for seed in range(6)} == {32}


@pytest.mark.parametrize("colour", ["black", "white", "#808080", "red"])
@pytest.mark.parametrize("size", [(1, 1), (31, 77), (832, 1216)])
def test_an_image_of_one_colour_has_no_bits(colour: str, size: tuple[int, int]) -> None:
    assert phash(Image.new("RGB", size, colour)) == 0


def test_hidden_colours_do_not_count() -> None:
    image = picture(1).convert("RGBA")
    image.putalpha(0)
    assert phash(image) == 0


def test_sixteen_bits_a_channel() -> None:
    grey = np.asarray(picture(2).convert("L")).astype(np.uint16)
    assert apart(phash(Image.fromarray(grey * 257)), phash(Image.fromarray(grey.astype(np.uint8)))) == 0


@pytest.mark.parametrize("value", [0, 1, (1 << 63) - 1, 1 << 63, (1 << 64) - 1])
def test_as_sqlite_keeps_it(value: int) -> None:
    signed = to_signed(value)
    assert -(1 << 63) <= signed < 1 << 63
    assert from_signed(signed) == value
