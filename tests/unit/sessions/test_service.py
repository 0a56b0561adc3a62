"""The sessions service on a real ledger, real templates and real files; only ComfyUI is not needed here."""

import hashlib
import json
from pathlib import Path

import pytest
from PIL import Image

from sdgen_core.errors import SDGenError
from sdgen_core.sessions import items
from sdgen_core.sessions.items import Host
from sdgen_core.sessions.ledger import Ledger
from sdgen_core.sessions.parameters import Parameters
from sdgen_core.sessions.plan import Plan
from sdgen_core.sessions.service import SessionRequest, Sessions
from sdgen_core.templates import load_text

TEMPLATE = """
name: cats
prompt: "a {Colour} cat"
negative_prompt: blurry
imports: {Colour: {r: red, g: green, b: blue, w: white}}
generation: {mode: combinatorial, seed: 7, seed_mode: progressive, max_images: %d}
parameters: {width: 64, height: 64, sampler: Euler a}
"""


def graph(**save):
    return {
        "1": {"class_type": "SDGenTemplate", "inputs": {}},
        "2": {"class_type": "SDGenSessionPlan", "inputs": {"template": ["1", 0]}},
        "3": {"class_type": "Draw", "inputs": {"text": ["2", 0], "seed": ["2", 2], "ckpt_name": "m.safetensors"}},
        "4": {"class_type": "SDGenSessionSave", "inputs": {"images": ["3", 0], "file_name": ["2", 10], **save}},
    }


@pytest.fixture
def make(tmp_path):
    opened = []

    def open_sessions(model: bytes | None = b"weights"):
        path = tmp_path / "m.safetensors"
        if model is not None:
            path.write_bytes(model)
        host = Host(
            lambda: ["euler", "euler_ancestral"],
            lambda: ["normal", "simple"],
            lambda name: path if path.is_file() else None,
        )
        sessions = Sessions(Ledger(tmp_path / "user" / "ledger.db"), tmp_path / "out", host, user_dir=tmp_path / "user")
        opened.append(sessions)
        return sessions

    yield open_sessions
    for sessions in opened:
        sessions.close()


def request(text=TEMPLATE % -1, **options):
    plan = Plan.build(load_text(text))
    return SessionRequest(**{"plan": plan, "graph": graph(), "planner": "2", "defaults": Parameters(), **options})


def make_item(sessions, session, idx, size=1):
    """What ComfyUI would do with one item: take its child prompt, draw, save."""
    attempt = sessions.ledger.mark_queued(session, {idx: f"p{idx}"}).get(idx, 1)
    child = sessions.child(sessions.ledger.item(session, idx), attempt)
    images = [Image.new("RGB", (8, 8), (child.prompt["3"]["inputs"]["seed"] % 256, n, 0)) for n in range(size)]
    return sessions.save(child.prompt["4"]["inputs"]["item"], images, child.prompt, child.extra_data["extra_pnginfo"])


