"""Small libraries with real files: sessions of patterns whose values, seeds, verdicts and scores a test chooses."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from sdgen_core.catalog.library import Library
from sdgen_core.catalog.scan.importer import Importer
from sdgen_core.catalog.score_columns import ImageScores, Scorer, ValueScores

DEMO = Scorer("d" * 16, "a test")


@dataclass(frozen=True)
class Shot:
    """An image: its values, its seed (None: its number), what it looks like (None: like no other), its size and its ending."""

    values: Mapping[str, str] = field(default_factory=dict)
    seed: int | None = None
    looks: int | None = None
    size: tuple[int, int] = (64, 64)
    ending: str = ".png"
    prompt: str | None = None


def shots(count: int, **values: str) -> list[Shot]:
    return [Shot(values) for _ in range(count)]


def picture(looks: int, size: tuple[int, int]) -> Image.Image:
    """A pattern of 8×8 fields: two with other numbers have nothing to do with each other."""
    fields = np.random.default_rng(looks).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    return Image.fromarray(fields).resize(size, Image.Resampling.NEAREST)


def session(root: Path, name: str, images: Sequence[Shot], theme: str | None = None) -> Path:
    """A session's folder, made as any program may have."""
    folder = root / f"20260101_100000-{name}"
    folder.mkdir(parents=True)
    entries = []
    for n, shot in enumerate(images):
        looks = int.from_bytes(f"{name}{n}".encode(), "big") if shot.looks is None else shot.looks
        file = f"{name}_{n:04}{shot.ending}"
        picture(looks, shot.size).save(folder / file)
        prompt = ", ".join(shot.values.values()) if shot.prompt is None else shot.prompt
        seed = n if shot.seed is None else shot.seed
        entries.append(
            {
                "filename": file,
                "seed": seed,
                "prompt": prompt,
                "negative_prompt": "blurry",
                "applied_variations": dict(shot.values),
            }
        )
    names = {name for shot in images for name in shot.values}
    pools = {name: sorted({shot.values[name] for shot in images if name in shot.values}) for name in sorted(names)}
    snapshot = {
        "version": "2.0",
        "timestamp": "2026-01-01T10:00:00",
        "generation_params": {"num_images": len(images)},
        "resolved_template": {"prompt": ", ".join(f"{{{name}}}" for name in pools), "negative": "blurry"},
        "variations": {name: {"available": pool, "used": pool, "count": len(pool)} for name, pool in pools.items()},
        "theme_name": theme,
    }
    record = {"snapshot": snapshot, "images": entries, "status": "completed"}
    (folder / "manifest.json").write_text(json.dumps(record), encoding="utf-8")
    return folder


class Made:
    """A library of such sessions."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.root = folder / "gallery"
        self.root.mkdir(parents=True)
        self.library = Library(folder / "catalog", [self.root])

    def add(self, name: str, images: Sequence[Shot], theme: str | None = None) -> str:
        """A session more; gives its slug."""
        folder = session(self.root, name, images, theme)
        Importer(self.library.catalog.index).run([self.root])
        return str(self._rows("SELECT slug FROM session WHERE folder=?", str(folder))[0][0])

    def ids(self, name: str, numbers: Sequence[int] | range | None = None) -> list[int]:
        """Images of a session, by their numbers."""
        rows = self._rows(
            "SELECT image.id FROM image JOIN session ON session.id = session WHERE folder LIKE ? ORDER BY number",
            f"%-{name}",
        )
        found = [image for (image,) in rows]
        return found if numbers is None else [found[n] for n in numbers]

    def judge(self, name: str, numbers: Sequence[int] | range, field: str, value: str) -> None:
        self.library.catalog.judge(self.ids(name, numbers), field, value)

    def score(self, name: str, scores: Mapping[int, Mapping[str, float]]) -> None:
        """What a machine says: number of the image -> placeholder -> probability."""
        rows = self._rows(
            "SELECT number, thumb, slug FROM image JOIN session ON session.id = session WHERE folder LIKE ? ORDER BY number",
            f"%-{name}",
        )
        known = [row for row in rows if row[0] in scores]
        names = sorted({placeholder for said in scores.values() for placeholder in said})
        values: dict[str, Any] = {}
        for placeholder in names:
            keys = [self._key(name, number, placeholder) for number, _, _ in known]
            values[placeholder] = ValueScores(
                keys, [scores[number].get(placeholder, float("nan")) for number, _, _ in known]
            )
        means = [sum(scores[number].values()) / len(scores[number]) for number, _, _ in known]
        said = ImageScores(
            [key for _, key, _ in known], ["success"] * len(known), means, [False] * len(known), values=values
        )
        self.library.catalog.machine.write(known[0][2], DEMO, said)

    def _key(self, name: str, number: int, placeholder: str) -> str | None:
        rows = self._rows(
            "SELECT key FROM image JOIN session ON session.id = session JOIN image_value ON image = image.id JOIN value ON value.id = value"
            " JOIN placeholder ON placeholder.id = placeholder WHERE folder LIKE ? AND number=? AND placeholder.name=?",
            f"%-{name}", number, placeholder,
        )  # fmt: skip
        return str(rows[0][0]) if rows else None

    def _rows(self, sql: str, *values: object) -> list[Any]:
        return self.library.catalog.index.store.rows(sql, values)

    def close(self) -> None:
        self.library.stop()
