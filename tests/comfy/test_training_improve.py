"""The improvement loop in a real ComfyUI on the demo model, in a short form: a value that is wrong on purpose is repaired by a LoRA.

Nobody helps: the images to learn from are the model's own, chosen by the demo's scorer. That scorer also judges here, so the pixel reader
looks at the same images, which knows nothing of either.
"""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from sdgen_core.catalog.library import Library
from sdgen_core.cli.connection import Remote
from sdgen_core.cli.order import attend
from sdgen_core.cli.score import session_slug
from sdgen_core.comfy.client import failure
from sdgen_core.comfy.press import submit
from sdgen_core.comfy.runtime import ComfyServer
from sdgen_core.errors import SDGenError
from sdgen_core.scoring import models
from sdgen_core.scoring.service import Scoring
from sdgen_core.sessions.compile import PLANNER, nodes_of
from sdgen_core.sessions.safetensors_file import read_header
from sdgen_core.sessions.session_file import SESSION_FILE
from sdgen_core.training.improve import loop as loop_module
from sdgen_core.training.improve.decide import PROMOTE, UNDECIDED
from sdgen_core.training.improve.loop import CANDIDATES, SAME_JUDGE, Cycle, Loop, Tools, Wanted
from sdgen_core.training.improve.making import shots
from sdgen_core.training.improve.report import page
from sdgen_core.training.native.installation import Installation
from sdgen_core.training.runs.service import Runs
from sdgen_core.training.runs.supervisor import Hold
from sdgen_core.training.runs.trainers import trainers

TARGET = ("Thing", "PurpleStar")
WANTED = Wanted(value="=".join(TARGET), focus=128, images=24, strengths=[1.0], margin=0.3, diversity=0.3, batch=12)


class Stopped(Exception):
    """What ends the first try in the middle."""


