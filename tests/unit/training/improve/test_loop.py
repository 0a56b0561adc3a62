"""What a loop needs no ComfyUI for: what it is asked, what it remembers, and what it copies."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sdgen_core.errors import SDGenError
from sdgen_core.training.improve.loop import Cycle, Wanted
from sdgen_core.training.improve.report import page

VALUES = {"Thing": {"Star": "a star", "Ring": "a ring"}, "Ground": {"White": "white"}}


@pytest.mark.parametrize(
    "said",
    [
        {"cycles": 0},
        {"strengths": []},
        {"strengths": [float("nan")]},
        {"strengths": [-1.0]},
        {"margin": 0.0},
        {"images": 3},
        {"focus": "many"},
        {"nonsense": 1},
    ],
)
def test_what_cannot_be_asked_for_is_named(said: dict[str, Any]) -> None:
    with pytest.raises(SDGenError) as caught:
        Wanted.of(**said)
    assert caught.value.code == "bad-option" and next(iter(said)) in str(caught.value)


def test_a_report_of_a_loop_that_has_hardly_begun() -> None:
    aim = {"placeholder": "Thing", "key": "Star", "text": "a <star>"}
    begun = Cycle(1, {"aim": aim}, {"aim": 0.1})
    hopeless = Cycle(
        2, {"aim": aim, "choose 1": {"folder": "", "why": "0 of 8 chosen"}, "end": {"outcome": "no material"}}
    )
    text = page("a & b", [begun.to_dict(), hopeless.to_dict(), Cycle(3).to_dict()], VALUES)
    assert "a &lt;star&gt;" in text and "not finished" in text and "no material" in text and "0 of 8 chosen" in text
    assert "a &amp; b" in text and "<star>" not in text


def test_images_that_are_gone_are_said_to_be(tmp_path: Path) -> None:
    change = {
        "pairs": 3, "seeds": 3, "before": 0.1, "after": 0.9, "difference": 0.8, "low": 0.2, "high": 1.0, "level": 0.02, "deviation": 0.5,
    }  # fmt: skip
    diverse = {"ratio": None, "low": 0.0, "high": 1.0, "values": 0, "state": "undecided"}
    guard = {**change, "placeholder": "Thing", "key": "Ring", "state": "undecided", "needs": 1234}
    verdict = {
        "outcome": "undecided", "strength": 1.0, "look": 1, "target": change, "guards": [guard], "diversity": diverse,
        "own_diversity": diverse, "reasons": ["because"], "needs": [], "remarks": ["loud"], "judge": "B", "chooser": "A",
        "benchmark": "0" * 16, "sides": [{"base": str(tmp_path / "gone"), "lora": str(tmp_path / "gone")}], "margin": 0.05,
    }  # fmt: skip
    cycle = Cycle(
        1, {"aim": {"placeholder": "Thing", "key": "Star", "text": "a star"}, "judge 1": verdict}, {"aim": 1.0}
    )
    text = page("x", [cycle.to_dict()], VALUES)
    assert "are gone" in text and "1,234" in text and "Thing: a ring" in text and "loud" in text and "+80" in text
