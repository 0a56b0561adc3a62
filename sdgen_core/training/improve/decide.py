"""Whether a LoRA is kept: its value has to rise, no other one to fall, and images to stay different from each other.

Promoted is a LoRA when all of that is shown, each by an interval; rolled back when one of it is shown not to be so; undecided when images
are lacking, and then it is said how many and of what.

The judging part of a benchmark may be looked at ``LOOKS`` times, with more images each time. Whoever looks three times is fooled three
times as often, so every look has a third of the level (C. E. Bonferroni's inequality): in 5 of 100 cases at most a LoRA that changes
nothing is found to raise its value, whatever look says so.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .benchmark import LOOKS, Value
from .judge import Judged
from .statistics import (
    FELL,
    HOLDS,
    LEAST_DIVERSE,
    LEAST_SEEDS,
    LEVEL,
    UNDECIDED,
    Change,
    Diversity,
    Guard,
    change,
    diversity,
    guard,
    more_images,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

PROMOTE, ROLL_BACK = "promote", "roll back"
#: Share by which another value may fall.
MARGIN = 0.05
#: Of the distance between images of one value so much has to be left.
DIVERSITY = 0.7
#: In place of a key: the values of a placeholder that are too few images each to say something of.
REST = ""

#: Pairs of images of one value: success without and with the LoRA, and the seeds.
Pairs = tuple[list[float], list[float], list[int]]
Pair = tuple[Judged, Judged]


@dataclass(frozen=True)
class Guarded:
    """Another value and whether it holds; ``key`` ``REST``: all of a placeholder that have few images."""

    placeholder: str
    key: str
    guard: Guard


@dataclass(frozen=True)
class Verdict:
    """What is said of a LoRA at one ``strength``, after a ``look``.

    ``outcome``: promote, roll back or undecided, for these ``reasons``. ``target``: what became of its value; ``guards``: of all others,
    the worst first. ``diversity`` of the others' images; ``own_diversity``: of those of the target that show it, against what is usual
    for other values without the LoRA. ``needs``: value -> about how many more images would tell. ``remarks`` are for people."""

    outcome: str
    strength: float
    look: int
    target: Change
    guards: Sequence[Guarded]
    diversity: Diversity
    own_diversity: Diversity
    reasons: Sequence[str]
    needs: Mapping[Value, int] = field(default_factory=dict)
    remarks: Sequence[str] = ()

    def to_dict(self) -> dict[str, Any]:
        return {
            "outcome": self.outcome,
            "strength": self.strength,
            "look": self.look,
            "target": self.target.to_dict(),
            "guards": [{"placeholder": g.placeholder, "key": g.key, **g.guard.to_dict()} for g in self.guards],
            "diversity": self.diversity.to_dict(),
            "own_diversity": self.own_diversity.to_dict(),
            "reasons": list(self.reasons),
            "needs": [{"placeholder": name, "key": key, "images": n} for (name, key), n in self.needs.items()],
            "remarks": list(self.remarks),
        }


def pairs_of(sides: Sequence[Pair]) -> dict[Value, Pairs]:
    """Value -> its pairs, of sessions made without and with the LoRA. ``ValueError`` where they are not of the same seeds and values."""
    out: dict[Value, Pairs] = {}
    for base, lora in sides:
        for n, (one, other) in enumerate(zip(base.shots, lora.shots, strict=True)):
            if (one.seed, one.values) != (other.seed, other.values):
                raise ValueError(f"{one.file.name} and {other.file.name} are no pair")
            for name, key in one.values.items():
                if name not in base.success:
                    continue
                before, after = float(base.success[name][n]), float(lora.success[name][n])
                if math.isfinite(before) and math.isfinite(after):
                    pair = out.setdefault((name, key), ([], [], []))
                    pair[0].append(before)
                    pair[1].append(after)
                    pair[2].append(one.seed)
    return out


def best_strength(
    target: Value, arms: Mapping[float, Sequence[Pair]], margin: float = MARGIN
) -> tuple[float, dict[float, float]]:
    """Which strength of a LoRA is to be judged, and what each is worth: the rise of the target less what other values fall beyond the
    margin. Nothing is decided by that, so no interval is needed; of equally good ones the weakest.
    """
    worth = {}
    for strength, sides in arms.items():
        changes = {value: _mean(pair[1]) - _mean(pair[0]) for value, pair in pairs_of(sides).items()}
        falls = sum(max(0.0, -difference - margin) for value, difference in changes.items() if value != target)
        worth[strength] = round(changes.get(target, 0.0) - falls, 9)
    return min(worth, key=lambda strength: (-worth[strength], abs(strength))), worth


def decide(
    target: Value,
    sides: Sequence[Pair],
    strength: float,
    *,
    look: int = 1,
    looks: int = LOOKS,
    margin: float = MARGIN,
    least_diversity: float = DIVERSITY,
    names: Mapping[Value, str] | None = None,
    remarks: Sequence[str] = (),
) -> Verdict:
    """The verdict on the judging part of a benchmark: ``sides`` are its sessions without and with the LoRA. ``names``: values in words."""
    level = LEVEL / looks
    said = names or {}
    pairs = pairs_of(sides)
    risen = change(*pairs.pop(target, ([], [], [])), level=level)
    guards = _guards(pairs, margin, level)
    others, own = _diversities(target, sides, least_diversity, level)
    against, open_questions, needs = [], [], {}
    what = said.get(target, "=".join(target))
    if not risen.pairs:
        against.append(f"nothing can be said of {what}: the scorer does not see it")
    elif risen.high <= 0:
        against.append(f"{what} does not rise")
    elif risen.seeds < LEAST_SEEDS:
        open_questions.append(f"{what} was made with too few seeds")
        needs[target] = max(1, (LEAST_SEEDS - risen.seeds) * max(1, risen.pairs // risen.seeds))
    elif risen.low <= 0:
        wanted = more_images(risen, 0.0, level / 2)
        open_questions.append(f"that {what} rises is not shown")
        if wanted is not None:
            needs[target] = wanted
    fallen: list[str] = []
    doubted: list[str] = []
    leaning: list[str] = []
    for one in guards:
        name = _named(one, said)
        if one.guard.state == FELL:
            fallen.append(name)
        elif one.guard.state == UNDECIDED:
            (doubted if one.guard.needs else leaning).append(name)
            if one.guard.needs:
                needs[one.placeholder, one.key] = one.guard.needs
    if fallen:
        against.append(f"{_listed(fallen)} {'fall' if len(fallen) > 1 else 'falls'} by more than {_points(margin)}")
    if leaning:
        open_questions.append(
            f"{_listed(leaning)} may have fallen by more than {_points(margin)}, and it looks like it"
        )
    if doubted:
        open_questions.append(f"{_listed(doubted)} may have fallen by more than {_points(margin)}")
    for found, whose in ((others, "images of other values"), (own, f"images of {what}")):
        if found.state == FELL:
            against.append(f"{whose} have become alike")
        elif found.state == UNDECIDED and found.values:
            open_questions.append(f"{whose} may have become alike")
    if not others.values and not own.values and risen.pairs:
        open_questions.append(
            f"images may have become alike: no value has {LEAST_DIVERSE} of them, which it takes to tell"
        )
    outcome = ROLL_BACK if against else UNDECIDED if open_questions else PROMOTE
    reasons = against or open_questions
    if not reasons:
        reasons = [f"{what} rises by {_points(risen.difference)}, no other value falls by more than {_points(margin)}"]
    return Verdict(
        outcome, strength, look, risen, guards, others, own, reasons, {} if against else needs, tuple(remarks)
    )


def names_of(values: Mapping[str, Mapping[str, str]]) -> dict[Value, str]:
    """Values in words, for people."""
    return {(name, key): f"{name} {text}" for name, pool in values.items() for key, text in pool.items()}


def _guards(pairs: Mapping[Value, Pairs], margin: float, level: float) -> list[Guarded]:
    rest: dict[str, Pairs] = {}
    out = []
    for (name, key), pair in pairs.items():
        if len(pair[2]) < LEAST_SEEDS:
            whole = rest.setdefault(name, ([], [], []))
            for column, more in zip(whole, pair, strict=True):
                column.extend(more)  # type: ignore[attr-defined]
        else:
            out.append(Guarded(name, key, guard(*pair, margin, level=level)))
    out += [Guarded(name, REST, guard(*pair, margin, level=level)) for name, pair in rest.items()]
    order = {FELL: 0, UNDECIDED: 1, HOLDS: 2}
    return sorted(out, key=lambda one: (order[one.guard.state], one.guard.change.low))


def _diversities(target: Value, sides: Sequence[Pair], limit: float, level: float) -> tuple[Diversity, Diversity]:
    """How different images of other values still are; and those of the target that show it, against what is usual for other values.

    Of the target not its own images before are the measure: most were something else, and all kinds of it. They are where others are
    too few.
    """
    import numpy as np

    placeholder, key = target
    before: dict[str, list[Floats]] = {}
    after: dict[str, list[Floats]] = {}
    own: list[Floats] = []
    was: list[Floats] = []
    for base, lora in sides:
        for n, shot in enumerate(base.shots):
            value = shot.values.get(placeholder, "")
            if value != key:
                before.setdefault(value, []).append(np.asarray(base.vectors[n], np.float64))
                after.setdefault(value, []).append(np.asarray(lora.vectors[n], np.float64))
                continue
            was.append(np.asarray(base.vectors[n], np.float64))
            if placeholder in lora.success and lora.success[placeholder][n] == 1:
                own.append(np.asarray(lora.vectors[n], np.float64))
    stacked = [np.array(some) for some in before.values()]
    others = diversity(stacked, [np.array(some) for some in after.values()], limit, level=level)
    measure = [some for some in stacked if len(some) >= LEAST_DIVERSE] or [np.array(was)]
    return others, diversity(measure, [np.array(own)] if own else [], limit, paired=False, level=level)


def _named(one: Guarded, names: Mapping[Value, str]) -> str:
    if one.key == REST:
        return f"{one.placeholder} (values with few images)"
    return names.get((one.placeholder, one.key), f"{one.placeholder}={one.key}")


def _listed(names: Sequence[str]) -> str:
    """Some of the names, and how many more there are."""
    if len(names) <= 4:
        return ", ".join(names)
    return f"{', '.join(names[:3])} and {len(names) - 3} more"


def _points(share: float) -> str:
    return f"{round(100 * share)} points"


def _mean(numbers: Sequence[float]) -> float:
    return sum(numbers) / len(numbers)
