"""SDGen Encode Prompt in a real ComfyUI: the same pictures as core's nodes make, and no work done twice."""

from __future__ import annotations

import hashlib
import json
import random
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from sdgen_core.comfy.client import failure
from sdgen_core.comfy.runtime import ComfyServer
from sdgen_core.errors import SDGenError
from sdgen_core.sessions.metadata import read_png_chunks
from sdgen_core.sessions.parameters_text import parse_parameters_text
from sdgen_core.sessions.prompt_text import comfy_text, parse_prompt_text

WIDTH = 768  # of the demo's text encoder


def save_tensors(path: Path, tensors: dict[str, Any], metadata: dict[str, str] | None = None) -> None:
    from safetensors.torch import save_file

    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, path, metadata=metadata)


def write_lora(path: Path, seed: int = 0, strength: float = 0.3, trained_as: str = "") -> None:
    """A LoRA of rank 2 for the demo model: a layer of the diffusion model, and two of the text encoder, whose own are zero."""
    import torch

    torch.manual_seed(seed)
    tensors = {}

    def add(layer: str, outputs: int, inputs: int) -> None:
        tensors[f"{layer}.lora_up.weight"] = torch.randn(outputs, 2) * strength
        tensors[f"{layer}.lora_down.weight"] = torch.randn(2, inputs) * strength

    add("diffusion_model.joint_blocks.0.x_block.mlp.fc1", 512, 128)
    add("lora_te1_text_model_encoder_layers_1_mlp_fc1", 3072, WIDTH)
    add("lora_te1_text_model_encoder_layers_1_mlp_fc2", WIDTH, 3072)
    save_tensors(path, tensors, {"ss_output_name": trained_as} if trained_as else None)


def write_embedding(path: Path, vectors: Any) -> None:
    save_tensors(path, {"emb_params": vectors})


def word_vectors(checkpoint: Path, tokenizer: Path, *words: str) -> Any:
    """The text encoder's own vectors of ``words``: an embedding of these draws what the words draw."""
    from safetensors import safe_open
    from transformers import CLIPTokenizer

    read = CLIPTokenizer.from_pretrained(tokenizer)
    name = "text_encoders.clip_l.transformer.text_model.embeddings.token_embedding.weight"
    with safe_open(checkpoint, "pt") as file:
        return file.get_tensor(name)[[read(word)["input_ids"][1] for word in words]].float()


