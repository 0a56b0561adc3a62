"""What machines say about images, after random work and kills: nothing is lost, and the index knows all of it."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sdgen_core.catalog.catalog import Catalog
from sdgen_core.catalog.check import verify
from sdgen_core.catalog.score_columns import ImageScores, ValueScores

from .library import session
from .test_machine import DEMO, class_of, filled, key, records, same_as_anew, told, valued

_FILES = "SELECT file FROM image WHERE id IN (SELECT value FROM json_each(?))"
probability = st.sampled_from([0.0, 0.125, 0.5, 0.75, 1.0, math.nan])
work = st.lists(
    st.one_of(
        st.tuples(
            st.just("write"), st.lists(st.tuples(st.integers(0, 11), probability, probability), min_size=1, max_size=6)
        ),
        st.tuples(st.just("clear"), st.sampled_from(["one", "two"])),
        st.tuples(st.just("change"), st.integers(0, 11)),
        st.tuples(st.just("restore"), st.integers(0, 11)),
        st.tuples(st.just("values"), st.integers(0, 11)),
        st.tuples(st.just("judge"), st.integers(0, 11)),
        st.tuples(st.sampled_from(["undo", "reopen", "new index", "no mirror"]), st.none()),
    ),
    max_size=14,
)


class Plain:
    """What should be known, by plain maps: content key -> what was said, the newest last, of each value of Hair once; image -> its key and
    its values."""

    def __init__(self) -> None:
        self.images = {
            (name, n): [record.thumb, dict(record.values)]
            for name in ("one", "two")
            for n, record in enumerate(records(name, 6))
        }
        self.said: dict[str, list[tuple[float, dict[str, tuple[str, float]]]]] = {}

    def say(self, thumb: str, score: float, hair: tuple[str, float]) -> None:
        others = [one for one in self.said.get(thumb, []) if one[1]["Hair"][0] != hair[0]]
        self.said[thumb] = [*others, (score, {"Hair": hair})]

    def told(self) -> list[tuple[Any, ...]]:
        images, values = [], []
        for (name, n), (thumb, own) in sorted(self.images.items()):
            if thumb in self.said:
                some = self.said[thumb]
                score, of = next((one for one in some if one[1]["Hair"][0] == own["Hair"][0]), some[-1])
                none = math.isnan(score)
                number = 0 if none else ["success", "partial", "failed"].index(class_of(score)) + 1
                images.append((f"{name}_{n:04}.png", number, None if none else score, int(score < 0.3), None, None))
                values += [
                    (f"{name}_{n:04}.png", placeholder, p)
                    for placeholder, (k, p) in sorted(of.items())
                    if own.get(placeholder, ("",))[0] == k and not math.isnan(p)
                ]
        return images + values


@given(work)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_scores_and_counters_after_random_work(tmp_path_factory, work):
    folder = tmp_path_factory.mktemp("random")
    catalog, plain = filled(folder), Plain()
    places = list(plain.images)
    behind = False  # a program died before it told the index: the next batch or start does

    def put(where: list[tuple[str, int]]) -> None:
        for name in ("one", "two"):
            number = catalog.index.put_session(session(folder, name))
            some = [
                valued(*place, plain.images[place][1], plain.images[place][0]) for place in where if place[0] == name
            ]
            catalog.index.put_images(number, some)

    for what, how in work:
        if what in ("write", "no mirror"):
            rows = {places[n]: rest for n, *rest in (how or [(0, 0.5, 0.5)])}
            for name in ("one", "two"):
                mine = {place: p for place, p in rows.items() if place[0] == name}
                own = [plain.images[place] for place in mine]
                whole = [p for p, _ in mine.values()]
                of_hair = [(one[1]["Hair"][0], p) for one, (_, p) in zip(own, mine.values(), strict=True)]
                columns = ImageScores(
                    [one[0] for one in own],
                    ["none" if math.isnan(p) else class_of(p) for p in whole],
                    whole,
                    [p < 0.3 for p in whole],
                    values={"Hair": ValueScores([k for k, _ in of_hair], [p for _, p in of_hair])},
                )
                if what == "write":
                    catalog.machine.write(name, DEMO, columns)
                else:  # as if the program had died here
                    catalog.scores.put(DEMO, columns)
                for one, p, h in zip(own, whole, of_hair, strict=True):
                    plain.say(one[0], p, h)
        elif what == "clear":
            catalog.machine.clear(how)
            for (name, _), (thumb, _) in plain.images.items():
                if name == how:
                    plain.said.pop(thumb, None)
        elif what in ("change", "restore"):
            name, n = places[how]
            plain.images[name, n][0] = key("new" if what == "change" else name, n)
            put([(name, n)])
        elif what == "values":
            plain.images[places[how]][1]["Hair"] = ("Green", "a Green")
            put([places[how]])
        elif what == "judge":
            catalog.judge([how + 1], "value/Hair", "ko")
        elif what == "undo":
            catalog.undo()
        else:
            catalog.close()
            if what == "new index":
                for path in folder.glob("index.db*"):
                    path.unlink()
            catalog = Catalog(folder)
            if what == "new index":
                put(places)
        if what in ("write", "clear", "reopen", "new index", "no mirror"):
            behind = what == "no mirror"
        if not behind:
            assert told(catalog) == plain.told()
            found = sorted(catalog.index.store.rows(_FILES, (json.dumps(catalog.find("is:scored")[0]),)))
            assert found == [row[:1] for row in plain.told() if len(row) > 3]
    catalog.index.take_scores()
    assert told(catalog) == plain.told()
    assert verify(catalog.index, repair=False) == []
    assert same_as_anew(catalog)
    catalog.close()


# ---- kills -----------------------------------------------------------------------------------------------------------

#: Batches of 20 are written one after another; each is told when it is done.
WRITING = """
import sys
from pathlib import Path
sys.path[:0] = ["TOP"]
from sdgen_core.catalog.catalog import Catalog
from sdgen_core.catalog.score_columns import ImageScores, ValueScores
from tests.unit.catalog.test_machine import DEMO, hair, said
catalog = Catalog(Path(sys.argv[1]))
print("open", flush=True)
sys.stdin.readline()
for n in range(10_000):
    p = n % 100 / 100
    catalog.machine.write("one", DEMO, said("one", [p] * 20, n % 20 * 20, Hair=hair(*[p] * 20)))
    print(n, flush=True)
