"""Texts drawn onto copies of images: ``<name>_annotated.png`` beside ``<name>.png``. The original is never touched.

What is drawn is the template's ``output.annotations`` block: lines ``Name: value`` in a filled box in one corner. Copies are made in
the background while a session runs, so that a save never waits for them, and again at any time by ``annotate_session``.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import SDGenError, shown
from ..templates.parameters import part_of
from .files import write_atomic
from .metadata import encode_png, read_png_chunks
from .reading import load_manifest

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageFont import FreeTypeFont, ImageFont

log = logging.getLogger("sdgen")

COLOURS: Mapping[str, tuple[int, int, int]] = {
    "white": (255, 255, 255),
    "black": (0, 0, 0),
    "red": (255, 0, 0),
    "green": (0, 128, 0),
    "blue": (0, 0, 255),
    "yellow": (255, 255, 0),
}
POSITIONS = ("bottom-left", "bottom-right", "top-left", "top-right")
ENDING = "_annotated"

_FONTS = ("DejaVuSans.ttf", "NotoSans-Regular.ttf", "arial.ttf", "Arial.ttf", "Helvetica.ttc")


@dataclass(frozen=True)
class Annotations:
    """How to draw: ``keys`` are the placeholders shown (empty: all); sizes in pixels, ``background_alpha`` 0 to 255."""

    keys: tuple[str, ...] = ()
    position: str = POSITIONS[0]
    font_size: int = 16
    background_alpha: int = 180
    text_color: str = "white"
    padding: int = 10
    margin: int = 20

    @classmethod
    def of(cls, block: Mapping[str, Any] | None) -> Annotations | None:
        """The settings of an ``annotations`` block as a template stores it; None when it is off."""
        if not block or not block.get("enabled"):
            return None
        known = {name: block[name] for name in cls.__dataclass_fields__ if block.get(name) is not None}
        return cls(**{**known, "keys": tuple(known.get("keys", ()))})

    def lines(self, values: Mapping[str, Any]) -> list[str]:
        """What is written on an image of these values (a text, or part → text of which the main one shows)."""
        names = [n for n in self.keys if n in values] if self.keys else list(values)
        texts = {n: part_of(v, None) if isinstance(v, str | dict) else str(v) for n, v in values.items()}
        return [f"{n}: {' '.join(texts[n].split())}" for n in names]


def annotated(image: Image, lines: Sequence[str], settings: Annotations) -> Image:
    """A copy with ``lines`` in a box; long lines are wrapped, and the box never leaves the image. RGB stays RGB."""
    from PIL import Image as images
    from PIL import ImageDraw

    base = image.convert("RGBA")
    font = _font(settings.font_size)
    pen = ImageDraw.Draw(base)
    room = max(1, base.width - 2 * (settings.margin + settings.padding))
    clean = ["".join(c if c.isprintable() else " " for c in line) for line in lines]  # what fonts cannot draw
    rows = [row for line in clean for row in _wrapped(line, room, pen, font)]
    text = "\n".join(rows)
    left, top, right, bottom = pen.multiline_textbbox((0, 0), text, font=font, spacing=4)
    width, height = int(right - left) + 2 * settings.padding, int(bottom - top) + 2 * settings.padding
    vertical, _, horizontal = (settings.position if settings.position in POSITIONS else POSITIONS[0]).partition("-")
    x = settings.margin if horizontal == "left" else base.width - settings.margin - width
    y = settings.margin if vertical == "top" else base.height - settings.margin - height
    x, y = max(0, min(x, base.width - width)), max(0, min(y, base.height - height))
    layer = images.new("RGBA", base.size, (0, 0, 0, 0))
    draw = ImageDraw.Draw(layer)
    draw.rectangle((x, y, x + width - 1, y + height - 1), fill=(0, 0, 0, max(0, min(255, settings.background_alpha))))
    colour = COLOURS.get(settings.text_color.lower(), COLOURS["white"])
    place = (x + settings.padding - left, y + settings.padding - top)
    draw.multiline_text(place, text, fill=(*colour, 255), font=font, spacing=4)
    out = images.alpha_composite(base, layer)
    return out if image.mode in ("RGBA", "LA") else out.convert("RGB")


def _font(size: int) -> FreeTypeFont | ImageFont:
    from PIL import ImageFont as fonts

    for name in _FONTS:
        try:
            return fonts.truetype(name, size)
        except OSError:
            continue
    return fonts.load_default(size)


def _wrapped(line: str, room: int, pen: Any, font: Any) -> list[str]:
    rows = [""]
    for word in line.split(" "):
        while pen.textlength(word, font=font) > room and len(word) > 1:
            keep = max(
                1,
                next(n for n in range(len(word) - 1, -1, -1) if n <= 1 or pen.textlength(word[:n], font=font) <= room),
            )
            rows += [word[:keep]]
            word = word[keep:]
        joined = f"{rows[-1]} {word}".strip()
        if rows[-1] and pen.textlength(joined, font=font) > room:
            rows.append(word)
        else:
            rows[-1] = joined
    return [row for row in rows if row]


def copy_name(path: Path) -> Path:
    """Where the copy of an image goes."""
    return path.with_name(f"{path.stem}{ENDING}{path.suffix}")


def annotate_file(path: Path, values: Mapping[str, Any], settings: Annotations) -> Path | None:
    """Draw the copy of one PNG, with all its text chunks; None when there is nothing to write on it.

    Raises ``broken-image``, ``disk-full``, ``unwritable-folder``.
    """
    from PIL import Image

    lines = settings.lines(values)
    if not lines:
        return None
    try:
        with Image.open(path) as image:
            picture = annotated(image, lines, settings)
        chunks = read_png_chunks(path)
    except OSError as error:
        raise SDGenError("broken-image", f"{shown(path)} cannot be read: {error}") from error
    target = copy_name(path)
    write_atomic(target, encode_png(picture, chunks), durable=False)
    return target


def annotate_session(folder: Path, settings: Annotations) -> tuple[int, list[str]]:
    """Draw the copies of all images of a session folder; gives how many, and what could not be read. Raises ``no-manifest``."""
    made, wrong = 0, []
    for entry in load_manifest(folder).images:
        path = folder / entry["filename"]
        if path.suffix.lower() != ".png" or not path.is_file():
            continue
        try:
            made += annotate_file(path, entry.get("applied_variations") or {}, settings) is not None
        except SDGenError as error:
            if error.code != "broken-image":
                raise
            wrong.append(str(error))
    return made, wrong


class Annotator:
    """Draws copies in a thread of its own. A copy that fails is logged: it can be had again, the session must go on."""

    def __init__(self) -> None:
        self._jobs: queue.Queue[tuple[Path, Mapping[str, Any], Annotations] | None] = queue.Queue()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def add(self, path: Path, values: Mapping[str, Any], settings: Annotations) -> None:
        """Draw the copy of ``path`` soon."""
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="sdgen-annotations", daemon=True)
                self._thread.start()
        self._jobs.put((path, values, settings))

    def close(self, timeout: float = 60.0) -> None:
        """Finish what was added; at most ``timeout`` seconds."""
        with self._lock:
            thread, self._thread = self._thread, None
        if thread is not None:
            self._jobs.put(None)
            thread.join(timeout)

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            try:
                annotate_file(*job)
            except Exception as error:
                log.warning("SDGen: no annotated copy of %s: %s", job[0], error)
