"""Scoring in a real ComfyUI by the demo's scorer: as images are made, and of sessions that are there; cancelled, killed, unloaded."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from sdgen_core.comfy.client import failure
from sdgen_core.comfy.runtime import ComfyServer
from sdgen_core.errors import SDGenError
from sdgen_core.sessions.metadata import read_png_chunks, read_sdgen_chunk

Graph = dict[str, Any]

#: What only the inside of ComfyUI can tell.
PROBE = """
import gc
from aiohttp import web
from comfy import model_management
from server import PromptServer

NODE_CLASS_MAPPINGS = {}

@PromptServer.instance.routes.get("/probe")
async def probe(request):
    import open_clip
    loaded = [type(patcher.model).__name__ for patcher in model_management.loaded_models()]
    gc.collect()
    alive = sum(isinstance(found, open_clip.CLIP) for found in gc.get_objects())
    return web.json_response({"loaded": loaded, "alive": alive})

@PromptServer.instance.routes.post("/probe/unload")
async def unload(request):
    import asyncio, sys
    [host] = [module for name, module in sys.modules.items() if name.endswith(".sdgen_core.comfy.host")]
    await asyncio.to_thread(host.unload_models)
    return web.json_response([type(patcher.model).__name__ for patcher in model_management.loaded_models()])
"""

COLOURS = {"red": (200, 30, 30), "blue": (30, 30, 200)}
MANY = 1200


def drawn(library: Path, name: str, count: int, *, placeholders: bool = True, year: int = 2026) -> Path:
    """A session as another program may have left it, there from one moment to the next: noise on two colours."""
    folder = library.parent / "drawn"
    folder.mkdir(parents=True)
    entries = []
    for n in range(count):
        colour = list(COLOURS)[n % 2]
        pixels = np.random.default_rng(n).integers(-25, 25, (64, 64, 3)) + COLOURS[colour]
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(folder / f"{name}_{n:04}.png", compress_level=1)
        values = {"Colour": colour} if placeholders else {}
        entries.append(
            {"filename": f"{name}_{n:04}.png", "seed": n, "prompt": f"a {colour} thing", "applied_variations": values}
        )
    snapshot = {"version": "2.0", "timestamp": f"{year}-01-01T10:00:00", "generation_params": {"num_images": count}}
    snapshot |= {"resolved_template": {"prompt": "a {Colour} thing", "negative": ""}, "variations": {}}
    manifest = {"snapshot": snapshot, "images": entries, "status": "completed"}
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    library.mkdir(exist_ok=True)
    return folder.rename(library / f"{year}0101_100000-{name}")


class Scored:
    """A server, its catalog, and graphs of the score nodes."""

    def __init__(self, server: ComfyServer, post: Any, wait: Any, until: Any) -> None:
        self.server, self._post, self._wait, self.until = server, post, wait, until

    def post(self, graph: Graph) -> str:
        posted: str = self._post(self.server, graph)
        return posted

    def run(self, graph: Graph) -> dict[str, Any]:
        """The history of a prompt that succeeds."""
        entry: dict[str, Any] = self._wait(self.server, self.post(graph), 120)
        assert entry["status"]["status_str"] == "success", failure(entry)
        return entry

    def refused(self, graph: Graph) -> str:
        """The error of a prompt that does not, from ComfyUI's validation or from a node."""
        try:
            posted = self.post(graph)
        except SDGenError as error:
            return str(error)
        fate = failure(self._wait(self.server, posted, 120))
        assert fate is not None, "it ran"
        return fate[1]

    def rows(self, sql: str, *values: object) -> list[Any]:
        catalog = self.server.base / "user" / "sdgen" / "catalog" / "index.db"
        with sqlite3.connect(f"file:{catalog}?mode=ro", uri=True) as db:
            return db.execute(sql, values).fetchall()

    def scores(self, slug: str) -> dict[int, dict[str, float]]:
        """Number of the item → placeholder → probability, as the catalog has it."""
        out: dict[int, dict[str, float]] = {}
        for number, name, score in self.rows(
            "SELECT number, placeholder.name, score FROM image JOIN image_value ON image = image.id"
            " JOIN value ON value.id = value JOIN placeholder ON placeholder.id = placeholder"
            " JOIN session ON session.id = session WHERE slug=?", slug
        ):  # fmt: skip
            out.setdefault(number, {})[name] = score
        return out

    def state(self) -> dict[str, Any]:
        state: dict[str, Any] = self.server.client.get("/sdgen/scoring")
        return state

    def report(self, slug: str) -> dict[str, Any]:
        report: dict[str, Any] = self.server.client.get(f"/sdgen/library/sessions/{slug}/scores")
        return report

    def idle(self, slug: str = "") -> None:
        """Nothing is being scored (any more); ``slug`` was."""

        def over() -> bool:
            state = self.state()
            if slug and not state["waiting"] and state["running"] is None:
                try:
                    self.report(slug)
                except SDGenError:
                    return False
            return state["running"] is None and not state["waiting"]

        self.until(over, "scoring to end", 120)

    def take_in(self, *names: str) -> None:
        """Have the catalog take in session folders."""

        self.server.client.post("/sdgen/import", {})

        def there() -> bool:
            found = self.server.client.get("/sdgen/library/sessions")["sessions"]
            reading = self.server.client.get("/sdgen/import")["running"]
            return {session["name"] for session in found} >= set(names) and not reading

        self.until(there, "the import", 60)

    def made(self, **changes: Any) -> tuple[dict[str, Any], list[Path]]:
        """A session of the shipped workflow, with other widgets; its status and its files."""
        graph = shipped("generate_and_score")
        for node_id, inputs in changes.items():
            graph[node_id.removeprefix("n")]["inputs"].update(inputs)
        entry = self.run(graph)
        session = entry["outputs"]["2"]["sdgen"][0]["id"]
        status: dict[str, Any] = {}

        def ended() -> bool:
            status.update(self.server.client.get(f"/sdgen/sessions/{session}"))
            return status["state"] in ("completed", "failed")

        self.until(ended, "the session", 200)
        assert status["state"] == "completed", status
        return status, sorted(Path(status["folder"]).glob("*.png"))


