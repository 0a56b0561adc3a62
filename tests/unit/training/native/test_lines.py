"""The worker's lines and the training bar, read back."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdgen_core.training.native import lines
from sdgen_core.training.native.lines import Bar
from sdgen_core.training.runs.model import Cause


def drawn(at: int, total: int, loss: float | None) -> str:
    """The bar as tqdm draws it (``Training LoRA:  83%|████████▎ | 10/12 [00:00<00:00, 93.95it/s, loss=9.0000]``)."""
    end = "" if loss is None else f", loss={loss:.4f}"
    return f"Training LoRA: {100 * at // total:3d}%|{'█' * (10 * at // total):<10}| {at}/{total} [00:01<00:02, 93.95it/s{end}]"


@given(
    passes=st.integers(1, 5),
    losses=st.lists(st.integers(0, 99999).map(lambda n: n / 10000), min_size=1, max_size=40),
    counted=st.lists(st.booleans(), min_size=40, max_size=40),
)
def test_every_step_gets_the_mean_of_its_passes(passes: int, losses: list[float], counted: list[bool]) -> None:
    """However often tqdm counts: it does so after any pass, and draws each pass before that."""
    total = len(losses) - len(losses) % passes
    bar, told, at = Bar(passes), [], 0
    pieces = [drawn(0, max(total, 1), None)]
    for n, loss in enumerate(losses[:total]):
        pieces.append(drawn(at, total, loss))
        if counted[n] or n + 1 == total:
            at = n + 1
            pieces.append(drawn(at, total, loss))
    for piece in pieces:
        told += bar.read(piece)
    wanted = [math.fsum(losses[k : k + passes]) / passes for k in range(0, total, passes)]
    assert [number for number, _ in told] == list(range(1, len(wanted) + 1))
    assert [loss for _, loss in told] == pytest.approx(wanted)


@given(passes=st.integers(1, 4), steps=st.integers(1, 20), lost=st.sets(st.integers(0, 200)))
def test_drawings_that_are_lost_cost_no_step(passes: int, steps: int, lost: set[int]) -> None:
    total = passes * steps
    pieces = [drawn(at, total, 0.5) for n in range(total) for at in (n, n + 1)]
    told = []
    bar = Bar(passes)
    for n, piece in enumerate(pieces):
        if n not in lost or n == len(pieces) - 1:
            told += bar.read(piece)
    assert [number for number, _ in told] == list(range(1, steps + 1))


def test_a_loss_that_is_no_number_is_told() -> None:
    [(step, loss)] = Bar(1).read(drawn(0, 2, math.nan))
    assert step == 1
    assert math.isnan(loss)


def test_the_loss_of_images_of_several_sizes_is_scaled_back() -> None:
    bar = Bar(2, scale=2.0)
    told = [step for piece in (drawn(0, 4, 0.1), drawn(1, 4, 0.1), drawn(1, 4, 0.3)) for step in bar.read(piece)]
    assert told == [(1, pytest.approx(0.4))]


@given(st.text())
def test_other_text_tells_nothing(text: str) -> None:
    assert Bar(1).read(text) == []
    assert lines.seen(text) is None
    assert lines.failure(text) is None


@given(
    st.sampled_from(["", "step ", "step 1 of ", "state after step 1: ", "LoRA after step 1: ", "failed [x]: "]),
    st.text(),
)
def test_what_is_only_like_a_line_of_ours_breaks_nothing(begin: str, text: str) -> None:
    lines.seen(lines.phase(begin + text))
    lines.failure(lines.phase(begin + text))


@given(st.integers(0, 10**6), st.integers(1, 10**6), st.floats(0, 10, allow_nan=False))
def test_steps_are_read_as_they_were_said(step: int, steps: int, loss: float) -> None:
    seen = lines.seen(lines.step(step, steps, loss) + "\n")
    assert seen is not None
    assert (seen.step, seen.steps, seen.loss, seen.phase) == (step, steps, loss, "training")


def test_a_loss_that_is_no_number_is_not_said() -> None:
    assert lines.step(3, 10, float("nan")) == lines.step(3, 10, None) == "SDGen training: step 3 of 10"
    seen = lines.seen(lines.step(3, 10, None))
    assert seen is not None and (seen.step, seen.loss) == (3, None)


@given(st.text(st.characters(blacklist_categories=("Cs",)), min_size=1))
def test_files_with_any_name_are_read_as_they_were_said(name: str) -> None:
    path = Path("états") / name
    text = lines.saved(path, 3)
    assert "\n" not in text
    assert "\r" not in text
    seen = lines.seen(text)
    assert seen is not None
    assert (seen.saved, seen.step) == (path, 3)
    seen = lines.seen(lines.state(path, 4))
    assert seen is not None
    assert (seen.state, seen.step) == (path, 4)


@given(st.text(st.characters(blacklist_categories=("Cs",))), st.text(st.characters(blacklist_categories=("Cs",))))
def test_failures_are_read_as_they_were_said(sentence: str, hint: str) -> None:
    cause = Cause("loss-nan", sentence, hint)
    assert lines.failure(lines.failed(cause)) == cause
    assert lines.seen(lines.failed(cause)) is None


def test_a_phase_is_a_word() -> None:
    assert lines.failure(lines.phase("saving")) is None
    seen = lines.seen(lines.phase("saving"))
    assert seen is not None
    assert seen.phase == "saving"
    assert lines.seen("SDGen: saving") is None
