"""Images that were thrown away on purpose: every record says so, nothing makes them again by accident, and they can come back."""

from __future__ import annotations

import json
import shutil

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sdgen_core.sessions import edits
from sdgen_core.sessions.journal import JournalIndex
from sdgen_core.sessions.manifest import ManifestWriter, image_entry, load_manifest, rebuild, verify, write_manifest
from sdgen_core.sessions.removal import BEFORE, note_removed, removed_files, take_back, write_removed
from sdgen_core.sessions.upkeep import check, recover, take_in

from .conftest import make_item, request

SNAPSHOT = {"version": "2.0", "generation_params": {"num_images": 4}, "sdgen": {"session": "s1"}}


def name(index):
    return f"x_{index:04d}_seed-{index}.png"


def entry(index, prompt="a cat"):
    return image_entry(
        filename=name(index), seed=index, prompt=prompt, negative="", values={"A": "a"}, index=index,
        keys={"A": "a"}, sha256=f"{index:064x}", seconds=1.0,
    )  # fmt: skip


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A session of four images, whose files are there, written by a process that has ended."""
    writer = ManifestWriter(tmp_path)
    writer.start(SNAPSHOT)
    for index in range(4):
        (tmp_path / name(index)).write_bytes(b"image")
        writer.image(entry(index))
    writer.status("completed")
    monkeypatch.setattr(edits, "_ours", {})
    return tmp_path


def read(folder):
    return json.loads((folder / "manifest.json").read_text(encoding="utf-8"))


def names(entries):
    return [entry["filename"] for entry in entries]


def change(folder, how):
    value = read(folder)
    how(value)
    (folder / "manifest.json").write_text(json.dumps(value, indent=2), encoding="utf-8")


def remove(folder, *indexes):
    for index in indexes:
        (folder / name(index)).unlink()
    note_removed(folder, [name(index) for index in indexes])
    write_removed(folder)


def test_records_say_what_was_thrown_away(folder):
    remove(folder, 1, 2)
    data = load_manifest(folder)
    assert (names(data.images), names(data.removed)) == ([name(0), name(3)], [name(1), name(2)])
    written = read(folder)
    assert names(written["images"]) == [name(0), name(3)]
    assert written["removed"] == [entry(1), entry(2)]
    assert (written["status"], written["snapshot"]) == ("completed", SNAPSHOT)
    report = verify(folder)
    assert (report.missing, report.removed, report.done) == ([], [name(1), name(2)], 4)
    assert report.complete and data.finished
    size = (folder / "manifest.jsonl").stat().st_size
    remove_again = [name(1)]
    note_removed(folder, remove_again)
    assert (folder / "manifest.jsonl").stat().st_size == size


@pytest.mark.parametrize("lost", ["", "manifest.json", "manifest.jsonl"])
def test_a_rebuild_keeps_it(folder, lost):
    remove(folder, 1)
    if lost:
        (folder / lost).unlink()
    rebuild(folder)
    assert names(read(folder)["images"]) == [name(0), name(2), name(3)]
    assert names(read(folder)["removed"]) == [name(1)]
    index = JournalIndex(folder)
    index.update()
    assert list(index.removed) == [name(1)]


def test_an_image_made_again_is_one_again(folder):
    remove(folder, 1)
    (folder / name(1)).write_bytes(b"image")
    writer = ManifestWriter(folder)
    writer.image(entry(1, "made again"))
    writer.write()
    assert read(folder)["images"][1]["prompt"] == "made again"
    assert "removed" not in read(folder)


def test_a_file_taken_out_of_the_trash_is_taken_back(folder):
    remove(folder, 1, 2)
    assert take_back(folder) == []
    (folder / name(2)).write_bytes(b"image")
    assert (verify(folder).extra, verify(folder).removed) == ([], [name(1)])
    assert names(take_back(folder)) == [name(2)]
    assert (names(read(folder)["images"]), names(read(folder)["removed"])) == ([name(0), name(2), name(3)], [name(1)])
    assert removed_files(folder) == {name(1)}


def test_what_was_noted_by_hand_stays_with_the_entry(folder):
    change(folder, lambda value: value["images"][1].update(tags=["bad hands"]))
    remove(folder, 1)
    assert read(folder)["removed"][0]["tags"] == ["bad hands"]


@pytest.mark.parametrize("gone", [(3,), (0,), (0, 1, 2, 3)])
@pytest.mark.parametrize("how", [write_manifest, rebuild])
def test_an_entry_deleted_by_hand_with_its_file_is_thrown_away(folder, gone, how):
    for index in gone:
        (folder / name(index)).unlink()
    change(folder, lambda v: v.update(images=[e for n, e in enumerate(v["images"]) if n not in gone]))
    data = load_manifest(folder)
    assert names(data.removed) == [name(index) for index in gone]
    how(folder)
    assert names(read(folder).get("removed", [])) == [name(index) for index in gone]
    assert names(read(folder)["images"]) == [name(index) for index in range(4) if index not in gone]


def test_an_entry_deleted_by_hand_whose_file_is_there_comes_back(folder):
    change(folder, lambda value: value["images"].pop(1))
    write_manifest(folder)
    assert names(read(folder)["images"]) == [name(index) for index in range(4)]
    assert "removed" not in read(folder)


def test_a_manifest_of_before_is_nothing_deleted(folder):
    """It was written by a process that was killed before it wrote the next one: images that it does not know are missing."""
    old = (folder / "manifest.json").read_bytes()
    writer = ManifestWriter(folder)
    writer.extended({**SNAPSHOT, "generation_params": {"num_images": 5}})
    writer.image(entry(4))
    writer.status("completed")
    (folder / "manifest.json").write_bytes(old)
    edits._ours.clear()
    write_manifest(folder)  # the file of image 4 is not there
    assert names(read(folder)["images"]) == [name(index) for index in range(5)]
    assert "removed" not in read(folder)


@pytest.mark.parametrize("name", [None, 5, ["x"], {}])
def test_lines_without_a_name_are_no_images(folder, name):
    journal = folder / "manifest.jsonl"
    line = json.dumps({"type": "image", "entry": {"filename": name}}) + "\n"
    journal.write_text(line + journal.read_text(encoding="utf-8") + line, encoding="utf-8")
    with journal.open("a", encoding="utf-8") as file:
        for names_ in (name, [name], [5, "no such file.png"]):
            file.write(json.dumps({"type": "removed", "filenames": names_}) + "\n")
    data = load_manifest(folder)
    assert (len(data.images), data.removed) == (4, [])
    write_manifest(folder)
    assert len(read(folder)["images"]) == 4


def test_a_manifest_of_before_revokes_nothing(folder):
    old = (folder / "manifest.json").read_bytes()
    change(folder, lambda value: value["images"][1].update(note="mine"))
    edited = (folder / "manifest.json").read_bytes()
    (folder / name(1)).unlink()
    note_removed(folder, [name(1)])
    for before in (old, edited):  # killed before the manifest was written anew
        (folder / "manifest.json").write_bytes(before)
        edits._ours.clear()
        write_manifest(folder)
        assert names(read(folder)["removed"]) == [name(1)]


# ---- sessions without a journal ------------------------------------------------------------------------------------------


@pytest.fixture
def old(folder):
    """The predecessor's form: no journal, its own order of keys and images, fields of other tools, a number that is none."""
    (folder / "manifest.jsonl").unlink()
    value = {
        "images": [{"seed": n, "filename": name(n), "clip": [0.5, n]} for n in (2, 0, 1, 3)],
        "tool": {"über": "ß"},
        "snapshot": {"timestamp": "2025-01-02T03:04:05", "cfg": float("nan"), "big": 2**70},
        "status": "completed",
    }
    (folder / "manifest.json").write_text(json.dumps(value, indent=2, ensure_ascii=False), encoding="utf-8")
    return folder


