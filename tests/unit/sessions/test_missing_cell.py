"""Exactly one image of a session is made: one that failed or was thrown away again, one that was never planned by extending it."""

from __future__ import annotations

import pytest

from sdgen_core.errors import SDGenError
from sdgen_core.sessions.changes import Wanted, extend, make_one, planned
from sdgen_core.sessions.removal import note_removed
from sdgen_core.sessions.upkeep import check, recover

from .conftest import TEMPLATE, make_item, request
from .test_changes import manifest, run

WEIGHTED = """
name: cats
prompt: "a {Colour[$0]} {Size} cat{Collar[#1-2]}"
imports:
  Colour: {r: red, g: green, "b,1": blue}
  Size: {s: small, "#1": large}
  Collar: {n: none, k: ", silk", l: ", leather"}
generation: {mode: %s, seed: 7, seed_mode: random, variation_seed: 3, max_images: %d}
parameters: {width: 64, height: 64, sampler: Euler a}
"""


def pairs(row):
    return [(e["applied_variations"]["Colour"], e["seed"]) for e in manifest(row)["images"]]


def test_what_can_be_made(make):
    sessions = make()
    row = sessions.submit(request(TEMPLATE % 3)).session  # r on 7, g on 8, b on 9
    make_item(sessions, row.id, 0)
    sessions.skip(row.id, [1])
    wanted = [Wanted({"Colour": key}, seed) for key, seed in (("r", 7), ("g", 8), ("b", 9), ("w", 7), ("x", 7))]
    assert planned(sessions, row.id, wanted) == ["done", "skipped", "todo", "possible", None]


def test_one_that_failed_is_made_again_and_no_other(make):
    sessions = make()
    row = sessions.submit(request()).session
    for idx in (1, 2):
        sessions.ledger.mark_queued(row.id, {idx: "p"})
        sessions.item_failed(row.id, idx, "node-error", "it broke")
    row = run(sessions, row)
    assert (row.state, row.failed) == ("failed", 2)
    row, item = make_one(sessions, row.id, Wanted({"Colour": "b"}, 9))
    assert (row.state, row.left, row.failed, item.idx, item.state) == ("running", 1, 1, 2, "todo")
    row = run(sessions, row)
    assert (row.state, row.reason, row.done) == ("failed", "1 of 4 images failed", 3)
    # asked for twice: it is there
    row, item = make_one(sessions, row.id, Wanted({"Colour": "b"}, 9))
    assert (row.state, item.state, row.left) == ("failed", "done", 0)


def test_one_whose_file_is_gone_or_was_thrown_away_is_made_again(make):
    sessions = make()
    row = run(sessions, sessions.submit(request(TEMPLATE % 3)).session)
    files = {item.idx: str(item.file) for item in sessions.ledger.items(row.id, "done")}
    for idx in (0, 1, 2):
        (row.folder / files[idx]).unlink()
    note_removed(row.folder, [files[1]])
    for idx, key in ((0, "r"), (1, "g")):
        row, item = make_one(sessions, row.id, Wanted({"Colour": key}, 7 + idx))
        assert (item.idx, item.state, row.state, row.left) == (idx, "todo", "running", 1)
        row = run(sessions, row)
    assert sorted(p.name for p in row.folder.glob("*.png")) == [files[0], files[1]]


def test_one_that_was_never_planned_extends_the_session_by_itself_alone(make):
    sessions = make()
    row = run(sessions, sessions.submit(request(TEMPLATE % 2)).session)
    before = {p.name: p.read_bytes() for p in row.folder.glob("*.png")}
    row, item = make_one(sessions, row.id, Wanted({"Colour": "w", "Elsewhere": "x"}, 7))
    assert (row.state, row.total, row.left, item.idx) == ("running", 3, 1, 2)
    row = run(sessions, row)
    assert pairs(row) == [("red", 7), ("green", 8), ("white", 7)]
    assert manifest(row)["snapshot"]["variations"]["Colour"]["count"] == 4
    assert all((row.folder / name).read_bytes() == data for name, data in before.items())
    assert check(sessions, row.id, hashes=True)["verify"]["ok"]
    assert make_one(sessions, row.id, Wanted({"Colour": "w"}, 7))[0].total == 3
    # the session goes on as if nothing had been put in between, and is still the one that was ordered
    row = run(sessions, extend(sessions, row.id, more=2).session)
    assert pairs(row)[3:] == [("blue", 9), ("white", 10)]
    more = extend(sessions, row.id, seeds=[50])
    assert more.added == 4


def test_the_order_still_means_the_session(make):
    sessions = make()
    row = run(sessions, sessions.submit(request()).session)
    row, _ = make_one(sessions, row.id, Wanted({"Colour": "w"}, 99))
    run(sessions, row)
    assert sessions.submit(request()).action == "complete"
    assert sessions.submit(request()).session.id == row.id


@pytest.mark.parametrize("mode", ["combinatorial", "random"])
def test_any_combination_of_any_template(make, mode):
    """Also of values outside of the loops, of keys that a selector cannot name, and beside those that a selector leaves."""
    sessions = make()
    row = run(sessions, sessions.submit(request(WEIGHTED % (mode, 2))).session)
    for n, keys in enumerate(
        ({"Colour": "b,1", "Size": "#1", "Collar": "l"}, {"Colour": "r", "Size": "s", "Collar": "n"})
    ):
        row, item = make_one(sessions, row.id, Wanted(keys, 123 + n))
        row = run(sessions, row)
        entry = manifest(row)["images"][-1]
        assert (entry["sdgen"]["keys"], entry["seed"], entry["sdgen"]["index"]) == (keys, 123 + n, item.idx)
    assert row.total == 4


def test_a_paused_session_is_not_woken_for_one_image(make):
    sessions = make()
    row = sessions.submit(request()).session
    make_item(sessions, row.id, 0)
    sessions.skip(row.id, [1])
    sessions.pause(row.id)
    row, item = make_one(sessions, row.id, Wanted({"Colour": "g"}, 8))
    assert (row.state, item.state, row.left) == ("paused", "todo", 3)
    row, item = make_one(sessions, row.id, Wanted({"Colour": "b"}, 9))
    assert (row.state, item.state) == ("paused", "todo")
    with pytest.raises(SDGenError) as caught:
        make_one(sessions, row.id, Wanted({"Colour": "w"}, 1))
    assert caught.value.code == "bad-state"
    assert sessions.ledger.session(row.id).total == 4


def test_what_the_template_has_not_is_refused(make):
    sessions = make()
    row = run(sessions, sessions.submit(request()).session)
    for keys in ({"Colour": "x"}, {}):
        with pytest.raises(SDGenError) as caught:
            make_one(sessions, row.id, Wanted(keys, 7))
        assert caught.value.code == "empty-plan"
    with pytest.raises(SDGenError) as caught:
        make_one(sessions, "nobody", Wanted({"Colour": "r"}, 7))
    assert caught.value.code == "unknown-session"


def test_it_survives_a_restart(make):
    sessions = make()
    row = run(sessions, sessions.submit(request(TEMPLATE % 2)).session)
    row, _ = make_one(sessions, row.id, Wanted({"Colour": "w"}, 7))
    sessions.close()
    again = make()
    recover(again)
    row = run(again, again.ledger.session(row.id))
    assert (row.state, row.done, pairs(row)[-1]) == ("completed", 3, ("white", 7))
