"""What the importer reads from session folders of every version."""

from __future__ import annotations

import json
import shutil
from datetime import datetime

import pytest
from PIL import Image

from sdgen_core.catalog.records import file_key, fingerprint
from sdgen_core.catalog.scan.legacy import values_in_name

from .folders import A1111, SESSIONS, Catalog, edit_manifest, old_session, own_session, png, record_of, write_json

DATE = int(datetime(2026, 11, 22, 14, 21, 21).timestamp() * 1000)


@pytest.fixture
def catalog(tmp_path):
    made = Catalog(tmp_path / "catalog")
    yield made
    made.close()


def test_the_predecessors_sessions(catalog):
    report = catalog.run(SESSIONS)
    assert report.errors == []
    rows = catalog.rows(
        "SELECT name, status, planned, images, gone, found_planned, theme, style, mode, sweep, seed_min, seed_max, problems"
        " FROM session ORDER BY started"
    )
    normal = (None, "default", "combinatorial", 0)
    assert rows == [
        ("Plain_Run_One", "completed", 3, 3, 0, 3, *normal, 7, 9, "[]"),
        ("named_run", "completed", 2, 2, 0, 2, *normal, 72045414, 2000115637, "[]"),
        ("Plain_Run_One", "completed", 3, 3, 0, 3, "forest", "winter", "combinatorial", 1, 5, 6, "[]"),
        ("failing", "completed", 2, 1, 0, 1, *normal, 3, 3, "[]"),
        ("my name", "completed", 2, 0, 0, 0, None, "default", "dry-run", 0, None, None, "[]"),
        ("stopped", "aborted", 3, 2, 0, 2, *normal, 7, 8, "[]"),
        ("newarch", "completed", 2, 2, 0, 2, *normal, 7, 8, "[]"),
        ("dry", "completed", 2, 0, 0, 0, *normal, None, None, "[]"),
    ]


def test_all_facts_of_a_version_2_session(catalog, tmp_path):
    folder = old_session(tmp_path / "root")
    catalog.run(tmp_path / "root")
    assert catalog.session(
        "folder, root, started, seed_mode, base_seed, combinations, model, sampler, scheduler, cfg, steps, width, height, prompt,"
        " negative, template"
    ) == (
        str(folder), str(tmp_path / "root"), DATE, "progressive", 7, "6", "demoModel_v1", "euler_ancestral", "karras", 6.0, 12, 64, 96,
        "fine print,\na courier, {Coat}, {Pose[Stand]}\n\n", "lowres, blurry", None,
    )  # fmt: skip
    (placeholders,) = catalog.session("placeholders")
    assert json.loads(placeholders) == [
        {"name": "Coat", "available": 3, "used": 3},
        {"name": "Pose", "available": 2, "used": 1},
    ]
    files = [f"Plain_Run_One_{n:04d}_seed-{7 + n}.png" for n in range(3)]
    stats = [(folder / name).stat() for name in files]
    assert catalog.images(
        "file, number, batch, seed, width, height, bytes, mtime, created, m.text, s.text, c.text, steps, cfg, positive, negative, thumb"
    ) == [
        (
            name, n, 0, 7 + n, 64, 96, stats[n].st_size, stats[n].st_mtime_ns, stats[n].st_mtime_ns // 1_000_000, "demoModel_v1",
            "euler_ancestral", "karras", 12, 6.0, f"fine print,\na courier, {coat} coat, standing", "lowres, blurry",
            fingerprint(folder / name, stats[n].st_size),
        )
        for n, (name, coat) in enumerate(zip(files, ("red", "blue", "green"), strict=True))
    ]  # fmt: skip
    assert [(name, text) for file, name, _, text in catalog.values() if file == files[1]] == [
        ("Coat", "blue coat"),
        ("Pose", "standing"),
    ]
    keys = [key for (key,) in catalog.rows("SELECT key FROM session_key ORDER BY key")]
    assert keys[0] == "d:20261122_142121-Plain_Run_One" and keys[1].startswith("m:") and len(keys[1]) == 34
    assert catalog.rows("SELECT key FROM image_key WHERE image=1") == [
        (f"f:{fingerprint(folder / files[0], stats[0].st_size)}",)
    ]


