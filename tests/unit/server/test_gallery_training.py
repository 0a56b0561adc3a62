"""Training over HTTP: data sets made, runs of real processes started, watched, stopped, gone on with and forgotten."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from sdgen_core.errors import SDGenError
from sdgen_core.server.app import Alone
from sdgen_core.server.gallery_training import _between, _whole
from sdgen_core.training import desk
from sdgen_core.training.datasets import choose
from sdgen_core.training.datasets.folder import DataSet
from sdgen_core.training.desk import Desk, model_file, model_files, plain
from sdgen_core.training.runs.service import Refused, Runs

from ..training.runs.conftest import until
from .formed import Formed
from .gallery import Gallery

RECIPE = {"name": "red hair", "value": "Hair=Red", "duplicates": None, "apart": {"seeds": 0, "prompts": 0}, "best": 1.0}
ENDED = ("stopped", "failed", "done")


@pytest.fixture
def gallery(tmp_path, monkeypatch):
    monkeypatch.setattr(desk, "LOOK", 0.05)
    models = tmp_path / "models"
    for name in ("checkpoints/deep/base é.safetensors", "vae/fine.safetensors"):
        path = models / name
        path.parent.mkdir(parents=True)
        path.write_bytes(b"weights")
    made = Gallery(tmp_path)
    made.models = models

    def training(library):
        runs = Runs(tmp_path / "training", lambda name: {"fake": Formed()}[name])
        made.runs = runs
        options = {
            "files": lambda kind: model_files(models, kind),
            "file": lambda kind, name: model_file(models, kind, name),
        }
        return Desk(library, runs, names=("fake",), follows=True, **options)

    made.engine = Alone(made.library, None, training=training)
    yield made
    if made.engine._desk is not None:
        for run in made.runs.ledger.runs() if made.runs.there else ():
            with contextlib.suppress(SDGenError):
                made.runs.stop(run.id)
        until(lambda: not made.runs.there or all(one.state in ENDED for one in made.runs.ledger.runs()))
    made.engine.close()
    made.close()


@pytest.fixture
def dataset(gallery):
    """The name of a data set of four images."""
    ids = gallery.imported(5)
    gallery.ask("POST", "/sdgen/judge", {"ids": ids[:4], "field": "value/Hair", "value": "ok"})
    return gallery.ask("POST", "/sdgen/training/datasets", {"recipe": RECIPE})["name"]


def order(dataset, steps=4, **options):
    return {
        "name": "red",
        "trainer": "fake",
        "checkpoint": "deep/base é.safetensors",
        "dataset": dataset,
        "steps": steps,
        "options": options,
    }


def begun(gallery, *asked, **options):
    gallery.ask("GET", "/sdgen/training/runs")  # who looks is told
    return gallery.ask("POST", "/sdgen/training/runs", order(*asked, **options))["id"]


def show(gallery, run):
    return gallery.ask("GET", f"/sdgen/training/runs/{run}")


def card(gallery, run):
    return next(one for one in gallery.ask("GET", "/sdgen/training/runs")["runs"] if one["id"] == run)


def ended(gallery, run):
    until(lambda: card(gallery, run)["state"] in ENDED)
    return show(gallery, run)


def refused(gallery, *asked, **more):
    with pytest.raises(SDGenError) as caught:
        gallery.ask(*asked, **more)
    return caught.value


# ---- trainers ------------------------------------------------------------------------------------------------------------


def test_what_can_train_and_with_which_options(gallery, tmp_path):
    told = gallery.ask("GET", "/sdgen/training/trainers")
    assert told["checkpoints"] == ["deep/base é.safetensors"] and told["checkpoint"] == "deep/base é.safetensors"
    [fake] = told["trainers"]
    options = {one["name"]: one for one in fake["groups"][0]["options"]}
    assert fake["problems"] == [] and fake["presets"][0]["options"] == {"every": 2}
    assert "output_dir" not in options, "a folder cannot be said here"
    assert (options["vae"]["kind"], options["vae"]["choices"]) == ("choice", ["fine.safetensors"])
    assert options["program"]["default"] == "python" and str(tmp_path) not in str(told)
    assert refused(gallery, "GET", "/sdgen/training/trainers", checkpoint="base").code == "unknown-item"


def test_without_a_comfyui_runs_are_shown_and_none_is_begun(gallery, tmp_path, dataset):
    gallery.engine.desk.close()
    runs = Runs(gallery.engine.desk.runs.folder, lambda name: Formed(), starts=False)
    job = runs.job("red", "fake", base=gallery.models / "vae" / "fine.safetensors", dataset=tmp_path, steps=2)
    run = runs.start(job)
    alone = Desk(gallery.library, runs, names=("fake",), problem="there is no ComfyUI", follows=True)
    gallery.engine._desk = alone
    told = gallery.ask("GET", "/sdgen/training/runs")
    assert told["problem"] and [one["id"] for one in told["runs"]] == [run]
    for path in ("/sdgen/training/runs", "/sdgen/training/runs/check", f"/sdgen/training/runs/{run}/resume"):
        body = {} if path.endswith("resume") else order(dataset)
        assert refused(gallery, "POST", path, body).code == "needs-comfyui"
    [trainer] = gallery.ask("GET", "/sdgen/training/trainers")["trainers"]
    assert trainer["problems"][0]["fatal"]
    time.sleep(0.5)  # it would have begun by now
    now = show(gallery, run)
    assert now["state"] == "waiting" and now["reason"].startswith("waits for a program that starts it")
    gallery.ask("POST", f"/sdgen/training/runs/{run}/stop")


# ---- data sets -------------------------------------------------------------------------------------------------------------


def test_a_data_set_is_counted_before_anything_is_written(gallery, tmp_path):
    ids = gallery.imported(5)
    gallery.ask("POST", "/sdgen/judge", {"ids": ids[:3], "field": "value/Hair", "value": "ok"})
    gallery.ask("POST", "/sdgen/judge", {"ids": ids[3:4], "field": "value/Hair", "value": "ko"})
    told = gallery.ask("POST", "/sdgen/training/datasets/preview", {"recipe": RECIPE})
    assert (told["images"], told["considered"]) == (3, 5)
    assert {one["reason"]: one["images"] for one in told["left_out"]} == {"rejected": 1, "unknown": 1}
    assert told["ids"] == ids[:3] and len(set(told["captions"])) == 1 and told["name"] == "red hair"
    assert not (tmp_path / "training").exists()


def test_a_data_set_is_made_listed_and_looked_at(gallery, dataset, tmp_path):
    [card] = gallery.ask("GET", "/sdgen/training/datasets")["datasets"]
    assert (card["name"], card["images"], card["value"], card["problem"]) == (dataset, 4, "Hair=Red", "")
    assert abs(card["created_at"] / 1000 - time.time()) < 60
    audit = gallery.ask("GET", f"/sdgen/training/datasets/{dataset}")
    assert audit["images"] == sum(audit["buckets"].values()) == 4 and audit["captions"]["there"] == 4
    assert "few-images" in {one["code"] for one in audit["problems"]}
    assert str(tmp_path) not in str(audit)
    again = gallery.ask("POST", "/sdgen/training/datasets", {"recipe": {**RECIPE, "repeats": 2}})
    assert again["name"] != dataset, "another recipe does not take its place"
    assert gallery.ask("POST", "/sdgen/training/datasets/preview", {"recipe": {**RECIPE, "repeats": 3}})[
        "name"
    ] not in (
        dataset,
        again["name"],
    )


def test_a_damaged_data_set_is_listed_with_what_is_wrong(gallery, dataset, tmp_path):
    record = tmp_path / "training" / "datasets" / dataset / "dataset.json"
    whole = json.loads(record.read_text(encoding="utf-8"))
    for text in ("{", json.dumps({**whole, "recipe": [1]})):
        record.write_text(text, encoding="utf-8")
        [card] = gallery.ask("GET", "/sdgen/training/datasets")["datasets"]
        assert card["problem"] and str(tmp_path) not in card["problem"]
    record.write_text("{", encoding="utf-8")
    for asked in (("POST", "/sdgen/training/runs", order(dataset)), ("GET", f"/sdgen/training/datasets/{dataset}")):
        error = refused(gallery, *asked)
        assert error.code == "not-a-dataset" and str(tmp_path) not in str(error.to_dict())


def test_a_data_set_is_deleted_and_its_images_stay(gallery, dataset, tmp_path):
    home = tmp_path / "training" / "datasets"
    files = {path: path.read_bytes() for path in gallery.root.rglob("*.png")}
    forget = f"/sdgen/training/datasets/{dataset}/forget"
    run = begun(gallery, dataset, 200, pace=0.05)
    assert refused(gallery, "POST", forget).code == "bad-run-state", "a run learns from it"
    gallery.ask("POST", f"/sdgen/training/runs/{run}/stop")
    ended(gallery, run)
    before = gallery.version("/sdgen/training/datasets")
    assert gallery.ask("POST", forget) == {"dataset": dataset}
    assert ("training", {"id": "", "run": None}) in gallery.told and gallery.version(
        "/sdgen/training/datasets"
    ) != before
    assert gallery.ask("GET", "/sdgen/training/datasets")["datasets"] == [] and list(home.iterdir()) == []
    assert files == {path: path.read_bytes() for path in gallery.root.rglob("*.png")}
    for name in (dataset, "..", "nothing"):
        assert refused(gallery, "POST", f"/sdgen/training/datasets/{name}/forget").code == "unknown-item"


def test_no_other_folder_is_deleted_by_a_link_to_it(gallery, dataset, tmp_path):
    home = tmp_path / "training" / "datasets"
    far = (home / dataset).rename(tmp_path / "far")
    try:
        (home / "link").symlink_to(far, target_is_directory=True)
    except OSError:
        pytest.skip("links need a right here")
    error = refused(gallery, "POST", "/sdgen/training/datasets/link/forget")
    assert error.code == "unwritable-folder" and (far / "dataset.json").is_file()


def test_a_data_set_that_is_being_written_is_not_listed(gallery, dataset, tmp_path):
    home = tmp_path / "training" / "datasets"
    shutil.copytree(home / dataset, home / f"{dataset}.1a-2b.tmp")
    assert [one["name"] for one in gallery.ask("GET", "/sdgen/training/datasets")["datasets"]] == [dataset]


def test_a_record_is_read_when_it_has_changed(gallery, dataset, tmp_path, monkeypatch):
    read = []
    real = DataSet.read
    monkeypatch.setattr(DataSet, "read", lambda folder: read.append(folder.name) or real(folder))
    for _ in range(3):
        gallery.ask("GET", "/sdgen/training/datasets")
    assert len(read) <= 1
    record = tmp_path / "training" / "datasets" / dataset / "dataset.json"
    record.write_text(record.read_text(encoding="utf-8") + " ", encoding="utf-8")
    gallery.ask("GET", "/sdgen/training/datasets")
    assert read[-1:] == [dataset]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"apart": {"file": "/etc/passwd"}}, "bad-recipe"),
        ({"nmae": "x"}, "bad-recipe"),
        ({"value": "Hat=Red"}, "unknown-placeholder"),
        ({"value": "Hair=Purple"}, "unknown-value"),
        ({"query": "rating:many"}, "bad-query"),
        ({"sessions": ["../.."]}, "unknown-session"),
    ],
)
def test_a_recipe_that_cannot_be_is_refused(gallery, tmp_path, change, code):
    gallery.imported(2)
    for path in ("/sdgen/training/datasets", "/sdgen/training/datasets/preview"):
        error = refused(gallery, "POST", path, {"recipe": {**RECIPE, **change}})
        assert error.code == code
    assert not (tmp_path / "training" / "datasets").exists()


def test_what_was_chosen_is_not_chosen_again(gallery, monkeypatch):
    ids = gallery.imported(4)
    gallery.ask("POST", "/sdgen/judge", {"ids": ids, "field": "value/Hair", "value": "ok"})
    begun = []
    real = choose.choose
    monkeypatch.setattr(choose, "choose", lambda *given: begun.append(given[1].name) or real(*given))
    preview = "/sdgen/training/datasets/preview"
    for name in ("a", "b"):
        told = gallery.ask("POST", preview, {"recipe": {**RECIPE, "name": name}})
        assert (told["name"], told["images"]) == (name, 4)
    made = gallery.ask("POST", "/sdgen/training/datasets", {"recipe": {**RECIPE, "name": "c"}})
    assert (made["name"], begun) == ("c", ["a"])
    gallery.ask("POST", "/sdgen/judge", {"ids": ids[:1], "field": "value/Hair", "value": "ko"})
    assert gallery.ask("POST", preview, {"recipe": RECIPE})["images"] == 3
    assert gallery.ask("POST", preview, {"recipe": {**RECIPE, "best": 0.5, "at_least": 1}})["images"] == 2
    assert begun == ["a", RECIPE["name"], RECIPE["name"]]


def test_the_next_question_ends_the_one_before_of_the_same_asker_alone(gallery):
    desk = gallery.engine.desk
    first, other, nobody = desk.turn("a"), desk.turn("b"), desk.turn("")
    first(1)
    second, _ = desk.turn("a"), desk.turn("")
    for look in (second, other, nobody):
        look(2)
    with pytest.raises(SDGenError):
        first(2)


def test_nothing_good_enough_says_what_helps(gallery):
    gallery.imported(2)
    assert gallery.ask("POST", "/sdgen/training/datasets/preview", {"recipe": RECIPE})["images"] == 0
    error = refused(gallery, "POST", "/sdgen/training/datasets", {"recipe": RECIPE})
    assert error.code == "no-images"


# ---- improvements ----------------------------------------------------------------------------------------------------------


def loop(folder, name="mine Hair Red", **more):
    """A loop's state as `sdgen improve` leaves it."""
    change = {"before": 0.25, "after": 0.75, "low": 0.3, "high": 0.65}
    done = {
        "aim": {"placeholder": "Hair", "key": "Red", "text": "red hair"},
        "train": {"run": "abcdefgh", "file": str(folder / "red.safetensors")},
        "judge 1": {"outcome": "undecided", "target": {**change, "after": 0.5}, "reasons": ["few"]},
        "judge 2": {"outcome": "promote", "target": change, "reasons": [f"see {folder / 'x.png'}"]},
        "end": {"outcome": "promote", "lora": "sdgen/mine 1.safetensors", "file": str(folder), "strength": 0.7},
        **more,
    }
    home = folder / "training" / "improve" / name
    home.mkdir(parents=True)
    cycles = [{"number": 1, "done": done, "seconds": {}}, {"number": 2, "done": {}, "seconds": {}}]
    (home / "state.json").write_text(json.dumps({"form": 1, "session": "mine", "name": "Mine", "cycles": cycles}))
    return home


