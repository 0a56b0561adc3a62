"""Queries: their text, and the same answer by SQL, by columns in memory and by a plain loop."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sdgen_core.catalog import sql
from sdgen_core.catalog.fields import CLASSES, MARKS, VERDICTS
from sdgen_core.catalog.index import Index
from sdgen_core.catalog.query import (
    DUPLICATE,
    FIELDS,
    FLAGS,
    SORTS,
    Clause,
    Query,
    date_range,
    likeness,
    number_range,
    parse,
    placeholder_field,
    write,
)
from sdgen_core.catalog.resolve import resolve
from sdgen_core.catalog.schema import CLASS_NUMBER
from sdgen_core.catalog.snapshot import Snapshot
from sdgen_core.catalog.store import mix
from sdgen_core.catalog.user import Change, UserStore
from sdgen_core.errors import SDGenError

from .library import image, keys_of, session

# ---- the text --------------------------------------------------------------------------------------------------------


def clause(field: str, *any: str, name: str | None = None, negate: bool = False) -> Clause:
    return Clause(field=field, any=any, name=name, negate=negate)


@pytest.mark.parametrize(
    ("text", "clauses"),
    [
        ("", []),
        ("smil", [clause("text", "smil*")]),
        ('-"wet street"', [clause("text", "wet street", negate=True)]),
        ('"wet str"*', [clause("text", "wet str*")]),
        ("Hair:Red,Blue", [clause("value", "Red", "Blue", name="Hair")]),
        ('-Hair:"long, red",b', [clause("value", "long, red", "b", name="Hair", negate=True)]),
        ("@seed:7 seed:7", [clause("value", "7", name="seed"), clause("seed", "7")]),
        ("Hair:a=b", [clause("value", "a=b", name="Hair")]),
        ("verdict:ko verdict:Hair=ko,none", [clause("verdict", "ko"), clause("verdict", "ko", "none", name="Hair")]),
        (
            "score:Hair<0.5 score:Hair=0.1..0.2",
            [clause("score", "<0.5", name="Hair"), clause("score", "0.1..0.2", name="Hair")],
        ),
        ("text:a,b negative:blur*", [clause("text", "a", "b"), clause("negative", "blur*")]),
        (r'Quote:"say \"hi\" \\"', [clause("value", 'say "hi" \\', name="Quote")]),
        ("Höhe:Größe", [clause("value", "Größe", name="Höhe")]),
        ("a:b:c", [clause("value", "b:c", name="a")]),
        ('@"wet hair":Red', [clause("value", "Red", name="wet hair")]),
        ('-"wet-hair":Red,"dark blue"', [clause("value", "Red", "dark blue", name="wet-hair", negate=True)]),
        (r'"say \"hi\" to: all":a=b', [clause("value", "a=b", name='say "hi" to: all')]),
        ('"seed":7', [clause("value", "7", name="seed")]),
        ('"a phrase" "wet hair":Red', [clause("text", "a phrase"), clause("value", "Red", name="wet hair")]),
        (
            'verdict:"wet hair"=ko,none score:"v1.2"<0.5 score:"v1.2"=0.1..0.2',
            [
                clause("verdict", "ko", "none", name="wet hair"),
                clause("score", "<0.5", name="v1.2"),
                clause("score", "0.1..0.2", name="v1.2"),
            ],
        ),
    ],
)
def test_texts(text, clauses):
    query = parse(text)
    assert list(query.clauses) == clauses
    assert parse(write(query)) == query


def test_every_example_of_the_table_is_right():
    for spec in FIELDS.values():
        assert parse(spec.example).clauses, spec.example


def test_likeness_is_the_order_of_what_has_no_other():
    assert parse("like:7/3 is:marked").sort == ("like:7",)
    assert parse("like:7 sort:-created").sort == ("-created",)
    assert parse("-like:7").sort == Query().sort == ("-created",)
    assert Query(clauses=(clause("like", "12/4"),)).sort == ("like:12",)
    for text in ("like:7/3", "like:7 sort:-created", "like:7 sort:-like:8"):
        assert write(parse(text)) == text


@pytest.mark.parametrize(
    ("text", "near"),
    [
        ("like:x", None),
        ("like:5/65", None),
        ("is:favorite", "favourite"),
        ("seed:many", None),
        ("date:2026-13", None),
        ("date:..x", None),
        ("verdict:Hair=bad", None),
        ("sort:creatd", "created"),
        ("steps:..", None),
        ('Hair:"', None),
        ("rating:>>3", None),
        ('verdict:"wet hair"=bad', None),
        ("class:fialed", "failed"),
        ("match:Hair<0.5", None),
        ("contradicts:Hair=much", None),
        ('verdict:"wet hair"=', None),
    ],
)
def test_mistakes(text, near):
    with pytest.raises(SDGenError) as caught:
        parse(text)
    assert caught.value.code == "bad-query"
    assert near is None or near in caught.value.nearest


@pytest.mark.parametrize("text", ["seed:", "neon -seed: Hair:Red", "Hair:", '@"wet hair":'])
def test_a_field_without_a_value_is_said_not_looked_for(text):
    with pytest.raises(SDGenError, match="has no value yet") as caught:
        parse(text)
    assert caught.value.code == "bad-query"
    assert caught.value.message.startswith("column 7:" if text.startswith("neon") else "column 1:")
    assert ("seed:100..199" in caught.value.hint) == ("seed" in text)


words = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zl", "Zp")), min_size=1, max_size=12
).filter(lambda text: text.strip() == text and text.strip("*") and not text.startswith("*"))
#: Names of placeholders: mostly plain words, and everything else that somebody may call one.
names = st.from_regex(r"[A-Za-z]\w{0,5}", fullmatch=True) | st.text(min_size=1, max_size=12)
some_clauses = st.one_of(
    st.builds(
        clause,
        st.just("value"),
        words,
        words,
        name=names,
        negate=st.booleans(),
    ),
    st.builds(clause, st.sampled_from(["text", "tag", "model", "session", "negative"]), words, negate=st.booleans()),
    st.builds(clause, st.just("is"), st.sampled_from(FLAGS)),
    st.builds(clause, st.just("verdict"), st.sampled_from(VERDICTS), name=st.none() | names),
    st.builds(
        clause,
        st.sampled_from(["score", "contradicts"]),
        st.sampled_from(["<0.5", "0.1..0.9", "0.5", ">=0"]),
        name=st.none() | names,
    ),
    st.builds(clause, st.just("class"), st.sampled_from([*CLASSES, "none"]), negate=st.booleans()),
    st.builds(
        clause,
        st.sampled_from(["seed", "steps", "cfg", "match"]),
        st.sampled_from(["1", "1..5", ">=3", "<2", "..7", "3.."]),
    ),
)


@given(
    st.lists(some_clauses, max_size=5),
    st.sampled_from([("-created",), ("rating", "-seed"), ("random:7",), ("value:Hair",)]),
)
@settings(deadline=None)
def test_writing_and_parsing_are_inverse(clauses, sort):
    query = Query(clauses=tuple(clauses), sort=sort)
    assert parse(write(query)) == query


@given(names, words)
@settings(deadline=None)
def test_a_name_written_as_people_do_means_that_placeholder(name, value):
    [found] = parse(
        f"{placeholder_field(name)}:{write(Query(clauses=(clause('tag', value),))).partition(':')[2]}"
    ).clauses
    assert found == clause("value", value, name=name)


@given(st.text(max_size=60))
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_text_is_a_query_or_a_clear_error(text):
    try:
        query = parse(text)
    except SDGenError as error:
        assert error.code == "bad-query"
    else:
        assert parse(write(query)) == query


def test_dates_are_whole_days_of_local_time():
    now = datetime(2026, 11, 22, 15, 30)

    def day(text: str) -> list[str]:
        found = date_range(text, now)
        return [str(datetime.fromtimestamp(end / 1000)) if end is not None else "" for end in (found.low, found.high)]

    assert day("today") == ["2026-11-22 00:00:00", "2026-11-22 23:59:59.999000"]
    assert day("yesterday")[0] == "2026-11-21 00:00:00"
    assert day("7d") == ["2026-11-16 00:00:00", ""]
    assert day("2026-02") == ["2026-02-01 00:00:00", "2026-02-28 23:59:59.999000"]
    assert day("2026")[1] == "2026-12-31 23:59:59.999000"
    assert day("2026-11-01..2026-11-02") == ["2026-11-01 00:00:00", "2026-11-02 23:59:59.999000"]


# ---- three ways to answer --------------------------------------------------------------------------------------------

HAIR, COAT = ("Red", "Blue", "Green"), ("c1", "c2")


def random_library(data: st.DataObject, folder: Path) -> tuple[UserStore, Index, list[dict[str, Any]]]:
    """A library of two sessions, and its images as plain maps."""
    user = UserStore(folder / "user.db")
    index = Index(folder / "index.db", user)
    rows: list[dict[str, Any]] = []
    draw = data.draw
    for name in ("first", "second"):
        theme = draw(st.sampled_from([None, "gala", "Gala Night"]))
        number = index.put_session(replace(session(folder, name), theme=theme))
        records = []
        for n in range(draw(st.integers(0, 9))):
            values = {}
            if draw(st.booleans()):
                values["Hair"] = draw(st.sampled_from(HAIR))
            if draw(st.booleans()):
                values["Coat"] = draw(st.sampled_from(COAT))
            width, height = draw(st.sampled_from([(64, 96), (96, 64), (64, 64), (None, None)]))
            records.append(
                image(
                    name,
                    n,
                    values,
                    seed=draw(st.sampled_from([None, 0, 1, 5, 2**63, 2**64 - 1])),
                    width=width,
                    height=height,
                    created=draw(st.integers(0, 3)),
                    model=draw(st.sampled_from([None, "Dream", "dreamer", "Other 10", "other 9", "ôther 9"])),
                    steps=draw(st.sampled_from([None, 10, 20])),
                    cfg=draw(st.sampled_from([None, 4.5, 7.0])),
                    missing=draw(st.booleans()),
                    bytes=draw(st.integers(0, 3)),
                    phash=draw(st.sampled_from([None, 0, 0b1111, 0b111110000, 2**64 - 1, 2**64 - 2**40])),
                )
            )
        for number_, record in zip(index.put_images(number, records), records, strict=True):
            row = {
                "id": number_,
                "session": name,
                "theme": theme,
                "record": record,
                "facts": {},
                "scores": {},
                "machine": {},
                "all": rows,
            }
            rows.append(row)
    for row in rows:
        facts = draw(
            st.dictionaries(
                st.sampled_from(["mark", "failed", "rating", "note", "tag/cat", "tag/dog", "value/Hair", "value/Coat"]),
                st.integers(0, 4),
                max_size=4,
            )
        )
        said = {}
        for field, n in facts.items():
            choices = {"mark": MARKS, "rating": "12345", "note": "ab"}.get(field, ("yes",))
            choices = VERDICTS if field.startswith("value/") else choices
            said[field] = choices[n % len(choices)]
        step = user.change([Change("image", keys_of(index, row["id"]), f, v) for f, v in said.items()], "x")
        if step:
            index.apply(step.events)
        row["facts"] = said
        for placeholder in row["record"].values:
            if draw(st.booleans()):
                row["scores"][placeholder] = draw(st.sampled_from([0.0, 0.25, 0.5, 1.0]))
        row["machine"] = draw(machines)
    with index.store.write() as db:
        for row in rows:
            say_by_machine(db, row)
            for placeholder, score in row["scores"].items():
                db.execute(
                    "UPDATE image_value SET score=? WHERE image=? AND value IN (SELECT value.id FROM value JOIN placeholder"
                    " ON placeholder.id = placeholder WHERE name=?)",
                    (score, row["id"], placeholder),
                )
                db.execute("INSERT INTO changed(image) VALUES(?)", (row["id"],))
    return user, index, rows


#: What a machine says of an image: nothing, or everything that it measures.
measured = st.sampled_from([None, 0.0, 0.25, 0.5, 1.0])
machines = st.just({}) | st.fixed_dictionaries(
    {
        "class": st.sampled_from([None, *CLASSES]),
        "match": measured,
        "flagged": st.booleans(),
        "promptscore": measured,
        "aesthetic": st.sampled_from([None, 5, 6.125]),
    }
)


def say_by_machine(db: Any, row: dict[str, Any]) -> None:
    db.execute("DELETE FROM image_machine WHERE image=?", (row["id"],))
    if said := row["machine"]:
        columns = (CLASS_NUMBER[said["class"]], said["match"], said["flagged"], said["promptscore"], said["aesthetic"])
        db.execute(
            "INSERT INTO image_machine SELECT id, session, ?, ?, ?, ?, ? FROM image WHERE id=?", (*columns, row["id"])
        )
    db.execute("INSERT INTO changed(image) VALUES(?)", (row["id"],))


def contradictions(row: dict[str, Any], name: str | None = None) -> list[float]:
    """How surely the machine contradicts people about the values of an image."""
    out = []
    for placeholder, score in row["scores"].items():
        said = row["facts"].get(f"value/{placeholder}")
        if name in (None, placeholder) and said in ("ok", "ko"):
            out.append(1 - score if said == "ok" else score)
    return out


def like(pattern: str, name: str | None) -> bool:
    if name is None:
        return False
    parts = ".*".join(re.escape(part) for part in pattern.casefold().split("*"))
    return re.fullmatch(parts, name.casefold()) is not None


def bits_apart(row: dict[str, Any], other: dict[str, Any]) -> int | None:
    one, another = row["record"].phash, other["record"].phash
    return None if one is None or another is None else (one ^ another).bit_count()


def has_duplicate(row: dict[str, Any]) -> bool:
    there = [other for other in row["all"] if not other["record"].missing]
    near = [other["id"] for other in there if (apart := bits_apart(row, other)) is not None and apart <= DUPLICATE]
    return row["id"] in near and len(near) > 1


def naive(row: dict[str, Any], query: Clause) -> bool:
    """Whether a clause holds, by a plain look."""
    record, facts = row["record"], row["facts"]
    field, name = query.field, query.name
    verdicts = {p: facts.get(f"value/{p}", "none") for p in record.values}

    def holds(value: str) -> bool:
        mark = facts.get("mark")
        if field == "is":
            width, height = record.width, record.height
            sized = width is not None
            return {
                "favourite": mark == "favourite",
                "interesting": mark == "interesting",
                "trash": mark == "trash",
                "marked": mark is not None,
                "failed": "failed" in facts,
                "judged": any(v != "none" for v in verdicts.values()),
                "tagged": any(f.startswith("tag/") for f in facts),
                "noted": "note" in facts,
                "missing": record.missing,
                "broken": record.broken,
                "landscape": sized and width > height,
                "portrait": sized and width < height,
                "square": sized and width == height,
                "duplicate": has_duplicate(row),
                "scored": bool(row["machine"]),
                "flagged": row["machine"].get("flagged", False),
            }[value]
        if field == "like":
            image, distance = likeness(value)
            apart = next((bits_apart(row, other) for other in row["all"] if other["id"] == image), None)
            return apart is not None and apart <= distance
        if field == "value":
            return name in record.values and any(like(value, one) for one in record.values[name])
        if field == "verdict":
            return any(v == value for p, v in verdicts.items() if name in (None, p))
        if field == "score":
            return any(score in number_range("score", value) for p, score in row["scores"].items() if name in (None, p))
        if field == "contradicts":
            return any(surely in number_range(field, value) for surely in contradictions(row, name))
        if field == "class":
            return (row["machine"].get("class") or "none") == value
        if field == "text":
            prompt = re.findall(r"\w+", record.prompt.casefold())
            asked = re.findall(r"\w+", value.casefold())
            for at in range(len(prompt)):
                here = prompt[at : at + len(asked)]
                *head, last = asked
                whole = here[:-1] == head and len(here) == len(asked)
                if whole and (here[-1].startswith(last) if value.endswith("*") else here[-1] == last):
                    return True
            return False
        if field == "tag":
            return any(like(value, f[4:]) for f in facts if f.startswith("tag/"))
        if field in ("session", "theme"):
            return like(value, row[field])
        if field == "model":
            return like(value, record.model)
        if field in ("match", "promptscore", "aesthetic"):
            number = row["machine"].get(field)
        else:
            number = int(facts.get("rating", 0)) if field == "rating" else getattr(record, field)
        return number is not None and number in number_range(field, value)

    return any(map(holds, query.any)) != query.negate


queries = st.lists(
    st.one_of(
        st.builds(
            clause,
            st.just("value"),
            st.sampled_from([*HAIR, "r*", "a *", "nothing"]),
            name=st.just("Hair"),
            negate=st.booleans(),
        ),
        st.builds(
            clause,
            st.just("value"),
            st.sampled_from(COAT),
            st.sampled_from(COAT),
            name=st.just("Coat"),
            negate=st.booleans(),
        ),
        st.builds(clause, st.just("is"), st.sampled_from(FLAGS), st.sampled_from(FLAGS), negate=st.booleans()),
        st.builds(
            clause,
            st.just("verdict"),
            st.sampled_from([*VERDICTS, "none"]),
            name=st.sampled_from([None, "Hair", "Coat", "Nobody"]),
            negate=st.booleans(),
        ),
        st.builds(
            clause,
            st.sampled_from(["score", "contradicts"]),
            st.sampled_from(["<0.5", "0.5", ">=0.25", "0..0.3", ">0.5"]),
            name=st.sampled_from([None, "Hair"]),
        ),
        st.builds(
            clause,
            st.just("text"),
            st.sampled_from(["red", "re*", "a red", "a b*", "green", "a c1"]),
            negate=st.booleans(),
        ),
        st.builds(clause, st.just("tag"), st.sampled_from(["cat", "CAT", "d*", "bird"]), negate=st.booleans()),
        st.builds(clause, st.sampled_from(["session"]), st.sampled_from(["first", "*s*", "x"]), negate=st.booleans()),
        st.builds(clause, st.just("theme"), st.sampled_from(["gala", "gala*", "GALA"]), negate=st.booleans()),
        st.builds(clause, st.just("model"), st.sampled_from(["dream", "dream*", "*r"]), negate=st.booleans()),
        st.builds(
            clause,
            st.just("class"),
            st.sampled_from([*CLASSES, "none"]),
            st.sampled_from([*CLASSES, "none"]),
            negate=st.booleans(),
        ),
        st.builds(
            clause,
            st.sampled_from(["match", "promptscore", "aesthetic"]),
            st.sampled_from(["<0.5", "0.5", "..0.25", ">=0", "<1", ">5", "0.1..6.125"]),
            negate=st.booleans(),
        ),
        st.builds(clause, st.just("like"), st.sampled_from(["1", "2/4", "3/0", "4/64", "99"]), negate=st.booleans()),
        st.builds(
            clause,
            st.sampled_from(["seed", "steps", "cfg", "rating", "number", "width", "bytes"]),
            st.sampled_from(["0", "1..5", ">=5", "<2", "..7", "4.5", f"..{2**63}", f"{2**64 - 1}", f">{2**63 - 1}"]),
            negate=st.booleans(),
        ),
    ),
    max_size=4,
)
sorts = st.lists(
    st.one_of(
        st.builds("{}{}".format, st.sampled_from(["", "-"]), st.sampled_from(SORTS)),
        st.sampled_from(
            ["random:3", "-random:4", "like:1", "-like:2", "like:99", "value:Hair", "-value:Coat", "score:Hair"]
        ),
    ),
    min_size=1,
    max_size=2,
)


def as_read(name: str) -> tuple[Any, ...]:
    """A name as people sort them: of those in the test by letters without marks or case, then by number."""
    words = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower().split()
    return tuple(word.zfill(9) if word.isdigit() else word for word in words), name


def sort_key(row: dict[str, Any], key: str) -> Any:
    record, facts = row["record"], row["facts"]
    kind, _, of = key.partition(":")
    return {
        "created": lambda: record.created,
        "number": lambda: record.number,
        "file": lambda: record.file,
        "seed": lambda: record.seed,
        "rating": lambda: int(facts["rating"]) if "rating" in facts else None,
        "mark": lambda: MARKS.index(facts["mark"]) if "mark" in facts else None,
        "judged": lambda: sum(f.startswith("value/") and f[6:] in record.values for f in facts),
        "bytes": lambda: record.bytes,
        "pixels": lambda: None if record.width is None else record.width * record.height,
        "steps": lambda: record.steps,
        "cfg": lambda: record.cfg,
        "model": lambda: record.model and as_read(record.model),
        "sampler": lambda: None,
        "session": lambda: as_read(row["session"]),
        "random": lambda: mix(row["id"], int(of)),
        "match": lambda: row["machine"].get("match"),
        "promptscore": lambda: row["machine"].get("promptscore"),
        "aesthetic": lambda: row["machine"].get("aesthetic"),
        "contradicts": lambda: max(contradictions(row), default=None),
        "value": lambda: as_read(record.values[of][1]) if of in record.values else None,
        "score": lambda: row["scores"].get(of),
        "like": lambda: next((bits_apart(row, other) for other in row["all"] if str(other["id"]) == of), None),
    }[kind]()


def naively_sorted(rows: list[dict[str, Any]], sort: list[str]) -> list[int]:
    out = sorted(
        rows, key=lambda row: row["id"], reverse=len(sort) == 1 and sort[0].startswith("-") and never_empty(sort[0])
    )
    for key in reversed(sort):
        down = key.startswith("-")
        known = [row for row in out if sort_key(row, key.removeprefix("-")) is not None]
        known.sort(key=lambda row: sort_key(row, key.removeprefix("-")), reverse=False)
        if down:  # a stable sort the other way round
            groups: dict[Any, list[dict[str, Any]]] = {}
            for row in known:
                groups.setdefault(sort_key(row, key[1:]), []).append(row)
            known = [row for value in sorted(groups, reverse=True) for row in groups[value]]
        out = known + [row for row in out if sort_key(row, key.removeprefix("-")) is None]
    return [row["id"] for row in out]


def never_empty(key: str) -> bool:
    return key.lstrip("-").partition(":")[0] in ("created", "number", "file", "judged", "bytes", "random")


@given(st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
def test_sql_columns_and_a_loop_agree(tmp_path_factory, data):
    user, index, rows = random_library(data, tmp_path_factory.mktemp("library"))
    snapshot = Snapshot(index.store)
    for _ in range(6):
        query = Query(clauses=tuple(data.draw(queries)), sort=tuple(data.draw(sorts)))
        wanted = naively_sorted(
            [row for row in rows if all(naive(row, one) for one in query.clauses)], list(query.sort)
        )
        resolved = resolve(index.store, query)
        assert sql.page(index.store, resolved, 1_000) == wanted
        assert sql.count(index.store, resolved) == len(wanted)
        assert snapshot.find(query)[0].tolist() == wanted
        paged: list[int] = []
        while len(paged) <= len(wanted) and (
            some := sql.page(index.store, resolved, 2, after=paged[-1] if paged else None)
        ):
            paged += some
        assert paged == wanted
        for after in data.draw(st.lists(st.sampled_from([row["id"] for row in rows] or [1]), max_size=2)):
            ids, total, _ = snapshot.page(query, 2, after)
            assert (ids, total) == (sql.page(index.store, resolved, 2, after), len(wanted))
        check_counts(snapshot, query, rows, index)
        check_facets(snapshot, query, rows, index)
        if rows and data.draw(st.booleans()):  # what changes is taken over
            row = data.draw(st.sampled_from(rows))
            record = row["record"]
            if data.draw(st.booleans()):
                record.phash = data.draw(st.sampled_from([0, 0b11, 2**64 - 1]))
                index.set_pictures([(row["id"], None, None, record.phash, record.broken)])
            if data.draw(st.booleans()):
                row["machine"] = data.draw(machines)
                with index.store.write() as db:
                    say_by_machine(db, row)
            record.missing = data.draw(st.booleans())
            index.set_missing([row["id"]], record.missing)
            mark = data.draw(st.sampled_from([None, *MARKS]))
            step = user.change([Change("image", keys_of(index, row["id"]), "mark", mark)], "x")
            if step:
                index.apply(step.events)
            row["facts"] = {
                **{f: v for f, v in row["facts"].items() if f != "mark"},
                **({"mark": mark} if mark else {}),
            }
    index.close()
    user.close()


def check_counts(snapshot: Snapshot, query: Query, rows: list[dict[str, Any]], index: Index) -> None:
    total, tables = snapshot.counts(resolve(index.store, query))
    assert total == sum(all(naive(row, one) for one in query.clauses) for row in rows)
    names = dict(index.store.rows("SELECT id, name FROM placeholder"))
    keys = dict(index.store.rows("SELECT id, key FROM value"))
    for placeholder, (values, table) in tables.items():
        name = names[placeholder]
        for value, counts in zip(values.tolist(), table.tolist(), strict=True):
            others = [
                c
                for c in query.clauses
                if not (
                    c.field == "value"
                    and c.name == name
                    and not c.negate
                    and resolve(index.store, Query(clauses=(c,))).conditions[0].ids
                )
            ]
            found = [
                row
                for row in rows
                if row["record"].values.get(name, (None,))[0] == keys[value] and all(naive(row, c) for c in others)
            ]
            assert sum(counts) == len(found)
            for number, verdict in enumerate(("none", *VERDICTS)):
                assert counts[number] == sum(row["facts"].get(f"value/{name}", "none") == verdict for row in found)


def check_facets(snapshot: Snapshot, query: Query, rows: list[dict[str, Any]], index: Index) -> None:
    """A choice is counted as if it were made instead of the others of its kind."""
    facets = snapshot.facets(resolve(index.store, query))
    assert facets.total == snapshot.counts(resolve(index.store, query))[0]
    choices = {
        "model": ["Dream", "dreamer", "Other 10", "other 9", "ôther 9"],
        "session": ["first", "second"],
        "theme": ["gala", "Gala Night"],
        "rating": "012345",
        "tag": ["cat", "dog"],
        "is": FLAGS,
        "class": [*CLASSES, "none"],
    }
    groups = [{*MARKS, "marked"}, {"landscape", "portrait", "square"}]
    for field, values in choices.items():
        assert facets.fields[field].keys() <= {*values}
        for value in values:
            if value == "duplicate" and "duplicate" not in facets.fields["is"]:
                continue  # nobody has asked for them yet
            group = next((group for group in groups if value in group), {value})
            others = []
            for one in query.clauses:
                if field == one.field == "is":
                    own = {*one.any} <= ({value} if one.negate else group)
                else:
                    resolved = resolve(index.store, Query(clauses=(one,))).conditions[0]
                    own = field == one.field and not one.negate and bool(resolved.ids or resolved.ranges)
                if not own:
                    others.append(one)
            chosen = clause(field, value)
            found = [row for row in rows if naive(row, chosen) and all(naive(row, one) for one in others)]
            if field == "theme":  # one that is called just that
                found = [row for row in found if row["theme"] == value]
            assert facets.fields[field].get(value, 0) == len(found), (field, value)


def test_what_is_not_there_is_remarked(tmp_path):
    user = UserStore(tmp_path / "user.db")
    index = Index(tmp_path / "index.db", user)
    index.put_images(index.put_session(session(tmp_path, "one")), [image("one", 0, {"Hair": "Red"})])
    remarks = resolve(index.store, parse('Hiar:Red Hair:Rad tag:x "!!!" model:y')).remarks
    assert remarks == (
        "there is no placeholder 'Hiar'; nearest: Hair",
        "there is no value 'Rad' of Hair; nearest: Red",
        "there is no tag 'x'",
        "there is nothing to look for in '!!!'",
        "there is no model 'y'",
    )
    assert resolve(index.store, parse("hair:red")).conditions[0].ids  # as nobody calls one just so
    index.close()
    user.close()


@pytest.mark.parametrize(
    "nasty", ['a" OR b', "NEAR(a b)", "positive:x", "a*b", "^a", "a AND NOT b", '"""', "(", "a\0b"]
)
def test_nothing_in_a_text_is_an_operator(tmp_path, nasty):
    user = UserStore(tmp_path / "user.db")
    index = Index(tmp_path / "index.db", user)
    index.put_images(
        index.put_session(session(tmp_path, "one")), [image("one", 0, prompt="x y"), image("one", 1, prompt="b")]
    )
    assert sql.page(index.store, resolve(index.store, Query(clauses=(clause("text", nasty),))), 10) == []
    index.close()
    user.close()
