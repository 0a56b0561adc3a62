"""The list of sessions and the facts of one: against a plain reading of the same library, and without a look at all images."""

from __future__ import annotations

import json
import shutil
import unicodedata
from datetime import datetime
from itertools import pairwise

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from sdgen_core.catalog import session_cards, session_facts, sessions
from sdgen_core.catalog.catalog import Catalog
from sdgen_core.catalog.counters import recount
from sdgen_core.catalog.scan.importer import Importer
from sdgen_core.catalog.session_words import words_of
from sdgen_core.catalog.sessions import NAMED, SORTS, SessionQuery, list_sessions
from sdgen_core.errors import SDGenError

from .folders import own_session
from .library import image, session

DAY = 86_400_000


def put(catalog: Catalog, slug: str, images: int = 0, /, **more: object) -> int:
    record = session(catalog.folder, slug)
    for key, value in more.items():
        setattr(record, key, value)
    number = catalog.index.put_session(record)
    catalog.index.put_images(number, [image(slug, n, {"Hair": ("Red", "Blue")[n % 2]}) for n in range(images)])
    catalog.index.note_seeds(number)
    return number


@pytest.fixture
def catalog(tmp_path):
    made = Catalog(tmp_path / "catalog")
    yield made
    made.close()


@pytest.fixture
def library(catalog):
    """Five sessions, each different in everything."""
    put(
        catalog,
        "a",
        4,
        name="Café Wörld",
        theme="Gala",
        style="default",
        template="portrait",
        model="dream",
        sampler="euler",
        planned=8,
        started=1 * DAY,
    )
    put(
        catalog,
        "b",
        2,
        name="summer_beach",
        theme="Beach",
        model="dream",
        status="aborted",
        planned=2,
        started=2 * DAY,
        sweep=True,
    )
    put(catalog, "c", 0, name="empty", problems=["x is broken", "y too"], status="ongoing", started=3 * DAY)
    put(catalog, "d", 6, name="other", theme="Gala", model="real", sampler="ddim", planned=6, started=4 * DAY)
    put(catalog, "e", 1, name="zebra", template="tests", started=5 * DAY)
    say = catalog.judge_sessions
    say(["a", "b"], "tag/Keep", "yes")
    say(["b", "d"], "tag/poster", "yes")
    say(["a"], "favourite", "yes")
    say(["a", "d"], "rating", "like")
    say(["b"], "rating", "dislike")
    say(["e"], "test", "yes")
    say(["d"], "complete", "yes")
    say(["b"], "complete", "no")
    say(["d"], "name", "Ångström's other")
    say(["c"], "note", "nothing came of it")
    return catalog


def found(catalog, **query):
    return [card.slug for card in list_sessions(catalog, SessionQuery(**{"sort": "started", **query})).sessions]


@pytest.mark.parametrize(
    ("query", "slugs"),
    [
        ({}, "abcde"),
        ({"text": "cafe WORLD"}, "a"),
        ({"text": "wor caf"}, "a"),
        ({"text": "orld"}, ""),
        ({"text": "beach"}, "b"),
        ({"text": "angstrom"}, "d"),
        ({"text": "other"}, "d"),
        ({"text": "nothing came"}, "c"),
        ({"text": "kee"}, "ab"),
        ({"text": "gala portrait"}, "a"),
        ({"text": "…"}, "abcde"),
        ({"text": "%"}, "abcde"),
        ({"text": "caf' OR 1"}, ""),
        ({"tags": ["keep"]}, "ab"),
        ({"tags": ["keep", "poster"]}, "b"),
        ({"any_tags": ["keep", "poster"]}, "abd"),
        ({"no_tags": ["Poster"]}, "ace"),
        ({"any_tags": ["keep"], "no_tags": ["poster", "none"]}, "a"),
        ({"favourite": True}, "a"),
        ({"favourite": False}, "bcde"),
        ({"rating": ["like"]}, "ad"),
        ({"rating": ["dislike", "none"]}, "bce"),
        ({"complete": ["none"]}, "ace"),
        ({"complete": ["yes", "no"]}, "bd"),
        ({"test": True}, "e"),
        ({"status": ["ongoing", "aborted"]}, "bc"),
        ({"images_min": 2}, "abd"),
        ({"images_max": 1}, "ce"),
        ({"images_min": 1, "images_max": 4}, "abe"),
        ({"theme": ["Gala"]}, "ad"),
        ({"theme": [""]}, "ce"),
        ({"theme": ["", "Beach"]}, "bce"),
        ({"theme": ["gala"]}, ""),
        ({"style": ["default"]}, "a"),
        ({"template": ["portrait", "tests"]}, "ae"),
        ({"model": ["dream"], "sampler": [""]}, "b"),
        ({"sampler": ["ddim"]}, "d"),
        ({"sweep": True}, "b"),
        ({"problems": True}, "c"),
        ({"problems": False, "missing": False}, "abde"),
        ({"missing": True}, ""),
    ],
)
def test_filters(library, query, slugs):
    assert "".join(found(library, **query)) == slugs


