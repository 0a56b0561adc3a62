"""Whole sessions scored: what the catalog is told, what is kept, what is said of what cannot be scored."""

from __future__ import annotations

import json
import shutil
import time

import numpy as np
import pytest
import torch

from sdgen_core.catalog.library import Library
from sdgen_core.catalog.machine import Machine
from sdgen_core.catalog.scan.importer import Importer
from sdgen_core.errors import SDGenError
from sdgen_core.scoring import service
from sdgen_core.scoring.classes import Thresholds
from sdgen_core.scoring.embedding.files import EmbeddingFile
from sdgen_core.scoring.material import read
from sdgen_core.scoring.page import Picture, page
from sdgen_core.scoring.service import Scoring
from sdgen_core.scoring.settings import ScoringSettings
from sdgen_core.scoring.texts.wording import Wording

from .colours import SeesColours, session

#: The last two were to be red and green.
SHOWN = ["Red"] * 5 + ["Green"] * 5 + ["Blue"] * 6
ASKED = ["Red"] * 5 + ["Green"] * 5 + ["Blue"] * 4 + ["Red", "Green"]


@pytest.fixture
def library(tmp_path):
    root = tmp_path / "library"
    session(root / "20251120_100000-coats", SHOWN, ASKED)
    library = Library(tmp_path / "catalog", [root])
    Importer(library.catalog.index).run([root])
    yield library
    library.stop()


def scoring(library, **settings):
    return Scoring(library.catalog, library.file, library.folder / "scoring", ScoringSettings(**settings))


def slug_of(library, folder="coats"):
    [(slug,)] = library.catalog.index.store.rows("SELECT slug FROM session WHERE folder LIKE ?", (f"%{folder}",))
    return slug


def scores(library):
    rows = library.catalog.index.store.rows(
        "SELECT file, score FROM image JOIN image_value ON image = image.id JOIN value ON value.id = value"
        " JOIN placeholder ON placeholder.id = placeholder WHERE name='Colour' ORDER BY file"
    )
    return [score for _, score in rows]


def test_the_catalog_is_told_what_images_show(library):
    report = scoring(library).score(slug_of(library), SeesColours())
    found = scores(library)
    assert all(score > 0.8 for score in found[:14]) and all(score < 0.5 for score in found[14:])
    assert report["classes"] == {"success": 14, "partial": 0, "failed": 2, "none": 0}
    assert report["flagged"] == 2 and report["complete"] and report["failures"] == []
    catalog = library.catalog
    assert len(catalog.snapshot.find(_query("class:failed"))[0]) == 2
    assert len(catalog.snapshot.find(_query("score:Colour<0.5 is:flagged"))[0]) == 2
    assert [rate["matching"] for rate in report["failing"]] == [5, 5]  # of red and green six each were asked for
    [colour, quality] = report["placeholders"]
    assert (colour["reason"], colour["calibrated"], quality["reason"]) == (None, False, "quality")
    assert scoring(library).report(slug_of(library)) == report


def _query(text):
    from sdgen_core.catalog.query import parse

    return parse(text)


def test_what_was_seen_is_not_looked_at_again(library):
    backend = SeesColours()
    first = scoring(library).score(slug_of(library), backend)
    seen = (backend.images, backend.texts)
    again = scoring(library, thresholds=Thresholds(success=0.3, partial=0.2)).score(slug_of(library), backend)
    assert (backend.images, backend.texts) == seen == (16, seen[1])
    assert (first["embedded"], again["embedded"], again["known"]) == (16, 0, 16)
    # other words for a value are new texts, and nothing else is
    scoring(library, wording=Wording({"Colour": ["somebody in a {}"]})).score(slug_of(library), backend)
    assert backend.images == 16 and backend.texts > seen[1]


