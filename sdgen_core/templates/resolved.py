"""A template with all its files read: what is left to do is choosing and filling.

It is self-contained (no file is needed afterwards), survives JSON unchanged, and is what a ledger or a remote server
stores.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..errors import SDGenError

FORMAT = 1
MARKER = "sdgen_resolved"

Value = str | dict[str, str]


@dataclass(frozen=True)
class Generation:
    """How choices and seeds follow each other; words as the user wrote them.

    Any ``mode`` but "combinatorial" draws at random, any ``seed_mode`` but "fixed" and "progressive" lets the backend
    pick. ``max_images`` <= 0 means no limit.
    """

    mode: str = "combinatorial"
    seed: int = -1
    seed_mode: str = "progressive"
    max_images: int = -1
    variation_seed: int | None = None

    @property
    def combinatorial(self) -> bool:
        return self.mode == "combinatorial"

    @property
    def random_seeds(self) -> bool:
        return self.seed_mode not in ("fixed", "progressive")

    def to_json(self) -> dict[str, Any]:
        return {
            "mode": self.mode,
            "seed": self.seed,
            "seed_mode": self.seed_mode,
            "max_images": self.max_images,
            "variation_seed": self.variation_seed,
        }


@dataclass(frozen=True)
class Lora:
    """A LoRA that a theme brings: a file of ComfyUI's LoRA folders, and its strength, on model and text encoder alike."""

    name: str
    strength: float = 1.0

    def to_json(self) -> dict[str, Any]:
        return {"name": self.name, "strength": self.strength}


@dataclass(frozen=True)
class OutputSettings:
    """The ``output`` block: session name as written, keys for file names (opt-in), annotation settings as written, the
    format of file names (None: the usual one), images per sub-folder (0: no sub-folders).
    """

    session_name: str | None = None
    filename_keys: tuple[str, ...] = ()
    annotations: Mapping[str, Any] | None = None
    file_name: str | None = None
    images_per_folder: int = 0

    def to_json(self) -> dict[str, Any]:
        return {
            "session_name": self.session_name,
            "filename_keys": list(self.filename_keys),
            "annotations": None if self.annotations is None else dict(self.annotations),
            **({"file_name": self.file_name} if self.file_name else {}),
            **({"images_per_folder": self.images_per_folder} if self.images_per_folder else {}),
        }


@dataclass(frozen=True)
class ResolvedTemplate:
    """The merged template. ``prompt`` still holds placeholders and selectors; chunks are expanded.

    ``choices`` are selectors given beside the template (placeholder -> inside of the brackets); they count in place of
    those in the text. ``values`` maps placeholder -> key -> text (or part -> text), in file order, after fixed placeholders have
    filtered them. ``removed`` names were emptied by a theme or by ``[Remove]``. ``weights`` are default loop weights.
    ``parameters`` may hold placeholders in its texts; ``images`` maps images as these name them to their names in ComfyUI's input
    folder; ``loras`` are the theme's, in the order applied; ``warnings`` are ready to show.
    """

    name: str
    session_name: str
    source: str
    source_hash: str
    files: tuple[tuple[str, str], ...]
    prompt: str
    negative: str
    values: Mapping[str, Mapping[str, Value]]
    generation: Generation
    removed: tuple[str, ...] = ()
    weights: Mapping[str, int] = field(default_factory=dict)
    parameters: Mapping[str, Any] = field(default_factory=dict)
    theme: str | None = None
    style: str = "default"
    fixed: Mapping[str, str] = field(default_factory=dict)
    choices: Mapping[str, str] = field(default_factory=dict)
    output: OutputSettings = field(default_factory=OutputSettings)
    warnings: tuple[str, ...] = ()
    images: Mapping[str, str] = field(default_factory=dict)
    loras: tuple[Lora, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Strict JSON. Values are lists of pairs, so that sorting the keys of the JSON loses no order."""
        return {
            MARKER: FORMAT,
            "name": self.name,
            "session_name": self.session_name,
            "source": self.source,
            "source_hash": self.source_hash,
            "files": [list(f) for f in self.files],
            "prompt": self.prompt,
            "negative": self.negative,
            "values": [
                [name, [[k, v if isinstance(v, str) else dict(v)] for k, v in pool.items()]]
                for name, pool in self.values.items()
            ],
            "generation": self.generation.to_json(),
            "removed": list(self.removed),
            "weights": dict(self.weights),
            "parameters": dict(self.parameters),
            "theme": self.theme,
            "style": self.style,
            "fixed": dict(self.fixed),
            **({"choices": dict(self.choices)} if self.choices else {}),
            "output": self.output.to_json(),
            "warnings": list(self.warnings),
            **({"images": dict(self.images)} if self.images else {}),
            **({"loras": [lora.to_json() for lora in self.loras]} if self.loras else {}),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> ResolvedTemplate:
        """Raises ``bad-plan`` when ``data`` is not what ``to_json`` gave."""
        try:
            if data[MARKER] != FORMAT:
                raise SDGenError(
                    "bad-plan", f"a resolved template of version {data[MARKER]!r}; this program reads version {FORMAT}"
                )
            values = {
                text(name): {
                    text(k): v if isinstance(v, str) else {text(p): text(t) for p, t in v.items()} for k, v in pool
                }
                for name, pool in data["values"]
            }
            g, o = data["generation"], data["output"]
            variation_seed = g["variation_seed"]
            return cls(
                name=text(data["name"]),
                session_name=text(data["session_name"]),
                source=text(data["source"]),
                source_hash=text(data["source_hash"]),
                files=tuple((text(f), text(h)) for f, h in data["files"]),
                prompt=text(data["prompt"]),
                negative=text(data["negative"]),
                values=values,
                generation=Generation(
                    text(g["mode"]),
                    whole(g["seed"]),
                    text(g["seed_mode"]),
                    whole(g["max_images"]),
                    None if variation_seed is None else whole(variation_seed),
                ),
                removed=tuple(text(r) for r in data["removed"]),
                weights={text(k): whole(v) for k, v in data["weights"].items()},
                parameters=dict(data["parameters"]),
                theme=None if data["theme"] is None else text(data["theme"]),
                style=text(data["style"]),
                fixed={text(k): text(v) for k, v in data["fixed"].items()},
                choices={text(k): text(v) for k, v in data.get("choices", {}).items()},
                output=OutputSettings(
                    None if o["session_name"] is None else text(o["session_name"]),
                    tuple(text(k) for k in o["filename_keys"]),
                    None if o["annotations"] is None else dict(o["annotations"]),
                    None if o.get("file_name") is None else text(o["file_name"]),
                    whole(o.get("images_per_folder", 0)),
                ),
                warnings=tuple(text(w) for w in data["warnings"]),
                images={text(k): text(v) for k, v in data.get("images", {}).items()},
                loras=tuple(Lora(text(o["name"]), float(o["strength"])) for o in data.get("loras", [])),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as e:
            raise SDGenError("bad-plan", f"this is not a resolved template: {type(e).__name__} {e}") from None


def text(value: Any) -> str:
    """``value`` if it is a text; TypeError otherwise. For reading stored JSON."""
    if not isinstance(value, str):
        raise TypeError(f"expected a text, got {value!r:.60}")
    return value


def whole(value: Any) -> int:
    """``value`` if it is a whole number; TypeError otherwise. For reading stored JSON."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"expected a whole number, got {value!r:.60}")
    return value
