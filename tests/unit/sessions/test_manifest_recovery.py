from __future__ import annotations

import json
import os
import shutil
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from sdgen_core.errors import SDGenError
from sdgen_core.sessions.manifest import (
    Journal,
    ManifestWriter,
    image_entry,
    load_manifest,
    rebuild,
    verify,
    write_manifest,
)
from sdgen_core.sessions.metadata import encode_png, sdgen_chunk, sdgen_record, sha256_file

SAMPLES = Path(__file__).parents[2] / "data" / "sessions"
RECORDED = sorted(path.parent.relative_to(SAMPLES).as_posix() for path in SAMPLES.rglob("manifest.json"))
SNAPSHOT = {
    "version": "2.0",
    "generation_params": {"num_images": 4, "base_seed": 10},
    "variations": {},
    "sdgen": {"session": "s1"},
}


def picture(folder: Path, index: int, *, session: str = "s1", name: str | None = None) -> Path:
    record = sdgen_record(
        session=session,
        session_name="x",
        index=index,
        keys={"Coat": "Red"},
        values={"Coat": "red coat"},
        seed=10 + index,
        requested_seed=10 + index,
        prompt=f"a {index},\nb",
        negative="bad",
        checkpoint_name="m.safetensors",
        checkpoint_hash="0123456789",
    )
    path = folder / (name or f"x_{index:04d}_seed-{10 + index}.png")
    path.write_bytes(encode_png(Image.new("RGB", (8, 8), (index, 0, 0)), {"sdgen": sdgen_chunk(record)}))
    return path


def entry_of(path: Path, index: int) -> dict[str, Any]:
    return image_entry(
        filename=path.name,
        seed=10 + index,
        prompt=f"a {index},\nb",
        negative="bad",
        values={"Coat": "red coat"},
        index=index,
        keys={"Coat": "Red"},
        sha256=sha256_file(path),
    )


@pytest.fixture
def session(tmp_path: Path) -> Path:
    """A session of 4 images, 3 done and one failed, with journal, manifest and files."""
    folder = tmp_path / "20261122_142121-x"
    folder.mkdir()
    with ManifestWriter(folder) as writer:
        writer.start(SNAPSHOT)
        for index in (0, 1, 3):
            writer.image(entry_of(picture(folder, index), index))
        writer.failed(2, "node-error", "broke", 1)
        writer.status("completed")
    return folder


def names(folder: Path) -> list[str]:
    return [entry["filename"] for entry in load_manifest(folder).images]


THREE = ["x_0000_seed-10.png", "x_0001_seed-11.png", "x_0003_seed-13.png"]


# --- the predecessor's sessions ------------------------------------------------------------------


@pytest.mark.parametrize("name", RECORDED)
def test_recorded_sessions_are_read_as_they_are(name: str) -> None:
    data = load_manifest(SAMPLES / name)
    written = json.loads((SAMPLES / name / "manifest.json").read_text(encoding="utf-8"))
    assert data.snapshot == written["snapshot"]
    assert data.images == written["images"]
    assert data.status == written["status"]
    assert data.sources == ["manifest"]
    assert (data.problems, data.failed, data.top) == ([], [], {})
    assert data.num_images == written["snapshot"]["generation_params"]["num_images"]
    assert data.started is not None
    assert data.started.isoformat()[:16] == written["snapshot"]["timestamp"][:16]
    assert data.variations == written["snapshot"]["variations"]
    assert data.finished == (written["status"] == "completed")


def test_the_recorded_sessions_are_all_there() -> None:
    assert len(RECORDED) == 8


def test_what_the_recorded_sessions_tell() -> None:
    sweep = load_manifest(SAMPLES / "20261122_142131-Plain_Run_One-forest-winter")
    assert sweep.seed_list == [5, 6]
    failing = verify(SAMPLES / "20261122_142137-failing")
    assert (failing.ok, failing.complete, failing.planned, failing.done) == (True, False, 2, 1)
    stopped = load_manifest(SAMPLES / "20261122_142144-stopped")
    assert (stopped.status, stopped.finished) == ("aborted", False)
    dry = verify(SAMPLES / "dryrun" / "20261122_142140-my name")
    assert dry.missing == ["my name_0000_seed-3.png", "my name_0001_seed-3.png"]


