import sqlite3
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdgen_core.errors import SDGenError
from sdgen_core.sessions.ledger import Ledger, Part, new_session_id

PART = Part(plan={"a": 1}, graph={"1": {}}, planner="2", workflow=None, defaults={"width": 64})


def make(ledger: Ledger, count: int, name: str = "cats", key: str = "k") -> str:
    session_id = new_session_id()
    ledger.create(
        session_id=session_id,
        key=key,
        name=name,
        folder=Path("out") / name,
        parts=[PART],
        items=[(0, n) for n in range(count)],
        client="tab",
    )
    return session_id


@pytest.fixture
def ledger(tmp_path):
    found = Ledger(tmp_path / "sdgen" / "ledger.db")
    yield found
    found.close()


def test_a_session_survives_reopening(tmp_path):
    ledger = Ledger(tmp_path / "ledger.db")
    session = make(ledger, 5)
    ledger.mark_queued(session, {0: "p0", 1: "p1"})
    ledger.mark_done(session, 0, file="a.png", sha256="x", seconds=1.5)
    ledger.close()
    again = Ledger(tmp_path / "ledger.db")
    row = again.session(session)
    assert (row.total, row.done, row.queued, row.left, row.seconds, row.state) == (5, 1, 1, 4, 1.5, "running")
    assert again.parts(session) == [PART]
    assert again.item(session, 0).file == "a.png" and again.item(session, 1).prompt_id == "p1"
    again.close()


def test_a_session_that_cannot_be_planned_leaves_nothing(ledger):
    def items():
        yield 0, 0
        raise RuntimeError("the disk")

    with pytest.raises(RuntimeError):
        ledger.create(session_id="s", key="k", name="n", folder=Path("f"), parts=[PART], items=items(), client=None)
    assert ledger.sessions() == []
    make(ledger, 2)
    assert len(ledger.sessions()) == 1


def test_attempts_count_and_only_todo_items_are_queued(ledger):
    session = make(ledger, 2)
    assert ledger.mark_queued(session, {0: "a"}) == {0: 1}
    assert ledger.mark_queued(session, {0: "b", 1: "c"}) == {1: 1}
    ledger.put_back(session, [0])
    assert ledger.mark_queued(session, {0: "d"}) == {0: 2}


def test_done_stays_done(ledger):
    session = make(ledger, 1)
    ledger.mark_queued(session, {0: "a"})
    assert ledger.mark_done(session, 0, file="f", sha256="h", seconds=1)
    assert not ledger.mark_done(session, 0, file="f", sha256="h", seconds=1)
    assert not ledger.mark_failed(session, 0, {"error": "late"})
    assert ledger.put_back(session) == 0
    assert ledger.session(session).seconds == 1


def test_a_late_save_of_an_item_that_was_put_back_counts(ledger):
    session = make(ledger, 1)
    ledger.mark_queued(session, {0: "a"})
    ledger.put_back(session)
    assert ledger.mark_done(session, 0, file="f", sha256="h")
    assert ledger.session(session).done == 1


def test_sessions_run_in_the_order_they_came(ledger):
    first, second = make(ledger, 1, "a"), make(ledger, 1, "b")
    assert ledger.next_in_line().id == first
    assert ledger.set_state(first, "paused", "because", only_from=("running",))
    assert not ledger.set_state(first, "paused", "because")
    assert ledger.next_in_line().id == second
    assert [s.name for s in ledger.sessions()] == ["b", "a"]
    assert [s.name for s in ledger.sessions("paused")] == ["a"]


def test_lookup_by_id_name_and_folder_name(ledger):
    session = make(ledger, 1, "cats")
    assert ledger.session("cats").id == ledger.session(session).id == session
    with pytest.raises(SDGenError) as caught:
        ledger.session("cat")
    assert caught.value.code == "unknown-session" and "cats" in caught.value.nearest


def test_extension_appends_a_part(ledger):
    session = make(ledger, 3)
    other = Part(plan={"b": 2}, graph={}, planner="7", workflow={"nodes": []}, defaults={})
    assert ledger.extend(session, key="k2", parts=[other], items=[(0, 5), (0, 9)]) == 2
    rows = ledger.items(session)
    assert [(r.idx, r.part, r.n) for r in rows] == [(0, 0, 0), (1, 0, 1), (2, 0, 2), (3, 1, 5), (4, 1, 9)]
    assert ledger.parts(session)[1] == other and ledger.session(session).total == 5
    assert ledger.find(key="k2").id == session and ledger.find(key="k") is None


