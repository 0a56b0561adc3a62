"""Images scored while they are made: what is said of them, what is kept for whom, and that the whole session is scored in the end."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from sdgen_core.catalog.library import Library
from sdgen_core.errors import SDGenError
from sdgen_core.scoring import live as module
from sdgen_core.scoring.live import LiveScoring, against, seen
from sdgen_core.scoring.service import Scoring
from sdgen_core.scoring.settings import ScoringSettings
from tests.unit.sessions.conftest import graph, make, request

from .colours import COLOURS, SeesColours

__all__ = ["make"]

TEXT = """
name: coats
prompt: "a {Colour}, {Quality}"
negative_prompt: ""
imports:
  Colour: {Red: red coat, Green: green coat, Blue: blue coat}
  Quality: {q: masterpiece}
generation: {mode: combinatorial, seed: 7, seed_mode: progressive, max_images: -1}
parameters: {width: 64, height: 64, sampler: Euler a}
"""


def picture(colour, n=0):
    noise = np.random.default_rng(n).integers(-15, 16, (16, 16, 3))
    return Image.fromarray(np.clip(np.array(COLOURS[colour]) + noise, 0, 255).astype(np.uint8))


class World:
    """Sessions, a library that follows them, and live scores between them."""

    def __init__(self, sessions, folder, seeds=4, **settings):
        self.sessions = sessions
        self.library = Library(folder / "catalog", [sessions.root])
        self.library.follow(sessions)
        self.orders = []
        self.settings = ScoringSettings(**settings)
        self.live = LiveScoring(
            self.library, folder / "scoring", lambda: self.settings, lambda *what: self.orders.append(what)
        )
        sessions.scores_of = self.live.scores_of
        self.library.arrived.append(self.live.arrived)
        self.backend = SeesColours()
        from sdgen_core.sessions.plan import Plan
        from sdgen_core.templates import load_text

        plan = Plan.build(load_text(TEXT), seeds=range(seeds))
        self.session = sessions.submit(request(TEXT, plan=plan, graph=graph())).session.id
        self.total = sessions.ledger.session(self.session).total

    def asked(self, index):
        loaded = self.sessions.load(self.session)
        return loaded.asked(self.sessions.ledger.item(self.session, index)).keys["Colour"]

    def look(self, index, colour, token):
        loaded = self.sessions.load(self.session)
        item = self.sessions.ledger.item(self.session, index)
        [said] = self.live.look(loaded, [item], [picture(colour, index)], "fake", self.backend, token)
        return said

    def make(self, index, colour=None, change=False):
        """Score and save an item; it shows what it should unless ``colour`` is said. ``change``: it is painted over in between."""
        attempt = self.sessions.ledger.mark_queued(self.session, {index: f"p{index}"}).get(index, 1)
        child = self.sessions.child([self.sessions.ledger.item(self.session, index)], {index: attempt})
        token, colour = child.prompt["4"]["inputs"]["item"], colour or self.asked(index)
        said = self.look(index, colour, token)
        image = picture("Red" if change else colour, 99 if change else index)
        self.sessions.save(token, [image], child.prompt, child.extra_data["extra_pnginfo"])
        return said

    def end(self):
        """The session is over; wait until the catalog has it all."""
        self.sessions.finish_if_done(self.session)
        self.library._arrivals.close()

    def slug(self):
        [(slug,)] = self.library.catalog.index.store.rows("SELECT slug FROM session")
        return slug

    def scores(self):
        rows = self.library.catalog.index.store.rows(
            "SELECT number, score FROM image JOIN image_value ON image = image.id JOIN value ON value.id = value"
            " JOIN placeholder ON placeholder.id = placeholder WHERE name='Colour' ORDER BY number"
        )
        return [score for _, score in rows]


@pytest.fixture
def world(make, tmp_path):
    made = []

    def begin(seeds=4, **settings):
        made.append(World(make(), tmp_path, seeds, **settings))
        return made[-1]

    yield begin
    for one in made:
        one.library.stop()


def test_scores_go_into_manifest_and_catalog_and_scoring_again_reads_no_image(world):
    w = world()
    said = [w.make(n, "Blue" if n == 4 else None) for n in range(w.total)]
    assert w.asked(4) != "Blue"
    good = [one["values"]["Colour"]["probability"] for n, one in enumerate(said) if n != 4]
    assert all(p > 0.8 for p in good) and said[4]["values"]["Colour"]["probability"] < 0.5
    assert said[4]["class"] == "failed" and said[4]["flagged"] and said[0]["class"] == "success"
    assert said[0]["values"]["Quality"] == {"reason": "quality"}
    w.end()
    entries = w.sessions.load(w.session)
    from sdgen_core.sessions.manifest import load_manifest

    manifest = load_manifest(entries.folder).images
    assert [entry["sdgen"]["scores"] for entry in manifest] == said
    kept = w.scores()
    assert kept == [one["values"]["Colour"]["probability"] for one in said]
    assert w.orders == [(w.slug(), "fake")]  # once, at the end

    looked = w.backend.images
    report = Scoring(w.library.catalog, w.library.file, w.live._store.folder).score(w.slug(), w.backend)
    assert (report["embedded"], report["known"], w.backend.images) == (0, w.total, looked)
    again = w.scores()
    assert [p > 0.5 for p in again] == [p > 0.5 for p in kept] and np.abs(np.subtract(again, kept)).max() < 0.2
    # the last one was judged among all others: it is the same image of the same session
    assert again[-1] == pytest.approx(kept[-1], abs=0.01)


def test_it_is_the_same_as_the_service_says_of_the_same_images(world):
    w = world()
    said = [w.make(n) for n in range(w.total)]
    w.end()
    Scoring(w.library.catalog, w.library.file, w.live._store.folder).score(w.slug(), w.backend)
    values = w.library.catalog.machine.details(
        [n for (n,) in w.library.catalog.index.store.rows("SELECT id FROM image")]
    )
    last = max(values)
    one = values[last]
    assert one["prompt_score"] == pytest.approx(said[-1]["prompt_score"], abs=2e-3)
    assert one["values"]["Colour"]["probability"] == pytest.approx(
        said[-1]["values"]["Colour"]["probability"], abs=0.01
    )
    assert one["identity"] == said[-1]["identity"]


def test_of_a_picture_that_was_changed_nothing_is_kept(world, caplog):
    w = world()
    w.make(0, change=True)
    w.make(1)
    w.end()
    from sdgen_core.sessions.manifest import load_manifest

    manifest = load_manifest(w.sessions.load(w.session).folder).images
    assert ["scores" in entry["sdgen"] for entry in manifest] == [False, True]
    assert [score is None for score in w.scores()] == [True, False]
    assert "changed after it was scored" in caplog.text


def test_two_nodes_may_look_at_the_images_of_one_attempt(world):
    w = world()
    loaded, item = w.sessions.load(w.session), w.sessions.ledger.item(w.session, 0)
    token = f"{w.session}/0/1"
    one, two, three = (picture(w.asked(0), n) for n in range(3))
    look = lambda *images: w.live.look(loaded, [item], images, "fake", w.backend, token)  # noqa: E731
    [first, _], [third] = look(one, two), look(three)
    [second] = look(two)  # again: the last word counts
    unseen = picture(w.asked(0), 9)
    assert w.live.scores_of(loaded.folder, token, [three, unseen, two, one]) == [third, None, second, first]
    assert w.live.scores_of(loaded.folder, token, [one]) == []


def test_an_image_of_a_batch_is_that_of_its_item(world):
    w = world()
    loaded = w.sessions.load(w.session)
    pair = [next(n for n in range(w.total) if w.asked(n) == colour) for colour in ("Red", "Blue")]
    items, image = [w.sessions.ledger.item(w.session, n) for n in pair], picture("Red")
    token = f"{w.session}/{pair[0]},{pair[1]}/1,1"
    said = w.live.look(loaded, items, [image, image], "fake", w.backend, token)
    assert said[0]["score"] > 0.5 > said[1]["score"]
    other = picture("Blue")
    assert w.live.scores_of(loaded.folder, token, [image, image]) == said
    w.live.look(loaded, items, [image, other], "fake", w.backend, token)
    assert w.live.scores_of(loaded.folder, token, [other, image]) == [None, None]


def test_values_that_a_session_gets_later_are_looked_for_too(world):
    from sdgen_core.sessions.plan import Plan
    from sdgen_core.templates import load_text

    w = world(seeds=1)
    for n in range(w.total):
        w.look(n, w.asked(n), "")
    text = TEXT.replace("Blue: blue coat", "Blue: blue coat, Dark: dark red blue coat")
    plan = Plan.build(load_text(text), seeds=range(1))
    more = w.sessions.submit(request(text, plan=plan, graph=graph(), on_existing="extend", name=w.session))
    assert (more.action, more.session.total) == ("extended", w.total + 1)
    [company] = w.live._companies.values()
    assert w.asked(w.total) == "Dark" and len(company.rows) == w.total
    assert "probability" in w.look(w.total, "Red", "")["values"]["Colour"]
    [company] = w.live._companies.values()
    assert len(company.rows) == w.total + 1  # those before are not forgotten


def test_after_a_restart_images_that_are_there_keep_it_company(world, monkeypatch):
    w = world()
    for n in range(w.total - 1):
        w.make(n)
    w.end()
    alone = SeesColours()
    begun = LiveScoring(w.library, w.live._store.folder, lambda: w.settings, lambda *_: None)
    loaded, item = w.sessions.load(w.session), w.sessions.ledger.item(w.session, w.total - 1)
    image = picture(w.asked(w.total - 1), w.total - 1)
    [after] = begun.look(loaded, [item], [image], "fake", alone)
    [before] = w.live.look(loaded, [item], [image], "fake", w.backend)
    assert after["values"] == before["values"]
    assert alone.texts <= 1  # the texts were kept; this image's prompt may be new


def test_a_batch_of_items_needs_an_image_for_each(world):
    w = world()
    loaded = w.sessions.load(w.session)
    items = [w.sessions.ledger.item(w.session, n) for n in range(2)]
    with pytest.raises(SDGenError) as caught:
        w.live.look(loaded, items, [picture("Red")], "fake", w.backend)
    assert caught.value.code == "not-batchable"
    said = w.live.look(loaded, items, [picture(w.asked(n)) for n in range(2)], "fake", w.backend)
    assert len(said) == 2 and all(one["score"] > 0.5 for one in said)


def test_more_images_than_are_remembered(world, monkeypatch):
    monkeypatch.setattr(module, "COMPANY", 3)
    w = world()
    loaded, item = w.sessions.load(w.session), w.sessions.ledger.item(w.session, 0)
    said = w.live.look(loaded, [item], [picture(w.asked(0), n) for n in range(5)], "fake", w.backend)
    assert len(said) == 5


def test_what_waits_in_vain_is_forgotten(world):
    w = world()
    for n in range(module._ATTEMPTS + 10):
        w.look(0, "Red", f"{w.session}/0/{n}")
    assert len(w.live._waiting) == module._ATTEMPTS


def test_typed_values_are_held_against_each_other():
    backend, settings = SeesColours(), ScoringSettings()
    found = against(backend, [picture("Red"), picture("Blue")], ["a red coat", "a blue coat", "masterpiece"], settings)
    assert found.shape == (2, 3)
    assert found[0, 0] > 0.9 and found[1, 0] < 0.1
    assert found[:, :2].sum(1) == pytest.approx([1, 1]) and np.isnan(found[:, 2]).all()


def test_one_typed_value_is_held_against_none():
    found = against(SeesColours(), [picture("Red"), picture("Blue")], ["a red coat"], ScoringSettings())
    assert found[0, 0] > 0.9 > 0.5 > found[1, 0]


def test_values_that_cannot_be_seen_are_refused():
    with pytest.raises(SDGenError) as caught:
        against(SeesColours(), [picture("Red")], ["masterpiece"], ScoringSettings())
    assert caught.value.code == "nothing-to-score" and "quality" in str(caught.value)


def test_embeddings_are_those_of_a_file(tmp_path):
    from sdgen_core.scoring.embedding.files import EmbeddingStore

    backend = SeesColours()
    vectors = seen(backend, [picture("Green", n) for n in range(3)])
    file = EmbeddingStore(tmp_path).file(backend.identity, backend.width, "s")
    keys = [bytes([n]) * 16 for n in range(3)]
    file.append(keys, vectors)
    assert np.abs(file.vectors(keys)[0] - vectors).max() < 1e-3
