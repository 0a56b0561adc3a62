"""What the catalog's routes take and give: the models that check requests and of which the OpenAPI document is made.

No model holds a path of this machine. Images are named by their ids, sessions by their slugs, thumbnails by their keys.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

#: The most images that are judged in one step.
MOST_IMAGES = 100_000
#: The most that are named in one request: reading longer lists of numbers would hold up ComfyUI's event loop. A query names any number.
MOST_NAMED = 30_000
#: Bytes of a body in which so many are named: longer ones are not read at all.
NAMED_LIMIT = 400_000
#: The most images on a page, and the most cards asked for by their ids.
PAGE = 500

Mark = Literal["favourite", "interesting", "trash"]
Verdict = Literal["ok", "partial", "ko", "no-effect", "unintended"]

ImageId = Annotated[int, Field(ge=1, le=2**53 - 1, description="id of an image")]
Slug = Annotated[str, Field(min_length=1, max_length=300, description="a session's name in addresses")]
#: Shorter than the longest number that Python reads.
QueryText = Annotated[
    str,
    Field(
        max_length=4_000,
        description='What to find, as one types it: `Hair:Red,Blue -is:failed "wet street" sort:-rating`. Nothing finds everything;'
        " images in the trash and files that are gone are left out unless the query speaks of them.",
    ),
]
SortText = Annotated[
    str | None,
    Field(
        default=None,
        max_length=500,
        description="Sort keys, divided by commas, in place of the query's; `-` before one turns it round.",
    ),
]
Cursor = Annotated[
    str | None,
    Field(default=None, max_length=100, description="`next` of the page before; without it the first page."),
]
Remarks = Annotated[
    list[str], Field(description="What of the query is not in this library, in words, with the nearest names.")
]
Version = Annotated[
    str, Field(description="Another text after every change of the catalog; compare it, do not read it.")
]
Moment = Annotated[int, Field(description="Unix time in milliseconds")]
SeedText = Annotated[
    str | None,
    Field(
        pattern=r"^\d{1,20}$",
        description="The seed in decimal digits: a text, for seeds go to 2**64 - 1 and JavaScript's numbers to 2**53.",
    ),
]


# What makes a model check is built when it is first used: ComfyUI's start does not wait for some fifty of them.


class Asked(BaseModel):
    """The query string of a request: nothing but these names."""

    model_config = ConfigDict(extra="forbid", defer_build=True)


class Body(BaseModel):
    """The JSON body of a request: nothing but these names, and no value of another type."""

    model_config = ConfigDict(extra="forbid", strict=True, defer_build=True)


class Answer(BaseModel):
    """An answer."""

    model_config = ConfigDict(defer_build=True)


class Empty(Body):
    """A body that says nothing: `{}`."""


class Found(Asked):
    """A query alone."""

    q: QueryText = ""