class Drawing:
    """Draws with the demo model and keeps the books."""

    def __init__(self, server: ComfyServer, run: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
        self.server = server
        self.run = run
        self.models = server.base / "models"
        self._counts = Path(server.env["SDGEN_COUNTS"])

    def graph(self, nodes: dict[str, dict[str, Any]], model: Any, positive: Any, negative: Any) -> dict[str, Any]:
        return {
            "ckpt": node("CheckpointLoaderSimple", ckpt_name="sdgen-demo.safetensors"),
            "latent": node("EmptyLatentImage", width=64, height=64, batch_size=1),
            "sampler": node(
                "KSampler", seed=3, steps=3, cfg=2.0, sampler_name="euler", scheduler="sgm_uniform", denoise=1.0,
                model=model, positive=positive, negative=negative, latent_image=["latent", 0],
            ),
            "image": node("VAEDecode", samples=["sampler", 0], vae=["ckpt", 2]),
            "save": node("SaveImage", images=["image", 0], filename_prefix="encode"),
            **nodes,
        }  # fmt: skip

    def picture(self, graph: dict[str, Any]) -> str:
        entry = self.run(graph)
        assert entry["status"]["status_str"] == "success", failure(entry)
        made = entry["outputs"]["save"]["images"][0]
        return pixels(self.server.base / "output" / made["subfolder"] / made["filename"])

    def ours(self, text: str, negative: str = "blurry", **options: Any) -> str:
        """The picture of a prompt through our node; the negative prompt is encoded with its text encoder."""
        nodes = {
            "encode": node("SDGenEncodePrompt", clip=["ckpt", 1], model=["ckpt", 0], text=text, **options),
            "negative": node("SDGenEncodePrompt", clip=["encode", 1], text=negative),
        }
        return self.picture(self.graph(nodes, ["encode", 0], ["encode", 2], ["negative", 2]))

    def core(self, positive: Any, nodes: dict[str, dict[str, Any]], model: Any = None, clip: Any = None) -> str:
        """The picture of a graph of core's nodes."""
        nodes = {"negative": node("CLIPTextEncode", clip=clip or ["ckpt", 1], text="blurry"), **nodes}
        return self.picture(self.graph(nodes, model or ["ckpt", 0], positive, ["negative", 0]))

    def error(self, graph: dict[str, Any]) -> str:
        fate = failure(self.run(graph))
        assert fate is not None, "the graph was accepted"
        return fate[1]

    def counts(self) -> Counter[str]:
        """What was done since the last call."""
        lines = self._counts.read_text(encoding="utf-8").splitlines() if self._counts.exists() else []
        self._counts.write_text("", encoding="utf-8")
        return Counter(lines)


def node(class_type: str, **inputs: Any) -> dict[str, Any]:
    return {"class_type": class_type, "inputs": inputs}


def text_node(text: str, clip: Any = None) -> dict[str, Any]:
    return node("CLIPTextEncode", clip=clip or ["ckpt", 1], text=text)


def pixels(path: Path) -> str:
    return hashlib.sha256(Image.open(path).convert("RGB").tobytes()).hexdigest()


@pytest.fixture(scope="module")
def draw(
    _new_server: Callable[..., ComfyServer],
    tmp_path_factory: pytest.TempPathFactory,
    comfyui_folder: Path,
    demo_models: Path,
    post_prompt: Callable[..., str],
    wait_for_prompt: Callable[..., dict[str, Any]],
) -> Iterator[Drawing]:
    """A server with LoRAs and embeddings for the demo model, and with the counting nodes."""
    base = tmp_path_factory.mktemp("encode")
    shutil.copytree(Path(__file__).parent / "counting_nodes", base / "custom_nodes" / "counting_nodes")
    loras, embeddings = base / "models" / "loras", base / "models" / "embeddings"
    write_lora(loras / "style" / "Noise_v1.5.safetensors", trained_as="noisy thing")
    write_lora(loras / "noise_v1.safetensors", seed=1)
    for folder in ("a", "b"):
        write_lora(loras / folder / "twin.safetensors")
    source = demo_models / "checkpoints" / "sdgen-demo.safetensors", comfyui_folder / "comfy" / "sd1_tokenizer"
    write_embedding(embeddings / "tint.safetensors", word_vectors(*source, "red", "circle"))
    write_embedding(embeddings / "By bad artist -neg.safetensors", word_vectors(*source, "blue", "ring"))
    with _new_server(base, env={"SDGEN_COUNTS": str(base / "counts.txt")}) as server:
        yield Drawing(server, lambda graph: wait_for_prompt(server, post_prompt(server, graph), 120))


PROMPT = "a red circle on a white background"


# ---- LoRAs -----------------------------------------------------------------------------------------------------------


def test_a_lora_tag_does_what_cores_loader_does(draw: Drawing) -> None:
    plain = draw.core(["p", 0], {"p": text_node(PROMPT)})
    assert draw.ours(PROMPT) == plain
    assert draw.ours(f"{PROMPT} <lora:noise_v1.5:0>") == plain
    assert draw.ours(f"{PROMPT} <lora:noise_v1.5>", loras="leave out") == plain

    def loaded(model: float, clip: float) -> str:
        lora = node(
            "LoraLoader", model=["ckpt", 0], clip=["ckpt", 1], lora_name=str(Path("style", "Noise_v1.5.safetensors")),
            strength_model=model, strength_clip=clip,
        )  # fmt: skip
        nodes = {"lora": lora, "p": text_node(PROMPT, ["lora", 1])}
        return draw.core(["p", 0], nodes, model=["lora", 0], clip=["lora", 1])

    # by its name, by its folder and file, and by the name it was trained under; A1111's first number is the text encoder's
    full, weak = draw.ours(f"{PROMPT}<lora:noise_v1.5:1>"), draw.ours(f"<lora:noise_v1.5:0.5>{PROMPT}")
    assert full == loaded(1, 1) and weak == loaded(0.5, 0.5)
    both = draw.ours(f"{PROMPT} <lora:style/noise_v1.5.safetensors:0.2:0.9>")
    assert both == loaded(0.9, 0.2)
    assert draw.ours(f"{PROMPT} <lyco:Noisy Thing:te=1:unet=0>") == loaded(0, 1)
    assert len({plain, full, weak, both, loaded(0, 1)}) == 5


def test_loras_stack_in_their_order(draw: Drawing) -> None:
    stack = {}
    above = "ckpt"
    for name, strength in (("style/Noise_v1.5", 0.7), ("noise_v1", 0.4)):
        stack[name] = node(
            "LoraLoader", model=[above, 0], clip=[above, 1], lora_name=str(Path(f"{name}.safetensors")),
            strength_model=strength, strength_clip=strength,
        )  # fmt: skip
        above = name
    nodes = {**stack, "p": text_node(PROMPT, [above, 1])}
    assert draw.ours(f"{PROMPT}<lora:noise_v1.5:0.7><lora:noise_v1:0.4>") == draw.core(
        ["p", 0], nodes, model=[above, 0], clip=[above, 1]
    )


def test_clip_skip_is_cores_last_layer(draw: Drawing) -> None:
    lora = node(
        "LoraLoader",
        model=["ckpt", 0],
        clip=["ckpt", 1],
        lora_name="noise_v1.safetensors",
        strength_model=0.0,
        strength_clip=1.0,
    )
    layer = node("CLIPSetLastLayer", clip=["lora", 1], stop_at_clip_layer=-12)
    nodes = {"lora": lora, "layer": layer, "p": text_node(PROMPT, ["layer", 0])}
    skipped = draw.ours(f"{PROMPT}<lora:noise_v1:te=1:unet=0>", clip_skip=12)
    assert skipped == draw.core(["p", 0], nodes, model=["lora", 0], clip=["layer", 0])
    assert skipped != draw.ours(f"{PROMPT}<lora:noise_v1:te=1:unet=0>")


def test_a_lora_that_was_written_anew_is_read_anew(draw: Drawing) -> None:
    path = draw.models / "loras" / "changing.safetensors"
    write_lora(path, seed=5)
    first = draw.ours(f"{PROMPT} <lora:changing:1>")
    write_lora(path, seed=6)
    second = draw.ours(f"{PROMPT} <lora:changing:1>")
    write_lora(path, seed=5)
    assert first != second and draw.ours(f"{PROMPT} <lora:changing:1>") == first


# ---- text ------------------------------------------------------------------------------------------------------------


def test_break_is_conditioning_concat(draw: Drawing) -> None:
    nodes = {
        "p": text_node("a (red:1.3) circle"),
        "q": text_node("on a"),
        "r": text_node("white background"),
        "pq": node("ConditioningConcat", conditioning_to=["p", 0], conditioning_from=["q", 0]),
        "pqr": node("ConditioningConcat", conditioning_to=["pq", 0], conditioning_from=["r", 0]),
    }
    wanted = draw.core(["pqr", 0], nodes)
    assert draw.ours("a (red:1.3) circle BREAK on a BREAK white background") == wanted
    assert draw.ours("a (red:1.3) circle on a white background") != wanted


def test_brackets_are_weights(draw: Drawing) -> None:
    def core(text: str) -> str:
        return draw.core(["p", 0], {"p": text_node(text)})

    less = draw.ours("a [red] circle on a white background")
    assert less == core("a (red:0.9090909090909091) circle on a white background")
    assert less not in (core("a [red] circle on a white background"), core(PROMPT))
    # nested numbers multiply in A1111; core takes the inner one
    nested = "a ((red:1.5):1.5) circle on a white background"
    assert draw.ours(nested) == core("a (red:2.25) circle on a white background") != core(nested)
    assert draw.ours(r"a red \(circle\) on white") == core(r"a red \(circle\) on white")


def test_and_is_conditioning_combine(draw: Drawing) -> None:
    nodes = {"p": text_node("a red circle"), "q": text_node("a blue ring")}
    both = node("ConditioningCombine", conditioning_1=["p", 0], conditioning_2=["q", 0])
    assert draw.ours("a red circle AND a blue ring") == draw.core(["both", 0], {**nodes, "both": both})
    # a weight is the strength that core's regional nodes set: of what was left, 1.5 and 0.5 are three parts to one
    assert draw.ours("a red circle :1.5 AND a blue ring :0.5") == draw.ours("a red circle :3 AND a blue ring")
    assert draw.ours("a red circle :3 AND a blue ring") != draw.ours("a red circle AND a blue ring")
    assert draw.ours("a red circle AND a blue ring :0") == draw.core(["p", 0], {"p": text_node("a red circle")})


def test_names_of_embeddings_are_found(draw: Drawing) -> None:
    core = draw.core(["p", 0], {"p": text_node("a embedding:tint on a white background")})
    words = draw.core(["p", 0], {"p": text_node(PROMPT)})
    assert core == words  # the embedding is made of these two words
    assert draw.ours("a TINT on a white background") == words
    assert draw.ours("a embedding:tint on a white background") == words
    assert draw.ours("a tinted on a white background") != words
    ring = draw.ours("a blue ring on a white background")
    assert draw.ours("a by bad artist -neg on a white background") == ring
    weighted = draw.core(["p", 0], {"p": text_node("a (embedding:tint:1.4) on a white background")})
    assert draw.ours("a (tint:1.4) on a white background") == weighted != words


def test_an_embedding_that_was_written_anew_is_encoded_anew(draw: Drawing) -> None:
    import torch

    path = draw.models / "embeddings" / "moving.safetensors"
    made = []
    for seed in (1, 2, 1):
        torch.manual_seed(seed)
        write_embedding(path, torch.randn(2, WIDTH))
        made.append(draw.ours("a moving thing"))
    assert made[0] == made[2] != made[1]


def test_comfyui_reads_what_was_written_for_it(comfyui_folder: Path, tmp_path: Path) -> None:
    """Random prompts, written for ComfyUI and read by its own parser, have the texts and weights that A1111 gives them."""
    draws = random.Random(4)
    pieces = ["(", ")", "[", "]", ":", "\\", "\\(", "\\)", "a", " b ", ":1.2)", "((", ", ", "1.5", "é", "\n"]
    wanted, texts = [], []
    while len(texts) < 3000:
        try:
            prompt = parse_prompt_text("".join(draws.choices(pieces, k=draws.randint(1, 14))))
        except SDGenError:
            continue
        (part,) = prompt.parts
        for chunk in part.chunks:
            wanted.append([[run.text, run.weight] for run in chunk])
            texts.append(comfy_text(chunk))
    source, target = tmp_path / "texts.json", tmp_path / "read.json"
    source.write_text(json.dumps(texts), encoding="utf-8")
    reader = (
        "import json, sys; from pathlib import Path; source, target = sys.argv[1:]; sys.argv = ['', '--cpu']\n"
        "import comfy.options; comfy.options.enable_args_parsing()\n"
        "from comfy.sd1_clip import *\n"
        "texts = json.loads(Path(source).read_text(encoding='utf-8'))\n"
        "read = [[[unescape_important(t), w] for t, w in token_weights(escape_important(x), 1.0)] for x in texts]\n"
        "Path(target).write_text(json.dumps(read), encoding='utf-8')"
    )
    subprocess.run([sys.executable, "-c", reader, str(source), str(target)], cwd=comfyui_folder, check=True)
    for text, runs, read in zip(texts, wanted, json.loads(target.read_text(encoding="utf-8")), strict=True):
        # a space may stand between a backslash and a bracket, and neighbours of one weight are one
        assert [[t.rstrip(" \\"), w] for t, w in read] == [[t.rstrip(" \\"), w] for t, w in runs], text


# ---- errors ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "options", "words"),
    [
        ("a <lora:noise_v2:1>", {}, ["missing-lora", "1:3", "noise_v1"]),
        ("a <lora:twin:1>", {}, ["ambiguous-file", "a/twin", "b/twin"]),
        ("a embedding:tnt", {}, ["missing-embedding", "tint"]),
        ("a <lora:noise_v1:1>", {"model": None}, ["lora-without-model"]),
    ],
)
def test_what_cannot_be_encoded_says_why(draw: Drawing, text: str, options: dict[str, Any], words: list[str]) -> None:
    inputs = {"clip": ["ckpt", 1], "model": ["ckpt", 0], "text": text, **options}
    nodes = {"e": node("SDGenEncodePrompt", **{name: value for name, value in inputs.items() if value is not None})}
    told = draw.error(draw.graph(nodes, ["ckpt", 0], ["e", 2], ["e", 2])).replace("\\", "/")
    assert all(word in told for word in words), told


