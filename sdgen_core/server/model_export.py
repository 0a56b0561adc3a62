"""Exports: which images, how, and how far it is."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from ..catalog.export_images import MOST
from .model import Answer, Body, ImageId, QueryText

Ticket = Annotated[str, Field(min_length=1, max_length=100, description="Names the export in its addresses.")]


class ExportBody(Body):
    """Which images: those with `ids`, or all that the query `q` finds; at most 20,000."""

    ids: list[ImageId] | None = Field(default=None, min_length=1, max_length=MOST)
    q: QueryText | None = None
    clean: bool = Field(
        default=False, description="Copies without prompt, workflow and all other metadata; their pixels are the same."
    )
    names: Literal["file", "number", "values"] = Field(
        default="file", description="The files' own names, numbers in this order, or values and seed."
    )

    @model_validator(mode="after")
    def _one_of_both(self) -> ExportBody:
        if (self.ids is None) == (self.q is None):
            raise ValueError("either ids or q says which images are meant")
        return self


class TicketBody(Body):
    """One export."""

    ticket: Ticket


class Exported(Answer):
    """How far an export is."""

    ticket: Ticket
    state: Literal["running", "ready", "failed"] = Field(
        description="ready: `/sdgen/export/{ticket}.zip` has it for an hour."
    )
    done: int
    total: int = Field(description="How many images it has.")
    bytes: int = Field(description="Size of the zip, once it is ready.")
    remarks: list[str] = Field(description="What is not in it, and why; the first hundred.")
    problem: str = Field(description="Why it failed, in words.")