def test_what_became_of_improvements(gallery, tmp_path):
    assert gallery.ask("GET", "/sdgen/training/improvements")["improvements"] == []
    before = gallery.version("/sdgen/training/improvements")
    home = loop(tmp_path)
    assert gallery.version("/sdgen/training/improvements") != before
    [one] = gallery.ask("GET", "/sdgen/training/improvements")["improvements"]
    assert (one["outcome"], one["before"], one["after"], one["low"]) == ("promote", 0.25, 0.75, 0.3)
    assert (one["lora"], one["strength"], one["run"], one["text"]) == (
        "mine 1.safetensors",
        0.7,
        "abcdefgh",
        "red hair",
    )
    assert one["reasons"] == ["see x.png"] and not one["report"] and str(tmp_path) not in str(one)
    path = "/sdgen/training/improvements/mine Hair Red/report"
    assert refused(gallery, "GET", path).code == "unknown-item"
    before = gallery.version("/sdgen/training/improvements")
    (home / "report.html").write_text("<h1>Mine</h1>")
    assert gallery.version("/sdgen/training/improvements") != before
    assert gallery.ask("GET", "/sdgen/training/improvements")["improvements"][0]["report"]
    file = gallery.ask("GET", path)
    assert file.page and file.content.read_text() == "<h1>Mine</h1>"


