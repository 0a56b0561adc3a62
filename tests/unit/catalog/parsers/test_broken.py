"""Nothing that can stand in a file makes a parser raise, hang or fill the memory."""

import json
import time
from dataclasses import asdict
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sdgen_core.catalog.parsers import ImageFacts, parse, parse_a1111, parse_comfyui

CASES = [
    json.loads(path.read_text(encoding="utf-8"))["chunks"]
    for path in sorted((Path(__file__).parents[3] / "data" / "parsers").glob("*.json"))
]
NAMES = ("sdgen", "prompt", "workflow", "parameters", "comment", "invokeai_metadata", "sd-metadata", "Dream")

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["1", "9", "nan", "1e999"])
)
links = st.tuples(st.sampled_from(["1", "2", "3", "7", "9", 4, None]), st.sampled_from([0, 1, -1, 2.0, "0"])).map(list)
values = st.recursive(
    scalars | links, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3)
)
INPUTS = """
seed noise_seed steps cfg sampler_name scheduler denoise model positive negative latent_image samples images vae clip text text_g
guider sigmas noise sampler conditioning width height ckpt_name lora_name lora_1 lora_stack guidance select input1 on_true switch
string_a string_b delimiter value pipe stop_at_clip_layer populated_text find replace string
"""
inputs = st.dictionaries(st.sampled_from(INPUTS.split()), values, max_size=9)
nodes = st.fixed_dictionaries(
    {
        "class_type": st.sampled_from(
            ["KSampler", "SaveImage", "StringConcatenate", "StringReplace", "ConditioningConcat", "X"]
        )
        | values,
        "inputs": inputs,
    }
)
graphs = st.dictionaries(st.sampled_from("123456789"), nodes | values, max_size=9)
texts = st.text(max_size=200) | values.map(json.dumps) | graphs.map(json.dumps)


def check(facts):
    """Facts have the types they promise, and no NaN: strict JSON can be written of them."""
    assert isinstance(facts, ImageFacts)
    json.dumps(asdict(facts), allow_nan=False)
    for name in ("seed", "steps", "width", "height", "clip_skip", "index", "batch_index"):
        assert type(getattr(facts, name)) in (int, type(None))
    for name in ("cfg", "denoise"):
        assert type(getattr(facts, name)) in (float, type(None))
    for name in ("prompt", "negative", "sampler", "scheduler", "model", "model_hash", "vae", "session", "session_name"):
        assert type(getattr(facts, name)) in (str, type(None))
    assert all(isinstance(n, str) and type(s) in (float, type(None)) for n, s in facts.loras)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.sampled_from(NAMES), texts, max_size=4))
def test_any_text_in_any_chunk(chunks):
    check(parse(chunks))


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_real_files_with_one_value_changed(data):
    chunks = dict(data.draw(st.sampled_from(CASES)))
    name = data.draw(st.sampled_from(sorted(chunks)))
    try:
        found = json.loads(chunks[name])
    except ValueError:
        found = None
    if isinstance(found, dict) and found:
        place = found
        while True:
            key = data.draw(st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place))))
            if not isinstance(place[key], dict | list) or not place[key] or data.draw(st.booleans()):
                break
            place = place[key]
        place[key] = data.draw(values)
        chunks[name] = json.dumps(found)
    else:
        cut = data.draw(st.integers(0, len(chunks[name])))
        chunks[name] = chunks[name][:cut] + data.draw(st.text(max_size=5)) + chunks[name][cut + 1 :]
    check(parse(chunks))


