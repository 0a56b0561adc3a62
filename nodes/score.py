"""SDGen Load Scorer, SDGen Score Image and SDGen Score Session: how sure is a model that images show what they were asked for?"""

from __future__ import annotations

import json
import time
from typing import Any

from comfy_api.latest import io

from ..sdgen_core.comfy import host
from ..sdgen_core.comfy import scorer as scorers
from ..sdgen_core.comfy.score_session import ALL, NEWEST, brief, chosen, failing_text, figures, score_sessions
from ..sdgen_core.comfy.score_text import image_text, mean_score
from ..sdgen_core.errors import SDGenError
from .save import to_pictures
from .schema import CATEGORY, ScorerType, reporting, schema


class LoadScorer(io.ComfyNode):
    """A CLIP model that open_clip knows, from a file of this machine."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="SDGenLoadScorer",
            display_name="SDGen Load Scorer",
            category=CATEGORY,
            description="Loads a CLIP model that tells how well images show what they were asked for.",
            search_aliases=["clip score", "open_clip", "siglip", "evaluate"],
            inputs=[
                io.Combo.Input(
                    "scorer",
                    options=scorers.names(),
                    default=scorers.names()[0],
                    tooltip="Image and text model in one file, from models/clip_vision or the folders of the settings. demo: a tiny one.",
                ),
                io.Combo.Input(
                    "precision",
                    optional=True,
                    options=list(scorers.PRECISIONS),
                    default=scorers.PRECISIONS[0],
                    tooltip="auto: half precision where ComfyUI uses it for other models, else full.",
                ),
                io.Combo.Input(
                    "device",
                    optional=True,
                    options=list(scorers.DEVICES),
                    default=scorers.DEVICES[0],
                    tooltip="default: where ComfyUI runs its models. cpu: leaves the graphics card to them.",
                ),
            ],
            outputs=[ScorerType.Output("scorer_out", display_name="scorer", tooltip="The model, for the score nodes.")],
        )

    @classmethod
    def validate_inputs(cls, scorer: str | None = None) -> bool | str:
        """In place of ComfyUI's own check, to say what is wrong with a file. None: another node gives the name."""
        try:
            if scorer is not None:
                scorers.check(scorer)
        except SDGenError as error:
            return f"{error} [{error.code}]"
        return True

    @classmethod
    def fingerprint_inputs(cls, scorer: str | None = None, **inputs: Any) -> str:
        """The file may be another one now."""
        return scorers.stamp(scorer) if scorer else ""

    @classmethod
    @reporting
    def execute(
        cls, scorer: str, precision: Any = scorers.PRECISIONS[0], device: str = scorers.DEVICES[0]
    ) -> io.NodeOutput:
        return io.NodeOutput(scorers.load(scorer, precision, device))


