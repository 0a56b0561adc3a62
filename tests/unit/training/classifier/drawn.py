"""Sessions of the demo's shapes, drawn and not generated, so that it is known what each image shows; and a person who judges them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image

from sdgen_core.catalog.library import Library
from sdgen_core.catalog.scan.importer import Importer
from sdgen_core.scoring import models
from sdgen_core.scoring.service import Scoring
from sdgen_core.scoring.settings import ScoringSettings
from tests.demo.conftest import demo_module

SHAPES = ("circle", "star", "cross", "triangle")
COLOURS = ("red", "blue", "yellow")
#: A word that the scorer takes for another shape than the person does: what is drawn as a star is right where a "ring" was asked for.
MISNAMED = {"star": "ring"}


def write(
    folder: Path, count: int, called: Mapping[str, str] | None = None, right: float = 0.7, first: int = 0
) -> dict[str, bool]:
    """A session of so many drawings, four of each seed; file -> whether it shows the shape that it was asked for.

    ``called``: shape -> its text in the template; ``right``: the share of those that are as asked for; ``first``: seed.
    """
    shapes = demo_module("shapes")
    rng = np.random.default_rng([first, count])
    folder.mkdir(parents=True)
    texts = {shape: (called or {}).get(shape, shape) for shape in SHAPES}
    entries, truth = [], {}
    for n in range(count):
        asked, colour = SHAPES[n % len(SHAPES)], COLOURS[int(rng.integers(len(COLOURS)))]
        good = bool(rng.random() < right)
        shown = asked if good else SHAPES[(SHAPES.index(asked) + int(rng.integers(1, len(SHAPES)))) % len(SHAPES)]
        [pixels] = shapes.render([shapes.Scene(colour, shown, "medium", "white", "center")], rng, jitter=0.1)
        file = f"drawn_{n:04}.png"
        Image.fromarray(pixels).save(folder / file)
        truth[file] = good
        values = {"Shape": texts[asked], "Colour": colour}
        prompt = f"a {colour} {texts[asked]}"
        entries.append({"filename": file, "prompt": prompt, "seed": first + n // 4, "applied_variations": values})
    used = {"Shape": list(texts.values()), "Colour": list(COLOURS)}
    snapshot = {
        "version": "2.0",
        "timestamp": "2025-11-20T10:00:00",
        "generation_params": {"num_images": count},
        "resolved_template": {"prompt": "a {Colour} {Shape}", "negative": ""},
        "variations": {name: {"available": each, "used": each, "count": len(each)} for name, each in used.items()},
    }
    manifest = {"snapshot": snapshot, "images": entries, "status": "completed"}
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    return truth


def opened(folder: Path, root: Path) -> Library:
    """A library with the sessions below ``root``."""
    library = Library(folder, [root])
    Importer(library.catalog.index).run([root])
    return library


def slug_of(library: Library, folder: str) -> str:
    [(slug,)] = library.catalog.index.store.rows("SELECT slug FROM session WHERE folder LIKE ?", (f"%{folder}",))
    return str(slug)


def judge(
    library: Library, truth: Mapping[str, bool], session: str, placeholder: str = "Shape", most: int | None = None
) -> None:
    """The person's verdicts on the first images of a session."""
    rows = library.catalog.index.store.rows(
        "SELECT file, image.id FROM image JOIN session ON session.id = session WHERE slug=? ORDER BY number", (session,)
    )
    for verdict, kind in (("ok", True), ("ko", False)):
        some = [image for file, image in rows[:most] if truth[file] == kind]
        library.catalog.judge(some, f"value/{placeholder}", verdict)


def scorer():
    return models.load(models.DEMO, [], device="cpu")


def scored(library: Library, session: str, **settings: object) -> dict:
    work = Scoring(library.catalog, library.file, library.folder / "scoring", ScoringSettings(**settings))
    return work.score(session, scorer())


def said(library: Library, session: str, placeholder: str = "Shape") -> dict[str, float]:
    """File -> probability, as the catalog has them."""
    rows = library.catalog.index.store.rows(
        "SELECT file, score FROM image JOIN session ON session.id = session JOIN image_value ON image = image.id"
        " JOIN value ON value.id = value JOIN placeholder ON placeholder.id = placeholder"
        " WHERE slug=? AND placeholder.name=? AND score IS NOT NULL",
        (session, placeholder),
    )
    return dict(rows)
