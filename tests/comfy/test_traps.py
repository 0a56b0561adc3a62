"""Traps of ComfyUI's V3 nodes and its executor that touch us, each pinned by what would happen if we fell into it."""

import json
from pathlib import Path

import pytest

from sdgen_core.sessions.compile import PLAN_OUTPUTS


def test_two_planners_of_equal_inputs_are_two_sessions(stub):
    """Hidden.unique_id is no part of the cache key: without `not_idempotent` the second would get the first's result."""
    graph = stub.graph(2, name="twins")
    graph["12"] = graph["2"]
    graph["14"] = {"class_type": "StubImage", "inputs": {**graph["4"]["inputs"], "seed": ["12", 2], "text": ["12", 0]}}
    graph["15"] = {"class_type": "SDGenSessionSave", "inputs": {"images": ["14", 0], "file_name": ["12", 10]}}
    graph["12"] = {**graph["2"], "inputs": {**graph["2"]["inputs"], "on_existing": "new"}}
    graph["2"]["inputs"]["on_existing"] = "new"
    prompt_id = stub.client.queue_prompt({"prompt": graph})
    outputs = stub.entry(prompt_id)["outputs"]
    ids = {outputs[planner]["sdgen"][0]["id"] for planner in ("2", "12")}
    assert len(ids) == 2
    for session in ids:
        assert stub.wait(session)["done"] == 2


def test_without_our_prompt_handler_the_planner_still_blocks_what_is_behind_it(stub):
    """`return ExecutionBlocker(None)` does not block; one per output does."""
    prompt_id = stub.client.queue_prompt({"prompt": stub.graph(2, name="blocked"), "stub_no_dispatch": True})
    entry = stub.entry(prompt_id)
    assert entry["status"]["status_str"] == "success"
    assert set(entry["outputs"]) == {"2"}
    assert stub.wait(entry["outputs"]["2"]["sdgen"][0]["id"])["done"] == 2


def test_every_press_reaches_the_planner(stub):
    """A cached planner would make the second press do nothing (math.nan as fingerprint caches)."""
    first = stub.press(stub.graph(1, name="press"))
    stub.wait(first["id"])
    for _ in range(3):
        assert stub.press(stub.graph(1, name="press"))["action"] == "complete"


@pytest.mark.parametrize(
    ("node", "inputs", "words"),
    [
        ("2", {"on_existing": "overwrite"}, ["overwrite"]),
        ("2", {"sampler_name": "eulr"}, ["eulr", "euler"]),
        ("2", {"scheduler": "nrmal"}, ["nrmal", "normal"]),
        ("1", {"mode": "sideways"}, ["sideways"]),
        ("1", {"file": "templates/../../secret.prompt.yaml"}, ["secret"]),
    ],
)
def test_choices_that_are_not_offered_are_refused(stub, node, inputs, words):
    """ComfyUI before 0.8 accepts any text for a V3 combo."""
    graph = stub.graph(1, name="choice")
    graph[node]["inputs"] |= inputs
    try:
        text = stub.refused(graph)
    except Exception as error:  # later versions refuse at the door
        text = str(error)
    assert all(word in text for word in words), text


def test_every_output_and_input_id_is_its_own(stub):
    """An id used for an input and an output is a hard error up to 0.7."""
    info = stub.client.get("/object_info/SDGenSessionPlan")["SDGenSessionPlan"]
    assert tuple(info["output_name"]) == PLAN_OUTPUTS
    assert info["output_node"] is True


def test_a_number_and_id_are_never_used_twice(stub):
    """ComfyUI's queue compares whole prompts when number and id are equal, which kills its worker for good."""
    sessions = [
        stub.press(stub.graph(3, name="heap", wait=0.05, planner={"on_existing": "new"}))["id"] for _ in range(3)
    ]
    for session in sessions:
        assert stub.wait(session)["done"] == 3
    assert "TypeError" not in stub.server.log_text()


def test_metadata_is_strict_json_even_after_a_fingerprint_failed(stub):
    """A fingerprint that raises puts NaN into the prompt that savers write."""
    from sdgen_core.sessions.metadata import read_png_chunks

    status = stub.wait(stub.press(stub.graph(1, name="nan"))["id"])
    (picture,) = Path(status["folder"]).glob("*.png")
    for text in read_png_chunks(picture).values():
        assert "NaN" not in text
    json.loads(read_png_chunks(picture)["prompt"], parse_constant=lambda word: pytest.fail(word))
