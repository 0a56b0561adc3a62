"""Which graphs make several items at once, which items go together, and what is saved of a batch."""

import copy
import json
import time
from dataclasses import replace

import pytest
from PIL import Image

from sdgen_core.errors import SDGenError
from sdgen_core.sessions import ordering
from sdgen_core.sessions.batching import batch_graph
from sdgen_core.sessions.changes import extend
from sdgen_core.sessions.compile import PLANNER, SAVER, compile_graph
from sdgen_core.sessions.items import PartOptions
from sdgen_core.sessions.metadata import read_png_chunks
from sdgen_core.sessions.parameters import Parameters
from sdgen_core.sessions.samplers import DETERMINISTIC

from .conftest import request

LITERALS = {
    "positive": "a cat", "negative": "blurry", "seed": 7, "width": 64, "height": 64, "steps": 4, "cfg": 2.0,
    "sampler_name": "euler", "scheduler": "simple", "denoise": 1.0, "file_name": "cats_0000_seed-7.png",
}  # fmt: skip


def node(class_type, **inputs):
    return {"class_type": class_type, "inputs": inputs}


def text_to_image():
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
    }  # fmt: skip


def custom_sampling():
    graph = text_to_image()
    graph["7"] = node(
        "SamplerCustomAdvanced",
        noise=["10", 0],
        guider=["11", 0],
        sampler=["12", 0],
        sigmas=["13", 0],
        latent_image=["6", 0],
    )
    graph["10"] = node("RandomNoise", noise_seed=["2", 2])
    graph["11"] = node("CFGGuider", model=["3", 0], positive=["4", 0], negative=["5", 0], cfg=["2", 6])
    graph["12"] = node("KSamplerSelect", sampler_name=["2", 7])
    graph["13"] = node("BasicScheduler", model=["3", 0], scheduler=["2", 8], steps=["2", 5], denoise=["2", 9])
    return graph


def batched(graph, **options):
    return batch_graph(compile_graph(graph, "2"), **options)


def prompt_of(graph, *changes, **options):
    items = [{**LITERALS, **change} for change in changes]
    return batched(graph, **options).prompt(items, "s/0,1/1,1")


# ---- the common prompt -----------------------------------------------------------------------------------------------


def test_a_batch_is_the_users_graph_with_lists_for_what_differs():
    compiled = compile_graph(text_to_image(), "2")
    before = copy.deepcopy(compiled)
    items = [LITERALS, {**LITERALS, "positive": "a dog", "negative": "ugly", "seed": 8, "file_name": "other"}]
    prompt = batch_graph(compiled).prompt(items, "s/0,1/1,1")
    assert list(prompt) == list(compiled.nodes) and compiled == before
    assert prompt["4"] == node("SDGenBatchEncode", clip=["3", 1], texts='["a cat", "a dog"]', same_length=False)
    assert prompt["5"]["inputs"]["texts"] == '["blurry", "ugly"]'
    assert prompt["7"] == node(
        "SDGenBatchSampler", model=["3", 0], positive=["4", 0], negative=["5", 0], latent_image=["6", 0], seeds="[7, 8]",
        of_batch=False, steps=4, cfg=2.0, sampler_name="euler", scheduler="simple", denoise=1.0,
    )  # fmt: skip
    assert prompt["6"]["inputs"] == {"width": 64, "height": 64, "batch_size": 1}
    assert prompt["8"] == compiled.nodes["8"]
    assert prompt["9"]["inputs"] == {"images": ["8", 0], "file_name": "cats_0000_seed-7.png", "item": "s/0,1/1,1"}


def test_a_second_pass_gets_a_seed_for_each_image_and_the_first_pass_its_latents():
    graph = text_to_image()
    graph["20"] = node("LatentUpscaleBy", samples=["7", 0], upscale_method="bislerp", scale_by=1.5)
    second = {k: v for k, v in graph["7"]["inputs"].items() if k != "seed"}
    graph["21"] = node("KSampler", **{**second, "seed": 5, "latent_image": ["20", 0], "sampler_name": "ddim"})
    graph["8"]["inputs"]["samples"] = ["21", 0]
    prompt = prompt_of(graph, {}, {"seed": 8})
    assert (prompt["7"]["inputs"]["seeds"], prompt["7"]["inputs"]["of_batch"]) == ("[7, 8]", False)
    # core's own would draw the noise of both from one seed
    assert (prompt["21"]["inputs"]["seeds"], prompt["21"]["inputs"]["of_batch"]) == ("[5, 5]", True)
    assert prompt["20"] == graph["20"]


