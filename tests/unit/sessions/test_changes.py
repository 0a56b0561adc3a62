"""Sessions that get longer, shorter, stopped, skipped, another name, another place, another ledger."""

import json
import shutil

import pytest

from sdgen_core.errors import SDGenError
from sdgen_core.sessions.changes import extend, shrink
from sdgen_core.sessions.plan import Plan
from sdgen_core.sessions.upkeep import check, move, recover, rename, take_in
from sdgen_core.templates import load_text

from .conftest import TEMPLATE, make_item, request

RANDOM = TEMPLATE.replace("combinatorial", "random")


def manifest(row):
    return json.loads((row.folder / "manifest.json").read_text(encoding="utf-8"))


def made(sessions, row):
    return {i.idx: i.file for i in sessions.ledger.items(row.id, "done")}


def run(sessions, row):
    for item in sessions.ledger.items(row.id, "todo"):
        make_item(sessions, row.id, item.idx)
    return sessions.finish_if_done(row.id)


@pytest.mark.parametrize("text", [TEMPLATE % 2, RANDOM % 2], ids=["combinatorial", "random"])
def test_a_session_gets_longer_by_what_it_would_have_made_next(make, text):
    sessions = make()
    row = run(sessions, sessions.submit(request(text)).session)
    before = {p.name: p.read_bytes() for p in row.folder.glob("*.png")}
    longer = extend(sessions, row.id, more=1)
    assert (longer.action, longer.added, longer.session.state) == ("extended", 1, "running")
    row = run(sessions, longer.session)
    assert (row.state, row.total, row.done) == ("completed", 3, 3)
    assert all((row.folder / name).read_bytes() == data for name, data in before.items())
    colours = [e["applied_variations"]["Colour"] for e in manifest(row)["images"]]
    whole = Plan.build(load_text(text.replace("max_images: 2", "max_images: 3")))
    assert colours == [whole.item(n).values["Colour"] for n in range(3)]
    assert [e["seed"] for e in manifest(row)["images"]] == [7, 8, 9]
    assert manifest(row)["snapshot"]["generation_params"]["num_images"] == 3
    extend(sessions, row.id, more=5)  # one value is left
    assert sessions.ledger.session(row.id).total == 4
    with pytest.raises(SDGenError) as caught:
        extend(sessions, row.id, more=1)
    assert caught.value.code == "empty-plan"


@pytest.mark.parametrize("text", [TEMPLATE % 4, RANDOM % 4], ids=["combinatorial", "random"])
def test_a_session_that_was_shrunk_gets_longer_by_so_many_only(make, text):
    sessions = make()
    row = sessions.submit(request(text)).session
    whole = Plan.build(load_text(text))
    row, removed = shrink(sessions, row.id, 2)
    assert removed == 2
    longer = extend(sessions, row.id, more=1)
    assert (longer.added, longer.session.total) == (1, 3)
    row = run(sessions, longer.session)
    colours = [e["applied_variations"]["Colour"] for e in manifest(row)["images"]]
    assert colours == [whole.item(n).values["Colour"] for n in range(3)]


def test_a_session_gets_more_seeds_and_none_twice(make):
    sessions = make()
    row = run(sessions, sessions.submit(request(TEMPLATE % 2)).session)
    more = extend(sessions, row.id, seeds=range(7, 9))
    # red on 7 and green on 8 are there
    assert (more.added, more.session.total) == (2, 4)
    row = run(sessions, more.session)
    pairs = [(e["applied_variations"]["Colour"], e["seed"]) for e in manifest(row)["images"]]
    assert pairs == [("red", 7), ("green", 8), ("red", 8), ("green", 7)]
    assert extend(sessions, row.id, seeds=range(7, 9)).action == "complete"
    for bad in ({}, {"more": 1, "seeds": [1]}, {"more": -1}):
        with pytest.raises(SDGenError):
            extend(sessions, row.id, **bad)