def test_a_damaged_improvement_hides_no_other(gallery, tmp_path):
    loop(tmp_path)
    for n, text in enumerate(
        ("{", "[]", '{"name": 1, "cycles": [{"number": 1, "done": {"aim": 3}}]}', '{"cycles": 5}')
    ):
        broken = tmp_path / "training" / "improve" / f"broken {n}"
        broken.mkdir()
        (broken / "state.json").write_text(text)
    assert len(gallery.ask("GET", "/sdgen/training/improvements")["improvements"]) == 1


# ---- runs ------------------------------------------------------------------------------------------------------------------


def test_a_run_is_watched_to_its_end(gallery, dataset, tmp_path):
    before = gallery.version("/sdgen/training/runs")
    run = begun(gallery, dataset, 40, pace=0.01)
    assert gallery.version("/sdgen/training/runs") != before
    now = ended(gallery, run)
    assert (now["state"], now["step"], now["steps"], now["lora"]) == ("done", 40, 40, "red.safetensors")
    assert [point["step"] for point in now["curve"]] == list(range(1, 41))
    assert now["curve"][9]["loss"] == pytest.approx(1 / 10)
    assert (now["checkpoint"], now["dataset"]) == ("base é.safetensors", dataset)
    assert 0.4 <= now["seconds"] < 30 and now["cause"] is None and now["resumable"] is None
    told = [data["run"] for kind, data in gallery.told if kind == "training" and data["id"] == run]
    until(
        lambda: (
            [data["run"]["state"] for kind, data in gallery.told if kind == "training" and data["id"] == run][-1]
            == "done"
        )
    )
    states = [one["state"] for one in told]
    assert "running" in states and any(0 < one["step"] < 40 for one in told)
    assert str(tmp_path) not in str(now) + str(told)


