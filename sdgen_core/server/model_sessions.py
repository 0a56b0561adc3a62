"""Sessions of the library: cards in a list, and everything about one."""

from __future__ import annotations

from pydantic import Field

from .model import Answer, Moment, SeedText, Version
from .model_images import ThumbUrls


class SeedRange(Answer):
    """The least and the greatest seed, as texts: seeds go to 2**64 - 1."""

    least: SeedText
    greatest: SeedText


class SessionScores(Answer):
    """What a model said of a session's images, those that were thrown away, too: they were seen."""

    scored: int
    success: int
    partial: int
    failed: int
    flagged: int
    mean: float | None = Field(description="Of the images' scores, 0 to 1.")


class SessionCard(Answer):
    """What a list shows of a session."""

    slug: str = Field(description="Its name in addresses; the same after a move and a renaming.")
    name: str = Field(description="The title that somebody gave it, or what it was made as.")
    original_name: str
    started: Moment
    status: str = Field(description="ongoing, completed, aborted or unknown.")
    planned: int | None
    found_planned: int = Field(
        description="How many of the planned images are there, or were until they were thrown away."
    )
    completion: float | None = Field(
        description="The share of the planned images that is; null when nothing is known to be planned."
    )
    images: int = Field(description="Images whose file is there.")
    missing: int = Field(description="Files that are gone without anybody having said so.")
    removed: int = Field(description="Images that were thrown away.")
    bytes: int
    favourites: int
    interesting: int
    trash: int
    failed: int
    judged: int = Field(description="Images with a verdict about any of their values.")
    theme: str | None
    style: str | None
    template: str | None
    model: str | None
    sampler: str | None
    sweep: bool = Field(description="Whether every combination is made with the same seeds.")
    seeds: SeedRange | None
    width: int | None
    height: int | None
    favourite: bool
    rating: str | None = Field(description="like or dislike.")
    test: bool
    complete: str | None = Field(description="What somebody said: yes or no.")
    note: str | None
    tags: list[str]
    problems: int = Field(description="How many things in its records could not be read.")
    folder_missing: bool
    thumbs: list[ThumbUrls] = Field(description="Of its last images.")
    scores: SessionScores | None = Field(default=None, description="null where no model has looked at it.")


class SessionBounds(Answer):
    """What the filters can be set to, each under the other filters."""

    images: int = Field(description="The most images of a session.")
    counts: dict[str, dict[str, int]] = Field(description='Filter -> name -> sessions, most first; "" is none.')


class SessionList(Answer):
    """A page of sessions."""

    sessions: list[SessionCard]
    total: int
    next: str | None = Field(description="`after` of the next page; null at the end.")
    bounds: SessionBounds
    version: Version


class SessionValue(Answer):
    """A value in one session."""

    key: str
    text: str
    images: int = Field(description="Images whose file is there.")
    verdicts: dict[str, int] = Field(
        description="How often each verdict was given, also about images that were thrown away."
    )


class SessionPlaceholder(Answer):
    """A placeholder in one session."""

    name: str
    available: int | None = Field(description="How many values there were to choose from; null when no record says so.")
    used: int | None = Field(description="How many of them were planned.")
    values: list[SessionValue]


class SeedCount(Answer):
    """How many images have a seed."""

    seed: SeedText
    images: int


class Gap(Answer):
    """Numbers of planned images that are not there, from `first` to `last`."""

    first: int
    last: int


class SessionDetails(SessionCard):
    """All about a session. Counts are of images whose file is there, "" being unknown; lists end after 500."""

    folder: str = Field(description="Name of its folder.")
    prompt: str | None
    negative: str | None
    mode: str | None
    seed_mode: str | None
    base_seed: SeedText
    combinations: str | None = Field(description="A number that may be longer than 64 bits.")
    scheduler: str | None
    vae: str | None
    cfg: float | None
    steps: int | None
    placeholders: list[SessionPlaceholder]
    models: dict[str, int]
    samplers: dict[str, int]
    seed_counts: list[SeedCount]
    seed_count: int
    gaps: list[Gap] = Field(description="An image that was thrown away is no gap.")
    gap_count: int
    gap_images: int
    first: Moment | None
    last: Moment | None
    seconds: float | None = Field(description="From the first image to the last.")
    problem_texts: list[str]
    missing_files: list[str]
    version: Version
