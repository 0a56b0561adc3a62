"""Canvas workflows to API prompts: hand-made graphs, each for one rule."""

from __future__ import annotations

from typing import Any

import pytest

from sdgen_core.comfy.workflow import to_api
from sdgen_core.comfy.workflow_widgets import input_specs, plain_text, widget_values
from sdgen_core.errors import SDGenError

INT = {"default": 0, "min": 0, "max": 100}


def definition(
    required: dict[str, Any], optional: dict[str, Any] | None = None, output: tuple[str, ...] = ()
) -> dict[str, Any]:
    groups = {"required": required, "optional": optional or {}}
    return {"input": groups, "input_order": {g: list(i) for g, i in groups.items()}, "output": list(output)}


INFO = {
    "Load": definition({"name": (["a.st", "b.st"], {})}, output=("MODEL", "CLIP")),
    "Encode": definition(
        {"clip": ("CLIP",), "text": ("STRING", {"multiline": True, "dynamicPrompts": True})}, output=("COND",)
    ),
    "Sample": definition(
        {"model": ("MODEL",), "seed": ("INT", INT), "steps": ("INT", {**INT, "default": 20}), "cond": ("COND",)},
        {"sampler": ("COMBO", {"options": ["euler", "ddim"]})},
        ("LATENT",),
    ),
    "Patch": definition({"model": ("MODEL",), "strength": ("FLOAT", {"default": 1.0})}, output=("MODEL",)),
    "Merge": definition({"one": ("MODEL",), "two": ("MODEL",)}, output=("MODEL",)),
    "Save": definition({"latent": ("LATENT",), "prefix": ("STRING", {"default": "x"})}),
}


class Canvas:
    """Builds a workflow in format 0.4 as the frontend saves it."""

    def __init__(self) -> None:
        self.nodes: list[dict[str, Any]] = []
        self.links: list[Any] = []

    def node(self, id: int | str, type: str, values: Any = None, **more: Any) -> Canvas:
        specs = input_specs(INFO[type]) if type in INFO else []
        inputs = [{"name": s.name, "type": s.type, "link": None} for s in specs]
        outputs = [{"name": t, "type": t, "links": None} for t in INFO.get(type, {}).get("output", ())]
        node = {"id": id, "type": type, "mode": 0, "inputs": inputs, "outputs": outputs, "widgets_values": values or []}
        self.nodes.append({**node, "order": len(self.nodes), **more})
        return self

    def link(self, origin: int | str, slot: int, target: int | str, name: str, kind: str = "*") -> Canvas:
        number = len(self.links) + 1
        if target == -20:
            self.links.append([number, origin, slot, target, int(name), kind])
            return self
        node = next(n for n in self.nodes if n["id"] == target)
        at = next((i for i, s in enumerate(node["inputs"]) if s["name"] == name), None)
        if at is None:
            at = len(node["inputs"])
            node["inputs"].append({"name": name, "type": kind})
        node["inputs"][at]["link"] = number
        self.links.append([number, origin, slot, target, at, kind])
        return self

    def workflow(self, **more: Any) -> dict[str, Any]:
        return {"nodes": self.nodes, "links": self.links, "version": 0.4, **more}

    def subgraph(self, id: str, inputs: list[tuple[str, str]], outputs: list[tuple[str, str]]) -> dict[str, Any]:
        keys = ("id", "origin_id", "origin_slot", "target_id", "target_slot", "type")
        return {
            "id": id,
            "nodes": self.nodes,
            "links": [dict(zip(keys, link, strict=True)) for link in self.links],
            "inputs": [{"name": n, "type": t} for n, t in inputs],
            "outputs": [{"name": n, "type": t} for n, t in outputs],
        }


