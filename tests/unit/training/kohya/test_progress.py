"""The log of a real training is understood, wherever the reading of it was cut."""

from __future__ import annotations

import math
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sdgen_core.training.kohya.causes import cause
from sdgen_core.training.kohya.progress import read
from sdgen_core.training.runs.model import Seen
from sdgen_core.training.runs.trail import Trail

RECORDED = Path(__file__).parent / "recorded"
GOOD = (RECORDED / "good.txt").read_bytes().split(b"\n", 1)[1]


def _seen(data: bytes, cuts: list[int]) -> list[Seen]:
    """What is seen of a log that grows up to each of the cuts, one after another."""
    out = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "log.txt"
        trail = Trail(path)
        begin = 0
        for end in [*sorted(cuts), len(data)]:
            with path.open("ab") as file:
                file.write(data[begin:end])
            begin = end
            out += [read(piece) for piece in trail.read()]
        out += [read(piece) for piece in trail.all()]
    return [one for one in out if one is not None]


def test_a_whole_training() -> None:
    """Six steps with a state every two, as ``real.py`` recorded it."""
    seen = _seen(GOOD, [])
    bars = [one for one in seen if one.phase == "training" and one.step is not None]
    assert {one.steps for one in bars} == {6}
    assert sorted({one.step for one in bars}) == list(range(7))
    losses = {one.step for one in bars if one.loss is not None}
    assert losses == {1, 2, 3, 4, 5, 6} and all(one.loss is None or 0 < one.loss < 10 for one in bars)
    states = [(one.step, one.state and one.state.name) for one in seen if one.state]
    assert states == [(n, f"smoke-step{n:08d}-state") for n in (2, 4, 6)] + [(None, "smoke-state")]
    saved = [one.saved.name for one in seen if one.saved]
    assert saved == [f"smoke-step{n:08d}.safetensors" for n in (2, 4, 6)] + ["smoke.safetensors"]
    phases = list(dict.fromkeys(one.phase for one in seen))
    assert phases == ["loading", "caching", "training", "saving"]


@given(cuts=st.lists(st.integers(0, len(GOOD)), max_size=20))
@settings(max_examples=50, deadline=None)
def test_cuts_anywhere_change_nothing(cuts: list[int]) -> None:
    assert _seen(GOOD, cuts) == _seen(GOOD, [])


@pytest.mark.parametrize(
    ("piece", "seen"),
    [
        (
            "steps:  33%|███▎      | 1/3 [00:12<00:24, 12.17s/it, avr_loss=1.27]",
            Seen(1, 3, 1.27, "training"),
        ),
        (
            "steps:  50%|█████     | 500/1000 [00:12<00:24,  2.17it/s, Keys Scaled=3, avr_loss=0.0817]",
            Seen(500, 1000, 0.0817, "training"),
        ),
        ("steps:   0%|          | 0/8 [00:00<?, ?it/s]", Seen(0, 8, None, "training")),
        ("steps: 100%|##########| 8/8 [00:05<00:00,  1.54it/s, avr_loss=1e-05]", Seen(8, 8, 1e-5, "training")),
        ("validation steps:  50%|█████     | 1/2 [00:01<00:01,  1.0s/it, val_avg_loss=0.3, timestep=200]", None),
        (" 25%|██▌       | 1/4 [00:00<00:02,  1.48it/s]", None),
        ("read caption: 100%|██████████| 4/4 [00:00<00:00, 29076.63it/s]", None),
        ("  total optimization steps / 学習ステップ数: 1600", Seen(steps=1600, phase="training")),
        ("  num batches per epoch / 1epochのバッチ数: 4", None),
        ("saving checkpoint: /a b/é.safetensors", Seen(phase="saving", saved=Path("/a b/é.safetensors"))),
        (
            "Random states saved in /out/x-step00000120-state/random_states_0.pkl",
            Seen(step=120, phase="saving", state=Path("/out/x-step00000120-state")),
        ),
        ("saving state at step 3", Seen(phase="saving")),
        ("generating sample images at step / サンプル画像生成 ステップ: 20", Seen(phase="sampling")),
        ("caching latents...", Seen(phase="caching")),
        ("caching Text Encoder outputs...", Seen(phase="caching")),
        ("caching text encoder outputs.", Seen(phase="caching")),
        ("running training / 学習開始", Seen(phase="training")),
        ("", None),
        ("anything else", None),
    ],
)
def test_exact_lines(piece: str, seen: Seen | None) -> None:
    assert read(piece) == seen


@pytest.mark.parametrize("word", ["nan", "inf"])
def test_a_loss_that_is_no_number_is_told(word: str) -> None:
    seen = read(f"steps:  50%|█████     | 1/2 [00:01<00:01,  1.0s/it, avr_loss={word}]")
    assert seen is not None and seen.loss is not None and not math.isfinite(seen.loss)


@given(piece=st.text(max_size=200))
def test_any_text_is_read(piece: str) -> None:
    read(piece)


@pytest.mark.timeout(60)  # hours, where a pattern goes back and forth
@pytest.mark.parametrize("what", [" ", "1 ", "steps: ", "x.", "\t", "%|"])
def test_long_pieces_say_nothing(what: str) -> None:
    assert read(what * (1 << 17)) is None
    assert cause(what * (1 << 15), 0) is None
