"""A theme's LoRA is in every graph made with the theme, as core's own loader."""

import json

import pytest

from sdgen_core.catalog.parsers.comfyui import parse_comfyui
from sdgen_core.comfy.dispatch import on_prompt
from sdgen_core.errors import SDGenError
from sdgen_core.sessions.batching import batch_graph
from sdgen_core.sessions.compile import PLANNER, compile_graph, standalone
from sdgen_core.sessions.items import Host
from sdgen_core.sessions.ledger import Ledger
from sdgen_core.sessions.manifest import load_manifest
from sdgen_core.sessions.mix import Mix
from sdgen_core.sessions.ordering import SessionRequest
from sdgen_core.sessions.parameters import Parameters
from sdgen_core.sessions.plan import Plan
from sdgen_core.sessions.service import Sessions
from sdgen_core.sessions.theme_loras import checked_loras, found_loras, with_loras
from sdgen_core.templates import Options, load_template
from sdgen_core.templates.resolved import Lora, ResolvedTemplate

from .test_compile import LITERALS, graph, node

FILES = ["sea/pirates-style.safetensors", "grain.safetensors", "old/grain.safetensors"]
PROMPT = "name: p\nprompt: 'a {Hat}'\ngeneration: {seed: 1}\nthemes: {explicit: {sea: sea/theme.yaml, land: land/theme.yaml}}\n"
SEA = "imports: {Hat: {t: tricorn, b: bandana}}\nlora: {name: pirates-style, strength: 0.8}\n"


@pytest.fixture
def prompt_file(tmp_path):
    for name, text in (("sea", SEA), ("land", "imports: {Hat: {s: straw hat}}\n")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "theme.yaml").write_text(text, encoding="utf-8")
    file = tmp_path / "p.prompt.yaml"
    file.write_text(PROMPT, encoding="utf-8")
    return file


def themed(file, theme="sea"):
    return load_template(file, Options(theme=theme))


@pytest.fixture
def sessions(tmp_path):
    host = Host(lambda: ["euler"], lambda: ["normal"], lambda name: None, files=lambda kind: FILES)
    made = Sessions(Ledger(tmp_path / "user" / "ledger.db"), tmp_path / "out", host, user_dir=tmp_path / "user")
    yield made
    made.close()


def request(plan, prompt=None, **more):
    return SessionRequest(plan=plan, graph=prompt or graph(), planner="2", defaults=Parameters(), **more)


# ---- theme.yaml ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "found"),
    [
        ("grain", (Lora("grain"),)),
        ("{name: grain, strength: -0.5}", (Lora("grain", -0.5),)),
        ("{name: grain}", (Lora("grain"),)),
        ("[a, {name: sub/b.safetensors, strength: 2}]", (Lora("a"), Lora("sub/b.safetensors", 2.0))),
        ("null", ()),
    ],
)
def test_the_forms_of_a_theme_s_lora(prompt_file, written, found):
    theme = prompt_file.parent / "sea" / "theme.yaml"
    theme.write_text(f"imports: {{Hat: {{t: tricorn}}}}\nlora: {written}\n", encoding="utf-8")
    resolved = themed(prompt_file)
    assert resolved.loras == found
    assert ResolvedTemplate.from_json(json.loads(json.dumps(resolved.to_json()))) == resolved


@pytest.mark.parametrize(
    ("written", "line", "words"),
    [
        ("12", 2, "write a name"),
        ("''", 2, "write a name"),
        ("[[a]]", 2, "write a name"),
        ("{strength: 1}", 2, "the name is missing"),
        ("{name: a, strength: much}", 2, "from -100 to 100"),
        ("{name: a, strength: .nan}", 2, "from -100 to 100"),
        ("{name: a, strength: 101}", 2, "from -100 to 100"),
        ("{name: a, strenth: 1}", 2, "strength"),
    ],
)
def test_a_lora_that_is_none_is_named_with_its_place(prompt_file, written, line, words):
    theme = prompt_file.parent / "sea" / "theme.yaml"
    theme.write_text(f"imports: {{Hat: {{t: tricorn}}}}\nlora: {written}\n", encoding="utf-8")
    with pytest.raises(SDGenError, match=words) as caught:
        themed(prompt_file)
    assert caught.value.code == "bad-structure"
    assert caught.value.place.file.endswith("sea/theme.yaml") and caught.value.place.line == line


