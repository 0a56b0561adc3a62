"""SDGen Export Dataset in a real ComfyUI: from a session of the demo model to what core's own loader of data sets reads."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sdgen_core.comfy.client import failure
from sdgen_core.comfy.runtime import ComfyServer
from sdgen_core.errors import SDGenError
from sdgen_core.training.datasets.audit import audit
from sdgen_core.training.datasets.folder import DataSet

Run = Callable[..., dict[str, Any]]
IMAGES = 24


@pytest.fixture(scope="module")
def server(_new_server: Callable[..., ComfyServer], tmp_path_factory: pytest.TempPathFactory) -> Iterator[ComfyServer]:
    with _new_server(tmp_path_factory.mktemp("dataset")) as server:
        yield server


@pytest.fixture(scope="module")
def session(server: ComfyServer, root: Path, post_prompt: Any, wait_for_prompt: Any, wait_until: Any) -> str:
    """The slug of a session of the demo model that was scored."""
    graph = json.loads((root / "workflows" / "api" / "generate_and_score.json").read_text(encoding="utf-8"))
    graph["1"]["inputs"]["limit"] = IMAGES
    graph["2"]["inputs"]["name"] = "shapes"
    entry = wait_for_prompt(server, post_prompt(server, graph), 120)
    assert failure(entry) is None, failure(entry)
    slug: str = entry["outputs"]["2"]["sdgen"][0]["id"]
    wait_until(lambda: server.client.get(f"/sdgen/sessions/{slug}")["state"] == "completed", "the session", 200)

    def scored() -> bool:
        try:
            return bool(server.client.get(f"/sdgen/library/sessions/{slug}/scores")["images"] == IMAGES)
        except SDGenError:
            return False

    wait_until(scored, "its scores", 120)
    return slug


def graph_of(**inputs: Any) -> dict[str, Any]:
    values = {
        "session": "", "value": "", "best": 1.0, "trigger": "", "keep": "", "drop": "", "name": "", "query": "", "minimum": 0.5,
        "repeats": 1,
        "recipe": "duplicates: null", **inputs,
    }  # fmt: skip
    return {
        "1": {"class_type": "SDGenExportDataset", "inputs": values},
        "2": {"class_type": "PreviewAny", "inputs": {"source": ["1", 0]}},
        "3": {"class_type": "PreviewAny", "inputs": {"source": ["1", 1]}},
        "4": {"class_type": "PreviewAny", "inputs": {"source": ["1", 2]}},
    }


def exported(server: ComfyServer, run_prompt: Run, graph: dict[str, Any]) -> tuple[Path, int, str, dict[str, Any]]:
    entry = run_prompt(server, graph, timeout=120)
    assert failure(entry) is None, failure(entry)
    folder, count, text = (entry["outputs"][node]["text"][0] for node in "234")
    return Path(folder), int(count), text, entry["outputs"]


def values_of(server: ComfyServer, slug: str) -> list[tuple[str, str]]:
    """Key and text of the colours, those of most images first."""
    facets = server.client.get(f"/sdgen/facets?q=session:{slug}")
    [colour] = [one for one in facets["placeholders"] if one["name"] == "Colour"]
    return [(value["key"], value["text"]) for value in colour["values"]]


def test_a_session_becomes_what_cores_loader_reads(server: ComfyServer, session: str, run_prompt: Run) -> None:
    graph = graph_of(session="shapes", trigger="sks", drop="Background", repeats=2, name="demo shapes")
    graph["5"] = {"class_type": "LoadImageTextDataSetFromFolder", "inputs": {"folder": ["1", 3]}}
    graph["6"] = {"class_type": "PreviewImage", "inputs": {"images": ["5", 0]}}
    graph["7"] = {"class_type": "PreviewAny", "inputs": {"source": ["5", 1]}}
    if "LoadImageTextDataSetFromFolder" not in server.client.get("/object_info"):
        graph = {name: one for name, one in graph.items() if name < "5"}
    folder, count, text, outputs = exported(server, run_prompt, graph)
    assert folder == server.base / "user" / "sdgen" / "training" / "datasets" / "demo shapes"
    found = DataSet.read(folder)
    assert count == len(found.images) and 0.6 * IMAGES < count < IMAGES  # some are set aside
    assert f"{count} of {IMAGES} images chosen" in text and "set aside for the benchmark" in text
    assert "1 epoch with a batch of 1" in text and "error" not in text
    captions = [one.caption for one in found.images]
    for one in found.images:
        assert one.caption.startswith("sks, ") and one.values["Background"]["text"] not in one.caption
    assert outputs["1"]["text"] == [text]
    prompts = found.held_out.prompts
    assert prompts and all(
        (one.width, one.height) == (64, 64) and one.sampler and one.steps and one.model for one in prompts
    )
    assert not {one.seed for one in found.images} & set(found.held_out.seeds)
    if "5" in graph:
        assert len(outputs["6"]["images"]) == 2 * count
        assert sorted(outputs["7"]["text"]) == sorted(captions * 2)
    assert audit(folder).errors == []


def test_a_value_and_a_second_time(server: ComfyServer, session: str, run_prompt: Run) -> None:
    key, text = values_of(server, session)[0]
    graph = graph_of(session=session, value=f"Colour={key}", recipe="duplicates: null\napart: {share: 0}")
    folder, count, _, _ = exported(server, run_prompt, graph)
    assert folder.name == f"Colour {key}" and {one.values["Colour"]["text"] for one in DataSet.read(folder).images} == {
        text
    }
    assert exported(server, run_prompt, graph)[:2] == (folder, count)  # the same images: the same folder
    first = DataSet.read(folder).images[0]
    judged = {"q": f"session:{session} seed:{first.seed}", "field": "value/Colour", "value": "ko"}
    changed = server.client.post("/sdgen/judge", judged)["changed"]
    again, fewer, said, _ = exported(server, run_prompt, graph)
    assert (again.name, fewer) == (
        f"Colour {key}-2",
        count - changed,
    ) and f"{changed} that people said no to" in said


@pytest.mark.parametrize(
    ("inputs", "code", "words"),
    [
        ({"value": "Colur=red"}, "unknown-placeholder", "Colour"),
        ({"value": "Colour=rad"}, "unknown-value", "red"),
        ({"session": "shape"}, "unknown-session", "shapes"),
        ({"minimum": 1.0, "query": "match:<0.1"}, "no-images", "no image is found"),
        ({"recipe": "bset: 1"}, "bad-recipe", "best"),
        ({"recipe": "- best"}, "bad-recipe", "limit: 40"),
        ({"keep": "Colors"}, "unknown-placeholder", "Colour"),
    ],
)
def test_what_is_refused(
    server: ComfyServer, session: str, run_prompt: Run, inputs: dict[str, Any], code: str, words: str
) -> None:
    fate = failure(run_prompt(server, graph_of(**inputs), timeout=60))
    assert fate is not None and f"[{code}]" in fate[1] and words in fate[1], fate
