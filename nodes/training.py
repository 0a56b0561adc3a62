"""SDGen Export Dataset: from judged and scored images to what a LoRA is trained on."""

from __future__ import annotations

import time
from typing import Any

from comfy_api.latest import io

from ..sdgen_core.comfy import host
from ..sdgen_core.comfy.export_dataset import export, recipe_of
from ..sdgen_core.comfy.merge_lora import merge_named
from ..sdgen_core.training.datasets.folder import IMAGES
from .schema import CATEGORY, ComboType, reporting, schema


class ExportDataset(io.ComfyNode):
    """Writes the best images of the library, with captions, into a folder that trainers read."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="SDGenExportDataset",
            display_name="SDGen Export Dataset",
            category=CATEGORY,
            description="Writes the best judged or scored images, with captions, into a folder for LoRA training.",
            search_aliases=["lora", "training", "kohya", "captions", "dataset"],
            is_output_node=True,
            not_idempotent=True,
            hidden=[io.Hidden.unique_id],
            inputs=[
                io.String.Input(
                    "session",
                    default="",
                    dynamic_prompts=False,
                    tooltip="Names or ids of sessions, with commas between; empty: the newest one; all: the whole library.",
                ),
                io.String.Input(
                    "value",
                    default="",
                    dynamic_prompts=False,
                    tooltip="The value that is learned, as Placeholder=Key. Empty: images of all values.",
                ),
                io.Float.Input(
                    "best",
                    default=0.2,
                    min=0.01,
                    max=1.0,
                    step=0.01,
                    tooltip="The share of the images that is good enough, the best by verdict and score.",
                ),
                io.String.Input(
                    "trigger",
                    default="",
                    dynamic_prompts=False,
                    tooltip="A word that every caption begins with; empty: none.",
                ),
                io.String.Input(
                    "keep",
                    default="",
                    dynamic_prompts=False,
                    tooltip="Only these placeholders in captions, with commas between; empty: all.",
                ),
                io.String.Input(
                    "drop",
                    default="",
                    dynamic_prompts=False,
                    tooltip="Not these placeholders in captions, with commas between.",
                ),
                io.String.Input(
                    "name",
                    default="",
                    dynamic_prompts=False,
                    tooltip="Name of the folder; empty: of the value or session. One that is taken by other images gets a number.",
                ),
                io.String.Input(
                    "query",
                    optional=True,
                    default="",
                    dynamic_prompts=False,
                    tooltip="Only what this finds, as in the gallery's search: rating:>=4 -model:old*.",
                ),
                io.Float.Input(
                    "minimum",
                    optional=True,
                    default=0.5,
                    min=0.0,
                    max=1.0,
                    step=0.01,
                    tooltip="Score from which on images count that nobody has judged.",
                ),
                io.Int.Input(
                    "repeats",
                    optional=True,
                    default=1,
                    min=1,
                    max=1000,
                    tooltip="How often a trainer sees each image in an epoch.",
                ),
                io.String.Input(
                    "recipe",
                    optional=True,
                    multiline=True,
                    default="",
                    dynamic_prompts=False,
                    tooltip="More of the recipe, as YAML, such as limit: 40. It wins over the inputs above.",
                ),
            ],
            outputs=[
                io.String.Output("folder", display_name="folder", tooltip="The data set's folder."),
                io.Int.Output("count", display_name="count", tooltip="How many images are in it."),
                io.String.Output(
                    "audit",
                    display_name="audit",
                    tooltip="What is in it, why other images are not, and what is wrong with it.",
                ),
                ComboType.Output(
                    "images",
                    display_name="images",
                    tooltip="Its images, for core's Load Image and Text Dataset from Folder.",
                ),
            ],
        )

    @classmethod
    def fingerprint_inputs(cls, **inputs: Any) -> int:
        """Images, verdicts and scores may have come."""
        return time.time_ns()

    @classmethod
    @reporting
    def execute(
        cls,
        session: str = "",
        value: str = "",
        best: float = 0.2,
        trigger: str = "",
        keep: str = "",
        drop: str = "",
        name: str = "",
        query: str = "",
        minimum: float = 0.5,
        repeats: int = 1,
        recipe: str = "",
    ) -> io.NodeOutput:
        node = str(cls.hidden.unique_id)
        wanted = recipe_of(
            session=session,
            value=value,
            best=best,
            trigger=trigger,
            keep=keep,
            drop=drop,
            name=name,
            query=query,
            minimum=minimum,
            repeats=repeats,
            more=recipe,
        )
        folder, count, text = export(wanted, node)
        host.tell_for_good(node, text)
        return io.NodeOutput(str(folder), count, text, str(folder / IMAGES), ui={"text": [text]})


class MergeLora(io.ComfyNode):
    """Writes a checkpoint with LoRAs in it."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="SDGenMergeLoRA",
            display_name="SDGen Merge LoRA",
            category=CATEGORY,
            description="Writes a checkpoint that makes the images that the LoRAs would make at run time.",
            search_aliases=["lora", "training", "checkpoint merge", "bake"],
            is_output_node=True,
            hidden=[io.Hidden.unique_id],
            inputs=[
                io.Combo.Input(
                    "checkpoint",
                    options=["", *host.model_files("checkpoints")],
                    default="",
                    tooltip="The model that the LoRAs go into. It stays as it is.",
                ),
                io.Combo.Input("lora", options=["", *host.model_files("loras")], default="", tooltip="The LoRA."),
                io.Float.Input(
                    "strength",
                    default=1.0,
                    min=-100.0,
                    max=100.0,
                    step=0.05,
                    tooltip="How much of it, on model and text encoder alike.",
                ),
                io.String.Input(
                    "name",
                    default="",
                    dynamic_prompts=False,
                    tooltip="Name of the new file in ComfyUI's folder of checkpoints; empty: of the model and its LoRAs.",
                ),
                io.String.Input(
                    "more",
                    optional=True,
                    multiline=True,
                    default="",
                    dynamic_prompts=False,
                    tooltip="Further LoRAs, one a line: NAME = 0.8, or NAME = 0.8, 0.5 with a strength for text encoders.",
                ),
                io.Boolean.Input(
                    "partly",
                    optional=True,
                    default=False,
                    tooltip="Leave out what finds no place in the model, instead of refusing the LoRA.",
                ),
                io.Boolean.Input(
                    "overwrite", optional=True, default=False, tooltip="Replace the file when it is there."
                ),
            ],
            outputs=[
                ComboType.Output(
                    "checkpoint_out", display_name="checkpoint", tooltip="The new file's name, for Load Checkpoint."
                ),
                io.String.Output("path", display_name="path", tooltip="Where it is."),
            ],
        )

    @classmethod
    def fingerprint_inputs(cls, **inputs: Any) -> int:
        """The files may be others now, and the one that was made may be gone."""
        return time.time_ns()

    @classmethod
    @reporting
    def execute(
        cls,
        checkpoint: str,
        lora: str,
        strength: float = 1.0,
        name: str = "",
        more: str = "",
        partly: bool = False,
        overwrite: bool = False,
    ) -> io.NodeOutput:
        lines = [line.strip() for line in more.splitlines() if line.strip()]
        loras = [*([f"{lora}={strength}"] if lora else []), *lines]
        node = str(cls.hidden.unique_id)
        made, path, text = merge_named(node, checkpoint, loras, name, partly=partly, overwrite=overwrite)
        return io.NodeOutput(made, str(path), ui={"text": [text]})


NODES = [ExportDataset, MergeLora]
