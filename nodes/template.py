"""SDGen Template and SDGen Seed Sweep: what is to be made."""

from __future__ import annotations

import time
from typing import Any

from comfy_api.latest import io

from ..sdgen_core.comfy import host
from ..sdgen_core.errors import SDGenError
from ..sdgen_core.templates import parse_seed_spec
from ..sdgen_core.templates.library import DISTRIBUTIONS, MODES, TEXT_BELOW, TemplateQuery
from .schema import CATEGORY, SeedsType, TemplateType, reporting, schema


class Template(io.ComfyNode):
    """A template file or text, with its theme, mode and limit."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="SDGenTemplate",
            display_name="SDGen Template",
            category=CATEGORY,
            description="A prompt template with placeholders. Shows what it will make before anything runs.",
            search_aliases=["template", "wildcards", "dynamic prompts", "yaml"],
            inputs=[
                io.Combo.Input(
                    "file",
                    options=[TEXT_BELOW, *host.template_names()],
                    default=TEXT_BELOW,
                    tooltip="A *.prompt.yaml from your template folders, or the text below.",
                ),
                io.String.Input(
                    "text",
                    multiline=True,
                    default="",
                    dynamic_prompts=False,
                    tooltip="A template typed here (YAML), used when no file is chosen. Imports are found in the first template folder.",
                ),
                io.String.Input(
                    "theme",
                    default="",
                    tooltip="A theme of this template, or several that share the images: gala:2, cyberpunk:1. Empty for none.",
                ),
                io.String.Input("style", default="", tooltip="Style within the theme; empty for the default style."),
                io.Combo.Input(
                    "mode",
                    options=list(MODES),
                    default=MODES[0],
                    tooltip="combinatorial: every combination in order. random: drawn without repeats. As written: the template decides.",
                ),
                io.Int.Input(
                    "limit",
                    default=0,
                    min=-1,
                    max=1_000_000,
                    tooltip="At most so many images (of a sweep: combinations), not the template's max_images. 0: as written, -1: all.",
                ),
                # Last and optional: workflows and prompts saved before there were choices stay valid.
                io.String.Input(
                    "choices",
                    optional=True,
                    default="",
                    dynamic_prompts=False,
                    tooltip="The values to use: Hair[Red,Blue]; Coat[#0-2]. Empty: as the template says. The Values button writes it.",
                ),
                io.Combo.Input(
                    "distribution",
                    optional=True,
                    options=list(DISTRIBUTIONS),
                    default=DISTRIBUTIONS[0],
                    tooltip="How several themes share the images: by their shares, all the same, or drawn by their shares.",
                ),
            ],
            outputs=[TemplateType.Output("template", tooltip="The template, for a Session Plan.")],
        )

    @classmethod
    def fingerprint_inputs(cls, **inputs: Any) -> int:
        """Files may have changed since the last run; reading them again is cheap, since unchanged ones are cached."""
        return time.time_ns()

    @classmethod
    def validate_inputs(cls, file: str | None = None) -> bool | str:
        """In place of ComfyUI's own check against the list, which may be older than the file. None: another node gives it."""
        try:
            if file and file != TEXT_BELOW:
                host.check_template(file)
        except SDGenError as error:
            return f"{error} [{error.code}]"
        return True

    @classmethod
    @reporting
    def execute(
        cls,
        file: str,
        text: str,
        theme: str,
        style: str,
        mode: str,
        limit: int,
        choices: str = "",
        distribution: str = DISTRIBUTIONS[0],
    ) -> io.NodeOutput:
        query = TemplateQuery(file, text, theme, style, mode, limit, choices, distribution)
        return io.NodeOutput(host.engine().templates.library.choose(query))


class SeedSweep(io.ComfyNode):
    """The same seeds for every combination."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="SDGenSeedSweep",
            display_name="SDGen Seed Sweep",
            category=CATEGORY,
            description="Every combination of the template is made with each of these seeds, so that values compare on equal seeds.",
            search_aliases=["seeds", "seed list", "consistency"],
            inputs=[
                io.String.Input(
                    "seeds",
                    default="1-4",
                    dynamic_prompts=False,
                    tooltip="A range (1-4), a list (7, 42, 99) or count#start (20#1000 is 1000 to 1019).",
                ),
            ],
            outputs=[SeedsType.Output("sweep", display_name="seeds", tooltip="The seeds, for a Session Plan.")],
        )

    @classmethod
    def validate_inputs(cls, seeds: str | None = None) -> bool | str:
        """None: another node gives them."""
        try:
            if seeds is not None:
                parse_seed_spec(seeds)
        except SDGenError as error:
            return f"{error} [{error.code}]"
        return True

    @classmethod
    @reporting
    def execute(cls, seeds: str) -> io.NodeOutput:
        return io.NodeOutput(parse_seed_spec(seeds))


NODES = [Template, SeedSweep]
