"""What a loop needs no ComfyUI for: what it is asked, what it remembers, and what it copies."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdgen_core.errors import SDGenError
from sdgen_core.training.improve.loop import Cycle, Wanted, copy_with_metadata
from sdgen_core.training.improve.report import page

VALUES = {"Thing": {"Star": "a star", "Ring": "a ring"}, "Ground": {"White": "white"}}


def safetensors(metadata: dict[str, str] | None, tensors: bytes) -> bytes:
    header: dict[str, Any] = {"a": {"dtype": "U8", "shape": [len(tensors)], "data_offsets": [0, len(tensors)]}}
    if metadata is not None:
        header["__metadata__"] = metadata
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + tensors


@given(st.binary(max_size=200), st.none() | st.dictionaries(st.text(max_size=8), st.text(max_size=20), max_size=3))
def test_a_copy_has_the_same_tensors_and_more_to_say(
    tmp_path_factory: pytest.TempPathFactory, tensors: bytes, metadata: dict[str, str] | None
) -> None:
    folder = tmp_path_factory.mktemp("copy")
    (folder / "one").write_bytes(safetensors(metadata, tensors))
    copy_with_metadata(folder / "one", folder / "below" / "two", {"sdgen_run": "é"})
    data = (folder / "below" / "two").read_bytes()
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + size])
    assert header["__metadata__"] == {**(metadata or {}), "sdgen_run": "é"} and header["a"]["shape"] == [len(tensors)]
    assert data[8 + size :] == tensors and size % 8 == 0


@pytest.mark.parametrize("data", [b"", b"abc", b"\xff" * 40, (5).to_bytes(8, "little") + b"[1,2]"])
def test_what_is_no_lora_is_not_promoted(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "one").write_bytes(data)
    with pytest.raises(SDGenError) as caught:
        copy_with_metadata(tmp_path / "one", tmp_path / "two", {})
    assert caught.value.code == "bad-training" and not (tmp_path / "two").exists()
    with pytest.raises(SDGenError) as caught:
        copy_with_metadata(tmp_path / "nowhere", tmp_path / "two", {})
    assert caught.value.code == "missing-file"


@pytest.mark.parametrize(
    "said", [{"cycles": 0}, {"strengths": []}, {"margin": 0.0}, {"images": 3}, {"focus": "many"}, {"nonsense": 1}]
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