def test_verdicts_of_people_make_probabilities_and_are_held_against_them(library, tmp_path):
    root = tmp_path / "library"
    for n in range(3):
        session(root / f"20251121_10000{n}-more{n}", SHOWN, ASKED)
    Importer(library.catalog.index).run([root])
    backend, work = SeesColours(), scoring(library)
    for n in range(3):
        work.score(slug_of(library, f"more{n}"), backend)
    more = library.catalog.index.store.rows(
        "SELECT image.id, file FROM image JOIN session ON session.id = session WHERE folder LIKE '%more%'"
    )
    for verdict, those in (("ok", lambda n: n < 14), ("ko", lambda n: n >= 14)):
        images = [image for image, file in more if those(int(file[6:10]))]
        library.catalog.judge(images, "value/Colour", verdict)
    report = work.score(slug_of(library), backend)
    colour = report["placeholders"][0]
    assert colour["calibrated"] and colour["labels"] == 48 and colour["error"] <= 0.15 and colour["auc"] > 0.95
    found = scores(library)
    assert Machine(library.catalog).calibrations(backend.identity)["Colour"]["labels"] == 48
    assert len(found) == 64
    judged = work.score(slug_of(library, "more0"), backend)
    [overall, *_] = judged["agreement"]
    assert overall["ok_seen"] == 14 and overall["ko_unseen"] == 2


def judged(library, folder, verdict, those=lambda n: True, placeholder="Colour"):
    rows = library.catalog.index.store.rows(
        "SELECT image.id, file FROM image JOIN session ON session.id = session WHERE folder LIKE ?", (f"%{folder}",)
    )
    images = [image for image, file in rows if those(int(file[6:10]))]
    library.catalog.judge(images, f"value/{placeholder}", verdict)


def with_more(library, root, *names):
    """As many sessions more, scored; those that are judged said ok to what is there, and no to the last two."""
    work, backend = scoring(library), SeesColours()
    for n, name in enumerate(names):
        session(root / f"20251121_10000{n}-{name}", SHOWN * 2, ASKED * 2)
    Importer(library.catalog.index).run([root])
    for name in names:
        work.score(slug_of(library, name), backend)
    return work, backend


def labels(report):
    return {each["placeholder"]: each["labels"] for each in report["placeholders"]}


def test_a_damaged_file_of_another_session_is_its_own_matter(library, tmp_path, caplog):
    work, backend = with_more(library, tmp_path / "library", "more", "other")
    for name in ("more", "other"):
        judged(library, name, "ok", lambda n: n % 16 < 14)
        judged(library, name, "ko", lambda n: n % 16 >= 14)
    report = work.score(slug_of(library), backend)
    assert labels(report)["Colour"] == 64
    [path] = library.folder.glob(f"scoring/*/{slug_of(library, 'more')}.emb")
    [texts] = library.folder.glob("scoring/*/_texts.emb")
    for bad in (b"damaged" * 99, bytes(4096)):
        path.write_bytes(bad)
        again = work.score(slug_of(library), backend)
        assert labels(again)["Colour"] == 32 and again["classes"] == report["classes"]
    assert "made again" in caplog.text
    # its own damage, and that of the texts, cost looking at it again
    path.write_bytes(b"damaged")
    texts.write_bytes(b"damaged")
    assert work.score(slug_of(library, "more"), backend)["embedded"] == 32
    assert labels(work.score(slug_of(library), backend))["Colour"] == 64


def test_a_session_of_another_model_tells_nothing(library, tmp_path, caplog):
    work, backend = with_more(library, tmp_path / "library", "more")
    judged(library, "more", "ok")
    [path] = library.folder.glob(f"scoring/*/{slug_of(library, 'more')}.emb")
    path.unlink()
    other = EmbeddingFile(path, "d" * 16, 3)
    other.append([bytes(16)], np.ones((1, 3)))
    assert labels(work.score(slug_of(library), backend)) == {"Colour": 0, "Quality": 0}
    assert "another model's" in caplog.text


def test_verdicts_about_other_placeholders_do_not_crowd_out_a_calibration(library, tmp_path, monkeypatch):
    monkeypatch.setattr(service, "MOST_JUDGED", 1)
    work, backend = with_more(library, tmp_path / "library", "more", "other")
    judged(library, "more", "ok", lambda n: n % 16 < 13)
    judged(library, "more", "ko", lambda n: n % 16 >= 14)
    assert labels(work.score(slug_of(library), backend))["Colour"] == 30
    judged(
        library, "other", "ok", placeholder="Quality"
    )  # more verdicts, of a placeholder that says nothing of colours
    assert labels(work.score(slug_of(library), backend))["Colour"] == 30
    assert Machine(library.catalog).calibrations(backend.identity)["Colour"]["labels"] == 30