def test_a_manifest_without_a_journal_loses_only_these_entries(old):
    before = (old / "manifest.json").read_bytes()
    remove(old, 0, 3)
    text = (old / "manifest.json").read_text(encoding="utf-8")
    written = json.loads(text)
    assert list(written) == ["images", "tool", "snapshot", "status", "removed"]
    assert names(written["images"]) == [name(2), name(1)]
    assert written["images"][0] == {"seed": 2, "filename": name(2), "clip": [0.5, 2]}
    assert '"cfg": NaN' in text and '"über": "ß"' in text and str(2**70) in text
    assert (old / f"manifest.json{BEFORE}").read_bytes() == before
    assert not (old / "manifest.jsonl").exists()
    remove(old, 1)
    assert (old / f"manifest.json{BEFORE}").read_bytes() == before  # of before everything
    assert verify(old).missing == []
    (old / name(0)).write_bytes(b"image")
    assert names(take_back(old)) == [name(0)]
    assert (names(read(old)["images"]), names(read(old)["removed"])) == ([name(0), name(2)], [name(1), name(3)])


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b'{"images": 5}', b"\xff\xfe", b"[" * 100_000])
def test_a_manifest_that_is_none_stays_as_it_is(old, content):
    (old / "manifest.json").write_bytes(content)
    note_removed(old, [name(0)])
    assert (old / "manifest.json").read_bytes() == content


