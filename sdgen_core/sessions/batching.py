"""Several items in one prompt: which graphs can make them together, which items go together, and what their common prompt is.

The compiled graph is rewritten once. What takes an item's prompt or seed (core's CLIP Text Encode, its samplers, SDGen Encode Prompt)
becomes an internal node of ours that takes the prompts or seeds of all items and gives one batch; everything else stays as it is, with
its node id. The result is a compiled graph again, whose literals are JSON lists: a list proper would look like a link to ComfyUI.

Each image must come out as in a prompt of its own. So every node that the batch runs through has to be known to treat it image by
image, every sampler on its way gets a seed for each image, and samplers that draw noise while they run are left alone (see
``samplers.DETERMINISTIC``), unless the user says that images may differ. What only shows at run time (token lengths, the number of
images) is checked by the internal nodes and the save node; the items of a batch that fails are then made one by one.
"""

from __future__ import annotations

import json
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..errors import SDGenError
from .compile import SAVER, SCORE_IMAGE, CompiledGraph, Prompt, is_link
from .prompt_text import parse_prompt_text
from .samplers import DETERMINISTIC

#: The planner's outputs that may differ between the items of a batch.
_OWN = frozenset({"positive", "negative", "seed", "file_name"})

_TEXTS = frozenset({"positive", "negative"})
_SEEDS = frozenset({"seed"})

#: Nodes that become a node for many items: class → (class of that node, input that differs, its name there).
_BECOMES: Mapping[str, tuple[str, str, str]] = {
    "CLIPTextEncode": ("SDGenBatchEncode", "text", "texts"),
    "SDGenEncodePrompt": ("SDGenBatchEncodePrompt", "text", "texts"),
    "KSampler": ("SDGenBatchSampler", "seed", "seeds"),
    "KSamplerAdvanced": ("SDGenBatchSampler", "noise_seed", "seeds"),
    "RandomNoise": ("SDGenBatchNoise", "noise_seed", "seeds"),
}
_ENCODERS = frozenset({"CLIPTextEncode", "SDGenEncodePrompt"})
_SAMPLERS = frozenset({"KSampler", "KSamplerAdvanced"})
_CUSTOM_SAMPLER = "SamplerCustomAdvanced"

#: Core nodes that treat a batch image by image. Of a node with several images the output has as many as those of the input named.
_IMAGE_BY_IMAGE: Mapping[str, str | None] = {
    **dict.fromkeys(
        (
            "ConditioningCombine", "ConditioningSetArea", "ConditioningSetAreaPercentage", "ConditioningSetAreaStrength",
            "ConditioningSetMask", "ConditioningSetTimestepRange", "ConditioningZeroOut", "ControlNetApply", "ControlNetApplyAdvanced",
            "ControlNetApplySD3", "FluxGuidance", "InpaintModelConditioning", "BasicGuider", "CFGGuider",
            "LatentUpscale", "LatentUpscaleBy", "LatentFlip", "LatentRotate", "LatentCrop",
            "VAEDecode", "VAEDecodeTiled", "VAEEncode", "VAEEncodeTiled",
            "ImageScale", "ImageScaleBy", "ImageScaleToTotalPixels", "ImageUpscaleWithModel", "ImageInvert", "ImageBlur", "ImageSharpen",
            "ImageQuantize", "ImageCrop", "ImagePadForOutpaint", "ImageToMask", "MaskToImage", "PreviewImage", SAVER, SCORE_IMAGE,
        )
    ),
    "SetLatentNoiseMask": "samples", "LatentComposite": "samples_to", "LatentCompositeMasked": "destination", "LatentBlend": "samples1",
    "VAEEncodeForInpaint": "pixels", "ImageBlend": "image1", "ImageCompositeMasked": "destination",
}  # fmt: skip

#: Outputs that depend on some of their node's inputs only.
_OUTPUT_OF: Mapping[tuple[str, int], tuple[str, ...]] = {("InpaintModelConditioning", 2): ("pixels", "mask")}
#: Of SDGen Encode Prompt the conditioning differs; its model and text encoder are one for all items of the same LoRA tags.
_CONDITIONING = 2


