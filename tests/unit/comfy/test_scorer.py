"""What becomes of images whose score cannot be said, and when ComfyUI counts as rendering."""

from types import SimpleNamespace

import pytest

from sdgen_core.comfy import host, scorer
from sdgen_core.comfy.score_text import image_text, mean_score
from sdgen_core.errors import SDGenError


@pytest.fixture
def failing(monkeypatch):
    """An engine whose model fails with this error."""

    def begin(error):
        def look(*_):
            raise error

        ledger = SimpleNamespace(item=lambda session, index: index)
        sessions = SimpleNamespace(load=lambda session: SimpleNamespace(id=session), ledger=ledger)
        engine = SimpleNamespace(sessions=sessions, live=SimpleNamespace(look=look))
        monkeypatch.setattr(host, "engine", lambda: engine)
        return scorer.Scorer("demo", None)

    return begin


@pytest.mark.parametrize(
    "code",
    ["scorer-not-finite", "scorer-out-of-memory", "embeddings-locked", "disk-full", "bad-embeddings", "bad-settings"],
)
def test_an_image_of_a_session_is_not_lost_over_its_score(failing, caplog, code):
    model = failing(SDGenError(code, "it went wrong"))
    said = scorer.look(model, ["one", "two"], "s1/0/1")
    assert [one["error"] for one in said] == [code, code] and mean_score(said) == 0
    assert "it went wrong" in image_text(said[0]) and code in image_text(said[0])
    assert "without a score: it went wrong" in caplog.text
    with pytest.raises(SDGenError, match="it went wrong"):  # nothing is to be saved of it
        scorer.look(model, ["one"], "s1/0")


def test_what_is_wrong_with_the_graph_is_said(failing):
    with pytest.raises(SDGenError, match="3 items"):
        scorer.look(failing(SDGenError("not-batchable", "3 items")), ["one"], "s1/0,1,2/1,1,1")
    with pytest.raises(SDGenError) as caught:
        scorer.look(failing(SDGenError("disk-full", "full")), ["one"], "")
    assert caught.value.code == "nothing-to-score"


def test_between_two_prompts_of_a_queue_it_renders(monkeypatch):
    left = 2
    queue = SimpleNamespace(get_tasks_remaining=lambda: left, currently_running={})
    monkeypatch.setattr(host, "_prompt_server", lambda: SimpleNamespace(prompt_queue=queue))
    assert host.rendering() is True
    left = 0
    assert host.rendering() is False
