"""The compiled graph is what a user would have built by hand with literals."""

import copy
import json

import pytest

from sdgen_core.errors import SDGenError
from sdgen_core.sessions.compile import (
    PLAN_OUTPUTS,
    PLANNER,
    SAVER,
    WorkflowPin,
    compile_graph,
    is_link,
    pinned_literals,
    standalone,
)

LITERALS = {
    "positive": "a cat", "negative": "blurry", "seed": 7, "width": 64, "height": 64, "steps": 4, "cfg": 2.0,
    "sampler_name": "euler", "scheduler": "simple", "denoise": 1.0, "file_name": "cats_0000_seed-7.png",
}  # fmt: skip


def node(class_type, **inputs):
    return {"class_type": class_type, "inputs": inputs, "_meta": {"title": class_type}}


def graph():
    return {
        "1": node("SDGenTemplate", file="x", text=""),
        "2": node(PLANNER, template=["1", 0], name="", item=""),
        "3": node("CheckpointLoaderSimple", ckpt_name="m.safetensors"),
        "4": node("CLIPTextEncode", clip=["3", 1], text=["2", 0]),
        "5": node("CLIPTextEncode", clip=["3", 1], text=["2", 1]),
        "6": node("EmptyLatentImage", width=["2", 3], height=["2", 4], batch_size=1),
        "7": node(
            "KSampler", model=["3", 0], positive=["4", 0], negative=["5", 0], latent_image=["6", 0],
            seed=["2", 2], steps=["2", 5], cfg=["2", 6], sampler_name=["2", 7], scheduler=["2", 8], denoise=["2", 9],
        ),
        "8": node("VAEDecode", samples=["7", 0], vae=["3", 2]),
        "9": node(SAVER, images=["8", 0], file_name=["2", 10]),
        "10": node("PreviewImage", images=["11", 0]),
        "11": node("EmptyImage", width=8, height=8, batch_size=1, color=0),
        "12": node("PreviewImage", images=["8", 0]),
    }  # fmt: skip


def test_child_is_the_graph_a_person_would_build():
    compiled = compile_graph(graph(), "2")
    child = compiled.child(LITERALS, token="s/0/1")
    # planner, template and the branch that no item needs are gone; the preview of the image stays
    assert list(child) == ["3", "4", "5", "6", "7", "8", "9", "12"]
    assert child["4"]["inputs"] == {"clip": ["3", 1], "text": "a cat"}
    assert child["6"]["inputs"] == {"width": 64, "height": 64, "batch_size": 1}
    assert child["7"]["inputs"]["sampler_name"] == "euler" and child["7"]["inputs"]["seed"] == 7
    assert child["9"]["inputs"] == {"images": ["8", 0], "file_name": "cats_0000_seed-7.png", "item": "s/0/1"}
    assert compiled.checkpoint == "m.safetensors"
    assert not any(is_link(v) and v[0] not in child for n in child.values() for v in n["inputs"].values())


def test_the_checkpoint_is_that_of_the_first_pass():
    made = graph()
    made["30"] = node("CheckpointLoaderSimple", ckpt_name="sam.safetensors")
    made["31"] = node("Detector", model=["30", 0], image=["8", 0])
    made["32"] = node("CheckpointLoaderSimple", ckpt_name="refiner.safetensors")
    made["33"] = node("KSampler", model=["32", 0], latent_image=["7", 0])
    made["34"] = node("SDGenDetail", masks=["31", 0], image=["8", 0], model=["32", 0])
    made["8"]["inputs"]["samples"] = ["33", 0]
    made["9"]["inputs"]["images"] = ["34", 0]
    assert compile_graph(made, "2").checkpoint == "m.safetensors"


def test_texts_of_the_graph_take_the_values_of_the_image():
    made = graph()
    made["20"] = node("SDGenEncodePrompt", clip=["3", 1], text="{Mood:face}, {prompt}, {a|b} {Nope}")
    made["21"] = node("CLIPTextEncode", clip=["3", 1], text="{Mood}")
    made["9"]["inputs"] |= {"more": ["20", 2], "other": ["21", 0]}
    compiled = compile_graph(made, "2")
    assert [t[:2] for t in compiled.texts] == [("20", "text")]
    child = compiled.child(
        {**LITERALS, "values": {"Mood": {"main": "glad", "face": "a smile"}, "prompt": "a cat"}}, "s/0/1"
    )
    assert child["20"]["inputs"]["text"] == "a smile, a cat, {a|b} {Nope}"
    assert child["21"]["inputs"]["text"] == "{Mood}", "a node of others says what it says"
    assert compiled.child(LITERALS, "s/0/1")["20"]["inputs"]["text"] == made["20"]["inputs"]["text"]


def test_children_do_not_change_each_other_or_the_graph():
    original = graph()
    before = copy.deepcopy(original)
    compiled = compile_graph(original, "2")
    first = compiled.child(LITERALS, "s/0/1")
    kept = copy.deepcopy(first)
    compiled.child({**LITERALS, "positive": "a dog", "seed": 8}, "s/1/1")
    assert first == kept and original == before
    # what does not depend on the planner is shared, not copied
    assert first["3"] is compiled.nodes["3"]