def base() -> Canvas:
    """Load → Sample → Save, with a text encoder."""
    return (
        Canvas()
        .node(1, "Load", ["b.st"])
        .node(2, "Encode", ["a cat"])
        .node(3, "Sample", [7, "randomize", 30, "ddim"])
        .node(4, "Save", ["out"])
        .link(1, 1, 2, "clip", "CLIP")
        .link(1, 0, 3, "model", "MODEL")
        .link(2, 0, 3, "cond", "COND")
        .link(3, 0, 4, "latent", "LATENT")
    )


EXPECTED = {
    "1": {"name": "b.st"},
    "2": {"clip": ["1", 1], "text": "a cat"},
    "3": {"model": ["1", 0], "seed": 7, "steps": 30, "cond": ["2", 0], "sampler": "ddim"},
    "4": {"latent": ["3", 0], "prefix": "out"},
}


def inputs(workflow: dict[str, Any]) -> dict[str, Any]:
    return {node_id: node["inputs"] for node_id, node in to_api(workflow, INFO).items()}


def test_values_get_their_names_and_the_seed_control_is_skipped() -> None:
    prompt = to_api(base().workflow(), INFO)
    assert {k: v["inputs"] for k, v in prompt.items()} == EXPECTED
    assert prompt["3"]["class_type"] == "Sample"


def test_title_is_the_nodes_own_else_the_display_name() -> None:
    canvas = base()
    canvas.nodes[0]["title"] = "My model"
    info = {**INFO, "Save": {**INFO["Save"], "display_name": "Save it"}}
    prompt = to_api(canvas.workflow(), info)
    assert prompt["1"]["_meta"]["title"] == "My model"
    assert prompt["4"]["_meta"]["title"] == "Save it"


def test_format_1_has_links_as_objects_and_the_same_meaning() -> None:
    workflow = base().workflow(version=1)
    keys = ("id", "origin_id", "origin_slot", "target_id", "target_slot", "type")
    workflow["links"] = [dict(zip(keys, link, strict=True)) for link in workflow["links"]]
    assert inputs(workflow) == EXPECTED


def test_an_api_prompt_is_given_back() -> None:
    prompt = to_api(base().workflow(), INFO)
    assert to_api(prompt, INFO) == prompt


def test_missing_values_have_their_defaults_and_excess_is_ignored() -> None:
    canvas = Canvas().node(1, "Sample", [5]).node(2, "Save", ["p", "button", None])
    assert inputs(canvas.workflow()) == {"1": {"seed": 5, "steps": 20, "sampler": "euler"}, "2": {"prefix": "p"}}


def test_values_by_name() -> None:
    assert widget_values(INFO["Sample"], {"steps": 3, "seed": 1, "videopreview": {}}) == {
        "seed": 1,
        "steps": 3,
        "sampler": "euler",
    }


def test_a_linked_widget_keeps_its_place_among_the_values() -> None:
    canvas = base().node(5, "Sample", [0, "fixed", 1, "ddim"]).link(3, 0, 5, "steps", "INT")
    assert inputs(canvas.workflow())["5"] == {"seed": 0, "steps": ["3", 0], "sampler": "ddim"}


def test_list_values_are_wrapped_so_that_they_are_no_links() -> None:
    info = {"Pick": definition({"which": ("COMBO", {"options": ["a", "b"], "multi_select": True})})}
    workflow = {"nodes": [{"id": 1, "type": "Pick", "widgets_values": [["a", 1]]}], "links": []}
    assert to_api(workflow, info)["1"]["inputs"] == {"which": {"__value__": ["a", 1]}}


def test_forced_inputs_and_unknown_types_have_no_value() -> None:
    info = definition({"s": ("STRING", {"forceInput": True}), "m": ("MODEL",), "n": ("INT", {})})
    assert widget_values(info, [4]) == {"n": 4}


def test_combo_with_control_is_followed_by_control_and_filter() -> None:
    info = definition({"c": ("COMBO", {"options": ["a", "b"], "control_after_generate": True}), "n": ("INT", {})})
    assert widget_values(info, ["b", "fixed", "", 9]) == {"c": "b", "n": 9}


