"""Statistics of random libraries, against plain loops over their images."""

from __future__ import annotations

import itertools
import random
import statistics
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sdgen_core.catalog.fields import MARKS, VERDICTS
from sdgen_core.catalog.index import Index
from sdgen_core.catalog.query import parse
from sdgen_core.catalog.resolve import resolve
from sdgen_core.catalog.snapshot import Snapshot
from sdgen_core.catalog.stats.formulas import needs_more, stability, wilson
from sdgen_core.catalog.stats.impact import DEAD_BITS, LEAST_IMAGES, around, dead_values, impacts
from sdgen_core.catalog.stats.pairs import failing_pairs
from sdgen_core.catalog.stats.stability import stabilities
from sdgen_core.catalog.stats.success import Telling, success, success_by, success_of_all, top_failing
from sdgen_core.catalog.stats.table import as_dict
from sdgen_core.catalog.stats.totals import totals
from sdgen_core.catalog.stats.view import GROUPINGS, View, groups, view
from sdgen_core.catalog.user import Change, UserStore
from sdgen_core.errors import SDGenError

from .library import image, keys_of, session

VALUES = {"Hair": ("Red", "Blue", "Green"), "Coat": ("c1", "c2"), "Place": ("street", "park", "=sum")}
POINTS = {"ok": 1.0, "partial": 0.5, "ko": 0.0}
QUERIES = ("", "-is:trash -is:missing", "Hair:Red,Blue", "model:dream", "verdict:Coat=ko", "session:first -seed:1")
Row = dict[str, Any]