def test_what_is_wrong_with_the_text_alone_is_said_before_anything_is_loaded(draw: Drawing) -> None:
    nodes = {"e": node("SDGenEncodePrompt", clip=["ckpt", 1], text="a\n[cow|horse]")}
    with pytest.raises(SDGenError) as caught:
        draw.run(draw.graph(nodes, ["ckpt", 0], ["e", 2], ["e", 2]))
    for words in ("prompt:2:1", "[cow|horse]", "comfyui-prompt-control", "prompt-scheduling"):
        assert words in str(caught.value)


def test_a_missing_file_may_be_passed_over(draw: Drawing) -> None:
    plain = draw.ours(PROMPT)
    assert draw.ours(f"{PROMPT} <lora:nobody has it:1>", missing="warn") == plain
    assert "there is no LoRA 'nobody has it'" in draw.server.log_tail(30)
    assert draw.ours(f"{PROMPT} <lora:nor this:1>", missing="ignore") == plain
    assert "nor this" not in draw.server.log_tail(30)


def test_the_model_is_only_missed_where_it_is_used(draw: Drawing) -> None:
    nodes = {"e": node("SDGenEncodePrompt", clip=["ckpt", 1], text=PROMPT)}
    draw.picture(draw.graph(nodes, ["ckpt", 0], ["e", 2], ["e", 2]))
    assert not draw.run(draw.graph(nodes, ["e", 0], ["e", 2], ["e", 2]))["outputs"]