def test_items_become_files_with_everything_in_them(make):
    sessions = make()
    done = sessions.submit(request())
    assert (done.action, done.added, done.session.total) == ("created", 4, 4)
    for idx in range(4):
        make_item(sessions, done.session.id, idx)
    row = sessions.finish_if_done(done.session.id)
    assert (row.state, row.done, row.left) == ("completed", 4, 0)
    names = [f"cats_{n:04d}_seed-{7 + n}.png" for n in range(4)]
    assert sorted(p.name for p in row.folder.glob("*.png")) == names
    text = Image.open(row.folder / names[2]).text
    record = json.loads(text["sdgen"])
    assert record["keys"] == {"Colour": "b"} and record["values"] == {"Colour": "blue"}
    short = hashlib.sha256(b"weights").hexdigest()[:10]  # as A1111 shortens it
    assert record["checkpoint"] == {"name": "m.safetensors", "hash": short}
    assert "Sampler: Euler a" in text["parameters"] and f"Model hash: {short}" in text["parameters"]
    manifest = json.loads((row.folder / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["status"] == "completed" and [i["filename"] for i in manifest["images"]] == names
    assert sessions.verify(row.id, hashes=True)["verify"]["ok"]


def test_verify_finds_what_is_wrong(make):
    sessions = make()
    session = sessions.submit(request()).session
    for idx in range(4):
        make_item(sessions, session.id, idx)
    sessions.finish_if_done(session.id)
    (session.folder / "cats_0001_seed-8.png").unlink()
    picture = session.folder / "cats_0002_seed-9.png"
    picture.write_bytes(picture.read_bytes()[:-20])
    report = sessions.verify(session.id, hashes=True)["verify"]
    assert not report["ok"] and report["done_without_file"] == [1]
    assert report["missing"] == ["cats_0001_seed-8.png"] and report["torn"] == ["cats_0002_seed-9.png"]


def test_resume_by_the_same_order_and_new_by_another(make):
    sessions = make()
    first = sessions.submit(request()).session
    sessions.pause(first.id, "lunch")
    again = sessions.submit(request(client="tab"))
    assert (again.action, again.session.id, again.session.state, again.session.client) == (
        "resumed",
        first.id,
        "running",
        "tab",
    )
    assert sessions.submit(request(defaults=Parameters(steps=9))).session.id != first.id
    assert sessions.submit(request(name="other")).session.id != first.id
    assert sessions.submit(request(on_existing="new")).session.id != first.id


def test_a_random_base_seed_does_not_make_the_same_press_a_new_order(make):
    sessions = make()
    text = (TEMPLATE % -1).replace("seed: 7", "seed: -1")
    first = sessions.submit(request(text))
    assert sessions.submit(request(text)).session.id == first.session.id


def test_template_changed_on_disk_does_not_change_a_planned_session(make, tmp_path):
    sessions = make()
    session = sessions.submit(request()).session
    sessions.close()
    again = make()
    assert again.child(again.ledger.item(session.id, 0), 1).prompt["3"]["inputs"]["text"] == "a red cat"


def test_recovery_adopts_whole_files_and_repeats_the_rest(make):
    sessions = make()
    session = sessions.submit(request()).session
    make_item(sessions, session.id, 0)
    # killed between the file and the ledger: 1 is whole, 2 is torn, 3 was never written
    make_item(sessions, session.id, 1)
    sessions.ledger._db.execute("UPDATE item SET state='queued', file=NULL WHERE idx IN (1)")
    sessions.ledger.mark_queued(session.id, {2: "p2", 3: "p3"})
    (session.folder / "cats_0002_seed-9.png").write_bytes(b"\x89PNG\r\n\x1a\n half")
    sessions.close()
    after = make()
    (row,) = after.recover()
    assert [i.state for i in after.ledger.items(row.id)] == ["done", "done", "todo", "todo"]
    make_item(after, row.id, 2)
    make_item(after, row.id, 3)
    assert after.finish_if_done(row.id).state == "completed"
    assert after.verify(row.id, hashes=True)["verify"]["ok"]


def test_a_foreign_file_under_the_items_name_is_not_taken_for_it(make):
    sessions = make()
    session = sessions.submit(request()).session
    sessions.ledger.mark_queued(session.id, {0: "p"})
    Image.new("RGB", (8, 8)).save(session.folder / "cats_0000_seed-7.png")
    sessions.recover()
    assert sessions.ledger.item(session.id, 0).state == "todo"


def test_extension_keeps_what_is_there(make):
    sessions = make()
    session = sessions.submit(request(TEMPLATE % 2)).session
    for idx in range(2):
        make_item(sessions, session.id, idx)
    sessions.finish_if_done(session.id)
    more = sessions.submit(request(TEMPLATE % -1, on_existing="extend"))
    assert (more.action, more.added, more.session.total, more.session.state) == ("extended", 2, 4, "running")
    for idx in (2, 3):
        make_item(sessions, session.id, idx)
    assert sessions.finish_if_done(session.id).state == "completed"
    manifest = json.loads((session.folder / "manifest.json").read_text(encoding="utf-8"))
    assert [i["applied_variations"]["Colour"] for i in manifest["images"]] == ["red", "green", "blue", "white"]
    assert manifest["snapshot"]["variations"]["Colour"]["used"] == ["red", "green", "blue", "white"]
    nothing = sessions.submit(request(TEMPLATE % -1, on_existing="extend"))
    assert (nothing.action, nothing.added) == ("complete", 0)


def test_failures_are_kept_and_retried(make):
    sessions = make()
    session = sessions.submit(request()).session
    for idx in (0, 1, 3):
        make_item(sessions, session.id, idx)
    sessions.ledger.mark_queued(session.id, {2: "p"})
    sessions.item_failed(session.id, 2, "node-error", "it broke")
    row = sessions.finish_if_done(session.id)
    assert (row.state, row.failed) == ("failed", 1)
    assert sessions.details(row.id)["failures"] == [{"index": 2, "error": "node-error", "message": "it broke"}]
    manifest = json.loads((session.folder / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["failed"][0]["index"] == 2
    row, again = sessions.retry(session.id)
    assert (row.state, again) == ("running", 1)
    make_item(sessions, session.id, 2)
    assert sessions.finish_if_done(session.id).state == "completed"
    manifest = json.loads((session.folder / "manifest.json").read_text(encoding="utf-8"))
    assert not manifest.get("failed") and len(manifest["images"]) == 4


def test_a_full_disk_pauses_and_keeps_the_item(make, monkeypatch):
    sessions = make()
    session = sessions.submit(request()).session

    def full(path, data, durable=True):
        raise SDGenError("disk-full", "no space left")

    monkeypatch.setattr(items, "write_atomic", full)
    with pytest.raises(SDGenError):
        make_item(sessions, session.id, 0)
    row = sessions.ledger.session(session.id)
    assert row.state == "paused" and "no space" in row.reason
    assert sessions.ledger.item(session.id, 0).state == "todo"
    monkeypatch.undo()
    sessions.resume(session.id)
    make_item(sessions, session.id, 0)
    assert sessions.ledger.session(session.id).done == 1


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"graph": {k: v for k, v in graph().items() if k != "4"}}, "no-save-node"),
        ({"planner": "9"}, "no-planner"),
        ({"on_existing": "overwrite"}, "bad-option"),
        ({"plan": Plan.build(load_text((TEMPLATE % -1).replace("Euler a", "Eulr")))}, "bad-parameter"),
    ],
)
def test_refused_orders_leave_nothing(make, change, code):
    sessions = make()
    with pytest.raises(SDGenError) as caught:
        sessions.submit(request(**change))
    assert caught.value.code == code
    assert sessions.ledger.sessions() == [] and not list(Path(sessions.root).glob("*"))


