"""Sessions that the demo model really makes in ComfyUI, scored by the demo's scorer as users' sessions are, against the pixel reader."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from sdgen_core.catalog.library import Library
from sdgen_core.catalog.scan.importer import Importer
from sdgen_core.cli.connection import Remote
from sdgen_core.cli.order import attend
from sdgen_core.comfy.press import submit
from sdgen_core.comfy.runtime import ComfyServer
from sdgen_core.scoring import models
from sdgen_core.scoring.estimates.calibration import calibration_error
from sdgen_core.scoring.service import Scoring
from sdgen_core.sessions.compile import PLANNER, nodes_of

PLANTED = {"PurpleStar", "GreenTriangle"}
#: How often each combination is made, and how many go through the sampler at once.
SEEDS, BATCH = {"things": "16#1000", "strong": "16#5000"}, 12
#: Random choices of images to be judged: where a hundred are, moves what is learned of them.
DRAWS = 5


class Session:
    """A session in a library of its own, and what the pixel reader says of it: ``right`` by placeholder and file."""

    def __init__(self, folder: Path, catalog: Path, reader: ModuleType) -> None:
        self.library = Library(catalog, [folder.parent])
        Importer(self.library.catalog.index).run([folder.parent])
        [(self.slug,)] = self.library.catalog.index.store.rows(
            "SELECT slug FROM session WHERE folder LIKE ?", (f"%{folder.name}",)
        )
        self.scoring = Scoring(self.library.catalog, self.library.file, self.library.folder / "scoring")
        entries = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["images"]
        seen = {entry["filename"]: reader.read(folder / entry["filename"]) for entry in entries}
        parts = {"Colour": ["colour"], "Shape": ["shape"], "Background": ["background"], "Thing": ["colour", "shape"]}
        self.right: dict[str, dict[str, bool]] = {}
        for entry in entries:
            for placeholder, value in entry["applied_variations"].items():
                shown = [getattr(seen[entry["filename"]], part) for part in parts[placeholder]]
                self.right.setdefault(placeholder, {})[entry["filename"]] = shown == value.split()

    def score(self) -> dict[str, Any]:
        """The report, with ``models.DEMO`` as it is shipped."""
        return self.scoring.score(self.slug, models.load(models.DEMO, [], device="cpu"))

    def probabilities(self, placeholder: str) -> dict[str, float]:
        """By file, as the catalog has them."""
        return dict(
            self.library.catalog.index.store.rows(
                "SELECT file, score FROM image JOIN session ON session.id = session JOIN image_value ON image = image.id"
                " JOIN value ON value.id = value JOIN placeholder ON placeholder.id = placeholder"
                " WHERE slug=? AND placeholder.name=? AND score IS NOT NULL",
                (self.slug, placeholder),
            )
        )

    def judge(self, placeholder: str, files: Sequence[str], forget: bool = False) -> None:
        """Verdicts on images, the pixel reader standing in for a person; or none any more."""
        ids = dict(self.library.catalog.index.store.rows("SELECT file, id FROM image"))
        for verdict, kind in (("ok", True), ("ko", False)):
            some = [ids[file] for file in files if self.right[placeholder][file] == kind]
            self.library.catalog.judge(some, f"value/{placeholder}", None if forget else verdict)


def made(server: ComfyServer, root: Path, template: dict[str, Any], name: str) -> Path:
    """The folder of a new session of the demo workflow with another template, made to its end."""
    graph = json.loads((root / "workflows/api/txt2img_session.json").read_text(encoding="utf-8"))
    [planner] = nodes_of(graph, PLANNER)
    graph["1"]["inputs"] |= template
    graph["sweep"] = {"class_type": "SDGenSeedSweep", "inputs": {"seeds": SEEDS[name]}}
    graph[planner]["inputs"] |= {"name": name, "on_existing": "new", "sweep": ["sweep", 0], "batch": BATCH}
    status = attend(Remote(server.client), submit(server.client, graph, planner), quiet=True)
    assert (status["state"], status["failed"]) == ("completed", 0), status
    return Path(status["folder"])


@pytest.fixture(scope="module")
def things(
    comfy: ComfyServer, root: Path, reader: ModuleType, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Session]:
    """Ten things on three backgrounds, 48 pictures of each, two of which the demo model makes wrongly."""
    folder = made(comfy, root, {"file": "examples/demo/things.prompt.yaml"}, "things")
    session = Session(folder, tmp_path_factory.mktemp("catalog"), reader)
    yield session
    session.library.stop()


@pytest.fixture(scope="module")
def strong(
    comfy: ComfyServer, root: Path, shapes: ModuleType, reader: ModuleType, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Session]:
    """All colours and shapes with a cfg of 8, ComfyUI's own default, which is too strong for the demo model: all kinds of errors."""
    template = {
        "type": "prompt",
        "version": "2.0",
        "name": "strong",
        "prompt": "a {Colour} {Shape} on a {Background[$0]} background",
        "imports": {
            "Colour": list(shapes.COLOURS),
            "Shape": list(shapes.SHAPES),
            "Background": ["white", "black", "gray"],
        },
        "generation": {"mode": "combinatorial", "seed": 1, "seed_mode": "progressive", "max_images": -1},
        "parameters": {
            "width": 64,
            "height": 64,
            "steps": 12,
            "cfg_scale": 8,
            "sampler": "euler",
            "scheduler": "sgm_uniform",
        },
        "output": {"session_name": "strong"},
    }
    folder = made(comfy, root, {"file": "(the text below)", "text": json.dumps(template)}, "strong")
    session = Session(folder, tmp_path_factory.mktemp("catalog"), reader)
    yield session
    session.library.stop()