# ---- sessions --------------------------------------------------------------------------------------------------------

TEMPLATE = """
type: prompt
name: NAME
version: '2.0'
prompt: "a {Colour} circle<lora:NAME:0.5> BREAK white background"
negative_prompt: "blurry, [ugly]"
imports: {Colour: [red, green, blue, yellow, purple, orange]}
generation: {mode: combinatorial, seed: 1000, seed_mode: progressive, max_images: -1}
"""


def session(draw: Drawing, name: str) -> dict[str, Any]:
    """The result of a session of six images, whose prompts differ in one chunk, with a LoRA of its own."""
    write_lora(draw.models / "loras" / f"{name}.safetensors")
    graph = {
        "t": node(
            "SDGenTemplate", file="(the text below)", text=TEMPLATE.replace("NAME", name), theme="", style="", mode="as written", limit=0
        ),
        "plan": node(
            "SDGenSessionPlan", template=["t", 0], name=name, on_existing="resume", count=0, width=64, height=64, steps=2, cfg=2.0,
            sampler_name="euler", scheduler="sgm_uniform", denoise=1.0, item="",
        ),
        "ckpt": node("CheckpointLoaderSimple", ckpt_name="sdgen-demo.safetensors"),
        "e": node("SDGenEncodePrompt", clip=["ckpt", 1], model=["ckpt", 0], text=["plan", 0]),
        "n": node("SDGenEncodePrompt", clip=["e", 1], text=["plan", 1]),
        "latent": node("EmptyLatentImage", width=["plan", 3], height=["plan", 4], batch_size=1),
        "k": node(
            "KSampler", seed=["plan", 2], steps=["plan", 5], cfg=["plan", 6], sampler_name=["plan", 7], scheduler=["plan", 8],
            denoise=["plan", 9], model=["e", 0], positive=["e", 2], negative=["n", 2], latent_image=["latent", 0],
        ),
        "i": node("VAEDecode", samples=["k", 0], vae=["ckpt", 2]),
        "save": node("SDGenSessionSave", images=["i", 0], file_name=["plan", 10], item=""),
    }  # fmt: skip
    entry = draw.run(graph)
    assert entry["status"]["status_str"] == "success", failure(entry)
    status: dict[str, Any] = entry["outputs"]["plan"]["sdgen"][0]
    return status