@pytest.mark.parametrize("name", RECORDED)
def test_a_recorded_session_rebuilt_is_the_same_file(name: str, tmp_path: Path) -> None:
    folder = tmp_path / Path(name).name
    shutil.copytree(SAMPLES / name, folder)
    before = (folder / "manifest.json").read_bytes()
    report = rebuild(folder)
    assert (folder / "manifest.json").read_bytes() == before
    assert (folder / "manifest.jsonl").exists()
    assert report.added == [] and report.extra == []


def test_a_recorded_session_can_go_on(tmp_path: Path) -> None:
    folder = tmp_path / "20261122_142144-stopped"
    shutil.copytree(SAMPLES / folder.name, folder)
    path = picture(folder, 2, name="stopped_0002_seed-9.png")
    with ManifestWriter(folder) as writer:
        writer.image(entry_of(path, 2))
        writer.status("completed")
    data = load_manifest(folder)
    assert [e["filename"][:12] for e in data.images] == ["stopped_0000", "stopped_0001", "stopped_0002"]
    assert data.snapshot == load_manifest(SAMPLES / folder.name).snapshot
    assert verify(folder, hashes=True).ok


# --- old and odd forms ---------------------------------------------------------------------------


def write(folder: Path, value: Any) -> None:
    (folder / "manifest.json").write_text(json.dumps(value, ensure_ascii=False), encoding="utf-8")


def test_a_manifest_without_status_and_with_lists_as_variations(tmp_path: Path) -> None:
    images = [{"filename": "a.png"}, {"filename": "b.png"}]
    value = {
        "snapshot": {
            "generation_params": {"num_images": 2},
            "variations": {"A": ["\ufeffone", {"main": "two"}]},
            "timestamp": "2025-10-14T16:38:54Z",
        },
        "images": images,
        "their_own": {"rating": 5},
    }
    write(tmp_path, value)
    data = load_manifest(tmp_path)
    assert (data.status, data.finished) == (None, True)
    assert data.variations == {
        "A": {"available": ["one", {"main": "two"}], "used": ["one", {"main": "two"}], "count": 2}
    }
    assert data.started == datetime(2025, 10, 14, 16, 38, 54)
    assert data.top == {"their_own": {"rating": 5}}
    value["snapshot"]["generation_params"]["num_images"] = 3  # type: ignore[index]
    write(tmp_path, value)
    assert load_manifest(tmp_path).finished is False
    rebuild(tmp_path)
    again = json.loads((tmp_path / "manifest.json").read_text(encoding="utf-8"))
    assert again == {**value, "status": "aborted"}


def test_a_run_killed_after_its_last_image_is_finished(session: Path) -> None:
    ManifestWriter(session).status("ongoing")
    assert load_manifest(session).finished is False
    Journal(session).image(entry_of(picture(session, 2), 2))
    assert load_manifest(session).finished is True
    Journal(session).status("aborted")
    assert load_manifest(session).finished is False


def test_a_failure_after_the_first_image_of_a_batch_stays_one(session: Path) -> None:
    Journal(session).failed(3, "node-error", "the second image", 1)
    assert rebuild(session).failed == [2, 3]
    assert load_manifest(session).failed[1]["message"] == "the second image"


def test_a_migrated_manifest(tmp_path: Path) -> None:
    snapshot = {
        "version": "2.0-inferred",
        "generation_params": {"mode": "unknown", "seed_mode": "unknown", "seed_base": 42, "max_images": 7},
        "variations": {"A": {"available": ["x"], "used": ["x"]}, "B": None},
        "inference_info": {"source": "png", "confidence": "medium", "errors": []},
    }
    write(tmp_path, {"snapshot": snapshot, "images": [], "status": "in_progress"})
    data = load_manifest(tmp_path)
    assert (data.base_seed, data.num_images, data.finished) == (42, 7, False)
    assert data.variations["A"]["count"] == 1
    assert data.variations["B"] == {"available": [], "used": [], "count": 0}
    assert data.snapshot["inference_info"]["confidence"] == "medium"