def test_a_session_folder_that_cannot_be_made_leaves_nothing(make, tmp_path):
    sessions = make()
    (tmp_path / "out").write_text("a file where the folder should be")
    with pytest.raises(SDGenError) as caught:
        sessions.submit(request())
    assert caught.value.code == "unwritable-folder"
    assert sessions.ledger.sessions() == []


def test_warnings_are_passed_on(make):
    text = (TEMPLATE % -1).replace("width: 64", "withd: 64")
    assert any("withd" in warning for warning in make().submit(request(text)).warnings)


def test_ended_sessions_cannot_be_paused_or_resumed(make):
    sessions = make()
    session = sessions.submit(request(TEMPLATE % 1)).session
    make_item(sessions, session.id, 0)
    sessions.finish_if_done(session.id)
    for action in (sessions.pause, sessions.resume):
        with pytest.raises(SDGenError) as caught:
            action(session.id)
        assert caught.value.code == "bad-state"


def test_a_late_image_of_a_finished_session_is_still_saved(make):
    sessions = make()
    session = sessions.submit(request(TEMPLATE % 1)).session
    make_item(sessions, session.id, 0)
    sessions.finish_if_done(session.id)
    (path,) = make_item(sessions, session.id, 0)
    assert path.is_file() and sessions.ledger.session(session.id).done == 1


def test_a_childs_prompt_posted_by_hand_does_not_replace_the_sessions_image(make):
    sessions = make()
    session = sessions.submit(request(TEMPLATE % 1)).session
    (path,) = make_item(sessions, session.id, 0)
    before = path.read_bytes()
    with pytest.raises(SDGenError) as caught:
        sessions.save(f"{session.id}/0/1", [Image.new("RGB", (8, 8))], {}, {})
    assert caught.value.code == "bad-item" and path.read_bytes() == before


def test_tokens_that_are_no_items(make):
    for token in ("", "a", "a/b/c", "a/-1/1", "a/1"):
        with pytest.raises(SDGenError) as caught:
            items.parse_token(token)
        assert caught.value.code == "bad-graph"


# ---- what a review found -------------------------------------------------------------------------------------------------


