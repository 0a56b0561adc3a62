"""What to judge next."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from .model import Answer, Asked, ImageId, QueryText, Remarks, Version


class ReviewAsked(Asked):
    """Among which images, and about which placeholder."""

    q: QueryText = ""
    placeholder: Annotated[
        str | None,
        Field(
            default=None,
            max_length=2_000,
            description="Images whose value of this one has no verdict; else those of which nothing was said.",
        ),
    ]
    limit: Annotated[int, Field(ge=1, le=500, description="How many at most.")] = 100


class ReviewValue(Answer):
    """How well a value is known, by the images that are found whatever was said of them."""

    placeholder: str
    key: str
    text: str
    judged: int = Field(description="Images with any verdict about it.")
    width: float = Field(ge=0, le=1, description="Of the Wilson interval of its success rate.")
    narrow: bool = Field(description="Known well enough: more verdicts would change little.")
    open: int = Field(description="Images that could still tell.")


class Review(Answer):
    """The queue of a review, and what is known before it."""

    ids: list[ImageId] = Field(description="What says most about the least known values comes first.")
    open: int = Field(description="How many images there are to judge.")
    values: list[ReviewValue] = Field(description="The least known first, 500 at most.")
    known: int = Field(description="How many values occur.")
    narrow: int = Field(description="How many of them are known well enough.")
    remarks: Remarks
    version: Version