def test_the_log_comes_in_pieces_by_bytes(gallery, dataset, tmp_path):
    run = begun(gallery, dataset, 3)
    ended(gallery, run)
    path = tmp_path / "training" / "runs" / run / "log.txt"
    path.write_bytes(f"first é\nsaved {tmp_path / 'deep' / 'red.safetensors'}\n学習 {'x' * 500}\n".encode())
    size = path.stat().st_size
    log = f"/sdgen/training/runs/{run}/log"
    whole = gallery.ask("GET", log)
    assert (whole["start"], whole["end"], whole["size"]) == (0, size, size)
    assert whole["text"].splitlines()[1] == "saved red.safetensors"
    at, pieces = 0, []
    while at < size:
        piece = gallery.ask("GET", log, start=at, limit=7)
        assert piece["start"] == at < piece["end"]
        pieces.append(piece["text"])
        at = piece["end"]
    assert "�" not in "".join(pieces) and "学習" in "".join(pieces)
    tail = gallery.ask("GET", log, limit=520)
    assert tail["text"].startswith("学習") and tail["end"] == size
    assert gallery.ask("GET", log, start=size)["text"] == ""
    assert gallery.ask("GET", log, start=10**9)["start"] == size
    assert show(gallery, run)["log"] == size


def test_a_path_that_is_cut_in_two_is_known_for_one(gallery, dataset):
    run = begun(gallery, dataset, 3)
    ended(gallery, run)
    (gallery.runs.folder / "runs" / run / "log.txt").write_bytes(
        b"one\nsaved /home/anna/models/deep/red.safetensors at last\rtwo 1/2\n"
    )
    log = f"/sdgen/training/runs/{run}/log"
    size = show(gallery, run)["log"]
    for limit in range(1, 30):
        at, text = 0, ""
        while at < size:
            piece = gallery.ask("GET", log, start=at, limit=limit)
            at, text = piece["end"], text + piece["text"]
        assert text == "one\nsaved red.safetensors at last\rtwo 1/2\n", limit
    for start in range(size):
        text = gallery.ask("GET", log, start=start)["text"]
        assert not [name for name in ("me/", "anna", "models", "deep") if name in text], start


