"""Thumbnails, perceptual hashes and near-duplicates: one JSON line a measurement, CPU time of this process, one thread.

    python3 dev.py bench imaging

Images are 832×1216 noise with the spectrum of photographs, saved as ComfyUI saves (PNG, level 4; about 1.3 MB as images of
that size are). ``ms`` is the median, ``best_ms`` the best: on a machine that is shared they differ. Peers: pyvips (where it
is installed: ``pip install pyvips pyvips-binary`` in an environment of its own with SDGen's requirements) and comparing all
pairs of hashes, measured on fewer of them and scaled by the square. Lines with ``bars`` say what a figure has to be, and
``met`` whether it is.
"""

from __future__ import annotations

import io
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("VIPS_CONCURRENCY", "1")  # read when libvips is loaded

import numpy as np
import PIL
from _report import Reporter
from PIL import Image
from PIL.Image import Resampling

from sdgen_core.catalog.pictures.duplicates import bit_counts, groups, near, near_groups, near_pairs, nearest
from sdgen_core.catalog.pictures.phash import phash
from sdgen_core.catalog.pictures.shrink import LARGE, QUALITY, SMALL, fitted, thumbnails, webp
from sdgen_core.catalog.pictures.thumbs import Thumbs

N = 100_000
SIZE = (832, 1216)
IMAGES, ROUNDS = 4, 6
PEER = 5_000


report = Reporter("imaging")


def cpu(work: Callable[[Any], Any], items: list[Any], rounds: int = ROUNDS) -> dict[str, float]:
    """The median and the best CPU time of ``work`` on one of ``items``, in milliseconds."""
    work(items[0])  # what is made once
    out = []
    for _ in range(rounds):
        for item in items:
            started = time.process_time()
            work(item)
            out.append((time.process_time() - started) * 1e3)
    return {"ms": statistics.median(out), "best_ms": min(out)}


def picture(seed: int) -> Image.Image:
    rng = np.random.default_rng(seed)
    frequency = np.hypot(np.fft.fftfreq(SIZE[1])[:, None], np.fft.rfftfreq(SIZE[0])[None])
    frequency[0, 0] = 1

    def noise(fall: float) -> Any:
        waves = frequency**-fall * np.exp(2j * np.pi * rng.random(frequency.shape))
        out = np.fft.irfft2(waves, s=(SIZE[1], SIZE[0]))
        return out / out.std()

    light = 128 + 45 * noise(1.5)
    return Image.fromarray(np.clip(np.stack([light + 20 * noise(1.85) for _ in range(3)], -1), 0, 255).astype(np.uint8))


def decode(path: Path) -> Image.Image:
    with Image.open(path) as image:
        image.load()
        return image


def imaging(folder: Path) -> None:
    paths = [folder / f"{n}.png" for n in range(IMAGES)]
    for n, path in enumerate(paths):
        picture(n).save(path, compress_level=4)
    images = [decode(path) for path in paths]
    thumbs = Thumbs(folder / "thumbs")
    key = "0" * 32
    size = round(statistics.mean(path.stat().st_size for path in paths) / 1e6, 2)
    report(
        "machine",
        cpu=platform.processor() or platform.machine(),
        pillow=PIL.__version__,
        numpy=np.__version__,
        png_mb=size,
    )
    report("decode a PNG", **cpu(decode, paths))
    from_files = cpu(lambda path: thumbs.make_from_file(path, key), paths)
    report(
        "both sizes from a PNG file",
        at_least={"thumbs_per_s": 25},
        **from_files,
        images_per_s=1e3 / from_files["ms"],
        thumbs_per_s=2e3 / from_files["ms"],
    )
    report("both sizes from a decoded image", at_most={"ms": 25}, **cpu(lambda image: thumbs.make(image, key), images))
    steps(images)
    smalls = [thumbnails(image)[1][SMALL] for image in images]
    report("hash of a small thumbnail", **cpu(phash, smalls))
    report("hash of a decoded image", **cpu(phash, images))
    pyvips_peer(paths)


def steps(images: list[Image.Image]) -> None:
    """What the choices of shrink.py rest on."""
    size = fitted(SIZE, LARGE)
    best = images[0].resize(size, Resampling.LANCZOS)
    for name, how in {
        "bicubic": {"resample": Resampling.BICUBIC, "reducing_gap": 2.0},
        "bicubic, reducing_gap 1": {"resample": Resampling.BICUBIC, "reducing_gap": 1.01},
        "lanczos": {"resample": Resampling.LANCZOS},
    }.items():
        off = np.asarray(images[0].resize(size, **how), float) - np.asarray(best, float)
        psnr = min(99.0, float(10 * np.log10(255**2 / max(1e-9, float((off**2).mean())))))
        report(
            f"resize to {LARGE}, {name}", psnr_db=psnr, **cpu(lambda image, how=how: image.resize(size, **how), images)
        )
    larges = [thumbnails(image)[1][LARGE] for image in images]
    report(f"webp of {LARGE}, as used", bytes=len(webp(larges[0])), **cpu(webp, larges))
    for method in (2, 4):

        def encode(image: Image.Image, method: int = method) -> int:
            out = io.BytesIO()
            image.save(out, "WEBP", quality=QUALITY, method=method)
            return out.tell()

        report(f"webp of {LARGE}, method {method}", bytes=encode(larges[0]), **cpu(encode, larges))