def shipped(name: str) -> Graph:
    path = Path(__file__).parents[2] / "workflows" / "api" / f"{name}.json"
    graph: Graph = json.loads(path.read_text(encoding="utf-8"))
    return graph


def node(class_type: str, **inputs: Any) -> Graph:
    return {"class_type": class_type, "inputs": inputs}


def of_session(session: str, *, wait: bool = True, scorer: str = "demo") -> Graph:
    graph = shipped("score_session")
    graph["1"]["inputs"]["scorer"] = scorer
    graph["2"]["inputs"] |= {"session": session, "wait": wait}
    return graph


def of_image(values: str, scorer: str = "demo", colour: int = 0xC81E1E) -> Graph:
    return {
        "1": node("SDGenLoadScorer", scorer=scorer),
        "2": node("EmptyImage", width=64, height=64, batch_size=2, color=colour),
        "3": node("SDGenScoreImage", image=["2", 0], scorer=["1", 0], values=values, item=""),
        "4": node("PreviewAny", source=["3", 2]),
    }


@pytest.fixture(scope="module")
def tools(post_prompt: Any, wait_for_prompt: Any, wait_until: Any) -> tuple[Any, Any, Any]:
    return post_prompt, wait_for_prompt, wait_until


@pytest.fixture(scope="module")
def world(
    _new_server: Callable[..., ComfyServer],
    demo_models: Path,
    tools: tuple[Any, Any, Any],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Scored]:
    base = tmp_path_factory.mktemp("scoring")
    probe = base / "custom_nodes" / "probe"
    probe.mkdir(parents=True)
    (probe / "__init__.py").write_text(PROBE, encoding="utf-8")
    settings = base / "user" / "sdgen" / "settings.json"
    settings.parent.mkdir(parents=True)
    settings.write_text(json.dumps({"library_folders": [str(base / "others")]}), encoding="utf-8")
    (base / "others").mkdir()
    vision = base / "models" / "clip_vision"
    vision.mkdir(parents=True)
    shutil.copy(next(demo_models.glob("checkpoints/*.safetensors")), vision / "checkpoint.safetensors")
    whole = Path(__file__).parents[2] / "examples" / "demo" / "sdgen-demo-scorer.safetensors"
    (vision / "torn.safetensors").write_bytes(whole.read_bytes()[:100_000])
    with _new_server(base) as server:
        yield Scored(server, *tools)


