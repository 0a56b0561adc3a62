"""`sdgen dataset make`, `audit`, `show`, `list`: what they print, write and refuse."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from sdgen_core.cli.dataset import app
from sdgen_core.training.runs.ledger import Ledger
from sdgen_core.training.runs.model import Job, State

from .made import shots


@pytest.fixture
def command(made, tmp_path):
    made.add("coats", [*shots(14, Colour="red", Mood="sad"), *shots(6, Colour="blue", Mood="sad")], theme="gala")
    made.judge("coats", range(12), "value/Colour", "ok")
    catalog = made.library.folder
    made.close()

    def run(*arguments, code=0, catalog=catalog):
        words = [*map(str, arguments), *(["--catalog", str(catalog)] if catalog else [])]
        result = CliRunner().invoke(app, words)
        assert result.exit_code == code, result.output
        return result.output

    return run


def listed(command):
    return json.loads(command("list", "--json"))["datasets"]


def test_from_a_session_to_a_folder_that_is_audited(command, tmp_path):
    said = command("make", "coats", "--value", "Colour=red", "--best", 1, "--dry-run")
    assert (
        "of 20 images chosen" in said
        and "left out: 6 without the value" in said
        and "2 neither scored nor judged" in said
    )
    assert not (tmp_path / "training").exists()
    said = command("make", "coats", "--value", "Colour=red", "--best", 1, "--trigger", "sks", "--drop", "Mood")
    folder = tmp_path / "training" / "datasets" / "Colour red"
    assert f"written: {folder.as_posix()}" in said and "warning" not in said
    assert {path.read_text() for path in folder.rglob("*.txt")} == {"sks, red"}
    shown = command("show", "Colour red")
    assert shown == command("show", folder, catalog=None)
    assert "Colour red: 10 images, 64×64, of Colour=red; coats" in shown and "sks, red" in shown
    record = json.loads(command("show", folder, "--json", catalog=None))
    assert len(record["images"]) == 10 and len(record["held_out"]["seeds"]) == 8
    assert "Colour red" in command("list") and listed(command)[0]["counts"]["images"] == 10
    said = command("audit", folder, "--epochs", 4, "--batch", 2, "--seconds-per-step", 3, catalog=None)
    assert "4 epochs with a batch of 2: 20 steps, about 60 s" in said
    assert command("audit", "Colour red", "--epochs", 4, "--batch", 2, "--seconds-per-step", 3) == said
    assert "Did you mean 'Colour red'?" in command("audit", "Color red", code=1)
    next(folder.rglob("*.png")).write_bytes(b"no image")
    said = command("audit", folder, catalog=None, code=1)
    assert "error: images/1_Colour red/0" in said
    lines = [json.loads(line) for line in command("audit", folder, "--json", catalog=None, code=1).splitlines()]
    assert lines[-1]["event"] == "done" and lines[-1]["problems"][0]["code"] == "broken-image"


def test_what_is_in_the_way_is_told_before_any_image_is_looked_at(command, tmp_path, monkeypatch):
    command("make", "coats", "--value", "Colour=red")
    monkeypatch.setattr("sdgen_core.training.datasets.choose.choose", lambda *_: pytest.fail("it chooses"))
    said = command("make", "coats", "--value", "Colour=red", "--limit", 3, code=1)
    assert "error[dataset-exists]" in said and "sdgen dataset forget" in said
    inside = tmp_path / "gallery" / "set"
    assert "error[inside-gallery]" in command("make", "coats", "--folder", inside, code=1)


def test_a_data_set_is_deleted_when_that_was_meant(command, tmp_path):
    command("make", "coats", "--value", "Colour=red")
    folder = tmp_path / "training" / "datasets" / "Colour red"
    assert "Did you mean 'Colour red'?" in command("forget", "Colour rad", code=1)
    assert "with everything in it?" in command("forget", "Colour red", code=1) and folder.is_dir()  # nobody said yes
    (folder / "notes.md").write_text("mine", encoding="utf-8")
    assert "not written by SDGen: notes.md" in command("forget", "Colour red", code=1)
    ledger = Ledger(tmp_path / "training" / "runs.db")
    ledger.add(Job("k1", "reds", "native", Path("m.safetensors"), folder, tmp_path / "k1", 10), "none")
    assert "error[bad-run-state]: the run reds [k1] is waiting" in command("forget", folder, "--yes", code=1)
    ledger.update("k1", state="stopped", saved=(State(Path("s"), 4),))
    ledger.close()
    assert "the run reds [k1] can go on only with it" in command("forget", "Colour red", code=1)
    assert "Colour red is deleted" in command("forget", folder, "--yes") and not folder.exists()
    (folder.parent / "damaged").mkdir()
    (folder.parent / "damaged" / "dataset.json").write_text("{", encoding="utf-8")
    assert "error[not-a-dataset]" in command("list") and listed(command) == []
    assert "is deleted" in command("forget", "damaged", "--yes") and "no data sets in" in command("list")


def test_a_long_value_gives_no_longer_name_than_may_be(command, tmp_path):
    said = command("make", "coats", "--value", "Colour=" + "red" * 50, code=1)
    assert "error[unknown-value]" in said and "name" not in said.split("\n")[0]


def test_all_options_are_of_the_recipe_and_a_file_may_hold_them(command, tmp_path):
    path = tmp_path / "recipe.yaml"
    path.write_text("name: from a file\nlimit: 3\ncaptions: {trigger: abc}\n", encoding="utf-8")
    options = (
        "--theme gala --minimum 0.3 --at-least 2 --best 1 --duplicates none --balance Colour --factor 2 --even --class-word coat"
        " --learned replace --text prompt --keep Colour --keep Mood --repeats 4 --resolution 64x128 --files copy --unseen keep"
    )
    words = [
        "make",
        "--recipe",
        path,
        "--value",
        "Colour=red",
        "--query",
        "number:0..9",
        *options.split(),
        "--folder",
        tmp_path / "here",
    ]
    lines = [json.loads(line) for line in command(*words, "--json").splitlines()]
    assert (lines[-1]["event"], lines[-1]["images"], lines[-1]["folder"]) == ("done", 3, str(tmp_path / "here"))
    recipe = json.loads((tmp_path / "here" / "dataset.json").read_text(encoding="utf-8"))["recipe"]
    assert (recipe["name"], recipe["limit"], recipe["duplicates"], recipe["resolution"]) == (
        "from a file",
        3,
        None,
        [64, 128],
    )
    assert recipe["captions"] == {
        "class_word": "coat",
        "drop": [], "keep": ["Colour", "Mood"],
        "learned": "replace", "text": "prompt", "trigger": "abc", "unseen": "keep",
    }  # fmt: skip
    held = tmp_path / "here" / "held_out.json"
    command(
        "make", "coats", "--value", "Colour=red", "--held-out", held, "--folder", tmp_path / "there", "--resolution", 64
    )
    assert (tmp_path / "there" / "held_out.json").read_bytes() == held.read_bytes()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["make"], "error[bad-recipe]: it is not said which images"),
        (["make", "cots"], "error[unknown-session]: there is no session 'cots'. Did you mean 'coats'?"),
        (["make", "coats", "--value", "Color=red"], "Did you mean 'Colour'?"),
        (["make", "coats", "--value", "Colour=reed"], "Did you mean 'red'?"),
        (
            ["make", "coats", "--value", "Colour=blue"],
            "error[no-images]: none of 20 images is good enough for a data set: 14 without",
        ),
        (["make", "coats", "--best", "20"], "error[bad-recipe]: best: Input should be less than or equal to 1"),
        (["make", "coats", "--duplicates", "few"], "error[bad-option]: --duplicates 'few' is no number"),
        (["make", "coats", "--resolution", "1x2x3"], "error[bad-option]: --resolution '1x2x3'"),
        (["make", "coats", "--recipe", "none.yaml"], "error[missing-file]"),
        (["make", "coats", "--learned", "replace"], "needs a `trigger`"),
        (["list", "--settings", "none.json"], "error[missing-file]"),
    ],
)
def test_what_is_refused(command, words, said):
    assert said in command(*words, code=1)


def test_folders_that_are_none(command, tmp_path):
    assert "error[missing-file]" in command("show", tmp_path / "none", code=1)
    assert "error[missing-file]" in command("audit", tmp_path / "none", code=1)
    assert "has no dataset.json" in command("show", tmp_path, catalog=None, code=1)
    assert "no data sets in" in command("list")
    inside = tmp_path / "gallery" / "set"
    assert "error[inside-gallery]" in command("make", "coats", "--folder", inside, code=1)
