"""People as judges: a sample of the benchmark's images, shuffled and without a word of which is of the LoRA, and what was said of them.

The sample is a session of its own, so the gallery's own tools for judging serve. Its images are those of pairs, without and with the LoRA,
written anew without the data that would tell; which is which is in the loop's state alone. Nobody is asked for more than the value that is
to rise: a scorer has chosen the images that were learned from, and of that value its opinion is not to be trusted. All of a sample has
to be judged, for whoever leaves out the difficult ones judges another benchmark.
"""

from __future__ import annotations

import io
import json
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...catalog.fields import VERDICTS
from ...sessions.files import make_folder, write_atomic
from ...sessions.reading import MANIFEST_NAME
from .benchmark import Value
from .judge import Judged

if TYPE_CHECKING:
    from ...catalog.catalog import Catalog

#: Pairs of images in a first sample; twice as many are judged in all after a second look, and so on.
PAIRS = 24
#: What a verdict about the value counts; the others say that it is not shown.
_WORTH = {"ok": 1.0, "partial": 0.5}

#: A pair of the benchmark: which of its sessions, and which image in that.
Place = tuple[int, int]


@dataclass(frozen=True)
class Asked:
    """An image of a sample: its ``file`` there, the pair it is of, and whether it was made with the LoRA."""

    file: str
    place: Place
    lora: bool

    def to_json(self) -> list[Any]:
        return [self.file, *self.place, self.lora]

    @classmethod
    def from_json(cls, said: Sequence[Any]) -> Asked:
        return cls(str(said[0]), (int(said[1]), int(said[2])), bool(said[3]))


def drawn(
    sides: Sequence[tuple[Judged, Judged]], target: Value, before: Sequence[Place], count: int, salt: str
) -> list[Place]:
    """Pairs of the target to be judged, at most ``count``, none of those of ``before``; always the same of the same benchmark."""
    known = set(before)
    found = [
        (n, at)
        for n, (base, _) in enumerate(sides)
        for at, shot in enumerate(base.shots)
        if shot.values.get(target[0]) == target[1] and (n, at) not in known
    ]
    random.Random(salt).shuffle(found)
    return sorted(found[: max(0, count)])


def write(
    folder: Path, places: Sequence[Place], sides: Sequence[tuple[Judged, Judged]], target: Value, text: str, salt: str
) -> list[Asked]:
    """Write a sample as a session into ``folder``; one that is there already, whole, stays.

    Raises ``broken-image`` and what writing raises.
    """
    asked = [(place, lora) for place in places for lora in (False, True)]
    random.Random(f"{salt} order").shuffle(asked)
    out = [Asked(f"judge_{n:04d}.png", place, lora) for n, (place, lora) in enumerate(asked)]
    if (folder / MANIFEST_NAME).is_file():
        return out
    make_folder(folder)
    for one in out:
        session, at = one.place
        write_atomic(folder / one.file, _bare(sides[session][one.lora].shots[at].file))
    name, key = target
    snapshot = {
        "version": "2.0",
        "timestamp": time.strftime("%Y-%m-%dT%H:%M:%S"),
        "generation_params": {"num_images": len(out)},
        "resolved_template": {"prompt": f"{{{name}}}"},
        "variations": {name: {"available": [text], "used": [text], "count": 1}},
    }
    images = [
        {
            "filename": one.file,
            "seed": None,
            "applied_variations": {name: text},
            "sdgen": {"index": n, "keys": {name: key}},
        }
        for n, one in enumerate(out)
    ]
    data = {"snapshot": snapshot, "images": images, "status": "completed"}
    write_atomic(
        folder / MANIFEST_NAME, json.dumps(data, ensure_ascii=False, indent=1).encode("utf-8", "surrogatepass")
    )
    return out


def said(catalog: Catalog, slug: str, placeholder: str) -> dict[str, float]:
    """File -> what people said of the placeholder's value in it, 0 to 1; files of which nothing was said are left out."""
    rows = catalog.index.store.rows(
        "SELECT file, verdict FROM image JOIN session ON session.id = session JOIN image_value ON image = image.id"
        " JOIN value ON value.id = value JOIN placeholder ON placeholder.id = placeholder"
        " WHERE slug=? AND placeholder.name=? AND verdict>0",
        (slug, placeholder),
    )
    return {str(file): _WORTH.get(VERDICTS[verdict - 1], 0.0) for file, verdict in rows}


def judged(
    sides: Sequence[tuple[Judged, Judged]], target: Value, verdicts: Mapping[tuple[Place, bool], float]
) -> list[tuple[Judged, Judged]]:
    """The sides with people's word for the target's value in place of the scorer's; of images that nobody saw nothing is known.

    ``verdicts``: pair and whether with the LoRA -> 0 to 1. What the scorer says of other values stays.
    """
    import numpy as np

    placeholder, key = target
    out = []
    for n, pair in enumerate(sides):
        both = []
        for lora, one in zip((False, True), pair, strict=True):
            column = one.success.get(placeholder)
            column = np.full(len(one.shots), np.nan) if column is None else column.copy()
            for at, shot in enumerate(one.shots):
                if shot.values.get(placeholder) == key:
                    column[at] = verdicts.get(((n, at), lora), np.nan)
            both.append(replace(one, success={**one.success, placeholder: column}))
        out.append((both[0], both[1]))
    return out


def _bare(file: Path) -> bytes:
    """An image's pixels as PNG, without anything that was written beside them."""
    from PIL import Image

    from ...scoring.embedding.decoding import decode

    decoded = decode(file)
    bare = Image.frombytes("RGB", decoded.size, decoded.convert("RGB").tobytes())
    out = io.BytesIO()
    bare.save(out, "PNG", compress_level=1)
    return out.getvalue()
