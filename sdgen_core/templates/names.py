"""Whether the names, selectors and choices of a merged template fit the values that were read for it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from ..errors import Place, SDGenError, nearest_names
from .chunks import ChunkBook
from .imports import Pool
from .parameters import loose_names, parameter_names
from .resolved import Value
from .run import Run, few
from .space import selected
from .syntax import PLACEHOLDER, Placeholder, Selector, deciding_in, parse_selector, placeholders
from .text import Text
from .themes import Theme

Values = dict[str, dict[str, Value]]

#: What would be a placeholder without its spaces.
_SPACED = re.compile(r"\{\s*(\w+)(?:\s*\[([^][{}]{1,2000})\])?(?:\s*:\s*(\w+))?\s*\}")


@dataclass
class Dressed:
    """A merged template with everything its imports, theme, chunks and presets give it. ``removed`` names become empty
    text. A ``frame`` is a template that no prompt was put into: other files may bring what it lacks.
    """

    prompt: Text
    negative: Text
    book: ChunkBook
    pools: dict[str, Pool] = field(default_factory=dict)
    removed: dict[str, None] = field(default_factory=dict)
    parameters: dict[str, Any] = field(default_factory=dict)
    theme: Theme | None = None
    frame: bool = False

    @property
    def usable(self) -> Values:
        """Name -> values, of the imports that hold any."""
        return {n: p.values for n, p in self.pools.items() if p.values and not p.broken}

    def settled(self, run: Run, name: str) -> bool:
        """Whether nothing need be said of a name without values: it was removed, or what is wrong was said already."""
        broken = name in self.pools and self.pools[name].broken
        return broken or name in self.removed or (self.frame and name == "prompt") or run.unknown(name)


class Unresolved(SDGenError):
    """A placeholder of the prompt without values; ``name`` is the placeholder's."""

    def __init__(self, name: str, message: str, **more: Any) -> None:
        self.name = name
        super().__init__("unresolved-placeholder", message, **more)


def used_values(run: Run, dressed: Dressed) -> Values:
    """The values of all names in use, in order of appearance. Unknown names in the prompt are problems, elsewhere
    remarks.
    """
    usable = dressed.usable
    values: Values = {}
    bare = {p.name for p in placeholders(dressed.prompt.string) if p.part is None}
    for text, required in ((dressed.prompt, True), (dressed.negative, False)):
        for p in placeholders(text.string):
            if p.selector is not None and p.part is not None and not run.full:
                message = f"{p.raw} has both a selector and a part"
                run.problem(SDGenError("selector-with-part", message, place=text.place(p.start, p.raw)))
            if p.name in usable:
                values.setdefault(p.name, usable[p.name])
            elif not dressed.settled(run, p.name):
                if required and p.part is not None and p.name not in bare:
                    dressed.removed[p.name] = None
                    if not run.crowded:
                        run.warn(
                            f"{p.raw} has no import and becomes empty text",
                            text.place(p.start, p.raw),
                            "unresolved-placeholder",
                            nearest_names(p.name, usable),
                        )
                elif required:
                    _unresolved(run, p, text, dressed)
                elif p.name != "negprompt" and not run.crowded:
                    run.warn(
                        f"{p.raw} in the negative prompt has no import and stays as text",
                        text.place(p.start, p.raw),
                        "unresolved-placeholder",
                        nearest_names(p.name, usable),
                    )
        _spaced(run, text, dressed)
    for name in (*parameter_names(dressed.parameters), *loose_names(dressed.parameters)):
        if name in usable:
            values.setdefault(name, usable[name])
        elif name not in values and not dressed.settled(run, name):
            message = f"{{{name}}} in the parameters has no import and stays as text"
            run.warn(message, None, "unresolved-placeholder", nearest_names(name, usable))
    return values


def _spaced(run: Run, text: Text, dressed: Dressed) -> None:
    """Remark on imported names in braces that are no placeholders, because spaces stand in them."""
    if "{" not in text.string or not dressed.pools:
        return
    for m in _SPACED.finditer(text.string):
        name, selector, part = m.groups()
        if name not in dressed.pools or PLACEHOLDER.fullmatch(m[0]) or run.crowded:
            continue
        meant = name + (f"[{selector}]" if selector else "") + (f":{part}" if part else "")
        shown = " ".join(m[0].split())
        message = f"{shown} stays as text; write {{{meant}}} without spaces"
        hint = "A placeholder has no spaces inside its braces."
        run.warn(message, text.place(m.start(), m[0]), "unresolved-placeholder", hint=hint)


