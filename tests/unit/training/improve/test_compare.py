"""Two sessions are held against each other by their images of the same seed and values, whatever their order."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from sdgen_core.training.improve.compare import paired, told
from sdgen_core.training.improve.decide import UNDECIDED, Verdict
from sdgen_core.training.improve.making import Shot
from sdgen_core.training.improve.statistics import change, diversity

SHOTS = st.lists(
    st.builds(
        lambda seed, key, n: Shot(Path(f"{n}.png"), "", n, seed, {"Thing": key}),
        st.integers(0, 4), st.sampled_from("ab"), st.integers(0, 10**6),
    ),
    max_size=20,
)  # fmt: skip


@given(SHOTS, SHOTS)
def test_pairs_have_the_same_seed_and_values_and_no_image_is_in_two(first: list[Shot], second: list[Shot]) -> None:
    one, other = paired(first, second)
    assert [(a.seed, a.values) for a in one] == [(b.seed, b.values) for b in other]
    assert len({id(shot) for shot in other}) == len(other)

    def count(shots: list[Shot], seed: int, key: str) -> int:
        return sum((shot.seed, shot.values["Thing"]) == (seed, key) for shot in shots)

    for seed in range(5):
        for key in "ab":
            assert count(one, seed, key) == min(count(first, seed, key), count(second, seed, key))


def test_a_verdict_is_told_with_its_figures() -> None:
    risen = change([0.0] * 10, [1.0] * 10, range(10))
    verdict = Verdict(
        UNDECIDED,
        1.0,
        1,
        risen,
        [],
        diversity([], [], 0.7),
        diversity([], [], 0.7),
        ["in doubt"],
        {("Thing", "a"): 1500},
    )
    text = told(verdict)
    assert (
        text.startswith("undecided: in doubt\n0 % -> 100 %")
        and "10 pairs" in text
        and "1,500 more pairs of Thing=a" in text
    )
