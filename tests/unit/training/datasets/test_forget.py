"""Data sets that are deleted: whole, not while a run needs them, and nothing of the gallery with them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sdgen_core.errors import SDGenError
from sdgen_core.training.datasets.choose import choose
from sdgen_core.training.datasets.folder import records
from sdgen_core.training.datasets.forget import foreign, forget, needing
from sdgen_core.training.datasets.recipe import Recipe
from sdgen_core.training.datasets.write import folder_of, write
from sdgen_core.training.runs.ledger import Ledger
from sdgen_core.training.runs.model import Job, State

from .made import shots


@pytest.fixture
def reds(made, tmp_path):
    """A data set of hard links."""
    made.add("coats", shots(6, Colour="red"))
    made.judge("coats", range(6), "value/Colour", "ok")
    recipe = Recipe.of({"name": "reds", "best": 1.0, "duplicates": None})
    return write(made.library, choose(made.library, recipe), folder_of(tmp_path, "reds")).folder


@pytest.fixture
def ledger(tmp_path):
    found = Ledger(tmp_path / "runs.db")
    yield found
    found.close()


def run(ledger, dataset, **fields):
    """A run of ten steps that learns from ``dataset``."""
    key = f"run{len(ledger.runs())}"
    ledger.add(Job(key, key, "native", Path("m.safetensors"), Path(dataset), Path(key), 10), "none")
    ledger.update(key, **fields)


def files(root):
    return {path: path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def test_it_goes_and_the_gallery_stays(made, reds):
    before = files(made.root)
    assert next((reds / "images").rglob("*.png")).stat().st_nlink == 2
    assert foreign(reds) == []
    (reds / "notes.md").write_text("mine", encoding="utf-8")
    assert foreign(reds) == ["notes.md"]
    forget(reds, [])
    assert list(reds.parent.iterdir()) == [] and records(reds.parents[1]) == []
    assert files(made.root) == before


@pytest.mark.parametrize("state", ["waiting", "starting", "running", "saving", "stopping"])
def test_not_what_a_run_needs_now(reds, ledger, state):
    run(ledger, reds.parent / "other", state="running")
    run(ledger, Path(os.path.relpath(reds)) if os.name != "nt" else reds, state=state)
    before = files(reds)
    with pytest.raises(SDGenError, match=f"run1 .* is {state}") as error:
        forget(reds, ledger.runs())
    assert error.value.code == "bad-run-state" and files(reds) == before


def test_what_ended_runs_could_still_need_is_told(reds, ledger):
    run(ledger, reds, state="done", saved=(State(Path("s"), 4),))
    run(ledger, reds, state="failed")
    run(ledger, reds, state="stopped", saved=(State(Path("s"), 4),))
    run(ledger, reds.parent / "other", state="stopped", saved=(State(Path("s"), 4),))
    assert [one.id for one in needing(reds, ledger.runs())] == ["run2"]
    forget(reds, ledger.runs())
    assert not reds.exists()


def test_what_is_no_data_set_stays(made, reds, tmp_path):
    folder = next(made.root.iterdir())
    with pytest.raises(SDGenError) as error:
        forget(folder, [])
    assert error.value.code == "not-a-dataset" and folder.is_dir()
    link = tmp_path / "link"
    try:
        link.symlink_to(reds, target_is_directory=True)
    except OSError:
        return  # Windows lets only some people make links
    with pytest.raises(SDGenError) as error:
        forget(link, [])
    assert error.value.code == "unwritable-folder" and (reds / "dataset.json").is_file()


def test_a_folder_that_cannot_be_moved_stays_whole(reds, monkeypatch):
    before = files(reds)

    def busy(*_):
        raise PermissionError(13, "another program has a file of it open")

    monkeypatch.setattr(os, "replace", busy)
    with pytest.raises(SDGenError, match="another program") as error:
        forget(reds, [])
    assert error.value.code == "unwritable-folder" and files(reds) == before
