"""What ComfyUI's start does not wait for."""

from __future__ import annotations

import threading
import time
from types import SimpleNamespace

import pytest

from sdgen_core.comfy import host
from sdgen_core.scoring import QUEUE


@pytest.fixture
def engine(tmp_path, monkeypatch):
    monkeypatch.setattr(host, "_LIBRARY_DELAY", 0.3)
    (tmp_path / "scoring").mkdir()
    made = object.__new__(host.Engine)  # without ComfyUI, as far as scoring goes
    made.library = SimpleNamespace(folder=tmp_path)
    made.started, made.stopped = threading.Event(), threading.Event()
    made._jobs = SimpleNamespace(start=made.started.set, stop=made.stopped.set)
    made._making = threading.Lock()
    yield made
    made._end_scoring()
    assert made.stopped.is_set()


def test_scoring_goes_on_after_the_start(engine, tmp_path):
    (tmp_path / "scoring" / QUEUE).write_text('[{"session": "a", "scorer": "demo"}]', encoding="utf-8")
    engine._score_later()
    assert not engine.started.is_set()
    assert engine.started.wait(10)


@pytest.mark.parametrize("left", ["[]", None, "stopped"])
def test_nothing_begins_when_nothing_waits_or_the_end_came_first(engine, tmp_path, left):
    if left:
        (tmp_path / "scoring" / QUEUE).write_text(left, encoding="utf-8")
    engine._score_later()
    if left == "stopped":
        engine._end_scoring()
    time.sleep(0.6)
    assert not engine.started.is_set()
