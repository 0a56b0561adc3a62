"""A benchmark is what its file says, and asks for each value equally often on seeds that nobody trained with."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from sdgen_core.errors import SDGenError
from sdgen_core.sessions.plan import Plan
from sdgen_core.sessions.session_file import SESSION_FILE
from sdgen_core.templates import Options, load_text
from sdgen_core.templates.resolved import ResolvedTemplate
from sdgen_core.templates.seeds import parse_seed_spec
from sdgen_core.training.improve.benchmark import CHOOSING, FILE, JUDGING, Arm, Benchmark, check_model
from sdgen_core.training.improve.making import Shot, Source, Wish, narrowed

THINGS = {"Star": "a star", "Ring": "a ring", "Odd, key": "a cross", "7": "a seven"}


def template(things: dict[str, str] | None = None, grounds: int = 3, more: str = "") -> ResolvedTemplate:
    values = {"Thing": things or THINGS, "Ground": {f"G{n}": f"ground {n}" for n in range(grounds)}}
    text = {
        "type": "prompt",
        "version": "2.0",
        "name": "things",
        "prompt": "{Thing} on {Ground}" + more,
        "imports": values,
        "generation": {"mode": "combinatorial", "seed": 42, "seed_mode": "fixed", "max_images": 5},
    }
    return load_text(json.dumps(text), Options())


def source(**more: object) -> Source:
    graph = {"2": {"class_type": "SDGenSessionPlan", "inputs": {}}}
    return Source("abc", "things", template(**more), graph, "2", 4, frozenset({1000, 1015, 2**40}))  # type: ignore[arg-type]


def plan_of(wish: Wish, resolved: ResolvedTemplate) -> Plan:
    made, seeds = narrowed(resolved, wish)
    return Plan.build(made, seeds=parse_seed_spec(seeds) if seeds else None)


@given(st.integers(1, 5), st.integers(1, 60), st.sets(st.sampled_from([*THINGS]), min_size=1))
def test_each_wished_value_is_asked_for_about_equally_often(grounds: int, images: int, keys: set[str]) -> None:
    wish = Wish("w", {"Thing": sorted(keys)}, images, 500)
    plan = plan_of(wish, template(grounds=grounds))
    items = list(plan.items())
    counts = Counter(item.keys["Thing"] for item in items)
    combinations = len(keys) * grounds
    assert set(counts) <= keys and all(item.seed >= 500 for item in items)
    if combinations <= images:
        assert set(counts) == keys and len(set(counts.values())) == 1
        assert images <= len(items) < max(2 * images + 1, images + combinations)
    else:
        assert len(items) == images and len({item.seed for item in items}) == images
    assert [item.identity for item in plan_of(wish, template(grounds=grounds)).items()] == [i.identity for i in items]


def test_an_unknown_value_is_named_with_its_neighbours() -> None:
    with pytest.raises(SDGenError) as caught:
        narrowed(template(), Wish("w", {"Thing": ["Sta"]}, 10, 1))
    assert caught.value.code == "unknown-value" and caught.value.nearest == ["Star"]
    with pytest.raises(SDGenError) as caught:
        Benchmark.freeze(source(), ("Thing", "Rin"))
    assert caught.value.code == "unknown-value" and "Thing=Ring" in caught.value.nearest


@pytest.mark.parametrize("given_value", ["Thing=Star", " Thing = Star ", "Thing=a star"])
def test_a_value_is_named_by_key_or_text(given_value: str) -> None:
    assert source().value(given_value) == ("Thing", "Star")


@pytest.mark.parametrize("given_value", ["Thing=Stra", "Thing", "=Star", "Think=Star", ""])
def test_an_unknown_value_is_refused(given_value: str) -> None:
    with pytest.raises(SDGenError) as caught:
        source().value(given_value)
    assert caught.value.code == "unknown-value"


def test_the_parts_are_on_seeds_of_their_own_that_the_session_has_not() -> None:
    frozen = Benchmark.freeze(source(), ("Thing", "Star"), images=30)
    seen: dict[int, str] = {}
    looks = [(CHOOSING, 1, []), (JUDGING, 1, []), (JUDGING, 2, [("Thing", "Ring")]), (JUDGING, 3, [("Ground", "G0")])]
    for part, look, doubtful in looks:
        wishes = frozen.wishes(part, look, doubtful)
        assert wishes
        for wish in wishes:
            for item in plan_of(wish, frozen.template).items():
                assert seen.setdefault(item.seed, f"{part}{look}") == f"{part}{look}"
                assert item.seed not in source().seeds
    target, others = frozen.wishes(JUDGING)
    assert (target.images, others.images) == (30, 90) and "Star" not in others.values["Thing"]
    [more] = frozen.wishes(JUDGING, 3, [("Ground", "G0")])
    assert more.values == {"Ground": ["G0"], "Thing": ["Ring", "Odd, key", "7"]} and more.images == 60
    [rest] = frozen.wishes(JUDGING, 2, [("Thing", ""), ("Ground", "")])
    assert rest.values == {"Thing": ["Ring", "Odd, key", "7"]} and rest.images == 90


def test_values_that_the_template_leaves_out_are_no_part_of_it() -> None:
    text = template().to_json() | {"prompt": "{Thing[Star,Ring]} on {Ground}"}
    some = Source("abc", "t", ResolvedTemplate.from_json(text), {}, "2", 1, frozenset())
    assert list(some.values(every=True)["Thing"]) == list(THINGS)
    frozen = Benchmark.freeze(some, ("Thing", "Star"))
    assert list(frozen.values["Thing"]) == ["Star", "Ring"]
    assert frozen.wishes(JUDGING)[1].values == {"Thing": ["Ring"]}


def test_a_session_of_one_value_is_held_against_those_that_its_template_knows() -> None:
    alone = ResolvedTemplate.from_json(template().to_json() | {"prompt": "{Thing[Star]} on {Ground[G0]}"})
    frozen = Benchmark.freeze(Source("abc", "t", alone, {}, "2", 1, frozenset()), ("Thing", "Star"))
    assert [dict(wish.values) for wish in frozen.wishes(JUDGING)] == [
        {"Thing": ["Star"]}, {"Thing": ["Ring", "Odd, key", "7"]},
    ]  # fmt: skip
    assert {item.keys["Thing"] for item in plan_of(frozen.wishes(JUDGING)[1], frozen.template).items()} == {
        "Ring", "Odd, key", "7",
    }  # fmt: skip
    assert list(frozen.values["Ground"]) == ["G0"]


def test_a_value_without_others_is_held_against_nothing_else() -> None:
    frozen = Benchmark.freeze(source(things={"Star": "a star"}), ("Thing", "Star"))
    assert [wish.values for wish in frozen.wishes(JUDGING)] == [{"Thing": ["Star"]}]


def test_it_is_frozen(tmp_path: Path) -> None:
    frozen = Benchmark.freeze(source(), ("Thing", "Star"))
    path = frozen.save(tmp_path)
    read = Benchmark.read(path)
    assert (read.hash, read.wishes(JUDGING)) == (frozen.hash, frozen.wishes(JUDGING))
    assert frozen.save(tmp_path) == path
    other = Benchmark.freeze(source(), ("Thing", "Ring"))
    assert other.hash != frozen.hash
    with pytest.raises(SDGenError, match="another benchmark"):
        other.save(tmp_path)


@pytest.mark.parametrize("part", ["seed", "images", "target"])
def test_a_file_changed_by_hand_is_refused(tmp_path: Path, part: str) -> None:
    path = Benchmark.freeze(source(), ("Thing", "Star")).save(tmp_path)
    data = json.loads(path.read_text(encoding="utf-8"))
    data[part] = ["Thing", "Ring"] if part == "target" else data[part] + 1
    path.write_text(json.dumps(data), encoding="utf-8")
    with pytest.raises(SDGenError) as caught:
        Benchmark.read(path)
    assert caught.value.code == "benchmark-changed"


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"form": 1}', '{"form": 9}', '{"form": 1, "target": 3}'])
def test_a_file_that_is_none_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE).write_text(text, encoding="utf-8")
    with pytest.raises(SDGenError) as caught:
        Benchmark.read(tmp_path / FILE)
    assert caught.value.code == "bad-structure"
    with pytest.raises(SDGenError) as caught:
        Benchmark.read(tmp_path / "nowhere.json")
    assert caught.value.code == "missing-file"


def test_arms_have_names_and_no_images_have_no_model() -> None:
    assert (Arm().name, Arm("a.safetensors", 0.6, "0123456789ab").name) == ("base", "01234567 at 0.6")
    check_model([], [])


@pytest.mark.parametrize(("before", "after"), [("aa", "ab"), ("aaa", "bbb"), ("ab", "b")])
def test_another_checkpoint_of_the_same_name_is_noticed(tmp_path: Path, before: str, after: str) -> None:
    """Each letter is an image and the checkpoint it was made with."""

    def side(name: str, models: str) -> list[Shot]:
        files = [tmp_path / f"{name}{n}.png" for n in range(len(models))]
        for file, model in zip(files, models, strict=True):
            told = PngInfo()
            told.add_text("parameters", f"a star\nSteps: 12, Model hash: {ord(model):08x}, Model: m")
            Image.new("RGB", (8, 8)).save(file, pnginfo=told)
        return [Shot(file, "", n, n, {}) for n, file in enumerate(files)]

    check_model(side("same", "aaa"), side("more", "aa"))
    with pytest.raises(SDGenError) as caught:
        check_model(side("one", before), side("other", after))
    assert caught.value.code == "benchmark-changed" and "begin anew" in caught.value.hint


def test_parts_of_large_benchmarks_share_no_seeds_with_each_other_or_with_trainings() -> None:
    things = {f"T{n}": f"thing {n}" for n in range(60)}
    large = source(things=things)
    frozen = Benchmark.freeze(large, ("Thing", "T0"), images=400)
    ends = 0
    for part, look in ((CHOOSING, 1), (JUDGING, 1), (JUDGING, 2), (JUDGING, 3)):
        wishes = frozen.wishes(part, look, [("Thing", "")])
        assert min(wish.seed for wish in wishes) >= ends
        ends = max(wish.seed + wish.images for wish in wishes)
    assert ends <= large.fresh(10 + 10 * 1 + 1)  # where images to learn from begin
    with pytest.raises(SDGenError) as caught:
        Benchmark.freeze(source(things={f"T{n}": f"thing {n}" for n in range(400)}), ("Thing", "T0"), images=1000)
    assert caught.value.code == "bad-option"


def test_of_a_canvas_only_what_images_need_is_run_again(tmp_path: Path) -> None:
    """Another planner would make its session again, and a training would be started with every order."""
    graph = {
        "1": {"class_type": "SDGenTemplate", "inputs": {}},
        "2": {
            "class_type": "SDGenSessionPlan",
            "inputs": {"template": ["1", 0], "lora": ["8", 0], "steps": 20},
            "is_changed": 1,
        },
        "3": {
            "class_type": "SDGenSessionSave",
            "inputs": {"images": ["4", 0], "file_name": ["2", 10]},
            "is_changed": 2,
        },
        "4": {"class_type": "KSampler", "inputs": {"seed": ["2", 2], "model": ["5", 0]}},
        "5": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "a"}},
        "6": {"class_type": "SDGenSessionPlan", "inputs": {"template": ["1", 0]}},
        "7": {"class_type": "SDGenTrainLoRA", "inputs": {}},
        "8": {"class_type": "SDGenAwaitLoRA", "inputs": {"watcher": ["7", 0]}},
    }
    plan = Plan.build(template(), variation_seed=0)
    part = {
        "plan": plan.to_json(),
        "graph": graph,
        "planner": "2",
        "workflow": None,
        "defaults": {"batch": 3, "lora": "x"},
    }
    order = {
        "sdgen_session": 1, "id": "abcd", "key": "k", "name": "n", "prefix": "p", "created": 1.0, "parts": [part], "items": [],
    }  # fmt: skip
    (tmp_path / SESSION_FILE).write_text(json.dumps(order), encoding="utf-8")
    (tmp_path / "manifest.json").write_text(json.dumps({"snapshot": {}, "images": []}), encoding="utf-8")
    found = Source.read(tmp_path)
    assert set(found.graph) == {"2", "3", "4", "5"} and found.batch == 3
    assert found.graph["2"]["inputs"]["lora"] == "x" and found.graph["2"]["inputs"]["steps"] == 20
    assert not any("is_changed" in node for node in found.graph.values())
