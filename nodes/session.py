"""SDGen Session Plan: one press of Run plans the whole session and hands it to the feeder."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from comfy_api.latest import io
from comfy_execution.graph_utils import ExecutionBlocker

from ..sdgen_core.comfy import host
from ..sdgen_core.sessions.compile import PLAN_OUTPUTS, pinned_literals
from ..sdgen_core.sessions.items import PartOptions
from ..sdgen_core.sessions.mix import plan_of
from ..sdgen_core.sessions.ordering import ON_EXISTING, SessionRequest
from ..sdgen_core.sessions.parameters import Parameters
from ..sdgen_core.templates.library import ChosenTemplate
from .schema import CATEGORY, ComboType, SeedsType, TemplateType, reporting, schema

_OUTPUTS = {
    "positive": (io.String, "The prompt of one image."),
    "negative": (io.String, "The negative prompt of one image."),
    "seed": (io.Int, "The image's seed."),
    "width": (io.Int, "Width in pixels."),
    "height": (io.Int, "Height in pixels."),
    "steps": (io.Int, "Sampling steps."),
    "cfg": (io.Float, "Guidance scale."),
    "sampler_name": (ComboType, "Sampler."),
    "scheduler": (ComboType, "Scheduler."),
    "denoise": (io.Float, "Denoising strength, 1 for text to image."),
    "file_name": (io.String, "The image's file name, for SDGen Session Save."),
    "checkpoint": (ComboType, "Checkpoint, for a Load Checkpoint node."),
    "vae": (ComboType, "VAE, for a Load VAE node."),
    "lora": (ComboType, "LoRA, for a Load LoRA node; none gives one of strength 0."),
    "lora_strength": (io.Float, "Strength of the LoRA."),
    "image": (ComboType, "An image of ComfyUI's input folder, for a Load Image node."),
}


#: What ComfyUI's API nodes sign in with; the children of this prompt need it too.
_CREDENTIALS = ("auth_token_comfy_org", "api_key_comfy_org")


class SessionPlan(io.ComfyNode):
    """The planner. Its outputs are literals in every image's own prompt; this node itself runs once."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        defaults = Parameters()
        template_wins = "Used where the template's parameters say nothing."
        return schema(
            node_id="SDGenSessionPlan",
            display_name="SDGen Session Plan",
            category=CATEGORY,
            description="Turns a template into a session. One press of Run makes all its images, a few at a time, and survives restarts.",
            search_aliases=["session", "batch", "queue all combinations"],
            is_output_node=True,
            not_idempotent=True,
            hidden=[
                io.Hidden.unique_id,
                io.Hidden.prompt,
                io.Hidden.extra_pnginfo,
                io.Hidden.auth_token_comfy_org,
                io.Hidden.api_key_comfy_org,
            ],
            inputs=[
                TemplateType.Input("template", tooltip="From an SDGen Template."),
                SeedsType.Input(
                    "sweep",
                    display_name="seeds",
                    optional=True,
                    tooltip="From an SDGen Seed Sweep; else the template's own seeds.",
                ),
                io.String.Input(
                    "name", default="", tooltip="Name of the session and its files; empty for the template's."
                ),
                io.Combo.Input(
                    "on_existing",
                    options=list(ON_EXISTING),
                    default="resume",
                    tooltip="resume: the same order goes on where it was. extend: adds what an older session of this name lacks.",
                ),
                io.Int.Input(
                    "count", default=0, min=0, max=1_000_000, tooltip="Make only the first so many images; 0 for all."
                ),
                io.Int.Input(
                    "width", default=defaults.width, min=16, max=16384, step=8, tooltip=f"Pixels. {template_wins}"
                ),
                io.Int.Input(
                    "height", default=defaults.height, min=16, max=16384, step=8, tooltip=f"Pixels. {template_wins}"
                ),
                io.Int.Input("steps", default=defaults.steps, min=1, max=10000, tooltip=template_wins),
                io.Float.Input(
                    "cfg",
                    default=defaults.cfg,
                    min=0.0,
                    max=100.0,
                    step=0.1,
                    tooltip=f"Guidance scale. {template_wins}",
                ),
                io.Combo.Input(
                    "sampler_name", options=host.samplers(), default=defaults.sampler_name, tooltip=template_wins
                ),
                io.Combo.Input(
                    "scheduler", options=host.schedulers(), default=defaults.scheduler, tooltip=template_wins
                ),
                io.Float.Input("denoise", default=defaults.denoise, min=0.0, max=1.0, step=0.01, tooltip=template_wins),
                io.String.Input(
                    "item",
                    default="",
                    dynamic_prompts=False,
                    tooltip="Empty: the whole session. An image dragged back has its own values here; clear them to run the session.",
                ),
                # Last and optional: workflows and prompts saved before there were these stay valid.
                io.Combo.Input(
                    "checkpoint",
                    optional=True,
                    options=["", *host.model_files("checkpoints")],
                    default="",
                    tooltip=f"For the output of this name. {template_wins}",
                ),
                io.Combo.Input(
                    "vae",
                    optional=True,
                    options=["", *host.model_files("vae")],
                    default="",
                    tooltip=f"For the output of this name. {template_wins}",
                ),
                io.Combo.Input(
                    "lora",
                    optional=True,
                    options=["", *host.model_files("loras")],
                    default="",
                    tooltip=f"For the output of this name; empty means none. {template_wins}",
                ),
                io.Float.Input(
                    "lora_strength",
                    optional=True,
                    default=defaults.lora_strength,
                    min=-100.0,
                    max=100.0,
                    step=0.05,
                    tooltip=f"For the output of this name. {template_wins}",
                ),
                io.String.Input(
                    "image",
                    optional=True,
                    default="",
                    dynamic_prompts=False,
                    tooltip=f"An image of ComfyUI's input folder, for the output of this name. {template_wins}",
                ),
                io.Int.Input(
                    "batch",
                    optional=True,
                    default=1,
                    min=1,
                    max=64,
                    tooltip="Images that go through the sampler at once, each with its prompt, seed and file: faster, with more memory.",
                ),
                io.Boolean.Input(
                    "batch_anyway",
                    optional=True,
                    default=False,
                    tooltip="Batch also where images come out differently: ancestral and SDE samplers, nodes that SDGen does not know.",
                ),
            ],
            outputs=[
                kind.Output(f"{name}_out", display_name=name, tooltip=tip) for name, (kind, tip) in _OUTPUTS.items()
            ],
        )

    @classmethod
    def fingerprint_inputs(cls, **inputs: Any) -> int:
        """A press is an order, never a cached result."""
        return time.time_ns()

    @classmethod
    @reporting
    def execute(
        cls,
        template: ChosenTemplate,
        name: str,
        on_existing: str,
        count: int,
        item: str,
        sweep: Sequence[int] | None = None,
        batch: int = 1,
        batch_anyway: bool = False,
        **defaults: Any,
    ) -> io.NodeOutput:
        literals = pinned_literals(item)
        if literals is not None:
            return io.NodeOutput(*(literals[output] for output in PLAN_OUTPUTS))
        plan = plan_of(template, seeds=sweep, count=count or None)
        submitted = host.engine().sessions.submit(
            SessionRequest(
                plan=plan,
                graph=cls.hidden.prompt,
                planner=str(cls.hidden.unique_id),
                defaults=Parameters(**defaults),
                workflow=(cls.hidden.extra_pnginfo or {}).get("workflow"),
                client=host.current_client(),
                name=name,
                on_existing=on_existing,
                options=PartOptions(item_widget(), batch, batch_anyway),
                credentials={name: value for name in _CREDENTIALS if (value := getattr(cls.hidden, name, None))},
            )
        )
        status = host.engine().sessions.status(submitted.session)
        cost = submitted.estimate.to_json() if submitted.estimate else {}
        report = {
            **status,
            **cost,
            "action": submitted.action,
            "added": submitted.added,
            "warnings": submitted.warnings,
        }
        # The images come from the child prompts; in this prompt nothing behind the planner runs.
        blocked = [ExecutionBlocker(None) for _ in PLAN_OUTPUTS]
        return io.NodeOutput(*blocked, ui={"text": [host.submitted_text(report)], "sdgen": [report]})


def item_widget() -> int:
    """The place of ``item`` among the planner's widgets: every input but the linked-only ones, in order."""
    widgets = [entry.id for entry in SessionPlan.define_schema().inputs if entry.id not in ("template", "sweep")]
    return widgets.index("item")


NODES = [SessionPlan]