@given(st.text(), st.text(), st.text())
def test_a_piece_without_paths_stays_as_it_is(before, data, after):
    text = [one.replace("/", "-").replace("\\", "-") for one in (before, data, after)]
    assert _between(*(one.encode("utf-8") for one in text)) == text[1]


@given(st.text(max_size=30), st.integers(0, 120))
def test_a_piece_ends_between_characters(text, at):
    data = text.encode()
    piece = _whole(data[: max(4, at)])
    assert piece or not data
    piece.decode()  # raises where a character is cut


def test_a_loss_that_is_no_number_leaves_a_gap(gallery, dataset):
    now = ended(gallery, begun(gallery, dataset, 6, mode="nan"))
    assert (now["state"], now["loss"], now["cause"]["code"]) == ("failed", None, "loss-not-finite")
    assert [point["step"] for point in now["curve"]] == [1]


def test_why_it_failed_is_one_sentence(gallery, dataset):
    now = ended(gallery, begun(gallery, dataset, 4, mode="no-data"))
    assert now["state"] == "failed" and now["cause"]["sentence"] == "no images were found"
    assert now["lora"] == "" and now["resumable"] is None


def test_it_is_stopped_at_a_saved_state_and_goes_on(gallery, dataset, tmp_path):
    run = begun(gallery, dataset, 200, every=2, pace=0.05)
    until(lambda: card(gallery, run)["step"] > 2)
    assert card(gallery, run)["saves"]
    told = gallery.ask("POST", f"/sdgen/training/runs/{run}/save")
    assert told["wish"] == "save"
    now = ended(gallery, run)
    assert now["state"] == "stopped" and now["resumable"] in now["saved"] and 0 < now["step"] < 200
    assert not now["saves"]
    assert refused(gallery, "POST", f"/sdgen/training/runs/{run}/stop").code == "bad-run-state"
    estimate = gallery.ask("POST", "/sdgen/training/runs/check", order(dataset, 100))["seconds"]
    assert 4 < estimate < 60
    gallery.ask("POST", f"/sdgen/training/runs/{run}/resume")
    until(lambda: card(gallery, run)["step"] > now["resumable"] + 1)
    gallery.ask("POST", f"/sdgen/training/runs/{run}/stop")
    assert ended(gallery, run)["state"] == "stopped"
    gone = gallery.ask("POST", f"/sdgen/training/runs/{run}/forget")
    assert gone == {"run": run} and not (tmp_path / "training" / "runs" / run).exists()
    until(lambda: ("training", {"id": run, "run": None}) in gallery.told)
    assert refused(gallery, "GET", f"/sdgen/training/runs/{run}").code == "unknown-run"


