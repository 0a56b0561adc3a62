"""The tensors of a LoRA file by the module they change, in every form that ComfyUI reads.

The endings are those of ComfyUI's weight adapters (comfy/weight_adapter/*.py, comfy/lora.py): what stands before one names the module.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from ...sessions.safetensors_file import Entry

#: Ending → (what it is, its part). Longer endings first: ``.lora_B.weight`` ends like ``.weight``.
_ENDINGS: dict[str, tuple[str, str]] = {
    ".lora_up.weight": ("lora", "up"), ".lora_down.weight": ("lora", "down"), ".lora_mid.weight": ("lora", "mid"),
    "_lora.up.weight": ("lora", "up"), "_lora.down.weight": ("lora", "down"),
    ".lora_B.weight": ("lora", "up"), ".lora_A.weight": ("lora", "down"),
    ".lora.up.weight": ("lora", "up"), ".lora.down.weight": ("lora", "down"),
    ".lora_B.default.weight": ("lora", "up"), ".lora_A.default.weight": ("lora", "down"),
    ".lora_linear_layer.up.weight": ("lora", "up"), ".lora_linear_layer.down.weight": ("lora", "down"),
    ".lora_B": ("lora", "up"), ".lora_A": ("lora", "down"), ".lora_B.bias": ("diff", "diff_b"),
    ".hada_w1_a": ("loha", "w1_a"), ".hada_w1_b": ("loha", "w1_b"), ".hada_w2_a": ("loha", "w2_a"),
    ".hada_w2_b": ("loha", "w2_b"), ".hada_t1": ("loha", "t1"), ".hada_t2": ("loha", "t2"),
    ".lokr_w1": ("lokr", "w1"), ".lokr_w2": ("lokr", "w2"), ".lokr_w1_a": ("lokr", "w1_a"), ".lokr_w1_b": ("lokr", "w1_b"),
    ".lokr_w2_a": ("lokr", "w2_a"), ".lokr_w2_b": ("lokr", "w2_b"), ".lokr_t2": ("lokr", "t2"),
    ".a1.weight": ("glora", "a1"), ".a2.weight": ("glora", "a2"), ".b1.weight": ("glora", "b1"), ".b2.weight": ("glora", "b2"),
    ".oft_blocks": ("oft", "blocks"), ".oft_diag": ("oft", "blocks"), ".rescale": ("oft", "rescale"),
    ".diff": ("diff", "diff"), ".diff_b": ("diff", "diff_b"), ".w_norm": ("diff", "w_norm"), ".b_norm": ("diff", "b_norm"),
    ".set_weight": ("set", "set_weight"),
    ".alpha": ("", "alpha"), ".dora_scale": ("dora", "dora_scale"), ".reshape_weight": ("reshape", "reshape_weight"),
}  # fmt: skip
_LONGEST_FIRST = sorted(_ENDINGS, key=len, reverse=True)

#: Beginnings of module names → who writes them so.
_FORMS = {
    "lora_unet_": "kohya", "lora_te": "kohya", "diffusion_model.": "ComfyUI", "text_encoders.": "ComfyUI", "unet.": "diffusers",
    "text_encoder": "diffusers", "transformer.": "diffusers", "base_model.model.": "diffusers", "lycoris_": "LyCORIS",
    "lora_transformer_": "OneTrainer", "lora_prior_": "OneTrainer",
}  # fmt: skip
#: Kinds in the order in which one is called by another's name: a DoRA is a LoRA with a scale.
_KINDS = ("dora", "reshape", "loha", "lokr", "glora", "oft", "lora", "set", "diff")


@dataclass
class Module:
    """What a file has for one module. ``parts``: role → the tensor's name in the file (``up``, ``down``, ``alpha``, …)."""

    name: str
    parts: dict[str, str] = field(default_factory=dict)
    kinds: set[str] = field(default_factory=set)

    @property
    def kind(self) -> str:
        """``lora``, ``dora``, ``loha``, ``lokr``, ``glora``, ``oft``, ``diff`` (full differences), ``set``, ``reshape``; empty when
        there is but an alpha."""
        return next((kind for kind in _KINDS if kind in self.kinds), "")

    @property
    def text_encoder(self) -> bool:
        """Whether it is of a text encoder."""
        return self.name.startswith(("lora_te", "text_encoder", "text_encoders.", "lora_prior_te", "lycoris_te"))

    def rank(self, tensors: Mapping[str, Entry]) -> int | None:
        """Its rank, from the shapes; None for full differences and other kinds without one."""
        for role, axis in (("down", 0), ("w1_b", 0), ("w2_b", 0), ("a2", 0)):
            shape = tensors[self.parts[role]].shape if role in self.parts else ()
            if shape:
                return shape[axis]
        return None


def split(name: str) -> tuple[str, str, str]:
    """(module, kind, role) of a tensor's name; an unknown one is (name, "", "")."""
    for ending in _LONGEST_FIRST:
        if name.endswith(ending) and len(name) > len(ending):
            return name.removesuffix(ending), *_ENDINGS[ending]
    return name, "", ""


