"""The catalog as its users see it: finding, judging, saved queries, and judgements as a file."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from sdgen_core.catalog.catalog import Catalog, Done
from sdgen_core.catalog.counters import recount
from sdgen_core.catalog.exchange import export_judgements, import_judgements
from sdgen_core.catalog.query import parse
from sdgen_core.catalog.resolve import resolve
from sdgen_core.catalog.user import Change, UserStore
from sdgen_core.errors import SDGenError

from .library import image, judged, session


def filled(folder: Path) -> tuple[Catalog, list[int]]:
    catalog = Catalog(folder)
    number = catalog.index.put_session(session(folder, "one", planned=4))
    values = [{"Hair": ("Red", "Blue")[n % 2]} for n in range(4)]
    return catalog, catalog.index.put_images(number, [image("one", n, v) for n, v in enumerate(values)])


@pytest.fixture
def catalog(tmp_path):
    made, made_ids = filled(tmp_path)
    made.ids = made_ids
    yield made
    made.close()


def test_importing_is_light():
    """What is imported at ComfyUI's start must not wait for numpy or Pillow."""
    heavy = "import sys, sdgen_core.catalog.catalog; print({'numpy', 'PIL', 'sqlite_utils'} & {*sys.modules})"
    done = subprocess.run([sys.executable, "-c", heavy], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "set()"


def test_finding_leaves_out_trash_and_what_is_gone(catalog):
    ids = catalog.ids
    catalog.judge(ids[:1], "mark", "trash")
    catalog.index.set_missing(ids[1:2], True)
    assert catalog.find("sort:number")[0] == ids[2:]
    assert catalog.find("is:trash")[0] == ids[:1]
    assert catalog.find("-is:trash sort:number")[0] == ids[2:]
    assert catalog.find("is:missing")[0] == ids[1:2]
    assert catalog.find("Hair:Red")[0] == ids[2:3]
    assert catalog.find("Hair:Rd") == ([], ("there is no value 'Rd' of Hair; nearest: Red",))


def test_steps_have_names_and_can_be_taken_back(catalog):
    ids = catalog.ids
    done = catalog.judge([*ids, ids[0]], "mark", "favourite")
    assert (done.label, sorted(done.images)) == ("mark: favourite, 4 images", ids)
    assert catalog.judge(ids, "mark", "favourite").images == []
    assert catalog.judge(ids[:1], "value/Hair", None).label == "value Hair: cleared, 1 image"
    assert catalog.find("is:favourite sort:number")[0] == ids
    assert sorted(catalog.undo().images) == ids
    assert catalog.find("is:favourite")[0] == []
    assert sorted(catalog.redo().images) == ids
    assert catalog.redo() is None
    assert catalog.judge_sessions(["one"], "favourite", "yes").label == "favourite: yes, 1 session"
    assert catalog.index.store.value("SELECT favourite FROM session") == 1


def test_pages_are_the_same_before_and_after_the_columns_are_read(catalog, tmp_path):
    catalog.judge(catalog.ids[:1], "mark", "trash")
    before = [catalog.page(text, after, 2) for text in ("", "Hair:Blue sort:created") for after in (None, 4, 1, 99)]
    assert not catalog.snapshot.loaded
    assert [page.total for page in before] == [None] * 8
    catalog.find("")
    after = [catalog.page(text, after, 2) for text in ("", "Hair:Blue sort:created") for after in (None, 4, 1, 99)]
    assert [page.ids for page in after] == [page.ids for page in before]
    assert [page.ids for page in after[:2]] == [[4, 3], [3, 2]]
    assert [page.total for page in after] == [3] * 4 + [2] * 4


def test_orders_and_counts_know_new_names(catalog, tmp_path):
    other = catalog.index.put_session(session(tmp_path, "two"))
    [last] = catalog.index.put_images(other, [image("two", 0, model="dream")])
    assert catalog.find("sort:session,number")[0] == [*catalog.ids, last]
    catalog.judge_sessions(["two"], "name", "a first one")
    assert catalog.find("sort:session,number")[0] == [last, *catalog.ids]
    fresh = catalog.index.put_session(session(tmp_path, "three"))
    [newest] = catalog.index.put_images(fresh, [image("three", 0, model="another", sampler="euler")])
    assert catalog.find("sort:model,number")[0][:2] == [newest, last]
    facets = catalog.snapshot.facets(resolve(catalog.index.store, parse("model:dream")))
    assert facets.fields["model"] == {"dream": 1, "another": 1}
    assert facets.fields["session"] == {"one": 0, "two": 1, "three": 0}
    assert facets.fields["sampler"] == {"euler": 0}


def test_near_duplicates(catalog):
    one, two, three, four = catalog.ids
    with pytest.raises(SDGenError) as caught:
        catalog.similar(99)
    assert caught.value.code == "unknown-item"
    assert catalog.similar(one) == []
    hashes = {one: 0, two: 0b111, three: 0b1111111, four: 2**64 - 1}
    catalog.index.set_pictures([(number, None, None, hash, False) for number, hash in hashes.items()])
    assert catalog.similar(one, 2) == [(two, 3), (three, 7)]
    assert catalog.similar(four) == [(three, 57), (two, 61), (one, 64)]
    assert catalog.duplicates("sort:-number") == [[one, two, three]]  # hanging together through the second
    assert catalog.duplicates("", 3) == [[one, two]]
    assert catalog.find("is:duplicate sort:number")[0] == [one, two, three]
    assert catalog.find(f"like:{one}/3")[0] == [one, two]
    assert catalog.find(f"like:{three}")[0] == [three, two, one]
    catalog.judge([two], "mark", "trash")
    assert catalog.similar(one) == [(three, 7), (four, 64)]
    catalog.index.set_missing([two], True)
    assert catalog.find("is:duplicate")[0] == []
    assert catalog.find(f"like:{four}/2")[0] == [four]
    assert "was not looked at" in catalog.find(f"like:{catalog.index.put_images(1, [image('one', 9)])[0]}")[1][0]


def test_ids_that_there_are_not(catalog):
    with pytest.raises(SDGenError) as caught:
        catalog.judge([*catalog.ids, 99], "mark", "trash")
    assert caught.value.code == "unknown-item"
    assert catalog.find("is:trash")[0] == []
    with pytest.raises(SDGenError) as caught:
        catalog.judge_sessions(["oen"], "favourite", "yes")
    assert (caught.value.code, caught.value.nearest) == ("unknown-session", ["one"])


def test_saved_queries(catalog):
    catalog.save_query("red ones", "Hair:Red  -is:failed")
    catalog.save_query("all", "")
    assert catalog.queries() == {"all": "sort:-created", "red ones": "@Hair:Red -is:failed"}
    catalog.save_query("all", None)
    assert list(catalog.queries()) == ["red ones"]
    catalog.undo()
    assert list(catalog.queries()) == ["all", "red ones"]
    with pytest.raises(SDGenError):
        catalog.save_query("x", "is:nothing")
    with pytest.raises(SDGenError):
        catalog.save_query(" ", "Hair:Red")


def test_a_hash_that_becomes_known_finds_copies(catalog, tmp_path):
    catalog.judge(catalog.ids[:1], "mark", "favourite")
    copy = catalog.index.put_session(session(tmp_path, "copy"))
    [copied] = catalog.index.put_images(copy, [image("c", 0, keys=("s:whole",))])
    assert catalog.find("is:favourite")[0] == catalog.ids[:1]
    catalog.learn([("g:one/0/0", "s:whole")])
    assert sorted(catalog.find("is:favourite")[0]) == [catalog.ids[0], copied]


def test_the_hash_of_a_whole_file_is_a_key(catalog, tmp_path):
    """Of an image that was judged it becomes one of what was said; one that has it gets what was said about that file."""
    ids = catalog.ids
    catalog.judge(ids[:1], "mark", "favourite")
    catalog.add_key(ids[0], "s:first")
    catalog.add_key(ids[1], "s:second")
    assert set(catalog.user.subjects(["s:first", "s:second"])) == {"s:first"}
    copy = catalog.index.put_session(session(tmp_path, "copy"))
    copies = catalog.index.put_images(copy, [image("c", n, keys=(f"f:{n}",)) for n in range(2)])
    assert catalog.find("is:favourite")[0] == ids[:1]
    catalog.add_key(copies[1], "s:first")
    assert sorted(catalog.find("is:favourite")[0]) == [ids[0], copies[1]]
    assert catalog.index.store.rows("SELECT id FROM image WHERE hashed") == [(n,) for n in (*ids[:2], copies[1])]
    with pytest.raises(SDGenError) as caught:
        catalog.add_key(99, "s:x")
    assert caught.value.code == "unknown-item"


def test_what_decoding_tells_is_written_down(catalog):
    one, two, *_ = catalog.ids
    catalog.index.set_pictures([(one, 100, 50, 2**64 - 1, False), (two, None, None, None, True)])
    columns = "SELECT width, height, phash, broken FROM image WHERE id IN (1, 2) ORDER BY id"
    assert catalog.index.store.rows(columns) == [(100, 50, -1, 0), (64, 96, None, 1)]
    assert catalog.find("is:landscape")[0] == [one]
    assert catalog.find("is:broken")[0] == [two]


# ---- files of judgements ---------------------------------------------------------------------------------------------


def test_judgements_move_to_another_catalog(catalog, tmp_path):
    ids = catalog.ids
    catalog.judge(ids[:2], "mark", "trash")
    catalog.judge(ids[:1], "mark", None)
    catalog.judge(ids[2:3], "value/Hair", "ko")
    catalog.judge(ids[3:], "tag/größe", "yes")
    catalog.judge_sessions(["one"], "note", "first\nsecond")
    catalog.save_query("q", "Hair:Red")
    file = tmp_path / "said.jsonl"
    assert catalog.export_judgements(file) == 6
    assert [json.loads(line)["field"] for line in file.read_text("utf-8").splitlines()[1:]].count("mark") == 2
    other, other_ids = filled(tmp_path / "other")
    done = other.import_judgements(file)
    assert (done.lines, done.newer, done.problems) == (6, 6, [])
    assert judged(other.index) == judged(catalog.index)
    assert other.queries() == {"q": "@Hair:Red"}
    assert other.import_judgements(file).newer == 0
    # what is newer here stays, and its times came along
    other.judge(other_ids[1:2], "mark", "favourite")
    assert other.import_judgements(file).newer == 0
    other.export_judgements(file)
    assert catalog.import_judgements(file).newer == 1
    assert judged(other.index) == judged(catalog.index)
    catalog.undo()
    assert catalog.find("is:trash")[0] == ids[1:2]
    other.close()


@pytest.mark.parametrize(
    "content", [b"", b"{}\n", b"no json\n", b'{"sdgen_judgements": 2}\n', b"\xff\xfe\x00", b"[1]\n", b'"x"\n']
)
def test_files_that_are_no_export(catalog, tmp_path, content):
    file = tmp_path / "x.jsonl"
    file.write_bytes(content)
    with pytest.raises(SDGenError) as caught:
        catalog.import_judgements(file)
    assert caught.value.code in ("bad-judgement", "unreadable-file")
    with pytest.raises(SDGenError) as caught:
        catalog.import_judgements(tmp_path / "nowhere")
    assert caught.value.code == "missing-file"


def test_lines_that_cannot_be_used_are_told_and_the_others_taken(catalog, tmp_path):
    good = {"kind": "image", "keys": ["f:one-0", "g:one/0/0"], "field": "mark", "value": "trash", "at": 5}
    rows = [
        good,
        {**good, "keys": []},
        {**good, "keys": "g:one/1/0"},
        {**good, "field": "marks"},
        {**good, "value": 3},
        {**good, "at": "now"},
        {**good, "at": True},
        {**good, "at": float("nan")},
        {**good, "at": 4, "value": "favourite"},
        [],
        {**good, "keys": ["g:unknown/1/0"]},
    ]
    file = tmp_path / "said.jsonl"
    file.write_text("\n".join(['{"sdgen_judgements": 1}', *map(json.dumps, rows), "{torn"]), "utf-8")
    done = catalog.import_judgements(file)
    assert (done.lines, done.newer) == (12, 2)
    assert [problem.split(":")[0] for problem in done.problems] == [f"line {n}" for n in (3, 4, 5, 6, 7, 8, 9, 11, 13)]
    assert catalog.find("is:trash")[0] == catalog.ids[:1]
    assert catalog.user.subjects(["g:unknown/1/0"])


saying = st.tuples(st.integers(0, 2), st.sampled_from(["mark", "tag/a"]), st.booleans(), st.integers(0, 50))


@given(st.lists(saying, max_size=8), st.lists(saying, max_size=8))
@settings(max_examples=25, deadline=None)
def test_merging_goes_by_time_and_not_by_direction(tmp_path_factory, mine, theirs):
    """Two people exchange their files: afterwards both have the same, field by field what was said last."""
    folder = tmp_path_factory.mktemp("merge")
    stores = []
    for name, said in (("mine", mine), ("theirs", theirs)):
        store = UserStore(folder / f"{name}.db")
        for n, field, on, at in sorted(said, key=lambda s: s[3]):
            value = ("trash" if field == "mark" else "yes") if on else None
            store.change(
                [Change("image", (f"g:s/{n}/0",), field, value, at=at + (0.5 if name == "mine" else 0.0))], "x"
            )
        stores.append(store)
    catalogs = []
    files = [folder / "0.jsonl", folder / "1.jsonl"]
    for store, file in zip(stores, files, strict=True):
        export_judgements(store, file)
    import_judgements(stores[0], files[1])
    import_judgements(stores[1], files[0])
    for store in stores:
        keys = {f"g:s/{n}/0": n for n in range(3)}
        known = store.subjects(keys)
        catalogs.append({keys[key]: store.facts([subject]).get(subject, {}) for key, subject in known.items()})
    said_of = [{n for n, facts in one.items() if facts} for one in catalogs]
    assert said_of[0] == said_of[1]
    for n in said_of[0]:
        assert catalogs[0][n] == catalogs[1][n]
    for store in stores:
        store.close()


# ---- any work at all -------------------------------------------------------------------------------------------------

something = st.one_of(
    st.tuples(st.just("mark"), st.sampled_from([None, "favourite", "trash"])),
    st.tuples(st.sampled_from(["value/Hair", "tag/a", "failed"]), st.sampled_from([None, "yes", "ok"])),
    st.tuples(st.just("note"), st.sampled_from([None, "x"])),
).filter(lambda said: said[1] is None or said[1] != ("yes" if said[0].startswith("value/") else "ok"))


class AnyWork(RuleBasedStateMachine):
    """A catalog that is judged in bulk, undone, closed, killed between its files, and whose index is deleted and made again."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.catalog = Catalog(self.folder)
        self.fill()
        self.history = [self.state()]
        self.at = 0

    def fill(self) -> None:
        """What an import finds, in any order of ids."""
        for name in ("one", "two"):
            number = self.catalog.index.put_session(session(self.folder, name))
            records = [image(name, n, {"Hair": ("Red", "Blue")[n % 2]}) for n in range(4)]
            self.catalog.index.put_images(number, records)
        self.ids = {file: n for n, file in self.catalog.index.store.rows("SELECT id, file FROM image")}

    def state(self) -> list[object]:
        notes = self.catalog.index.store.rows("SELECT slug, note FROM session ORDER BY slug")
        return [judged(self.catalog.index), notes, self.catalog.queries()]

    def stepped(self, done: Done) -> None:
        before, now = self.history[self.at], self.state()
        if now != before:
            self.history[self.at + 1 :] = [now]
            self.at += 1
        assert bool(done.images) == (now[0] != before[0])

    @rule(images=st.sets(st.integers(0, 7), min_size=1), said=something)
    def judge(self, images: set[int], said: tuple[str, str | None]) -> None:
        names = [f"{('one', 'two')[n // 4]}_{n % 4:04}.png" for n in sorted(images)]
        self.stepped(self.catalog.judge([self.ids[name] for name in names], *said))

    @rule(slugs=st.sets(st.sampled_from(["one", "two"]), min_size=1), note=st.sampled_from([None, "s"]))
    def judge_sessions(self, slugs: set[str], note: str | None) -> None:
        self.stepped(self.catalog.judge_sessions(slugs, "note", note))

    @rule(text=st.sampled_from([None, "Hair:Red", "is:marked"]))
    def keep_a_query(self, text: str | None) -> None:
        self.stepped(self.catalog.save_query("q", text))

    @rule()
    def undo(self) -> None:
        assert (self.catalog.undo() is None) == (self.at == 0)
        self.at = max(0, self.at - 1)

    @rule()
    def redo(self) -> None:
        assert (self.catalog.redo() is None) == (self.at == len(self.history) - 1)
        self.at = min(len(self.history) - 1, self.at + 1)

    @rule()
    def open_again(self) -> None:
        self.catalog.close()
        self.catalog = Catalog(self.folder)

    @rule(n=st.integers(0, 7))
    def killed_between_the_files(self, n: int) -> None:
        keys = (f"g:{('one', 'two')[n // 4]}/{n % 4}/0",)
        step = self.catalog.user.change([Change("image", keys, "rating", str(len(self.history) % 5 + 1))], "killed")
        self.open_again()
        if step is not None:
            self.stepped(Done("", [n]))

    @rule()
    def index_is_lost(self) -> None:
        self.catalog.close()
        for ending in ("", "-wal", "-shm"):
            (self.folder / f"index.db{ending}").unlink(missing_ok=True)
        self.catalog = Catalog(self.folder)
        self.fill()

    @invariant()
    def all_is_as_it_was_said(self) -> None:
        assert self.state() == self.history[self.at]
        assert recount(self.catalog.index, repair=False) == []
        undo, redo = self.catalog.user.can()
        assert (undo is None, redo is None) == (self.at == 0, self.at == len(self.history) - 1)

    def teardown(self) -> None:
        while self.at:
            self.undo()
            assert self.state() == self.history[self.at]
        self.catalog.close()
        shutil.rmtree(self.folder)


TestAnyWork = AnyWork.TestCase
TestAnyWork.settings = settings(
    max_examples=15, stateful_step_count=15, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