def test_judged_sessions_are_looked_at_again_only_when_they_are_others(library, tmp_path, monkeypatch):
    _, backend = with_more(library, tmp_path / "library", "more", "other")
    for name in ("more", "other"):
        judged(library, name, "ok", lambda n: n % 16 < 14)
        judged(library, name, "ko", lambda n: n % 16 >= 14)
    seen = []
    monkeypatch.setattr(service, "read", lambda catalog, slug: seen.append(slug) or read(catalog, slug))

    def others(**settings):
        seen.clear()
        report = scoring(library, **settings).score(slug_of(library), backend)
        assert seen.pop(0) == slug_of(library)
        return len(seen), labels(report)["Colour"], scores(library)

    more, (first, told) = slug_of(library, "more"), (others()[0], others())
    assert first == 2 and told[:2] == (0, 64)
    judged(library, "more", "ko", lambda n: n == 0)  # one other verdict, as many as before
    again = others()
    assert again[:2] == (1, 64) and again[2] != told[2]
    judged(library, "more", None, lambda n: n == 1)
    assert others()[:2] == (1, 63)
    assert others(wording=Wording({"Colour": ["somebody in a {}"]}))[:2] == (2, 63)
    assert others()[0] == 2
    [path] = library.folder.glob(f"scoring/*/{more}.emb")
    EmbeddingFile(path, backend.identity, 3).append([bytes(16)], np.ones((1, 3)))
    assert others()[:2] == (1, 63)


def test_the_work_on_judged_sessions_ends_when_nobody_wants_it(library, tmp_path, monkeypatch):
    work, backend = with_more(library, tmp_path / "library", "more", "other")
    judged(library, "more", "ok")
    judged(library, "other", "ok")
    work.score(slug_of(library), backend)
    judged(library, "more", "ko")
    judged(library, "other", "ko")
    seen = []
    monkeypatch.setattr(service, "read", lambda catalog, slug: seen.append(slug) or read(catalog, slug))
    report = work.score(slug_of(library), backend, cancelled=lambda: len(seen) > 1)
    assert report["cancelled"] and len(seen) == 2


def test_what_cannot_be_read_is_named_and_the_rest_is_scored(library, tmp_path):
    [folder] = (tmp_path / "library").iterdir()
    (folder / "image_0003.png").write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    (folder / "image_0004.png").unlink()
    report = scoring(library).score(slug_of(library), SeesColours())
    assert len(report["failures"]) == 2 and report["embedded"] == 14
    assert sum(report["classes"].values()) == 14
    assert {failure["error"] for failure in report["failures"]} >= {"missing-file"}


def test_scoring_can_be_cancelled_and_goes_on_where_it_was(library):
    backend, asked = SeesColours(), iter([False, False] + [True] * 99)
    report = scoring(library).score(slug_of(library), backend, batch=4, threads=1, cancelled=lambda: next(asked))
    assert report["cancelled"] and "classes" not in report and 0 < backend.images < 16
    assert scores(library) == [None] * 16
    before = backend.images
    report = scoring(library).score(slug_of(library), backend)
    assert report["known"] == before and report["embedded"] == 16 - before and not report["cancelled"]


def test_sessions_that_cannot_be_scored(library, tmp_path):
    with pytest.raises(SDGenError) as caught:
        scoring(library).score("coat", SeesColours())
    assert caught.value.code == "unknown-session"
    with pytest.raises(SDGenError) as caught:
        scoring(library).report(slug_of(library))
    assert caught.value.code == "not-scored"
    with library.catalog.index.store.write() as db:
        db.execute("UPDATE image SET missing=1")  # as after the trash was emptied of all of them
    with pytest.raises(SDGenError) as caught:
        scoring(library).score(slug_of(library), SeesColours())
    assert caught.value.code == "nothing-to-score"


def test_images_that_were_seen_once_need_no_files(library, tmp_path):
    work, backend = scoring(library), SeesColours()
    first = work.score(slug_of(library), backend)
    shutil.rmtree(next((tmp_path / "library").iterdir()))
    again = work.score(slug_of(library), backend)
    assert (again["known"], again["failures"], again["classes"]) == (16, [], first["classes"])
    unseen = work.score(slug_of(library), SeesColours("d" * 16))
    assert len(unseen["failures"]) == 16 and unseen["mean"] is None and not unseen["complete"]


def test_two_models_do_not_mix(library):
    one, other = SeesColours(), SeesColours("d" * 16)
    work = scoring(library)
    work.score(slug_of(library), one)
    report = work.score(slug_of(library), other)
    assert other.images == 16 and report["identity"] == "d" * 16
    assert set(Machine(library.catalog).scored(slug_of(library)).values()) == {"d" * 16}