@pytest.mark.parametrize("chunks", CASES)
def test_truncated_at_any_place(chunks):
    for name, text in chunks.items():
        for cut in range(0, len(text), max(1, len(text) // 40)):
            check(parse({**chunks, name: text[:cut]}))


def ring(kind, name, size=200):
    """A circle of nodes that a sampler's inputs all lead into."""
    graph = {str(n): {"class_type": kind, "inputs": {name: [str((n + 1) % size), 0]}} for n in range(size)}
    names = "model positive negative latent_image seed steps cfg sampler_name scheduler vae samples guider sigmas sampler noise"
    graph["s"] = {"class_type": "KSampler", "inputs": {key: ["0", 0] for key in names.split()} | {"steps": 7}}
    graph["out"] = {"class_type": "SaveImage", "inputs": {"images": ["s", 0]}}
    return {"prompt": json.dumps(graph)}


@pytest.mark.parametrize(
    "name",
    [
        "model",
        "clip",
        "conditioning",
        "text",
        "value",
        "latent_image",
        "samples",
        "sigmas",
        "any",
        "pipe",
        "lora_stack",
    ],
)
def test_circles_end(name):
    facts = parse(ring("Loop", name))
    check(facts)
    assert facts.steps == 7
    assert facts.prompt is None or facts.prompt == ""


def test_text_that_doubles_at_every_node_stays_small():
    graph = {"0": {"class_type": "PrimitiveString", "inputs": {"value": "x" * 100}}}
    for n in range(1, 60):
        graph[str(n)] = {
            "class_type": "StringConcatenate",
            "inputs": {"string_a": [str(n - 1), 0], "string_b": [str(n - 1), 0], "delimiter": ""},
        }
    graph["e"] = {"class_type": "CLIPTextEncode", "inputs": {"text": ["59", 0], "clip": ["c", 1]}}
    graph["s"] = {"class_type": "KSampler", "inputs": {"positive": ["e", 0], "steps": 3, "seed": 1}}
    graph["out"] = {"class_type": "SaveImage", "inputs": {"images": ["s", 0]}}
    started = time.perf_counter()
    facts = parse({"prompt": json.dumps(graph)})
    assert time.perf_counter() - started < 2
    assert facts.steps == 3
    assert len(facts.prompt or "") < 1 << 19


def test_replacing_does_not_multiply_texts():
    inputs = {"string": "a" * 200_000, "find": "a", "replace": "b" * 200_000}
    graph = {
        "r": {"class_type": "StringReplace", "inputs": inputs},
        "e": {"class_type": "CLIPTextEncode", "inputs": {"text": ["r", 0]}},
        "s": {"class_type": "KSampler", "inputs": {"positive": ["e", 0], "steps": 3}},
    }
    assert parse({"prompt": json.dumps(graph)}).prompt is None
    inputs["replace"] = "b"
    assert parse({"prompt": json.dumps(graph)}).prompt == "b" * 200_000


def test_conditionings_that_branch_at_every_node_end():
    graph = {"0": {"class_type": "CLIPTextEncode", "inputs": {"text": "cat"}}}
    for n in range(1, 60):
        both = {"conditioning_1": [str(n - 1), 0], "conditioning_2": [str(n - 1), 0]}
        graph[str(n)] = {"class_type": "ConditioningCombine", "inputs": both}
    graph["s"] = {"class_type": "KSampler", "inputs": {"positive": ["59", 0], "steps": 3, "seed": 1}}
    graph["out"] = {"class_type": "SaveImage", "inputs": {"images": ["s", 0]}}
    assert parse({"prompt": json.dumps(graph)}).prompt == "cat"


def test_a_graph_of_many_nodes_takes_its_size_in_time():
    chain = {str(n): {"class_type": "ImageScale", "inputs": {"image": [str(n + 1), 0]}} for n in range(20_000)}
    saves = {f"save{n}": {"class_type": "SaveImage", "inputs": {"images": ["0", 0]}} for n in range(1000)}
    started = time.perf_counter()
    assert parse_comfyui({"prompt": json.dumps(chain | saves)}) is None
    assert time.perf_counter() - started < 20  # every saver by itself would take minutes


def test_json_deeper_than_pythons_stack():
    assert parse({"prompt": "[" * 200_000, "sdgen": '{"a":' * 200_000}).source == ""


@pytest.mark.parametrize(
    "text", ["a" * 900_000, "a\n" + " " * 900_000 + "b", "Steps: " + "a b" * 100_000, "<lora:" * 100_000]
)
def test_texts_without_end(text):
    started = time.perf_counter()
    parse({"parameters": text, "Dream": text})
    assert time.perf_counter() - started < 5


def test_numbers_that_are_none():
    text = "a\nSteps: many, Sampler: , CFG scale: nan, Seed: 1e999, Size: x512, Model hash: zz, Denoising strength: inf"
    facts = parse_a1111({"parameters": text})
    assert (facts.steps, facts.cfg, facts.seed, facts.width, facts.height, facts.model_hash, facts.denoise) == (
        None, None, None, None, 512, None, None,
    )  # fmt: skip
