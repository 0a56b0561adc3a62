"""Sessions scored behind: in order, while nobody renders, cancelled, failed, and gone on with after a restart."""

from __future__ import annotations

import json
import shutil
import threading
import time

import pytest

from sdgen_core.catalog.library import Library
from sdgen_core.catalog.scan.importer import Importer
from sdgen_core.errors import SDGenError
from sdgen_core.scoring import GALLERY_QUEUE, QUEUE, waits
from sdgen_core.scoring.jobs import Job, Jobs
from sdgen_core.scoring.material import slug_of

from .colours import SeesColours, session

COLOURS = ["Red", "Green", "Blue", "Red", "Green", "Blue"]


class Gated(SeesColours):
    """The fake, which encodes nothing before it may."""

    def __init__(self) -> None:
        super().__init__()
        self.open = threading.Event()
        self.reached = threading.Event()
        self.released = 0

    def encode_images(self, batch):
        self.reached.set()
        assert self.open.wait(30)
        return super().encode_images(batch)

    def release(self):
        self.released += 1


@pytest.fixture
def library(tmp_path):
    root = tmp_path / "library"
    for name in "abc":
        session(root / f"20251120_100000-{name}", COLOURS)
    library = Library(tmp_path / "catalog", [root])
    Importer(library.catalog.index).run([root])
    library.told = []
    library.heard.append(lambda kind, data: library.told.append((kind, data)))
    yield library
    library.stop()


@pytest.fixture
def slugs(library):
    return [slug for (slug,) in library.catalog.index.store.rows("SELECT slug FROM session ORDER BY folder")]


@pytest.fixture
def made(library, tmp_path):
    every = []

    def make(backend, **more):
        every.append(Jobs(library, tmp_path / "scoring", [], loaded=lambda name: backend, **more))
        return every[-1]

    yield make
    for one in every:
        one.stop()


def until(found):
    deadline = time.monotonic() + 30
    while not found():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


def idle(jobs):
    until(lambda: (state := jobs.state())["running"] is None and not state["waiting"])


def test_sessions_are_scored_one_behind_the_other(library, slugs, made):
    backend = Gated()
    jobs = made(backend)
    state = jobs.order([*slugs, slugs[0]], "demo")
    assert len(state["waiting"]) + (state["running"] is not None) == 3
    until(backend.reached.is_set)
    assert jobs.state()["running"] == slugs[0] and jobs.state()["waiting"] == slugs[1:]
    assert (jobs.state()["name"], jobs.state()["waits"]) == ("a", 2)
    [told] = [data for kind, data in library.told if kind == "scoring" and data["running"] == slugs[0]]
    assert (told["name"], told["waits"], told["waiting"]) == ("a", 2, [])  # of many, the slugs would be long
    assert jobs.order([slugs[2]], "demo")["waiting"] == slugs[1:]  # nothing is done twice
    backend.open.set()
    idle(jobs)
    assert backend.images == 18 and jobs.report(slugs[2])["classes"]["success"] == 6
    scored = [data["running"] for kind, data in library.told if kind == "scoring" and data["running"]]
    assert list(dict.fromkeys(scored)) == slugs
    assert [data["session"] for kind, data in library.told if kind == "images"] == slugs
    assert sum(len(data["changed"]) for kind, data in library.told if kind == "images") == 18
    assert json.loads((jobs._folder / "queue.json").read_text()) == []


def test_it_waits_while_comfyui_renders_and_gives_the_memory_back(slugs, made):
    backend, busy = Gated(), threading.Event()
    backend.open.set()
    busy.set()
    jobs = made(backend, busy=busy.is_set)
    jobs.order(slugs[:1], "demo")
    until(lambda: jobs.state()["held"])
    assert backend.images == 0
    busy.clear()
    idle(jobs)
    assert backend.images == 6 and not jobs.state()["held"]

    # it begins while a session is scored: before the next batch
    backend.open.clear()
    backend.reached.clear()
    jobs.order(slugs[1:2], "demo")
    until(backend.reached.is_set)
    busy.set()
    backend.open.set()
    idle_or_held = lambda: jobs.state()["held"] or jobs.state()["running"] is None  # noqa: E731
    until(idle_or_held)
    busy.clear()
    idle(jobs)
    assert backend.images == 12


def test_one_is_left_out_or_all(slugs, made):
    backend = Gated()
    jobs = made(backend)
    jobs.order(slugs, "demo")
    until(backend.reached.is_set)
    assert jobs.cancel(slugs[1])["waiting"] == [slugs[2]]
    jobs.cancel()
    backend.open.set()
    idle(jobs)
    with pytest.raises(SDGenError, match="not scored"):
        jobs.report(slugs[0])
    jobs.order(slugs[:1], "demo")  # what was seen is known
    idle(jobs)
    assert jobs.report(slugs[0])["known"] == 6 and backend.images == 6


