"""SDGen Export Dataset, SDGen Train LoRA, SDGen Await LoRA: from judged and scored images to a LoRA."""

from __future__ import annotations

import json
import time
from typing import Any

from comfy_api.latest import io
from comfy_execution.graph_utils import ExecutionBlocker

from ..sdgen_core.comfy import host
from ..sdgen_core.comfy import train as training
from ..sdgen_core.comfy.benchmark_lora import begin, benchmark
from ..sdgen_core.comfy.export_dataset import export, recipe_of
from ..sdgen_core.comfy.merge_lora import merge_named, named, state
from ..sdgen_core.training.datasets.folder import IMAGES
from ..sdgen_core.training.runs.service import status_text
from ..sdgen_core.training.runs.trainers import NAMES
from .schema import CATEGORY, ComboType, RunType, ScorerType, reporting, schema


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


class TrainLoRA(io.ComfyNode):
    """Starts a training run, a process that outlives this ComfyUI, and returns at once."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="SDGenTrainLoRA",
            display_name="SDGen Train LoRA",
            category=CATEGORY,
            description="Starts the training of a LoRA beside ComfyUI and returns at once; the run goes on when ComfyUI is closed.",
            search_aliases=["lora", "training", "kohya", "sd-scripts", "finetune"],
            is_output_node=True,
            not_idempotent=True,
            hidden=[io.Hidden.unique_id],
            inputs=[
                io.Combo.Input(
                    "ckpt_name",
                    options=training.bases(),
                    tooltip="The checkpoint that the LoRA is for.",
                ),
                io.String.Input(
                    "dataset",
                    default="",
                    dynamic_prompts=False,
                    tooltip="The folder of an SDGen Export Dataset, or the name of a data set in the training folder.",
                ),
                io.String.Input(
                    "name",
                    default="",
                    dynamic_prompts=False,
                    tooltip="Name of the LoRA's file; empty: that of the data set.",
                ),
                io.Combo.Input(
                    "trainer",
                    options=list(NAMES),
                    default=NAMES[0],
                    tooltip="native: ComfyUI's own training. kohya: sd-scripts, from the folder of the setting kohya_folder.",
                ),
                io.Int.Input(
                    "steps",
                    default=0,
                    min=0,
                    max=1_000_000,
                    tooltip="Steps of the optimizer; 0: what suits the size of the model.",
                ),
                io.Combo.Input(
                    "share",
                    options=list(training.SHARES),
                    default=next(iter(training.SHARES)),
                    tooltip="When it starts. Paused sessions go on when it has ended.",
                ),
                io.String.Input(
                    "options",
                    optional=True,
                    multiline=True,
                    default="",
                    dynamic_prompts=False,
                    tooltip="Options of the trainer, one a line, such as rank: 16 or learning_rate: 0.0005.",
                ),
            ],
            outputs=[
                RunType.Output("watcher", display_name="watcher", tooltip="The run, for an SDGen Await LoRA."),
                io.String.Output("run", display_name="run", tooltip="The run's id, for `sdgen train`."),
            ],
        )

    @classmethod
    def fingerprint_inputs(cls, **inputs: Any) -> int:
        """Every press is a run of its own."""
        return time.time_ns()

    @classmethod
    @reporting
    def execute(
        cls,
        ckpt_name: str,
        dataset: str,
        name: str,
        trainer: str,
        steps: int,
        share: str,
        options: str = "",
    ) -> io.NodeOutput:
        watcher, text = training.train(
            checkpoint=ckpt_name,
            dataset=dataset,
            name=name,
            trainer=trainer,
            steps=steps,
            share=share,
            options=options,
        )
        host.tell_for_good(str(cls.hidden.unique_id), text)
        return io.NodeOutput(watcher, watcher.run, ui={"text": [text]})


class AwaitLoRA(io.ComfyNode):
    """Ends when a training run has ended."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="SDGenAwaitLoRA",
            display_name="SDGen Await LoRA",
            category=CATEGORY,
            description="Waits for a training run and gives the LoRA. Cancel ends the waiting, the run goes on.",
            search_aliases=["lora", "training", "wait", "watch"],
            is_output_node=True,
            not_idempotent=True,
            hidden=[io.Hidden.unique_id],
            inputs=[RunType.Input("watcher", tooltip="From an SDGen Train LoRA.")],
            outputs=[
                ComboType.Output("lora", display_name="lora", tooltip="The LoRA's name, for a Load LoRA node."),
                io.String.Output("file", display_name="file", tooltip="The LoRA's file with its path."),
                io.String.Output(
                    "report", display_name="report", tooltip="Everything that is known of the run, as JSON."
                ),
            ],
        )

    @classmethod
    def fingerprint_inputs(cls, **inputs: Any) -> int:
        """A run may have gone on."""
        return time.time_ns()

    @classmethod
    @reporting
    def execute(cls, watcher: training.Watcher) -> io.NodeOutput:
        node = str(cls.hidden.unique_id)
        status = training.await_run(watcher.run, node)
        text = status_text(status)
        host.tell_for_good(node, text)
        report = json.dumps(status, ensure_ascii=False)
        return io.NodeOutput(training.lora_name(status["output"]), status["output"], report, ui={"text": [text]})


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
    def fingerprint_inputs(
        cls,
        checkpoint: str,
        lora: str,
        strength: float = 1.0,
        name: str = "",
        more: str = "",
        partly: bool = False,
        overwrite: bool = False,
    ) -> str | int:
        """The files may be others now, and the one that was made may be gone. Else what reads the new checkpoint keeps it loaded."""
        return state(checkpoint, lora, strength, name, more, partly, overwrite)

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
        loras = named(lora, strength, more)
        node = str(cls.hidden.unique_id)
        made, path, text = merge_named(node, checkpoint, loras, name, partly=partly, overwrite=overwrite)
        return io.NodeOutput(made, str(path), ui={"text": [text]})