def test_a_session_of_ours_is_told_by_its_journal(catalog, tmp_path):
    folder = tmp_path / "root" / "20260102_030405-mine"
    own_session(folder, 3)
    catalog.run(tmp_path / "root")
    assert catalog.session("slug, name, status, template, model, sampler, scheduler, cfg, steps") == (
        "abcdefghjk", "mine", "completed", "portraits", "mine_v1", "euler", "karras", 4.5, 11,
    )  # fmt: skip
    assert catalog.rows("SELECT key FROM session_key ORDER BY 1") == [("d:20260102_030405-mine",), ("i:abcdefghjk",)]
    import hashlib

    sha256 = hashlib.sha256((folder / "mine_0001_seed-41.png").read_bytes()).hexdigest()
    assert catalog.rows("SELECT key FROM image_key WHERE image=2 ORDER BY 1") == [
        ("g:abcdefghjk/1/0",),
        (file_key(sha256),),
    ]
    assert catalog.rows("SELECT DISTINCT hashed, length(thumb) FROM image") == [(1, 32)]
    assert catalog.values()[0] == ("mine_0000_seed-40.png", "Hair", "Red", "red hair")


def test_images_of_ours_are_not_opened_one_by_one(catalog, tmp_path, opened):
    own_session(tmp_path / "root" / "20260102_030405-mine", 8)
    with opened(tmp_path / "root") as names:
        catalog.run(tmp_path / "root")
    assert sorted(name for name in names if name.endswith(".png")) == ["mine_0000_seed-40.png", "mine_0007_seed-47.png"]


def test_images_that_differ_are_asked_one_by_one(catalog, tmp_path):
    folder = tmp_path / "root" / "20260102_030405-mine"
    own_session(folder, 3)
    text = (folder / "manifest.jsonl").read_text(encoding="utf-8")
    for n, model in enumerate(("one", "two", "one")):
        record = record_of("abcdefghjk", n, checkpoint_name=f"{model}.safetensors")
        png(folder / f"mine_{n:04d}_seed-{40 + n}.png", {"sdgen": record}, colour=n)
    (folder / "manifest.jsonl").write_text(
        text.replace('"api_params": {}', '"api_params": {"sd_model": "{Model}"}'), encoding="utf-8"
    )
    catalog.run(tmp_path / "root")
    assert catalog.images("m.text") == [("one",), ("two",), ("one",)]


@pytest.mark.parametrize(
    ("written", "planned", "status"),
    [
        (None, 3, "completed"),
        (None, 4, "unknown"),
        ("ongoing", 3, "completed"),
        ("ongoing", 4, "ongoing"),
        ("in_progress", 9, "ongoing"),
        ("aborted", 3, "aborted"),
        ("completed", 9, "completed"),
        ("paused?", 9, "unknown"),
        (7, 9, "unknown"),
    ],
)
def test_one_status(catalog, tmp_path, written, planned, status):
    def change(data):
        data["status"] = written
        if written is None:
            del data["status"]
        data["snapshot"]["generation_params"]["num_images"] = planned

    edit_manifest(old_session(tmp_path / "root"), change)
    catalog.run(tmp_path / "root")
    assert catalog.session("status, planned") == (status, planned)


def test_a_migrated_manifest(catalog, tmp_path):
    def change(data):
        snapshot = data["snapshot"]
        snapshot["version"] = "2.0-inferred"
        snapshot["inference_info"] = {"source": "png", "confidence": "low", "errors": []}
        snapshot["generation_params"] = {"mode": "unknown", "seed_mode": "unknown", "seed_base": 7, "max_images": 5}
        snapshot["api_params"] = {
            "sampler_name": "DPM++ 2M Karras",
            "cfg_scale": "7.5",
            "steps": 20,
            "width": 64,
            "height": 96,
        }
        snapshot["variations"] = {
            "Coat": ["\ufeffred coat", "blue coat"],
            "Pose": {"available": ["standing"], "used": ["standing"]},
        }
        data["images"][0]["applied_variations"]["Coat"] = "\ufeffred coat"
        del data["status"]

    edit_manifest(old_session(tmp_path / "root"), change)
    catalog.run(tmp_path / "root")
    assert catalog.session("status, planned, base_seed, sampler, scheduler, cfg, steps, mode") == (
        "unknown", 5, 7, "dpmpp_2m", "karras", 7.5, 20, "unknown",
    )  # fmt: skip
    (placeholders,) = catalog.session("placeholders")
    assert [(p["name"], p["available"], p["used"]) for p in json.loads(placeholders)] == [
        ("Coat", 2, 2),
        ("Pose", 1, 1),
    ]
    assert ("Coat", "red coat") in [(name, text) for _, name, _, text in catalog.values()]