def test_saving_is_offered_only_where_states_are_saved(gallery, dataset):
    run = begun(gallery, dataset, 200, pace=0.05)
    until(lambda: card(gallery, run)["step"] > 1)
    assert not card(gallery, run)["saves"]
    assert refused(gallery, "POST", f"/sdgen/training/runs/{run}/save").code == "nothing-saved"
    gallery.ask("POST", f"/sdgen/training/runs/{run}/stop")


def test_a_run_whose_folder_somebody_deleted_is_shown_and_taken_off_the_list(gallery, dataset):
    run = begun(gallery, dataset, 4, every=2)
    ended(gallery, run)
    shutil.rmtree(gallery.runs.folder / "runs" / run)
    now = show(gallery, run)
    assert (now["log"], now["samples"], now["curve"]) == (0, [], [])
    assert gallery.ask("GET", f"/sdgen/training/runs/{run}/log")["text"] == ""
    assert gallery.ask("POST", f"/sdgen/training/runs/{run}/forget") == {"run": run}


def test_a_run_is_known_by_its_id_alone(gallery, dataset):
    ended(gallery, begun(gallery, dataset, 2))
    assert refused(gallery, "GET", "/sdgen/training/runs/red").code == "unknown-run"


def test_samples_are_those_of_the_run_alone(gallery, dataset, tmp_path):
    run = begun(gallery, dataset, 2)
    ended(gallery, run)
    folder = tmp_path / "training" / "runs" / run / "samples"
    folder.mkdir(exist_ok=True)
    Image.new("RGB", (8, 8), "red").save(folder / "step é 2.png")
    (folder / "prompt.txt").write_text("secret")
    with contextlib.suppress(OSError):
        (folder / "far.png").symlink_to(next(gallery.root.rglob("*.png")))
    [sample] = show(gallery, run)["samples"]
    assert sample["name"] == "step é 2.png" and re.fullmatch("[0-9a-f]{16}", sample["key"])
    file = gallery.ask("GET", f"/sdgen/training/runs/{run}/samples/{sample['key']}")
    assert (file.type, file.content.name) == ("image/png", "step é 2.png")
    for key in ("0" * 16, "..", "prompt.txt", "step é 2.png"):
        assert refused(gallery, "GET", f"/sdgen/training/runs/{run}/samples/{key}").code == "unknown-item"