@pytest.fixture(scope="module")
def many(world: Scored) -> str:
    """The slug of a session with so many images that scoring them takes a while."""
    drawn(world.server.base / "others", "many", MANY)
    world.take_in("many")
    [(slug,)] = world.rows("SELECT slug FROM session WHERE name='many'")
    return str(slug)


# ---- as images are made ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def generated(world: Scored) -> tuple[dict[str, Any], list[Path]]:
    return world.made(n1={"limit": 12}, n2={"name": "generated"})


def test_scores_are_in_file_manifest_and_catalog(world: Scored, generated: tuple[dict[str, Any], list[Path]]) -> None:
    status, files = generated
    assert len(files) == 12
    chunks = [read_sdgen_chunk(file) or {} for file in files]
    entries = json.loads(Path(status["manifest"]).read_text(encoding="utf-8"))["images"]
    assert [chunk["scores"] for chunk in chunks] == [entry["sdgen"]["scores"] for entry in entries]
    for chunk in chunks:
        values = chunk["scores"]["values"]
        assert set(values) == set(chunk["values"]) == {"Colour", "Shape", "Background"}
        mean = np.mean([value["probability"] for value in values.values()])
        assert chunk["scores"]["score"] == pytest.approx(mean, abs=1e-5)
    assert sum(chunk["scores"]["class"] == "success" for chunk in chunks) >= 10  # the demo's pictures are good

    # the session is scored as a whole when it is over, and no image is read for that
    slug = status["id"]
    world.idle(slug)
    report = world.report(slug)
    assert (report["images"], report["embedded"], report["known"], report["failures"]) == (12, 0, 12, [])
    kept = world.scores(slug)
    for n, chunk in enumerate(chunks):
        for name, value in chunk["scores"]["values"].items():
            assert (value["probability"] > 0.5) == (kept[n][name] > 0.5), (n, name)
    last = {name: value["probability"] for name, value in chunks[-1]["scores"]["values"].items()}
    assert kept[11] == pytest.approx(last, abs=0.02)  # judged among the same images


def test_the_command_says_the_same_and_reads_no_image(
    world: Scored, generated: tuple[dict[str, Any], list[Path]]
) -> None:
    status, _ = generated
    world.idle(status["id"])
    before = world.scores(status["id"])
    words = ["score", status["id"], "--json", "--catalog", str(world.server.base / "user" / "sdgen" / "catalog")]
    done = subprocess.run(
        [sys.executable, "-m", "sdgen_core.cli", *words],
        capture_output=True, encoding="utf-8", timeout=120, env={**os.environ, "PYTHONUTF8": "1"}, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout.splitlines()[-1])
    assert (report["images"], report["embedded"]) == (12, 0)
    after = world.scores(status["id"])
    assert all(after[n] == pytest.approx(before[n], abs=1e-3) for n in before) and len(after) == 12


def test_an_images_own_prompt_runs_without_the_score_nodes(generated: tuple[dict[str, Any], list[Path]]) -> None:
    prompt = json.loads(read_png_chunks(generated[1][0])["prompt"])
    kinds = {node["class_type"] for node in prompt.values()}
    assert "SaveImage" in kinds and not [kind for kind in kinds if kind.startswith("SDGen")]


def test_batches_have_a_score_for_each_image(world: Scored) -> None:
    status, files = world.made(
        n1={"limit": 8}, n2={"name": "batched", "batch": 4, "sampler_name": "euler", "scheduler": "normal"}
    )
    chunks = [read_sdgen_chunk(file) or {} for file in files]
    assert len(chunks) == 8 and all(set(chunk["scores"]["values"]) == set(chunk["values"]) for chunk in chunks)
    assert len({chunk["scores"]["score"] for chunk in chunks}) > 1
    world.idle(status["id"])
    assert world.report(status["id"])["embedded"] == 0