def test_a_manifest_of_version_1(catalog, tmp_path):
    folder = tmp_path / "root" / "20251005_101112_test"
    parameters = {"sampler": "Euler a", "steps": 30, "cfg_scale": 8, "width": 8, "height": 16, "adetailer": "(enabled)"}
    items = [
        {
            "index": n,
            "prompt": f"a {hair}",
            "negative_prompt": "bad",
            "seed": 5 + n,
            "variations": {"Hair": hair},
            "parameters": parameters,
        }
        for n, hair in enumerate(("bob", "waves"))
    ]  # fmt: skip
    write_json(
        folder / "test_manifest.json",
        {"session_name": "test", "template_source": "t.prompt.yaml", "generated_at": "2025-10-05T10:11:12", "total_variations": 2,
         "templating_system": "v2.0", "variations": items},
    )  # fmt: skip
    png(folder / "test_0000.png")
    catalog.run(tmp_path / "root")
    assert catalog.session("name, template, status, planned, images, gone, sampler, steps") == (
        "test", "t.prompt.yaml", "completed", 2, 1, 1, "euler_ancestral", 30,
    )  # fmt: skip
    assert catalog.images("file, seed, missing, positive, s.text, steps, width, height") == [
        ("test_0000.png", 5, 0, "a bob", "euler_ancestral", 30, 8, 16),
        ("test_0001.png", 6, 1, "a waves", "euler_ancestral", 30, 8, 16),
    ]
    assert [(file, text) for file, _, _, text in catalog.values()] == [
        ("test_0000.png", "bob"),
        ("test_0001.png", "waves"),
    ]


def test_metadata_of_version_0(catalog, tmp_path):
    folder = tmp_path / "root" / "2025-09-20_101112_old"
    write_json(
        folder / "metadata.json",
        {
            "version": "1.0",
            "generation_info": {"date": "2025-09-20T10:11:12", "timestamp": 1758355872, "session_name": "old one", "total_images": 12,
                                "generation_mode": "random", "seed_mode": "fixed", "seed": 42, "total_combinations": 24},
            "prompt": {"template": "a {Hair}", "negative": "bad", "example_resolved": "a bob"},
            "variations": {"Hair": {"count": 12, "values": ["short bob", "Waves, long", "... and 10 more"]}},
            "generation": {"images_generated": 2},
            "parameters": {"width": 8, "height": 16, "steps": 25, "cfg_scale": 7, "sampler": "DPM++ 2M Karras", "batch_size": 1},
            "output": {"folder": "x", "filename_keys": ["Hair"]},
        },
    )  # fmt: skip
    png(folder / "old_001_Hair_short_bob.png", {"parameters": A1111}, colour=1)
    png(folder / "old_002_Hair-wavesLo.png", {"parameters": A1111}, colour=2)
    catalog.run(tmp_path / "root")
    assert catalog.session("name, status, planned, images, base_seed, combinations, sampler, scheduler, steps, cfg, model, prompt") == (
        "old one", "unknown", 12, 2, 42, "24", "dpmpp_2m", "karras", 25, 7.0, "other_v2", "a {Hair}",
    )  # fmt: skip
    assert catalog.images("number, seed, m.text, steps") == [(1, 77, "other_v2", 9), (2, 77, "other_v2", 9)]
    (placeholders,) = catalog.session("placeholders")
    assert json.loads(placeholders) == [{"name": "Hair", "available": 12, "used": 2}]
    assert [(name, text) for _, name, _, text in catalog.values()] == [("Hair", "short bob"), ("Hair", "Waves, long")]


@pytest.mark.parametrize(
    ("stem", "expected"),
    [
        ("s_001_Hair_short_bob_HairColour_red", {"Hair": "short bob", "HairColour": "red"}),
        ("001_HairColour-redBrown", {"HairColour": "red brown"}),
        ("random_012_Hair_sh", {}),  # two begin so
        ("random_012_Hair_curly", {}),  # not known
        ("Chair_short bob", {}),
        ("012", {}),
        ("s_001_Hair_", {}),
        ("s_001_Hair_,;", {}),
    ],
)
def test_values_in_file_names_of_version_0(stem, expected):
    pools = {"Hair": ["short bob", "shaved", 5], "HairColour": ["red", "red brown"]}
    assert values_in_name(stem, pools) == expected


