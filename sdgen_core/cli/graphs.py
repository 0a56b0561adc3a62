"""Graphs of stock nodes for everything the predecessor's parameters meant.

A graph is put together from few pieces: loaders, prompts, ControlNets, what the sampler starts from, first pass, second pass,
detail passes, save. So every combination of them is a graph, and the shipped workflows are some of these combinations.
What varies from image to image comes from the planner's outputs; what is one value for the session is written into the graph.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..sessions.compile import LOAD_SCORER, PLAN_OUTPUTS, PLANNER, SAVER, SCORE_IMAGE, TEMPLATE, Prompt
from ..sessions.parameters import Parameters

Link = list[Any]

DEMO_CHECKPOINT = "sdgen-demo.safetensors"
DEMO_TEMPLATE = "examples/demo/demo.prompt.yaml"
#: In place of a mask image: what is transparent in the image itself is painted.
ALPHA = "alpha"
#: In place of an image's name: the planner gives it, image by image.
FROM_PLANNER = ""


@dataclass(frozen=True)
class Control:
    """A ControlNet and what it follows: ``image`` is a name in the input folder, FROM_PLANNER, or None for the image that
    image to image starts from. ``low`` and ``high`` are Canny's thresholds (0…1), only for the preprocessor ``canny``.
    """

    model: str
    image: str | None = FROM_PLANNER
    preprocessor: str = "none"
    strength: float = 1.0
    start: float = 0.0
    end: float = 1.0
    low: float = 0.25
    high: float = 0.5
    stretch: bool = False


@dataclass(frozen=True)
class SecondPass:
    """A pass over the enlarged image. ``latent`` is a method of LatentUpscaleBy, ``pixels`` one of ImageScaleBy, ``model`` an
    upscale model: one of the three. ``steps`` 0 means those of the first pass.
    """

    scale: float = 2.0
    latent: str = ""
    pixels: str = ""
    model: str = ""
    steps: int = 0


@dataclass(frozen=True)
class Detail:
    """A detail pass: what a detector finds is cut out, painted again and put back.

    ``detector``: DETECTORS by name. ``model``: its file. ``find``: the classes or words it looks for (empty: all).
    ``settings``: literals of the SDGenDetail node, the rest comes from the planner. ``prompt`` and ``negative`` are its own
    prompts (empty: the image's), ``checkpoint`` and ``vae`` its own models, ``clip_skip`` as A1111 counts.
    """

    model: str
    detector: str = "boxes"
    find: str = ""
    confidence: float = 0.3
    settings: Mapping[str, Any] = field(default_factory=dict)
    prompt: str = ""
    negative: str = ""
    checkpoint: str = ""
    vae: str = ""
    clip_skip: int = 0


#: Detectors → the nodes that they are made of, besides those that every ComfyUI has. ``words`` is SAM 3, in ComfyUI itself since 2026;
#: the other two are YOLO models in the packs Impact Pack and Impact Subpack.
DETECTORS: Mapping[str, tuple[str, ...]] = {
    "boxes": ("UltralyticsDetectorProvider", "BboxDetectorSEGS", "ImpactSEGSToMaskList"),
    "shapes": ("UltralyticsDetectorProvider", "SegmDetectorSEGS", "ImpactSEGSToMaskList"),
    "words": ("SAM3_Detect",),
}


@dataclass(frozen=True)
class Recipe:
    """What a graph is put together from. Nothing set is text to image with one checkpoint.

    ``checkpoint``, ``vae``, ``lora``: the planner names them for each image. ``tags``: the prompts hold A1111's LoRA tags.
    ``image``: the sampler starts from an image. ``mask``: only this part of it is painted (a name in the input folder or ALPHA).
    ``scorer``: the model that scores each image, by its name.
    """

    checkpoint: bool = False
    vae: bool = False
    lora: bool = False
    tags: bool = False
    image: bool = False
    mask: str = ""
    mask_blur: int = 0
    controls: tuple[Control, ...] = ()
    second: SecondPass | None = None
    details: tuple[Detail, ...] = ()
    scorer: str = ""


class Graph:
    """An API prompt that grows. ``stages`` says for the canvas in which column a node belongs."""

    def __init__(self) -> None:
        self.prompt: Prompt = {}
        self.stages: dict[str, int] = {}
        self._next = 11

    def put(self, node_id: str, kind: str, stage: int, title: str = "", /, **inputs: Any) -> str:
        self.prompt[node_id] = {"inputs": inputs, "class_type": kind}
        if title:
            self.prompt[node_id]["_meta"] = {"title": title}
        self.stages[node_id] = stage
        return node_id

    def add(self, kind: str, stage: int, title: str = "", /, **inputs: Any) -> str:
        self._next += 1
        return self.put(str(self._next - 1), kind, stage, title, **inputs)


# The columns of the canvas behind template and planner.
_LOADERS, _GUIDES, _FIRST, _SECOND, _DETAIL, _LAST = range(6)
_SAMPLING = ("seed", "steps", "cfg", "sampler_name", "scheduler")


def planner(output: str) -> Link:
    """A link to one of the planner's outputs."""
    return ["2", PLAN_OUTPUTS.index(output)]


def build(recipe: Recipe) -> Graph:
    """The graph of a recipe. The ids of what every graph has are those of the workflow txt2img_session, so that a session made
    with that one is the same order."""
    g = Graph()
    g.put(
        "1", TEMPLATE, -2, file=DEMO_TEMPLATE, text="", theme="", style="", mode="as written", limit=0, choices="",
        distribution="weighted",
    )  # fmt: skip
    g.put("2", PLANNER, -1, **_planner_inputs(recipe))
    ckpt = planner("checkpoint") if recipe.checkpoint else DEMO_CHECKPOINT
    g.put("3", "CheckpointLoaderSimple", _LOADERS, ckpt_name=ckpt)
    model: Link = ["3", 0]
    clip: Link = ["3", 1]
    vae: Link = ["3", 2]
    if recipe.vae:
        vae = [g.add("VAELoader", _LOADERS, vae_name=planner("vae")), 0]
    if recipe.lora:
        lora = g.add(
            "LoraLoader", _LOADERS, model=model, clip=clip, lora_name=planner("lora"),
            strength_model=planner("lora_strength"), strength_clip=planner("lora_strength"),
        )  # fmt: skip
        model, clip = [lora, 0], [lora, 1]
    loaded = model, clip
    model, clip, positive, negative = _texts(g, recipe, model, clip)
    texts = positive, negative
    sources = _Images(g)
    start = _start(g, recipe, sources, vae)
    for control in recipe.controls:
        positive, negative = _controlled(g, control, sources, positive, negative, vae)
    common = {
        "model": model,
        "positive": positive,
        "negative": negative,
        "seed": planner("seed"),
        "cfg": planner("cfg"),
    }
    common |= {"sampler_name": planner("sampler_name"), "scheduler": planner("scheduler")}
    # A1111's denoising strength is the second pass's where the first one makes the image from nothing.
    whole = recipe.second is not None and not recipe.image
    denoise: Any = 1.0 if whole else planner("denoise")
    g.put("7", "KSampler", _FIRST, **common, steps=planner("steps"), latent_image=start.latent, denoise=denoise)
    latent: Link = ["7", 0]
    if recipe.second is not None:
        steps: Any = recipe.second.steps or planner("steps")
        enlarged = _enlarged(g, recipe.second, latent, vae)
        again = g.add(
            "KSampler", _SECOND, "Second pass", **common, steps=steps, latent_image=enlarged, denoise=planner("denoise")
        )
        latent = [again, 0]
    made = _DETAIL if recipe.details else _LAST
    g.put("8", "VAEDecode", made, samples=latent, vae=vae)
    image: Link = ["8", 0]
    if start.mask is not None and recipe.second is None:
        inside = {
            "destination": start.image,
            "source": image,
            "x": 0,
            "y": 0,
            "resize_source": False,
            "mask": start.mask,
        }
        image = [g.add("ImageCompositeMasked", made, "Outside the mask as it was", **inside), 0]
    for detail in recipe.details:
        # A1111's ControlNets follow the whole image, not what is cut out of it.
        image = _detailed(g, detail, image, _Painter(model, clip, vae, *texts), loaded)
    if recipe.scorer:
        scorer = g.add(LOAD_SCORER, _LOADERS, scorer=recipe.scorer, precision="auto", device="default")
        image = [g.add(SCORE_IMAGE, _LAST, image=image, scorer=[scorer, 0], values="", item=""), 0]
    g.put("9", SAVER, _LAST, images=image, file_name=planner("file_name"), item="")
    return g


def _planner_inputs(recipe: Recipe) -> dict[str, Any]:
    """The planner's widgets, with the denoising strengths that A1111 has where the template gives none."""
    defaults = Parameters().to_dict()
    defaults["denoise"] = 0.75 if recipe.image else 0.7 if recipe.second is not None else 1
    order = {"template": ["1", 0], "name": "", "on_existing": "resume", "count": 0, "item": ""}
    if recipe.image or any(c.image == FROM_PLANNER for c in recipe.controls):
        defaults["image"] = "example.png"  # every ComfyUI has it
    return {**order, **defaults, "batch": 1, "batch_anyway": False}


def _texts(g: Graph, recipe: Recipe, model: Link, clip: Link) -> tuple[Link, Link, Link, Link]:
    """Model, text encoder, positive and negative conditioning."""
    if not recipe.tags:
        for node_id, output in (("4", "positive"), ("5", "negative")):
            title = f"{output.capitalize()} prompt"
            g.put(node_id, "CLIPTextEncode", _LOADERS, title, text=planner(output), clip=clip)
        return model, clip, ["4", 0], ["5", 0]
    kind, rest = "SDGenEncodePrompt", {"missing": "error", "clip_skip": 0}
    g.put(
        "4", kind, _LOADERS, "Positive prompt", clip=clip, text=planner("positive"), model=model, loras="apply", **rest
    )
    g.put("5", kind, _LOADERS, "Negative prompt", clip=["4", 1], text=planner("negative"), loras="leave out", **rest)
    return ["4", 0], ["4", 1], ["4", 2], ["5", 2]


class _Images:
    """Loaded images, each once."""

    def __init__(self, g: Graph) -> None:
        self._g = g
        self._made: dict[str, str] = {}

    def load(self, name: str) -> str:
        """The id of the node that loads ``name`` (FROM_PLANNER: the image of the item)."""
        if name not in self._made:
            value = planner("image") if name == FROM_PLANNER else name
            self._made[name] = self._g.add("LoadImage", _LOADERS, image=value)
        return self._made[name]


@dataclass(frozen=True)
class _Start:
    """What the sampler starts from, and for inpainting the image and its mask at the size of the result."""

    latent: Link
    image: Link | None = None
    mask: Link | None = None


def _fitted(g: Graph, image: Link, crop: str = "center", title: str = "") -> Link:
    """An image at the size of the item."""
    size = {"width": planner("width"), "height": planner("height")}
    return [g.add("ImageScale", _GUIDES, title, image=image, upscale_method="lanczos", **size, crop=crop), 0]


def _start(g: Graph, recipe: Recipe, sources: _Images, vae: Link) -> _Start:
    if not recipe.image:
        size = {"width": planner("width"), "height": planner("height"), "batch_size": 1}
        g.put("6", "EmptyLatentImage", _LOADERS, **size)
        return _Start(["6", 0])
    loaded = sources.load(FROM_PLANNER)
    image = _fitted(g, [loaded, 0])
    g.put("6", "VAEEncode", _GUIDES, pixels=image, vae=vae)
    if not recipe.mask:
        return _Start(["6", 0], image)
    if recipe.mask == ALPHA:
        picture: Link = [g.add("MaskToImage", _GUIDES, mask=[loaded, 1]), 0]
    else:
        picture = [sources.load(recipe.mask), 0]
    picture = _fitted(g, picture, title="Fit the mask")
    if recipe.mask_blur:
        blur = {"blur_radius": min(31, round(2.5 * recipe.mask_blur)), "sigma": float(min(10, recipe.mask_blur))}
        picture = [g.add("ImageBlur", _GUIDES, image=picture, **blur), 0]
    mask: Link = [g.add("ImageToMask", _GUIDES, image=picture, channel="red"), 0]
    return _Start([g.add("SetLatentNoiseMask", _GUIDES, samples=["6", 0], mask=mask), 0], image, mask)


def _controlled(
    g: Graph, control: Control, sources: _Images, positive: Link, negative: Link, vae: Link
) -> tuple[Link, Link]:
    net = g.add("ControlNetLoader", _GUIDES, control_net_name=control.model)
    image: Link = [sources.load(FROM_PLANNER if control.image is None else control.image), 0]
    if control.stretch:  # the node below cuts what does not fit
        image = _fitted(g, image, "disabled")
    if control.preprocessor == "canny":
        image = [
            g.add("Canny", _GUIDES, image=image, low_threshold=control.low, high_threshold=control.high),
            0,
        ]
    elif control.preprocessor == "invert":
        image = [g.add("ImageInvert", _GUIDES, image=image), 0]
    applied = g.add(
        "ControlNetApplyAdvanced", _GUIDES, positive=positive, negative=negative, control_net=[net, 0], image=image,
        strength=control.strength, start_percent=control.start, end_percent=control.end, vae=vae,
    )  # fmt: skip
    return [applied, 0], [applied, 1]


def _enlarged(g: Graph, second: SecondPass, latent: Link, vae: Link) -> Link:
    """The latent that the second pass starts from."""
    if second.latent:
        made = g.add("LatentUpscaleBy", _SECOND, samples=latent, upscale_method=second.latent, scale_by=second.scale)
        return [made, 0]
    image: Link = [g.add("VAEDecode", _SECOND, samples=latent, vae=vae), 0]
    # The size wanted is that of the image enlarged plainly: a model enlarges by its own factor, whatever that is.
    method = second.pixels or "lanczos"
    target: Link = [g.add("ImageScaleBy", _SECOND, image=image, upscale_method=method, scale_by=second.scale), 0]
    if second.model:
        loader = g.add("UpscaleModelLoader", _SECOND, model_name=second.model)
        size = g.add("GetImageSize", _SECOND, "The size wanted", image=target)
        large: Link = [g.add("ImageUpscaleWithModel", _SECOND, upscale_model=[loader, 0], image=image), 0]
        fit = {"width": [size, 0], "height": [size, 1], "crop": "disabled"}
        target = [g.add("ImageScale", _SECOND, image=large, upscale_method="lanczos", **fit), 0]
    return [g.add("VAEEncode", _SECOND, pixels=target, vae=vae), 0]


def _found(g: Graph, detail: Detail, image: Link) -> Link:
    """The masks of what the detector finds."""
    nodes = DETECTORS[detail.detector]
    if detail.detector == "words":
        sam = g.add("CheckpointLoaderSimple", _DETAIL, "Detector", ckpt_name=detail.model)
        words: Link = [g.add("CLIPTextEncode", _DETAIL, "What to find", text=detail.find, clip=[sam, 1]), 0]
        how = {"threshold": detail.confidence, "refine_iterations": 2, "individual_masks": True}
        return [g.add(nodes[0], _DETAIL, model=[sam, 0], image=image, conditioning=words, **how), 0]
    loader = g.add(nodes[0], _DETAIL, "Detector", model_name=detail.model)
    by = {"bbox_detector": [loader, 0]} if detail.detector == "boxes" else {"segm_detector": [loader, 1]}
    # SDGenDetail grows the masks and cuts out what is around them.
    how = {"threshold": detail.confidence, "dilation": 0, "crop_factor": 1.0, "drop_size": 1}
    found = g.add(nodes[1], _DETAIL, image=image, **by, **how, labels=detail.find or "all")
    return [g.add(nodes[2], _DETAIL, segs=[found, 0]), 0]


#: How SDGenDetail paints when nobody says: ADetailer's defaults.
PAINTING: Mapping[str, Any] = {
    "denoise": 0.4, "padding": 32, "blur": 4, "only_masked": True, "grow": 4, "right": 0, "down": 0, "largest": 0,
    "largest_by": "size", "min_ratio": 0.0, "max_ratio": 1.0, "merge": "each by itself",
}  # fmt: skip


@dataclass(frozen=True)
class _Painter:
    """What an image is painted with."""

    model: Link
    clip: Link
    vae: Link
    positive: Link
    negative: Link


def _detailed(g: Graph, detail: Detail, image: Link, used: _Painter, loaded: tuple[Link, Link]) -> Link:
    """``loaded`` are model and text encoder without the LoRAs of the image's prompt: a prompt of its own brings its own."""
    masks = _found(g, detail, image)
    model, clip, vae, positive, negative = used.model, used.clip, used.vae, used.positive, used.negative
    own = bool(detail.checkpoint or detail.clip_skip)
    if detail.checkpoint:
        loader = g.add("CheckpointLoaderSimple", _DETAIL, "Detail checkpoint", ckpt_name=detail.checkpoint)
        loaded, vae = ([loader, 0], [loader, 1]), [loader, 2]
    if detail.vae:
        vae = [g.add("VAELoader", _DETAIL, vae_name=detail.vae), 0]
    kind, missing = "SDGenEncodePrompt", "error"
    if detail.prompt or own:
        model, clip = loaded
        text = _with_the_images_prompt("positive", detail.prompt)
        encoder = g.add(
            kind, _DETAIL, "Detail prompt", clip=clip, text=text, model=model, loras="apply", missing=missing,
            clip_skip=detail.clip_skip,
        )  # fmt: skip
        model, clip, positive = [encoder, 0], [encoder, 1], [encoder, 2]
    if detail.negative or own:
        text = _with_the_images_prompt("negative", detail.negative)
        rest = {"loras": "leave out", "missing": missing, "clip_skip": 0}
        negative = [g.add(kind, _DETAIL, "Detail negative", clip=clip, text=text, **rest), 2]
    with_what = {"model": model, "vae": vae, "positive": positive, "negative": negative}
    planned = {name: planner(name) for name in (*_SAMPLING, "width", "height")}
    return [
        g.add(
            "SDGenDetail", _DETAIL, image=image, masks=masks, **with_what, **{**planned, **PAINTING, **detail.settings}
        ),
        0,
    ]


def _with_the_images_prompt(name: str, text: str) -> Any:
    """``text`` with ADetailer's ``[PROMPT]`` as the prompt of the image, which also stands for no text."""
    if not text:
        return planner(name)
    return text.replace("[PROMPT]", "{prompt}" if name == "positive" else "{negative_prompt}")


#: The shipped workflows that are made of recipes.
SHIPPED: Mapping[str, Recipe] = {
    "txt2img_session": Recipe(),
    "img2img_session": Recipe(image=True),
    "inpaint_session": Recipe(image=True, mask=ALPHA),
    "hires_session": Recipe(second=SecondPass(latent="bilinear")),
    "hires_model_session": Recipe(second=SecondPass(model="RealESRGAN_x4plus.pth")),
    "controlnet_session": Recipe(controls=(Control("control_v11p_sd15_canny.safetensors", preprocessor="canny"),)),
    "lora_session": Recipe(checkpoint=True, lora=True),
    "detail_session": Recipe(details=(Detail("bbox/face_yolov8n.pt"),)),
    "generate_and_score": Recipe(scorer="demo"),
}