@pytest.fixture(scope="module")
def reader(root: Path) -> ModuleType:
    """The demo's reader of pixels."""
    spec = importlib.util.spec_from_file_location("sdgen_improve_reader", root / "examples" / "demo" / "reader.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def server(_new_server: Callable[..., ComfyServer], tmp_path_factory: pytest.TempPathFactory) -> Iterator[ComfyServer]:
    with _new_server(tmp_path_factory.mktemp("improve")) as made:
        yield made


@pytest.fixture(scope="module")
def session(server: ComfyServer, root: Path) -> Path:
    """Four things on three backgrounds: one of them the demo model hardly ever makes."""
    graph = json.loads((root / "workflows/api/txt2img_session.json").read_text(encoding="utf-8"))
    [planner] = nodes_of(graph, PLANNER)
    graph["1"]["inputs"] |= {
        "file": "examples/demo/things.prompt.yaml",
        "choices": "Thing[PurpleStar,PurpleCircle,PurpleCross,CyanStar]",
        "limit": 24,
    }
    graph[planner]["inputs"] |= {"name": "things", "batch": 12}
    status = attend(Remote(server.client), submit(server.client, graph, planner), quiet=True)
    assert (status["state"], status["failed"]) == ("completed", 0), status
    return Path(status["folder"])


@pytest.fixture(scope="module")
def tools(server: ComfyServer, session: Path, comfyui_folder: Path) -> Iterator[Tools]:
    library = Library(server.base / "user" / "sdgen" / "catalog", [])
    runs = Runs(
        server.base / "user" / "sdgen" / "training",
        trainers(lambda: Installation(comfyui_folder, Path(sys.executable), ("--cpu",))),
    )
    scores = library.folder / "scoring"
    scoring = Scoring(library.catalog, library.file, scores)
    yield Tools(server.client, library, scoring, models.load(models.DEMO, [], device="cpu"), runs, scores)
    runs.close()
    library.stop()


def loop(
    tools: Tools,
    session: Path,
    tell: Callable[[str], None],
    wanted: Wanted = WANTED,
    name: str = "short",
    progress: Callable[[str, int, int], None] = lambda what, done, total: None,
) -> Loop:
    folder, slug = tools.runs.folder / "improve" / name, session_slug(tools.library, str(session))
    return Loop(folder, slug, wanted, tools, tell, progress)


@pytest.fixture(scope="module")
def lines() -> list[str]:
    return []


@pytest.fixture(scope="module")
def cycle(tools: Tools, session: Path, lines: list[str]) -> Cycle:
    """A cycle that was interrupted while it made images and while it trained, and gone on with each time by another program, as far as that
    can tell."""

    def until_most_are_made(what: str, done: int, total: int) -> None:
        if done > total * 0.7:
            raise Stopped

    def until_training(line: str) -> None:
        lines.append(line)
        if line.startswith("training"):
            raise Stopped

    with pytest.raises(Stopped):
        loop(tools, session, lambda line: None, progress=until_most_are_made).run()
    with pytest.raises(Stopped):
        loop(tools, session, until_training).run()
    [run] = tools.runs.list()
    [done] = loop(tools, session, lines.append).run()
    assert [one["id"] for one in tools.runs.list()] == [run["id"]] and done.done["train"]["run"] == run["id"]
    return done


def _right(reader: ModuleType, folders: list[str]) -> float:
    """The share of the target's images that the pixel reader takes for a purple star."""
    seen = [
        reader.read(shot.file)
        for folder in folders
        for shot in shots(Path(folder))
        if shot.values[TARGET[0]] == TARGET[1]
    ]
    return sum((one.colour, one.shape) == ("purple", "star") for one in seen) / len(seen)


def test_a_failing_value_rises_on_seeds_that_nobody_trained_with(
    cycle: Cycle, session: Path, reader: ModuleType
) -> None:
    verdict = cycle.verdict
    assert verdict is not None
    risen, sides = verdict["target"], verdict["sides"]
    assert risen["difference"] >= 0.3 and risen["low"] > 0, verdict
    by_pixels = [_right(reader, [side[arm] for side in sides]) for arm in ("base", "lora")]
    assert by_pixels[1] >= by_pixels[0] + 0.1, (by_pixels, risen)
    trained = {shot.seed for shot in (*shots(session), *shots(Path(cycle.done["focus 1"]["folder"])))}
    judged = {shot.seed for side in sides for shot in shots(Path(side["lora"]))}
    assert not trained & judged
    assert verdict["remarks"] == [SAME_JUDGE]


def test_other_values_are_held_to_the_margin(cycle: Cycle) -> None:
    verdict = cycle.verdict
    assert verdict is not None
    others = {(one["placeholder"], one["key"]): one for one in verdict["guards"]}
    assert set(others) == {
        *((TARGET[0], key) for key in ("PurpleCircle", "PurpleCross", "CyanStar")),
        *(("Background", key) for key in ("White", "Black", "Gray")),
    }
    if cycle.outcome == PROMOTE:
        assert all(one["low"] > -0.3 for one in others.values())
    else:
        assert verdict["reasons"] and cycle.outcome != UNDECIDED


def test_a_promoted_lora_is_where_comfyui_finds_it(cycle: Cycle, server: ComfyServer) -> None:
    loras = server.client.get("/models/loras")
    assert not [name for name in loras if CANDIDATES in name]
    if cycle.outcome == PROMOTE:
        assert cycle.done["end"]["lora"] in [name.replace("\\", "/") for name in loras]
        metadata = read_header(Path(cycle.done["end"]["file"])).metadata
        assert metadata["sdgen_improved"] == "Thing=PurpleStar" and metadata["sdgen_run"] == cycle.done["train"]["run"]
        names = list(read_header(Path(cycle.done["end"]["file"])).tensors)
        assert names == list(read_header(Path(cycle.done["train"]["file"])).tensors)


def test_what_is_done_is_not_done_again(
    cycle: Cycle, tools: Tools, session: Path, server: ComfyServer, lines: list[str]
) -> None:
    before = [one["id"] for one in server.client.get("/sdgen/sessions")["sessions"]]
    again: list[str] = []
    [same] = loop(tools, session, again.append).run()
    assert same.to_dict() == cycle.to_dict() and not again
    assert [one["id"] for one in server.client.get("/sdgen/sessions")["sessions"]] == before
    made = sum(step.startswith("focus") for step in cycle.done)
    assert sum(line.startswith("making") for line in lines) == made
    names = [one["name"] for one in server.client.get("/sdgen/sessions")["sessions"]]
    assert len(names) == len(set(names)) and sum(name.startswith("improve short") for name in names) == made, names


def test_the_report_shows_figures_and_pictures(cycle: Cycle) -> None:
    text = page("things", [cycle.to_dict()], {"Thing": {"PurpleStar": "purple star"}})
    assert text.count("data:image/webp") >= 2 * 12 and "purple star" in text and SAME_JUDGE.split(":")[0] in text
    assert "http" not in text.split("</head>")[1]


def test_the_node_decides_on_the_sessions_of_a_loop(cycle: Cycle, server: ComfyServer, run_prompt: Any) -> None:
    verdict = cycle.verdict
    assert verdict is not None
    ids = {
        (wish["name"].rpartition(" ")[2], arm): json.loads((Path(side[arm]) / SESSION_FILE).read_text("utf-8"))["id"]
        for side, wish in zip(verdict["sides"], verdict["wishes"], strict=True)
        for arm in ("base", "lora")
    }

    def asked(which: str, value: str) -> dict[str, Any]:
        inputs = {"without": ids[which, "base"], "with_lora": ids[which, "lora"], "value": value, "margin": 30.0}
        loader = {"scorer": "demo", "precision": "auto", "device": "default"}
        graph = {
            "1": {"class_type": "SDGenLoadScorer", "inputs": loader},
            "2": {"class_type": "SDGenBenchmarkLoRA", "inputs": {"scorer": ["1", 0], **inputs}},
            "3": {"class_type": "PreviewAny", "inputs": {"source": ["2", 3]}},
        }
        entry: dict[str, Any] = run_prompt(server, graph, 120)
        return entry

    entry = asked("others", "Thing=purple circle")  # which nobody wanted to raise, and is there before as after
    assert entry["status"]["status_str"] == "success", failure(entry)
    report = json.loads(entry["outputs"]["3"]["text"][0])
    assert report["target"]["pairs"] == 24 and report["target"]["before"] > 0.7 and report["outcome"] != PROMOTE
    assert entry["outputs"]["2"]["text"][0].split(":")[0] in ("undecided", "roll back")
    alone = failure(asked("target", "Thing=PurpleStar"))
    assert alone is not None and "not-comparable" in alone[1]


def test_the_shipped_workflow_repairs_a_value_with_one_press(
    cycle: Cycle, server: ComfyServer, root: Path, run_prompt: Any, wait_for_prompt: Any
) -> None:
    graph = json.loads((root / "workflows" / "api" / "improve_value.json").read_text(encoding="utf-8"))
    kinds = {node["class_type"]: node for node in graph.values()}
    # the loop's images to learn from are a session as the workflow asks for; few steps and images are enough to see it work
    kinds["SDGenScoreSession"]["inputs"]["session"] = cycle.done["focus 1"]["slug"]
    kinds["SDGenTrainLoRA"]["inputs"]["steps"] = 20
    kinds["SDGenBenchmarkLoRA"]["inputs"] |= {"images": 8, "margin": 30.0}
    pressed = run_prompt(server, graph, 300)
    assert pressed["status"]["status_str"] == "success", failure(pressed)
    [node] = [key for key, one in graph.items() if one["class_type"] == "SDGenBenchmarkLoRA"]
    behind = {key for key, one in graph.items() if one["inputs"].get("source", [""])[0] == node}
    assert len(behind) == 2 and not behind & set(pressed["outputs"])
    said = pressed["outputs"][node]["sdgen"][0]
    entry = wait_for_prompt(server, said["prompt"], 300)
    assert entry["status"]["status_str"] == "success", failure(entry)
    assert set(entry["outputs"]) == {node, *behind}
    # what was trained once is not trained again, and both sessions have the same seeds
    runs = [one for one in entry["prompt"][2].values() if one["class_type"] == "SDGenTrainLoRA"]
    assert not runs
    [report] = [json.loads(text) for key in behind if (text := entry["outputs"][key]["text"][0]).startswith("{")]
    assert report["target"]["pairs"] == 9 and report["outcome"] in ("promote", "roll back", "undecided")
    made = {one["name"]: one for one in server.client.get("/sdgen/sessions")["sessions"]}
    assert [made[name]["done"] for name in said["sessions"]] == [90, 90]  # all ten things


def test_where_nothing_is_good_enough_it_says_what_helps(
    tools: Tools, session: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop_module, "_TRIES", 2)
    told: list[str] = []
    wanted = WANTED.model_copy(update={"focus": 8, "least": 1000})
    [done] = loop(tools, session, told.append, wanted, "hopeless").run()
    assert done.outcome == "no material" and "train" not in done.done
    advice = "\n".join(told)
    for words in ("--focus 16", "--minimum 0.7", "--also SESSION", "say ok to Thing", "rephrasing"):
        assert words in advice, advice
    before = {shot.file for shot in shots(Path(done.done["focus 1"]["folder"]))}
    # it goes on with more images and those of another session, and keeps what it has
    slug = session_slug(tools.library, str(session))
    more = wanted.model_copy(update={"focus": 16, "also": [slug]})
    told.clear()
    [again] = loop(tools, session, told.append, more, "hopeless").run()
    assert again.outcome == "no material"
    assert again.done["focus 1"]["folder"] == done.done["focus 1"]["folder"]
    after = {shot.file for shot in shots(Path(again.done["focus 1"]["folder"]))}
    assert before < after and len(after) >= 24, (len(before), len(after))


def test_people_judge_a_sample_and_the_same_command_goes_on(
    cycle: Cycle, tools: Tools, session: Path, reader: ModuleType
) -> None:
    short = tools.runs.folder / "improve" / "short" / "state.json"
    state = json.loads(short.read_text(encoding="utf-8"))
    kept = ("aim", "focus 1", "choose 1", "train", "benchmark")
    state["wanted"]["people"] = True
    state["cycles"][0]["done"] = {name: said for name, said in cycle.done.items() if name in kept}
    folder = tools.runs.folder / "improve" / "people"
    folder.mkdir()
    (folder / "state.json").write_text(json.dumps(state), encoding="utf-8")
    wanted = WANTED.model_copy(update={"people": True})
    told: list[str] = []
    [waiting] = loop(tools, session, told.append, wanted, "people").run()
    assert not waiting.outcome and waiting.verdict is None and "waits for verdicts" in told[-1], told
    assert "waits for verdicts" in page("things", [waiting.to_dict()], {})
    # a person looks at the images, one by one: here the pixel reader does
    catalog = tools.library.catalog
    while not waiting.outcome:
        sample = waiting.samples[-1]
        rows = catalog.index.store.rows(
            "SELECT image.id, file FROM image JOIN session ON session.id = session WHERE slug=?", (sample["slug"],)
        )
        assert len(rows) == len(sample["images"]) > 0
        for image, file in rows:
            seen = reader.read(Path(sample["folder"]) / file)
            right = (seen.colour, seen.shape) == ("purple", "star")
            catalog.judge([image], f"value/{TARGET[0]}", "ok" if right else "ko")
        [waiting] = loop(tools, session, told.append, wanted, "people").run()
    verdict = waiting.done["judge 1"]
    assert verdict["target"]["pairs"] == 24 and verdict["judge"].startswith("people")
    folders = [side[arm] for side in verdict["sides"] for arm in ("base", "lora")]
    assert verdict["target"]["before"] == pytest.approx(_right(reader, folders[::2]))
    assert verdict["target"]["after"] == pytest.approx(_right(reader, folders[1::2]))
    assert SAME_JUDGE not in verdict["remarks"]


def test_two_programs_do_not_work_on_one_loop(cycle: Cycle, tools: Tools, session: Path) -> None:
    hold = Hold(tools.runs.folder / "improve" / "short" / "loop.lock")
    assert hold.take()
    try:
        with pytest.raises(SDGenError) as caught:
            loop(tools, session, lambda line: None).run()
        assert caught.value.code == "improve-busy"
    finally:
        hold.release()


def test_the_command_refuses_what_it_cannot_do(server: ComfyServer, session: Path) -> None:
    def said(*words: str) -> dict[str, Any]:
        done = subprocess.run(
            [sys.executable, "-m", "sdgen_core", "improve", str(session), "--server", server.url, "--json",
             "--catalog", str(server.base / "user" / "sdgen" / "catalog"), *words],
            capture_output=True, encoding="utf-8", timeout=120, check=False,
        )  # fmt: skip
        assert done.returncode == 1 and "Traceback" not in done.stderr, done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    wrong = said("--value", "Thing=PurpelStar")
    assert wrong["error"] == "unknown-value" and "Thing=PurpleStar" in wrong["nearest"]
    assert said("--strengths", "much")["error"] == "bad-option"
    assert said("--judge", "nobody")["error"] == "scorer-missing"
    assert said("--name", "short", "--value", "Thing=PurpleStar")["error"] == "improve-bad-state"
