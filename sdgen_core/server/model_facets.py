"""Live counts, completion and statistics."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from .model import Answer, Asked, QueryText, Remarks, Version


class FacetsAsked(Asked):
    """What is counted: everything under a query, or one placeholder's values alone."""

    q: QueryText = ""
    placeholder: Annotated[
        str | None, Field(default=None, max_length=2_000, description="Only the values of this one.")
    ]
    limit: Annotated[int, Field(ge=1, le=10_000, description="The most values of a placeholder, names of a group.")] = (
        200
    )


class FacetValue(Answer):
    """How many of the images that are found have a value, and how many of them each verdict about it."""

    key: str
    text: str
    images: int
    ok: int
    partial: int
    ko: int
    no_effect: int
    unintended: int


class FacetPlaceholder(Answer):
    """The values of a placeholder, most images first; those that the other clauses leave no image count 0.

    Clauses that choose values of the placeholder itself do not narrow its counts: they say what choosing another value would find.
    """

    name: str
    known: int = Field(description="How many values it has in the library.")
    values: list[FacetValue]


class FacetCount(Answer):
    """How many images are found with this one chosen."""

    name: str = Field(description="As a query names it.")
    label: str = Field(description="As people know it.")
    images: int


class FacetGroups(Answer):
    """Counts by what images have besides values; as with placeholders, a field's own clauses do not narrow its counts."""

    model: list[FacetCount]
    sampler: list[FacetCount]
    scheduler: list[FacetCount]
    theme: list[FacetCount]
    style: list[FacetCount]
    template: list[FacetCount]
    session: list[FacetCount]
    tag: list[FacetCount]
    rating: list[FacetCount] = Field(description="From 0, which is none, to 5.")
    classes: list[FacetCount] = Field(
        default=[], description="What `class:` can be asked for: how a model finds the image shows its values."
    )
    flag: list[FacetCount] = Field(
        default=[], description="What `is:` can be asked for: marks, failed, judged, missing, …"
    )


class Facets(Answer):
    """Live counts under a query."""

    total: int = Field(description="How many images are found.")
    placeholders: list[FacetPlaceholder]
    groups: FacetGroups | None = Field(description="null when one placeholder was asked for.")
    remarks: Remarks
    version: Version


class CompleteAsked(Asked):
    """What is being typed into the query box: `field` before the colon, `text` behind it."""

    field: Annotated[
        str, Field(max_length=2_000, description="A field or placeholder; empty: their names are wanted.")
    ] = ""
    text: Annotated[str, Field(max_length=2_000)] = ""
    limit: Annotated[int, Field(ge=1, le=200)] = 20


class Suggestion(Answer):
    """One way to go on."""

    text: str = Field(description="The clause as the query has it, or a name with its colon.")
    label: str = Field(description="As people know it.")
    kind: Literal["field", "placeholder", "value", "word", "flag", "verdict", "sort"]
    images: int | None = Field(description="How many images have it in the whole library; null where nobody counts.")


class Completion(Answer):
    """Suggestions: what begins with the text before what has it inside, then by how many images there are."""

    suggestions: list[Suggestion]


class DuplicatesAsked(Asked):
    """Among which images, and how much alike they have to look."""

    q: QueryText = ""
    distance: Annotated[int, Field(ge=0, le=8, description="Differing bits of the perceptual hashes at most.")] = 4
    limit: Annotated[int, Field(ge=1, le=1_000, description="The most groups.")] = 200


class Duplicates(Answer):
    """Images that look alike, in groups, the largest first; two of a group may differ more than the distance asked for."""

    groups: list[list[int]] = Field(description="Ids, the oldest image first; `/sdgen/images/cards` shows them.")
    total: int = Field(description="How many groups there are.")
    images: int = Field(description="How many images are in all groups.")
    unhashed: int = Field(description="Images that could not be compared yet: their thumbnails are not made.")
    remarks: Remarks
    version: Version