@dataclass(frozen=True)
class BatchGraph:
    """A graph that makes several items at once. ``graph`` takes as literals JSON lists of what differs, and plain values of the rest.
    ``samplers`` are the samplers it uses, as written or as the planner's output, those of custom sampling in ``custom``; ``tagged`` the
    prompts whose LoRA tags must be equal; ``fixed`` the seeds written in the graph.
    """

    graph: CompiledGraph
    samplers: frozenset[str]
    custom: frozenset[str]
    tagged: frozenset[str]
    fixed: frozenset[int]
    anyway: bool = False

    def stochastic(self, literals: Mapping[str, Any]) -> list[str]:
        """The samplers of an item with these literals that do not give the same image in a batch as alone."""
        names = {_sampler(name, literals) for name in self.samplers} - DETERMINISTIC
        return sorted(names | ({_sampler(name, literals) for name in self.custom} - (DETERMINISTIC - {"ddim"})))

    def key(self, literals: Mapping[str, Any]) -> Hashable | None:
        """Items with equal keys can be made together; None is for one that has to be made alone."""
        if not self.anyway and self.stochastic(literals):
            return None
        try:
            texts = [parse_prompt_text(literals[output]) for output in sorted(self.tagged)]
        except SDGenError:
            return None  # it fails by itself, not with its neighbours
        tags = [tuple((tag.name, tag.model, tag.text_encoder) for tag in text.loras) for text in texts]
        weights = [tuple(part.weight for part in text.parts) for text in texts]
        shared = [(output, literals[output]) for output in sorted(self.graph.outputs & literals.keys() - _OWN)]
        return tuple(tags), tuple(weights), tuple(shared), tuple(self.graph.filled(literals))

    def prompt(self, items: Sequence[Mapping[str, Any]], token: str) -> Prompt:
        """The API prompt of several items with equal keys. ``items`` are their literals, ``token`` names them to the save node."""
        lists = {output: json.dumps([item[output] for item in items]) for output in _TEXTS | _SEEDS}
        fixed = {_fixed(seed): json.dumps([seed] * len(items)) for seed in self.fixed}
        return self.graph.child({**items[0], **lists, **fixed}, token)


def _fixed(seed: int) -> str:
    """The name under which the rewritten graph reads a seed that stands in the user's graph."""
    return f"seed {seed}"


def _sampler(name: str, literals: Mapping[str, Any]) -> str:
    return str(literals[name.removeprefix("=")]) if name.startswith("=") else name


def batch_graph(graph: CompiledGraph, *, anyway: bool = False) -> BatchGraph:
    """Rewrite ``graph`` for batches. With ``anyway`` unknown nodes and all samplers are taken too, though images may then differ from
    those made alone.

    Raises ``not-batchable`` with the node that is in the way.
    """
    return _Rewriting(graph, anyway).result()


