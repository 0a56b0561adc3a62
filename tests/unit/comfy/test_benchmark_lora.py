"""What is executed when the sessions of SDGen Benchmark LoRA are there: the node and what reads it, never a training again."""

from __future__ import annotations

from typing import Any

from sdgen_core.comfy.benchmark_lora import after


def node(kind: str, **inputs: Any) -> dict[str, Any]:
    return {"class_type": kind, "inputs": inputs}


def test_the_node_and_what_reads_it_alone_come_after() -> None:
    graph = {
        "1": {**node("SDGenLoadScorer"), "is_changed": 1.0},
        "2": node("PrimitiveString", value="A=b"),
        "3": node("SDGenScoreSession", scorer=["1", 0]),
        "4": node("SDGenTrainLoRA", dataset="d"),
        "5": node("SDGenAwaitLoRA", watcher=["4", 0]),
        "6": node("SDGenBenchmarkLoRA", scorer=["1", 0], without=["3", 4], value=["2", 0], lora=["5", 0]),
        "7": node("PreviewAny", source=["6", 2]),
        "8": node("Concatenate", a=["6", 2], b=["2", 0]),
        "9": node("PreviewAny", source=["8", 0]),
        "10": node("Concatenate", a=["6", 2], b=["5", 1]),
        "11": node("PreviewAny", source=["10", 0]),
        "12": node("PreviewAny", source=["3", 2]),
    }
    given = {"without": "x", "with_lora": "y", "value": "A=b", "margin": 5.0, "lora": ""}
    out = after(graph, "6", given)
    assert set(out) == {"1", "6", "7"}
    assert out["6"]["inputs"] == {"scorer": ["1", 0], **given} and "is_changed" not in out["1"]
    assert graph["6"]["inputs"]["lora"] == ["5", 0]  # the press's own graph stays
