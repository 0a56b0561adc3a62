"""SDGen Encode Prompt: prompt text as A1111's users write it."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io
from comfy_execution.graph_utils import ExecutionBlocker

from ..sdgen_core.comfy import host
from ..sdgen_core.comfy.encode import MISSING, encode_prompt, files_of
from ..sdgen_core.errors import SDGenError
from ..sdgen_core.sessions.prompt_text import parse_prompt_text
from .schema import CATEGORY, reporting, schema

_LORAS = ("apply", "leave out")
_NO_MODEL = ExecutionBlocker("SDGen Encode Prompt gives no model on, because none is linked to it.")


class EncodePrompt(io.ComfyNode):
    """LoRA tags, emphasis, BREAK, AND and embedding names of A1111, as ComfyUI's own nodes would do them."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="SDGenEncodePrompt",
            display_name="SDGen Encode Prompt",
            category=CATEGORY,
            description="Encodes a prompt as A1111 users write it: LoRA tags, (more:1.2), [less], BREAK, AND, embedding names.",
            search_aliases=["clip text encode", "a1111", "lora tag", "prompt weighting", "break"],
            hidden=[io.Hidden.unique_id],
            inputs=[
                io.Clip.Input("clip", tooltip="The text encoder."),
                io.String.Input(
                    "text",
                    multiline=True,
                    default="",
                    dynamic_prompts=True,
                    tooltip="The prompt, or a link from the planner's positive or negative.",
                ),
                io.Model.Input(
                    "model", optional=True, tooltip="The model that LoRAs are applied to. Needed for LoRA tags only."
                ),
                io.Combo.Input(
                    "loras",
                    optional=True,
                    options=list(_LORAS),
                    default=_LORAS[0],
                    tooltip="apply: LoRA tags change the model and the text encoder. leave out: tags are taken out of the text only.",
                ),
                io.Combo.Input(
                    "missing",
                    optional=True,
                    options=list(MISSING),
                    default=MISSING[0],
                    tooltip="What a LoRA or an embedding does that is not there: stop, go on with a warning, or go on.",
                ),
                io.Int.Input(
                    "clip_skip",
                    optional=True,
                    default=0,
                    min=0,
                    max=24,
                    tooltip="A1111's Clip skip: 1 is the last layer, 2 the one before. 0 leaves the text encoder as it is.",
                ),
            ],
            outputs=[
                io.Model.Output(
                    "model_out", display_name="model", tooltip="The model with the LoRAs, for the sampler."
                ),
                io.Clip.Output(
                    "clip_out",
                    display_name="clip",
                    tooltip="The text encoder with the LoRAs, for the negative prompt's node.",
                ),
                io.Conditioning.Output(
                    "conditioning", display_name="conditioning", tooltip="The encoded prompt, for the sampler."
                ),
            ],
        )

    @classmethod
    def validate_inputs(cls, text: str | None = "") -> bool | str:
        """What is wrong with the text alone is said before any model is loaded; ``text`` is missing when another node gives it."""
        try:
            parse_prompt_text(text or "")
        except SDGenError as error:
            return f"{error} {error.hint} [{error.code}]"
        return True

    @classmethod
    def fingerprint_inputs(cls, text: str | None = "", **inputs: Any) -> list[str]:
        """The files that the text names may have changed, or may be there only now."""
        return files_of(text or "")

    @classmethod
    @reporting
    def execute(
        cls,
        clip: Any,
        text: str,
        model: Any = None,
        loras: str = _LORAS[0],
        missing: str = MISSING[0],
        clip_skip: int = 0,
    ) -> io.NodeOutput:
        encoded = encode_prompt(model, clip, text, loras=loras == _LORAS[0], missing=missing, clip_skip=clip_skip)
        host.warn(str(cls.hidden.unique_id), encoded.warnings)
        return io.NodeOutput(_NO_MODEL if encoded.model is None else encoded.model, encoded.clip, encoded.conditioning)


NODES = [EncodePrompt]