# ---- the ledger ----------------------------------------------------------------------------------------------------------


def finished(sessions):
    session = sessions.submit(request()).session
    for idx in range(4):
        make_item(sessions, session.id, idx)
    return sessions.finish_if_done(session.id)


def file_of(sessions, row, idx):
    return str(sessions.ledger.item(row.id, idx).file)


def throw_away(sessions, row, idx):
    file = file_of(sessions, row, idx)
    (row.folder / file).unlink()
    note_removed(row.folder, [file])
    return file


def test_nothing_makes_it_again_but_a_retry_that_asks_for_it(make):
    sessions = make()
    row = finished(sessions)
    file = throw_away(sessions, row, 1)
    report = check(sessions, row.id)["verify"]
    assert report["ok"] and report["removed"] == [file] and report["done_without_file"] == []
    after, again = sessions.retry(row.id)
    assert again == 0
    assert (after.state, after.done, after.skipped, after.left) == ("completed", 3, 1, 0)
    recover(sessions)
    check(sessions, row.id, repair=True)
    assert sessions.submit(request()).session.left == 0
    assert sessions.retry(row.id, skipped=True)[1] == 1
    make_item(sessions, row.id, 1)
    after = sessions.finish_if_done(row.id)
    assert (after.state, after.done) == ("completed", 4)
    assert removed_files(row.folder) == set()
    assert check(sessions, row.id, hashes=True)["verify"]["ok"]


def test_what_is_only_gone_is_still_made_again(make):
    sessions = make()
    row = finished(sessions)
    throw_away(sessions, row, 1)
    (row.folder / file_of(sessions, row, 2)).unlink()
    assert sessions.retry(row.id)[1] == 1
    assert [item.idx for item in sessions.ledger.items(row.id, "todo")] == [2]


def test_a_paused_session_goes_on_without_it(make):
    sessions = make()
    row = sessions.submit(request()).session
    for idx in range(2):
        make_item(sessions, row.id, idx)
    sessions.pause(row.id)
    throw_away(sessions, row, 0)
    sessions.resume(row.id)
    for idx in (2, 3):
        make_item(sessions, row.id, idx)
    after = sessions.finish_if_done(row.id)
    assert (after.state, after.done, after.skipped) == ("completed", 3, 1)
    assert len(read(row.folder)["removed"]) == 1


def test_a_session_taken_in_anew_knows_it(make):
    sessions = make()
    row = finished(sessions)
    throw_away(sessions, row, 3)
    sessions.close()
    shutil.rmtree(sessions.ledger.path.parent)
    other = make()
    taken = take_in(other, row.folder)
    assert (taken.state, taken.done, taken.skipped, taken.left) == ("completed", 3, 1, 0)


# ---- any order -----------------------------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(["make", "remove", "back", "write", "rebuild", "restart"]), st.integers(0, 3)),
        max_size=12,
    )
)
def test_records_agree_with_the_files_after_any_work(tmp_path_factory, work):
    folder = tmp_path_factory.mktemp("session")
    writer = ManifestWriter(folder)
    writer.start(SNAPSHOT)
    made: set[int] = set()
    for what, index in work:
        there = (folder / name(index)).exists()
        if what == "make":
            (folder / name(index)).write_bytes(b"image")
            writer.image(entry(index))
            made.add(index)
        elif what == "remove" and there:
            (folder / name(index)).unlink()
            note_removed(folder, [name(index)])
        elif what == "back" and index in made:
            (folder / name(index)).write_bytes(b"image")
            take_back(folder)
        elif what == "write":
            write_manifest(folder)
        elif what == "rebuild":
            rebuild(folder)
        elif what == "restart":
            edits._ours.clear()
            writer = ManifestWriter(folder)
    there = [name(index) for index in sorted(made) if (folder / name(index)).exists()]
    gone = [name(index) for index in sorted(made) if not (folder / name(index)).exists()]
    write_manifest(folder)
    assert names(read(folder)["images"]) == there
    assert names(read(folder).get("removed", [])) == gone
    assert verify(folder).missing == []
