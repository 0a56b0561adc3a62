"""People as judges: what they are shown does not tell which image is of the LoRA, and their word stands in place of the scorer's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from sdgen_core.catalog.catalog import Catalog
from sdgen_core.catalog.scan.importer import Importer
from sdgen_core.sessions.metadata import read_png_chunks
from sdgen_core.training.improve import people
from sdgen_core.training.improve.decide import pairs_of
from sdgen_core.training.improve.judge import Judged
from sdgen_core.training.improve.making import Shot

TARGET = ("Chose étoilée", "Étoile")


def side(folder: Path, lora: bool, count: int = 30) -> Judged:
    """A session of two values; the images of the LoRA are red, and all say in their data how they were made."""
    folder.mkdir()
    shots = []
    for n in range(count):
        file = folder / f"{n}.png"
        said = PngInfo()
        said.add_text("parameters", f"lora: {lora}")
        Image.new("RGB", (8, 8), (255 if lora else 0, n, 0)).save(file, pnginfo=said)
        shots.append(Shot(file, "", n, 100 + n, {TARGET[0]: TARGET[1] if n % 3 else "Other"}))
    return Judged(shots, {TARGET[0]: np.ones(count)}, np.zeros((count, 2), np.float32))


@pytest.fixture
def sides(tmp_path: Path) -> list[tuple[Judged, Judged]]:
    return [(side(tmp_path / "base", False), side(tmp_path / "lora", True))]


def test_a_sample_says_nothing_of_the_lora_and_is_always_the_same(
    sides: list[tuple[Judged, Judged]], tmp_path: Path
) -> None:
    places = people.drawn(sides, TARGET, [], 12, "salt")
    assert places == people.drawn(sides, TARGET, [], 12, "salt") != people.drawn(sides, TARGET, [], 12, "pepper")
    assert len(set(places)) == 12 and all(at % 3 for _, at in places)
    rest = people.drawn(sides, TARGET, places, 100, "salt")
    assert not set(rest) & set(places) and len(rest) == 8
    asked = people.write(tmp_path / "judge", places, sides, TARGET, "une étoile", "salt")
    assert len(asked) == 24 and {one.place for one in asked} == set(places)
    order = [one.lora for one in sorted(asked, key=lambda one: one.file)]
    assert order != sorted(order) and order != sorted(order, reverse=True)
    for one in asked:
        file = tmp_path / "judge" / one.file
        assert read_png_chunks(file) == {}
        with Image.open(file) as image:
            assert image.getpixel((0, 0)) == (255 if one.lora else 0, one.place[1], 0)
    assert [people.Asked.from_json(one.to_json()) for one in asked] == asked
    assert "lora" not in (tmp_path / "judge" / "manifest.json").read_text(encoding="utf-8").lower()
    before = {file: file.stat().st_mtime_ns for file in (tmp_path / "judge").iterdir()}
    assert people.write(tmp_path / "judge", places, sides, TARGET, "une étoile", "salt") == asked
    assert {file: file.stat().st_mtime_ns for file in (tmp_path / "judge").iterdir()} == before


def test_verdicts_are_read_from_the_catalog_and_stand_in_place_of_the_scorers(
    sides: list[tuple[Judged, Judged]], tmp_path: Path
) -> None:
    places = people.drawn(sides, TARGET, [], 8, "salt")
    folder = tmp_path / "gallery" / "judge"
    asked = people.write(folder, places, sides, TARGET, "une étoile", "salt")
    catalog = Catalog(tmp_path / "catalog")
    try:
        Importer(catalog.index).run([folder])
        [(slug,)] = catalog.index.store.rows("SELECT slug FROM session")
        ids = {file: image for image, file in catalog.index.store.rows("SELECT id, file FROM image")}
        assert set(ids) == {one.file for one in asked} and people.said(catalog, slug, TARGET[0]) == {}
        words = {True: "ok", False: "ko"}
        for one in asked[1:]:
            catalog.judge([ids[one.file]], f"value/{TARGET[0]}", words[one.lora])
        catalog.judge([ids[asked[0].file]], f"value/{TARGET[0]}", "partial")
        found = people.said(catalog, slug, TARGET[0])
        assert found[asked[0].file] == 0.5 and found[asked[1].file] == float(asked[1].lora)
    finally:
        catalog.close()
    told = people.judged(sides, TARGET, {(one.place, one.lora): found[one.file] for one in asked})
    before, after, seeds = pairs_of(told)[TARGET]
    assert len(seeds) == 8 and sum(before) <= 0.5 and sum(after) >= 7.5
    assert len(pairs_of(told)[TARGET[0], "Other"][2]) == 10  # the scorer's word for other values stays
    assert np.all(sides[0][0].success[TARGET[0]] == 1)  # what was there is not changed