class _Rewriting:
    def __init__(self, graph: CompiledGraph, anyway: bool) -> None:
        self._graph = graph
        self._nodes = graph.nodes
        self._anyway = anyway
        #: What the planner gives to each input.
        self._given = {(node, name): output for node, name, output in graph.slots}
        self._known: dict[tuple[str, int], bool] = {}

    def result(self) -> BatchGraph:
        for (node_id, name), output in self._given.items():
            if output in _OWN and not self._takes_own(node_id, name, output):
                raise self._refusal(node_id, f"takes the planner's {output} in {name!r}")
        rewritten = {node_id: self._rewritten(node_id) for node_id in self._nodes if self._differs(node_id)}
        if not self._is_batch(self._nodes[self._graph.saver]["inputs"].get("images")):
            raise self._refusal(self._graph.saver, "gets the same image for every item")
        slots = [(node_id, name, output) for node_id, name, output in self._graph.slots if node_id not in rewritten]
        fixed: set[int] = set()
        nodes = dict(self._nodes)
        for node_id, (node, own) in rewritten.items():
            nodes[node_id] = node
            before, after = own or ("", "")
            seed = self._nodes[node_id]["inputs"].get(before)
            if isinstance(seed, int):
                fixed.add(seed)
                slots.append((node_id, after, _fixed(seed)))
            for (slot_node, name), output in self._given.items():
                if slot_node == node_id:
                    slots.append((node_id, after if name == before else name, output))
        custom = [n for n in rewritten if self._class(n) == _CUSTOM_SAMPLER]
        return BatchGraph(
            replace(self._graph, nodes=nodes, slots=tuple(sorted(slots))),
            frozenset(self._sampler_name(n) for n in rewritten if self._class(n) in _SAMPLERS),
            frozenset(self._custom_sampler_name(n) for n in custom),
            frozenset(o for (n, i), o in self._given.items() if i == "text" and self._class(n) == "SDGenEncodePrompt"),
            frozenset(fixed),
            self._anyway,
        )

    def _rewritten(self, node_id: str) -> tuple[dict[str, Any], tuple[str, str] | None]:
        """A node that the batch comes from or runs through as it is in batches, and (old, new) name of what differs, if it becomes
        another one."""
        node, inputs = self._nodes[node_id], self._nodes[node_id]["inputs"]
        class_type = node["class_type"]
        if class_type == _CUSTOM_SAMPLER:
            self._check_custom(node_id)
        if class_type not in _BECOMES or (class_type in _ENCODERS and not self._is_source(node_id)):
            self._check(node_id)
            return node, None
        becomes, before, after = _BECOMES[class_type]
        if (node_id, before) not in self._given and not isinstance(inputs.get(before), int):
            raise self._refusal(node_id, f"does not have its {before} from the planner or written in it")
        new = {name: value for name, value in inputs.items() if name != before}
        if class_type in _ENCODERS:
            new["same_length"] = self._reaches_custom_sampler(node_id)
        elif class_type in _SAMPLERS:
            new["of_batch"] = self._is_batch(inputs.get("latent_image"))
        else:
            new["of_batch"] = self._noise_for_batch(node_id)
        return {**node, "class_type": becomes, "inputs": new}, (before, after)

    # ---- where the batch runs ----------------------------------------------------------------------------------------------

    def _takes_own(self, node_id: str, name: str, output: str) -> bool:
        class_type = self._class(node_id)
        if class_type == SAVER:
            return (name, output) == ("file_name", "file_name")
        known = _TEXTS if class_type in _ENCODERS else _SEEDS
        return class_type in _BECOMES and name == _BECOMES[class_type][1] and output in known

    def _is_source(self, node_id: str) -> bool:
        """Whether items differ from this node on. All noise is drawn for each image, whether or not its seed differs."""
        if self._class(node_id) == "RandomNoise":
            return True
        return any(node == node_id and output in _TEXTS | _SEEDS for (node, _), output in self._given.items())

    def _differs(self, node_id: str) -> bool:
        inputs = self._nodes[node_id]["inputs"]
        return self._is_source(node_id) or any(self._is_batch(value) for value in inputs.values())

    def _is_batch(self, link: object) -> bool:
        """Whether a link brings something of every item."""
        if not isinstance(link, list) or not is_link(link) or link[0] not in self._nodes:
            return False
        at = (link[0], int(link[1]))
        if at not in self._known:
            self._known[at] = False  # a graph that runs in a circle ends here; ComfyUI refuses it
            self._known[at] = self._output_differs(*at)
        return self._known[at]

    def _output_differs(self, node_id: str, slot: int) -> bool:
        class_type, inputs = self._class(node_id), self._nodes[node_id]["inputs"]
        names = _OUTPUT_OF.get((class_type, slot))
        if names is not None:
            return any(self._is_batch(inputs.get(name)) for name in names)
        if class_type == "SDGenEncodePrompt" and slot != _CONDITIONING:
            return False
        return self._differs(node_id)

    # ---- what is in the way ------------------------------------------------------------------------------------------------

    def _check(self, node_id: str) -> None:
        """A node that stays as it is, on the batch's way."""
        class_type = self._class(node_id)
        if class_type == _CUSTOM_SAMPLER or (self._anyway and class_type not in _IMAGE_BY_IMAGE):
            return
        if class_type not in _IMAGE_BY_IMAGE:
            raise self._refusal(node_id, "is not known to give in a batch what it gives alone")
        leading = _IMAGE_BY_IMAGE[class_type]
        if leading and not self._is_batch(self._nodes[node_id]["inputs"].get(leading)):
            raise self._refusal(node_id, f"takes one image for all items as its {leading}")

    def _check_custom(self, node_id: str) -> None:
        inputs = self._nodes[node_id]["inputs"]
        if self._linked(inputs.get("noise")) != "RandomNoise":
            raise self._refusal(node_id, "does not have its noise from a RandomNoise node")
        self._custom_sampler_name(node_id)

    def _sampler_name(self, node_id: str) -> str:
        """The sampler of a node: its name, or ``=`` and the planner's output that gives it; an unknown one is ``?``."""
        if (node_id, "sampler_name") in self._given:
            return "=" + self._given[node_id, "sampler_name"]
        name = self._nodes[node_id]["inputs"].get("sampler_name")
        return name if isinstance(name, str) else "?"

    def _custom_sampler_name(self, node_id: str) -> str:
        link = self._nodes[node_id]["inputs"].get("sampler")
        return self._sampler_name(link[0]) if self._linked(link) == "KSamplerSelect" else "?"

    def _noise_for_batch(self, node_id: str) -> bool:
        """Whether the samplers of a noise node get a latent of every item. Raises when they do not agree."""
        found = {
            self._is_batch(node["inputs"].get("latent_image"))
            for node in self._nodes.values()
            if node["class_type"] == _CUSTOM_SAMPLER and node["inputs"].get("noise", [None])[0] == node_id
        }
        if len(found) > 1:
            raise self._refusal(node_id, "is for latents of one and of many items")
        return True in found

    def _reaches_custom_sampler(self, node_id: str) -> bool:
        """Whether a text goes where nobody looks at the lengths of the joined encodings."""
        todo, seen = [node_id], {node_id}
        while todo:
            source = todo.pop()
            if self._class(source) == _CUSTOM_SAMPLER:
                return True
            for other, node in self._nodes.items():
                if other not in seen and any(is_link(v) and v[0] == source for v in node["inputs"].values()):
                    seen.add(other)
                    todo.append(other)
        return False

    def _linked(self, link: object) -> str:
        """The class of the node that a link comes from."""
        return self._class(link[0]) if isinstance(link, list) and is_link(link) and link[0] in self._nodes else ""

    def _class(self, node_id: str) -> str:
        return str(self._nodes[node_id]["class_type"])

    def _refusal(self, node_id: str, why: str) -> SDGenError:
        return SDGenError("not-batchable", f"node {node_id} ({self._class(node_id)}) {why}")