def test_what_does_not_depend_on_the_item_stays_core():
    graph = text_to_image()
    graph["5"]["inputs"]["text"] = "written in the graph"
    graph["20"] = {**graph["7"], "inputs": {**graph["7"]["inputs"], "seed": 5, "positive": ["5", 0]}}
    graph["7"]["inputs"]["latent_image"] = ["20", 0]
    prompt = prompt_of(graph, {}, {"seed": 8})
    assert prompt["5"]["class_type"] == "CLIPTextEncode" and prompt["20"]["class_type"] == "KSampler"
    assert prompt["7"]["inputs"]["of_batch"] is False


def test_inpainting_encodes_the_picture_once():
    graph = text_to_image()
    graph["20"] = node("LoadImage", image="x.png")
    graph["21"] = node(
        "InpaintModelConditioning",
        positive=["4", 0],
        negative=["5", 0],
        vae=["3", 2],
        pixels=["20", 0],
        mask=["20", 1],
        noise_mask=True,
    )
    graph["7"]["inputs"] |= {"positive": ["21", 0], "negative": ["21", 1], "latent_image": ["21", 2]}
    prompt = prompt_of(graph, {}, {"seed": 8})
    assert prompt["7"]["inputs"]["of_batch"] is False
    assert prompt["21"]["class_type"] == "InpaintModelConditioning"


def test_custom_sampling_gets_its_noise_image_by_image():
    prompt = prompt_of(custom_sampling(), {}, {"seed": 8})
    assert prompt["10"] == node("SDGenBatchNoise", seeds="[7, 8]", of_batch=False)
    assert prompt["7"]["class_type"] == "SamplerCustomAdvanced"
    # nobody looks at the model there, so texts must have one length
    assert prompt["4"]["inputs"]["same_length"] is True
    fixed = custom_sampling()
    fixed["10"]["inputs"]["noise_seed"] = 3
    assert prompt_of(fixed, {}, {"positive": "a dog"})["10"]["inputs"]["seeds"] == "[3, 3]"


def test_advanced_samplers_keep_their_own_inputs():
    graph = text_to_image()
    inputs = {k: v for k, v in graph["7"]["inputs"].items() if k not in ("seed", "denoise")}
    graph["7"] = node(
        "KSamplerAdvanced",
        **inputs,
        noise_seed=["2", 2],
        add_noise="enable",
        start_at_step=0,
        end_at_step=3,
        return_with_leftover_noise="enable",
    )
    inputs = prompt_of(graph, {}, {"seed": 8})["7"]["inputs"]
    assert inputs["seeds"] == "[7, 8]" and "noise_seed" not in inputs
    assert (inputs["start_at_step"], inputs["end_at_step"], inputs["return_with_leftover_noise"]) == (0, 3, "enable")


# ---- what cannot be batched -------------------------------------------------------------------------------------------


def change(node_id, **inputs):
    return lambda graph: graph[node_id]["inputs"].update(inputs)


def unknown_node(graph):
    graph["20"] = node("FaceDetailer", image=["8", 0])
    graph["9"]["inputs"]["images"] = ["20", 0]


def onto_one_picture(graph):
    graph["20"] = node("LoadImage", image="x.png")
    graph["21"] = node("ImageCompositeMasked", destination=["20", 0], source=["8", 0], x=0, y=0, resize_source=False)
    graph["9"]["inputs"]["images"] = ["21", 0]


def same_for_all(graph):
    graph["4"]["inputs"]["text"] = graph["5"]["inputs"]["text"] = "x"
    graph["7"]["inputs"]["seed"] = 3


def seed_of_a_node(graph):
    graph["20"] = node("PrimitiveInt", value=3)
    graph["7"]["inputs"]["seed"] = ["20", 0]


def joined_texts(graph):
    graph["20"] = node("StringConcatenate", string_a=["2", 0], string_b="x", delimiter="")
    graph["4"]["inputs"]["text"] = ["20", 0]


@pytest.mark.parametrize(
    ("alter", "words"),
    [
        (unknown_node, "node 20 (FaceDetailer) is not known"),
        (onto_one_picture, "node 21 (ImageCompositeMasked) takes one image for all items as its destination"),
        (same_for_all, "node 9 (SDGenSessionSave) gets the same image"),
        (seed_of_a_node, "node 7 (KSampler) does not have its seed"),
        (joined_texts, "node 20 (StringConcatenate) takes the planner's positive in 'string_a'"),
        (change("6", batch_size=["2", 2]), "node 6 (EmptyLatentImage) takes the planner's seed"),
        (change("9", images=["6", 0]), "node 9 (SDGenSessionSave) gets the same image"),
    ],
)
def test_what_is_in_the_way_is_named(alter, words):
    graph = text_to_image()
    alter(graph)
    with pytest.raises(SDGenError) as caught:
        batched(graph)
    assert caught.value.code == "not-batchable" and words in str(caught.value)


