"""The trash: what emptying it would remove, and what it removed."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from .model import MOST_NAMED, Answer, Body, ImageId, QueryText


class TrashPreviewBody(Body):
    """Which of the images in the trash."""

    q: QueryText | None = Field(default=None, description="Of those that this finds; null: of all.")


class TrashRefused(Answer):
    """An image that cannot be removed, and why."""

    image: ImageId
    code: str
    reason: str


class TrashSession(Answer):
    """What of one session can be removed."""

    slug: str
    name: str
    images: int
    bytes: int


class TrashPreview(Answer):
    """What emptying the trash would remove."""

    images: int
    bytes: int
    ids: list[ImageId] = Field(description="What to give to `/sdgen/trash/empty`, once somebody has said yes to it.")
    sessions: list[TrashSession]
    refused: list[TrashRefused]


class TrashEmptyBody(Body):
    """Which images to remove, each of which must be in the trash."""

    ids: Annotated[list[ImageId], Field(min_length=1, max_length=MOST_NAMED)]
    permanently: bool = Field(
        default=False, description="Delete the files instead of moving them into the system's trash."
    )


class TrashReport(Answer):
    """What was removed."""

    removed: list[ImageId]
    bytes: int
    files: int = Field(description="How many files went, those beside the images too.")
    sessions: list[str] = Field(description="Slugs of the sessions they were of.")
    refused: list[TrashRefused]
    problems: list[str] = Field(description="What else went wrong, in words.")