def test_manifests_with_nan_a_mark_and_wrong_entries(tmp_path: Path) -> None:
    text = '\ufeff{"snapshot": {"x": NaN}, "images": [{"filename": "a.png"}, {"seed": 1}, 3], "status": "completed"}'
    (tmp_path / "manifest.json").write_text(text, encoding="utf-8")
    data = load_manifest(tmp_path)
    assert data.snapshot == {"x": None}
    assert data.images == [{"filename": "a.png"}]
    assert data.problems == ["2 entries of manifest.json have no file name"]
    assert not verify(tmp_path).ok


# --- one source lost -----------------------------------------------------------------------------


@pytest.mark.parametrize("damage", ["missing", "empty", "torn", "not json", "a list"])
def test_a_broken_manifest_is_rebuilt_from_the_journal(session: Path, damage: str) -> None:
    path = session / "manifest.json"
    before = path.read_bytes()
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes({"empty": b"", "torn": before[:-40], "not json": b"\0\0", "a list": b"[]"}[damage])
    data = load_manifest(session)
    assert data.images == json.loads(before)["images"]
    assert (data.status, [f["index"] for f in data.failed]) == ("completed", [2])
    assert bool(data.problems) == (damage != "missing")
    write_manifest(session)
    assert path.read_bytes() == before
    assert verify(session, hashes=True).ok


def test_a_missing_journal_is_rebuilt_from_the_manifest(session: Path) -> None:
    before = (session / "manifest.json").read_bytes()
    (session / "manifest.jsonl").unlink()
    assert load_manifest(session).sources == ["manifest"]
    report = rebuild(session)
    assert report.ok and report.added == [] and report.failed == [2]
    assert (session / "manifest.json").read_bytes() == before
    assert load_manifest(session).sources == ["journal", "manifest"]


def test_journal_and_manifest_lost_are_rebuilt_from_the_images(session: Path) -> None:
    before = json.loads((session / "manifest.json").read_bytes())
    (session / "manifest.jsonl").unlink()
    (session / "manifest.json").write_bytes(b"{ torn")
    assert load_manifest(session).sources == ["images"]
    report = rebuild(session)
    assert report.added == THREE
    after = json.loads((session / "manifest.json").read_bytes())
    assert after["images"] == before["images"]
    assert after["snapshot"]["inference_info"]["source"] == "images"
    assert after["snapshot"]["runtime_info"] == {"sd_model_checkpoint": "m.safetensors"}
    assert after["snapshot"]["variations"] == {"Coat": {"available": ["red coat"], "used": ["red coat"], "count": 1}}
    assert after["snapshot"]["timestamp"] == "2026-11-22T14:21:21.000000"
    assert (session / "manifest.json.broken").read_bytes() == b"{ torn"
    assert verify(session, hashes=True).ok


def test_a_folder_of_the_predecessors_images_only(tmp_path: Path) -> None:
    folder = tmp_path / "20261122_142121-Plain_Run_One"
    shutil.copytree(SAMPLES / folder.name, folder)
    before = load_manifest(folder)
    (folder / "manifest.json").unlink()
    report = rebuild(folder)
    after = load_manifest(folder)
    assert report.ok and len(report.added) == 3
    assert [e["seed"] for e in after.images] == [e["seed"] for e in before.images]
    assert [e["prompt"] for e in after.images] == [e["prompt"].replace("\n", " ") for e in before.images]
    assert after.snapshot["runtime_info"] == {"sd_model_checkpoint": "demoModel_v1"}