def test_unknown_nodes_are_taken_anyway_when_the_user_says_so():
    graph = text_to_image()
    unknown_node(graph)
    assert prompt_of(graph, {}, {"seed": 8}, anyway=True)["20"]["class_type"] == "FaceDetailer"
    # a prompt or a seed in a place that takes only one stays impossible
    joined_texts(graph)
    with pytest.raises(SDGenError):
        batched(graph, anyway=True)


def test_custom_sampling_with_other_noise_is_refused():
    graph = custom_sampling()
    graph["10"] = node("DisableNoise")
    with pytest.raises(
        SDGenError, match=r"node 7 \(SamplerCustomAdvanced\) does not have its noise from a RandomNoise"
    ):
        batched(graph)


def test_one_noise_for_latents_of_one_and_of_many_is_refused():
    graph = custom_sampling()
    graph["20"] = node("SamplerCustomAdvanced", **{**graph["7"]["inputs"], "latent_image": ["7", 0]})
    graph["8"]["inputs"]["samples"] = ["20", 0]
    with pytest.raises(SDGenError, match=r"node 10 \(RandomNoise\) is for latents of one and of many"):
        batched(graph)


# ---- which items go together ------------------------------------------------------------------------------------------


def test_items_of_one_batch_differ_in_prompt_seed_and_name_only():
    graph = batched(text_to_image())
    own = {"positive": "a dog", "negative": "x", "seed": 9, "file_name": "y"}
    assert graph.key({**LITERALS, **own}) == graph.key(LITERALS) is not None
    for name, value in {"width": 72, "steps": 5, "cfg": 3.0, "sampler_name": "heun", "denoise": 0.5}.items():
        assert graph.key({**LITERALS, name: value}) != graph.key(LITERALS)
    # what the graph does not read makes no difference
    assert graph.key({**LITERALS, "lora": "x"}) == graph.key(LITERALS)


@pytest.mark.parametrize("sampler", ["euler_ancestral", "dpmpp_2m_sde", "lcm", "dpm_adaptive", "one of another pack"])
def test_samplers_that_give_something_else_in_a_batch_make_items_alone(sampler):
    item = {**LITERALS, "sampler_name": sampler}
    assert batched(text_to_image()).key(item) is None
    assert batched(text_to_image()).stochastic(item) == [sampler]
    assert batched(text_to_image(), anyway=True).key(item) is not None


def test_a_sampler_written_in_the_graph_counts_too():
    graph = text_to_image()
    graph["7"]["inputs"]["sampler_name"] = "euler_ancestral"
    assert batched(graph).key(LITERALS) is None
    graph["7"]["inputs"]["sampler_name"] = ["3", 0]
    assert batched(graph).key(LITERALS) is None


def test_ddim_in_custom_sampling_may_meet_a_mask_that_nobody_sees():
    graph = batched(custom_sampling())
    assert graph.key({**LITERALS, "sampler_name": "uni_pc"}) is not None
    assert graph.key({**LITERALS, "sampler_name": "ddim"}) is None
    assert batched(text_to_image()).key({**LITERALS, "sampler_name": "ddim"}) is not None


def test_prompts_with_equal_lora_tags_go_together():
    graph = text_to_image()
    graph["4"] = node("SDGenEncodePrompt", clip=["3", 1], text=["2", 0], model=["3", 0])
    graph["7"]["inputs"] |= {"model": ["4", 0], "positive": ["4", 2]}
    graph["5"]["inputs"]["clip"] = ["4", 1]
    batch = batched(graph)

    def key(text):
        return batch.key({**LITERALS, "positive": text})

    assert key("a cat <lora:x:0.8>") == key("<lora:x:0.8> a (big:1.2) dog") is not None
    assert len({key("a"), key("<lora:x:0.8>"), key("<lora:x:0.5>"), key("<lora:y:0.8>"), key("a AND b :0.5")}) == 5
    assert key("[a:b:0.5]") is None  # refused by the node, and only for this item
    prompt = prompt_of(graph, {}, {"positive": "a dog"})
    assert prompt["4"] == node(
        "SDGenBatchEncodePrompt", clip=["3", 1], model=["3", 0], texts='["a cat", "a dog"]', same_length=False
    )
    # model and text encoder behind it are one for all
    assert prompt["7"]["inputs"]["model"] == ["4", 0] and prompt["5"]["class_type"] == "SDGenBatchEncode"


