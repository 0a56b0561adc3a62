"""ComfyUI's ``prompt`` chunk: what made the image, traced backwards through the graph from the node that saves it.

From the save node along the pixels (through decoders, scalers, composites) to a sampler, and from there on to the sampler that no
other is before: of several passes the first draws the image, later ones refine it and may have models and prompts of their own.
Its inputs lead to prompt, model, LoRAs, seed and size. Nodes of unknown packs are followed by the names of their inputs; what cannot
be known is None. Input names from ComfyUI's ``nodes.py`` and ``comfy_extras/nodes_custom_sampler.py``.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from .canvas import canvas_graph
from .conditioning import PromptTrace
from .facts import ImageFacts, as_int, as_pixels, as_steps, as_text, file_title, guided, json_map
from .graph import Graph, Node
from .models import trace_model

_SAVES = re.compile(r"save|output", re.IGNORECASE)
_PREVIEWS = re.compile(r"preview|display|show", re.IGNORECASE)
_PICTURES = ("images", "image", "samples", "pixels")
#: Inputs that carry no pixels, by the beginning of their name.
_NO_PIXELS = re.compile(
    r"model|clip|vae|positive|negative|cond|control_net|guider|sampler|sigmas|noise|mask|style|upscale_model|lora|seed|steps|cfg|"
    r"width|height|text|prompt|scheduler|denoise|string|filename|file_name|file_prefix|switch|select",
    re.IGNORECASE,
)
_PASSES = 50
_LATENTS = ("latent_image", "samples", "latent", "latents", "pixels", "image", "images")
_SIZES = (("width", "height"), ("empty_latent_width", "empty_latent_height"))
#: Nodes whose picture has another size than what they get.
_RESIZES = re.compile(r"scale|pad|crop|rotate|resize|load", re.IGNORECASE)
_GUIDED = ("positive", "conditioning", "cond1", "guider", "pipe", "basic_pipe", "latent_image")

#: Nodes that are a sampler or a schedule themselves, without a name to choose.
_SAMPLER_NODES: Mapping[str, str] = {
    "SamplerDPMPP_3M_SDE": "dpmpp_3m_sde",
    "SamplerDPMPP_2M_SDE": "dpmpp_2m_sde",
    "SamplerDPMPP_SDE": "dpmpp_sde",
    "SamplerDPMPP_2S_Ancestral": "dpmpp_2s_ancestral",
    "SamplerEulerAncestral": "euler_ancestral",
    "SamplerEulerAncestralCFGPP": "euler_ancestral_cfg_pp",
    "SamplerLMS": "lms",
    "SamplerDPMAdaptative": "dpm_adaptive",
    "SamplerER_SDE": "er_sde",
    "SamplerSASolver": "sa_solver",
}
_SCHEDULER_NODES: Mapping[str, str] = {
    "KarrasScheduler": "karras",
    "ExponentialScheduler": "exponential",
    "PolyexponentialScheduler": "exponential",
    "BetaSamplingScheduler": "beta",
    "SDTurboScheduler": "normal",
}


def parse_comfyui(chunks: Mapping[str, str]) -> ImageFacts | None:
    """The facts of ComfyUI's graph: the ``prompt`` chunk, or without one what can be read off the canvas in ``workflow``. None when
    there is no graph, or nothing in it that makes an image.
    """
    return trace(read_graph(chunks))


def read_graph(chunks: Mapping[str, str]) -> Graph:
    """The graph of the ``prompt`` chunk, else of the ``workflow`` chunk; empty when there is neither."""
    data = json_map(chunks.get("prompt"))
    return Graph.read(data) if data else canvas_graph(json_map(chunks.get("workflow")))


def trace(graph: Graph) -> ImageFacts | None:
    """The facts of a graph. None when there is nothing in it that makes an image."""
    node, vae = _first_pass(graph)
    if node is None:
        return None
    inputs = node.inputs
    guider = _behind(graph, node, "guider")
    schedule = graph.find(inputs.get("sigmas"), ("sigmas",), "scheduler", "steps") or node
    chooser = _behind(graph, node, "sampler")

    positive = PromptTrace(graph, "positive")
    negative = PromptTrace(graph, "negative")
    pipe = next((inputs[name] for name in ("pipe", "basic_pipe", "context", "base_ctx") if name in inputs), None)
    prompt = positive.text(_first(guider, "positive", "conditioning", "cond1", "prompt", "text", otherwise=pipe))
    negative_prompt = negative.text(_first(guider, "negative", "neg_conditioning", "negative_prompt", otherwise=pipe))
    model, loras = trace_model(graph, _first(guider, "model", otherwise=pipe))
    if model is None:
        model = file_title(graph.text(_first(node, "ckpt_name", "unet_name")))
    width, height = _size(graph, node)
    cfg = graph.number(guider, "cfg", "cfg_conds", "cfg_scale")
    return ImageFacts(
        source="comfyui",
        prompt=prompt,
        negative=negative_prompt,
        seed=_seed(graph, _behind(graph, node, "noise")),
        steps=as_steps(graph.number(schedule, "steps")),
        sampler=as_text(graph.value(chooser.inputs.get("sampler_name"), "sampler_name"))
        or _SAMPLER_NODES.get(chooser.kind),
        scheduler=as_text(graph.value(schedule.inputs.get("scheduler"), "scheduler"))
        or _SCHEDULER_NODES.get(schedule.kind),
        cfg=guided(cfg, positive.guidance),
        denoise=_denoise(graph, schedule),
        width=width,
        height=height,
        model=model,
        vae=vae,
        loras=loras,
        clip_skip=_clip_skip(graph, positive.encoder),
    )


# --- the way to the first pass ----------------------------------------------------------------------------------------


def _save_nodes(graph: Graph) -> list[str]:
    """The nodes that the image may come from, the likeliest first: savers, previews, others that take pictures and give them to
    nobody."""
    read = {
        str(v[0]) for node in graph.nodes.values() for v in node.inputs.values() if isinstance(v, list) and len(v) == 2
    }
    ends = [
        (0 if _SAVES.search(node.kind) else 1 if _PREVIEWS.search(node.kind) else 2, node_id)
        for node_id, node in graph.nodes.items()
        if node_id not in read and (any(graph.link(node.inputs.get(name)) for name in _PICTURES) or _is_sampler(node))
    ]
    return [node_id for _, node_id in sorted(ends, key=lambda end: end[0])]


def _first_pass(graph: Graph) -> tuple[Node | None, str | None]:
    """(the sampler that draws the saved picture first, the VAE file that decodes it). Without a sampler, the nearest node that makes
    pictures by itself."""
    ends = _save_nodes(graph)
    for wanted in (_is_sampler, _is_maker):
        seen: set[str] = set()  # of all ends together: what leads nowhere from one does not from another
        for end in ends:
            found = _nearest(graph, end, seen, wanted)
            if found is not None:
                return graph.nodes[_sampler_before(graph, found)], _decoder_vae(graph, end)
    return None, None


def _sampler_before(graph: Graph, sampler: str) -> str:
    """The sampler that no other is before."""
    passed: list[str] = []
    found: str | None = sampler
    while found is not None and found not in passed and len(passed) < _PASSES:
        passed.append(found)
        found = _nearest(graph, found, set(passed), _is_sampler)
    return passed[-1]


def _nearest(graph: Graph, start: str, seen: set[str], wanted: Callable[[Node], bool]) -> str | None:
    """The nearest node before ``start``, or else itself, that is wanted, along the pixels and latents."""
    own = start not in seen and wanted(graph.nodes[start])
    seen.add(start)
    todo = deque([start])
    while todo:
        node_id = todo.popleft()
        node = graph.nodes[node_id]
        if node_id != start and wanted(node):
            return node_id
        chosen = graph.chosen(node)
        for name, value in node.inputs.items() if chosen is None else (("", chosen),):
            link = None if _NO_PIXELS.match(name) else graph.link(value)
            if link is not None and link.id not in seen:
                seen.add(link.id)
                todo.append(link.id)
    return start if own else None


def _decoder_vae(graph: Graph, start: str) -> str | None:
    """The VAE file that the saved picture is decoded with; None when it came with the model."""
    decoder = _nearest(graph, start, set(), lambda node: "vae" in node.inputs and "samples" in node.inputs)
    if decoder is None:
        return None
    vae = graph.nodes[decoder].inputs["vae"]
    loader = graph.find(vae, ("vae", "optional_vae", "pipe"), "vae_name", "ckpt_name")
    name = graph.text(loader.inputs.get("vae_name")) if loader else None
    return None if name == "Baked VAE" else file_title(name)


def _is_maker(node: Node) -> bool:
    inputs = node.inputs
    return ("seed" in inputs or "noise_seed" in inputs) and any(
        name in inputs for name in ("prompt", "positive", "text")
    )


def _is_sampler(node: Node) -> bool:
    inputs = node.inputs
    works = "sampler_name" in inputs or "sigmas" in inputs or "steps" in inputs
    return works and any(name in inputs for name in _GUIDED)


# --- what the sampler says --------------------------------------------------------------------------------------------


def _behind(graph: Graph, node: Node, name: str) -> Node:
    """The node linked to an input, the node itself when there is none."""
    link = graph.link(node.inputs.get(name))
    return link.node if link else node


def _first(node: Node, *names: str, otherwise: object = None) -> Any:
    return next((node.inputs[name] for name in names if name in node.inputs), otherwise)


def _seed(graph: Graph, node: Node) -> int | None:
    """Seeds have up to 64 bits, which a float has not: never through :meth:`Graph.number`."""
    for name in ("seed", "noise_seed"):
        if name in node.inputs:
            return as_int(graph.value(node.inputs[name], "seed", "noise_seed"))
    return None


def _denoise(graph: Graph, schedule: Node) -> float | None:
    """The share of the noise that is drawn anew; KSamplerAdvanced says it as the step at which it begins."""
    denoise = graph.number(schedule, "denoise")
    if denoise is None:
        steps, begin = graph.number(schedule, "steps"), graph.number(schedule, "start_at_step")
        if steps and begin is not None and 0 <= begin <= steps:
            denoise = round(1 - begin / steps, 4)
    return denoise


def _size(graph: Graph, sampler: Node) -> tuple[int | None, int | None]:
    """Width and height of the picture that the sampler begins with, where a node says them."""
    node: Node | None = sampler
    for _ in range(50):
        assert node is not None
        for names in _SIZES:
            width, height = (as_pixels(graph.number(node, name)) for name in names)
            if width and height:
                return width, height
        if _RESIZES.search(node.kind):
            break
        link = graph.link(graph.chosen(node) or next((node.inputs[n] for n in _LATENTS if n in node.inputs), None))
        if link is None:
            break
        node = link.node
    return None, None


def _clip_skip(graph: Graph, encoder: Node | None) -> int | None:
    """A1111's clip skip, 1 for the last layer; ComfyUI counts from the end with a minus. The encoder itself, or what its CLIP went
    through, says it; 0 leaves it to what comes before."""
    node = encoder
    while node is not None:
        layer = graph.number(node, "stop_at_clip_layer", "clip_skip")
        if layer:
            return as_int(abs(layer), 1, 1000)
        node = graph.find(node.inputs.get("clip"), ("clip", "pipe"), "stop_at_clip_layer", "clip_skip")
    return None