def test_a_seed_that_says_it_has_no_control_has_none() -> None:
    info = definition({"seed": ("INT", {"control_after_generate": False}), "n": ("INT", {})})
    assert widget_values(info, [1, 2]) == {"seed": 1, "n": 2}


def test_dynamic_combo_brings_the_widgets_of_the_chosen_option() -> None:
    options = [
        {"key": "small", "inputs": {"required": {"size": ["INT", {}]}}},
        {"key": "big", "inputs": {"required": {"w": ["INT", {}], "h": ["INT", {}]}}},
    ]
    info = definition({"kind": ("COMFY_DYNAMICCOMBO_V3", {"options": options}), "n": ("INT", {})})
    assert widget_values(info, ["big", 3, 4, 5]) == {"kind": "big", "kind.w": 3, "kind.h": 4, "n": 5}
    assert widget_values(info, ["small", 3, 4]) == {"kind": "small", "kind.size": 3, "n": 4}


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("a {red|blue} car", "a red car"),
        ("{a|{b|c}} and {d}", "a and d"),
        ("{{x|y}|z}", "x"),
        ("keep \\{this\\}", "keep {this}"),
        ("a // not this\nb /* nor\nthis */ c", "a \nb  c"),
        ("(cat:1.2)", "(cat:1.2)"),
        ("{unclosed", "{unclosed"),
    ],
)
def test_dynamic_prompts_without_a_browser(text: str, plain: str) -> None:
    assert plain_text(text) == plain
    canvas = Canvas().node(1, "Encode", [text])
    assert inputs(canvas.workflow())["1"]["text"] == plain


def test_muted_nodes_are_dropped_with_their_links() -> None:
    canvas = base()
    canvas.nodes[1]["mode"] = 2
    got = inputs(canvas.workflow())
    assert "2" not in got
    assert "cond" not in got["3"]
    assert got["3"]["model"] == ["1", 0]


def test_bypassed_node_passes_its_input_of_the_same_type() -> None:
    canvas = base().node(5, "Patch", [0.5], mode=4)
    canvas.nodes[4]["inputs"][0]["link"] = 2  # Load's MODEL goes through the patch now
    canvas.links[1] = [2, 1, 0, 5, 0, "MODEL"]
    canvas.link(5, 0, 3, "model", "MODEL")
    assert inputs(canvas.workflow()) == EXPECTED


def test_bypassed_node_prefers_the_input_at_the_place_of_the_output() -> None:
    canvas = (
        Canvas().node(1, "Load", ["a.st"]).node(2, "Load", ["b.st"]).node(3, "Merge", mode=4).node(4, "Patch", [1.0])
    )
    canvas.link(1, 0, 3, "one", "MODEL").link(2, 0, 3, "two", "MODEL").link(3, 0, 4, "model", "MODEL")
    assert inputs(canvas.workflow())["4"] == {"model": ["1", 0], "strength": 1.0}


def test_bypassed_node_without_a_fitting_input_leaves_nothing() -> None:
    canvas = base()
    canvas.nodes[2]["mode"] = 4  # LATENT comes out of the sampler, none goes in
    assert inputs(canvas.workflow())["4"] == {"prefix": "out"}


def test_a_link_through_a_bypassed_node_to_a_muted_one_is_none() -> None:
    canvas = base().node(5, "Patch", mode=4)
    canvas.nodes[0]["mode"] = 2
    canvas.link(1, 0, 5, "model", "MODEL").link(5, 0, 3, "model", "MODEL")
    assert "model" not in inputs(canvas.workflow())["3"]


def test_reroutes_primitives_and_notes_are_resolved_away() -> None:
    canvas = (
        base().node(5, "Reroute").node(6, "Reroute").node(7, "PrimitiveNode", [55, "fixed"]).node(8, "Note", ["hello"])
    )
    canvas.node(9, "MarkdownNote", ["# hello"])
    canvas.link(1, 0, 5, "", "MODEL").link(5, 0, 6, "", "MODEL").link(6, 0, 3, "model", "MODEL").link(
        7, 0, 3, "steps", "INT"
    )
    expected = {**EXPECTED, "3": {**EXPECTED["3"], "steps": 55}}
    assert inputs(canvas.workflow()) == expected


