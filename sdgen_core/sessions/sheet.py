"""Comparison sheets: a session's images in a grid of any two of its axes, the rest fixed.

An axis is a placeholder, ``seed``, ``theme``, ``style``, ``checkpoint`` or a parameter. What an image was made with comes from the
manifest, so sheets work for every session folder there is; parameters and the checkpoint are read from the PNG when asked for.
"""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import SDGenError, nearest_names, shown
from ..templates.parameters import part_of
from .metadata import read_sdgen_chunk
from .reading import load_manifest

if TYPE_CHECKING:
    from PIL.Image import Image

_GAP = 6  # pixels between cells
_PAGE = Path(__file__).with_name("sheet.html")

VARIES = "varies"  # what an axis is fixed to when it is not

MAX_SIDE = 30_000  # pixels of a sheet: what Pillow, viewers and printers still take


@dataclass(frozen=True)
class Cell:
    """One image and its place on every axis: axis → value as people read it."""

    file: str
    at: Mapping[str, str]


@dataclass
class Sheet:
    """The images of a session with their axes; ``values`` are each axis' values in the order of their first image."""

    folder: Path
    title: str
    cells: list[Cell]
    values: dict[str, list[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for cell in self.cells:
            for axis, value in cell.at.items():
                seen = self.values.setdefault(axis, [])
                if value not in seen:
                    seen.append(value)

    @property
    def axes(self) -> list[str]:
        """The axes that have more than one value, those with the most first; last one with another value for each image."""

        def rank(axis: str) -> tuple[bool, int]:
            return len(self.values[axis]) == len(self.cells), -len(self.values[axis])

        return sorted((a for a, v in self.values.items() if len(v) > 1), key=rank)

    def axis(self, name: str) -> str:
        """``name`` as an axis. Raises ``bad-option`` with the nearest ones."""
        if name not in self.values:
            listed = ", ".join(self.values)
            raise SDGenError(
                "bad-option",
                f"{name!r} is no axis of this session (axes: {listed})",
                nearest=nearest_names(name, self.values),
            )
        return name

    def pivot(self, x: str, y: str, fixed: Mapping[str, str]) -> tuple[dict[tuple[str, str], Cell], dict[str, str]]:
        """(x value, y value) → image, and what the rest was fixed to.

        What ``fixed`` leaves open is fixed to the value that fills most cells, axis by axis, so that images are comparable. An axis
        that would empty more than half of the cells is left alone (``VARIES``): a seed of each image's own, a drawn placeholder.
        Raises ``bad-option`` for values that do not occur.
        """
        left = self.cells
        rest: dict[str, str] = {}
        for axis, value in fixed.items():
            if value not in self.values[self.axis(axis)]:
                near = nearest_names(value, self.values[axis])
                raise SDGenError("bad-option", f"no image has {axis} {value!r}", nearest=near)
            left = [c for c in left if c.at.get(axis) == value]
            rest[axis] = value
        for axis in self.axes:
            if axis in (x, y) or axis in rest:
                continue
            found: dict[str, set[tuple[str, str]]] = {}
            for cell in left:
                found.setdefault(cell.at.get(axis, ""), set()).add((cell.at.get(x, ""), cell.at.get(y, "")))
            if len(found) > 1:
                value = max(found, key=lambda v: len(found[v]))
                if 2 * len(found[value]) < len(set().union(*found.values())):
                    rest[axis] = VARIES
                    continue
                left = [c for c in left if c.at.get(axis, "") == value]
                rest[axis] = value
        out: dict[tuple[str, str], Cell] = {}
        for cell in left:
            out.setdefault((cell.at.get(x, ""), cell.at.get(y, "") if y != x else ""), cell)
        return out, rest


def read_sheet(folder: Path, *, parameters: bool = False) -> Sheet:
    """The images of a session folder. ``parameters`` also reads every PNG for its parameters and checkpoint.

    Raises as ``load_manifest``, and ``no-manifest`` when no image is there.
    """
    data = load_manifest(folder)
    snapshot = data.snapshot
    cells = []
    for entry in data.images:
        path = folder / entry["filename"]
        if not path.is_file():
            continue
        own = entry.get("sdgen")
        own = own if isinstance(own, dict) else {}
        keys = own.get("keys") or {}
        at: dict[str, str] = {}
        for name, value in (entry.get("applied_variations") or {}).items():
            text = part_of(value, None) if isinstance(value, str | dict) else str(value)
            # a key that is only a hash says nothing to people
            key = str(keys.get(name, ""))
            at[name] = key if key and not _is_hash(key) else text
        at["seed"] = str(entry.get("seed"))
        if own.get("theme") or own.get("style"):
            at |= _themed(own.get("theme"), own.get("style"))
        if parameters and path.suffix.lower() == ".png":
            record = read_sdgen_chunk(path) or {}
            at |= {k: str(v) for k, v in (record.get("parameters") or {}).items() if v not in ("", None)}
            at["checkpoint"] = str((record.get("checkpoint") or {}).get("name") or at.get("checkpoint", ""))
        cells.append(Cell(entry["filename"], at))
    if not cells:
        raise SDGenError("no-manifest", f"no image of {shown(folder)} is there")
    if any("theme" in cell.at for cell in cells):  # one of several may be none
        of_all = _themed(None, None)
        cells = [c if "theme" in c.at else Cell(c.file, {**c.at, **of_all}) for c in cells]
    block = snapshot.get("sdgen")
    template = block.get("template") if isinstance(block, Mapping) else None
    name = template.get("name") if isinstance(template, Mapping) else None
    return Sheet(folder, f"{name}: {folder.name}" if name else folder.name, cells)


def _themed(theme: object, style: object) -> dict[str, str]:
    return {"theme": str(theme or "no theme"), "style": str(style or "default")}


def _is_hash(key: str) -> bool:
    return len(key) == 8 and not set(key) - set("0123456789abcdef")


def sheet_image(sheet: Sheet, x: str, y: str, fixed: Mapping[str, str] | None = None, *, size: int = 256) -> Image:
    """The grid as one image: ``x`` across, ``y`` down, cells of at most ``size`` pixels a side.

    Cells without an image stay empty. Raises ``bad-option`` (axes, values, a sheet of more than ``MAX_SIDE`` pixels).
    """
    from PIL import Image, ImageDraw, ImageFont

    found, rest = sheet.pivot(sheet.axis(x), sheet.axis(y), fixed or {})
    columns = [v for v in sheet.values[x] if any(k[0] == v for k in found)]
    rows = [v for v in sheet.values[y] if any(k[1] == v for k in found)] if y != x else [""]
    thumbs = {at: _thumb(sheet.folder / cell.file, size) for at, cell in found.items()}
    width = max((t.width for t in thumbs.values()), default=size)
    height = max((t.height for t in thumbs.values()), default=size)
    font = ImageFont.load_default(max(11, size // 16))
    line = int(font.getbbox("Äg")[3]) + 4
    pen = ImageDraw.Draw(Image.new("RGB", (1, 1)))

    def wrapped(text: str, limit: int, lines: int) -> list[str]:
        out = [""]
        for word in text.split():
            joined = f"{out[-1]} {word}".strip()
            if pen.textlength(joined, font=font) <= limit or not out[-1]:
                out[-1] = joined
            else:
                out.append(word)
        out = [_shortened(part, limit, lambda t: pen.textlength(t, font=font)) for part in out]
        return out if len(out) <= lines else [*out[: lines - 1], out[lines - 1] + " …"]

    corner = f"{y} \\ {x}" if y != x else x
    side = min(int(size * 0.8), max(int(pen.textlength(v, font=font)) for v in [*rows, corner]) + 2 * _GAP)
    heads = [wrapped(v, width, 3) for v in columns]
    caption = wrapped(
        " · ".join([sheet.title, *(f"{a}: {v}" for a, v in rest.items())]), side + len(columns) * (width + _GAP), 3
    )
    top = line * (len(caption) + max(map(len, heads), default=1)) + 3 * _GAP
    total = (side + len(columns) * (width + _GAP) + _GAP, top + len(rows) * (height + _GAP))
    if max(total) > MAX_SIDE:
        raise SDGenError(
            "bad-option",
            f"the sheet would have {total[0]} × {total[1]} pixels, more than {MAX_SIDE} a side",
            hint="Give smaller cells, other axes, or fix a value.",
        )
    out = Image.new("RGB", total, "white")
    draw = ImageDraw.Draw(out)
    for i, text in enumerate(caption):
        draw.text((_GAP, _GAP + i * line), text, "#555555", font=font)
    head = _GAP + line * len(caption)
    draw.text((_GAP, head + _GAP), corner, "#555555", font=font)
    for i, lines in enumerate(heads):
        for n, text in enumerate(lines):
            draw.text((side + i * (width + _GAP) + _GAP, head + _GAP + n * line), text, "black", font=font)
    for j, value in enumerate(rows):
        at = top + j * (height + _GAP)
        for n, text in enumerate(wrapped(value, side - 2 * _GAP, max(1, height // line))):
            draw.text((_GAP, at + n * line), text, "black", font=font)
        for i, column in enumerate(columns):
            thumb = thumbs.get((column, value))
            place = (side + i * (width + _GAP) + _GAP, at)
            if thumb is None:
                draw.rectangle((*place, place[0] + width - 1, place[1] + height - 1), outline="#dddddd")
            else:
                out.paste(thumb, place)
    return out


def _shortened(text: str, limit: int, width: Callable[[str], float]) -> str:
    keep = len(text)
    while keep > 1 and width(text) > limit:
        keep = keep * 4 // 5
        text = text[:keep].rstrip() + "…"
    return text


def _thumb(path: Path, size: int) -> Image:
    import PIL.Image

    try:
        with PIL.Image.open(path) as image:
            image.draft("RGB", (size, size))
            thumb: PIL.Image.Image = image.convert("RGB")
            if max(thumb.size) > size:
                thumb.thumbnail((size, size))
            return thumb
    except OSError as error:
        raise SDGenError("broken-image", f"{shown(path)} cannot be read: {error}") from error


def sheet_page(sheet: Sheet, *, x: str | None = None, y: str | None = None, size: int = 256, quality: int = 85) -> str:
    """A page of its own (no server, no network) that pivots any two axes; images are inside, ``size`` pixels a side at most."""
    axes = sheet.axes or ["seed"]
    first = sheet.axis(x) if x else axes[0]
    second = sheet.axis(y) if y else next((a for a in axes if a != first), first)
    pictures: list[str] = []
    for cell in sheet.cells:
        buffer = io.BytesIO()
        _thumb(sheet.folder / cell.file, size).save(buffer, "WEBP", quality=quality)
        pictures.append("data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode("ascii"))
    data = {
        "title": sheet.title,
        "values": {a: sheet.values[a] for a in sheet.axes},
        "x": first,
        "y": second,
        "cells": [
            {"file": c.file, "at": {a: c.at.get(a, "") for a in sheet.axes}, "src": p}
            for c, p in zip(sheet.cells, pictures, strict=True)
        ],
    }
    text = json.dumps(data, ensure_ascii=False).replace("<", "\\u003c")
    return _PAGE.read_text(encoding="utf-8").replace("/*DATA*/null", text)


def png_bytes(image: Image) -> bytes:
    """An image as the bytes of a PNG file."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def parse_fixed(texts: Sequence[str]) -> dict[str, str]:
    """``["Hair:Red", "seed:7"]`` → axis → value. Raises ``bad-option``."""
    out = {}
    for text in texts:
        name, colon, value = text.partition(":")
        if not colon or not name.strip() or not value.strip():
            raise SDGenError("bad-option", f"{text!r} is not AXIS:VALUE")
        out[name.strip()] = value.strip()
    return out