def pyvips_peer(paths: list[Path]) -> None:
    try:
        import pyvips
    except ImportError:
        report("pyvips (peer)", installed=False)
        return
    pyvips.cache_set_max(0)

    def opened(path: Path) -> Any:
        return pyvips.Image.new_from_file(str(path), access="sequential")

    def both(image: Any) -> None:
        large = image.thumbnail_image(LARGE, height=LARGE, size="down").copy_memory()
        large.webpsave_buffer(Q=QUALITY, effort=0, keep="none")
        large.thumbnail_image(SMALL, height=SMALL, size="down").webpsave_buffer(Q=QUALITY, effort=0, keep="none")

    version = ".".join(str(pyvips.version(n)) for n in range(3))
    report("pyvips (peer): decode a PNG", libvips=version, **cpu(lambda path: opened(path).copy_memory(), paths))
    from_files = cpu(lambda path: both(opened(path)), paths)
    report("pyvips (peer): both sizes from a PNG file", **from_files, images_per_s=1e3 / from_files["ms"])
    report(
        "pyvips (peer): both sizes from a decoded image", **cpu(both, [opened(path).copy_memory() for path in paths])
    )


# ---- near-duplicates -------------------------------------------------------------------------------------------------


def library(n: int) -> np.ndarray:
    """Random hashes, of which a fifth are copies of others with up to 8 bits changed."""
    rng = np.random.default_rng(1)
    hashes = rng.integers(0, 1 << 64, n, dtype=np.uint64)
    copies = n // 5
    for i in range(copies):
        bits = rng.choice(64, rng.integers(0, 9), replace=False).astype(np.uint64)
        hashes[n - 1 - i] = hashes[i] ^ np.bitwise_or.reduce(np.uint64(1) << bits, initial=np.uint64(0))
    return hashes


def sessions(n: int, each: int, share: float) -> np.ndarray:
    """Sessions whose images look alike: each bit differs from the session's own with a probability of ``share``."""
    rng = np.random.default_rng(2)
    own = rng.integers(0, 1 << 64, n // each, dtype=np.uint64).repeat(each)
    return own ^ np.packbits(rng.random((len(own), 64)) < share, axis=1).view(np.uint64).ravel()


def all_pairs(hashes: np.ndarray, distance: int) -> int:
    return sum(int((bit_counts(hashes[i + 1 :] ^ hashes[i]) <= distance).sum()) for i in range(len(hashes)))


def seconds(work: Callable[[], Any]) -> tuple[float, Any]:
    started = time.process_time()
    out = work()
    return time.process_time() - started, out


def duplicates() -> None:
    hashes = library(N)
    for distance in (4, 8):
        took, pairs = seconds(lambda distance=distance: near_pairs(hashes, distance))
        grouping, found = seconds(lambda pairs=pairs: groups(pairs, N))
        report(
            f"near-duplicates of {N}, distance {distance}",
            at_most={"cpu_s": 5},
            cpu_s=took + grouping,
            pairs=len(pairs),
            groups=len(found),
        )
    black = hashes.copy()
    black[::10] = 0
    took, pairs = seconds(lambda: near_pairs(black, 8))
    report(f"near-duplicates of {N}, {N // 10} of them black", at_most={"cpu_s": 5}, cpu_s=took, pairs=len(pairs))
    alike = sessions(N, 1000, 0.1)
    took, found = seconds(lambda: near_groups(alike, 8))
    report(f"groups of {N} in 100 sessions that look alike", at_most={"cpu_s": 5}, cpu_s=took, groups=len(found))
    some = library(PEER)
    took, count = seconds(lambda: all_pairs(some, 8))
    assert count == len(near_pairs(some, 8))
    report("near-duplicates by all pairs (peer)", cpu_s=took, n=PEER, cpu_s_scaled=took * (N / PEER) ** 2, scaled_to=N)
    queries = [int(h) for h in hashes[:50]]
    report(f"near one of {N}", at_most={"ms": 5}, **cpu(lambda query: near(hashes, query, 8), queries, 2))
    report(
        f"the 50 nearest to one of {N}", at_most={"ms": 5}, **cpu(lambda query: nearest(hashes, query, 50), queries, 2)
    )


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        imaging(Path(folder))
    duplicates()


if __name__ == "__main__":
    main()
