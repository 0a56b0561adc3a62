"""What a posted prompt becomes before ComfyUI validates it."""

import json

from sdgen_core.comfy.dispatch import on_prompt
from sdgen_core.sessions.compile import PLAN_OUTPUTS


def prompt(item=""):
    return {
        "1": {"class_type": "SDGenTemplate", "inputs": {}},
        "2": {"class_type": "SDGenSessionPlan", "inputs": {"template": ["1", 0], "item": item}},
        "3": {"class_type": "Draw", "inputs": {"text": ["2", 0]}},
        "4": {"class_type": "SDGenSessionSave", "inputs": {"images": ["3", 0], "file_name": ["2", 10]}},
        "5": {"class_type": "PreviewImage", "inputs": {"images": ["6", 0]}},
        "6": {"class_type": "EmptyImage", "inputs": {}},
    }


def test_a_press_runs_the_planner_and_what_does_not_wait_for_it():
    data = {"prompt": prompt(), "client_id": "tab"}
    assert on_prompt(data) == {**data, "partial_execution_targets": ["1", "2", "5", "6"]}


def test_prompts_without_a_planner_are_not_touched():
    for data in (
        {"prompt": {"1": {"class_type": "X", "inputs": {}}}},
        {"prompt": None},
        {},
        {"prompt": {"1": {}}},
        {"prompt": {"1": 3}},
    ):
        assert on_prompt(data) == data


def test_running_one_node_is_ours_only_when_it_needs_the_planner():
    assert on_prompt({"prompt": prompt(), "partial_execution_targets": ["5"]})["partial_execution_targets"] == ["5"]
    assert on_prompt({"prompt": prompt(), "partial_execution_targets": ["4"]})["partial_execution_targets"] == ["2"]
    assert on_prompt({"prompt": prompt(), "partial_execution_targets": ["2"]})["partial_execution_targets"] == ["2"]


def test_a_planner_set_to_one_item_becomes_a_plain_prompt():
    literals = {name: name for name in PLAN_OUTPUTS}
    out = on_prompt({"prompt": prompt(json.dumps(literals))})
    assert "partial_execution_targets" not in out and "2" not in out["prompt"]
    assert out["prompt"]["3"]["inputs"] == {"text": "positive"}
    assert out["prompt"]["4"]["inputs"]["item"] == ""


def test_an_unusable_item_is_left_for_the_planner_to_report():
    assert "2" in on_prompt({"prompt": prompt("{")})["partial_execution_targets"]