def test_the_table_of_samplers_holds_comfyuis_names():
    assert {"euler", "dpmpp_2m", "ddim", "uni_pc"} <= DETERMINISTIC
    assert not [name for name in DETERMINISTIC if "ancestral" in name or "sde" in name or name in ("lcm", "ddpm")]


# ---- sessions -----------------------------------------------------------------------------------------------------------

TEMPLATE = """
name: cats
prompt: "a {Colour} cat"
negative_prompt: "not {Colour}"
imports: {Colour: {r: red, g: green, b: blue, w: white, k: black}, Width: {small: 64, large: 128}}
generation: {mode: combinatorial, seed: 7, seed_mode: progressive, max_images: -1}
parameters: {width: 64, height: 64, sampler: Euler}
"""
SIZES = TEMPLATE.replace("width: 64", 'width: "{Width}"')


def order(text=TEMPLATE, graph=None, batch=4, **options):
    options = PartOptions(batch=batch, **options)
    return request(text, graph=graph or text_to_image(), options=options, defaults=Parameters())


def indexes(sessions, session, most=64, state="todo"):
    groups = sessions.groups(session.id, sessions.ledger.items(session.id, state), most)
    return [[row.idx for row in group] for group in groups]


def make_group(sessions, session, wanted, size=None):
    """What ComfyUI would do with a group: take the common prompt, draw, save."""
    attempts = sessions.ledger.mark_queued(session.id, dict.fromkeys(wanted, "p"))
    child = sessions.child([sessions.ledger.item(session.id, idx) for idx in wanted], attempts)
    images = [Image.new("RGB", (8, 8), (idx, 0, 0)) for idx in wanted][:size]
    return sessions.save(child.prompt["9"]["inputs"]["item"], images, child.prompt, child.extra_data["extra_pnginfo"])


def test_items_of_equal_parameters_form_groups(make):
    sessions = make()
    session = sessions.submit(order()).session
    assert indexes(sessions, session) == [[0, 1, 2, 3], [4]]
    assert indexes(sessions, session, most=2) == [[0, 1], [2, 3], [4]]
    sessions.ledger.mark_queued(session.id, {1: "p"})
    sessions.ledger.put_back(session.id)
    assert indexes(sessions, session) == [[0, 2, 3, 4], [1]]  # what was tried before is made alone


def test_sizes_split_groups(make):
    sessions = make()
    session = sessions.submit(order(SIZES, batch=8)).session
    widths = [sessions.load(session.id)._literals(row)["width"] for row in sessions.ledger.items(session.id)]
    assert widths == [64, 128] * 5
    # they need not be neighbours: parameters may change faster than prompts
    assert indexes(sessions, session) == [[0, 2, 4, 6, 8], [1, 3, 5, 7, 9]]
    assert indexes(sessions, session, most=2)[:3] == [[0, 2], [1, 3], [4, 6]]


def test_without_the_wish_or_the_means_items_stay_single(make):
    sessions = make()
    single = sessions.submit(order(batch=1))
    assert single.warnings == [] and indexes(sessions, single.session) == [[n] for n in range(5)]
    graph = text_to_image()
    unknown_node(graph)
    told = sessions.submit(order(graph=graph))
    assert [w for w in told.warnings if "one by one: node 20 (FaceDetailer)" in w]
    assert indexes(sessions, told.session) == [[n] for n in range(5)]
    stochastic = sessions.submit(order(TEMPLATE.replace("Euler", "Euler a")))
    assert [w for w in stochastic.warnings if "euler_ancestral" in w and "one by one" in w]
    assert indexes(sessions, stochastic.session) == [[n] for n in range(5)]
    anyway = sessions.submit(order(TEMPLATE.replace("Euler", "Euler a"), batch_anyway=True))
    assert anyway.warnings == []


def test_the_same_order_with_another_batch_is_the_same_session(make):
    sessions = make()
    first = sessions.submit(order(batch=4)).session
    again = sessions.submit(order(batch=2))
    assert (again.action, again.session.id) == ("resumed", first.id)
    assert indexes(sessions, first) == [[0, 1], [2, 3], [4]]
    assert (
        json.loads((first.folder / "sdgen-session.json").read_text(encoding="utf-8"))["parts"][0]["defaults"]["batch"]
        == 2
    )


