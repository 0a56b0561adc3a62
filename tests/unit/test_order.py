"""What an order writes into the graph that it is placed with."""

from __future__ import annotations

from typing import Any, cast

import pytest

from sdgen_core.cli.graphs import Recipe, build
from sdgen_core.comfy import press
from sdgen_core.comfy.client import ComfyClient
from sdgen_core.templates import Options, load_text
from sdgen_core.templates.library import ChosenTemplate


@pytest.mark.parametrize(("batch", "written"), [(None, 1), (8, 8)])
def test_the_batch_of_an_order_is_the_planners(
    monkeypatch: pytest.MonkeyPatch, batch: int | None, written: int
) -> None:
    monkeypatch.setattr(press, "submit", lambda client, graph, planner: graph[planner]["inputs"])
    template = load_text("name: t\nprompt: a cat\ngeneration: {max_images: -1}\n", Options())
    wanted = press.Order(ChosenTemplate((template,)), batch=batch)
    inputs: dict[str, Any] = press.place(cast(ComfyClient, None), build(Recipe()).prompt, wanted)
    assert inputs["batch"] == written
