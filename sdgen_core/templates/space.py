"""The space of choices of a template: arithmetic between an index and a combination, nothing enumerated.

Combinatorial mode is a mixed-radix number: names sorted by loop weight, the last one changing fastest. Names of
weight 0 leave the loops and take the next value of their own shuffled deck. Random mode takes every name from its own
deck, so that all values appear evenly and a name's picks do not depend on other names; a combination that was there
already is drawn again, and in the end taken from a keyed permutation of the whole space.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import SDGenError, nearest_names
from . import streams
from .columns import loop, type_code
from .parameters import dear_names, loose_names, parameter_names
from .resolved import ResolvedTemplate, Value
from .syntax import Choice, Placeholder, Selector, choose, deciding_in, parse_selector, placeholders
from .walk import LIMIT, Walk, digits

_EMPTY = Selector()
_LARGEST = 10**4000  # Python and JSON refuse to write numbers of more than 4,300 digits


@dataclass(frozen=True)
class Slot:
    """One placeholder that is chosen: all ``keys`` in file order, the selected ``pool``, its loop weight and selector
    text.
    """

    name: str
    keys: tuple[str, ...]
    pool: tuple[str, ...]
    weight: int
    selector: str | None


def occurrences(resolved: ResolvedTemplate) -> tuple[Placeholder, ...]:
    """Placeholders of the prompt, then of the negative prompt, in order of appearance."""
    return placeholders(resolved.prompt) + placeholders(resolved.negative)


def selected(
    name: str, selector: Selector, keys: Sequence[str], pool: Mapping[str, Any], seed: int, fixed: bool = False
) -> Choice:
    """The outcome of ``selector`` on a name's values; limits draw from the stream (seed, "limit", name).

    A fixed name falls back to its single value when the selector matches nothing.
    """
    texts = {v: k for k, v in reversed(list(pool.items())) if isinstance(v, str)}
    order = None
    if selector.limit is not None or selector.draw is not None:
        size = len(choose(_without_limit(selector), keys, texts).pool)
        order = streams.shuffled(streams.stream_key(seed, "limit", name), 0, size)
    chosen = choose(selector, keys, texts, order)
    if fixed and not chosen.pool and not selector.leaves_out:
        return Choice(tuple(keys))
    return chosen


def _without_limit(selector: Selector) -> Selector:
    return Selector(selector.indexes, selector.span, selector.keys)


def written_selectors(resolved: ResolvedTemplate) -> dict[str, str]:
    """Name -> text of the selector that counts among those in the template: see ``syntax.deciding_in``."""
    found = deciding_in(placeholders(resolved.prompt), placeholders(resolved.negative))
    return {name: p.selector or "" for name, p in found.items()}


def selectors(resolved: ResolvedTemplate) -> dict[str, str]:
    """Name -> text of the selector that counts: one given beside the template (which keeps the loop weight written in
    the template unless it says its own), else the last one in the text.
    """
    out = written_selectors(resolved)
    for name, text in resolved.choices.items():
        weight = parse_selector(out.get(name, "")).weight
        keeps = weight is not None and parse_selector(text).weight is None
        out[name] = f"{text};${weight}" if keeps else text
    return out


def left_out(resolved: ResolvedTemplate) -> frozenset[str]:
    """Names whose selector is ``[0]``: they become empty text."""
    return frozenset(n for n, text in selectors(resolved).items() if parse_selector(text).leaves_out)


def _different(pool: Sequence[str], values: Mapping[str, Value]) -> tuple[str, ...]:
    """The keys of a random choice: combinations are told apart by their texts, so of keys that mean the same the first counts."""
    first: dict[object, str] = {}
    for key in pool:
        value = values[key]
        first.setdefault(value if isinstance(value, str) else tuple(value.items()), key)
    return tuple(first.values())


class Space:
    """The combinations of ``resolved`` for one ``variation_seed``.

    ``names`` is the order of the choice's names; ``size`` the number of combinations this mode can yield;
    ``full_size`` the product of the full pools (the manifest's ``total_combinations``). ``wanted`` (default: the
    template's ``max_images``; <= 0: all) is how many combinations a random run asks for, ``algorithm`` the version of its
    draws. Raises ``empty-choice`` when a
    selector leaves nothing, and ``plan-too-large``.
    """

    def __init__(
        self,
        resolved: ResolvedTemplate,
        variation_seed: int,
        wanted: int | None = None,
        algorithm: int = streams.ALGORITHM,
    ) -> None:
        self.variation_seed = variation_seed
        self._algorithm = algorithm
        order = dict.fromkeys(p.name for p in occurrences(resolved))
        order.update(dict.fromkeys(parameter_names(resolved.parameters)))
        loose = [n for n in loose_names(resolved.parameters) if n not in order]
        order.update(dict.fromkeys(loose))
        chosen = selectors(resolved)
        slots: list[Slot] = []
        self.full_size = 1
        for name in order:
            pool = resolved.values.get(name)
            if pool is None:
                continue
            keys = tuple(pool)
            text = chosen.get(name)
            selector = parse_selector(text) if text is not None else _EMPTY
            self.full_size *= len(keys)
            if selector.leaves_out:
                continue
            result = selected(name, selector, keys, pool, variation_seed, name in resolved.fixed).pool
            if not result:
                near = nearest_names((selector.keys or ("",))[0], keys)
                raise SDGenError("empty-choice", f"{name}[{text}] selects none of the {len(keys)} values", nearest=near)
            weight = selector.weight if selector.weight is not None else resolved.weights.get(name, 1)
            slots.append(Slot(name, keys, result, 0 if name in loose else weight, text))
        if self.full_size > _LARGEST:
            message = f"{len(slots)} placeholders have more than 10^4000 combinations"
            raise SDGenError("plan-too-large", message, hint="Use fewer placeholders, or fewer values of each.")
        #: Only settings of ADetailer and ControlNet choose: one combination, for which values are drawn image by image.
        self.per_image = bool(slots) and all(s.name in loose for s in slots)
        self.combinatorial = self.per_image or (resolved.generation.combinatorial and any(s.weight > 0 for s in slots))
        self.slots: tuple[Slot, ...]
        if self.combinatorial:
            dear = {name: place - len(slots) for place, name in enumerate(dear_names(resolved.parameters))}
            loops = sorted((s for s in slots if s.weight > 0), key=lambda s: (dear.get(s.name, 0), s.weight))
            self._loops = len(loops)
            self.slots = (*loops, *(s for s in slots if s.weight <= 0))
        else:
            self.slots = tuple(
                Slot(s.name, s.keys, _different(s.pool, resolved.values[s.name]), s.weight, s.selector) for s in slots
            )
            self._loops = 0
        self.names = tuple(s.name for s in self.slots)
        self.pools: dict[str, list[str]] = {s.name: list(s.pool) for s in self.slots}
        radix = self.slots[: self._loops] if self.combinatorial else self.slots
        self.size = math.prod(len(s.pool) for s in radix)
        self._wheels: list[tuple[str, tuple[str, ...], int, int]] = []  # of the loops: name, pool, stride, size
        stride = self.size
        for slot in self.slots[: self._loops]:
            stride //= len(slot.pool)
            self._wheels.append((slot.name, slot.pool, stride, len(slot.pool)))
        self._pools = [s.pool for s in self.slots]
        self._sizes = [len(p) for p in self._pools]
        self._keys = [streams.stream_key(variation_seed, "pick", s.name) for s in self.slots]
        self._walk: Walk | None = None
        self._permutation: streams.Permutation | None = None
        if not self.combinatorial and self.slots:
            goal = resolved.generation.max_images if wanted is None else wanted
            self._permutation = streams.Permutation(streams.stream_key(variation_seed, "joint"), self.size)
            if 0 < goal <= LIMIT:
                self._walk = Walk(self._sizes, self._keys, self._permutation, algorithm)

    def choice(self, index: int) -> dict[str, str]:
        """Name -> key of combination ``index``; ``O(names)`` whatever the index. Raises ``unknown-item`` out of range."""
        if index < 0 or (index >= self.size and not self.per_image):
            raise SDGenError("unknown-item", f"combination {index} of {self.size}")
        if self._walk is not None:
            self._walk.grow(index + 1)
            return {n: p[c[index]] for n, p, c in zip(self.names, self._pools, self._walk.columns, strict=True)}
        if self.combinatorial:
            out = {name: pool[index // stride % n] for name, pool, stride, n in self._wheels}
            for slot, key in zip(self.slots[self._loops :], self._keys[self._loops :], strict=True):
                out[slot.name] = slot.pool[streams.pick(key, index, len(slot.pool), self._algorithm)]
            return out
        if self._permutation is None:
            return {}
        row = digits(self._permutation(index), self._sizes)
        return {n: p[d] for n, p, d in zip(self.names, self._pools, row, strict=True)}

    def columns(self, start: int, stop: int) -> list[array[int]]:
        """Per name (order of ``names``) its positions in its pool over combinations ``start`` to ``stop``: many choices
        at once.
        """
        stop = stop if self.per_image else min(stop, self.size)
        if start < 0 or start >= stop:
            return [array(type_code(n)) for n in self._sizes]
        if self._walk is not None:
            self._walk.grow(stop)
            return [column[start:stop] for column in self._walk.columns]
        if self._permutation is not None:
            rows = [digits(self._permutation(i), self._sizes) for i in range(start, stop)]
            return [array(type_code(n), [row[k] for row in rows]) for k, n in enumerate(self._sizes)]
        out = [loop(start, stop, n, stride) for _, _, stride, n in self._wheels]
        loose = zip(self._keys[self._loops :], self._sizes[self._loops :], strict=True)
        return [*out, *(streams.picks(key, start, stop, n, self._algorithm) for key, n in loose)]

    def index(self, choice: Mapping[str, str]) -> int:
        """The combination index of a combinatorial choice (first match where a selector repeats a key); ``choice``'s
        inverse.
        """
        if not self.combinatorial and self.slots:
            raise SDGenError("bad-plan", "only a combinatorial space numbers its combinations")
        out = 0
        for slot in self.slots[: self._loops]:
            try:
                out = out * len(slot.pool) + slot.pool.index(choice[slot.name])
            except (KeyError, ValueError):
                raise SDGenError(
                    "empty-choice", f"{slot.name}: not a selected key: {choice.get(slot.name)!r}"
                ) from None
        return out

    def used(self, count: int) -> dict[str, list[str]]:
        """Per name the keys that occur in the first ``count`` combinations, in order of first use; renders nothing."""
        count = count if self.per_image else min(count, self.size)
        if count <= 0:
            return {n: [] for n in self.names}
        if self.combinatorial:
            out: dict[str, list[str]] = {}
            for name, pool, stride, n in self._wheels:
                out[name] = list(dict.fromkeys(pool[: min(n, -(-count // stride))]))
            for slot, key in zip(self.slots[self._loops :], self._keys[self._loops :], strict=True):
                n = len(slot.pool)
                drawn = streams.picks(key, 0, min(n, count), n, self._algorithm)
                out[slot.name] = list(dict.fromkeys(slot.pool[d] for d in drawn))
            return out
        firsts: list[dict[str, None]] = [{} for _ in self.slots]
        for start in range(0, count, 256):
            for seen, slot, column in zip(
                firsts, self.slots, self.columns(start, min(count, start + 256)), strict=True
            ):
                if len(seen) < len(slot.pool):
                    seen.update(dict.fromkeys(map(slot.pool.__getitem__, column)))
            if all(len(seen) == len(slot.pool) for seen, slot in zip(firsts, self.slots, strict=True)):
                break
        return {slot.name: list(seen) for seen, slot in zip(firsts, self.slots, strict=True)}
