"""What people write into manifest.json by hand: it is taken over before the file is replaced, and nothing old is mistaken for it."""

import json

import pytest

from sdgen_core.errors import SDGenError
from sdgen_core.sessions import edits, manifest
from sdgen_core.sessions.manifest import ManifestWriter, image_entry, load_manifest, rebuild, verify, write_manifest

SNAPSHOT = {"version": "2.0", "generation_params": {"num_images": 4}, "sdgen": {"session": "s1"}}


def entry(index, prompt="a cat", sha256=None):
    return image_entry(
        filename=f"x_{index:04d}_seed-{index}.png", seed=index, prompt=prompt, negative="", values={"A": "a"}, index=index,
        keys={"A": "a"}, sha256=sha256 or f"{index:064x}", seconds=1.0,
    )  # fmt: skip


@pytest.fixture
def writer(tmp_path):
    out = ManifestWriter(tmp_path)
    out.start(SNAPSHOT)
    for index in range(3):
        out.image(entry(index))
    out.write()
    return out


def read(folder):
    return json.loads((folder / "manifest.json").read_text(encoding="utf-8"))


def change(folder, how):
    value = read(folder)
    how(value)
    (folder / "manifest.json").write_text(json.dumps(value, indent=4), encoding="utf-8")


def noted(value):
    value["images"][1] |= {"tags": ["keep"], "prompt": "a better cat"}
    del value["images"][1]["sdgen"]  # our own notes are not the user's to lose
    value["images"].append({"filename": "mine.png", "seed": 5})
    value["rating"] = 5


def holds_the_notes(folder):
    value = read(folder)
    by_name = {e["filename"]: e for e in value["images"]}
    kept = by_name["x_0001_seed-1.png"]
    assert (kept["tags"], kept["prompt"], kept["sdgen"]) == (["keep"], "a better cat", entry(1)["sdgen"])
    assert by_name["x_0000_seed-0.png"] == entry(0) and by_name["mine.png"] == {"filename": "mine.png", "seed": 5}
    assert value["rating"] == 5
    return by_name


def test_notes_survive_the_next_images(tmp_path, writer):
    change(tmp_path, noted)
    writer.image(entry(3))
    writer.status("completed")
    assert len(holds_the_notes(tmp_path)) == 5
    assert verify(tmp_path).duplicates == []
    assert not edits.kept_aside(tmp_path / "manifest.json")


def test_notes_survive_another_process_and_a_rebuild(tmp_path, writer, monkeypatch):
    change(tmp_path, noted)
    monkeypatch.setattr(edits, "_ours", {})
    loaded = {e["filename"]: e for e in load_manifest(tmp_path).images}
    assert loaded["x_0001_seed-1.png"]["tags"] == ["keep"]
    rebuild(tmp_path)
    holds_the_notes(tmp_path)
    write_manifest(tmp_path)
    holds_the_notes(tmp_path)


def test_a_snapshot_of_yesterday_is_no_edit(tmp_path, writer, monkeypatch):
    old = (tmp_path / "manifest.json").read_bytes()
    writer.image(entry(1, "made again", "f" * 64))
    writer.extended({**SNAPSHOT, "generation_params": {"num_images": 9}})
    (tmp_path / "manifest.json").write_bytes(old)  # a process was killed before it wrote this one anew
    size = (tmp_path / "manifest.jsonl").stat().st_size
    monkeypatch.setattr(edits, "_ours", {})
    write_manifest(tmp_path)
    assert (tmp_path / "manifest.jsonl").stat().st_size == size
    assert read(tmp_path)["images"][1]["prompt"] == "made again"
    assert not edits.kept_aside(tmp_path / "manifest.json")
    # and with the journal's older lines gone, the hash tells that the entry is about another file
    (tmp_path / "manifest.json").write_bytes(old)
    rebuild(tmp_path)
    assert read(tmp_path)["images"][1]["prompt"] == "made again"


def test_what_is_not_taken_over_is_kept_beside_it(tmp_path, writer):
    change(tmp_path, lambda value: value["snapshot"].update(generation_params={"num_images": 1}))
    writer.write()
    assert read(tmp_path)["snapshot"] == SNAPSHOT
    kept = json.loads((tmp_path / "manifest.json.edited").read_text(encoding="utf-8"))
    assert kept["snapshot"]["generation_params"] == {"num_images": 1}
    for number in ("", "-2"):
        (tmp_path / "manifest.json").write_text('{"images": [{"tags": "keep me",}]', encoding="utf-8")
        writer.write()
        assert "keep me" in (tmp_path / f"manifest.json.broken{number}").read_text(encoding="utf-8")
        assert len(read(tmp_path)["images"]) == 3


def test_an_edit_in_the_moment_of_writing_is_not_lost(tmp_path, writer, monkeypatch):
    plain, once = manifest._write, [True]

    def write(out, index):
        plain(out, index)
        if once.pop() if once else False:
            change(tmp_path, noted)

    monkeypatch.setattr(manifest, "_write", write)
    writer.write()
    holds_the_notes(tmp_path)
    assert not list(tmp_path.glob("*.tmp"))


def test_a_manifest_that_cannot_be_read_stops_nothing_but_its_own_writing(tmp_path, writer):
    (tmp_path / "manifest.json").unlink()
    (tmp_path / "manifest.json").mkdir()
    with pytest.raises(SDGenError):
        writer.write()
    writer.image(entry(3))
    (tmp_path / "manifest.json").rmdir()
    assert len(read(writer.write().parent)["images"]) == 4
