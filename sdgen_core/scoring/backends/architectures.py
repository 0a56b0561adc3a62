"""Which of open_clip's architectures a file of weights is of.

A file says nothing of its architecture, but the shapes of its tensors do: they are compared with those of open_clip's configurations,
first by a few sizes that tell most of them apart, then tensor by tensor with a model that is built without memory (torch's "meta"
device). What shapes cannot tell (the activation, how images are prepared) is taken from names: of the file, its folder, and the tags
under which open_clip lists trained weights.
"""

from __future__ import annotations

import copy
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ...errors import Place, SDGenError, shown
from .weights import Shapes, WeightsFile

Config = dict[str, Any]

OWN = "sdgen-"
"""What the names of users' own configurations begin with, once open_clip knows them."""

PREPARATION = ("mean", "std", "interpolation", "resize_mode")
"""What open_clip's table of trained weights says of the preparation of images."""


@dataclass(frozen=True)
class Architecture:
    """A configuration's ``name`` in open_clip, the ``tag`` of the trained weights where it is known, how images are prepared, and
    ``remarks`` on what could not be seen from the file.
    """

    name: str
    tag: str = ""
    preparation: Mapping[str, Any] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()


def words_of(text: str) -> str:
    """A name in lower case with one hyphen between its words, and around it: for finding one name within another."""
    return "-" + re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") + "-"


def find(file: WeightsFile) -> Architecture:
    """The architecture of a file, from its shapes and names.

    Raises ``SDGenError`` "scorer-unknown-architecture" with the nearest names when none fits.
    """
    import open_clip

    configs = {name: open_clip.get_model_config(name) for name in open_clip.list_models() if not name.startswith(OWN)}
    hints = (file.path.stem, file.path.parent.name)
    fitting = _fitting(file, hints, configs)
    if not fitting:
        raise _no_architecture(file, configs, hints)
    return choose(fitting, hints, configs)


def _fitting(file: WeightsFile, hints: Sequence[str], configs: Mapping[str, Config]) -> list[str]:
    """The configurations that a file's shapes agree with."""
    if any(name.startswith("image_encoder.") for name in file.shapes):
        # Apple's own form: open_clip renames while it loads, so shapes say nothing, and the name has to
        return [name for name in _named(hints, configs) if name.startswith("MobileCLIP")]
    facts = facts_of_file(file.shapes)
    alike = [name for name, config in configs.items() if _agreement(facts, facts_of_config(config)) == len(facts)]
    named = _named(hints, alike)
    if named and facts.get("image model") == "timm" and not difference(file, configs[named[0]]):
        # of these there are many, and each takes half a second to build: a name that is right is enough
        return named[:1]
    alike = [name for name in alike if name in named or "hf_model_name" not in configs[name]["text_cfg"]]
    return [name for name in alike if not difference(file, configs[name])]


def listed(name: str) -> Architecture | None:
    """Trained weights as open_clip lists them, from "ViT-B-32 laion2b_s34b_b79k" (or with a colon or slash); None for other names."""
    import open_clip

    for architecture, tag in open_clip.list_pretrained():
        if re.split(r"[\s:/]+", name.strip()) == [architecture, tag]:
            return Architecture(architecture, tag, _preparation(architecture, tag))
    return None


def choose(fitting: Sequence[str], hints: Iterable[str], configs: Mapping[str, Config]) -> Architecture:
    """One of several configurations that a file fits, by names: a tag's decides, then the architecture's, then the plainest is taken."""
    import open_clip

    tagged: list[tuple[int, str, str]] = []
    for name in fitting:
        for tag in open_clip.list_pretrained_tags_by_model(name):
            quick = bool(open_clip.get_pretrained_cfg(name, tag).get("quick_gelu", False))
            if quick == _quick(configs[name]) and any(words_of(tag) in words_of(hint) for hint in hints):
                tagged.append((len(tag), name, tag))
    if tagged:
        _, name, tag = max(tagged, key=lambda found: (found[0], -len(found[1])))
        return Architecture(name, tag, _preparation(name, tag))
    named = _named(hints, {name: configs[name] for name in fitting})
    name = named[0] if named else min(fitting, key=lambda found: (_quick(configs[found]), len(found), found))
    others = sorted(set(fitting) - {name})
    remarks = [] if named or not others else [f"taken as {name}; it could as well be {', '.join(others)}"]
    if remarks:
        remarks[0] += ": put the right name into the file's name"
    return Architecture(name, "", _preparation(name, ""), tuple(remarks))


def _quick(config: Config) -> bool:
    return bool(config.get("quick_gelu", False))


def _named(hints: Iterable[str], names: Iterable[str]) -> list[str]:
    """The architectures whose whole name stands in one of the hints, the longest name first."""
    texts = [words_of(hint) for hint in hints]
    return sorted((name for name in names if any(words_of(name) in text for text in texts)), key=len, reverse=True)


def _preparation(name: str, tag: str) -> dict[str, Any]:
    """How images are prepared for trained weights; without a tag, as for most weights of the architecture."""
    import open_clip

    tags = [tag] if tag else open_clip.list_pretrained_tags_by_model(name)
    kinds = [{key: open_clip.get_pretrained_cfg(name, t).get(key) for key in PREPARATION} for t in tags]
    if not kinds:
        return {}
    most, _ = Counter(str(kind) for kind in kinds).most_common(1)[0]
    return next(kind for kind in kinds if str(kind) == most)