def test_images_that_only_the_manifest_knows_are_not_lost(session: Path) -> None:
    """A power cut may lose the end of the journal that a synced manifest already has."""
    journal = session / "manifest.jsonl"
    data = journal.read_bytes()
    journal.write_bytes(data[: data.index(b"x_0001")])
    assert names(session) == THREE
    assert rebuild(session).ok
    assert names(session) == THREE


def test_images_on_the_disk_without_an_entry_are_added(session: Path) -> None:
    path = picture(session, 2)
    report = verify(session)
    assert (report.ok, report.extra, report.complete) == (False, [path.name], False)
    report = rebuild(session)
    assert (report.ok, report.added, report.complete, report.failed) == (True, [path.name], True, [])
    added = load_manifest(session).images[2]
    assert added == entry_of(path, 2)


def test_foreign_images_and_copies_are_reported_not_added(session: Path) -> None:
    picture(session, 2, session="another")
    shutil.copy(session / THREE[0], session / "best.png")
    shutil.copy(session / THREE[0], session / "x_0000_seed-10_annotated.png")
    Image.new("RGB", (4, 4)).save(session / "plain.png")
    Image.new("RGB", (4, 4)).save(session / "photo.jpg")
    report = rebuild(session)
    assert report.added == []
    assert report.extra == ["best.png", "photo.jpg", "plain.png", "x_0002_seed-12.png"]
    assert names(session) == THREE


def test_files_that_are_gone_are_reported_not_dropped(session: Path) -> None:
    (session / THREE[1]).unlink()
    assert verify(session).missing == [THREE[1]]
    report = rebuild(session)
    assert (report.missing, report.ok) == ([THREE[1]], False)
    assert names(session) == THREE


def test_torn_changed_and_duplicate_files(session: Path) -> None:
    path = session / THREE[0]
    whole = path.read_bytes()
    path.write_bytes(whole[:-5])
    other = session / THREE[1]
    data = bytearray(other.read_bytes())
    data[-20] ^= 1
    other.write_bytes(data)
    report = verify(session)
    assert (report.torn, report.mismatched) == ([THREE[0]], [])
    report = verify(session, hashes=True)
    assert (report.torn, report.mismatched) == ([THREE[0]], [THREE[1]])
    path.write_bytes(whole)
    Journal(session).image({**entry_of(path, 0), "filename": "x_0000_seed-99.png"})
    report = verify(session)
    assert report.duplicates == ["x_0000_seed-99.png"]
    assert report.missing == ["x_0000_seed-99.png"]
    assert report.done == 3


def test_a_torn_image_without_an_entry_is_reported(session: Path) -> None:
    path = picture(session, 2)
    path.write_bytes(path.read_bytes()[:-5])
    report = rebuild(session)
    assert (report.added, report.torn, report.extra, report.ok) == ([], [path.name], [path.name], False)


def test_batch_images_are_no_duplicates(session: Path) -> None:
    path = picture(session, 3, name="x_0003_seed-13-2.png")
    report = rebuild(session)
    assert report.added == [path.name]
    # the same content under two names is one too many, a batch image of its own is not
    assert report.duplicates == [path.name]
    path.write_bytes(encode_png(Image.new("RGB", (9, 9)), {}))
    Journal(session).image(entry_of(path, 3))
    report = verify(session, hashes=True)
    assert (report.duplicates, report.ok, report.done) == ([], True, 3)


def test_a_torn_journal_line_is_counted_and_harmless(session: Path) -> None:
    with (session / "manifest.jsonl").open("ab") as journal:
        journal.write(b'{"type":"image","entry":{"filename":"x_00')
    report = verify(session)
    assert (report.ok, report.unreadable_lines) == (True, 1)
    assert rebuild(session).unreadable_lines == 0
    assert verify(session).unreadable_lines == 0


def test_leftovers_of_a_killed_process_are_reported(session: Path) -> None:
    (session / "x_0002_seed-12.png.1a-2b.tmp").write_bytes(b"half")
    report = verify(session)
    assert (report.ok, report.leftovers) == (True, ["x_0002_seed-12.png.1a-2b.tmp"])


