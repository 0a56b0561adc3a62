"""Templates as a real ComfyUI sees them: the list of the node, names that are newer than it, choices in a prompt."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sdgen_core.comfy.workflow import to_api
from sdgen_core.errors import SDGenError

TEMPLATE = """\
name: fruit
prompt: a {Colour} {Fruit}
imports: {Colour: {Red: red, Green: green, Blue: blue}, Fruit: [apple, pear]}
generation: {mode: combinatorial, seed: 5, seed_mode: progressive, max_images: -1}
"""


@pytest.fixture
def new_template(stub: Any) -> Path:
    """A template file that was not there when the server last listed the folder."""
    stub.client.get("/object_info/SDGenTemplate")
    path = Path(stub.server.base) / "user" / "sdgen" / "templates" / "new" / "fruit.prompt.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(TEMPLATE, encoding="utf-8")
    return path


def file_graph(stub: Any, file: str, **template: Any) -> dict[str, Any]:
    graph: dict[str, Any] = stub.graph()
    graph["1"]["inputs"].update(file=file, text="", **template)
    return graph


def listed(stub: Any) -> bool:
    """Whether the new template is among what the node offers."""
    info = stub.client.get("/object_info/SDGenTemplate")["SDGenTemplate"]["input"]
    assert list(info["optional"]) == ["choices", "distribution"], (
        "what came later stays behind what older workflows have"
    )
    return "templates/new/fruit.prompt.yaml" in info["required"]["file"][1]["options"]


def test_a_new_template_is_in_the_list_without_a_restart(stub: Any, new_template: Path, wait_until: Any) -> None:
    wait_until(lambda: listed(stub), "the new template to be listed", 5)
    new_template.unlink()
    wait_until(lambda: not listed(stub), "the template to leave the list", 5)


def test_choices_in_a_prompt_make_the_session(stub: Any, new_template: Path) -> None:
    """A prompt names a file that no list has yet."""
    choices = "Colour[Red,Blue]; Fruit[pear]"
    report = stub.press(file_graph(stub, "templates/new/fruit.prompt.yaml", choices=choices))
    assert report["planned"] == 2 and report["warnings"] == []
    status = stub.wait(report["id"])
    manifest = json.loads((Path(status["folder"]) / "manifest.json").read_text(encoding="utf-8"))
    assert [image["applied_variations"] for image in manifest["images"]] == [
        {"Colour": "red", "Fruit": "pear"},
        {"Colour": "blue", "Fruit": "pear"},
    ]


def test_a_prompt_of_before_there_were_choices_runs(stub: Any, new_template: Path) -> None:
    graph = file_graph(stub, "templates/new/fruit.prompt.yaml")
    assert "choices" not in graph["1"]["inputs"]
    assert stub.press(graph)["planned"] == 6


@pytest.mark.parametrize("later", [[("distribution", "weighted")], [("distribution", "weighted"), ("choices", "")]])
def test_a_canvas_of_before_there_was_an_input_is_converted(stub: Any, root: Path, later: Any) -> None:
    canvas = json.loads((root / "workflows" / "txt2img_session.json").read_text(encoding="utf-8"))
    info = stub.client.get("/object_info")
    now = to_api(canvas, info)
    [template] = [n for n in canvas["nodes"] if n["type"] == "SDGenTemplate"]
    for name, value in later:
        assert (template["inputs"].pop()["name"], template["widgets_values"].pop()) == (name, value)
    before = to_api(canvas, info)
    for name, value in later:
        assert now["1"]["inputs"].pop(name) == before["1"]["inputs"].pop(name, value) == value
    assert before == now


def test_an_unknown_name_is_refused_with_the_nearest(stub: Any, new_template: Path, wait_until: Any) -> None:
    wait_until(lambda: listed(stub), "the new template to be listed", 5)
    with pytest.raises(SDGenError) as caught:
        stub.press(file_graph(stub, "templates/new/friut.prompt.yaml"))
    assert "Did you mean 'templates/new/fruit.prompt.yaml'" in str(caught.value)
    for name in ("templates/../settings.prompt.yaml", "/etc/passwd"):
        with pytest.raises(SDGenError) as caught:
            stub.press(file_graph(stub, name))
        assert "unknown-template" in str(caught.value)


def test_bad_choices_are_an_error_of_the_node(stub: Any, new_template: Path) -> None:
    assert "bad-choice-spec" in stub.refused(file_graph(stub, "templates/new/fruit.prompt.yaml", choices="Colour"))
    assert "empty-choice" in stub.refused(file_graph(stub, "templates/new/fruit.prompt.yaml", choices="Colour[Rot]"))


def test_seeds_from_another_node_are_no_error(stub: Any) -> None:
    graph = stub.graph(2)
    graph["6"] = {"class_type": "PrimitiveString", "inputs": {"value": "7, 9"}}
    graph["7"] = {"class_type": "SDGenSeedSweep", "inputs": {"seeds": ["6", 0]}}
    graph["2"]["inputs"]["sweep"] = ["7", 0]
    assert stub.press(graph)["planned"] == 4