def test_another_theme_is_another_image(make):
    sessions = make()
    plan = Plan.build(load_text(TEMPLATE % -1))
    row = run(sessions, sessions.submit(request(plan=plan)).session)
    data = plan.to_json()
    data["resolved"] |= {"theme": "night", "values": [["Colour", [["r", "crimson"], ["k", "black"]]]]}
    more = sessions.submit(request(plan=Plan.from_json(data), name=row.id, on_existing="extend"))
    assert (more.action, more.added, more.session.id) == ("extended", 2, row.id)
    values = manifest(run(sessions, more.session))["snapshot"]["variations"]["Colour"]["used"]
    assert values == ["red", "green", "blue", "white", "crimson", "black"]


def test_a_session_gets_shorter(make):
    sessions = make()
    row = sessions.submit(request()).session
    make_item(sessions, row.id, 3)
    row, removed = shrink(sessions, row.id, 2)
    assert (removed, row.total, row.left) == (1, 3, 2)
    row = run(sessions, row)
    assert (row.state, sorted(made(sessions, row))) == ("completed", [0, 1, 3])
    assert manifest(row)["snapshot"]["generation_params"]["num_images"] == 3
    assert check(sessions, row.id, hashes=True)["verify"]["ok"]
    with pytest.raises(SDGenError):
        shrink(sessions, row.id, 0)


def test_stop_and_go_on(make):
    sessions = make()
    row = sessions.submit(request()).session
    make_item(sessions, row.id, 0)
    row = sessions.stop(row.id)
    assert (row.state, manifest(row)["status"]) == ("stopped", "aborted")
    assert sessions.ledger.next_in_line() is None and recover(sessions) == []
    row = sessions.resume(row.id)
    assert (row.state, manifest(row)["status"]) == ("running", "ongoing")
    row = run(sessions, row)
    with pytest.raises(SDGenError) as caught:
        sessions.stop(row.id)
    assert caught.value.code == "bad-state"


def test_skipped_items_are_left_out_until_they_are_wanted(make):
    sessions = make()
    row = sessions.submit(request()).session
    make_item(sessions, row.id, 0)
    row, count = sessions.skip(row.id, [0, 1, 2])
    assert (count, row.skipped, row.left) == (2, 2, 1)
    row = run(sessions, row)
    assert (row.state, sorted(made(sessions, row))) == ("completed", [0, 3])
    with pytest.raises(SDGenError) as caught:
        sessions.skip(row.id, [4])
    assert caught.value.code == "unknown-item"
    row, again = sessions.retry(row.id, skipped=True)
    assert (row.state, again, run(sessions, row).done) == ("running", 2, 4)


def test_failures_that_are_skipped_are_no_longer_counted(make):
    sessions = make()
    row = sessions.submit(request()).session
    make_item(sessions, row.id, 0)
    for idx in (1, 2, 3):
        sessions.ledger.mark_queued(row.id, {idx: "p"})
        sessions.item_failed(row.id, idx, "node-error", "it broke")
    assert sessions.finish_if_done(row.id).reason == "3 of 4 images failed"
    row, _ = sessions.skip(row.id, [1])
    assert (row.state, row.reason) == ("failed", "2 of 4 images failed")
    row, _ = sessions.skip(row.id, [2, 3])
    assert (row.state, row.reason) == ("completed", "")


@pytest.mark.parametrize("other_disk", [False, True])
def test_a_session_gets_another_name_and_place(make, tmp_path, monkeypatch, other_disk):
    sessions = make()
    row = sessions.submit(request()).session
    make_item(sessions, row.id, 0)
    with pytest.raises(SDGenError) as caught:
        rename(sessions, row.id, "dogs")
    assert caught.value.code == "bad-state"
    sessions.pause(row.id)
    old = row.folder
    row = rename(sessions, row.id, "do/gs")
    assert row.name == "do_gs" and row.folder.name == old.name.replace("cats", "do_gs") and not old.exists()
    (tmp_path / "archive").mkdir()
    (tmp_path / "archive" / row.folder.name).mkdir()
    if other_disk:

        def refuse(self, target):
            if self.name.endswith(".moving"):
                return original(self, target)
            raise OSError(18, "Invalid cross-device link")

        original = type(row.folder).rename
        monkeypatch.setattr(type(row.folder), "rename", refuse)
    before = row.folder
    row = move(sessions, row.id, tmp_path / "archive")
    assert row.folder == tmp_path / "archive" / f"{before.name}-2" and not before.exists()
    row = run(sessions, sessions.resume(row.id))
    assert sorted(made(sessions, row).values()) == [f"cats_{i:04d}_seed-{7 + i}.png" for i in range(4)]
    assert check(sessions, row.id, hashes=True)["verify"]["ok"]
    # the same order still means this session
    assert sessions.submit(request()).action == "complete"


