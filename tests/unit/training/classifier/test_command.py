"""`sdgen classifier` as a person at a terminal uses it."""

from __future__ import annotations

import json
import re

import pytest
from typer.testing import CliRunner

from sdgen_core.cli import build_app

from .drawn import MISNAMED, judge, opened, scored, slug_of, write


@pytest.fixture(scope="module")
def catalog(tmp_path_factory):
    """The folder of a catalog with a judged session and one that is not."""
    folder = tmp_path_factory.mktemp("command")
    truth = write(folder / "root" / "20251120_100000-learn", 120, MISNAMED)
    write(folder / "root" / "20251120_110000-later", 40, MISNAMED, first=1000)
    library = opened(folder / "catalog", folder / "root")
    judge(library, truth, slug_of(library, "learn"))
    for name in ("learn", "later"):
        scored(library, slug_of(library, name))
    library.stop()
    return folder / "catalog"


def sdgen(*words):
    return CliRunner().invoke(build_app(words[0]), [str(word) for word in words])


def test_train_list_score_report_and_forget(catalog):
    where = ("--catalog", catalog)
    assert "there are none" in sdgen("classifier", "list", *where).stdout
    done = sdgen("classifier", "train", "learn", *where)
    assert done.exit_code == 0, done.output
    assert "Shape: 120 verdicts" in done.stdout and "it is used" in done.stdout
    assert re.search(r"classifier +\d+% \(\d+–\d+\)", done.stdout), done.stdout
    assert "without it" in done.stdout and "ring" in done.stdout
    done = sdgen("classifier", "list", "--json", *where)
    [each] = json.loads(done.stdout)["classifiers"]
    assert each["used"] and each["ours"]["accuracy"] > each["theirs"]["accuracy"]
    assert [value["ok"] + value["ko"] for value in each["values"]] == [30] * 4
    assert "used" in sdgen("classifier", "list", *where).stdout
    done = sdgen("score", "later", *where)
    assert "Shape: your classifier, from 120 verdicts" in done.stdout and "40 values looked at again" in done.stdout
    page = catalog / "report.html"
    done = sdgen("report", "later", "--html", page, *where)
    assert "Shape: your classifier" in done.stdout
    assert "your classifier, from 120 verdicts" in page.read_text(encoding="utf-8")
    done = sdgen("classifier", "forget", "Shape", *where)
    assert done.exit_code == 0 and "removed: Shape" in done.stdout
    assert "classifier" not in sdgen("score", "later", *where).stdout


def test_what_cannot_be_done_is_said(catalog):
    where = ("--catalog", catalog)
    for words, code, near in (
        (("train", "lern"), "unknown-session", "learn"),
        (("train", "--placeholder", "Shap"), "unknown-placeholder", "Shape"),
        (("train", "--placeholder", "Colour"), "too-few-labels", "20 more, at least 4 ok and 4 ko"),
        (("train", "later"), "too-few-labels", "20 more"),
        (("train", "--features", "scorr"), "bad-option", "scorer"),
        (("train", "--features", "efficientnet"), "no-features", "efficientnet"),
        (("train", "--scorer", "dem"), "scorer-missing", "demo"),
        (("forget", "Shap"), "no-classifier", "--"),
    ):
        done = sdgen("classifier", *words, *where)
        assert done.exit_code == 1 and f"error[{code}]" in done.stderr, done.output
        assert near in done.stderr or near == "--"


def test_a_damaged_file_is_listed(catalog):
    folder = catalog / "scoring" / "classifier" / ("e" * 16)
    folder.mkdir(parents=True)
    (folder / "Mood-00000000.safetensors").write_bytes(b"nothing")
    done = sdgen("classifier", "list", "--catalog", catalog)
    assert done.exit_code == 0 and "error[bad-classifier]" in done.stderr and "Mood" in done.stderr