def test_a_primitive_behind_a_reroute() -> None:
    canvas = (
        base()
        .node(5, "PrimitiveNode", [9, "fixed"])
        .node(6, "Reroute")
        .link(5, 0, 6, "", "INT")
        .link(6, 0, 3, "steps", "INT")
    )
    assert inputs(canvas.workflow())["3"]["steps"] == 9


def test_set_and_get_nodes() -> None:
    canvas = base().node(5, "SetNode", ["the model"]).node(6, "GetNode", ["the model"])
    canvas.link(1, 0, 5, "MODEL", "MODEL").link(6, 0, 3, "model", "MODEL")
    assert inputs(canvas.workflow()) == EXPECTED


SUB = "11111111-2222-3333-4444-555555555555"


def with_subgraph(**host: Any) -> dict[str, Any]:
    """Load and encoder outside, sampler inside a subgraph with inputs model, cond, steps and the output latent."""
    inner = Canvas().node(3, "Sample", [7, "randomize", 30, "ddim"])
    inner.nodes[0]["inputs"][2]["widget"] = {"name": "steps"}
    inner.link(-10, 0, 3, "model", "MODEL").link(-10, 1, 3, "cond", "COND").link(-10, 2, 3, "steps", "INT").link(
        3, 0, -20, "0", "LATENT"
    )
    outer = Canvas().node(1, "Load", ["b.st"]).node(2, "Encode", ["a cat"]).node(4, "Save", ["out"])
    slots = [{"name": n, "type": t, "link": None} for n, t in (("model", "MODEL"), ("cond", "COND"), ("steps", "INT"))]
    outer.node(9, SUB, inputs=slots, outputs=[{"name": "latent", "type": "LATENT"}])
    outer.nodes[-1].update(host)
    outer.link(1, 1, 2, "clip", "CLIP").link(1, 0, 9, "model", "MODEL").link(2, 0, 9, "cond", "COND").link(
        9, 0, 4, "latent", "LATENT"
    )
    definitions = {
        "subgraphs": [
            inner.subgraph(SUB, [("model", "MODEL"), ("cond", "COND"), ("steps", "INT")], [("latent", "LATENT")])
        ]
    }
    return outer.workflow(definitions=definitions)


def flattened(**sampler: Any) -> dict[str, Any]:
    expected = {"9:3" if k == "3" else k: v for k, v in EXPECTED.items()}
    return {**expected, "9:3": {**EXPECTED["3"], **sampler}, "4": {"latent": ["9:3", 0], "prefix": "out"}}


def test_subgraphs_are_laid_open() -> None:
    assert inputs(with_subgraph()) == flattened()


@pytest.mark.parametrize(
    ("host", "steps"),
    [
        ({"widgets_values": [12]}, 12),
        ({"widgets_values": []}, 30),
        ({"widgets_values": [None]}, 30),
        ({"widgets_values": [99, 12], "properties": {"proxyWidgets": [["3", "seed"], ["-1", "steps"]]}}, 12),
        ({"widgets_values": [12, None], "properties": {"proxyWidgets": [["-1", "steps"], ["3", "seed"]]}}, 12),
    ],
)
def test_a_widget_on_a_subgraphs_box_counts_before_the_inner_one(host: dict[str, Any], steps: int) -> None:
    assert inputs(with_subgraph(**host)) == flattened(steps=steps)


def test_a_muted_subgraph_is_dropped_and_a_bypassed_one_passed_through() -> None:
    assert "9:3" not in inputs(with_subgraph(mode=2))
    workflow = with_subgraph(mode=4)
    workflow["nodes"][3]["inputs"].append({"name": "latent_in", "type": "LATENT", "link": 90})
    workflow["nodes"].append({"id": 20, "type": "Sample", "inputs": [], "widgets_values": [1, "fixed", 2]})
    workflow["links"].append([90, 20, 0, 9, 3, "LATENT"])
    assert inputs(workflow)["4"]["latent"] == ["20", 0]