def test_dates_are_those_of_queries_of_images(catalog):
    for name, day in (
        ("one", datetime(2026, 3, 1)),
        ("two", datetime(2026, 3, 31, 23, 59)),
        ("three", datetime(2026, 4, 1)),
    ):
        put(catalog, name, started=int(day.timestamp() * 1000))
    assert found(catalog, date="2026-03") == ["one", "two"]
    assert found(catalog, date="2026-03-31..") == ["two", "three"]
    assert found(catalog, date="..2026-03-01") == ["one"]
    with pytest.raises(SDGenError, match="no day"):
        found(catalog, date="soon")


def test_a_card(library):
    page = list_sessions(library, SessionQuery(sort="name", limit=1, theme=("Gala",), model=("real",)))
    (card,) = page.sessions
    assert (card.slug, card.name, card.original_name) == ("d", "Ångström's other", "other")
    assert (card.images, card.planned, card.found_planned, card.completion) == (6, 6, 6, 1.0)
    assert (card.seeds, card.tags, card.rating, card.complete) == ((0, 5), ["poster"], "like", "yes")
    assert card.thumbs == [f"{n:016x}" for n in (5, 4, 3, 2)]
    assert (card.bytes, card.missing, card.removed, card.folder_missing) == (6_000, 0, 0, False)
    by_slug = {one.slug: one for one in list_sessions(library, SessionQuery()).sessions}
    assert (by_slug["c"].completion, by_slug["c"].seeds, by_slug["c"].problems, by_slug["c"].thumbs) == (
        None,
        None,
        2,
        [],
    )
    assert by_slug["a"].completion == 0.5
    assert json.loads(json.dumps(page.to_dict()))["sessions"][0]["slug"] == "d"


def test_bounds_are_under_the_other_filters(library):
    bounds = list_sessions(library, SessionQuery()).bounds
    assert bounds.images == 6
    assert bounds.counts["theme"] == {"Gala": 2, "": 2, "Beach": 1}
    assert bounds.counts["tags"] == {"Keep": 2, "poster": 2}
    assert bounds.counts["rating"] == {"like": 2, "": 2, "dislike": 1}
    page = list_sessions(library, SessionQuery(theme=("Gala",), images_max=4, limit=1))
    assert (page.total, page.next) == (1, None)
    assert page.bounds.images == 6  # of those with this theme
    assert page.bounds.counts["theme"] == {"": 2, "Gala": 1, "Beach": 1}  # with at most 4 images
    assert page.bounds.counts["model"] == {"dream": 1}
    assert page.bounds.counts["tags"] == {"Keep": 1}
    tagged = list_sessions(library, SessionQuery(tags=("poster",))).bounds
    assert tagged.counts["tags"] == {"Keep": 2, "poster": 2}
    assert tagged.counts["theme"] == {"Beach": 1, "Gala": 1}


def test_what_was_kept_is_read_again_after_a_change(library):
    before = list_sessions(library, SessionQuery(text="zeb"))
    assert list_sessions(library, SessionQuery(text="zeb")) == before
    library.judge_sessions(["e"], "name", "horse")
    assert found(library, text="zeb") == ["e"]  # its own name still counts
    library.judge_sessions(["b"], "note", "a zebra")
    assert found(library, text="zeb") == ["b", "e"]
    assert list_sessions(library, SessionQuery(text="zeb")).bounds.counts["theme"] == {"Beach": 1, "": 1}
    library.undo()
    assert found(library, text="zeb") == ["e"]


@pytest.mark.parametrize(
    "query",
    [
        {"limit": 0},
        {"limit": -1},
        {"limit": 501},
        {"images_min": -1},
        {"colour": 1},
        {"rating": ["good"]},
        {"text": "x" * 501},
    ],
)
def test_questions_that_are_none(query):
    with pytest.raises(ValidationError):
        SessionQuery(**query)


def test_sort_keys_and_pages_that_are_none(library):
    with pytest.raises(SDGenError, match="started"):
        SessionQuery(sort="startd")
    with pytest.raises(SDGenError, match="no session 'x'"):
        list_sessions(library, SessionQuery(after="x"))