class BenchmarkLoRA(io.ComfyNode):
    """Decides on a LoRA by two sessions of the same seeds, made without and with it."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="SDGenBenchmarkLoRA",
            display_name="SDGen Benchmark LoRA",
            category=CATEGORY,
            description="Says whether a LoRA repairs a value and harms no other, by two sessions of the same seeds, without and with it.",
            search_aliases=["evaluate lora", "compare sessions", "a/b test", "promote"],
            is_output_node=True,
            not_idempotent=True,
            hidden=[io.Hidden.unique_id, io.Hidden.prompt, io.Hidden.extra_pnginfo],
            inputs=[
                ScorerType.Input(
                    "scorer", tooltip="From an SDGen Load Scorer: best another one than that which chose the images."
                ),
                io.String.Input(
                    "without",
                    default="",
                    dynamic_prompts=False,
                    tooltip="Name or id of the session made without the LoRA; with a LoRA below: of the session that is improved.",
                ),
                io.String.Input(
                    "with_lora",
                    default="",
                    dynamic_prompts=False,
                    tooltip="Name or id of the session made with it, of the same template and seeds. Empty with a LoRA below.",
                ),
                io.String.Input(
                    "value",
                    default="",
                    dynamic_prompts=False,
                    tooltip="The value that is to rise, as Placeholder=Key.",
                ),
                io.Float.Input(
                    "margin",
                    optional=True,
                    default=5.0,
                    min=0.1,
                    max=100.0,
                    step=0.5,
                    tooltip="Points of 100 by which no other value may fall.",
                ),
                io.Combo.Input(
                    "lora",
                    optional=True,
                    options=["", *host.model_files("loras")],
                    default="",
                    tooltip="A LoRA, for which both sessions are made first, on new seeds. Empty: they are there.",
                ),
                io.Float.Input(
                    "strength",
                    optional=True,
                    default=1.0,
                    min=0.05,
                    max=10.0,
                    step=0.05,
                    tooltip="Strength of the LoRA, where the sessions are made.",
                ),
                io.Int.Input(
                    "images",
                    optional=True,
                    default=72,
                    min=8,
                    max=1000,
                    tooltip="Images of each value, where the sessions are made; 72 can show that a value falls by less than 5 points.",
                ),
            ],
            outputs=[
                io.Boolean.Output(
                    "promoted",
                    display_name="promoted",
                    tooltip="Whether the value surely rises, no other one falls by more than the margin, and images stay different.",
                ),
                io.Float.Output(
                    "change",
                    display_name="change",
                    tooltip="How the share of images that show the value changes, -1 to 1.",
                ),
                io.String.Output("verdict", display_name="verdict", tooltip="What is decided and why, in words."),
                io.String.Output("report", display_name="report", tooltip="All figures with their intervals, as JSON."),
            ],
        )

    @classmethod
    def fingerprint_inputs(cls, **inputs: Any) -> int:
        """The sessions may have more images now."""
        return time.time_ns()

    @classmethod
    @reporting
    def execute(
        cls,
        scorer: Any,
        without: str = "",
        with_lora: str = "",
        value: str = "",
        margin: float = 5.0,
        lora: str = "",
        strength: float = 1.0,
        images: int = 72,
    ) -> io.NodeOutput:
        node = str(cls.hidden.unique_id)
        if lora and not with_lora.strip():
            text, said = begin(
                node,
                cls.hidden.prompt,
                (cls.hidden.extra_pnginfo or {}).get("workflow"),
                without=without,
                value=value,
                margin=margin,
                lora=lora,
                strength=strength,
                images=images,
            )
            host.tell_for_good(node, text)
            # What reads the verdict comes in the prompt that follows.
            blocked = [ExecutionBlocker(None) for _ in range(4)]
            return io.NodeOutput(*blocked, ui={"text": [text], "sdgen": [said]})
        promoted, change, text, report = benchmark(scorer, without, with_lora, value, margin)
        host.tell_for_good(node, text)
        return io.NodeOutput(promoted, change, text, report, ui={"text": [text]})


NODES = [ExportDataset, TrainLoRA, AwaitLoRA, MergeLora, BenchmarkLoRA]
