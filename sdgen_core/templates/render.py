"""Filling a choice into the prompt: the text is parsed and cleaned once, an image costs one join.

Cleaning acts only on runs of commas and white space (see ``normalise``). A value is therefore split into its leading
run, its core and its trailing run; the core is cleaned once, and the runs are merged into the template around it.
Templates are kept per combination of runs that occurs (for most files there is one: no value begins or ends with a
comma or a line break).
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain, repeat
from typing import NamedTuple

from .columns import numbers
from .normalise import clean_core, is_clean, normalise, split_soft
from .parameters import part_of
from .resolved import ResolvedTemplate, Value
from .space import Space, left_out
from .syntax import Placeholder, tokens

_Columns = Mapping[str, "array[int]"]
_PATTERNS = 4096
_BLOCK = 4096
_TABLE = 1 << 18  # characters


class Rendered(NamedTuple):
    prompt: str
    negative: str


class Renderer:
    """``render(choice)`` gives the prompt and negative of one choice. Names missing from the choice that have values
    are errors.
    """

    def __init__(self, resolved: ResolvedTemplate) -> None:
        empty = frozenset(resolved.removed) | left_out(resolved)
        self._prompt = _Field(resolved.prompt, resolved.values, empty)
        self._negative = _Field(resolved.negative, resolved.values, empty | {"negprompt"})

    def render(self, choice: Mapping[str, str]) -> Rendered:
        return Rendered(self._prompt.fill(choice), self._negative.fill(choice))

    def render_many(self, space: Space, start: int = 0, stop: int | None = None) -> Iterator[tuple[str, str]]:
        """(prompt, negative) of combinations ``start`` to ``stop`` of ``space``, many times faster than one by one."""
        stop = space.size if stop is None else min(stop, space.size)
        fill = self.filler(space)
        blocks = (space.columns(at, min(stop, at + _BLOCK)) for at in range(start, stop, _BLOCK))
        return chain.from_iterable(fill(columns, len(columns[0]) if columns else 1) for columns in blocks)

    def filler(self, space: Space) -> Callable[[Sequence[array[int]], int], Iterator[tuple[str, str]]]:
        """What renders ``space.columns(...)`` of so many combinations as (prompt, negative)."""
        prompt, negative = self._prompt.filler(space.pools), self._negative.filler(space.pools)

        def fill(columns: Sequence[array[int]], count: int) -> Iterator[tuple[str, str]]:
            named = dict(zip(space.names, columns, strict=True))
            return zip(prompt(named, count), negative(named, count), strict=True)

        return fill


class _Field:
    """One text with its occurrences: static texts around (name, part) pairs, and per occurrence a table key -> (core,
    runs).
    """

    def __init__(self, text: str, values: Mapping[str, Mapping[str, Value]], empty: frozenset[str]) -> None:
        self._static: list[str] = [""]
        self._occurrences: list[tuple[str, dict[str, str]]] = []
        self._runs: list[list[tuple[str, str]]] = []  # per occurrence: the (leading, trailing) runs that occur
        self._classes: list[dict[str, int]] = []
        tables: dict[tuple[str, str | None], tuple[dict[str, str], dict[str, int], list[tuple[str, str]]]] = {}
        for token in tokens(text):
            if isinstance(token, Placeholder) and (token.name in values or token.name in empty):
                if token.name in empty:
                    continue
                key = (token.name, token.part)
                if key not in tables:
                    tables[key] = _table(values[token.name], token.part)
                cores, classes, runs = tables[key]
                self._occurrences.append((token.name, cores))
                self._classes.append(classes)
                self._runs.append(runs)
                self._static.append("")
            else:
                self._static[-1] += token if isinstance(token, str) else token.raw
        self._varying = [
            (i, self._occurrences[i][0], classes) for i, classes in enumerate(self._classes) if len(self._runs[i]) > 1
        ]
        every = "".join(self._static) + "".join(a + b for runs in self._runs for a, b in runs)
        self._mark = next(c for c in map(chr, range(0xE000, 0xF900)) if c not in every)
        self._patterns: dict[tuple[int, ...], list[str]] = {}
        self._only = self._pattern((0,) * len(self._runs)) if not self._varying else None

    def _pattern(self, classes: tuple[int, ...]) -> list[str]:
        """Cleaned static texts with empty places between them for the cores."""
        parts = [self._static[0]]
        for static, runs, c in zip(self._static[1:], self._runs, classes, strict=True):
            leading, trailing = runs[c]
            # an empty value has no core: its run is all there is, and no mark keeps its neighbours apart
            parts += (
                (leading, trailing[1:], static) if trailing[:1] == "\0" else (leading, self._mark, trailing, static)
            )
        pieces = normalise("".join(parts)).split(self._mark)
        out: list[str] = []
        pieces_left = iter(pieces)
        out.append(next(pieces_left))
        for runs, c in zip(self._runs, classes, strict=True):
            out += ("", "") if runs[c][1][:1] == "\0" else ("", next(pieces_left))
        return out

    def fill(self, choice: Mapping[str, str]) -> str:
        pattern = self._only
        if pattern is None:
            which = [0] * len(self._runs)
            for i, name, classes in self._varying:
                which[i] = classes[choice[name]]
            key = tuple(which)
            pattern = self._patterns.get(key)
            if pattern is None:
                if len(self._patterns) >= _PATTERNS:
                    self._patterns.clear()
                pattern = self._patterns[key] = self._pattern(key)
        if len(pattern) == 1:
            return pattern[0]
        parts = pattern.copy()
        parts[1::2] = [cores[choice[name]] for name, cores in self._occurrences]
        return "".join(parts)

    def filler(self, pools: Mapping[str, list[str]]) -> Callable[[_Columns, int], Iterable[str]]:
        """What fills this text for many choices, given as positions in ``pools``.

        Neighbours with few short values share a table of their combinations, so that fewer pieces have to be joined.
        """
        pattern = self._only
        if pattern is None:
            return lambda columns, n: map(self.fill, _choices(pools, columns))
        if not self._occurrences:
            return lambda columns, n: repeat(pattern[0], n)
        pieces: list[tuple[list[str], list[str]]] = [([], [pattern[0]])]
        for (name, cores), after in zip(self._occurrences, pattern[2::2], strict=True):
            here = [cores[key] + after for key in pools[name]]
            names, before = pieces[-1]
            size = len(before) * len(here) * (max(map(len, before)) + max(map(len, here)))
            if not names or size <= _TABLE:
                pieces[-1] = [*names, name], [text + more for text in before for more in here]
            else:
                pieces.append(([name], here))

        def fill(columns: _Columns, count: int) -> Iterable[str]:
            parts: list[Iterable[str]] = []
            for names, texts in pieces:
                rows = numbers([columns[name] for name in names], [len(pools[name]) for name in names])
                parts.append(map(texts.__getitem__, rows))
            return map("".join, zip(*parts, strict=True))

        return fill


def _choices(pools: Mapping[str, list[str]], columns: _Columns) -> Iterator[dict[str, str]]:
    rows = zip(*(map(pools[name].__getitem__, column) for name, column in columns.items()), strict=True)
    return (dict(zip(columns, row, strict=True)) for row in rows)


def _table(pool: Mapping[str, Value], part: str | None) -> tuple[dict[str, str], dict[str, int], list[tuple[str, str]]]:
    """(key -> cleaned core, key -> class of runs, the classes). A value without core has the class ("run", "\\0")."""
    cores: dict[str, str] = {}
    classes: dict[str, int] = {}
    runs: dict[tuple[str, str], int] = {}
    for key, value in pool.items():
        text = part_of(value, part)
        if is_clean(text):
            cores[key] = text
            classes[key] = runs.setdefault(("", ""), len(runs))
            continue
        leading, core, trailing = split_soft(text)
        cores[key] = clean_core(core)
        run = (leading, trailing) if core else (leading, "\0")
        classes[key] = runs.setdefault(run, len(runs))
    return cores, classes, list(runs)
