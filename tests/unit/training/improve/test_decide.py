"""What becomes of a LoRA: simulated benchmarks whose truth is known."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from sdgen_core.training.improve import statistics
from sdgen_core.training.improve.decide import (
    LOOKS,
    PROMOTE,
    REST,
    ROLL_BACK,
    Pair,
    Verdict,
    best_strength,
    decide,
    names_of,
    pairs_of,
)
from sdgen_core.training.improve.judge import Judged
from sdgen_core.training.improve.making import Shot
from sdgen_core.training.improve.statistics import FELL, HOLDS, UNDECIDED

TARGET = ("Thing", "Star")
THINGS = ("Star", "Ring", "Cross", "Square")


def made(
    rates: Mapping[str, tuple[float, float]],
    seeds: int,
    rng: np.random.Generator,
    *,
    alike: tuple[str, ...] = (),
    first: int = 0,
) -> Pair:
    """A session without and with a LoRA: thing -> how often it comes out, before and after; what is ``alike`` is so afterwards."""
    shots, success, vectors = [], ([], []), ([], [])
    for thing, chances in rates.items():
        middle = rng.normal(size=8)
        for seed in range(first, first + seeds):
            shots.append(Shot(Path(f"{thing}{seed}.png"), "", len(shots), seed, {"Thing": thing, "Ground": "White"}))
            luck = rng.random()
            for side in (0, 1):
                success[side].append(float(luck < chances[side]))
                spread = 0.02 if side and thing in alike else 1.0
                vectors[side].append(middle + rng.normal(scale=spread, size=8))
    sides = []
    for side in (0, 1):
        stacked = np.array(vectors[side], np.float32)
        columns = {"Thing": np.array(success[side]), "Ground": np.full(len(shots), np.nan)}
        sides.append(Judged(shots, columns, stacked / np.linalg.norm(stacked, axis=1, keepdims=True)))
    return sides[0], sides[1]


def verdict(rates: Mapping[str, tuple[float, float]], seeds: int = 80, seed: int = 1, **more: object) -> Verdict:
    return decide(TARGET, [made(rates, seeds, np.random.default_rng(seed), **more)], 1.0)  # type: ignore[arg-type]


KEPT = dict.fromkeys(THINGS[1:], (0.97, 0.97))


def test_a_lora_that_raises_its_value_and_harms_nothing_is_promoted() -> None:
    found = verdict({"Star": (0.15, 0.8), **KEPT})
    assert found.outcome == PROMOTE and not found.needs
    assert found.target.low > 0.4 and [one.guard.state for one in found.guards] == [HOLDS] * 3
    assert "rises by 65 points" in found.reasons[0] or "rises by" in found.reasons[0]
    assert found.to_dict()["guards"][0]["placeholder"] == "Thing"


def test_what_falls_is_named_and_the_lora_rolled_back() -> None:
    found = verdict({"Star": (0.15, 0.9), **KEPT, "Cross": (0.97, 0.6)})
    assert found.outcome == ROLL_BACK and found.guards[0].key == "Cross" and found.guards[0].guard.state == FELL
    assert found.reasons == ["Thing=Cross falls by more than 5 points"]
    named = decide(
        TARGET,
        [made({"Star": (0.15, 0.9), "Cross": (0.97, 0.5)}, 60, np.random.default_rng(1))],
        1.0,
        names=names_of({"Thing": {"Cross": "a cross"}}),
    )
    assert named.reasons == ["Thing a cross falls by more than 5 points"]


def test_a_value_that_does_not_rise_is_no_success() -> None:
    assert verdict({"Star": (0.5, 0.2), **KEPT}).outcome == ROLL_BACK


def test_few_images_decide_nothing_and_say_how_many_are_lacking() -> None:
    found = verdict({"Star": (0.1, 0.9), **KEPT}, seeds=20)
    assert found.outcome == UNDECIDED
    assert found.needs and set(found.needs) <= {("Thing", thing) for thing in THINGS[1:]}
    assert all(n > 10 for n in found.needs.values())


def test_few_images_of_many_values_are_held_together() -> None:
    many = {f"v{n}": (1.0, 1.0) for n in range(20)}
    rng = np.random.default_rng(5)
    sides = [
        made({"Star": (0.1, 0.9)}, 60, rng),
        *(made({v: rate}, 4, rng, first=100 * n) for n, (v, rate) in enumerate(many.items())),
    ]
    found = decide(TARGET, sides, 1.0)
    assert [one.key for one in found.guards] == [REST] and found.guards[0].guard.change.pairs == 80


@pytest.mark.parametrize("alike", [("Ring", "Cross", "Square"), ("Star",)])
def test_images_that_become_alike_are_no_success(alike: tuple[str, ...]) -> None:
    found = verdict({"Star": (0.15, 0.9), **KEPT}, alike=alike)
    assert found.outcome == ROLL_BACK and all("become alike" in reason for reason in found.reasons)


def test_a_value_that_is_not_judged_is_said() -> None:
    rng = np.random.default_rng(1)
    base, lora = made({"Star": (0.1, 0.9), **KEPT}, 60, rng)
    nothing = {name: np.full(len(base.shots), np.nan) for name in base.success}
    found = decide(
        TARGET, [(Judged(base.shots, nothing, base.vectors), Judged(lora.shots, nothing, lora.vectors))], 1.0
    )
    assert found.outcome == ROLL_BACK and "does not see it" in found.reasons[0]


def test_images_of_other_seeds_are_no_pairs() -> None:
    rng = np.random.default_rng(1)
    one, other = made(KEPT, 3, rng)[0], made(KEPT, 3, rng, first=7)[1]
    with pytest.raises(ValueError, match="no pair"):
        pairs_of([(one, other)])


def test_the_strength_is_chosen_that_gains_most_less_what_it_costs() -> None:
    rng = np.random.default_rng(1)
    arms = {
        0.5: [made({"Star": (0.1, 0.4), **KEPT}, 40, rng)],
        0.8: [made({"Star": (0.1, 0.85), **KEPT}, 40, rng)],
        1.2: [made({"Star": (0.1, 0.95), **KEPT, "Ring": (0.97, 0.3)}, 40, rng)],
    }
    best, worth = best_strength(TARGET, arms)
    assert best == 0.8 and worth[1.2] < worth[0.5] < worth[0.8]
    same = made(KEPT, 10, rng)
    assert best_strength(TARGET, {1.0: [same], 0.6: [same]})[0] == 0.6  # of equals the weaker


def test_a_lora_that_does_nothing_is_seldom_promoted_however_often_one_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statistics, "RESAMPLES", 800)
    monkeypatch.setattr(statistics, "_DRAWN", 50)
    rng = np.random.default_rng(6)
    rounds, promoted = 150, 0
    for _ in range(rounds):
        sides: list[Pair] = []
        for look in range(1, LOOKS + 1):
            base, lora = made({"Star": (0.5, 0.5), "Ring": (1.0, 1.0)}, 40, rng, first=1000 * look)
            luck = rng.random(len(lora.shots)) < 0.5  # not the same luck on both sides
            column = np.where([shot.values["Thing"] == "Star" for shot in lora.shots], luck, 1.0)
            sides.append((base, Judged(lora.shots, {**lora.success, "Thing": column}, lora.vectors)))
            if decide(TARGET, sides, 1.0, look=look, margin=0.2).outcome == PROMOTE:
                promoted += 1
                break
    assert promoted / rounds <= 0.05


def test_few_seeds_prove_nothing_however_many_images_they_have() -> None:
    rng = np.random.default_rng(1)
    sides = [made({"Star": (0.0, 1.0)}, 3, rng) for _ in range(10)]
    found = decide(TARGET, sides, 1.0, looks=1)
    assert found.outcome == UNDECIDED and found.target.seeds == 3 and found.needs[TARGET] == 50
    assert any("too few seeds" in reason for reason in found.reasons)


@pytest.mark.parametrize(("alike", "outcome"), [((), PROMOTE), (("Star",), ROLL_BACK)])
def test_a_value_without_others_is_held_against_its_own_images_before(alike: tuple[str, ...], outcome: str) -> None:
    assert verdict({"Star": (0.1, 0.9)}, alike=alike).outcome == outcome


def test_no_promotion_where_nothing_is_known_of_diversity() -> None:
    """Of each value a handful: no distances to speak of."""
    rng = np.random.default_rng(2)
    sides = [
        made({"Star": (0.0, 1.0)}, 7, rng),
        *(made({f"v{n}": (1.0, 1.0)}, 3, rng, first=100 * n) for n in range(1, 60)),
    ]
    found = decide(TARGET, sides, 1.0, looks=1, margin=0.5)
    assert found.outcome == UNDECIDED and any("which it takes to tell" in reason for reason in found.reasons)
