"""Several plans in one session: themes that share its images, in an order in which every beginning is a fair sample.

Distributions: ``balanced`` gives every plan the same number, ``weighted`` numbers by shares, ``random`` draws the plan of every
image by shares, from a stream of the session's seed. A plan that cannot make its number leaves the rest to the others.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from itertools import repeat
from typing import Any

from ..errors import SDGenError
from ..templates.library import DISTRIBUTIONS, ChosenTemplate
from ..templates.parameters import DEAR, dear_names
from ..templates.resolved import ResolvedTemplate
from ..templates.streams import below, stream_key, word
from .plan import Plan, PlanItem

Order = Sequence[tuple[int, int]]


class Mix:
    """Plans and the order of their items, (plan, item of that plan)."""

    def __init__(self, plans: Sequence[Plan], order: Order) -> None:
        self.plans = tuple(plans)
        self.order = order

    @classmethod
    def build(
        cls,
        templates: Sequence[ResolvedTemplate],
        *,
        shares: Sequence[int] | None = None,
        distribution: str = DISTRIBUTIONS[0],
        seeds: Sequence[int] | None = None,
        count: int | None = None,
        limit: int | None = None,
        variation_seed: int | None = None,
    ) -> Mix:
        """Plan ``templates`` as one session of ``count`` images (None: what ``limit`` or the templates say, or all there are).

        Raises ``bad-option`` and what ``Plan.build`` raises.
        """
        if distribution not in DISTRIBUTIONS:
            raise SDGenError("bad-option", f"a distribution is {', '.join(DISTRIBUTIONS)}, not {distribution!r}")
        weights = [1] * len(templates) if shares is None or distribution == "balanced" else list(shares)
        if len(weights) != len(templates) or any(w < 1 for w in weights):
            raise SDGenError("bad-option", "every template needs a share of at least 1")
        options: dict[str, Any] = {"seeds": seeds, "variation_seed": variation_seed}
        most = [Plan.build(t, limit=limit, **options) for t in templates]
        asked = count
        if asked is None and len(templates) > 1 and (limit or 0) > 0 and seeds is None:
            asked = limit  # a limit of images is one of the session
        sizes = [p.count for p in most]
        quotas = sizes if asked is None else _quotas(sizes, weights, asked, distribution, most[0].variation_seed)
        # Numbers that were drawn for one plan hold for all: themes compare on equal seeds.
        plans = [p.drawn_as(most[0]).cut(q) for p, q in zip(most, quotas, strict=True) if q]
        return cls(plans, _interleaved(plans, [w for w, q in zip(weights, quotas, strict=True) if q]))

    @property
    def count(self) -> int:
        return len(self.order)

    def item(self, index: int) -> PlanItem:
        """Item ``index`` of the session. Raises ``unknown-item``."""
        if not 0 <= index < self.count:
            raise SDGenError("unknown-item", f"item {index} of a plan of {self.count} items")
        part, n = self.order[index]
        return self.plans[part].item(n)

    def summary(self) -> dict[str, Any]:
        """What a person wants to see before anything runs: of one plan its own; of several their sums, and ``themes`` with the
        images of each. Of a placeholder ``least`` is the fewest values that one of them gives it, ``selected`` the most."""
        own = [plan.summary() for plan in self.plans]
        if len(own) == 1:
            return own[0]
        themes = [{"theme": p.resolved.theme, "style": p.resolved.style, "images": p.count} for p in self.plans]
        sums = {name: sum(one[name] for one in own) for name in ("combinations", "total_combinations")}
        return {
            **own[0],
            **sums,
            "placeholders": _together([one["placeholders"] for one in own]),
            "removed": [name for name in own[0]["removed"] if all(name in one["removed"] for one in own)],
            "images": self.count,
            "themes": themes,
            "warnings": self.warnings,
        }

    @property
    def warnings(self) -> list[str]:
        return list(dict.fromkeys(w for plan in self.plans for w in plan.warnings))

    @property
    def theme(self) -> str | None:
        """The themes, for the folder's name."""
        return "+".join(dict.fromkeys(p.resolved.theme for p in self.plans if p.resolved.theme)) or None

    def fingerprint(self) -> str:
        """Equal for equal requests."""
        if len(self.plans) == 1 and isinstance(self.order, _Straight):
            return self.plans[0].fingerprint()
        asked = [[p.fingerprint() for p in self.plans], [list(pair) for pair in self.order]]
        return hashlib.blake2b(json.dumps(asked).encode(), digest_size=16).hexdigest()

    def drawn_as(self, other: Plan) -> Mix:
        """The same order with the numbers that were drawn for ``other``."""
        return Mix([plan.drawn_as(other) for plan in self.plans], self.order)


