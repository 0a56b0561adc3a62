"""What the pack ships for ComfyUI's page, against what a real ComfyUI says: workflows, languages, help pages."""

from __future__ import annotations

import importlib.util
import itertools
import json
import os
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from sdgen_core.cli.graphs import DETECTORS, build
from sdgen_core.cli.graphs import SHIPPED as RECIPES
from sdgen_core.comfy.layout import to_canvas
from sdgen_core.comfy.runtime import ComfyServer
from sdgen_core.comfy.workflow import to_api
from sdgen_core.errors import CODES, SDGenError
from sdgen_core.sessions.compile import PLAN_OUTPUTS, PLANNER, SAVER, compile_graph

NODES = (
    "SDGenTemplate", "SDGenSeedSweep", "SDGenSessionPlan", "SDGenSessionSave", "SDGenEncodePrompt", "SDGenDetail",
    "SDGenLoadScorer", "SDGenScoreImage", "SDGenScoreSession",
    "SDGenExportDataset", "SDGenTrainLoRA", "SDGenAwaitLoRA", "SDGenMergeLoRA", "SDGenBenchmarkLoRA",
)  # fmt: skip
LANGUAGES = ("en", "fr")
BY_HAND = ("txt2img_session", "seed_sweep")
#: Workflows that make a session, and all.
SESSIONS = (*BY_HAND, *(name for name in RECIPES if name not in BY_HAND))
SHIPPED = (*SESSIONS, "score_session", "train_lora_native", "train_lora_kohya", "improve_value")

#: Write the workflows of recipes anew, with the notes that they have.
WRITE = bool(os.environ.get("SDGEN_WORKFLOWS"))


@pytest.fixture(scope="module")
def object_info(comfy: ComfyServer) -> dict[str, Any]:
    """The definitions of all nodes of the running ComfyUI, and those of the detector that a user installs."""
    info: dict[str, Any] = comfy.client.get("/object_info")
    return {**detectors(), **info}


def detectors() -> dict[str, Any]:
    spec = importlib.util.spec_from_file_location(
        "stub_detectors", Path(__file__).parent / "stub_nodes" / "detectors.py"
    )
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found: dict[str, Any] = module.definitions()
    return found


def read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def fetch(comfy: ComfyServer, path: str) -> str:
    with urllib.request.urlopen(comfy.url + path, timeout=30) as answer:
        return str(answer.read().decode("utf-8"))


# ---- workflows ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SHIPPED)
def test_both_forms_of_a_shipped_workflow_are_the_same_graph(
    root: Path, object_info: dict[str, Any], name: str
) -> None:
    canvas = read(root / "workflows" / f"{name}.json")
    assert canvas["version"] == 0.4
    prompt = read(root / "workflows" / "api" / f"{name}.json")
    assert to_api(canvas, object_info) == prompt
    if name not in SESSIONS:
        return
    compiled = compile_graph(prompt, next(k for k, node in prompt.items() if node["class_type"] == PLANNER))
    axes = {"checkpoint", "vae", "lora", "lora_strength", "image"}
    used = {output for _, _, output in compiled.slots}
    assert used >= set(PLAN_OUTPUTS) - axes
    assert prompt[compiled.saver]["class_type"] == SAVER
    if "checkpoint" not in used:
        assert compiled.checkpoint == "sdgen-demo.safetensors"


@pytest.mark.parametrize("name", [name for name in SESSIONS if name not in BY_HAND])
def test_a_workflow_of_a_recipe_is_laid_out_from_it(root: Path, object_info: dict[str, Any], name: str) -> None:
    graph = build(RECIPES[name])
    file = root / "workflows" / f"{name}.json"
    [note] = [n["widgets_values"][0] for n in read(file)["nodes"] if n["type"] == "MarkdownNote"]
    canvas = to_canvas(graph.prompt, graph.stages, object_info, name=name, note=note)
    if WRITE:
        write(file, canvas)
        write(root / "workflows" / "api" / f"{name}.json", to_api(canvas, object_info))
    assert canvas == read(file)
    boxes = [(*n["pos"], *n["size"]) for n in canvas["nodes"]]
    for a, b in itertools.combinations(boxes, 2):
        apart = a[0] + a[2] <= b[0] or b[0] + b[2] <= a[0] or a[1] + a[3] + 30 <= b[1] or b[1] + b[3] + 30 <= a[1]
        assert apart, (a, b)


def write(path: Path, data: Any) -> None:
    path.write_text(json.dumps(data, indent=2, ensure_ascii=False) + "\n", encoding="utf-8", newline="\n")


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_workflow_uses_the_demo_and_nodes_that_every_comfyui_has(
    root: Path, object_info: dict[str, Any], name: str
) -> None:
    prompt = read(root / "workflows" / "api" / f"{name}.json")
    for node in prompt.values():
        module = object_info[node["class_type"]]["python_module"]
        stock = module == "nodes" or module.startswith("comfy_extras.") or module.endswith("sdgen")
        assert stock or (name == "detail_session" and node["class_type"] in DETECTORS["boxes"]), node
    for kind, chosen in (("SDGenTemplate", "file"), ("SDGenLoadScorer", "scorer")):
        options = object_info[kind]["input"]["required"][chosen][1]["options"]
        assert all(n["inputs"][chosen] in options for n in prompt.values() if n["class_type"] == kind)
    assert name not in SESSIONS or prompt["1"]["class_type"] == "SDGenTemplate"