"""


@pytest.mark.parametrize("moment", range(4))
def test_killed_while_writing(tmp_path, moment):
    """Every batch that was told is there, none is half there, and the index knows all of them."""
    filled(tmp_path, 400).close()
    process = subprocess.Popen(
        [sys.executable, "-c", WRITING.replace("TOP", Path(__file__).parents[3].as_posix()), str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None and process.stdin is not None
    assert process.stdout.readline() == "open\n"
    process.stdin.write("go\n")
    process.stdin.flush()
    for _ in range(1 + moment * 7):
        process.stdout.readline()
    process.kill()
    process.wait(timeout=60)
    done = [line for line in process.stdout if line.endswith("\n")]
    process.communicate()
    last = int(done[-1]) if done else moment * 7
    catalog = Catalog(tmp_path)
    try:
        rows = catalog.index.store.rows("SELECT id, match FROM image_and_said WHERE scored = 1 ORDER BY id")
        batches = [{score for _, score in rows[at : at + 20]} for at in range(0, len(rows), 20)]
        assert len(rows) % 20 == 0
        assert all(len(batch) == 1 for batch in batches)
        for n in range(
            max(0, last - 19), last + 1
        ):  # each place's last batch, unless a later one was done and not told
            [score] = batches[n % 20]
            assert score in (n % 100 / 100, (n + 20) % 100 / 100)
        values = "SELECT count(*) FROM image_value JOIN image_machine USING(image) WHERE image_value.score = image_machine.score"
        assert catalog.index.store.value(values) == len(rows)
        assert verify(catalog.index, repair=False) == []
        assert same_as_anew(catalog)
    finally:
        catalog.close()