def test_verdicts_are_the_pixel_readers(things: Session) -> None:
    report = things.score()
    assert report["images"] == 480 and not report["failures"]
    for placeholder, right in things.right.items():
        found = things.probabilities(placeholder)
        agree = [(found[file] >= 0.5) == is_right for file, is_right in right.items()]
        assert np.mean(agree) >= 0.95, placeholder


def test_the_planted_values_are_found_as_the_failing_ones(things: Session) -> None:
    report = things.score()
    rates = {rate["key"]: rate for rate in report["rates"] if rate["placeholder"] == "Thing"}
    assert len(rates) == 10 and all(rate["images"] == 48 for rate in rates.values())
    others = min(rate["low"] for key, rate in rates.items() if key not in PLANTED)
    assert {key for key, rate in rates.items() if rate["high"] < others} == PLANTED
    assert {rate["key"] for rate in report["failing"][:2]} == PLANTED


@pytest.mark.parametrize(("name", "placeholder"), [("things", "Thing"), ("strong", "Colour"), ("strong", "Shape")])
def test_a_hundred_verdicts_make_probabilities(name: str, placeholder: str, request: pytest.FixtureRequest) -> None:
    """What 100 verdicts say is right within 5 % on the images that nobody judged."""
    session: Session = request.getfixturevalue(name)
    right = session.right[placeholder]
    assert list(right.values()).count(False) >= 40
    errors = []
    for seed in range(DRAWS):
        judged = [str(file) for file in np.random.default_rng(seed).choice(sorted(right), 100, replace=False)]
        session.judge(placeholder, judged)
        [said] = [one for one in session.score()["placeholders"] if one["placeholder"] == placeholder]
        assert said["calibrated"] and said["labels"] == 100
        found = session.probabilities(placeholder)
        session.judge(placeholder, judged, forget=True)
        rest = sorted(set(right) - set(judged))
        errors.append(
            calibration_error(np.array([found[file] for file in rest]), np.array([float(right[file]) for file in rest]))
        )
    assert np.mean(errors) <= 0.05, errors
