"""Canvas to API without a browser gives what the browser gives: the judge is the frontend's own conversion."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from playwright.sync_api import Page

from sdgen_core.comfy.runtime import ComfyServer
from sdgen_core.comfy.workflow import CANVAS_ONLY, to_api

from . import canvas

BROWSER_ONLY = ("upload", "audioUI")
"""Inputs that the frontend adds to a node's definition and the server does not know."""

LOAD = "workflow => app.loadGraphData(workflow)"

BUILD = """async () => {
    const { graph } = app
    const nodes = Object.fromEntries(graph.nodes.map(n => [n.id, n]))
    const add = (type, ...at) => { const n = LiteGraph.createNode(type); n.pos = at; graph.add(n); return n }
    const input = (node, name) => node.inputs.findIndex(i => i.name === name)
    // a primitive behind a reroute, a bypassed patch of the model, a muted loader, a note
    const primitive = add('PrimitiveNode', 0, 1000), reroute = add('Reroute', 200, 1000)
    primitive.connect(0, nodes[6], input(nodes[6], 'batch_size'))
    primitive.widgets[0].value = 3
    const patch = add('ModelSamplingDiscrete', 400, 1000)
    nodes[3].connect(0, reroute, 0)
    reroute.connect(0, patch, 0)
    patch.connect(0, nodes[7], input(nodes[7], 'model'))
    patch.mode = 4
    const lora = add('LoraLoaderModelOnly', 600, 1000)
    lora.mode = 2
    const vae = add('VAEDecodeTiled', 800, 1000)
    nodes[7].connect(0, vae, 0)
    nodes[3].connect(2, vae, 1)
    add('Note', 1000, 1000)
    // and the sampler with its decoder inside a subgraph
    graph.convertToSubgraph(new Set([nodes[7], nodes[8]]))
}"""


def compare(page: Page, info: dict[str, Any], name: str) -> list[str]:
    """How our conversion of the workflow as it is saved now differs from the frontend's own."""
    workflow = canvas.saved(page)
    theirs, ours = canvas.prompt(page), to_api(workflow, info)
    differences = [f"{name}: node {k} is in one only" for k in sorted(set(theirs) ^ set(ours))]
    for node_id in set(theirs) & set(ours):
        known = {
            i for group in ("required", "optional") for i in info[ours[node_id]["class_type"]]["input"].get(group, {})
        }
        a, b = theirs[node_id]["inputs"], ours[node_id]["inputs"]
        for key in sorted(set(a) | set(b)):
            linked = isinstance(b.get(key), list) or isinstance(a.get(key), list)
            if key not in BROWSER_ONLY and (key in known or linked) and a.get(key, "nothing") != b.get(key, "nothing"):
                differences.append(
                    f"{name}: {node_id} {ours[node_id]['class_type']}.{key}: {a.get(key)!r} but {b.get(key)!r}"
                )
    return differences


def installed_templates(info: dict[str, Any], most: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """Workflows that come with ComfyUI and use core nodes only, spread over all there are."""
    import comfyui_workflow_templates_core

    site = Path(comfyui_workflow_templates_core.__file__).parents[1]
    fitting = []
    for path in sorted(site.glob("comfyui_workflow_templates*/**/*.json")):
        workflow = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(workflow, dict) or "nodes" not in workflow:
            continue
        subgraphs = (workflow.get("definitions") or {}).get("subgraphs", [])
        nodes = [n for graph in (workflow, *subgraphs) for n in graph["nodes"]]
        if {n["type"] for n in nodes} <= set(info) | CANVAS_ONLY | {d["id"] for d in subgraphs}:
            fitting.append((path.stem, workflow))
    assert len(fitting) > most
    yield from fitting[:: len(fitting) // most]


def test_conversion_is_the_browsers(page: Page, web_comfy: ComfyServer) -> None:
    info = web_comfy.client.get("/object_info")
    differences: list[str] = []
    for name in ("txt2img_session", "seed_sweep"):
        page.evaluate(LOAD, canvas.shipped(name))
        differences += compare(page, info, name)
        page.evaluate(BUILD)
        prompt = canvas.prompt(page)
        assert [k for k in prompt if ":" in k], "the sampler is not in a subgraph"
        differences += compare(page, info, f"{name} rebuilt")
    for name, workflow in installed_templates(info, 20):
        page.evaluate(LOAD, workflow)
        page.wait_for_timeout(50)
        differences += compare(page, info, name)
    assert not differences, "\n".join(differences)