# ---- against a plain reading ---------------------------------------------------------------------------------------------

_TEXTS = st.sampled_from([None, "", "a", "B", "é", "zz top"])
_SESSION = st.fixed_dictionaries(
    {
        "name": st.sampled_from(["Alpha", "beta", "Élan vital", "delta_4", "x"]),
        "started": st.integers(0, 3),
        "images": st.integers(0, 3),
        "planned": st.one_of(st.none(), st.integers(0, 4)),
        "theme": _TEXTS,
        "model": _TEXTS,
        "status": st.sampled_from(["completed", "ongoing"]),
        "problems": st.lists(st.just("p"), max_size=2),
        "title": st.sampled_from([None, "beta", "Omega"]),
        "rating": st.sampled_from([None, "like", "dislike"]),
        "favourite": st.booleans(),
        "tags": st.lists(st.sampled_from(["k", "Élan"]), max_size=2, unique=True),
        "missing": st.integers(0, 3),
    }
)
_QUERY = st.fixed_dictionaries(
    {},
    optional={
        "text": st.sampled_from(["ela", "beta", "o", "4 del", "al bet"]),
        "theme": st.lists(st.sampled_from(["a", "B", "é", ""]), min_size=1, max_size=2),
        "model": st.lists(st.sampled_from(["a", "zz top", ""]), min_size=1, max_size=2),
        "rating": st.lists(st.sampled_from(["like", "none"]), min_size=1, max_size=2),
        "favourite": st.booleans(),
        "tags": st.just(["k"]),
        "no_tags": st.just(["Élan"]),
        "images_min": st.integers(0, 2),
        "missing": st.booleans(),
        "problems": st.booleans(),
    },
)


def _plain(text: str) -> list[str]:
    bare = "".join(c for c in unicodedata.normalize("NFD", text) if unicodedata.category(c) != "Mn").lower()
    return "".join(c if c.isalnum() else " " for c in bare).split()


def _meant(row: dict, query: dict) -> bool:
    words = [w for text in (row["name"], row["title"], row["theme"], *row["tags"]) if text for w in _plain(text)]
    there = row["images"] - row["gone"]
    return (
        all(any(word.startswith(part) for word in words) for part in _plain(query.get("text", "")))
        and ("theme" not in query or (row["theme"] or None) in [t or None for t in query["theme"]])
        and ("model" not in query or (row["model"] or None) in [t or None for t in query["model"]])
        and ("rating" not in query or (row["rating"] or "none") in query["rating"])
        and row["favourite"] == query.get("favourite", row["favourite"])
        and set(query.get("tags", ())) <= set(row["tags"])
        and not set(query.get("no_tags", ())) & set(row["tags"])
        and there >= query.get("images_min", 0)
        and (row["gone"] > 0) == query.get("missing", row["gone"] > 0)
        and bool(row["problems"]) == query.get("problems", bool(row["problems"]))
    )


@settings(max_examples=20, deadline=None, phases=[Phase.explicit, Phase.generate])
@given(
    st.lists(_SESSION, max_size=8),
    st.lists(_QUERY, min_size=1, max_size=4),
    st.sampled_from(SORTS),
    st.booleans(),
    st.integers(1, 3),
)
def test_lists_agree_with_a_plain_reading(tmp_path_factory, rows, queries, sort, down, limit):
    catalog = Catalog(tmp_path_factory.mktemp("catalog"))
    try:
        for number, row in enumerate(rows):
            slug = row["slug"] = f"s{number}"
            row["theme"], row["model"] = row["theme"] or None, row["model"] or None
            own = {key: row[key] for key in ("name", "started", "planned", "theme", "model", "status", "problems")}
            session_id = put(catalog, slug, row["images"], **own)
            ids = [i for (i,) in catalog.index.store.rows("SELECT id FROM image WHERE session=?", (session_id,))]
            row["gone"] = min(row["missing"], len(ids))
            catalog.index.set_missing(ids[: row["gone"]], True)
            for field, value in (
                ("name", row["title"]),
                ("rating", row["rating"]),
                ("favourite", "yes" if row["favourite"] else None),
            ):
                catalog.judge_sessions([slug], field, value)
            for tag in row["tags"]:
                catalog.judge_sessions([slug], f"tag/{tag}", "yes")
        assert recount(catalog.index, repair=False) == []
        for query in queries:
            asked = SessionQuery(**query, sort="-" * down + sort, limit=limit)
            cards, after = [], None
            while True:
                page = list_sessions(catalog, asked.model_copy(update={"after": after}))
                cards += page.sessions
                assert page.total == sum(_meant(row, query) for row in rows)
                if page.next is None:
                    break
                after = page.next
            assert sorted(card.slug for card in cards) == sorted(row["slug"] for row in rows if _meant(row, query))
            keys = [_key(card, sort) for card in cards]
            known = [key for key in keys if key is not None]
            assert keys == known + [None] * (len(keys) - len(known))  # without a value: last
            assert known == sorted(known, reverse=down)
            for name in ("theme", "model", "rating"):
                others = {key: value for key, value in query.items() if key != name}
                meant = [row[name] or "" for row in rows if _meant(row, others)]
                assert page.bounds.counts[name] == {text: meant.count(text) for text in meant}
    finally:
        catalog.close()


