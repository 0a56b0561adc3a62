"""The frozen benchmark: seeds × prompts that no training saw, the same without and with every LoRA that is ever held against them.

It has two parts on different seeds. The *choosing* part is small and made with every strength: it says which strength is tried. The
*judging* part is made with that strength alone and says whether the LoRA is any good: the best of several numbers is too good by
chance, and here that chance is not the judge's. Where the judging part cannot tell, the values in doubt get more images, twice at most.

Everything that determines an image is in ``benchmark.json`` and its hash, so is the scale of later images. Without a LoRA they are made
once: the next LoRA finds them.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...comfy.client import ComfyClient
from ...errors import Place, SDGenError, shown
from ...sessions.compile import Prompt
from ...sessions.files import make_folder, write_atomic
from ...sessions.metadata import read_png_chunks
from ...sessions.naming import safe_name
from ...templates.resolved import ResolvedTemplate
from .making import Shot, Source, Wish, make, shots, text_of

FORM = 1
FILE = "benchmark.json"
#: How often the judging part is looked at: once, and twice more with more images.
LOOKS = 3
#: Images of a value in the judging part's first look: as many as can show that a value which is never worse falls by less than 5 points.
IMAGES = 72
CHOOSING, JUDGING = "choosing", "judging"
#: Seeds that a benchmark may have: those of trainings begin so far above its first one.
SEEDS = 1_000_000
_MODEL_HASH = re.compile(r"\bModel hash: ([0-9a-f]+)")

#: Placeholder and key.
Value = tuple[str, str]


@dataclass(frozen=True)
class Arm:
    """Without a LoRA (``lora`` empty), or with one (a file of ComfyUI's LoRA folders) at a strength; ``content``: its hash."""

    lora: str = ""
    strength: float = 0.0
    content: str = ""

    @property
    def name(self) -> str:
        return f"{self.content[:8]} at {self.strength:g}" if self.lora else "base"


@dataclass(frozen=True)
class Benchmark:
    """What decides about images: the session's template, workflow and values, the ``target`` that is to rise, ``images`` of each value in
    the first look, and the first ``seed``."""

    session: str
    name: str
    target: Value
    template: ResolvedTemplate
    graph: Prompt
    planner: str
    batch: int
    values: Mapping[str, Mapping[str, str]]
    images: int
    seed: int

    @classmethod
    def freeze(cls, source: Source, target: Value, images: int = IMAGES) -> Benchmark:
        """A benchmark for a value of a session. Raises ``unknown-value``, and ``bad-option`` where it would need too many seeds."""
        target = source.value("=".join(target))
        values = source.values_beside(target)
        frozen = cls(
            source.slug,
            source.name,
            target,
            source.template,
            source.graph,
            source.planner,
            source.batch,
            values,
            images,
            source.fresh(1),
        )
        if (LOOKS + 1) * frozen._apart > SEEDS:
            said = f"{images:,} images of each of {len(values[target[0]]):,} values of {target[0]} are too many for a benchmark"
            raise SDGenError("bad-option", said, hint="Ask for fewer images of each (--images).")
        return frozen

    @property
    def _apart(self) -> int:
        """Seeds from one part, or look, to the next: more than any of them has images."""
        most: int = self.images * 2 ** (LOOKS - 2) * max(1, len(self.values[self.target[0]]) - 1)
        return 10_000 * -(-most // 10_000)

    @property
    def hash(self) -> str:
        """16 hexadecimal digits of all that is in the file."""
        return hashlib.sha256(text_of(self.to_json()).encode("utf-8", "surrogatepass")).hexdigest()[:16]

    def to_json(self) -> dict[str, Any]:
        return {
            "form": FORM,
            "session": self.session,
            "name": self.name,
            "target": list(self.target),
            "template": self.template.to_json(),
            "graph": self.graph,
            "planner": self.planner,
            "batch": self.batch,
            "values": {name: list(pool.items()) for name, pool in self.values.items()},
            "images": self.images,
            "seed": self.seed,
        }

    def save(self, folder: Path) -> Path:
        """Write it, with its hash. A file that says otherwise stays, and ``benchmark-changed`` is raised."""
        path = folder / FILE
        if path.is_file():
            if Benchmark.read(path).hash != self.hash:
                raise SDGenError("benchmark-changed", f"{shown(path)} is another benchmark")
            return path
        make_folder(folder)
        data = {"hash": self.hash, **self.to_json()}
        write_atomic(path, json.dumps(data, ensure_ascii=False, indent=1).encode("utf-8", "surrogatepass"))
        return path

    @classmethod
    def read(cls, path: Path) -> Benchmark:
        """A frozen benchmark. Raises ``missing-file``, ``bad-structure``, and ``benchmark-changed`` when its hash is another."""
        place = Place(shown(path))
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
            if data["form"] != FORM:
                raise SDGenError("bad-structure", f"a benchmark of form {data['form']!r}", place=place)
            found = cls(
                str(data["session"]),
                str(data["name"]),
                (str(data["target"][0]), str(data["target"][1])),
                ResolvedTemplate.from_json(data["template"]),
                dict(data["graph"]),
                str(data["planner"]),
                int(data["batch"]),
                {name: dict(pool) for name, pool in data["values"].items()},
                int(data["images"]),
                int(data["seed"]),
            )
            said = str(data["hash"])
        except FileNotFoundError as error:
            raise SDGenError("missing-file", f"there is no file {shown(path)}") from error
        except (OSError, ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
            raise SDGenError(
                "bad-structure", f"it is no {FILE}: {type(error).__name__} {error}", place=place
            ) from error
        if said != found.hash:
            message = "the benchmark was changed by hand, and what was measured with it holds no more"
            raise SDGenError("benchmark-changed", message, place=place)
        return found

    def source(self) -> Source:
        """What its images are made from."""
        return Source(
            self.session, self.name, self.template, self.graph, self.planner, self.batch, frozenset({self.seed})
        )

    def wishes(self, part: str, look: int = 1, doubtful: Iterable[Value] = ()) -> list[Wish]:
        """The sessions of a part. From the second look on only the ``doubtful`` values get more images, each as many as it had; one without
        a key stands for all that had few."""
        placeholder, key = self.target
        others = [one for one in self.values[placeholder] if one != key]
        seed = self.seed + (0 if part == CHOOSING else self._apart * look)

        def wish(label: str, values: Mapping[str, Sequence[str]], images: int) -> Wish:
            return Wish(f"benchmark {self.hash[:8]} {part} {label}", values, images, seed)

        if look > 1:
            count = self.images * 2 ** (look - 2)
            out = {}
            for name, one in doubtful:
                values: dict[str, Sequence[str]] = {name: [one]} if one else {}
                if others and (name != placeholder or not one):
                    values[placeholder] = others
                label = safe_name(f"{look} {name} {one}") if one else f"{look} others"
                out[label] = wish(label, values, count if one else count * max(1, len(others)))
            return list(out.values())
        count = max(8, self.images // 3) if part == CHOOSING else self.images
        found = [wish("target", {placeholder: [key]}, count)]
        if others:
            found.append(wish("others", {placeholder: others}, count * len(others)))
        return found

    def made(
        self,
        client: ComfyClient,
        wish: Wish,
        arm: Arm,
        batch: int | None = None,
        progress: Callable[[int, int], None] = lambda done, total: None,
    ) -> list[Shot]:
        """The images of a wish by one arm, made where they are not there. Raises what ``making.make`` raises."""
        name = f"{wish.name} {arm.name}"
        named = Wish(name, wish.values, wish.images, wish.seed)
        folder = make(
            client, self.source(), named, lora=arm.lora, strength=arm.strength, batch=batch, progress=progress
        )
        return shots(folder)


def check_model(one: Sequence[Shot], other: Sequence[Shot]) -> None:
    """Raises ``benchmark-changed`` when two arms were made by different checkpoints: one of the same name took the place of the other."""
    ends = [side[at].file for side in (one, other) if side for at in (0, -1)]
    hashes = [found for found in dict.fromkeys(map(_model_hash, ends)) if found]
    if len(hashes) > 1:
        message = f"the images without a LoRA were made by a checkpoint {hashes[0]}, and those with it by {hashes[-1]}"
        hint = "Throw the benchmark's sessions away, empty the trash, and begin anew with another --name."
        raise SDGenError("benchmark-changed", message, hint=hint)


def _model_hash(file: Path) -> str:
    try:
        found = _MODEL_HASH.search(read_png_chunks(file).get("parameters", ""))
    except (SDGenError, OSError, ValueError):
        return ""
    return found[1] if found else ""