def _no_architecture(file: WeightsFile, configs: Mapping[str, Config], hints: Sequence[str]) -> SDGenError:
    facts = facts_of_file(file.shapes)
    order = sorted(configs, key=lambda name: (-_agreement(facts, facts_of_config(configs[name])), len(name), name))
    nearest = [*_named(hints, configs)[:1], *order][:3]
    sizes = ", ".join(f"{name} {value}" for name, value in facts.items())
    message = f"this CLIP is of no architecture that open_clip lists ({sizes})"
    if nearest:
        message += f"; {nearest[0]} differs: {difference(file, configs[nearest[0]]) or 'in its form'}"
    return SDGenError("scorer-unknown-architecture", message, place=Place(shown(file.path)), nearest=nearest)


# ---- a few sizes --------------------------------------------------------------------------------------------------------------


def facts_of_file(shapes: Shapes) -> dict[str, Any]:
    """Sizes that tell architectures apart, as far as a file of weights shows them."""
    facts: dict[str, Any] = {}
    for prefix in ("text.", ""):
        if prefix + "token_embedding.weight" in shapes:
            facts["vocabulary"], facts["text width"] = shapes[prefix + "token_embedding.weight"]
            facts["text layers"] = _count(shapes, prefix + "transformer.resblocks.")
            break
    for name, side in (("text_projection", 1), ("text.text_projection", 1), ("text.text_projection.weight", 0)):
        if name in shapes:
            facts["width"] = shapes[name][side]
    if "visual.layer1.0.conv1.weight" in shapes:
        facts["image layers"] = tuple(_count(shapes, f"visual.layer{i}.") for i in (1, 2, 3, 4))
        facts["image width"] = shapes["visual.layer1.0.conv1.weight"][0]
    elif "visual.conv1.weight" in shapes:
        facts["image width"], _, facts["patch"], _ = shapes["visual.conv1.weight"]
        facts["image layers"] = _count(shapes, "visual.transformer.resblocks.")
    elif any(name.startswith("visual.trunk.") for name in shapes):
        facts["image model"] = "timm"
    return facts


def facts_of_config(config: Config) -> dict[str, Any]:
    """The same sizes from a configuration; the numbers that a configuration leaves out are open_clip's defaults."""
    text, vision = config["text_cfg"], config["vision_cfg"]
    facts: dict[str, Any] = {"width": config["embed_dim"]}
    if "hf_model_name" not in text:
        facts["vocabulary"], facts["text width"] = text.get("vocab_size", 49408), text.get("width", 512)
        facts["text layers"] = text.get("layers", 12)
    if "timm_model_name" in vision:
        facts["image model"] = "timm"
    else:
        layers = vision.get("layers", 12)
        facts["image layers"] = tuple(layers) if isinstance(layers, (list, tuple)) else layers
        facts["image width"] = vision.get("width", 768)
        if isinstance(layers, int):
            facts["patch"] = vision.get("patch_size", 16)
    return facts


def _count(shapes: Shapes, prefix: str) -> int:
    return len({name[len(prefix) :].split(".", 1)[0] for name in shapes if name.startswith(prefix)})


def _agreement(facts: dict[str, Any], others: dict[str, Any]) -> int:
    return sum(others.get(name) == value for name, value in facts.items())


# ---- tensor by tensor ---------------------------------------------------------------------------------------------------------


def difference(file: WeightsFile, config: Config) -> str:
    """How a file's tensors differ from those of a configuration's model; empty when they do not.

    Of a text tower from the transformers library nothing is said: its sizes are not in the configuration.
    """
    if "hf_model_name" in config["text_cfg"]:
        return ""
    return _difference(file.shapes, _model_shapes(config))


def _model_shapes(config: Config) -> Shapes:
    """The tensors of a configuration's model, which is built without memory."""
    import open_clip
    import torch

    settings = copy.deepcopy(config)
    custom = settings.pop("custom_text", False)
    kind = (
        open_clip.CLIP if not custom else open_clip.CoCa if "multimodal_cfg" in settings else open_clip.CustomTextCLIP
    )
    with torch.device("meta"):
        state: dict[str, Any] = kind(**settings).state_dict()
    return {name: tuple(tensor.shape) for name, tensor in state.items()}


#: What is not weights: sizes that OpenAI's archives carry, position numbers of old versions of transformers, masks.
_NO_WEIGHTS = re.compile(
    r"^(input_resolution|context_length|vocab_size)$|position_ids$|attn_mask$|num_batches_tracked$"
)


def _difference(ours: Shapes, wanted: Shapes) -> str:
    if any(name.startswith("text.") for name in wanted) and "positional_embedding" in ours:
        text = ("text_projection", "positional_embedding", "token_embedding", "transformer", "ln_final")
        ours = {("text." + name if name.startswith(text) else name): shape for name, shape in ours.items()}
    have, want = ({n: s for n, s in table.items() if not _NO_WEIGHTS.search(n)} for table in (ours, wanted))
    for name in ("logit_scale", "logit_bias"):
        # one number, with or without a dimension of its own; a bias that is missing counts as 0
        have.pop(name, None), want.pop(name, None)
    missing, surplus = sorted(set(want) - set(have)), sorted(set(have) - set(want))
    if missing:
        return f"{len(missing)} of its {len(want)} tensors are missing, first {missing[0]}"
    if surplus:
        return f"the file has {len(surplus)} tensors more, first {surplus[0]}"
    for name, shape in want.items():
        if have[name] != shape:
            return f"{name} is {list(have[name])} instead of {list(shape)}"
    return ""
