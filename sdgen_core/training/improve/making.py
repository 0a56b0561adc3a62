"""Images for the loop, made as any session is: by a running ComfyUI, from the template and the workflow of the session that is improved.

So they are in the gallery with everything that made them, can be judged there, and a killed loop finds them again: the same order
attaches to the session that is there and makes what it lacks.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ...catalog.records import value_key, value_text
from ...comfy.client import ComfyClient
from ...comfy.press import Order, place
from ...errors import SDGenError, nearest_names, shown
from ...sessions.compile import Prompt, compile_graph, is_link
from ...sessions.naming import is_shard, safe_name
from ...sessions.plan import Plan
from ...sessions.reading import load_manifest
from ...sessions.session_file import read_session_file
from ...templates.library import ChosenTemplate
from ...templates.resolved import Lora, ResolvedTemplate
from .statistics import LEAST_SEEDS

_POLL = 0.3  # s between looks at a session
_RUNS = ("planned", "running")

#: Told how many images of how many are there.
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Source:
    """The session that is improved: its template with all values, and the workflow that it was made by."""

    slug: str
    name: str
    template: ResolvedTemplate
    graph: Prompt
    planner: str
    batch: int
    seeds: frozenset[int]

    @classmethod
    def read(cls, folder: Path, theme: str = "") -> Source:
        """A session in its folder; of one with several themes the part with this ``theme``, else the first.

        The workflow is what the images need of it: whatever else was on the canvas, another planner or a training, is not done again.

        Raises ``no-manifest`` for a session that no SDGen of this kind has made, ``unknown-theme``, and what ``compile_graph`` raises.
        """
        ordered = read_session_file(folder)
        plans = [Plan.from_json(part.plan) for part in ordered.parts]
        themes = {plan.resolved.theme or "": n for n, plan in reversed([*enumerate(plans)])}
        if theme and theme not in themes:
            near = nearest_names(theme, [name for name in themes if name])
            raise SDGenError("unknown-theme", f"{ordered.name} was not made with the theme {theme!r}", nearest=near)
        number = themes[theme] if theme else 0
        part = ordered.parts[number]
        planner = part.graph[part.planner]
        inputs = {  # a link of the planner has long given its value
            name: part.defaults.get(name, "") if is_link(value) else value for name, value in planner["inputs"].items()
        }
        graph = {part.planner: {**planner, "inputs": inputs}, **compile_graph(part.graph, part.planner).nodes}
        graph[part.planner].pop("is_changed", None)
        seeds = frozenset(int(image["seed"]) for image in load_manifest(folder).images if image.get("seed") is not None)
        batch = int(part.defaults.get("batch", 1))
        return cls(ordered.id, ordered.name, plans[number].resolved, graph, part.planner, batch, seeds)

    def values(self, *, every: bool = False) -> dict[str, dict[str, str]]:
        """Placeholder -> key -> text of the values that the session was made from; with ``every`` also those that it left out."""
        pools = Plan.build(self.template, variation_seed=0).pools
        known = self.template.values
        return {
            name: {key: value_text(known[name][key]) for key in (known[name] if every else dict.fromkeys(pool))}
            for name, pool in pools.items()
        }

    def values_beside(self, target: tuple[str, str]) -> dict[str, dict[str, str]]:
        """``values``, with all that the template knows in place of the target alone: in a session of one value nothing tells what a scorer
        says of any other, and others may be harmed all the same."""
        values, (name, _) = self.values(), target
        return values if len(values[name]) > 1 else {**values, name: self.values(every=True)[name]}

    def value(self, given: str) -> tuple[str, str]:
        """Placeholder and key of ``Placeholder=Key``; the value's text will do too. Raises ``unknown-value`` with the nearest."""
        values = self.values()
        name, _, wanted = (part.strip() for part in given.partition("="))
        pool = values.get(name, {})
        key = wanted if wanted in pool else next((key for key, text in pool.items() if text == wanted), None)
        if key is None:
            known = [f"{one}={key}" for one, some in values.items() for key in some]
            near = nearest_names(given, known)
            raise SDGenError("unknown-value", f"{self.name} has no value {given!r}", nearest=near)
        return name, key

    def fresh(self, salt: int) -> int:
        """A seed from which on the session has none; another one for each ``salt``. Known beforehand: a killed loop asks for the same."""
        above = max((seed for seed in self.seeds if seed < 2**31), default=0)
        return (above // 100_000 + 1 + salt) * 100_000


@dataclass(frozen=True)
class Wish:
    """Images wanted: of some ``values`` (placeholder -> keys; others as in the session), about ``images`` of them from ``seed`` on."""

    name: str
    values: Mapping[str, Sequence[str]]
    images: int
    seed: int

    def to_json(self) -> dict[str, Any]:
        values = {name: list(keys) for name, keys in self.values.items()}
        return {"name": self.name, "values": values, "images": self.images, "seed": self.seed}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Wish:
        return cls(str(data["name"]), dict(data["values"]), int(data["images"]), int(data["seed"]))


def narrowed(template: ResolvedTemplate, wish: Wish) -> tuple[ResolvedTemplate, str]:
    """The template of a wish and the seeds of a sweep ("": each image has its own).

    Where all combinations fit, each is made with as many seeds as come near the number wished for, so that every value is there as often,
    and with ``LEAST_SEEDS`` where that is at most twice the number. Else combinations are drawn, each with a seed of its own. Raises
    ``unknown-value``.
    """
    chosen = dict(template.choices)
    for name, keys in wish.values.items():
        pool = list(template.values.get(name, ()))
        for key in keys:
            if key not in pool:
                near = nearest_names(key, pool)
                raise SDGenError("unknown-value", f"{name} has no value {key!r}", nearest=near)
        chosen[name] = "#" + ",".join(str(pool.index(key)) for key in keys)
    plain = replace(template, choices=chosen, fixed={k: v for k, v in template.fixed.items() if k not in wish.values})
    generation = replace(
        template.generation,
        mode="combinatorial",
        seed=wish.seed,
        seed_mode="progressive",
        max_images=-1,
        variation_seed=wish.seed,
    )
    every = replace(plain, generation=generation)
    size = Plan.build(every).space.size
    if size <= wish.images:
        seeds = -(-wish.images // size)
        if seeds < LEAST_SEEDS and size * LEAST_SEEDS <= 2 * wish.images:
            seeds = LEAST_SEEDS
        return every, f"{seeds}#{wish.seed}"
    return replace(plain, generation=replace(generation, mode="random", max_images=wish.images)), ""


@dataclass(frozen=True)
class Shot:
    """An image: its ``file``, ``key`` (its content's SHA-256, 32 digits), number in its session, seed, and placeholder -> key."""

    file: Path
    key: str
    number: int
    seed: int
    values: Mapping[str, str]


def make(
    client: ComfyClient,
    source: Source,
    wish: Wish,
    *more: Wish,
    lora: str = "",
    strength: float = 0.0,
    batch: int | None = None,
    progress: Progress = lambda done, total: None,
) -> Path:
    """Have a session made, or made to its end, and give its folder. ``more`` wishes go into the same session, which has a name that no
    other has. ``lora``: a file of ComfyUI's LoRA folders.

    Raises ``no-server``, ``improve-not-made`` when images could not be made, and what ComfyUI has against the order.
    """
    session, name = "", safe_name(wish.name)
    for one in (wish, *more):
        template, seeds = narrowed(source.template, one)
        if lora:
            template = replace(template, loras=(*template.loras, Lora(lora, strength)))
        order = Order(
            ChosenTemplate((template,)),
            name=name,
            on_existing="extend" if more else "resume",  # extending what has it all adds nothing
            seeds=seeds or None,
            batch=batch or source.batch,
        )
        session = str(place(client, source.graph, order)["id"])
    path = f"/sdgen/sessions/{quote(session, safe='')}"
    status = client.get(path)
    if status["state"] == "paused":
        client.post(f"{path}/{'retry' if status['failed'] else 'resume'}", {})
    while True:
        status = client.get(path)
        progress(int(status["done"]), int(status["planned"]))
        if status["state"] not in _RUNS:
            break
        time.sleep(_POLL)
    if status["state"] != "completed" or status["failed"]:
        why = next((str(one.get("message", "")) for one in status.get("failures", ())), "") or status["reason"]
        message = f"session {wish.name}: {status['done']} of {status['planned']} images were made"
        raise SDGenError("improve-not-made", f"{message}: {why}" if why else f"{message} ({status['state']})")
    return Path(status["folder"])


def shots(folder: Path) -> list[Shot]:
    """The images of a session, in its order. Raises ``no-manifest``, and ``missing-file`` for one that is gone."""
    out: list[Shot] = []
    for entry in load_manifest(folder).images:
        own = entry.get("sdgen") or {}
        file = folder / str(entry["filename"])
        if not file.is_file():
            raise SDGenError("missing-file", f"image {shown(file)} is gone, and a benchmark needs all of its images")
        keys = own.get("keys") or {
            name: value_key(value_text(value)) for name, value in entry["applied_variations"].items()
        }
        key = str(own.get("sha256") or "")[:32]
        out.append(Shot(file, key, int(own.get("index", len(out))), int(entry["seed"]), dict(keys)))
    return sorted(out, key=lambda shot: shot.number)


def folder_of_shot(shot: Shot) -> Path:
    """The session's folder; a large session has its images in folders below it."""
    folder = shot.file.parent
    return folder.parent if is_shard(folder.name) else folder


def text_of(value: object) -> str:
    """A JSON text, always the same for the same value."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False)
