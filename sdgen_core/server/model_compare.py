"""A session's images side by side."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from .model import Answer, Asked, Body, SeedText, Slug, Verdict, Version
from .model_images import Card

NameText = Annotated[str, Field(max_length=2_000)]
KeyText = Annotated[str, Field(max_length=20_000)]


class CompareAsked(Asked):
    """Which matrix, and which rows of it."""

    session: Slug
    pivot: NameText = Field("", description="The placeholder across; one is chosen without it.")
    rows: NameText = Field("", description="What goes down: `seed`, or a placeholder; chosen without it.")
    lock: list[KeyText] = Field(
        default=[],
        max_length=100,
        description="`Name:key` for each other axis that is locked (`seed:123` too); what is not locked is chosen.",
    )
    any: list[NameText] = Field(
        default=[], max_length=100, description="Axes that may be anything: cells then hold several images."
    )
    at: Annotated[int, Field(ge=0, le=10_000_000, description="The first row.")] = 0
    limit: Annotated[int, Field(ge=1, le=100)] = 20


class CompareValue(Answer):
    """A value of an axis: in how many images of the session it is, and of these how many were judged ok, partial and ko."""

    key: str
    text: str
    images: int
    ok: int
    partial: int
    ko: int


class CompareAxis(Answer):
    """Something in which images of the session differ: a placeholder, or `seed`. Of more than 1,000 values those around the locked one."""

    name: str
    values: list[CompareValue]


class CompareImage(Answer):
    """An image in a cell, with the verdict about its value of the pivot."""

    id: int
    verdict: Verdict | None
    missing: bool = Field(description="Its file is gone.")


class CompareCell(Answer):
    """The images of a column and a row. Where there is none, `plan` is what can be done: the state of the item that makes it, `possible`
    where the session can be extended by it, null where it cannot be made."""

    count: int = Field(description="How many images are in the cell.")
    images: list[CompareImage] = Field(description="The first 24 of them; those whose file is gone come last.")
    plan: Literal["todo", "queued", "done", "failed", "skipped", "possible"] | None = None


class CompareRow(Answer):
    """A row of cells, one for each column."""

    key: str
    text: str
    cells: list[CompareCell]


class CompareLock(Answer):
    """An axis that is neither across nor down: its key, or null where it may be anything."""

    name: str
    key: str | None


class Compared(Answer):
    """A page of a session's matrix."""

    axes: list[CompareAxis]
    pivot: str
    rows_by: str
    locks: list[CompareLock]
    columns: list[CompareValue]
    rows: list[CompareRow]
    at: int = Field(description="The first row of the page.")
    total: int = Field(description="How many rows there are.")
    differs: list[str] = Field(description="Parameters in which the images of the page differ.")
    cards: list[Card] = Field(description="Of the first image of each cell.")
    makes: Literal["yes", "any", "needs-comfyui", "not-ours"] = Field(
        description="Whether missing images can be queued: `any`: not until every axis is locked; `needs-comfyui`: not by a server"
        " without a ComfyUI; `not-ours`: the session was made elsewhere."
    )
    version: Version


class CompareQueueBody(Body):
    """The image that is wanted: the key of each placeholder that is an axis, and the seed."""

    session: Slug
    values: dict[NameText, KeyText] = Field(max_length=200)
    seed: SeedText


class CompareQueued(Answer):
    """What became of it: the state of its item, and of its session. `waiting`: the session is paused or stopped, and it waits with
    the others."""

    index: int
    item: Literal["todo", "queued", "done", "failed", "skipped"]
    session: str
    waiting: bool