def test_what_speaks_against_a_training_is_said_before_it_begins(gallery, dataset, tmp_path):
    found = gallery.ask("POST", "/sdgen/training/runs/check", order(dataset, rank=4))
    assert [(one["option"], one["fatal"]) for one in found["problems"]] == [("rank", True)] and found["seconds"] is None
    with pytest.raises(Refused) as caught:
        gallery.ask("POST", "/sdgen/training/runs", order(dataset, rank=4))
    assert "rank" in caught.value.message
    assert gallery.ask("GET", "/sdgen/training/runs")["runs"] == []
    assert not (tmp_path / "training" / "runs").exists()


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"trainer": "magic"}, "unknown-trainer"),
        ({"checkpoint": "../../etc/passwd"}, "unknown-item"),
        ({"checkpoint": "/etc/passwd"}, "unknown-item"),
        ({"dataset": "../runs"}, "unknown-item"),
        ({"dataset": "nothing"}, "unknown-item"),
        ({"share": "both"}, "bad-option"),
        ({"options": {"program": "/bin/sh"}}, "bad-training-option"),
        ({"options": {"mode": ["a", "..\\b"]}}, "bad-training-option"),
        ({"options": {"vae": "/etc/passwd"}}, "unknown-item"),
        ({"options": {"mode": {"a": "/etc/passwd"}}}, "bad-training-option"),
        ({"options": {"mode": [["/etc/passwd"]]}}, "bad-training-option"),
    ],
)
def test_nothing_of_this_machine_is_named_but_by_its_name(gallery, dataset, monkeypatch, change, code):
    if "trainer" in change:
        monkeypatch.setattr(gallery.engine.desk.runs, "_trainer_of", unknown)
    assert refused(gallery, "POST", "/sdgen/training/runs", {**order(dataset), **change}).code == code
    assert gallery.ask("GET", "/sdgen/training/runs")["runs"] == []


def unknown(name):
    raise SDGenError("unknown-trainer", f"there is no trainer {name!r}")


def test_a_name_stands_for_its_file(gallery, dataset):
    chosen = gallery.engine.desk.options({"vae": "fine.safetensors", "every": 2, "mode": ["a=b"]})
    assert Path(chosen["vae"]).samefile(gallery.models / "vae" / "fine.safetensors")
    assert (chosen["every"], chosen["mode"]) == (2, ["a=b"])


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("there is no /home/me/models/a b.safetensors", "there is no a b.safetensors"),
        (r'File "C:\Users\me\x.py", line 3', 'File "x.py", line 3'),
        (r"\\server\share\deep\x.safetensors is gone", "x.safetensors is gone"),
        ("~/sdgen/x: 3/4 of 12 it/s, and/or a/b/c", "x: 3/4 of 12 it/s, and/or a/b/c"),
        ("see https://example.com/a/b/c", "see https://example.com/a/b/c"),
        ("1/2/3 [00:01<00:02, 1.5it/s]", "1/2/3 [00:01<00:02, 1.5it/s]"),
        ("--path=/a/b/c.txt", "--path=c.txt"),
        ("open '/home/A Person/my models/x.pt' and 1/2", "open 'x.pt' and 1/2"),
        ("/home/A Person/models/x.pt is gone", "x.pt is gone"),
        (r"'C:\\Users\\me\\x.py'", "'x.py'"),
    ],
)
def test_folders_are_left_out_of_what_is_said(monkeypatch, said, shown):
    monkeypatch.setattr(Path, "home", lambda: Path("/home/A Person"))
    assert plain(said) == shown