def test_themes_without_a_lora_are_stored_as_before(prompt_file):
    resolved = themed(prompt_file, "land")
    assert resolved.loras == () and "loras" not in resolved.to_json()


# ---- the graph -----------------------------------------------------------------------------------------------------------


def test_the_loader_stands_behind_the_checkpoint_for_everything_that_reads_it():
    compiled = with_loras(compile_graph(graph(), "2"), [Lora("a.safetensors", 0.8), Lora("b.safetensors")])
    child = compiled.child(LITERALS, token="s/0/1")
    one, two = (child[f"theme-lora-{n}"] for n in (1, 2))
    assert one["class_type"] == two["class_type"] == "LoraLoader"
    assert one["inputs"] == {
        "lora_name": "a.safetensors", "strength_model": 0.8, "strength_clip": 0.8, "model": ["3", 0], "clip": ["3", 1],
    }  # fmt: skip
    assert two["inputs"]["model"] == ["theme-lora-1", 0] and two["inputs"]["clip"] == ["theme-lora-1", 1]
    assert child["7"]["inputs"]["model"] == ["theme-lora-2", 0]
    assert child["4"]["inputs"]["clip"] == child["5"]["inputs"]["clip"] == ["theme-lora-2", 1]
    assert child["8"]["inputs"]["vae"] == ["3", 2]
    assert compiled.checkpoint == "m.safetensors"
    assert compile_graph(graph(), "2").nodes["7"]["inputs"]["model"] == ["3", 0], "the graph it came from stays"


def test_what_stands_between_loader_and_sampler_stays_behind_the_lora():
    g = graph()
    g["20"] = node("SomeModelPatch", model=["3", 0], clip=["3", 1])
    g["7"]["inputs"]["model"] = ["20", 0]
    g["4"]["inputs"]["clip"] = ["20", 1]
    child = with_loras(compile_graph(g, "2"), [Lora("a.safetensors")]).child(LITERALS)
    assert child["7"]["inputs"]["model"] == ["20", 0] and child["4"]["inputs"]["clip"] == ["20", 1]
    assert child["20"]["inputs"] == {"model": ["theme-lora-1", 0], "clip": ["theme-lora-1", 1]}
    assert child["5"]["inputs"]["clip"] == ["theme-lora-1", 1]


def test_a_model_and_a_text_encoder_of_two_files():
    g = graph()
    g["3"] = node("UNETLoader", unet_name="flux.safetensors")
    g["30"] = node("DualCLIPLoader", clip_name1="l", clip_name2="t5")
    for n in ("4", "5"):
        g[n]["inputs"]["clip"] = ["30", 0]
    child = with_loras(compile_graph(g, "2"), [Lora("a.safetensors")]).child(LITERALS)
    assert child["theme-lora-1"]["inputs"]["model"] == ["3", 0]
    assert child["theme-lora-1"]["inputs"]["clip"] == ["30", 0]
    assert child["4"]["inputs"]["clip"] == ["theme-lora-1", 1]


def test_without_a_text_encoder_the_model_alone_has_it():
    g = graph()
    for n in ("4", "5"):
        g[n] = node("LoadConditioning", name="c", text=["2", 0])
    child = with_loras(compile_graph(g, "2"), [Lora("a.safetensors", 0.5)]).child(LITERALS)
    assert child["theme-lora-1"]["class_type"] == "LoraLoaderModelOnly"
    assert child["theme-lora-1"]["inputs"] == {
        "lora_name": "a.safetensors", "strength_model": 0.5, "model": ["3", 0]
    }  # fmt: skip
    assert child["7"]["inputs"]["model"] == ["theme-lora-1", 0]


def test_a_graph_without_a_model_says_so():
    g = graph()
    g["7"] = node("Draw", text=["4", 0], seed=["2", 2])
    with pytest.raises(SDGenError, match="cannot be applied") as caught:
        with_loras(compile_graph(g, "2"), [Lora("a.safetensors")])
    assert caught.value.code == "bad-graph"


def test_images_with_a_lora_are_made_together_like_others():
    batch = batch_graph(with_loras(compile_graph(graph(), "2"), [Lora("a.safetensors")]))
    prompt = batch.prompt([LITERALS, {**LITERALS, "positive": "a dog", "seed": 8}], "s/0,1/1,1")
    assert prompt["7"]["inputs"]["model"] == ["theme-lora-1", 0]
    assert [n["inputs"]["lora_name"] for n in prompt.values() if n["class_type"] == "LoraLoader"] == ["a.safetensors"]