FRENCH = """\
==================================================
Date de génération: 05/09/2025 21:22:23
Nom de session: première
--------------------------------------------------
Prompt de base:
chef-d'œuvre, {Cheveux}
style: net
--------------------------------------------------
Prompt négatif:
flou, laid
--------------------------------------------------
Paramètres de génération:
sampler_name: Euler a
steps: 28
cfg_scale: 6.5
width: 8
height: 16
n_iter: 1
--------------------------------------------------
Informations supplémentaires:
seed_principal: 99
nombre_images_demandees: 40
fichiers_variations: {'Cheveux': 'cheveux.txt', 'Pose': 'poses.txt'}
"""
ENGLISH = """\
Session Name: first
Prompt Template:
masterpiece, {Hair}

Negative Prompt:
ugly
---------------------------
sampler_name: DPM++ 2M Karras
steps: 28
cfg_scale: 6.5
"""


IN_FRENCH = (
    "première",
    "chef-d'œuvre, {Cheveux}\nstyle: net",
    "flou, laid",
    "euler_ancestral",
    "normal",
    28,
    6.5,
    99,
    40,
)
IN_ENGLISH = ("first", "masterpiece, {Hair}", "ugly", "dpmpp_2m", "karras", 28, 6.5, None, None)


@pytest.mark.parametrize(
    ("file", "text", "encoding", "expected", "names"),
    [
        ("session_config.txt", FRENCH, "utf-8", IN_FRENCH, ["Cheveux", "Pose"]),
        ("session_config.txt", FRENCH, "cp1252", IN_FRENCH, ["Cheveux", "Pose"]),
        ("session_config_legacy.txt", "\ufeff" + ENGLISH, "utf-8", IN_ENGLISH, []),
    ],
)
def test_texts_of_version_0(catalog, tmp_path, file, text, encoding, expected, names):
    folder = tmp_path / "root" / "2025-09-05_212223"
    png(folder / "001.png")
    (folder / file).write_bytes(text.encode(encoding))
    catalog.run(tmp_path / "root")
    assert catalog.session("name, prompt, negative, sampler, scheduler, steps, cfg, base_seed, planned") == expected
    (placeholders,) = catalog.session("placeholders")
    assert [p["name"] for p in json.loads(placeholders)] == names
    assert catalog.images("file, number, width, height") == [("001.png", 1, 8, 16)]


def test_nothing_but_images(catalog, tmp_path):
    folder = tmp_path / "root" / "2025-10-14_163854_portrait.prompt"
    png(folder / "a_0003_seed-5.png", {"parameters": A1111})
    png(folder / "b_0004.png", {"prompt": json.dumps(GRAPH)}, colour=1)
    png(folder / "c_0005.png", {"sdgen": record_of("zzzzyyyyxx", 6)}, colour=2)
    invoke = {"positive_prompt": "dream", "seed": 3, "steps": 4, "scheduler": "euler_a", "model": {"name": "inv"}}
    png(folder / "d_0006.png", {"invokeai_metadata": json.dumps(invoke)}, colour=3)
    png(folder / "e.png", colour=4)
    Image.new("RGB", (24, 8)).save(folder / "f.webp")
    catalog.run(tmp_path / "root")
    assert catalog.session("name, status, planned, images, started") == (
        "portrait", "unknown", None, 6, int(datetime(2025, 10, 14, 16, 38, 54).timestamp() * 1000),
    )  # fmt: skip
    assert sorted(catalog.images("file, seed, m.text, s.text, steps, positive, width")) == [
        ("a_0003_seed-5.png", 77, "other_v2", "dpmpp_2m", 9, "a red coat", 8),
        ("b_0004.png", 12, "graph", "euler", 6, "a house", 8),
        ("c_0005.png", 46, "mine_v1", "euler", 11, "red hair", 8),
        ("d_0006.png", 3, "inv", "euler_ancestral", 4, "dream", 8),
        ("e.png", None, None, None, None, "", 8),
        ("f.webp", None, None, None, None, "", 24),
    ]
    assert ("g:zzzzyyyyxx/6/0",) in catalog.rows("SELECT key FROM image_key")
    assert catalog.values() == [("c_0005.png", "Hair", "Red", "red hair")]