class Library:
    """A random library; ``rows`` are its images as plain maps, with the verdicts by placeholder."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.user = UserStore(folder / "user.db")
        self.index = Index(folder / "index.db", self.user)
        self.snapshot = Snapshot(self.index.store)
        self.rows: list[Row] = []
        self.random = random.Random(seed)
        pick = self.random.choice
        for n, name in enumerate(("first", "second", "empty")):
            number = self.index.put_session(
                replace(session(folder, name, planned=20), started=n, model=pick([None, "dream"]))
            )
            records = [
                image(name, k, self._values(), **self._facts())
                for k in range(self.random.randint(0, 45) if n < 2 else 0)
            ]
            for key, record in zip(self.index.put_images(number, records), records, strict=True):
                self.rows.append(
                    {"id": key, "session": name, "record": record, "verdicts": {}, "mark": None, "rating": None}
                )
        self.judge()

    def _values(self) -> dict[str, str]:
        return {name: self.random.choice(some) for name, some in VALUES.items() if self.random.random() < 0.9}

    def _facts(self) -> Row:
        pick = self.random.choice
        hours = self.random.randint(0, 24 * 500)
        facts = {
            "seed": pick([None, 1, 2, 2**64 - 1]),
            "created": int(datetime(2025, 9, 1).timestamp() * 1000)
            + hours * 3_600_000
            + self.random.randint(0, 3_599_999),
            "model": "dream",
            "phash": pick([None, 0, 1, 3, 2**64 - 1, self.random.getrandbits(64)]),
            "bytes": pick([0, 10, 2**40 + 1]),
            "missing": self.random.random() < 0.1,
        }
        seldom = {
            "model": [None, "other"],
            "steps": [20],
            "cfg": [7.0],
            "width": [None],
            "batch": [1],
            "sampler": ["euler"],
        }
        return facts | {name: pick(some) for name, some in seldom.items() if self.random.random() < 0.1}

    def judge(self) -> None:
        changes = []
        for row in self.rows:
            keys = keys_of(self.index, row["id"])
            for name in row["record"].values:
                if self.random.random() < 0.6:
                    row["verdicts"][name] = self.random.choice((*VERDICTS, "ko", "ok"))
                    changes.append(Change("image", keys, f"value/{name}", row["verdicts"][name]))
            if self.random.random() < 0.3:
                row["mark"], row["rating"] = self.random.choice(MARKS), self.random.choice("12345")
                changes += [Change("image", keys, "mark", row["mark"]), Change("image", keys, "rating", row["rating"])]
        step = self.user.change(changes, "all")
        if step:
            self.index.apply(step.events)

    def view(self, text: str = "") -> tuple[View, list[Row]]:
        """What a query finds, and the same images as rows."""
        of = view(self.index.store, self.snapshot, resolve(self.index.store, parse(text)))
        ids = set(np.flatnonzero(of.mask).tolist())
        return of, [row for row in self.rows if row["id"] in ids]

    def close(self) -> None:
        self.index.close()
        self.user.close()


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Callable[[int], Library]]:
    made: list[Library] = []

    def make(seed: int) -> Library:
        made.append(Library(tmp_path / str(len(made)), seed))
        return made[-1]

    yield make
    for one in made:
        one.close()


seeds = pytest.mark.parametrize("seed", range(12))


def counts_of(rows: list[Row], name: str, key: str) -> tuple[int, Counter[str]]:
    """How many images have a value, and how often each verdict was given about it."""
    mine = [row for row in rows if row["record"].values.get(name, ("",))[0] == key]
    return len(mine), Counter(row["verdicts"][name] for row in mine if name in row["verdicts"])


def check_success(row: Any, images: int, counts: Counter[str], telling: Telling) -> None:
    judged = sum(counts[verdict] for verdict in POINTS)
    points = sum(counts[verdict] * worth for verdict, worth in POINTS.items())
    assert (row.images, row.judged) == (images, judged)
    assert {v: getattr(row, v.replace("-", "_")) for v in VERDICTS} == {v: counts[v] for v in VERDICTS}
    assert row.rate == (points / judged if judged else None)
    assert (row.low, row.high) == wilson(points, judged)
    assert row.needs == needs_more(points, judged, telling.width, telling.threshold)


def group_of(row: Row, by: str) -> str | None:
    local = datetime.fromtimestamp(row["record"].created / 1000)
    names: dict[str, str | None] = {
        "model": row["record"].model,
        "session": row["session"],
        "day": f"{local:%Y-%m-%d}",
        "week": f"{local:%G-W%V}",
        "month": f"{local:%Y-%m}",
    }
    return names[by]


@seeds
def test_success_of_every_value(library, seed):
    made = library(seed)
    telling = Telling(0.3, 0.5)
    for text in QUERIES:
        of, rows = made.view(text)
        table = success(of, telling=telling)
        wanted = [(p, k) for p, some in sorted(VALUES.items()) for k in sorted(some) if counts_of(rows, p, k)[0]]
        assert [(row.placeholder, row.key) for row in table] == wanted
        for row in table:
            assert row.text == f"a {row.key}" and row.group is None
            check_success(row, *counts_of(rows, row.placeholder, row.key), telling)
    assert success(made.view()[0]) == success_of_all(made.index.store)


@seeds
@pytest.mark.parametrize("by", GROUPINGS)
def test_success_by_group(library, seed, by):
    made = library(seed)
    for text in QUERIES[:3]:
        of, rows = made.view(text)
        split: dict[str | None, list[Row]] = defaultdict(list)
        for row in rows:
            split[group_of(row, by)].append(row)
        order = sorted(split, key=lambda name: (name is None, name or ""))
        wanted = [
            (g, p, k)
            for g in order
            for p, some in sorted(VALUES.items())
            for k in sorted(some)
            if counts_of(split[g], p, k)[0]
        ]
        table = success(of, by)
        assert [(row.group, row.placeholder, row.key) for row in table] == wanted
        for row in table:
            check_success(row, *counts_of(split[row.group], row.placeholder, row.key), Telling())
        together = success_by(of, by)
        assert [row.group for row in together] == [g for g in order if any(row["record"].values for row in split[g])]
        for row in together:
            mine = [one for one in split[row.group] if one["record"].values]
            check_success(row, len(mine), Counter(v for one in mine for v in one["verdicts"].values()), Telling())


def test_there_is_no_other_group(library):
    with pytest.raises(SDGenError) as caught:
        groups(library(0).view()[0], "modle")
    assert caught.value.code == "bad-query" and "model" in caught.value.nearest


@pytest.fixture(params=[None, "BRT3BRST,M10.3.0/0,M2.3.0/0", "CET-1CEST,M3.5.0,M10.5.0/3", "IST-5:30", "SST11"])
def zone(request, monkeypatch):
    """Local time as here, or somewhere else: in the first of the places clocks are changed at midnight."""
    if request.param and not hasattr(time, "tzset"):
        pytest.skip("the zone of this system cannot be changed by a process")
    if request.param:
        monkeypatch.setenv("TZ", request.param)
        time.tzset()
    yield
    monkeypatch.undo()
    if request.param:
        time.tzset()


YEAR_2900 = 29_300_000_000_000  # Windows knows no local time after 3000


@pytest.mark.parametrize("by", ["day", "week", "month"])
@given(st.lists(st.integers(3 * 86_400_000, YEAR_2900), min_size=1, max_size=30))
@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_periods_of_any_time(zone, by, created):
    n = len(created)
    of = View(None, np.ones(n, bool), {"created": np.array(created)}, {})  # type: ignore[arg-type]
    found = groups(of, by)
    rows = [{"record": image("x", 0, created=moment), "session": ""} for moment in created]
    assert [found.names[place] for place in found.of] == [group_of(row, by) for row in rows]


def test_clocks_that_are_changed(zone):
    """Every half hour of a year is in its day."""
    created = np.arange(1_760_000_000_000, 1_760_000_000_000 + 366 * 86_400_000, 1_800_000)
    of = View(None, np.ones(len(created), bool), {"created": created}, {})  # type: ignore[arg-type]
    found = groups(of, "day")
    names = [found.names[place] for place in found.of]
    assert names == [f"{datetime.fromtimestamp(moment / 1000):%Y-%m-%d}" for moment in created.tolist()]


def test_times_that_are_none_are_in_some_period():
    of = View(None, np.ones(3, bool), {"created": np.array([-5, 0, 2**62])}, {})  # type: ignore[arg-type]
    found = groups(of, "day")
    first, second, last = (found.names[place] for place in found.of)
    assert first == second and first in ("1969-12-31", "1970-01-01") and last.startswith("9999")


@seeds
def test_stability_over_seeds(library, seed):
    made = library(seed)
    for text in QUERIES:
        of, rows = made.view(text)
        by_seed: dict[tuple[str, str], dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
        for row in rows:
            for name, verdict in row["verdicts"].items():
                if verdict in POINTS and row["record"].seed is not None:
                    by_seed[name, row["record"].values[name][0]][row["record"].seed].append(POINTS[verdict])
        table = stabilities(of)
        assert [(row.placeholder, row.key) for row in table] == sorted(by_seed)
        for row in table:
            points = by_seed[row.placeholder, row.key]
            share = statistics.mean(statistics.mean(some) for some in points.values())
            assert (row.seeds, row.judged) == (len(points), sum(map(len, points.values())))
            assert row.share == pytest.approx(share)
            assert (row.low, row.high) == pytest.approx(wilson(share * len(points), len(points)))
            assert row.works == stability(share, len(points))


SAME = ("seed", "batch", "model", "sampler", "steps", "cfg", "width", "height")


def slow_impacts(rows: list[Row]) -> dict[str, list[tuple[str, str, int, int, int]]]:
    """Placeholder -> (value, value, image, image, bits that differ) of all pairs of images that differ in nothing else."""
    out: dict[str, list[tuple[str, str, int, int, int]]] = defaultdict(list)
    for one, other in itertools.combinations([row for row in rows if row["record"].phash is not None], 2):
        a, b = one["record"], other["record"]
        if one["session"] != other["session"] or a.seed is None or any(getattr(a, n) != getattr(b, n) for n in SAME):
            continue
        differ = [n for n in VALUES if a.values.get(n) != b.values.get(n)]
        if len(differ) == 1 and differ[0] in a.values and differ[0] in b.values:
            bits = (a.phash ^ b.phash).bit_count()
            out[differ[0]].append((a.values[differ[0]][0], b.values[differ[0]][0], one["id"], other["id"], bits))
    return out


@seeds
def test_impact(library, seed):
    made = library(seed)
    compared = 0
    for text in QUERIES[:4]:
        of, rows = made.view(text)
        pairs = slow_impacts(rows)
        compared += len(pairs)
        placeholders, values = impacts(of)
        assert {row.placeholder for row in placeholders} == set(pairs)
        for row in placeholders:
            bits = [pair[4] for pair in pairs[row.placeholder]]
            assert (row.pairs, row.distance) == (len(bits), statistics.median(bits) / 64)
            keys = {key for pair in pairs[row.placeholder] for key in pair[:2]}
            mine = [value for value in values if value.placeholder == row.placeholder]
            assert {value.key for value in mine} == keys
            assert (row.values, row.dead) == (len(keys), sum(value.dead for value in mine))
            for value in mine:
                own = [pair for pair in pairs[row.placeholder] if value.key in pair[:2]]
                images = {pair[2 + side] for pair in own for side in (0, 1) if pair[side] == value.key}
                median = statistics.median(pair[4] for pair in own)
                assert (value.images, value.pairs, value.distance) == (len(images), len(own), median / 64)
                assert value.dead == (len(images) >= LEAST_IMAGES and median <= DEAD_BITS)
        assert [row.distance for row in values] == sorted(row.distance for row in values)
        assert [row.images for row in dead_values(values)] == sorted((v.images for v in values if v.dead), reverse=True)
        assert {id(row) for row in dead_values(values)} == {id(row) for row in values if row.dead}
    assert compared or len(made.rows) < 40


def test_dead_values_of_a_sweep(tmp_path, library):
    """Three seeds, three coats that look the same and three hairs that do not."""
    made = library(1)
    hashes = {"Red": 0, "Blue": 0xFFFF, "Green": 0xFFFF0000}
    records = [
        image("sweep", n, {"Hair": hair, "Coat": coat}, seed=seed, phash=(hashes[hair] << seed) ^ (coat == "c3"))
        for n, (seed, hair, coat) in enumerate(itertools.product(range(3), hashes, ("c1", "c2", "c3")))
    ]
    made.index.put_images(made.index.put_session(session(tmp_path, "sweep")), records)
    placeholders, values = impacts(made.view("session:sweep")[0])
    assert [(row.placeholder, row.values, row.pairs, row.dead) for row in placeholders] == [
        ("Coat", 3, 27, 3),
        ("Hair", 3, 27, 0),
    ]
    assert [row.key for row in dead_values(values)] == ["c1", "c2", "c3"]
    assert all(row.distance >= 16 / 64 for row in values if row.placeholder == "Hair")


@given(st.lists(st.integers(1, 9), max_size=8), st.integers(1, 4))
def test_pairs_around_a_circle(sizes, most):
    keys = np.repeat(np.arange(len(sizes)), sizes).astype("u8")
    found = [pair for one, other in around(keys, most) for pair in zip(one.tolist(), other.tolist(), strict=True)]
    assert all(keys[a] == keys[b] and a != b for a, b in found)
    assert len({frozenset(pair) for pair in found}) == len(found) <= len(keys) * most
    per_place = Counter(place for pair in found for place in pair)
    for place, key in enumerate(keys.tolist()):
        assert per_place[place] == min(2 * most, sizes[key] - 1)  # all others, or as many to each side


@seeds
@pytest.mark.parametrize("support", [1, 3])
def test_pairs_that_fail_together(library, seed, support):
    made = library(seed)
    of, rows = made.view(QUERIES[seed % len(QUERIES)])
    judged: Counter[tuple[str, str]] = Counter()
    ko: Counter[tuple[str, str]] = Counter()
    together: dict[Any, list[tuple[bool, bool]]] = defaultdict(list)
    for row in rows:
        said = sorted((n, row["record"].values[n][0], v) for n, v in row["verdicts"].items() if v in POINTS)
        judged.update((n, key) for n, key, _ in said)
        ko.update((n, key) for n, key, v in said if v == "ko")
        for a, b in itertools.combinations(said, 2):
            together[a[:2], b[:2]].append((a[2] == "ko", b[2] == "ko"))
    wanted = {}
    for (a, b), some in together.items():
        both = some.count((True, True))
        if both >= support:
            first, second = sum(x for x, _ in some), sum(y for _, y in some)
            others = [judged[a] - len(some), judged[b] - len(some)]
            ko_others = [ko[a] - first, ko[b] - second]
            if 0 in others:
                continue
            alone = [ko_others[0] / others[0], ko_others[1] / others[1]]
            chance = alone[0] * alone[1]
            low = wilson(both, len(some))[0] / wilson(ko_others[0], others[0])[1] / wilson(ko_others[1], others[1])[1]
            if both / len(some) > chance:
                lift = both / len(some) / chance if chance else None
                wanted[a, b] = (len(some), both, first, second, *others, *alone, lift, low)
    found = failing_pairs(of, 1_000, support)
    table = {((r.first_placeholder, r.first_key), (r.second_placeholder, r.second_key)): r for r in found}
    assert set(table) == set(wanted)
    for pair, row in table.items():
        assert tuple(as_dict(row).values())[6:-2] == wanted[pair][:-2]
        assert (row.lift is None) == (wanted[pair][-2] is None)
        assert (row.lift or 0, row.lift_low) == pytest.approx((wanted[pair][-2] or 0, wanted[pair][-1]))
    assert [row.lift_low for row in found] == sorted((row.lift_low for row in found), reverse=True)
    assert failing_pairs(of, 2, support) == found[:2]


@seeds
def test_what_fails_most(library, seed):
    table = success(library(seed).view()[0])
    found = top_failing(table, 4)
    failing = [row for row in table if row.ko or row.partial]
    assert len(found) == min(4, len(failing))
    assert all(row.high >= found[-1].high for row in failing if row not in found)


def test_few_images_do_not_lead(tmp_path, library):
    made = library(2)
    values = [{"Shoe": "rare"}] + [{"Shoe": "often"}] * 20 + [{"Shoe": "fine"}] * 5
    ids = made.index.put_images(
        made.index.put_session(session(tmp_path, "shoes")), [image("shoes", n, v) for n, v in enumerate(values)]
    )
    verdicts = ["ko"] + ["ko"] * 17 + ["partial"] * 3 + ["ok"] * 5
    changes = [Change("image", keys_of(made.index, i), "value/Shoe", v) for i, v in zip(ids, verdicts, strict=True)]
    made.index.apply(made.user.change(changes, "x").events)
    assert [row.key for row in top_failing(success(made.view("session:shoes")[0]))] == ["often", "rare"]


@seeds
def test_totals(library, seed):
    made = library(seed)
    for text in QUERIES:
        of, rows = made.view(text)
        whole, sessions = totals(of)
        names = {row["session"] for row in rows} if text else {"first", "second", "empty"}
        assert {row.slug for row in sessions} == names and whole.sessions == len(names)
        for one in (whole, *sessions):
            mine = [row for row in rows if one is whole or row["session"] == one.slug]
            there = [row for row in mine if not row["record"].missing]
            assert (one.images, one.gone) == (len(there), len(mine) - len(there))
            assert one.bytes == sum(row["record"].bytes for row in there)
            marks = Counter(row["mark"] for row in mine)
            assert (one.favourites, one.interesting, one.trash) == tuple(marks[mark] for mark in MARKS)
            assert one.judged == sum(bool(row["verdicts"]) for row in mine)
            verdicts = Counter(v for row in mine for v in row["verdicts"].values())
            assert one.verdicts == {verdict: verdicts[verdict] for verdict in VERDICTS}
            stars = [int(row["rating"]) for row in mine if row["rating"]]
            assert (one.rated, one.rating) == (len(stars), statistics.mean(stars) if stars else None)
        assert whole.models == Counter(row["record"].model or "" for row in rows)
        assert whole.statuses == ({"completed": len(names)} if names else {})
    whole, sessions = totals(made.view()[0])
    assert whole.sessions == len(sessions) == 3
    kept = "slug, images, gone, bytes, favourites, interesting, trash, failed, judged"
    counters = made.index.store.rows(f"SELECT {kept} FROM session ORDER BY started DESC")
    assert [tuple(getattr(row, name) for name in kept.split(", ")) for row in sessions] == counters


def test_an_empty_library(tmp_path):
    user = UserStore(tmp_path / "user.db")
    index = Index(tmp_path / "index.db", user)
    of = view(index.store, Snapshot(index.store), resolve(index.store, parse("")))
    assert success(of) == success_of_all(index.store) == stabilities(of) == failing_pairs(of) == []
    assert all(success(of, by) == success_by(of, by) == [] for by in GROUPINGS)
    assert impacts(of) == ([], [])
    whole, sessions = totals(of)
    assert (whole.sessions, whole.images, whole.rating, whole.models, sessions) == (0, 0, None, {}, [])
    index.close()
    user.close()