def test_a_report_is_a_page_of_its_own(library, tmp_path):
    [folder] = (tmp_path / "library").iterdir()
    library.catalog.judge_sessions([slug_of(library)], "name", "<b>coats</b>")
    (folder / "image_0001.png").write_bytes(b"broken")
    work = scoring(library)
    work.score(slug_of(library), SeesColours())
    asked = []

    def pictures(placeholder, key):
        found = work.weakest(report, placeholder, key, 8)
        asked.append((placeholder, [file for _, file, _ in found]))
        return [Picture(b"webp", file, score) for _, file, score in found]

    report = work.report(slug_of(library))
    html = page(report, pictures)
    assert sorted(asked) == [("Colour", ["image_0014.png"]), ("Colour", ["image_0015.png"])]
    assert "red coat" in html and report["failing"][0]["key"] not in html
    assert "&lt;b&gt;coats&lt;/b&gt;" in html and "<b>coats" not in html
    assert html.count("data:image/webp;base64,d2VicA==") == 2 and "image_0001.png" in html
    assert "http" not in html.replace("http-equiv", "")  # nothing is fetched from anywhere


def test_half_a_character_in_a_manifest_ends_no_scoring(library, tmp_path):
    values = ["red coat", "green coat", "blue coat", "pink \ud83d coat"]
    known = {"Colour": {"available": values, "used": values[:3], "count": 4}}
    template = {"prompt": "a {Colour} \ud83d", "negative": ""}
    session(tmp_path / "library" / "20251124_100000-half", SHOWN, ASKED, variations=known, resolved_template=template)
    Importer(library.catalog.index).run([tmp_path / "library"])
    report = scoring(library).score(slug_of(library, "half"), SeesColours())
    [colour] = [each for each in report["placeholders"] if each["placeholder"] == "Colour"]
    assert [each["text"] for each in colour["values"]] == [*values[:3], "pink ? coat"]
    assert scoring(library).report(slug_of(library, "half")) == report


def test_a_report_of_another_version_is_none(library):
    work = scoring(library)
    work.score(slug_of(library), SeesColours())
    [path] = library.folder.glob("scoring/*/*.json")
    path.write_text(path.read_text(encoding="utf-8").replace('"form": 2', '"form": 1'), encoding="utf-8")
    with pytest.raises(SDGenError) as caught:
        work.report(slug_of(library))
    assert caught.value.code == "not-scored"


def test_prompts_that_take_too_long_are_read_when_somebody_wants_it(library, tmp_path):
    class Slow(SeesColours):
        def encode_texts(self, texts):
            time.sleep(0.004 * len(texts))
            return super().encode_texts(texts)

    root = tmp_path / "library"
    folder = session(root / "20251122_100000-words", ["Red"] * 90)
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    for n, entry in enumerate(manifest["images"]):
        entry["prompt"] = f"a red coat, number {n}"
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    Importer(library.catalog.index).run([root])
    slug, backend = slug_of(library, "words"), Slow()

    def said(**settings):
        report = scoring(library, **settings).score(slug, backend)
        rows = library.catalog.find(f'session:"{slug}" promptscore:>0')[0]
        return report["prompts"], report["prompt_score"], len(rows)

    said(prompt_scores="off")  # also reads the values, so that only prompts are left
    before = backend.texts
    off, mean, scored_images = said(prompt_scores="off")
    assert (off, mean, scored_images, backend.texts) == ({"distinct": 90, "read": 0, "seconds": None}, None, 0, before)
    some, mean, scored_images = said(prompt_seconds=0.001)  # two batches tell that all take longer
    assert some["read"] == scored_images == backend.texts - before == 64
    assert 0 < some["seconds"] < 5 and mean == pytest.approx(2.5, abs=0.1)
    on, _, scored_images = said(prompt_scores="on", prompt_seconds=0.001)
    assert on == {"distinct": 90, "read": 90, "seconds": None} and scored_images == 90
    assert backend.texts == before + 90  # each once
    assert said(prompt_scores="off")[2] == 90  # what was read costs nothing
    assert backend.texts == before + 90