def test_a_newer_ledger_is_refused_not_damaged(tmp_path):
    path = tmp_path / "ledger.db"
    Ledger(path).close()
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version=99")
    with pytest.raises(SDGenError) as caught:
        Ledger(path)
    assert caught.value.code == "ledger-unusable" and "newer" in str(caught.value)


def test_a_file_that_is_no_ledger_is_refused(tmp_path):
    path = tmp_path / "ledger.db"
    path.write_bytes(b"not a database, and long enough to be read as one" * 100)
    with pytest.raises(SDGenError) as caught:
        Ledger(path)
    assert caught.value.code == "ledger-unusable"


def test_two_processes_may_open_a_new_ledger_at_once(tmp_path):
    found, errors = [], []

    def open_it():
        try:
            found.append(Ledger(tmp_path / "ledger.db"))
        except SDGenError as error:
            errors.append(error)

    threads = [threading.Thread(target=open_it) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors and len(found) == 8
    for ledger in found:
        ledger.close()


STEPS = st.lists(
    st.tuples(st.sampled_from(["queue", "done", "fail", "back", "retry"]), st.integers(0, 5)), max_size=40
)  # fmt: skip


@given(steps=STEPS)
def test_counters_always_agree_with_the_items(tmp_path_factory, steps):
    ledger = Ledger(tmp_path_factory.mktemp("ledger") / "ledger.db")
    session = make(ledger, 6)
    for n, (step, idx) in enumerate(steps):
        if step == "queue":
            ledger.mark_queued(session, {idx: f"p{n}"})
        elif step == "done":
            ledger.mark_done(session, idx, file="f", sha256="h", seconds=1.0)
        elif step == "fail":
            ledger.mark_failed(session, idx, {"error": "x"})
        elif step == "back":
            ledger.put_back(session, [idx])
        else:
            ledger.put_back(session, state="failed")
    row = ledger.session(session)
    states = [item.state for item in ledger.items(session)]
    assert (row.queued, row.done, row.failed) == tuple(states.count(s) for s in ("queued", "done", "failed"))
    assert row.left == states.count("todo") + states.count("queued")
    assert row.seconds == row.done
    ledger.close()


def test_a_ledger_of_schema_1_is_taken_over(tmp_path):
    path = tmp_path / "ledger.db"
    db = sqlite3.connect(path)
    db.executescript((Path(__file__).parents[2] / "data" / "ledgers" / "schema1.sql").read_text(encoding="utf-8"))
    db.close()
    ledger = Ledger(path)
    cats = ledger.session("sess0")
    assert (cats.name, cats.prefix, cats.total, cats.done, cats.failed, cats.queued) == ("cats", "cats", 5, 1, 1, 1)
    assert (ledger.session("sess1").state, ledger.session("sess1").reason) == ("paused", "later")
    assert ledger.parts("sess0") == [PART] and [i.state for i in ledger.items("sess0")][:3] == [
        "done",
        "failed",
        "queued",
    ]
    assert ledger.put_back("sess0") == 1 and ledger.session("sess0").queued == 0  # the triggers are there
    make(ledger, 2, name="new")
    assert ledger.next_in_line().id == "sess0"
    assert ledger._rows("PRAGMA foreign_key_check") == [] and ledger._rows("PRAGMA integrity_check") == [("ok",)]
    ledger.close()
    Ledger(path).close()


def test_items_leave_the_plan(ledger):
    session = make(ledger, 6)
    ledger.mark_queued(session, {4: "a", 5: "b"})
    ledger.mark_done(session, 4, file="f", sha256="h")
    assert ledger.skip(session, [0, 4, 5]) == 1
    assert ledger.shrink(session, 2) == 2  # 2 and 3; 4 is made, 5 is being made
    row = ledger.session(session)
    assert (row.total, row.done, row.queued, row.skipped, row.left) == (4, 1, 1, 1, 2)
    assert ledger.end(session) == 6