def test_what_the_planner_and_the_image_both_read_stays():
    g = graph()
    g["20"] = node("PrimitiveString", value="cats")
    g["2"]["inputs"]["name"] = ["20", 0]
    assert "20" not in compile_graph(g, "2").nodes
    g["9"]["inputs"]["note"] = ["20", 0]
    assert "20" in compile_graph(g, "2").nodes


def test_the_executors_notes_are_dropped():
    g = graph()
    g["3"]["is_changed"] = float("nan")
    assert "is_changed" not in compile_graph(g, "2").nodes["3"]
    child = compile_graph(g, "2").child(LITERALS)
    child["3"]["is_changed"] = [float("nan")]
    json.dumps(standalone(child), allow_nan=False)


def test_standalone_prompt_has_no_node_of_ours():
    child = compile_graph(graph(), "2").child(LITERALS, "s/0/1")
    alone = standalone(child)
    assert not [n for n in alone.values() if n["class_type"].startswith("SDGen")]
    assert alone["9"] == {
        "class_type": "SaveImage",
        "inputs": {"images": ["8", 0], "filename_prefix": "cats_0000_seed-7"},
    }
    assert child["9"]["class_type"] == SAVER
    child["9"]["inputs"]["file_name"] = ["7", 0]
    assert standalone(child)["9"]["inputs"]["filename_prefix"] == ["7", 0]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda g: g.pop("9"), "no-save-node"),
        (lambda g: g["9"]["inputs"].update(images=["11", 0], file_name="x"), "no-save-node"),
        (lambda g: g["2"].update(class_type="Other"), "no-planner"),
        (lambda g: g.update({"31": node(SAVER, images=["8", 0], file_name=["2", 10])}), "two-save-nodes"),
        (lambda g: g["8"]["inputs"].update(samples=["99", 0]), "bad-graph"),
        (lambda g: g["8"]["inputs"].update(samples=["2", 99]), "bad-graph"),
        (lambda g: g["2"]["inputs"].update(name=["8", 0]), "bad-graph"),
        (lambda g: (g.update({"30": node(PLANNER)}), g["6"]["inputs"].update(width=["30", 3])), "two-planners"),
    ],
)
def test_unusable_graphs_are_refused(change, code):
    g = graph()
    change(g)
    with pytest.raises(SDGenError) as caught:
        compile_graph(g, "2")
    assert caught.value.code == code


@pytest.mark.parametrize(
    "prompt", [{}, [], None, {"nodes": [], "links": []}, {"1": {"inputs": {}}}, {"1": {"class_type": "X"}}]
)
def test_what_is_no_api_prompt_is_refused(prompt):
    with pytest.raises(SDGenError) as caught:
        compile_graph(prompt, "1")
    assert caught.value.code == "bad-graph"


def test_workflow_is_pinned_without_changing_the_original():
    workflow = {
        "nodes": [{"id": 1, "type": "A"}, {"id": 2, "type": PLANNER, "widgets_values": ["", "resume", ""]}],
        "links": [],
    }
    before = copy.deepcopy(workflow)
    pin = WorkflowPin(workflow, "2", 2)
    one, two = pin({"index": 1}), pin({"index": 2})
    assert workflow == before
    assert one["nodes"][1]["widgets_values"] == ["", "resume", '{"index": 1}']
    assert two["nodes"][1]["widgets_values"][2] == '{"index": 2}'
    assert one["nodes"][0] is workflow["nodes"][0]


def test_planner_inside_a_subgraph_is_pinned():
    inner = {"id": "uuid", "nodes": [{"id": 5, "type": PLANNER, "widgets_values": {"item": ""}}]}
    workflow = {"nodes": [{"id": 12, "type": "uuid"}], "definitions": {"subgraphs": [inner]}}
    out = WorkflowPin(workflow, "12:5", 0)({"index": 3})
    assert out["definitions"]["subgraphs"][0]["nodes"][0]["widgets_values"]["item"] == '{"index": 3}'
    assert inner["nodes"][0]["widgets_values"]["item"] == ""


def test_workflow_without_the_planner_stays():
    workflow = {"nodes": [{"id": 1, "type": "A"}]}
    assert WorkflowPin(workflow, "2", 0)({"index": 1}) == workflow


def test_pinned_item_round_trip():
    assert pinned_literals("") is None and pinned_literals("  ") is None and pinned_literals(None) is None
    assert pinned_literals(json.dumps({**LITERALS, "index": 3}))["seed"] == 7
    for bad in ("{", "[]", '{"positive": "x"}'):
        with pytest.raises(SDGenError) as caught:
            pinned_literals(bad)
        assert caught.value.code == "bad-item"


def test_outputs_are_in_slot_order():
    assert PLAN_OUTPUTS[0] == "positive" and PLAN_OUTPUTS[10] == "file_name" and len(PLAN_OUTPUTS) == 16