def test_subgraphs_inside_subgraphs() -> None:
    middle = "99999999-2222-3333-4444-555555555555"
    workflow = with_subgraph()
    host = {**workflow["nodes"][3], "id": 5, "inputs": [dict(i) for i in workflow["nodes"][3]["inputs"]]}
    for at, slot in enumerate(host["inputs"]):
        slot["link"] = at + 1 if at < 2 else None
    keys = ("id", "origin_id", "origin_slot", "target_id", "target_slot", "type")
    links = [(1, -10, 0, 5, 0, "MODEL"), (2, -10, 1, 5, 1, "COND"), (3, 5, 0, -20, 0, "LATENT")]
    names = [{"name": "model", "type": "MODEL"}, {"name": "cond", "type": "COND"}]
    definition = {
        "id": middle,
        "nodes": [host],
        "links": [dict(zip(keys, x, strict=True)) for x in links],
        "inputs": names,
    }
    workflow["definitions"]["subgraphs"].append({**definition, "outputs": [{"name": "latent", "type": "LATENT"}]})
    workflow["nodes"][3]["type"] = middle
    got = inputs(workflow)
    assert got["9:5:3"] == EXPECTED["3"]
    assert got["4"]["latent"] == ["9:5:3", 0]


def refused(workflow: Any) -> SDGenError:
    with pytest.raises(SDGenError) as caught:
        to_api(workflow, INFO)
    assert caught.value.code == "bad-graph"
    return caught.value


def test_unknown_node_is_named_with_the_nearest_kinds_and_its_pack() -> None:
    canvas = base()
    canvas.nodes[2].update(type="Sampel", title="My sampler", properties={"cnr_id": "some-pack"})
    error = refused(canvas.workflow())
    assert "node 3 (My sampler)" in error.message
    assert error.nearest[0] == "Sample"
    assert "some-pack" in error.hint


def test_unlinked_nodes_of_the_canvas_do_no_harm() -> None:
    canvas = base().node(5, "Fast Groups Muter (rgthree)").node(6, "Label (rgthree)")
    assert inputs(canvas.workflow()) == EXPECTED


def test_links_in_a_circle() -> None:
    canvas = base().node(5, "Reroute").node(6, "Reroute")
    canvas.link(5, 0, 6, "", "MODEL").link(6, 0, 5, "", "MODEL").link(6, 0, 3, "model", "MODEL")
    assert "circle" in refused(canvas.workflow()).message


def test_subgraph_that_contains_itself_and_one_without_definition() -> None:
    workflow = with_subgraph()
    workflow["definitions"]["subgraphs"][0]["nodes"].append({"id": 8, "type": SUB, "inputs": [], "outputs": []})
    assert "itself" in refused(workflow).message
    workflow = with_subgraph()
    workflow["definitions"] = {}
    assert "definition" in refused(workflow).message


def test_group_nodes_are_refused_with_the_way_out() -> None:
    canvas = base()
    canvas.nodes[2]["type"] = "workflow>my group"
    assert "subgraph" in refused(canvas.workflow()).hint


@pytest.mark.parametrize("nothing", [None, [], {}, {"nodes": []}, {"nodes": [], "links": []}, "text", {"a": 1}])
def test_no_workflow_at_all(nothing: Any) -> None:
    refused(nothing)


def test_links_to_nodes_that_are_not_there_are_no_links() -> None:
    canvas = base()
    canvas.links[1] = [2, 77, 0, 3, 0, "MODEL"]
    canvas.nodes[1]["inputs"][0]["link"] = 999
    got = inputs(canvas.workflow())
    assert "model" not in got["3"]
    assert "clip" not in got["2"]
