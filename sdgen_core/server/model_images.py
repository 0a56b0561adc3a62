"""Images, in lists and in full."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from ..catalog.query import Query
from .model import (
    PAGE,
    Answer,
    Asked,
    Body,
    Cursor,
    ImageId,
    Mark,
    Moment,
    QueryText,
    Remarks,
    SeedText,
    SortText,
    Verdict,
    Version,
)

PageSize = Annotated[int, Field(ge=1, le=PAGE, description="How many at most.")]


class ThumbUrls(Answer):
    """Addresses of an image's thumbnails, on this server. What is there never changes."""

    small: str = Field(description="Longest side 256 pixels.")
    large: str = Field(description="Longest side 512 pixels.")


class Card(Answer):
    """What a list shows of an image."""

    id: ImageId
    session: str = Field(description="Slug of its session.")
    file: str = Field(description="Its name inside the session, to be shown.")
    number: int = Field(description="Its place in the session, from 0.")
    created: Moment
    width: int | None = Field(description="Pixels; null where the file could not be read.")
    height: int | None
    seed: SeedText
    mark: Mark | None
    failed: bool = Field(description="Said to have failed as a whole.")
    rating: int | None = Field(ge=1, le=5)
    judged: int = Field(ge=0, description="How many of its values have a verdict.")
    missing: bool = Field(description="Its file is gone.")
    broken: bool = Field(description="Its file cannot be shown; it can still be opened.")
    thumb: str = Field(description="Key of its thumbnails, which changes with the file.")
    thumbs: ThumbUrls


class ImagesAsked(Asked):
    """A page of images."""

    q: QueryText = ""
    sort: SortText = None
    after: Cursor = None
    limit: PageSize = 200


class FindBody(Body):
    """The same, with the query in its JSON form."""

    query: Query = Field(default_factory=Query, description="Clauses that must all hold, and sort keys.")
    after: Cursor = None
    limit: PageSize = 200


class ImagesPage(Answer):
    """A page of what a query found when its first page was asked for: judging meanwhile moves no image to another page."""

    images: list[Card]
    total: int | None = Field(ge=0, description="How many were found; null while a large library is still being read.")
    next: str | None = Field(description="`after` of the next page; null at the end.")
    remarks: Remarks
    version: Version


class IdsAsked(Asked):
    """The order of everything that is found."""

    q: QueryText = ""
    sort: SortText = None
    form: Literal["binary", "json"] = Field(default="binary", description="Four bytes an image, or JSON.")


class Ids(Answer):
    """The ids of everything that is found, in order."""

    ids: list[ImageId]
    total: int
    remarks: Remarks
    version: Version


class CardsBody(Body):
    """Cards by ids."""

    ids: list[ImageId] = Field(max_length=PAGE)


class Cards(Answer):
    """The cards in the order asked for; ids that there are not are left out."""

    images: list[Card]
    version: Version


class ImageValue(Answer):
    """The value that an image has of a placeholder."""

    key: str
    text: str = Field(description="As the prompt has it; JSON of a value with several parts.")
    verdict: Verdict | None
    score: float | None = Field(description="How well the image shows it, 0 to 1; null where it was not measured.")


class ImageDetails(Card):
    """Everything that is known of an image."""

    session_name: str
    batch: int = Field(description="Which image of its number, from 0, where several were made at once.")
    bytes: int
    model: str | None
    sampler: str | None
    scheduler: str | None
    steps: int | None
    cfg: float | None
    prompt: str | None
    negative: str | None
    note: str | None
    tags: list[str]
    values: dict[str, ImageValue] = Field(description="By placeholder.")


class FileAsked(Asked):
    """How the original is wanted."""

    download: bool = Field(default=False, description="Offer it for keeping instead of showing it.")


class SimilarAsked(Asked):
    """How many."""

    limit: Annotated[int, Field(ge=1, le=200)] = 50


class SimilarImage(Answer):
    """An image and how much it differs."""

    image: Card
    distance: int = Field(ge=0, le=64, description="Differing bits of the perceptual hashes: 0 looks the same.")


class Similar(Answer):
    """The images that look most like one, the nearest first."""

    images: list[SimilarImage]
    hashed: bool = Field(description="Whether this image could be compared: it cannot before its thumbnail is made.")
    version: Version


class Metadata(Answer):
    """What the file itself says of how it was made."""

    format: str = Field(description="png, jpeg or webp, by the file's content.")
    width: int
    height: int
    source: str = Field(description="The program whose record leads: sdgen, invokeai, comfyui, a1111, or empty.")
    prompt: dict[str, Any] | None = Field(description="ComfyUI's graph in its API form, which runs again.")
    workflow: dict[str, Any] | None = Field(description="ComfyUI's canvas.")
    sdgen: dict[str, Any] | None = Field(description="SDGen's own record.")
    parameters: str | None = Field(description="A1111's text.")
    texts: dict[str, str] = Field(description="All other texts of the file by their names.")
    left_out: list[str] = Field(description="Names of texts that are too long to be given.")