class ScoreImage(io.ComfyNode):
    """Scores images in the graph that makes them; what it says goes into the file, the manifest and the catalog."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="SDGenScoreImage",
            display_name="SDGen Score Image",
            category=CATEGORY,
            description="Says how sure a model is that an image shows its values. In a session the scores are saved with the image.",
            search_aliases=["clip score", "evaluate", "quality", "prompt alignment"],
            is_output_node=True,
            is_input_list=True,  # a node before it may give a list of images: they are one item's batch
            hidden=[io.Hidden.unique_id],
            inputs=[
                io.Image.Input(
                    "image", tooltip="The image as it is saved: put this node right before SDGen Session Save."
                ),
                ScorerType.Input("scorer", tooltip="From an SDGen Load Scorer."),
                io.String.Input(
                    "values",
                    optional=True,
                    multiline=True,
                    default="",
                    dynamic_prompts=False,
                    tooltip="Empty: the values of the session. Else what images may show, one a line, first what they should show.",
                ),
                io.String.Input(
                    "item",
                    optional=True,
                    default="",
                    dynamic_prompts=False,
                    tooltip="Set by the planner. Leave it empty.",
                ),
            ],
            outputs=[
                io.Image.Output(
                    "image_out", display_name="image", is_output_list=True, tooltip="The image, unchanged."
                ),
                io.Float.Output(
                    "score",
                    display_name="score",
                    tooltip="0 to 1: the mean of the probabilities that values are shown; of several images the mean. 0: nothing to judge.",
                ),
                io.String.Output("report", display_name="report", tooltip="Everything that is said, as JSON."),
            ],
        )

    @classmethod
    @reporting
    def execute(
        cls, image: list[Any], scorer: list[Any], values: list[str] | None = None, item: list[str] | None = None
    ) -> io.NodeOutput:
        pictures = [picture for batch in image for picture in to_pictures(batch)]
        lines = [line.strip() for line in (values or [""])[0].splitlines() if line.strip()]
        token = (item or [""])[0]
        said = scorers.look_typed(scorer[0], pictures, lines) if lines else scorers.look(scorer[0], pictures, token)
        text = "\n".join(image_text(one) for one in said) or "nothing is known of what this image should show"
        # of a session's prompt, which no page has queued, texts stay
        (host.tell if token else host.tell_for_good)(str(cls.hidden.unique_id), text)
        report = json.dumps({"images": said}, ensure_ascii=False)
        return io.NodeOutput(image, mean_score(said), report, ui={"text": [text]})


class ScoreSession(io.ComfyNode):
    """Scores what is there already: a session, or the whole library."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="SDGenScoreSession",
            display_name="SDGen Score Session",
            category=CATEGORY,
            description="Scores a session that is there, or all of them. What a model saw is kept, so the next time no image is read.",
            search_aliases=["clip score", "evaluate", "success rate", "batch score"],
            is_output_node=True,
            not_idempotent=True,
            hidden=[io.Hidden.unique_id],
            inputs=[
                ScorerType.Input("scorer", tooltip="From an SDGen Load Scorer."),
                io.String.Input(
                    "session",
                    default=NEWEST,
                    dynamic_prompts=False,
                    tooltip="Name or id of a session; empty: the newest one; all: every session of the library.",
                ),
                io.Boolean.Input(
                    "wait",
                    optional=True,
                    default=True,
                    label_on="until it is done",
                    label_off="in the background",
                    tooltip="On: this node ends when all is scored. Cancel ends it; what was seen is kept. Off: whenever nothing renders.",
                ),
            ],
            outputs=[
                io.Float.Output(
                    "success_rate",
                    display_name="success_rate",
                    tooltip="0 to 1: the share of images whose score is a success. 0: nothing to judge.",
                ),
                io.Float.Output(
                    "mean", display_name="mean", tooltip="0 to 1: the mean of the images' scores. 0: nothing to judge."
                ),
                io.String.Output(
                    "failing", display_name="failing", tooltip="The values that most surely fail, one a line."
                ),
                io.String.Output(
                    "report",
                    display_name="report",
                    tooltip="The session's report, as JSON; of several the figures of each.",
                ),
                io.String.Output(
                    "session_out",
                    display_name="session",
                    tooltip="The session's id, for nodes that come next; of several, with commas between.",
                ),
            ],
        )

    @classmethod
    def fingerprint_inputs(cls, **inputs: Any) -> int:
        """Images and verdicts may have come; what is not new costs little."""
        return time.time_ns()

    @classmethod
    @reporting
    def execute(cls, scorer: Any, session: str = NEWEST, wait: bool = True) -> io.NodeOutput:
        node = str(cls.hidden.unique_id)
        slugs, whole = chosen(session), session.strip().casefold() == ALL
        report = score_sessions(scorer, slugs, node, wait=wait, whole=whole)
        success, mean, text = figures(report)
        host.tell_for_good(node, text)
        said = brief(report)
        return io.NodeOutput(
            success,
            mean,
            failing_text(report),
            json.dumps(said, ensure_ascii=False),
            ALL if whole else ",".join(slugs),
            ui={"text": [text], "sdgen": [said]},
        )


NODES = [LoadScorer, ScoreImage, ScoreSession]
