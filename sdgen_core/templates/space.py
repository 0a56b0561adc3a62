"""The space of choices of a template: arithmetic between an index and a combination, nothing enumerated.

Combinatorial mode is a mixed-radix number: names sorted by loop weight, the last one changing fastest. Names of
weight 0 leave the loops and take the next value of their own shuffled deck. Random mode takes every name from its own
deck, so that all values appear evenly and a name's picks do not depend on other names; a combination that was there
already is drawn again, and in the end taken from a keyed permutation of the whole space.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import SDGenError, nearest_names
from . import streams
from .parameters import loose_names, parameter_names
from .resolved import ResolvedTemplate
from .syntax import Choice, Placeholder, Selector, choose, deciding, parse_selector, placeholders

WALK_LIMIT = 2**20  # random runs up to this many combinations keep their table; larger ones are permutations
ATTEMPTS = 7
_BLOCK = 64

_EMPTY = Selector()


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


def selectors(resolved: ResolvedTemplate) -> dict[str, str]:
    """Name -> text of the selector that counts: one given beside the template (which keeps the loop weight written in
    the template unless it says its own), else the last one in the text.
    """
    out = {n: p.selector or "" for n, p in deciding(occurrences(resolved)).items()}
    for name, text in resolved.choices.items():
        weight = parse_selector(out.get(name, "")).weight
        keeps = weight is not None and parse_selector(text).weight is None
        out[name] = f"{text};${weight}" if keeps else text
    return out


def left_out(resolved: ResolvedTemplate) -> frozenset[str]:
    """Names whose selector is ``[0]``: they become empty text."""
    return frozenset(n for n, text in selectors(resolved).items() if parse_selector(text).leaves_out)


class Space:
    """The combinations of ``resolved`` for one ``variation_seed``.

    ``names`` is the order of the choice's names; ``size`` the number of combinations this mode can yield;
    ``full_size`` the product of the full pools (the manifest's ``total_combinations``). ``wanted`` (default: the
    template's ``max_images``; <= 0: all) is how many combinations a random run asks for. Raises ``empty-choice`` when a
    selector leaves nothing.
    """

    def __init__(self, resolved: ResolvedTemplate, variation_seed: int, wanted: int | None = None) -> None:
        self.variation_seed = variation_seed
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
        self.combinatorial = resolved.generation.combinatorial and any(s.weight > 0 for s in slots)
        self.slots: tuple[Slot, ...]
        if self.combinatorial:
            loops = sorted((s for s in slots if s.weight > 0), key=lambda s: s.weight)
            self._loops = len(loops)
            self.slots = (*loops, *(s for s in slots if s.weight <= 0))
        else:
            # a random choice is a set of keys: repeats in a selector would only repeat combinations
            self.slots = tuple(Slot(s.name, s.keys, tuple(dict.fromkeys(s.pool)), s.weight, s.selector) for s in slots)
            self._loops = 0
        self.names = tuple(s.name for s in self.slots)
        self.pools: dict[str, list[str]] = {s.name: list(s.pool) for s in self.slots}
        radix = self.slots[: self._loops] if self.combinatorial else self.slots
        self.size = math.prod(len(s.pool) for s in radix)
        self._pools = [s.pool for s in self.slots]
        self._sizes = [len(p) for p in self._pools]
        self._keys = [streams.stream_key(variation_seed, "pick", s.name) for s in self.slots]
        self._walk: _Walk | None = None
        self._permutation: streams.Permutation | None = None
        if not self.combinatorial and self.slots:
            goal = resolved.generation.max_images if wanted is None else wanted
            self._permutation = streams.Permutation(streams.stream_key(variation_seed, "joint"), self.size)
            if 0 < goal <= WALK_LIMIT:
                self._walk = _Walk(self._sizes, self._keys, self.size, self._permutation)

    def digits(self, index: int) -> list[int]:
        """Positions in the pools (order of ``names``) of combination ``index``. Raises ``unknown-item`` out of
        range.
        """
        if not 0 <= index < self.size:
            raise SDGenError("unknown-item", f"combination {index} of {self.size}")
        if self._walk is not None:
            return self._walk.digits(index)
        if self.combinatorial:
            out = _digits(index, self._sizes[: self._loops])
            for k in range(self._loops, len(self._sizes)):
                out.append(streams.pick(self._keys[k], index, self._sizes[k]))
            return out
        if self._permutation is None:
            return []
        return _digits(self._permutation(index), self._sizes)

    def choice(self, index: int) -> dict[str, str]:
        """Name -> key of combination ``index``; ``O(names)`` whatever the index."""
        walk = self._walk
        if walk is not None and 0 <= index < walk.grown:
            return {n: p[c[index]] for n, p, c in zip(self.names, self._pools, walk.columns, strict=True)}
        return {n: p[d] for n, p, d in zip(self.names, self._pools, self.digits(index), strict=True)}

    def columns(self, start: int, stop: int) -> list[Sequence[int]]:
        """Per name (order of ``names``) the positions in its pool for combinations ``start`` to ``stop``; for bulk work."""
        stop = min(stop, self.size)
        if start < 0 or start >= stop:
            return [[] for _ in self.slots]
        if self._walk is not None:
            self._walk.digits(stop - 1)
            return [c[start:stop] for c in self._walk.columns]
        if not self.combinatorial:
            return list(zip(*(self.digits(i) for i in range(start, stop)), strict=True))
        out: list[Sequence[int]] = []
        stride = self.size
        for k, n in enumerate(self._sizes):
            if k < self._loops:
                stride //= n
                step = max(1, stride)
                out.append([i // step % n for i in range(start, stop)])
            else:
                out.append([streams.pick(self._keys[k], i, n) for i in range(start, stop)])
        return out

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
        count = min(count, self.size)
        if count <= 0:
            return {n: [] for n in self.names}
        if self.combinatorial:
            out: dict[str, list[str]] = {}
            stride = self.size
            for k, slot in enumerate(self.slots):
                n = self._sizes[k]
                if k < self._loops:
                    stride //= n
                    seen = slot.pool[: min(n, -(-count // stride))]
                else:
                    seen = tuple(slot.pool[streams.pick(self._keys[k], i, n)] for i in range(min(n, count)))
                out[slot.name] = list(dict.fromkeys(seen))
            return out
        firsts: list[dict[int, None]] = [{} for _ in self.slots]
        missing = sum(self._sizes)
        for i in range(count):
            for seen_digits, d in zip(firsts, self.digits(i), strict=True):
                if d not in seen_digits:
                    seen_digits[d] = None
                    missing -= 1
            if not missing:
                break
        return {s.name: [s.pool[d] for d in f] for s, f in zip(self.slots, firsts, strict=True)}


def _digits(index: int, sizes: Sequence[int]) -> list[int]:
    out = [0] * len(sizes)
    for k in range(len(sizes) - 1, -1, -1):
        index, out[k] = divmod(index, sizes[k])
    return out


class _Walk:
    """The table of a random run without repeats, grown as far as it is asked for; growing never changes what is there.

    Combination *n* is pick *n* of every name's deck. If that combination was there, up to seven independent redraws
    keyed by *n* follow while less than half of the space is used, then the next unused element of the joint
    permutation.
    """

    def __init__(self, sizes: list[int], keys: list[bytes], size: int, permutation: Callable[[int], int]) -> None:
        self._sizes = sizes
        self._keys = keys
        self._size = size
        self._permutation = permutation
        self._strides = [math.prod(sizes[k + 1 :]) for k in range(len(sizes))]
        self._seen: set[int] = set()
        self.columns = [array("L") for _ in sizes]
        self._pointer = 0

    @property
    def grown(self) -> int:
        return len(self.columns[0])

    def digits(self, index: int) -> list[int]:
        if index >= self.grown:
            self._grow(index + 1)
        return [c[index] for c in self.columns]

    def _grow(self, count: int) -> None:
        sizes, columns, seen = self._sizes, self.columns, self._seen
        have = self.grown
        count = min(self._size, max(count, min(2 * have, have + 4096)))
        # whole decks at a time: one slice per name instead of one call per pick
        decks: list[Sequence[int]] = []
        for key, n in zip(self._keys, sizes, strict=True):
            deck: list[int] = []
            for epoch in range(have // n, (count - 1) // n + 1):
                deck += streams.shuffled(key, epoch, n)
            decks.append(deck[have % n : have % n + count - have])
        joints = _joints(decks, self._strides)
        for column, picks in zip(columns, decks, strict=True):
            column.extend(picks)
        for begin in range(0, len(joints), _BLOCK):
            block = joints[begin : begin + _BLOCK]
            if seen.isdisjoint(block) and len(set(block)) == len(block):  # nothing repeats: the usual case, at C speed
                seen.update(block)
                continue
            for at, joint in enumerate(block, have + begin):
                if joint in seen:
                    joint = self._redraw(at)
                    for column, d in zip(columns, _digits(joint, sizes), strict=True):
                        column[at] = d
                seen.add(joint)

    def _redraw(self, index: int) -> int:
        # in a half-used space most redraws would fail as well: go to the permutation at once
        attempts = ATTEMPTS if 2 * index < self._size else 0
        for attempt in range(1, attempts + 1):
            joint = 0
            for key, n in zip(self._keys, self._sizes, strict=True):
                joint = joint * n + streams.below(streams.word(key, index, attempt), n)
            if joint not in self._seen:
                return joint
        while True:
            joint = self._permutation(self._pointer)
            self._pointer += 1
            if joint not in self._seen:
                return joint


def _joints(decks: list[Sequence[int]], strides: list[int]) -> list[int]:
    joints = [d * strides[0] for d in decks[0]]
    for deck, stride in zip(decks[1:], strides[1:], strict=True):
        joints = [j + d * stride for j, d in zip(joints, deck, strict=True)]
    return joints