def _unresolved(run: Run, p: Placeholder, text: Text, dressed: Dressed) -> None:
    if run.full:
        return
    place = text.place(p.start, p.raw)
    if place is not None and place.file in run.unsure:
        return
    pools, book, theme = dressed.pools, dressed.book, dressed.theme
    declared = [n for n, pool in pools.items() if pool.values or pool.broken]
    near = nearest_names(p.name, declared)
    if dressed.frame:
        if near:
            run.warn(
                f"{p.raw} has no import here; the prompt would have to bring it", place, "unresolved-placeholder", near
            )
        return
    message = f"the placeholder {p.raw} has no import"
    hint = None
    empty = pools.get(p.name, Pool()).missing
    if empty:
        message += f": {empty}"
        near = pools[p.name].nearest
        hint = "Correct that import."
    elif p.name == "prompt":
        message += (
            " ({prompt} is filled by a prompt file that implements this template; a template is not run by itself)"
        )
    elif book.has(p.name):
        message += f"; {p.name} is a chunk, written @{p.name}"
        hint = f"Write @{p.name} in place of {p.raw}."
    if theme is not None and not empty:
        message += f". The theme {theme.name!r} ({theme.shown}) replaces the template's imports and does not name it"
        if not near:
            hint = f"Add {p.name} to the theme's imports, or write merge: true in the theme."
    if not empty:
        message += f" (imports: {few(declared) or 'none'})"
    run.problem(Unresolved(p.name, message, place=place, nearest=near, hint=hint))


def check_selectors(
    run: Run,
    dressed: Dressed,
    values: Mapping[str, Mapping[str, Value]],
    fixed: Mapping[str, str],
    chosen: Mapping[str, str],
) -> None:
    """Whether each selector can be read, agrees with others of its name, and finds values."""
    prompt, negative = dressed.prompt, dressed.negative
    occurrences = [(p, prompt) for p in placeholders(prompt.string)] + [
        (p, negative) for p in placeholders(negative.string)
    ]
    last = deciding_in(placeholders(prompt.string), placeholders(negative.string))
    for p, text in occurrences:
        if p.selector is None or p.name not in values or run.full:
            continue
        selector = parse_selector(p.selector)
        decides = last.get(p.name)
        differs = decides is None or decides.selector != p.selector
        counts = p is decides and p.name not in chosen and not selector.errors
        if not (selector.errors or counts or ((selector.remarks or differs) and not run.crowded)):
            continue
        at = partial(text.place, p.start, p.raw)
        for message in selector.errors:
            run.problem(SDGenError("bad-selector", f"{p.raw}: {message}", place=at()))
        for message in selector.remarks:
            run.warn(f"{p.raw}: {message}", at(), "bad-selector")
        if decides is None:
            run.warn(f"{p.raw} has no effect: the prompt decides about {p.name}", at(), "bad-selector")
        elif differs:
            run.warn(
                f"{p.raw} and {decides.raw} disagree; the last one counts for every {{{p.name}}}", at(), "bad-selector"
            )
        if counts:
            _check_choice(run, p.raw, selector, p.name, values[p.name], p.name in fixed, at)


def _check_choice(
    run: Run,
    raw: str,
    selector: Selector,
    name: str,
    pool: Mapping[str, Value],
    fixed: bool,
    place: Callable[[], Place | None] = lambda: None,
) -> None:
    """A selector that names what is not there: a remark, and an error when nothing is left. Its ``place`` is looked for
    only when it is needed: that takes a search through the text.
    """
    keys = tuple(pool)
    chosen = selected(name, selector, keys, pool, 0, fixed)
    unknown = [] if fixed else list(chosen.unknown)
    near = [n for u in unknown[:3] for n in nearest_names(u, keys, 1)]
    if not chosen.pool and not selector.leaves_out:
        message = f"{raw} selects none of the {len(keys)} values (keys: {few(keys)})"
        run.problem(SDGenError("empty-choice", message, place=place(), nearest=near))
    elif unknown:
        run.warn(f"{raw}: not there: {few(unknown)}", place(), "bad-selector", near)


def checked_choices(
    run: Run, values: Mapping[str, Mapping[str, Value]], wanted: Mapping[str, str], dressed: Dressed | None = None
) -> dict[str, str]:
    """The choices that act. One for a name that the template does not use is a remark: the template may have changed."""
    out: dict[str, str] = {}
    for name, text in wanted.items():
        raw = f"{name}[{text}]"
        if name not in values:
            if dressed is None or not dressed.settled(run, name):
                message = f"the choice {raw} has no effect: the template does not use {name}"
                run.warn(message, None, "bad-selector", nearest_names(name, values))
            continue
        selector = parse_selector(text)
        for message in selector.errors:
            run.problem(SDGenError("bad-selector", f"{raw}: {message}"))
        for message in selector.remarks:
            run.warn(f"{raw}: {message}", None, "bad-selector")
        if not selector.errors:
            _check_choice(run, raw, selector, name, values[name], False)
            out[name] = text
    return out


def apply_fixed(values: Values, fixed: Mapping[str, str]) -> dict[str, str]:
    """Reduce the pools of fixed names to one key, in place; gives name -> key. The key counts first, then an equal
    text, then an index.

    Names without values are ignored. Raises ``unknown-fixed-key``.
    """
    out: dict[str, str] = {}
    for name, wanted in fixed.items():
        pool = values.get(name)
        if pool is None:
            continue
        key = wanted if wanted in pool else next((k for k, v in pool.items() if v == wanted), None)
        if key is None and wanted.startswith("#") and wanted[1:].isdecimal() and len(wanted) < 20:
            key = next((k for i, k in enumerate(pool) if i == int(wanted[1:])), None)
        if key is None:
            raise SDGenError(
                "unknown-fixed-key",
                f"{name} has no key {wanted!r} (keys: {few(pool)})",
                nearest=nearest_names(wanted, pool),
            )
        values[name] = {key: pool[key]}
        out[name] = key
    return out
