"""One press makes a session: in a real ComfyUI, with stub images whose colour is their seed."""

import json
import time
from pathlib import Path

import pytest
from PIL import Image

from sdgen_core.sessions.metadata import read_png_chunks
from sdgen_core.sessions.parameters_text import parse_parameters_text


def colour(path):
    red, green, blue = Image.open(path).convert("RGB").getpixel((0, 0))
    return red << 16 | green << 8 | blue


def images_of(status):
    return sorted(Path(status["folder"]).glob("*.png"))


def test_one_press_makes_the_whole_session(stub):
    report = stub.press(stub.graph(30, name="press"))
    assert (report["action"], report["planned"], report["state"]) == ("created", 30, "running")
    status = stub.wait(report["id"])
    files = images_of(status)
    assert [f.name for f in files] == [f"press_{n:04d}_seed-{1000 + n}.png" for n in range(30)]
    # the graph was filled with each item's own seed
    assert [colour(f) for f in files] == [1000 + n for n in range(30)]
    # the loader ran once: the height of each image tells its count
    assert len({Image.open(f).height for f in files}) == 1
    # nothing of the session stays in ComfyUI's memory
    stub_ids = stub.client.queued_ids()
    assert stub_ids == []
    _until(
        lambda: (
            not [e for e in stub.client.get("/history").values() if "sdgen" in e["prompt"][3].get("extra_pnginfo", {})]
        ),
        5,
    )
    manifest = json.loads((Path(status["folder"]) / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["status"] == "completed" and len(manifest["images"]) == 30
    assert manifest["images"][7]["filename"] == files[7].name
    assert manifest["images"][7]["applied_variations"] == {"Value": "value 7"}
    assert manifest["snapshot"]["generation_params"]["num_images"] == 30
    report = stub.client.post(f"/sdgen/sessions/{status['id']}/verify", {"hashes": True})
    assert report["verify"]["ok"], report


def test_a_png_tells_everything_in_strict_json(stub):
    workflow = {
        "nodes": [{"id": 2, "type": "SDGenSessionPlan", "widgets_values": [""] * 11}],
        "links": [],
        "version": 0.4,
    }
    report = stub.press(stub.graph(2, name="chunks"), extra_data={"extra_pnginfo": {"workflow": workflow}})
    status = stub.wait(report["id"])
    chunks = read_png_chunks(images_of(status)[1])
    assert set(chunks) == {"prompt", "workflow", "parameters", "sdgen"}

    def refuse(word):
        raise AssertionError(f"{word} is no JSON")

    prompt, saved, record = (
        json.loads(chunks[name], parse_constant=refuse) for name in ("prompt", "workflow", "sdgen")
    )
    assert prompt["4"]["inputs"]["text"] == "a picture of value 1" and prompt["4"]["inputs"]["seed"] == 1001
    assert [n["class_type"] for n in prompt.values()] == ["StubLoader", "StubImage", "SaveImage"]
    assert (record["session"], record["index"], record["keys"]) == (report["id"], 1, {"Value": "v1"})
    assert (record["values"], record["seed"], record["checkpoint"]["name"]) == ({"Value": "value 1"}, 1001, "stub")
    item = json.loads(saved["nodes"][0]["widgets_values"][10])
    assert (item["seed"], item["positive"], item["index"]) == (1001, "a picture of value 1", 1)
    parsed = parse_parameters_text(chunks["parameters"])
    assert parsed["prompt"] == "a picture of value 1" and parsed["negative_prompt"] == "not value 1"
    assert parsed["seed"] == 1001


def test_an_image_dragged_back_is_made_again_exactly(stub):
    graph = stub.graph(4, name="drag")
    report = stub.press(graph, extra_data={"extra_pnginfo": {"workflow": {"nodes": [{"id": 2, "widgets_values": []}]}}})
    picture = images_of(stub.wait(report["id"]))[2]
    saved = json.loads(read_png_chunks(picture)["workflow"])
    graph["2"]["inputs"]["item"] = saved["nodes"][0]["widgets_values"][10]
    graph["1"]["inputs"]["text"] = "the template is gone"
    from_canvas = stub.server.client.queue_prompt({"prompt": graph})
    entry = stub.entry(from_canvas)
    made = entry["outputs"]["5"]["images"][0]
    path = stub.server.base / "output" / made["subfolder"] / made["filename"]
    assert colour(path) == colour(picture) == 1002
    assert len(images_of(stub.status(report["id"]))) == 4


def test_the_pngs_prompt_runs_where_sdgen_is_not_installed(stub, stub_server):
    status = stub.wait(stub.press(stub.graph(2, name="alone"))["id"])
    prompt = json.loads(read_png_chunks(images_of(status)[1])["prompt"])
    with stub_server(pack=False) as bare:
        assert "SDGenSessionSave" not in bare.client.get("/object_info")
        prompt_id = bare.client.queue_prompt({"prompt": prompt})
        for _ in range(600):
            if bare.client.history(prompt_id):
                break
            time.sleep(0.05)
        made = bare.client.history(prompt_id)["outputs"]["5"]["images"][0]
        assert colour(bare.base / "output" / made["subfolder"] / made["filename"]) == 1001


def test_the_same_press_twice_is_the_same_session(stub):
    first = stub.press(stub.graph(3, name="twice"))
    stub.wait(first["id"])
    again = stub.press(stub.graph(3, name="twice"))
    assert (again["id"], again["action"]) == (first["id"], "complete")
    new = stub.press(stub.graph(3, name="twice", planner={"on_existing": "new"}))
    assert new["id"] != first["id"] and new["folder"] != first["folder"]
    changed = stub.press(stub.graph(3, name="twice", wait=0.001))
    assert changed["id"] not in (first["id"], new["id"])
    stub.wait(new["id"])
    stub.wait(changed["id"])


def test_extend_adds_what_is_missing_and_touches_nothing(stub):
    first = stub.wait(stub.press(stub.graph(3, name="more"))["id"])
    before = {f.name: f.stat().st_mtime_ns for f in images_of(first)}
    report = stub.press(stub.graph(5, name="more", planner={"on_existing": "extend"}))
    assert (report["id"], report["action"], report["added"], report["planned"]) == (first["id"], "extended", 2, 5)
    files = images_of(stub.wait(first["id"]))
    assert len(files) == 5 and {f.name: f.stat().st_mtime_ns for f in files if f.name in before} == before
    manifest = json.loads((Path(first["folder"]) / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["snapshot"]["generation_params"]["num_images"] == 5 and len(manifest["images"]) == 5
    assert {i["applied_variations"]["Value"] for i in manifest["images"]} == {f"value {n}" for n in range(5)}


def test_batches_save_every_image(stub):
    status = stub.wait(stub.press(stub.graph(2, name="batch", batch=3))["id"])
    assert [f.name for f in images_of(status)] == [
        "batch_0000_seed-1000-2.png", "batch_0000_seed-1000-3.png", "batch_0000_seed-1000.png",
        "batch_0001_seed-1001-2.png", "batch_0001_seed-1001-3.png", "batch_0001_seed-1001.png",
    ]  # fmt: skip
    manifest = json.loads((Path(status["folder"]) / "manifest.json").read_text(encoding="utf-8"))
    assert len(manifest["images"]) == 6


def test_a_failing_item_is_recorded_and_passed_over(stub):
    report = stub.press(stub.graph(6, name="fails", fail_at="value 3"))
    status = stub.wait(report["id"], "failed")
    assert (status["done"], status["failed"]) == (5, 1)
    (failure,) = status["failures"]
    assert failure["index"] == 3 and failure["error"] == "node-error"
    assert "node 4 (StubImage)" in failure["message"] and "told to fail at value 3" in failure["message"]
    manifest = json.loads((Path(status["folder"]) / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["status"] == "completed" and len(manifest["images"]) == 5
    assert manifest["failed"][0]["index"] == 3
    # the same press, or a retry, makes the failed one again
    stub.act(report["id"], "retry")
    again = stub.wait(report["id"], "failed")
    assert again["failed"] == 1 and again["done"] == 5


def test_a_session_that_only_fails_pauses_instead_of_failing_a_thousand_times(stub):
    report = stub.press(stub.graph(60, name="hopeless", fail_at="value"))
    status = stub.wait(report["id"], "paused")
    assert status["failed"] < 20 and "in a row" in status["reason"]


def test_an_item_that_comfyui_refuses_is_recorded(stub):
    graph = stub.graph(3, name="refused", wait=["2", 9])
    graph["1"]["inputs"]["text"] = graph["1"]["inputs"]["text"].replace("seed: 1000", "seed: 16777214")
    status = stub.wait(stub.press(graph)["id"], "failed")
    assert (status["done"], status["failed"]) == (2, 1)
    assert status["failures"][0]["error"] == "rejected-prompt" and "seed" in status["failures"][0]["message"]


def test_cancel_pauses_and_resume_goes_on(stub):
    report = stub.press(stub.graph(8, name="cancel", wait=0.4))
    _until(lambda: stub.status(report["id"])["done"] >= 2)

    def cancelled():
        stub.client.post("/interrupt", {})  # between two prompts ComfyUI does not hear it
        time.sleep(0.3)
        return stub.status(report["id"])["state"] == "paused"

    _until(cancelled)
    status = stub.status(report["id"])
    assert "Cancel" in status["reason"] and status["failed"] == 0
    _until(lambda: not stub.client.queued_ids())
    done = stub.status(report["id"])["done"]
    time.sleep(1.5)
    assert stub.status(report["id"])["done"] == done
    stub.act(report["id"], "resume")
    assert stub.wait(report["id"])["done"] == 8


def test_clearing_the_queue_pauses(stub):
    report = stub.press(stub.graph(8, name="cleared", wait=0.4))
    _until(lambda: stub.status(report["id"])["done"] >= 1)
    stub.client.post("/queue", {"clear": True})
    status = stub.wait(report["id"], "paused")
    assert "cleared" in status["reason"]
    stub.act(report["id"], "resume")
    assert stub.wait(report["id"])["done"] == 8


def test_pause_takes_our_items_out_of_the_queue(stub):
    report = stub.press(stub.graph(8, name="paused", wait=0.4))
    _until(lambda: stub.status(report["id"])["done"] >= 1)
    stub.act(report["id"], "pause")
    _until(lambda: len(stub.client.queued_ids()) == 0, 3)
    stub.act(report["id"], "resume")
    assert stub.wait(report["id"])["done"] == 8


def test_a_hand_queued_prompt_waits_for_one_image_at_most(stub):
    report = stub.press(stub.graph(12, name="polite", wait=0.5))
    _until(lambda: stub.status(report["id"])["done"] >= 1)
    longest = 0
    own = {
        "1": {"class_type": "EmptyImage", "inputs": {"width": 8, "height": 8, "batch_size": 1, "color": 1}},
        "2": {"class_type": "PreviewImage", "inputs": {"images": ["1", 0]}},
    }
    start, before = time.monotonic(), stub.status(report["id"])["done"]
    prompt_id = stub.client.queue_prompt({"prompt": own})
    while stub.client.history(prompt_id) is None:
        longest = max(longest, len(stub.client.queued_ids()))
        time.sleep(0.02)
    assert stub.status(report["id"])["done"] - before <= 1
    assert time.monotonic() - start < 2.5 and longest <= 9
    stub.wait(report["id"])


def test_two_sessions_run_one_after_the_other(stub):
    first = stub.press(stub.graph(5, name="one", wait=0.2))
    second = stub.press(stub.graph(5, name="two"))
    assert stub.wait(second["id"])["done"] == 5
    assert stub.status(first["id"])["state"] == "completed"


@pytest.mark.parametrize(
    ("change", "code", "words"),
    [
        (lambda g: g["1"]["inputs"].update(file="templates/nowhere.prompt.yaml"), "unknown-template", ["nowhere"]),
        (lambda g: g["1"]["inputs"].update(text=""), "no-template", []),
        (
            lambda g: g["1"]["inputs"].update(text="name: x\nprompt: 'a {Nobody}'\n"),
            "unresolved-placeholder",
            ["Nobody"],
        ),
        (
            lambda g: g["1"]["inputs"].update(text=g["1"]["inputs"]["text"].replace("{Value}", "{Value[#0-x]}")),
            "bad-selector",
            ["#0-x"],
        ),
        (lambda g: g["1"]["inputs"].update(text="name: [\n"), "yaml-syntax", ["2"]),
        (lambda g: g.pop("5"), "no-save-node", []),
        (lambda g: g["5"]["inputs"].update(file_name="x", images=["6", 0]), "no-save-node", []),
    ],
)
def test_bad_orders_are_refused_with_a_code_and_nothing_is_left(stub, change, code, words):
    graph = stub.graph(3, name="bad")
    graph["6"] = {"class_type": "EmptyImage", "inputs": {"width": 8, "height": 8, "batch_size": 1, "color": 1}}
    change(graph)
    before = stub.client.get("/sdgen/sessions")
    text = stub.refused(graph)
    assert f"[{code}]" in text and all(word in text for word in words), text
    assert stub.client.get("/sdgen/sessions") == before


def test_writes_need_the_header(stub):
    import urllib.error
    import urllib.request

    report = stub.press(stub.graph(2, name="header"))
    request = urllib.request.Request(
        f"{stub.server.url}/sdgen/sessions/{report['id']}/pause", b"{}", {"Content-Type": "application/json"}
    )
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(request)
    assert json.loads(caught.value.read())["error"] == "bad-request"
    stub.wait(report["id"])


def _until(condition, timeout=60):
    end = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)