def _key(card, sort):
    special = {
        "name": lambda: card.name.lower(),
        "seed": lambda: card.seeds and card.seeds[0],
        "rating": lambda: {"like": 2, "dislike": 1}.get(card.rating),
        "complete": lambda: {"yes": 2, "no": 1}.get(card.complete),
    }
    value = special[sort]() if sort in special else getattr(card, sort)
    return "".join(c.lower() if c.isascii() else c for c in value) if isinstance(value, str) else value


def test_words():
    assert words_of("Ångström's_café — № 4\u0301²") == ["angstrom", "s", "cafe", "no", "42"]
    assert words_of("ﬁne STRASSE ß") == ["fine", "strasse", "ss"]


# ---- facts ---------------------------------------------------------------------------------------------------------------


def test_facts(catalog):
    record = session(catalog.folder, "one", planned=12)
    record.placeholders = [{"name": "Pose", "available": 9, "used": 2}, {"name": "Hair", "available": 5, "used": 3}]
    record.problems = ["something is broken"]
    record.base_seed = 2**64 - 1
    number = catalog.index.put_session(record)
    seeds = {0: 5, 1: 2**63, 2: 2**64 - 1, 5: 2**63, 9: 2**63 - 1}
    ids = catalog.index.put_images(
        number,
        [
            image(
                "one",
                n,
                {"Hair": ("Red", "Blue")[n % 2], "Coat": "c"},
                seed=seed,
                model="m" if n else None,
                created=1000 * n + 1,
            )
            for n, seed in seeds.items()
        ],
    )
    catalog.index.note_seeds(number)
    catalog.judge(ids[:2], "value/Hair", "ko")
    catalog.judge(ids[2:3], "value/Hair", "ok")
    catalog.index.set_missing(ids[2:3], True, removed=True)
    catalog.index.set_missing(ids[3:4], True)
    facts = session_facts.session_facts(catalog, "one")
    assert facts.base_seed == 2**64 - 1 and facts.card.seeds == (5, 2**64 - 1)
    assert facts.seeds == [(5, 1), (2**63 - 1, 1), (2**63, 1)]
    assert facts.gaps == [(3, 8), (10, 11)] and (facts.gap_count, facts.gap_images) == (
        2,
        8,
    )  # number 2 was thrown away
    assert (facts.card.images, facts.card.missing, facts.card.removed, facts.card.found_planned) == (3, 1, 1, 4)
    assert facts.missing_files == ["one_0005.png"]
    assert (facts.models, facts.samplers) == ({"m": 2, "": 1}, {"": 3})
    assert (facts.first, facts.last, facts.seconds) == (1, 9001, 9.0)
    assert facts.problems == ["something is broken"]
    pose, hair, coat = facts.placeholders
    assert (pose.name, pose.available, pose.used, pose.values) == ("Pose", 9, 2, [])
    assert (hair.available, hair.used) == (5, 3)
    verdicts = {value.key: (value.images, value.verdicts["ok"], value.verdicts["ko"]) for value in hair.values}
    assert verdicts == {"Blue": (2, 0, 1), "Red": (1, 1, 1)}
    assert (coat.name, coat.available, [value.images for value in coat.values]) == ("Coat", None, [3])
    assert json.loads(json.dumps(facts.to_dict()))["slug"] == "one"


def test_a_session_that_is_none_has_no_facts(library):
    with pytest.raises(SDGenError) as caught:
        session_facts.session_facts(library, "aa")
    assert (caught.value.code, caught.value.nearest) == ("unknown-session", ["a"])