def test_images_in_sub_folders_that_entries_name(session: Path) -> None:
    (session / "part-1").mkdir()
    (session / "thumbs").mkdir()
    path = picture(session, 2)
    path.rename(session / "part-1" / path.name)
    Image.new("RGB", (4, 4)).save(session / "thumbs" / "x_0000_seed-10.png")
    moved = entry_of(session / "part-1" / path.name, 2)
    Journal(session).image({**moved, "filename": f"part-1/{path.name}"})
    report = verify(session, hashes=True)
    assert (report.ok, report.listed, report.complete) == (True, 4, True)


@pytest.mark.skipif(os.name == "nt", reason="links need rights on Windows")
def test_links_do_not_lead_out_of_the_folder(session: Path) -> None:
    (session.parent / "private").mkdir()
    Image.new("RGB", (4, 4)).save(session.parent / "private" / "secret.png")
    (session / "link").symlink_to(session.parent / "private")
    Journal(session).image({"filename": "link/secret.png", "sdgen": {"index": 2}})
    assert verify(session).missing == ["link/secret.png"]


def test_names_in_a_manifest_do_not_lead_out_of_the_folder(session: Path) -> None:
    outside = session.parent / "secret.png"
    Image.new("RGB", (4, 4)).save(outside)
    Journal(session).image({"filename": "../secret.png", "sdgen": {"index": 2}})
    assert verify(session, hashes=True).missing == ["../secret.png"]


def test_unknown_keys_survive_the_way_through_the_journal(session: Path) -> None:
    value = json.loads((session / "manifest.json").read_bytes())
    value["notes"] = {"by": "another tool"}
    value["images"][0]["stars"] = 5
    write(session, value)
    (session / "manifest.jsonl").unlink()
    with ManifestWriter(session) as writer:
        writer.image(entry_of(picture(session, 2), 2))
        writer.status("completed")
    after = json.loads((session / "manifest.json").read_bytes())
    assert after["notes"] == {"by": "another tool"}
    assert after["images"][0]["stars"] == 5
    assert len(after["images"]) == 4
    assert list(after) == ["snapshot", "images", "status", "notes"]


def test_a_broken_manifest_alone_is_kept_when_a_session_begins_there(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_bytes(b"{ torn")
    with pytest.raises(SDGenError) as caught:
        load_manifest(tmp_path)
    assert caught.value.code == "no-manifest"
    ManifestWriter(tmp_path).start(SNAPSHOT)
    assert (tmp_path / "manifest.json.broken").read_bytes() == b"{ torn"
    assert load_manifest(tmp_path).problems == []


def test_folders_without_a_session(tmp_path: Path) -> None:
    Image.new("RGB", (4, 4)).save(tmp_path / "holiday.png")
    for folder in (tmp_path, tmp_path / "none"):
        for read in (load_manifest, verify, rebuild):
            with pytest.raises(SDGenError) as caught:
                read(folder)
            assert caught.value.code == "no-manifest"
    assert [path.name for path in tmp_path.iterdir()] == ["holiday.png"]
    ManifestWriter(tmp_path).start(SNAPSHOT)  # a new session may begin beside other pictures
    assert load_manifest(tmp_path).images == []


def test_reading_writes_nothing(session: Path) -> None:
    (session / "manifest.json").write_bytes(b"{")
    before = {p.name: (p.read_bytes(), p.stat().st_mtime_ns) for p in session.iterdir()}
    load_manifest(session)
    verify(session, hashes=True)
    assert {p.name: (p.read_bytes(), p.stat().st_mtime_ns) for p in session.iterdir()} == before


def test_the_report_is_json(session: Path) -> None:
    value = json.loads(json.dumps(verify(session).to_dict()))
    assert value["ok"] is True and value["complete"] is False
    assert (value["planned"], value["listed"], value["done"], value["failed"]) == (4, 3, 3, [2])