def finished(draw: Drawing, status: dict[str, Any], wait_until: Callable[..., Any]) -> list[Path]:
    def ended() -> Any:
        now = draw.server.client.get(f"/sdgen/sessions/{status['id']}")
        return now if now["state"] not in ("planned", "running") else None

    now = wait_until(ended, "the session to end", 120)
    assert (now["state"], now["done"]) == ("completed", 6), now
    return sorted(Path(now["folder"]).glob("*.png"))


def test_a_session_encodes_and_patches_each_thing_once(draw: Drawing, wait_until: Callable[..., Any]) -> None:
    draw.counts()
    finished(draw, session(draw, "once"), wait_until)
    counts = draw.counts()
    assert counts["read once.safetensors"] == 1
    assert counts["patch"] == 2  # the model and the text encoder
    encoded = {line.removeprefix("encode "): n for line, n in counts.items() if line.startswith("encode ")}
    colours = ("red", "green", "blue", "yellow", "purple", "orange")
    negative = "blurry, (ugly:0.9090909090909091)"
    assert encoded == {**{f"a {c} circle": 1 for c in colours}, "white background": 1, negative: 1}
    # a weight is set when its model is loaded, and once more with the LoRA; not again for every image
    weights = [n for line, n in counts.items() if line.startswith("weight ")]
    assert weights and max(weights) <= 2, counts


def test_an_image_of_a_session_is_made_again_from_its_file(draw: Drawing, wait_until: Callable[..., Any]) -> None:
    picture = finished(draw, session(draw, "again"), wait_until)[2]
    chunks = read_png_chunks(picture)
    prompt = json.loads(chunks["prompt"])
    assert prompt["e"]["class_type"] == prompt["n"]["class_type"] == "SDGenEncodePrompt"
    written = "a blue circle<lora:again:0.5> BREAK white background"
    assert prompt["e"]["inputs"]["text"] == parse_parameters_text(chunks["parameters"])["prompt"] == written
    assert draw.picture(prompt) == pixels(picture)
