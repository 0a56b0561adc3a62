"""Training over HTTP: which trainers and data sets there are, what runs, and how far it is. No model holds a path of this machine."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from .model import Answer, Asked, Body, Moment, Version

RunId = Annotated[str, Field(min_length=1, max_length=40, description="id of a run")]
TrainerName = Annotated[str, Field(min_length=1, max_length=40, description="One of `/sdgen/training/trainers`.")]
#: See ``training.runs.sharing``.
Share = Literal["none", "wait", "pause", "both"]
#: Bytes of a log that are answered at once.
LOG_PIECE = 64 << 10

State = Literal["waiting", "starting", "running", "saving", "stopping", "stopped", "failed", "done"]


class TrainingProblem(Answer):
    """Something that is wrong before the start: with an option or in a file."""

    code: str
    message: str
    hint: str
    option: str = Field(description="Its name; empty: no option's.")
    file: str = Field(description="Its name, without folders; empty: no file's.")
    fatal: bool = Field(description="It would fail.")


class TrainingOption(Answer):
    """An option of a trainer, as a form shows it."""

    name: str
    label: str
    kind: Literal["flag", "int", "float", "choice", "list", "text"]
    default: Any = Field(default=None, description="What a training takes when nothing is said.")
    choices: list[Any] = Field(description="Of kind choice.")
    help: str


class TrainingGroup(Answer):
    """Options that belong together."""

    name: str
    options: list[TrainingOption]


class TrainingPreset(Answer):
    """Options that fit a kind of model and a memory."""

    name: str
    title: str
    note: str
    options: dict[str, Any]


class TrainersAsked(Asked):
    """For which model."""

    checkpoint: str = Field(
        default="",
        max_length=400,
        description="One of `checkpoints`; forms and presets depend on its kind. Empty: the first.",
    )


class TrainerEntry(Answer):
    """A program that trains."""

    name: str
    problems: list[TrainingProblem] = Field(
        description="Why it will not do here; empty when nothing speaks against it."
    )
    groups: list[TrainingGroup]
    presets: list[TrainingPreset]


class Trainers(Answer):
    """What can train, and what can be trained."""

    trainers: list[TrainerEntry]
    checkpoints: list[str] = Field(description="Names of the models that a LoRA can be trained for.")
    checkpoint: str = Field(description="That which the forms are for; empty: there is none.")
    steps: int = Field(description="That a small data set takes on it; 0: there is none.")
    shares: list[Share] = Field(description="How a run can share the machine with ComfyUI's images.")


# ---- data sets ---------------------------------------------------------------------------------------------------------------


class DatasetCard(Answer):
    """A data set."""

    name: str
    images: int
    created_at: Moment | None
    trigger: str
    value: str = Field(description="The value that is learned, as Placeholder=Key; empty: none.")
    problem: str = Field(description="Why it cannot be used; empty when nothing speaks against it.")


class Datasets(Answer):
    """The data sets, the newest first."""

    datasets: list[DatasetCard]
    version: Version


class DatasetAudit(Answer):
    """What a data set holds, and what speaks against training with it."""

    name: str
    images: int
    recipe: dict[str, Any]
    captions: dict[str, int] = Field(description="How many are there, empty, missing.")
    values: dict[str, dict[str, int]] = Field(description="By placeholder: images of each value, by its text.")
    buckets: dict[str, int] = Field(description="Images by size, such as `512x768`.")
    steps: int = Field(description="Of one epoch, one image a step.")
    problems: list[TrainingProblem]


class RecipeBody(Body):
    """A recipe of a data set, as `sdgen dataset` and nodes take it."""

    recipe: dict[str, Any] = Field(max_length=40)


class RecipeAsked(RecipeBody):
    """What a recipe would make, asked again and again while it is written."""

    asker: str = Field(
        default="", max_length=40, description="Anything: the next question with the same ends this one."
    )


class ReasonCount(Answer):
    """How many images are left out for a reason."""

    reason: str
    text: str
    hint: str
    images: int


class DatasetPreview(Answer):
    """What a recipe would make; nothing is written."""

    name: str = Field(description="What it would be called: another name where that of the recipe is taken.")
    images: int
    considered: int
    left_out: list[ReasonCount]
    ids: list[int] = Field(description="Of some of the images.")
    captions: list[str] = Field(description="Of the same ones.")
    remarks: list[str]


# ---- runs --------------------------------------------------------------------------------------------------------------------


class RunCause(Answer):
    """Why a run failed."""

    code: str
    sentence: str
    hint: str


class RunCard(Answer):
    """A run, as lists and events have it."""

    id: str
    name: str
    trainer: str
    checkpoint: str = Field(description="Name of the model that it is for.")
    dataset: str
    state: State
    reason: str = Field(description="What it waits for, or what troubles it meanwhile.")
    wish: Literal["", "stop", "save"] = Field(description="What somebody asked for that is not done yet.")
    phase: str = Field(description="loading, caching, training, saving, sampling; empty: none.")
    step: int
    steps: int
    loss: float | None
    left: float | None = Field(description="Seconds; null: nobody knows.")
    created_at: Moment
    ended_at: Moment | None
    cause: RunCause | None
    saves: bool = Field(description="It can be stopped at its next saved state.")
    resumable: int | None = Field(description="The step of the saved state from which it can go on; null: none.")
    lora: str = Field(description="Name of the finished file; empty while there is none.")


class Runs(Answer):
    """The runs, the newest first."""

    runs: list[RunCard]
    problem: str = Field(description="Why nothing can be trained here; empty: it can.")
    version: Version


class Improvement(Answer):
    """What became of a value that was to be improved, see `sdgen improve`."""

    loop: str
    name: str = Field(description="Of the session.")
    number: int = Field(description="Of the cycle, from 1.")
    placeholder: str
    key: str
    text: str
    outcome: str = Field(description="promote, roll back, undecided, no material; empty: it is not over.")
    before: float | None = Field(
        description="The value's success rate without the LoRA, in a benchmark that it was not trained on."
    )
    after: float | None = Field(description="With it.")
    low: float | None = Field(description="The 95 % interval of the change.")
    high: float | None
    reasons: list[str]
    lora: str = Field(description="Name of the file that was promoted; empty: none was.")
    strength: float | None = Field(description="At which it is best.")
    run: str = Field(description="id of its training; empty while there is none.")
    report: bool = Field(description="There is a page with its pictures.")
    at: Moment


class Improvements(Answer):
    """The improvements, the newest first."""

    improvements: list[Improvement]
    version: Version


class RunPoint(Answer):
    """A place on the curve of losses."""

    step: int
    loss: float = Field(description="The mean of the steps since the point before.")


class RunSample(Answer):
    """An image that the trainer made meanwhile."""

    key: str = Field(description="For `/sdgen/training/runs/{run}/samples/{key}`.")
    name: str


class RunDetails(RunCard):
    """Everything about a run."""

    options: dict[str, Any]
    curve: list[RunPoint]
    samples: list[RunSample]
    saved: list[int] = Field(description="The steps of the saved states.")
    seconds: float = Field(description="Spent training, all its processes together.")
    log: int = Field(description="Bytes of its log.")


class LogAsked(Asked):
    """A piece of a log."""

    start: int = Field(
        default=-1, ge=-1, le=2**53 - 1, description="Its first byte; -1: so that the piece is the log's end."
    )
    limit: int = Field(default=LOG_PIECE, ge=1, le=LOG_PIECE, description="Bytes at most.")


class LogPiece(Answer):
    """A piece of a log."""

    start: int = Field(description="Its first byte.")
    end: int = Field(description="Where the next piece begins.")
    size: int = Field(description="Bytes of the whole log.")
    text: str


class TrainBody(Body):
    """What to train."""

    name: Annotated[str, Field(min_length=1, max_length=120)]
    trainer: TrainerName
    checkpoint: Annotated[str, Field(min_length=1, max_length=400, description="One of `checkpoints`.")]
    dataset: Annotated[str, Field(min_length=1, max_length=200, description="Name of a data set.")]
    steps: Annotated[int, Field(ge=1, le=10_000_000)]
    options: dict[str, Any] = Field(default={}, max_length=500)
    share: Share = "none"


class TrainCheck(Answer):
    """What speaks against a training, and how long it takes."""

    problems: list[TrainingProblem]
    seconds: float | None = Field(
        description="As fast as the last run of this trainer for this model; null: there was none."
    )


class Forgotten(Answer):
    """A run that is gone from the list."""

    run: str


class DatasetForgotten(Answer):
    """A data set that is gone."""

    dataset: str