def test_the_template_browser_has_them_with_a_picture(comfy: ComfyServer) -> None:
    [names] = [names for module, names in comfy.client.get("/workflow_templates").items() if module.endswith("sdgen")]
    assert set(names) == set(SHIPPED)
    for name in SHIPPED:
        with urllib.request.urlopen(f"{comfy.url}/api/workflow_templates/sdgen/{name}.jpg", timeout=30) as answer:
            assert answer.read(3) == b"\xff\xd8\xff"


def test_an_unknown_node_is_explained_with_the_names_of_this_comfyui(root: Path, object_info: dict[str, Any]) -> None:
    canvas = read(root / "workflows" / "txt2img_session.json")
    next(n for n in canvas["nodes"] if n["type"] == "KSampler")["type"] = "KSamplerr"
    with pytest.raises(SDGenError) as caught:
        to_api(canvas, object_info)
    assert caught.value.code == "bad-graph"
    assert "KSampler" in caught.value.nearest


# ---- languages and help ---------------------------------------------------------------------------------------------


def slots(definition: dict[str, Any]) -> dict[str, dict[str, str]]:
    """Inputs and outputs of a node as ``nodeDefs.json`` names them, with the tooltips of the node's own definition."""
    groups = definition["input"]
    inputs = {name: spec[1]["tooltip"] for g in ("required", "optional") for name, spec in groups.get(g, {}).items()}
    return {"inputs": inputs, "outputs": {str(n): tip for n, tip in enumerate(definition["output_tooltips"])}}


def test_all_nodes_are_told_but_the_internal_ones_that_menus_hide(object_info: dict[str, Any]) -> None:
    ours = {name: told for name, told in object_info.items() if told["python_module"].endswith("sdgen")}
    internal = {name for name, told in ours.items() if told["category"] == "SDGen/internal"}
    assert set(ours) - internal == set(NODES)
    assert internal and all(ours[name]["deprecated"] for name in internal)


@pytest.mark.parametrize("node", NODES)
def test_every_input_and_output_is_explained_in_every_language(
    root: Path, object_info: dict[str, Any], node: str
) -> None:
    own = slots(object_info[node])
    assert all(tip for tips in own.values() for tip in tips.values())
    for language in LANGUAGES:
        told = read(root / "locales" / language / "nodeDefs.json")[node]
        assert told["display_name"]
        assert told["description"]
        for kind, tips in own.items():
            entries = told.get(kind, {})
            assert set(entries) == set(tips), f"{language}: {node} {kind}"
            assert all(entry["name"] and entry["tooltip"] for entry in entries.values())


@pytest.mark.parametrize("node", NODES)
def test_english_says_what_the_node_itself_says(root: Path, object_info: dict[str, Any], node: str) -> None:
    """The page shows locales/en in place of the node's own words, so the two must not drift apart."""
    told = read(root / "locales" / "en" / "nodeDefs.json")[node]
    assert (told["display_name"], told["description"]) == (
        object_info[node]["display_name"],
        object_info[node]["description"],
    )
    own = slots(object_info[node])
    assert {kind: {n: e["tooltip"] for n, e in told.get(kind, {}).items()} for kind in own} == own


def test_the_languages_name_no_node_that_is_not_there(root: Path) -> None:
    for language in LANGUAGES:
        assert set(read(root / "locales" / language / "nodeDefs.json")) == set(NODES)


@pytest.mark.parametrize("node", NODES)
def test_the_help_page_tells_every_input_and_output(comfy: ComfyServer, object_info: dict[str, Any], node: str) -> None:
    pages = [fetch(comfy, f"/extensions/sdgen/docs/{node}{end}.md") for end in ("", "/en", "/fr")]
    assert pages[0] == pages[1] != pages[2]
    names = {n for g in ("required", "optional") for n in object_info[node]["input"].get(g, {})}
    for name in names | set(object_info[node]["output_name"]) - {"SDGEN_TEMPLATE"}:
        words = (f"{name}", name.replace("_", " "))
        assert any(word in pages[1] for word in words), f"{node}: {name} is missing from the help page"
    for page in pages:
        tables = [line for line in page.splitlines() if line.startswith("| `")]
        codes = [code for line in tables for code in line.split("|")[1].replace("`", "").replace(" ", "").split(",")]
        assert codes
        assert not [code for code in codes if code not in CODES]


def test_the_page_loads_one_small_script(comfy: ComfyServer) -> None:
    ours = [path for path in comfy.client.get("/extensions") if "/sdgen/" in path]
    assert ours == ["/extensions/sdgen/sdgen.js"]
    assert len(fetch(comfy, ours[0])) < 90_000  # a third of it on the wire