def test_a_move_that_fails_leaves_the_session_where_it_was(make, tmp_path, monkeypatch):
    sessions = make()
    row = run(sessions, sessions.submit(request()).session)
    (tmp_path / "archive").mkdir()
    monkeypatch.setattr(
        type(row.folder), "rename", lambda self, target: (_ for _ in ()).throw(OSError(18, "other disk"))
    )
    monkeypatch.setattr(shutil, "copytree", lambda *a: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(SDGenError) as caught:
        move(sessions, row.id, tmp_path / "archive")
    assert caught.value.code == "disk-full"
    assert list((tmp_path / "archive").iterdir()) == []
    assert check(sessions, row.id, hashes=True)["verify"]["ok"]


def test_a_lost_ledger_is_made_again_from_the_folders(make, tmp_path):
    sessions = make()
    row = sessions.submit(request()).session
    make_item(sessions, row.id, 0)
    make_item(sessions, row.id, 2)
    sessions.pause(row.id)
    extend(sessions, row.id, seeds=[99])
    sessions.close()
    shutil.rmtree(tmp_path / "user")
    (row.folder / "manifest.json").unlink()
    after = make()
    again = take_in(after, row.folder)
    assert (again.id, again.state, again.total, again.done, again.left) == (row.id, "paused", 8, 2, 6)
    assert len(manifest(again)["images"]) == 2
    again = run(after, after.resume(again.id))
    assert (again.state, check(after, row.id, hashes=True)["verify"]["ok"]) == ("completed", True)
    assert take_in(after, again.folder).state == "completed"  # known already
    copy = tmp_path / "copy"
    shutil.copytree(again.folder, copy)
    with pytest.raises(SDGenError) as caught:
        take_in(after, copy)
    assert caught.value.code == "bad-state"
    with pytest.raises(SDGenError) as caught:
        take_in(after, tmp_path)
    assert caught.value.code == "no-manifest"


def test_images_in_sub_folders(make):
    sessions = make()
    text = TEMPLATE % -1 + "output: {filename_keys: [Colour], images_per_folder: 2}\n"
    row = run(sessions, sessions.submit(request(text)).session)
    assert sorted(made(sessions, row).values()) == [
        "00000-00001/cats_0000_Colour-red_seed-7.png",
        "00000-00001/cats_0001_Colour-green_seed-8.png",
        "00002-00003/cats_0002_Colour-blue_seed-9.png",
        "00002-00003/cats_0003_Colour-white_seed-10.png",
    ]
    assert check(sessions, row.id, hashes=True)["verify"]["ok"]
    sessions.forget(row.id)
    for name in ("manifest.json", "manifest.jsonl"):
        (row.folder / name).unlink()
    report = check(sessions, row.id, repair=True)["verify"]
    assert report["ok"] and report["listed"] == 4


def test_sessions_stand_in_line(make):
    sessions = make()
    first = sessions.submit(request(name="one")).session
    second = sessions.submit(request(name="two")).session
    assert (first.state, second.state) == ("running", "planned")
    sessions.pause(first.id)
    assert sessions.ledger.next_in_line().id == second.id
    assert sessions.begin(second.id).state == "running"
    assert sessions.resume(first.id).state == "planned"
    assert run(sessions, second).state == "completed"
    assert sessions.ledger.next_in_line().id == first.id
    assert [row.id for row in recover(sessions)] == [first.id]
