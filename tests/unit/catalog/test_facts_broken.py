"""Session folders in which something is wrong: the rest is read, what is wrong is said, and nothing leads out of the folder."""

from __future__ import annotations

import json
import os
import sys

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sdgen_core.catalog.counters import recount
from sdgen_core.catalog.scan.facts import SessionFacts
from sdgen_core.catalog.scan.folder import Walk

from .folders import Catalog, edit_manifest, old_session, own_session, png, write_json


@pytest.fixture
def catalog(tmp_path):
    made = Catalog(tmp_path / "catalog")
    yield made
    made.close()


def test_a_torn_manifest_leaves_the_images(catalog, tmp_path):
    folder = old_session(tmp_path / "root")
    whole = (folder / "manifest.json").read_bytes()
    (folder / "manifest.json").write_bytes(whole[: len(whole) // 2])
    report = catalog.run(tmp_path / "root")
    assert report.errors == []
    assert catalog.session("images, status, planned, model, steps") == (3, "unknown", None, "demoModel_v1", 12)
    (problems,) = catalog.session("problems")
    assert json.loads(problems)[0].startswith("manifest.json is broken")
    assert [row[0] for row in catalog.images("seed")] == [7, 8, 9]


def test_a_torn_journal_line(catalog, tmp_path):
    folder = tmp_path / "root" / "20260102_030405-mine"
    own_session(folder, 3, status=None)
    data = (folder / "manifest.jsonl").read_bytes()
    (folder / "manifest.jsonl").write_bytes(data[:-40])
    catalog.run(tmp_path / "root")
    assert catalog.session("images, gone, status, problems") == (
        3, 0, "completed", '["1 lines of manifest.jsonl cannot be read"]',
    )  # fmt: skip
    assert ("g:abcdefghjk/2/0",) in catalog.rows("SELECT key FROM image_key")  # from the image itself


def test_a_byte_order_mark_does_not_matter(catalog, tmp_path):
    folder = old_session(tmp_path / "root")
    (folder / "manifest.json").write_bytes(b"\xef\xbb\xbf" + (folder / "manifest.json").read_bytes())
    catalog.run(tmp_path / "root")
    assert catalog.session("status, problems") == ("completed", "[]")


@pytest.mark.parametrize("listed", [None, 7, "x", {}, [None, 7, {}, {"filename": 3}]])
def test_no_list_of_images(catalog, tmp_path, listed):
    edit_manifest(old_session(tmp_path / "root"), lambda data: data.update(images=listed))
    catalog.run(tmp_path / "root")
    assert catalog.session("status, planned, images, gone, theme, model") == (
        "completed",
        3,
        3,
        0,
        None,
        "demoModel_v1",
    )
    assert catalog.session("problems") != ("[]",)


@pytest.mark.parametrize(
    "name",
    [
        "/etc/passwd.png", "../outside.png", "a/../../outside.png", "C:\\Windows\\x.png", "\\\\host\\share\\x.png", "C:x.png", "a\0b.png",
        "", ".", "a//b.png", "\ud800.png", "x" * 2000,
    ],
)  # fmt: skip
def test_entries_that_lead_elsewhere_are_left_out(catalog, tmp_path, name):
    png(tmp_path / "root" / "outside.png")
    png(tmp_path / "outside.png")
    folder = old_session(tmp_path / "root")
    (tmp_path / "root" / "outside.png").unlink()
    edit_manifest(folder, lambda data: data["images"].append({**data["images"][0], "filename": name}))
    report = catalog.run(tmp_path / "root")
    assert report.errors == []
    assert catalog.session("images, gone") == (3, 0)
    assert catalog.session("problems") == ('["1 entries name files outside of the session\'s folder"]',)


def test_broken_images_are_images(catalog, tmp_path):
    folder = tmp_path / "root" / "20260102_030405"
    png(folder / "a_0000.png")
    (folder / "b_0001.png").write_bytes(b"")
    (folder / "c_0002.png").write_bytes((folder / "a_0000.png").read_bytes()[:40])
    (folder / "d_0003.webp").write_bytes(b"RIFF????WEBP")
    catalog.run(tmp_path / "root")
    assert catalog.images("number, broken, width") == [(0, 0, 8), (1, 1, None), (2, 1, None), (3, 1, None)]
    assert catalog.session("problems") == ('["3 image files are broken"]',)


def test_folders_that_are_no_sessions_do_not_stop_the_others(catalog, tmp_path):
    old_session(tmp_path / "root")
    write_json(tmp_path / "root" / "app" / "manifest.json", {"name": "web app", "icons": []})
    (tmp_path / "root" / "torn").mkdir()
    (tmp_path / "root" / "torn" / "manifest.json").write_text("{", encoding="utf-8")
    report = catalog.run(tmp_path / "root")
    assert [(e["code"], e["folder"].rpartition("/")[2]) for e in report.errors] == [
        ("no-manifest", "torn"),
        ("no-manifest", "app"),
    ]
    assert catalog.session("images") == (3,)


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_links_are_not_followed_out(catalog, tmp_path):
    folder = old_session(tmp_path / "root")
    secret = tmp_path / "secret" / "20260102_030405-private"
    png(secret / "s_0000.png")
    (tmp_path / "root" / "link").symlink_to(tmp_path / "secret")
    (tmp_path / "root" / "circle").symlink_to(tmp_path / "root")
    (folder / "secret_0009.png").symlink_to(secret / "s_0000.png")
    (folder / "same_0008.png").symlink_to(folder / "Plain_Run_One_0000_seed-7.png")
    catalog.run(tmp_path / "root")
    assert [row[0] for row in catalog.images("number")] == [0, 1, 2, 8]


@pytest.mark.skipif(sys.platform != "linux", reason="only there can a name be no text")
def test_names_that_are_no_text_are_passed_over(catalog, tmp_path):
    folder = old_session(tmp_path / "root")
    (folder / os.fsdecode(b"bad\xff_0009.png")).write_bytes(b"x")
    (tmp_path / "root" / os.fsdecode(b"bad\xff")).mkdir()
    report = catalog.run(tmp_path / "root")
    assert report.errors == [] and catalog.session("images") == (3,)


def test_odd_texts_are_stored(catalog, tmp_path):
    def change(data):
        data["images"][0].update(prompt="a\ud800b\0c", negative_prompt=["x"], seed=-1)
        data["images"][1].update(seed=2**64 - 1, applied_variations={"Coat": None, "P\0": {"main": "\ud83d"}, "N": 5})
        data["images"][2].update(seed=2**70, applied_variations=[1])
        data["snapshot"]["generation_params"].update(num_images=-3, total_combinations=10**200, base_seed=2**64)

    edit_manifest(old_session(tmp_path / "root"), change)
    catalog.run(tmp_path / "root")
    from sdgen_core.catalog.records import unsigned

    rows = catalog.images("positive, negative, seed")
    assert rows[0] == ("a\ufffdbc", "", 7)  # the seed is in the file's name
    assert unsigned(rows[1][2]) == 2**64 - 1
    assert catalog.session("planned, combinations, base_seed") == (None, str(10**200), None)
    assert unsigned(catalog.session("seed_max")[0]) == 2**64 - 1 and catalog.session("seed_min") == (7,)
    assert ("P", '{"main": "\ufffd"}') in [(name, text) for _, name, _, text in catalog.values()]


ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False)
    | st.text(max_size=8)
    | st.just("\ud800"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
PLACES = [
    ("snapshot",), ("images",), ("status",), ("failed",), ("variations",), ("session_name",), ("generation_info",), ("parameters",),
    *(("snapshot", key) for key in (
        "timestamp", "runtime_info", "resolved_template", "generation_params", "api_params", "variations", "theme_name", "style", "sdgen",
    )),
    *(("snapshot", "generation_params", key) for key in ("num_images", "base_seed", "seed_list", "total_combinations", "mode")),
    *(("snapshot", "api_params", key) for key in ("sampler", "scheduler", "steps", "cfg_scale", "width", "sd_model")),
    ("snapshot", "runtime_info", "sd_model_checkpoint"), ("snapshot", "resolved_template", "prompt"), ("snapshot", "variations", "Coat"),
    *(("snapshot", "variations", "Coat", key) for key in ("count", "available", "used")),
    *(("images", 0, key) for key in ("filename", "seed", "prompt", "negative_prompt", "applied_variations", "sdgen", "parameters")),
    ("images", 0, "applied_variations", "Coat"), ("images", 1),
]  # fmt: skip


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    changes=st.lists(st.tuples(st.sampled_from(PLACES), ANYTHING), min_size=1, max_size=4),
    name=st.sampled_from(["manifest.json", "x_manifest.json", "metadata.json", "manifest.jsonl", "both"]),
)
def test_wrong_types_anywhere_never_stop_an_import(tmp_path_factory, changes, name):
    root = tmp_path_factory.mktemp("any")
    folder = old_session(root)
    data = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    for place, value in changes:
        target = data
        for step in place[:-1]:
            fits = isinstance(target, dict) or (
                isinstance(target, list) and isinstance(step, int) and step < len(target)
            )
            target = (target.get(step) if isinstance(target, dict) else target[step]) if fits else None
        if isinstance(target, dict) or (
            isinstance(target, list) and isinstance(place[-1], int) and place[-1] < len(target)
        ):
            target[place[-1]] = value
    if name in ("manifest.jsonl", "both"):
        entries = data.get("images") if isinstance(data.get("images"), list) else [data.get("images")]
        lines = [
            {"type": "start", "snapshot": data.get("snapshot")},
            *({"type": "image", "entry": entry} for entry in entries),
        ]
        lines.append({"type": "status", "status": data.get("status")})
        (folder / "manifest.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    if name != "both":
        (folder / "manifest.json").unlink()
    if name not in ("manifest.jsonl", "both"):
        write_json(folder / name, data)
    catalog = Catalog(root / ".catalog")
    try:
        report = catalog.run(root)
        assert report.errors == []
        assert catalog.session("images") == (3,)
        assert recount(catalog.index, repair=False) == []
        assert catalog.run(root).progress.unchanged == 1
    finally:
        catalog.close()


def test_a_folder_that_vanishes_while_it_is_read(tmp_path):
    folder = old_session(tmp_path / "root")
    (found,) = Walk(tmp_path / "root")
    for path in folder.iterdir():
        if path.suffix == ".png":
            path.unlink()
    facts = SessionFacts(found, tmp_path / "root")
    assert [image.missing for image, _ in facts.images({})] == [True, True, True]