GRAPH = {
    "1": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "graph.safetensors"}},
    "2": {"class_type": "CLIPTextEncode", "inputs": {"text": "a house", "clip": ["1", 1]}},
    "3": {"class_type": "CLIPTextEncode", "inputs": {"text": "mud", "clip": ["1", 1]}},
    "4": {"class_type": "EmptyLatentImage", "inputs": {"width": 8, "height": 16, "batch_size": 1}},
    "5": {
        "class_type": "KSampler",
        "inputs": {
            "model": ["1", 0], "positive": ["2", 0], "negative": ["3", 0], "latent_image": ["4", 0], "seed": 12, "steps": 6, "cfg": 7.0,
            "sampler_name": "euler", "scheduler": "normal", "denoise": 1.0,
        },
    },
    "6": {"class_type": "VAEDecode", "inputs": {"samples": ["5", 0], "vae": ["1", 2]}},
    "7": {"class_type": "SaveImage", "inputs": {"images": ["6", 0], "filename_prefix": "x"}},
}  # fmt: skip


def test_a_lost_manifest_does_not_change_what_a_session_is(catalog, tmp_path):
    folder = tmp_path / "root" / "20260102_030405-mine"
    own_session(folder, 3)
    (folder / "manifest.jsonl").unlink()
    catalog.run(tmp_path / "root")
    assert catalog.session("slug, prompt, negative") == ("abcdefghjk", "red hair", "blurry")
    assert [key for (key,) in catalog.rows("SELECT key FROM image_key ORDER BY key") if key[0] == "g"] == [
        f"g:abcdefghjk/{n}/0" for n in range(3)
    ]


def test_annotated_copies_belong_to_their_originals(catalog, tmp_path):
    folder = old_session(tmp_path / "root")
    name = "Plain_Run_One_0000_seed-7"
    shutil.copy(folder / f"{name}.png", folder / f"{name}_annotated.png")
    shutil.copy(folder / f"{name}.png", folder / "lonely_annotated.png")
    shutil.copy(folder / f"{name}.png", folder / "Plain_Run_One_0007_seed-1.png")
    catalog.run(tmp_path / "root")
    assert catalog.images("file, number, positive <> ''") == [
        ("Plain_Run_One_0000_seed-7.png", 0, 1),
        ("Plain_Run_One_0001_seed-8.png", 1, 1),
        ("Plain_Run_One_0002_seed-9.png", 2, 1),
        ("lonely_annotated.png", 4, 1),
        ("Plain_Run_One_0007_seed-1.png", 7, 1),
    ]


def test_files_that_are_gone_are_missing_images(catalog, tmp_path):
    folder = old_session(tmp_path / "root")
    (folder / "Plain_Run_One_0001_seed-8.png").unlink()
    catalog.run(tmp_path / "root")
    assert catalog.images("number, missing, seed") == [(0, 0, 7), (1, 1, 8), (2, 0, 9)]
    assert catalog.session("images, gone, found_planned, status") == (2, 1, 2, "completed")


def test_an_image_that_was_converted_is_the_same(catalog, tmp_path):
    folder = old_session(tmp_path / "root")
    old = folder / "Plain_Run_One_0001_seed-8.png"
    Image.open(old).save(old.with_suffix(".webp"))
    old.unlink()
    catalog.run(tmp_path / "root")
    assert catalog.images("file, missing, seed")[1] == ("Plain_Run_One_0001_seed-8.webp", 0, 8)


def test_sub_folders_of_a_session_belong_to_it(catalog, tmp_path):
    folder = tmp_path / "root" / "20260102_030405-mine"
    own_session(folder, 2)
    lines = (folder / "manifest.jsonl").read_text(encoding="utf-8")
    (folder / "00000-00499").mkdir()
    for n in range(2):
        (folder / f"mine_{n:04d}_seed-{40 + n}.png").rename(folder / "00000-00499" / f"mine_{n:04d}_seed-{40 + n}.png")
    (folder / "manifest.jsonl").write_text(
        lines.replace('"filename": "', '"filename": "00000-00499/'), encoding="utf-8"
    )
    png(folder / "20260103_030405-another" / "x_0000.png")
    png(folder / ".hidden" / "x_0000.png")
    png(folder / "thumbnails" / "x_0000.png")
    catalog.run(tmp_path / "root")
    assert catalog.rows("SELECT name, images, gone FROM session ORDER BY name") == [("another", 1, 0), ("mine", 2, 0)]


def test_what_a_person_wrote_into_the_manifest_counts(catalog, tmp_path):
    from sdgen_core.sessions.manifest import write_manifest

    folder = tmp_path / "root" / "20260102_030405-mine"
    own_session(folder, 2)
    write_manifest(folder)
    edit_manifest(folder, lambda data: data["images"][0].update(prompt="green hair"))
    catalog.run(tmp_path / "root")
    assert catalog.images("positive") == [("green hair",), ("red hair",)]
