"""Graphs with nodes that score, and what is said of images on its way into their files."""

import json

import pytest
from PIL import Image

from sdgen_core.sessions.batching import batch_graph
from sdgen_core.sessions.compile import PLANNER, SAVER, compile_graph, is_link, standalone
from sdgen_core.sessions.manifest import load_manifest, rebuild
from sdgen_core.sessions.metadata import read_sdgen_chunk

from .conftest import TEMPLATE, graph, request

SCORES = {"scorer": "m", "score": 0.5, "values": {"Colour": {"probability": 0.5, "calibrated": False}}}


def scored():
    def node(kind, **inputs):
        return {"class_type": kind, "inputs": inputs}

    return {
        "2": node(PLANNER, item=""),
        "3": node("CheckpointLoaderSimple", ckpt_name="m.safetensors"),
        "4": node("CLIPTextEncode", clip=["3", 1], text=["2", 0]),
        "6": node("EmptyLatentImage", width=8, height=8, batch_size=1),
        "7": node(
            "KSampler", model=["3", 0], positive=["4", 0], negative=["4", 0], latent_image=["6", 0], seed=["2", 2],
            steps=1, cfg=1.0, sampler_name="euler", scheduler="normal", denoise=1.0,
        ),
        "8": node("VAEDecode", samples=["7", 0], vae=["3", 2]),
        "11": node("SDGenLoadScorer", scorer="demo"),
        "12": node("SDGenScoreImage", image=["8", 0], scorer=["11", 0], values="", item=""),
        "13": node("PreviewAny", source=["12", 1]),
        "9": node(SAVER, images=["12", 0], file_name=["2", 10], item=""),
    }  # fmt: skip


def test_nodes_that_score_are_told_the_item():
    compiled = compile_graph(scored(), "2")
    child = compiled.child({"positive": "a cat", "seed": 7, "file_name": "a.png"}, token="s/3/1")
    assert child["12"]["inputs"]["item"] == child["9"]["inputs"]["item"] == "s/3/1"
    assert compiled.checkpoint == "m.safetensors"
    shown = compiled.child({"positive": "a cat", "seed": 7, "file_name": "a.png"}, shown="s/3")
    assert (shown["12"]["inputs"]["item"], shown["9"]["inputs"]["item"]) == ("s/3", "")


def test_they_stand_in_the_way_of_no_batch():
    prompt = scored()
    del prompt["13"]
    batch = batch_graph(compile_graph(prompt, "2"))
    items = [{"positive": f"cat {n}", "negative": "", "seed": n, "file_name": "a.png"} for n in range(3)]
    prompt = batch.prompt(items, "s/0,1,2/1,1,1")
    assert prompt["12"]["inputs"]["item"] == "s/0,1,2/1,1,1"
    assert json.loads(prompt["7"]["inputs"]["seeds"]) == [0, 1, 2]


def test_an_images_own_prompt_has_none_of_them():
    alone = standalone(compile_graph(scored(), "2").child({"positive": "", "seed": 1, "file_name": "a.png"}))
    assert {node["class_type"] for node in alone.values() if "SDGen" in node["class_type"]} == set()
    assert alone["9"]["class_type"] == "SaveImage" and alone["9"]["inputs"]["images"] == ["8", 0]
    assert set(alone) == {"3", "4", "6", "7", "8", "9"}  # the preview of the score is gone too
    assert not any(is_link(v) and v[0] not in alone for n in alone.values() for v in n["inputs"].values())


def test_what_the_image_depends_on_stays():
    prompt = scored()
    prompt["14"] = {"class_type": "Blur", "inputs": {"image": ["8", 0], "by": ["12", 1]}}
    prompt["9"]["inputs"]["images"] = ["14", 0]
    alone = standalone(compile_graph(prompt, "2").child({"positive": "", "seed": 1, "file_name": "a.png"}))
    assert {"11", "12", "14"} <= set(alone) and "13" not in alone


@pytest.mark.parametrize("size", [1, 3])
def test_scores_are_in_file_and_manifest_and_survive_a_rebuild(make, size):
    sessions = make()
    asked = []

    def scores_of(folder, token, images):
        asked.append((folder, token, len(images)))
        return [{**SCORES, "score": n / 10} if n != 1 else None for n in range(len(images))]

    sessions.scores_of = scores_of
    session = sessions.submit(request(TEMPLATE % 1)).session.id
    attempt = sessions.ledger.mark_queued(session, {0: "p0"}).get(0, 1)
    child = sessions.child([sessions.ledger.item(session, 0)], {0: attempt})
    images = [Image.new("RGB", (8, 8), (n, 0, 0)) for n in range(size)]
    token = child.prompt["4"]["inputs"]["item"]
    files = sessions.save(token, images, child.prompt, child.extra_data["extra_pnginfo"])
    folder = files[0].parent
    assert asked == [(folder, token, size)]
    wanted = [{**SCORES, "score": n / 10} if n != 1 else None for n in range(size)]
    assert [read_sdgen_chunk(file).get("scores") for file in files] == wanted

    def entries():
        found = {entry["filename"]: entry["sdgen"].get("scores") for entry in load_manifest(folder).images}
        return [found[file.name] for file in files]

    sessions.forget(session)
    assert entries() == wanted
    for name in ("manifest.json", "manifest.jsonl"):
        (folder / name).unlink()
    rebuild(folder)
    assert entries() == wanted


def test_each_item_of_a_group_has_its_own(make):
    sessions = make()
    sessions.scores_of = lambda folder, token, images: [{"score": n} for n in range(len(images))]
    session = sessions.submit(request(TEMPLATE % 2, graph=graph())).session.id
    sessions.ledger.mark_queued(session, {0: "p", 1: "p"})
    extra = {"sdgen": {"session": session, "indexes": [0, 1]}}
    images = [Image.new("RGB", (8, 8), (n, 0, 0)) for n in range(2)]
    files = sessions.save(f"{session}/0,1/1,1", images, {}, extra)
    assert [read_sdgen_chunk(file)["scores"] for file in files] == [{"score": 0}, {"score": 1}]