def test_a_session_of_an_older_version_has_no_batches(make):
    sessions = make()
    session = sessions.submit(order(batch=4)).session
    sql = "UPDATE part SET defaults=? WHERE session=?"
    old = {**Parameters().to_dict(), "item_widget": 10}
    sessions.ledger._db.execute(sql, (json.dumps(old), session.id))
    sessions.forget(session.id)
    assert sessions.batch(session.id) == 1 and indexes(sessions, session)[0] == [0]


def test_every_image_of_a_batch_is_saved_as_if_made_alone(make):
    sessions = make()
    together = sessions.submit(order()).session
    sessions.load(together.id)
    time.sleep(0.02)
    files = make_group(sessions, together, [0, 1, 2, 3])
    assert [f.name for f in files] == [f"cats_{n:04d}_seed-{7 + n}.png" for n in range(4)]
    assert [row.state for row in sessions.ledger.items(together.id)] == ["done"] * 4 + ["todo"]
    alone = sessions.submit(replace(order(batch=1), on_existing="new")).session
    for n, path in enumerate(files):
        (single,) = make_group(sessions, alone, [n])
        assert single.name == path.name and Image.open(path).getpixel((0, 0)) == (n, 0, 0)
        chunks, expected = read_png_chunks(path), read_png_chunks(single)
        assert chunks["sdgen"].replace(together.id, alone.id) == expected.pop("sdgen")
        assert {name: chunks[name] for name in expected} == expected and set(expected) == {"prompt", "parameters"}
        prompt = json.loads(chunks["prompt"])
        assert prompt["7"]["class_type"] == "KSampler" and prompt["7"]["inputs"]["seed"] == 7 + n
    sessions.pause(together.id)
    entries = json.loads((together.folder / "manifest.json").read_text(encoding="utf-8"))["images"]
    assert [e["filename"] for e in entries] == [f.name for f in files]
    # they came together, and each has its share of the time
    shares = [e["sdgen"]["seconds"] for e in entries]
    assert max(shares) - min(shares) < 0.001 and min(shares) > 0.004


def test_a_batch_with_too_few_images_saves_none(make):
    sessions = make()
    session = sessions.submit(order()).session
    with pytest.raises(SDGenError) as caught:
        make_group(sessions, session, [0, 1, 2], size=2)
    assert caught.value.code == "not-batchable" and "3 items came with 2 images" in str(caught.value)
    assert not list(session.folder.glob("*.png"))
    assert [row.state for row in sessions.ledger.items(session.id)][:3] == ["queued"] * 3


def test_a_prompt_that_claims_other_items_saves_nothing(make):
    sessions = make()
    session = sessions.submit(order()).session
    claim = {"sdgen": {"session": session.id, "indexes": [0, 1]}}
    for token in (f"{session.id}/0,2/1,1", f"{session.id}/0/1"):
        with pytest.raises(SDGenError) as caught:
            sessions.save(token, [Image.new("RGB", (8, 8))] * 2, {}, claim)
        assert caught.value.code == "bad-item"


def test_a_full_disk_in_the_middle_of_a_batch_loses_no_item(make, monkeypatch):
    sessions = make()
    session = sessions.submit(order()).session
    write = sessions.load(session.id).write

    def fill(item, *rest):
        if item.idx == 2:
            raise SDGenError("disk-full", "no space left")
        return write(item, *rest)

    monkeypatch.setattr(sessions.load(session.id), "write", fill)
    with pytest.raises(SDGenError):
        make_group(sessions, session, [0, 1, 2, 3])
    assert [row.state for row in sessions.ledger.items(session.id)] == ["done", "done", "todo", "done", "todo"]
    assert sessions.ledger.session(session.id).state == "paused"


def test_extending_keeps_the_batch(make):
    sessions = make()
    session = sessions.submit(order(batch=3)).session
    extend(sessions, session.id, seeds=[100])
    assert sessions.load(session.id).parts[-1].options == PartOptions(batch=3)


def test_items_are_grouped_in_the_moment_in_which_their_session_is_extended(make, monkeypatch):
    """The ledger has the new items a moment before the session is read anew."""
    sessions = make()
    session = sessions.submit(order(batch=3)).session
    assert indexes(sessions, session) == [[0, 1, 2], [3, 4]]
    seen = []

    def written(*args):
        seen.append(indexes(sessions, session))
        return write(*args)

    write = ordering.write_session_file
    monkeypatch.setattr(ordering, "write_session_file", written)
    extend(sessions, session.id, seeds=[100])
    assert seen[-1] == indexes(sessions, session)
    assert sorted(idx for group in seen[-1] for idx in group) == list(range(10))