def test_a_planner_set_to_one_item_scores_and_keeps_nothing(
    world: Scored, generated: tuple[dict[str, Any], list[Path]]
) -> None:
    status, files = generated
    record = read_sdgen_chunk(files[3]) or {}
    item = {"positive": record["prompt"], "negative": record["negative"], "seed": record["seed"]}
    item |= {**record["parameters"], "file_name": record["filename"], "session": record["session"], "index": 3}
    graph = shipped("generate_and_score")
    graph["2"]["inputs"]["item"] = json.dumps(item)
    entry = world.run(graph)
    [text] = next(out["text"] for out in entry["outputs"].values() if "text" in out)
    assert "Colour" in text and "%" in text
    item["session"] = "elsewhere"
    graph["2"]["inputs"]["item"] = json.dumps(item)
    [text] = next(out["text"] for out in world.run(graph)["outputs"].values() if "text" in out)
    assert text.startswith("nothing is known")
    assert len(list(Path(status["folder"]).glob("*.png"))) == 12


# ---- any image ---------------------------------------------------------------------------------------------------------


def test_values_that_are_typed_are_held_against_each_other(world: Scored) -> None:
    found = {}
    for name, colour in (("red", 0xC81E1E), ("blue", 0x1E1EC8)):
        entry = world.run(of_image("a red object\na blue object", colour=colour))
        report = json.loads(entry["outputs"]["4"]["text"][0])
        assert len(report["images"]) == 2
        values = report["images"][0]["values"]
        assert sum(value["probability"] for value in values.values()) == pytest.approx(1, abs=1e-5)
        found[name] = report["images"][0]["score"]
    assert found["red"] > found["blue"]