def test_what_fails_is_said_and_the_others_are_scored(library, slugs, made):
    backend = SeesColours()
    broken = {slugs[1]: SDGenError("scorer-out-of-memory", "too little memory"), slugs[2]: RuntimeError("odd")}
    jobs = made(backend)
    scoring = jobs._scoring()
    real = scoring.score

    def score(slug, *rest, **more):
        if slug in broken:
            raise broken[slug]
        return real(slug, *rest, **more)

    scoring.score = score
    jobs._scoring = lambda: scoring
    state = jobs.order(slugs, "demo")
    idle(jobs)
    failed = {one["session"]: one["error"] for one in jobs.state()["failed"]}
    assert failed == {slugs[1]: "scorer-out-of-memory", slugs[2]: "scorer-failed"}
    assert [one["name"] for one in jobs.state()["failed"]] == ["b", "c"]
    assert jobs.report(slugs[0])["images"] == 6
    broken.clear()
    jobs.order(slugs[1:], "demo")
    idle(jobs)
    assert jobs.state()["failed"] == [] and jobs.report(slugs[2])["images"] == 6
    with pytest.raises(SDGenError) as caught:
        jobs.order([slugs[0], "nobody"], "demo")
    assert caught.value.code == "unknown-session" and state


def test_it_goes_on_after_a_restart(slugs, made, tmp_path):
    backend = Gated()
    jobs = made(backend)
    jobs.order(slugs, "demo")
    until(backend.reached.is_set)
    stopping = threading.Thread(target=jobs.stop)
    stopping.start()
    backend.open.set()
    stopping.join(30)
    assert [one["session"] for one in json.loads((tmp_path / "scoring" / "queue.json").read_text())] == slugs
    again = made(backend)
    again.start()
    idle(again)
    assert backend.images == 18 and again.report(slugs[2])["images"] == 6
    (tmp_path / "scoring" / "queue.json").write_text("torn", encoding="utf-8")
    made(backend).start()  # a queue that cannot be read is none


def test_two_programs_on_one_catalog_keep_their_own_queues(slugs, made, tmp_path):
    folder = tmp_path / "scoring"
    comfyui, gallery = Gated(), Gated()
    one, other = made(comfyui), made(gallery, queue=GALLERY_QUEUE)
    one.order(slugs[:2], "demo")
    other.order(slugs[2:], "demo")
    until(lambda: comfyui.reached.is_set() and gallery.reached.is_set())
    written = {
        name: [job["session"] for job in json.loads((folder / name).read_text())] for name in (QUEUE, GALLERY_QUEUE)
    }
    assert written == {QUEUE: slugs[:2], GALLERY_QUEUE: slugs[2:]}
    assert waits(folder / QUEUE) and waits(folder / GALLERY_QUEUE)
    comfyui.open.set()
    gallery.open.set()
    idle(one)
    idle(other)
    until(lambda: not waits(folder / QUEUE))
    assert not waits(folder / "none.json")


@pytest.mark.parametrize("how", ["order", "attend", "cancel"])
def test_what_waited_is_not_forgotten_by_what_comes_before_it_is_gone_on_with(how, slugs, made, tmp_path):
    (tmp_path / "scoring").mkdir()
    old = [{"session": slug, "scorer": "demo"} for slug in slugs[1:]]
    (tmp_path / "scoring" / QUEUE).write_text(json.dumps(old), encoding="utf-8")
    backend = SeesColours()
    jobs = made(backend)
    if how == "order":
        jobs.order(slugs[:1], "demo")
    elif how == "attend":
        jobs.attend(slugs[:1], "demo", backend, lambda *_: True)
    else:
        jobs.cancel(slugs[0])
    idle(jobs)
    assert [jobs.report(slug)["images"] for slug in slugs[1:]] == [6, 6]


def test_very_many_wait_and_are_added_in_no_time(slugs, made):
    backend = Gated()
    jobs = made(backend)
    jobs.order(slugs[:1], "demo")
    until(backend.reached.is_set)
    begun = time.perf_counter()
    jobs._add(Job(f"s{n}", "demo") for n in range(20_000))
    jobs._add(Job(f"s{n}", "demo") for n in range(20_000))
    assert time.perf_counter() - begun < 2  # compared one by one: minutes
    assert jobs.state()["waits"] == 20_000
    jobs.cancel()
    backend.open.set()


def test_a_scorer_that_nobody_knows_is_refused_and_folders_are_not_told(slugs, library, tmp_path):
    models = tmp_path / "models"
    models.mkdir()
    (models / "ViT-B-32.pt").write_bytes(b"nothing")
    jobs = Jobs(library, tmp_path / "scoring", [models])
    with pytest.raises(SDGenError) as caught:
        jobs.order(slugs, "ViT-B-23.pt")
    said = caught.value
    assert (said.code, said.nearest) == ("scorer-missing", ["ViT-B-32.pt"])
    assert str(tmp_path) not in f"{said} {said.hint}" and "into models," in said.hint
    assert jobs.state()["waits"] == 0 and jobs.state()["running"] is None
    # neither in what is told of a session: here a model that is gone when its turn comes
    jobs._check = lambda scorer: None
    jobs.order(slugs[:1], "gone")
    until(lambda: jobs.state()["failed"])
    [failed] = jobs.state()["failed"]
    assert failed["error"] == "scorer-missing" and str(tmp_path) not in str(failed) and "into models," in failed["hint"]
    jobs.stop()


