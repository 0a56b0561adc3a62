"""Internal nodes: what a session's prompts hold in place of core's nodes when they make several images at once.

``sdgen_core.sessions.batching`` writes them; nobody places them on a canvas. They are hidden from the menus, and have neither help
pages nor translations.
"""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io
from comfy_execution.graph_utils import ExecutionBlocker

from ..sdgen_core.comfy import batch, host
from ..sdgen_core.comfy.encode import encode_prompt, encode_text
from ..sdgen_core.errors import SDGenError
from .schema import INTERNAL, reporting, schema

_LIST = "JSON list with a value for each image."


def _internal(node_id: str, display_name: str, **definition: Any) -> io.Schema:
    """A node that menus do not show: newer pages know ``is_dev_only``, all others hide what is deprecated."""
    description = "Internal: written into the prompts of SDGen's sessions."
    hiding = {"category": INTERNAL, "is_deprecated": True, "is_dev_only": True}
    return schema(node_id=node_id, display_name=display_name, description=description, **hiding, **definition)


class BatchEncode(io.ComfyNode):
    """Core's CLIP Text Encode for several texts."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return _internal(
            "SDGenBatchEncode",
            "SDGen Batch Encode",
            inputs=[
                io.Clip.Input("clip", tooltip="The text encoder."),
                io.String.Input("texts", tooltip=_LIST),
                io.Boolean.Input("same_length", default=False, tooltip="Whether texts must have one length."),
            ],
            outputs=[io.Conditioning.Output("conditioning")],
        )

    @classmethod
    @reporting
    def execute(cls, clip: Any, texts: str, same_length: bool) -> io.NodeOutput:
        encoded = [encode_text(clip, text) for text in batch.listed(texts)]
        return io.NodeOutput(batch.joined(encoded, same_length=same_length))


class BatchEncodePrompt(io.ComfyNode):
    """SDGen Encode Prompt for several texts with the same LoRA tags."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return _internal(
            "SDGenBatchEncodePrompt",
            "SDGen Batch Encode Prompt",
            hidden=[io.Hidden.unique_id],
            inputs=[
                io.Clip.Input("clip", tooltip="The text encoder."),
                io.String.Input("texts", tooltip=_LIST),
                io.Boolean.Input("same_length", default=False, tooltip="Whether texts must have one length."),
                io.Model.Input("model", optional=True, tooltip="The model that LoRAs are applied to."),
                io.String.Input("loras", optional=True, default="apply", tooltip="As in SDGen Encode Prompt."),
                io.String.Input("missing", optional=True, default="error", tooltip="As in SDGen Encode Prompt."),
                io.Int.Input("clip_skip", optional=True, default=0, tooltip="As in SDGen Encode Prompt."),
            ],
            outputs=[
                io.Model.Output("model_out", display_name="model"),
                io.Clip.Output("clip_out", display_name="clip"),
                io.Conditioning.Output("conditioning"),
            ],
        )

    @classmethod
    @reporting
    def execute(
        cls,
        clip: Any,
        texts: str,
        same_length: bool,
        model: Any = None,
        loras: str = "apply",
        missing: str = "error",
        clip_skip: int = 0,
    ) -> io.NodeOutput:
        options: dict[str, Any] = {"loras": loras == "apply", "missing": missing, "clip_skip": clip_skip}
        encoded = [encode_prompt(model, clip, text, **options) for text in batch.listed(texts)]
        first = encoded[0]
        if any(each.model is not first.model or each.clip is not first.clip for each in encoded):
            raise SDGenError("not-batchable", "the prompts have different LoRA tags")
        host.warn(str(cls.hidden.unique_id), [warning for each in encoded for warning in each.warnings])
        together = batch.joined([each.conditioning for each in encoded], same_length=same_length)
        blocked = ExecutionBlocker("SDGen Encode Prompt gives no model on, because none is linked to it.")
        return io.NodeOutput(blocked if first.model is None else first.model, first.clip, together)


class BatchSampler(io.ComfyNode):
    """Core's KSampler and KSampler (Advanced), with a seed for each image."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return _internal(
            "SDGenBatchSampler",
            "SDGen Batch Sampler",
            inputs=[
                io.Model.Input("model"),
                io.String.Input("seeds", tooltip=_LIST),
                io.Boolean.Input("of_batch", default=False, tooltip="Whether there is a latent for each image."),
                io.Int.Input("steps", default=20, min=1, max=10000),
                io.Float.Input("cfg", default=8.0, min=0.0, max=100.0),
                io.Combo.Input("sampler_name", options=host.samplers()),
                io.Combo.Input("scheduler", options=host.schedulers()),
                io.Conditioning.Input("positive"),
                io.Conditioning.Input("negative"),
                io.Latent.Input("latent_image"),
                io.Float.Input("denoise", optional=True, default=1.0, min=0.0, max=1.0),
                # Those of KSampler (Advanced)
                io.Combo.Input("add_noise", optional=True, options=["enable", "disable"]),
                io.Int.Input("start_at_step", optional=True, min=0, max=10000),
                io.Int.Input("end_at_step", optional=True, min=0, max=10000),
                io.Combo.Input("return_with_leftover_noise", optional=True, options=["disable", "enable"]),
            ],
            outputs=[io.Latent.Output("latent")],
        )

    @classmethod
    @reporting
    def execute(
        cls,
        model: Any,
        seeds: str,
        of_batch: bool,
        latent_image: dict[str, Any],
        add_noise: str = "enable",
        start_at_step: int | None = None,
        end_at_step: int | None = None,
        return_with_leftover_noise: str | None = None,
        **settings: Any,
    ) -> io.NodeOutput:
        if settings["sampler_name"] == "ddim" and "noise_mask" in latent_image:
            raise SDGenError("not-batchable", "ddim fills a mask with noise for the batch as a whole")
        batch.checked(model, [*settings["positive"], *settings["negative"]])
        numbers = batch.listed(seeds)
        latent = batch.latent_of_each(latent_image, len(numbers), of_batch)
        noise = batch.NoiseOfEach(numbers, of_batch)
        index = latent.get("batch_index")
        out = host.sampled(
            model,
            numbers[0],
            latent,
            lambda samples: noise.rows(samples, index),
            disable_noise=add_noise == "disable",
            start_step=start_at_step,
            last_step=end_at_step,
            force_full_denoise=return_with_leftover_noise == "disable",
            **settings,
        )
        return io.NodeOutput(out)


class BatchNoise(io.ComfyNode):
    """Core's RandomNoise with a seed for each image, for SamplerCustomAdvanced."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return _internal(
            "SDGenBatchNoise",
            "SDGen Batch Noise",
            inputs=[
                io.String.Input("seeds", tooltip=_LIST),
                io.Boolean.Input("of_batch", default=False, tooltip="Whether there is a latent for each image."),
            ],
            outputs=[io.Noise.Output("noise")],
        )

    @classmethod
    @reporting
    def execute(cls, seeds: str, of_batch: bool) -> io.NodeOutput:
        return io.NodeOutput(batch.NoiseOfEach(batch.listed(seeds), of_batch))


NODES = [BatchEncode, BatchEncodePrompt, BatchSampler, BatchNoise]