@pytest.mark.parametrize(
    ("graph", "said"),
    [
        (of_image(""), ("nothing-to-score", "one a line")),
        (of_image("masterpiece"), ("nothing-to-score", "masterpiece", "quality")),
        (of_image("red", scorer="dem"), ("scorer-missing", "demo")),
        (of_image("red", scorer="checkpoint.safetensors"), ("scorer-wrong-kind", "diffusion")),
        (of_image("red", scorer="torn.safetensors"), ("scorer-bad-file", "torn")),
        (of_session("nobody"), ("unknown-session",)),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_what_cannot_be_done_is_said_with_its_code(world: Scored, graph: Graph, said: tuple[str, ...]) -> None:
    text = world.refused(graph)
    assert all(word in text for word in said), text
    if said[0].startswith("scorer"):  # it is not offered either
        offered = world.server.client.get("/object_info/SDGenLoadScorer")["SDGenLoadScorer"]["input"]["required"]
        assert offered["scorer"][1]["options"] == ["demo"]


def test_the_model_is_in_the_care_of_comfyuis_memory(world: Scored) -> None:
    def probe() -> dict[str, Any]:
        found: dict[str, Any] = world.server.client.get("/probe")
        return found

    world.idle()
    world.server.client.post("/free", {"unload_models": True, "free_memory": True})
    world.until(lambda: "CLIP" not in probe()["loaded"], "an empty memory", 30)
    before = probe()["alive"]
    world.run(of_image("red\nblue"))
    assert "CLIP" in probe()["loaded"] and probe()["alive"] == before + 1
    world.server.client.post("/free", {"unload_models": True})
    world.until(lambda: "CLIP" not in probe()["loaded"], "the model to be unloaded", 30)
    assert probe()["alive"] == before + 1  # its node has it still, in main memory
    world.run(of_image("green\nblue"))
    assert "CLIP" in probe()["loaded"]
    # what scores sessions behind has room made for it
    assert world.server.client.post("/probe/unload", {}) == [] and probe()["alive"] == before + 1
    # a prompt without it: ComfyUI forgets the node, and with it goes the model
    world.run(
        {"1": node("EmptyImage", width=8, height=8, batch_size=1, color=0), "2": node("PreviewImage", images=["1", 0])}
    )
    world.server.client.post("/free", {"free_memory": True})
    world.until(lambda: probe()["alive"] == before, "the model to go", 30)
    assert "CLIP" not in probe()["loaded"]


# ---- sessions that are there -------------------------------------------------------------------------------------------


def test_a_session_is_cancelled_and_goes_on_where_it_was(world: Scored, many: str) -> None:
    posted = world.post(of_session("many"))
    world.until(lambda: world.state()["running"] == many and world.state()["done"] >= 64, "some images", 60)
    world.server.client.post("/interrupt", {})
    entry = world._wait(world.server, posted, 30)
    assert "execution_interrupted" in [kind for kind, _ in entry["status"]["messages"]]
    assert world.state()["running"] is None and world.state()["waiting"] == []
    with pytest.raises(SDGenError):
        world.report(many)

    entry = world.run(of_session("many"))
    [said] = entry["outputs"]["2"]["sdgen"]
    [report] = said["sessions"]
    assert 64 <= report["known"] < MANY and report["known"] + report["embedded"] == report["images"] == MANY
    [text] = entry["outputs"]["2"]["text"]
    assert text.startswith("1,200 images: ") and "success" in text
    assert len(world.scores(many)) == MANY
    # the other outputs are shown as texts
    assert json.loads(entry["outputs"]["4"]["text"][0])["sessions"][0]["session"] == many


def test_all_means_every_session_and_names_what_cannot_be_scored(
    world: Scored, many: str, generated: tuple[dict[str, Any], list[Path]]
) -> None:
    folder = drawn(world.server.base / "others", "gone", 4)
    drawn(world.server.base / "others", "plain", 4, placeholders=False)
    world.take_in("gone", "plain")
    names = dict(world.rows("SELECT name, slug FROM session"))
    assert "nothing-to-score" in world.refused(of_session("plain"))
    assert "prompts only" in world.refused(of_session("plain"))
    for file in folder.glob("*.png"):
        file.unlink()
    text = world.refused(of_session("gone"))
    assert "missing-file" in text and "none of 4 images" in text
    world.idle()
    entry = world.run(of_session("all"))
    [said] = entry["outputs"]["2"]["sdgen"]
    there = {report["session"] for report in said["sessions"]}
    assert there >= {many, generated[0]["id"], names["plain"]} and said["cancelled"] == []
    embedded = {report["session"]: report["embedded"] for report in said["sessions"]}
    assert embedded[many] == embedded[generated[0]["id"]] == embedded[names["plain"]] == 0  # all was seen before


def test_the_newest_session_is_taken_when_none_is_named(world: Scored) -> None:
    drawn(world.server.base / "others", "latest", 4, year=2040)
    world.take_in("latest")
    [said] = world.run(of_session(""))["outputs"]["2"]["sdgen"]
    assert [report["name"] for report in said["sessions"]] == ["latest"]


def test_in_the_background_it_survives_a_kill(
    _new_server: Callable[..., ComfyServer], tools: tuple[Any, Any, Any], tmp_path: Path
) -> None:
    base = tmp_path / "killed"
    settings = base / "user" / "sdgen" / "settings.json"
    settings.parent.mkdir(parents=True)
    settings.write_text(json.dumps({"library_folders": [str(base / "others")]}), encoding="utf-8")
    drawn(base / "others", "many", MANY)
    with _new_server(base) as server:
        world = Scored(server, *tools)
        world.take_in("many")
        [(slug,)] = world.rows("SELECT slug FROM session WHERE name='many'")
        begun = time.monotonic()
        entry = world.run(of_session("many", wait=False))
        assert entry["outputs"]["2"]["sdgen"][0]["ordered"] == [slug]
        assert time.monotonic() - begun < 60
        world.until(lambda: world.state()["done"] >= 64, "some images", 60)
        server.kill()
    with _new_server(base) as server:
        world = Scored(server, *tools)
        world.idle(slug)
        report = world.report(slug)
        assert 64 <= report["known"] < MANY and report["known"] + report["embedded"] == MANY