def test_a_session_is_meant_by_its_id_name_or_title(slugs, library, tmp_path):
    session(tmp_path / "library" / "20251121_100000-a", COLOURS)
    Importer(library.catalog.index).run([tmp_path / "library"])
    assert slug_of(library.catalog, slugs[0], "hint") == slugs[0]
    assert slug_of(library.catalog, "b", "hint") == slugs[1]
    with pytest.raises(SDGenError, match="2 sessions are called 'a'") as caught:
        slug_of(library.catalog, "a", "hint")
    assert caught.value.code == "unknown-session" and slugs[0] in str(caught.value)
    with pytest.raises(SDGenError, match="no session") as caught:
        slug_of(library.catalog, slugs[1] + "x", "hint")
    assert caught.value.hint == "hint" and slugs[1] in caught.value.nearest


def test_a_session_that_grows_while_it_is_scored_is_scored_again_when_ordered(slugs, library, made, tmp_path):
    backend = Gated()
    jobs = made(backend)
    jobs.order(slugs[:1], "demo")
    until(backend.reached.is_set)
    folder = tmp_path / "library" / "20251120_100000-a"
    shutil.rmtree(folder)
    session(folder, [*COLOURS, "Red", "Blue"])
    Importer(library.catalog.index).run([tmp_path / "library"])
    assert jobs.order([slugs[0], slugs[0]], "demo")["waiting"] == slugs[:1]
    backend.open.set()
    idle(jobs)
    assert jobs.report(slugs[0])["images"] == 8 and backend.images == 8


def test_what_is_held_between_two_sessions_gives_the_memory_back(slugs, made):
    backend, busy = Gated(), threading.Event()
    jobs = made(backend, busy=busy.is_set)
    real = jobs._score_by

    def score_by(job, lent):
        real(job, lent)
        busy.set()  # somebody renders when the first session is done

    jobs._score_by = score_by
    backend.open.set()
    jobs.order(slugs[:2], "demo")
    until(lambda: jobs.state()["held"])
    assert jobs.state()["running"] == slugs[1] and backend.released == 1
    jobs._score_by = real
    busy.clear()
    idle(jobs)
    assert backend.images == 12


def test_one_scorer_at_a_time_is_in_the_memory(slugs, library, tmp_path):
    held = {"one": Gated(), "other": Gated()}
    jobs = Jobs(library, tmp_path / "scoring", [], loaded=held.__getitem__)
    jobs._check = lambda scorer: None
    jobs.order(slugs[:1], "one")
    until(held["one"].reached.is_set)
    jobs.order(slugs[1:], "other")
    held["one"].open.set()
    until(held["other"].reached.is_set)
    assert held["one"].released == 1
    held["other"].open.set()
    idle(jobs)
    jobs.stop()


def test_a_scorer_that_does_not_fit_gets_room_once(slugs, made):
    class Large(SeesColours):
        room = False

        def encode_images(self, batch):
            if not self.room:
                raise SDGenError("scorer-out-of-memory", "too little memory")
            return super().encode_images(batch)

    fits, asked = Large(), []
    jobs = made(fits, make_room=lambda: asked.append(1) or setattr(fits, "room", True))
    jobs.order(slugs[:1], "demo")
    idle(jobs)
    assert asked == [1] and jobs.report(slugs[0])["images"] == 6

    never = []
    jobs = made(Large(), make_room=lambda: never.append(1))
    jobs.order(slugs[1:2], "demo")
    idle(jobs)
    assert never == [1] and [one["error"] for one in jobs.state()["failed"]] == ["scorer-out-of-memory"]


def test_a_catalog_that_fails_ends_no_thread(slugs, library, made, monkeypatch):
    jobs = made(SeesColours())

    def fails(*_):
        raise RuntimeError("the catalog is gone")

    with monkeypatch.context() as patch:
        patch.setattr(library, "roots", fails)
        patch.setattr(jobs, "_scoring", fails)
        jobs.order(slugs[:1], "demo")
        idle(jobs)
        assert [one["message"] for one in jobs.state()["failed"]] == ["RuntimeError: the catalog is gone"]
    jobs.order(slugs[:1], "demo")
    idle(jobs)
    assert jobs.report(slugs[0])["images"] == 6


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_thread_that_ends_is_not_waited_for_and_comes_again(slugs, made, monkeypatch):
    jobs = made(SeesColours())

    def fails(*_):
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr(jobs, "_fail", fails)
        patch.setattr(jobs, "_score", fails)
        assert jobs.attend(slugs[:1], "demo", SeesColours(), lambda *_: True) == {slugs[0]: None}
    jobs.order(slugs[:1], "demo")
    idle(jobs)
    assert jobs.report(slugs[0])["images"] == 6
