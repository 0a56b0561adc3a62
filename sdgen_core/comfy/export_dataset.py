"""SDGen Export Dataset: a recipe of the node's inputs, and the data set in the training folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from ..errors import SDGenError
from ..training.datasets.audit import audit
from ..training.datasets.choose import choose
from ..training.datasets.recipe import Recipe, merged, named_after
from ..training.datasets.write import check_target, folder_of, unused, write
from . import host
from .score_session import ALL, chosen


def recipe_of(
    *,
    session: str,
    value: str,
    best: float,
    trigger: str,
    keep: str,
    drop: str,
    name: str,
    query: str,
    minimum: float,
    repeats: int,
    more: str,
) -> Recipe:
    """A recipe of a node's inputs; ``more`` is YAML and wins. Raises ``unknown-session``, ``nothing-to-score``, ``bad-recipe``."""
    whole = session.strip().casefold() == ALL
    sessions = [] if whole else _slugs(session)
    said = _yaml(more)
    value = value.strip()
    recipe = {
        "name": name.strip() or named_after(value or ("" if whole else _title(sessions[0]))),
        "sessions": sessions,
        "value": value,
        "best": best,
        "query": query,
        "minimum": minimum,
        "repeats": repeats,
        "captions": {"trigger": trigger, "keep": _names(keep), "drop": _names(drop)},
    }
    return Recipe.of(merged(recipe, said))


def export(recipe: Recipe, node: str) -> tuple[Path, int, str]:
    """Choose and write; gives the folder, how many images are in it, and what is to be said. Raises what ``choose`` and ``write`` raise."""
    engine = host.engine()
    folder = folder_of(engine.settings.training_folder(engine.user_dir), recipe.name)
    check_target(engine.library, folder)
    bar = host.Progress(node)
    bar.show(0.0, "looks for the best images")

    def looks(looked: int) -> None:
        host.check_cancelled()
        bar.show(0.0, f"looks for the best images: {looked:,} seen")

    selection = choose(engine.library, recipe, looks)

    def tell(done: int, total: int) -> None:
        host.check_cancelled()
        bar.show(done / total, f"{done:,} of {total:,} images")

    made = write(engine.library, selection, unused(selection, folder), tell)

    def audited(done: int, total: int) -> None:
        host.check_cancelled()
        bar.show(done / total, f"{done:,} of {total:,} images audited")

    return made.folder, len(made.images), f"{selection.text()}\n{audit(made.folder, progress=audited).text()}"


def _slugs(text: str) -> list[str]:
    """The sessions that are meant: one, whose name may have commas, or several with commas between."""
    try:
        return chosen(text)
    except SDGenError:
        if "," not in text:
            raise
        return [slug for one in _names(text) for slug in chosen(one)]


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _title(slug: str) -> str:
    rows = host.engine().library.catalog.index.store.rows(
        "SELECT coalesce(title, name) FROM session WHERE slug=?", (slug,)
    )
    return str(rows[0][0]) if rows else slug


def _yaml(text: str) -> Mapping[str, Any]:
    try:
        found = yaml.safe_load(text) or {}
    except yaml.YAMLError as error:
        raise SDGenError("bad-recipe", f"the recipe is no YAML: {getattr(error, 'problem', error)}") from error
    if not isinstance(found, Mapping):
        raise SDGenError("bad-recipe", "the recipe's lines are such as limit: 40")
    return found