def plan_of(
    chosen: ChosenTemplate,
    *,
    seeds: Sequence[int] | None = None,
    count: int | None = None,
    variation_seed: int | None = None,
) -> Mix:
    """The plan of what a Template node or the command line chose. Raises what ``Plan.build`` raises."""
    options: dict[str, Any] = {"seeds": seeds, "count": count, "limit": chosen.limit, "variation_seed": variation_seed}
    if len(chosen.templates) == 1:
        return single(Plan.build(chosen.resolved, **options))
    return Mix.build(chosen.templates, shares=chosen.shares, distribution=chosen.distribution, **options)


class _Straight(Sequence[tuple[int, int]]):
    """The items of a single plan as they come, without a list of them."""

    def __init__(self, count: int) -> None:
        self._count = count

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return zip(repeat(0), range(self._count))

    def __getitem__(self, n: Any) -> Any:
        if isinstance(n, slice):
            return [(0, i) for i in range(*n.indices(self._count))]
        return (0, range(self._count)[n])


def single(plan: Plan) -> Mix:
    """A session of one plan. Drawn items are put in the order in which models change least."""
    dear = dear_names(plan.resolved.parameters)
    pools = [len(plan.pools.get(name, ())) for name in dear]
    if plan.space.combinatorial or not any(n > 1 for n in pools):
        return Mix([plan], _Straight(plan.count))
    rank = {name: {key: i for i, key in enumerate(plan.pools[name])} for name in dear if name in plan.pools}
    cost = [tuple(rank[name][choice[name]] for name in rank) for choice in map(plan.choice, range(plan.count))]
    return Mix([plan], [(0, n) for n in sorted(range(plan.count), key=cost.__getitem__)])


def _together(listed: Sequence[Sequence[dict[str, Any]]]) -> list[dict[str, Any]]:
    """The placeholders of several plans, each once, in the order of their first appearance."""
    out: dict[str, dict[str, Any]] = {}
    for name in dict.fromkeys(one["name"] for placeholders in listed for one in placeholders):
        of = [next((one for one in placeholders if one["name"] == name), None) for placeholders in listed]
        there = [one for one in of if one is not None]
        most = max(there, key=lambda one: int(one["selected"]))
        least = min(int(one["selected"]) for one in there) if len(there) == len(of) else 0
        out[name] = {**most, "available": max(int(one["available"]) for one in there), "least": least}
    return list(out.values())


def _quotas(sizes: list[int], weights: list[int], count: int, distribution: str, seed: int) -> list[int]:
    """How many images each plan makes of ``count``; a plan makes no more than it has."""
    count = min(count, sum(sizes))
    quotas = [0] * len(sizes)
    if distribution == "random":
        key = stream_key(seed, "theme")
        n = 0
        while sum(quotas) < count:
            open_plans = [k for k, size in enumerate(sizes) if quotas[k] < size]
            total = sum(weights[k] for k in open_plans)
            at = below(word(key, n), total)
            n += 1
            for k in open_plans:
                at -= weights[k]
                if at < 0:
                    quotas[k] += 1
                    break
        return quotas
    left = count
    while left:
        open_plans = [k for k, size in enumerate(sizes) if quotas[k] < size]
        total = sum(weights[k] for k in open_plans)
        # largest remainder (Hamilton): whole shares first, then the biggest fractions, the earlier plan on a tie
        exact = {k: left * weights[k] / total for k in open_plans}
        given = {k: int(exact[k]) for k in open_plans}
        for k in sorted(open_plans, key=lambda k: (given[k] - exact[k], k))[: left - sum(given.values())]:
            given[k] += 1
        for k in open_plans:
            more = min(given[k], sizes[k] - quotas[k])
            quotas[k] += more
            left -= more
    return quotas


def _interleaved(plans: Sequence[Plan], weights: Sequence[int]) -> Order:
    """All items of all plans: mixed evenly, or plan after plan when they use different models."""
    if len(plans) == 1:
        return single(plans[0]).order
    models = {
        json.dumps([p.resolved.parameters.get(n) for n in sorted(p.resolved.parameters) if n in DEAR]) for p in plans
    }
    orders = [single(plan).order for plan in plans]
    if len(models) > 1:
        return [(k, n) for k, order in enumerate(orders) for _, n in order]
    # item i of a plan of m stands at (i + 1/2) / m of the whole: every beginning of the session is a fair sample
    places = [((i + 0.5) / len(order), k, n) for k, order in enumerate(orders) for i, (_, n) in enumerate(order)]
    return [(k, n) for _, k, n in sorted(places)]
