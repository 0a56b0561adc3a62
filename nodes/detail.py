"""SDGen Detail: regions that a detector found are cut out, painted again at full size, and put back."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io

from ..sdgen_core.comfy import host
from ..sdgen_core.comfy.regions import JUDGE, MERGE, Painting, Selection
from .schema import CATEGORY, reporting, schema

_MAX = 16384


def _number(name: str, default: float, tooltip: str, low: float = 0.0, high: float = 1.0, step: float = 0.01) -> Any:
    return io.Float.Input(name, optional=True, default=default, min=low, max=high, step=step, tooltip=tooltip)


def _whole(name: str, default: int, tooltip: str, low: int = 0, high: int = _MAX) -> Any:
    return io.Int.Input(name, optional=True, default=default, min=low, max=high, tooltip=tooltip)


class Detail(io.ComfyNode):
    """What A1111's ADetailer does behind its detector. The detector is any node that gives masks."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="SDGenDetail",
            display_name="SDGen Detail",
            category=CATEGORY,
            description="Paints what a detector found once more, at full size: cuts each region out, inpaints it, puts it back.",
            search_aliases=["adetailer", "face detailer", "face fix", "inpaint crop", "hands"],
            is_input_list=True,  # detectors give their masks as one batch or as a list
            inputs=[
                io.Image.Input("image", tooltip="The image that was searched."),
                io.Mask.Input("masks", tooltip="What was found: a mask for each region, as a batch or a list."),
                io.Model.Input("model", tooltip="The model that paints."),
                io.Vae.Input("vae", tooltip="The VAE of that model."),
                io.Conditioning.Input("positive", tooltip="What to paint there."),
                io.Conditioning.Input("negative", tooltip="What not to paint there."),
                io.Int.Input(
                    "seed",
                    default=0,
                    min=0,
                    max=0xFFFFFFFFFFFFFFFF,
                    control_after_generate=True,
                    tooltip="Seed of the first region; each further one takes the next.",
                ),
                io.Int.Input("steps", default=20, min=1, max=10000, tooltip="Sampling steps."),
                io.Float.Input(
                    "cfg", default=7.0, min=0.0, max=100.0, step=0.1, tooltip="How strongly the prompt leads."
                ),
                io.Combo.Input("sampler_name", options=host.samplers(), tooltip="The sampler."),
                io.Combo.Input("scheduler", options=host.schedulers(), tooltip="The scheduler."),
                io.Float.Input(
                    "denoise",
                    default=0.4,
                    min=0.0,
                    max=1.0,
                    step=0.01,
                    tooltip="How much is painted anew: 0 nothing, 1 all.",
                ),
                io.Int.Input(
                    "width", default=512, min=16, max=_MAX, step=8, tooltip="Width a region is painted at, in pixels."
                ),
                io.Int.Input(
                    "height", default=512, min=16, max=_MAX, step=8, tooltip="Height a region is painted at, in pixels."
                ),
                _whole("padding", 32, "Pixels around a region that are seen and cut out with it."),
                _whole("blur", 4, "Blur of a mask's edge in pixels: how softly a region is put back.", high=64),
                io.Boolean.Input(
                    "only_masked",
                    optional=True,
                    default=True,
                    tooltip="Cut regions out and paint them at full size. Off: the whole image is painted, through the mask.",
                ),
                _whole("grow", 4, "Pixels that masks grow; negative: shrink.", low=-512, high=512),
                _whole("right", 0, "Pixels that masks move to the right.", low=-_MAX),
                _whole("down", 0, "Pixels that masks move down.", low=-_MAX),
                _whole("largest", 0, "Paint only so many of the largest regions; 0 paints all.", high=1000),
                io.Combo.Input(
                    "largest_by",
                    optional=True,
                    options=list(JUDGE),
                    default=JUDGE[0],
                    tooltip="size: the largest boxes. order: the first ones; detectors give what they are surest of first.",
                ),
                _number("min_ratio", 0.0, "Leave out regions smaller than this part of the image."),
                _number("max_ratio", 1.0, "Leave out regions larger than this part of the image."),
                io.Combo.Input(
                    "merge",
                    optional=True,
                    options=list(MERGE),
                    default=MERGE[0],
                    tooltip="Paint regions one after the other, all of them as one, or everything but them.",
                ),
            ],
            outputs=[
                io.Image.Output(
                    "image_out",
                    display_name="image",
                    tooltip="The image with its regions painted again; as it was when nothing was found.",
                )
            ],
        )

    @classmethod
    @reporting
    def execute(cls, image: list[Any], masks: list[Any], **lists: list[Any]) -> io.NodeOutput:
        given = {name: values[0] for name, values in lists.items()}
        selection = Selection(
            grow=given.pop("grow", 4),
            right=given.pop("right", 0),
            down=given.pop("down", 0),
            largest=given.pop("largest", 0),
            judge=given.pop("largest_by", JUDGE[0]),
            min_ratio=given.pop("min_ratio", 0.0),
            max_ratio=given.pop("max_ratio", 1.0),
            merge=given.pop("merge", MERGE[0]),
        )
        painting = Painting(
            width=given.pop("width"),
            height=given.pop("height"),
            padding=given.pop("padding", 32),
            blur=given.pop("blur", 4),
            only_masked=given.pop("only_masked", True),
        )
        model, vae, seed = given.pop("model"), given.pop("vae"), given.pop("seed")
        pictures = host.stacked(image)
        found = host.stacked([mask.reshape(-1, *mask.shape[-2:]) for mask in masks])
        chosen = selection.choose(found, *pictures.shape[1:3]) if given["denoise"] > 0 else []

        def sample(pixels: Any, mask: Any, number: int) -> Any:
            return host.inpainted(model, vae, pixels, mask, (seed + number) % 2**64, **given)

        return io.NodeOutput(host.stacked([painting.paint(each, chosen, sample)[None] for each in pictures]))


NODES = [Detail]