def test_the_catalog_finds_it_in_the_prompt_that_an_image_keeps():
    child = with_loras(compile_graph(graph(), "2"), [Lora("sea/a.safetensors", 0.8)]).child(LITERALS, token="s/0/1")
    found = parse_comfyui({"prompt": json.dumps(standalone(child))})
    assert found is not None and found.loras == (("a", 0.8),)


# ---- files ---------------------------------------------------------------------------------------------------------------


def test_names_are_found_as_in_parameters_and_missing_ones_named():
    assert checked_loras("sea", [Lora("Pirates-Style", 0.8)], FILES) == (Lora(FILES[0], 0.8),)
    with pytest.raises(SDGenError, match="the LoRA of the theme 'sea': there is no LoRA 'pirate-style'") as caught:
        checked_loras("sea", [Lora("pirate-style")], FILES)
    assert caught.value.code == "missing-lora" and caught.value.nearest == [FILES[0]]
    with pytest.raises(SDGenError, match=r"grain\.safetensors, old/grain") as caught:
        checked_loras("sea", [Lora("grain")], ["new/grain.safetensors", "old/grain.safetensors"])
    assert caught.value.code == "ambiguous-file"
    assert found_loras([Lora("gone")], FILES) == (Lora("gone"),)


def test_a_missing_file_ends_the_order_before_a_session_is_there(sessions, prompt_file):
    theme = prompt_file.parent / "sea" / "theme.yaml"
    theme.write_text(SEA.replace("pirates-style", "pirate-stile"), encoding="utf-8")
    with pytest.raises(SDGenError, match="pirates-style") as caught:
        sessions.submit(request(Plan.build(themed(prompt_file))))
    assert caught.value.code == "missing-lora"
    assert sessions.ledger.sessions() == [] and not list(sessions.root.glob("*"))


# ---- sessions ------------------------------------------------------------------------------------------------------------


def test_a_session_has_it_in_prompts_manifest_and_the_pinned_canvas(sessions, prompt_file):
    workflow = {"nodes": [{"id": 2, "type": PLANNER, "widgets_values": ["", ""]}]}
    row = sessions.submit(request(Plan.build(themed(prompt_file)), workflow=workflow)).session
    child = sessions.child([sessions.ledger.item(row.id, 0)], {0: 1})
    said = [{"name": FILES[0], "strength": 0.8}]
    assert child.prompt["theme-lora-1"]["inputs"]["lora_name"] == FILES[0]
    assert load_manifest(row.folder).snapshot["sdgen"]["loras"] == said
    [pinned] = [n for n in child.extra_data["extra_pnginfo"]["workflow"]["nodes"] if n["type"] == PLANNER]
    item = pinned["widgets_values"][0]
    assert json.loads(item)["loras"] == said
    # dropped back onto the canvas, the planner makes the same image: the canvas alone has no such loader
    again = graph()
    again["2"]["inputs"]["item"] = item
    prompt = on_prompt({"prompt": again})["prompt"]
    assert prompt["theme-lora-1"] == child.prompt["theme-lora-1"]
    assert prompt["7"]["inputs"]["model"] == ["theme-lora-1", 0]


def test_themes_in_one_session_each_have_their_own(sessions, prompt_file):
    mix = Mix.build([themed(prompt_file, name) for name in ("sea", "land")], count=2)
    plans = mix.plans
    row = sessions.submit(request(mix)).session
    made = {}
    for item in sessions.ledger.items(row.id):
        prompt = sessions.child([item], {item.idx: 1}).prompt
        made.setdefault(plans[item.part].resolved.theme, set()).add("theme-lora-1" in prompt)
    assert made == {"sea": {True}, "land": {False}}
    themes = load_manifest(row.folder).snapshot["sdgen"]["themes"]
    assert [t.get("loras") for t in themes] == [[{"name": FILES[0], "strength": 0.8}], None]


def test_another_strength_is_another_order(sessions, prompt_file):
    first = sessions.submit(request(Plan.build(themed(prompt_file)))).session
    assert sessions.submit(request(Plan.build(themed(prompt_file)))).session.id == first.id
    theme = prompt_file.parent / "sea" / "theme.yaml"
    theme.write_text(SEA.replace("0.8", "0.7"), encoding="utf-8")
    assert sessions.submit(request(Plan.build(themed(prompt_file)))).session.id != first.id