def test_a_session_paused_during_its_last_image_still_ends(make):
    sessions = make()
    session = sessions.submit(request(TEMPLATE % 1)).session
    sessions.ledger.mark_queued(session.id, {0: "p"})
    sessions.pause(session.id, "lunch")
    make_item(sessions, session.id, 0)
    assert sessions.finish_if_done(session.id).state == "completed"
    manifest = json.loads((session.folder / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["status"] == "completed"


def test_a_batch_is_taken_over_whole_or_made_again(make):
    sessions = make()
    session = sessions.submit(request(TEMPLATE % 2)).session
    for idx in range(2):
        make_item(sessions, session.id, idx, size=3)
    assert (
        sessions.ledger.item(session.id, 0).sha256
        == hashlib.sha256((session.folder / "cats_0000_seed-7.png").read_bytes()).hexdigest()
    )
    sessions.ledger._db.execute("UPDATE item SET state='queued', file=NULL")
    # item 1 was cut short: the image with the plain name comes last, so it is the one that is missing
    (session.folder / "cats_0001_seed-8.png").unlink()
    (session.folder / "manifest.jsonl").unlink()
    sessions.close()
    after = make()
    after.recover()
    assert [i.state for i in after.ledger.items(session.id)] == ["done", "todo"]
    make_item(after, session.id, 1, size=3)
    assert after.finish_if_done(session.id).state == "completed"
    manifest = json.loads((session.folder / "manifest.json").read_text(encoding="utf-8"))
    assert len(manifest["images"]) == 6 and after.verify(session.id)["verify"]["ok"]


def test_an_extension_pressed_again_adds_nothing_even_with_drawn_seeds(make):
    sessions = make()
    text = (TEMPLATE % 2).replace("seed: 7", "seed: -1")
    first = sessions.submit(request(text, on_existing="extend"))
    assert first.action == "created"
    for _ in range(2):
        again = sessions.submit(request(text, on_existing="extend"))
        assert (again.session.id, again.added, again.session.total) == (first.session.id, 0, 2)
    more = sessions.submit(request(text.replace("max_images: 2", "max_images: 3"), on_existing="extend"))
    assert (more.action, more.added, more.session.total) == ("extended", 1, 3)


def test_deleted_images_are_made_again(make):
    sessions = make()
    session = sessions.submit(request(TEMPLATE % 2)).session
    for idx in range(2):
        make_item(sessions, session.id, idx)
    sessions.finish_if_done(session.id)
    (session.folder / "cats_0001_seed-8.png").unlink()
    again = sessions.submit(request(TEMPLATE % 2))
    assert (again.action, again.session.state, again.session.done) == ("resumed", "running", 1)
    make_item(sessions, session.id, 1)
    assert sessions.finish_if_done(session.id).state == "completed"


def test_a_deleted_folder_means_a_new_session(make):
    import shutil

    sessions = make()
    session = sessions.submit(request(TEMPLATE % 2)).session
    shutil.rmtree(session.folder)
    assert sessions.submit(request(TEMPLATE % 2)).action == "created"


def test_one_unreadable_session_does_not_stop_the_others(make):
    sessions = make()
    bad = sessions.submit(request(name="bad")).session
    good = sessions.submit(request(name="good")).session
    sessions.ledger.mark_queued(bad.id, {0: "p"})
    sessions.ledger._db.execute("UPDATE part SET plan='{}' WHERE session=?", (bad.id,))
    sessions.close()
    after = make()
    assert [row.id for row in after.recover()] == [good.id]
    row = after.ledger.session(bad.id)
    assert row.state == "paused" and "plan" in row.reason


def test_the_file_name_never_comes_from_the_client(make, tmp_path):
    sessions = make()
    session = sessions.submit(request(TEMPLATE % 1)).session
    sessions.ledger.mark_queued(session.id, {0: "p"})
    child = sessions.child(sessions.ledger.item(session.id, 0), 1)
    child.extra_data["extra_pnginfo"]["sdgen"]["requested_seed"] = "/../../../evil"
    (path,) = sessions.save(
        f"{session.id}/0/1", [Image.new("RGB", (8, 8))], child.prompt, child.extra_data["extra_pnginfo"]
    )
    assert path == session.folder / "cats_0000_seed-7.png" and path.is_file()


def test_a_manifest_that_lost_its_last_lines_is_caught_up(make):
    sessions = make()
    session = sessions.submit(request()).session
    for idx in range(3):
        make_item(sessions, session.id, idx)
    sessions.close()
    journal = session.folder / "manifest.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join(lines[:2]))  # a power cut: the rest never reached the disk
    (session.folder / "manifest.json").unlink()
    after = make()
    after.recover()
    manifest = json.loads((session.folder / "manifest.json").read_text(encoding="utf-8"))
    assert len(manifest["images"]) == 3 and after.verify(session.id)["verify"]["ok"]


def test_credentials_reach_the_children_and_stay_out_of_the_ledger(make, tmp_path):
    sessions = make()
    session = sessions.submit(request(credentials={"api_key_comfy_org": "secret-key"})).session
    child = sessions.child(sessions.ledger.item(session.id, 0), 1)
    assert child.extra_data["api_key_comfy_org"] == "secret-key"
    assert b"secret-key" not in (tmp_path / "user" / "ledger.db").read_bytes()
    assert b"secret-key" not in (tmp_path / "user" / "ledger.db-wal").read_bytes()