@settings(max_examples=100, deadline=None)
@given(st.sets(st.integers(0, 30)), st.integers(0, 31))
def test_gaps(numbers, planned):
    there = sorted(number for number in numbers if number < planned)
    ranges = list(session_facts._gaps(there, planned))
    assert [n for low, high in ranges for n in range(low, high + 1)] == [n for n in range(planned) if n not in numbers]
    assert all(after[0] > before[1] + 1 for before, after in pairwise(ranges))


# ---- what people say about sessions --------------------------------------------------------------------------------------

SAID = {
    "favourite": "yes",
    "rating": "dislike",
    "test": "yes",
    "complete": "no",
    "note": "two\nlines, ü",
    "name": "A better name",
    "tag/poster": "yes",
}


def _said(catalog, slug="abcdefghjk"):
    (card,) = [card for card in list_sessions(catalog, SessionQuery()).sessions if card.slug == slug]
    return card.favourite, card.rating, card.test, card.complete, card.note, card.name, card.tags


ALL = (True, "dislike", True, "no", "two\nlines, ü", "A better name", ["poster"])
NOTHING = (False, None, False, None, None, "mine", [])


def test_everything_can_be_said_and_cleared_and_survives(tmp_path):
    root = tmp_path / "root"
    own_session(root / "20260102_030405-mine", 2)
    catalog = Catalog(tmp_path / "catalog")
    Importer(catalog.index).run([root])
    for field, value in SAID.items():
        assert catalog.judge_sessions(["abcdefghjk"], field, value).label
    assert _said(catalog) == ALL
    shutil.move(root / "20260102_030405-mine", tmp_path / "root" / "elsewhere")
    Importer(catalog.index).run([root])
    assert _said(catalog) == ALL
    catalog.close()
    for path in (tmp_path / "catalog").glob("index.db*"):
        path.unlink()
    catalog = Catalog(tmp_path / "catalog")
    Importer(catalog.index).run([root])
    assert _said(catalog) == ALL
    for field in SAID:
        catalog.judge_sessions(["abcdefghjk"], field, None)
    assert _said(catalog)[:5] == NOTHING[:5] and _said(catalog)[6] == []
    assert (
        list_sessions(catalog, SessionQuery()).sessions[0].original_name
        == list_sessions(catalog, SessionQuery()).sessions[0].name
    )
    for _ in SAID:
        catalog.undo()
    assert _said(catalog) == ALL
    with pytest.raises(SDGenError, match="abcdefghjk"):
        catalog.judge_sessions(["abcdefghj"], "test", "yes")
    catalog.close()


# ---- plans ---------------------------------------------------------------------------------------------------------------


def test_no_statement_reads_the_whole_table_of_images(library, monkeypatch):
    """Every statement that lists and facts make, as SQLite would carry it out."""
    store = library.index.store
    plain, seen = store.rows, set()

    def rows(sql, values=()):
        seen.add((sql, len(values)))
        return plain(sql, values)

    monkeypatch.setattr(store, "rows", rows)
    value = store.value
    monkeypatch.setattr(store, "value", lambda sql, values=(): (seen.add((sql, len(values))), value(sql, values))[1])
    everything = {
        "text": "a", "date": "7d", "tags": ["x"], "any_tags": ["x"], "no_tags": ["x"], "favourite": True, "images_min": 1, "sweep": True,
        "problems": True, "missing": True, "test": False, **{name: ["none"] if name in ("rating", "complete") else ["x"] for name in NAMED},
    }  # fmt: skip
    for sort in SORTS:
        list_sessions(library, SessionQuery(sort=sort, after="a"))
    list_sessions(library, SessionQuery(**everything))
    session_facts.session_facts(library, "a")
    assert len(seen) > 40
    for sql, count in seen:
        plan = [row[3] for row in plain(f"EXPLAIN QUERY PLAN {sql}", ["[]"] * count)]
        assert not [line for line in plan if line.startswith(("SCAN image", "SCAN i"))], (sql, plan)
    assert session_cards._THUMBS in {sql for sql, _ in seen} and sessions._bounds


def test_clearing_what_nobody_said_does_not_hide_what_is_said_later(library):
    ids = [i for (i,) in library.index.store.rows("SELECT id FROM image ORDER BY id")]
    assert library.judge(ids[:2], "mark", None).images == []
    library.judge_sessions(["c"], "rating", None)
    assert library.judge(ids[:1], "mark", "trash").images == ids[:1]
    library.judge_sessions(["c"], "rating", "like")
    assert library.index.store.rows("SELECT id FROM image_and_said WHERE mark = 3") == [(ids[0],)]
    assert "c" in found(library, rating=["like"])