def modules_of(names: Iterable[str]) -> tuple[dict[str, Module], list[str]]:
    """(modules by name, tensors that are of no known form), both in the file's order."""
    found: dict[str, Module] = {}
    unknown: list[str] = []
    for name in names:
        module, kind, role = split(name)
        if not role:
            unknown.append(name)
            continue
        one = found.setdefault(module, Module(module))
        one.parts[role] = name
        if kind:
            one.kinds.add(kind)
    for module in list(found):
        if not found[module].kinds:  # an alpha of nothing
            unknown += found.pop(module).parts.values()
    return found, unknown


def form_of(modules: Iterable[str]) -> str:
    """Who writes names so: kohya, diffusers, ComfyUI, …; several joined with " + "."""
    found = dict.fromkeys(next((f for b, f in _FORMS.items() if name.startswith(b)), "other") for name in modules)
    return " + ".join(sorted(found))


#: Of UNets, and of FLUX and SD 3, whose original names are ComfyUI's and kohya's.
_DIFFUSERS = re.compile(r"(?:^|[_ ])(?:down_blocks|up_blocks|mid_block)_|^unet (?:single_)?transformer_blocks_")
_ORIGINAL = re.compile(r"(?:^|[_ ])(?:input_blocks|output_blocks|middle_block)_|^unet (?:single|double|joint)_blocks_")


def block_names(modules: Iterable[str]) -> str:
    """How a model's blocks are called: ``diffusers`` (down_blocks), ``original`` (input_blocks), both (``mixed``), or neither (empty).
    One module has another name in each."""
    names = [plain_name(name) for name in modules]
    diffusers, original = (any(p.search(name) for name in names) for p in (_DIFFUSERS, _ORIGINAL))
    return "mixed" if diffusers and original else "diffusers" if diffusers else "original" if original else ""


def plain_name(module: str) -> str:
    """A module under one name, whichever form it is written in, as far as forms differ in their beginning and in dots only:
    ``unet.a.b``, ``diffusion_model.a.b`` and ``lora_unet_a_b`` are one."""
    name = module.removeprefix("base_model.model.")
    if ".processor.to_" in name:  # an old form of diffusers
        name = re.sub(r"\.to_out\Z", ".to_out.0", name.replace(".processor.to_", ".to_"))
    if name.startswith("lycoris_"):
        name = "unet." + name.removeprefix("lycoris_")
    for beginning in ("diffusion_model.", "unet.", "transformer.", "lora_unet_", "lora_transformer_"):
        if name.startswith(beginning):
            return "unet " + name.removeprefix(beginning).replace(".", "_")
    for beginning, encoder in (
        ("text_encoders.clip_l.transformer.", "1"), ("text_encoders.clip_g.transformer.", "2"), ("text_encoder_2.", "2"),
        ("text_encoder.", "1"), ("lora_te1_", "1"), ("lora_te2_", "2"), ("lora_te_", "1"),
    ):  # fmt: skip
        if name.startswith(beginning):
            return f"te{encoder} " + name.removeprefix(beginning).replace(".", "_")
    return name.replace(".", "_")


def family_of(metadata: Mapping[str, str], modules: Mapping[str, Module], tensors: Mapping[str, Entry]) -> str:
    """The family of base models that a LoRA is for: by what its trainer noted, else by names and shapes; ``unknown`` when neither
    tells."""
    said = f"{metadata.get('ss_base_model_version', '')} {metadata.get('modelspec.architecture', '')}".casefold()
    for word, family in (
        ("sdxl", "SDXL"), ("stable-diffusion-xl", "SDXL"), ("flux", "FLUX"), ("sd3", "SD 3"), ("stable-diffusion-3", "SD 3"),
        ("sd_v2", "SD 2"), ("stable-diffusion-v2", "SD 2"), ("sd_v1", "SD 1"), ("stable-diffusion-v1", "SD 1"),
    ):  # fmt: skip
        if word in said:
            return family
    names = " ".join(modules)
    for word, family in (
        ("single_transformer_blocks", "FLUX"), ("single_blocks", "FLUX"), ("double_blocks", "FLUX"), ("joint_blocks", "SD 3"),
        ("lora_te2_", "SDXL"), ("text_encoder_2.", "SDXL"), ("text_encoders.clip_g", "SDXL"),
    ):  # fmt: skip
        if word in names:
            return family
    for name, module in modules.items():
        plain = plain_name(name)
        if plain.endswith(("attn2_to_k", "attn2_to_v")) and "down" in module.parts and "unet" in plain:
            width = tensors[module.parts["down"]].shape[1]  # the text's: CLIP-L, OpenCLIP-H, both of SDXL
            return {768: "SD 1", 1024: "SD 2", 2048: "SDXL"}.get(width, "unknown")
    return "unknown"