def test_an_aesthetic_head_gives_a_score_of_its_own(library, tmp_path):
    from safetensors.torch import save_file

    head = tmp_path / "head.safetensors"
    save_file({"weight": torch.tensor([[4.0, 0.0, 0.0]]), "bias": torch.tensor([1.0])}, head)  # red is beautiful
    report = scoring(library, aesthetic_head=str(head)).score(slug_of(library), SeesColours())
    assert report["aesthetic"]["head"] == "head.safetensors"
    assert 1 <= report["aesthetic"]["lowest"] < 2 and 4.5 < report["aesthetic"]["highest"] < 5
    assert len(library.catalog.find("aesthetic:>4")[0]) == 5  # those that are red
    ids = library.catalog.find("sort:-aesthetic")[0]
    assert Machine(library.catalog).details(ids[:1])[ids[0]]["aesthetic"] > 4.5
    # a head for another model is an error before anything is done
    save_file({"weight": torch.zeros(1, 768), "bias": torch.zeros(1)}, head)
    with pytest.raises(SDGenError, match=r"768.*3") as caught:
        scoring(library, aesthetic_head=str(head)).score(slug_of(library), SeesColours())
    assert caught.value.code == "bad-aesthetic-head"


def test_what_only_the_negative_prompt_says_is_not_to_be_seen(library, tmp_path):
    root = tmp_path / "library"
    template = {"prompt": "a {Quality} coat", "negative": "ugly, {Colour}"}
    session(root / "20251123_100000-avoided", SHOWN, ASKED, resolved_template=template)
    Importer(library.catalog.index).run([root])
    report = scoring(library).score(slug_of(library, "avoided"), SeesColours())
    assert [each["reason"] for each in report["placeholders"]] == ["negation", "quality"]
    assert report["classes"]["none"] == 16 and report["mean"] is None


def test_a_setting_that_is_not_there_has_the_nearest_name():
    for wrong, said, near in (
        ({"threshold": {}}, "scoring.threshold", "thresholds"),
        ({"thresholds": {"sucess": 1}}, "scoring.thresholds.sucess", "success"),
        ({"cascade": {"vlm": {"url": "http://localhost:1", "remot": True}}}, "scoring.cascade.vlm.remot", "remote"),
    ):
        with pytest.raises(SDGenError) as caught:
            ScoringSettings.read(wrong, "settings.json")
        assert caught.value.code == "bad-settings" and caught.value.nearest == [near]
        assert said in caught.value.message and str(caught.value).startswith("settings.json: ")


def test_single_settings_are_put_over_the_others():
    kept = {"thresholds": {"success": 0.9}, "cascade": {"tiers": ["crops"]}}
    more = ["thresholds.partial=0.4", "cascade.vlm.url=http://localhost:11434/v1", "wording.Mood=not assessable"]
    more += ['wording.Hair=["{a}"]', "prompt_scores=on", "cascade.tiers=[]"]
    found = ScoringSettings.given(kept, more)
    assert (found.thresholds.success, found.thresholds.partial, found.prompt_scores) == (0.9, 0.4, "on")
    assert found.cascade.vlm.url == "http://localhost:11434/v1" and found.cascade.tiers == []
    assert (found.wording.of("mood"), found.wording.of("hair")) == ("not assessable", ["{a}"])
    assert kept == {"thresholds": {"success": 0.9}, "cascade": {"tiers": ["crops"]}}
    for wrong, near in (
        ("thresholds", []),
        ("thresholds.=1", []),
        ("prompt_scores.on=1", []),
        ("thresholds.sucess=1", ["success"]),
        ("thresholds.success=much", []),
        ("thresholds=1", []),
    ):
        with pytest.raises(SDGenError) as caught:
            ScoringSettings.given(kept | {"prompt_scores": "on"}, [wrong])
        assert (caught.value.code, caught.value.nearest) == ("bad-option", near), wrong


def test_settings_are_checked_by_their_names():
    said = {"thresholds": {"success": 0.9}, "wording": {"Mood": "not assessable"}, "cascade": {"tiers": ["crops"]}}
    read = ScoringSettings.read(said, "settings.json")
    assert (read.thresholds.success, read.cascade.tiers) == (0.9, ["crops"])
    for wrong, name in (
        ({"thresholds": {"success": 2}}, "scoring.thresholds.success"),
        ({"threshold": {}}, "scoring.threshold"),
    ):
        with pytest.raises(SDGenError) as caught:
            ScoringSettings.read(wrong, "settings.json")
        assert caught.value.code == "bad-settings" and name in str(caught.value)
