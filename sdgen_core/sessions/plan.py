"""A plan: template x seeds -> numbered items. Item *n* is computed from *n* alone, so a plan of any size is a few
kilobytes.

Everything random in a plan is drawn from streams of ``variation_seed``, which is recorded; two plans with the same
recorded numbers are the same plan on every machine and Python version.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import repeat
from typing import Any

from ..errors import SDGenError
from ..templates.parameters import ParameterFiller, image_paths
from ..templates.render import Renderer
from ..templates.resolved import ResolvedTemplate, Value, whole
from ..templates.seeds import seeds_from_json, seeds_to_json
from ..templates.space import Space, left_out
from ..templates.streams import ALGORITHM, ALGORITHMS, stream_key, word

FORMAT = 1
_SEED_BITS = 50  # browsers keep whole numbers exactly up to 53 bits; a workflow dragged back must keep its seed
_BASE_BITS = 32  # a seed people can read and type
_FEW = 64
_BLOCK = 1024
_FILLED = 4096


@dataclass(slots=True)  # not frozen, which would cost half of the time that many items take
class PlanItem:
    """One image to make; nobody changes it. ``requested_seed`` is -1 when the backend would pick; ``seed`` is always concrete (>= 0).

    ``keys`` is the choice (placeholder -> key, in loop order), ``values`` what the keys mean, and paths of ControlNet images
    (see ``image_paths``). ``identity`` is equal
    for items of equal keys, seed and parameters.
    """

    index: int
    prompt: str
    negative: str
    requested_seed: int
    seed: int
    keys: dict[str, str]
    values: dict[str, Value]
    parameters: dict[str, Any]
    identity: str


class Plan:
    """Build with ``Plan.build`` or read with ``Plan.from_json``. ``count`` may exceed what ``len`` can give."""

    def __init__(
        self,
        resolved: ResolvedTemplate,
        *,
        seeds: Sequence[int] | None,
        count: int | None,
        limit: int | None,
        asked_seed: int | None,
        variation_seed: int,
        base_seed: int,
        seed_key: int,
        algorithm: int = ALGORITHM,
    ) -> None:
        self.resolved = resolved
        self.seeds = seeds
        self.variation_seed = variation_seed
        self.base_seed = base_seed
        self.algorithm = algorithm
        self._count_asked = count
        self._limit_asked = limit
        self._asked_seed = asked_seed
        self._seed_key = seed_key
        generation = resolved.generation
        maximum = generation.max_images if limit is None else limit
        per_choice = 1 if seeds is None else len(seeds)
        self._per_choice = per_choice
        wanted = -(-maximum // per_choice) if maximum > 0 and per_choice else maximum
        self._whole = generation.combinatorial or maximum <= 0
        self.space = Space(resolved, variation_seed, wanted, algorithm)
        self.static = not self.space.names or self.space.per_image
        total = self.space.size * per_choice
        warnings = list(resolved.warnings)
        if self.static and seeds is None:
            # no choice and no seed list: a random run asks for max_images images, a count for that many; else there
            # is one
            if generation.seed_mode != "fixed":
                if not generation.combinatorial and maximum > 0:
                    total = maximum
                elif count is not None:
                    total = count
        elif seeds is not None and generation.combinatorial and 0 < maximum < self.space.size:
            total = maximum * per_choice  # a sweep compares combinations: each has all the seeds
        elif maximum > 0 and total > maximum and not (seeds is not None and generation.combinatorial):
            total = maximum
            if seeds is not None and maximum % per_choice:
                left = f"{maximum % per_choice} of {per_choice} seeds"
                warnings.append(f"max_images {maximum} cuts the seed list: the last combination gets {left}")
        self.count: int = total if count is None else min(total, count)
        self.warnings = warnings
        self._filled: dict[tuple[str | None, ...], tuple[dict[str, Any], Any]] = {}
        #: Names that become empty text.
        self.empty = left_out(resolved).union(resolved.removed)
        self._filler = ParameterFiller(resolved.parameters, resolved.values, self.empty, resolved.images)
        self._image_paths = image_paths(resolved.parameters)
        self._stream = stream_key(seed_key, "seed")
        self._sorted_names = sorted(self.space.names)

    @classmethod
    def build(
        cls,
        resolved: ResolvedTemplate,
        *,
        seeds: Sequence[int] | None = None,
        count: int | None = None,
        limit: int | None = None,
        variation_seed: int | None = None,
    ) -> Plan:
        """Plan a session.

        ``seeds``: all of them for every combination, instead of the seed mode. ``limit`` overrides ``max_images``
        (<= 0: no limit). ``count`` cuts the finished list. ``variation_seed``: argument, else the template's, else
        its seed, else a fresh one. Raises ``bad-option``, ``bad-seed-spec``, ``empty-choice``.
        """
        if count is not None and count < 0:
            raise SDGenError("bad-option", f"the count {count} is negative")
        if seeds is not None and len(seeds) == 0:
            raise SDGenError("bad-seed-spec", "the seed list is empty")
        generation = resolved.generation
        asked = variation_seed if variation_seed is not None else generation.variation_seed
        drawn = secrets.randbits(_SEED_BITS)
        actual = asked if asked is not None else generation.seed if generation.seed >= 0 else drawn
        base = generation.seed
        if base < 0:
            base = word(stream_key(actual, "base"), 0) >> (64 - _BASE_BITS)
        # seed_mode random promises new images on every run, so only a variation seed that was asked for pins its seeds
        seed_key = asked if asked is not None else drawn if generation.random_seeds else actual
        return cls(
            resolved,
            seeds=seeds,
            count=count,
            limit=limit,
            asked_seed=asked,
            variation_seed=actual,
            base_seed=base,
            seed_key=seed_key,
        )

    # ---- size and names
    # ----------------------------------------------------------------------------------------------------

    def __len__(self) -> int:
        return self.count

    @cached_property
    def _renderer(self) -> Renderer:
        return Renderer(self.resolved)

    @property
    def names(self) -> tuple[str, ...]:
        """The placeholders of a choice, in loop order."""
        return self.space.names

    @property
    def pools(self) -> dict[str, list[str]]:
        """Per placeholder the selected keys."""
        return self.space.pools

    @property
    def total_combinations(self) -> int:
        """Product of the full pools, before selectors and weights: the manifest's number."""
        return self.space.full_size

    # ---- items
    # ---------------------------------------------------------------------------------------------------------------

    def choice(self, n: int) -> dict[str, str]:
        """Placeholder -> key of item ``n``. Raises ``unknown-item`` out of range."""
        return self.space.choice(self._combination(n))

    def _combination(self, n: int) -> int:
        if not 0 <= n < self.count:
            raise SDGenError("unknown-item", f"item {n} of a plan of {self.count} items")
        return n // self._per_choice if self.space.names else 0

    def seed_pair(self, n: int) -> tuple[int, int]:
        """(requested seed, concrete seed) of item ``n``."""
        generation = self.resolved.generation
        if self.seeds is not None:
            requested = self.seeds[n % self._per_choice]
        elif generation.seed_mode == "fixed":
            requested = self.base_seed
        elif generation.seed_mode == "progressive":
            requested = (self.base_seed + n) % 2**64
        else:
            requested = -1
        if requested >= 0:
            return requested, requested
        if requested == -1:
            return -1, word(self._stream, n) >> (64 - _SEED_BITS)
        return requested, requested % 2**64

    def identity(self, n: int) -> str:
        """The item's identity without rendering it."""
        choice = self.choice(n)
        return self._identity(self._chosen(choice), self.seed_pair(n)[1], self._parameters(choice)[1])

    def _chosen(self, choice: Mapping[str, str]) -> str:
        return "".join([f"\0{name}\1{choice[name]}" for name in self._sorted_names])

    def _identity(self, chosen: str, seed: int, beginning: Any) -> str:
        digest = beginning.copy()
        digest.update(f"{seed}{chosen}".encode("utf-8", "surrogatepass"))
        return str(digest.hexdigest())

    def _parameters(self, choice: Mapping[str, str]) -> tuple[dict[str, Any], Any]:
        """The filled parameters and the beginning of an identity that stands for them; few differ, so they are kept."""
        names = self._filler.names
        key = tuple([choice.get(name) for name in names]) if names else ()
        known = self._filled.get(key)
        if known is None:
            if len(self._filled) >= _FILLED:
                self._filled.clear()
            parameters = self._filler(choice)
            known = parameters, hashlib.blake2b(key=_canonical(parameters), digest_size=16)
            self._filled[key] = known
        return known

    def item(self, n: int) -> PlanItem:
        """Item ``n``, a pure function of ``n``. Raises ``unknown-item`` out of range."""
        choice = self.choice(n)
        prompt, negative = self._renderer.render(choice)
        requested, seed = self.seed_pair(n)
        parameters, beginning = self._parameters(choice)
        identity = self._identity(self._chosen(choice), seed, beginning)
        values = self.resolved.values
        meant = {**{name: values[name][key] for name, key in choice.items()}, **self._image_paths}
        return PlanItem(n, prompt, negative, requested, seed, choice, meant, parameters, identity)

    def items(self, start: int = 0, stop: int | None = None) -> Iterator[PlanItem]:
        """Items ``start`` to ``stop`` (exclusive), one at a time; many of them several times faster than ``item``."""
        stop = self.count if stop is None else min(stop, self.count)
        if self.static or stop - start < _FEW:
            for n in range(start, stop):
                yield self.item(n)
            return
        space, each = self.space, self._per_choice
        names, pools = space.names, [space.pools[name] for name in space.names]
        values = [[self.resolved.values[name][key] for key in pool] for name, pool in zip(names, pools, strict=True)]
        marks = {n: [f"\0{n}\1{key}" for key in pool] for n, pool in zip(names, pools, strict=True)}
        fill = self._renderer.filler(space)
        last = (stop - 1) // each + 1
        for first in range(start // each, last, _BLOCK):
            columns = space.columns(first, min(last, first + _BLOCK))
            named = dict(zip(names, columns, strict=True))
            rows = zip(
                fill(columns, len(columns[0])),
                _maps(names, pools, columns),
                _maps(names, values, columns),
                map("".join, zip(*[map(marks[n].__getitem__, named[n]) for n in self._sorted_names], strict=True)),
                strict=True,
            )
            for at, ((prompt, negative), keys, meant, chosen) in enumerate(rows, first):
                parameters, beginning = self._parameters(keys)
                for n in range(max(start, at * each), min(stop, at * each + each)):
                    requested, seed = self.seed_pair(n)
                    identity = self._identity(chosen, seed, beginning)
                    recorded = {**meant, **self._image_paths}
                    yield PlanItem(n, prompt, negative, requested, seed, keys.copy(), recorded, parameters, identity)

    def used(self, n_items: int | None = None) -> dict[str, list[str]]:
        """Per placeholder the keys that the first ``n_items`` items use, in order of first use; renders nothing."""
        n = self.count if n_items is None else min(n_items, self.count)
        return self.space.used(min(1, n) if not self.space.names else -(-n // self._per_choice))

    def summary(self) -> dict[str, Any]:
        """What a person wants to see before anything runs."""
        values = self.resolved.values
        return {
            "name": self.resolved.name,
            "session_name": self.resolved.session_name,
            "mode": "combinatorial" if self.resolved.generation.combinatorial else "random",
            "placeholders": [
                {"name": s.name, "available": len(s.keys), "selected": len(s.pool), "weight": s.weight}
                for s in self.space.slots
            ],
            "removed": [n for n in self.resolved.removed if n not in values],
            "combinations": self.space.size,
            "total_combinations": self.space.full_size,
            "seeds": None if self.seeds is None else len(self.seeds),
            "seed_mode": self.resolved.generation.seed_mode,
            "images": self.count,
            "warnings": self.warnings,
        }

    # ---- storing
    # -------------------------------------------------------------------------------------------------------------

    def fingerprint(self) -> str:
        """Equal for equal requests: the template and what was asked for, without the numbers that were drawn for it."""
        asked = {**self.to_json(), "variation_seed": self._asked_seed, "algorithm": ALGORITHMS[0]}
        for drawn in ("base_seed", "seed_key"):
            asked.pop(drawn)
        asked["resolved"] = {**asked["resolved"], "warnings": [], "source": "", "source_hash": "", "files": []}
        return hashlib.blake2b(_canonical(asked), digest_size=16).hexdigest()

    def longer(self, more: int) -> Plan:
        """This plan with up to ``more`` further items behind its own; all of its own items stay what they are."""
        goal = self.count + more
        return Plan.from_json({**self.to_json(), "count": goal, "limit": -1 if self._whole else goal})

    def cut(self, count: int) -> Plan:
        """The first ``count`` items of this plan."""
        return self if count == self.count else Plan.from_json({**self.to_json(), "count": count})

    def on_seeds(self, seeds: Sequence[int]) -> Plan:
        """Every combination that this plan makes, on other seeds."""
        combinations = -(-self.count // self._per_choice)
        limit = combinations * (1 if self.resolved.generation.combinatorial else len(seeds))
        return Plan.from_json({**self.to_json(), "seeds": seeds_to_json(seeds), "count": None, "limit": limit})

    def drawn_as(self, other: Plan) -> Plan:
        """This request with the numbers that were drawn for ``other``: what both ask for becomes the same items."""
        data = {**self.to_json(), "algorithm": other.algorithm}
        generation = self.resolved.generation
        if self._asked_seed is None and generation.variation_seed is None:
            if generation.seed < 0:
                data |= {"variation_seed": other.variation_seed, "base_seed": other.base_seed}
            if generation.seed < 0 or generation.random_seeds:
                data["seed_key"] = other._seed_key
        return Plan.from_json(data)

    def to_json(self) -> dict[str, Any]:
        """Self-contained strict JSON."""
        return {
            "sdgen_plan": FORMAT,
            "algorithm": self.algorithm,
            "resolved": self.resolved.to_json(),
            "seeds": seeds_to_json(self.seeds),
            "count": self._count_asked,
            "limit": self._limit_asked,
            "asked_seed": self._asked_seed,
            "variation_seed": self.variation_seed,
            "base_seed": self.base_seed,
            "seed_key": self._seed_key,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Plan:
        """Raises ``bad-plan`` for anything that ``to_json`` of this version did not write."""
        try:
            algorithm = whole(data["algorithm"])
            if data["sdgen_plan"] != FORMAT or algorithm not in ALGORITHMS:
                found, known = f"{data['sdgen_plan']}.{algorithm}", f"{FORMAT}.{ALGORITHMS[0]} to {FORMAT}.{ALGORITHM}"
                raise SDGenError("bad-plan", f"a plan of version {found}; this program reads {known}")
            resolved = ResolvedTemplate.from_json(data["resolved"])
            optional = {k: None if data[k] is None else whole(data[k]) for k in ("count", "limit", "asked_seed")}
            return cls(
                resolved,
                seeds=seeds_from_json(data["seeds"]),
                count=optional["count"],
                limit=optional["limit"],
                asked_seed=optional["asked_seed"],
                variation_seed=whole(data["variation_seed"]),
                base_seed=whole(data["base_seed"]),
                seed_key=whole(data["seed_key"]),
                algorithm=algorithm,
            )
        except (KeyError, TypeError, ValueError, AttributeError) as e:
            raise SDGenError("bad-plan", f"this is not a stored plan: {type(e).__name__} {e}") from None


def _maps(
    names: Sequence[str], pools: Sequence[Sequence[Any]], columns: Sequence[Sequence[int]]
) -> Iterator[dict[str, Any]]:
    """Row by row: name -> what stands in its pool at the column's position."""
    rows = zip(*[map(pool.__getitem__, column) for pool, column in zip(pools, columns, strict=True)], strict=True)
    return map(dict, map(zip, repeat(names), rows))


def _canonical(data: Any) -> bytes:
    """64 bytes that stand for any JSON data: equal data, equal bytes."""
    text = json.dumps(data, sort_keys=True, ensure_ascii=True, separators=(",", ":"), default=str)
    return hashlib.blake2b(text.encode()).digest()
